"""Hidden tests of part 2: a network of any depth."""

from __future__ import annotations

import numpy as np

from grader_tests.ps1_backprop.reference import MISTAKES, Array, Arrays, Net, fair_case, random_batch, random_net
from gradescent.student.compare import (
    Suspect,
    check_array,
    check_sequence,
    check_unmodified,
    compare,
    wrong,
)
from gradescent.student.judging import Handle, Questions, Student, TimeLimit

questions = Questions()


def student_net(student: Student, net: Net) -> Handle:
    """The student's network of the same kinds, with the grader's parameters set."""
    handle = student.new("Network", net.sizes, hidden=net.hidden, output=net.output)
    handle.set("weights", [w.copy() for w in net.weights])
    handle.set("biases", [b.copy() for b in net.biases])
    return handle


def took_parameters(handle: Handle, net: Net, x: Array) -> None:
    """Demand that the parameters which were set are those that forward_prop uses."""
    compare(
        "forward_prop with weights and biases set by the grader",
        handle.call("forward_prop", x),
        net.predict(x),
        next_step="forward_prop must use self.weights and self.biases as they are now; get forward_prop right first",
    )


def compare_gradients(
    dW: Arrays, db: Arrays, expected_dW: Arrays, expected_db: Arrays, wrong_ways: dict[str, tuple]
) -> None:
    """Compare every tensor; a suspect must explain the first tensor that is wrong."""
    pairs = [("dW", 0, dW, expected_dW), ("db", 1, db, expected_db)]
    for layer in reversed(range(len(expected_dW))):
        for name, kind, got, expected in pairs:
            suspects = [Suspect(ways[kind][layer], MISTAKES[key]) for key, ways in wrong_ways.items()]
            compare(f"{name}[{layer}] of {len(expected)} layers", got[layer], expected[layer], suspects)


def check_gradients(student: Student, net: Net, x: Array, y: Array) -> None:
    """The student's back_prop against central differences of the grader's own cost."""
    handle = student_net(student, net)
    took_parameters(handle, net, x)
    returned = check_sequence("back_prop's return value (dW_list, db_list)", handle.call("back_prop", x, y), 2)
    dW = check_sequence("dW_list, the first value of back_prop", returned[0], len(net.weights))
    db = check_sequence("db_list, the second value of back_prop", returned[1], len(net.biases))
    _check_order(dW, db, net)
    expected_dW, expected_db = net.numerical_gradients(x, y)
    wrong_ways = {key: net.gradients(x, y, key) for key in MISTAKES}
    compare_gradients(dW, db, expected_dW, expected_db, wrong_ways)


def _check_order(dW: list, db: list, net: Net) -> None:
    shapes_w, shapes_b = [w.shape for w in net.weights], [b.shape for b in net.biases]
    got_w, got_b = [np.shape(g) for g in dW], [np.shape(g) for g in db]
    if got_w == shapes_b and got_b == shapes_w and got_w != got_b:
        raise wrong("back_prop", "returns (db_list, dW_list)", "the two lists are swapped", "return dW_list, db_list")
    if got_w == shapes_w[::-1] and got_w != shapes_w:
        raise wrong(
            "back_prop",
            "returns the layers from last to first",
            "the order is reversed",
            "reverse both lists, or fill them by index",
        )


def _random_kinds(rng: np.random.Generator) -> tuple[str, str]:
    return str(rng.choice(["sigmoid", "relu", "tanh"])), str(rng.choice(["sigmoid", "softmax"]))


# ── __init__ ─────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("network", weight=1, needs=("Network",))
def has_the_shapes(student: Student, rng: np.random.Generator) -> None:
    for depth in (2, 3, 5):
        sizes = [int(n) for n in rng.integers(2, 9, depth)]
        handle = student.new("Network", sizes)
        for name, columns in (("biases", [1] * depth), ("weights", sizes)):
            arrays = check_sequence(f"{name} of Network({sizes})", handle.get(name), depth - 1)
            for layer, array in enumerate(arrays):
                check_array(f"{name}[{layer}] of Network({sizes})", array, (sizes[layer + 1], columns[layer]))


