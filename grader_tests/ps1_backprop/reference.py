"""The grader's own network: forward pass, cost, numerical and analytic gradients, and the known ways to get them wrong.

Conventions of the problem set: one example a column, costs and gradients are sums over the columns, a sigmoid output
goes with the quadratic cost and a softmax output with cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    "target_sign": "the output error is y − a; the cost's derivative is a − y (a sign)",
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
            return error * a * (1 - a) if mistake == "output_prime_extra" else error
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
