"""IPython in a student's process, as ipykernel makes it but without its sockets: what a cell shows, in the notebook format.

ipykernel's shell gives each output to a session, which sends it to the notebook. The session here is a recorder, which does
with an output what nbclient does with it when it runs a notebook.
"""

from __future__ import annotations

import asyncio
import builtins
import codecs
import contextlib
import errno
import getpass
import io
import json
import os
import re
import resource
import select
import sys
import threading
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NoReturn

from ipykernel import zmqshell
from ipykernel.compiler import XCachingCompiler
from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import ExecutionResult
from jupyter_client.jsonutil import json_default
from jupyter_client.session import Session
from traitlets.config import Config

from gradescent.student.invoke import cpu_limit, describe

MAX_OUTPUTS = 1000  # of one cell; the grader keeps fewer
MAX_UPDATES = 100  # of outputs of earlier cells, by one cell
WIDEST = 12  # bytes of one character as ASCII JSON
FLUSH_SECONDS = 0.2  # ipykernel's: text that was written together stays together
CANCEL_SECONDS = 1.0
PIPE_BYTES = 1 << 16  # what a pipe holds: one read empties it
STREAMS = {"stdout": 1, "stderr": 2}
FULL = (errno.EFBIG, errno.ENOSPC)
UNWRITTEN = re.compile(r"\d+ requested and \d+ written")  # NumPy's word for it

Bundle = dict[str, Any]


@dataclass
class _Output:
    """An output of the running cell; the text of a stream comes in pieces."""

    content: Bundle
    size: int
    pieces: list[str] = field(default_factory=list)

    def as_dict(self) -> Bundle:
        return {**self.content, "text": "".join(self.pieces)} if self.pieces else self.content