@questions("network", weight=2, needs=("Network",))
def draws_in_the_stated_order(student: Student, rng: np.random.Generator) -> None:
    sizes = [int(n) for n in rng.integers(2, 7, 4)]
    seed = int(rng.integers(2**31))
    student.seed(seed)
    handle = student.new("Network", sizes)
    biases = check_sequence("biases", handle.get("biases"), 3)
    weights = check_sequence("weights", handle.get("weights"), 3)
    other_orders = _other_draws(seed, sizes)
    expected_biases, expected_weights = _draws(np.random.RandomState(seed), sizes)
    for name, got, expected, kind in (
        ("biases", biases, expected_biases, 0),
        ("weights", weights, expected_weights, 1),
    ):
        for layer in range(3):
            suspects = [Suspect(drawn[kind][layer], cause) for cause, drawn in other_orders.items()]
            compare(
                f"{name}[{layer}] of Network({sizes}) after np.random.seed",
                got[layer],
                expected[layer],
                suspects,
                next_step="draw with np.random.randn alone: first all biases, layer by layer, then all weights",
            )


def _draws(random: np.random.RandomState, sizes: list[int]) -> tuple[list[Array], list[Array]]:
    biases = [random.randn(n, 1) for n in sizes[1:]]
    return biases, [random.randn(n_out, n_in) for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True)]


def _other_draws(seed: int, sizes: list[int]) -> dict[str, tuple[list[Array], list[Array]]]:
    """What comes out when the draws are made in another order."""
    pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
    random = np.random.RandomState(seed)
    weights_first = [random.randn(n_out, n_in) for n_in, n_out in pairs]
    after = [random.randn(n, 1) for n in sizes[1:]]
    random = np.random.RandomState(seed)
    by_layer = [(random.randn(n_out, 1), random.randn(n_out, n_in)) for n_in, n_out in pairs]
    random = np.random.RandomState(seed)
    uniform = [random.rand(n, 1) for n in sizes[1:]], [random.rand(n_out, n_in) for n_in, n_out in pairs]
    scaled = _draws(np.random.RandomState(seed), sizes)
    zeros = [np.zeros((n, 1)) for n in sizes[1:]]
    random = np.random.RandomState(seed)
    return {
        "the weights are drawn before the biases: the order is all biases first": (after, weights_first),
        "biases and weights are drawn layer by layer: the order is all biases first, then all weights": (
            [b for b, _ in by_layer],
            [w for _, w in by_layer],
        ),
        "drawn from the uniform distribution (rand): use the normal one, np.random.randn": uniform,
        "divided by the square root of the number of inputs: here the plain np.random.randn is asked for": (
            scaled[0],
            [w / np.sqrt(w.shape[1]) for w in scaled[1]],
        ),
        "the biases are zero: draw them too": (zeros, [random.randn(n_out, n_in) for n_in, n_out in pairs]),
    }


@questions("network", weight=1, needs=("Network",))
def networks_share_nothing(student: Student, rng: np.random.Generator) -> None:
    sizes = [3, 4, 2]
    student.seed(int(rng.integers(2**31)))
    first, second = student.new("Network", sizes), student.new("Network", sizes)
    kept = check_array("weights[0] of a first network", check_sequence("weights", first.get("weights"), 2)[0], (4, 3))
    other = check_array(
        "weights[0] of a second network", check_sequence("weights", second.get("weights"), 2)[0], (4, 3)
    )
    if np.array_equal(kept, other):
        raise wrong(
            "two networks made one after the other",
            "have the same weights",
            "a seed is set inside __init__, or the parameters are shared by the class",
        )
    second.set("weights", [w * 0 for w in [kept, np.ones((2, 4))]])
    compare(
        "weights[0] of the first network after the second one changed",
        check_sequence("weights", first.get("weights"), 2)[0],
        kept,
    )


# ── forward_prop ─────────────────────────────────────────────────────────────────────────────────────────────────


@questions("forward_prop", weight=1, needs=("Network",))
def forward_of_one_example(student: Student, rng: np.random.Generator) -> None:
    for sizes in ([3, 5, 2], [4, 3]):
        _compare_forward(student, rng, sizes, 1, "sigmoid", "sigmoid")


@questions("forward_prop", weight=2, needs=("Network",))
def forward_of_a_batch(student: Student, rng: np.random.Generator) -> None:
    for sizes in ([4, 6, 3, 2], [2, 7, 5, 4, 3]):
        _compare_forward(student, rng, sizes, int(rng.integers(2, 6)), "sigmoid", "sigmoid")


@questions("forward_prop", weight=2, needs=("Network",))
def forward_of_every_kind(student: Student, rng: np.random.Generator) -> None:
    for hidden in ("sigmoid", "relu", "tanh"):
        for output in ("sigmoid", "softmax"):
            _compare_forward(student, rng, [4, 6, 5, 3], 3, hidden, output)


