"""The promise of ps4_cnn, kept once for real: all of MNIST, trained and graded the way `gradescent grade` does it."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from conftest import make_course, source_of

from grader_tests.variants import notebook_of, points
from gradescent.cli import DONE, main
from gradescent.grading import record
from gradescent.student import datasets
from gradescent.student.datasets import DataError

PART = "ps4_cnn/part1_builder"


def test_the_reference_gets_full_marks_and_99_percent_of_mnist(
    tmp_path: Path, empty_gradebook: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    try:
        datasets.load("mnist")
    except DataError as error:
        pytest.skip(f"needs MNIST: {error}")
    assignment, part = PART.split("/")
    course = make_course(tmp_path / "course", [part], assignment)
    handed_in = course.submitted / "ada" / assignment
    handed_in.mkdir(parents=True)
    nbformat.write(notebook_of(course, PART), handed_in / f"{part}.ipynb")
    shutil.copy(empty_gradebook, course.gradebook)
    monkeypatch.chdir(course.root)
    monkeypatch.setattr("secrets.randbits", lambda bits: 1)  # one run of chance, the same every time
    assert main(["grade", assignment]) == DONE, capsys.readouterr()
    graded = record.load(course.autograded / "ada" / assignment)
    assert graded is not None
    results = {result.question: result for result in graded.parts[0].results}
    tested = {name: result.score for name, result in results.items() if result.score is not None}
    assert tested == {**points(source_of(course, part, assignment)), "accuracy_994": 0}, results
    readings = results["train_cnn"].readings
    assert readings["accuracy"] >= 0.99
    assert (readings["setting"], readings["test_size"], readings["trainings"]) == ("full", 10_000, 1)
    notebook = nbformat.read(course.autograded / "ada" / assignment / f"{part}.ipynb", 4)
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output for output in shown if output.output_type == "error"] == []
