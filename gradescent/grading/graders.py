"""Two kinds of course with one face: hidden tests outside the student's process, and any nbgrader course as it is.

What a submission meets on its way stands here in the order in which it does.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from nbformat import NotebookNode

from gradescent.authoring.release import graded_notebook
from gradescent.authoring.text import Part, source_notebook
from gradescent.course import Assignment, Course, CourseError
from gradescent.grading import gradebook, keys
from gradescent.grading.imports import warm_sets
from gradescent.grading.intake import Found, Submission
from gradescent.grading.plain import enter_plain_result, grade_plain_notebook
from gradescent.grading.plain_course import (
    Place,
    PlainCourse,
    enter_plain_assignment,
    kept_notebooks,
    settings_key,
    working_files,
    written_notebooks,
)
from gradescent.grading.pool import tell
from gradescent.grading.record import PartResult, StudentResult
from gradescent.grading.repair import repair
from gradescent.grading.sandbox import Sandbox
from gradescent.grading.supervisor import Run, broken_tests, grade_notebook, missing_results, untouched_answers
from gradescent.student.judging import Questions, Result

PartGraded = tuple[PartResult, NotebookNode | None]  # the notebook as it ran, None where none did


class Grader(Protocol):
    """How an assignment's notebooks are graded.

    Attributes:
        sources: the source notebooks, by part, as the other mappings.
        imports: the modules that a notebook will want.
        tests: digests of the hidden tests, by question.
        surroundings: what else every result depends on.
    """

    sources: dict[str, NotebookNode]
    imports: dict[str, frozenset[str]]
    tests: dict[str, dict[str, str]]
    surroundings: dict[str, object]

    def enter_assignment(self) -> None:
        """Enter what is not in the gradebook yet.

        Raises:
            CourseError: the gradebook cannot be used.
        """

    def files(self, submission: Submission, found: Mapping[str, Found]) -> dict[str, bytes]:
        """What lies in the working folder, by relative path; what is left out of it is noted."""

    def grade(
        self,
        student: str,
        part: str,
        found: Found,
        files: Mapping[str, bytes],
        stands: Mapping[str, Result],
        sandbox: Sandbox,
    ) -> PartGraded:
        """Run a notebook and judge it.

        Args:
            student: whose.
            part: its name.
            found: what was handed in.
            files: what lies in the working folder.
            stands: results of an earlier run that stand, by question.
            sandbox: where it runs.

        Raises:
            MachineFault, OSError: the machine failed.
        """

    def enter(self, result: StudentResult, submission: Path, changed: Collection[tuple[str, str]]) -> str:
        """Enter a result into the gradebook.

        Args:
            result: the record.
            submission: folder that was handed in.
            changed: (part, question) of answers that a person graded before they changed.

        Returns:
            What a person has to look at though it is there, empty when nothing.

        Raises:
            CourseError: the gradebook cannot be used.
        """


def grader_of(course: Course, assignment: Assignment, write: bool) -> Grader:
    """What grades an assignment.

    Args:
        course: of the assignment.
        assignment: what is graded.
        write: whether the gradebook may be written.

    Raises:
        CourseError: something that concerns the whole class is wrong.
    """
    if isinstance(course, PlainCourse):
        return PlainGrader(course, assignment, write)
    return HiddenGrader(course, assignment)


def _code(notebook: NotebookNode) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


class HiddenGrader:
    """Hidden tests, which judge from outside what the student's process answers."""

    def __init__(self, course: Course, assignment: Assignment):
        self._course, self._assignment = course, assignment
        if str(course.root) not in sys.path:
            sys.path.append(str(course.root))  # grader_tests lies in the course's folder
        files = course.texts(assignment.name)
        self.sources = {file.stem: source_notebook(Part(course, assignment.name, file)) for file in files}
        self._questions = {part: _hidden(assignment.name, part, source) for part, source in self.sources.items()}
        self._graded = {part: graded_notebook(source) for part, source in self.sources.items()}
        self.imports = warm_sets({part: _code(source) for part, source in self.sources.items()})
        self.tests = {
            part: {name: keys.tests_key(question) for name, question in questions.items()}
            for part, questions in self._questions.items()
        }
        self.surroundings: dict[str, object] = {}

    def enter_assignment(self) -> None:
        gradebook.enter_assignment(self._course, self._assignment.name, self.sources)

    def files(self, submission: Submission, found: Mapping[str, Found]) -> dict[str, bytes]:
        return {}

    def grade(
        self,
        student: str,
        part: str,
        found: Found,
        files: Mapping[str, bytes],
        stands: Mapping[str, Result],
        sandbox: Sandbox,
    ) -> PartGraded:
        source = self._graded[part]
        if found.notebook is None:
            message = found.problem or f"{part}.ipynb was not handed in"
            return PartResult(part, missing_results(source, message), found.notes, found.problem), None
        start = time.perf_counter()
        notebook, repairs = repair(source, found.notebook)
        run = Run(notebook, sandbox, self.imports[part], self._assignment.limits)
        results, seed = grade_notebook(
            run, self._questions[part], stands, lambda question: tell(student, f"{part}: {question}")
        )
        graded = PartResult(part, results, found.notes + repairs, found.problem or broken_tests(results), True)
        graded.untouched, graded.starts, graded.seed = untouched_answers(notebook), run.starts, seed
        graded.seconds, graded.cell_seconds = time.perf_counter() - start, run.cell_seconds
        return graded, notebook

    def enter(self, result: StudentResult, submission: Path, changed: Collection[tuple[str, str]]) -> str:
        with gradebook.opened(self._course) as book:
            gradebook.enter_result(book, result, changed)
        return ""


