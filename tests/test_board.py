"""The live table: what a terminal shows while a class is graded, and what a log gets."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gradescent.grading.record import PartResult, StudentResult
from gradescent.report import board
from gradescent.report.board import Board
from gradescent.student.judging import Outcome, Result


def result(student: str, score: float) -> StudentResult:
    return StudentResult(student, "ps", [PartResult("part1", [Result("q", score, 5.0, Outcome.RIGHT)])])


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setattr(board, "REFRESH_SECONDS", -1.0)
    return Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)


def test_a_terminal_shows_who_is_done_running_and_failed(terminal: Console) -> None:
    with Board(terminal, 4) as shown:
        shown.report("ada", "part1: q")
        shown.report("ada", "done")
        shown.finish(result("ada", 5), fault=False)
        shown.report("ben", "done")
        shown.finish(result("ben", 0), fault=True)
        shown.report("\x1b[2Jchloe", "part1: reading")
    text = terminal.file.getvalue()
    assert "1 done, 1 running, 1 failed, of 4" in text
    assert "to go" in text
    assert "part1: reading" in text
    assert "\x1b[2Jchloe" not in text, "a name cannot clear the screen"


def test_before_anybody_is_running_it_says_what_is_prepared(terminal: Console) -> None:
    with Board(terminal, 1) as shown:
        shown.report("", "importing keras, numpy")
    assert "importing keras, numpy" in terminal.file.getvalue()
    assert "to go" not in terminal.file.getvalue()


def test_a_log_gets_a_line_a_student() -> None:
    console = Console(file=io.StringIO(), width=100)
    with Board(console, 2) as shown:
        shown.report("ada", "part1: q")
        shown.finish(result("ada", 5), fault=False)
        shown.finish(result("ben", 0), fault=True)
    assert console.file.getvalue() == "[1/2] ada: 5 points\n[2/2] ben: not graded\n"
