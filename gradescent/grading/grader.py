"""What the engine asks of a course for one assignment: each class of course has its own, own.py and plain/."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nbformat import NotebookNode

from gradescent.grading.gradebook import KeptOpen
from gradescent.grading.intake import Beside, Found, Submission
from gradescent.grading.record import PartResult, StudentResult
from gradescent.grading.sandbox import Sandbox
from gradescent.student.judging import Result

PartGraded = tuple[PartResult, NotebookNode | None]  # the notebook as it ran, None where none did


@dataclass(frozen=True)
class Work:
    """One notebook of one student that is to be graded.

    Attributes:
        student: whose.
        part: its name.
        found: what was handed in.
        beside: what lies in its working folder.
        stands: results of an earlier run that stand, by question.
    """

    student: str
    part: str
    found: Found
    beside: Beside
    stands: Mapping[str, Result]


class Grader(Protocol):
    """How the notebooks of one assignment are graded; a submission meets its methods in this order.

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
        """Enter into the gradebook what it does not have of the assignment yet.

        Raises:
            CourseError: the gradebook cannot be used.
        """

    def beside(self, submission: Submission, found: Mapping[str, Found]) -> dict[str, Beside]:
        """What lies beside each notebook in its working folder; notes and problems about it go to what was found.

        Args:
            submission: whose.
            found: the notebooks, by part.

        Raises:
            CourseError: the assignment's own files are too large.
            OSError: the machine cannot read what is there.
        """

    def grade(self, work: Work, sandbox: Sandbox, variables: Mapping[str, str]) -> PartGraded:
        """Run a notebook and judge it.

        Args:
            work: what is graded.
            sandbox: where it runs.
            variables: more of the environment of the student's process.

        Raises:
            MachineFault, OSError: the machine failed.
        """

    def enter(
        self, book: KeptOpen, result: StudentResult, submission: Path, changed: Collection[tuple[str, str]]
    ) -> str:
        """Enter a result into the gradebook.

        Args:
            book: the gradebook while a class is graded.
            result: the record.
            submission: folder that was handed in.
            changed: (part, question) of answers that a person graded before they changed.

        Returns:
            What a person has to look at though the result is there, empty when nothing.

        Raises:
            CourseError: the gradebook cannot be used, or does not hold afterwards what the record says.
        """
