"""From an exception in a student's code to an outcome and a message."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import numpy as np

from gradescent.student.invoke import Failure
from gradescent.student.judging import CodeError, MemoryLimit, NotAttempted, TimeLimit

LONGEST = 300  # characters of an exception's message that are shown

MATMUL = re.compile(r"matmul: .*\(size (\d+) is different from (\d+)\)", re.DOTALL)

# Type of the exception (empty: any), a pattern of its message, and the likely cause. The first that fits is shown.
CAUSES = (
    (
        "ValueError",
        r"`set_weights\(|objects could not be loaded",
        "weights of another network than the one that is built",
    ),
    ("ValueError", "not fit|not aligned|mismatch", "a missing transpose, or factors in the wrong order"),
    (
        "ValueError",
        "broadcast",
        "arrays of different layers in one sum or product (an index off by one?), or a missing transpose",
    ),
    (
        "ValueError",
        "truth value",
        "an `if` on a whole array; compare single numbers, or use np.where, .all() or .any()",
    ),
    ("ValueError", "unpack", "more or fewer values on the left of `=` than on the right"),
    ("NameError", "", "a name spelled differently, or the cell that defines it was not run or stopped with an error"),
    ("UnboundLocalError", "", "a name that is used in the function before it gets a value there"),
    ("AttributeError", "NoneType", "a function without a return statement gave None"),
    ("AttributeError", "", "a name spelled differently, or an attribute that __init__ does not set"),
    ("TypeError", "positional argument|keyword argument", "the arguments are not those that the task asks for"),
    ("TypeError", "NoneType", "a function without a return statement gave None"),
    ("TypeError", "not callable", "parentheses after something that is no function: a name used twice, or a missing *"),
    ("IndexError", "", "a loop that takes a step too many, or an index that starts at 1"),
    ("KeyError", "", "a key that the dictionary does not have, spelled differently perhaps"),
    ("RecursionError", "", "a function that calls itself and never stops"),
    ("ZeroDivisionError", "", "a count or a sum that is zero"),
    ("OSError", r"Errno (27|28)\b|requested and \d+ written", "a file larger than a call may write (file_mb)"),
    ("SystemExit", "", "exit() or quit() in the code; remove it"),
    (
        "",
        "URL fetch failure|urlopen error|[Nn]ame resolution|Max retries exceeded|Network is unreachable",
        "something from the internet: there is none while grading, and only the course's data sets may be used",
    ),
)


def raise_failure(label: str, failure: Failure, args: tuple, kwargs: dict[str, Any]) -> NoReturn:
    """Raise the `Stop` that fits how the call of `label` ended."""
    called = f"{label}({_arguments(args, kwargs)})"
    message = _shortened(failure.message)
    if failure.type == "NotImplementedError":
        raise NotAttempted(
            f"{label}: the cell {message or label!r} still raises NotImplementedError: not attempted yet. "
            f"Next: replace the raise line by your own code."
        )
    if failure.type == "OutOfTime":
        raise TimeLimit(
            f"{called} did not finish: {message}. Likely: a loop that never ends, or one over every element where "
            f"a matrix product would do. Next: run this call alone and print inside the loop."
        )
    if failure.type == "MemoryError" or "Unable to allocate" in message:
        raise MemoryLimit(
            f"{called} asked for more memory than there is{': ' + message if message else ''}. "
            f"Next: look at the shapes it makes."
        )
    raised = f"{failure.type}: {message}" if message else failure.type
    where = f" at {failure.where}" if failure.where else ""
    likely = _cause(failure.type, message)
    raise CodeError(
        f"{called} raised {raised.removesuffix('.')}{where}.{f' Likely: {likely}.' if likely else ''} "
        f"Next: make this call in a cell of your own and read the traceback from the bottom."
    )


def _shortened(message: str) -> str:
    """NumPy's longest message in plain words, others cut where they get long, all on one line."""
    message = MATMUL.sub(r"the shapes do not fit: a factor with \2 columns times one with \1 rows", message)
    message = " ".join(message.split())
    return message if len(message) <= LONGEST else message[: LONGEST - 3] + "..."


def _cause(kind: str, message: str) -> str:
    return next((cause for name, pattern, cause in CAUSES if name in ("", kind) and re.search(pattern, message)), "")


def _arguments(args: tuple, kwargs: dict[str, Any]) -> str:
    parts = [summary(value) for value in args] + [f"{key}={summary(value)}" for key, value in kwargs.items()]
    return ", ".join(parts)


def summary(value: Any) -> str:
    """A value in a few characters: small numbers and lists as they are, arrays by shape and range."""
    if isinstance(value, np.ndarray):
        if value.size <= 4:
            return f"array({np.array2string(value, precision=4, separator=', ', threshold=10)})".replace("\n", "")
        return f"<array {value.shape} {value.dtype}>"
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, list | tuple) and (
        len(value) > 20 or any(not isinstance(item, int | float | str) for item in value)
    ):
        return f"<{type(value).__name__} of {len(value)}>"
    if hasattr(value, "type_name"):  # an object of the student's, behind a handle
        return f"<{value.type_name}>"
    if callable(value):
        return "f"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
