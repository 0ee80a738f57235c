"""Hidden tests of part 3: stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from grader_tests.ps1_backprop.reference import (
    Array,
    Arrays,
    Net,
    Training,
    descend,
    descents_gone_wrong,
    dropout_gradients,
    random_batch,
    random_net,
)
from gradescent.student import datasets
from gradescent.student.compare import (
    Suspect,
    check_array,
    check_sequence,
    check_unmodified,
    compare,
    relative_error,
    wrong,
)
from gradescent.student.judging import Handle, Questions, Student
from gradescent.student.visible.ps1_backprop.part3_sgd import (
    THRESHOLDS,
    check_accuracy,
    check_trained_network,
    nothing_dropped,
    with_plain_back_prop,
)

questions = Questions()

TOLERANCE = 1e-11  # of the change of the parameters: rounding gives below 1e-13, float32 data above 1e-10
SIGMAS = 5  # a right dropout falls outside by chance once in two million times

# ── SGD_train ────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("sgd_train", weight=2, needs=("Network",))
def one_step_over_everything(student: Student, rng: np.random.Generator) -> None:
    for batch_size in (6, 50):
        net, run = _case(rng, [3, 4, 2], 6, epochs=1, batch_size=batch_size)
        check_training(student, net, run)


@questions("sgd_train", weight=2, needs=("Network",))
def steps_of_one_example(student: Student, rng: np.random.Generator) -> None:
    net, run = _case(rng, [3, 4, 2], 5, epochs=2, batch_size=1, alike=True)
    check_training(student, net, run)


@questions("sgd_train", weight=3, needs=("Network",))
def slices_of_the_training_set(student: Student, rng: np.random.Generator) -> None:
    """All examples are the same here, so that the order plays no part."""
    for n, batch_size in ((6, 3), (7, 3), (11, 4)):
        net, run = _case(rng, [4, 3, 2], n, epochs=int(rng.integers(2, 5)), batch_size=batch_size, alike=True)
        check_training(student, net, run)


@questions("sgd_train", weight=2, needs=("Network",))
def order_of_the_examples(student: Student, rng: np.random.Generator) -> None:
    for n, epochs in ((8, 1), (6, 4)):
        net, run = _case(rng, [3, 4, 2], n, epochs, batch_size=1)
        check_training(student, net, run)


@questions("sgd_train", weight=1, needs=("Network",))
def examples_of_each_mini_batch(student: Student, rng: np.random.Generator) -> None:
    net, run = _case(rng, [3, 4, 2], 9, epochs=3, batch_size=3)
    check_training(student, net, run)


@questions("sgd_train", weight=2, needs=("Network",))
def weight_decay(student: Student, rng: np.random.Generator) -> None:
    """All examples are the same, and the mini-batches equally long."""
    for epochs in (1, 3):
        lam = float(rng.uniform(0.05, 0.2))
        net, run = _case(rng, [3, 5, 2], 6, epochs, batch_size=3, lam=lam, alike=True)
        check_training(student, net, run)


@questions("sgd_train", weight=1, needs=("Network",))
def every_kind_of_network(student: Student, rng: np.random.Generator) -> None:
    for sizes, hidden, output in (([3, 4, 3, 2], "tanh", "softmax"), ([4, 3], "sigmoid", "softmax")):
        net, run = _case(rng, sizes, 5, epochs=2, batch_size=5, kinds=(hidden, output))
        check_training(student, net, run)


@questions("sgd_train", weight=1, needs=("Network",))
def leaves_nothing_behind(student: Student, rng: np.random.Generator) -> None:
    """The training list stays as it was, and a second call starts from the parameters that the first one left."""
    net, run = _case(rng, [3, 4, 2], 5, epochs=2, batch_size=5, lam=0.1)
    handle = student_net(student, net)
    _train(student, handle, run)
    check_unmodified("SGD_train", student.modified, ("train",))
    halfway = _parameters(handle, net)
    second = replace(run, seed=run.seed + 1, eta=0.6 * run.eta, lam=0.2)
    _train(student, handle, second)
    check_change(student, handle, halfway, second, first=run)


def check_training(student: Student, net: Net, run: Training) -> None:
    """One call of SGD_train against the steps that it must take."""
    handle = student_net(student, net)
    _train(student, handle, run)
    check_change(student, handle, net, run)


def check_change(student: Student, handle: Handle, net: Net, run: Training, first: Training | None = None) -> None:
    """The change of the parameters since `net`, with true gradients or, where back_prop is wrong, with given ones.

    A wrong back_prop is a mistake of part 2. It costs no points here: SGD_train is run once more, with a back_prop of
    the grader's in its place. The student's own gradients are no measure: they could be made to fit any change.
    `first` is an earlier call on the same network.
    """
    got = _change(net, _parameters(handle, net))
    if relative_error(_flat(got), _flat(_change(net, descend(net, run)))) <= TOLERANCE:
        return
    gradients: Callable = Net.gradients
    if not _has_right_gradients(student, net, run):
        gradients = _given_gradients
        got = _change(net, _trained_with(student, net, run, first))
    expected = _change(net, descend(net, run, gradients=gradients))
    if relative_error(_flat(got), _flat(expected)) <= TOLERANCE:
        return
    by = f"by {'a second call of ' if first else ''}{_call(run)}"
    if not np.any(_flat(got)):
        raise wrong(f"the change of the parameters {by}", "is zero", ENDS_EARLY[run.batch_size > run.n])
    gone_wrong = [(_change(net, end), cause) for end, cause in descents_gone_wrong(net, run, gradients)]
    if first:
        for old in (replace(run, eta=first.eta), replace(run, lam=first.lam), replace(first, seed=run.seed)):
            kept = "a setting of the first call is used again: something is kept between two calls"
            gone_wrong.append((_change(net, descend(net, old, gradients=gradients)), kept))
    raise_difference(by, got, expected, gone_wrong)


def raise_difference(by: str, got: Changes, expected: Changes, gone_wrong: list[tuple[Changes, str]]) -> None:
    """Show the first tensor that is wrong, with a cause that explains all of them."""
    different = [(change, cause) for change, cause in gone_wrong if not _close(change, expected)]
    fitting = [(change, cause) for change, cause in different if _close(change, got)]
    if _close(got, expected):
        fitting = [(got, "right to single precision only: a float32 in between keeps seven digits")]
    for name in got:
        suspects = [Suspect(change[name], cause) for change, cause in fitting or different]
        what = f"the change of {name} {by}"
        compare(what, got[name], expected[name], suspects, TOLERANCE, NEXT_STEP)


ENDS_EARLY = {
    False: "the update is missing, or a loop over the epochs or the mini-batches ends one step too early",
    True: "a mini-batch that is shorter than batch_size is left out: the examples that remain count too",
}
NEXT_STEP = "write the parameters before and after one step with two examples, and compare with the formula by hand"
Changes = dict[str, Array]


def _close(a: Changes, b: Changes) -> bool:
    return relative_error(_flat(a), _flat(b)) <= 1e-6


def _flat(changes: Changes) -> Array:
    return np.concatenate([array.ravel() for array in changes.values()])


def _change(before: Net, after: Net) -> Changes:
    """By how much every tensor moved, the weights of all layers first."""
    weights = {f"weights[{i}]": b - a for i, (a, b) in enumerate(zip(before.weights, after.weights, strict=True))}
    biases = {f"biases[{i}]": b - a for i, (a, b) in enumerate(zip(before.biases, after.biases, strict=True))}
    return weights | biases


def student_net(student: Student, net: Net) -> Handle:
    """The student's network of the same kinds, with the grader's parameters set and without the extra credit."""
    handle = student.new("Network", net.sizes, hidden=net.hidden, output=net.output)
    _set(handle, net)
    return with_plain_back_prop(student, handle)


def _set(handle: Handle, net: Net) -> None:
    handle.set("weights", [w.copy() for w in net.weights])
    handle.set("biases", [b.copy() for b in net.biases])


def _train(student: Student, handle: Handle, run: Training) -> None:
    pairs = _pairs(run.x, run.y)
    student.seed(run.seed)
    settings = {"lam": run.lam, "verbose": False, "batch_size": run.batch_size}
    handle.call("SGD_train", pairs, run.epochs, run.eta, **settings)


def _call(run: Training) -> str:
    settings = f"epochs={run.epochs}, eta={run.eta:.3g}, lam={run.lam:.3g}, batch_size={run.batch_size}"
    return f"SGD_train(<{run.n} examples>, {settings})"


def _parameters(handle: Handle, net: Net) -> Net:
    """The student's parameters as they are now, in the shapes that the network has."""
    arrays: dict[str, list[Array]] = {}
    for name, before in (("weights", net.weights), ("biases", net.biases)):
        values = check_sequence(f"{name} after SGD_train", handle.get(name), len(before))
        arrays[name] = [
            check_array(f"{name}[{layer}] after SGD_train", value, old.shape)
            for layer, (value, old) in enumerate(zip(values, before, strict=True))
        ]
    return Net(arrays["weights"], arrays["biases"], net.hidden, net.output)