class Recorder(Session):
    """The outputs of the running cell, up to a size, and its changes of what earlier cells showed."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.lock = threading.RLock()
        self.streams: list[Stream] = []
        self._cell = -2  # the first cell's number is 0, and begin() counts already here
        self._places: dict[str, list[tuple[int, int]]] = {}  # of a display_id: numbers of cell and output
        self.most = 0
        self.begin(0)

    def begin(self, output_mb: float) -> None:
        """Forget the outputs of the cell before, and what was written since.

        Args:
            output_mb: of all outputs of the cell, MiB of ASCII JSON: pictures and updates included.
        """
        self.flush()
        self._cell += 1
        self.most, self._megabytes = int(output_mb * (1 << 20)), output_mb
        self._outputs: list[_Output] = []
        self._updates: dict[tuple[int, int], _Output] = {}
        self._used = 0
        self._full = self._clear_first = False

    def connect(self) -> None:
        """Take over the standard streams of this process."""
        self.streams = [Stream("stdout", self), Stream("stderr", self)]
        sys.stdout, sys.stderr = self.streams
        # No child may start with a lock that another thread held.
        os.register_at_fork(
            before=self.lock.acquire, after_in_parent=self.lock.release, after_in_child=self.lock.release
        )

    def flush(self) -> None:
        for stream in self.streams:
            stream.flush()

    def outputs(self) -> list[Bundle]:
        return [output.as_dict() for output in self._outputs]

    def updates(self) -> list[Bundle]:
        """What display_ids changed in earlier cells: the numbers of cell and output, and the new content."""
        changed = ((place, new.content) for place, new in self._updates.items() if new.content)
        return [{"cell": cell, "output": number, **content} for (cell, number), content in changed]

    def send(self, stream: Any, msg_or_type: Any, content: Any = None, *args: Any, **kwargs: Any) -> None:
        """Record what ipykernel sends, a message or its parts."""
        kind = msg_or_type
        if isinstance(msg_or_type, dict):
            kind, content = msg_or_type["msg_type"], msg_or_type["content"]
        packed = self._packed(content)
        with self.lock:
            self._record(kind, json.loads(packed), len(packed) if packed.isascii() else 3 * len(packed))

    def _packed(self, content: Bundle) -> bytes:
        """JSON with pictures in base64. What is no JSON becomes text rather than an error."""
        try:
            return self.pack(content)
        except (TypeError, ValueError):
            return json.dumps(content, default=_portable).encode()

    def _record(self, kind: str, content: Bundle, size: int) -> None:
        display = (content.pop("transient", None) or {}).get("display_id")
        if kind == "clear_output":
            self._clear_first = bool(content.get("wait"))
            if not self._clear_first:
                self._clear()
            return
        if display:
            self._update(str(display), content, size)
        if kind != "update_display_data":
            self._add(kind, content, size, display)

    def _clear(self) -> None:
        self._outputs.clear()
        self._used, self._full = sum(update.size for update in self._updates.values()), False
        for display, places in self._places.items():
            self._places[display] = [place for place in places if place[0] != self._cell]

    def _add(self, kind: str, content: Bundle, size: int, display: Any) -> None:
        self._clear_if_due()
        if not self._takes(size):
            return
        if display:
            self._places.setdefault(str(display), []).append((self._cell, len(self._outputs)))
        self._outputs.append(_Output({"output_type": kind, **content}, size))

    def stream(self, name: str, text: str) -> None:
        """Record text. Neighbours of one stream become one output."""
        self._clear_if_due()
        size = len(json.dumps(text))
        kept = text if size <= self.most - self._used else text[: (self.most - self._used) // WIDEST]
        if not self._takes(len(json.dumps(kept))):
            return
        if not self._outputs or self._outputs[-1].content.get("name") != name:
            self._outputs.append(_Output({"output_type": "stream", "name": name}, 0))
        self._outputs[-1].pieces.append(kept)
        if len(kept) < len(text):
            self._takes(size)

    def add_note(self, text: str) -> None:
        """Explain, below what the cell showed."""
        self.flush()
        if text:
            self.stream("stderr", text)

    def _clear_if_due(self) -> None:
        if self._clear_first:
            self._clear_first = False
            self._clear()

    def _update(self, display: str, content: Bundle, size: int) -> None:
        bundle = {"data": content["data"], "metadata": content["metadata"]}
        for cell, number in self._places.get(display, []):
            if cell == self._cell:
                self._replace(self._outputs[number], bundle, size)
            elif (cell, number) in self._updates or len(self._updates) < MAX_UPDATES:
                self._replace(self._updates.setdefault((cell, number), _Output({}, 0)), bundle, size)

    def _replace(self, shown: _Output, bundle: Bundle, size: int) -> None:
        if self._takes(size - shown.size):
            shown.content.update(bundle)
            shown.size = size

    def _takes(self, size: int) -> bool:
        """Whether there is room for so much more; a note says it once when there is not."""
        if self._full:
            return False
        if len(self._outputs) < MAX_OUTPUTS and self._used + size <= self.most:
            self._used += size
            return True
        self._full = True
        rule = f"a cell may show {self._megabytes:g} MB (output_mb), in {MAX_OUTPUTS} outputs"
        note = f"... more was cut off: {rule}. Next: show less\n"
        self._outputs.append(_Output({"output_type": "stream", "name": "stderr"}, 0, [note]))
        return False


def _portable(value: Any) -> Any:
    try:
        return json_default(value)
    except TypeError:
        return str(value)


class Stream(io.TextIOBase):
    """Standard output or error: of Python, and of whatever else writes to its file descriptor, a started program for instance.

    Text is recorded when it is flushed, when a cell shows something, and FLUSH_SECONDS after it was written, as ipykernel
    does it: what a cell writes to both streams in a moment is shown as two outputs, not as twenty.
    """

    encoding = "UTF-8"

    def __init__(self, name: str, recorder: Recorder):
        self.name, self._recorder = name, recorder
        self._pieces: list[str] = []
        self._since, self._size = 0.0, 0
        self._process = os.getpid()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pipe, end = os.pipe()
        os.set_blocking(self._pipe, False)
        os.dup2(end, self.fileno())
        os.close(end)
        # The pipe must never be full while the cell waits for a program that writes into it.
        threading.Thread(target=self._watch, daemon=True).start()

    def fileno(self) -> int:
        return STREAMS[self.name]

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        if os.getpid() != self._process:  # a child that was forked: its memory is its own, the pipe leads here
            with open(self.fileno(), "w", encoding="utf-8", errors="replace", closefd=False) as pipe:
                pipe.write(text)
            return len(text)
        with self._recorder.lock:
            self._read_pipe()
            self._append(text)
        return len(text)

    def flush(self) -> None:
        if os.getpid() != self._process:
            return
        with self._recorder.lock:
            self._read_pipe()
            self._record()

    def _append(self, text: str) -> None:
        now = time.monotonic()
        for stream in self._recorder.streams:
            if stream._pieces and (now > stream._since + FLUSH_SECONDS or stream._size > self._recorder.most):
                stream._record()
        if not self._pieces:
            self._since = now
        self._pieces.append(text)
        self._size += len(text)

    def _record(self) -> None:
        text = "".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        if text:
            self._recorder.stream(self.name, text)

    def _read_pipe(self) -> bool:
        """Take what is in the pipe. Returns False when nothing will ever be in it again."""
        try:
            chunk = os.read(self._pipe, PIPE_BYTES)
        except BlockingIOError:
            return True
        except OSError:  # the student's code closed it
            return False
        if chunk:
            self._append(self._decoder.decode(chunk))
        return bool(chunk)

    def _watch(self) -> None:
        open_ = True
        while open_:
            with contextlib.suppress(OSError, ValueError):
                select.select([self._pipe], [], [])
            with self._recorder.lock:
                open_ = self._read_pipe()


# The class keeps its name: libraries look for it when they ask whether they run in a notebook.
class ZMQInteractiveShell(zmqshell.ZMQInteractiveShell):
    """ipykernel's shell without a kernel."""

    loop: asyncio.AbstractEventLoop
    recorder: Recorder

    def enable_gui(self, gui: Any = None) -> None:
        """There are no windows."""


