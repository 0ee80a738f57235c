"""`gradescent grade`: a class through the engine, from submitted/ to autograded/, gradebook.db and feedback/."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from gradescent.course import Course, CourseError
from gradescent.grading import gradebook, intake
from gradescent.grading.feedback import write_feedback
from gradescent.grading.grader import Grader
from gradescent.grading.job import Job
from gradescent.grading.pool import Lost, Pool, tell
from gradescent.grading.record import FILE, StudentResult, file_problem, save
from gradescent.grading.submission import Graded, grade_student, not_graded

Report = Callable[[str, str], None]  # student, what is going on
DONE = "done"

_JOB: Job | None = None  # the supervisors' processes are forked, and find it here


def grade_class(job: Job, report: Report) -> Iterator[Graded]:
    """Grade every submission and yield the results as they come; feedback pages are written when all are there.

    Args:
        job: of a class.
        report: told what is going on.

    Raises:
        CourseError: the gradebook cannot be used at all; the class is graded all the same.
    """
    global _JOB
    _JOB = job
    unusable = "" if job.options.diff else _enter_assignment(job.grader)
    for imports in set(job.grader.imports.values()):
        report("", f"importing {', '.join(sorted(imports)) or 'what notebooks need'}")
        job.sandbox.prepare(imports)
    pages: dict[str, StudentResult] = {}
    with gradebook.KeptOpen(job.course) as book, Pool(job.options.workers, report) as pool:
        for student, graded in pool.run(_grade, {found.student: found for found in job.submissions}):
            if isinstance(graded, Lost):
                graded = not_graded(job, student, f"{graded}. Remedy: grade again; if it stays, a person has to look")
            if not (unusable or graded.fault or job.options.diff):
                unusable = _enter(job, book, graded.result, pages)
            report(student, DONE)
            yield graded
        for student, problem in pool.run(_feedback, pages if job.options.feedback else {}):
            report(student, DONE)
            _add_problem(pages[student], str(problem))
    if unusable:
        raise CourseError(unusable)


def _enter_assignment(grader: Grader) -> str:
    """Enter the assignment into the gradebook; where that fails the class is graded all the same, and told so at the end."""
    try:
        grader.enter_assignment()
    except CourseError as error:
        return str(error)
    return ""


def _grade(submission: intake.Submission) -> Graded:
    """What a supervisor does: grade one student."""
    assert _JOB
    return grade_student(_JOB, submission)


def _enter(job: Job, book: gradebook.KeptOpen, result: StudentResult, pages: dict[str, StudentResult]) -> str:
    """Enter a result into the gradebook and note whose feedback pages are to be written.

    Returns:
        Why nobody else's result can be entered, empty when it can. What concerns this one stands in the result.
    """
    folder = job.folder(result.student)
    submission = job.options.submitted / result.student / result.assignment
    changed = {(part, question) for part, question in result.changed}
    try:
        _add_problem(result, job.grader.enter(book, result, submission, changed))
        if result.changed:
            result.changed = []
            save(result, folder)
    except gradebook.Locked as error:  # each attempt waits for a minute, and the records stand
        _add_problem(result, str(error))
        return str(error)
    except CourseError as error:
        _add_problem(result, str(error))
    except OSError as error:
        _add_problem(result, file_problem(error, folder))
    else:
        if _lacks_page(job.course, result):
            pages[result.student] = result
    return ""


def _lacks_page(course: Course, result: StudentResult) -> bool:
    """Whether a feedback page is not there, or older than the record that it shows."""
    place = Path(result.student, result.assignment)
    pages = [course.feedback / place / f"{part.part}.html" for part in result.parts if part.ran]
    try:
        written = (course.autograded / place / FILE).stat().st_mtime_ns
        return any(page.stat().st_mtime_ns < written for page in pages)
    except OSError:
        return True


def _add_problem(result: StudentResult, problem: str) -> None:
    result.parts[0].problem = result.parts[0].problem or problem


def _feedback(result: StudentResult) -> str:
    """Write a student's pages, and return what went wrong, empty when nothing did."""
    assert _JOB
    tell(result.student, "feedback")
    try:
        write_feedback(_JOB.course, result.assignment, result.student)
    except Exception as error:  # nbgrader wraps whatever went wrong; the grades are safe by now
        pages = _JOB.course.feedback / result.student / result.assignment
        reason = str(error)[:200] or type(error).__name__
        return f"{pages}: the feedback could not be written ({reason}). Remedy: free the disk, grade again"
    return ""