def _hidden(assignment: str, part: str, source: NotebookNode) -> Questions:
    """The hidden tests of a part; every tested question must have some."""
    from grader_tests import questions

    name = f"{assignment}/{part}"
    try:
        hidden = questions(name)
    except ModuleNotFoundError as error:
        raise CourseError(
            f"grader_tests/{name}.py: not found ({error}). Remedy: write the hidden tests of this part"
        ) from error
    tested = [cell.metadata.nbgrader for cell in source.cells if "nbgrader" in cell.metadata]
    for grader in tested:
        if grader.grade and not grader.solution and grader.grade_id not in hidden:
            raise CourseError(f"grader_tests/{name}.py: no hidden tests for the question {grader.grade_id!r}")
    return hidden


class PlainGrader:
    """An nbgrader course without course.toml: nbgrader's own steps, with tests that run in the student's process."""

    def __init__(self, course: PlainCourse, assignment: Assignment, write: bool):
        self._course, self._assignment = course, assignment
        if write:
            enter_plain_assignment(course, assignment.name)
        self.sources = kept_notebooks(course, assignment.name)
        written = written_notebooks(course, assignment.name, self.sources)
        self.imports = warm_sets({part: _code(notebook) for part, notebook in written.items()})
        self.tests: dict[str, dict[str, str]] = {part: {} for part in self.sources}
        self.surroundings: dict[str, object] = {"nbgrader_config": settings_key(course)}

    def enter_assignment(self) -> None:
        """It is there: the sources are what the gradebook keeps."""

    def files(self, submission: Submission, found: Mapping[str, Found]) -> dict[str, bytes]:
        files, notes = working_files(self._course, self._assignment.name, submission.folder, self._assignment.limits)
        next(iter(found.values())).notes += notes
        return files

    def grade(
        self,
        student: str,
        part: str,
        found: Found,
        files: Mapping[str, bytes],
        stands: Mapping[str, Result],
        sandbox: Sandbox,
    ) -> PartGraded:
        start, runs = time.perf_counter(), []

        def run(notebook: NotebookNode) -> None:
            limits = self._assignment.limits
            runs.append(Run(notebook, sandbox, self.imports[part], limits, tests=True, files=files))
            runs[-1].run_all()

        tell(student, part)
        place = Place(self._assignment.name, student, part)
        graded, notebook = grade_plain_notebook(self._course, place, self.sources[part], found, run)
        graded.starts, graded.cell_seconds = sum(one.starts for one in runs), sum(one.cell_seconds for one in runs)
        graded.seconds = time.perf_counter() - start
        return graded, notebook

    def enter(self, result: StudentResult, submission: Path, changed: Collection[tuple[str, str]]) -> str:
        return enter_plain_result(self._course, result, submission, changed)
