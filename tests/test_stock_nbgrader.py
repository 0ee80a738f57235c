"""Stock nbgrader's commands, for real, beside gradescent's own engine: the same release, the same scores, safe pages."""

from __future__ import annotations

import copy
import csv
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from bs4 import BeautifulSoup
from commands import run
from conftest import ASSIGNMENT, NETWORK, ROOT, make_course, network_notebook, source_of
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell
from nbgrader.api import Gradebook
from traitlets.config import Config

from grader_tests.variants import Variant, fill, load, reference_cells
from gradescent.authoring.release import release_notebook
from gradescent.course import Course, load_course
from gradescent.grading import gradebook, stock
from gradescent.grading.repair import split_hidden

BY_HAND, SGD = "part1_by_hand", "part3_sgd"
PARTS = [BY_HAND, NETWORK, SGD]
SHORT = Variant("short", leave=("hidden_size_plot", "epochs_plot"))  # the experiments, which take minutes
HOSTILE = "Zoë O'Brien 李"
EXTRA_CREDIT = 5.0  # of dropout

Notebooks = dict[str, NotebookNode]
Maker = Callable[[Course], Notebooks]


# ── the students ─────────────────────────────────────────────────────────────────────────────────────────────────


def _variant(course: Course, part: str, name: str) -> NotebookNode:
    return fill(source_of(course, part), next(v for v in load(f"{ASSIGNMENT}/{part}") if v.name == name))


def _right(course: Course) -> Notebooks:
    return {part: fill(source_of(course, part), SHORT if part == SGD else None) for part in PARTS}


def _partly_right(course: Course) -> Notebooks:
    return {
        BY_HAND: _variant(course, BY_HAND, "costs_averaged"),
        NETWORK: _variant(course, NETWORK, "mean_bias_gradient"),
    }


def _writes_to_stderr(course: Course) -> Notebooks:
    """Warnings and notes in a cell, in an answer whenever it is called, and in a test cell."""
    # The handler of a log keeps the kernel's own stderr, whatever catches the output of a call.
    noise = (
        "import logging\nimport sys\nimport warnings\n\nlogging.basicConfig()\nwarnings.warn('this will change')\n\n"
    )
    wrapper = """

def noisy(self, x, y, quiet=Network.back_prop):
    warnings.warn("this will change")
    logging.warning("a note")
    print("a note", file=sys.stderr)
    return quiet(self, x, y)


Network.back_prop = noisy"""
    notebook = network_notebook(course)
    cells = {cell.id: cell for cell in notebook.cells}
    cells["solution_back_prop"].source = noise + cells["solution_back_prop"].source + wrapper
    cells["back_prop"].source = noise + cells["back_prop"].source
    return {NETWORK: notebook}


def _half_finished(course: Course) -> Notebooks:
    """Two stubs, and an answer without one of its functions: the visible check of the whole cell ends in an error."""
    by_hand = fill(source_of(course, BY_HAND), Variant("half", leave=("one_iteration", "wrong_answer")))
    cell = next(cell for cell in by_hand.cells if cell.id == "solution_activations")
    cell.source = cell.source.split("def tanh(z):")[0]
    return {BY_HAND: by_hand, NETWORK: network_notebook(course, Variant("half", leave=("back_prop", "evaluate")))}


def _copied_cell(course: Course) -> Notebooks:
    notebook = network_notebook(course)
    stub = next(cell for cell in release_notebook(source_of(course)).cells if cell.id == "solution_back_prop")
    graded = next(cell for cell in notebook.cells if cell.id == "back_prop")
    for cell in (stub, graded):
        twin = copy.deepcopy(cell)
        twin["id"] = f"{cell.id}-copy"
        notebook.cells.append(twin)
    return {NETWORK: notebook}


def _stripped_metadata(course: Course) -> Notebooks:
    notebook = network_notebook(course)
    notebook.metadata = NotebookNode()
    for number, cell in enumerate(notebook.cells):
        cell.metadata = NotebookNode()
        cell["id"] = f"cell-{number}"
    return {NETWORK: notebook}


