"""The grader's own network: forward pass, cost, numerical and analytic gradients, and the known ways to get them wrong.

Conventions of the problem set: one example a column, costs and gradients are sums over the columns, a sigmoid output
goes with the quadratic cost and a softmax output with cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

Array = np.ndarray
Arrays = Sequence[np.ndarray]


def sigmoid(z: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * z))


def sigmoid_prime(z: Array) -> Array:
    return sigmoid(z) * (1 - sigmoid(z))


def relu(z: Array) -> Array:
    return np.where(z > 0, z, 0.0)


def relu_prime(z: Array) -> Array:
    return np.where(z > 0, 1.0, 0.0)


def tanh_prime(z: Array) -> Array:
    return 1 - np.tanh(z) ** 2


def softmax(z: Array) -> Array:
    powers = np.exp(z - z.max(axis=0))
    return powers / powers.sum(axis=0)


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "sigmoid": (sigmoid, sigmoid_prime),
    "relu": (relu, relu_prime),
    "tanh": (np.tanh, tanh_prime),
}

# What a wrong back-propagation does, and the sentence that the student reads.
MISTAKES = {
    "prime_of_a": "the derivative is taken at the activation a; it belongs at the weighted input z: σ′(z), not σ′(a)",
    "output_prime_of_a": "the output layer's derivative is taken at a; it belongs at z: σ′(z), not σ′(a)",
    "hidden_prime_of_a": "the hidden layers' derivative is taken at a; it belongs at z: σ′(z), not σ′(a)",
    "output_prime_missing": (
        "the output layer's delta lacks the factor σ′(z): with a sigmoid output and quadratic cost it is (a − y)·σ′(z)"
    ),
    "output_prime_extra": (
        "the output layer's delta has a derivative too many: with softmax and cross-entropy it is just a − y"
    ),
    "output_sigmoid_prime_extra": (
        "the output layer's delta has sigmoid's derivative in it: with softmax and cross-entropy it is just a − y"
    ),
    "hidden_prime_missing": "the hidden layers' deltas lack the derivative of the activation, σ′(z)",
    "mean": "the gradients are averaged over the mini-batch; here they are sums over its columns, without 1/m",
    "bias_mean": "the bias gradients are averaged over the mini-batch while the weight gradients are summed; sum both",
    "first_column": "only the first example of the mini-batch counts: right for batch size one only",
    "last_column": "only the last example of the mini-batch counts: right for batch size one only",
    "outer_product": "np.outer mixes all examples of the mini-batch: the product delta @ a.T sums over its columns",
    "bias_not_summed": "the bias gradient keeps one column an example; sum delta over the columns with keepdims=True",
    "bias_wrong_axis": "the bias gradient is summed over the neurons; sum over the columns: axis=1, keepdims=True",
    "sigmoid_everywhere": "the hidden layers use sigmoid's derivative whatever `hidden` says",
    "prime_of_lower_z": "the derivative is taken at another layer's z: an index is off by one",
    "old_delta": "the delta of the layer above is used without multiplying by the transposed weights on the way down",
    "transpose_missing": "the error is sent down through W; it belongs through the transposed weights, W.T @ delta",
    "relu_in_place": "dW is made with the derivative in place of a: relu or its derivative writes into its argument",
    "target_sign": "the output error is y − a; the cost's derivative is a − y: swap them",
    "bias_missing": "the bias gradients are never filled in: they stay zero",
    "only_last_layer": "only the last layer's gradients are filled in: the loop over the layers stops too early",
    "first_layer_missing": "the first layer's gradients stay zero: the loop over the layers stops one too early",
}


@dataclass(frozen=True)
class Net:
    """Parameters and kinds of a network."""

    weights: Arrays
    biases: Arrays
    hidden: str = "sigmoid"
    output: str = "sigmoid"

    @property
    def sizes(self) -> list[int]:
        return [self.weights[0].shape[1], *(len(b) for b in self.biases)]

    def forward(self, x: Array) -> tuple[list[Array], list[Array]]:
        """Weighted inputs z of every layer, and activations a of every layer, the input first."""
        zs, activations = [], [x]
        for layer, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = w @ activations[-1] + b
            last = layer == len(self.weights) - 1
            zs.append(z)
            activations.append(self._output(z) if last else ACTIVATIONS[self.hidden][0](z))
        return zs, activations

    def _output(self, z: Array) -> Array:
        return softmax(z) if self.output == "softmax" else sigmoid(z)

    def predict(self, x: Array) -> Array:
        return self.forward(x)[1][-1]

    def cost(self, x: Array, y: Array) -> float:
        zs, activations = self.forward(x)
        if self.output == "softmax":
            shifted = zs[-1] - zs[-1].max(axis=0)
            return float(-np.sum(y * (shifted - np.log(np.exp(shifted).sum(axis=0)))))
        return float(0.5 * np.sum((activations[-1] - y) ** 2))

    def numerical_gradients(self, x: Array, y: Array, h: float = 1e-5) -> tuple[list[Array], list[Array]]:
        """Central differences of the cost in every weight and bias."""
        return self._differences(self.weights, x, y, h), self._differences(self.biases, x, y, h)

    def _differences(self, arrays: Arrays, x: Array, y: Array, h: float) -> list[Array]:
        gradients = []
        for array in arrays:
            gradient = np.empty_like(array)
            for index in np.ndindex(array.shape):
                kept = array[index]
                array[index] = kept + h
                above = self.cost(x, y)
                array[index] = kept - h
                below = self.cost(x, y)
                array[index] = kept
                gradient[index] = (above - below) / (2 * h)
            gradients.append(gradient)
        return gradients

    def gradients(self, x: Array, y: Array, mistake: str = "") -> tuple[list[Array], list[Array]]:
        """Back-propagation, with one of MISTAKES made on purpose where it is named."""
        prime = sigmoid_prime if mistake == "sigmoid_everywhere" else ACTIVATIONS[self.hidden][1]
        zs, activations = self.forward(x)
        delta = self._output_delta(zs[-1], activations[-1], y, mistake)
        deltas = [delta]
        for layer in range(len(self.weights) - 2, -1, -1):
            delta = self._sent_down(delta, layer + 1, mistake) * self._prime_at(prime, zs, activations, layer, mistake)
            deltas.insert(0, delta)
        dW = [d @ a.T for d, a in zip(deltas, activations[:-1], strict=True)]
        db = [d.sum(axis=1, keepdims=True) for d in deltas]
        return self._spoil(dW, db, deltas, activations, mistake)

    def _sent_down(self, delta: Array, layer: int, mistake: str) -> Array:
        """The error behind a layer's weights: two of the mistakes fit square weights alone."""
        w = self.weights[layer]
        if mistake == "old_delta" and w.shape[0] == w.shape[1]:
            return delta
        if mistake == "transpose_missing" and w.shape[0] == w.shape[1]:
            return w @ delta
        return w.T @ delta

    def _output_delta(self, z: Array, a: Array, y: Array, mistake: str) -> Array:
        error = y - a if mistake == "target_sign" else a - y
        if self.output == "softmax":
            extra = {"output_prime_extra": a * (1 - a), "output_sigmoid_prime_extra": sigmoid_prime(z)}
            return error * extra.get(mistake, 1.0)
        if mistake == "output_prime_missing":
            return error
        return error * sigmoid_prime(a if mistake in ("prime_of_a", "output_prime_of_a") else z)

    def _prime_at(self, prime: Callable, zs: Arrays, activations: Arrays, layer: int, mistake: str) -> Array | float:
        if mistake == "hidden_prime_missing":
            return 1.0
        if mistake in ("prime_of_a", "hidden_prime_of_a"):
            return prime(activations[layer + 1])
        if mistake == "prime_of_lower_z":
            other = zs[layer - 1] if layer else zs[layer]
            return prime(other) if other.shape == zs[layer].shape else prime(zs[layer])
        return prime(zs[layer])

    def _spoil(
        self, dW: list[Array], db: list[Array], deltas: Arrays, activations: Arrays, mistake: str
    ) -> tuple[list[Array], list[Array]]:
        m = deltas[0].shape[1]
        if mistake == "mean":
            return [g / m for g in dW], [g / m for g in db]
        if mistake == "bias_mean":
            return dW, [g / m for g in db]
        if mistake in ("first_column", "last_column"):
            column = slice(0, 1) if mistake == "first_column" else slice(m - 1, m)
            return [d[:, column] @ a[:, column].T for d, a in zip(deltas, activations[:-1], strict=True)], [
                d[:, column] for d in deltas
            ]
        if mistake == "outer_product":
            return [np.outer(d, a) for d, a in zip(deltas, activations[:-1], strict=True)], db
        if mistake == "relu_in_place":
            primes = [ACTIVATIONS[self.hidden][1](a) for a in activations[1:-1]]
            return [d @ a.T for d, a in zip(deltas, [activations[0], *primes], strict=True)], db
        if mistake == "bias_wrong_axis":
            return dW, [d.sum(axis=0, keepdims=True) for d in deltas]
        if mistake == "bias_not_summed":
            return dW, list(deltas)
        if mistake == "bias_missing":
            return dW, [np.zeros_like(g) for g in db]
        if mistake == "only_last_layer":
            return [*(np.zeros_like(g) for g in dW[:-1]), dW[-1]], [*(np.zeros_like(g) for g in db[:-1]), db[-1]]
        if mistake == "first_layer_missing":
            return [np.zeros_like(dW[0]), *dW[1:]], [np.zeros_like(db[0]), *db[1:]]
        return dW, db