def _has_right_gradients(student: Student, net: Net, run: Training) -> bool:
    """Whether the student's back_prop is right on the whole training set."""
    returned = student_net(student, net).call("back_prop", run.x, run.y)
    true_dW, true_db = net.gradients(run.x, run.y)
    true = [*true_dW, *true_db]
    try:
        own = [*returned[0], *returned[1]]
        return len(own) == len(true) and all(relative_error(a, b) <= 1e-9 for a, b in zip(own, true, strict=True))
    except (TypeError, ValueError, IndexError):
        return False


def _shaped(name: str, gradients: Any, parameters: Arrays) -> list[Array]:
    """The student's gradients; nothing can work with any that do not fit the parameters."""
    values = check_sequence(f"{name}_list of back_prop", gradients, len(parameters))
    pairs = enumerate(zip(values, parameters, strict=True))
    return [check_array(f"{name}[{layer}] of back_prop", value, p.shape) for layer, (value, p) in pairs]


def _given_gradients(at: Net, x: Array, y: Array) -> tuple[Arrays, Arrays]:
    """Sums over the columns like true gradients, of the right shapes, and else of no meaning."""
    columns = np.cos(np.arange(1, len(x) + 1)) @ x + np.sin(np.arange(1, len(y) + 1)) @ y
    total = 0.1 * float(np.sum(columns))
    dW, db = ([total * np.cos(1 + np.arange(p.size)).reshape(p.shape) for p in ps] for ps in (at.weights, at.biases))
    return dW, db


