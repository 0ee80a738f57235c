"""Hidden tests of part 2: a network of any depth."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from grader_tests.ps1_backprop.reference import (
    ACTIVATIONS,
    MISTAKES,
    Array,
    Arrays,
    Net,
    fair_case,
    random_batch,
    random_net,
)
from gradescent.student.compare import (
    TOLERANCE,
    Suspect,
    check_array,
    check_sequence,
    check_shape,
    check_unmodified,
    compare,
    relative_error,
    wrong,
)
from gradescent.student.judging import Handle, Questions, Student, TimeLimit, Wrong
from gradescent.student.visible.ps1_backprop.part2_network import gradient_lists

questions = Questions()

SEED_INSIDE = "a seed is set inside __init__, or the generator is made there with a fixed seed"


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
        _forward_suspects(net, x),
        next_step="forward_prop must use self.weights and self.biases as they are now; get forward_prop right first",
    )


def compare_gradients(dW: Arrays, db: Arrays, net: Net, x: Array, y: Array) -> None:
    """Compare every tensor; a suspect must explain the first one that is wrong and leave those before it right."""
    expected = net.gradients(x, y)
    right: list[tuple[int, int]] = []
    for layer in reversed(range(len(net.weights))):
        for kind, (name, got) in enumerate((("dW", dW), ("db", db))):
            suspects = _gradient_suspects(net, x, y, expected, right, (kind, layer))
            compare(f"{name}[{layer}] of {_named(net, x)}", got[layer], expected[kind][layer], suspects)
            right.append((kind, layer))


def _gradient_suspects(
    net: Net, x: Array, y: Array, expected: tuple[Arrays, Arrays], right: list[tuple[int, int]], wrong: tuple[int, int]
) -> Iterator[Suspect]:
    for key, cause in MISTAKES.items():
        ways = net.gradients(x, y, key)
        if all(relative_error(ways[k][layer], expected[k][layer]) <= TOLERANCE for k, layer in right):
            yield Suspect(ways[wrong[0]][wrong[1]], cause)


def check_gradients(student: Student, net: Net, x: Array, y: Array) -> None:
    """The student's back_prop against the reference's, which is tested against central differences."""
    handle = student_net(student, net)
    took_parameters(handle, net, x)
    dW, db = gradient_lists(handle.call("back_prop", x, y), net.weights, net.biases)
    try:
        compare_gradients(dW, db, net, x, y)
    except Wrong:
        _unchanged(handle, net, "back_prop")  # where the parameters moved meanwhile, that is the cause to name
        raise


def _named(net: Net, x: Array) -> str:
    kinds = f"hidden={net.hidden!r}, output={net.output!r}"
    return f"Network({net.sizes}, {kinds}) for {x.shape[1]} example{'s' * (x.shape[1] > 1)}"


# ── __init__ ─────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("network", weight=1, needs=("Network",))
def has_the_shapes(student: Student, rng: np.random.Generator) -> None:
    for depth in (3, 5, 2):
        sizes = [int(n) for n in rng.integers(2, 9, depth)]
        handle = student.new("Network", sizes)
        check_unmodified("Network", student.modified, ("sizes",))
        for name, columns in (("biases", [1] * depth), ("weights", sizes)):
            for layer, array in enumerate(parameters(handle, name, sizes)):
                what = f"{name}[{layer}] of Network({sizes})"
                values = check_array(what, array, (sizes[layer + 1], columns[layer]))
                if name == "weights" and np.all(values == values[0, 0]):
                    raise wrong(
                        what, "holds the same number everywhere", "it is not filled at random", "use np.random.randn"
                    )


def parameters(handle: Handle, name: str, sizes: list[int]) -> list[Any]:
    """The list of weights or biases of a network, one entry for each gap between layers."""
    gaps = len(sizes) - 1
    value = handle.get(name)
    cause = f"one for each gap between layers belongs there, {gaps} here; the input layer has no biases"
    if isinstance(value, list | tuple) and len(value) > gaps + 1:
        cause = "the list belongs to the class, so that all networks share it; make it in __init__"
    return check_sequence(f"{name} of Network({sizes})", value, gaps, cause)


@questions("network", weight=2, needs=("Network",))
def draws_in_the_stated_order(student: Student, rng: np.random.Generator) -> None:
    sizes = [int(n) for n in rng.integers(2, 7, 4)]
    seed = int(rng.integers(2**31))
    student.seed(seed)
    handle = student.new("Network", sizes)
    biases, weights = parameters(handle, "biases", sizes), parameters(handle, "weights", sizes)
    _follows_the_seed(student, sizes, seed, weights)
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


def _follows_the_seed(student: Student, sizes: list[int], seed: int, weights: list[Any]) -> None:
    """Name a generator of the student's own, and a seed set inside __init__, which no list of draws would tell."""
    what = f"weights[0] of Network({sizes})"
    kept = check_array(what, weights[0], (sizes[1], sizes[0]))
    student.seed(seed)
    again = check_array(what, parameters(student.new("Network", sizes), "weights", sizes)[0], kept.shape)
    if not np.array_equal(kept, again):
        raise wrong(
            what,
            "differs between two networks made after the same np.random.seed",
            "another generator is used, such as np.random.default_rng",
            "draw with np.random.randn alone",
        )
    student.seed(seed + 1)
    other = check_array(what, parameters(student.new("Network", sizes), "weights", sizes)[0], kept.shape)
    if np.array_equal(kept, other):
        raise wrong(
            what, "is the same after another np.random.seed", SEED_INSIDE, "leave the seed to whoever uses the class"
        )