def random_net(rng: np.random.Generator, sizes: Sequence[int], hidden: str = "sigmoid", output: str = "sigmoid") -> Net:
    """A network whose parameters are odd values of order one: zeros would mask wrong gradients."""
    weights = [rng.normal(0, 1 / np.sqrt(n_in), (n_out, n_in)) * 1.2 for n_in, n_out in pairwise(sizes)]
    biases = [rng.normal(0, 0.5, (n, 1)) for n in sizes[1:]]
    return Net(weights, biases, hidden, output)


def random_batch(rng: np.random.Generator, sizes: Sequence[int], m: int) -> tuple[Array, Array]:
    """Inputs (n_in, m) and one-hot targets (n_out, m)."""
    x = rng.normal(0, 1, (sizes[0], m))
    y = (
        np.eye(sizes[-1])[rng.integers(0, sizes[-1], m)].T
        if sizes[-1] > 1
        else rng.integers(0, 2, (1, m)).astype(float)
    )
    return x, y


def fair_case(
    rng: np.random.Generator, sizes: Sequence[int], m: int, hidden: str, output: str
) -> tuple[Net, Array, Array]:
    """A network and a batch at which gradients can be judged.

    No pre-activation lies near a kink of ReLU, where finite differences are wrong, and no gradient is so small that
    a network that returns nothing would pass.
    """
    for _ in range(1000):
        net = random_net(rng, sizes, hidden, output)
        x, y = random_batch(rng, sizes, m)
        zs, _ = net.forward(x)
        dW, db = net.gradients(x, y)
        no_kink = all(np.abs(z).min() > 1e-3 for z in zs)
        sizeable = all(np.linalg.norm(g) > 1e-3 for g in [*dW, *db])
        if no_kink and sizeable:
            return net, x, y
    raise RuntimeError(f"no fair case found for sizes {sizes}")


