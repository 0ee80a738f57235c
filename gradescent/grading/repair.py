"""Put a student's cells back in their places in the source notebook.

Cells get copied, deleted, reordered, split, and lose their metadata, all of it in honest work. The source notebook says
which cells there are, what the locked ones say and in which order they run; the student's copy contributes the answers
and whatever cells were added.
"""

from __future__ import annotations

import ast
import copy
import re
from difflib import SequenceMatcher

from nbformat import NotebookNode

HIDDEN_REGIONS = ("HIDDEN TESTS", "MARK SCHEME")
MAX_PARSED = 100_000  # characters of a cell that are parsed; a parser's memory is many times its text
QUESTION = "question_"  # with the name of an answer: the id of the cell that asks for it
SIMILAR = 0.6  # of two cells' texts, above which one is taken for an edited copy of the other


def repair(source: NotebookNode, submitted: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """Rebuild the notebook that is to be graded.

    Args:
        source: the graded form of the source notebook: stubs, rubrics and hidden calls in place.
        submitted: the student's notebook.

    Returns:
        The notebook in the source's order, with the student's answers and added cells, and what was repaired.
    """
    owners = _match(source, submitted)
    notes = _notes(source, submitted, owners)
    after: dict[int, list[NotebookNode]] = {}
    answers: dict[int, NotebookNode] = {}
    misplaced: dict[str, str] = {}
    last = -1
    copies = _superseded_stubs(source, submitted, owners)
    final = {owner: index for index, owner in sorted(owners.items()) if index not in copies}
    for index, cell in enumerate(submitted.cells):
        owner = owners.get(index)
        if owner is None:
            after.setdefault(last, []).append(_extra(cell, index))
            continue
        last = owner
        original = source.cells[owner]
        if index in copies:
            continue
        if _is_answer(original) and final[owner] == index:
            answers[owner] = cell
        elif _is_answer(original):
            after.setdefault(owner - 1, []).append(_extra(cell, index, original))
        elif _is_edited_code(original, cell):
            after.setdefault(owner, []).append(_extra(cell, index, original))
        elif original.id.startswith(QUESTION):
            misplaced[original.id.removeprefix(QUESTION)] = _added_text(original, cell)
    notes += _take_misplaced(source, answers, misplaced)
    elsewhere = {name for index, cell in enumerate(submitted.cells) if index not in copies for name in defined(cell)}
    cells = list(after.get(-1, []))
    for number, cell in enumerate(source.cells):
        kept = _placed(cell, answers.get(number), elsewhere)
        cells += [kept] if kept else []
        cells += after.get(number, [])
    notebook = copy.deepcopy(source)
    notebook.cells = cells
    return notebook, notes


def _placed(cell: NotebookNode, answer: NotebookNode | None, elsewhere: set[str]) -> NotebookNode | None:
    """The cell as it is graded: locked text from the source, answers from the student."""
    placed = copy.deepcopy(cell)
    if not _is_answer(cell):
        return placed
    if answer is not None:
        placed.source = answer.source
        if "attachments" in answer:
            placed["attachments"] = answer.attachments
        return placed
    if cell.cell_type == "code" and not cell.metadata.nbgrader.grade and defined(cell) & elsewhere:
        # The work is there, in another cell: the stub would undo it.
        placed.source = "# This cell was missing; its work stands in another cell."
    return placed


def _match(source: NotebookNode, submitted: NotebookNode) -> dict[int, int]:
    """Index of a submitted cell to index of the source cell that it is (a copy of)."""
    by_id = {grade_id(cell): number for number, cell in enumerate(source.cells) if grade_id(cell)}
    by_id.update({cell.id: number for number, cell in enumerate(source.cells)})
    owners: dict[int, int] = {}
    for index, cell in enumerate(submitted.cells):
        number = by_id.get(grade_id(cell), by_id.get(cell.get("id", "")))
        if number is not None and cell.cell_type == source.cells[number].cell_type:
            owners[index] = number
    for index, cell in enumerate(submitted.cells):
        if index not in owners:
            number = _by_content(source, cell, set(owners.values()))
            if number is not None:
                owners[index] = number
    _by_place(source, submitted, owners)
    return owners


def _by_content(source: NotebookNode, cell: NotebookNode, taken: set[int]) -> int | None:
    """The source cell of the same text, of the same definitions, or of nearly the same text."""
    free = [
        number for number, other in enumerate(source.cells) if number not in taken and other.cell_type == cell.cell_type
    ]
    plain = visible_text(cell.source)
    if not plain:
        return None
    for number in free:
        if visible_text(source.cells[number].source) == plain:
            return number
    names = defined(cell)
    sharing = [number for number in free if _is_answer(source.cells[number]) and defined(source.cells[number]) & names]
    if sharing:
        return max(sharing, key=lambda number: len(defined(source.cells[number]) & names))
    scored = [(_likeness(visible_text(source.cells[number].source), plain), -number) for number in free]
    best, number = max(scored, default=(0.0, 0))
    return -number if best >= SIMILAR else None


def _likeness(a: str, b: str) -> float:
    matcher = SequenceMatcher(None, a[:2000], b[:2000])
    return matcher.ratio() if matcher.quick_ratio() >= SIMILAR else 0.0


def _by_place(source: NotebookNode, submitted: NotebookNode, owners: dict[int, int]) -> None:
    """An answer that nothing else tells, because its stub holds no name: the first free cell behind the cell before it."""
    places = {number: index for index, number in sorted(owners.items())}
    for number, cell in enumerate(source.cells):
        if number in places or not _is_answer(cell) or number - 1 not in places:
            continue
        follows = places[number - 1] + 1
        free = follows < len(submitted.cells) and follows not in owners
        if free and submitted.cells[follows].cell_type == cell.cell_type:
            owners[follows] = number
            places[number] = follows


def _superseded_stubs(source: NotebookNode, submitted: NotebookNode, owners: dict[int, int]) -> set[int]:
    """Copies of a cell that are still the stub, where another copy holds work: they would undo it."""
    stubs = set()
    for number, cell in enumerate(source.cells):
        copies = [index for index, owner in owners.items() if owner == number]
        untouched = {
            index for index in copies if visible_text(submitted.cells[index].source) == visible_text(cell.source)
        }
        if len(copies) > 1 and _is_answer(cell):
            stubs |= untouched if len(untouched) < len(copies) else set(copies[:-1])
        elif len(copies) > 1:
            stubs |= set(copies[1:])
    return stubs


def _notes(source: NotebookNode, submitted: NotebookNode, owners: dict[int, int]) -> list[str]:
    """What was wrong with the notebook, for the record and the student."""
    numbers = [owners[index] for index in sorted(owners)]
    notes = []
    copied = sorted({_name(source.cells[n]) for n in numbers if numbers.count(n) > 1 and grade_id(source.cells[n])})
    if copied:
        notes.append(f"cells copied: {', '.join(copied)}")
    missing = [_name(cell) for n, cell in enumerate(source.cells) if n not in numbers and grade_id(cell)]
    if missing:
        notes.append(f"cells missing, put back: {', '.join(missing)}")
    once = list(dict.fromkeys(numbers))
    if once != sorted(once):
        notes.append("cells out of order, put back in order")
    bare = [i for i, n in owners.items() if grade_id(source.cells[n]) and not grade_id(submitted.cells[i])]
    if bare:
        notes.append("cells had lost their metadata")
    edited = [
        _name(source.cells[n])
        for i, n in sorted(owners.items())
        if _is_locked(source.cells[n])
        and visible_text(submitted.cells[i].source) != visible_text(source.cells[n].source)
    ]
    if edited:
        notes.append(f"locked cells edited, restored: {', '.join(dict.fromkeys(edited))}")
    return notes


def split_hidden(text: str) -> tuple[str, str]:
    """A cell's text as it is handed out, and the regions that are not: hidden tests and rubrics."""
    shown: list[str] = []
    hidden: list[str] = []
    inside = ""
    for line in text.split("\n"):
        if inside:
            hidden.append(line)
            inside = "" if f"END {inside}" in line else inside
            continue
        inside = next((region for region in HIDDEN_REGIONS if f"BEGIN {region}" in line), "")
        (hidden if inside else shown).append(line)
    return "\n".join(shown), "\n".join(hidden)


def visible_text(text: str) -> str:
    """A cell's text as students have it: without hidden tests and rubric, white space folded."""
    text, _ = split_hidden(text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines() if line.strip())


def defined(cell: NotebookNode) -> set[str]:
    """Names that a code cell defines at its top level, by def, class or assignment."""
    if cell.cell_type != "code":
        return set()
    try:
        tree = ast.parse(cell.source if len(cell.source) <= MAX_PARSED else "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"^(?:def|class)\s+(\w+)", cell.source, flags=re.MULTILINE))
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else []
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def grade_id(cell: NotebookNode) -> str:
    """The cell's name in nbgrader's metadata, "" where it has none."""
    grader = cell.metadata.get("nbgrader")
    name = grader.get("grade_id") if isinstance(grader, dict) else None
    return name if isinstance(name, str) else ""


def _is_answer(cell: NotebookNode) -> bool:
    return bool(grade_id(cell)) and bool(cell.metadata.nbgrader.get("solution"))


def _is_locked(cell: NotebookNode) -> bool:
    return bool(grade_id(cell)) and not cell.metadata.nbgrader.get("solution")


def _name(cell: NotebookNode) -> str:
    return grade_id(cell) or cell.id


def _is_edited_code(original: NotebookNode, cell: NotebookNode) -> bool:
    """Whether a locked code cell was written into: the student's imports, say, must not be lost when it is restored.

    In the cell of a test only what defines something is work; a test that was changed to pass is none.
    """
    if original.cell_type != "code":
        return False
    if original.id.startswith("given_"):
        return visible_text(cell.source) != visible_text(original.source)
    return _is_locked(original) and bool(defined(cell) - defined(original))


def _added_text(original: NotebookNode, cell: NotebookNode) -> str:
    """The lines that a cell has beyond those of the original."""
    given = set(visible_text(original.source).splitlines())
    return "\n".join(line for line in cell.source.splitlines() if line.rstrip() not in given).strip()


def _take_misplaced(source: NotebookNode, answers: dict[int, NotebookNode], misplaced: dict[str, str]) -> list[str]:
    """Take a written answer from the cell of its question, where its own cell still is the stub, and say so."""
    notes = []
    for number, cell in enumerate(source.cells):
        text = misplaced.get(grade_id(cell), "")
        untouched = number not in answers or visible_text(answers[number].source) == visible_text(cell.source)
        if text and untouched:
            answers[number] = NotebookNode(source=text)
            notes.append(f"answer found in the cell of its question: {grade_id(cell)}")
    return notes


def _extra(cell: NotebookNode, index: int, original: NotebookNode | None = None) -> NotebookNode:
    """A cell that the student added, or a copy of one of ours: kept, with its time limit, without a claim on a question."""
    extra = copy.deepcopy(cell)
    limits = original.metadata.get("gradescent") if original else None
    extra.metadata = NotebookNode(gradescent=limits) if limits else NotebookNode()
    extra["id"] = f"added_{index}"
    return extra
