"""Visible checks of part 3: stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradescent.student import datasets
from gradescent.student.compare import (
    check_array,
    check_sequence,
    check_unmodified,
    compare,
    relative_error,
    wrong,
)
from gradescent.student.judging import Handle, NotAttempted, Questions, Stop, Student

questions = Questions(
    by_person=("structure", "hidden_size_plot", "hidden_size", "epochs_plot", "epochs"), optional=("dropout",)
)

# Test accuracy, a point each; by data set, and by whether it is the stand-in. Measured with ten seeds, trained on the
# whole training set and on the four fifths of it that graded code sees (tiny_toy: 100 epochs, η = 3, mini-batches of
# 10; tiny_mnist: 20 epochs, the same and λ = 1e-4; λ = 0 ends as low as 0.77 where a digit is never answered):
#   tiny_toy    1.000 to 1.000, stand-in 0.995 to 1.000; untrained up to 0.69 in 200 seeds
#   tiny_mnist  0.843 to 0.872, stand-in 0.903 to 0.935; untrained up to 0.19, stand-in 0.25
#   tiny_mnist after one epoch 0.27 to 0.63, after three 0.56 to 0.80; stand-in 0.51 to 0.68 and 0.73 to 0.88
THRESHOLDS = {
    ("tiny_toy", False): (0.80, 0.90, 0.97),
    ("tiny_toy", True): (0.80, 0.90, 0.95),
    ("tiny_mnist", False): (0.40, 0.60, 0.70, 0.76, 0.80),
    ("tiny_mnist", True): (0.50, 0.70, 0.78, 0.84, 0.88),
}


# ── SGD_train ────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("sgd_train", needs=("Network",))
def one_step_by_hand(student: Student, rng: np.random.Generator) -> None:
    # W = b = 0 and x = y = 1: the output is 1/2, delta = (1/2 − 1)·(1/4) = −1/8, and so are dW and db.
    net = _one_neuron(student, 0.0)
    _train(net, [(np.ones((1, 1)), np.ones((1, 1)))], 1, 8.0)
    compare("[W, b] after one epoch with x = 1, y = 1, eta = 8, by hand", _values(net), [1.0, 1.0])


@questions("sgd_train", needs=("Network",))
def mean_over_the_mini_batch(student: Student, rng: np.random.Generator) -> None:
    # Four times the same example: the mean gradient is that of one, and one mini-batch is one step.
    net = _one_neuron(student, 0.0)
    _train(net, [(np.ones((1, 1)), np.ones((1, 1)))] * 4, 1, 8.0, batch_size=4)
    step = "divide the sums that back_prop returns by m, and take one step for the whole mini-batch"
    compare("[W, b] after one mini-batch of four equal examples, by hand", _values(net), [1.0, 1.0], next_step=step)


@questions("sgd_train", needs=("Network",))
def decay_by_hand(student: Student, rng: np.random.Generator) -> None:
    # x = 0 leaves W without a gradient, so that only the decay moves it: 2 − 0.5·0.1·2 = 1.9. With y = 1/2 b stays 0.
    net = _one_neuron(student, 2.0)
    _train(net, [(np.zeros((1, 1)), np.full((1, 1), 0.5))] * 3, 1, 0.5, lam=0.1, batch_size=3)
    compare("[W, b] after a step with no gradient, W = 2, eta = 0.5, lam = 0.1, by hand", _values(net), [1.9, 0.0])
    # With y = 1/2 and b = 0 nothing may move b; with b = log 3 and y = 3/4 neither.
    net = _one_neuron(student, 2.0, float(np.log(3)))
    _train(net, [(np.zeros((1, 1)), np.full((1, 1), 0.75))], 1, 0.5, lam=0.1)
    step = "the biases are not decayed"
    compare("[W, b] after a step with no gradient, b = log 3", _values(net), [1.9, np.log(3)], next_step=step)


@questions("sgd_train", needs=("Network",))
def an_epoch_is_its_mini_batches(student: Student, rng: np.random.Generator) -> None:
    """Two epochs in one call end where a call for each mini-batch ends, in the order of np.random.permutation."""
    weights, biases = [rng.normal(size=(3, 2)), rng.normal(size=(2, 3))], [rng.normal(size=(n, 1)) for n in (3, 2)]
    train = [(rng.normal(size=(2, 1)), np.eye(2)[:, [i % 2]]) for i in range(5)]
    student.seed(1)
    together = with_plain_back_prop(student, _filled(student, [2, 3, 2], weights, biases))
    student.seed(1)
    _train(together, train, 2, 2.0, lam=0.01, batch_size=2)
    check_unmodified("SGD_train", student.modified, ("train",))
    apart = with_plain_back_prop(student, _filled(student, [2, 3, 2], weights, biases))
    random = np.random.RandomState(1)
    for order in (random.permutation(5), random.permutation(5)):
        for start in (0, 2, 4):
            batch = [train[i] for i in order[start : start + 2]]
            _train(apart, batch, 1, 2.0, lam=0.01, batch_size=len(batch))
    expected = _flat(apart)
    if not relative_error(expected, np.concatenate([a.ravel() for a in [*weights, *biases]])) > 1e-3:
        raise wrong("SGD_train of one mini-batch", "leaves the parameters as they are", "the update is missing")
    compare(
        "the parameters after 2 epochs over 5 examples with batch_size=2, and after a call for each of 6 mini-batches",
        _flat(together),
        expected,
        tolerance=1e-8,
        next_step="an epoch begins with np.random.permutation(5) of the original order; its slices are 2, 2 and 1 long",
    )


# ── history ──────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("history", needs=("Network",))
def arrays_of_two_calls(student: Student, rng: np.random.Generator) -> None:
    net, train, test = _small_problem(student, rng)
    for epochs in (5, 3):
        net.call("SGD_train", train, epochs, 1.0, verbose=False, test=test, batch_size=4)
        for name, data in (("acc_train_array", train), ("acc_test_array", test)):
            what = f"{name} after a call with {epochs} epochs and a test set"
            values = check_sequence(
                what, net.get(name), epochs, "one entry an epoch, emptied at the start of each call"
            )
            step = "append self.evaluate(...) after the last mini-batch of every epoch"
            compare(f"the last entry of {name}", values[-1], net.call("evaluate", data), next_step=step)


@questions("history", needs=("Network",))
def printed_lines(student: Student, rng: np.random.Generator) -> None:
    net, train, _ = _small_problem(student, rng)
    net.call("SGD_train", train, 60, 1.0, batch_size=4)
    if not student.printed.strip():
        raise wrong(
            "SGD_train with verbose=True and 60 epochs", "prints nothing", "", "print a line once in ten epochs"
        )
    check_sequence("acc_train_array of 60 epochs with verbose=True", net.get("acc_train_array"), 60)
    check_sequence("acc_test_array without a test set", net.get("acc_test_array"), 0)
    net.call("SGD_train", train, 2, 1.0, verbose=False, batch_size=4)
    if student.printed:
        raise wrong("SGD_train with verbose=False", f"prints {student.printed[:40]!r}", "a print outside `if verbose:`")
    check_sequence("acc_train_array with verbose=False and no test set", net.get("acc_train_array"), 0)


# ── The two trained networks ─────────────────────────────────────────────────────────────────────────────────────


@questions("train_toy", needs=("toy_network",))
def toy_accuracy(student: Student, rng: np.random.Generator) -> None:
    _reaches_the_top(student, "toy_network", "tiny_toy", [2, 30, 2])


@questions("train_mnist", needs=("mnist_network",))
def mnist_accuracy(student: Student, rng: np.random.Generator) -> None:
    _reaches_the_top(student, "mnist_network", "tiny_mnist", [196, 30, 10])


def _reaches_the_top(student: Student, network: str, data: str, sizes: list[int]) -> None:
    handle = check_trained_network(student, network, sizes)
    dataset = datasets.load(data)
    thresholds = THRESHOLDS[data, dataset.stand_in]
    scores = handle.call("forward_prop", dataset.x_test.T)
    check_accuracy(network, scores, dataset.y_test, thresholds, len(thresholds) - 1)


def check_trained_network(student: Student, name: str, sizes: list[int]) -> Handle:
    """The network of that variable, which must have these layers."""
    handle = student.read(name)
    if not hasattr(handle, "call"):
        raise wrong(name, f"is {handle!r}"[:60], "SGD_train returns nothing: train first, and keep the network itself")
    weights = check_sequence(f"weights of {name}", handle.get("weights"), len(sizes) - 1)
    for layer, array in enumerate(weights):
        shape = (sizes[layer + 1], sizes[layer])
        check_array(f"weights[{layer}] of {name} with the sizes {sizes}", array, shape)
    return handle


def check_accuracy(name: str, scores: Any, labels: np.ndarray, thresholds: Sequence[float], level: int) -> None:
    """Demand the accuracy of one threshold.

    Args:
        name: the variable.
        scores: what forward_prop returned, (classes, m).
        labels: the right classes, (m,).
        thresholds: all of them, rising.
        level: which one is demanded.
    """
    classes = int(labels.max()) + 1
    answers = check_array(f"{name}.forward_prop of {len(labels)} columns", scores, (classes, len(labels))).argmax(
        axis=0
    )
    accuracy = float(np.mean(answers == labels))
    if accuracy >= thresholds[level]:
        return
    steps = ", ".join(f"{threshold:.2f}" for threshold in thresholds)
    reached = sum(accuracy >= threshold for threshold in thresholds)
    got = f"accuracy {accuracy:.3f} on {len(labels)} examples that it has not seen: {reached} of the thresholds {steps}"
    raise wrong(name, got, _why_low(answers, labels, accuracy), "plot acc_train_array: does it still rise at the end?")


def _why_low(answers: np.ndarray, labels: np.ndarray, accuracy: float) -> str:
    given, classes = np.unique(answers), np.unique(labels)
    if len(given) == 1:
        return f"it answers {given[0]} to everything: it is not trained, or the learning rate is far too large"
    if accuracy <= 1 / len(classes) + 0.1:
        return (
            "it does little better than guessing: not trained at all or with too few epochs, "
            "or on examples that come unshuffled, class by class"
        )
    never = [str(label) for label in classes if label not in given]
    if never:
        return f"it never answers {' or '.join(never)}: that output is stuck near 0; try lam=1e-4 or another seed"
    return "too few epochs, or a learning rate that is too small"


# ── dropout ──────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("dropout", needs=("Network",))
def drops_and_scales(student: Student, rng: np.random.Generator) -> None:
    weights = [rng.normal(size=(200, 2)), np.zeros((1, 200))]
    net = _filled(student, [2, 200, 1], weights, [np.zeros((200, 1)), np.zeros((1, 1))], keep_prob=0.8)
    # For x = 0 all hidden activations are 1/2, and the last delta is (1/2 + 7.5)·(1/4) = 2: each kept entry of dW[1]
    # is 2·(1/2)/0.8 = 1.25.
    dW, _ = _gradients(net, np.zeros((2, 1)), np.full((1, 1), -7.5))
    last = check_array("dW[1] with keep_prob=0.8", dW[1], (1, 200))
    kept = last != 0
    if kept.all():
        raise nothing_dropped(student, "back_prop with keep_prob=0.8")
    if not 130 <= kept.sum() <= 190:
        got = f"keeps {kept.sum()} of 200 neurons"
        raise wrong("back_prop with keep_prob=0.8", got, "", "keep where np.random.rand(...) < keep_prob")
    step = "a kept activation is divided by keep_prob: 1/2 becomes 0.625"
    compare("the entries of dW[1] of kept neurons, by hand", last[kept], np.full(kept.sum(), 1.25), next_step=step)


@questions("dropout", needs=("Network",))
def masks_differ(student: Student, rng: np.random.Generator) -> None:
    net = student.new("Network", [3, 50, 2], keep_prob=0.5)
    x, y = np.eye(3), np.zeros((2, 3))
    first, second = (check_array("dW[0]", _gradients(net, x, y)[0][0], (50, 3)) for _ in range(2))
    if np.array_equal(first != 0, second != 0):
        raise wrong(
            "back_prop called twice", "drops the same neurons", "the masks are drawn once, or not used on the way back"
        )
    # Example k has input k alone, so that column k of dW[0] is zero where its neurons are dropped.
    if np.array_equal(first[:, 0] != 0, first[:, 1] != 0):
        raise wrong("back_prop of three examples", "drops the same neurons for all", "draw a mask for each example")


@questions("dropout", needs=("Network",))
def forward_prop_is_steady(student: Student, rng: np.random.Generator) -> None:
    weights, biases = [rng.normal(size=(20, 3)), rng.normal(size=(2, 20))], [rng.normal(size=(n, 1)) for n in (20, 2)]
    x, y = rng.normal(size=(3, 4)), np.eye(2)[:, [0, 1, 1, 0]]
    dropping = _filled(student, [3, 20, 2], weights, biases, keep_prob=0.5)
    plain = _filled(student, [3, 20, 2], weights, biases, keep_prob=None)
    step = "forward_prop uses every neuron: neither masks nor factors"
    got = dropping.call("forward_prop", x)
    compare("forward_prop with keep_prob=0.5 and without", got, plain.call("forward_prop", x), next_step=step)
    first, second = (_gradients(plain, x, y)[0] for _ in range(2))
    step = "with keep_prob=None nothing is random: every mask is 1"
    compare("dW[0] of a second call with keep_prob=None", second[0], first[0], next_step=step)


def nothing_dropped(student: Student, what: str) -> Stop:
    """What to say of a back_prop that drops nothing: it is still that of part 2, or its masks are not applied."""
    if student.read("Network").get("back_prop").get("__name__") == "dropout_back_prop":
        step = "multiply the hidden activations by mask / keep_prob"
        return wrong(what, "drops no neuron", "the masks are not applied", step)
    return NotAttempted(
        f"{what}: drops no neuron. Likely: the cell 'dropout' is not attempted yet, or Network.back_prop = "
        "dropout_back_prop is missing at its end. Next: replace both raise lines by your own code."
    )


def _gradients(net: Handle, x: np.ndarray, y: np.ndarray) -> tuple[list[Any], list[Any]]:
    dW, db = check_sequence("back_prop's return value (dW_list, db_list)", net.call("back_prop", x, y), 2)
    return check_sequence("dW_list", dW, 2), check_sequence("db_list", db, 2)


def _one_neuron(student: Student, weight: float, bias: float = 0.0) -> Handle:
    net = _filled(student, [1, 1], [np.full((1, 1), weight)], [np.full((1, 1), bias)])
    return with_plain_back_prop(student, net)


def _filled(student: Student, sizes: list[int], weights: list[Any], biases: list[Any], **kwargs: Any) -> Handle:
    net = student.new("Network", sizes, **kwargs)
    net.set("weights", weights)
    net.set("biases", biases)
    return net


def with_plain_back_prop(student: Student, net: Handle) -> Handle:
    """The network with the back_prop that it had before the extra credit: a mistake there costs nothing elsewhere."""
    plain: Any = student.read("plain_back_prop") if student.has("plain_back_prop") else None
    if getattr(plain, "type_name", "") == "function":
        net.set("back_prop", plain.call("__get__", net))
    return net


def _train(net: Handle, train: list[Any], epochs: int, eta: float, lam: float = 0.0, batch_size: int = 1) -> None:
    net.call("SGD_train", train, epochs, eta, lam=lam, verbose=False, batch_size=batch_size)


def _values(net: Handle) -> np.ndarray:
    """[W, b] of a network with one neuron."""
    weights, biases = (check_sequence(name, net.get(name), 1)[0] for name in ("weights", "biases"))
    return np.concatenate([check_array("W", weights, (1, 1)).ravel(), check_array("b", biases, (1, 1)).ravel()])


def _flat(net: Handle) -> np.ndarray:
    arrays = [array for name in ("weights", "biases") for array in check_sequence(name, net.get(name), 2)]
    return np.concatenate([np.ravel(array) for array in arrays])


def _small_problem(student: Student, rng: np.random.Generator) -> tuple[Handle, list, list]:
    student.seed(5)
    examples = [(rng.normal(size=(2, 1)), np.eye(2)[:, [int(i % 2)]]) for i in range(24)]
    net = with_plain_back_prop(student, student.new("Network", [2, 4, 2]))
    return net, examples[:14], examples[14:]
