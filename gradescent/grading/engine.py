"""`gradescent grade`: a class through the engine, from submitted/ to autograded/, gradebook.db and feedback/."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from gradescent.course import Assignment, Course, CourseError
from gradescent.grading import gradebook, intake, keys
from gradescent.grading.feedback import write_feedback
from gradescent.grading.graders import Grader, grader_of
from gradescent.grading.imports import first_set
from gradescent.grading.pool import Lost, Pool, tell
from gradescent.grading.processes import MachineFault
from gradescent.grading.record import FILE, PartResult, StudentResult, load, save, write_durably
from gradescent.grading.sandbox import Sandbox, graphics_processors, refuse_visible
from gradescent.grading.scratch import Scratch
from gradescent.grading.supervisor import ungraded_results
from gradescent.student import datasets
from gradescent.student.judging import Result

Report = Callable[[str, str], None]  # student, what is going on
DONE = "done"
LOCK = ".gradescent.lock"
ATTEMPTS = 3  # at one submission, where the machine fails


@dataclass(frozen=True)
class Options:
    """What the command line says about a run.

    Attributes:
        submitted: folder laid out as <student>/<assignment>/*.ipynb.
        workers: submissions at a time.
        students: those to grade, empty for all.
        force: run again what has not changed too.
        trust: run students' code without walls where this machine has none.
        diff: write nothing; tell what would change.
        feedback: write the students' pages, too.
    """

    submitted: Path
    workers: int = 1
    students: tuple[str, ...] = ()
    force: bool = False
    trust: bool = False
    diff: bool = False
    feedback: bool = True


@dataclass
class Graded:
    """One student's result.

    Attributes:
        result: the record.
        earlier: the record that stood before, None where there was none.
        fresh: whether any of it was run now.
        fault: the machine's, not the submission's: nothing of it may reach the gradebook.
    """

    result: StudentResult
    earlier: StudentResult | None = None
    fresh: bool = False
    fault: bool = False


@dataclass
class Job:
    """What every submission of an assignment is graded with.

    Attributes:
        course, assignment, options: what is graded.
        grader: grades them.
        sandbox: where students' code runs.
        surroundings: versions, data and sandbox, which stand in every record.
        submissions: all that were handed in and are to be graded.
    """

    course: Course
    assignment: Assignment
    options: Options
    grader: Grader
    sandbox: Sandbox
    surroundings: dict[str, object]
    submissions: list[intake.Submission]


_JOB: Job | None = None  # the supervisors' processes are forked, and find it here


@contextmanager
def opened_job(course: Course, assignment: Assignment, options: Options) -> Iterator[Job]:
    """Everything that a run needs: the submissions, the hidden tests, the data, and the sandbox.

    Raises:
        CourseError: something that concerns the whole class is wrong.
    """
    found = _chosen(intake.submissions(options.submitted, assignment.name), options)
    grader = grader_of(course, assignment, write=not options.diff)
    refuse_visible([course.root, options.submitted])
    devices = graphics_processors() if assignment.gpu else ()
    with (
        only_one(course),
        training_data(assignment) as (data, described),
        Sandbox(data, first_set(grader.imports), options.trust, devices=devices) as sandbox,
    ):
        where = {"sandbox": sandbox.backend.value, "data": described}
        surroundings = {**keys.environment(), **grader.surroundings, **where}
        yield Job(course, assignment, options, grader, sandbox, surroundings, found)


def _chosen(found: list[intake.Submission], options: Options) -> list[intake.Submission]:
    unknown = set(options.students) - {submission.student for submission in found}
    if unknown:
        listed = ", ".join(submission.student for submission in found[:20])
        raise CourseError(f"--student {sorted(unknown)[0]}: handed nothing in. Those who did: {listed}")
    return [submission for submission in found if not options.students or submission.student in options.students]


@contextmanager
def only_one(course: Course) -> Iterator[None]:
    """Keep a second `gradescent grade` from grading the same class at the same time.

    Raises:
        CourseError: one is running.
    """
    course.autograded.mkdir(exist_ok=True)
    lock = course.autograded / LOCK
    with lock.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CourseError(f"{lock}: `gradescent grade` is at work in this course. Remedy: wait for it") from None
        yield


@contextmanager
def training_data(assignment: Assignment) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with the assignment's data as students' code may see it, and where the data came from."""
    described = {}
    with Scratch() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for data in assignment.data:
            try:
                dataset = datasets.load(data)
            except datasets.DataError as error:
                raise CourseError(str(error)) from error
            try:
                datasets.save(datasets.training_view(dataset), folder / f"{data}.npz")
            except OSError as error:
                raise CourseError(_of_files(error, folder)) from error
            digest = hashlib.sha256(dataset.x_train.tobytes() + dataset.x_test.tobytes()).hexdigest()[:16]
            described[data] = f"{'stand-in: ' if dataset.stand_in else ''}{dataset.source} ({digest})"
        yield folder, described


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
    with Pool(job.options.workers, report) as pool:
        for student, graded in pool.run(_grade_student, {found.student: found for found in job.submissions}):
            if isinstance(graded, Lost):
                graded = _not_graded(job, student, f"{graded}. Remedy: grade again; if it stays, a person has to look")
            if not (unusable or graded.fault or job.options.diff):
                unusable = _enter(job, graded.result, pages)
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


def _grade_student(submission: intake.Submission) -> Graded:
    """Grade one student, or take the result that stands when nothing has changed. Never raises."""
    assert _JOB
    job, student = _JOB, submission.student
    folder = job.course.autograded / student / job.assignment.name
    if submission.problem:
        return _not_graded(job, student, submission.problem)
    try:
        return _retried(lambda: _graded(job, submission, folder))
    except MachineFault as error:
        remedy = "Remedy: `gradescent grade` again; `gradescent doctor` tries the sandbox"
        return _not_graded(job, student, f"{error}. {remedy}")
    except OSError as error:
        return _not_graded(job, student, _of_files(error, folder))
    except Exception as error:  # one submission must not end the class, whatever it is made of
        problem = f"{submission.folder}: the engine failed on it ({type(error).__name__}: {error}). Remedy: a person has to look"
        return _not_graded(job, student, problem)


def _of_files(error: OSError, folder: Path) -> str:
    return (
        f"{error.filename or folder}: {error.strerror}. Remedy: free the disk or correct the permissions, grade again"
    )


def _retried(attempt: Callable[[], Graded]) -> Graded:
    """A fault of the machine is no fault of the submission: try again."""
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except MachineFault:
            continue
    return attempt()


def _not_graded(job: Job, student: str, problem: str) -> Graded:
    """No score and no record: what stands from an earlier run stays as it is."""
    parts = [PartResult(part, ungraded_results(source, problem)) for part, source in job.grader.sources.items()]
    parts[0].problem = problem
    return Graded(StudentResult(student, job.assignment.name, parts), fault=True)


def _graded(job: Job, submission: intake.Submission, folder: Path) -> Graded:
    found = intake.find_parts(submission, job.grader.sources, job.assignment.limits)
    files = job.grader.files(submission, found)
    surroundings = {**job.surroundings, "files": keys.files_key(files)} if files else job.surroundings
    earlier = load(folder)
    before = {part.part: part for part in earlier.parts} if earlier else {}
    keys_now = {
        name: keys.part_key(found[name], source, job.assignment.limits, surroundings)
        for name, source in job.grader.sources.items()
    }
    results: list[PartResult] = []
    notebooks: dict[str, NotebookNode] = {}
    for name, key in keys_now.items():
        kept = before.get(name)
        if kept and _stands(job, kept, key, folder):
            results.append(kept)
            continue
        stands = {} if job.options.force or kept is None or kept.key != key else _standing_results(job, kept)
        graded, notebook = job.grader.grade(submission.student, name, found[name], files, stands, job.sandbox)
        graded.key, graded.tests = key, job.grader.tests[name]
        results.append(graded)
        if notebook is not None:
            notebooks[name] = notebook
    result = StudentResult(submission.student, job.assignment.name, results, job.surroundings)
    result.changed = _changed_answers(earlier, result)
    fresh = any(part is not before.get(part.part) for part in results)
    if fresh and not job.options.diff:
        _save(result, notebooks, folder)
    return Graded(result, earlier, fresh)


def _stands(job: Job, kept: PartResult, key: str, folder: Path) -> bool:
    """Whether the result of an earlier run is still what a new one would give, its notebook still there."""
    if job.options.force or kept.key != key or kept.tests != job.grader.tests[kept.part]:
        return False
    return not kept.ran or (folder / f"{kept.part}.ipynb").is_file()


def _standing_results(job: Job, kept: PartResult) -> dict[str, Result]:
    """The questions whose tests have not changed, where a notebook's state allows to judge the others alone.

    Where a cell or a test ended the process, later questions were judged in another state than they would be now.
    """
    if kept.starts != 1:
        return {}
    now = job.grader.tests[kept.part]
    return {
        result.question: result
        for result in kept.results
        if result.question in now and kept.tests.get(result.question) == now[result.question]
    }


def _save(result: StudentResult, notebooks: dict[str, NotebookNode], folder: Path) -> None:
    """Write the notebooks and then the record, which alone makes them count."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, notebook in notebooks.items():
        write_durably(folder / f"{name}.ipynb", nbformat.writes(notebook, version=4) + "\n")
    save(result, folder)
    ran = {part.part for part in result.parts if part.ran}
    for stale in folder.glob("*.ipynb"):
        if stale.stem not in ran:
            stale.unlink()


def _changed_answers(earlier: StudentResult | None, now: StudentResult) -> list[list[str]]:
    """Answers that a person grades and that are others than in the earlier record, or than the gradebook knew already then."""
    if earlier is None:
        return []
    before = {(p.part, q.question): q.answer for p in earlier.parts for q in p.results}
    after = {(p.part, q.question): q.answer for p in now.parts for q in p.results}
    changed = [list(place) for place, answer in after.items() if answer and before.get(place, answer) != answer]
    return sorted([place for place in earlier.changed if place not in changed] + changed)


def _enter(job: Job, result: StudentResult, pages: dict[str, StudentResult]) -> str:
    """Enter a result into the gradebook and note whose feedback pages are to be written.

    Returns:
        Why nobody else's result can be entered, empty when it can. What concerns this one stands in the result.
    """
    course = job.course
    folder = course.autograded / result.student / result.assignment
    changed = {(part, question) for part, question in result.changed}
    try:
        submission = job.options.submitted / result.student / result.assignment
        _add_problem(result, job.grader.enter(result, submission, changed))
        if result.changed:
            result.changed = []
            save(result, folder)
    except gradebook.Locked as error:  # each attempt waits for a minute, and the records stand
        _add_problem(result, str(error))
        return str(error)
    except CourseError as error:
        _add_problem(result, str(error))
    except OSError as error:
        _add_problem(result, _of_files(error, folder))
    else:
        if _lacks_page(course, result):
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
