"""Hidden tests of part 1: back-propagation by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from grader_tests.ps1_backprop import reference
from grader_tests.ps1_backprop.reference import MISTAKES, Array, Net, fair_case
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

questions = Questions()

Function = Callable[[Array], Array]
SHAPES = ((5,), (3, 4), (2, 3, 2), ())


# ── activations, derivatives ─────────────────────────────────────────────────────────────────────────────────────


FUNCTIONS: dict[str, Function] = {
    "sigmoid": reference.sigmoid,
    "relu": reference.relu,
    "tanh": np.tanh,
    "sigmoid_prime": reference.sigmoid_prime,
    "relu_prime": reference.relu_prime,
    "tanh_prime": reference.tanh_prime,
}

# What a wrong function computes, and the sentence that the student reads.
WRONG_FORMULAS: dict[str, list[tuple[Function, str]]] = {
    "sigmoid": [
        (lambda z: reference.sigmoid(-z), "a sign: the exponent is −z, not z"),
        (np.tanh, "this is tanh; the sigmoid runs from 0 to 1"),
        (reference.sigmoid_prime, "this is the derivative of the sigmoid"),
    ],
    "relu": [
        (lambda z: np.where(z > 0, z, 0.01 * z), "this is the leaky ReLU; plain ReLU is 0 for every negative z"),
        (np.trunc, "numbers are cut off to integers on the way"),
        (lambda z: np.trunc(reference.relu(z)), "numbers are cut off to integers on the way"),
        (np.abs, "negative numbers change their sign; they should become 0"),
        (reference.relu_prime, "this is the derivative of ReLU"),
        (lambda z: np.minimum(z, 0), "the minimum stands where the maximum belongs"),
        (lambda z: z, "nothing happens to the negative entries; they should become 0"),
    ],
    "tanh": [
        (reference.sigmoid, "this is the sigmoid; tanh runs from −1 to 1"),
        (lambda z: np.tanh(z / 2), "the exponents lack a factor 2: tanh(z) = 2·sigmoid(2z) − 1"),
        (reference.tanh_prime, "this is the derivative of tanh"),
        (np.tan, "this is the tangent, without the h"),
    ],
    "sigmoid_prime": [
        (
            lambda z: z * (1 - z),
            "z is taken for the activation, as in a·(1 − a); compute s = sigmoid(z) first, then s·(1 − s)",
        ),
        (reference.sigmoid, "this is the sigmoid itself"),
        (lambda z: 1 - reference.sigmoid(z), "the factor sigmoid(z) is missing: s·(1 − s)"),
        (
            lambda z: reference.sigmoid_prime(reference.sigmoid(z)),
            "the sigmoid is applied twice: the argument is z itself",
        ),
        (lambda z: reference.sigmoid(z) * (1 - z), "z is taken for the activation in the second factor: s·(1 − s)"),
    ],
    "relu_prime": [
        (reference.relu, "this is ReLU itself; its slope is 1 where z is positive"),
        (np.sign, "negative z gives −1; the slope there is 0"),
        (lambda z: np.where(z > 0, 1.0, 0.01), "this is the derivative of the leaky ReLU"),
        (lambda z: np.where(z < 0, 1.0, 0.0), "the condition is the wrong way round"),
        (np.ones_like, "it is 1 everywhere; where z is negative the slope is 0"),
    ],
    "tanh_prime": [
        (lambda z: 1 - z**2, "z is taken for the activation, as in 1 − a²; compute t = tanh(z) first, then 1 − t²"),
        (lambda z: 1 - np.tanh(z), "the square is missing: 1 − tanh²(z)"),
        (lambda z: np.tanh(z) ** 2, "the '1 −' is missing: 1 − tanh²(z)"),
        (lambda z: 1 / np.cosh(z), "the square is missing: 1 / cosh²(z)"),
        (reference.sigmoid_prime, "this is the derivative of the sigmoid"),
        (
            lambda z: np.tanh(z) * (1 - np.tanh(z)),
            "this is the sigmoid's rule applied to tanh: for tanh it is 1 − tanh²(z)",
        ),
        (lambda z: reference.tanh_prime(np.tanh(z)), "tanh is applied twice: the argument is z itself"),
    ],
}


def values(student: Student, rng: np.random.Generator, name: str) -> None:
    for shape in SHAPES:
        z = np.array(rng.normal(0, 2, shape))
        if z.ndim > 0:
            z.flat[0] = -abs(z.flat[0])  # np.vectorize takes the type of all from the first
        _compare_function(student, name, z, f"{name} of an array of shape {shape}")


def large_inputs(student: Student, rng: np.random.Generator, name: str) -> None:
    rest = [1e3, 0.0, *rng.uniform(-900, 900, 4), *rng.normal(0, 1, 4)]
    z = np.array([-1e3, *rng.permutation(rest)]).reshape(-1, 1)
    what = f"{name} of numbers up to ±1000"
    got = student.call(name, z)
    overflows = [text for text in student.warned if "overflow" in text]
    if overflows:
        cause = (
            "exp or cosh of a number near 1000; np.where does not prevent it, because both of its branches are computed"
        )
        raise wrong(
            what, f"raises the warning '{overflows[0]}'", cause, "let exp see only numbers <= 0, or use np.tanh"
        )
    check_silent(what, student.warned)
    compare(what, got, FUNCTIONS[name](z))


def integers(student: Student, rng: np.random.Generator, name: str) -> None:
    z = rng.permutation([-3, -2, -1, 0, 1, 2, 3, 4]).reshape(2, 4)
    _compare_function(student, name, z, f"{name} of an array of integers")


def argument_kept(student: Student, rng: np.random.Generator, name: str) -> None:
    z = np.array([-0.5, *rng.normal(0, 2, 4), 1.5]).reshape(2, 3)
    _compare_function(student, name, z, f"{name} of an array of shape (2, 3)")
    check_unmodified(name, student.modified, ("z",))


def corner(student: Student, rng: np.random.Generator, name: str) -> None:
    z = np.array([*rng.normal(0, 2, 3), 0.0, -0.5, 0.0, 1.5])
    expected = reference.relu_prime(z)
    suspects = [
        Suspect(
            np.where(z >= 0, 1.0, 0.0), "the derivative at z = 0 comes out as 1; here it is defined as 0: `>`, not `>=`"
        ),
        Suspect(np.heaviside(z, 0.5), "the derivative at z = 0 comes out as ½; here it is defined as 0"),
    ]
    what = f"{name} of numbers with zeros among them"
    compare(what, student.call(name, z), expected, suspects, next_step="look at z = 0")
    check_silent(what, student.warned)


def _compare_function(student: Student, name: str, z: Array, what: str) -> None:
    suspects = [Suspect(formula(z), cause) for formula, cause in WRONG_FORMULAS[name]]
    compare(what, student.call(name, z), FUNCTIONS[name](z), suspects)


def _register(question: str, name: str) -> None:
    """One check for each aspect of one function, so that a slip in one of them costs a fifth."""
    aspects = [(values, 2), (large_inputs, 1), (argument_kept, 1), (integers, 1)]
    if name == "relu_prime":
        aspects[1] = (corner, 1)
    for aspect, weight in aspects:
        questions(question, weight=weight, needs=(name,))(_check_of(aspect, name))


def _check_of(aspect: Callable, name: str) -> Callable[[Student, np.random.Generator], None]:
    def check(student: Student, rng: np.random.Generator) -> None:
        aspect(student, rng, name)

    check.__name__ = f"{name}_{aspect.__name__}"
    return check


for _name in ("sigmoid", "relu", "tanh"):
    _register("activations", _name)
    _register("derivatives", f"{_name}_prime")


# ── softmax ──────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("softmax", weight=2, needs=("softmax",))
def softmax_of_a_vector(student: Student, rng: np.random.Generator) -> None:
    for n in (2, int(rng.integers(3, 8))):
        _compare_softmax(student, rng.normal(0, 2, n), f"softmax of a vector of {n}")


@questions("softmax", weight=2, needs=("softmax",))
def softmax_of_columns(student: Student, rng: np.random.Generator) -> None:
    for shape in ((4, 3), (3, 3), (3, 5), (5, 1)):
        _compare_softmax(student, rng.normal(0, 2, shape), f"softmax of an array of shape {shape}")


@questions("softmax", weight=2, needs=("softmax",))
def softmax_of_large_numbers(student: Student, rng: np.random.Generator) -> None:
    z = rng.normal(0, 2, (4, 1))
    for shift in (1e3, -1e3):
        what = f"softmax of numbers near {shift:g}"
        got = student.call("softmax", z + shift)
        _demand_stable(what, student)
        compare(what, got, reference.softmax(z + shift), next_step="subtract the maximum of z before exp")


@questions("softmax", weight=1, needs=("softmax",))
def softmax_of_columns_far_apart(student: Student, rng: np.random.Generator) -> None:
    """Subtracting the maximum of the whole array leaves a column of zeros, and 0 / 0."""
    z = rng.normal(0, 2, (3, 3)) + np.array([0.0, 1e3, -1e3])
    what = "softmax of columns near 0, 1000 and −1000"
    got = student.call("softmax", z)
    _demand_stable(what, student)
    compare(what, got, reference.softmax(z), next_step="subtract from each column its own maximum before exp")


def _demand_stable(what: str, student: Student) -> None:
    """Tell an overflow from 0 / 0, which have different cures."""
    warned = " ".join(student.warned)
    if "overflow" in warned:
        next_step = "subtract from each column of z its maximum before exp: that changes nothing else"
        raise wrong(what, "exp overflows", "exp of a number near 1000 is infinite", next_step)
    if "invalid" in warned or "divide" in warned:
        cause = "every exp of a column is 0, because the number subtracted from it is not its own maximum"
        raise wrong(what, "divides 0 by 0", cause, "subtract from each column its own maximum, z.max(axis=0)")


@questions("softmax", weight=1, needs=("softmax",))
def softmax_keeps_its_argument(student: Student, rng: np.random.Generator) -> None:
    _compare_softmax(student, rng.normal(0, 2, (3, 2)), "softmax of an array of shape (3, 2)")
    check_unmodified("softmax", student.modified, ("z",))
    _compare_softmax(student, rng.integers(-3, 4, (4, 2)), "softmax of an array of integers")


def _compare_softmax(student: Student, z: Array, what: str) -> None:
    compare(what, student.call("softmax", z), reference.softmax(np.asarray(z, dtype=float)), _softmax_suspects(z))


def _softmax_suspects(z: Array) -> list[Suspect]:
    powers = np.exp(z)
    suspects = [
        Suspect(powers, "the division by the sum is missing"),
        Suspect(powers / powers.max(axis=0), "it divides by the maximum; divide by the sum"),
        Suspect(reference.sigmoid(z), "this is the sigmoid: each entry alone, and the columns do not sum to 1"),
        Suspect(np.log(reference.softmax(z)), "this is the logarithm of the softmax"),
    ]
    if z.ndim == 1:
        return suspects
    by_row = "the sum runs over the wrong axis: one example is one column, so sum over axis 0"
    together = "the sum runs over the whole array: sum over axis 0, column by column"
    suspects.append(Suspect(powers / powers.sum(axis=1, keepdims=True), by_row))
    suspects.append(Suspect(powers / powers.sum(), together))
    if z.shape[0] == z.shape[1]:
        suspects.append(
            Suspect(powers / powers.sum(axis=1), "the sums of the rows divide the columns: sum over axis 0")
        )
    return suspects


# ── costs ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _outputs(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.uniform(0.05, 0.95, shape)


def _targets(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    return np.eye(shape[0])[rng.integers(0, shape[0], shape[1])].T


def _probabilities(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    p = rng.uniform(0.2, 1, shape)
    return p / p.sum(axis=0)


@questions("costs", weight=2, needs=("quadratic_cost",))
def quadratic_cost_is_half_the_sum(student: Student, rng: np.random.Generator) -> None:
    for n, m in ((3, 1), (4, 5), (1, 3)):
        a, y = _outputs(rng, (n, m)), rng.integers(0, 2, (n, m)).astype(float)
        squares = (a - y) ** 2
        half = 0.5 * squares.sum()
        suspects = [
            Suspect(2 * half, "the factor ½ is missing"),
            Suspect(half / m, "it is averaged over the examples; here costs are sums over everything passed in"),
            Suspect(2 * half / m, "it is averaged over the examples, without the ½; here it is half the sum"),
            Suspect(squares.mean(), "it is the mean of the squares; here it is half their sum"),
            Suspect(
                0.5 * squares.mean(), "it is averaged over all entries; here costs are sums over everything passed in"
            ),
            Suspect(0.5 * np.sqrt(squares.sum()), "the norm is not squared"),
            Suspect(np.sqrt(squares.sum()), "this is the norm; square it and take the half"),
            Suspect(0.5 * (a - y).sum() ** 2, "the differences are summed before they are squared; square first"),
            Suspect(0.5 * np.abs(a - y).sum(), "absolute values stand where squares belong"),
            *_unsummed(0.5 * squares),
            Suspect(
                0.5 * (a - y).T @ (a - y), "a matrix product of the columns comes out; sum the squares into one number"
            ),
        ]
        compare(
            f"quadratic_cost of {m} column{'s' * (m > 1)} of {n}", student.call("quadratic_cost", a, y), half, suspects
        )


@questions("costs", weight=1, needs=("quadratic_cost",))
def quadratic_cost_keeps_its_arguments(student: Student, rng: np.random.Generator) -> None:
    a, y = _outputs(rng, (3, 2)), _targets(rng, (3, 2))
    compare("quadratic_cost of 2 columns of 3", student.call("quadratic_cost", a, y), 0.5 * ((a - y) ** 2).sum())
    check_unmodified("quadratic_cost", student.modified, ("a", "y"))


@questions("costs", weight=2, needs=("quadratic_cost_prime",))
def quadratic_derivative(student: Student, rng: np.random.Generator) -> None:
    for n, m in ((3, 1), (4, 5)):
        a, y = _outputs(rng, (n, m)), rng.integers(0, 2, (n, m)).astype(float)
        suspects = [
            Suspect(y - a, "the sign is the wrong way round: the derivative is a − y"),
            Suspect(2 * (a - y), "there is a factor 2 too many: the ½ of the cost cancels it"),
            Suspect(0.5 * (a - y), "there is a factor ½ too many: the 2 of the square cancels it"),
            Suspect(
                (a - y) * a * (1 - a),
                "the sigmoid's derivative is multiplied in; this is the derivative with respect to a, not z",
            ),
            Suspect((a - y) ** 2 / 2, "this is the cost of each entry, not its derivative"),
            Suspect((a - y).sum(), "it is summed: the derivative has the shape of a"),
        ]
        what = f"quadratic_cost_prime of {m} column{'s' * (m > 1)} of {n}"
        compare(what, student.call("quadratic_cost_prime", a, y), a - y, suspects)


@questions("costs", weight=1, needs=("quadratic_cost_prime",))
def quadratic_derivative_keeps_its_arguments(student: Student, rng: np.random.Generator) -> None:
    a, y = _outputs(rng, (3, 2)), _targets(rng, (3, 2))
    compare("quadratic_cost_prime of 2 columns of 3", student.call("quadratic_cost_prime", a, y), a - y)
    check_unmodified("quadratic_cost_prime", student.modified, ("a", "y"))


@questions("costs", weight=2, needs=("cross_entropy_cost",))
def cross_entropy_is_a_sum(student: Student, rng: np.random.Generator) -> None:
    for n, m in ((3, 1), (4, 5)):
        p, y = _probabilities(rng, (n, m)), _targets(rng, (n, m))
        expected = -np.sum(y * np.log(p))
        what = f"cross_entropy_cost of {m} column{'s' * (m > 1)} of {n}"
        compare(what, student.call("cross_entropy_cost", p, y), expected, _entropy_suspects(p, y))


def _entropy_suspects(p: Array, y: Array) -> list[Suspect]:
    m = p.shape[1]
    terms = -y * np.log(p)
    others = -(1 - y) * np.log(1 - p)
    return [
        Suspect(
            terms.sum() + others.sum(),
            "this is the binary cross-entropy; with softmax outputs there is no (1 − y)·log(1 − p)",
        ),
        Suspect((terms.sum() + others.sum()) / m, "this is the binary cross-entropy, averaged; here it is −Σ y·log p"),
        Suspect(terms.sum() / m, "it is averaged over the examples; here costs are sums over everything passed in"),
        Suspect(terms.mean(), "it is averaged over all entries; here costs are sums over everything passed in"),
        Suspect(terms.sum() / np.log(2), "the logarithm is to base 2; the natural one, np.log, is asked for"),
        Suspect(terms.sum() / np.log(10), "the logarithm is to base 10; the natural one, np.log, is asked for"),
        Suspect(-np.sum(p * np.log(p)), "this is the entropy of p; the targets y do not enter"),
        Suspect(-np.sum(np.log(p)), "the targets y do not enter: multiply log p by y"),
        Suspect(-np.sum(y * np.log(reference.softmax(p))), "softmax is applied to p, which is its output already"),
        *_unsummed(terms),
    ]


def _unsummed(terms: Array) -> list[Suspect]:
    """What comes out where a sum is forgotten or taken over one axis only."""
    total = terms.sum()
    return [
        Suspect(terms, "the sum is missing: one number is asked for"),
        Suspect(
            terms.sum(axis=0), "it is summed over each column only: one number is asked for, the sum over everything"
        ),
        Suspect(terms.sum(axis=1), "it is summed over each row only: one number is asked for, the sum over everything"),
        Suspect(
            np.array([[total]]),
            "it is an array with one entry where a number belongs: np.sum over everything gives one",
        ),
    ]


@questions("costs", weight=1, needs=("cross_entropy_cost",))
def cross_entropy_of_zero_probabilities(student: Student, rng: np.random.Generator) -> None:
    p, y = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.5], [0.0, 0.0, 0.5]]), np.eye(3)[[1, 0, 2]].T
    p[1:, 2] = _probabilities(rng, (2, 1))[:, 0]
    what = "cross_entropy_cost where p = 0 and y = 0"
    cause_zero = "0 · log 0 is NaN in NumPy; keep p above a tiny number, np.maximum(p, 1e-12)"
    _finite(what, student.call("cross_entropy_cost", p, y), cause_zero)
    compare(what, student.call("cross_entropy_cost", p, y), -np.log(p[2, 2]), _entropy_suspects(p[1:, 2:], y[1:, 2:]))
    check_unmodified("cross_entropy_cost", student.modified, ("p", "y"))
    p, y = p[:, [2]], np.array([[1.0], [0.0], [0.0]])
    what = "cross_entropy_cost where p = 0 and y = 1"
    cost = student.call("cross_entropy_cost", p, y)
    if isinstance(cost, float) and 15 <= cost < np.inf:
        return  # the largest double, which np.nan_to_num puts for infinity, is finite too
    _finite(what, cost, "log 0 is −infinity in NumPy; keep p above a tiny number, np.maximum(p, 1e-12)")
    if not float(check_array(what, cost, ())) >= 15:
        raise wrong(
            what,
            f"got {float(cost):.4g}",
            "such an example costs too little",
            "a probability of 0 for the true class must cost 15 or more: clip p at 1e-12, no higher",
        )


def _finite(what: str, value: Any, cause: str) -> None:
    """Name the cause of NaN and infinity better than a comparison could."""
    number = value.ravel()[0] if isinstance(value, np.ndarray) and value.size == 1 else value
    if isinstance(number, float) and not np.isfinite(number):
        raise wrong(what, f"came out as {float(number)}", cause)


@questions("costs", weight=2, needs=("softmax_cross_entropy_prime",))
def cross_entropy_derivative(student: Student, rng: np.random.Generator) -> None:
    for n, m in ((3, 1), (4, 5), (3, 3)):
        z, y = rng.normal(0, 1.5, (n, m)), _targets(rng, (n, m))
        p = reference.softmax(z)
        by_row = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        suspects = [
            Suspect(y - p, "the sign is the wrong way round: the derivative is softmax(z) − y"),
            Suspect(z - y, "softmax is missing: the first argument is z, before the softmax"),
            Suspect(reference.softmax(p) - y, "softmax is applied twice"),
            Suspect(
                (p - y) * p * (1 - p),
                "a derivative is multiplied in that has cancelled already: it is just softmax(z) − y",
            ),
            Suspect(-y / p, "this is the derivative with respect to p; the one with respect to z is softmax(z) − y"),
            Suspect(reference.sigmoid(z) - y, "the sigmoid stands where softmax belongs"),
            Suspect(by_row - y, "softmax sums over the wrong axis: one example is one column, so sum over axis 0"),
            Suspect(
                np.exp(z) / np.exp(z).sum() - y, "softmax sums over the whole array: sum over axis 0, column by column"
            ),
            Suspect((p - y) / m, "it is averaged over the examples; here costs are sums, and so are their derivatives"),
        ]
        what = f"softmax_cross_entropy_prime of {m} column{'s' * (m > 1)} of {n}"
        compare(what, student.call("softmax_cross_entropy_prime", z, y), p - y, suspects)


@questions("costs", weight=1, needs=("softmax_cross_entropy_prime",))
def cross_entropy_derivative_with_care(student: Student, rng: np.random.Generator) -> None:
    z, y = rng.normal(0, 2, (4, 2)) + np.array([1e3, 0.0]), _targets(rng, (4, 2))
    what = "softmax_cross_entropy_prime of numbers up to 1000"
    got = student.call("softmax_cross_entropy_prime", z, y)
    _demand_stable(what, student)
    compare(what, got, reference.softmax(z) - y)
    check_unmodified("softmax_cross_entropy_prime", student.modified, ("z", "y"))


# ── numerical_gradient ───────────────────────────────────────────────────────────────────────────────────────────


FORWARD = "this is the one-sided difference; go up AND down by h: (f(x + h) − f(x − h)) / 2h"


@questions("numerical_gradient", weight=1, needs=("numerical_gradient",))
def gradient_at_a_vector(student: Student, rng: np.random.Generator) -> None:
    _compare_coupled(student, rng, (int(rng.integers(3, 7)),))


@questions("numerical_gradient", weight=1, needs=("numerical_gradient",))
def gradient_at_any_shape(student: Student, rng: np.random.Generator) -> None:
    for shape in ((3, 4), (2, 1), (2, 3, 2), ()):
        _compare_coupled(student, rng, shape)


def _compare_coupled(student: Student, rng: np.random.Generator, shape: tuple[int, ...]) -> None:
    """A function in which the entries interact, judged loosely: whether the difference is central is another check."""
    c, x = np.array(rng.uniform(0.5, 1.5, shape)), np.array(rng.uniform(-1, 1, shape))

    def f(at: Array) -> float:
        return float(np.sin(np.sum(c * at)) + np.sum(c * at**2))

    expected = np.cos(np.sum(c * x)) * c + 2 * c * x
    what = f"numerical_gradient of f at an x of shape {shape}"
    compare(what, student.call("numerical_gradient", f, x), expected, _gradient_suspects(expected), tolerance=1e-4)


def _gradient_suspects(expected: Array) -> list[Suspect]:
    suspects = [
        Suspect(2 * expected, "it is twice the gradient: the two points lie 2h apart, so divide by 2h"),
        Suspect(expected / 2, "it is half the gradient: one step of h is divided by 2h; go up AND down by h"),
        Suspect(-expected, "the sign is the wrong way round: f(x + h) comes first"),
        Suspect(expected * 2e-5, "the division by 2h is missing"),
        Suspect(expected * 1e-10, "it multiplies by h instead of dividing: a pair of brackets is missing, / (2 * h)"),
    ]
    if expected.size > 1:
        together = expected.sum()
        all_at_once = "all entries are moved at once; move one entry at a time"
        suspects += [Suspect(together, all_at_once), Suspect(np.full(expected.shape, together), all_at_once)]
        suspects.append(Suspect(expected.ravel(), "the gradient is flat; give it the shape of x"))
    if expected.ndim > 1:
        rows = expected.reshape(len(expected), -1).sum(axis=1)
        by_row = (
            "whole rows are moved at once: x[i] of a matrix is a row; np.ndindex(x.shape) walks over single entries"
        )
        shaped = rows.reshape(-1, *[1] * (expected.ndim - 1))
        suspects += [Suspect(rows, by_row), Suspect(np.broadcast_to(shaped, expected.shape), by_row)]
    return suspects


@questions("numerical_gradient", weight=2, needs=("numerical_gradient",))
def difference_is_central(student: Student, rng: np.random.Generator) -> None:
    """A function without coupling, so that an x that drifts from entry to entry is not counted here as well."""
    for shape in ((4,), (2, 3)):
        x = rng.uniform(0.2, 0.8, shape)
        expected, h = 3 * np.exp(3 * x), 1e-5
        suspects = [
            Suspect(expected * np.expm1(3 * h) / (3 * h), FORWARD),
            Suspect(expected * -np.expm1(-3 * h) / (3 * h), FORWARD),
            *_gradient_suspects(expected),
        ]
        what = f"numerical_gradient of the sum of exp(3x), x of shape {shape}, to seven digits"
        got = student.call("numerical_gradient", _sum_of_exp, x)
        compare(
            what,
            got,
            expected,
            suspects,
            next_step="use the central difference with h = 1e-5 unless the call says otherwise",
        )


def _sum_of_exp(x: Array) -> float:
    return float(np.sum(np.exp(3 * x)))


@questions("numerical_gradient", weight=1, needs=("numerical_gradient",))
def step_is_h(student: Student, rng: np.random.Generator) -> None:
    """A cubic: its central difference is 3cx² + ch² exactly, so a large h shows."""
    c, x, h = rng.uniform(1, 2, (2, 3)), rng.uniform(0.5, 1, (2, 3)), float(rng.uniform(0.1, 0.3))

    def f(at: Array) -> float:
        return float(np.sum(c * at**3))

    exact = 3 * c * x**2
    suspects = [
        Suspect(exact, "the argument h is not used: a step of its own is written into the function"),
        Suspect(exact + 3 * c * x * h + c * h**2, FORWARD),
        Suspect(exact - 3 * c * x * h + c * h**2, FORWARD),
        Suspect(exact + c * h**2 / 4, "the step is half of h: the two points are x + h and x − h"),
        *_gradient_suspects(exact + c * h**2),
    ]
    got = student.call("numerical_gradient", f, x, h)
    compare(f"numerical_gradient of a cubic f with h = {h:.3g}", got, exact + c * h**2, suspects)


@questions("numerical_gradient", weight=1, needs=("numerical_gradient",))
def x_is_put_back(student: Student, rng: np.random.Generator) -> None:
    """x and h are multiples of a power of two, so that `+= h`, `-= 2 * h`, `+= h` puts back exactly what was there."""
    x, h = rng.integers(-500, 500, (2, 3)) / 256, 2.0**-17

    def f(at: Array) -> float:
        return float(np.sum(at**2) + 3 * np.sum(at))

    expected = 2 * x + 3
    got = student.call("numerical_gradient", f, x, h)
    compare(
        "numerical_gradient of f at an x of shape (2, 3)", got, expected, _gradient_suspects(expected), tolerance=1e-4
    )
    if student.modified:
        raise wrong(
            "numerical_gradient",
            "leaves x changed",
            "an entry is moved by h and not put back",
            "keep the old value before the step and put it back after it, or work on a copy",
        )


# ── relative_error ───────────────────────────────────────────────────────────────────────────────────────────────


@questions("relative_error", weight=3, needs=("relative_error",))
def error_of_arrays(student: Student, rng: np.random.Generator) -> None:
    for shape in ((4,), (3, 2), (2, 3, 2)):
        for noise in (1.0, 1e-3):
            a = rng.normal(0, 2, shape)
            b = a + noise * rng.normal(0, 1, shape)
            suspects = _error_suspects(a, b)
            compare(
                f"relative_error of two arrays of shape {shape}",
                student.call("relative_error", a, b),
                _error(a, b),
                suspects,
            )
            check_unmodified("relative_error", student.modified, ("a", "b"))


@questions("relative_error", weight=1, needs=("relative_error",))
def error_of_zeros(student: Student, rng: np.random.Generator) -> None:
    zero, a = np.zeros((2, 3)), rng.normal(0, 1, (2, 3))
    compare(
        "relative_error of an array and zeros", student.call("relative_error", a, zero), 1.0, _error_suspects(a, zero)
    )
    what = "relative_error of two arrays of zeros"
    got = student.call("relative_error", zero, zero)
    _finite(what, got, "0 / 0; return 0 where both norms are 0")
    compare(what, got, 0.0, [Suspect(1.0, "two arrays that agree have error 0")])


def _error(a: Array, b: Array) -> float:
    return float(np.linalg.norm(a - b) / (np.linalg.norm(a) + np.linalg.norm(b)))


def _error_suspects(a: Array, b: Array) -> list[Suspect]:
    difference, size_a, size_b = np.linalg.norm(a - b), np.linalg.norm(a), np.linalg.norm(b)
    with np.errstate(all="ignore"):
        by_entry = np.abs(a - b) / (np.abs(a) + np.abs(b))
        suspects = [
            Suspect(difference / max(size_a, size_b), "it divides by the larger of the two norms; divide by their sum"),
            Suspect(difference / size_a, "it divides by the norm of a alone; divide by the sum of both norms"),
            Suspect(difference / size_b, "it divides by the norm of b alone; divide by the sum of both norms"),
            Suspect(difference, "the division by the sum of the norms is missing"),
            Suspect(2 * difference / (size_a + size_b), "it divides by the mean of the norms; divide by their sum"),
            Suspect(
                difference / np.linalg.norm(a + b), "it divides by the norm of the sum; divide by the sum of the norms"
            ),
            Suspect(difference**2 / (size_a**2 + size_b**2), "the norms lack their square roots"),
            Suspect(
                np.abs(a - b).sum() / (np.abs(a).sum() + np.abs(b).sum()),
                "absolute values are summed; the norm is the root of the sum of squares",
            ),
            Suspect(
                by_entry.mean(), "it is the mean of the errors of single entries; take the norms over all entries first"
            ),
            Suspect(by_entry.max(), "it is the largest error of a single entry; take the norms over all entries first"),
            Suspect(by_entry, "it is computed entry by entry; one number is asked for, from norms over all entries"),
            Suspect(
                abs(size_a - size_b) / (size_a + size_b),
                "it is the difference of the norms; take the norm of the difference",
            ),
        ]
    if a.ndim == 2:
        spectral = [np.linalg.norm(m, 2) for m in (a - b, a, b)]
        suspects.append(
            Suspect(
                spectral[0] / (spectral[1] + spectral[2]),
                "ord=2 of a matrix is its largest singular value; leave ord out",
            )
        )
    return [suspect for suspect in suspects if np.all(np.isfinite(suspect.value))]


# ── one_iteration ────────────────────────────────────────────────────────────────────────────────────────────────


KEYS = ("z", "a", "delta", "dW", "db", "cost")
SIZES = [2, 2, 2, 1]


def _exercise() -> tuple[Net, Array, Array]:
    weights = [np.array([[0.25, 0.1], [-0.2, 0.9]]), np.array([[0.5, 0.8], [0.3, 0.7]]), np.array([[0.1, -0.2]])]
    biases = [np.array([[0.1], [-0.2]]), np.array([[-0.3], [0.1]]), np.array([[0.3]])]
    return Net(weights, biases, "relu", "sigmoid"), np.array([[1.0], [-1.0]]), np.array([[1.0]])


TYPED_IN = "these are the numbers of the exercise, whatever is passed in: compute them from the arguments"


def _exercise_iteration() -> dict[str, Any]:
    """What one_iteration returns for the numbers of the exercise."""
    net, x, y = _exercise()
    dW, db = net.gradients(x, y)
    return {"z": net.forward(x)[0], "delta": db, "dW": dW, "cost": net.cost(x, y)}


def _cases(rng: np.random.Generator) -> Iterator[tuple[str, Net, Array, Array]]:
    """Random numbers with all neurons on, with one of two off in each hidden layer, and those of the exercise."""
    for neurons_on, label in ((2, "random numbers, all neurons on"), (1, "random numbers, some neurons off")):
        yield label, *_random_case(rng, neurons_on)
    yield "the numbers of the exercise", *_exercise()


def _random_case(rng: np.random.Generator, neurons_on: int) -> tuple[Net, Array, Array]:
    for _ in range(1000):
        net, x, y = fair_case(rng, SIZES, 1, "relu", "sigmoid")
        zs, activations = net.forward(x)
        on = all((z > 0).sum() == neurons_on for z in zs[:-1])
        if (
            on
            and abs(activations[-1].item() - y.item()) > 0.1
            and abs(net.weights[1][0, 1] - net.weights[1][1, 0]) > 0.1
        ):
            return net, x, y
    raise RuntimeError("no fair case found")


def _iterate(student: Student, net: Net, x: Array, y: Array) -> dict[str, Any]:
    got = student.call("one_iteration", x, y, [w.copy() for w in net.weights], [b.copy() for b in net.biases])
    what = "one_iteration's return value"
    if got is None:
        raise wrong(what, "came back as None", "a missing return statement", "end the function with `return {...}`")
    keys = "return a dict with the keys " + ", ".join(KEYS)
    if not isinstance(got, dict):
        raise wrong(what, "is not a dict", "", keys)
    missing = [key for key in KEYS if key not in got]
    if missing:
        raise wrong(what, f"lacks {', '.join(missing)}; it has {', '.join(map(str, got)) or 'no keys'}", "", keys)
    return got


def _layers(got: dict[str, Any], key: str) -> list[Any]:
    what = f'"{key}" of one_iteration'
    if key == "a" and isinstance(got["a"], list | tuple) and len(got["a"]) == 4:
        raise wrong(
            what,
            "has 4 entries, expected 3",
            "it begins with the input x; here it begins with the first hidden layer",
            "leave x out",
        )
    return check_sequence(what, got[key], 3)


@questions("one_iteration", weight=2, needs=("one_iteration",))
def forward_pass(student: Student, rng: np.random.Generator) -> None:
    for label, net, x, y in _cases(rng):
        got = _iterate(student, net, x, y)
        changed = list(student.modified)
        zs, activations = net.forward(x)
        got_z, got_a = _layers(got, "z"), _layers(got, "a")
        for layer in range(3):
            compare(
                f'"z"[{layer}] ({label})',
                got_z[layer],
                zs[layer],
                _z_suspects(net, x, layer),
                next_step="z = W @ a + b, with the a of the layer below",
            )
            compare(f'"a"[{layer}] ({label})', got_a[layer], activations[layer + 1], _a_suspects(zs[layer]))
        check_unmodified("one_iteration", changed, ("x", "y", "weights", "biases"))


def _z_suspects(net: Net, x: Array, layer: int) -> list[Suspect]:
    zs, activations = net.forward(x)
    w, b, below = net.weights[layer], net.biases[layer], activations[layer]
    suspects = [
        Suspect(w @ below, "the bias is left out"),
        Suspect(
            activations[layer + 1],
            "it holds the activation: relu changes its argument in place, or the wrong list is filled",
        ),
        Suspect(w @ below - b, "the bias is subtracted; it is added"),
        Suspect(
            np.where(zs[layer] > 0, 1.0, 0.0), "relu_prime wrote its zeros and ones into z: it must make a new array"
        ),
        Suspect(_exercise_iteration()["z"][layer], TYPED_IN),
    ]
    if layer > 0:
        suspects.append(
            Suspect(w @ zs[layer - 1] + b, "the z of the layer below goes in; its activation a belongs there")
        )
    if w.shape[0] == w.shape[1]:
        suspects.append(Suspect(w.T @ below + b, "the weights are transposed on the way forward; z = W @ a + b"))
        suspects.append(
            Suspect(w @ below + b.T, "a column and a row are added, which gives a matrix: keep everything a column")
        )
    return suspects


def _a_suspects(z: Array) -> list[Suspect]:
    if z.shape == (1, 1):
        cause = "ReLU or no activation at all stands at the end; the output is a sigmoid"
        return [Suspect(value, cause) for value in (z, reference.relu(z))] + [
            Suspect(np.tanh(z), "the output is tanh; it should be a sigmoid")
        ]
    return [
        Suspect(z, "the activation is left out: it is z"),
        Suspect(reference.sigmoid(z), "the sigmoid stands where ReLU belongs: the hidden layers are ReLU"),
        Suspect(np.tanh(z), "tanh stands where ReLU belongs: the hidden layers are ReLU"),
        Suspect(np.where(z > 0, z, 0.01 * z), "this is the leaky ReLU; plain ReLU is 0 for every negative z"),
    ]


@questions("one_iteration", weight=1, needs=("one_iteration",))
def cost_of_the_output(student: Student, rng: np.random.Generator) -> None:
    for label, net, x, y in _cases(rng):
        cost = net.cost(x, y)
        p = net.predict(x).item()
        suspects = [
            Suspect(np.array([[cost]]), "it is an array with one entry where a float belongs: .item() takes it out"),
            Suspect(np.array([cost]), "it is an array with one entry where a float belongs: .item() takes it out"),
            Suspect(2 * cost, "the factor ½ is missing"),
            Suspect(_exercise_iteration()["cost"], TYPED_IN),
            Suspect(p - y.item(), "this is the difference; square it and take the half"),
            Suspect(
                -np.log(p if y.item() else 1 - p), "this is the cross-entropy; the cost of this network is quadratic"
            ),
        ]
        compare(f'"cost" ({label})', _iterate(student, net, x, y)["cost"], cost, suspects)


# The mistakes of a whole back-propagation that can be made with one example and ReLU.
ONE_EXAMPLE = (
    "target_sign",
    "output_prime_missing",
    "prime_of_a",
    "hidden_prime_missing",
    "old_delta",
    "sigmoid_everywhere",
    "prime_of_lower_z",
    "only_last_layer",
    "first_layer_missing",
)


def _delta_suspects(net: Net, x: Array, y: Array, layer: int) -> list[Suspect]:
    """For one example the bias gradients are the deltas."""
    _, deltas = net.gradients(x, y)
    suspects = [Suspect(net.gradients(x, y, mistake)[1][layer], MISTAKES[mistake]) for mistake in ONE_EXAMPLE]
    suspects.append(Suspect(_exercise_iteration()["delta"][layer], TYPED_IN))
    zs, activations = net.forward(x)
    if layer == 2:
        own_rule = (activations[-1] - y) * zs[2] * (1 - zs[2])
        suspects.append(Suspect(own_rule, "z·(1 − z) stands where sigmoid′(z) belongs; get sigmoid_prime right first"))
    if layer < 2:
        back = net.weights[layer + 1].T @ deltas[layer + 1]
        suspects.append(Suspect(back, "the derivative of the activation, relu′(z), is left out"))
    if layer == 0:
        untransposed = (net.weights[1] @ deltas[1]) * reference.relu_prime(zs[0])
        suspects.append(
            Suspect(
                untransposed, "a missing transpose: the error goes back through the transposed weights, W.T @ delta"
            )
        )
    return suspects


@questions("one_iteration", weight=2, needs=("one_iteration",))
def errors_of_the_layers(student: Student, rng: np.random.Generator) -> None:
    for label, net, x, y in _cases(rng):
        got = _layers(_iterate(student, net, x, y), "delta")
        _, expected = net.numerical_gradients(x, y)
        _check_order("delta", got, expected)
        for layer in (2, 1, 0):
            suspects = _delta_suspects(net, x, y, layer)
            compare(
                f'"delta"[{layer}] ({label})',
                got[layer],
                expected[layer],
                suspects,
                next_step="compare with steps 1 and 2 above",
            )


def _check_order(key: str, got: list[Any], expected: list[Array]) -> None:
    shapes = [array.shape for array in expected]
    if [getattr(array, "shape", None) for array in got] == shapes[::-1]:
        raise wrong(
            f'"{key}" of one_iteration',
            "runs from the last layer to the first",
            "the order is reversed",
            "reverse the list",
        )


@questions("one_iteration", weight=2, needs=("one_iteration",))
def weight_gradients(student: Student, rng: np.random.Generator) -> None:
    for label, net, x, y in _cases(rng):
        got = _layers(_iterate(student, net, x, y), "dW")
        expected, _ = net.numerical_gradients(x, y)
        _check_order("dW", got, expected)
        for layer in (2, 1, 0):
            suspects = _weight_suspects(net, x, y, layer)
            compare(
                f'"dW"[{layer}] ({label})',
                got[layer],
                expected[layer],
                suspects,
                next_step="dW is delta times the transposed a of the layer below",
            )


def _weight_suspects(net: Net, x: Array, y: Array, layer: int) -> list[Suspect]:
    zs, activations = net.forward(x)
    right, deltas = net.gradients(x, y)
    delta, own, below = deltas[layer], activations[layer + 1], activations[layer]
    suspects = [
        Suspect(
            delta @ own.T,
            "it is multiplied by the activation of its own layer; what came IN belongs there, the a of the layer below",
        ),
        Suspect(
            right[layer].T,
            "it is transposed: dW has the shape of W, so delta comes first and the a of the layer below is transposed",
        ),
        Suspect(_exercise_iteration()["dW"][layer], TYPED_IN),
        Suspect(delta * below, "the product is taken entry by entry; it is delta @ a.T, a matrix"),
    ]
    if layer > 0:
        suspects.append(
            Suspect(delta @ zs[layer - 1].T, "it is multiplied by z of the layer below; its activation a belongs there")
        )
    if layer == 2:
        back = net.weights[2].T @ delta
        cause = "this is W3ᵀδ3, the error that goes back to layer 2; the gradient of W3 is δ3 times the a of layer 2"
        suspects += [Suspect(value, cause) for value in (back, back.T, np.abs(back), np.abs(back.T))]
    suspects += [Suspect(d.value @ below.T, d.cause) for d in _delta_suspects(net, x, y, layer)]
    return suspects


@questions("one_iteration", weight=1, needs=("one_iteration",))
def bias_gradients(student: Student, rng: np.random.Generator) -> None:
    for label, net, x, y in _cases(rng):
        got = _layers(_iterate(student, net, x, y), "db")
        _, expected = net.numerical_gradients(x, y)
        _check_order("db", got, expected)
        for layer in (2, 1, 0):
            suspects = [
                Suspect(np.zeros_like(expected[layer]), MISTAKES["bias_missing"]),
                *_delta_suspects(net, x, y, layer),
            ]
            compare(
                f'"db"[{layer}] ({label})',
                got[layer],
                expected[layer],
                suspects,
                next_step="the gradient of the bias is delta itself",
            )
