"""Grading: seconds a submission of `gradescent grade` against stock `nbgrader autograde`, on the same notebooks."""

from __future__ import annotations

import compileall
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat

from benchmarks.readings import Reading, Report
from grader_tests.variants import fill, points
from gradescent.authoring.text import Part, source_notebook
from gradescent.course import load_course
from gradescent.grading import gradebook
from gradescent.student import datasets

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(sys.executable).parent
ASSIGNMENT = "ps1_backprop"
PARTS = ("part1_by_hand", "part2_network")
NBGRADER = "nbgrader autograde"


@dataclass(frozen=True)
class Class:
    """A course with one part, in a temporary folder, and a class that has handed in the reference solution of it.

    Attributes:
        folder: the course, never graded: what is measured runs in copies of it.
        part: name of the part.
        students: their names.
        worth: points that each must get without a person.
    """

    folder: Path
    part: str
    students: list[str]
    worth: float


def commands(cores: int) -> dict[str, list[str]]:
    """What is measured, by name. On a single core there is nothing to divide among workers."""
    workers = sorted({1, cores})
    grade = {_gradescent(n): ["gradescent", "grade", ASSIGNMENT, "--workers", str(n)] for n in workers}
    return {NBGRADER: ["nbgrader", "autograde", ASSIGNMENT], **grade}


def _gradescent(workers: int) -> str:
    return f"gradescent, {workers} worker{'s' if workers > 1 else ''}"


def measure(submissions: int, repetitions: int, report: Report, parts: tuple[str, ...] = PARTS) -> list[Reading]:
    """Grade a class afresh with every command in turn, once a repetition."""
    for package in ("gradescent", "grader_tests"):
        compileall.compile_dir(ROOT / package, quiet=1)
    readings: list[Reading] = []
    with tempfile.TemporaryDirectory(prefix="gradescent-bench-") as name:
        folder = Path(name)
        environment = _environment(folder / "data")
        for part in parts:
            readings += _measure_part(make_class(folder, part, submissions), repetitions, environment, report)
    return readings


def _measure_part(students: Class, repetitions: int, environment: dict[str, str], report: Report) -> list[Reading]:
    everybody = commands(os.cpu_count() or 1)
    readings = {name: Reading(students.part, name) for name in everybody}
    for _ in range(repetitions):
        for name, command in everybody.items():
            seconds, cpu_seconds = seconds_a_submission(students, command, environment)
            readings[name].seconds.append(seconds)
            readings[name].cpu_seconds.append(cpu_seconds)
            report(f"grading, {students.part}, {name}")
    return list(readings.values())


def make_class(folder: Path, part: str, submissions: int) -> Class:
    """Set up the course, its gradebook and the submissions. None of it is measured."""
    root = folder / part
    texts = root / "source" / ASSIGNMENT
    texts.mkdir(parents=True)
    shutil.copy(ROOT / "source" / ASSIGNMENT / f"{part}.py", texts)
    for name in ("course.toml", "nbgrader_config.py"):
        shutil.copy(ROOT / name, root)
    course = load_course(root)
    source = source_notebook(Part(course, ASSIGNMENT, texts / f"{part}.py"))
    students = [f"student_{number:03}" for number in range(1, submissions + 1)]
    for student in students:
        place = course.submitted / student / ASSIGNMENT
        place.mkdir(parents=True)
        nbformat.write(fill(source), place / f"{part}.ipynb")
    gradebook.enter_assignment(course, ASSIGNMENT, {part: source})
    return Class(root, part, students, sum(points(source).values()))


def seconds_a_submission(students: Class, command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run a command on a copy of the course, start-up included, and divide by the submissions.

    Returns:
        Wall clock, and CPU time of the command and all its processes.

    Raises:
        RuntimeError: the command failed, or somebody did not get full marks. There is nothing to compare then.
    """
    with tempfile.TemporaryDirectory(prefix="gradescent-bench-") as name:
        root = Path(name) / "course"
        shutil.copytree(students.folder, root)
        program = [str(PROGRAMS / command[0]), *command[1:]]
        start, used = time.perf_counter(), _cpu_of_children()
        done = subprocess.run(program, cwd=root, env=environment, capture_output=True, text=True)
        seconds, cpu_seconds = time.perf_counter() - start, _cpu_of_children() - used
        scores = _scores(root, students)
        if done.returncode or set(scores.values()) != {students.worth}:
            last = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            raise RuntimeError(
                f"{' '.join(command)} on {students.part} ended with {done.returncode}, scores {scores}:\n{last}"
            )
    return seconds / len(students.students), cpu_seconds / len(students.students)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _scores(root: Path, students: Class) -> dict[str, float]:
    with gradebook.opened(load_course(root)) as book:
        graded = {submission.student.id: submission.score for submission in book.assignment_submissions(ASSIGNMENT)}
    return {student: graded.get(student, 0.0) for student in students.students}


def _environment(data: Path) -> dict[str, str]:
    """The environment of the commands: the programs and hidden tests of this course, and the data at hand."""
    data.mkdir()
    for name in load_course(ROOT).assignment(ASSIGNMENT).data:
        datasets.save(datasets.load(name), data / f"{name}.npz")
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(PROGRAMS), os.environ.get("PATH", "")]),
        "PYTHONPATH": str(ROOT),
        "GRADESCENT_DATA": str(data),
    }
