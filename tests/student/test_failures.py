"""From an exception to an outcome, a cause and a next step."""

import numpy as np
import pytest

from gradescent.student.direct import DirectStudent
from gradescent.student.failures import raise_failure, summary
from gradescent.student.invoke import Failure, invoke
from gradescent.student.judging import CodeError, MemoryLimit, NotAttempted, Outcome, Stop, TimeLimit


def stop_of(kind, message="", where="", args=(), kwargs=None):
    with pytest.raises(Stop) as caught:
        raise_failure("back_prop", Failure(kind, message, where), args, kwargs or {})
    return caught.value


def raised(error):
    raise error


def stop_after(function, *args):
    call = invoke(function, args, {})
    return stop_of(call.failure.type, call.failure.message, call.failure.where, args)


@pytest.mark.parametrize(
    ("kind", "message", "expected", "outcome"),
    [
        ("NotImplementedError", "back_prop", NotAttempted, Outcome.NOT_ATTEMPTED),
        ("NotImplementedError", "", NotAttempted, Outcome.NOT_ATTEMPTED),
        ("OutOfTime", "more than 20 s of CPU time", TimeLimit, Outcome.TIME_LIMIT),
        ("MemoryError", "", MemoryLimit, Outcome.MEMORY_LIMIT),
        ("_ArrayMemoryError", "Unable to allocate 8 TiB", MemoryLimit, Outcome.MEMORY_LIMIT),
        ("ValueError", "no", CodeError, Outcome.ERROR),
        ("Unheard", "", CodeError, Outcome.ERROR),
    ],
)
def test_outcomes(kind, message, expected, outcome):
    stop = stop_of(kind, message)
    assert type(stop) is expected
    assert stop.outcome is outcome
    assert "Next: " in str(stop)
    assert "back_prop" in str(stop)
    assert ": ." not in str(stop)
    assert ".." not in str(stop)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (
            lambda: np.ones((2, 4)) @ np.ones((3, 1)),
            "a factor with 4 columns times one with 3 rows. Likely: a missing tr",
        ),
        (lambda: np.dot(np.ones((2, 4)), np.ones((3, 1))), "missing transpose"),
        (lambda: np.ones((2, 4)) + np.ones((3, 4)), "different layers"),
        (lambda: 1 if np.ones(2) > 0 else 0, "np.where"),
        (lambda: sigmiod(1), "spelled differently"),  # noqa: F821
        (lambda: None.shape, "without a return"),
        (
            lambda: raised(ValueError("You called `set_weights(weights)` on layer 'a' with 7 weights")),
            "another network",
        ),
        (lambda: raised(Exception("URL fetch failure on https://example.org")), "there is none while grading"),
        (
            lambda: raised(OSError("<urlopen error [Errno -3] Temporary failure in name resolution>")),
            "none while grading",
        ),
        (lambda: np.ones(2).shap, "spelled differently"),
        (lambda: None + 1, "without a return"),
        (lambda: (lambda a: a)(), "arguments are not those"),
        (lambda: np.pi(4), "missing *"),
        (lambda: [1][1], "a step too many"),
        (lambda: {}["W1"], "key"),
        (lambda: 1 / 0, "zero"),
    ],
)
def test_the_cause_of_real_exceptions(function, words):
    stop = stop_after(function)
    assert isinstance(stop, CodeError)
    assert words in str(stop)


def test_the_arguments_and_the_line_are_shown():
    stop = stop_of("ValueError", "no", "line 3 in f: y = x", (np.array([1.0, 2.0]), np.ones((9, 9))), {"h": 1e-5})
    text = "back_prop(array([1., 2.]), <array (9, 9) float64>, h=1e-05) raised ValueError: no at line 3 in f: y = x."
    assert str(stop).startswith(text)


def test_long_messages_are_cut_and_put_on_one_line():
    text = str(stop_of("ValueError", "first\nsecond " + "x" * 5000))
    assert len(text) < 700
    assert "first second" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.array([[1.0], [2.0]]), "array([[1.], [2.]])"),
        (np.ones((3, 4)), "<array (3, 4) float64>"),
        (np.float64(0.5), "0.5"),
        ([1, 2], "[1, 2]"),
        ([2, "a"], "[2, 'a']"),
        (list(range(1000)), "<list of 1000>"),
        ([np.ones(2)], "<list of 1>"),
        ((np.ones(2), 1), "<tuple of 2>"),
        (np.sin, "f"),
        ("x" * 100, "'" + "x" * 56 + "..."),
        (None, "None"),
    ],
)
def test_summaries(value, text):
    assert summary(value) == text


def test_an_object_behind_a_handle_is_shown_by_its_kind():
    class Network:
        pass

    student = DirectStudent({"make": Network})
    assert summary(student.new("make")) == "<Network>"
