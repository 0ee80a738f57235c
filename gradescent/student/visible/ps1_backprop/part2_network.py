"""Visible checks of part 2: a network of any depth."""

from __future__ import annotations

import numpy as np

from gradescent.student.compare import check_array, check_sequence, check_unmodified, compare, relative_error, wrong
from gradescent.student.judging import Handle, Questions, Student

questions = Questions()


@questions("network", needs=("Network",))
def shapes_of_the_parameters(student: Student, rng: np.random.Generator) -> None:
    sizes = [2, 3, 4]
    net = student.new("Network", sizes)
    for layer, bias in enumerate(check_sequence("biases of Network([2, 3, 4])", net.get("biases"), 2)):
        check_array(f"biases[{layer}] of Network([2, 3, 4])", bias, (sizes[layer + 1], 1))
    for layer, weight in enumerate(check_sequence("weights of Network([2, 3, 4])", net.get("weights"), 2)):
        check_array(f"weights[{layer}] of Network([2, 3, 4])", weight, (sizes[layer + 1], sizes[layer]))


@questions("network", needs=("Network",))
def order_of_the_draws(student: Student, rng: np.random.Generator) -> None:
    student.seed(1)
    net = student.new("Network", [1, 1, 1])
    # np.random.seed(1) is followed by these four normal numbers, which any NumPy prints.
    drawn = [1.6243453636632417, -0.6117564136500754, -0.5281717522634557, -1.0729686221561705]
    values = [
        np.asarray(array).item() for name in ("biases", "weights") for array in check_sequence(name, net.get(name), 2)
    ]
    compare(
        "[b1, b2, W1, W2] of Network([1, 1, 1]) after np.random.seed(1)",
        np.array(values),
        np.array(drawn),
        next_step="draw with np.random.randn alone: first all biases, then all weights",
    )


@questions("forward_prop", needs=("Network",))
def forward_by_hand(student: Student, rng: np.random.Generator) -> None:
    net = _set(
        student.new("Network", [2, 2, 1]), [[[0.0, 0.0], [0.0, 0.0]], [[2.0, -2.0]]], [[[0.0], [np.log(3)]], [[0.5]]]
    )
    x = np.array([[1.0], [-1.0]])
    # The hidden layer gives 1/2 and 3/4, so z = 2·(1/2) − 2·(3/4) + 1/2 = 0 and the output is 1/2.
    compare("forward_prop of a 2-2-1 network, by hand", net.call("forward_prop", x), [[0.5]])
    check_unmodified("forward_prop", student.modified, ("a",))


@questions("forward_prop", needs=("Network",))
def forward_column_by_column(student: Student, rng: np.random.Generator) -> None:
    for hidden, output in (("sigmoid", "sigmoid"), ("relu", "softmax"), ("tanh", "softmax")):
        net = _filled(student, [3, 4, 2], rng, hidden, output)
        x = rng.normal(size=(3, 5))
        together = check_array(
            f"forward_prop of 5 columns, hidden={hidden!r}, output={output!r}", net.call("forward_prop", x), (2, 5)
        )
        for column in range(5):
            alone = net.call("forward_prop", x[:, [column]])
            compare(f"column {column} of forward_prop, alone and in a batch of 5", together[:, [column]], alone)
        if output == "softmax":
            compare("sum of each column of a softmax output", together.sum(axis=0), np.ones(5))


@questions("forward_prop", needs=("Network",))
def forward_of_relu(student: Student, rng: np.random.Generator) -> None:
    weights, biases = [[[1.0], [-1.0]], [[np.log(2), 0.0], [0.0, np.log(3)]]], [[[0.0], [0.0]], [[0.0], [0.0]]]
    net = _set(student.new("Network", [1, 2, 2], hidden="relu", output="softmax"), weights, biases)
    # relu(x), relu(−x) is (1, 0) for x = 1: logits (log 2, 0); for x = −1: (0, log 3).
    compare(
        "forward_prop of a ReLU-softmax network, by hand",
        net.call("forward_prop", np.array([[1.0, -1.0]])),
        [[2 / 3, 1 / 4], [1 / 3, 3 / 4]],
    )


