"""IPython in a student's process: what a cell shows, in the notebook format."""

from __future__ import annotations

import base64
import contextlib
import io
import json
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from gradescent.student.invoke import cpu_limit, describe

Outputs = list[dict[str, Any]]

MAX_OUTPUTS = 1000  # of one cell; the grader keeps fewer
MAX_CHARACTERS = 16 << 20  # of all outputs of one cell, pictures included


class Recorder:
    """The outputs of the running cell, in the notebook format, up to a size."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.outputs: Outputs = []
        self._room = MAX_CHARACTERS

    def add(self, output: dict[str, Any]) -> None:
        """Record an output that is not a stream."""
        data = {mime: _portable(value) for mime, value in output.pop("data", {}).items()}
        size = sum(map(len, data.values()))
        if len(self.outputs) < MAX_OUTPUTS and size <= self._room:
            self._room -= size
            self.outputs.append({**output, "data": data} if data else output)

    def stream(self, name: str, text: str) -> None:
        text = text[: self._room]
        self._room -= len(text)
        if not text or len(self.outputs) >= MAX_OUTPUTS:
            return
        last = self.outputs[-1] if self.outputs else {}
        if last.get("output_type") == "stream" and last.get("name") == name:
            last["text"] += text
        else:
            self.outputs.append({"output_type": "stream", "name": name, "text": text})


def _portable(value: Any) -> str:
    """A MIME bundle's value as text: pictures come as bytes, and JSON as objects."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value if isinstance(value, str) else json.dumps(value, default=str)


RECORDER = Recorder()


class Stream(io.TextIOBase):
    """Standard output or error of a cell."""

    def __init__(self, name: str):
        self._name = name

    def write(self, text: str) -> int:
        RECORDER.stream(self._name, str(text))
        return len(text)

    def writable(self) -> bool:
        return True


class ResultHook(DisplayHook):
    """The value of a cell's last expression becomes an execute_result."""

    def quiet(self) -> bool:
        return False

    def start_displayhook(self) -> None: ...

    def write_output_prompt(self) -> None: ...

    def write_format_data(self, format_dict: dict, md_dict: dict | None = None) -> None:
        count = self.shell.execution_count if self.shell else None
        output = {"output_type": "execute_result", "execution_count": count, "data": dict(format_dict)}
        RECORDER.add(output)

    def finish_displayhook(self) -> None: ...


class Publisher(DisplayPublisher):
    """`display(...)` becomes display_data."""

    def publish(self, data: Any, metadata: Any = None, *args: Any, **kwargs: Any) -> None:
        RECORDER.add({"output_type": "display_data", "data": dict(data)})

    def clear_output(self, wait: bool = False) -> None:
        RECORDER.clear()


class Shell(InteractiveShell):
    """IPython without a terminal: everything that a cell shows goes to the recorder."""

    displayhook_class = Type(ResultHook)
    display_pub_class = Type(Publisher)

    def _showtraceback(self, etype: type, evalue: BaseException, stb: list[str]) -> None:
        RECORDER.add(
            {"output_type": "error", "ename": etype.__name__, "evalue": describe(evalue).message, "traceback": stb}
        )

    def enable_gui(self, gui: Any = None) -> None: ...


def make_shell() -> Shell:
    """The shell, with nothing written to disk and input() refused."""
    config = Config()
    config.HistoryManager.enabled = False
    shell = Shell.instance(config=config)
    shell.builtin_trap.activate()
    shell.builtin_trap.add_builtin("input", _no_input)
    return shell


def _no_input(prompt: str = "") -> str:
    raise RuntimeError("input() cannot be answered while grading. Next: put the value into a variable.")


def run_cell(shell: Shell, code: str, seconds: float) -> dict[str, Any]:
    """Run one cell, and return its outputs and how it failed.

    Args:
        shell: of the notebook.
        code: the cell's source.
        seconds: CPU seconds that it may take.

    Returns:
        "outputs" in the notebook format, "failure" None where the cell ran to its end.
    """
    RECORDER.clear()
    failure = None
    with contextlib.redirect_stdout(Stream("stdout")), contextlib.redirect_stderr(Stream("stderr")):
        try:
            with cpu_limit(seconds):
                result = shell.run_cell(code, store_history=True)
            error = result.error_before_exec or result.error_in_exec
            failure = describe(error) if error else None
        except BaseException as error:  # what IPython lets through must not end the process
            failure = describe(error)
    return {"outputs": RECORDER.outputs, "failure": vars(failure) if failure else None}