def _trained_with(student: Student, net: Net, run: Training, first: Training | None) -> Net:
    """The student's network after SGD_train, its gradients being the given ones."""
    handle = student_net(student, net)
    handle.set("back_prop", lambda x, y: _given_gradients(net, np.asarray(x), np.asarray(y)))
    if first:
        _train(student, handle, first)
        _set(handle, net)
    _train(student, handle, run)
    return _parameters(handle, net)


def _case(
    rng: np.random.Generator,
    sizes: list[int],
    n: int,
    epochs: int,
    batch_size: int,
    lam: float = 0.0,
    alike: bool = False,
    kinds: tuple[str, str] = ("sigmoid", "sigmoid"),
) -> tuple[Net, Training]:
    """A network and a training run that moves every parameter; with `alike` all examples are the same one."""
    for _ in range(1000):
        net = random_net(rng, sizes, *kinds)
        x, y = random_batch(rng, sizes, n)
        if alike:
            x, y = np.repeat(x[:, :1], n, axis=1), np.repeat(y[:, :1], n, axis=1)
        run = Training(x, y, epochs, float(rng.uniform(0.5, 1.5)), lam, batch_size, int(rng.integers(2**31 - 1)))
        changes = _change(net, descend(net, run))
        if all(np.linalg.norm(change) > 1e-2 for change in changes.values()):
            return net, run
    raise RuntimeError(f"no training run found for sizes {sizes}")


def _pairs(x: Array, y: Array) -> list[tuple[Array, Array]]:
    return [(x[:, [i]], y[:, [i]]) for i in range(x.shape[1])]


# ── history ──────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("history", weight=2, needs=("Network",))
def accuracy_after_every_epoch(student: Student, rng: np.random.Generator) -> None:
    """One mini-batch an epoch, so that a wrong order of the examples plays no part."""
    net, run, test = _lively_case(rng)
    pairs, test_pairs = _pairs(run.x, run.y), _pairs(*test)
    expected: dict[str, list[float]] = {"acc_train_array": [], "acc_test_array": []}
    for epochs in range(run.epochs + 1):
        handle = student_net(student, net)
        if epochs:
            _train(student, handle, replace(run, epochs=epochs))
        expected["acc_train_array"].append(_accuracy(handle, pairs))
        expected["acc_test_array"].append(_accuracy(handle, test_pairs))
    _demand_lively(student, rng, net, pairs)
    handle = student_net(student, net)
    _train_and_record(student, handle, net, run, verbose=False, test=test_pairs)
    both = list(expected.values())
    for name, (own, other) in zip(expected, (both, both[::-1]), strict=True):
        got = check_sequence(
            f"{name} after {run.epochs} epochs", handle.get(name), run.epochs, _count(handle, name, run)
        )
        n = len(pairs if name == "acc_train_array" else test_pairs)
        what = f"{name} of {run.epochs} epochs ({n} examples)"
        compare(what, got, own[1:], _history_suspects(own, other, n), next_step=HISTORY_STEP)