Shell = ZMQInteractiveShell


def make_shell() -> Shell:
    """The shell, with nothing written to disk and input() refused."""
    config = Config()
    config.HistoryManager.enabled = False
    shell: Shell = Shell.instance(config=config, compiler_class=XCachingCompiler)
    shell.kernel = SimpleNamespace(eventloop=None)  # exit() looks for it
    shell.loop, shell.recorder = asyncio.new_event_loop(), Recorder()
    parts: tuple[Any, ...] = (shell.displayhook, shell.display_pub)
    for part in parts:
        part.session = shell.recorder
    shell.builtin_trap.activate()
    builtins.input = getpass.getpass = _no_input
    if not _has_terminals():  # Landlock hides them; !commands write to the streams then
        shell.system = shell.system_raw  # type: ignore[method-assign]
    if "" not in sys.path:
        sys.path.insert(0, "")  # modules that the notebook writes beside itself
    if "matplotlib" in sys.modules:  # imported before there was a shell, which it could have connected to
        shell.enable_matplotlib("inline")
    return shell


def _has_terminals() -> bool:
    try:
        for end in os.openpty():
            os.close(end)
    except OSError:
        return False
    return True


def _no_input(*args: object, **kwargs: object) -> NoReturn:
    raise StdinNotImplementedError("input() cannot be answered while grading. Next: put the value into a variable.")


def run_cell(shell: Shell, code: str, seconds: float, output_mb: float) -> dict[str, Any]:
    """Run one cell, and return its outputs and how it failed.

    Args:
        shell: of the notebook.
        code: the cell's source.
        seconds: CPU seconds that it may take.
        output_mb: what it may show, MiB.

    Returns:
        "outputs" in the notebook format; "updates" of outputs of earlier cells, which are numbered in the order in which they
        ran; "execution_count"; "failure", None where the cell ran to its end.
    """
    recorder = shell.recorder
    if not recorder.streams:
        recorder.connect()
    recorder.begin(output_mb)
    count = shell.execution_count if code.strip() else None
    failure = None
    try:
        with cpu_limit(seconds):
            result = _complete(shell, code)
        error = result.error_before_exec or result.error_in_exec
        failure = describe(error) if error else None
        recorder.add_note(_too_much_written(error))
    except BaseException as error:  # what IPython lets through must not end the process
        failure = describe(error)
    if shell.payload_manager:  # pages of help, which a notebook that is run does not show either
        shell.payload_manager.clear_payload()
    recorder.flush()
    with recorder.lock:
        shown = {"outputs": recorder.outputs(), "updates": recorder.updates(), "execution_count": count}
    return {**shown, "failure": vars(failure) if failure else None}


def _complete(shell: Shell, code: str) -> ExecutionResult:
    """Run a cell to its end in a running event loop, where ipykernel runs cells, too."""
    if shell.loop.is_closed():
        shell.loop = asyncio.new_event_loop()
    asyncio.set_event_loop(shell.loop)
    task = shell.loop.create_task(_run(shell, code))
    try:
        return shell.loop.run_until_complete(task)
    finally:
        if not task.done():  # interrupted: it must not go on beside the next cell
            task.cancel()
            shell.loop.run_until_complete(asyncio.wait([task], timeout=CANCEL_SECONDS))


def _too_much_written(error: BaseException | None) -> str:
    """What the system's message about a full file or folder leaves open, empty for all else."""
    full = isinstance(error, OSError) and (error.errno in FULL or UNWRITTEN.search(str(error)))
    if not full:
        return ""
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[0] / (1 << 20)
    return (
        f"A file, and a folder, may have {most:g} MB here (file_mb). Next: write less, or remove what is not needed\n"
    )


async def _run(shell: Shell, code: str) -> ExecutionResult:
    """What ipykernel's do_execute does with a cell."""
    transformed = None
    with contextlib.suppress(Exception):  # run_cell will tell
        transformed = shell.transform_cell(code)
    if transformed is None or not shell.should_run_async(code, transformed_cell=transformed):
        return shell.run_cell(code, store_history=True)
    result = None
    try:
        result = await shell.run_cell_async(code, store_history=True, transformed_cell=transformed)
        return result
    finally:
        shell.events.trigger("post_execute")
        shell.events.trigger("post_run_cell", result)
