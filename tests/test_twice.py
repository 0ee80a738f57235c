"""`gradescent grade --twice`: the class once, and once more with other seeds; every grade that chance decides is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import ASSIGNMENT, NETWORK, network_notebook
from nbformat.v4 import new_code_cell
from rich.console import Console

from grader_tests import questions
from gradescent.cli import DONE, NEEDS_A_PERSON, USAGE, main
from gradescent.course import Course
from gradescent.grading.record import PartResult, StudentResult
from gradescent.grading.submission import Graded
from gradescent.report.twice import both_rows, grades, summary, twice_table
from gradescent.student.judging import Check, Outcome, Result, Student, Wrong

TOSSES = 17  # each worth half of the one before: two runs hardly ever give the same points


def _asks_for_a_toss(student: Student, rng: np.random.Generator) -> None:
    if not student.call("toss"):
        raise Wrong("toss() came back as False. Likely: chance.")


def test_chance_in_an_answer_is_told_and_nothing_of_the_second_run_is_written(
    course: Course,
    hand_in: Callable[..., Path],
    empty_gradebook: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    for student, answer in (("ada", "True"), ("fortuna", "np.random.rand() < 0.5")):
        notebook = network_notebook(course)
        notebook.cells.append(new_code_cell(f"def toss():\n    return {answer}"))
        hand_in(student, notebook)
    (course.submitted / "nils" / ASSIGNMENT).mkdir(parents=True)
    text = course.source / ASSIGNMENT / f"{NETWORK}.py"
    text.write_text(text.read_text().replace('tests="evaluate" points=5', 'tests="evaluate" points=10000'))
    tosses = [Check(_asks_for_a_toss, 2.0**-number) for number in range(TOSSES)]
    monkeypatch.setattr(questions(f"{ASSIGNMENT}/{NETWORK}")["evaluate"], "checks", tosses)
    shutil.copy(empty_gradebook, course.gradebook)
    monkeypatch.chdir(course.root)

    code = main(["grade", ASSIGNMENT, "--twice", "--json", "both.json"])
    printed = capsys.readouterr().out
    assert code == NEEDS_A_PERSON
    assert "Graded twice: 1 of 8 grades differ, the largest difference is " in printed
    assert "1: wrong: chance." in printed
    entries = {entry["student"]: entry for entry in json.loads(Path("both.json").read_text())}
    first, second = entries["fortuna"]["questions"], entries["fortuna"]["again"]
    assert first["evaluate"]["score"] != second["evaluate"]["score"]
    assert first["back_prop"] == second["back_prop"]
    assert entries["ada"]["questions"] == entries["ada"]["again"]
    stands = json.loads((course.autograded / "fortuna" / ASSIGNMENT / "result.json").read_text())
    assert stands["parts"][0]["questions"]["evaluate"]["score"] == first["evaluate"]["score"]

    assert main(["grade", ASSIGNMENT, "--twice", "--student", "ada"]) == DONE
    assert "Graded twice: 0 of 4 grades differ." in capsys.readouterr().out


def test_twice_and_diff_exclude_each_other(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["grade", ASSIGNMENT, "--twice", "--diff"])
    assert ended.value.code == USAGE
    assert "not allowed with argument" in capsys.readouterr().err


def _graded(student: str, *results: Result, fault: bool = False, ran: bool = True) -> Graded:
    return Graded(StudentResult(student, "ps", [PartResult("part1", list(results), ran=ran)]), fault=fault)


def _result(name: str, score: float | None, most: float, answer: str = "") -> Result:
    return Result(name, score, most, Outcome.WRONG, f"{name} came back odd", answer=answer)


def test_what_counts_and_how_large_a_difference_is() -> None:
    first = [
        _graded("b", _result("steady", 3, 4), _result("third", 1, 3), _result("extra", 2, 0), _result("broke", 1, 1)),
        _graded("a", _result("written", 0, 5, answer="before")),
        _graded("failed", _result("steady", None, 4), fault=True),
        _graded("missing", _result("steady", 0, 4), ran=False),
    ]
    second = [
        _graded("a", _result("written", None, 5, answer="before")),
        _graded(
            "b", _result("steady", 3, 4), _result("third", 2, 3), _result("extra", 1, 0), _result("broke", None, 1)
        ),
        _graded("failed", _result("steady", 4, 4)),
        _graded("missing", _result("steady", 0, 4), ran=False),
    ]
    found = grades(first, second)
    assert [(grade.student, grade.first.question, grade.differs) for grade in found] == [
        ("b", "steady", False),
        ("b", "third", True),
        ("b", "extra", True),
        ("b", "broke", True),
    ]
    assert [round(grade.percent) for grade in found] == [0, 33, 50, 100]
    assert summary(found[:3]).startswith("Graded twice: 2 of 3 grades differ, the largest difference is 50 %")
    console = Console(width=160, record=True)
    console.print(twice_table(found, "differ"))
    shown = console.export_text()
    assert "by a person" in shown
    assert "2: wrong: third came back odd" in shown
    assert "steady" not in shown


def test_a_student_whom_the_machine_failed_the_second_time_has_no_second_entry() -> None:
    (row,) = both_rows([_graded("a", _result("q", 1, 2))], [])
    assert row["again"] is None
    assert row["questions"]["q"]["score"] == 1
