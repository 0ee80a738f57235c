"""`gradescent check NOTEBOOK`: run a notebook from the top, then every visible check of its part."""

from __future__ import annotations

import ast
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
        True when every check is right and every answer and plot for a person is there. Extra credit is optional.

    Raises:
        CourseError: the file is no notebook of a known part.
    """
    notebook = _read(file)
    questions = visible.questions(part_of(file, notebook))
    print(f"Running {file.name} ...", flush=True)
    namespace = _run_cells(notebook["cells"])
    wrong = 0
    for question in questions.values():
        result = run(question, namespace) if _defined(question, namespace) else _missing(question)
        optional = question.name in questions.optional and result.outcome in (Outcome.NOT_ATTEMPTED, Outcome.MISSING)
        print(f"○ {question.name}: extra credit, not attempted." if optional else line(result))
        wrong += result.outcome != Outcome.RIGHT and not optional
    absent = [name for name in questions.by_person if not _is_there(name, notebook["cells"])]
    for name in absent:
        print(f"○ {name}: the answer or plot that a person grades is missing.")
    print(
        f"{len(questions) - wrong} of {len(questions)} checks are right or optional, {len(absent)} answers are missing."
    )
    return not wrong and not absent


def _is_there(name: str, cells: list[dict[str, Any]]) -> bool:
    """Whether an answer that a person grades has been given; a cell that lost its name gets the benefit of the doubt."""
    own = [cell for cell in cells if name in (_label(cell), cell.get("id"))]
    if not own:
        nameless = not any(_grader(cell) for cell in cells)
        return nameless and not any(_is_stub(cell) for cell in cells)
    return not all(_is_stub(cell) for cell in own)


def _is_stub(cell: dict[str, Any]) -> bool:
    text = _source(cell).strip()
    return text in ("", STUB_TEXT) or "raise NotImplementedError(" in text


def part_of(file: Path, notebook: dict[str, Any]) -> str:
    """The part that a notebook belongs to, by its metadata, else by its name."""
    metadata = notebook.get("metadata")
    own = metadata.get("gradescent") if isinstance(metadata, dict) else None
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
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise CourseError(f"{file}: not a notebook of the current format. Remedy: open it in Jupyter and save it")
    return notebook


def _run_cells(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Run the code cells, their printing left out, and return the namespace. Errors are shown, and the next cell runs."""
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
    """The code as plain Python takes it: where it does not parse as it is, IPython's % and ! lines become `pass`."""
    try:
        ast.parse(code)
    except (SyntaxError, ValueError):
        return re.sub(r"^(\s*)[%!].*$", r"\1pass", code, flags=re.MULTILINE)
    return code


def _defined(question: Question, namespace: dict[str, Any]) -> bool:
    return all(name in namespace for name in question.needs)


def _missing(question: Question) -> Result:
    names = ", ".join(question.needs)
    return Result(question.name, 0.0, 0.0, Outcome.MISSING, f"{names} is not defined after running all cells.")


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(source) if isinstance(source, list) else str(source)


def _label(cell: dict[str, Any]) -> str:
    return str(_grader(cell).get("grade_id") or cell.get("id") or "without a name")


def _grader(cell: dict[str, Any]) -> dict[str, Any]:
    metadata = cell.get("metadata")
    grader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return grader if isinstance(grader, dict) else {}
