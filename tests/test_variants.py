"""The tests of the hidden tests: every known solution, right or wrong, gets the points it must get, and the right words."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import nbformat
import numpy as np
import pytest
from conftest import ROOT, sampled
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbgrader.utils import determine_grade

from grader_tests import questions
from grader_tests.ps4_cnn import setting
from grader_tests.variants import Variant, fill, load, merged, part_of, points, together
from gradescent.authoring.release import graded_notebook
from gradescent.authoring.text import source_notebook
from gradescent.course import CourseError, load_course
from gradescent.grading.data import training_data
from gradescent.grading.imports import BACKENDS, KERAS_BACKEND, imports_of
from gradescent.grading.judge import grade_notebook
from gradescent.grading.repair import repair
from gradescent.grading.run import Run
from gradescent.grading.sandbox import Sandbox
from gradescent.student.judging import RESULT_MIME, Outcome, Result

COURSE = load_course(ROOT)
ASSIGNMENTS = {
    "ps1_backprop": ("part1_by_hand", "part2_network", "part3_sgd"),
    "ps4_cnn": ("part1_builder", "part2_seeing"),
}
PARTS = [f"{assignment}/{name}" for assignment, names in ASSIGNMENTS.items() for name in names]
CASES = [(part, variant) for part in PARTS for variant in load(part)]
# A sample goes through the other carrier too: stock nbgrader's execution in a real kernel.
# Keras takes seconds to import in each kernel: one case.
KERNEL_CASES = [
    *[case for case in CASES if case[0].startswith("ps1")][::12],
    ("ps4_cnn/part1_builder", load("ps4_cnn/part1_builder")[0]),
]
FEW = 10_000  # images of MNIST that students' code sees here


def _name(case: object) -> str:
    if isinstance(case, list):
        return merged(case).name
    return case.name if isinstance(case, Variant) else "_".join(name.split("_")[0] for name in str(case).split("/"))


@cache
def source(part: str) -> NotebookNode:
    return source_notebook(part_of(COURSE, part))


# Each takes a process, and seconds where Keras is: those that do not disturb each other share a submission.
def _chosen(part: str) -> list[list[Variant]]:
    names = points(source(part))
    return sampled(together(load(part), names), lambda row: any("train_cnn" in one.judged(names) for one in row))


GROUPS = [(part, group) for part in PARTS for group in _chosen(part)]


@pytest.fixture(autouse=True)
def reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accuracy on few images and with its own thresholds: this tests the tests, not the networks."""
    monkeypatch.setattr(setting, "setting", setting.REDUCED)


@pytest.fixture(scope="session")
def sandboxes() -> Iterator[Callable[[str], tuple[Sandbox, frozenset[str]]]]:
    """The sandbox of an assignment and what its notebooks import; without MNIST its problem set is skipped."""
    with ExitStack() as stack:

        @cache
        def of(assignment: str) -> tuple[Sandbox, frozenset[str]] | str:
            try:
                folder, _ = stack.enter_context(training_data(COURSE.assignment(assignment)))
            except CourseError as error:
                return str(error)
            if (folder / "mnist.npz").is_file():
                _cut(folder / "mnist.npz")
            texts = "\n".join(text.read_text() for text in COURSE.texts(assignment))
            return stack.enter_context(Sandbox(folder, imports_of(texts), trust=True)), imports_of(texts)

        def found(assignment: str) -> tuple[Sandbox, frozenset[str]]:
            sandbox = of(assignment)
            return pytest.skip(sandbox) if isinstance(sandbox, str) else sandbox

        yield found


def _cut(file: Path) -> None:
    with np.load(file) as arrays:
        few = {name: array[:FEW] if array.ndim else array for name, array in arrays.items()}
    np.savez(file, **few)


Sandboxes = Callable[[str], tuple[Sandbox, frozenset[str]]]


