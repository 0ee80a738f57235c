"""The messages between grader and student's process: what is sent arrives, and nothing else gets through."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradescent.grading.inside import wire


def refuse(*content: Any) -> Any:
    raise wire.WireError("nothing stands for an object here")


def round_trip(value: Any) -> Any:
    sent, arrays = io.BytesIO(), list[np.ndarray]()
    header = {"value": wire.encode(value, arrays, lambda item: {"handle": [0, type(item).__name__]})}
    wire.send(sent.write, header, arrays)
    received, got = wire.receive(incoming(sent.getvalue()))
    return wire.Decoder(got, refuse).decode(received["value"])


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False)
    | st.text(st.characters(categories=["L", "N", "P"]))
)
arrays = hnp.arrays(
    st.sampled_from(["f8", "f4", "i8", "u1", "?"]), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
)
values = st.recursive(
    scalars | arrays, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3)
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


@settings(max_examples=100, deadline=None)
@given(values)
def test_data_arrives_as_it_was_sent(value: Any) -> None:
    assert same(round_trip(value), value)


def test_tuples_and_numpy_numbers_keep_their_types() -> None:
    assert round_trip((1, (2.0,))) == (1, (2.0,))
    number = round_trip(np.float32(0.5))
    assert isinstance(number, np.float32)


def token_lists(count: int, dtype: str = "i4") -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 100, rng.integers(0, 9)).astype(dtype) for _ in range(count)]


def test_a_long_list_of_rows_crosses_as_two_arrays() -> None:
    """25,000 reviews are more arrays than a message may have."""
    rows = token_lists(25_000)
    collected: list[np.ndarray] = []
    assert wire.encode({"rows": rows}, collected, refuse) == {"dict": {"rows": {"rows": [{"array": 0}, {"array": 1}]}}}
    assert [len(array) for array in collected] == [sum(map(len, rows)), 25_000]
    got = round_trip(rows)
    assert same(got, rows)
    got[0][...] = 7  # the rows may be written to, each by itself
    assert same(got[1:], rows[1:])


@pytest.mark.parametrize("dtype", ["?", "u1", "u4", "i8", "f4"])
def test_rows_keep_their_dtype(dtype: str) -> None:
    rows = token_lists(wire.MANY + 1, dtype)
    assert same(round_trip(rows), rows)
    assert same(round_trip((rows, {"again": rows})), (rows, {"again": rows}))


def test_rows_that_are_all_empty() -> None:
    rows = [np.zeros(0, "i4")] * (wire.MANY + 1)
    assert same(round_trip(rows), rows)


@pytest.mark.parametrize(
    "odd",
    [np.zeros(2, "i8"), np.zeros((1, 1), "i4"), [1, 2], np.int32(3), None],
    ids=["dtype", "axes", "list", "number", "none"],
)
@pytest.mark.parametrize("place", [0, -1])
def test_a_list_with_one_odd_item_crosses_item_by_item(odd: Any, place: int) -> None:
    rows: list[Any] = token_lists(wire.MANY + 5)
    rows[place] = odd
    assert "list" in wire.encode(rows, [], refuse)
    assert same(round_trip(rows), rows)


def test_rows_of_what_cannot_cross_stay_behind() -> None:
    stay = round_trip_kinds([np.array(["a"])] * (wire.MANY + 1))
    assert stay == ["handle"] * (wire.MANY + 1)


def round_trip_kinds(value: list[Any]) -> list[str]:
    encoded = wire.encode(value, [], lambda item: {"handle": [0, "x"]})
    return [next(iter(entry)) for entry in encoded["list"]]


@pytest.mark.parametrize(
    "lengths",
    [
        np.array([2, 2], "i8"),
        np.array([2, 4], "i8"),
        np.array([-1, 6], "i8"),
        np.array([6, -1], "i8"),
        np.array([2**63 - 1, 2**63 - 1, 7], "i8"),
        np.array([[2, 3]], "i8"),
        np.array([2.0, 3.0]),
        np.array([2, 3], "u8"),
        np.zeros(0, "i8"),
        np.zeros(wire.MAX_ITEMS + 1, "i8"),
    ],
    ids=["short", "long", "negative", "negative last", "overflow", "axes", "floats", "unsigned", "none", "too many"],
)
def test_rows_that_do_not_fit_are_refused(lengths: np.ndarray) -> None:
    with pytest.raises(wire.WireError, match="rows"):
        wire.Decoder([np.zeros(5), lengths], refuse).decode({"rows": [{"array": 0}, {"array": 1}]})


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [{"array": 0}],
        [{"array": 0}] * 3,
        [1, 2],
        [{"array": 2}, {"array": 1}],
        [{"list": []}, {"array": 1}],
        "ab",
        {},
    ],
    ids=str,
)
def test_what_is_no_rows_is_refused(parts: Any) -> None:
    with pytest.raises(wire.WireError):
        wire.Decoder([np.zeros(5), np.array([2, 3]), np.zeros((5, 1))], refuse).decode({"rows": parts})


def test_rows_count_as_parts_and_their_bytes_at_each_mention() -> None:
    few = {"rows": [{"array": 0}, {"array": 1}]}
    half = np.zeros(wire.MAX_ITEMS // 2, "i8")
    with pytest.raises(wire.WireError, match="rows"):
        wire.Decoder([np.zeros(0), half], refuse).decode({"list": [few, few, few]})
    large = np.zeros(wire.MAX_ARRAYS // 4 + 1, "u1")
    with pytest.raises(wire.WireError, match="too large"):
        wire.Decoder([large, np.array([len(large)])], refuse).decode({"list": [few] * 4})


def test_text_is_cleaned_on_arrival() -> None:
    assert round_trip("a\x1b[31mb\ud800") == "a�[31mb?"
    assert len(round_trip("x" * 100_000)) == wire.MAX_STRING


def message(header: Any, tail: bytes = b"") -> wire.Incoming:
    body = header if isinstance(header, bytes) else json.dumps(header).encode()
    return incoming(struct.pack(">I", len(body)) + body + tail)


def incoming(content: bytes) -> wire.Incoming:
    """What arrives when somebody sends these bytes and hangs up."""
    return wire.Incoming(io.BytesIO(content).readinto)


@pytest.mark.parametrize(
    "header",
    [
        b"not json",
        b"[" * 100_000,
        '{"arrays": []}'.encode("utf-16"),
        [1, 2],
        {"no": "arrays"},
        {"arrays": "many"},
        {"arrays": [["O", [2]]]},
        {"arrays": [["<f8", [-1]]]},
        {"arrays": [["<f8", [2**62, 2**62]]]},
        {"arrays": [["<f8", [True]]]},
        {"arrays": [["<f8", [1] * 40]]},
        {"arrays": [["<U5", [1]]]},
        {"arrays": [[["<f8"], [1]]]},
        {"arrays": [{"dtype": "<f8"}]},
    ],
)
def test_what_is_no_message_is_refused(header: Any) -> None:
    with pytest.raises((wire.WireError, TypeError)):
        wire.receive(message(header))


def test_parts_are_counted_outside_of_texts() -> None:
    value = {"a,[{": [1, [], {"\\": '",\\"[', "é": "\\\\,"}], "b": {}}
    assert wire.parts(json.dumps(value).encode()) == wire.parts(json.dumps(value, ensure_ascii=False).encode()) == 9


@pytest.mark.parametrize("part", ["[],", '{"":0},', '",[{",', "[[[0]]],"])
def test_a_header_of_more_parts_than_any_value_has_is_refused_before_it_is_read(part: str) -> None:
    header = f'{{"arrays": [], "value": [{part * wire.MAX_PARTS}0]}}'
    with pytest.raises(wire.WireError, match="too many parts"):
        wire.receive(message(header.encode()))


def test_a_long_text_and_the_largest_value_are_read() -> None:
    text = ',[{"\\' * (wire.MAX_PARTS // 2)
    header, _ = wire.receive(message({"arrays": [], "value": text}))
    assert header["value"] == text
    largest = [[0.5]] * (wire.MAX_ITEMS // 2 - 1)
    assert len(round_trip(largest)) == len(largest)


def test_a_header_that_claims_gigabytes_is_refused_unread() -> None:
    with pytest.raises(wire.WireError, match="too long"):
        wire.receive(incoming(struct.pack(">I", 2**31) + b"x"))


@pytest.mark.parametrize(
    "value",
    [{"array": 3}, {"array": -1}, {"array": True}, {"array": "0"}, {"list": 5}, {"a": 1, "b": 2}, [1], {"dict": [1]}],
)
def test_what_is_no_value_is_refused(value: Any) -> None:
    with pytest.raises(wire.WireError):
        wire.Decoder([np.zeros(1)], refuse).decode(value)


def test_nesting_and_number_of_parts_are_bounded() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = {"list": [deep]}
    with pytest.raises(wire.WireError, match="nested"):
        wire.Decoder([], refuse).decode(deep)
    with pytest.raises(wire.WireError, match="parts"):
        wire.Decoder([], refuse).decode({"list": [1] * (wire.MAX_ITEMS + 1)})


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes_never_do_anything_else(noise: bytes) -> None:
    try:
        header, got = wire.receive(message(noise))
        wire.Decoder(got, refuse).decode(header.get("value"))
    except (wire.WireError, wire.Closed, TypeError):
        pass