# ── stochastic gradient descent ──────────────────────────────────────────────────────────────────────────────────

Gradients = Callable[[Net, Array, Array], tuple[Arrays, Arrays]]

# What a wrong SGD_train does, the likeliest first, and the sentence that the student reads.
SGD_MISTAKES = {
    "sum": "the gradients are not divided by m: back_prop returns sums over the mini-batch, the step takes their mean",
    "no_decay": "the weight decay λW is left out",
    "decay_over_n": "the weight decay is divided by the number of training examples (λ/n): here λ stands alone",
    "decay_over_m": "the weight decay is divided by m too: only the gradient is a sum, W ← W − η(dW/m + λW)",
    "bias_decay": "the biases are decayed as well: the L2 term belongs to the weights only",
    "decay_sign": "the weight decay has the wrong sign: it must shrink the weights, W ← W − η(dW/m + λW)",
    "decay_without_eta": "the weight decay is not multiplied by η: W ← W − η(dW/m + λW)",
    "decay_twice": "the weight decay is 2λW: the formula has λW",
    "decay_half": "the weight decay is ½λW: the formula has λW",
    "mean_twice": "the gradients are divided by m twice: once in back_prop or before, and once in the step",
    "over_n": "the gradients are divided by the size of the training set: m is the size of the mini-batch",
    "over_batch_size": "the last, shorter mini-batch is divided by batch_size: m is its own number of examples",
    "bias_sum": "the bias gradients are not divided by m, the weight gradients are",
    "ascent": "the step goes uphill (a sign): the gradient is subtracted, W ← W − η(…)",
    "ascent_gradient": "the step goes uphill (a sign): both dW/m and λW are subtracted",
    "bias_never": "the biases are never updated",
    "weights_never": "the weights are never updated",
    "last_layer_only": "only the last layer is updated",
    "first_layer_never": "the first layer is never updated: the loop over the layers is off by one",
    "example_by_example": "the parameters change after every single example of a mini-batch: add up the gradients of "
    "the whole mini-batch at the same parameters first, then take one step",
    "example_by_example_full": "every example takes a step of its own, as if batch_size were 1",
    "first_example": "only the first example of each mini-batch counts: right for batch size one only",
    "last_example": "only the last example of each mini-batch counts: right for batch size one only",
    "layer_by_layer": "a layer is updated before the gradients of the others are computed: call back_prop once a "
    "mini-batch, then update all layers with what it returned",
    "whole_set": "batch_size is ignored: each epoch is one step over the whole training set",
    "drop_last": "the last, shorter mini-batch is left out: the examples that remain count too",
    "merge_last": "the last, shorter mini-batch is joined to the one before it",
    "one_epoch": "only one epoch is run",
    "epochs_minus_one": "one epoch too few: the loop over the epochs is off by one",
    "epochs_plus_one": "one epoch too many: the loop over the epochs is off by one",
    "decaying_eta": "the learning rate shrinks from epoch to epoch: η stays the same throughout",
    "no_shuffle": "the examples are not shuffled: they come in the order of the list in every epoch",
    "accumulated": "each epoch permutes the order of the epoch before (a list shuffled in place does that): the "
    "permutation is applied to the original order",
    "one_permutation": "the examples are shuffled once for all epochs: draw a new permutation at the start of each",
    "inverse": "the permutation is applied the other way round: order[i] is the example at place i of the epoch",
    "separate": "x and y are shuffled by two different permutations, so that inputs get others' targets",
    "per_batch": "a new permutation is drawn for every mini-batch: draw one an epoch and cut it into slices",
    "with_replacement": "the examples are drawn with replacement: a permutation uses each of them once an epoch",
}
DECAYS = (lambda epoch: 1 / (1 + epoch), *(lambda epoch, base=base: base**epoch for base in (0.5, 0.9, 0.95, 0.99)))

