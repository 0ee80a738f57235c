"""Stock nbgrader in a gradescent course: what nbgrader_config.py sets.

The commands and the formgrader are nbgrader's own. What is added loses no honest work in stock autograding (cells are
repaired first, no question falls with a visible check, extra credit arrives) and makes a fresh clone ready to use.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    ClearOutput,
    DeduplicateIds,
    Execute,
    IgnorePattern,
    LimitOutput,
    NbGraderPreprocessor,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
)
from nbgrader.utils import is_grade, is_solution

from gradescent.authoring.build import text_of
from gradescent.authoring.release import PREPROCESSORS, graded_notebook
from gradescent.authoring.text import Part, source_notebook
from gradescent.course import FILE, Course, CourseError, load_course
from gradescent.grading.feedback import configure_pages
from gradescent.grading.gradebook import wait_for_locks
from gradescent.grading.record import write_durably
from gradescent.grading.repair import repair, split_hidden
from gradescent.student.judging import RESULT_MIME

CELL_SECONDS = 600  # wall clock a cell; the tests limit the CPU time of each call themselves


class RepairCells(NbGraderPreprocessor):
    """Put copied, lost, reordered and stripped cells back before nbgrader looks at their ids."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        place = resources["nbgrader"]
        course = load_course()
        text = course.source / place["assignment"] / f"{place['notebook']}.py"
        if not text.is_file():
            return nb, resources
        source = graded_notebook(source_notebook(Part(course, place["assignment"], text)))
        repaired, notes = repair(source, nb)
        for note in notes:
            self.log.warning("%s: %s", place["notebook"], note)
        return repaired, resources


class RunTests(Execute):
    """Execute that runs of a test cell the hidden tests alone, as gradescent's engine does.

    A visible check that ends in an error, since a name that it uses is not there, would end the cell before the hidden
    tests give the points for what is there.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        whole = cell.source
        _, hidden = split_hidden(whole)
        try:
            cell.source = hidden if hidden and is_grade(cell) and not is_solution(cell) else whole
            return super().preprocess_cell(cell, resources, index)
        finally:
            cell.source = whole


class SaveScores(SaveAutoGrades):
    """SaveAutoGrades that also enters extra credit, which nbgrader's own partial credit cannot carry."""

    gradebook: Gradebook

    def _add_score(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        super()._add_score(cell, resources)
        results = [
            output.data[RESULT_MIME] for output in cell.get("outputs", []) if RESULT_MIME in output.get("data", {})
        ]
        if results and not cell.metadata.nbgrader.points:
            place = (cell.metadata.nbgrader.grade_id, self.notebook_id, self.assignment_id, self.student_id)
            self.gradebook.find_grade(*place).extra_credit = float(results[0]["score"])
            self.gradebook.db.commit()


def configure(config: Any, root: Path) -> None:
    """Fill in nbgrader's configuration object, and make the source notebooks where they are missing or old.

    Args:
        config: what `get_config()` returns in nbgrader_config.py.
        root: the course's folder.
    """
    _build_sources(root)
    wait_for_locks()
    config.CourseDirectory.root = str(root)
    # The text sources hold the solutions: nothing but notebooks is handed out.
    config.CourseDirectory.ignore = [
        ".ipynb_checkpoints",
        "*.pyc",
        "__pycache__",
        "feedback",
        "part*.py",
        "result.json",
    ]
    config.GenerateAssignment.preprocessors = PREPROCESSORS
    # release/ is a part of the repository: were it left as it is, the gradebook would stay empty.
    config.GenerateAssignment.force = True
    config.Autograde.sanitize_preprocessors = [
        ClearOutput,
        RepairCells,
        DeduplicateIds,
        OverwriteKernelspec,
        OverwriteCells,
        CheckCellMetadata,
    ]
    config.Autograde.autograde_preprocessors = [
        RunTests,
        IgnorePattern,
        LimitOutput,
        SaveScores,
        AssignLatePenalties,
        CheckCellMetadata,
    ]
    config.Execute.timeout = CELL_SECONDS
    # A warning is no mistake: without both lines anything on stderr in a graded cell scores 0.
    config.IgnorePattern.enabled = True
    config.IgnorePattern.pattern = "(?s).*"
    configure_pages(config)
    # The hidden region of a test cell imports grader_tests, which only the grader's kernels may find.
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(root) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(root), *filter(None, paths)])


def _build_sources(root: Path) -> None:
    """Make the source notebooks, which are not in the repository, from the text."""
    try:
        course = load_course(root)
        for text in sorted(course.source.glob("*/part*.py")):
            _build_source(course, text)
    except (CourseError, OSError) as error:
        print(f"gradescent: {error}", file=sys.stderr)


def _build_source(course: Course, text: Path) -> None:
    built = text.with_suffix(".ipynb")
    changed = max(file.stat().st_mtime for file in (text, course.root / FILE))
    if not built.is_file() or built.stat().st_mtime < changed:
        write_durably(built, text_of(source_notebook(Part(course, text.parent.name, text))))