def _reordered(course: Course) -> Notebooks:
    notebook = network_notebook(course)
    notebook.cells = notebook.cells[7:] + notebook.cells[:7]
    return {NETWORK: notebook}


def _colab(course: Course) -> Notebooks:
    notebook = network_notebook(course)
    notebook.metadata.update({"colab": {"provenance": [], "toc_visible": True}, "accelerator": "GPU"})
    for number, cell in enumerate(notebook.cells):
        cell.metadata.update(
            {"id": f"Xy{number}", "outputId": "d3adb33f-1", "colab": {"base_uri": "https://localhost"}}
        )
    return {NETWORK: notebook}


ATTACK = (
    '<script>alert("mine")</script><img src=x onerror="alert(1)"><a href="javascript:alert(2)">x</a>'
    '<svg onload=alert(3)></svg><iframe src="javascript:alert(4)"></iframe><div class="panel nbgrader_cell">18/18</div>'
)
SHOWS_THE_ATTACK = f"""\
from IPython.display import HTML, Javascript, Markdown, display

attack = {ATTACK!r}
display(HTML(attack), Markdown(attack), Javascript("alert(5)"))
for kind in ("image/svg+xml", "text/vnd.mermaid", "text/latex", "text/markdown"):
    display({{kind: attack}}, raw=True)
display({{"application/vnd.jupyter.widget-view+json": {{"model_id": "</script>" + attack}}}}, raw=True)
display({{"text/html": attack}}, raw=True, metadata={{"text/html": {{"isolated": True}}}})
display({{"image/png": 'x">' + attack}}, raw=True, metadata={{"image/png": {{"alt": '"' + attack, "width": "1 onerror=alert(6)"}}}})
print(attack)
raise ValueError(attack)"""


def _attacks_the_page(course: Course) -> Notebooks:
    notebook = network_notebook(course)
    text = f"# Notes\n\n{ATTACK}\n\n[x](javascript:alert(7)), $a<b$ and `c < d` ![sketch](attachment:sketch.png)"
    notebook.cells[3:3] = [new_raw_cell(ATTACK), new_markdown_cell(text), new_markdown_cell("> " * 3000 + "deep")]
    notebook.cells.append(new_code_cell(SHOWS_THE_ATTACK))
    return {NETWORK: notebook}


STUDENTS: dict[str, Maker] = {
    "ada": _right,
    "ben": _partly_right,
    "chloe": _writes_to_stderr,
    "dmitri": _half_finished,
    "emre": _copied_cell,
    "fatima": _stripped_metadata,
    "gita": _reordered,
    "hiro": _colab,
    HOSTILE: _attacks_the_page,
}


# ── the two courses ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Both:
    """The same class graded by stock nbgrader and, in a copy of the course, by gradescent.

    Attributes:
        stock, ours: the courses.
        results: what `gradescent grade --json` wrote, by student and part.
        released: what `nbgrader generate_assignment` printed.
    """

    stock: Course
    ours: Course
    results: dict[tuple[str, str], dict[str, Any]]
    released: str


