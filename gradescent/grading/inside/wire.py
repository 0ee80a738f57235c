"""Messages between the grader and a student's process: a JSON header with raw array bytes behind it.

No pickle, no eval. Numbers, strings, lists, tuples, dicts and arrays cross; every other object stays where it is and
crosses as a handle. The receiver checks everything: whatever arrives from a student's process is hostile until then.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_HEADER = 32 << 20  # bytes of JSON: pictures in a notebook's outputs cross as text
MAX_ARRAYS = 512 << 20  # bytes of all arrays of a message
MAX_COUNT = 10_000  # arrays of a message
MANY = 100  # a list with more arrays of one dimension and dtype crosses as one array and their lengths
MAX_DEPTH = 16
MAX_ITEMS = 1_000_000  # the gradients of a network of 784-300-10 as nested lists are a quarter of it
MAX_PARTS = 3 * MAX_ITEMS  # brackets and commas of a header: an item has at most three
MAX_STRING = 20_000
BUFFER = 1 << 16  # bytes that are read or written at once
DTYPES = {
    np.dtype(code).str for code in ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16")
}

_NO_MARKS = bytes(set(range(256)) - set(b'",[{'))
_QUOTE = ord('"')
_LENGTH = struct.Struct(">I")


class WireError(Exception):
    """What arrived is no message of this protocol, or is larger than it may be."""


class Closed(Exception):
    """The other side is gone."""


def encode(value: Any, arrays: list[np.ndarray], stays: Callable[[Any], dict[str, Any]], depth: int = 0) -> Any:
    """Turn a value into JSON, arrays going to `arrays`.

    Args:
        value: anything.
        arrays: collects the arrays, in order.
        stays: turns an object that cannot cross into the JSON that stands for it.
        depth: nesting so far.
    """
    if value is None or isinstance(value, bool | str):
        return clean(value) if isinstance(value, str) else value
    if type(value) in (int, float):
        return value if isinstance(value, float) or abs(value) < 2**63 else _as_float(value)
    if isinstance(value, np.generic) and value.dtype.str in DTYPES:
        arrays.append(np.asarray(value))
        return {"scalar": len(arrays) - 1}
    if isinstance(value, np.ndarray) and value.dtype.str in DTYPES:
        arrays.append(np.ascontiguousarray(value).reshape(value.shape))
        return {"array": len(arrays) - 1}
    if isinstance(value, np.ndarray) and value.dtype == object and value.ndim:
        value = list(value)  # an array of arrays crosses as the list that it is
    if type(value) is list and _are_rows(value):
        return {"rows": [encode(joined, arrays, stays) for joined in (np.concatenate(value), _lengths(value))]}
    if depth < MAX_DEPTH and type(value) in (list, tuple):
        return {type(value).__name__: [encode(item, arrays, stays, depth + 1) for item in value]}
    if depth < MAX_DEPTH and type(value) is dict and all(isinstance(key, str) for key in value):
        return {"dict": {clean(key): encode(item, arrays, stays, depth + 1) for key, item in value.items()}}
    return stays(value)


def _are_rows(items: list[Any]) -> bool:
    """Whether a list holds many arrays of one dimension and dtype: the token numbers of a thousand reviews, say."""
    if len(items) <= MANY or not all(type(item) is np.ndarray and item.ndim == 1 for item in items):
        return False
    return items[0].dtype.str in DTYPES and all(item.dtype == items[0].dtype for item in items)


def _lengths(rows: list[np.ndarray]) -> np.ndarray:
    return np.array([len(row) for row in rows], np.int64)


def _as_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:  # a factorial, for instance
        return math.copysign(math.inf, number > 0 or -1)


def clean(text: str, limit: int = MAX_STRING) -> str:
    """Text that every program can print: no lone surrogates, no control characters, not too long."""
    text = text[:limit]
    if text.isprintable():
        return text
    text = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(char if char.isprintable() or char in "\n\t" else "�" for char in text)


class Decoder:
    """Turn the JSON of one message back into values, within the caps.

    Args:
        arrays: the arrays of the message.
        stands_for: turns what stands for an object into the object.
    """

    def __init__(self, arrays: list[np.ndarray], stands_for: Callable[[str, Any], Any]):
        self._arrays, self._stands_for = arrays, stands_for
        self._items = self._bytes = 0

    def decode(self, value: Any, depth: int = 0) -> Any:
        self._items += 1
        if depth > MAX_DEPTH or self._items > MAX_ITEMS:
            raise WireError("the value is nested too deeply or has too many parts")
        if isinstance(value, str):
            return clean(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        if not isinstance(value, dict) or len(value) != 1:
            raise WireError("the value is malformed")
        (kind, content), *_ = value.items()
        if kind in ("list", "tuple") and isinstance(content, list):
            items = [self.decode(item, depth + 1) for item in content]
            return items if kind == "list" else tuple(items)
        if kind == "dict" and isinstance(content, dict):
            return {clean(key): self.decode(item, depth + 1) for key, item in content.items()}
        if kind in ("array", "scalar") and type(content) is int and 0 <= content < len(self._arrays):
            array = self._arrays[content]
            self._bytes += array.nbytes  # at each mention: one array named a thousand times is a thousand arrays
            if self._bytes > MAX_ARRAYS:
                raise WireError("the arrays are too large")
            return array[()] if kind == "scalar" and array.ndim == 0 else array
        if kind == "rows" and isinstance(content, list) and len(content) == 2:
            return self._rows(*(self.decode(part, depth + 1) for part in content))
        return self._stands_for(kind, content)

    def _rows(self, joined: Any, lengths: Any) -> list[np.ndarray]:
        """The arrays that cross as one behind the other."""
        arrays = all(isinstance(part, np.ndarray) and part.ndim == 1 for part in (joined, lengths))
        if not arrays or lengths.dtype != np.int64:
            raise WireError("the rows are malformed")
        self._items += len(lengths)
        if self._items > MAX_ITEMS:
            raise WireError("there are too many rows")
        # No length is larger than the whole, so that their sum cannot overflow.
        if not ((lengths >= 0) & (lengths <= len(joined))).all() or lengths.sum() != len(joined):
            raise WireError("the rows do not fit their lengths")
        return np.split(joined, np.cumsum(lengths)[:-1]) if len(lengths) else []


def send(write: Callable[[bytes | memoryview], object], header: dict[str, Any], arrays: list[np.ndarray]) -> None:
    """Write one message.

    Args:
        write: writes all of what it is given.
        header: what can be JSON.
        arrays: raw bytes follow.

    Raises:
        Closed: the other side is gone.
    """
    described = {**header, "arrays": [[array.dtype.str, list(array.shape)] for array in arrays]}
    body = json.dumps(described).encode()
    beginning = _LENGTH.pack(len(body)) + body
    parts: list[bytes | memoryview]
    if len(beginning) + sum(array.nbytes for array in arrays) <= BUFFER:
        # One system call, and the other side wakes up once.
        parts = [b"".join([beginning, *(array.tobytes() for array in arrays)])]
    else:
        parts = [beginning, *map(_bytes_of, arrays)]
    try:
        for part in parts:
            write(part)
    except (BrokenPipeError, ConnectionError) as error:
        raise Closed from error


def _bytes_of(array: np.ndarray) -> memoryview:
    return memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


class Incoming:
    """The bytes that arrive on a channel: small messages come in one piece, large arrays go to their place uncopied.

    Args:
        receive: writes what has arrived to the beginning of a buffer, and returns how many bytes; 0 at the end.
    """

    def __init__(self, receive: Callable[[memoryview], int]):
        self._receive = receive
        self._buffer = memoryview(bytearray(BUFFER))
        self._begin = self._end = 0  # of what is unread

    def take(self, size: int) -> bytearray:
        """The next so many bytes.

        Raises:
            Closed: the other side is gone.
        """
        if self._begin == self._end and size <= BUFFER:
            self._more()
        if size > self._end - self._begin:
            content = bytearray(size)
            self.fill(memoryview(content))
            return content
        self._begin += size
        return bytearray(self._buffer[self._begin - size : self._begin])

    def fill(self, place: memoryview) -> None:
        """Write the next bytes to all of a buffer.

        Raises:
            Closed: the other side is gone.
        """
        while len(place):
            if self._begin == self._end and len(place) >= BUFFER:
                place = place[self._received(place) :]
                continue
            if self._begin == self._end:
                self._more()
            count = min(len(place), self._end - self._begin)
            place[:count] = self._buffer[self._begin : self._begin + count]
            place, self._begin = place[count:], self._begin + count

    def _more(self) -> None:
        self._begin, self._end = 0, self._received(self._buffer)

    def _received(self, place: memoryview) -> int:
        count = self._receive(place)
        if not count:
            raise Closed
        return count


def receive(incoming: Incoming) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Read one message.

    Returns:
        Header and arrays. The arrays may be written to.

    Raises:
        WireError: it is no message, or too large.
        Closed: the other side is gone.
    """
    (length,) = _LENGTH.unpack(incoming.take(_LENGTH.size))
    if length > MAX_HEADER:
        raise WireError("the header is too long")
    body = incoming.take(length)
    if length > MAX_PARTS and parts(body) > MAX_PARTS:  # which take up to thirty times their bytes
        raise WireError("the header has too many parts")
    try:
        header = json.loads(body.decode())  # of bytes in UTF-16 the parts could not be counted
    except (ValueError, RecursionError) as error:
        raise WireError("the header is not JSON") from error
    if not isinstance(header, dict) or not isinstance(header.get("arrays"), list):
        raise WireError("the header is malformed")
    if len(header["arrays"]) > MAX_COUNT:
        raise WireError("there are too many arrays")
    total, arrays = 0, []
    for entry in header.pop("arrays"):
        dtype, shape, size = _described(entry)
        total += size
        if total > MAX_ARRAYS:
            raise WireError("the arrays are too large")
        arrays.append(_array(incoming, dtype, shape, size))
    return header, arrays


