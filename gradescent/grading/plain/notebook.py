"""Grade a notebook of any nbgrader course: nbgrader's own steps, but for the one that runs it.

The tests of such a course run in the student's kernel, so nothing that they seem to say can be relied on: every result is
marked as forgeable. Cells are checked and overwritten, and points are read from the outputs, by nbgrader itself.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from itertools import takewhile
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute
from nbgrader.utils import determine_grade, is_grade, is_solution
from sqlalchemy.exc import OperationalError
from traitlets import Callable as CallableTrait

from gradescent.grading.intake import Found
from gradescent.grading.judge import answer_digest, missing_results, ungraded_results, untouched_answers
from gradescent.grading.plain.course import Place, PlainCourse
from gradescent.grading.plain.steps import in_folder, is_before_saving, silent
from gradescent.grading.processes import MachineFault
from gradescent.grading.record import PartResult
from gradescent.student.judging import Outcome, Result

RunNotebook = Callable[[NotebookNode], None]  # runs the code cells, and writes their outputs into them
FORGEABLE = "the tests ran in the student's kernel: forgeable"
NOT_RUN = "NotRun"


class RunCells(Preprocessor):
    """nbgrader's Execute, with the cells run by somebody else: in a sandbox."""

    run = CallableTrait()

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        cells = [cell for cell in nb.cells if is_run(cell)]
        for cell in cells:
            # To nbgrader no output means that every test passed: what is never reached must not look like that.
            cell.outputs = [new_output("error", ename=NOT_RUN, evalue="the cell was not reached", traceback=[])]
        if cells:
            self.run(NotebookNode(cells=cells, metadata=nb.metadata))
        return nb, resources


def is_run(cell: NotebookNode) -> bool:
    """Whether stock nbgrader runs a cell; a test is run whatever tags a student gives it."""
    skipped = NotebookClient.skip_cells_with_tag.default_value in cell.metadata.get("tags", [])
    return cell.cell_type == "code" and bool(cell.source.strip()) and (is_grade(cell) or not skipped)


def grade_notebook(
    course: PlainCourse, place: Place, source: NotebookNode, found: Found, run: RunNotebook
) -> tuple[PartResult, NotebookNode | None]:
    """Grade one notebook as `nbgrader autograde` does. The gradebook is only read.

    Args:
        course: of the assignment.
        place: whose notebook it is.
        source: what the gradebook keeps of it.
        found: what was handed in.
        run: runs the code cells of a notebook, and writes their outputs into it; what it leaves alone counts as failed.

    Returns:
        The part's result, and the notebook as it ran; None where there was none that could be run.

    Raises:
        MachineFault: of the machine, or of the gradebook.
    """
    part = place.part
    if found.notebook is None:
        message = found.problem or f"{part}.ipynb was not handed in"
        return PartResult(part, missing_results(source, message), found.notes, found.problem, forgeable=True), None
    remarks = _Remarks()
    log = silent(remarks)
    notebook = _without_our_metadata(found.notebook)
    try:
        with in_folder(course.root):
            notebook = _converted(course, notebook, place.resources(course), log, run)
        results = [_result(cell) for cell in notebook.cells if is_grade(cell)]
    except (MachineFault, OSError):
        raise
    except OperationalError as error:
        raise MachineFault(f"{course.gradebook}: cannot be used ({error.orig})") from error
    except Exception as error:  # of a step, which may be the instructor's own: stock nbgrader loses the submission
        message = (
            f"{found.file}: nbgrader refuses it ({type(error).__name__}: {error}). "
            "Remedy: correct the notebook's cells, or grade it by hand"
        )
        return PartResult(part, ungraded_results(source, message), found.notes, message, forgeable=True), None
    results += _missing(source, results)
    problem = "; ".join(r.message for r in results if r.score is None and r.message)
    notes = [*found.notes, *remarks.texts, FORGEABLE]
    graded = PartResult(part, results, notes, found.problem or problem, True, forgeable=True)
    graded.untouched = untouched_answers(notebook)
    return graded, notebook


def _without_our_metadata(notebook: NotebookNode) -> NotebookNode:
    """A copy in which the student does not set limits: the engine takes a cell's own from its metadata."""
    copied: NotebookNode = nbformat.from_dict(json.loads(json.dumps(notebook)))
    for cell in copied.cells:
        cell.metadata.pop("gradescent", None)
    return copied


def _converted(
    course: PlainCourse, notebook: NotebookNode, resources: dict[str, Any], log: logging.Logger, run: RunNotebook
) -> NotebookNode:
    """The notebook after all of nbgrader's steps that come before the scores are saved."""
    sanitizing, grading = course.autograde_steps(log)
    for step in [*sanitizing, *takewhile(is_before_saving, grading)]:
        step = RunCells(run=run, enabled=True) if isinstance(step, Execute) else step
        notebook, resources = step(notebook, resources)
        _forget_strangers(notebook)
    return notebook


def _forget_strangers(notebook: NotebookNode) -> None:
    """Make ordinary cells of those from which a step took the name: copies, and cells of other assignments.

    nbgrader leaves half of their metadata, refuses that a step later, and ends the grading of the whole class.
    """
    for cell in notebook.cells:
        if not cell.metadata.get("nbgrader", {}).get("grade_id"):
            cell.metadata.pop("nbgrader", None)


def _result(cell: NotebookNode) -> Result:
    """A graded cell's points, as nbgrader counts them."""
    name, most = cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)
    try:
        score, _ = determine_grade(cell)
    except (ValueError, KeyError, TypeError) as error:
        return Result(name, None, most, Outcome.UNGRADED, f"the points of {name!r} cannot be read ({error})")
    answer = answer_digest(cell) if is_solution(cell) else ""
    if score is None:
        return Result(name, None, most, Outcome.UNGRADED, answer=answer)
    if answer:
        return Result(name, float(score), most, Outcome.NOT_ATTEMPTED, "No answer was given.", answer=answer)
    if score >= most and not _failure(cell):
        return Result(name, float(score), most, Outcome.RIGHT)
    outcome, message = _failure(cell) or (Outcome.WRONG, f"The test gave {score:g} of {most:g} points.")
    return Result(name, float(score), most, outcome, message)


def _failure(cell: NotebookNode) -> tuple[Outcome, str] | None:
    """Why nbgrader gives no points for a test cell, None where no output says so."""
    for output in cell.get("outputs", []):
        if output.output_type == "stream" and output.name == "stderr":
            return Outcome.WRONG, f"Something was written to stderr, which counts as failed: {output.text.strip()}"
        if output.output_type == "error" and output.ename in {outcome.value for outcome in Outcome}:
            return Outcome(output.ename), output.evalue
        if output.output_type == "error":
            return Outcome.WRONG, f"{output.ename}: {output.evalue}"
    return None


def _missing(source: NotebookNode, results: list[Result]) -> list[Result]:
    """The results of graded cells that are not in the notebook any more: to nbgrader they have no score yet."""
    there = {result.question for result in results}
    lost = [result for result in ungraded_results(source, "") if result.question not in there]
    for result in lost:
        result.message = (
            f"the cell {result.question!r} is not in the notebook; OverwriteCells.add_missing_cells puts it back"
        )
    return lost


class _Remarks(logging.Handler):
    """Keep what nbgrader's steps remark on, but for attributes put back: hidden tests are, in every notebook."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        if record.module != "overwritecells" and text not in self.texts:
            self.texts.append(text)