@questions("back_prop", needs=("Network",))
def gradients_of_one_example(student: Student, rng: np.random.Generator) -> None:
    _check_gradients(student, rng, [2, 3, 2], 1, "sigmoid", "sigmoid")


@questions("back_prop", needs=("Network",))
def gradients_of_a_batch(student: Student, rng: np.random.Generator) -> None:
    _check_gradients(student, rng, [3, 4, 3, 2], 4, "sigmoid", "sigmoid")
    _check_gradients(student, rng, [3, 4, 3, 2], 4, "tanh", "softmax")


@questions("evaluate", needs=("Network",))
def accuracy_of_four_examples(student: Student, rng: np.random.Generator) -> None:
    net = _set(student.new("Network", [2, 2]), [[[1.0, 0.0], [0.0, 1.0]]], [[[0.0], [0.0]]])
    inputs = [[3.0, 1.0], [1.0, 3.0], [2.0, 0.0], [0.5, 0.1]]
    data = [(np.array([x]).T, np.eye(2)[[target]].T) for x, target in zip(inputs, [0, 1, 1, 0], strict=True)]
    compare("evaluate of four examples of which three are right", net.call("evaluate", data), 0.75)


def _check_gradients(
    student: Student, rng: np.random.Generator, sizes: list[int], m: int, hidden: str, output: str
) -> None:
    """back_prop against central differences of the cost of the student's own forward_prop."""
    net = _filled(student, sizes, rng, hidden, output)
    x = rng.normal(size=(sizes[0], m))
    y = np.eye(sizes[-1])[rng.integers(0, sizes[-1], m)].T
    parameters = {name: [np.array(array) for array in net.get(name)] for name in ("weights", "biases")}
    dW, db = check_sequence("back_prop's return value (dW_list, db_list)", net.call("back_prop", x, y), 2)
    for label, name, got in (("dW", "weights", dW), ("db", "biases", db)):
        for layer, gradient in enumerate(check_sequence(f"{label}_list", got, len(sizes) - 1)):
            expected = _numerical(net, name, parameters[name], layer, x, y, output)
            what = f"{label}[{layer}] of Network({sizes}, hidden={hidden!r}, output={output!r}) for {m} example{'s' * (m > 1)}"
            if m > 1 and relative_error(gradient, expected / m) <= 1e-6:
                raise wrong(
                    what,
                    "is the mean over the mini-batch",
                    "the gradients are SUMS over the columns here",
                    "drop the division by m",
                )
            compare(
                what,
                gradient,
                expected,
                tolerance=1e-5,
                next_step="compare delta of the output layer with the formula above",
            )


def _numerical(
    net: Handle, name: str, arrays: list[np.ndarray], layer: int, x: np.ndarray, y: np.ndarray, output: str
) -> np.ndarray:
    gradient = np.empty_like(arrays[layer])
    for index in np.ndindex(gradient.shape):
        costs = []
        for step in (1e-5, -1e-5):
            moved = [array.copy() for array in arrays]
            moved[layer][index] += step
            net.set(name, moved)
            a = net.call("forward_prop", x)
            costs.append(-np.sum(y * np.log(a)) if output == "softmax" else 0.5 * np.sum((a - y) ** 2))
        gradient[index] = (costs[0] - costs[1]) / 2e-5
    net.set(name, arrays)
    return gradient


def _filled(student: Student, sizes: list[int], rng: np.random.Generator, hidden: str, output: str) -> Handle:
    weights = [rng.normal(size=(n_out, n_in)) for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True)]
    return _set(
        student.new("Network", sizes, hidden=hidden, output=output),
        weights,
        [rng.normal(size=(n, 1)) for n in sizes[1:]],
    )


def _set(net: Handle, weights: list, biases: list) -> Handle:
    net.set("weights", [np.array(w) for w in weights])
    net.set("biases", [np.array(b) for b in biases])
    return net