@questions("forward_prop", weight=1, needs=("Network",))
def forward_changes_nothing(student: Student, rng: np.random.Generator) -> None:
    net = random_net(rng, [3, 4, 4, 2], "relu", "softmax")
    handle = student_net(student, net)
    x, _ = random_batch(rng, net.sizes, 3)
    took_parameters(handle, net, x)
    check_unmodified("forward_prop", student.modified, ("a",))
    _unchanged(handle, net, "forward_prop")
    compare("forward_prop called a second time", handle.call("forward_prop", x), net.predict(x))


def _compare_forward(
    student: Student, rng: np.random.Generator, sizes: list[int], m: int, hidden: str, output: str
) -> None:
    net = random_net(rng, sizes, hidden, output)
    handle = student_net(student, net)
    x, _ = random_batch(rng, sizes, m)
    what = f"forward_prop of Network({sizes}, hidden={hidden!r}, output={output!r}) for {m} example{'s' * (m > 1)}"
    compare(what, handle.call("forward_prop", x), net.predict(x), _forward_suspects(net, x))


def _forward_suspects(net: Net, x: Array) -> list[Suspect]:
    without_biases = Net(net.weights, [b * 0 for b in net.biases], net.hidden, net.output)
    zs, activations = net.forward(x)
    last = zs[-1]
    suspects = [
        Suspect(without_biases.predict(x), "the biases are left out"),
        Suspect(
            Net(net.weights, net.biases, "sigmoid", net.output).predict(x),
            "the hidden layers use sigmoid whatever `hidden` says",
        ),
        Suspect(
            Net(net.weights, net.biases, net.hidden, "sigmoid").predict(x),
            "the output layer uses sigmoid whatever `output` says",
        ),
        Suspect(last, "the output layer has no activation"),
    ]
    if net.output == "softmax":
        powers = np.exp(last)
        suspects.append(
            Suspect(
                powers / powers.sum(axis=1, keepdims=True),
                "softmax sums over the wrong axis: one example is one column, so sum over axis 0",
            )
        )
        suspects.append(
            Suspect(powers / powers.sum(), "softmax sums over the whole batch: sum over axis 0, column by column")
        )
    if len(activations) > 2:
        suspects.append(Suspect(activations[-2], "the last layer is left out: a loop is off by one"))
    return suspects


def _unchanged(handle: Handle, net: Net, what: str) -> None:
    for name, kept in (("weights", net.weights), ("biases", net.biases)):
        for layer, (now, before) in enumerate(
            zip(check_sequence(name, handle.get(name), len(kept)), kept, strict=True)
        ):
            compare(
                f"{name}[{layer}] after {what}",
                now,
                before,
                next_step=f"{what} must not change the parameters: `+=` on an array of self.{name} does",
            )


# ── back_prop ────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("back_prop", weight=3, needs=("Network",))
def gradients_of_one_example(student: Student, rng: np.random.Generator) -> None:
    for sizes in ([3, 4, 2], [2, 5, 4, 3]):
        check_gradients(student, *fair_case(rng, sizes, 1, "sigmoid", "sigmoid"))


@questions("back_prop", weight=4, needs=("Network",))
def gradients_of_a_batch(student: Student, rng: np.random.Generator) -> None:
    for m in (2, int(rng.integers(3, 8))):
        sizes = [int(n) for n in rng.integers(2, 7, 4)]
        check_gradients(student, *fair_case(rng, sizes, m, "sigmoid", "sigmoid"))


@questions("back_prop", weight=4, needs=("Network",))
def gradients_of_every_kind(student: Student, rng: np.random.Generator) -> None:
    for hidden in ("relu", "tanh", "sigmoid"):
        for output in ("softmax", "sigmoid"):
            check_gradients(student, *fair_case(rng, [4, 5, 5, 3], 3, hidden, output))


@questions("back_prop", weight=3, needs=("Network",))
def gradients_at_every_depth(student: Student, rng: np.random.Generator) -> None:
    for depth in (2, 3, 5, 6):
        sizes = [int(n) for n in rng.integers(3, 6, depth)]
        hidden, output = _random_kinds(rng)
        check_gradients(student, *fair_case(rng, sizes, 2, hidden, output))


@questions("back_prop", weight=2, needs=("Network",))
def back_prop_changes_nothing(student: Student, rng: np.random.Generator) -> None:
    net, x, y = fair_case(rng, [3, 4, 4, 2], 3, "relu", "softmax")
    check_gradients(student, net, x, y)
    check_unmodified("back_prop", student.modified, ("x", "y"))
    handle = student_net(student, net)
    first = handle.call("back_prop", x, y)
    _unchanged(handle, net, "back_prop")
    second = handle.call("back_prop", x, y)
    for kind, name in enumerate(("dW", "db")):
        for layer in range(len(net.weights)):
            compare(
                f"{name}[{layer}] of a second call with the same arguments",
                second[kind][layer],
                first[kind][layer],
                next_step="something is kept between the calls: start with fresh lists each time",
            )


