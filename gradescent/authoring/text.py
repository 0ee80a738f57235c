"""Percent text with short markers to a source notebook with nbgrader's metadata.

Markers, on the line that opens a cell:

    # %% solution="back_prop"                     code for the student to write, between ### BEGIN / END SOLUTION
    # %% tests="back_prop" points=8 [extra=5]     visible checks; the call of the hidden tests is added here
    # %% plot="sizes_plot" points=3               code whose picture a person grades
    # %% [markdown] question="sizes_plot"         its task and rubric, ### BEGIN / END MARK SCHEME
    # %% [markdown] written="why_sizes" points=5  task, rubric, and the model answer as the solution

`seconds=300`, `wall_seconds=600`, `memory_mb=4096`, `processes=400`, `file_mb=500` or `output_mb=4` on any code cell is its
limit instead of course.toml's; on a tests cell it is the limit of each call of the hidden tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from gradescent.course import Course, CourseError, wrong_limit

MARKERS = ("solution", "tests", "plot", "question", "written")
OWN_LIMITS = ("seconds", "wall_seconds", "memory_mb", "processes", "file_mb", "output_mb")
BEGIN_SOLUTION, END_SOLUTION = "### BEGIN SOLUTION", "### END SOLUTION"
NAME = re.compile(r"[A-Za-z0-9_-]{1,50}")
SCHEMA_VERSION = 3  # of nbgrader's cell metadata


@dataclass(frozen=True)
class Part:
    """One notebook of an assignment: where its text lies and what it is called."""

    course: Course
    assignment: str
    file: Path

    @property
    def name(self) -> str:
        return self.file.stem

    @property
    def release_path(self) -> str:
        """Path of the student's notebook inside the published repository."""
        return f"release/{self.assignment}/{self.name}.ipynb"


def source_notebook(part: Part) -> NotebookNode:
    """Build the source notebook of a part, solutions and the call of the hidden tests included.

    Raises:
        CourseError: a marker is wrong. The message names the file and the cell.
    """
    text = part.file.read_text(encoding="utf-8")
    read = jupytext.reads(text, fmt="py:percent")
    cells: list[NotebookNode] = []
    for number, cell in enumerate(read.cells, start=1):
        cells += _expand(part, number, cell)
    _unique(part, cells)
    notebook = new_notebook(cells=[_header(part, cells), _setup(part), *cells[1:]])
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
        gradescent={"assignment": part.assignment, "part": part.name},
    )
    notebook.nbformat_minor = 5
    nbformat.validate(notebook)
    return notebook


def _expand(part: Part, number: int, cell: NotebookNode) -> list[NotebookNode]:
    """The notebook cells of one cell of text: most are one to one, a written answer is a task and an answer."""
    marker = _marker(part, number, cell)
    metadata = cell.metadata
    extra = _own_limits(part, number, metadata)
    source = cell.source
    if marker is None and cell.cell_type == "markdown":
        return [_cell("markdown", source, f"text_{number:02}")]
    if marker is None:
        return [_cell("code", source, f"given_{number:02}", nbgrader(f"given_{number:02}", locked=True), extra)]
    name = metadata[marker]
    if marker == "solution":
        return [_cell("code", source, f"solution_{name}", nbgrader(f"solution_{name}", solution=True), extra)]
    if marker == "question":
        return [_cell("markdown", source, f"question_{name}", nbgrader(f"question_{name}", locked=True))]
    points = _points(part, number, metadata)
    if marker == "plot":
        return [_cell("code", source, name, nbgrader(name, solution=True, points=points), extra)]
    if marker == "written":
        task, answer = _split_written(part, number, source)
        return [
            _cell("markdown", task, f"question_{name}", nbgrader(f"question_{name}", locked=True)),
            _cell("markdown", answer, name, nbgrader(name, solution=True, points=points)),
        ]
    if "extra" in metadata:
        extra["extra_credit"] = metadata["extra"]
    hidden = _hidden_call(part, name, points, extra)
    return [_cell("code", source + hidden, name, nbgrader(name, locked=True, points=points), extra)]


def _own_limits(part: Part, number: int, metadata: dict[str, Any]) -> dict[str, Any]:
    found = {name: metadata[name] for name in OWN_LIMITS if name in metadata}
    for name, value in found.items():
        problem = wrong_limit(name, value)
        if problem:
            raise _error(part, number, f"{name} {problem}")
    return found


def _marker(part: Part, number: int, cell: NotebookNode) -> str | None:
    found = [marker for marker in MARKERS if marker in cell.metadata]
    if not found:
        return None
    if len(found) > 1:
        raise _error(part, number, f"has two markers, {' and '.join(found)}; a cell can have one")
    marker = found[0]
    name = cell.metadata[marker]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise _error(part, number, f"{marker}={name!r} is no name; use letters, digits, - and _")
    wanted = "markdown" if marker in ("question", "written") else "code"
    if cell.cell_type != wanted:
        raise _error(part, number, f"{marker}={name!r} belongs on a {wanted} cell")
    return marker


def _points(part: Part, number: int, metadata: dict[str, Any]) -> float:
    points = metadata.get("points")
    if isinstance(points, bool) or not isinstance(points, int | float) or points < 0:
        raise _error(part, number, f"needs points=..., a number, got {points!r}")
    return points


