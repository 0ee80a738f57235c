"""Inside a student's process: run the notebook's cells, then serve the calls of the hidden tests.

Started as `python -m gradescent.grading.worker FD MEMORY_MB`. It trusts nothing to be secret: whatever it holds, the
student's code can read. Scores never come from here.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from gradescent.grading import wire
from gradescent.student.direct import ABSENT, missing_attribute, missing_message
from gradescent.student.invoke import Call, Failure, cpu_limit, describe, invoke

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


class Worker:
    """Answer the grader's requests one by one, until it hangs up."""

    def __init__(self, channel: socket.socket, shell: Shell):
        self._channel, self._shell = channel, shell
        self._objects: list[Any] = []

    def serve(self) -> None:
        wire.send(self._channel, {"ready": True}, [])
        # Until here a problem is the machine's and may be read; from here on the file would be the student's to fill.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        while True:
            try:
                request, arrays = wire.receive(self._read)
            except wire.Closed:
                return
            self._reply(*self._answer(request, arrays))

    def _answer(self, request: dict[str, Any], arrays: list[np.ndarray]) -> tuple[dict[str, Any], Any]:
        if request["op"] == "cell":
            return self._run_cell(request["code"], request["seconds"]), None
        decode = wire.Decoder(arrays, self._stands_for).decode
        call = self._perform(request, decode)
        header = {
            "failure": vars(call.failure) if call.failure else None,
            "printed": call.printed,
            "warned": call.warned,
            "modified": call.modified,
            "seconds": call.seconds,
        }
        return header, call.value

    def _run_cell(self, code: str, seconds: float) -> dict[str, Any]:
        RECORDER.clear()
        failure = None
        with contextlib.redirect_stdout(Stream("stdout")), contextlib.redirect_stderr(Stream("stderr")):
            try:
                with cpu_limit(seconds):
                    result = self._shell.run_cell(code, store_history=True)
                error = result.error_before_exec or result.error_in_exec
                failure = describe(error) if error else None
            except BaseException as error:  # what IPython lets through must not end the process
                failure = describe(error)
        return {"outputs": RECORDER.outputs, "failure": vars(failure) if failure else None}

    def _perform(self, request: dict[str, Any], decode: Callable[[Any], Any]) -> Call:
        try:
            return self._operate(request, decode)
        except BaseException as error:  # KeyboardInterrupt of the student's own making must not end the process
            return Call(failure=describe(error))

    def _operate(self, request: dict[str, Any], decode: Callable[[Any], Any]) -> Call:
        op, seconds = request["op"], request.get("seconds")
        if op == "has":
            return Call(value=request["name"] in self._shell.user_ns)
        if op == "seed":
            return invoke(np.random.seed, (request["seed"],), {})
        if op == "set":
            owner = self._objects[request["handle"]]
            return invoke(setattr, (owner, request["attribute"], decode(request["value"])), {}, seconds)
        found = self._find(request, seconds)
        if op == "get" or found.failure:
            return found
        return invoke(found.value, tuple(decode(request["args"])), decode(request["kwargs"]), seconds)

    def _find(self, request: dict[str, Any], seconds: float | None) -> Call:
        """A variable of the notebook, or an attribute of an object. An attribute may be a property: the student's code."""
        if "name" in request:
            name = request["name"]
            return (
                Call(value=self._shell.user_ns[name])
                if name in self._shell.user_ns
                else _missing(missing_message(name))
            )
        owner, attribute = self._objects[request["handle"]], request["attribute"]
        found = invoke(getattr, (owner, attribute, ABSENT), {}, seconds)
        return _missing(missing_attribute(request["label"], attribute)) if found.value is ABSENT else found

    def _reply(self, header: dict[str, Any], value: Any) -> None:
        arrays: list[np.ndarray] = []
        header = {**header, "value": wire.encode(value, arrays, self._keep)}
        wire.send(self._channel, header, arrays)

    def _keep(self, value: Any) -> dict[str, Any]:
        if isinstance(value, np.ndarray | np.generic):
            return {"refused": f"an array of dtype {value.dtype}"}
        self._objects.append(value)
        return {"handle": [len(self._objects) - 1, type(value).__name__[:50]]}

    def _stands_for(self, kind: str, content: Any) -> Any:
        if kind == "function":
            return lambda *args: self._call_back(content, args)
        return self._objects[content]

    def _call_back(self, number: int, args: tuple) -> Any:
        arrays: list[np.ndarray] = []
        header = {"callback": number, "args": wire.encode(list(args), arrays, self._keep)}
        wire.send(self._channel, header, arrays)
        answer, received = wire.receive(self._read)
        if answer.get("failure"):
            raise ValueError(answer["failure"])
        return wire.Decoder(received, self._stands_for).decode(answer["value"])

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._channel.recv(min(size - len(parts), 1 << 20))
            if not part:
                raise wire.Closed
            parts += part
        return bytes(parts)


def _missing(message: str) -> Call:
    return Call(failure=Failure("Missing", message))


def limit_memory(megabytes: int) -> None:
    """Bound the data memory. RLIMIT_AS would count address space that libraries reserve and never use."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def hide_tests() -> None:
    """Without a sandbox the course's folder is on the path: take it off, so that hidden tests cannot be imported by name."""
    sys.path[:] = [entry for entry in sys.path if not (Path(entry) / "grader_tests").is_dir()]


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    limit_memory(int(float(sys.argv[2])))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.argv = ["notebook"]
    hide_tests()
    worker = Worker(channel, make_shell())
    worker.serve()


if __name__ == "__main__":
    main()