def _draws(random: np.random.RandomState, sizes: list[int]) -> tuple[list[Array], list[Array]]:
    biases = [random.randn(n, 1) for n in sizes[1:]]
    return biases, [random.randn(n_out, n_in) for n_in, n_out in pairwise(sizes)]


def _other_draws(seed: int, sizes: list[int]) -> dict[str, tuple[list[Array], list[Array]]]:
    """What comes out when the draws are made in another order."""
    pairs = list(pairwise(sizes))
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
        "scaled by the square root of 2 / inputs: here the plain np.random.randn is asked for": (
            scaled[0],
            [w * np.sqrt(2 / w.shape[1]) for w in scaled[1]],
        ),
        "the biases are zero: draw them too": (zeros, [random.randn(n_out, n_in) for n_in, n_out in pairs]),
    }


@questions("network", weight=1, needs=("Network",))
def networks_share_nothing(student: Student, rng: np.random.Generator) -> None:
    sizes = [3, 4, 2]
    student.seed(int(rng.integers(2**31)))
    first, second = student.new("Network", sizes), student.new("Network", sizes)
    kept = check_array("weights[0] of a first network", parameters(first, "weights", sizes)[0], (4, 3))
    other = check_array("weights[0] of a second network", parameters(second, "weights", sizes)[0], (4, 3))
    if np.array_equal(kept, other):
        cause = f"{SEED_INSIDE}, or the weights are shared by the class"
        if np.all(kept == kept[0, 0]):
            cause = "the weights are not filled at random"
        raise wrong("two networks made one after the other", "have the same weights", cause)
    second.set("weights", [np.zeros((4, 3)), np.zeros((2, 4))])
    compare(
        "weights[0] of the first network after the second one changed", parameters(first, "weights", sizes)[0], kept
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


@questions("forward_prop", weight=2, needs=("Network",))
def forward_of_large_values(student: Student, rng: np.random.Generator) -> None:
    """Weighted inputs of the output layer near 1000, where a careless exp overflows."""
    for output, shift in (("sigmoid", [1000.0, 0.0, -1000.0]), ("softmax", [1000.0, 1000.0, 1000.0])):
        net = random_net(rng, [3, 4, 3], "sigmoid", output)
        net.biases[-1][:, 0] += shift
        x, _ = random_batch(rng, net.sizes, 4)
        values = student_net(student, net).call("forward_prop", x)
        what = f"forward_prop of a network with output={output!r} whose last z are near 1000"
        if not np.all(np.isfinite(check_shape(what, values, (3, 4)))):
            remedy = {"softmax": "subtract the largest z of each column before exp"}
            raise wrong(
                what,
                "holds NaN or infinite values",
                f"exp of a large number overflows in {output}",
                remedy.get(output, "rewrite it so that exp sees only numbers <= 0, or use np.tanh"),
            )
        compare(what, values, net.predict(x), _forward_suspects(net, x))


@questions("forward_prop", weight=1, needs=("Network",))
def forward_changes_nothing(student: Student, rng: np.random.Generator) -> None:
    net = random_net(rng, [3, 4, 4, 2], "relu", "sigmoid")
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


def _forward_suspects(net: Net, x: Array) -> Iterator[Suspect]:
    without_biases = Net(net.weights, [b * 0 for b in net.biases], net.hidden, net.output)
    zs, activations = net.forward(x)
    last = zs[-1]
    yield from [
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
        Suspect(ACTIVATIONS[net.hidden][0](last), "the output layer uses `hidden`, the activation of the other layers"),
    ]
    if net.output == "softmax":
        with np.errstate(all="ignore"):  # NaN equals nothing, and warns nobody
            powers = np.exp(last - last.max())
            by_row, by_batch = powers / powers.sum(axis=1, keepdims=True), powers / powers.sum()
        yield from [
            Suspect(by_row, "softmax sums over the wrong axis: one example is one column, so sum over axis 0"),
            Suspect(by_batch, "softmax sums over the whole batch: sum over axis 0, column by column"),
        ]
    if len(activations) > 2:
        yield Suspect(activations[-2], "the last layer is left out: a loop is off by one")


def _unchanged(handle: Handle, net: Net, what: str) -> None:
    for name, kept in (("weights", net.weights), ("biases", net.biases)):
        for layer, (now, before) in enumerate(zip(parameters(handle, name, net.sizes), kept, strict=True)):
            where = f"{name}[{layer}] after {what}"
            if not relative_error(check_array(where, now, before.shape), before) <= TOLERANCE:
                raise wrong(
                    where,
                    "is not what it was before",
                    f"an update inside {what}, or `+=` or `-=` on an array of self.{name}",
                    f"{what} must not change the parameters: work with new arrays",
                )


# ── back_prop ────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("back_prop", weight=3, needs=("Network",))
def gradients_of_one_example(student: Student, rng: np.random.Generator) -> None:
    for sizes in ([3, 4, 2], [2, 5, 4, 3]):
        check_gradients(student, *fair_case(rng, sizes, 1, "sigmoid", "sigmoid"))


@questions("back_prop", weight=2, needs=("Network",))
def is_back_propagation(student: Student, rng: np.random.Generator) -> None:
    """At this size finite differences take half a million forward passes.

    It stands second, so that whoever hangs here keeps the points of a single example and no more.
    """
    sizes = [784, 300, 10]
    net = random_net(rng, sizes)
    x, y = random_batch(rng, sizes, 4)
    handle = student_net(student, net)
    took_parameters(handle, net, x)
    try:
        returned = handle.call("back_prop", x, y)
    except TimeLimit as stop:
        raise TimeLimit(
            "back_prop of Network([784, 300, 10]) for 4 examples did not finish in time; with matrix products it takes "
            "milliseconds. Likely: finite differences, which take two forward passes a weight and are not "
            "back-propagation, or a loop that never ends. Next: follow the three steps of the task, layer by layer."
        ) from stop
    gradients = gradient_lists(returned, net.weights, net.biases)
    compare_gradients(*gradients, net, x, y)


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
        check_gradients(student, *fair_case(rng, sizes, 2, "sigmoid", "sigmoid"))


@questions("back_prop", weight=2, needs=("Network",))
def back_prop_changes_nothing(student: Student, rng: np.random.Generator) -> None:
    net, x, y = fair_case(rng, [3, 4, 4, 2], 3, "relu", "softmax")
    check_gradients(student, net, x, y)
    check_unmodified("back_prop", student.modified, ("x", "y"))
    handle = student_net(student, net)
    expected = net.gradients(x, y)
    for call in ("first", "second"):
        gradients = gradient_lists(handle.call("back_prop", x, y), net.weights, net.biases)
        _unchanged(handle, net, "back_prop")
        for kind, name in enumerate(("dW", "db")):
            for layer in range(len(net.weights)):
                compare(
                    f"{name}[{layer}] of a {call} call with the same arguments",
                    gradients[kind][layer],
                    expected[kind][layer],
                    [Suspect(2 * expected[kind][layer], "it is added to what an earlier call left; begin with zeros")],
                    next_step="something is kept between the calls: begin with fresh lists each time",
                )


# ── evaluate ─────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("evaluate", weight=3, needs=("Network",))
def accuracy_by_argmax(student: Student, rng: np.random.Generator) -> None:
    for sizes in ([5, 6, 4], [3, 4, 2], [4, 3]):
        net = random_net(rng, sizes)
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
                np.mean((np.round(net.predict(x)) == y).all(axis=0)),
                "it compares rounded outputs: compare the argmax of output and target",
            ),
            Suspect(
                np.mean((net.predict(x) > 0.5).all(axis=0) == y.all(axis=0)),
                "it compares with 0.5: compare the argmax of output and target",
            ),
        ]
        compare(f"evaluate of {len(hits)} examples by Network({sizes})", accuracy, hits.mean(), suspects)


