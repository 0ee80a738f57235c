"""What every submission of a class is graded with, opened before the first of them."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from gradescent.course import Assignment, Course, CourseError
from gradescent.grading import devices, intake, keys
from gradescent.grading.data import training_data
from gradescent.grading.grader import Grader
from gradescent.grading.imports import first_set, refuse_missing_backend
from gradescent.grading.sandbox import Sandbox, refuse_visible

LOCK = ".gradescent.lock"


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
        device: "auto", "cpu" or "gpu": where students' code calculates.
    """

    submitted: Path
    workers: int = 1
    students: tuple[str, ...] = ()
    force: bool = False
    trust: bool = False
    diff: bool = False
    feedback: bool = True
    device: str = "auto"


@dataclass
class Job:
    """What every submission of an assignment is graded with.

    Attributes:
        course, assignment, options: what is graded.
        grader: grades its notebooks.
        sandbox: where students' code runs.
        slots: its places on graphics processors.
        surroundings: versions, data and sandbox, which stand in every record.
        submissions: all that were handed in and are to be graded.
    """

    course: Course
    assignment: Assignment
    options: Options
    grader: Grader
    sandbox: Sandbox
    slots: devices.Slots
    surroundings: dict[str, object]
    submissions: list[intake.Submission]

    def folder(self, student: str) -> Path:
        """Where a student's record and graded notebooks lie."""
        return self.course.autograded / student / self.assignment.name


@contextmanager
def opened_job(course: Course, assignment: Assignment, options: Options) -> Iterator[Job]:
    """Everything that a run needs: the submissions, the hidden tests, the data, and the sandbox.

    Raises:
        CourseError: something that concerns the whole class is wrong.
    """
    found = _chosen(intake.submissions(options.submitted, assignment.name), options)
    grader = course.grader(assignment, write=not options.diff)
    refuse_missing_backend(grader.imports.values())
    refuse_visible([course.root, options.submitted])
    processors = devices.chosen(options.device, assignment.gpu, assignment.limits, devices.FOLDER)
    files = devices.device_files(devices.FOLDER) if processors else ()
    with (
        nullcontext() if options.diff else only_one(course),
        training_data(assignment) as (data, described),
        Sandbox(data, first_set(grader.imports), options.trust, devices=files) as sandbox,
        devices.Slots(processors, assignment.limits.gpu_memory_mb) as slots,
    ):
        where = {"sandbox": sandbox.backend.value, "data": described, "device": slots.names()}
        surroundings = {**keys.environment(), **grader.surroundings, **where}
        yield Job(course, assignment, options, grader, sandbox, slots, surroundings, found)


def again(job: Job) -> Job:
    """The same class once more: everything is run, with other seeds, and nothing of it is written."""
    return replace(job, options=replace(job.options, force=True, diff=True))


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
