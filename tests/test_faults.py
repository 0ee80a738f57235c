"""What goes wrong around the grader, caused for real: nobody's result is lost, made twice, or wrong, and it says so."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import NETWORK, make_course
from faults_class import Class, slow_notebook, wait_for

from gradescent.cli import DONE, STOPPED
from gradescent.course import load_course
from gradescent.grading import pool

LATE = ("ben", "cleo", "dan", "eli")


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory, empty_gradebook: Path) -> Class:
    """A class in which one student is graded, by the tests and by a person."""
    folder = tmp_path_factory.mktemp("begun")
    (folder / "tmp").mkdir()
    made = Class(make_course(folder / "course", [NETWORK]), folder / "tmp")
    shutil.copy(empty_gradebook, made.course.gradebook)
    made.hand_in("ada")
    assert made.grade().code == DONE
    made.look()
    return made


@pytest.fixture
def room(begun: Class, tmp_path: Path) -> Class:
    """A copy of it, in which a test may hand in more and break what it likes."""
    shutil.copytree(begun.course.root, tmp_path / "course", symlinks=True)
    (tmp_path / "tmp").mkdir()
    return Class(load_course(tmp_path / "course"), tmp_path / "tmp", list(begun.students))


# ── the main process ends ────────────────────────────────────────────────────────────────────────────────────────


def _while_it_runs(room: Class) -> bool:
    return len(room.graded()) >= 2


def _while_feedback_is_written(room: Class) -> bool:
    return any(room.page(student).exists() for student in LATE)


ENDS = [
    (signal.SIGKILL, _while_it_runs),
    (signal.SIGKILL, _while_feedback_is_written),
    (signal.SIGTERM, _while_it_runs),
    (signal.SIGINT, _while_feedback_is_written),
]


@pytest.mark.parametrize(("number", "moment"), ENDS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_whoever_is_done_when_the_grader_ends_is_not_graded_again(
    room: Class, number: int, moment: Callable[[Class], bool]
) -> None:
    room.hand_in(*LATE, notebook=slow_notebook(room.course))
    with room.grading("--workers", "2") as running:
        wait_for(lambda: moment(room), moment.__name__)
        ended = running.stop(number)
    if number == signal.SIGKILL:
        assert ended.code == -number
    else:
        assert ended.code == STOPPED + number
        ended.says(f"stopped by {signal.Signals(number).name}. What is done is kept")
        room.assert_clean()
    before = room.records()
    assert room.grade("--workers", "1").code == DONE
    room.assert_complete(before)
    room.assert_looked()


# ── a process that grades ends ───────────────────────────────────────────────────────────────────────────────────


def _ends_as_told(item: tuple[str, Path]) -> str:
    """Work that ends its process, the first time or every time, holding the lock of the queue or not; or none of it."""
    what, mark = item
    if what == "ends every time" or (what == "ends holding the lock" and not mark.exists()):
        mark.touch()
        if what == "ends holding the lock":
            pool._NEWS._wlock.acquire()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)
    return what


def _worked(works: dict[str, str], mark: Path) -> dict[str, str | pool.Lost]:
    with pool.Pool(2, lambda name, what: None) as workers:
        return dict(workers.run(_ends_as_told, {name: (what, mark) for name, what in works.items()}))


def test_a_process_that_is_killed_while_it_tells_something_blocks_nobody(tmp_path: Path) -> None:
    works = {"a": "ends holding the lock", "b": "works", "c": "works"}
    assert _worked(works, tmp_path / "mark") == works


def test_a_submission_that_kills_its_process_costs_no_neighbour_the_result(tmp_path: Path) -> None:
    works = {"a": "works", "b": "ends every time", "c": "works", "d": "works"}
    done = _worked(works, tmp_path / "mark")
    assert "killed 3 times" in str(done.pop("b"))
    assert set(done.values()) == {"works"}
