"""Source notebooks to release notebooks, with nbgrader's own preprocessors."""

from __future__ import annotations

import copy
from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
    SaveCells,
)


class NamedStubs(ClearSolutions):
    """nbgrader's ClearSolutions with a stub that names the question, so that the error says what is still to do."""

    def preprocess_cell(self, cell: NotebookNode, resources: Any, cell_index: int) -> tuple[NotebookNode, Any]:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "").removeprefix("solution_")
        self.code_stub = {"python": f'# YOUR CODE HERE\nraise NotImplementedError("{name}")'}
        return super().preprocess_cell(cell, resources, cell_index)


class ClearRubric(ClearMarkScheme):
    """nbgrader's ClearMarkScheme for rubrics in the cell that states the task, not only in task cells."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.enforce_metadata = False


# ClearHiddenTests comes after SaveCells: the gradebook keeps what autograding puts back.
BEFORE_SAVING = (LockCells, NamedStubs, ClearOutput, CheckCellMetadata, ComputeChecksums)
AFTER_SAVING = (ClearHiddenTests, ClearRubric, ComputeChecksums, CheckCellMetadata)
PREPROCESSORS = [*BEFORE_SAVING, SaveCells, *AFTER_SAVING]


def release_notebook(source: NotebookNode) -> NotebookNode:
    """The student's copy of a source notebook: stubs, no hidden tests, no rubric, no output."""
    return _run(source, [*BEFORE_SAVING, *AFTER_SAVING], {})


def graded_notebook(source: NotebookNode) -> NotebookNode:
    """What the gradebook keeps of a source notebook: stubs, but with the rubric and the call of the hidden tests."""
    return _run(source, BEFORE_SAVING, {})


def save_cells(source: NotebookNode, assignment: str, part: str, db_url: str) -> None:
    """Enter the part's cells and points into nbgrader's gradebook."""
    resources = {"nbgrader": {"assignment": assignment, "notebook": part, "db_url": db_url}}
    _run(source, [*BEFORE_SAVING, SaveCells], resources)


def _run(source: NotebookNode, steps: Any, resources: dict[str, Any]) -> NotebookNode:
    notebook = copy.deepcopy(source)
    for step in steps:
        notebook, resources = step().preprocess(notebook, resources)
    return notebook
