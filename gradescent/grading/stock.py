"""Stock nbgrader in a gradescent course: what nbgrader_config.py sets.

The commands and the formgrader are nbgrader's own. Two preprocessors are added, so that stock autograding loses no
honest work: cells are repaired first, and extra credit arrives.
"""

from __future__ import annotations

import os
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

from gradescent.authoring.release import PREPROCESSORS, graded_notebook
from gradescent.authoring.text import Part, source_notebook
from gradescent.course import load_course
from gradescent.grading.outputs import RESULT_MIME
from gradescent.grading.repair import repair

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
    """Fill in nbgrader's configuration object.

    Args:
        config: what `get_config()` returns in nbgrader_config.py.
        root: the course's folder.
    """
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
    config.Autograde.sanitize_preprocessors = [
        ClearOutput,
        RepairCells,
        DeduplicateIds,
        OverwriteKernelspec,
        OverwriteCells,
        CheckCellMetadata,
    ]
    config.Autograde.autograde_preprocessors = [
        Execute,
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
    config.HTMLExporter.sanitize_html = True
    # The hidden region of a test cell imports grader_tests, which only the grader's kernels may find.
    paths = [str(root), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
