"""`gradescent check NOTEBOOK`: run a notebook from the top, then every visible check of its part."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

from gradescent.course import CourseError
from gradescent.student import visible
from gradescent.student.check import line, run
from gradescent.student.invoke import describe
from gradescent.student.judging import Outcome, Question, Result

STUB_TEXT = "YOUR ANSWER HERE"


def check_notebook(file: Path) -> bool:
    """Run a notebook and print the outcome of every visible check of its part.

    Args:
        file: the notebook.

    Returns:
        True when every check is right and every written answer has been given.

    Raises:
        CourseError: the file is no notebook of a known part.
    """
    notebook = _read(file)
    part = part_of(file, notebook)
    print(f"Running {file.name} ...", flush=True)
    namespace = _run_cells(notebook["cells"])
    results = [
        run(question, namespace) if _defined(question, namespace) else _missing(question)
        for question in visible.questions(part).values()
    ]
    for result in results:
        print(line(result))
    unwritten = [
        _label(cell)
        for cell in notebook["cells"]
        if cell.get("cell_type") == "markdown" and _source(cell).strip() == STUB_TEXT
    ]
    for name in unwritten:
        print(f"○ {name}: the written answer is missing.")
    wrong = sum(result.outcome != Outcome.RIGHT for result in results)
    print(f"{len(results) - wrong} of {len(results)} checks are right, {len(unwritten)} written answers are missing.")
    return not wrong and not unwritten


def part_of(file: Path, notebook: dict[str, Any]) -> str:
    """The part that a notebook belongs to, by its metadata, else by its name."""
    own = notebook.get("metadata", {}).get("gradescent", {})
    stated = f"{own.get('assignment')}/{own.get('part')}" if isinstance(own, dict) else ""
    if stated in visible.PARTS:
        return stated
    for part in visible.PARTS:
        if part.split("/")[1] in file.stem:
            return part
    known = ", ".join(part.split("/")[1] for part in visible.PARTS)
    raise CourseError(f"{file}: cannot tell which part it is. Remedy: give it the name of one of {known}")


def _read(file: Path) -> dict[str, Any]:
    try:
        notebook = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CourseError(f"{file}: cannot be read ({error.strerror}). Remedy: check the path") from error
    except ValueError as error:
        raise CourseError(
            f"{file}: not a notebook ({error}). Remedy: save it in Jupyter, Colab or Kaggle as .ipynb"
        ) from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise CourseError(f"{file}: not a notebook of the current format. Remedy: open it in Jupyter and save it")
    return notebook


def _run_cells(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Run the code cells, leaving out checks and pictures, and return the namespace. Errors are shown, and the next cell runs."""
    import matplotlib

    matplotlib.use("Agg")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells, start=1):
        if cell.get("cell_type") != "code":
            continue
        code = without_magics(_source(cell))
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(code, f"<cell {number}>", "exec"), namespace)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            failure = describe(error)
            if failure.type != "NotImplementedError":
                where = f" at {failure.where}" if failure.where else ""
                print(f"⚠ cell {number} ({_label(cell)}): {failure.type}: {failure.message}{where}", file=sys.stdout)
    return namespace


def without_magics(code: str) -> str:
    """The code without IPython's % and ! lines, as plain Python would take it; a block that loses its only line gets `pass`."""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", code, flags=re.MULTILINE)


def _defined(question: Question, namespace: dict[str, Any]) -> bool:
    return all(name in namespace for name in question.needs)


def _missing(question: Question) -> Result:
    names = ", ".join(question.needs)
    return Result(question.name, 0.0, 0.0, Outcome.MISSING, f"{names} is not defined after running all cells.")


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(source) if isinstance(source, list) else str(source)


def _label(cell: dict[str, Any]) -> str:
    grader = cell.get("metadata", {}).get("nbgrader", {})
    return str(grader.get("grade_id") or cell.get("id") or "without a name")
