"""The tests of the hidden tests: every known solution, right or wrong, gets the points it must get, and the right words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import nbformat
import pytest
from conftest import ASSIGNMENT, ROOT, source_of
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbgrader.utils import determine_grade

from grader_tests import questions
from grader_tests.variants import Variant, fill, load, points
from gradescent.authoring.release import graded_notebook
from gradescent.course import load_course
from gradescent.grading.engine import training_data
from gradescent.grading.repair import repair
from gradescent.grading.sandbox import Sandbox
from gradescent.grading.supervisor import Run, grade_notebook
from gradescent.student.judging import RESULT_MIME, Result

COURSE = load_course(ROOT)
PARTS = [f"{ASSIGNMENT}/{name}" for name in ("part1_by_hand", "part2_network", "part3_sgd")]
CASES = [(part, variant) for part in PARTS for variant in load(part)]
# A sample goes through the other carrier too: stock nbgrader's execution in a real kernel.
KERNEL_CASES = CASES[::12]


def _name(case: object) -> str:
    return case.name if isinstance(case, Variant) else str(case).split("/")[1].split("_")[0]


@cache
def source(part: str) -> NotebookNode:
    return source_of(COURSE, part.split("/")[1])


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with training_data(COURSE.assignment(ASSIGNMENT)) as (folder, _), Sandbox(folder, trust=True) as opened:
        yield opened


def graded(part: str, notebook: NotebookNode, sandbox: Sandbox) -> list[Result]:
    run = Run(notebook, sandbox, frozenset({"numpy"}), COURSE.assignment(ASSIGNMENT).limits)
    return grade_notebook(run, questions(part))[0]


def _as_stated(part: str, variant: Variant, scores: dict[str, float], messages: dict[str, str]) -> None:
    worth = {name: value for name, value in points(source(part)).items() if name not in _left(variant)}
    stated = {name: variant.scores.get(name, value) for name, value in worth.items()}
    assert {name: scores[name] for name in worth} == stated, messages
    for name, word in variant.says.items():
        assert word in messages[name]


def _left(variant: Variant) -> set[str]:
    return set(variant.leave)


@pytest.mark.parametrize(("part", "variant"), CASES, ids=_name)
def test_split_carrier(part: str, variant: Variant, sandbox: Sandbox) -> None:
    notebook, _ = repair(graded_notebook(source(part)), fill(source(part), variant))
    found = {result.question: result for result in graded(part, notebook, sandbox)}
    _as_stated(part, variant, {n: r.score or 0.0 for n, r in found.items()}, {n: r.message for n, r in found.items()})


@pytest.mark.parametrize("part", PARTS, ids=_name)
def test_the_reference_gets_everything(part: str, sandbox: Sandbox) -> None:
    notebook, notes = repair(graded_notebook(source(part)), fill(source(part)))
    results = graded(part, notebook, sandbox)
    assert notes == []
    assert {r.question: r.score for r in results if r.score is not None} == points(source(part))
    errors = [output for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "error"]
    assert errors == []


@pytest.mark.parametrize("part", PARTS, ids=_name)
def test_the_notebook_as_handed_out_gets_nothing(part: str, sandbox: Sandbox) -> None:
    stub = Variant("stub", leave=tuple(n for n in _solution_names(part)))
    notebook, _ = repair(graded_notebook(source(part)), fill(source(part), stub))
    results = graded(part, notebook, sandbox)
    assert {r.score for r in results} == {0.0}
    assert {r.outcome.value for r in results} <= {"not attempted", "missing"}


def _solution_names(part: str) -> list[str]:
    cells = [cell for cell in source(part).cells if cell.metadata.get("nbgrader", {}).get("solution")]
    return [cell.metadata.nbgrader.grade_id.removeprefix("solution_") for cell in cells]


@pytest.mark.parametrize(("part", "variant"), KERNEL_CASES, ids=_name)
def test_in_kernel_carrier(part: str, variant: Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    notebook, _ = repair(graded_notebook(source(part)), fill(source(part), variant))
    NotebookClient(notebook, timeout=300, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}).execute()
    scores, messages = {}, {}
    for cell in notebook.cells:
        grader = cell.metadata.get("nbgrader", {})
        if not grader.get("grade") or grader["solution"] or grader["grade_id"] in variant.leave:
            continue
        # The configuration drops stderr before nbgrader looks (IgnorePattern).
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        result = next(output.data[RESULT_MIME] for output in cell.outputs if RESULT_MIME in output.get("data", {}))
        extra = cell.metadata.get("gradescent", {}).get("extra_credit")
        scores[grader["grade_id"]] = result["score"] if extra else determine_grade(cell)[0]
        messages[grader["grade_id"]] = nbformat.NotebookNode(result)["message"]
    _as_stated(part, variant, scores, messages)


def test_there_are_as_many_variants_as_promised() -> None:
    wrong = [variant for _, variant in CASES if not variant.right]
    right = [variant for _, variant in CASES if variant.right]
    assert len(wrong) >= 45
    assert len(right) >= 12
    assert len({(part, variant.name) for part, variant in CASES}) == len(CASES)
    for variant in wrong:
        assert variant.says, f"{variant.name} states no word of the diagnosis"
