"""`gradescent grade`, for real: classes, bad input, restarts, what is written and what the exit code says."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from conftest import ASSIGNMENT, NETWORK, network_notebook
from jinja2 import Environment
from jinja2.runtime import Context
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook

from grader_tests import questions
from grader_tests.variants import Variant
from gradescent.cli import DONE, NEEDS_A_PERSON, USAGE, main
from gradescent.course import Course
from gradescent.grading import archives, feedback, gradebook, job, sandbox
from gradescent.grading.record import StudentResult
from gradescent.grading.sandbox import Sandbox
from gradescent.student.judging import Check, Student, Wrong

FULL = {"network": 4.0, "forward_prop": 8.0, "back_prop": 18.0, "evaluate": 5.0}


@pytest.fixture
def grade(
    course: Course, empty_gradebook: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Callable[..., tuple[int, dict, str]]:
    """Run the command in the course and return exit code, results by student, and what was printed."""
    shutil.copy(empty_gradebook, course.gradebook)
    monkeypatch.chdir(course.root)

    def run(*options: str) -> tuple[int, dict[str, Any], str]:
        results = course.root / "results.json"
        results.unlink(missing_ok=True)
        code = main(["grade", ASSIGNMENT, "--json", str(results), *options])
        printed = capsys.readouterr()
        rows = json.loads(results.read_text()) if results.exists() else []
        return code, {row["student"]: row["questions"] for row in rows}, printed.out + printed.err

    return run


def scores(questions: dict[str, Any]) -> dict[str, float]:
    return {name: question["score"] for name, question in questions.items()}


def evaluate_is(course: Course, body: str, after: str = "") -> NotebookNode:
    """A right notebook but for the body of `evaluate`."""
    code = f"def evaluate(self, data):\n    {body}\n\n\nNetwork.evaluate = evaluate{after}"
    return network_notebook(course, Variant("edited", cells={"evaluate": code}))


def test_right_work_gets_full_marks_and_everything_is_written(
    course: Course, hand_in: Callable, grade: Callable
) -> None:
    hand_in("ada")
    code, results, printed = grade()
    assert code == DONE
    assert scores(results["ada"]) == FULL
    assert {question["outcome"] for question in results["ada"].values()} == {"right"}
    assert "35/35" in printed
    record = json.loads((course.autograded / "ada" / ASSIGNMENT / "result.json").read_text())
    assert record["parts"][0]["seed"]
    notebook = nbformat.read(course.autograded / "ada" / ASSIGNMENT / f"{NETWORK}.ipynb", 4)
    graded = next(cell for cell in notebook.cells if cell.id == "back_prop")
    assert graded.outputs[0].output_type == "execute_result"
    assert graded.outputs[0].data["text/plain"] == "18.0"
    page = (course.feedback / "ada" / ASSIGNMENT / f"{NETWORK}.html").read_text()
    assert "back_prop: right" in page
    with gradebook.opened(course) as book:
        assert book.find_submission(ASSIGNMENT, "ada").score == 35.0


def test_a_second_call_runs_nothing_again_unless_something_changed(
    course: Course, hand_in: Callable, grade: Callable
) -> None:
    file = hand_in("ada")
    grade()
    record = course.autograded / "ada" / ASSIGNMENT / "result.json"
    first = record.read_bytes()
    assert grade()[0] == DONE
    assert record.read_bytes() == first
    nbformat.write(network_notebook(course, Variant("v", leave=("evaluate",))), file)
    _, results, _ = grade()
    assert scores(results["ada"]) == {**FULL, "evaluate": 0.0}
    assert record.read_bytes() != first
    again = record.read_bytes()
    grade("--force")
    assert record.read_bytes() != again


def test_partial_credit_and_messages_reach_gradebook_and_feedback(
    course: Course, hand_in: Callable, grade: Callable
) -> None:
    edits = {"back_prop": [("delta.sum(axis=1, keepdims=True)", "delta.mean(axis=1, keepdims=True)")]}
    hand_in("ben", network_notebook(course, Variant("v", edits=edits)))
    code, results, printed = grade()
    assert code == DONE
    assert 0 < results["ben"]["back_prop"]["score"] < 18
    assert "averaged" in results["ben"]["back_prop"]["message"]
    assert "averaged" in printed
    with gradebook.opened(course) as book:
        assert (
            book.find_grade("back_prop", NETWORK, ASSIGNMENT, "ben").auto_score == results["ben"]["back_prop"]["score"]
        )
    page = (course.feedback / "ben" / ASSIGNMENT / f"{NETWORK}.html").read_text()
    assert "averaged" in page
    assert "gradients_of_a_batch(student" not in page


def test_an_early_exit_costs_only_its_own_cell(course: Course, hand_in: Callable, grade: Callable) -> None:
    notebook = network_notebook(course)
    notebook.cells.insert(6, new_code_cell("import os\nos._exit(0)"))
    hand_in("hiro", notebook)
    code, results, _ = grade()
    assert code == DONE
    assert scores(results["hiro"]) == FULL
    written = nbformat.read(course.autograded / "hiro" / ASSIGNMENT / f"{NETWORK}.ipynb", 4)
    cell = next(cell for cell in written.cells if "_exit" in cell.source)
    assert "process died" in cell.outputs[0].ename


def test_exit_in_an_answer_is_named(course: Course, hand_in: Callable, grade: Callable) -> None:
    hand_in("hiro", evaluate_is(course, "import os\n    os._exit(3)"))
    _, results, _ = grade()
    assert scores(results["hiro"]) == {**FULL, "evaluate": 0.0}
    assert results["hiro"]["evaluate"]["outcome"] == "process died"


def test_an_endless_loop_in_an_answer_is_named(course: Course, hand_in: Callable, grade: Callable) -> None:
    _limits(course, "call_seconds = 1")
    hand_in("gita", evaluate_is(course, "while True:\n        pass"))
    _, results, _ = grade()
    assert scores(results["gita"]) == {**FULL, "evaluate": 0.0}
    assert results["gita"]["evaluate"]["outcome"] == "time limit"
    assert "never ends" in results["gita"]["evaluate"]["message"]


def test_an_endless_loop_in_a_cell_costs_only_that_cell(course: Course, hand_in: Callable, grade: Callable) -> None:
    _limits(course, "cell_seconds = 2")
    notebook = network_notebook(course)
    notebook.cells.append(new_code_cell("while True:\n    pass"))
    hand_in("gita", notebook)
    _, results, _ = grade()
    assert scores(results["gita"]) == FULL


def _limits(course: Course, line: str) -> None:
    file = course.root / "course.toml"
    name = line.split()[0]
    lines = [line if text.startswith(f"{name} ") else text for text in file.read_text().splitlines()]
    file.write_text("\n".join(lines))


def test_memory_is_limited(course: Course, hand_in: Callable, grade: Callable) -> None:
    _limits(course, "memory_mb = 500")
    hand_in("max", evaluate_is(course, "hoard = [np.ones(10**6) for _ in range(10**4)]\n    return len(hoard)"))
    _, results, _ = grade()
    assert scores(results["max"]) == {**FULL, "evaluate": 0.0}
    assert results["max"]["evaluate"]["outcome"] == "memory limit"


# ── bad input ────────────────────────────────────────────────────────────────────────────────────────────────────


def _fifo(file: Path) -> None:
    os.mkfifo(file)


def _folder(file: Path) -> None:
    file.mkdir()


def _link(file: Path) -> None:
    file.symlink_to("/etc/passwd")


BROKEN_FILES: dict[str, tuple[Any, str]] = {
    "not_json": ("{ this is not json", "its JSON breaks"),
    "empty": ("", "the file is empty"),
    "json_but_no_notebook": ('{"a": 1}', "JSON, but not a notebook"),
    "json_list": ("[1, 2]", "JSON, but not a notebook"),
    "not_text": (b"\xff\xfe\x00\x01", "no text in UTF-8"),
    "fifty_megabytes": (b'{"cells": [], "nbformat": 4, "x": "' + b"y" * (50 << 20) + b'"}', "50 MB"),
    "malformed_cells": ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}', "malformed"),
    "no_cells": ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 3}', "cells"),
    "deep": ('{"nbformat": 4, "cells": ' + "[" * 100_000, "its JSON breaks"),
    "a_pipe": (_fifo, "is not a regular file"),
    "a_folder": (_folder, "is not a regular file"),
    "a_link": (_link, "is a link"),
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_broken_notebook_costs_nobody_else_anything(
    course: Course, hand_in: Callable, grade: Callable, name: str
) -> None:
    content, words = BROKEN_FILES[name]
    hand_in("ada")
    if callable(content):
        folder = course.submitted / "broken" / ASSIGNMENT
        folder.mkdir(parents=True)
        content(folder / f"{NETWORK}.ipynb")
    else:
        hand_in("broken", content)
    code, results, printed = grade()
    assert code == NEEDS_A_PERSON
    assert scores(results["ada"]) == FULL
    assert set(scores(results["broken"]).values()) == {0.0}
    message = results["broken"]["back_prop"]["message"]
    assert words in message
    assert f"{NETWORK}.ipynb" in message
    assert "Remedy" in message
    assert "Traceback" not in printed


def test_a_notebook_of_another_assignment_is_refused(course: Course, hand_in: Callable, grade: Callable) -> None:
    notebook = network_notebook(course)
    notebook.metadata.gradescent.assignment = "ps7_text"
    hand_in("otto", notebook)
    code, results, _ = grade()
    assert code == NEEDS_A_PERSON
    assert "'ps7_text'" in results["otto"]["back_prop"]["message"]


def test_a_notebook_of_format_3_is_converted(course: Course, hand_in: Callable, grade: Callable) -> None:
    old = nbformat.convert(network_notebook(course), 3)
    hand_in("vera", nbformat.v3.writes_json(old))
    code, results, printed = grade()
    assert code == DONE
    assert scores(results["vera"]) == FULL
    assert "converted from notebook format 3" in printed


@pytest.mark.parametrize(
    "name",
    [
        "part2_network (1).ipynb",
        "Copy of part2_network.ipynb",
        "Part2_Network-Müller ✓.ipynb",
        "part2-network.ipynb",
        "мой блокнот.ipynb",
    ],
)
def test_a_renamed_notebook_is_found(hand_in: Callable, course: Course, grade: Callable, name: str) -> None:
    hand_in("Žofie", None, name)
    code, results, _ = grade()
    assert code == DONE
    assert scores(results["Žofie"]) == FULL


def test_two_different_notebooks_need_a_person(course: Course, hand_in: Callable, grade: Callable) -> None:
    hand_in("tom")
    hand_in("tom", network_notebook(course, Variant("v", leave=("evaluate",))), "part2_network (1).ipynb")
    code, results, printed = grade()
    assert code == NEEDS_A_PERSON
    assert scores(results["tom"]) == FULL
    assert "handed in twice" in printed


def test_the_same_notebook_twice_is_no_problem(hand_in: Callable, grade: Callable) -> None:
    hand_in("tom")
    hand_in("tom", None, "part2_network (1).ipynb")
    assert grade()[0] == DONE


def _zip(file: Path, members: dict[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)


def test_a_zip_archive_is_as_good_as_what_is_in_it(course: Course, hand_in: Callable, grade: Callable) -> None:
    right = nbformat.writes(network_notebook(course))
    left = nbformat.writes(network_notebook(course, Variant("v", leave=("evaluate",))))
    inner = {f"Müller/{NETWORK} (1).ipynb": right, "Müller/plot.png": "", f"__MACOSX/Müller/._{NETWORK}.ipynb": "x"}
    inner[f"Müller/.ipynb_checkpoints/{NETWORK}-checkpoint.ipynb"] = left
    _zip(course.submitted / "zoe" / ASSIGNMENT / "Abgabe Müller.ZIP", inner)
    _zip(course.submitted / "win" / ASSIGNMENT / "handin.zip", {f"Müller\\{NETWORK}.ipynb": right})
    _zip(course.submitted / "tom" / ASSIGNMENT / "handin.zip", {f"work/{NETWORK}.ipynb": left})
    hand_in("tom")
    _zip(course.submitted / "nils" / ASSIGNMENT / "handin.zip", {"photo.jpg": "", "inner.zip": ""})
    code, results, printed = grade()
    assert code == NEEDS_A_PERSON
    assert [scores(results[name]) for name in ("zoe", "win", "tom")] == [FULL] * 3
    assert f"handed in twice, 'handin.zip/work/{NETWORK}.ipynb' differs. Graded: '{NETWORK}.ipynb'" in printed
    assert {question["outcome"] for question in results["nils"].values()} == {"missing"}
    notes = "; ".join(_record(course, "nils")["notes"])
    assert "handin.zip: there is no notebook in it" in notes
    assert "handin.zip: the archive 'inner.zip' in it was not opened" in notes
    assert sum(line.startswith("!") for line in printed.splitlines()) == 1, "the others need nobody"
    assert not [file for file in course.root.rglob("*") if "Müller" in file.name and file.suffix != ".ZIP"]


def test_a_disk_that_fails_is_no_fault_of_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _zip(tmp_path / "handin.zip", {f"{NETWORK}.ipynb": "{}"})

    class FailingDisk(io.FileIO):
        def readinto(self, buffer: object) -> int:
            raise OSError(errno.EIO, "Input/output error")

    reading = archives.notebooks(tmp_path / "handin.zip", 1 << 20, [])
    place, read = next(reading)
    assert place == tmp_path / "handin.zip" / f"{NETWORK}.ipynb"
    assert read() == "{}"
    monkeypatch.setattr(io, "FileIO", FailingDisk)
    with pytest.raises(OSError, match=r"Input/output error: '.*handin\.zip'"):
        next(archives.notebooks(tmp_path / "handin.zip", 1 << 20, []))


def test_nothing_handed_in_for_a_part_is_missing(course: Course, hand_in: Callable, grade: Callable) -> None:
    hand_in("ada")
    (course.submitted / "nils" / ASSIGNMENT).mkdir(parents=True)
    code, results, _ = grade()
    assert code == DONE
    assert {question["outcome"] for question in results["nils"].values()} == {"missing"}


def test_wrong_usage_is_told_in_one_line(
    course: Course, hand_in: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(course.root)
    assert main(["grade", "ps99"]) == USAGE
    assert "there is no assignment 'ps99'" in capsys.readouterr().err
    assert main(["grade", ASSIGNMENT]) == USAGE
    assert "no such folder" in capsys.readouterr().err
    course.submitted.mkdir()
    assert main(["grade", ASSIGNMENT]) == USAGE
    assert "nobody handed in" in capsys.readouterr().err
    monkeypatch.chdir(course.root.parent)
    assert main(["grade", ASSIGNMENT]) == USAGE
    assert "no course.toml here or above" in capsys.readouterr().err


def test_a_damaged_gradebook_loses_nothing(course: Course, hand_in: Callable, grade: Callable) -> None:
    hand_in("ada")
    course.gradebook.write_bytes(b"this is no database, and never was" * 100)
    code, results, printed = grade()
    assert code == NEEDS_A_PERSON
    assert scores(results["ada"]) == FULL
    assert "gradebook.db: cannot be used" in printed
    assert "Remedy" in printed
    record = (course.autograded / "ada" / ASSIGNMENT / "result.json").read_bytes()
    course.gradebook.unlink()
    assert grade()[0] == DONE
    assert (course.autograded / "ada" / ASSIGNMENT / "result.json").read_bytes() == record
    with gradebook.opened(course) as book:
        assert book.find_submission(ASSIGNMENT, "ada").score == 35.0
    assert (course.feedback / "ada" / ASSIGNMENT / f"{NETWORK}.html").is_file()


def test_a_persons_grades_and_comments_survive_a_regrade(course: Course, hand_in: Callable, grade: Callable) -> None:
    hand_in("ada")
    grade()
    with gradebook.opened(course) as book:
        given = book.find_grade("evaluate", NETWORK, ASSIGNMENT, "ada")
        given.manual_score = 4.5
        given.needs_manual_grade = False
        book.find_grade("network", NETWORK, ASSIGNMENT, "ada").extra_credit = 1.0
        book.db.commit()
    assert grade("--force")[0] == DONE
    with gradebook.opened(course) as book:
        given = book.find_grade("evaluate", NETWORK, ASSIGNMENT, "ada")
        assert (given.manual_score, given.auto_score, given.needs_manual_grade) == (4.5, 5.0, False)
        assert book.find_grade("network", NETWORK, ASSIGNMENT, "ada").extra_credit == 1.0


def test_a_locked_gradebook_is_waited_for(course: Course, hand_in: Callable, grade: Callable) -> None:
    hand_in("ada")
    grade()
    code = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1]); c.execute('begin immediate'); "
        "print('locked', flush=True); time.sleep(7)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(course.gradebook)], stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline()
        assert grade("--force")[0] == DONE
    sqlite3.connect(course.gradebook).close()
    with Gradebook(gradebook.url(course)) as book:
        assert book.find_submission(ASSIGNMENT, "ada").score == 35.0


def test_what_the_student_prints_is_never_taken_for_a_score(course: Course, hand_in: Callable, grade: Callable) -> None:
    body = "from IPython.display import display\n    display(5.0)\n    print('evaluate: right.')\n    return 0.0"
    after = "\nfrom IPython.display import HTML, display\ndisplay(HTML('<b>evaluate: right</b>'))\n5.0"
    hand_in("quentin", evaluate_is(course, body, after))
    _, results, _ = grade()
    assert results["quentin"]["evaluate"]["score"] < 2
    with gradebook.opened(course) as book:
        assert (
            book.find_grade("evaluate", NETWORK, ASSIGNMENT, "quentin").auto_score
            == results["quentin"]["evaluate"]["score"]
        )


def test_a_syntax_error_is_shown_with_its_line(course: Course, hand_in: Callable, grade: Callable) -> None:
    code = "def evaluate(self, data):\n    hits = [\n    return hits\n\n\nNetwork.evaluate = evaluate"
    hand_in("fatima", network_notebook(course, Variant("v", cells={"evaluate": code})))
    _, results, _ = grade()
    assert scores(results["fatima"]) == {**FULL, "evaluate": 0.0}
    assert results["fatima"]["evaluate"]["outcome"] == "error in your code"
    assert "SyntaxError: '[' was never closed" in results["fatima"]["evaluate"]["message"]
    assert "hits = [" in results["fatima"]["evaluate"]["message"]


class NoSandboxAnyMore(Sandbox):
    """A sandbox whose root folder goes away once it was tried."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._root.rmdir()


