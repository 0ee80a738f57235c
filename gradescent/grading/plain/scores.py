"""The scores of a submission in the gradebook, with the time at which it came and what it loses for being late."""

from __future__ import annotations

import logging
from collections.abc import Collection
from itertools import dropwhile
from pathlib import Path

import nbformat
from nbgrader.preprocessors import SaveAutoGrades

from gradescent.grading import gradebook
from gradescent.grading.plain.course import Place, PlainCourse
from gradescent.grading.plain.files import submitted_at
from gradescent.grading.plain.steps import in_folder, is_before_saving, silent
from gradescent.grading.record import StudentResult
from gradescent.grading.regular import IntakeError


def enter_result(
    course: PlainCourse, result: StudentResult, submission: Path, changed: Collection[tuple[str, str]] = ()
) -> str:
    """Write one student's scores, the time of the submission and penalties for being late into the gradebook.

    Args:
        course: of the assignment.
        result: the record.
        submission: folder that was handed in.
        changed: (part, question) of answers that a person graded before they changed.

    Returns:
        What a person has to look at though the scores are there, empty when nothing.

    Raises:
        CourseError: the gradebook cannot be used, or does not hold afterwards what the record says.
    """
    problems, known = [], {}
    try:
        time = submitted_at(submission)
        known = {"timestamp": time} if time else {}
    except IntakeError as error:
        problems.append(str(error))
    with gradebook.opened(course) as book:
        book.update_or_create_student(result.student)
        book.update_or_create_submission(result.assignment, result.student, **known)
        gradebook.enter_result(book, result, changed)
    problems += [_finish(course, result, part.part) for part in result.parts if part.ran]
    return "; ".join(filter(None, problems))


def _finish(course: PlainCourse, result: StudentResult, part: str) -> str:
    """Do nbgrader's steps from the one that saves the scores on, which is done; late penalties are among them.

    Returns:
        What went wrong, empty when nothing did.
    """
    file = course.autograded / result.student / result.assignment / f"{part}.ipynb"
    _, grading = course.autograde_steps(silent(logging.NullHandler()))
    left = [step for step in dropwhile(is_before_saving, grading) if type(step) is not SaveAutoGrades]
    resources = Place(result.assignment, result.student, part).resources(course)
    try:
        notebook = nbformat.read(file, as_version=4)
        with in_folder(course.root):
            for step in left:
                notebook, resources = step(notebook, resources)
    except Exception as error:  # of a step, a penalty of the instructor's own for instance
        return (
            f"{file}: a step of nbgrader's failed after the scores were saved ({type(error).__name__}: {error}). "
            "Remedy: correct it in nbgrader_config.py, grade again"
        )
    return ""