def write(course: Course, student: str, notebooks: Notebooks) -> None:
    folder = course.submitted / student / ASSIGNMENT
    folder.mkdir(parents=True)
    for part, notebook in notebooks.items():
        nbformat.write(notebook, folder / f"{part}.ipynb")


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Graded once, whichever of pytest's workers comes first: the commands take a minute."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    folder = shared / "stock-and-ours"
    with (shared / "stock-and-ours.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "released.txt").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            released = grade_twice(folder)
            (folder / "released.txt").write_text(released, encoding="utf-8")
    stock_course, ours = load_course(folder / "stock"), load_course(folder / "ours")
    rows = json.loads((ours.root / "results.json").read_text(encoding="utf-8"))
    results = {(row["student"], row["notebook"]): row["questions"] for row in rows}
    return Both(stock_course, ours, results, (folder / "released.txt").read_text(encoding="utf-8"))


def grade_twice(folder: Path) -> str:
    """Make the two courses and run the commands; what `nbgrader generate_assignment` printed comes back."""
    stock_course = make_course(folder / "stock", PARTS)
    # As in a clone: release/ is there, the source notebooks are not.
    shutil.copytree(ROOT / "release", stock_course.release)
    for student, make in STUDENTS.items():
        write(stock_course, student, make(stock_course))
    ours = load_course(shutil.copytree(stock_course.root, folder / "ours"))
    released = run(stock_course, "nbgrader", "generate_assignment", ASSIGNMENT)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(run, stock_course, "nbgrader", "autograde", ASSIGNMENT)
        second = pool.submit(run, ours, "gradescent", "grade", ASSIGNMENT, "--json", "results.json")
        first.result(), second.result()
    run(stock_course, "nbgrader", "generate_feedback", ASSIGNMENT)
    return released


# ── generate_assignment ──────────────────────────────────────────────────────────────────────────────────────────


def test_generate_assignment_makes_the_very_release(both: Both) -> None:
    assert "Skipping" not in both.released
    made = {file.name: file.read_bytes() for file in (both.stock.release / ASSIGNMENT).iterdir()}
    committed = {file.name: file.read_bytes() for file in (ROOT / "release" / ASSIGNMENT).iterdir()}
    assert made == committed
    assert sorted(made) == [f"{part}.ipynb" for part in PARTS]


def test_a_changed_text_is_built_before_nbgrader_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("PYTHONPATH", "")
    course = make_course(tmp_path / "course", [NETWORK])
    text = course.source / ASSIGNMENT / f"{NETWORK}.py"
    built = text.with_suffix(".ipynb")
    stock.configure(Config(), course.root)
    before = built.read_text(encoding="utf-8")
    text.write_text(text.read_text(encoding="utf-8").replace("# # Part 2", "# # Section 2", 1), encoding="utf-8")
    stock.configure(Config(), course.root)
    assert built.read_text(encoding="utf-8") == before.replace("# Part 2", "# Section 2", 1) != before
    text.write_text("# %% solution='a b'\n", encoding="utf-8")
    stock.configure(Config(), course.root)
    assert f"{NETWORK}.py" in capsys.readouterr().err


# ── autograde ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_stock_autograde_gives_the_scores_of_ours(both: Both) -> None:
    assert {student for student, _ in both.results} == set(STUDENTS)
    assert len(both.results) == len(STUDENTS) * len(PARTS)
    with gradebook.opened(both.stock) as book:
        entered = {
            (student, part): {name: _entered(book, name, part, student) for name in questions}
            for (student, part), questions in both.results.items()
        }
    for place, questions in both.results.items():
        assert entered[place] == {name: question["score"] for name, question in questions.items()}, place


def _entered(book: Gradebook, question: str, part: str, student: str) -> float | str | None:
    """The points by tests, None where a person has to give them."""
    grade = book.find_grade(question, part, ASSIGNMENT, student)
    if grade.needs_manual_grade != (grade.auto_score is None):
        return "waits for a person, or does not, against its score"
    return None if grade.auto_score is None else grade.auto_score + (grade.extra_credit or 0.0)


@pytest.mark.parametrize("student", ["chloe", "emre", "fatima", "gita", "hiro", HOSTILE])
def test_honest_work_gets_full_marks(both: Both, student: str) -> None:
    assert all(question["score"] == question["max_score"] for question in both.results[student, NETWORK].values())


def test_partial_credit_and_half_finished_work_count(both: Both) -> None:
    assert both.results["ben", NETWORK]["back_prop"]["score"] == 3.0
    assert both.results["ben", BY_HAND]["costs"]["score"] == 1.5
    half = {name: question["score"] for name, question in both.results["dmitri", NETWORK].items()}
    assert half == {"network": 4.0, "forward_prop": 8.0, "back_prop": 0.0, "evaluate": 0.0}
    assert 0 < both.results["dmitri", BY_HAND]["activations"]["score"] < 3
    assert both.results["dmitri", BY_HAND]["wrong_answer"]["score"] == 0.0
    assert both.results["dmitri", BY_HAND]["vanishing_gradient"]["score"] is None


def test_extra_credit_arrives(both: Both) -> None:
    for course in (both.stock, both.ours):
        with gradebook.opened(course) as book:
            grade = book.find_grade("dropout", SGD, ASSIGNMENT, "ada")
            entered = (grade.auto_score, grade.max_score, grade.extra_credit)
        assert entered == (0.0, 0.0, EXTRA_CREDIT)


def test_export_writes_the_totals(both: Both) -> None:
    for course in (both.stock, both.ours):
        run(course, "nbgrader", "export")
        with (course.root / "grades.csv").open(encoding="utf-8") as file:
            rows = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in csv.DictReader(file)}
        assert rows == {student: (_total(both, student), 100.0) for student in STUDENTS}


