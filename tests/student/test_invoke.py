"""One call of a student's code: everything that is noted about it."""

import signal
import sys
import time
import warnings

import numpy as np
import pytest

from gradescent.student.invoke import MAX_TEXT, cpu_limit, describe, invoke


def call(function, *args, seconds=None, **kwargs):
    return invoke(function, args, kwargs, seconds)


def cell(code, name):
    """A function that was defined in a notebook cell."""
    namespace = {"np": np}
    exec(compile(code, "<cell solution>", "exec"), namespace)
    return namespace[name]


def test_value_and_time():
    done = call(lambda a, b=1: a + b, 2, b=3)
    assert (done.value, done.failure) == (5, None)
    assert call(lambda: sum(range(2_000_000))).seconds > 0.001


def test_printed_text_is_kept_and_not_shown(capsys):
    assert call(lambda: print("hello")).printed == "hello\n"
    assert capsys.readouterr().out == ""


def test_only_the_beginning_of_much_text_is_kept():
    def talk():
        for _ in range(3 * MAX_TEXT):
            print("ab")

    printed = call(talk).printed
    assert len(printed) == MAX_TEXT
    assert printed.startswith("ab\nab")


def test_nothing_reaches_stderr(capsys):
    done = call(lambda: print("progress", file=sys.stderr))
    assert done.printed == ""
    assert capsys.readouterr().err == ""


def test_warnings_are_noted_each_time():
    for _ in range(2):
        assert any("overflow" in text for text in call(lambda: np.exp(np.array([1e4]))).warned)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert call(lambda: warnings.warn("mine", stacklevel=1)).warned == ["mine"]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda z, data, k: z.__imul__(2), ["0"]),
        (lambda z, data, k: data.reverse(), ["1"]),
        (lambda z, data, k: data.clear(), ["1"]),
        (lambda z, data, k: data[0].__iadd__(1), ["1"]),
        (lambda z, data, k: k.update(a=2), ["k"]),
        (lambda z, data, k: k.pop("a"), ["k"]),
        (lambda z, data, k: z.__setitem__(0, np.nan), ["0"]),
        (lambda z, data, k: z * 2, []),
        (lambda z, data, k: sorted(data, key=len), []),
    ],
)
def test_changes_in_place_are_detected(change, names):
    done = call(change, np.ones(3), [np.zeros(2), np.ones(3)], k={"a": 1})
    assert done.failure is None
    assert done.modified == names


def test_nan_is_no_change_but_nan_replaced_is():
    assert call(lambda z: None, np.array([np.nan])).modified == []
    assert call(lambda z: z.__setitem__(0, 1.0), [float("nan")]).modified == ["0"]
    assert call(lambda z: z.__setitem__(0, 1.0), np.array([np.nan])).modified == ["0"]


def test_a_change_before_an_exception_is_noted():
    def spoil(z):
        z[0] = 5
        raise ValueError

    done = call(spoil, np.ones(2))
    assert (done.failure.type, done.modified) == ("ValueError", ["0"])


def test_endless_loop_is_interrupted():
    def loop():
        while True:
            pass

    start = time.process_time()
    assert call(loop, seconds=0.2).failure.type == "OutOfTime"
    assert time.process_time() - start < 2


def test_endless_loop_that_swallows_exceptions_is_interrupted():
    def stubborn():
        while True:
            try:  # noqa: SIM105
                sum(range(1000))
            except Exception:
                pass

    assert call(stubborn, seconds=0.2).failure.type == "OutOfTime"


def test_the_limit_rings_again_after_a_bare_except():
    def swallows_once():
        try:
            while True:
                pass
        except:  # noqa: E722
            pass
        while True:
            pass

    assert call(swallows_once, seconds=0.2).failure.type == "OutOfTime"


def test_the_limit_leaves_the_signal_as_it_was():
    before = signal.getsignal(signal.SIGPROF)
    with cpu_limit(5):
        assert signal.getsignal(signal.SIGPROF) is not before
    assert signal.getsignal(signal.SIGPROF) == before
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_the_stop_button_works():
    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(stopped, seconds=5)
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


class UnreadableError(Exception):
    def __str__(self):
        raise RuntimeError


class Base(BaseException):
    pass


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (UnreadableError(), "UnreadableError", "cannot be read"),
        (SystemExit(3), "SystemExit", "3"),
        (Base("odd"), "Base", "odd"),
        (GeneratorExit(), "GeneratorExit", ""),
        (ValueError("x" * 10 * MAX_TEXT), "ValueError", "xxx"),
    ],
)
def test_every_exception_becomes_a_failure(error, kind, text):
    def fail():
        raise error

    failure = call(fail).failure
    assert failure.type == kind
    assert text in failure.message
    assert len(failure.message) <= MAX_TEXT


def test_a_recursion_without_end_is_a_failure():
    def again():
        return again()

    assert call(again).failure.type == "RecursionError"


def test_the_students_own_line_is_named():
    function = cell("def f(x):\n    y = 2\n    return np.dot(x, y.shape)\n", "f")
    failure = call(function, np.ones(2)).failure
    assert failure.type == "AttributeError"
    assert failure.where == "line 3 in f"


def test_the_deepest_line_of_the_student_is_named():
    function = cell("def inner(x):\n    return x / 0\n\ndef outer(x):\n    return inner(x)\n", "outer")
    assert call(function, 1).failure.where == "line 2 in inner"


def test_a_syntax_error_names_its_line():
    with pytest.raises(SyntaxError) as caught:
        compile("a = 1\nb = = 2\n", "<cell>", "exec")
    assert describe(caught.value).where == "line 2: b = = 2"


def test_an_error_outside_the_students_code_names_no_line():
    assert call(lambda: np.ones(2) @ np.ones(3)).failure.where == ""
