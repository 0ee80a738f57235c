"""Run one piece of a student's code and note everything about the run that a check may ask for.

Both carriers use it: the direct one in the notebook's own process, and the worker inside the sandbox.
"""

from __future__ import annotations

import contextlib
import copy
import io
import linecache
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

DATA = (np.generic, int, float, complex, str)  # values that are compared after a call
MAX_TEXT = 20_000  # characters of printed text that are kept of one call
FEW = 1 << 12  # bytes of an array that are compared at once

_allowed = 0.0  # CPU seconds of the running block of `cpu_limit`
_listening = False  # whether its handler stays installed


class OutOfTime(BaseException):
    """The call used up its CPU time. A BaseException, so that `except Exception` in a loop does not swallow it."""


@dataclass
class Failure:
    """How a call ended when it did not return: the exception's type, its message and the student's line."""

    type: str
    message: str
    where: str = ""


@dataclass
class Call:
    """One finished call.

    Attributes:
        value: what the function returned, None where it failed.
        failure: the exception, or None.
        printed: the text written to standard output.
        warned: the warnings' texts, NumPy's floating point warnings among them.
        modified: names or positions of the arguments that the call changed in place.
        seconds: CPU time of the call.
    """

    value: Any = None
    failure: Failure | None = None
    printed: str = ""
    warned: list[str] = field(default_factory=list)
    modified: list[str] = field(default_factory=list)
    seconds: float = 0.0


def invoke(function: Callable[..., Any], args: tuple, kwargs: dict[str, Any], cpu_seconds: float | None = None) -> Call:
    """Call `function` and return what happened.

    No exception of the student's code leaves this function but KeyboardInterrupt: the stop button must work.
    """
    before = _copied(args), _copied(kwargs)
    printed, unread = _Capped(), _Capped()
    call = Call()
    start = time.process_time()
    # Progress bars write to stderr, and nbgrader gives no points to a graded cell that does.
    streams = contextlib.redirect_stdout(printed), contextlib.redirect_stderr(unread)
    with warnings.catch_warnings(record=True) as caught, streams[0], streams[1]:
        warnings.simplefilter("always")
        try:
            with cpu_limit(cpu_seconds):
                call.value = function(*args, **kwargs)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            call.failure = describe(error)
    call.seconds = time.process_time() - start
    call.printed = printed.getvalue()
    call.warned = [str(warning.message) for warning in caught][:20]
    call.modified = _changed(before, (args, kwargs))
    return call


class _Capped(io.StringIO):
    """Text of which only the beginning is kept, so that a print in an endless loop does not fill the memory."""

    def write(self, text: str) -> int:
        super().write(text[: max(0, MAX_TEXT - self.tell())])
        return len(text)


@contextlib.contextmanager
def cpu_limit(seconds: float | None) -> Iterator[None]:
    """Raise OutOfTime in the main thread once the process has spent `seconds` of CPU time inside the block."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    global _allowed
    outer, _allowed = _allowed, seconds
    handler = None if _listening else signal.signal(signal.SIGPROF, _stop)
    # It rings again every second, for code whose bare `except:` swallowed the first bell.
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        _allowed = outer
        if not _listening:
            signal.signal(signal.SIGPROF, handler or signal.SIG_DFL)


def listen() -> None:
    """Hear the bell of `cpu_limit` from now on: to install a handler for each of a thousand calls would cost more than they."""
    global _listening
    signal.signal(signal.SIGPROF, _stop)
    _listening = True


def _stop(signum: int, frame: Any) -> None:
    raise OutOfTime(f"more than {_allowed:g} s of CPU time")


def describe(error: BaseException) -> Failure:
    """The exception as text, with the last line of the student's own code that it came through."""
    try:
        # A syntax error's text ends in the name of IPython's file; the line is told on its own.
        message = str(error.msg) if isinstance(error, SyntaxError) else str(error)
    except Exception:
        message = "(its message cannot be read)"
    return Failure(type(error).__name__, message[:MAX_TEXT], _students_line(error))


def _students_line(error: BaseException) -> str:
    """`line 3: return np.dot(a, b)`, of the deepest frame that belongs to a notebook cell."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {(error.text or '').strip()}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_cell(frame.filename)]
    if not frames:
        return ""
    line = frames[-1].line or linecache.getline(frames[-1].filename, frames[-1].lineno or 0)
    place = f"line {frames[-1].lineno} in {frames[-1].name}"
    return f"{place}: {line.strip()}" if line.strip() else place


def _is_cell(filename: str) -> bool:
    return "ipython-input" in filename or "ipykernel_" in filename or filename.startswith(("<cell", "<variant"))


def _copied(value: Any) -> Any:
    """The arrays, lists and numbers of `value`, copied; objects that a copy may break are left out."""
    if isinstance(value, np.ndarray):
        return copy.deepcopy(value) if value.dtype == object else value.copy()
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    return value if isinstance(value, DATA) else None


def _changed(before: Any, after: Any) -> list[str]:
    (args_before, kwargs_before), (args, kwargs) = before, after
    pairs = [(str(i), kept, args[i]) for i, kept in enumerate(args_before)]
    pairs += [(key, kept, kwargs.get(key)) for key, kept in kwargs_before.items()]
    return [name for name, kept, now in pairs if not _same(kept, now)]


def _same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays hold the same bits, compared in the largest words that fit: NaN is NaN."""
    if a.dtype == object:
        return bool(np.array_equal(a, b))
    if a.nbytes <= FEW:
        return a.tobytes() == b.tobytes()
    word = np.dtype("u8" if a.nbytes % 8 == 0 else "u1")
    bits = [np.ascontiguousarray(array).reshape(-1).view(word) for array in (a, b)]
    return bool((bits[0] == bits[1]).all())


def _same(kept: Any, now: Any) -> bool:
    """Whether a value still is what its copy says."""
    if isinstance(kept, np.ndarray) and isinstance(now, np.ndarray):
        return kept.shape == now.shape and kept.dtype == now.dtype and _same_bits(kept, now)
    if isinstance(kept, dict) and isinstance(now, dict):
        return kept.keys() == now.keys() and all(_same(kept[key], now[key]) for key in kept)
    if isinstance(kept, list) and isinstance(now, list | tuple):
        return len(kept) == len(now) and all(map(_same, kept, now))
    if not isinstance(now, DATA):
        return kept is None
    return type(kept) is type(now) and bool(kept == now or (kept != kept and now != now))
