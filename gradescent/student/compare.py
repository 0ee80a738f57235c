"""Comparisons that name the likely mistake. Visible checks and hidden tests judge values with these alone.

Every comparison is written as `error <= tolerance`, so that NaN, empty and infinite values fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradescent.student.judging import Wrong

TOLERANCE = 1e-6  # relative error of a right gradient in float64 is below 2e-9, of the subtlest wrong one seen 9e-3
MAGNITUDE = 1e30  # anything larger is not a result, and its norm could overflow

DTYPE_CAUSES = {
    "f": "another float type on the way; a float32 keeps only seven digits",
    "i": "an integer array, which cuts off what comes after the point",
    "u": "an unsigned integer array, which cuts off what comes after the point and has no negative numbers",
    "b": "True and False, which a comparison gives, where numbers belong",
}


@dataclass(frozen=True)
class Suspect:
    """A wrong value that a known mistake produces.

    Attributes:
        value: what the mistake gives for the inputs of this check.
        cause: the sentence that the student reads, with what to do.
    """

    value: Any
    cause: str


def wrong(what: str, got: str, cause: str = "", next_step: str = "") -> Wrong:
    """The one form of every message: what was checked, what came back, the likely cause, the next step."""
    parts = [f"{what}: {got}"]
    if cause:
        parts.append(f"Likely: {cause}")
    if next_step:
        parts.append(f"Next: {next_step}")
    return Wrong(" ".join(part if part.endswith((".", "!", "?")) else part + "." for part in parts))


def relative_error(a: Any, b: Any) -> float:
    """‖a − b‖ / (‖a‖ + ‖b‖) over all entries; 0 when both are zero, inf where the two cannot be compared."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        return float("inf")
    with np.errstate(all="ignore"):  # inf − inf is NaN, which no tolerance accepts; a warning would only puzzle
        scale = np.linalg.norm(a) + np.linalg.norm(b)
        return 0.0 if scale == 0 else float(np.linalg.norm(a - b) / scale)


def check_array(what: str, value: Any, shape: tuple[int, ...], dtype: str = "float64") -> np.ndarray:
    """Demand an array (or nested list of numbers, for plain Python answers) of this shape and dtype, finite everywhere.

    Returns:
        The value as an array.
    """
    array = check_shape(what, value, shape)
    _check_dtype(what, value, array, dtype)
    if not np.all(np.isfinite(array)):
        bad = "NaN" if np.isnan(array).any() else "infinite"
        raise wrong(
            what,
            f"holds {bad} values",
            "an overflow in exp, log of 0, or a division by 0",
            "look for the first operation that gives it",
        )
    if not np.all(np.abs(array) <= MAGNITUDE):
        raise wrong(what, f"holds values beyond {MAGNITUDE:g}", "a quantity that grows without bound")
    return array


