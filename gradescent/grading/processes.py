"""Students' processes as the grader sees them: how they are started, how they ended, and how they are ended."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gradescent.grading.inside.walls import Walls
from gradescent.grading.scratch import Folder

STOP_SECONDS = 10.0  # for the kernel to take a killed submission away
IMPORT_SECONDS = 300.0  # for a warm process to import TensorFlow on a slow, busy machine


class MachineFault(Exception):
    """The machine failed, not the submission: nothing of this costs points, and it is tried again."""


class Killed(MachineFault):
    """Somebody killed the student's process: a machine that is short of memory, a person, or the student's own code."""


class Child(Protocol):
    """A running student's process.

    Attributes:
        channel: the socket to it.
        pid: the process whose descendants are all that belongs to the submission.
    """

    channel: socket.socket

    @property
    def pid(self) -> int: ...

    def exit_code(self, seconds: float = 0.0) -> int | None:
        """How it ended, None when it still runs after so many seconds. 128 + n stands for the signal n.

        Raises:
            MachineFault: it was taken away, by nobody who belongs to the submission.
        """

    def said(self) -> str:
        """What it said about a failure to start, empty when nothing."""

    def stop(self) -> None:
        """End it and everything that it started, and remove its folder."""


@dataclass
class ForkedChild:
    """A child of a warm process. Its guard tells on a socket of its own how things stand, which no student's code holds."""

    channel: socket.socket
    status: socket.socket
    folder: Folder | None = None
    pid: int = 0  # of the guard
    _unread: bytes = b""
    _code: int | None = None
    _fault: str = ""
    _gone: bool = False

    def exit_code(self, seconds: float = 0.0) -> int | None:
        ends = time.monotonic() + seconds
        while self._code is None and not self._gone:
            if not self._hear(max(0.0, ends - time.monotonic())):
                break
        if self._gone and self._code is None:
            raise MachineFault(self._fault or "the process that guards the student's was killed from outside")
        return self._code

    def started(self, seconds: float) -> bool:
        """Whether its guard runs."""
        while not self.pid and not self._gone and self._hear(seconds):
            pass
        return bool(self.pid)

    def said(self) -> str:
        with contextlib.suppress(MachineFault):
            self.exit_code(1.0)
        return self._fault

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.status.shutdown(socket.SHUT_WR)  # the guard hears it, ends everything, and hangs up
        ends = time.monotonic() + STOP_SECONDS
        while not self._gone and self._hear(max(0.0, ends - time.monotonic())):
            pass
        self.status.close()
        self.channel.close()
        if self.folder:
            self.folder.cleanup()

    def _hear(self, seconds: float) -> bool:
        """Take in what the guard told within so many seconds, and say whether there was anything."""
        if not select.select([self.status], [], [], seconds)[0]:
            return False
        try:
            part = self.status.recv(1 << 16)
        except ConnectionError:
            part = b""
        self._gone = not part
        *lines, self._unread = (self._unread + part).split(b"\n")
        for line in lines:
            news: dict[str, Any] = json.loads(line)
            self.pid = news.get("pid", self.pid)
            self._code = news.get("exit", self._code)
            self._fault = news.get("fault", self._fault)
        return True


@dataclass
class SpawnedChild:
    """A new program: bubblewrap, or nothing around the student's code."""

    channel: socket.socket
    process: subprocess.Popen
    folder: Folder

    @property
    def pid(self) -> int:
        return self.process.pid

    def exit_code(self, seconds: float = 0.0) -> int | None:
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return 128 - code if code < 0 else code

    def said(self) -> str:
        lines = Path(self.folder.name, "stderr").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # what the student's code left running, too
        self.process.wait()
        self.channel.close()
        self.folder.cleanup()


def spawn(command: Sequence[str], environment: dict[str, str], folder: Folder, cwd: str, syscalls: bytes) -> Child:
    """Start a new program, with the numbers of two files put in place of the words SOCKET and FILTER.

    Args:
        command: what to start.
        environment: all that it gets.
        folder: for what it says, removed at its end.
        cwd: where.
        syscalls: the filter's program.
    """
    ours, theirs = socket.socketpair()
    program = Path(folder.name, "filter")
    program.write_bytes(syscalls)
    with theirs, program.open("rb") as readable, Path(folder.name, "stderr").open("wb") as stderr:
        files = {"SOCKET": theirs.fileno(), "FILTER": readable.fileno()}
        process = subprocess.Popen(
            [str(files.get(word, word)) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            pass_fds=list(files.values()),
            env=environment,
            cwd=cwd,
            start_new_session=True,
        )
    return SpawnedChild(ours, process, folder)


@dataclass
class WarmProcess:
    """A process that has imported a set of modules, and forks a child a submission.

    Several supervisors may hold one and ask it at the same time: a request is one datagram, and is answered elsewhere.
    A fork takes one thread along; the others, and the locks that they hold, are lost. So modules that start threads are
    not imported: `imports` is empty then.

    Args:
        imports: names of the modules; none for a process that only forks.
        environment: of the process, which its children see.
        folder: for what it writes to standard error.
    """

    imports: tuple[str, ...]
    environment: dict[str, str]
    folder: Path
    threads: int = 0
    missing: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._owner = os.getpid()
        with theirs, (self.folder / f"warm-{os.getpid()}-{id(self)}").open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gradescent.grading.inside.warm", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=[theirs.fileno()],
                env=self.environment,
                cwd="/",
                start_new_session=True,
            )
        self.threads = 0
        self._control.send(json.dumps(self.imports).encode())

    def _restart(self) -> None:
        self.close()
        self._start()
        self.wait()

    def wait(self) -> None:
        """Wait until everything is imported that can be.

        Raises:
            MachineFault: it is not.
        """
        self._control.settimeout(IMPORT_SECONDS)
        try:
            news = json.loads(self._control.recv(1 << 16))
        except (OSError, ValueError) as error:
            self.close()
            raise MachineFault(f"the warm process did not start ({type(error).__name__})") from None
        self.threads, self.missing = news["threads"], news["missing"]
        if self.threads > 1 and self.imports:
            self.imports = ()
            self._restart()

    def fork(self, walls: Walls, folder: Folder | None = None) -> ForkedChild:
        """Start a student's process. A warm process that was killed is replaced.

        Raises:
            MachineFault: it does not start.
        """
        ours, theirs = socket.socketpair()
        telling, told = socket.socketpair()
        request = [json.dumps(asdict(walls)).encode()]
        with theirs, told:
            try:
                socket.send_fds(self._control, request, [theirs.fileno(), told.fileno()])
            except OSError:
                self._restart()
                socket.send_fds(self._control, request, [theirs.fileno(), told.fileno()])
        child = ForkedChild(ours, telling, folder)
        if child.started(IMPORT_SECONDS):
            return child
        fault = child.said() or "the warm process was killed"
        child.stop()
        raise MachineFault(f"the process for the student's code did not start: {fault}")

    def close(self) -> None:
        """Hang up: the process ends when nobody holds it any more."""
        self._control.close()
        if self._owner != os.getpid():
            return
        if not self.threads:  # it still imports, and would hear it afterwards
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