HISTORY_STEP = (
    "after every epoch append self.evaluate(train) to acc_train_array and self.evaluate(test) to acc_test_array"
)


@questions("history", weight=1, needs=("Network",))
def starts_afresh_in_each_call(student: Student, rng: np.random.Generator) -> None:
    net, run, test = _lively_case(rng)
    runs, test_pairs = [run, replace(run, epochs=2)], _pairs(*test)
    handle = student_net(student, net)
    for each in runs:
        _train_and_record(student, handle, net, each, verbose=False, test=test_pairs)
    for name, data in (("acc_train_array", _pairs(run.x, run.y)), ("acc_test_array", test_pairs)):
        cause = "the array still holds the values of the first call: empty it at the start of each call"
        got = check_sequence(f"{name} after a second call, with 2 epochs", handle.get(name), 2, cause)
        _check_last(student, handle, net, runs, name, got, data)


@questions("history", weight=1, needs=("Network",))
def speaks_only_when_verbose(student: Student, rng: np.random.Generator) -> None:
    net, run, test = _lively_case(rng)
    pairs, run = _pairs(run.x, run.y), replace(run, epochs=60)
    handle = student_net(student, net)
    printed = _train_and_record(student, handle, net, run, verbose=True, test=None)
    if not printed.strip():
        raise wrong("SGD_train(..., epochs=60, verbose=True)", "prints nothing", "", "print a line once in ten epochs")
    got = check_sequence("acc_train_array of 60 epochs with verbose=True", handle.get("acc_train_array"), 60)
    _check_last(student, handle, net, [run], "acc_train_array", got, pairs)
    _demand_empty(handle, "acc_test_array", "without a test set")
    handle = student_net(student, net)
    printed = _train_and_record(student, handle, net, run, verbose=False, test=None)
    _demand_silence(printed, "test=None")
    _demand_empty(handle, "acc_train_array", "with verbose=False and no test set")
    _demand_empty(handle, "acc_test_array", "without a test set")
    _demand_silence(_train_and_record(student, handle, net, run, verbose=False, test=_pairs(*test)), "a test set")


def _check_last(
    student: Student, handle: Handle, net: Net, runs: list[Training], name: str, got: list[Any], data: list
) -> None:
    """The last entry is the accuracy now. Whether it is taken an epoch too early is the first check's business."""
    earlier = student_net(student, net)
    for run in [*runs[:-1], replace(runs[-1], epochs=runs[-1].epochs - 1)]:
        _train(student, earlier, run)
    too_early = _accuracy(earlier, data)
    if relative_error(check_array(f"the last entry of {name}", got[-1], ()), too_early) > 0:
        own = [too_early, _accuracy(handle, data)]
        compare(f"the last entry of {name}", got[-1], own[1], _scales(own[1:], len(data)), next_step=HISTORY_STEP)


def _demand_silence(printed: str, test: str) -> None:
    if printed:
        line = printed.strip().split("\n")[0][:60]
        raise wrong(
            f"SGD_train(..., verbose=False) with {test}", f"prints {line!r}", "a print outside `if verbose:`", ""
        )


def _demand_empty(handle: Handle, name: str, when: str) -> None:
    what = f"{name} {when}"
    check_sequence(
        what, handle.get(name), 0, "it is filled although nobody asked: evaluating costs time in every epoch"
    )


def _train_and_record(
    student: Student, handle: Handle, net: Net, run: Training, verbose: bool, test: list | None
) -> str:
    """Train with the arrays switched on, and return what was printed. A network that did not learn has no history."""
    before = _parameters(handle, net)
    student.seed(run.seed)
    settings = {"lam": run.lam, "verbose": verbose, "test": test, "batch_size": run.batch_size}
    handle.call("SGD_train", _pairs(run.x, run.y), run.epochs, run.eta, **settings)
    printed = student.printed
    if not np.linalg.norm(_flat(_change(before, _parameters(handle, net)))) > 0:
        raise wrong(
            "SGD_train", "changes no parameter, so there is no progress to record", "", "get sgd_train right first"
        )
    return printed


