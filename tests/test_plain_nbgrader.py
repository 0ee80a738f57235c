"""Plain nbgrader courses: the same scores as stock `nbgrader autograde`, cell by cell, out of the same folder."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import nbgrader
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook

from gradescent import cli
from gradescent.grading.record import FILE

ASSIGNMENT = "hw"
DUE = "2025-03-01 12:00:00 UTC"
CONFIG = """
c.Execute.timeout = 3
c.AssignLatePenalties.plugin_class = "penalty.PointAnHour"
"""
PENALTY = """
from nbgrader.plugins import LateSubmissionPlugin


class PointAnHour(LateSubmissionPlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return total_seconds_late / 3600
"""
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

Hand = Callable[[NotebookNode], None]
Grades = dict[tuple[str, str, str], tuple[Any, ...]]


def cell(source: str, name: str = "", points: float | None = None, kind: str = "code", **role: bool) -> NotebookNode:
    """A cell of a source notebook: ordinary, a solution, a test, an answer for a person, or a task."""
    made = new_code_cell(source) if kind == "code" else new_markdown_cell(source)
    if name:
        grader = {"grade_id": name, "grade": False, "solution": False, "locked": False, "task": False, **role}
        made.metadata["nbgrader"] = {**grader, "schema_version": 3, **({} if points is None else {"points": points})}
    return made


def solution(name: str, code: str) -> NotebookNode:
    return cell(f"### BEGIN SOLUTION\n{code}\n### END SOLUTION", name, solution=True)


def test(name: str, points: float, code: str) -> NotebookNode:
    return cell(code, name, points, grade=True, locked=True)


test.__test__ = False  # type: ignore[attr-defined]


def first() -> NotebookNode:
    """A notebook with every kind of cell that nbgrader has."""
    return notebook(
        cell("import math\nimport warnings"),
        solution("double", "def double(x):\n    return 2 * x"),
        test(
            "test_double",
            2,
            "assert double(2) == 4\n### BEGIN HIDDEN TESTS\nassert double('a') == 'aa'\n### END HIDDEN TESTS",
        ),
        solution("half", "def half(x):\n    return x / 2"),
        test("test_half", 3, "0.5 + sum(half(x) == x / 2 for x in (1, 2)) + 0.5 * (half(0) == 0)"),
        test("test_text", 1, "assert half(2) == 1\n'a text is no partial credit'"),
        test("test_printed", 1, "print('looks like 0')\nassert half(2) == 1"),
        test("test_free", 0, "assert double(1) == 2"),
        cell("# scratch"),
        cell("YOUR ANSWER HERE", "why", 4, "markdown", grade=True, solution=True),
        cell("### BEGIN SOLUTION\nplot = 1\n### END SOLUTION", "plot", 3, grade=True, solution=True),
        cell(
            "Find a use of it.\n### BEGIN MARK SCHEME\n### END MARK SCHEME",
            "task",
            5,
            "markdown",
            task=True,
            locked=True,
        ),
        test(
            "test_data",
            1,
            "import os\nassert os.environ['NBGRADER_EXECUTION'] == 'autograde'\nassert open('data/numbers.txt').read() == '1 2 3'",
        ),
        test("test_given", 1, "import given\nassert given.NUMBER == 7"),
        test("test_mine", 1, "import mine\nassert mine.NUMBER == 5"),
    )


def second() -> NotebookNode:
    """A notebook whose tests nbgrader writes itself."""
    return notebook(
        solution("square", "def square(x):\n    return x * x\nsquares = [square(x) for x in range(4)]"),
        test("test_square", 2, "### AUTOTEST square(3); squares"),
        test("test_hashed", 2, "### HASHED AUTOTEST square(5.5)"),
    )


def notebook(*cells: NotebookNode) -> NotebookNode:
    return new_notebook(cells=list(cells), metadata={"kernelspec": KERNEL})


def named(nb: NotebookNode, name: str) -> NotebookNode:
    """The cell of that grade_id."""
    (found,) = [each for each in nb.cells if each.metadata.get("nbgrader", {}).get("grade_id") == name]
    return found


def write(name: str, code: str) -> Hand:
    def hand(nb: NotebookNode) -> None:
        named(nb, name).source = code

    return hand


def before(name: str, code: str) -> Hand:
    """Put a cell of the student's own before another one."""

    def hand(nb: NotebookNode) -> None:
        nb.cells.insert(nb.cells.index(named(nb, name)), new_code_cell(code))

    return hand


def tamper(nb: NotebookNode) -> None:
    found = named(nb, "test_half")
    found.source = "3.0"
    found.metadata.nbgrader.points = 30
    named(nb, "test_double").metadata.nbgrader["locked"] = False
    found.metadata["gradescent"] = {"seconds": 1e9}


def delete_test(nb: NotebookNode) -> None:
    nb.cells.remove(named(nb, "test_half"))


def copy_solution(nb: NotebookNode) -> None:
    """Copy the cell of a solution below the tests, and go on in the copy, which is wrong."""
    copied = copy.deepcopy(named(nb, "double"))
    copied.id, copied.source = "a-copy", "def double(x):\n    return 3 * x"
    nb.cells.append(copied)


def add_foreign(nb: NotebookNode) -> None:
    """Paste a solution of another assignment."""
    nb.cells.insert(1, solution("elsewhere", "other = 1"))


def copy_task(nb: NotebookNode) -> None:
    copied = copy.deepcopy(named(nb, "task"))
    copied.id = "a-copy"
    nb.cells.append(copied)


RIGHT = {"double": "def double(x):\n    return 2 * x", "half": "def half(x):\n    return x / 2"}
LOUD = "def half(x):\n    warnings.warn('careful')\n    return x / 2"
# What each student does with a notebook in which both functions are right.
STUDENTS: dict[str, list[Hand]] = {
    "right": [],
    "wrong": [write("double", "def double(x):\n    return x + 2"), write("half", "def half(x):\n    return 0")],
    "partial": [write("half", "def half(x):\n    return x // 2")],
    "warns": [write("half", LOUD)],
    "prints": [write("half", "def half(x):\n    print(x)\n    display(7.0)\n    return x / 2")],
    "endless": [write("half", "def half(x):\n    while True: pass")],
    "breaks": [before("double", "1 / 0"), write("half", "def half(x):\n    return None / 2")],
    "syntax": [write("double", "def double(x:\n    return 2 * x")],
    "stops": [before("test_half", "import sys\nsys.exit()")],
    "answers": [write("why", "Because."), write("plot", "plot = 2"), write("task", "Find a use of it. Here.")],
    "tampers": [write("double", "def double(x):\n    return x"), tamper],
    "skips": [lambda nb: nb.cells[0].metadata.update(tags=["skip-execution"])],
    "late": [],
    "early": [],
    "files": [],
    "deletes": [delete_test],
}
TIMES = {"late": "2025-03-01 13:30:00 UTC", "early": "2025-03-01 11:59:59 UTC", "files": "2025-03-09 12:00:00 UTC"}
# Stock nbgrader loses these submissions, and one with a copied cell ends the whole class's run.
LOST: dict[str, list[Hand]] = {
    "copies": [copy_solution],
    "foreign": [add_foreign],
    "dies": [before("test_half", "import os\nos._exit(1)")],
    "too_much": [write("half", "class More(float):\n    __eq__ = lambda *_: 9\ndef half(x):\n    return More(x / 2)")],
    "copies_task": [copy_task],
}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course made by `nbgrader quickstart`, with an assignment of ours that a class has handed in."""
    folder = tmp_path_factory.mktemp("courses")
    run_nbgrader(folder, "quickstart", "course")
    root = folder / "course"
    guide = Path(nbgrader.__file__).parent / "docs" / "source" / "user_guide"
    shutil.copy(guide / "autotests.yml", root)
    with (root / "nbgrader_config.py").open("a") as file:
        file.write(CONFIG)
    (root / "penalty.py").write_text(PENALTY)
    source = root / "source" / ASSIGNMENT
    (source / "data").mkdir(parents=True)
    (source / "data" / "numbers.txt").write_text("1 2 3")
    (source / "given.py").write_text("NUMBER = 7")
    nbformat.write(first(), source / "first.ipynb")
    nbformat.write(second(), source / "second.ipynb")
    run_nbgrader(root, "generate_assignment", ASSIGNMENT)
    with gradebook(root) as book:
        book.update_or_create_assignment(ASSIGNMENT, duedate=DUE)
    shutil.copy(root / "gradebook.db", root / "generated.db")
    for student, hands in {**STUDENTS, **LOST, "blank": []}.items():
        hand_in(root, student, hands)
    return root


def hand_in(root: Path, student: str, hands: list[Hand]) -> None:
    folder = root / "submitted" / student / ASSIGNMENT
    shutil.copytree(root / "release" / ASSIGNMENT, folder)
    nb = nbformat.read(folder / "first.ipynb", as_version=4)
    for name, code in RIGHT.items() if student != "blank" else ():
        write(name, code)(nb)
    for hand in hands:
        hand(nb)
    nbformat.write(nb, folder / "first.ipynb")
    if student == "right":
        shutil.copy(root / "source" / ASSIGNMENT / "second.ipynb", folder)
    if student not in ("right", "blank", "late"):
        (folder / "second.ipynb").unlink()
    if student == "files":
        (folder / "mine.py").write_text("NUMBER = 5")
        (folder / "given.py").write_text("NUMBER = 8")
        (folder / "data" / "numbers.txt").write_text("4 5 6")
    if student in TIMES:
        (folder / "timestamp.txt").write_text(TIMES[student])


def run_nbgrader(folder: Path, *arguments: str) -> str:
    """Run a command of stock nbgrader, and return what it logged. Submissions that fail are no failure of the command here."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0 or arguments[0] == "autograde", done.stderr
    return done.stderr


def run_stock(root: Path, *options: str, assignment: str = ASSIGNMENT) -> None:
    """Run `nbgrader autograde` into another gradebook and folder than gradescent's."""
    elsewhere = ["--CourseDirectory.autograded_directory=stock", f"--db=sqlite:///{root / 'stock.db'}"]
    run_nbgrader(root, "autograde", assignment, *elsewhere, *options)


def gradebook(root: Path, name: str = "gradebook.db") -> Gradebook:
    return Gradebook(f"sqlite:///{root / name}")


def grades(root: Path, name: str = "gradebook.db", assignment: str = ASSIGNMENT) -> Grades:
    """All that a gradebook says: (student, notebook, cell) to scores, whether a person has to look, comments, penalties."""
    found: Grades = {}
    with gradebook(root, name) as book:
        for submission in book.assignment_submissions(assignment):
            student = submission.student.id
            for nb in submission.notebooks:
                found[student, nb.name, ""] = (nb.late_submission_penalty, submission.timestamp)
                for grade in nb.grades:
                    scores = (grade.auto_score, grade.manual_score, grade.extra_credit, grade.score)
                    found[student, nb.name, grade.name] = (*scores, bool(grade.needs_manual_grade))
                for comment in nb.comments:
                    found[student, nb.name, f"comment on {comment.name}"] = (comment.auto_comment,)
    return found


@pytest.fixture(scope="module")
def both(course: Path) -> tuple[Grades, Grades]:
    """The gradebook after stock `nbgrader autograde`, and after `gradescent grade`."""
    shutil.copy(course / "gradebook.db", course / "stock.db")
    run_stock(course, "--CourseDirectory.student_id_exclude=" + ",".join(LOST))
    assert grade(course) == cli.NEEDS_A_PERSON
    return grades(course, "stock.db"), grades(course)


def grade(course: Path, *options: str, assignment: str = ASSIGNMENT) -> int:
    here = Path.cwd()
    os.chdir(course)
    try:
        return cli.main(["grade", assignment, "--workers", "2", *options])
    finally:
        os.chdir(here)


def record(course: Path, student: str) -> list[dict[str, Any]]:
    found = json.loads((course / "autograded" / student / ASSIGNMENT / FILE).read_text())
    return list(found["parts"])


def test_every_grade_is_that_of_stock_nbgrader(both: tuple[Grades, Grades]) -> None:
    stock, ours = both
    kept = {place: values for place, values in ours.items() if place[0] not in LOST}
    assert {student for student, *_ in kept} == {*STUDENTS, "blank"}
    assert kept == {place: values for place, values in stock.items() if place[0] not in LOST}


def test_the_class_is_no_class_of_blanks(both: tuple[Grades, Grades]) -> None:
    _, ours = both
    auto = {place: values[0] for place, values in ours.items()}
    assert auto["right", "first", "test_double"] == 2
    assert auto["wrong", "first", "test_half"] == 1
    assert auto["partial", "first", "test_half"] == 2
    assert auto["warns", "first", "test_half"] == 0
    assert auto["right", "second", "test_hashed"] == 2
    assert auto["blank", "second", "test_hashed"] == 0
    assert auto["files", "first", "test_mine"] == 1
    assert auto["right", "first", "test_mine"] == 0
    assert auto["tampers", "first", "test_double"] == 0
    assert auto["late", "first", ""] == 1.5
    assert auto["early", "first", ""] is None


@pytest.mark.parametrize("student", ["copies", "foreign", "dies", "copies_task"])
def test_what_stock_nbgrader_loses_is_graded(both: tuple[Grades, Grades], student: str) -> None:
    _, ours = both
    right = {(part, name): values for (who, part, name), values in ours.items() if who == "right" and part == "first"}
    assert right == {
        (part, name): values for (who, part, name), values in ours.items() if who == student and part == "first"
    }


def test_stock_nbgrader_loses_them(course: Path, both: tuple[Grades, Grades]) -> None:
    for student in LOST:
        run_stock(course, "--student", student)
        assert not (course / "stock" / student / ASSIGNMENT).exists()


def test_points_that_cannot_be_read_are_for_a_person(course: Path, both: tuple[Grades, Grades]) -> None:
    _, ours = both
    assert ours["too_much", "first", "test_half"] == (None, None, None, 0.0, True)
    assert "partial credit cannot be greater" in record(course, "too_much")[0]["problem"]


def test_results_are_marked_as_forgeable(course: Path, both: tuple[Grades, Grades]) -> None:
    parts = record(course, "right")
    assert [part["forgeable"] for part in parts] == [True, True]
    assert all("the tests ran in the student's kernel: forgeable" in part["notes"] for part in parts)


def test_copied_cells_are_told(course: Path, both: tuple[Grades, Grades]) -> None:
    assert "Cell with id 'double' exists multiple times!" in record(course, "copies")[0]["notes"]


def test_a_second_run_leaves_a_persons_grades_alone(course: Path, both: tuple[Grades, Grades]) -> None:
    with gradebook(course) as book:
        place = ("first", ASSIGNMENT, "answers")
        for name, points, extra in (("why", 4, None), ("plot", 2, None), ("test_free", None, 3), ("task", 5, None)):
            given = book.find_grade(name, *place)
            given.manual_score, given.extra_credit, given.needs_manual_grade = points, extra, False
        book.db.commit()
    before, written = grades(course), (course / "autograded" / "answers" / ASSIGNMENT / FILE).stat().st_mtime_ns
    grade(course)
    assert grades(course) == before
    assert (course / "autograded" / "answers" / ASSIGNMENT / FILE).stat().st_mtime_ns == written
    grade(course, "--force", "--student", "answers")
    assert grades(course) == before


@pytest.fixture
def fresh(course: Path, tmp_path: Path) -> Path:
    """The same course with nothing handed in."""
    left_out = shutil.ignore_patterns("submitted", "autograded", "stock*", "feedback", "gradebook.db")
    copied = Path(shutil.copytree(course, tmp_path / "course", ignore=left_out))
    return (copied / "generated.db").rename(copied / "gradebook.db").parent


def test_an_assignment_that_was_never_generated_is_entered_from_its_source(fresh: Path) -> None:
    hand_in(fresh, "right", [])
    shutil.rmtree(fresh / "release")
    (fresh / "gradebook.db").unlink()
    assert grade(fresh) == cli.DONE
    assert [sum(q["score"] or 0 for q in part["questions"].values()) for part in record(fresh, "right")] == [9, 4]
    assert not (fresh / "release").exists()


def test_the_example_of_quickstart_is_graded_as_it_is(fresh: Path) -> None:
    shutil.copytree(fresh / "source" / "ps1", fresh / "submitted" / "solver" / "ps1")
    assert grade(fresh, assignment="ps1") == cli.DONE
    shutil.copy(fresh / "gradebook.db", fresh / "stock.db")
    ours = grades(fresh, assignment="ps1")
    with gradebook(fresh, "stock.db") as book:
        book.remove_submission("ps1", "solver")
    run_stock(fresh, assignment="ps1")
    assert ours == grades(fresh, "stock.db", "ps1")
    assert ours["solver", "problem1", "correct_squares"][0] == 1


def test_what_is_never_reached_gives_no_points(fresh: Path) -> None:
    def die_often(nb: NotebookNode) -> None:
        nb.cells[1:1] = [new_code_cell("import os\nos._exit(1)") for _ in range(10)]

    hand_in(fresh, "dies", [die_often])
    grade(fresh)
    assert not any(question["score"] for question in record(fresh, "dies")[0]["questions"].values())


def test_no_tag_keeps_a_test_from_running(fresh: Path) -> None:
    def tag(nb: NotebookNode) -> None:
        named(nb, "double").source = ""
        named(nb, "test_double").metadata["tags"] = ["skip-execution"]

    hand_in(fresh, "tags", [tag])
    grade(fresh)
    assert record(fresh, "tags")[0]["questions"]["test_double"]["score"] == 0


def test_students_links_are_left_out(fresh: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("NUMBER = 5")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "inner.txt").write_text("secret")
    hand_in(fresh, "links", [before("double", "import glob\nprint(sorted(glob.glob('*')))")])
    folder = fresh / "submitted" / "links" / ASSIGNMENT
    (folder / "mine.py").symlink_to(tmp_path / "secret.py")
    (folder / "more").symlink_to(tmp_path / "secrets")
    os.mkfifo(folder / "pipe")
    grade(fresh)
    first_part = record(fresh, "links")[0]
    assert first_part["questions"]["test_mine"]["score"] == 0
    assert sum("left out" in note for note in first_part["notes"]) == 2
    listed = (fresh / "autograded" / "links" / ASSIGNMENT / "first.ipynb").read_text()
    assert "['data', 'given.py']" in listed


def test_diff_writes_nothing(fresh: Path) -> None:
    hand_in(fresh, "right", [])
    grade(fresh)
    before_it = grades(fresh)
    hand = fresh / "submitted" / "right" / ASSIGNMENT / "first.ipynb"
    nb = nbformat.read(hand, as_version=4)
    write("double", "double = None")(nb)
    nbformat.write(nb, hand)
    files = set(fresh.rglob("*"))
    grade(fresh, "--diff")
    assert set(fresh.rglob("*")) == files
    assert grades(fresh) == before_it
    assert record(fresh, "right")[0]["questions"]["test_double"]["score"] == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 / 0", "cannot be loaded (ZeroDivisionError"),
        (
            "c.CourseDirectory.directory_structure = '{nbgrader_step}/{assignment_id}/{student_id}'",
            "directory_structure",
        ),
        ("c.Autograde.autograde_preprocessors = ['nbgrader.preprocessors.SaveAutoGrades']", "has no Execute"),
        ("c.Execute.timeout = 'long'", "Execute"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_named(
    fresh: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    with (fresh / "nbgrader_config.py").open("a") as file:
        file.write(line + "\n")
    hand_in(fresh, "right", [])
    assert grade(fresh) == cli.USAGE
    error = capsys.readouterr().err
    assert "nbgrader_config.py" in error
    assert message in error


def test_a_time_that_is_none_is_told_and_costs_nothing(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hand_in(fresh, "right", [])
    (fresh / "submitted" / "right" / ASSIGNMENT / "timestamp.txt").write_text("yesterday, I think")
    assert grade(fresh) == cli.NEEDS_A_PERSON
    assert "timestamp.txt: is no time" in capsys.readouterr().out
    assert grades(fresh)["right", "first", "test_double"][0] == 2


def test_a_penalty_that_breaks_is_told_and_costs_no_scores(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (fresh / "nbgrader_config.py").open("a") as file:
        file.write("c.AssignLatePenalties.plugin_class = 'broken.Penalty'\n")
    (fresh / "broken.py").write_text(PENALTY.replace("PointAnHour", "Penalty").replace("3600", "0"))
    hand_in(fresh, "late", [])
    assert grade(fresh) == cli.NEEDS_A_PERSON
    assert "ZeroDivisionError" in capsys.readouterr().out
    assert grades(fresh)["late", "first", "test_double"][0] == 2


def test_other_folders_and_another_gradebook_are_those_of_the_configuration(fresh: Path) -> None:
    with (fresh / "nbgrader_config.py").open("a") as file:
        file.write("c.CourseDirectory.submitted_directory = 'in'\nc.CourseDirectory.autograded_directory = 'out'\n")
        file.write(f"c.CourseDirectory.db_url = 'sqlite:///{fresh / 'else.db'}'\n")
    hand_in(fresh, "right", [])
    (fresh / "submitted").rename(fresh / "in")
    assert grade(fresh) == cli.DONE
    assert (fresh / "out" / "right" / ASSIGNMENT / FILE).is_file()
    assert grades(fresh, "else.db")["right", "first", "test_double"][0] == 2