@questions("back_prop", weight=2, needs=("Network",))
def is_back_propagation(student: Student, rng: np.random.Generator) -> None:
    """At this size finite differences would take 240,000 forward passes."""
    sizes = [784, 300, 10]
    net = random_net(rng, sizes, "tanh", "softmax")
    x, y = random_batch(rng, sizes, 4)
    handle = student_net(student, net)
    took_parameters(handle, net, x)
    try:
        returned = handle.call("back_prop", x, y)
    except TimeLimit as stop:
        raise TimeLimit(
            f"{stop} At 784-300-10 this takes milliseconds with matrix products; finite differences are not back-propagation."
        ) from stop
    gradients = check_sequence("back_prop's return value", returned, 2)
    expected = net.gradients(x, y)
    for kind, name in enumerate(("dW", "db")):
        for layer, gradient in enumerate(check_sequence(f"{name}_list", gradients[kind], 2)):
            compare(f"{name}[{layer}] of Network({sizes})", gradient, expected[kind][layer])


# ── evaluate ─────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("evaluate", weight=3, needs=("Network",))
def accuracy_by_argmax(student: Student, rng: np.random.Generator) -> None:
    for sizes, output in (([5, 6, 4], "softmax"), ([3, 4, 2], "sigmoid"), ([4, 3], "sigmoid")):
        net = random_net(rng, sizes, "sigmoid", output)
        x, y = _mixed_examples(rng, net)
        handle = student_net(student, net)
        accuracy = handle.call("evaluate", _pairs(x, y))
        hits = net.predict(x).argmax(axis=0) == y.argmax(axis=0)
        suspects = [
            Suspect(hits.sum(), "it counts the right ones: divide by the number of examples"),
            Suspect(100 * hits.mean(), "it is in per cent: between 0 and 1 is asked for"),
            Suspect(1 - hits.mean(), "it is the error rate: accuracy is the fraction that is right"),
            Suspect(
                np.mean(np.round(net.predict(x)) == y),
                "it compares rounded outputs entry by entry: compare the argmax of output and target",
            ),
            Suspect(
                np.mean((net.predict(x) > 0.5).all(axis=0) == y.all(axis=0)),
                "it compares with 0.5: compare the argmax of output and target",
            ),
        ]
        compare(f"evaluate of {len(hits)} examples by Network({sizes})", accuracy, hits.mean(), suspects)


@questions("evaluate", weight=1, needs=("Network",))
def evaluates_one_example(student: Student, rng: np.random.Generator) -> None:
    net = random_net(rng, [3, 4, 3])
    x, _ = random_batch(rng, net.sizes, 1)
    winner = int(net.predict(x).argmax())
    handle = student_net(student, net)
    for target in (winner, (winner + 1) % 3):
        y = np.eye(3)[[target]].T
        compare("evaluate of one example", handle.call("evaluate", _pairs(x, y)), float(target == winner))


@questions("evaluate", weight=1, needs=("Network",))
def evaluate_changes_nothing(student: Student, rng: np.random.Generator) -> None:
    net = random_net(rng, [3, 4, 3], "relu", "softmax")
    x, y = _mixed_examples(rng, net)
    handle = student_net(student, net)
    hits = net.predict(x).argmax(axis=0) == y.argmax(axis=0)
    compare("evaluate", handle.call("evaluate", _pairs(x, y)), hits.mean())
    check_unmodified("evaluate", student.modified, ("data",))
    _unchanged(handle, net, "evaluate")


def _mixed_examples(rng: np.random.Generator, net: Net) -> tuple[Array, Array]:
    """Examples of which some are classified right and some wrong, a quarter to a third right, at most."""
    m, classes = 23, net.sizes[-1]
    x, _ = random_batch(rng, net.sizes, m)
    winners = net.predict(x).argmax(axis=0)
    targets = np.where(np.arange(m) < 7, winners, (winners + 1) % classes)
    order = rng.permutation(m)
    return x[:, order], np.eye(classes)[targets[order]].T


def _pairs(x: Array, y: Array) -> list[tuple[Array, Array]]:
    return [(x[:, [i]], y[:, [i]]) for i in range(x.shape[1])]
