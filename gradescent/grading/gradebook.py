"""nbgrader's gradebook, written from the record alone and read back to compare."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import Grade, Gradebook, MissingEntry
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SAWarning
from tornado.log import app_log

from gradescent.authoring.release import graded_notebook, save_cells
from gradescent.course import Course, CourseError
from gradescent.grading.record import PartResult, StudentResult
from gradescent.student.judging import Result

LOCK_SECONDS = 60  # another program may hold the database that long


def url(course: Course) -> str:
    """Address of the gradebook, for nbgrader."""
    wait_for_locks()
    return course.db_url


def wait_for_locks() -> None:
    """Let stock nbgrader wait as long: it gives up after 5 seconds and deletes what it just graded.

    Its own setting, the address of the gradebook, will not do: `nbgrader db upgrade` takes all of it for a file's name.
    """
    if not event.contains(Engine, "connect", _be_patient):
        event.listen(Engine, "connect", _be_patient)


def _be_patient(connection: Any, record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute(f"PRAGMA busy_timeout = {LOCK_SECONDS * 1000}")


class Locked(CourseError):
    """Another program holds the gradebook for longer than anybody waits."""


@contextmanager
def opened(course: Course) -> Iterator[Gradebook]:
    """The gradebook, made when there is none.

    Raises:
        Locked: another program holds it.
        CourseError: it cannot be opened, is no gradebook, or cannot be written.
    """
    with _explained(course), Gradebook(url(course)) as gradebook:
        yield gradebook


class KeptOpen:
    """The gradebook while a class is graded: to open it takes longer than to enter a result.

    It is opened again after an error, and where another file has taken its place.
    """

    def __init__(self, course: Course):
        self._course = course
        self._gradebook: Gradebook | None = None
        self._file: tuple[int, int] | None = None

    def enter(self, result: StudentResult, changed: Collection[tuple[str, str]]) -> None:
        """Write one student's scores, as `enter_result` does.

        Raises:
            Locked: another program holds the gradebook.
            CourseError: it cannot be used, or does not hold afterwards what the record says.
        """
        try:
            with _explained(self._course):
                gradebook = self._current()
                enter_result(gradebook, result, changed)
                gradebook.db.rollback()  # what was read to compare is not held on to
        except CourseError:
            self.close()
            raise

    def _current(self) -> Gradebook:
        if self._gradebook is None or self._file != self._identity():
            self.close()
            self._gradebook = Gradebook(url(self._course))
            self._file = self._identity()
        return self._gradebook

    def _identity(self) -> tuple[int, int] | None:
        """What tells the file from another one of its name."""
        try:
            found = self._course.gradebook.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def close(self) -> None:
        if self._gradebook is not None:
            self._gradebook.close()
            self._gradebook = None

    def __enter__(self) -> KeptOpen:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


@contextmanager
def _explained(course: Course) -> Iterator[None]:
    """Whatever goes wrong with the gradebook, as an error that says what to do."""
    # nbgrader starts the program `alembic`, which lies beside the interpreter and need not be on the PATH.
    beside = str(Path(sys.executable).parent)
    if beside not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = beside + os.pathsep + os.environ.get("PATH", "")
    try:
        with warnings.catch_warnings(), _without_tracebacks():
            # nbgrader builds its objects in an order that SQLAlchemy remarks on; nothing of it concerns us.
            warnings.simplefilter("ignore", SAWarning)
            yield
    except CourseError:
        raise
    except Exception as error:  # sqlalchemy, sqlite and nbgrader each have errors of their own
        reason = " ".join(str(getattr(error, "orig", error)).split())[:200]
        kind = Locked if "database is locked" in reason else CourseError
        raise kind(
            f"{course.gradebook}: cannot be used ({reason}). Nothing is lost: the results stand in autograded/*/*/result.json. "
            f"Remedy: free the disk or move the damaged file away, then grade again; what was graded is not run a second time"
        ) from error


@contextmanager
def _without_tracebacks() -> Iterator[None]:
    """nbgrader logs the traceback of an error of the database, and raises it as well."""
    level = app_log.level
    app_log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        app_log.setLevel(level)


def enter_assignment(course: Course, assignment: str, sources: dict[str, NotebookNode]) -> None:
    """Enter an assignment's notebooks, cells and points, where the gradebook does not have them as they are now.

    Raises:
        CourseError: questions were added or removed after submissions were graded.
    """
    with opened(course) as gradebook:
        gradebook.update_or_create_assignment(assignment)
        stale = [part for part, source in sources.items() if not _has_cells(gradebook, assignment, part, source)]
        for part in stale:
            try:
                save_cells(sources[part], assignment, part, url(course))
            except RuntimeError as error:
                raise CourseError(
                    f"{course.gradebook}: {error}. Remedy: move the gradebook away and grade again; results are kept in autograded/"
                ) from error


def _has_cells(gradebook: Gradebook, assignment: str, part: str, source: NotebookNode) -> bool:
    try:
        kept = {cell.name: cell.checksum for cell in gradebook.find_notebook(part, assignment).source_cells}
    except MissingEntry:
        return False
    graded = graded_notebook(source)
    return kept == {
        cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.checksum
        for cell in graded.cells
        if "nbgrader" in cell.metadata
    }


def enter_result(gradebook: Gradebook, result: StudentResult, changed: Collection[tuple[str, str]] = ()) -> None:
    """Write one student's scores. A person's grades and comments are left alone.

    Args:
        gradebook: open.
        result: the record.
        changed: (part, question) of answers that a person graded before they changed.

    Raises:
        CourseError: the gradebook does not hold afterwards what the record says.
    """
    gradebook.update_or_create_student(result.student)
    gradebook.update_or_create_submission(result.assignment, result.student)
    for part in result.parts:
        for question in part.results:
            place = (part.part, result.assignment, result.student)
            grade = gradebook.find_grade(question.question, *place)
            if _is_extra_credit(part, question):
                grade.extra_credit = 0.0
            _enter_question(grade, question, (part.part, question.question) in changed)
        _enter_comments(gradebook, part, (part.part, result.assignment, result.student))
    gradebook.db.commit()
    _compare(gradebook, result)


def _is_extra_credit(part: PartResult, question: Result) -> bool:
    """Whether the tests give extra credit for it; anywhere else, and in a plain nbgrader course, only a person does."""
    return not question.max_score and not part.forgeable


def _enter_question(grade: Grade, question: Result, answer_changed: bool) -> None:
    score = question.score
    if score is not None and score > question.max_score:
        score, grade.extra_credit = question.max_score, score - question.max_score
    changed = answer_changed or grade.auto_score != score
    grade.auto_score = score
    # As nbgrader has it: what no test graded, or what a person graded before it changed, is for a person to look at.
    if grade.manual_score is None:
        grade.needs_manual_grade = score is None
    elif changed:
        grade.needs_manual_grade = True


def _enter_comments(gradebook: Gradebook, part: PartResult, place: tuple[str, str, str]) -> None:
    """As nbgrader does: an answer that was left as it was gets a comment."""
    for comment in gradebook.find_submission_notebook(*place).comments if part.ran else []:
        comment.auto_comment = "No response." if comment.name in part.untouched else None


def _compare(gradebook: Gradebook, result: StudentResult) -> None:
    for part in result.parts:
        for question in part.results:
            grade = gradebook.find_grade(question.question, part.part, result.assignment, result.student)
            extra = (grade.extra_credit or 0.0) if _is_extra_credit(part, question) else 0.0
            entered = None if grade.auto_score is None else grade.auto_score + extra
            if entered != question.score:
                raise CourseError(
                    f"gradebook: {result.student}, {part.part}, {question.question} stands at {entered}, the record says {question.score}. "
                    f"Remedy: grade again; if it stays, report it"
                )
