"""From an exception in a student's code to an outcome and a message."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from gradescent.student.invoke import Failure
from gradescent.student.judging import CodeError, MemoryLimit, NotAttempted, TimeLimit


def raise_failure(label: str, failure: Failure, args: tuple, kwargs: dict[str, Any]) -> NoReturn:
    """Raise the `Stop` that fits how the call of `label` ended."""
    called = f"{label}({_arguments(args, kwargs)})"
    if failure.type == "NotImplementedError":
        name = failure.message or label
        raise NotAttempted(
            f"{name} still raises NotImplementedError: not attempted yet. Next: replace the raise line by your own code."
        )
    if failure.type == "OutOfTime":
        raise TimeLimit(
            f"{called} did not finish: {failure.message}. Likely: a loop that never ends, or one over every element where "
            f"a matrix product would do. Next: run this call alone and print inside the loop."
        )
    if failure.type == "MemoryError" or "Unable to allocate" in failure.message:
        raise MemoryLimit(
            f"{called} asked for more memory than there is: {failure.message}. Next: look at the shapes it makes."
        )
    where = f" at {failure.where}" if failure.where else ""
    hint = " Likely: a missing transpose, or factors in the wrong order." if _is_shape_error(failure) else ""
    raise CodeError(
        f"{called} raised {failure.type}: {failure.message}{where}.{hint} Next: call it with these arguments in a cell of your own."
    )


def _is_shape_error(failure: Failure) -> bool:
    return failure.type == "ValueError" and any(
        word in failure.message for word in ("mismatch", "not aligned", "broadcast")
    )


def _arguments(args: tuple, kwargs: dict[str, Any]) -> str:
    parts = [summary(value) for value in args] + [f"{key}={summary(value)}" for key, value in kwargs.items()]
    return ", ".join(parts)


def summary(value: Any) -> str:
    """A value in a few characters: small numbers and lists as they are, arrays by shape and range."""
    if isinstance(value, np.ndarray):
        if value.size <= 4:
            return f"array({np.array2string(value, precision=4, separator=', ', threshold=10)})".replace("\n", "")
        return f"<array {value.shape} {value.dtype}>"
    if isinstance(value, list | tuple) and any(not isinstance(item, int | float | str) for item in value):
        kind = type(value).__name__
        return f"<{kind} of {len(value)}>"
    if callable(value):
        return "f"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
