"""Whatever arrives from a student's process: a message, or one of three exceptions, in bounded memory."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradescent.grading.inside import wire
from gradescent.grading.remote import Allowed, RemoteStudent
from gradescent.student.judging import Stop

MEMORY = 1200 << 20  # bytes that the largest message may take, arrays and their header

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
kinds = st.sampled_from(["list", "tuple", "dict", "array", "scalar", "rows", "handle", "refused", "function", "x"])
wire_values = st.recursive(
    json_values,
    lambda inner: st.dictionaries(kinds, inner | st.lists(inner, max_size=3) | st.integers(-2, 3), max_size=2),
    max_leaves=12,
)
headers = st.fixed_dictionaries(
    {"arrays": st.just([]) | json_values},
    optional={
        "value": wire_values,
        "failure": json_values
        | st.fixed_dictionaries({}, optional=dict.fromkeys(("type", "message", "where"), json_values)),
        "callback": json_values,
        **dict.fromkeys(("printed", "warned", "modified", "seconds"), json_values),
    },
)
descriptions = st.lists(
    st.tuples(
        st.sampled_from([*wire.DTYPES, "O", "<U5", "V8", "<M8[s]", ">f8", "f8", ""]) | json_values,
        st.lists(st.integers(-1, 3) | st.sampled_from([2**29, 2**31, 2**62, 2**64]), max_size=18) | json_values,
    ).map(list)
    | json_values,
    max_size=4,
)
arrays = hnp.arrays(
    st.sampled_from(sorted(wire.DTYPES)).map(np.dtype),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    elements=None,
)
rows = st.lists(hnp.arrays("u2", st.integers(0, 4)), min_size=1, max_size=4).map(lambda few: few * (wire.MANY + 1))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats()
    | st.text("abcü", max_size=5)
    | arrays
    | rows,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def framed(body: bytes, tail: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + body + tail


def sent(value: Any, **header: Any) -> bytes:
    """The bytes of a message."""

    class Channel:
        content = b""

        def sendall(self, part: bytes | memoryview) -> None:
            self.content += bytes(part)

    channel, collected = Channel(), []  # type: tuple[Any, list[np.ndarray]]
    encoded = wire.encode(value, collected, lambda item: {"handle": [0, type(item).__name__]})
    wire.send(channel.sendall, {**header, "value": encoded}, collected)
    return channel.content


def received(message: bytes) -> tuple[dict[str, Any], list[np.ndarray]]:
    return wire.receive(wire.Incoming(io.BytesIO(message).readinto))


def student() -> RemoteStudent:
    """A student with nobody at the other end: it only concludes."""
    return RemoteStudent(None, Allowed(1, 100, 10))  # type: ignore[arg-type]


def concluded(message: bytes) -> Any:
    """The value of a reply, None where it is refused in one of the ways that are allowed."""
    with contextlib.suppress(wire.WireError, wire.Closed):
        header, arrays_ = received(message)
        decoder = wire.Decoder(arrays_, student()._stands_for)
        with contextlib.suppress(wire.WireError):
            decoder.decode(header.get("value"))
        with contextlib.suppress(Stop):
            return student()._conclude("f", header, arrays_, (), {})
    return None


def same(a: Any, b: Any) -> bool:
    """Whether two values are of the same types, shapes and bits."""
    if isinstance(a, np.ndarray | np.generic):
        alike = type(a) is type(b) and a.dtype == b.dtype and np.shape(a) == np.shape(b)
        return alike and a.tobytes() == b.tobytes()
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and repr(a) == repr(b)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes(noise: bytes) -> None:
    concluded(noise)
    concluded(framed(noise))
    concluded(framed(b'{"arrays": [], "value": ' + noise + b"}"))


@settings(max_examples=500, deadline=None)
@given(headers, st.binary(max_size=50))
@example({"arrays": [], "value": 10**400, "seconds": 10**400}, b"")
@example({"arrays": [], "failure": {"type": {}, "message": [], "where": 5}}, b"")
@example({"arrays": [], "value": {"handle": [10**400, ["a"]]}}, b"")
def test_arbitrary_headers(header: dict[str, Any], tail: bytes) -> None:
    concluded(framed(json.dumps(header).encode(), tail))


@settings(max_examples=500, deadline=None)
@given(descriptions, st.binary(max_size=200))
def test_arbitrary_arrays(described: list[Any], tail: bytes) -> None:
    header = {"arrays": described, "value": {"list": [{"array": number} for number in range(len(described))]}}
    concluded(framed(json.dumps(header).encode(), tail))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 6), max_size=6),
    st.sampled_from(["<i8", "<u8", "<f8", "<i4"]),
    st.integers(0, 6),
)
@example([2**62, 2**62, -(2**63), 3], "<i8", 3)
def test_arbitrary_rows(lengths: list[int], code: str, size: int) -> None:
    """Rows arrive whole or not at all."""
    raw = np.array(lengths, "<i8").tobytes()
    count = len(raw) // np.dtype(code).itemsize
    header = {"arrays": [["|u1", [size]], [code, [count]]], "value": {"rows": [{"array": 0}, {"array": 1}]}}
    got = concluded(framed(json.dumps(header).encode(), bytes(range(size)) + raw))
    if got is not None:
        assert [len(row) for row in got] == lengths
        assert b"".join(row.tobytes() for row in got) == bytes(range(size))


def test_an_array_of_no_size_and_impossible_shape() -> None:
    with pytest.raises(wire.WireError):
        received(framed(json.dumps({"arrays": [["<f8", [2**29, 2**29, 2**29, 0]]]}).encode()))


def test_truth_values_are_zero_or_one() -> None:
    """NumPy counts a byte of 2 as two hits."""
    _, [array] = received(framed(b'{"arrays": [["|b1", [2]]]}', b"\x02\xff"))
    assert array.view(np.uint8).tolist() == [1, 1]


@settings(max_examples=300, deadline=None)
@given(values, st.data())
def test_mutations_of_a_valid_message(value: Any, data: st.DataObject) -> None:
    message = bytearray(sent(value, failure=None, printed="a", warned=["b"], modified=[], seconds=0.5))
    concluded(bytes(message[: data.draw(st.integers(0, len(message)))]))
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    concluded(bytes(message))


@settings(max_examples=500, deadline=None)
@given(values)
def test_a_valid_message_arrives_exactly(value: Any) -> None:
    message = sent(value, failure=None)
    header, got = received(message)
    assert same(wire.Decoder(got, student()._stands_for).decode(header["value"]), value)
    assert same(concluded(message), value)


@settings(max_examples=100, deadline=None)
@given(
    arrays, st.sampled_from([np.asfortranarray, np.transpose, lambda array: array[..., ::-1] if array.ndim else array])
)
def test_arrays_arrive_exactly_however_they_lie_in_memory(array: np.ndarray, laid: Callable) -> None:
    expected = np.array(laid(array), order="C")
    assert same(concluded(sent(laid(array), failure=None)), expected)


def peak_bytes(message: bytes) -> int:
    """Memory that the decoding of a message takes, in a process of its own."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        concluded(message)
        os.write(theirs, str((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as told:
        _, status = os.waitpid(child, 0)
        assert status == 0
        return int(told.read())


@pytest.mark.parametrize(
    "header",
    [
        b'{"arrays": [], "value": {"list": [' + b"[]," * 10_000_000 + b"1]}}",
        b'{"arrays": [], "printed": [' + b'{"":1},' * 4_000_000 + b"1]}",
        b'{"arrays": [], "value": "' + b"\\u00e9" * 5_000_000 + b'"}',
        b"[" * (30 << 20),
    ],
    ids=["lists", "dictionaries", "text", "depth"],
)
def test_the_largest_message_takes_bounded_memory(header: bytes) -> None:
    """The limits of a message count bytes on the way; what Python makes of them is what a supervisor has to hold."""
    assert peak_bytes(framed(header)) < MEMORY


def test_the_number_of_arrays_is_bounded() -> None:
    described = b'["|b1",[0]],' * 100_000 + b'["|b1",[0]]'
    with pytest.raises(wire.WireError):
        received(framed(b'{"arrays": [' + described + b"]}"))
