"""Inside a student's process: run the notebook's cells, then serve the calls of the hidden tests.

Runs in a child of a warm process, or by itself: `python -m gradescent.grading.inside.worker FD MEMORY_MB`. It trusts
nothing to be secret: whatever it holds, the student's code can read. Scores never come from here.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gradescent.grading.inside import wire
from gradescent.grading.inside.shell import Shell, make_shell, run_cell
from gradescent.grading.inside.walls import hide_tests
from gradescent.student.direct import ABSENT, missing_attribute, missing_message
from gradescent.student.invoke import Call, Failure, describe, invoke


class Worker:
    """Answer the grader's requests one by one, until it hangs up."""

    def __init__(self, channel: socket.socket, shell: Shell):
        self._channel, self._shell = channel, shell
        self._incoming = wire.Incoming(channel.recv_into)
        self._objects: list[Any] = []
        self._file_mb = 0.0

    def serve(self) -> None:
        wire.send(self._channel.sendall, {"ready": True}, [])
        # Until here a problem is the machine's and may be read; from here on the file would be the student's to fill.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        while True:
            try:
                request, arrays = wire.receive(self._incoming)
            except wire.Closed:
                return
            # A cell may have lifted it; a call gets it again only where it is another, for thousands are made.
            if request["op"] == "cell" or request["file_mb"] != self._file_mb:
                self._file_mb = request["file_mb"]
                _limit_files(self._file_mb)
            self._reply(*self._answer(request, arrays))

    def _answer(self, request: dict[str, Any], arrays: list[np.ndarray]) -> tuple[dict[str, Any], Any]:
        if request["op"] == "cell":
            return run_cell(self._shell, request["code"], request["seconds"], request["output_mb"]), None
        if request["op"] == "files":
            _write_files(request["names"], arrays)
            return {}, None
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
        wire.send(self._channel.sendall, header, arrays)

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
        wire.send(self._channel.sendall, header, arrays)
        answer, received = wire.receive(self._incoming)
        if answer.get("failure"):
            raise ValueError(answer["failure"])
        return wire.Decoder(received, self._stands_for).decode(answer["value"])


def _limit_files(megabytes: float) -> None:
    """Let larger files fail with "File too large". The student's code could undo it, and is watched from outside."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    bound = int(megabytes * (1 << 20))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_FSIZE, (bound if most < 0 else min(bound, most), most))


def _write_files(names: list[str], contents: list[np.ndarray]) -> None:
    """Put files into the working folder, before the student's code runs."""
    for name, content in zip(names, contents, strict=True):
        file = Path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.tobytes())


def _missing(message: str) -> Call:
    return Call(failure=Failure("Missing", message))


def main() -> None:
    """Serve in a process of its own: under bubblewrap, or as a plain child where nothing contains it."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    megabytes = int(float(sys.argv[2]))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.argv = ["notebook"]
    hide_tests()
    Worker(channel, make_shell()).serve()


if __name__ == "__main__":
    main()