def _demand_lively(student: Student, rng: np.random.Generator, net: Net, pairs: list[tuple[Array, Array]]) -> None:
    """An evaluate that says the same of every network tells nothing about a history."""
    others = [random_net(rng, net.sizes, net.hidden, net.output) for _ in range(8)]
    said = {_accuracy(student_net(student, other), pairs) for other in others}
    if len(said) < 2:
        raise wrong("evaluate", f"returns {said.pop():g} for 8 networks", "", "get evaluate of part 2 right first")


def _accuracy(handle: Handle, data: list[tuple[Array, Array]]) -> float:
    """By the student's own evaluate: a mistake in it belongs to part 2."""
    return float(check_array("evaluate", handle.call("evaluate", data), ()))


def _history_suspects(own: list[float], other: list[float], n: int) -> list[Suspect]:
    after = np.array(own[1:])
    return [
        *_scales(own[1:], n),
        Suspect(own[:-1], "it is measured before the epoch: append after the last mini-batch of the epoch"),
        Suspect(other[1:], "train and test are mixed up: each array has its own data"),
        Suspect(np.full(len(after), after[-1]), "every entry is the accuracy at the end: measure after every epoch"),
    ]


def _scales(accuracies: list[float], n: int) -> list[Suspect]:
    """What stands for an accuracy by mistake, as a list or, where there is one alone, as a number."""
    right = np.array(accuracies) if len(accuracies) > 1 else np.array(accuracies[0])
    return [
        Suspect(100 * right, "it is in per cent: between 0 and 1 is asked for"),
        Suspect(n * right, "it counts the right ones: a fraction between 0 and 1 is asked for"),
        Suspect(1 - right, "it is the error rate: accuracy is the fraction that is right"),
    ]


def _count(handle: Handle, name: str, run: Training) -> str:
    """Why the number of entries may be wrong."""
    values = handle.get(name)
    length = len(values) if isinstance(values, list | tuple | np.ndarray) else -1
    causes = {
        0: "it is never filled, or only when verbose: with a test set it is filled too",
        1: "it holds one value for all epochs: append after every epoch",
        run.epochs + 1: "one epoch too many, or the accuracy before the first epoch is there too",
        run.epochs - 1: "the last epoch is missing",
    }
    return causes.get(length, "one entry an epoch, neither more often nor now and then only")


def _lively_case(rng: np.random.Generator) -> tuple[Net, Training, tuple[Array, Array]]:
    """A run in which the accuracy on both sets changes in every epoch, so that no value stands for another."""
    for _ in range(5000):
        net = random_net(rng, [3, 6, 3])
        x, y = random_batch(rng, [3, 6, 3], 31)
        test = random_batch(rng, [3, 6, 3], 23)
        run = Training(x, y, 4, float(rng.uniform(4, 12)), 0.0, 31, int(rng.integers(2**31 - 1)))
        ends = [net, *(descend(net, replace(run, epochs=epochs)) for epochs in range(1, 5))]
        hits = [[_hits(end, x, y) for end in ends], [_hits(end, *test) for end in ends]]
        if all(len(set(values)) == len(values) for values in hits):
            return net, run, test
    raise RuntimeError("no run with changing accuracies found")


def _hits(net: Net, x: Array, y: Array) -> float:
    return float(np.mean(net.predict(x).argmax(axis=0) == y.argmax(axis=0)))


# ── The two trained networks ─────────────────────────────────────────────────────────────────────────────────────


def _reaches(network: str, data: str, sizes: list[int], level: int) -> Callable[[Student, np.random.Generator], None]:
    """A check that asks for one threshold: the images go to the student in random order, the labels stay here."""

    def run(student: Student, rng: np.random.Generator) -> None:
        handle = check_trained_network(student, network, sizes)
        dataset = datasets.load(data)
        order = rng.permutation(len(dataset.x_test))
        scores = handle.call("forward_prop", dataset.x_test[order].T.copy())
        check_accuracy(network, scores, dataset.y_test[order], THRESHOLDS[data, dataset.stand_in], level)

    run.__name__ = f"accuracy_{level + 1}"
    return run


for _level in range(3):
    questions("train_toy", needs=("toy_network",))(_reaches("toy_network", "tiny_toy", [2, 30, 2], _level))
