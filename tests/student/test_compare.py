"""Comparisons: what passes, what fails, and the cause that the message names."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gradescent.student.compare import (
    MAGNITUDE,
    Suspect,
    check_array,
    check_probabilities,
    check_sequence,
    check_silent,
    check_unmodified,
    compare,
    relative_error,
    wrong,
)
from gradescent.student.judging import Wrong

EXPECTED = np.array([[1.0, 2.0, -3.0], [4.0, 5.0, 6.5]])
numbers = st.floats(-1e6, 1e6, allow_nan=False)
matrices = arrays(float, array_shapes(max_dims=3, max_side=4), elements=numbers)


def message(*args, **kwargs):
    with pytest.raises(Wrong) as caught:
        compare("dW[0]", *args, **kwargs)
    text = str(caught.value)
    assert text.startswith("dW[0]: ")
    assert text.endswith(".")
    return text


@pytest.mark.parametrize("got", [EXPECTED, EXPECTED.tolist(), tuple(map(tuple, EXPECTED)), EXPECTED + 1e-9])
def test_right_values_pass(got):
    compare("dW[0]", got, EXPECTED)


@pytest.mark.parametrize(
    ("got", "word"),
    [
        (np.where(EXPECTED == 2, np.nan, EXPECTED), "NaN"),
        (np.where(EXPECTED == 2, np.inf, EXPECTED), "infinite"),
        (EXPECTED * 1e40, "beyond"),
        ([], "shape (0,)"),
        ([[]], "shape (1, 0)"),
        (np.empty((2, 3), object), "None"),
        (EXPECTED.astype(object), "not numbers"),
        (EXPECTED.astype(complex), "complex"),
        (EXPECTED.astype(str), "text"),
        (EXPECTED.astype("float32"), "seven digits"),
        ([[np.float32(v) for v in row] for row in EXPECTED], "float32"),
        (EXPECTED.astype(int), "after the point"),
        (EXPECTED > 0, "True and False"),
        ([[1.0, 2.0], [3.0]], "parts with different shapes"),
        (None, "missing return"),
        ("0.5", "a str"),
        ({"a": 1}, "a dict"),
        ((row for row in EXPECTED), "list(...)"),
        (np.sum, "shape"),
        (abs, "parentheses"),
        (EXPECTED.T, "transpose"),
        (EXPECTED.ravel(), "another arrangement"),
        (1.0, "shape ()"),
    ],
)
def test_what_is_no_finite_float64_array_of_the_shape_fails(got, word):
    assert word in message(got, EXPECTED)


def test_infinite_over_infinite_fails():
    assert not relative_error([np.inf], [np.inf]) <= 1
    with pytest.raises(Wrong):
        compare("x", [np.inf], [np.inf])
    with pytest.raises(Wrong):
        compare("x", [np.nan], [np.nan])


@pytest.mark.parametrize(
    ("got", "expected", "word"),
    [
        (-EXPECTED, EXPECTED, "sign"),
        (EXPECTED * 0, EXPECTED, "zero everywhere"),
        (EXPECTED / 4, EXPECTED, "0.25 times"),
        ([[1.0, 3.0], [2.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]], "transpose"),
        ([3.0, 2.0, 1.0], [1.0, 2.0, 3.0], "order is reversed"),
        (EXPECTED + np.eye(2, 3), EXPECTED, "Next: try the smallest case"),
        ([1.0, 2.0], [[1.0], [2.0]], "keepdims=True"),
        (np.ones((2, 5)), np.ones((2, 1)), "one column an example"),
        ([1.0, 2.0], 3.0, "sum over everything"),
        (-2.0, 2.0, "got -2, expected 2"),
    ],
)
def test_the_cause_is_named(got, expected, word):
    assert word in message(got, expected)


def test_two_numbers_are_too_few_to_see_a_factor():
    assert "times" not in message([1.0, -1.0], [2.0, -2.0])


def test_suspects_come_before_general_causes():
    assert "my own cause" in message(-EXPECTED, EXPECTED, [Suspect(-EXPECTED, "my own cause")])


def test_a_suspect_of_another_shape_explains_the_shape():
    text = message(np.ones((2, 4)), np.ones((2, 1)), [Suspect(np.ones((2, 4)), "it was not summed")])
    assert "has shape (2, 4), expected (2, 1)" in text
    assert "it was not summed" in text


def test_a_suspect_equal_to_the_right_value_does_no_harm():
    compare("dW[0]", EXPECTED, EXPECTED, [Suspect(EXPECTED, "nonsense")])


def test_the_next_step_of_the_check_is_shown():
    assert "Next: look here." in message(EXPECTED + 1, EXPECTED, next_step="look here")


def test_enough_digits_to_see_the_difference():
    assert "got 1.00001, expected 1" in message(1.00001, 1.0)
    assert "got 1.00000001, expected 1" in message(1.00000001, 1.0, tolerance=1e-12)


def test_the_worst_place_is_named():
    got = EXPECTED.copy()
    got[1, 2] = 7.5
    assert "at [1, 2] got 7.5, expected 6.5" in message(got, EXPECTED)


def test_whole_numbers_of_plain_python_pass():
    compare("accuracy", 1, 1.0)
    compare("accuracy", np.int64(1), 1.0)
    compare("z", [0, 1], [0.0, 1.0])


@given(matrices)
def test_relative_error_of_a_value_with_itself_is_zero(a):
    assert relative_error(a, a) == 0


@given(matrices, st.floats(1e-3, 1e3))
def test_relative_error_does_not_depend_on_scale_or_order(a, factor):
    b = a[::-1]
    assert relative_error(a, b) == pytest.approx(relative_error(b, a))
    assert relative_error(factor * a, factor * b) == pytest.approx(relative_error(a, b), abs=1e-9)
    assert 0 <= relative_error(a, b) <= 1 + 1e-12


@given(matrices)
def test_every_visible_change_fails(a):
    changed = a.copy()
    changed.flat[0] += 1 + 1e-3 * np.linalg.norm(a)
    with pytest.raises(Wrong):
        compare("x", changed, a)


def test_relative_error_of_different_shapes_is_infinite():
    assert relative_error([1.0], [[1.0]]) == np.inf


def test_check_array_returns_the_array():
    assert check_array("x", [[1.0], [2.0]], (2, 1)).tolist() == [[1.0], [2.0]]
    assert check_array("y", np.array([1, 2]), (2,), dtype="int64").dtype == "int64"
    with pytest.raises(Wrong, match="expected int64"):
        check_array("y", np.array([1.0, 2.0]), (2,), dtype="int64")


def test_the_largest_magnitude_passes():
    assert check_array("x", [MAGNITUDE], (1,))[0] == MAGNITUDE


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (None, "missing return"),
        ({}, "a dict"),
        (3, "an int"),
        ("ab", "a str"),
        (zip((1, 2), (3, 4), strict=True), r"list\(\.\.\.\)"),
        (np.float64(1), "expected a list of 2"),
        (np.array(1.0), "expected a list of 2"),
        ([1], "has 1 entry, expected 2"),
        ((1, 2, 3), "has 3 entries, expected 2. Likely: one a layer"),
        ([], "has 0 entries"),
    ],
)
def test_check_sequence_fails(value, word):
    with pytest.raises(Wrong, match=word):
        check_sequence("dW_list", value, 2, "one a layer")


@pytest.mark.parametrize("value", [[1, 2], (1, 2), np.array([1, 2])])
def test_check_sequence_passes(value):
    assert check_sequence("dW_list", value, 2) == [1, 2]


def test_check_unmodified_names_the_argument():
    check_unmodified("relu", [])
    with pytest.raises(Wrong, match="changes its argument z in place"):
        check_unmodified("relu", ["0"], ("z",))
    with pytest.raises(Wrong, match="argument y, other"):
        check_unmodified("f", ["1", "other"], ("x", "y"))


def test_check_silent_looks_for_floating_point_warnings_only():
    check_silent("sigmoid", ["this function is deprecated"])
    with pytest.raises(Wrong, match="overflow encountered in exp"):
        check_silent("sigmoid", ["deprecated", "overflow encountered in exp"])


def test_the_form_of_a_message():
    assert str(wrong("f", "got 1", "a sign", "look")) == "f: got 1. Likely: a sign. Next: look."
    assert str(wrong("f", "what?")) == "f: what?"


@pytest.mark.parametrize(
    "classes", [np.array([0, 1, 1]), np.array([True, False, True]), [0, 1, 1], np.array([[0], [1], [1]])]
)
def test_classes_are_no_probabilities(classes: object) -> None:
    with pytest.raises(Wrong, match=r"classes instead of probabilities \(argmax\)"):
        check_probabilities("predict(...)", classes, (3,))