def check_shape(what: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Demand real numbers in an array of this shape; they may be of any real dtype, and NaN."""
    if value is None:
        raise wrong(what, "came back as None", "a missing return statement", "end the function with `return ...`")
    if not isinstance(value, np.ndarray | np.generic | int | float | complex | list | tuple):
        raise wrong(what, f"came back as {_kind(value)}, expected {_wanted(shape)}", "", _unpack(value))
    if _holds_text(value):
        raise wrong(what, f"holds text, expected an array of shape {shape}")
    try:
        array = np.asarray(value)
    except ValueError:
        got = f"came back as {_kind(value)} of parts with different shapes, expected {_wanted(shape)}"
        raise wrong(what, got, "", "print its parts one by one") from None
    if array.dtype.kind not in "biuf":
        raise wrong(what, f"holds {_content(array)}, expected {_wanted(shape)}", "", "return real numbers")
    if array.shape == shape:
        return array
    cause = ""
    if array.shape == shape[::-1]:
        cause = "a missing or superfluous transpose"
    elif array.shape == shape[:-1] and len(shape) > 2 and shape[-1:] == (1,):
        cause = "the last axis is missing: x[..., np.newaxis] adds it"
    elif array.shape == shape[:-1] and shape[-1:] == (1,):
        cause = (
            "a column was lost: a vector of shape (n,) stands where a column (n, 1) belongs; "
            "sum with keepdims=True or reshape(-1, 1)"
        )
    elif array.size == np.prod(shape, dtype=int):
        cause = "the right number of values in another arrangement"
    elif len(shape) == 2 and array.ndim == 2 and shape[1] == 1 and array.shape[0] == shape[0]:
        cause = "one column an example where their sum belongs: sum over axis 1 with keepdims=True"
    elif shape == () and array.size > 1:
        cause = "values for each entry where one number belongs: sum over everything"
    raise wrong(what, f"has shape {array.shape}, expected {shape}", cause)


def check_probabilities(what: str, value: Any, shape: tuple[int, ...], tolerance: float = 1e-3) -> np.ndarray:
    """Demand probabilities of any float type: (m, classes) whose rows add up to 1, or (m,) of the second of two classes.

    Returns:
        The value as float64, cut to 0...1.
    """
    if isinstance(value, np.ndarray):
        _refuse_classes(what, value)  # before the shape, which argmax changes too
    array = check_shape(what, value, shape)
    _refuse_classes(what, array)
    if not np.isfinite(array).all():
        raise wrong(what, "holds NaN or infinite values", "a training that diverged: take a smaller learning rate")
    low, high = float(array.min(initial=0)), float(array.max(initial=0))
    if not (low >= -tolerance and high <= 1 + tolerance):
        raise wrong(
            what, f"holds values from {low:.3g} to {high:.3g}", "no softmax or sigmoid at the end: these are logits"
        )
    sums = array.sum(axis=1) if array.ndim == 2 else np.ones(1)
    if not np.abs(sums - 1).max(initial=0) <= 10 * tolerance:
        got = f"has rows that add up to {sums.min():.3g} … {sums.max():.3g}, expected 1"
        raise wrong(what, got, "sigmoid or something else where softmax belongs")
    return np.clip(array.astype(float), 0, 1)


def _refuse_classes(what: str, array: np.ndarray) -> None:
    if array.dtype.kind in "biu":
        got = f"has dtype {array.dtype} and shape {array.shape}"
        raise wrong(what, got, "classes instead of probabilities (argmax)", "return what the model gives")


def _check_dtype(what: str, value: Any, array: np.ndarray, dtype: str) -> None:
    whole_number = not isinstance(value, np.ndarray) and array.dtype.kind in "iu"
    if array.dtype == dtype or whole_number:
        return
    cause = DTYPE_CAUSES.get(array.dtype.kind, "") if dtype == "float64" else ""
    step = f"compute in {dtype} from start to end" if dtype == "float64" else f'`.astype("{dtype}")` converts it'
    raise wrong(what, f"has dtype {array.dtype}, expected {dtype}", cause, step)


def _content(array: np.ndarray) -> str:
    if array.dtype.kind == "O" and any(item is None for item in array.flat):
        return "None"
    names = {"c": "complex numbers", "U": "text", "S": "text", "O": "objects that are not numbers"}
    return names.get(array.dtype.kind, f"{array.dtype} values")


def _wanted(shape: tuple[int, ...]) -> str:
    return f"an array of shape {shape}" if shape else "a number"


def _unpack(value: Any) -> str:
    """What to do with a value that is no array or list but may lead to one."""
    name = _type_name(value)
    if name in ("generator", "zip", "map", "filter", "reversed", "list_reverseiterator", "dict_values"):
        return "put list(...) around it"
    if name in ("function", "method", "builtin_function_or_method"):
        return "call it: write the parentheses after its name"
    return "turn it into an array with keras.ops.convert_to_numpy" if name.endswith("Tensor") else ""


def compare(
    what: str,
    got: Any,
    expected: Any,
    suspects: Iterable[Suspect] = (),
    tolerance: float = TOLERANCE,
    next_step: str = "",
) -> None:
    """Raise `Wrong` unless `got` equals `expected`, with the likely cause if one is known.

    Args:
        what: what is compared, in the student's words: "dW[0]".
        got: what came back.
        expected: array or number; its shape is demanded too.
        suspects: known wrong values, tried before the general ones (sign, transpose, factor); only iterated over when
            `got` is not right, so a generator saves their computation.
        tolerance: largest `relative_error` that counts as right.
        next_step: what to do, where the cause is not known.
    """
    expected = np.asarray(expected, dtype=float)
    array = _known_shape(what, got, expected.shape, suspects)
    error = relative_error(array, expected)
    if error <= tolerance:
        return
    for suspect in [*suspects, *_general_suspects(expected)]:
        if relative_error(array, suspect.value) <= max(tolerance, TOLERANCE):
            raise wrong(what, _difference(array, expected, error), suspect.cause)
    factor = _common_factor(array, expected)
    if factor is not None:
        cause = f"every value is {factor:.4g} times the right one: a factor or an average too many or too few"
        raise wrong(what, _difference(array, expected, error), cause)
    raise wrong(
        what,
        _difference(array, expected, error),
        "",
        next_step or "try the smallest case by hand and compare number by number",
    )


def _known_shape(what: str, got: Any, shape: tuple[int, ...], suspects: Iterable[Suspect]) -> np.ndarray:
    """The answer as an array; a wrong shape that a suspect has too is explained by the suspect."""
    try:
        return check_array(what, got, shape)
    except Wrong:
        for suspect in suspects:
            if np.shape(suspect.value) != shape and _alike(got, suspect.value):
                raise wrong(what, f"has shape {np.shape(got)}, expected {shape}", suspect.cause) from None
        raise


def _alike(got: Any, value: Any) -> bool:
    try:
        return relative_error(got, value) <= TOLERANCE
    except (TypeError, ValueError):
        return False


def _general_suspects(expected: np.ndarray) -> list[Suspect]:
    suspects = [
        Suspect(np.zeros_like(expected), "it is zero everywhere: the result is never filled in"),
        Suspect(-expected, "the sign is the wrong way round"),
    ]
    if expected.ndim == 2 and expected.shape[0] == expected.shape[1]:
        suspects.append(Suspect(expected.T, "a missing or superfluous transpose"))
    if expected.ndim == 1:
        suspects.append(Suspect(expected[::-1], "the order is reversed"))
    return suspects


def _common_factor(array: np.ndarray, expected: np.ndarray) -> float | None:
    """c where array = c·expected, if there is such a number other than 0 and 1."""
    square = float(np.sum(expected * expected))
    # Two numbers are too few: the bias gradients of two softmax classes are c and −c, right or wrong.
    if expected.size < 3 or not square > 0:
        return None
    factor = float(np.sum(array * expected)) / square
    return factor if factor != 0 and relative_error(array, factor * expected) <= TOLERANCE else None


def _difference(array: np.ndarray, expected: np.ndarray, error: float) -> str:
    if array.size == 1:
        return _two_numbers(array.item(), expected.item())
    index = np.unravel_index(np.argmax(np.abs(array - expected)), array.shape)
    place = ", ".join(map(str, index))
    return f"relative error {error:.2g}; at [{place}] {_two_numbers(array[index], expected[index])}"


def _two_numbers(got: float, expected: float) -> str:
    """Six digits, or as many as it takes to see the difference."""
    digits = next((n for n in (6, 9, 12) if f"{got:.{n}g}" != f"{expected:.{n}g}"), 17)
    return f"got {got:.{digits}g}, expected {expected:.{digits}g}"


def check_sequence(what: str, value: Any, length: int, cause: str = "") -> list[Any]:
    """Demand a list or tuple (or an array with that many rows) of `length` entries, and return it as a list.

    Args:
        what: what is checked, in the student's words.
        value: what came back.
        length: the number of entries.
        cause: why the number may be another one.
    """
    if value is None:
        raise wrong(what, "came back as None", "a missing return statement", "end the function with `return ...`")
    if not isinstance(value, list | tuple) and not (isinstance(value, np.ndarray) and value.ndim > 0):
        raise wrong(what, f"came back as {_kind(value)}, expected a list of {length}", "", _unpack(value))
    if len(value) != length:
        raise wrong(what, f"has {_count(len(value))}, expected {length}", cause)
    return list(value)


def check_unmodified(what: str, modified: Sequence[str], names: Sequence[str] = ()) -> None:
    """Demand that a call changed none of its arguments in place."""
    if not modified:
        return
    named = [names[int(m)] if m.isdigit() and int(m) < len(names) else m for m in modified]
    raise wrong(
        what,
        f"changes its argument {', '.join(named)} in place",
        "an assignment like `z[z < 0] = 0`, `+=` or np.random.shuffle on what was passed in",
        "make a new array, with np.where(...) for instance, or work on a copy",
    )


def check_silent(what: str, warned: Sequence[str]) -> None:
    """Demand that no floating point warning was raised."""
    bad = [text for text in warned if any(word in text for word in ("overflow", "divide", "invalid", "underflow"))]
    if bad:
        raise wrong(
            what,
            f"raises the warning '{bad[0]}'",
            "exp of a large number, or log or division of 0",
            "rewrite the formula so that exp only sees numbers <= 0",
        )


def _count(number: int) -> str:
    return "1 entry" if number == 1 else f"{number} entries"


def _type_name(value: Any) -> str:
    """The name of the type; of what a handle stands for, where it is one."""
    return str(getattr(value, "type_name", None) or type(value).__name__)


def _holds_text(value: Any) -> bool:
    """Whether there is text somewhere in nested lists: as an array it would take the length of the longest for each."""
    return isinstance(value, str) or (isinstance(value, list | tuple) and any(map(_holds_text, value)))


def _kind(value: Any) -> str:
    name = _type_name(value)
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