@questions("evaluate", weight=1, needs=("Network",))
def evaluates_few_examples(student: Student, rng: np.random.Generator) -> None:
    net = random_net(rng, [3, 4, 3])
    net.biases[-1][:] -= 3  # the largest output is below one half, so that rounding tells nothing
    handle = student_net(student, net)
    x, _ = random_batch(rng, net.sizes, 2)
    winners = net.predict(x).argmax(axis=0)
    for m, hits in rng.permutation([(1, 1), (1, 0), (2, 2), (2, 1)]).tolist():
        targets = np.where(np.arange(m) < hits, winners[:m], (winners[:m] + 1) % 3)
        what = f"evaluate of {m} example{'s' * (m > 1)} of which {hits} {'are' if hits > 1 else 'is'} right"
        suspects = [Suspect(hits, "it counts the right ones: divide by the number of examples")]
        compare(what, handle.call("evaluate", _pairs(x[:, :m], np.eye(3)[targets].T)), hits / m, suspects)


@questions("evaluate", weight=1, needs=("Network",))
def evaluate_changes_nothing(student: Student, rng: np.random.Generator) -> None:
    net = random_net(rng, [3, 4, 3])
    net.biases[-1][:] -= 3
    x, y = _mixed_examples(rng, net)
    handle = student_net(student, net)
    hits = net.predict(x).argmax(axis=0) == y.argmax(axis=0)
    compare("evaluate", handle.call("evaluate", _pairs(x, y)), hits.mean())
    check_unmodified("evaluate", student.modified, ("data",))
    _unchanged(handle, net, "evaluate")


def _mixed_examples(rng: np.random.Generator, net: Net) -> tuple[Array, Array]:
    """Examples of which some are classified right, fewer than half, and the others wrong."""
    m, classes = int(rng.integers(19, 30)), net.sizes[-1]
    right = int(rng.integers(3, 9))
    x, _ = random_batch(rng, net.sizes, m)
    winners = net.predict(x).argmax(axis=0)
    targets = np.where(np.arange(m) < right, winners, (winners + 1) % classes)
    order = rng.permutation(m)
    return x[:, order], np.eye(classes)[targets[order]].T


def _pairs(x: Array, y: Array) -> list[tuple[Array, Array]]:
    return [(x[:, [i]], y[:, [i]]) for i in range(x.shape[1])]
