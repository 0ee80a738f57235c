"""Honest damage is put right: the repaired notebook holds every answer, in the source's order."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from conftest import make_course, network_notebook, source_of
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from grader_tests.variants import fill
from gradescent.authoring.release import graded_notebook, release_notebook
from gradescent.course import Course, Limits
from gradescent.grading.notebooks import read_notebook
from gradescent.grading.repair import grade_id, repair

Damage = Callable[[NotebookNode, NotebookNode], None]


def strip_metadata(notebook: NotebookNode, stub: NotebookNode) -> None:
    for number, cell in enumerate(notebook.cells):
        cell.metadata = NotebookNode()
        cell["id"] = f"c{number}"


def strip_metadata_keep_ids(notebook: NotebookNode, stub: NotebookNode) -> None:
    for cell in notebook.cells:
        cell.metadata = NotebookNode()


def rotate(notebook: NotebookNode, stub: NotebookNode) -> None:
    notebook.cells = notebook.cells[7:] + notebook.cells[:7]


def shuffle(notebook: NotebookNode, stub: NotebookNode) -> None:
    random.Random(3).shuffle(notebook.cells)


def copy_every_cell(notebook: NotebookNode, stub: NotebookNode) -> None:
    notebook.cells = [item for cell in notebook.cells for item in (cell, copy.deepcopy(cell))]


def append_the_stubs(notebook: NotebookNode, stub: NotebookNode) -> None:
    notebook.cells += copy.deepcopy(stub.cells)


def put_the_stubs_first(notebook: NotebookNode, stub: NotebookNode) -> None:
    notebook.cells = copy.deepcopy(stub.cells) + notebook.cells


def delete_all_but_answers(notebook: NotebookNode, stub: NotebookNode) -> None:
    notebook.cells = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution")]


def edit_the_tests(notebook: NotebookNode, stub: NotebookNode) -> None:
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = "pass"
            cell.metadata.nbgrader.points = 1000


def split_the_tools(notebook: NotebookNode, stub: NotebookNode) -> None:
    index = next(i for i, cell in enumerate(notebook.cells) if cell.id == "solution_tools")
    head, tail = notebook.cells[index].source.split("def tanh(z):", 1)
    notebook.cells[index].source = head
    notebook.cells.insert(index + 1, new_code_cell("def tanh(z):" + tail))


def merge_into_the_next_answer(notebook: NotebookNode, stub: NotebookNode) -> None:
    cells = {cell.id: cell for cell in notebook.cells}
    cells["solution_back_prop"].source = (
        cells["solution_forward_prop"].source + "\n\n\n" + cells["solution_back_prop"].source
    )
    notebook.cells.remove(cells["solution_forward_prop"])


def merge_into_an_earlier_cell(notebook: NotebookNode, stub: NotebookNode) -> None:
    cells = {cell.id: cell for cell in notebook.cells}
    cells["solution_network"].source += "\n\n\n" + cells["solution_back_prop"].source
    notebook.cells.remove(cells["solution_back_prop"])


def work_in_the_cells_of_the_tests(notebook: NotebookNode, stub: NotebookNode) -> None:
    cells, stubs = ({cell.id: cell for cell in one.cells} for one in (notebook, stub))
    for name in ("forward_prop", "back_prop"):
        cells[name].source = cells[f"solution_{name}"].source + "\n\n" + cells[name].source
        cells[f"solution_{name}"].source = stubs[f"solution_{name}"].source


def lose_the_kernel(notebook: NotebookNode, stub: NotebookNode) -> None:
    notebook.metadata = NotebookNode()


def odd_metadata(notebook: NotebookNode, stub: NotebookNode) -> None:
    for cell in notebook.cells[::2]:
        cell.metadata["nbgrader"] = "yes"
    for cell in notebook.cells[1::4]:
        cell.metadata["nbgrader"] = {"grade_id": ["a"]}


DAMAGES: list[Damage] = [
    strip_metadata,
    strip_metadata_keep_ids,
    rotate,
    shuffle,
    copy_every_cell,
    append_the_stubs,
    put_the_stubs_first,
    delete_all_but_answers,
    edit_the_tests,
    split_the_tools,
    merge_into_the_next_answer,
    merge_into_an_earlier_cell,
    work_in_the_cells_of_the_tests,
    lose_the_kernel,
    odd_metadata,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_no_answer_is_lost(course: Course, damage: Damage) -> None:
    source = source_of(course)
    graded, stub, right = graded_notebook(source), release_notebook(source), network_notebook(course)
    damaged = copy.deepcopy(right)
    damage(damaged, stub)
    repaired, _ = repair(graded, damaged)
    assert [grade_id(cell) for cell in repaired.cells if grade_id(cell)] == [
        grade_id(cell) for cell in graded.cells if grade_id(cell)
    ]
    for before, after in zip(
        graded.cells, [cell for cell in repaired.cells if not cell.id.startswith("added_")], strict=True
    ):
        if not after.metadata.get("nbgrader", {}).get("solution"):
            assert (after.source, after.metadata) == (before.source, before.metadata)
    expected = _namespace(right)
    got = _namespace(repaired)
    for method in ("forward_prop", "back_prop", "evaluate"):
        assert getattr(got["Network"], method).__code__.co_code == getattr(expected["Network"], method).__code__.co_code
    assert got["tanh"].__code__.co_code == expected["tanh"].__code__.co_code


def _namespace(notebook: NotebookNode) -> dict:
    namespace: dict = {"np": __import__("numpy"), "check": lambda *args: None}
    for cell in notebook.cells:
        graded = cell.metadata.get("nbgrader", {}).get("grade")
        if cell.cell_type == "code" and not graded and not cell.id.startswith(("setup", "given")):
            exec(cell.source, namespace)
    return namespace


def test_an_undamaged_notebook_needs_no_repair(course: Course) -> None:
    repaired, notes = repair(graded_notebook(source_of(course)), network_notebook(course))
    assert notes == []
    assert not [cell for cell in repaired.cells if cell.id.startswith("added_")]


def test_what_was_repaired_is_said(course: Course) -> None:
    source = source_of(course)
    damaged = network_notebook(course)
    damaged.cells = [cell for cell in damaged.cells[::-1] if cell.id != "back_prop"]
    damaged.cells.append(copy.deepcopy(damaged.cells[0]))
    damaged.cells.append(next(copy.deepcopy(cell) for cell in damaged.cells if cell.id == "solution_network"))
    next(cell for cell in damaged.cells if cell.id == "evaluate").source = "pass"
    _, notes = repair(graded_notebook(source), damaged)
    text = "; ".join(notes)
    assert "cells copied: solution_network" in text
    assert "cells missing, put back: back_prop" in text
    assert "out of order" in text
    assert "locked cells edited, restored: evaluate" in text


def test_added_cells_stay_behind_the_cell_they_followed(course: Course) -> None:
    notebook = network_notebook(course)
    index = next(i for i, cell in enumerate(notebook.cells) if cell.id == "solution_network")
    notebook.cells.insert(index + 1, new_code_cell("helper = 1"))
    notebook.cells.insert(0, new_markdown_cell("my notes"))
    repaired, notes = repair(graded_notebook(source_of(course)), notebook)
    sources = [cell.source for cell in repaired.cells]
    assert sources[0] == "my notes"
    ids = [cell.id for cell in repaired.cells]
    assert sources[ids.index("solution_network") + 1] == "helper = 1"
    assert notes == []


def test_a_missing_answer_becomes_the_stub(course: Course) -> None:
    notebook = network_notebook(course)
    notebook.cells = [cell for cell in notebook.cells if cell.id != "solution_evaluate"]
    repaired, notes = repair(graded_notebook(source_of(course)), notebook)
    stub = next(cell for cell in repaired.cells if cell.id == "solution_evaluate")
    assert 'NotImplementedError("evaluate")' in stub.source
    assert notes == ["cells missing, put back: solution_evaluate"]


def test_a_picture_in_a_written_answer_is_kept(tmp_path: Path) -> None:
    course = make_course(tmp_path / "course", ["part1_by_hand"])
    source = source_of(course, "part1_by_hand")
    notebook = fill(source)
    answer = next(cell for cell in notebook.cells if cell.id == "wrong_answer")
    answer.source = "![paper](attachment:paper.png)"
    answer["attachments"] = {
        "paper.png": {"image/png": "iVBORw==", "text/html": "<script>"},
        "bad": {"image/png": "<x>"},
    }
    file = tmp_path / "part1_by_hand.ipynb"
    nbformat.write(notebook, file)
    read, _ = read_notebook(file, Limits())
    repaired, _ = repair(graded_notebook(source), read)
    placed = next(cell for cell in repaired.cells if cell.id == "wrong_answer")
    assert placed.attachments == {"paper.png": {"image/png": "iVBORw=="}}


def test_an_answer_in_the_cell_of_its_question_is_found(tmp_path: Path) -> None:
    course = make_course(tmp_path / "course", ["part1_by_hand"])
    source = source_of(course, "part1_by_hand")
    stub = release_notebook(source)
    question = next(cell for cell in stub.cells if cell.id == "question_vanishing_gradient")
    question.source += "\n\nEach factor is at most a quarter, so the product shrinks with depth."
    repaired, notes = repair(graded_notebook(source), stub)
    answer = next(cell for cell in repaired.cells if cell.id == "vanishing_gradient")
    assert answer.source == "Each factor is at most a quarter, so the product shrinks with depth."
    assert "answer found in the cell of its question: vanishing_gradient" in notes
    assert "shrinks with depth" not in next(c for c in repaired.cells if c.id == "question_vanishing_gradient").source
    answered = next(cell for cell in stub.cells if cell.id == "vanishing_gradient")
    answered.source = "My answer."
    repaired, _ = repair(graded_notebook(source), stub)
    assert next(cell for cell in repaired.cells if cell.id == "vanishing_gradient").source == "My answer."
