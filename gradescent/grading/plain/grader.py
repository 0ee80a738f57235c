"""An assignment of any nbgrader course through the engine."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path

from nbformat import NotebookNode

from gradescent.course import Assignment
from gradescent.grading.gradebook import KeptOpen
from gradescent.grading.grader import PartGraded, Work
from gradescent.grading.imports import code_of, warm_sets
from gradescent.grading.intake import Beside, Found, Submission
from gradescent.grading.plain.course import Place, PlainCourse
from gradescent.grading.plain.files import working_files
from gradescent.grading.plain.notebook import grade_notebook
from gradescent.grading.plain.scores import enter_result
from gradescent.grading.plain.sources import enter_assignment, kept_notebooks, written_notebooks
from gradescent.grading.pool import tell
from gradescent.grading.record import StudentResult
from gradescent.grading.run import Run
from gradescent.grading.sandbox import Sandbox


class PlainGrader:
    """Grades an assignment of an nbgrader course without a course.toml; see `Grader`.

    Args:
        course: of the assignment.
        assignment: what is graded.
        write: whether the gradebook may be written: what it does not have of the assignment yet is entered.

    Raises:
        CourseError: the gradebook cannot be used, or there is nothing that can be graded.
    """

    def __init__(self, course: PlainCourse, assignment: Assignment, write: bool):
        self._course, self._assignment = course, assignment
        if write:
            enter_assignment(course, assignment.name)
        self.sources = kept_notebooks(course, assignment.name)
        written = written_notebooks(course, assignment.name, self.sources)
        self.imports = warm_sets({part: code_of(notebook) for part, notebook in written.items()})
        self.tests: dict[str, dict[str, str]] = {part: {} for part in self.sources}
        self.surroundings: dict[str, object] = {"nbgrader_config": course.settings_key}

    def enter_assignment(self) -> None:
        """It is there: the sources are what the gradebook keeps."""

    def beside(self, submission: Submission, found: Mapping[str, Found]) -> dict[str, Beside]:
        """The student's files with the assignment's put over them, the same for every notebook."""
        files, notes = working_files(self._course, self._assignment.name, submission.folder, self._assignment.limits)
        next(iter(found.values())).notes += notes
        return dict.fromkeys(found, Beside(files))

    def grade(self, work: Work, sandbox: Sandbox, variables: Mapping[str, str]) -> PartGraded:
        start, runs = time.perf_counter(), []

        def run(notebook: NotebookNode) -> None:
            limits, imports = self._assignment.limits, self.imports[work.part]
            runs.append(Run(notebook, sandbox, imports, limits, work.beside, variables, tests=True))
            runs[-1].run_all()

        tell(work.student, work.part)
        place = Place(self._assignment.name, work.student, work.part)
        graded, notebook = grade_notebook(self._course, place, self.sources[work.part], work.found, run)
        graded.starts, graded.cell_seconds = sum(one.starts for one in runs), sum(one.cell_seconds for one in runs)
        graded.seconds = time.perf_counter() - start
        return graded, notebook

    def enter(
        self, book: KeptOpen, result: StudentResult, submission: Path, changed: Collection[tuple[str, str]]
    ) -> str:
        return enter_result(self._course, result, submission, changed)