def _split_written(part: Part, number: int, source: str) -> tuple[str, str]:
    """Task with rubric, and the region with the model answer."""
    if BEGIN_SOLUTION not in source or END_SOLUTION not in source:
        raise _error(
            part, number, f"a written question needs a model answer between {BEGIN_SOLUTION} and {END_SOLUTION}"
        )
    task, rest = source.split(BEGIN_SOLUTION, 1)
    answer, tail = rest.split(END_SOLUTION, 1)
    return (task.rstrip() + "\n" + tail.lstrip()).strip(), f"{BEGIN_SOLUTION}{answer}{END_SOLUTION}"


def _hidden_call(part: Part, name: str, points: float, extra: dict[str, Any]) -> str:
    keyword = "".join(f", {key}={extra[key]}" for key in ("extra_credit", "seconds") if key in extra)
    return (
        "\n### BEGIN HIDDEN TESTS\n"
        "from grader_tests.in_kernel import grade\n"
        f'grade("{part.assignment}/{part.name}", "{name}", globals(), points={points:g}{keyword})\n'
        "### END HIDDEN TESTS"
    )


def nbgrader(
    grade_id: str, *, solution: bool = False, locked: bool = False, points: float | None = None
) -> dict[str, Any]:
    """nbgrader's metadata of a cell; with points it is a graded one."""
    metadata: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "grade_id": grade_id,
        "grade": points is not None,
        "solution": solution,
        "locked": locked,
        "task": False,
    }
    if points is not None:
        metadata["points"] = points
    return metadata


def _cell(kind: str, source: str, cell_id: str, grader: dict | None = None, own: dict | None = None) -> NotebookNode:
    make = new_code_cell if kind == "code" else new_markdown_cell
    cell = make(source=source, id=cell_id.lower())
    if grader:
        cell.metadata["nbgrader"] = NotebookNode(grader)
    if own:
        cell.metadata["gradescent"] = NotebookNode(own)
    return cell


def _unique(part: Part, cells: list[NotebookNode]) -> None:
    seen: set[str] = set()
    for cell in cells:
        if cell.id in seen:
            raise CourseError(
                f"{part.file}: the name {cell.id!r} stands twice. Remedy: give each marker a name of its own"
            )
        seen.add(cell.id)


def _header(part: Part, cells: list[NotebookNode]) -> NotebookNode:
    """The first cell: the author's title and introduction, with buttons under the title and the points at the end."""
    if not cells or cells[0].cell_type != "markdown" or not cells[0].source.startswith("# "):
        raise CourseError(f"{part.file}: the first cell must be markdown and begin with '# ' and the title")
    title, _, introduction = cells[0].source.partition("\n")
    source = "\n\n".join([title, _buttons(part), introduction.strip(), _points_table(cells)])
    return _cell("markdown", source, "header", nbgrader("header", locked=True))


def _buttons(part: Part) -> str:
    address = f"github.com/{part.course.repository}/blob/{part.course.branch}/{part.release_path}"
    colab = f"https://colab.research.google.com/{address.replace('github.com', 'github', 1)}"
    kaggle = f"https://kaggle.com/kernels/welcome?src=https://{address}"
    return (
        f"[![Open this notebook in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab}) "
        f"[![Open this notebook in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)]({kaggle})"
    )


def _points_table(cells: list[NotebookNode]) -> str:
    rows = ["| question | points | graded by |", "|---|---|---|"]
    total = 0.0
    for cell in cells:
        grader = cell.metadata.get("nbgrader", {})
        if not grader.get("grade"):
            continue
        by = "a person" if grader["solution"] else "tests"
        extra = cell.metadata.get("gradescent", {}).get("extra_credit")
        points = f"{extra:g} extra" if extra else f"{grader['points']:g}"
        rows.append(f"| {grader['grade_id']} | {points} | {by} |")
        total += grader["points"]
    return "\n".join([*rows, f"| **together** | **{total:g}** | |"])


def _setup(part: Part) -> NotebookNode:
    """Installed: nothing happens. On Colab and Kaggle: the student package is installed. Elsewhere: how to."""
    archive = f"https://github.com/{part.course.repository}/archive/refs/heads/{part.course.branch}.zip"
    source = dedent(f"""\
        # Set-up: run this cell first. It installs the course's small package where it is missing.
        import importlib.util
        import os

        PACKAGE = "gradescent @ {archive}"
        if importlib.util.find_spec("gradescent") is None:
            if not {{"COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"}} & os.environ.keys():
                raise ModuleNotFoundError(f'gradescent is not installed. In a terminal: pip install "{{PACKAGE}}"')
            print("Installing the course package. On Kaggle this needs Settings > Turn on internet.")
            %pip install --quiet "$PACKAGE"
            importlib.invalidate_caches()
            if importlib.util.find_spec("gradescent") is None:
                raise ModuleNotFoundError("The installation failed: switch the internet on "
                                          "(Kaggle: Settings > Turn on internet), then run this cell again.")""")
    return _cell("code", source, "setup", nbgrader("setup", locked=True))


def _error(part: Part, number: int, problem: str) -> CourseError:
    return CourseError(f"{part.file}: cell {number} {problem}")
