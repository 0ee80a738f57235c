"""`gradescent grade`: a class through the engine, from submitted/ to autograded/, gradebook.db and feedback/."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
from nbformat import NotebookNode

import gradescent
from gradescent.authoring.release import graded_notebook
from gradescent.authoring.text import Part, source_notebook
from gradescent.course import Assignment, Course, CourseError
from gradescent.grading import gradebook, intake, sandbox
from gradescent.grading.feedback import write_feedback
from gradescent.grading.record import FILE, PartResult, StudentResult, save, write_durably
from gradescent.grading.remote import MachineFault
from gradescent.grading.repair import repair
from gradescent.grading.supervisor import broken_tests, grade_notebook, missing_results, ungraded_results
from gradescent.student import datasets
from gradescent.student.judging import Questions

Report = Callable[[str, str], None]  # student, what is going on


@dataclass
class Graded:
    """One student's result.

    Attributes:
        result: the record.
        notebooks: what stands in autograded/, by part.
        fresh: whether they were run now, or taken as they were.
        changed: answers for a person that are others than last time, as (part, question).
        fault: the machine's, not the submission's: nothing of it may reach the gradebook.
    """

    result: StudentResult
    notebooks: dict[str, NotebookNode]
    fresh: bool = False
    changed: frozenset[tuple[str, str]] = frozenset()
    fault: bool = False


@dataclass
class Job:
    """What every submission of an assignment is graded with."""

    course: Course
    assignment: Assignment
    sources: dict[str, NotebookNode]
    questions: dict[str, Questions]
    data: Path
    environment: dict[str, object]


def grade_class(
    course: Course, assignment: Assignment, submitted: Path, workers: int, force: bool, report: Report
) -> Iterator[StudentResult]:
    """Grade every submission and yield the results as they come.

    Args:
        course, assignment: what is graded.
        submitted: folder laid out as <student>/<assignment>/*.ipynb.
        workers: submissions at a time.
        force: run again what has not changed too.
        report: told what is going on.

    Raises:
        CourseError: something that concerns the whole class is wrong.
    """
    found = intake.submissions(submitted, assignment.name)
    if str(course.root) not in sys.path:
        sys.path.append(str(course.root))  # grader_tests lies in the course's folder
    sources = {
        file.stem: source_notebook(Part(course, assignment.name, file)) for file in course.texts(assignment.name)
    }
    questions = {part: _hidden_questions(assignment.name, part, source) for part, source in sources.items()}
    unusable = _enter_assignment(course, assignment.name, sources)
    with training_data(assignment) as (data, described):
        job = Job(course, assignment, sources, questions, data, {**_environment(), "data": described})
        with ThreadPoolExecutor(max_workers=workers) as pool:
            pending: set[Future[Graded]] = {
                pool.submit(_grade_student, job, submission, force, report) for submission in found
            }
            try:
                while pending:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    for future in done:
                        graded = future.result()
                        if not unusable and not graded.fault:
                            _publish(course, graded, report)
                        report(graded.result.student, "done")
                        yield graded.result
            except BaseException:
                for future in pending:
                    future.cancel()
                raise
    if unusable:
        raise CourseError(unusable)


def _enter_assignment(course: Course, assignment: str, sources: dict[str, NotebookNode]) -> str:
    """Enter the assignment into the gradebook; where that fails the class is graded all the same, and told so at the end."""
    try:
        gradebook.enter_assignment(course, assignment, sources)
    except CourseError as error:
        return str(error)
    return ""


def _publish(course: Course, graded: Graded, report: Report) -> None:
    """Gradebook and feedback, one student at a time: several writers gain nothing."""
    result = graded.result
    try:
        with gradebook.opened(course) as book:
            gradebook.enter_result(book, result, graded.notebooks, graded.changed)
    except CourseError as error:
        result.parts[0].problem = result.parts[0].problem or str(error)
        return
    pages = course.feedback / result.student / result.assignment
    complete = all((pages / f"{part}.html").is_file() for part in graded.notebooks)
    if graded.notebooks and (graded.fresh or not complete):
        report(result.student, "feedback")
        try:
            write_feedback(course, result.assignment, result.student)
        except Exception as error:  # nbgrader wraps whatever went wrong; the grades are safe by now
            problem = f"{pages}: the feedback could not be written ({type(error).__name__}). Remedy: free the disk, grade again"
            result.parts[0].problem = result.parts[0].problem or problem


def _grade_student(job: Job, submission: intake.Submission, force: bool, report: Report) -> Graded:
    """Grade one student, or take the result that stands when nothing has changed. Never raises."""
    folder = job.course.autograded / submission.student / job.assignment.name
    report(submission.student, "reading")
    if submission.problem:
        return _not_graded(job, submission, submission.problem)
    try:
        parts = intake.find_parts(submission, job.sources, job.assignment.limits)
        key = _key(job, parts)
        kept = None if force else _kept(folder, key, list(job.sources))
        return kept or _grade_afresh(job, submission, parts, folder, key, report)
    except MachineFault as error:
        return _not_graded(
            job, submission, f"{error}. Remedy: `gradescent grade` again; the sandbox is named in its first line"
        )
    except OSError as error:
        where = error.filename or folder
        return _not_graded(
            job, submission, f"{where}: {error.strerror}. Remedy: free the disk or correct the permissions, grade again"
        )
    except Exception as error:  # one submission must not end the class, whatever it is made of
        problem = f"{submission.folder}: the engine failed on it ({type(error).__name__}: {error}). Remedy: a person has to look"
        return _not_graded(job, submission, problem)


def _not_graded(job: Job, submission: intake.Submission, problem: str) -> Graded:
    """No score and no record: what stands from an earlier run stays as it is."""
    parts = [PartResult(part, ungraded_results(source, problem)) for part, source in job.sources.items()]
    parts[0].problem = problem
    return Graded(StudentResult(submission.student, job.assignment.name, parts), {}, fault=True)


def _grade_afresh(
    job: Job, submission: intake.Submission, parts: dict[str, intake.Found], folder: Path, key: str, report: Report
) -> Graded:
    results, notebooks = [], {}
    for name, found in parts.items():
        graded = graded_notebook(job.sources[name])
        if found.notebook is None:
            message = found.problem or f"{name}.ipynb was not handed in"
            results.append(PartResult(name, missing_results(graded, message), found.notes, found.problem))
            continue
        start = time.perf_counter()
        notebook, repairs = repair(graded, found.notebook)
        say = _sayer(report, submission.student, name)
        limits = job.assignment.limits
        questions, seed = grade_notebook(notebook, job.questions[name], limits, job.data, progress=say)
        notebooks[name] = notebook
        seconds = time.perf_counter() - start
        problem = found.problem or broken_tests(questions)
        results.append(PartResult(name, questions, found.notes + repairs, problem, True, seconds, seed))
    result = StudentResult(submission.student, job.assignment.name, results, {**job.environment, "key": key})
    changed = _changed_answers(_earlier(folder), result)
    folder.mkdir(parents=True, exist_ok=True)
    for name, notebook in notebooks.items():
        write_durably(folder / f"{name}.ipynb", nbformat.writes(notebook, version=4) + "\n")
    save(result, folder)
    for stale in folder.glob("*.ipynb"):
        if stale.stem not in notebooks:
            stale.unlink()
    return Graded(result, notebooks, fresh=True, changed=changed)


def _changed_answers(earlier: StudentResult | None, now: StudentResult) -> frozenset[tuple[str, str]]:
    """Answers that a person grades and that are others than in the earlier record."""
    before = {(p.part, q.question): q.answer for p in (earlier.parts if earlier else []) for q in p.results}
    after = {(p.part, q.question): q.answer for p in now.parts for q in p.results}
    return frozenset(place for place, answer in after.items() if answer and before.get(place, answer) != answer)


def _sayer(report: Report, student: str, part: str) -> Callable[[str], None]:
    return lambda question: report(student, f"{part}: {question}")


def _earlier(folder: Path) -> StudentResult | None:
    """The record of an earlier run, None where there is none that can be read."""
    try:
        return StudentResult.from_dict(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _kept(folder: Path, key: str, parts: list[str]) -> Graded | None:
    """The result of an earlier run with the same key, its notebooks still there."""
    result = _earlier(folder)
    if not result or result.environment.get("key") != key or [part.part for part in result.parts] != parts:
        return None
    try:
        notebooks = {part.part: nbformat.read(folder / f"{part.part}.ipynb", 4) for part in result.parts if part.ran}
    except (OSError, ValueError):
        return None
    return Graded(result, notebooks)


def _key(job: Job, parts: dict[str, intake.Found]) -> str:
    """What a result depends on: the student's cells, the source, the tests, the data, the limits and the packages."""
    digest = hashlib.sha256()
    for name, found in parts.items():
        digest.update(json.dumps(found.notebook, sort_keys=True, default=str).encode("utf-8", "replace"))
        digest.update(repr((name, found.problem, found.notes)).encode("utf-8", "replace"))
        digest.update(nbformat.writes(job.sources[name], version=4).encode())
    digest.update(_code(job.course.root, job.assignment.name))
    digest.update(repr((job.assignment.limits, sorted(job.environment.items(), key=str))).encode())
    return digest.hexdigest()


@cache
def _code(root: Path, assignment: str) -> bytes:
    """The text of the hidden tests and of the package that runs them."""
    package = Path(gradescent.__file__).parent
    files = [*(root / "grader_tests" / assignment).glob("*.py"), *package.rglob("*.py")]
    return b"".join(file.read_bytes() for file in sorted(files))


def _hidden_questions(assignment: str, part: str, source: NotebookNode) -> Questions:
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


@contextmanager
def training_data(assignment: Assignment) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with the assignment's data as students' code may see it, and where the data came from."""
    described = {}
    with tempfile.TemporaryDirectory(prefix="gradescent-data-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for data in assignment.data:
            try:
                dataset = datasets.load(data)
            except datasets.DataError as error:
                raise CourseError(str(error)) from error
            datasets.save(datasets.training_view(dataset), folder / f"{data}.npz")
            digest = hashlib.sha256(dataset.x_train.tobytes() + dataset.x_test.tobytes()).hexdigest()[:16]
            described[data] = f"{'stand-in: ' if dataset.stand_in else ''}{dataset.source} ({digest})"
        yield folder, described


def _environment() -> dict[str, object]:
    return {
        "gradescent": gradescent.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
        "sandbox": "bubblewrap" if sandbox.bubblewrap() else "none",
    }
