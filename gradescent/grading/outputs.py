"""Outputs of cells: a student's made safe, and the grader's own in the form that nbgrader understands."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from gradescent.student.check import box, line
from gradescent.student.judging import RESULT_MIME, Result, Stop

# What a student's output may consist of. Nothing else passes: neither a result of ours (RESULT_MIME), nor
# application/javascript, which JupyterLab runs in the notebook of a person who grades, nor widgets, whose state is not kept.
TEXTS = ("text/plain", "text/latex", "text/markdown")
HTML, SVG, JSON = "text/html", "image/svg+xml", "application/json"
PICTURES = ("image/png", "image/jpeg", "image/gif")

MB = 1 << 20  # characters of JSON
MAX_OUTPUTS = 200  # of one cell
MAX_TEXT = 100_000  # characters of one output
MAX_FRAMES = 50  # at the beginning and at the end of a traceback
MAX_PICTURE = 4 << 20  # characters of one picture in base64
MAX_SVG = 1 << 20  # characters of one SVG picture
MAX_SIDE = 10_000  # pixels
MAX_DEPTH = 32  # of JSON
MAX_COUNT = 1 << 31  # of an execution count

UNPRINTABLE = re.compile(
    r"[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
)  # all but \b \t \n \r and the escape of colours
NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=\n]")


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


def write_outputs(cells: list[NotebookNode], reply: dict[str, Any], output_mb: float, left: int) -> int:
    """Write what a cell showed into it, and what it changed in the displays of earlier cells into those.

    Args:
        cells: those that ran in this process, in order; the last one has just run.
        reply: of the student's process.
        output_mb: what a cell may show, MiB.
        left: what the notebook may still show, characters.

    Returns:
        What the notebook may show after it, characters.
    """
    room = most = min(int(output_mb * MB), left)
    rule = f"a cell may show {output_mb:g} MB (output_mb)"
    if left < int(output_mb * MB):
        rule = "its notebook may show no more (submission_output_mb)"
    cells[-1].outputs, room = safe_outputs(reply.get("outputs"), room, rule)
    cells[-1].execution_count = _count(reply.get("execution_count"))
    updates = reply.get("updates")
    updates = [item for item in updates if isinstance(item, dict)] if isinstance(updates, list) else []
    for update in updates[:MAX_OUTPUTS]:
        shown = _shown(cells, update.get("cell"), update.get("output"))
        if shown is None:
            continue
        content = {"data": _bundle(update.get("data")), "metadata": _metadata(update.get("metadata"))}
        growth = len(json.dumps(content)) - len(json.dumps({"data": shown.data, "metadata": shown.metadata}))
        if growth <= room:
            shown.update(content)
            room -= growth
    return left - most + room


def _shown(cells: list[NotebookNode], cell: Any, number: Any) -> NotebookNode | None:
    """The output that a display is, None where there is none."""
    if type(cell) is not int or type(number) is not int or not 0 <= cell < len(cells):
        return None
    outputs = cells[cell].outputs
    return outputs[number] if 0 <= number < len(outputs) and "data" in outputs[number] else None


def safe_outputs(outputs: Any, room: int, rule: str) -> tuple[list[NotebookNode], int]:
    """A student's outputs, of known kinds and sizes only.

    Text, HTML, JSON and pictures pass. HTML is sanitised when a page is made of it; whatever claims to be a result of ours is
    dropped. What a display has beside them is named in its text.

    Args:
        outputs: what the student's process calls them.
        room: characters that they may have.
        rule: says so, to the student.

    Returns:
        The outputs, and the characters that are left.
    """
    if not isinstance(outputs, list):
        return [], room
    made: list[NotebookNode] = []
    cut = len(outputs) > MAX_OUTPUTS
    for safe in _known(outputs[:MAX_OUTPUTS]):
        size = len(json.dumps(safe))
        if size > room:
            cut = True
            break
        made.append(safe)
        room -= size
    if cut:
        text = f"... more was cut off: {rule}, in {MAX_OUTPUTS} outputs. Next: show less\n"
        made.append(new_output("stream", name="stdout", text=text))
    return made, room


def _known(outputs: list[Any]) -> Iterator[NotebookNode]:
    for output in outputs:
        safe = _safe(output) if isinstance(output, dict) else None
        if safe is not None:
            yield safe


def _safe(output: dict[str, Any]) -> NotebookNode | None:
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return new_output("stream", name=name, text=_text(output.get("text")))
    if kind == "error":
        traceback = output.get("traceback")
        lines = _traceback(traceback) if isinstance(traceback, list) else []
        return new_output(
            "error", ename=_text(output.get("ename"))[:200], evalue=_text(output.get("evalue")), traceback=lines
        )
    if kind not in ("execute_result", "display_data"):
        return None
    content = {"data": _bundle(output.get("data")), "metadata": _metadata(output.get("metadata"))}
    if kind == "display_data":
        return new_output("display_data", **content)
    return new_output("execute_result", execution_count=_count(output.get("execution_count")), **content)


def _traceback(lines: list[Any]) -> list[str]:
    """The first and the last frames: the line that names the error comes last."""
    if len(lines) <= 2 * MAX_FRAMES:
        return [_text(item) for item in lines]
    cut = f"... {len(lines) - 2 * MAX_FRAMES} more frames were cut off"
    return [*map(_text, lines[:MAX_FRAMES]), cut, *map(_text, lines[-MAX_FRAMES:])]


def _count(count: Any) -> int | None:
    return count if type(count) is int and 0 <= count < MAX_COUNT else None


def _bundle(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        return {}
    safe: dict[str, Any] = {mime: _text(data[mime]) for mime in TEXTS if mime in data}
    for mime in PICTURES:
        if _fits(data.get(mime), MAX_PICTURE):
            safe[mime] = NOT_BASE64.sub("", data[mime])
    if _fits(data.get(HTML), MAX_TEXT):
        safe[HTML] = _text(data[HTML])
    elif _fits(data.get(SVG), MAX_SVG):
        safe[HTML] = _picture(data[SVG])
    with_json = _json(data.get(JSON))
    if with_json is not None:
        safe[JSON] = with_json
    left = [mime for mime in data if mime not in safe and not (mime == SVG and HTML in safe)]
    if left:
        note = f"[left out: {_text(', '.join(left[:5]))[:200]}]"
        safe["text/plain"] = f"{safe['text/plain']}\n{note}" if safe.get("text/plain") else note
    return safe


def _fits(value: Any, limit: int) -> bool:
    return isinstance(value, str) and len(value) <= limit


def _picture(svg: str) -> str:
    """An SVG picture as HTML. It can hold scripts, and nbgrader's pages would make it a part of themselves; in an <img> no
    browser runs them or loads anything.
    """
    encoded = base64.b64encode(svg.encode("utf-8", "replace")).decode()
    return f'<img alt="SVG picture" src="data:image/svg+xml;base64,{encoded}">'


def _json(value: Any) -> Any:
    """JSON that every program can read: no NaN, no lone surrogates, not nested too deeply, not too long. None where it is not."""
    if value is None or _depth(value) > MAX_DEPTH:
        return None
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except ValueError:
        return None
    return json.loads(text.encode("utf-8", "replace")) if len(text) <= MAX_TEXT else None


def _depth(value: Any) -> int:
    depth, layer = 0, [value]
    while layer and depth <= MAX_DEPTH:
        parts = [part for part in layer if isinstance(part, dict | list)]
        layer = [item for part in parts for item in (part.values() if isinstance(part, dict) else part)]
        depth += 1
    return depth


def _metadata(metadata: Any) -> dict[str, Any]:
    """How large a picture is shown, and what the figures of matplotlib and JSON say; nothing that a page would take for HTML."""
    if not isinstance(metadata, dict):
        return {}
    safe: dict[str, Any] = {}
    if metadata.get("needs_background") in ("light", "dark"):
        safe["needs_background"] = metadata["needs_background"]
    for mime in PICTURES:
        sides = metadata.get(mime)
        if isinstance(sides, dict):
            known = {side: sides[side] for side in ("width", "height") if _is_side(sides.get(side))}
            safe |= {mime: known} if known else {}
    shown = metadata.get(JSON)
    if isinstance(shown, dict) and type(shown.get("expanded")) is bool and _fits(shown.get("root"), 100):
        safe[JSON] = {"expanded": shown["expanded"], "root": _text(shown["root"])}
    return safe


def _is_side(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= MAX_SIDE


def _text(value: Any) -> str:
    """Text that every program can print: no lone surrogates, no control characters but those of progress bars and colours."""
    text = value if isinstance(value, str) else ""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + f"\n... {len(text) - MAX_TEXT} more characters were cut off\n"
    return UNPRINTABLE.sub("�", text.encode("utf-8", "replace").decode("utf-8"))
