"""The table of a graded class, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from gradescent.grading.inside.wire import clean
from gradescent.grading.record import PartResult, StudentResult
from gradescent.grading.submission import Graded
from gradescent.student.judging import Outcome, Result

MAX_REASON = 160  # characters of a reason; the whole text stands in result.json and in feedback/


def class_table(results: Sequence[StudentResult], title: str) -> Table:
    """One row a student: points a part, the sum, what a person has to grade, and a reason for every question that lost points."""
    table = Table(title=escape(title), show_lines=True)
    table.add_column("student", no_wrap=True)
    for part in results[0].parts:
        table.add_column(_short(part.part), justify="right", no_wrap=True)
    table.add_column("sum", justify="right", no_wrap=True)
    table.add_column("by a person", justify="right", no_wrap=True)
    table.add_column("reasons", overflow="fold", ratio=1)
    for result in sorted(results, key=lambda result: result.student):
        waiting = sum(q.max_score for part in result.parts for q in part.results if q.score is None)
        row = [points(part) for part in result.parts]
        table.add_row(
            escape(clean(result.student)),
            *row,
            f"{result.score:g}",
            f"{waiting:g}",
            "\n".join(map(escape, reasons(result))),
        )
    return table


def points(part: PartResult) -> str:
    """Points reached by tests, of those that tests give, and extra credit after them."""
    tested = [result for result in part.results if not result.answer and result.score is not None]
    most = sum(result.max_score for result in tested)
    extra = sum(max(0.0, (result.score or 0.0) - result.max_score) for result in tested)
    return f"{part.score - extra:g}/{most:g}" + (f" +{extra:g}" if extra else "")


def reasons(result: StudentResult) -> list[str]:
    """One line for each question that lost points, for each problem, and for repairs that cost none."""
    lines = [f"! {clean(problem)}" for problem in result.problems]
    for part in result.parts:
        lost = [q for q in part.results if q.score is not None and q.outcome != Outcome.RIGHT]
        if (
            lost
            and all(q.outcome == Outcome.MISSING and q.message == lost[0].message for q in lost)
            and len(lost) == len(part.results)
        ):
            lines.append(shorten(f"{part.part}: {lost[0].message}"))
            continue
        idle = [q for q in lost if q.outcome == Outcome.NOT_ATTEMPTED]
        if idle:
            names = ", ".join(q.question for q in idle)
            lines.append(f"{part.part}: not attempted ({sum(q.max_score for q in idle):g} points): {names}")
        lines += [shorten(_loss(q)) for q in lost if q not in idle]
    return lines + _harmless(result)


def _harmless(result: StudentResult) -> list[str]:
    """Repairs and the like, each once with the parts that it was made in."""
    parts: dict[str, list[str]] = {}
    for part in result.parts:
        for note in part.notes:
            parts.setdefault(note, []).append(_short(part.part))
    return [f"(no points lost) {', '.join(names)}: {note}" for note, names in parts.items()]


def _short(part: str) -> str:
    return part.split("_")[0]


def _loss(result: Result) -> str:
    return f"{result.question} {result.score:g}/{result.max_score:g}, {result.outcome.value}: {cause(result.message)}"


def cause(message: str) -> str:
    """The likely cause where the message names one, else the message without its next step."""
    return message.split("Likely: ", 1)[-1].split(" Next: ", 1)[0]


def shorten(text: str) -> str:
    """One line of at most MAX_REASON characters."""
    text = " ".join(clean(text).split())
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1].rstrip() + "…"


def diff_table(graded: Sequence[Graded], title: str) -> Table:
    """One row for every question whose points would be others than those that stand, with the reason."""
    table = Table(title=escape(title), show_lines=True)
    for name in ("student", "question"):
        table.add_column(name, no_wrap=True)
    for name in ("stands", "would be"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold", ratio=1)
    for one in sorted(graded, key=lambda one: one.result.student):
        parts = one.earlier.parts if one.earlier else []
        before = {(part.part, result.question): result for part in parts for result in part.results}
        for part in one.result.parts:
            for now in part.results:
                then = before.get((part.part, now.question))
                if then is None or then.score != now.score:
                    names = (one.result.student, f"{_short(part.part)}: {now.question}")
                    table.add_row(*map(plain, names), score_text(then), score_text(now), escape(shorten(why(now))))
    if not table.row_count:
        table.add_row("nobody's points would change")
    return table


def plain(text: str) -> str:
    """Foreign text as a cell of a table."""
    return escape(clean(text))


def score_text(result: Result | None) -> str:
    """The points of a question, where there are any."""
    if result is None:
        return "-"
    return "by a person" if result.score is None else f"{result.score:g}"


def why(result: Result) -> str:
    """The outcome of a question and its likely cause."""
    return f"{result.outcome.value}: {cause(result.message)}" if result.message else result.outcome.value
