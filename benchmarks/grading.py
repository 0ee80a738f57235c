"""Grading: seconds a submission of `gradescent grade` against stock `nbgrader autograde`, on the same notebooks."""

from __future__ import annotations

import compileall
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median

import nbformat

from benchmarks.readings import Reading, Report
from grader_tests.variants import Variant, fill, points
from gradescent.authoring.text import Part, source_notebook
from gradescent.course import load_course
from gradescent.grading import gradebook
from gradescent.grading.record import FILE
from gradescent.student import datasets

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(sys.executable).parent
KERAS_COURSE = Path(__file__).parent / "keras_course"
NBGRADER = "nbgrader autograde"


@dataclass(frozen=True)
class Subject:
    """A notebook that is graded: a part of the course, or the small Keras notebook of these benchmarks.

    Attributes:
        assignment, part: where it stands.
        beyond: points of extra credit that the reference does not reach.
    """

    assignment: str
    part: str
    beyond: float = 0.0


SUBJECTS = (Subject("ps1_backprop", "part2_network"), Subject("keras_small", "part1_fit"))
CNN = Subject("ps4_cnn", "part1_builder", beyond=2.0)  # at 99.4 %
LSTM = Subject("ps6_lstm", "part1_builder")
TRAINED = {CNN: 12, LSTM: 4}  # classes whose networks the tests train, and their sizes


@dataclass(frozen=True)
class Class:
    """A course with one part, in a temporary folder, and a class that has handed in the reference solution of it.

    Attributes:
        folder: the course, never graded: what is measured runs in copies of it.
        subject: the part.
        students: their names.
        worth: points that each must get without a person.
    """

    folder: Path
    subject: Subject
    students: list[str]
    worth: float


def commands(assignment: str, cores: int) -> dict[str, list[str]]:
    """What is measured, by name. On a single core there is nothing to divide among workers."""
    ours = ["gradescent", "grade", assignment, "--workers"]
    found = {NBGRADER: ["nbgrader", "autograde", assignment]}
    for workers in sorted({1, cores}):
        found[_gradescent(workers)] = [*ours, str(workers), "--no-feedback"]
    return {**found, f"{_gradescent(cores)}, with feedback": [*ours, str(cores)]}


def _gradescent(workers: int) -> str:
    return f"gradescent, {workers} worker{'s' if workers > 1 else ''}"


def measure(
    submissions: int, repetitions: int, report: Report, subjects: tuple[Subject, ...] = SUBJECTS
) -> tuple[list[Reading], dict[str, Share]]:
    """Grade a class afresh with every command in turn, once a repetition.

    Returns:
        The readings, and by subject how our runs on all cores compare with the students' own cells.
    """
    for package in ("gradescent", "grader_tests"):
        compileall.compile_dir(ROOT / package, quiet=1)
    readings: list[Reading] = []
    shares: dict[str, Share] = {}
    with tempfile.TemporaryDirectory(prefix="gradescent-bench-") as name:
        folder = Path(name)
        environment = environment_in(folder / "data", subjects)
        for subject in subjects:
            students = make_class(folder, subject, submissions)
            found, taken = _measure_class(students, repetitions, environment, report)
            readings += found
            shares[subject.part] = Share.of(taken, os.cpu_count() or 1)
    return readings, shares


def measure_trained(classes: dict[Subject, int], report: Report) -> list[Reading]:
    """Grade classes whose networks the tests train, once: with stock nbgrader, and with a worker for each core."""
    readings: list[Reading] = []
    with tempfile.TemporaryDirectory(prefix="gradescent-bench-") as name:
        folder = Path(name)
        environment = environment_in(folder / "data", tuple(classes))
        for subject, submissions in classes.items():
            students = make_class(folder, subject, submissions)
            for command in trained_commands():
                taken = run_once(students, commands(subject.assignment, os.cpu_count() or 1)[command], environment)
                group = f"{submissions} of {subject.assignment}"
                readings.append(Reading(group, command, [taken.seconds], [taken.cpu_seconds]))
                report(f"grading, {group}, {command}")
    return readings


def trained_commands() -> tuple[str, str]:
    """Whom `measure_trained` compares: stock nbgrader first."""
    return NBGRADER, _gradescent(os.cpu_count() or 1)


@dataclass(frozen=True)
class Share:
    """How many times as long grading takes as the students' own cells, divided by the cores.

    Attributes:
        whole: the whole run, with everything that is started once for a class.
        each: the submissions alone.
    """

    whole: float
    each: float

    @classmethod
    def of(cls, taken: list[Taken], cores: int) -> Share:
        whole = median(cores * one.seconds / one.own_seconds for one in taken)
        return cls(whole, median(one.graded_seconds / one.own_seconds for one in taken))