for _level in range(5):
    questions("train_mnist", needs=("mnist_network",))(_reaches("mnist_network", "tiny_mnist", [196, 30, 10], _level))


# ── dropout ──────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("dropout", needs=("Network",))
def kept_neurons_are_scaled(student: Student, rng: np.random.Generator) -> None:
    """With output weights of zero the output's error does not depend on the masks, so the last dW shows them."""
    keep, sizes = float(rng.uniform(0.65, 0.85)), [3, 400, 2]
    net = random_net(rng, sizes, "sigmoid", str(rng.choice(["sigmoid", "softmax"])))
    net = Net([net.weights[0], np.zeros((2, 400))], net.biases, net.hidden, net.output)
    x, y = random_batch(rng, sizes, 1)
    dW, db = _dropped_gradients(_dropout_net(student, net, keep), net, x, y)
    plain_dW, plain_db = net.gradients(x, y)
    hint = "the output layer is never dropped: masks belong to the hidden layers only"
    halves = [Suspect(plain_db[1] * np.reshape(mask, (2, 1)) / keep, hint) for mask in np.ndindex(2, 2)]
    compare(f"db[1] with keep_prob={keep:.2f} and output weights 0", db[1], plain_db[1], halves, next_step=hint)
    mask = np.any(dW[1] != 0, axis=0)
    _demand_drops(student, mask, keep)
    suspects = [
        Suspect(
            plain_dW[1] * mask, "the kept activations are not divided by keep_prob: inverted dropout does that here"
        ),
        Suspect(plain_dW[1] * mask * keep, "the kept activations are multiplied by keep_prob: divide by it"),
        Suspect(plain_dW[1] * mask / keep**2, "the kept activations are divided by keep_prob twice"),
        Suspect(
            plain_dW[1] * mask / (1 - keep), "the kept activations are divided by 1 − keep_prob: divide by keep_prob"
        ),
    ]
    for inputs in np.ndindex(2, 2, 2):
        dropped_dW, _ = net.gradients(x * np.reshape(inputs, (3, 1)) / keep, y)
        suspects.append(
            Suspect(dropped_dW[1] * mask / keep, "the input is dropped too: masks belong to the hidden layers only")
        )
    what = f"dW[1] of the kept neurons with keep_prob={keep:.2f} and output weights 0"
    compare(what, dW[1], plain_dW[1] * mask / keep, suspects, next_step="multiply each activation by mask / keep_prob")


@questions("dropout", needs=("Network",))
def gradients_follow_the_masks(student: Student, rng: np.random.Generator) -> None:
    for kinds in (("sigmoid", "softmax"), ("tanh", "sigmoid")):
        _check_one_hidden_layer(student, rng, kinds)
        _check_deep(student, rng, kinds)


@questions("dropout", needs=("Network",))
def masks_are_drawn_anew(student: Student, rng: np.random.Generator) -> None:
    """Every call and every example has a mask of its own, and the right fraction is kept."""
    m, keep = 8, float(rng.uniform(0.65, 0.85))
    net = random_net(rng, [3, 60, m])
    # With these outputs and targets the last delta is the unit matrix: row k of the last dW shows example k's mask.
    net = Net([net.weights[0], np.zeros((m, 60))], [net.biases[0], np.zeros((m, 1))])
    x, y = rng.normal(size=(3, m)), 0.5 - 4 * np.eye(m)
    handle = _dropout_net(student, net, keep)
    first, second = (_dropped_gradients(handle, net, x, y)[0][1] != 0 for _ in range(2))
    if first.all():
        _demand_drops(student, first, keep)
    if np.array_equal(first, second):
        raise wrong(
            "back_prop called twice", "drops the same neurons", "the masks are drawn once, or a seed is set", ""
        )
    masks = {tuple(mask) for mask in first}
    if len(masks) == 1:
        cause = "one mask serves the whole mini-batch: draw a mask of the shape of the activations"
        raise wrong(f"back_prop of {m} examples", "drops the same neurons for all of them", cause)
    if len(masks) < m:
        raise wrong(f"back_prop of {m} examples", f"uses {len(masks)} different masks", "", "draw one for each example")
    _demand_drops(student, np.concatenate([first, second]), keep)


