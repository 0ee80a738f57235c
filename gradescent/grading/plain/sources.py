"""An assignment's notebooks: entered as the instructor wrote them, and graded as the gradebook keeps them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook, MissingEntry, Notebook
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import SaveCells

from gradescent.course import CourseError
from gradescent.grading import gradebook
from gradescent.grading.plain.course import Place, PlainCourse
from gradescent.grading.plain.steps import in_folder, silent, steps

SCHEMA = 3  # of nbgrader's metadata


def enter_assignment(course: PlainCourse, assignment: str) -> None:
    """Enter an assignment's cells as `nbgrader generate_assignment` does, where the gradebook has none of them.

    What the gradebook has stands: it is what was handed out, whatever has become of the source since. release/ is left alone.

    Raises:
        CourseError: the gradebook cannot be used, or nbgrader refuses a source notebook.
    """
    with gradebook.opened(course) as book:
        if _notebooks(book, assignment):
            return
        name = course.directory.course_id or book.course_id
        book.check_course(name)
        book.update_or_create_assignment(assignment, course_id=name)
    for file in sorted((course.source / assignment).glob("*.ipynb")):
        try:
            with in_folder(course.root):
                _enter_notebook(course, assignment, file)
        except Exception as error:  # of a step, which may be the instructor's own
            raise CourseError(
                f"{file}: nbgrader refuses it ({type(error).__name__}: {error}). "
                f"Remedy: `nbgrader generate_assignment {assignment}` says where"
            ) from error


def _notebooks(book: Gradebook, assignment: str) -> list[Notebook]:
    try:
        return sorted(book.find_assignment(assignment).notebooks, key=lambda notebook: notebook.name)
    except MissingEntry:
        return []


def _enter_notebook(course: PlainCourse, assignment: str, file: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    resources = Place(assignment, ".", file.stem).resources(course)
    resources["metadata"] = {"name": file.stem, "path": str(file.parent)}
    generate = GenerateAssignment(coursedir=course.directory, config=course.config)
    for step in steps(course.config, generate.preprocessors, silent(logging.NullHandler())):
        notebook, resources = step(notebook, resources)
        if isinstance(step, SaveCells):
            return


def kept_notebooks(course: PlainCourse, assignment: str) -> dict[str, NotebookNode]:
    """What the gradebook keeps of an assignment's notebooks: the cells that count, with points, checksums and tests.

    Raises:
        CourseError: the gradebook cannot be used, or has nothing of the assignment, or the notebooks are not in Python.
    """
    with gradebook.opened(course) as book:
        kept = {notebook.name: _kept(notebook) for notebook in _notebooks(book, assignment)}
    if not kept:
        raise CourseError(
            f"{course.source / assignment}: no notebooks there, nor in the gradebook. Remedy: put the source notebooks there"
        )
    for name, notebook in kept.items():
        language = notebook.metadata.get("kernelspec", {}).get("language", "python")
        if language != "python":
            raise CourseError(
                f"{course.source / assignment / name}.ipynb: is in {language}, and only Python can be graded. "
                "Remedy: `nbgrader autograde`"
            )
    return kept


def _kept(notebook: Notebook) -> NotebookNode:
    graded = {cell.name: cell.max_score for cell in notebook.grade_cells}
    tasks = {cell.name: cell.max_score for cell in notebook.task_cells}
    solutions = {cell.name for cell in notebook.solution_cells}
    cells = []
    for number, source in enumerate(notebook.source_cells):
        grader = {
            "grade_id": source.name,
            "grade": source.name in graded,
            "solution": source.name in solutions,
            "task": source.name in tasks,
            "locked": source.locked,
            "points": (graded | tasks).get(source.name, 0.0),
            "checksum": source.checksum,
            "schema_version": SCHEMA,
        }
        new = new_code_cell if source.cell_type == "code" else new_markdown_cell
        cells.append(new(source.source, id=f"kept-{number}", metadata={"nbgrader": grader}))
    return new_notebook(cells=cells, metadata={"kernelspec": json.loads(notebook.kernelspec or "{}") or {}})


def written_notebooks(
    course: PlainCourse, assignment: str, kept: Mapping[str, NotebookNode]
) -> dict[str, NotebookNode]:
    """The notebooks as the instructor wrote them, with all their cells; what the gradebook keeps where that is all there is.

    Args:
        course: of the assignment.
        assignment: its name.
        kept: what the gradebook keeps of each notebook.
    """
    files = {name: course.source / assignment / f"{name}.ipynb" for name in kept}
    return {name: nbformat.read(file, 4) if file.is_file() else kept[name] for name, file in files.items()}
