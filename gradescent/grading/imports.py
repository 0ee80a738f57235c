"""Which modules a notebook imports, of those that a warm process may import for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

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


def first_set(sets: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The set that is imported first, the lightest."""
    return min(sets.values(), key=lambda imports: (len(imports), sorted(imports)), default=frozenset())