def _total(both: Both, student: str) -> float:
    return sum(question["score"] or 0.0 for part in PARTS for question in both.results[student, part].values())


# ── feedback ─────────────────────────────────────────────────────────────────────────────────────────────────────


def pages(both: Both) -> dict[Path, BeautifulSoup]:
    """Every page of both courses."""
    files = [file for course in (both.stock, both.ours) for file in course.feedback.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".html"}
    return {file: BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser") for file in files}


def _page(course: Course, student: str, part: str) -> BeautifulSoup:
    file = course.feedback / student / ASSIGNMENT / f"{part}.html"
    return BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")


def _plain(text: str) -> str:
    return " ".join(text.split())


def test_feedback_shows_our_messages_and_the_scores(both: Both) -> None:
    for course in (both.stock, both.ours):
        text = _plain(_page(course, "ben", NETWORK).get_text())
        assert "back_prop: wrong" in text
        assert "while the weight gradients are summed" in text
        assert f"{NETWORK} (Score: 20.0 / 35.0)" in text
        assert "<br>" not in text
    assert "dropout: right" in _page(both.stock, "ada", SGD).get_text()


def test_feedback_shows_neither_tests_nor_rubric_nor_model_answers(both: Both) -> None:
    secret = {part: _secrets(both.stock, part) for part in PARTS}
    assert all(len(lines) > 50 for lines in secret.values())
    found = pages(both)
    assert len(found) == 2 * sum(len(list((both.stock.submitted / s / ASSIGNMENT).iterdir())) for s in STUDENTS)
    for file, page in found.items():
        text = _plain(page.get_text())
        for word in ("HIDDEN TESTS", "MARK SCHEME", "grader_tests"):
            assert word not in text, file
        leaked = [line for line in secret[file.stem] if line in text]
        assert leaked == [], file
    # dmitri left these: the model solutions must not take their place.
    for course in (both.stock, both.ours):
        for part, left in ((NETWORK, ("back_prop", "evaluate")), (BY_HAND, ("one_iteration", "wrong_answer"))):
            text = _plain(_page(course, "dmitri", part).get_text())
            assert [line for name in left for line in _model_lines(course, part, name) if line in text] == []


def _secrets(course: Course, part: str) -> set[str]:
    """Lines of the hidden tests and of the rubrics that students' copies do not hold."""
    tests = (ROOT / "grader_tests" / ASSIGNMENT / f"{part}.py").read_text(encoding="utf-8")
    regions = [split_hidden(cell.source)[1] for cell in source_of(course, part).cells]
    lines = [*tests.splitlines(), *(line for region in regions for line in region.splitlines())]
    shown = _plain("\n".join(cell.source for cell in fill(source_of(course, part)).cells))
    plain = {_plain(line).removeprefix("- ").replace("**", "").replace("`", "") for line in lines}
    return {line for line in plain if len(line) >= 30 and line not in shown}


def _model_lines(course: Course, part: str, name: str) -> set[str]:
    source = source_of(course, part)
    shown = _plain("\n".join(cell.source for cell in release_notebook(source).cells))
    lines = {_plain(line).replace("*", "") for line in reference_cells(source)[name].splitlines()}
    kept = {line for line in lines if len(line) >= 15 and line not in shown}
    assert len(kept) > 2
    return kept


def test_nothing_of_a_student_runs_in_a_page(both: Both) -> None:
    for course in (both.stock, both.ours):
        page, honest = _page(course, HOSTILE, NETWORK), _page(course, "hiro", NETWORK)
        assert [str(tag) for tag in page.find_all("script")] == [str(tag) for tag in honest.find_all("script")]
        assert page.find_all(["iframe", "svg", "object", "embed", "form", "input", "base", "link"]) == []
        attributes = [(tag, name, str(value)) for tag in page.find_all(True) for name, value in tag.attrs.items()]
        assert [item for item in attributes if item[1].startswith("on") or "javascript:" in item[2].lower()[:20]] == []
        assert len(page.select(".nbgrader_cell")) == len(honest.select(".nbgrader_cell"))
        # What was meant to be read can be read.
        text = page.get_text()
        assert "$a<b$ and c < d [picture: sketch]" in text
        assert '<script>alert("mine")</script>' in text


# ── one engine after the other ───────────────────────────────────────────────────────────────────────────────────


def test_engines_take_turns_in_one_course(tmp_path: Path, empty_gradebook: Path) -> None:
    course = make_course(tmp_path / "course", [NETWORK])
    shutil.copy(empty_gradebook, course.gradebook)
    half, right = network_notebook(course, Variant("half", leave=("evaluate",))), network_notebook(course)
    write(course, "ben", {NETWORK: half})
    write(course, "Li [2]", {NETWORK: right})
    graded = course.autograded / "ben" / ASSIGNMENT / f"{NETWORK}.ipynb"
    record = graded.with_name("result.json")

    run(course, "gradescent", "grade", ASSIGNMENT)
    assert _score_and_comment(course) == (30.0, "No response.")
    # nbgrader takes brackets for a pattern; our pages are made all the same, and nothing but pages goes back.
    assert [file.name for file in (course.feedback / "Li [2]" / ASSIGNMENT).iterdir()] == [f"{NETWORK}.html"]
    own_page = _plain(_page(course, "ben", NETWORK).get_text())
    run(course, "nbgrader", "generate_feedback", ASSIGNMENT, "--force", "--student", "ben")
    assert _plain(_page(course, "ben", NETWORK).get_text()) == own_page

    run(course, "nbgrader", "autograde", ASSIGNMENT, "--force", "--student", "ben")
    assert stat.S_IMODE(graded.stat().st_mode) == 0o444
    assert not record.exists()
    assert _score_and_comment(course) == (30.0, "No response.")

    nbformat.write(right, course.submitted / "ben" / ASSIGNMENT / f"{NETWORK}.ipynb")
    run(course, "gradescent", "grade", ASSIGNMENT)
    assert record.is_file()
    assert _score_and_comment(course) == (35.0, None)


def _score_and_comment(course: Course) -> tuple[float, str | None]:
    """The points, and nbgrader's remark under the answer that was a stub at first."""
    with gradebook.opened(course) as book:
        comment = book.find_comment("solution_evaluate", NETWORK, ASSIGNMENT, "ben").auto_comment
        return book.find_submission(ASSIGNMENT, "ben").score, comment


def test_stock_commands_wait_for_a_locked_gradebook(tmp_path: Path, empty_gradebook: Path) -> None:
    course = make_course(tmp_path / "course", [NETWORK])
    shutil.copy(empty_gradebook, course.gradebook)
    code = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1]); c.execute('begin immediate'); "
        "print('locked', flush=True); time.sleep(12)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(course.gradebook)], stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline()
        run(course, "nbgrader", "db", "student", "add", "vera")
    with gradebook.opened(course) as book:
        assert book.find_student("vera").id == "vera"
