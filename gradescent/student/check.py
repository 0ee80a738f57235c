"""`check("name", *objects)`: the visible checks of a notebook, and how their outcome is shown."""

from __future__ import annotations

import difflib
import html
import re
from typing import Any

from gradescent.student import visible
from gradescent.student.direct import DirectStudent
from gradescent.student.judging import Outcome, Question, Result, judge

SEED = 2024  # visible checks use the same inputs at every run; hidden ones draw theirs anew

_LOOKS = {
    Outcome.RIGHT: ("✓", "#1a7f37"),
    Outcome.PARTLY: ("◐", "#9a6700"),
    Outcome.NOT_ATTEMPTED: ("○", "#57606a"),
    Outcome.MISSING: ("○", "#57606a"),
    Outcome.ERROR: ("⚠", "#9a6700"),
}
_WRONG_LOOK = ("✗", "#cf222e")


def check(name: str, *objects: Any) -> None:
    """Check one question and show the outcome: right, wrong, not attempted, or an error in your code.

    Args:
        name: the question, as its cell names it.
        objects: your functions or classes, in the order in which the cell passes them.

    Raises:
        ValueError: there is no such check. The message lists those that exist.

    Example:
        >>> check("sigmoid", sigmoid)
        ✓ sigmoid: right.
    """
    question = find(name)
    if len(objects) != len(question.needs):
        call = ", ".join([repr(name), *question.needs])
        raise ValueError(f"check({name!r}, ...) got {len(objects)} objects after the name. Write check({call})")
    show(run(question, dict(zip(question.needs, objects, strict=True))))


def find(name: str) -> Question:
    """The visible question of that name, whatever problem set it belongs to."""
    known = {key: question for part in visible.PARTS for key, question in visible.questions(part).items()}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"there is no check {name!r}. {hint}Those that exist: {', '.join(sorted(known))}")
    return known[name]


def run(question: Question, namespace: dict[str, Any]) -> Result:
    """Judge a question on the objects of a namespace, without points. Never raises: a check that breaks says so."""
    try:
        return judge(question, DirectStudent(namespace), points=0.0, seed=SEED)
    except Exception as error:
        message = f"the check could not judge what came back ({type(error).__name__}: {error}). Next: look at its type and shape."
        return Result(question.name, 0.0, 0.0, Outcome.ERROR, message)


def line(result: Result) -> str:
    """The outcome as one line of text, with a mark that does not depend on colour."""
    mark, _ = _LOOKS.get(result.outcome, _WRONG_LOOK)
    ending = f" {result.message}" if result.message else ""
    return f"{mark} {result.question}: {result.outcome.value}.{ending}"


def show(result: Result) -> None:
    """Print the line, in a coloured box where the front end can show one."""
    if not _in_notebook():
        print(line(result))
        return
    from IPython.display import display

    display({"text/html": box(result), "text/plain": line(result)}, raw=True)


def box(result: Result) -> str:
    """The outcome as a box in HTML; the mark and the word say as much as the colour."""
    mark, colour = _LOOKS.get(result.outcome, _WRONG_LOOK)
    head = f'<b style="color:{colour}">{mark} {html.escape(result.question)}: {html.escape(result.outcome.value)}</b>'
    message = f"<br>{_paragraphs(result.message)}" if result.message else ""
    return f'<div style="border-left:4px solid {colour};padding:4px 10px;margin:2px 0">{head}{message}</div>'


def _paragraphs(message: str) -> str:
    """What came back, the likely cause and the next step, each on a line of its own."""
    return re.sub(r" (Likely|Next): ", r"<br><b>\1:</b> ", html.escape(message))


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and hasattr(shell, "display_pub") and type(shell).__name__ != "TerminalInteractiveShell"
