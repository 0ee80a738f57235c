"""Courses in temporary folders, and notebooks of students."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from grader_tests.variants import Variant, fill
from gradescent.authoring.text import Part, source_notebook
from gradescent.course import Course, CourseError, load_course
from gradescent.grading import gradebook
from gradescent.grading.sandbox import Backend, Sandbox

ROOT = Path(__file__).resolve().parents[1]
ASSIGNMENT = "ps1_backprop"
NETWORK = "part2_network"

# `make test-all`: also what trains for minutes, of which `make test` runs a part.
ALL = os.environ.get("GRADESCENT_TESTS") == "all"
TRAINED = 3  # of the submissions that train, one in so many is graded by `make test`
long = pytest.mark.skipif(not ALL, reason="trains for minutes: `make test-all` runs it")


def sampled(submissions: list[list[Variant]], trains: Callable[[list[Variant]], bool]) -> list[list[Variant]]:
    """All that do not train, and of those that do a part, or with `make test-all` every one."""
    trained = [one for one in submissions if trains(one)]
    left = [] if ALL else [one for place, one in enumerate(trained) if place % TRAINED]
    return [one for one in submissions if one not in left]


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """The course with part 2 alone, which needs no training, in a folder of its own."""
    return make_course(tmp_path / "course", [NETWORK])


def make_course(folder: Path, parts: list[str], assignment: str = ASSIGNMENT) -> Course:
    """Copy the course's text, configuration and hidden tests into a folder."""
    texts = folder / "source" / assignment
    texts.mkdir(parents=True)
    for part in parts:
        shutil.copy(ROOT / "source" / assignment / f"{part}.py", texts)
    for name in ("course.toml", "nbgrader_config.py"):
        shutil.copy(ROOT / name, folder)
    return load_course(folder)


@pytest.fixture(scope="session")
def empty_gradebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new gradebook, made once: nbgrader starts a program for each new one."""
    course = make_course(tmp_path_factory.mktemp("gradebook") / "course", [NETWORK])
    with gradebook.opened(course):
        return course.gradebook


@pytest.fixture(scope="session")
def sandbox_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Backend], Sandbox]]:
    """The sandbox of a back end, opened once; a test that asks for one that this machine does not have is skipped."""
    opened: dict[Backend, Sandbox | str] = {}
    data = tmp_path_factory.mktemp("data")

    def of(backend: Backend) -> Sandbox:
        if backend not in opened:
            try:
                opened[backend] = Sandbox(data, only=backend)
            except CourseError as error:
                opened[backend] = str(error)
        found = opened[backend]
        return pytest.skip(found) if isinstance(found, str) else found

    yield of
    for sandbox in opened.values():
        if isinstance(sandbox, Sandbox):
            sandbox.close()


@pytest.fixture
def hand_in(course: Course) -> Callable[..., Path]:
    """Write a student's notebook into submitted/ and return its file."""

    def write(student: str, notebook: NotebookNode | str | bytes | None = None, name: str = f"{NETWORK}.ipynb") -> Path:
        folder = course.submitted / student / ASSIGNMENT
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / name
        if isinstance(notebook, str | bytes):
            file.write_bytes(notebook.encode() if isinstance(notebook, str) else notebook)
        else:
            nbformat.write(notebook or network_notebook(course), file)
        return file

    return write


def source_of(course: Course, part: str = NETWORK, assignment: str = ASSIGNMENT) -> NotebookNode:
    """The source notebook of a part."""
    return source_notebook(Part(course, assignment, course.source / assignment / f"{part}.py"))


def network_notebook(course: Course, variant: Variant | None = None) -> NotebookNode:
    """A student's notebook of part 2, right unless a variant says otherwise."""
    return fill(source_of(course), variant)


def set_option(course: Course, line: str) -> None:
    """Add a line about the assignment to course.toml."""
    file, table = course.root / "course.toml", f"[assignments.{ASSIGNMENT}]\n"
    file.write_text(file.read_text().replace(table, f"{table}{line}\n"))
