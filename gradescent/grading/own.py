"""gradescent's own courses: hidden tests judge, outside the student's process, what it answers."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from nbformat import NotebookNode

from gradescent.authoring.release import graded_notebook
from gradescent.authoring.text import Part, source_notebook
from gradescent.course import Assignment, Course, CourseError
from gradescent.grading import gradebook, keys
from gradescent.grading.grader import PartGraded, Work
from gradescent.grading.imports import code_of, warm_sets
from gradescent.grading.intake import Beside, Found, Submission
from gradescent.grading.judge import broken_tests, grade_notebook, missing_results, untouched_answers
from gradescent.grading.pool import tell
from gradescent.grading.record import PartResult, StudentResult
from gradescent.grading.repair import repair
from gradescent.grading.run import Run
from gradescent.grading.sandbox import Sandbox
from gradescent.grading.weights import find_weights
from gradescent.student.judging import Questions


class OwnGrader:
    """Grades an assignment of a course with a course.toml; see `Grader`.

    Args:
        course: of the assignment.
        assignment: what is graded.

    Raises:
        CourseError: the source or the hidden tests are missing, or something is wrong with them.
    """

    def __init__(self, course: Course, assignment: Assignment):
        self._course, self._assignment = course, assignment
        if str(course.root) not in sys.path:
            sys.path.append(str(course.root))  # grader_tests lies in the course's folder
        files = course.texts(assignment.name)
        self.sources = {file.stem: source_notebook(Part(course, assignment.name, file)) for file in files}
        self._questions = {part: _hidden(assignment.name, part, source) for part, source in self.sources.items()}
        self._graded = {part: graded_notebook(source) for part, source in self.sources.items()}
        self.imports = warm_sets({part: code_of(source) for part, source in self.sources.items()})
        self.tests = {
            part: {name: keys.tests_key(question) for name, question in questions.items()}
            for part, questions in self._questions.items()
        }
        self.surroundings: dict[str, object] = {}

    def enter_assignment(self) -> None:
        gradebook.enter_assignment(self._course, self._assignment.name, self.sources)

    def beside(self, submission: Submission, found: Mapping[str, Found]) -> dict[str, Beside]:
        """The weights that were handed in for each part, where the assignment takes them."""
        if self._assignment.accuracy != "weights":
            return {part: Beside() for part in found}
        return {part: self._weights(submission.folder, part, each) for part, each in found.items()}

    def _weights(self, folder: Path, part: str, found: Found) -> Beside:
        weights = find_weights(folder, part, list(self.sources), self._assignment.limits)
        found.problem = found.problem or weights.problem
        found.notes += weights.notes
        return weights.beside

    def grade(self, work: Work, sandbox: Sandbox, variables: Mapping[str, str]) -> PartGraded:
        part, found = work.part, work.found
        if found.notebook is None:
            message = found.problem or f"{part}.ipynb was not handed in"
            return PartResult(part, missing_results(self._graded[part], message), found.notes, found.problem), None
        start = time.perf_counter()
        notebook, repairs = repair(self._graded[part], found.notebook)
        run = Run(notebook, sandbox, self.imports[part], self._assignment.limits, work.beside, variables)
        results, seed = grade_notebook(
            run, self._questions[part], work.stands, lambda question: tell(work.student, f"{part}: {question}")
        )
        graded = PartResult(part, results, found.notes + repairs, found.problem or broken_tests(results), True)
        graded.untouched, graded.starts, graded.seed = untouched_answers(notebook), run.starts, seed
        graded.seconds, graded.cell_seconds = time.perf_counter() - start, run.cell_seconds
        return graded, notebook

    def enter(
        self, book: gradebook.KeptOpen, result: StudentResult, submission: Path, changed: Collection[tuple[str, str]]
    ) -> str:
        book.enter(result, changed)
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
