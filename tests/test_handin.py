"""`gradescent check NOTEBOOK`: what a student runs before handing in."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from conftest import ASSIGNMENT, ROOT, network_notebook, source_of
from nbformat.v4 import new_code_cell

from grader_tests.variants import Variant, fill
from gradescent.cli import DONE, FAILED, USAGE, main
from gradescent.course import Course, load_course
from gradescent.student import visible
from gradescent.student.handin import without_magics


def check(file: Path, capsys: pytest.CaptureFixture) -> tuple[int, str]:
    code = main(["check", str(file)])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def written(notebook: nbformat.NotebookNode, folder: Path, name: str = "part2_network.ipynb") -> Path:
    nbformat.write(notebook, folder / name)
    return folder / name


def test_right_work_passes(course: Course, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    code, printed = check(written(network_notebook(course), tmp_path), capsys)
    assert code == DONE, printed
    assert "✓ back_prop: right" in printed
    assert "4 of 4 checks are right or optional" in printed


def test_wrong_work_fails_and_says_why(course: Course, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    edits = {"back_prop": [("delta.sum(axis=1, keepdims=True)", "delta.mean(axis=1, keepdims=True)")]}
    code, printed = check(written(network_notebook(course, Variant("v", edits=edits)), tmp_path), capsys)
    assert code == FAILED
    assert "✗ back_prop: wrong" in printed
    assert "3 of 4 checks are right or optional" in printed


def test_deleted_checks_are_run_all_the_same(course: Course, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    notebook = network_notebook(course)
    notebook.cells = [cell for cell in notebook.cells if not cell.source.startswith("check(")]
    assert "4 of 4 checks are right or optional" in check(written(notebook, tmp_path), capsys)[1]


def test_missing_work_and_errors_are_named(course: Course, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    notebook = network_notebook(course, Variant("v", cells={"tools": "1/0"}))
    code, printed = check(written(notebook, tmp_path), capsys)
    assert code == FAILED
    assert "(solution_tools): ZeroDivisionError: division by zero" in printed


@pytest.mark.parametrize("part", ["part1_by_hand", "part2_network", "part3_sgd"])
def test_the_notebook_as_handed_out_fails_kindly(part: str, capsys: pytest.CaptureFixture) -> None:
    code, printed = check(ROOT / "release" / ASSIGNMENT / f"{part}.ipynb", capsys)
    assert code == FAILED
    assert re.search(r"[01] of \d+ checks are right or optional", printed)
    assert "Traceback" not in printed
    if part != "part2_network":
        assert "that a person grades is missing" in printed


def test_a_renamed_notebook_and_magics(course: Course, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    notebook = network_notebook(course)
    notebook.cells.insert(2, new_code_cell("%matplotlib inline\n!echo hello\nif True:\n    %time 1"))
    assert check(written(notebook, tmp_path, "mine.ipynb"), capsys)[0] == DONE


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not a notebook"),
        ("{}", "not a notebook of the current format"),
        ('{"cells": []}', "cannot tell which part"),
    ],
)
def test_what_is_no_notebook_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture, content: str, words: str
) -> None:
    file = tmp_path / "mine.ipynb"
    file.write_text(content)
    code, printed = check(file, capsys)
    assert code == USAGE
    assert words in printed
    assert len(printed.splitlines()) == 1
    code, printed = check(tmp_path / "none.ipynb", capsys)
    assert code == USAGE
    assert "none.ipynb: cannot be read (No such file or directory). Remedy: check the path" in printed


def test_what_a_person_grades_must_be_there_and_extra_credit_need_not(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    course = load_course(ROOT)
    source = source_of(course, "part3_sgd")
    left = ("dropout", "hidden_size_plot", "epochs_plot", "train_mnist")
    notebook = fill(source, Variant("v", leave=left))
    next(cell for cell in notebook.cells if cell.id == "structure").source = ""
    code, printed = check(written(notebook, tmp_path, "part3_sgd.ipynb"), capsys)
    assert code == FAILED
    for name in ("hidden_size_plot", "epochs_plot", "structure"):
        assert f"○ {name}: the answer or plot that a person grades is missing" in printed
    assert "○ dropout: extra credit, not attempted" in printed
    assert "✗ dropout" not in printed


@pytest.mark.parametrize("part", visible.PARTS)
def test_the_checks_know_what_a_person_grades_and_what_is_optional(part: str) -> None:
    assignment, name = part.split("/")
    cells = [cell for cell in source_of(load_course(ROOT), name, assignment).cells if "nbgrader" in cell.metadata]
    graded = [cell for cell in cells if cell.metadata.nbgrader.grade]
    by_person = {cell.metadata.nbgrader.grade_id for cell in graded if cell.metadata.nbgrader.solution}
    extra = {
        cell.metadata.nbgrader.grade_id for cell in graded if "extra_credit" in cell.metadata.get("gradescent", {})
    }
    assert set(visible.questions(part).by_person) == by_person
    assert set(visible.questions(part).optional) == extra


def test_percent_lines_of_honest_code_are_left_alone() -> None:
    code = "x = (10\n     % 4)\ntext = '''\n%d items\n'''"
    assert without_magics(code) == code
    assert without_magics("if True:\n    %time 1") == "if True:\n    pass"