def _measure_class(
    students: Class, repetitions: int, environment: dict[str, str], report: Report
) -> tuple[list[Reading], list[Taken]]:
    cores = os.cpu_count() or 1
    everybody = commands(students.subject.assignment, cores)
    readings = {name: Reading(students.subject.part, name) for name in everybody}
    ours = []
    for _ in range(repetitions):
        for name, command in everybody.items():
            taken = run_once(students, command, environment)
            readings[name].seconds.append(taken.seconds)
            readings[name].cpu_seconds.append(taken.cpu_seconds)
            if name == _gradescent(cores):
                ours.append(taken)
            report(f"grading, {students.subject.part}, {name}")
    return list(readings.values()), ours


def make_class(folder: Path, subject: Subject, submissions: int, variants: Sequence[Variant | None] = (None,)) -> Class:
    """Set up the course, its gradebook and the submissions, of the reference or of variants in turn. None of it is measured."""
    root = folder / f"{subject.part}-{submissions}"
    texts = root / "source" / subject.assignment
    texts.mkdir(parents=True)
    ours = subject.assignment == "keras_small"
    shutil.copy((KERAS_COURSE if ours else ROOT / "source" / subject.assignment) / f"{subject.part}.py", texts)
    shutil.copy(KERAS_COURSE / "course.toml" if ours else ROOT / "course.toml", root)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    if ours:
        shutil.copytree(KERAS_COURSE / "grader_tests", root / "grader_tests")
        shutil.copy(ROOT / "grader_tests" / "__init__.py", root / "grader_tests")
        shutil.copy(ROOT / "grader_tests" / "in_kernel.py", root / "grader_tests")
    course = load_course(root)
    source = source_notebook(Part(course, subject.assignment, texts / f"{subject.part}.py"))
    students = [f"student_{number:04}" for number in range(1, submissions + 1)]
    for student, variant in zip(students, cycle(variants), strict=False):
        place = course.submitted / student / subject.assignment
        place.mkdir(parents=True)
        nbformat.write(fill(source, variant), place / f"{subject.part}.ipynb")
    gradebook.enter_assignment(course, subject.assignment, {subject.part: source})
    return Class(root, subject, students, sum(points(source).values()) - subject.beyond)


@dataclass(frozen=True)
class Taken:
    """What one run of a command took, a submission.

    Attributes:
        seconds: wall clock, start-up included.
        cpu_seconds: of the command and all its processes.
        own_seconds: wall clock of the student's own cells.
        graded_seconds: wall clock of grading one, what is started once for a class left out; both 0 for stock nbgrader.
    """

    seconds: float
    cpu_seconds: float
    own_seconds: float
    graded_seconds: float


def run_once(students: Class, command: list[str], environment: dict[str, str]) -> Taken:
    """Run a command on a copy of the course.

    Raises:
        RuntimeError: the command failed, or somebody did not get full marks. There is nothing to compare then.
    """
    with tempfile.TemporaryDirectory(prefix="gradescent-bench-") as name:
        root = Path(name) / "course"
        shutil.copytree(students.folder, root)
        start, used = time.perf_counter(), _cpu_of_children()
        done = run_in(root, command, environment)
        seconds, cpu_seconds = time.perf_counter() - start, _cpu_of_children() - used
        scores = _scores(root, students)
        if done.returncode or set(scores.values()) != {students.worth}:
            last = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            raise RuntimeError(
                f"{' '.join(command)} on {students.subject.part} ended with {done.returncode}, scores {scores}:\n{last}"
            )
        count = len(students.students)
        own, graded = _seconds_of_parts(root)
        return Taken(seconds / count, cpu_seconds / count, own / count, graded / count)


def run_in(
    root: Path, command: list[str], environment: dict[str, str], stderr: int | None = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """Run one of this environment's programs in a course's folder; its output is kept, its errors too unless stderr is None."""
    program = [str(PROGRAMS / command[0]), *command[1:]]
    paths = os.pathsep.join([str(root), str(ROOT)])
    variables = {**environment, "PYTHONPATH": paths}
    return subprocess.run(program, cwd=root, env=variables, stdout=subprocess.PIPE, stderr=stderr, text=True)


def _seconds_of_parts(root: Path) -> tuple[float, float]:
    records = [json.loads(file.read_text()) for file in root.glob(f"autograded/*/*/{FILE}")]
    parts = [part for record in records for part in record["parts"]]
    return sum(part["cell_seconds"] for part in parts), sum(part["seconds"] for part in parts)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _scores(root: Path, students: Class) -> dict[str, float]:
    with gradebook.opened(load_course(root)) as book:
        graded = {
            submission.student.id: submission.score
            for submission in book.assignment_submissions(students.subject.assignment)
        }
    return {student: graded.get(student, 0.0) for student in students.students}


def environment_in(data: Path, subjects: tuple[Subject, ...] = SUBJECTS) -> dict[str, str]:
    """The environment of the commands: the programs and hidden tests of this course, and the data at hand."""
    data.mkdir()
    course = load_course(ROOT)
    ours = [course.assignments[one.assignment] for one in subjects if one.assignment in course.assignments]
    for name in {name for assignment in ours for name in assignment.data}:
        datasets.save(datasets.load(name), data / f"{name}.npz")
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(PROGRAMS), os.environ.get("PATH", "")]),
        "GRADESCENT_DATA": str(data),
    }
