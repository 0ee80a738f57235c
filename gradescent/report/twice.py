"""A class that was graded twice: which grades chance decides, and by how much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from gradescent.grading.record import StudentResult
from gradescent.grading.submission import Graded
from gradescent.report.table import plain, score_text, shorten, why
from gradescent.student.judging import Result


@dataclass(frozen=True)
class Grade:
    """The points that tests gave for one question, in both runs."""

    student: str
    part: str
    first: Result
    second: Result

    @property
    def differs(self) -> bool:
        return self.first.score != self.second.score

    @property
    def percent(self) -> float:
        """The difference, in percent of the question's points; extra credit has none, and is measured by the better run."""
        first, second = self.first.score or 0.0, self.second.score or 0.0
        most = max(self.first.max_score, first, second)
        return 100 * abs(first - second) / most if most else 0.0


def grades(first: Sequence[Graded], second: Sequence[Graded]) -> list[Grade]:
    """Every grade that tests gave in two runs, by student. Written answers, notebooks that are missing, and whom the machine
    failed do not count.

    Args:
        first, second: what came of a class, in any order.
    """
    found = []
    again = {one.result.student: dict(_tested(one.result)) for one in second if not one.fault}
    for one in sorted(first, key=lambda one: one.result.student):
        now = again.get(one.result.student, {})
        pairs = [] if one.fault else [(place, result) for place, result in _tested(one.result) if place in now]
        found += [Grade(one.result.student, place[0], result, now[place]) for place, result in pairs]
    return found


def _tested(result: StudentResult) -> Iterator[tuple[tuple[str, str], Result]]:
    for part in result.parts:
        for question in part.results:
            if part.ran and not question.answer:
                yield (part.part, question.question), question


def twice_table(found: Sequence[Grade], title: str) -> Table:
    """One row for every grade that differs, with the messages of both runs."""
    table = Table(title=escape(title), show_lines=True)
    for name in ("student", "part", "question"):
        table.add_column(name, no_wrap=True)
    for name in ("first", "second"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold", ratio=1)
    for grade in found:
        if grade.differs:
            names, runs = (grade.student, grade.part, grade.first.question), (grade.first, grade.second)
            reasons = "\n".join(f"{number}: {shorten(why(result))}" for number, result in enumerate(runs, start=1))
            table.add_row(*map(plain, names), *map(score_text, runs), escape(reasons))
    if not table.row_count:
        table.add_row("nobody's points differ")
    return table


def summary(found: Sequence[Grade]) -> str:
    """One line: how many grades differ, and the largest difference."""
    differing = [grade for grade in found if grade.differs]
    text = f"Graded twice: {len(differing)} of {len(found)} grades differ"
    if not differing:
        return f"{text}."
    worst = max(grade.percent for grade in differing)
    return f"{text}, the largest difference is {worst:.3g} % of the question's points."


def rows(graded: Sequence[Graded]) -> list[dict[str, Any]]:
    """The form of `gradescent grade --json`: one entry a notebook, by student."""
    return [row for one in sorted(graded, key=lambda one: one.result.student) for row in one.result.to_rows()]


def both_rows(first: Sequence[Graded], second: Sequence[Graded]) -> list[dict[str, Any]]:
    """The form of `gradescent grade --twice --json`: the first run's entries, with the second's questions under "again"."""
    again = {(row["student"], row["notebook"]): row["questions"] for row in rows(second)}
    return [{**row, "again": again.get((row["student"], row["notebook"]))} for row in rows(first)]