USUAL_SEEDS = (0, 1, 2, 3, 42, 123, 1234, 2024)


@dataclass(frozen=True)
class Training:
    """One call of SGD_train: the data as columns, the settings, and the seed that comes before it."""

    x: Array
    y: Array
    epochs: int
    eta: float
    lam: float = 0.0
    batch_size: int = 1
    seed: int = 0

    @property
    def n(self) -> int:
        return self.x.shape[1]


def descend(net: Net, run: Training, mistake: str = "", gradients: Gradients = Net.gradients) -> Net:
    """The network after a call of SGD_train, with one of SGD_MISTAKES made on purpose where it is named."""
    decay = DECAYS[0] if mistake == "decaying_eta" else lambda epoch: 1.0
    return _descend(net, run, mistake, gradients, decay)


def descents_gone_wrong(net: Net, run: Training, gradients: Gradients = Net.gradients) -> list[tuple[Net, str]]:
    """The network after a call of SGD_train with each of the mistakes, and the sentence that belongs to it."""
    gone = [(descend(net, run, mistake, gradients), cause) for mistake, cause in SGD_MISTAKES.items()]
    shrinking = SGD_MISTAKES["decaying_eta"]
    gone += [(_descend(net, run, "decaying_eta", gradients, decay), shrinking) for decay in DECAYS[1:]]
    seeded = "a seed is set inside SGD_train: whoever calls it sets the seed"
    return gone + [(descend(net, replace(run, seed=seed), "", gradients), seeded) for seed in USUAL_SEEDS]


def _descend(net: Net, run: Training, mistake: str, gradients: Gradients, decay: Callable[[int], float]) -> Net:
    for epoch, (batches, targets) in enumerate(_epochs(run, mistake)):
        for batch, target in zip(batches, targets, strict=True):
            x, y = run.x[:, batch], run.y[:, target]
            net = _step(net, x, y, run, run.eta * decay(epoch), mistake, gradients)
    return net


