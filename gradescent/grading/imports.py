"""Which modules a notebook imports, of those that a warm process may import for it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gradescent.course import CourseError

if TYPE_CHECKING:
    from nbformat import NotebookNode

KERAS_BACKEND = "KERAS_BACKEND"  # names what Keras calculates with; empty for its own choice, TensorFlow
BACKENDS = ("tensorflow", "jax", "torch")
FRAMEWORKS = ("keras", "tensorflow", "torch", "jax")
# Others a notebook imports for itself.
WARMED = ("numpy", "scipy", "sklearn", "pandas", "matplotlib", "gradescent", *FRAMEWORKS)
STATEMENT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b|import[ \t]+(.+))", re.MULTILINE)


def imports_of(code: str) -> frozenset[str]:
    """Names of the modules in the import statements of a notebook's code, or of its text in percent format."""
    names: set[str] = set()
    for module, modules in STATEMENT.findall(code):
        names.update([module] if module else [part.split()[0] for part in modules.split(",") if part.split()])
    # What it has of gradescent beside the student's part, a student's process never sees.
    names = {name for name in names if not name.startswith("gradescent") or name.startswith("gradescent.student")}
    return frozenset(name for name in names if name.split(".")[0] in WARMED and re.fullmatch(r"[\w.]+", name))


def code_of(notebook: NotebookNode) -> str:
    """All code of a notebook."""
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def warm_sets(codes: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """What a warm process imports for each part: one process for all that are light, one more where a framework is used.

    Args:
        codes: the parts' code, by part.
    """
    wanted = {part: imports_of(code) for part, code in codes.items()}
    everything = frozenset[str]().union(*wanted.values())
    light = frozenset(name for name in everything if name.split(".")[0] not in FRAMEWORKS)
    return {part: light if imports <= light else everything for part, imports in wanted.items()}


def refuse_missing_backend(sets: Iterable[frozenset[str]]) -> None:
    """Demand that what KERAS_BACKEND names is there: without it every notebook with Keras would fail, to its author's cost.

    Raises:
        CourseError: it is not.
    """
    wanted = os.environ.get(KERAS_BACKEND, "")
    if not wanted or not any(name.split(".")[0] == "keras" for names in sets for name in names):
        return
    found = [name for name in BACKENDS if find_spec(name)]
    if wanted not in found:
        raise CourseError(
            f"{KERAS_BACKEND}={wanted}: no such back end of Keras is installed here. "
            f"Remedy: install it beside gradescent, or choose one of those that are: {', '.join(found) or 'none'}"
        )


def first_set(sets: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The set that is imported first, the lightest."""
    return min(sets.values(), key=lambda imports: (len(imports), sorted(imports)), default=frozenset())
