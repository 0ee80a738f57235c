"""Visible checks of part 2: a network of any depth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from gradescent.student.compare import (
    Suspect,
    check_array,
    check_sequence,
    check_shape,
    check_unmodified,
    compare,
    wrong,
)
from gradescent.student.judging import Handle, Questions, Student

questions = Questions()

ONE_A_GAP = (
    "one for each gap between layers belongs there; lists of the class instead of self keep those of older networks"
)


@questions("network", needs=("Network",))
def shapes_of_the_parameters(student: Student, rng: np.random.Generator) -> None:
    sizes = [2, 3, 4]
    net = student.new("Network", sizes)
    for layer, bias in enumerate(check_sequence("biases of Network([2, 3, 4])", net.get("biases"), 2, ONE_A_GAP)):
        check_array(f"biases[{layer}] of Network([2, 3, 4])", bias, (sizes[layer + 1], 1))
    for layer, weight in enumerate(check_sequence("weights of Network([2, 3, 4])", net.get("weights"), 2, ONE_A_GAP)):
        check_array(f"weights[{layer}] of Network([2, 3, 4])", weight, (sizes[layer + 1], sizes[layer]))


@questions("network", needs=("Network",))
def order_of_the_draws(student: Student, rng: np.random.Generator) -> None:
    student.seed(1)
    net = student.new("Network", [1, 1, 1])
    # np.random.seed(1) is followed by these four normal numbers, which any NumPy prints.
    first, second, third, fourth = 1.6243453636632417, -0.6117564136500754, -0.5281717522634557, -1.0729686221561705
    values = [
        check_array(f"{name}[{layer}] of Network([1, 1, 1])", array, (1, 1)).item()
        for name in ("biases", "weights")
        for layer, array in enumerate(check_sequence(name, net.get(name), 2, ONE_A_GAP))
    ]
    compare(
        "[b1, b2, W1, W2] of Network([1, 1, 1]) after np.random.seed(1)",
        np.array(values),
        np.array([first, second, third, fourth]),
        [
            Suspect([third, fourth, first, second], "the weights are drawn before the biases"),
            Suspect([first, third, second, fourth], "biases and weights are drawn layer by layer"),
            Suspect([0.0, 0.0, first, second], "the biases are zero; draw them too"),
        ],
        next_step="draw with np.random.randn alone: first all biases, then all weights",
    )


@questions("network", needs=("Network",))
def two_networks_differ(student: Student, rng: np.random.Generator) -> None:
    student.seed(2)
    first, second = (check_sequence("weights", student.new("Network", [2, 3]).get("weights"), 1)[0] for _ in range(2))
    if np.array_equal(first, second):
        raise wrong(
            "two networks made one after the other",
            "have the same weights",
            "a seed is set inside __init__, or the weights are not drawn at random",
            "leave np.random.seed to whoever uses the class",
        )


@questions("forward_prop", needs=("Network",))
def forward_by_hand(student: Student, rng: np.random.Generator) -> None:
    log3 = np.log(3)
    weights, biases = [[[log3, 0.0], [0.0, log3]], [[2.0, -4.0]]], [[[-log3], [2 * log3]], [[2 + log3]]]
    net = _set(student.new("Network", [2, 2, 1]), weights, biases)
    # For x = (1, −1) the hidden z are (0, log 3), so a = (1/2, 3/4); z = 1 − 3 + 2 + log 3, and the output is 3/4.
    compare(
        "forward_prop of a 2-2-1 network for x = (1, -1), by hand",
        net.call("forward_prop", np.array([[1.0], [-1.0]])),
        [[0.75]],
        [
            Suspect([[log3]], "the output layer has no activation; its z is log 3"),
            Suspect([[1 / (1 + np.exp(-0.5))]], "the biases are left out"),
            Suspect([[0.5], [0.75]], "the last layer is left out"),
        ],
        next_step="write the z and a of both layers on paper: z = (0, log 3), a = (1/2, 3/4), z = log 3, a = 3/4",
    )
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
            compare(
                "sum of each column of forward_prop with output='softmax'",
                together.sum(axis=0),
                np.ones(5),
                next_step="the output layer must use softmax here, column by column",
            )


@questions("forward_prop", needs=("Network",))
def forward_of_relu(student: Student, rng: np.random.Generator) -> None:
    weights, biases = [[[1.0], [-1.0]], [[np.log(2), 0.0], [0.0, np.log(3)]]], [[[0.0], [0.0]], [[0.0], [0.0]]]
    net = _set(student.new("Network", [1, 2, 2], hidden="relu", output="softmax"), weights, biases)
    # relu(x), relu(−x) is (1, 0) for x = 1: logits (log 2, 0); for x = −1: (0, log 3).
    compare(
        "forward_prop of a ReLU-softmax network, by hand",
        net.call("forward_prop", np.array([[1.0, -1.0]])),
        [[2 / 3, 1 / 4], [1 / 3, 3 / 4]],
        next_step="the hidden layer must use relu here, because hidden='relu'; it gives (1, 0) for x = 1",
    )


@questions("forward_prop", needs=("Network",))
def forward_of_large_values(student: Student, rng: np.random.Generator) -> None:
    net = _filled(student, [3, 4, 2], rng, "sigmoid", "softmax")
    x = rng.normal(size=(3, 2))
    before = check_array("forward_prop of a softmax network", net.call("forward_prop", x), (2, 2))
    biases = [np.array(b) for b in net.get("biases")]
    net.set("biases", [biases[0], biases[1] + 1000])
    # Softmax does not change when the same number is added to all z of a column.
    after = net.call("forward_prop", x)
    if not np.all(np.isfinite(check_shape("forward_prop with 1000 added to the last biases", after, (2, 2)))):
        raise wrong(
            "forward_prop of a softmax network with 1000 added to the last biases",
            "holds NaN or infinite values; the outputs should stay as they were",
            "exp of a large number overflows",
            "subtract the largest z of each column before exp",
        )
    compare("forward_prop of a softmax network with 1000 added to the last biases", after, before)


@questions("back_prop", needs=("Network",))
def gradients_of_one_example(student: Student, rng: np.random.Generator) -> None:
    _check_gradients(student, rng, [2, 3, 2], 1, "sigmoid", "sigmoid")


@questions("back_prop", needs=("Network",))
def gradients_of_a_batch(student: Student, rng: np.random.Generator) -> None:
    _check_gradients(student, rng, [3, 4, 3, 2], 4, "sigmoid", "sigmoid")
    _check_gradients(student, rng, [3, 4, 3, 2], 4, "tanh", "softmax")


@questions("back_prop", needs=("Network",))
def nothing_changes(student: Student, rng: np.random.Generator) -> None:
    net = _filled(student, [3, 4, 2], rng, "relu", "softmax")
    kept = {name: [np.array(array) for array in net.get(name)] for name in ("weights", "biases")}
    x, y = rng.normal(size=(3, 4)), np.eye(2)[rng.integers(0, 2, 4)].T
    first = gradient_lists(net.call("back_prop", x, y), kept["weights"], kept["biases"])
    check_unmodified("back_prop", student.modified, ("x", "y"))
    _check_kept(net, kept)
    second = gradient_lists(net.call("back_prop", x, y), kept["weights"], kept["biases"])
    for label, once, again in zip(("dW", "db"), first, second, strict=True):
        for layer, (a, b) in enumerate(zip(once, again, strict=True)):
            what = f"{label}[{layer}] of back_prop called a second time with the same arguments"
            compare(what, b, check_array(what, a, np.shape(b)), next_step="begin with empty lists in each call")


@questions("evaluate", needs=("Network",))
def accuracy_of_four_examples(student: Student, rng: np.random.Generator) -> None:
    net = _set(student.new("Network", [2, 2]), [[[1.0, 0.0], [0.0, 1.0]]], [[[0.0], [0.0]]])
    inputs = [[3.0, 1.0], [1.0, 3.0], [2.0, 0.0], [0.5, 0.1]]
    data = [(np.array([x]).T, np.eye(2)[[target]].T) for x, target in zip(inputs, [0, 1, 1, 0], strict=True)]
    compare(
        "evaluate of four examples of which three are right",
        net.call("evaluate", data),
        0.75,
        [
            Suspect(3.0, "it counts the right ones: divide by the number of examples"),
            Suspect(75.0, "it is in per cent: between 0 and 1 is asked for"),
            Suspect(0.25, "it is the error rate: accuracy is the fraction that is right"),
            Suspect(0.0, "it compares the outputs themselves, which are never exactly 0 or 1: compare their argmax"),
        ],
    )
    check_unmodified("evaluate", student.modified, ("data",))


def _check_kept(net: Handle, kept: dict[str, list[np.ndarray]]) -> None:
    """Demand the parameters that were there before back_prop."""
    for name, arrays in kept.items():
        for layer, (now, before) in enumerate(
            zip(check_sequence(name, net.get(name), len(arrays)), arrays, strict=True)
        ):
            if not np.array_equal(now, before):
                raise wrong(
                    f"{name}[{layer}] after back_prop",
                    "is not what it was before",
                    f"an update inside back_prop, or `+=` or `-=` on an array of self.{name}",
                    "back_prop only returns gradients; the update comes in part 3",
                )


def gradient_lists(returned: Any, weights: Sequence[Any], biases: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The two lists that back_prop returned, one entry a layer, in the right order."""
    depth = len(weights)
    shapes_w, shapes_b = [w.shape for w in weights], [b.shape for b in biases]
    _check_pairs(returned, shapes_w, shapes_b)
    returned = check_sequence("back_prop's return value (dW_list, db_list)", returned, 2)
    lists = []
    for name, gradients in zip(("dW_list, the first value", "db_list, the second value"), returned, strict=True):
        cause = f"one entry for each gap between layers belongs there, {depth} here"
        if isinstance(gradients, list | tuple) and len(gradients) > depth + 1:
            cause = "results of an earlier call are kept; begin with empty lists in each call"
        lists.append(check_sequence(f"{name} of back_prop", gradients, depth, cause))
    _check_order(lists[0], lists[1], shapes_w, shapes_b)
    return lists[0], lists[1]


