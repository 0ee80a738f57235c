"""What a terminal shows while a class is graded: who is done, who is running, who failed, and when it will end."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gradescent.grading.inside.wire import clean
from gradescent.grading.record import StudentResult

REFRESH_SECONDS = 0.25
RUNNING_ROWS = 12  # of those that are running, more than a screen need not show


class Board:
    """A live table on a terminal; a line a student elsewhere, in a log for instance.

    Args:
        console: where to.
        total: number of submissions.
    """

    def __init__(self, console: Console, total: int):
        self._console, self._total = console, total
        self._done = self._failed = 0
        self._running: dict[str, tuple[str, float]] = {}  # student: what is going on, since when
        self._saying = "starting"
        self._begun = self._shown = time.monotonic()
        # Without a thread of its own: supervisors are forked while the table is there.
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def report(self, student: str, what: str) -> None:
        """Take in a piece of news. Empty texts only ask to be shown again."""
        if student and what == "done":
            self._running.pop(student, None)
        elif student:
            _, since = self._running.get(student, ("", time.monotonic()))
            self._running[student] = (what, since)
        elif what:
            self._saying = what
        if self._live and time.monotonic() - self._shown > REFRESH_SECONDS:
            self._shown = time.monotonic()
            self._live.update(self._table(), refresh=True)

    def finish(self, result: StudentResult, fault: bool) -> None:
        """Count a student who has a result, or for whom the machine failed."""
        self._done += not fault
        self._failed += fault
        if not self._live:
            reached = "not graded" if fault else f"{result.score:g} points"
            line = f"[{self._done + self._failed}/{self._total}] {result.student}: {reached}"
            self._console.print(clean(line), markup=False, highlight=False)

    def _table(self) -> Group:
        ended = self._done + self._failed
        counts = f"{self._done} done, {len(self._running)} running, {self._failed} failed, of {self._total}"
        bar = Table.grid()
        bar.add_row(ProgressBar(total=self._total, completed=ended, width=40))
        table = Table.grid(padding=(0, 2))
        for student, (what, since) in list(self._running.items())[:RUNNING_ROWS]:
            table.add_row(Text(clean(student)), Text(clean(what)), Text(f"{time.monotonic() - since:.0f} s"))
        if not self._running:
            table.add_row(Text(self._saying))
        return Group(Text(f"{counts}   {self._estimate(ended)}"), bar, table)

    def _estimate(self, ended: int) -> str:
        passed = time.monotonic() - self._begun
        if not ended:
            return f"{_clock(passed)} so far"
        return f"{_clock(passed)} so far, about {_clock(passed / ended * (self._total - ended))} to go"

    def __enter__(self) -> Board:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._live:
            self._live.stop()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