@questions("dropout", needs=("Network",))
def forward_prop_drops_nothing(student: Student, rng: np.random.Generator) -> None:
    keep = 0.5
    net, x, y = _one_at_a_time(rng, 4, 40, ("tanh", "softmax"))
    handle = _dropping(student, net, x, y, keep)
    plain = net.predict(x)
    scaled = Net([net.weights[0], net.weights[1] * keep], net.biases, net.hidden, net.output)
    cause = "forward_prop is scaled by keep_prob: inverted dropout has done that in back_prop already"
    step = "forward_prop uses every neuron, whatever keep_prob is: neither masks nor factors"
    for time in ("", ", called again"):
        got = handle.call("forward_prop", x)
        compare(
            f"forward_prop with keep_prob={keep}{time}", got, plain, [Suspect(scaled.predict(x), cause)], next_step=step
        )


@questions("dropout", needs=("Network",))
def nothing_without_keep_prob(student: Student, rng: np.random.Generator) -> None:
    net, x, y = _one_at_a_time(rng, 5, 40, ("sigmoid", "sigmoid"))
    _dropping(student, net, x, y, 0.5)
    dW, db = _dropped_gradients(_dropout_net(student, net, None), net, x, y)
    expected_dW, expected_db = net.gradients(x, y)
    step = "with keep_prob=None every mask is 1, and no activation is scaled"
    for layer in range(2):
        compare(f"dW[{layer}] with keep_prob=None", dW[layer], expected_dW[layer], next_step=step)
        compare(f"db[{layer}] with keep_prob=None", db[layer], expected_db[layer], next_step=step)
    _demand_no_draws(student, net, x, y)


def _demand_no_draws(student: Student, net: Net, x: Array, y: Array) -> None:
    """With keep_prob=None back_prop draws nothing: a network made after it from a seed is one made without it."""
    made = []
    for calls in (0, 0, 1):
        handle = _dropout_net(student, net, None)
        student.seed(1)
        if calls:
            handle.call("back_prop", x, y)
        made.append(check_array("weights[0]", student.new("Network", net.sizes).get("weights")[0], (40, 5)))
    # Parameters that do not come from np.random in the first place tell nothing.
    if np.array_equal(made[0], made[1]) and not np.array_equal(made[0], made[2]):
        cause = "masks are drawn although they are not used, which changes what the same seed gives to SGD_train"
        step = "call np.random only if self.keep_prob is not None"
        raise wrong("back_prop with keep_prob=None", "draws random numbers", cause, step)


def _check_one_hidden_layer(student: Student, rng: np.random.Generator, kinds: tuple[str, str]) -> None:
    """A mini-batch in which each example has an input of its own: column k of dW[0] shows the mask of example k."""
    keep = float(rng.uniform(0.4, 0.8))
    net, x, y = _one_at_a_time(rng, 4, 40, kinds)
    dW, db = _dropped_gradients(_dropout_net(student, net, keep), net, x, y)
    mask = _masks_of_examples(dW[0])
    if mask.all():
        cause = "the error is not masked on its way back: a dropped neuron gets no gradient"
        raise wrong(
            f"dW[0] with keep_prob={keep:.2f}", "has no zeros", cause, "multiply delta by the same mask / keep_prob"
        )
    _compare_dropped(f"keep_prob={keep:.2f}, 4 examples", net, x, y, [mask], keep, dW, db)


def _check_deep(student: Student, rng: np.random.Generator, kinds: tuple[str, str]) -> None:
    """One example through two hidden layers: a column of zeros in the dW above a layer shows its dropped neurons."""
    keep, sizes = float(rng.uniform(0.5, 0.8)), [3, 10, 9, 4]
    net = random_net(rng, sizes, *kinds)
    x, y = random_batch(rng, sizes, 1)
    handle = _dropout_net(student, net, keep)
    for _ in range(20):
        dW, db = _dropped_gradients(handle, net, x, y)
        masks = [np.any(above != 0, axis=0).reshape(-1, 1) for above in dW[1:]]
        if all(mask.any() for mask in masks):
            _compare_dropped(f"keep_prob={keep:.2f}, two hidden layers", net, x, y, masks, keep, dW, db)
            return
    raise wrong("back_prop of a network with two hidden layers", "drops a whole layer in 20 calls of 20")