def _check_pairs(returned: Any, shapes_w: list, shapes_b: list) -> None:
    """Name the layout [(dW, db), (dW, db), ...] where it came back."""
    if not isinstance(returned, list | tuple) or len(returned) != len(shapes_w):
        return
    pairs = [_shapes(entry) for entry in returned]
    expected = [[w, b] for w, b in zip(shapes_w, shapes_b, strict=True)]
    if pairs in (expected, expected[::-1], [pair[::-1] for pair in expected]):
        raise wrong(
            "back_prop",
            "returns one pair (dW, db) a layer",
            "the layers are listed as pairs; two lists are asked for",
            "return dW_list, db_list, each with one array a layer",
        )


def _check_order(dW: list, db: list, shapes_w: list, shapes_b: list) -> None:
    got_w, got_b = _shapes(dW), _shapes(db)
    if got_w == shapes_b and got_b == shapes_w and got_w != got_b:
        raise wrong("back_prop", "returns (db_list, dW_list)", "the two lists are swapped", "return dW_list, db_list")
    if (got_w, got_b) == (shapes_w[::-1], shapes_b[::-1]) and got_w != shapes_w:
        raise wrong(
            "back_prop",
            "returns the layers from last to first",
            "the order is reversed",
            "reverse both lists, or fill them by index",
        )


