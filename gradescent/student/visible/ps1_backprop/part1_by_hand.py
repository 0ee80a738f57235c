"""Visible checks of part 1: back-propagation by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradescent.student.compare import (
    Suspect,
    check_array,
    check_sequence,
    check_silent,
    check_unmodified,
    compare,
    wrong,
)
from gradescent.student.judging import Questions, Student

questions = Questions(by_person=("wrong_answer", "vanishing_gradient"))

LOG2, LOG3 = float(np.log(2)), float(np.log(3))


# ── activations, derivatives ─────────────────────────────────────────────────────────────────────────────────────


@questions("sigmoid", needs=("sigmoid",))
def sigmoid_values(student: Student, rng: np.random.Generator) -> None:
    z = [0.0, LOG3, -LOG3, LOG2]
    suspects = [
        Suspect([0.5, 0.25, 0.75, 1 / 3], "a sign: the exponent is −z, not z"),
        Suspect(np.tanh(z), "this is tanh; the sigmoid runs from 0 to 1"),
    ]
    compare(
        "sigmoid of [0, log 3, −log 3, log 2]", student.call("sigmoid", np.array(z)), [0.5, 0.75, 0.25, 2 / 3], suspects
    )


@questions("sigmoid", needs=("sigmoid",))
def sigmoid_contract(student: Student, rng: np.random.Generator) -> None:
    _contract(student, "sigmoid", [0.0, 0.5, 1.0])


@questions("relu", needs=("relu",))
def relu_values(student: Student, rng: np.random.Generator) -> None:
    suspects = [
        Suspect([0.0, 0.0, 3.0, 0.0], "numbers are cut off to integers on the way"),
        Suspect([-0.02, 0.0, 3.5, -0.005], "this is the leaky ReLU; plain ReLU is 0 for every negative z"),
    ]
    compare(
        "relu of [−2, 0, 3.5, −0.5]",
        student.call("relu", np.array([-2.0, 0.0, 3.5, -0.5])),
        [0.0, 0.0, 3.5, 0.0],
        suspects,
    )


@questions("relu", needs=("relu",))
def relu_contract(student: Student, rng: np.random.Generator) -> None:
    _contract(student, "relu", [0.0, 0.0, 1000.0])


@questions("tanh", needs=("tanh",))
def tanh_values(student: Student, rng: np.random.Generator) -> None:
    compare("tanh of [0, log 2, −log 3]", student.call("tanh", np.array([0.0, LOG2, -LOG3])), [0.0, 0.6, -0.8])


@questions("tanh", needs=("tanh",))
def tanh_contract(student: Student, rng: np.random.Generator) -> None:
    _contract(student, "tanh", [-1.0, 0.0, 1.0])


@questions("sigmoid_prime", needs=("sigmoid_prime",))
def sigmoid_prime_values(student: Student, rng: np.random.Generator) -> None:
    z = np.array([0.0, LOG3, -LOG2])
    suspects = [
        Suspect(
            z * (1 - z),
            "z is taken for the activation, as in a·(1 − a); the argument is z, so compute the sigmoid first",
        )
    ]
    compare("sigmoid_prime of [0, log 3, −log 2]", student.call("sigmoid_prime", z), [1 / 4, 3 / 16, 2 / 9], suspects)


@questions("sigmoid_prime", needs=("sigmoid_prime",))
def sigmoid_prime_contract(student: Student, rng: np.random.Generator) -> None:
    _contract(student, "sigmoid_prime", [0.0, 0.25, 0.0])


@questions("relu_prime", needs=("relu_prime",))
def relu_prime_values(student: Student, rng: np.random.Generator) -> None:
    got = student.call("relu_prime", np.array([-2.0, 0.0, 3.5]))
    suspects = [
        Suspect([0.0, 1.0, 1.0], "the derivative at z = 0 comes out as 1; here it is defined as 0: `>`, not `>=`"),
        Suspect([0.0, 0.5, 1.0], "the derivative at z = 0 comes out as ½; here it is defined as 0"),
    ]
    compare("relu_prime of [−2, 0, 3.5]", got, [0.0, 0.0, 1.0], suspects)


@questions("relu_prime", needs=("relu_prime",))
def relu_prime_contract(student: Student, rng: np.random.Generator) -> None:
    _contract(student, "relu_prime", [0.0, 0.0, 1.0])


@questions("tanh_prime", needs=("tanh_prime",))
def tanh_prime_values(student: Student, rng: np.random.Generator) -> None:
    z = np.array([0.0, LOG2, -LOG3])
    suspects = [
        Suspect(1 - z**2, "z is taken for the activation, as in 1 − a²; the argument is z, so compute tanh first"),
        Suspect([1.0, 0.4, 1.8], "the square is missing"),
    ]
    compare("tanh_prime of [0, log 2, −log 3]", student.call("tanh_prime", z), [1.0, 0.64, 0.36], suspects)


@questions("tanh_prime", needs=("tanh_prime",))
def tanh_prime_contract(student: Student, rng: np.random.Generator) -> None:
    _contract(student, "tanh_prime", [0.0, 1.0, 0.0])


def _contract(student: Student, name: str, limits: list[float]) -> None:
    """What holds for all of them. `limits` are the values at −1000, 0 and 1000."""
    what = f"{name} of [−1000, 0, 1000]"
    got = student.call(name, np.array([-1e3, 0.0, 1e3]))
    check_silent(what, student.warned)
    compare(what, got, limits)
    row = check_array(f"{name} of 4 numbers", student.call(name, np.array([-2.0, -1.0, 1.0, 2.0])), (4,))
    whole = student.call(name, np.array([-2, -1, 1, 2]))
    compare(f"{name} of the integers [−2, −1, 1, 2]", whole, row, next_step="integers must give the same as floats")
    for shape in ((2, 2), (4, 1), (1, 2, 2)):
        got = student.call(name, np.array([-2.0, -1.0, 1.0, 2.0]).reshape(shape))
        compare(f"{name} of an array of shape {shape}", got, row.reshape(shape))
        check_unmodified(name, student.modified, ("z",))
    compare(f"{name} of a single number in an array, shape ()", student.call(name, np.array(1.0)), row[2])


# ── softmax ──────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("softmax", needs=("softmax",))
def softmax_by_hand(student: Student, rng: np.random.Generator) -> None:
    compare("softmax of [0, log 3]", student.call("softmax", np.array([0.0, LOG3])), [0.25, 0.75])
    z = np.array([[0.0, LOG2, 5.0], [LOG3, 0.0, 5.0]])
    got = student.call("softmax", z)
    powers = np.array([[1.0, 2.0, np.exp(5)], [3.0, 1.0, np.exp(5)]])
    suspects = [
        Suspect(powers / (np.array([[3.0], [4.0]]) + np.exp(5)), "the sum runs over the wrong axis: sum over axis 0"),
        Suspect(powers / (7 + 2 * np.exp(5)), "the sum runs over the whole array: sum over axis 0, column by column"),
        Suspect(powers, "the division by the sum is missing"),
    ]
    expected = [[1 / 4, 2 / 3, 1 / 2], [3 / 4, 1 / 3, 1 / 2]]
    compare("softmax of three columns, by hand", got, expected, suspects, next_step="each column sums to 1")
    check_unmodified("softmax", student.modified, ("z",))


@questions("softmax", needs=("softmax",))
def softmax_shifted(student: Student, rng: np.random.Generator) -> None:
    z = rng.normal(size=(4, 3))
    plain = student.call("softmax", z)
    compare(
        "sum of each column of softmax",
        check_array("softmax of an array of shape (4, 3)", plain, (4, 3)).sum(axis=0),
        np.ones(3),
    )
    for shift in (np.array(1e3), np.array(-1e3), np.array([1e3, 0.0, -1e3])):
        what = f"softmax of z + {shift.tolist()}"
        got = student.call("softmax", z + shift)
        if any(word in text for text in student.warned for word in ("overflow", "invalid", "divide")):
            cause = "exp of a number near 1000 is infinite, and 0 where another column's maximum was subtracted"
            raise wrong(what, f"warns of '{student.warned[0]}'", cause, "subtract from each column its own maximum")
        compare(what, got, plain, next_step="subtract from each column its own maximum before exp")


# ── costs ────────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("quadratic_cost", needs=("quadratic_cost",))
def quadratic_by_hand(student: Student, rng: np.random.Generator) -> None:
    a, y = np.array([[1.0, 0.5], [3.0, 0.0]]), np.array([[0.0, 0.5], [1.0, 1.0]])
    suspects = [
        Suspect(6.0, "the factor ½ is missing"),
        Suspect(1.5, "it is averaged; costs here are sums over everything passed in"),
        Suspect(0.75, "it is averaged; costs here are sums over everything passed in"),
    ]
    compare("quadratic_cost of two columns", student.call("quadratic_cost", a, y), 3.0, suspects)
    check_unmodified("quadratic_cost", student.modified, ("a", "y"))
    compare(
        "quadratic_cost of one column",
        student.call("quadratic_cost", a[:, :1], y[:, :1]),
        2.5,
        next_step="half of 1² + 2²",
    )


@questions("quadratic_cost_prime", needs=("quadratic_cost_prime",))
def quadratic_prime_by_hand(student: Student, rng: np.random.Generator) -> None:
    a, y = np.array([[1.0, 0.5], [3.0, 0.0]]), np.array([[0.0, 0.25], [1.0, 1.0]])
    compare(
        "quadratic_cost_prime of two columns", student.call("quadratic_cost_prime", a, y), [[1.0, 0.25], [2.0, -1.0]]
    )
    check_unmodified("quadratic_cost_prime", student.modified, ("a", "y"))


@questions("cross_entropy_cost", needs=("cross_entropy_cost",))
def cross_entropy_by_hand(student: Student, rng: np.random.Generator) -> None:
    p, y = np.array([[1 / 2, 1 / 4], [1 / 2, 3 / 4]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    suspects = [
        Suspect(1.5 * LOG2, "it is averaged; costs here are sums over everything passed in"),
        Suspect(6 * LOG2, "this is the binary cross-entropy; with softmax outputs it is −Σ y·log p"),
    ]
    compare(
        "cross_entropy_cost of two columns",
        student.call("cross_entropy_cost", p, y),
        3 * LOG2,
        suspects,
        next_step="log 2 + log 4 by hand",
    )


@questions("cross_entropy_cost", needs=("cross_entropy_cost",))
def cross_entropy_at_zero(student: Student, rng: np.random.Generator) -> None:
    what = "cross_entropy_cost of p = (0, ½, ½) for y = (0, 1, 0)"
    p = np.array([[0.0], [0.5], [0.5]])
    got = student.call("cross_entropy_cost", p, np.array([[0.0], [1.0], [0.0]]))
    _demand_finite(what, got)
    compare(what, got, LOG2)
    what = "cross_entropy_cost of p = (0, ½, ½) for y = (1, 0, 0)"
    got = student.call("cross_entropy_cost", p, np.array([[1.0], [0.0], [0.0]]))
    _demand_finite(what, got)
    # np.nan_to_num puts the largest double for infinity: finite, and more than check_array lets through.
    cost = got if isinstance(got, float) else float(check_array(what, got, ()))
    if not cost >= 15:
        raise wrong(
            what,
            f"got {cost:.4g}",
            "",
            "a probability of 0 for the true class must cost 15 or more: clip p at 1e-12, no higher",
        )
    check_unmodified("cross_entropy_cost", student.modified, ("p", "y"))


def _demand_finite(what: str, got: Any) -> None:
    if isinstance(got, float) and not np.isfinite(got):
        raise wrong(what, f"came out as {got}", "the logarithm of 0", "keep p above a tiny number such as 1e-12")


@questions("softmax_cross_entropy_prime", needs=("softmax_cross_entropy_prime",))
def cross_entropy_prime_by_hand(student: Student, rng: np.random.Generator) -> None:
    z, y = np.array([[0.0, LOG2], [LOG3, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    suspects = [Suspect(z - y, "softmax is missing: the first argument is z, before the softmax")]
    got = student.call("softmax_cross_entropy_prime", z, y)
    compare("softmax_cross_entropy_prime of two columns", got, [[1 / 4, -1 / 3], [-1 / 4, 1 / 3]], suspects)
    check_unmodified("softmax_cross_entropy_prime", student.modified, ("z", "y"))


# ── gradient checking ────────────────────────────────────────────────────────────────────────────────────────────


@questions("numerical_gradient", needs=("numerical_gradient",))
def gradients_by_hand(student: Student, rng: np.random.Generator) -> None:
    def product(x: np.ndarray) -> float:
        return float(x[0] ** 2 * x[1])

    got = student.call("numerical_gradient", product, np.array([2.0, 3.0]))
    suspects = [
        Suspect([24.0, 8.0], "the two points lie 2h apart: divide by 2h, not by h"),
        Suspect([12e-10, 4e-10], "it multiplies by h instead of dividing: brackets are missing, / (2 * h)"),
        Suspect([6.0, 2.0], "one step of h is divided by 2h; go up AND down by h"),
        Suspect([16.0, 16.0], "all entries are moved at once; move one entry at a time"),
    ]
    compare("numerical_gradient of f(x) = x0²·x1 at (2, 3)", got, [12.0, 4.0], suspects, tolerance=1e-4)


@questions("numerical_gradient", needs=("numerical_gradient",))
def gradients_of_any_shape(student: Student, rng: np.random.Generator) -> None:
    def squares(x: np.ndarray) -> float:
        return float(np.sum(x**2))

    for shape in ((2, 3), (3, 1), (2, 2, 2), ()):
        x = np.asarray(rng.integers(1, 50, shape) / 16)
        got = student.call("numerical_gradient", squares, x, 2.0**-17)
        by_row = (
            "whole rows are moved at once: x[i] of a matrix is a row; np.ndindex(x.shape) walks over single entries"
        )
        rows = x.sum(axis=tuple(range(1, x.ndim)), keepdims=True)
        what = f"numerical_gradient of the sum of squares, x of shape {shape}"
        compare(what, got, 2 * x, [Suspect(np.broadcast_to(2 * rows, shape), by_row)], tolerance=1e-4)
        if student.modified:
            raise wrong(
                "numerical_gradient",
                "leaves x changed",
                "an entry is not put back",
                "keep the old value before the step and put it back after it",
            )


@questions("numerical_gradient", needs=("numerical_gradient",))
def gradients_are_central(student: Student, rng: np.random.Generator) -> None:
    def cubes(x: np.ndarray) -> float:
        return float(np.sum(x**3))

    # At x = 1 with h = ½: (1.5³ − 0.5³) / 1 = 3.25; at x = 2: (2.5³ − 1.5³) / 1 = 12.25.
    suspects = [
        Suspect([4.75, 15.25], "this is the forward difference; go up AND down by h"),
        Suspect([1.75, 9.25], "this is the backward difference; go up AND down by h"),
        Suspect([3.0, 12.0], "the argument h is not used"),
        Suspect([6.5, 24.5], "the two points lie 2h apart: divide by 2h"),
    ]
    got = student.call("numerical_gradient", cubes, np.array([1.0, 2.0]), 0.5)
    compare("numerical_gradient of the sum of cubes at (1, 2) with h = 0.5", got, [3.25, 12.25], suspects)


@questions("relative_error", needs=("relative_error",))
def errors_by_hand(student: Student, rng: np.random.Generator) -> None:
    cases: list[tuple[str, Any, Any, float]] = [
        ("(3, 4) and (0, 0)", [3.0, 4.0], [0.0, 0.0], 1.0),
        ("(3, 4) and (6, 8)", [3.0, 4.0], [6.0, 8.0], 1 / 3),
        ("[[1, 0], [0, 0]] and [[0, 0], [0, 1]]", [[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]], np.sqrt(0.5)),
        ("(1, 2) and (1, 2)", [1.0, 2.0], [1.0, 2.0], 0.0),
    ]
    for name, a, b, expected in cases:
        difference, sizes = np.linalg.norm(np.subtract(a, b)), (np.linalg.norm(a), np.linalg.norm(b))
        suspects = [
            Suspect(difference / max(sizes), "it divides by the larger of the two norms; divide by their sum"),
            Suspect(difference, "the division by the sum of the norms is missing"),
            Suspect(1.0, "it is the largest error of a single entry, or a norm that is no root of a sum of squares"),
        ]
        got = student.call("relative_error", np.array(a), np.array(b))
        compare(f"relative_error of {name}", got, expected, suspects)


@questions("relative_error", needs=("relative_error",))
def error_of_two_zeros(student: Student, rng: np.random.Generator) -> None:
    got = student.call("relative_error", np.zeros(3), np.zeros(3))
    if isinstance(got, float) and np.isnan(got):
        raise wrong(
            "relative_error of two arrays of zeros", "came out as NaN", "0 / 0", "return 0 where both norms are 0"
        )
    compare("relative_error of two arrays of zeros", got, 0.0)


# ── one_iteration ────────────────────────────────────────────────────────────────────────────────────────────────


@questions("one_iteration", needs=("one_iteration",))
def iteration_by_hand(student: Student, rng: np.random.Generator) -> None:
    """Forward, in small integers."""
    weights = [np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([[1.0, 1.0], [2.0, 1.0]]), np.array([[1.0, -1.0]])]
    biases = [np.array([[-1.0], [1.0]]), np.array([[1.0], [-6.0]]), np.array([[-4.0]])]
    got = _iterate(student, np.array([[4.0], [-1.0]]), np.array([[0.0]]), weights, biases)
    check_unmodified("one_iteration", student.modified, ("x", "y", "weights", "biases"))
    # z1 = (4 − 2 − 1, 1 + 1) = (1, 2); z2 = (1 + 2 + 1, 2 + 2 − 6) = (4, −2), so a2 = (4, 0); z3 = 4 − 4 = 0.
    z, a = [[[1.0], [2.0]], [[4.0], [-2.0]], [[0.0]]], [[[1.0], [2.0]], [[4.0], [0.0]], [[0.5]]]
    z_suspects = [
        Suspect([[2.0], [1.0]], "the bias is left out"),
        Suspect([[4.0], [0.0]], "it holds the activation: relu changes its argument in place"),
        Suspect([[1.0], [1.0]], "relu_prime wrote its zeros and ones into z: it must make a new array"),
    ]
    for layer in range(3):
        compare(
            f'"z"[{layer}] of the example',
            _layers(got, "z")[layer],
            z[layer],
            z_suspects,
            next_step="z = W @ a + b, with the a of the layer below",
        )
        compare(
            f'"a"[{layer}] of the example',
            _layers(got, "a")[layer],
            a[layer],
            next_step="hidden layers are ReLU, the output is a sigmoid",
        )
    compare(
        '"cost" of the example, half of (½ − 0)²',
        got["cost"],
        0.125,
        [
            Suspect(np.array([[0.125]]), "an array with one entry where a float belongs: .item() takes it out"),
            Suspect(0.25, "the factor ½ is missing"),
        ],
    )


@questions("one_iteration", needs=("one_iteration",))
def iteration_against_nudges(student: Student, rng: np.random.Generator) -> None:
    """The returned gradients against central differences of the returned cost."""
    weights = [np.array([[0.5, -0.3], [-0.4, 0.8]]), np.array([[0.9, -0.7], [0.2, 0.6]]), np.array([[1.1, -0.8]])]
    x, y = np.array([[1.0], [0.9]]), np.array([[1.0]])
    # The second biases switch one neuron off in each hidden layer.
    for b1, b2 in (((0.3, -0.1), (0.4, 0.2)), ((0.3, -0.5), (0.4, -0.5))):
        biases = [np.array([b1]).T, np.array([b2]).T, np.array([[-0.2]])]
        got = _iterate(student, x, y, weights, biases)
        slow_dW = [_nudged(student, x, y, weights, biases, weights, layer) for layer in range(3)]
        slow_db = [_nudged(student, x, y, weights, biases, biases, layer) for layer in range(3)]
        slow_of = {"delta": slow_db, "dW": slow_dW, "db": slow_db}
        _check_shapes(got, slow_of)
        for key, slow in slow_of.items():
            for layer in (2, 1, 0):
                what = f'"{key}"[{layer}] against nudges of the cost'
                suspects = _gradient_suspects(got, key, layer, x, y, weights)
                next_step = "compare with the formulas above, the last layer first"
                compare(what, _layers(got, key)[layer], slow[layer], suspects, tolerance=1e-5, next_step=next_step)


def _check_shapes(got: dict[str, Any], slow_of: dict[str, list]) -> None:
    """The right order and columns of the right length, so that suspects can be computed from them."""
    for key, slow in slow_of.items():
        if [getattr(array, "shape", None) for array in _layers(got, key)] == [array.shape for array in slow[::-1]]:
            what = f'"{key}" of one_iteration'
            raise wrong(what, "runs from the last layer to the first", "the order is reversed", "reverse the list")
    for key in ("z", "a", "delta"):
        for layer, value in enumerate(_layers(got, key)):
            check_array(f'"{key}"[{layer}] of one_iteration', value, (1 if layer == 2 else 2, 1))


def _gradient_suspects(got: dict[str, Any], key: str, layer: int, x: Any, y: Any, weights: list) -> list[Suspect]:
    """Known mistakes, made from the student's own values of the layers around."""
    z, a, delta = ([np.asarray(value, dtype=float) for value in got[name]] for name in ("z", "a", "delta"))
    if key != "dW" and layer == 2:
        slope_of_a = np.exp(-a[2]) / (1 + np.exp(-a[2])) ** 2
        return [
            Suspect(a[2] - y, "the factor sigmoid′(z) is missing"),
            Suspect((a[2] - y) * slope_of_a, "the derivative is taken at a; it belongs at z: σ′(z), not σ′(a)"),
            Suspect((a[2] - y) * z[2] * (1 - z[2]), "z·(1 − z) stands where sigmoid′(z) belongs; see sigmoid_prime"),
        ]
    if key != "dW":
        back = [weights[layer + 1].T @ delta[layer + 1]]
        if layer == 0:
            back.append(weights[1] @ delta[1])
        causes = ("the derivative of the activation, relu′(z), is missing", "a missing transpose: W.T @ delta")
        suspects = [Suspect(value, cause) for value, cause in zip(back, causes, strict=False)]
        return [*suspects, *(Suspect(np.where(z[layer] > 0, value, 0), causes[1]) for value in back[1:])]
    below = a[layer - 1] if layer > 0 else x
    suspects = [
        Suspect(
            delta[layer] @ a[layer].T, "the a of its own layer is multiplied in; the a of the layer below belongs there"
        ),
        Suspect((delta[layer] @ below.T).T, "it is transposed: dW has the shape of W"),
    ]
    if layer == 2:
        back_to_two = weights[2].T @ delta[2]
        cause = "this is W3ᵀδ3, the error that goes back; the gradient is δ3 times what came in"
        suspects += [
            Suspect(v, cause) for v in (back_to_two, back_to_two.T, np.abs(back_to_two), np.abs(back_to_two.T))
        ]
    return suspects


