"""`check()` in a notebook, in a terminal and in a script."""

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from gradescent import check
from gradescent.student import visible
from gradescent.student.check import box, find, line, run
from gradescent.student.judging import Outcome, Result


def right(z):
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(z)))


def wrong(z):
    return -right(z)


def stub(z):
    raise NotImplementedError("sigmoid")


def broken(z):
    return z.no_such_thing


OUTCOMES = [
    (right, "✓ sigmoid: right."),
    (wrong, "✗ sigmoid: wrong."),
    (stub, "○ sigmoid: not attempted."),
    (broken, "⚠"),
]


@pytest.mark.parametrize(("function", "start"), OUTCOMES)
def test_outcomes_as_text(function, start, capsys):
    check("sigmoid", function)
    printed = capsys.readouterr().out
    assert printed.startswith(start)
    assert printed.count("\n") == 1


@pytest.fixture
def shell():
    made = InteractiveShell.instance()
    made.user_ns.update({"check": check, "right": right, "wrong": wrong, "stub": stub, "broken": broken})
    yield made
    InteractiveShell.clear_instance()


@pytest.mark.parametrize(("function", "start"), OUTCOMES)
def test_outcomes_in_a_shell(function, start, shell):
    with capture_output() as captured:
        assert shell.run_cell(f"check('sigmoid', {function.__name__})").success
    (output,) = captured.outputs
    assert output.data["text/plain"].startswith(start)
    assert output.data["text/html"].startswith("<div")
    assert start[0] in output.data["text/html"]
    assert captured.stdout == captured.stderr == ""


def test_a_stub_says_what_to_do(capsys):
    check("sigmoid", stub)
    assert "not attempted yet. Next: replace the raise line" in capsys.readouterr().out


def test_an_error_says_where_it_comes_from(capsys):
    check("sigmoid", broken)
    out = capsys.readouterr().out
    assert "error in your code" in out
    assert "AttributeError" in out


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"no check 'sigmoyd'\. Did you mean 'sigmoid'\?"):
        check("sigmoyd", right)
    with pytest.raises(ValueError, match=r"Those that exist: .*back_prop"):
        check("qqqqq", right)


@pytest.mark.parametrize("objects", [(), (right, right)])
def test_a_wrong_number_of_objects_shows_the_call(objects):
    with pytest.raises(ValueError, match=rf"got {len(objects)} objects .* Write check\('sigmoid', sigmoid\)"):
        check("sigmoid", *objects)


def test_nothing_of_the_students_is_html():
    shown = box(Result("q<b>", 0, 0, Outcome.WRONG, "got <script>. Likely: a & b. Next: look."))
    assert "<script>" not in shown
    assert "q&lt;b&gt;" in shown
    assert "<br><b>Likely:</b> a &amp; b.<br><b>Next:</b> look." in shown


def test_each_outcome_has_a_mark_of_its_own_beside_the_colour():
    marks = {
        line(Result("q", 0, 0, outcome))[0]
        for outcome in (Outcome.RIGHT, Outcome.WRONG, Outcome.NOT_ATTEMPTED, Outcome.ERROR)
    }
    assert len(marks) == 4


def test_the_same_inputs_at_every_run():
    seen = []

    def spy(z):
        seen.append(np.array(z))
        return right(z)

    for _ in range(2):
        run(find("sigmoid"), {"sigmoid": spy})
    half = len(seen) // 2
    assert half > 0
    assert all(np.array_equal(a, b) for a, b in zip(seen[:half], seen[half:], strict=True))


@pytest.mark.parametrize("part", visible.PARTS)
def test_no_visible_check_gives_points_to_a_stub(part):
    def refuse(*args, **kwargs):
        raise NotImplementedError

    for question in visible.questions(part).values():
        result = run(question, dict.fromkeys(question.needs, refuse))
        assert set(result.checks.values()) <= {"not attempted", "missing"}, question.name