def _shapes(arrays: Any) -> list[tuple[int, ...] | None]:
    return [_shape(array) for array in arrays] if isinstance(arrays, list | tuple) else []


def _shape(array: Any) -> tuple[int, ...] | None:
    """The shape, or None where there is none: rows of different lengths."""
    try:
        return np.shape(array)
    except ValueError:
        return None


def _check_gradients(
    student: Student, rng: np.random.Generator, sizes: list[int], m: int, hidden: str, output: str
) -> None:
    """back_prop against central differences of the cost of the student's own forward_prop, from the last layer down."""
    net = _filled(student, sizes, rng, hidden, output)
    x = rng.normal(size=(sizes[0], m))
    y = np.eye(sizes[-1])[rng.integers(0, sizes[-1], m)].T
    parameters = {name: [np.array(array) for array in net.get(name)] for name in ("weights", "biases")}
    a = check_array("forward_prop", net.call("forward_prop", x), y.shape)
    dW, db = gradient_lists(net.call("back_prop", x, y), parameters["weights"], parameters["biases"])
    _check_kept(net, parameters)
    for layer in reversed(range(len(sizes) - 1)):
        for label, name, gradients in (("db", "biases", db), ("dW", "weights", dW)):
            expected = _numerical(net, name, parameters[name], layer, x, y, output)
            what = f"{label}[{layer}] of Network({sizes}, {hidden=}, {output=}) for {m} example{'s' * (m > 1)}"
            suspects = [
                Suspect(expected / m, "it is averaged over the mini-batch; gradients are SUMS over its columns here")
            ]
            if label == "db" and layer == len(sizes) - 2:
                suspects += _output_suspects(a, y, output)
            compare(
                what,
                gradients[layer],
                expected,
                suspects,
                tolerance=1e-5,
                next_step=_where_to_look(label, layer, sizes),
            )


def _output_suspects(a: np.ndarray, y: np.ndarray, output: str) -> list[Suspect]:
    """Wrong bias gradients of the output layer, from the network's own output."""
    error = a - y
    if output == "softmax":
        spoiled = (error * a * (1 - a)).sum(axis=1, keepdims=True)
        return [Suspect(spoiled, "a derivative too many: with softmax and cross-entropy delta is just a − y")]
    return [
        Suspect(error.sum(axis=1, keepdims=True), "the factor σ′(z) of the output layer is missing"),
        Suspect(
            (error / (2 + np.exp(a) + np.exp(-a))).sum(axis=1, keepdims=True),
            "σ′ is taken at a; it belongs at z, as in σ′(z)",
        ),
    ]


def _where_to_look(label: str, layer: int, sizes: list[int]) -> str:
    if layer == len(sizes) - 2:
        return (
            "compare delta of the output layer with step 1" if label == "db" else "compare with step 3: delta times a.T"
        )
    above = "everything above this layer is right, so look at "
    return above + (
        "step 2: W.T @ delta, times σ′ at this layer's z" if label == "db" else "step 3: which a belongs here?"
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
    weights = [rng.normal(size=(n_out, n_in)) for n_in, n_out in pairwise(sizes)]
    return _set(
        student.new("Network", sizes, hidden=hidden, output=output),
        weights,
        [rng.normal(size=(n, 1)) for n in sizes[1:]],
    )


def _set(net: Handle, weights: list, biases: list) -> Handle:
    net.set("weights", [np.array(w) for w in weights])
    net.set("biases", [np.array(b) for b in biases])
    return net
