"""Outputs of cells: a student's made safe, and the grader's own in the form that nbgrader understands."""

from __future__ import annotations

import json
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from gradescent.grading.inside.wire import clean
from gradescent.student.check import box, line
from gradescent.student.judging import RESULT_MIME, Result, Stop

PICTURES = ("image/png", "image/jpeg")
MAX_OUTPUTS = 200  # of one cell
MAX_CELL = 8 << 20  # characters of all outputs of a cell
MAX_TEXT = 100_000  # characters of one output
MAX_PICTURE = 4 << 20  # characters of one picture in base64


def trusted_outputs(result: Result, extra_credit: bool) -> list[NotebookNode]:
    """The outputs of a graded cell: first the points, which nbgrader takes as partial credit, then the message.

    Args:
        result: what the hidden tests said.
        extra_credit: whether the points are beyond the maximum; nbgrader's own score is 0 then.
    """
    score = 0.0 if extra_credit else float(result.score or 0.0)
    points = new_output("execute_result", data={"text/plain": repr(score)}, execution_count=None)
    data = {"text/plain": line(result), "text/html": box(result), RESULT_MIME: result.to_dict()}
    return [points, new_output("display_data", data=data)]


def error_output(stop: Stop) -> NotebookNode:
    """What stands under a cell that ended the student's process."""
    text = f"{stop.outcome.value}: {stop}. The other cells were run without this one."
    return new_output("error", ename=stop.outcome.value, evalue=str(stop), traceback=[text])


def safe_outputs(outputs: Any) -> list[NotebookNode]:
    """A student's outputs, of known kinds and sizes only.

    Text, HTML and pictures pass. HTML is sanitised when a page is made of it; whatever claims to be a result of ours is dropped.
    """
    if not isinstance(outputs, list):
        return []
    made, room = [], MAX_CELL
    for output in outputs[:MAX_OUTPUTS]:
        safe = _safe(output) if isinstance(output, dict) else None
        room -= len(json.dumps(safe)) if safe else 0
        if room > 0:
            made.append(safe)
    if len(outputs) > MAX_OUTPUTS:
        made.append(
            new_output("stream", name="stdout", text=f"... {len(outputs) - MAX_OUTPUTS} more outputs were cut off\n")
        )
    return [output for output in made if output is not None]


def _safe(output: dict[str, Any]) -> NotebookNode | None:
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return new_output("stream", name=name, text=_text(output.get("text")))
    if kind == "error":
        traceback = output.get("traceback")
        lines = [_text(item, keep_colours=True) for item in traceback[:200]] if isinstance(traceback, list) else []
        return new_output(
            "error", ename=_text(output.get("ename"))[:200], evalue=_text(output.get("evalue")), traceback=lines
        )
    if kind not in ("execute_result", "display_data"):
        return None
    data = _bundle(output.get("data"))
    if kind == "display_data":
        return new_output("display_data", data=data)
    count = output.get("execution_count")
    return new_output("execute_result", data=data, execution_count=count if type(count) is int else None)


def _bundle(data: Any) -> dict[str, str]:
    if not isinstance(data, dict):
        return {}
    safe = {
        mime: _text(data[mime]) for mime in ("text/plain", "text/html", "text/latex", "text/markdown") if mime in data
    }
    for mime in PICTURES:
        picture = data.get(mime)
        if isinstance(picture, str) and len(picture) <= MAX_PICTURE:
            safe[mime] = "".join(char for char in picture if char.isalnum() or char in "+/=\n")
    return safe


def _text(value: Any, keep_colours: bool = False) -> str:
    text = value if isinstance(value, str) else ""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + f"\n... {len(text) - MAX_TEXT} more characters were cut off\n"
    if not keep_colours:
        return clean(text, MAX_TEXT + 100)
    return "\x1b".join(clean(part, MAX_TEXT + 100) for part in text.split("\x1b"))