def _array(incoming: Incoming, dtype: np.dtype, shape: list[int], size: int) -> np.ndarray:
    try:
        if 0 < size <= BUFFER:
            array = np.frombuffer(incoming.take(size), dtype).reshape(shape)
        else:
            array = np.empty(shape, dtype)
            incoming.fill(_bytes_of(array))
    except ValueError as error:  # sizes whose product is none
        raise WireError("an array has a shape that cannot be") from error
    if dtype.kind == "b":  # a truth value of another byte than 0 or 1 would count more than once
        np.not_equal(array.view(np.uint8), 0, out=array)
    return array


def parts(body: bytes | bytearray) -> int:
    """How many commas and opening brackets JSON has outside of texts: with one more, at least as many as values."""
    marks = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NO_MARKS)
    quotes = np.frombuffer(marks, np.uint8) == _QUOTE
    in_text = np.logical_xor.accumulate(quotes)
    return int(np.count_nonzero(~(in_text | quotes)))


def _described(entry: Any) -> tuple[np.dtype, list[int], int]:
    if not isinstance(entry, list) or len(entry) != 2:
        raise WireError("an array is malformed")
    code, shape = entry
    if not isinstance(code, str) or code not in DTYPES or not isinstance(shape, list) or len(shape) > 16:
        raise WireError("an array has a dtype or shape that cannot cross")
    if not all(type(n) is int and 0 <= n <= MAX_ARRAYS for n in shape):
        raise WireError("an array has a shape that cannot be")
    dtype = np.dtype(code)
    return dtype, shape, math.prod(shape) * dtype.itemsize