def graded(part: str, notebook: NotebookNode, sandboxes: Sandboxes, unjudged: Iterable[str] = ()) -> list[Result]:
    assignment = part.split("/")[0]
    sandbox, imports = sandboxes(assignment)
    run = Run(notebook, sandbox, imports, COURSE.assignment(assignment).limits)
    stands = {name: Result(name, None, 0, Outcome.UNGRADED) for name in unjudged}
    return grade_notebook(run, questions(part), stands)[0]


def _as_stated(part: str, variant: Variant, scores: dict[str, float], messages: dict[str, str]) -> None:
    judged = variant.judged(points(source(part)))
    worth = {name: value for name, value in points(source(part)).items() if name in judged}
    stated = {name: variant.scores.get(name, value) for name, value in worth.items()}
    assert {name: scores[name] for name in worth} == stated, messages
    for name, word in variant.says.items():
        assert word in messages[name]


@pytest.mark.parametrize(("part", "group"), GROUPS, ids=_name)
def test_split_carrier(part: str, group: list[Variant], sandboxes: Sandboxes) -> None:
    notebook, _ = repair(graded_notebook(source(part)), fill(source(part), merged(group)))
    names = points(source(part))
    unjudged = set(names).difference(*(variant.judged(names) for variant in group))
    found = {result.question: result for result in graded(part, notebook, sandboxes, unjudged)}
    scores, messages = {n: r.score or 0.0 for n, r in found.items()}, {n: r.message for n, r in found.items()}
    for variant in group:
        _as_stated(part, variant, scores, messages)


# The part that trains on MNIST is in test_mnist, at full size.
@pytest.mark.parametrize("part", [part for part in PARTS if part != "ps4_cnn/part1_builder"], ids=_name)
def test_the_reference_gets_everything(part: str, sandboxes: Sandboxes) -> None:
    notebook, notes = repair(graded_notebook(source(part)), fill(source(part)))
    results = graded(part, notebook, sandboxes)
    assert notes == []
    assert {r.question: r.score for r in results if r.score is not None} == points(source(part))
    errors = [output for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "error"]
    assert errors == []


EXPERIMENTS = ("hold_out", "activations_plot", "kernels_plot", "gap_model", "maps_plot", "heat_plot")


@pytest.mark.parametrize("part", [part for part in PARTS if "ps4" in part], ids=_name)
@pytest.mark.parametrize("back_end", [name for name in BACKENDS if name != "tensorflow"])
def test_the_reference_gets_everything_on_other_back_ends(
    part: str, back_end: str, sandboxes: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they are installed."""
    if not find_spec(back_end):
        pytest.skip(f"{back_end} is not installed")
    opened, imports = sandboxes(part.split("/")[0])
    monkeypatch.setenv(KERAS_BACKEND, back_end)
    left = tuple(name for name in EXPERIMENTS if name in _solution_names(part))
    notebook, _ = repair(graded_notebook(source(part)), fill(source(part), Variant("reference", leave=left)))
    with Sandbox(opened._data, imports, trust=True) as sandbox:
        results = graded(part, notebook, lambda assignment: (sandbox, imports))
    found = {result.question: result for result in results}
    assert {name: found[name].score for name in points(source(part))} == points(source(part)), found


@pytest.mark.parametrize("part", PARTS, ids=_name)
def test_the_notebook_as_handed_out_gets_nothing(part: str, sandboxes: Sandboxes) -> None:
    stub = Variant("stub", leave=tuple(n for n in _solution_names(part)))
    notebook, _ = repair(graded_notebook(source(part)), fill(source(part), stub))
    results = graded(part, notebook, sandboxes)
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
    judged = variant.judged(points(source(part)))
    for cell in notebook.cells:
        grader = cell.metadata.get("nbgrader", {})
        if not grader.get("grade") or grader["solution"] or grader["grade_id"] not in judged:
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
    assert len([part for part, variant in CASES if not variant.right and "ps1" in part]) >= 45
    assert len([part for part, variant in CASES if not variant.right and "ps4" in part]) >= 50
    assert len(right) >= 25
    assert len({(part, variant.name) for part, variant in CASES}) == len(CASES)
    for variant in wrong:
        assert variant.says, f"{variant.name} states no word of the diagnosis"