def _epochs(run: Training, mistake: str) -> list[tuple[list[Array], list[Array]]]:
    """The mini-batches of every epoch, as indices of inputs and of targets."""
    random = np.random.RandomState(run.seed)
    epochs = {"one_epoch": 1, "epochs_minus_one": run.epochs - 1, "epochs_plus_one": run.epochs + 1}
    order, kept, plan = np.arange(run.n), np.random.RandomState(run.seed).permutation(run.n), []
    for _ in range(epochs.get(mistake, run.epochs)):
        if mistake == "per_batch":
            count = -(-run.n // run.batch_size)
            batches = [random.permutation(run.n)[: run.batch_size] for _ in range(count)]
            plan.append((batches, batches))
            continue
        drawn = random.randint(0, run.n, run.n) if mistake == "with_replacement" else random.permutation(run.n)
        order = order[drawn] if mistake == "accumulated" else drawn
        if mistake in ("one_permutation", "no_shuffle", "inverse"):
            order = {"no_shuffle": np.arange(run.n), "inverse": np.argsort(drawn)}.get(mistake, kept)
        target = random.permutation(run.n) if mistake == "separate" else order
        plan.append((_slices(order, run, mistake), _slices(target, run, mistake)))
    return plan


def _slices(order: Array, run: Training, mistake: str) -> list[Array]:
    size = run.n if mistake == "whole_set" else run.batch_size
    slices = [order[start : start + size] for start in range(0, run.n, size)]
    if len(slices) > 1 and len(slices[-1]) < size:
        if mistake == "drop_last":
            return slices[:-1]
        if mistake == "merge_last":
            return [*slices[:-2], np.concatenate(slices[-2:])]
    return slices


def _step(net: Net, x: Array, y: Array, run: Training, eta: float, mistake: str, gradients: Gradients) -> Net:
    m = x.shape[1]
    if mistake in ("example_by_example", "example_by_example_full"):
        for column in range(m):
            share = eta / m if mistake == "example_by_example" else eta
            net = _move(net, gradients(net, x[:, [column]], y[:, [column]]), 1, run, share, "")
        return net
    if mistake == "layer_by_layer":
        for layer in range(len(net.weights)):
            moved = _move(net, gradients(net, x, y), m, run, eta, "")
            weights = [moved.weights[k] if k == layer else w for k, w in enumerate(net.weights)]
            biases = [moved.biases[k] if k == layer else b for k, b in enumerate(net.biases)]
            net = Net(weights, biases, net.hidden, net.output)
        return net
    if mistake in ("first_example", "last_example"):
        chosen = [0] if mistake == "first_example" else [m - 1]
        return _move(net, gradients(net, x[:, chosen], y[:, chosen]), 1, run, eta, "")
    return _move(net, gradients(net, x, y), m, run, eta, mistake)


def _move(net: Net, gradients: tuple[Arrays, Arrays], m: int, run: Training, eta: float, mistake: str) -> Net:
    """The parameters after one step with the gradients of one mini-batch."""
    share = {"sum": 1.0, "mean_twice": 1 / m**2, "over_n": 1 / run.n, "over_batch_size": 1 / run.batch_size}
    weight_share = bias_share = share.get(mistake, 1 / m)
    if mistake == "bias_sum":
        bias_share = 1.0
    decays = {"no_decay": 0.0, "decay_over_n": 1 / run.n, "decay_over_m": 1 / m, "decay_sign": -1.0}
    decays |= {"decay_without_eta": 1 / eta, "decay_twice": 2.0, "decay_half": 0.5, "ascent_gradient": -1.0}
    decay = run.lam * decays.get(mistake, 1.0)
    bias_decay = run.lam if mistake == "bias_decay" else 0.0
    eta = -eta if mistake in ("ascent", "ascent_gradient") else eta
    dW, db = gradients
    weights = [w - eta * (g * weight_share + decay * w) for w, g in zip(net.weights, dW, strict=True)]
    biases = [b - eta * (g * bias_share + bias_decay * b) for b, g in zip(net.biases, db, strict=True)]
    count = len(weights)
    still = {"bias_never": (0, count), "weights_never": (count, 0), "first_layer_never": (1, 1)}
    still_weights, still_biases = {**still, "last_layer_only": (count - 1, count - 1)}.get(mistake, (0, 0))
    weights[:still_weights], biases[:still_biases] = net.weights[:still_weights], net.biases[:still_biases]
    return Net(weights, biases, net.hidden, net.output)


def dropout_gradients(net: Net, x: Array, y: Array, forward: Arrays, back: Arrays) -> tuple[list[Array], list[Array]]:
    """Back-propagation with one factor an activation of every hidden layer, on the way forward and on the way back.

    Args:
        net: the network.
        x, y: columns.
        forward: factors of the activations of each hidden layer, mask / keep_prob where dropout is right.
        back: factors of the errors of each hidden layer, the same where dropout is right.
    """
    activation, prime = ACTIVATIONS[net.hidden]
    zs, activations = [], [x]
    for layer, (w, b) in enumerate(zip(net.weights[:-1], net.biases[:-1], strict=True)):
        zs.append(w @ activations[-1] + b)
        activations.append(forward[layer] * activation(zs[-1]))
    last = Net(net.weights[-1:], net.biases[-1:], net.hidden, net.output)
    top_dW, top_db = last.gradients(activations[-1], y)
    z = last.forward(activations[-1])[0][0]
    delta = last._output_delta(z, last._output(z), y, "")
    dW, db = list(top_dW), list(top_db)
    for layer in range(len(net.weights) - 2, -1, -1):
        delta = back[layer] * (net.weights[layer + 1].T @ delta) * prime(zs[layer])
        dW.insert(0, delta @ activations[layer].T)
        db.insert(0, delta.sum(axis=1, keepdims=True))
    return dW, db
