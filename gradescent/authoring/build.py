"""`gradescent build`: write the source and release notebooks of an assignment, and verify them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from gradescent.authoring.release import release_notebook
from gradescent.authoring.text import BEGIN_SOLUTION, END_SOLUTION, Part, source_notebook
from gradescent.course import Course, CourseError

MARKS = ("BEGIN SOLUTION", "END SOLUTION", "HIDDEN TESTS", "MARK SCHEME", "grader_tests")
LEAK_LENGTH = 15  # shorter lines (`return a`) stand in stubs and tasks by chance


def build(course: Course, assignment: str, check_only: bool = False) -> list[Path]:
    """Build every part of an assignment.

    Args:
        course: the course.
        assignment: its name.
        check_only: write nothing, only compare.

    Returns:
        The files that were stale (and are now written, unless `check_only`).

    Raises:
        CourseError: a source is wrong, a stub does not parse, a solution leaks, a button points nowhere.
    """
    course.assignment(assignment)
    stale = []
    parts = [Part(course, assignment, file) for file in course.texts(assignment)]
    for part in parts:
        source = source_notebook(part)
        release = release_notebook(source)
        verify(part, source, release)
        released = course.root / part.release_path
        built = (
            [(released, release)] if check_only else [(part.file.with_suffix(".ipynb"), source), (released, release)]
        )
        stale += [file for file, notebook in built if _differs(file, text_of(notebook))]
        if not check_only:
            for file, notebook in built:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text_of(notebook), encoding="utf-8")
    known = {part.name for part in parts}
    for leftover in sorted((course.release / assignment).glob("*")):
        if leftover.suffix == ".ipynb" and leftover.stem in known:
            continue
        raise CourseError(f"{leftover}: has no text source. Remedy: delete it")
    return stale


def text_of(notebook: NotebookNode) -> str:
    """A notebook as the text that stock nbgrader writes too."""
    return nbformat.writes(notebook, version=4) + "\n"


def verify(part: Part, source: NotebookNode, release: NotebookNode) -> None:
    """Raise CourseError where the student's copy is not fit to be handed out."""
    for cell in release.cells:
        if cell.cell_type == "code":
            _parses(part, cell)
        for mark in MARKS:
            if mark in cell.source:
                raise CourseError(f"{part.file}: {mark!r} is left in the student's copy, cell {cell.id!r}")
    _no_leak(part, source, release)
    for target in re.findall(r"/blob/[^/]+/([^)\s]+)", release.cells[0].source):
        if target != part.release_path:
            raise CourseError(f"{part.file}: a button points to {target}, which is not {part.release_path}")


def _parses(part: Part, cell: NotebookNode) -> None:
    try:
        ast.parse(TransformerManager().transform_cell(cell.source))
    except SyntaxError as error:
        raise CourseError(f"{part.file}: the stub of cell {cell.id!r} does not parse: {error}") from error


def _no_leak(part: Part, source: NotebookNode, release: NotebookNode) -> None:
    inside: set[str] = set()
    outside: set[str] = set()
    for cell in source.cells:
        in_solution = False
        for line in cell.source.splitlines():
            if BEGIN_SOLUTION in line or END_SOLUTION in line:
                in_solution = BEGIN_SOLUTION in line
                continue
            (inside if in_solution else outside).add(line.strip())
    secret = {line for line in inside - outside if len(line) >= LEAK_LENGTH}
    for cell in release.cells:
        for line in secret:
            if line in cell.source:
                raise CourseError(
                    f"{part.file}: the solution line {line!r} leaks into the student's copy, cell {cell.id!r}"
                )


def _differs(file: Path, text: str) -> bool:
    return not file.is_file() or file.read_text(encoding="utf-8") != text