def _nudged(student: Student, x: Any, y: Any, weights: list, biases: list, moved: list, layer: int) -> np.ndarray:
    """Central differences of the cost in one array of `moved`, which is `weights` or `biases`."""
    array = moved[layer]
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        kept, costs = array[index], []
        for step in (1e-5, -1e-5):
            array[index] = kept + step
            costs.append(float(check_array('"cost"', _iterate(student, x, y, weights, biases)["cost"], ())))
        array[index] = kept
        gradient[index] = (costs[0] - costs[1]) / 2e-5
    return gradient


def _iterate(student: Student, x: Any, y: Any, weights: list, biases: list) -> dict[str, Any]:
    got = student.call("one_iteration", x, y, weights, biases)
    keys = ("z", "a", "delta", "dW", "db", "cost")
    if got is None:
        raise wrong(
            "one_iteration's return value", "came back as None", "a missing return statement", "end with `return {...}`"
        )
    if not isinstance(got, dict) or any(key not in got for key in keys):
        raise wrong(
            "one_iteration's return value",
            f"is not a dict with the keys {', '.join(keys)}",
            "",
            "name the keys exactly so",
        )
    return got


def _layers(got: dict[str, Any], key: str) -> list[Any]:
    if key == "a" and isinstance(got["a"], list | tuple) and len(got["a"]) == 4:
        raise wrong(
            '"a" of one_iteration', "has 4 entries, expected 3", "it begins with the input x", "leave x out of it"
        )
    return check_sequence(f'"{key}" of one_iteration', got[key], 3)
