"""A notebook's text made a notebook of the current format. Trusted code that reads hostile text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from gradescent.course import Limits
from gradescent.grading.regular import IntakeError, read_regular

MAX_CELLS = 1000
PICTURES = ("image/png", "image/jpeg")
BASE64 = re.compile(r"[A-Za-z0-9+/=\n]+")
CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def read_notebook(file: Path, limits: Limits) -> tuple[NotebookNode, list[str]]:
    """Read a notebook and bring it to format 4.5.

    Returns:
        The notebook, and notes about what had to be repaired.

    Raises:
        IntakeError: it is no notebook, or too large.
        OSError: the machine cannot read it.
    """
    return parsed(file, text_of(file, limits))


def text_of(file: Path, limits: Limits) -> str:
    """A notebook's text.

    Raises:
        IntakeError: it is no text, or too large.
        OSError: the machine cannot read it.
    """
    remedy = "clear all outputs in Jupyter and save, or raise notebook_mb in course.toml"
    raw = read_regular(file, int(limits.notebook_mb * (1 << 20)), remedy)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise IntakeError(
            f"{file}: not a notebook, it is no text in UTF-8. Remedy: ask the student for the .ipynb file itself"
        ) from error


def parsed(file: Path, text: str) -> tuple[NotebookNode, list[str]]:
    """A notebook of format 4.5 from its text, and notes about what had to be repaired.

    Args:
        file: where it was, for the messages.
        text: of it.

    Raises:
        IntakeError: it is no notebook.
    """
    if not text.strip():
        raise IntakeError(f"{file}: the file is empty. Remedy: ask the student to save and hand in again")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise IntakeError(
            f"{file}: not a notebook, its JSON breaks ({error}). Remedy: ask the student for the .ipynb file itself"
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("nbformat"), int):
        raise IntakeError(f"{file}: JSON, but not a notebook. Remedy: ask the student for the .ipynb file itself")
    notes = []
    try:
        if content["nbformat"] < 4:
            notes.append(f"converted from notebook format {content['nbformat']}")
        content.setdefault("metadata", {})
        notebook = nbformat.convert(nbformat.from_dict(content), 4)
    except Exception as error:  # nbformat raises whatever a malformed cell makes it raise
        raise IntakeError(
            f"{file}: a malformed notebook ({type(error).__name__}: {error}). Remedy: open it in Jupyter, save, hand in again"
        ) from error
    _clean_up(file, notebook)
    return notebook, notes


def _clean_up(file: Path, notebook: NotebookNode) -> None:
    """Demand cells, and give them what a well-formed notebook has. Saved outputs do not count and are dropped."""
    cells = notebook.get("cells")
    if not isinstance(cells, list) or len(cells) > MAX_CELLS:
        raise IntakeError(
            f"{file}: has no list of cells, or more than {MAX_CELLS}. Remedy: ask the student for the .ipynb file itself"
        )
    if not isinstance(notebook.get("metadata"), dict):
        notebook["metadata"] = NotebookNode()
    for number, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
            raise IntakeError(f"{file}: cell {number} is malformed. Remedy: open it in Jupyter, save, hand in again")
        source = cell.get("source", "")
        text = "".join(map(str, source)) if isinstance(source, list) else str(source)
        cell["source"] = text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written again
        if not isinstance(cell.get("metadata"), dict):
            cell["metadata"] = NotebookNode()
        if not isinstance(cell.get("id"), str) or not CELL_ID.fullmatch(cell["id"]):
            cell["id"] = f"cell-{number}"
        _keep_pictures(cell)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None


def _keep_pictures(cell: dict[str, Any]) -> None:
    """Of a cell's attachments keep the pictures: a derivation on paper is an answer, too."""
    attached = cell.pop("attachments", None)
    kept = {}
    for name, bundle in attached.items() if isinstance(attached, dict) else ():
        for mime in PICTURES:
            picture = bundle.get(mime) if isinstance(bundle, dict) else None
            if isinstance(name, str) and isinstance(picture, str) and BASE64.fullmatch(picture):
                kept[name] = NotebookNode({mime: picture})
    if kept and cell["cell_type"] == "markdown":
        cell["attachments"] = NotebookNode(kept)
