"""One submission on its way through the engine: from what was handed in to the record, and never past an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from gradescent.grading import intake, keys
from gradescent.grading.grader import PartGraded, Work
from gradescent.grading.job import Job
from gradescent.grading.judge import ungraded_results
from gradescent.grading.processes import MachineFault
from gradescent.grading.record import PartResult, StudentResult, file_problem, load, save, write_durably
from gradescent.student.judging import Result

ATTEMPTS = 3  # at one submission, where the machine fails


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


def grade_student(job: Job, submission: intake.Submission) -> Graded:
    """Grade one student, or take the result that stands when nothing has changed. Never raises.

    Args:
        job: of the class.
        submission: the student's.
    """
    student = submission.student
    if submission.problem:
        return not_graded(job, student, submission.problem)
    try:
        return _retried(partial(_graded, job, submission))
    except MachineFault as error:
        remedy = "Remedy: `gradescent grade` again; `gradescent doctor` tries the sandbox"
        return not_graded(job, student, f"{error}. {remedy}")
    except OSError as error:
        return not_graded(job, student, file_problem(error, job.folder(student)))
    except Exception as error:  # one submission must not end the class, whatever it is made of
        problem = f"{submission.folder}: the engine failed on it ({type(error).__name__}: {error}). Remedy: a person has to look"
        return not_graded(job, student, problem)


def not_graded(job: Job, student: str, problem: str) -> Graded:
    """No score and no record: what stands from an earlier run stays as it is.

    Args:
        job: of the class.
        student: whom the machine failed.
        problem: what a person has to know of it.
    """
    parts = [PartResult(part, ungraded_results(source, problem)) for part, source in job.grader.sources.items()]
    parts[0].problem = problem
    return Graded(StudentResult(student, job.assignment.name, parts), fault=True)


def _retried(attempt: Callable[[], Graded]) -> Graded:
    """A fault of the machine is no fault of the submission: try again."""
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except MachineFault:
            continue
    return attempt()


def _graded(job: Job, submission: intake.Submission) -> Graded:
    folder = job.folder(submission.student)
    found = intake.find_parts(submission, job.grader.sources, job.assignment.limits)
    beside = job.grader.beside(submission, found)
    earlier = load(folder)
    before = {part.part: part for part in earlier.parts} if earlier else {}
    results: list[PartResult] = []
    notebooks: dict[str, NotebookNode] = {}
    for name, source in job.grader.sources.items():
        key = keys.part_key(found[name], beside[name], source, job.assignment.limits, job.surroundings)
        kept = before.get(name)
        if kept and _stands(job, kept, key, folder):
            results.append(kept)
            continue
        stands = _standing_results(job, kept, key)
        graded, notebook = _run(job, Work(submission.student, name, found[name], beside[name], stands))
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


def _run(job: Job, work: Work) -> PartGraded:
    """Grade a notebook, in a place on a graphics processor of its own where the class has any."""
    grade = partial(job.grader.grade, work, job.sandbox)
    return grade({}) if work.found.notebook is None else job.slots.run(grade)


def _stands(job: Job, kept: PartResult, key: str, folder: Path) -> bool:
    """Whether the result of an earlier run is still what a new one would give, its notebook still there."""
    if job.options.force or kept.key != key or kept.tests != job.grader.tests[kept.part]:
        return False
    return not kept.ran or (folder / f"{kept.part}.ipynb").is_file()


def _standing_results(job: Job, kept: PartResult | None, key: str) -> dict[str, Result]:
    """The questions whose tests have not changed, where a notebook's state allows to judge the others alone.

    Where a cell or a test ended the process, later questions were judged in another state than they would be now.
    """
    if job.options.force or kept is None or kept.key != key or kept.starts != 1:
        return {}
    now = job.grader.tests[kept.part]
    return {
        result.question: result
        for result in kept.results
        if result.question in now and kept.tests.get(result.question) == now[result.question]
    }


def _changed_answers(earlier: StudentResult | None, now: StudentResult) -> list[list[str]]:
    """Answers that a person grades and that are others than in the earlier record, or than the gradebook knew already then."""
    if earlier is None:
        return []
    before = {(p.part, q.question): q.answer for p in earlier.parts for q in p.results}
    after = {(p.part, q.question): q.answer for p in now.parts for q in p.results}
    changed = [list(place) for place, answer in after.items() if answer and before.get(place, answer) != answer]
    return sorted([place for place in earlier.changed if place not in changed] + changed)


def _save(result: StudentResult, notebooks: Mapping[str, NotebookNode], folder: Path) -> None:
    """Write the notebooks and then the record, which alone makes them count."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, notebook in notebooks.items():
        write_durably(folder / f"{name}.ipynb", nbformat.writes(notebook, version=4) + "\n")
    save(result, folder)
    ran = {part.part for part in result.parts if part.ran}
    for stale in folder.glob("*.ipynb"):
        if stale.stem not in ran:
            stale.unlink()
