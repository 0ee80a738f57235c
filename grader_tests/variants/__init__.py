"""Known solutions, right and wrong, with the points that each must get: the tests of the hidden tests.

One module a part, at `grader_tests/variants/<assignment>/<part>.py`, holds a list VARIANTS.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import import_module

from nbformat import NotebookNode

from gradescent.authoring.release import release_notebook
from gradescent.authoring.text import BEGIN_SOLUTION, END_SOLUTION, Part, source_notebook
from gradescent.course import Course


@dataclass(frozen=True)
class Variant:
    """One known solution of a part.

    Attributes:
        name: what is special about it, in snake case.
        edits: for each solution cell, (old, new) replacements in the reference's solution. Each old text must be there.
        cells: for each solution cell, the student's whole cell in place of the reference's.
        scores: points of the questions that do not get full marks.
        says: for each question, a word that the message must contain.
        leave: solution cells that stay stubs.
        ignore: questions whose points are not looked at, because what they rest on is left.
    """

    name: str
    edits: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    cells: dict[str, str] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    says: dict[str, str] = field(default_factory=dict)
    leave: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        return not self.scores

    @property
    def touched(self) -> set[str]:
        """Solution cells that differ from the reference's."""
        return {*self.edits, *self.cells}

    def judged(self, names: Iterable[str]) -> set[str]:
        """The questions, of these, whose points are looked at."""
        return set(names) - {*self.leave, *self.ignore}


def together(variants: Sequence[Variant], names: Iterable[str]) -> list[list[Variant]]:
    """Groups of variants for one submission each: every one leaves what the others are about, so that none is disturbed.

    Args:
        variants: of one part.
        names: of the part's questions.
    """
    groups: list[list[Variant]] = []
    names = list(names)
    for variant in variants:
        fitting = (group for group in groups if all(_apart(variant, other, names) for other in group))
        group = next(fitting, None)
        if group is None:
            groups.append(group := [])
        group.append(variant)
    return groups


def _apart(one: Variant, other: Variant, names: list[str]) -> bool:
    left = one.touched <= set(other.leave) and other.touched <= set(one.leave)
    return left and not one.judged(names) & other.judged(names)


def merged(group: Sequence[Variant]) -> Variant:
    """One submission's cells of variants that fit together."""
    return Variant(
        "+".join(variant.name for variant in group),
        edits={name: edits for variant in group for name, edits in variant.edits.items()},
        cells={name: code for variant in group for name, code in variant.cells.items()},
        leave=tuple(sorted(set.intersection(*(set(variant.leave) for variant in group)))),
    )


def load(part: str) -> list[Variant]:
    """The variants of a part, for example "ps1_backprop/part2_network"."""
    return import_module(f"grader_tests.variants.{part.replace('/', '.')}").VARIANTS


def part_of(course: Course, part: str) -> Part:
    """The part of that name in a course."""
    assignment, name = part.split("/")
    return Part(course, assignment, course.source / assignment / f"{name}.py")


def reference_cells(source: NotebookNode) -> dict[str, str]:
    """The reference's solution cells as a student would have written them: name to code or text, without the markers."""
    return {
        _short(cell): _without_markers(cell.source)
        for cell in source.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }


def fill(source: NotebookNode, variant: Variant | None = None) -> NotebookNode:
    """The release notebook with a variant's (or the reference's) code in the solution cells.

    Raises:
        ValueError: an edit's old text is not in the reference, or a cell does not exist.
    """
    variant = variant or Variant("reference")
    code = reference_cells(source)
    for name in [*variant.edits, *variant.cells, *variant.leave]:
        if name not in code:
            raise ValueError(f"variant {variant.name}: there is no solution cell {name!r}, only {', '.join(code)}")
    for name, edits in variant.edits.items():
        for old, new in edits:
            if old not in code[name]:
                raise ValueError(f"variant {variant.name}: {old!r} is not in the reference's cell {name!r}")
            code[name] = code[name].replace(old, new)
    code.update(variant.cells)
    notebook = release_notebook(source)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution") and _short(cell) not in variant.leave:
            cell.source = code[_short(cell)]
    return notebook


def points(source: NotebookNode) -> dict[str, float]:
    """Points of every question that tests grade, extra credit included."""
    tested = [cell for cell in source.cells if _grader(cell).get("grade") and not _grader(cell)["solution"]]
    return {_grader(cell)["grade_id"]: _worth(cell) for cell in tested}


def _worth(cell: NotebookNode) -> float:
    return float(cell.metadata.get("gradescent", {}).get("extra_credit", _grader(cell)["points"]))


def _grader(cell: NotebookNode) -> dict:
    return cell.metadata.get("nbgrader", {})


def _short(cell: NotebookNode) -> str:
    return cell.metadata.nbgrader.grade_id.removeprefix("solution_")


def _without_markers(source: str) -> str:
    return "\n".join(line for line in source.split("\n") if BEGIN_SOLUTION not in line and END_SOLUTION not in line)


def notebook_of(course: Course, part: str, variant: Variant | None = None) -> NotebookNode:
    """A student's notebook of a part."""
    return fill(source_notebook(part_of(course, part)), variant)