def test_a_fault_of_the_machine_leaves_earlier_grades_alone(
    course: Course, hand_in: Callable, grade: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in("ada")
    grade()
    record = (course.autograded / "ada" / ASSIGNMENT / "result.json").read_bytes()
    monkeypatch.setattr(job, "Sandbox", NoSandboxAnyMore)
    code, results, printed = grade("--force")
    assert code == NEEDS_A_PERSON
    assert {question["score"] for question in results["ada"].values()} == {None}
    assert "did not start" in printed
    assert (course.autograded / "ada" / ASSIGNMENT / "result.json").read_bytes() == record
    with gradebook.opened(course) as book:
        assert book.find_submission(ASSIGNMENT, "ada").score == 35.0


def test_without_walls_nothing_is_run_unless_the_students_are_trusted(
    course: Course, hand_in: Callable, grade: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox.seccomp, "MACHINES", {})  # a machine that the filter does not know
    monkeypatch.setattr(sandbox, "bubblewrap", lambda: False)
    mark = course.root / "it-ran"
    hand_in("ada", evaluate_is(course, f"open({str(mark)!r}, 'w')\n    return None"))
    code, _, printed = grade()
    assert code == USAGE
    assert "nothing contains students' code on this machine" in printed
    assert "apt install bubblewrap" in printed
    assert "--trust-students" in printed
    assert not mark.exists()
    assert not list(course.autograded.glob("*/*"))
    code, results, printed = grade("--trust-students")
    assert code == DONE
    assert scores(results["ada"]) == {**FULL, "evaluate": 0.0}
    assert printed.startswith("Sandbox: NONE: students' code runs as you")
    assert mark.exists()


def test_a_course_that_students_could_read_is_refused(
    course: Course, hand_in: Callable, grade: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in("ada")
    monkeypatch.setattr(sandbox, "visible", lambda: [(str(course.root.parent), "/there")])
    code, _, printed = grade()
    assert code == USAGE
    assert (
        f"{course.root}: lies in {course.root.parent}, which students' code sees. Remedy: move it elsewhere" in printed
    )


def test_a_gradebook_that_holds_something_else_needs_a_person(
    course: Course, hand_in: Callable, grade: Callable
) -> None:
    with sqlite3.connect(course.gradebook) as database:
        database.execute(
            "CREATE TRIGGER other AFTER UPDATE OF auto_score ON grade WHEN NEW.auto_score = 18 "
            "BEGIN UPDATE grade SET auto_score = 17 WHERE id = NEW.id; END"
        )
    database.close()
    hand_in("ada")
    code, results, printed = grade()
    assert code == NEEDS_A_PERSON
    assert scores(results["ada"]) == FULL
    assert f"gradebook: ada, {NETWORK}, back_prop stands at 17.0, the record says 18.0" in printed


def _text_metadata(content: dict) -> None:
    content["metadata"] = "x"


def _list_metadata(content: dict) -> None:
    content["metadata"] = []
    content["cells"][0]["metadata"] = 3


def _odd_ids(content: dict) -> None:
    for cell, odd in zip(content["cells"], (["a"], 5, "x" * 500, "a b", None), strict=False):
        cell["id"] = odd


def _surrogates(content: dict) -> None:
    content["cells"].append({"cell_type": "code", "metadata": {}, "source": "x = '\ud800'", "outputs": []})


def _odd_own_metadata(content: dict) -> None:
    content["metadata"]["gradescent"] = {"assignment": ["a"], "part": {"b": 1}}


@pytest.mark.parametrize("damage", [_text_metadata, _list_metadata, _odd_ids, _surrogates, _odd_own_metadata])
def test_odd_content_costs_nothing(
    course: Course, hand_in: Callable, grade: Callable, damage: Callable[[dict], None]
) -> None:
    content = json.loads(nbformat.writes(network_notebook(course)))
    damage(content)
    hand_in("odd", json.dumps(content))
    code, results, _ = grade()
    assert code == DONE
    assert scores(results["odd"]) == FULL


def test_a_notebook_without_name_or_metadata_is_recognised(course: Course, hand_in: Callable, grade: Callable) -> None:
    notebook = network_notebook(course)
    notebook.metadata.clear()
    for number, cell in enumerate(notebook.cells):
        cell.metadata.clear()
        cell["id"] = f"n{number}"
    hand_in("ada", notebook, "homework.ipynb")
    code, results, _ = grade()
    assert code == DONE
    assert scores(results["ada"]) == FULL


def test_a_notebook_that_nobody_recognises_needs_a_person(course: Course, hand_in: Callable, grade: Callable) -> None:
    hand_in("ada", nbformat.v4.new_notebook(cells=[new_code_cell("1 + 1")]), "scratch.ipynb")
    code, results, _ = grade()
    assert code == NEEDS_A_PERSON
    assert "scratch.ipynb: cannot tell which part it is" in results["ada"]["network"]["message"]


def test_a_linked_folder_is_not_followed_and_not_forgotten(course: Course, hand_in: Callable, grade: Callable) -> None:
    hand_in("ada")
    (course.submitted / "eve").symlink_to(course.submitted / "ada")
    code, results, _ = grade()
    assert code == NEEDS_A_PERSON
    assert scores(results["ada"]) == FULL
    assert "is a link" in results["eve"]["network"]["message"]


def test_time_that_is_slept_away_is_limited_too(course: Course, hand_in: Callable, grade: Callable) -> None:
    _limits(course, "submission_seconds = 6")
    hand_in("siesta", evaluate_is(course, "import time\n    time.sleep(1000)"))
    _, results, _ = grade()
    assert results["siesta"]["evaluate"]["outcome"] == "time limit"
    assert results["siesta"]["back_prop"]["score"] == 18.0


def test_rich_outputs_and_floods_do_not_end_the_process(course: Course, hand_in: Callable, grade: Callable) -> None:
    notebook = network_notebook(course)
    rich = (
        "class Picture:\n    def _repr_png_(self):\n        return b'\\x89PNG'\n"
        "    def _repr_json_(self):\n        return {'a': object()}\nPicture()"
    )
    notebook.cells.append(new_code_cell(rich))
    notebook.cells.append(new_code_cell("print('x' * 40_000_000)\nfor _ in range(5000):\n    display(1)"))
    hand_in("flood", notebook)
    code, results, _ = grade()
    assert code == DONE
    assert scores(results["flood"]) == FULL
    written = course.autograded / "flood" / ASSIGNMENT / f"{NETWORK}.ipynb"
    assert written.stat().st_size < 2_000_000
    cells = nbformat.read(written, 4).cells
    assert cells[-2].outputs[0].data["image/png"] == "iVBORw=="


def test_a_person_looks_again_when_a_graded_answer_has_changed(
    course: Course, hand_in: Callable, grade: Callable
) -> None:
    hand_in("ada")
    grade()
    results = StudentResult.from_dict(json.loads((course.autograded / "ada" / ASSIGNMENT / "result.json").read_text()))
    question = results.parts[0].results[0]
    question.score, question.answer = None, "after"
    with gradebook.opened(course) as book:
        gradebook.enter_result(book, results)
        grade_of = book.find_grade("network", NETWORK, ASSIGNMENT, "ada")
        grade_of.manual_score, grade_of.needs_manual_grade = 3.0, False
        gradebook.enter_result(book, results)
        assert not book.find_grade("network", NETWORK, ASSIGNMENT, "ada").needs_manual_grade
        gradebook.enter_result(book, results, changed={(NETWORK, "network")})
        assert book.find_grade("network", NETWORK, ASSIGNMENT, "ada").needs_manual_grade
        assert book.find_grade("network", NETWORK, ASSIGNMENT, "ada").manual_score == 3.0


def test_names_with_markup_are_shown_as_text(course: Course, hand_in: Callable, grade: Callable) -> None:
    hand_in("[bold]x[red]")
    code, _, printed = grade()
    assert code == DONE
    assert "[bold]x[red]" in printed


def test_names_that_no_file_can_carry_need_a_person(course: Course, hand_in: Callable, grade: Callable) -> None:
    hand_in("ada")
    hand_in("eve\x1b[2J\n! ada: forged")
    (course.submitted / os.fsdecode(b"st\xff") / ASSIGNMENT).mkdir(parents=True)
    code, results, printed = grade()
    assert code == NEEDS_A_PERSON
    assert scores(results["ada"]) == FULL
    assert len(results) == 3
    assert "cannot be a student's name" in printed
    assert "\x1b" not in printed
    assert "\n! ada: forged" not in printed


def test_a_file_whose_name_is_no_text_costs_nobody_anything(course: Course, hand_in: Callable, grade: Callable) -> None:
    hand_in("ada")
    (course.submitted / "ada" / ASSIGNMENT / os.fsdecode(b"part2_network \xff.ipynb")).write_text("{")
    code, results, printed = grade()
    assert code == NEEDS_A_PERSON
    assert scores(results["ada"]) == FULL
    assert "its JSON breaks" in printed


def test_json_that_cannot_be_written_hides_nothing(course: Course, hand_in: Callable, grade: Callable) -> None:
    hand_in("ada")
    code, _, printed = grade("--json", "/proc/none/x.json")
    assert code == NEEDS_A_PERSON
    assert "Results:" in printed
    assert "/proc/none" in printed


def test_hostile_text_does_not_stop_the_grader(course: Course, hand_in: Callable, grade: Callable) -> None:
    notebook = network_notebook(course)
    notebook.cells.append(nbformat.v4.new_markdown_cell("\\begin{a}" * 20_000))
    notebook.cells.append(nbformat.v4.new_markdown_cell("#BEGIN MARK SCHEME\n" * 20_000))
    notebook.cells.append(new_code_cell("a=0\n" * 20_000))
    notebook.cells.append(new_code_cell("import os\nos.write(2, b'x' * (1 << 20))"))
    hand_in("hostile", notebook)
    code, results, _ = grade()
    assert code == DONE
    assert scores(results["hostile"]) == FULL


def test_a_constant_accuracy_gains_nothing(course: Course, hand_in: Callable, grade: Callable) -> None:
    hand_in("constant", evaluate_is(course, "return 0.123456"))
    _, results, _ = grade()
    assert results["constant"]["evaluate"]["score"] == 0


# ── limits of a cell ─────────────────────────────────────────────────────────────────────────────────────────────


def _mark(course: Course, old: str, new: str) -> None:
    """Change the marker of a cell in the text of part 2."""
    text = course.source / ASSIGNMENT / f"{NETWORK}.py"
    assert text.read_text().count(old) == 1
    text.write_text(text.read_text().replace(old, new))


def test_an_author_gives_one_question_more_time(course: Course, hand_in: Callable, grade: Callable) -> None:
    busy = "import time\n    begun = time.process_time()\n    while time.process_time() - begun < 1.2:\n        pass"
    slow = f"{busy}\n    return original(self, data)"
    notebook = network_notebook(course)
    answer = next(cell for cell in notebook.cells if cell.id == "solution_evaluate")
    answer.source += (
        f"\n\n\noriginal = Network.evaluate\n\n\ndef evaluate(self, data):\n    {slow}\n\n\nNetwork.evaluate = evaluate"
    )
    hand_in("slow", notebook)
    _limits(course, "call_seconds = 0.6")
    assert grade()[1]["slow"]["evaluate"]["outcome"] == "time limit"
    _mark(course, 'tests="evaluate" points=5', 'tests="evaluate" points=5 seconds=20')
    assert scores(grade()[1]["slow"]) == FULL


def test_an_author_gives_one_cell_more_memory(course: Course, hand_in: Callable, grade: Callable) -> None:
    notebook = network_notebook(course)
    answer = next(cell for cell in notebook.cells if cell.id == "solution_evaluate")
    answer.source += "\n\n\nhoard = np.ones(120 * 2**20 // 8)\nhoard2 = np.ones(280 * 2**20 // 8)"
    hand_in("large", notebook)
    _limits(course, "memory_mb = 300")
    grade()
    assert _errors(course, "large") == ["MemoryError"]
    _mark(course, 'solution="evaluate"', 'solution="evaluate" memory_mb=900')
    assert scores(grade()[1]["large"]) == FULL
    assert _errors(course, "large") == []


LARGE_FILE = "np.save('large.npy', np.ones(3 * 2**20 // 8))"
MUCH_TEXT = "print('x' * 300_000)"
LONG_SLEEP = "import time\ntime.sleep(4)"


@pytest.mark.parametrize(
    ("limit", "own", "code", "words"),
    [
        ("file_mb = 2", "file_mb=8", LARGE_FILE, "A file, and a folder, may have 2 MB here (file_mb)"),
        ("output_mb = 0.1", "output_mb=1", MUCH_TEXT, "a cell may show 0.1 MB (output_mb)"),
    ],
)
def test_an_author_gives_one_cell_a_limit_of_its_own(
    course: Course, hand_in: Callable, grade: Callable, limit: str, own: str, code: str, words: str
) -> None:
    notebook = network_notebook(course)
    answer = next(cell for cell in notebook.cells if cell.id == "solution_evaluate")
    answer.source += f"\n\n\n{code}"
    hand_in("much", notebook)
    _limits(course, limit)
    assert scores(grade()[1]["much"]) == FULL
    assert words in _shown(course, "much")
    _mark(course, 'solution="evaluate"', f'solution="evaluate" {own}')
    assert scores(grade()[1]["much"]) == FULL
    assert words not in _shown(course, "much")


def test_a_notebook_may_show_so_much_in_all(course: Course, hand_in: Callable, grade: Callable) -> None:
    notebook = network_notebook(course)
    notebook.cells += [new_code_cell(MUCH_TEXT) for _ in range(3)]
    hand_in("loud", notebook)
    _limits(course, "submission_output_mb = 0.2")
    assert scores(grade()[1]["loud"]) == FULL
    assert "its notebook may show no more (submission_output_mb)" in _shown(course, "loud")


def test_a_cell_that_sleeps_is_ended_by_its_own_wall_clock(course: Course, hand_in: Callable, grade: Callable) -> None:
    notebook = network_notebook(course)
    answer = next(cell for cell in notebook.cells if cell.id == "solution_evaluate")
    answer.source += f"\n\n\n{LONG_SLEEP}"
    hand_in("sleepy", notebook)
    _mark(course, 'solution="evaluate"', 'solution="evaluate" wall_seconds=2')
    assert grade()[1]["sleepy"]["evaluate"]["outcome"] == "time limit"
    assert "no answer within 2 s of wall clock (wall_seconds)" in _shown(course, "sleepy")
    _mark(course, "wall_seconds=2", "wall_seconds=60")
    assert scores(grade()[1]["sleepy"]) == FULL


def test_a_notebook_may_use_so_much_cpu_time_in_all(course: Course, hand_in: Callable, grade: Callable) -> None:
    notebook = network_notebook(course)
    busy = "import time\nend = time.process_time() + 1\nwhile time.process_time() < end:\n    pass"
    notebook.cells[1:1] = [new_code_cell(busy) for _ in range(4)]
    hand_in("busy", notebook)
    _limits(course, "submission_cpu_seconds = 2.5")
    entry = grade()[1]["busy"]
    assert entry["evaluate"]["outcome"] == "time limit"
    assert (
        "2.5 s of CPU time, in all its cells and calls together (submission_cpu_seconds)"
        in entry["evaluate"]["message"]
    )
    _limits(course, "submission_cpu_seconds = 60")
    assert scores(grade()[1]["busy"]) == FULL


def _shown(course: Course, student: str) -> str:
    """All text that a notebook's cells show."""
    written = nbformat.read(course.autograded / student / ASSIGNMENT / f"{NETWORK}.ipynb", 4)
    outputs = [output for cell in written.cells for output in cell.get("outputs", [])]
    return "\n".join(output.get("text", "") + output.get("evalue", "") for output in outputs)


def _errors(course: Course, student: str) -> list[str]:
    written = nbformat.read(course.autograded / student / ASSIGNMENT / f"{NETWORK}.ipynb", 4)
    outputs = [output for cell in written.cells for output in cell.get("outputs", [])]
    return [output.ename for output in outputs if output.output_type == "error"]


def test_a_limit_of_the_command_line_goes_before_the_courses(
    course: Course, hand_in: Callable, grade: Callable
) -> None:
    notebook = network_notebook(course)
    notebook.cells.append(new_code_cell("while True:\n    pass"))
    hand_in("gita", notebook)
    grade("--limit", "cell_seconds=1")
    cell = nbformat.read(course.autograded / "gita" / ASSIGNMENT / f"{NETWORK}.ipynb", 4).cells[-1]
    assert "more than 1 s of CPU time" in cell.outputs[-1].evalue
    code, _, printed = grade("--limit", "cell_second=1")
    assert code == USAGE
    assert "cannot hold 'cell_second'" in printed


def test_one_student_is_graded_alone(course: Course, hand_in: Callable, grade: Callable) -> None:
    hand_in("ada")
    hand_in("ben")
    assert list(grade("--student", "ben")[1]) == ["ben"]
    code, _, printed = grade("--student", "nobody")
    assert code == USAGE
    assert "--student nobody: handed nothing in. Those who did: ada, ben" in printed


# ── grading again ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_changed_test_reruns_its_question_alone(
    course: Course, hand_in: Callable, grade: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in("ada")
    grade()
    before = _record(course, "ada")
    question = questions(f"{ASSIGNMENT}/{NETWORK}")["evaluate"]
    monkeypatch.setattr(question, "checks", [*question.checks, Check(_refuses_everybody, 1.0)])
    code, results, _ = grade()
    assert code == DONE
    after = _record(course, "ada")
    assert results["ada"]["evaluate"]["outcome"] == "wrong"
    assert 0 < results["ada"]["evaluate"]["score"] < 5
    changed = [name for name in before["tests"] if before["tests"][name] != after["tests"][name]]
    assert changed == ["evaluate"]
    kept = [name for name in FULL if name != "evaluate"]
    assert all(before["questions"][name] == after["questions"][name] for name in kept)
    page = (course.feedback / "ada" / ASSIGNMENT / f"{NETWORK}.html").read_text()
    assert "back_prop: right" in page, "the outputs of what stands are written again"


def _refuses_everybody(student: Student, rng: np.random.Generator) -> None:
    raise Wrong("nobody is right. Likely: a test that was changed.")


def _record(course: Course, student: str) -> dict[str, Any]:
    record = json.loads((course.autograded / student / ASSIGNMENT / "result.json").read_text())
    part: dict[str, Any] = record["parts"][0]
    return part


def test_a_notebook_whose_process_ended_is_rerun_as_a_whole(
    course: Course, hand_in: Callable, grade: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = {"forward_prop": [("return", "import os\n    os._exit(3)\n    return")]}
    hand_in("hiro", network_notebook(course, Variant("v", edits=edits)))
    grade()
    first = _record(course, "hiro")
    assert first["starts"] > 1
    question = questions(f"{ASSIGNMENT}/{NETWORK}")["network"]
    monkeypatch.setattr(question, "checks", [*question.checks, Check(_refuses_everybody, 1.0)])
    grade()
    assert _record(course, "hiro")["seed"] != first["seed"]


def test_a_diff_writes_nothing_and_says_whose_points_would_change(
    course: Course, hand_in: Callable, grade: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in("ada")
    grade()
    question = questions(f"{ASSIGNMENT}/{NETWORK}")["evaluate"]
    monkeypatch.setattr(question, "checks", [*question.checks, Check(_refuses_everybody, 5.0)])
    files = {
        file: file.read_bytes() for file in course.root.rglob("*") if file.is_file() and file.name != "results.json"
    }
    code, _, printed = grade("--diff")
    assert code == DONE
    assert "nothing was written" in printed
    assert "evaluate" in printed
    assert "a test that was changed" in printed
    assert "back_prop" not in printed
    now = {file: file.read_bytes() for file in course.root.rglob("*") if file.is_file() and file.name != "results.json"}
    assert now == files


def test_a_diff_of_a_class_that_was_never_graded_writes_nothing(
    course: Course, hand_in: Callable, grade: Callable
) -> None:
    hand_in("ada")
    files = set(course.root.rglob("*"))
    code, _, printed = grade("--diff")
    assert code == DONE
    assert "ada" in printed
    assert set(course.root.rglob("*")) - {course.root / "results.json"} == files


ENDLESS = "''.join(f'<b id={n}>' for n in range(8000))"


def test_html_that_takes_too_long_is_shown_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "PAGE_SECONDS", 1.0)
    page = Context(Environment(), {"resources": {}}, "page", {})
    other = Context(Environment(), {"resources": {}}, "other", {})
    assert feedback.safe_html(page, "<b onclick=x>1 &lt; 2</b>") == "<b>1 &lt; 2</b>"
    assert feedback.safe_html(page, eval(ENDLESS) + "1 &lt; 2 <script>") == "<pre>1 &lt; 2 </pre>"
    assert feedback.safe_html(page, "<b>1</b> &lt;b>") == "<pre>1 &lt;b&gt;</pre>"
    assert feedback.safe_markdown(page, "**1** <b>") == "<pre>**1** &lt;b&gt;</pre>"
    assert feedback.safe_html(other, "<b>1</b>") == "<b>1</b>"
    assert "<strong>1</strong>" in feedback.safe_markdown(other, "**1**")


def test_a_page_with_endless_html_is_written(
    course: Course, hand_in: Callable, grade: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "PAGE_SECONDS", 1.0)
    notebook = network_notebook(course)
    notebook.cells.insert(1, new_code_cell(f"from IPython.display import HTML\nHTML({ENDLESS} + '&lt;seen&gt;')"))
    hand_in("ada", notebook)
    assert grade()[0] == DONE
    page = (course.feedback / "ada" / ASSIGNMENT / f"{NETWORK}.html").read_text()
    assert "<pre>&lt;seen&gt;</pre>" in page
    assert "evaluate: right" in page


def test_manual_grades_and_comments_survive_a_regrade(course: Course, hand_in: Callable, grade: Callable) -> None:
    hand_in("ada")
    grade()
    with gradebook.opened(course) as book:
        book.find_grade("network", NETWORK, ASSIGNMENT, "ada").manual_score = 3.5
        book.find_comment("solution_network", NETWORK, ASSIGNMENT, "ada").manual_comment = "Well named."
        book.db.commit()
    grade("--force")
    with gradebook.opened(course) as book:
        assert book.find_grade("network", NETWORK, ASSIGNMENT, "ada").manual_score == 3.5
        assert book.find_comment("solution_network", NETWORK, ASSIGNMENT, "ada").comment == "Well named."