def _compare_dropped(
    when: str, net: Net, x: Array, y: Array, masks: list[Array], keep: float, dW: list[Array], db: list[Array]
) -> None:
    kept, scaled, plain = masks, [mask / keep for mask in masks], [np.ones(mask.shape) for mask in masks]
    expected = dropout_gradients(net, x, y, scaled, scaled)
    ways = {
        "the masks are not divided by keep_prob: inverted dropout divides, forward and back": (kept, kept),
        "the error is masked on its way back but not divided by keep_prob": (scaled, kept),
        "the activations are masked but not divided by keep_prob": (kept, scaled),
        "the error is not masked on its way back: delta of a dropped neuron is 0": (scaled, plain),
        "the error is divided by keep_prob but not masked": (scaled, [np.full(mask.shape, 1 / keep) for mask in masks]),
        "the activations are not masked on the way forward": (plain, scaled),
    }
    gone_wrong = {cause: dropout_gradients(net, x, y, *factors) for cause, factors in ways.items()}
    for layer in reversed(range(len(dW))):
        for name, kind, got in (("dW", 0, dW), ("db", 1, db)):
            suspects = [Suspect(gradients[kind][layer], cause) for cause, gradients in gone_wrong.items()]
            step = "the mask of a layer is one and the same, forward and back"
            compare(f"{name}[{layer}] with {when}", got[layer], expected[kind][layer], suspects, next_step=step)


def _demand_drops(student: Student, mask: Array, keep: float) -> None:
    """Demand that about the fraction `keep` is kept."""
    fraction, count = float(np.mean(mask)), mask.size
    margin = SIGMAS * np.sqrt(keep * (1 - keep) / count)
    what, got = f"back_prop with keep_prob={keep:.2f}", f"keeps {fraction:.0%} of {count} hidden activations"
    if mask.all():
        raise nothing_dropped(student, what)
    if not abs(fraction - keep) <= margin:
        swapped = abs(1 - fraction - keep) <= margin
        cause = (
            "keep_prob is taken for the probability to drop: keep where np.random.rand(...) < keep_prob"
            if swapped
            else ""
        )
        raise wrong(what, got, cause, "keep each neuron with probability keep_prob")


def _dropout_net(student: Student, net: Net, keep: float | None) -> Handle:
    """The student's network of the same kinds with keep_prob and the grader's parameters set."""
    handle = student.new("Network", net.sizes, hidden=net.hidden, output=net.output, keep_prob=keep)
    _set(handle, net)
    return handle


def _dropping(student: Student, net: Net, x: Array, y: Array, keep: float) -> Handle:
    """The student's network with keep_prob set, of which one example shows that it drops and returns gradients."""
    handle = _dropout_net(student, net, keep)
    dW, db = _dropped_gradients(handle, net, x[:, :1], y[:, :1])
    _demand_drops(student, np.any(dW[-1] != 0, axis=0), keep)
    _, db_of_another = _dropped_gradients(handle, net, x[:, :1], np.roll(y[:, :1], 1, axis=0))
    delta = db[-1] / (np.linalg.norm(db[-1]) or 1.0)
    outer_product = relative_error(dW[-1], delta @ (delta.T @ dW[-1])) <= TOLERANCE
    if not outer_product or np.array_equal(db[-1], db_of_another[-1]):
        cause = "for one example db of the output layer is its delta, and dW the product of this delta and a row"
        step = "get the gradients with keep_prob set right first"
        raise wrong(f"back_prop of one example with keep_prob={keep}", "returns no gradients", cause, step)
    return handle


def _masks_of_examples(first_dW: Array) -> Array:
    """The mask of the only hidden layer, (n, m), of a mini-batch made by `_one_at_a_time`."""
    if not np.all(np.any(first_dW != 0, axis=0)):
        cause = "the input is dropped too: masks belong to the hidden layers only"
        raise wrong(
            "dW[0] of a mini-batch in which each example has an input of its own", "has a column of zeros", cause
        )
    return first_dW != 0


def _one_at_a_time(
    rng: np.random.Generator, m: int, hidden_size: int, kinds: tuple[str, str]
) -> tuple[Net, Array, Array]:
    """A network and m examples of which example k has input k alone."""
    sizes = [m, hidden_size, 12]
    net = random_net(rng, sizes, *kinds)
    _, y = random_batch(rng, sizes, m)
    return net, np.diag(rng.uniform(0.5, 1.5, m)), y


def _dropped_gradients(handle: Handle, net: Net, x: Array, y: Array) -> tuple[list[Array], list[Array]]:
    returned = check_sequence("back_prop's return value (dW_list, db_list)", handle.call("back_prop", x, y), 2)
    return _shaped("dW", returned[0], net.weights), _shaped("db", returned[1], net.biases)
