"""The class that is graded twice: honest networks, and how far apart their two grades are."""

import pytest
from conftest import ROOT

from benchmarks import steadiness
from grader_tests.variants import fill, part_of
from gradescent.authoring.text import source_notebook
from gradescent.course import load_course


def test_there_are_forty_different_submissions_that_can_be_handed_in() -> None:
    source = source_notebook(part_of(load_course(ROOT), "ps4_cnn/part1_builder"))
    networks = steadiness.honest_networks()
    handed_in = {"".join(cell.source for cell in fill(source, network).cells) for network in networks}
    assert len(networks) == len(handed_in) == steadiness.SUBMISSIONS


def row(first: float | None, again: float | None) -> dict:
    def questions(score: float | None) -> dict:
        return {
            "accuracy": {"score": score, "max_score": 20},
            "plot": {"score": None, "max_score": 5},
            "extra": {"score": 3.0, "max_score": 0},
        }

    return {"student": "a", "questions": questions(first), "again": None if again is None else questions(again)}


def test_the_difference_is_told_in_per_cent_of_the_submissions_points() -> None:
    found = steadiness.compared(row(20.0, 18.0))
    assert (found.first, found.second, found.worth) == (23.0, 21.0, 25.0)
    assert found.percent == pytest.approx(8.0)


def test_who_was_not_graded_a_second_time_is_told() -> None:
    with pytest.raises(steadiness.NotGradedError, match="a: not graded a second time"):
        steadiness.compared(row(20.0, None))


@pytest.mark.parametrize(("again", "code"), [(19.0, 0), (18.0, 1)])
def test_the_exit_code_says_whether_the_promise_is_kept(
    again: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(steadiness, "grade_twice", lambda submissions: [steadiness.compared(row(20.0, again))])
    assert steadiness.main(["--submissions", "1"]) == code
    assert "1 of 1 differ" in capsys.readouterr().out
