"""The split carrier: a `student` whose functions live in a sandboxed process at the other end of a socket.

Everything that arrives is checked here. A fault of the conversation (garbage, too much, too late, no answer) is the
submission's, never the grader's.
"""

from __future__ import annotations

import math
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradescent.course import Limits
from gradescent.grading.inside import wire
from gradescent.grading.processes import Child, Killed, MachineFault
from gradescent.grading.watch import Usage, Watch, oom_kills, written_mb
from gradescent.student.failures import raise_failure
from gradescent.student.invoke import Failure
from gradescent.student.judging import Died, MemoryLimit, Missing, Reading, Stop, TimeLimit, Wrong

START_SECONDS = 60.0  # wall clock beyond the limit: starting Python on a busy machine
EXIT_SECONDS = 2.0  # for a process that hung up to end
POLL_SECONDS = 0.2
POLL = struct.pack("ll", 0, int(POLL_SECONDS * 1e6))  # as the kernel takes it: seconds and microseconds
PAUSE_SECONDS = 5.0
HARD_FACTOR, HARD_SECONDS = 1.5, 2.0  # CPU time beyond the limit, for code that a signal does not reach
HARD_MB = 1.0  # of files, likewise: one file may reach the limit, and libraries keep small ones beside it
OUR_PROCESSES = 2  # the guard, and the first process behind the walls
MAX_CALLBACKS = 100_000
MAX_CALLBACK_BYTES = 1 << 20  # of the arguments of one: the grader's own function computes with them
MAX_FAILURE = 2000  # characters of an exception's message


@dataclass(frozen=True)
class Allowed:
    """What one cell or call may use.

    Attributes:
        seconds: CPU time.
        memory_mb: memory of all processes together, MiB.
        processes: processes and threads.
        file_mb: size of a file, and of a folder in memory, MiB.
        output_mb: what it shows, MiB of JSON.
        wall_seconds: wall clock; None for the course's multiple of the CPU time.
    """

    seconds: float
    memory_mb: float
    processes: int
    file_mb: float = Limits.file_mb
    output_mb: float = Limits.output_mb
    wall_seconds: float | None = None

    @classmethod
    def within(cls, limits: Limits, seconds: float) -> Allowed:
        """So many seconds, and all else that a submission may use."""
        return cls(seconds, limits.memory_mb, limits.processes, limits.file_mb, limits.output_mb)

    def wall(self, factor: float) -> float:
        """Wall clock in seconds, where a course allows so many times the CPU time."""
        return self.wall_seconds or self.seconds * factor + START_SECONDS


class Clock:
    """Wall clock time in seconds, without what passes while the grader is paused: by Ctrl-Z, or with its virtual machine.

    Whoever waits looks every POLL_SECONDS; a much longer time between two looks was a pause, or the grader's own work.
    """

    def __init__(self) -> None:
        self._looked, self._paused = time.monotonic(), 0.0

    def now(self) -> float:
        looked, self._looked = self._looked, time.monotonic()
        if self._looked - looked > PAUSE_SECONDS:
            self._paused += self._looked - looked
        return self._looked - self._paused


CLOCK = Clock()


class Link:
    """One conversation with a student's process, and the watch over what it uses.

    Args:
        child: the process, just started.
        limits: of the process as a whole: the widest that any cell of the notebook has.
        ends: time of CLOCK after which nothing is asked any more, in seconds.
        cpu_ends: CPU seconds of this process after which nothing is asked any more.
        patient: raise Killed wherever the process was killed, for another attempt, and not Died.

    Attributes:
        cpu_seconds: what the process and all that it started have used, as far as was seen.

    Raises:
        MachineFault: the process does not come up.
    """

    def __init__(
        self,
        child: Child,
        limits: Limits,
        ends: float = math.inf,
        cpu_ends: float = math.inf,
        patient: bool = False,
    ):
        self.child = child
        self._limits, self._ends, self._cpu_ends, self._patient = limits, ends, cpu_ends, patient
        self._allowed = Allowed.within(limits, START_SECONDS)
        self._deadline = CLOCK.now() + START_SECONDS
        self._watched = math.inf  # not before the process is ready
        self._begun: Usage | None = None
        self._processes = Watch()
        self.cpu_seconds = 0.0
        self._memory_mb, self._oom_kills = 0.0, oom_kills()
        self.alive = True
        # One system call a message, where to ask first whether something is there would take two.
        child.channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, POLL)
        self.memory: dict[str, Any] = {}  # of the hidden tests: handles, which end with the process
        self._incoming = wire.Incoming(self._receive)
        try:
            wire.receive(self._incoming)
        except (wire.Closed, wire.WireError, TimeoutError, MachineFault) as error:
            said = child.said() or type(error).__name__
            child.stop()
            raise MachineFault(f"the process for the student's code did not start: {wire.clean(said)}") from None
        self._watched = -math.inf

    def ask(
        self, header: dict[str, Any], arrays: list[np.ndarray], allowed: Allowed
    ) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Send a request and wait for its reply.

        Args:
            header: the request; the limits that the process itself can keep are added.
            arrays: its arrays.
            allowed: what the request may use.

        Raises:
            Died: the process ended, or answered with something that is no reply.
            TimeLimit, MemoryLimit: it used more than it may, or did not reply until the deadline.
            MachineFault: the process was taken away from outside.
        """
        if not self.alive:
            raise Died("the process that ran the notebook has ended")
        now = CLOCK.now()
        self._allowed, self._begun = allowed, None
        self._deadline = min(self._ends, now + allowed.wall(self._limits.wall_factor))
        if not self._is_widest(allowed):  # what was there before can be told apart only now
            self._begun = self._look()
        own = {"seconds": allowed.seconds, "file_mb": allowed.file_mb, "output_mb": allowed.output_mb}
        return self.exchange({**header, **own}, arrays)

    def exchange(self, header: dict[str, Any], arrays: list[np.ndarray]) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Send and receive one message within the deadline of the running request. What goes wrong ends the process."""
        try:
            return self._exchange(header, arrays)
        except (Stop, MachineFault):
            self.alive = False
            raise

    def _exchange(self, header: dict[str, Any], arrays: list[np.ndarray]) -> tuple[dict[str, Any], list[np.ndarray]]:
        try:
            wire.send(self._send, header, arrays)
            return wire.receive(self._incoming)
        except wire.Closed:
            raise Died(self._how_it_ended()) from None
        except TimeoutError:
            raise TimeLimit(self._too_late()) from None
        except (wire.WireError, ValueError, TypeError, KeyError, OverflowError, RecursionError, MemoryError) as error:
            raise Died(f"the process answered with something that is no reply ({error})") from None

    def _send(self, content: bytes | memoryview) -> None:
        """Write everything, and watch the process while it does not take it in."""
        rest = memoryview(content)
        while len(rest):
            try:
                rest = rest[self.child.channel.send(rest, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                select.select([], [self.child.channel], [], POLL_SECONDS)
            self._watch()

    def _receive(self, place: memoryview) -> int:
        while True:
            count = self._arrived(place)
            self._watch()
            if count is not None:
                return count
            # A child that the student left behind may hold the socket open: the process itself must be alive.
            if self.child.exit_code() is not None:
                return 0

    def _arrived(self, place: memoryview) -> int | None:
        """How many bytes arrived, 0 at the end, None where nothing did for a while."""
        try:
            return self.child.channel.recv_into(place)
        except BlockingIOError:
            return None
        except ConnectionError:
            return 0

    def _watch(self) -> None:
        """Every now and then look at the clock and at what the processes use.

        The student's process stops its own code at the limit of CPU time; this is for whatever does not let it.
        """
        now = CLOCK.now()
        if now > self._deadline:
            raise TimeoutError
        if now - self._watched < POLL_SECONDS:
            return
        self._watched, allowed = now, self._allowed
        used = self._look()
        self._memory_mb = used.memory_mb
        begun = self._begun = self._begun or used  # what a request used before the first look is forgiven
        if used.cpu_seconds - begun.cpu_seconds > allowed.seconds * HARD_FACTOR + HARD_SECONDS:
            raise TimeLimit(f"more than {allowed.seconds:g} s of CPU time, in all processes and threads together")
        if self.cpu_seconds > self._cpu_ends:
            raise used_up(self._limits, "submission_cpu_seconds")
        if used.memory_mb > self._bound("memory_mb", begun.memory_mb):
            raise MemoryLimit(
                f"more than {allowed.memory_mb:g} MiB, in all processes together (memory_mb). "
                "Next: keep less at a time, smaller batches for instance"
            )
        if used.threads - OUR_PROCESSES > self._bound("processes", begun.threads):
            raise Died(
                f"more than {allowed.processes} processes and threads (processes). "
                "Next: start fewer at a time, and wait for their end"
            )
        if used.written_mb > self._bound("file_mb", begun.written_mb) * HARD_FACTOR + HARD_MB:
            raise MemoryLimit(
                f"more than {allowed.file_mb:g} MiB of files (file_mb). Next: write less, or remove what is not needed"
            )

    def _bound(self, name: str, kept: float) -> float:
        """A limit of the running request. What earlier cells keep within wider limits of their own does not count."""
        allowed, widest = getattr(self._allowed, name), getattr(self._limits, name)
        return allowed if kept <= allowed else min(kept + allowed, widest)

    def _is_widest(self, allowed: Allowed) -> bool:
        return all(
            getattr(allowed, name) >= getattr(self._limits, name) for name in ("memory_mb", "processes", "file_mb")
        )

    def _look(self) -> Usage:
        used = self._processes.usage(self.child.pid, self._allowed.memory_mb)
        if self._allowed.file_mb < self._limits.file_mb:  # else the folders themselves have no more room
            used.written_mb = written_mb(self.child.pid)
        self.cpu_seconds = max(self.cpu_seconds, used.cpu_seconds)
        return used

    def stop(self) -> None:
        """End the process, and count once more what it used."""
        self._look()
        self.child.stop()

    def _too_late(self) -> str:
        if self._deadline == self._ends:
            return str(used_up(self._limits, "submission_seconds"))
        seconds = self._allowed.wall(self._limits.wall_factor)
        return (
            f"no answer within {seconds:g} s of wall clock (wall_seconds). "
            "Likely: it sleeps, or waits for something that never comes"
        )

    def _seen(self) -> str:
        return f"when last seen, it used {self._memory_mb:.0f} of {self._allowed.memory_mb:g} MiB"

    def _how_it_ended(self) -> str:
        code = self.child.exit_code(EXIT_SECONDS)
        if code is None:
            return "the process closed its connection to the grader"
        if code == 128 + signal.SIGKILL and oom_kills() > self._oom_kills:
            raise Killed(f"the student's process was killed, for this machine ran out of memory; {self._seen()}")
        if code == 128 + signal.SIGKILL and self._patient:
            raise Killed("the student's process was killed")
        if code == 128 + signal.SIGKILL:
            return f"the process was killed each time that it ran ({self._seen()}). Likely: the code kills it (os.kill)"
        return f"the process ended by itself (exit code {code}). Likely: os._exit, quit of the interpreter, or a crash in C code"


def used_up(limits: Limits, name: str) -> TimeLimit:
    """What ends a notebook that took too long as a whole."""
    kind = "wall clock" if name == "submission_seconds" else "CPU time"
    return TimeLimit(
        f"the notebook used up its {getattr(limits, name):g} s of {kind}, in all its cells and calls together ({name}). "
        "Next: find the cell that takes longest, and let it compute less"
    )


class RemoteStudent:
    """The `student` of the split carrier.

    Args:
        link: the conversation, the notebook's cells having run.
        allowed: what a call may use.
        weights: name of the file of weights in the working folder, empty where the assignment takes none.
        no_weights: what to say where it takes one and there is none.
    """

    def __init__(self, link: Link, allowed: Allowed, weights: str = "", no_weights: str = ""):
        self._link, self._allowed = link, allowed
        self._weights, self._no_weights = weights, no_weights
        self.readings: dict[str, Reading] = {}
        self._functions: list[Callable[..., Any]] = []  # the grader's, that a student's code may call
        self.printed, self.seconds = "", 0.0
        self.warned: list[str] = []
        self.modified: list[str] = []

    @property
    def weights(self) -> str:
        if self._no_weights:
            raise Missing(self._no_weights)
        return self._weights

    @property
    def memory(self) -> dict[str, Any]:
        return self._link.memory

    def has(self, name: str) -> bool:
        return self.ask({"op": "has", "name": name}) is True

    def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
        return self.invoke(function, {"name": function}, args, kwargs)

    def new(self, cls: str, *args: Any, **kwargs: Any) -> RemoteHandle:
        made = self.invoke(cls, {"name": cls}, args, kwargs)
        if not isinstance(made, RemoteHandle):
            raise Wrong(f"{cls}(...): came back as {type(made).__name__}, expected an object of the class {cls}.")
        return made.named(cls)

    def read(self, name: str) -> Any:
        value = self.ask({"op": "get", "name": name})
        return value.named(name) if isinstance(value, RemoteHandle) else value

    def seed(self, seed: int) -> None:
        self.ask({"op": "seed", "seed": seed})

    def invoke(self, label: str, target: dict[str, Any], args: tuple, kwargs: dict[str, Any]) -> Any:
        """Call a function or method and return its value, or raise the `Stop` that says how it failed."""
        arrays: list[np.ndarray] = []
        stays = _staying(self._functions)
        request = {
            "op": "call",
            **target,
            "args": wire.encode(list(args), arrays, stays),
            "kwargs": wire.encode(dict(kwargs), arrays, stays),
        }
        return self._conclude(label, *self._with_callbacks(request, arrays, label), args, kwargs)

    def ask(self, request: dict[str, Any], value: Any = None) -> Any:
        """A request that runs no function of the student's, beyond properties."""
        arrays: list[np.ndarray] = []
        if "value" in request:
            request = {**request, "value": wire.encode(request["value"], arrays, _staying(self._functions))}
        label = request.get("name") or f"{request.get('label', '')}.{request.get('attribute', '')}"
        header, received = self._link.ask(request, arrays, self._allowed)
        return self._conclude(label, header, received, (), {})

    def _with_callbacks(
        self, request: dict[str, Any], arrays: list[np.ndarray], label: str
    ) -> tuple[dict[str, Any], list[np.ndarray]]:
        header, received = self._link.ask(request, arrays, self._allowed)
        for _ in range(MAX_CALLBACKS):
            if "callback" not in header:
                return header, received
            answer, sent = self._answer(header, received)
            header, received = self._link.exchange(answer, sent)
        raise TimeLimit(f"{label} called the function that it was given more than {MAX_CALLBACKS} times.")

    def _answer(self, header: dict[str, Any], received: list[np.ndarray]) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Call the grader's own function that a student's code asked for."""
        number = header["callback"]
        if type(number) is not int or not 0 <= number < len(self._functions):
            raise Died("the process asked for a function that it was not given")
        arrays: list[np.ndarray] = []
        if sum(array.nbytes for array in received) > MAX_CALLBACK_BYTES:
            return {"failure": "the argument is larger than anything that the function is for"}, []
        try:
            args = wire.Decoder(received, self._stands_for).decode(header.get("args"))
            value = self._functions[number](*args)
        except Exception as error:  # the arguments are the student's: what they break is told to the student
            return {"failure": f"{type(error).__name__}: {error}"[:500]}, []
        return {"value": wire.encode(value, arrays, _staying([]))}, arrays

    def _conclude(
        self, label: str, header: dict[str, Any], received: list[np.ndarray], args: tuple, kwargs: dict[str, Any]
    ) -> Any:
        try:
            self._note(header)
            failure = read_failure(header.get("failure"))
            value = None if failure else wire.Decoder(received, self._stands_for).decode(header.get("value"))
        except (
            wire.WireError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as error:
            raise Wrong(f"{label}: came back as something that cannot be judged ({error}).") from None
        if failure and failure.type == "Missing":
            raise Missing(failure.message.strip("'\""))
        if failure:
            raise_failure(label, failure, args, kwargs)
        return value

    def _note(self, header: dict[str, Any]) -> None:
        self.printed = wire.clean(str(header.get("printed") or ""))
        self.warned = [wire.clean(str(text)) for text in list(header.get("warned") or [])[:20]]
        self.modified = [wire.clean(str(name)) for name in list(header.get("modified") or [])[:20]]
        self.seconds = float(header.get("seconds") or 0.0)

    def _stands_for(self, kind: str, content: Any) -> Any:
        if kind == "handle" and isinstance(content, list) and len(content) == 2 and type(content[0]) is int:
            return RemoteHandle(self, content[0], wire.clean(str(content[1])))
        if kind == "refused":
            raise wire.WireError(wire.clean(str(content)))
        raise wire.WireError("the value is malformed")


class RemoteHandle:
    """An object that stays in the student's process."""

    def __init__(self, student: RemoteStudent, number: int, type_name: str):
        self._student, self.number, self.type_name = student, number, type_name
        self._label = type_name

    def named(self, label: str) -> RemoteHandle:
        self._label = label
        return self

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        target = {"handle": self.number, "attribute": method, "label": self._label}
        return self._student.invoke(f"{self._label}.{method}", target, args, kwargs)

    def get(self, attribute: str) -> Any:
        return self._student.ask({"op": "get", "handle": self.number, "attribute": attribute, "label": self._label})

    def set(self, attribute: str, value: Any) -> None:
        self._student.ask(
            {"op": "set", "handle": self.number, "attribute": attribute, "label": self._label, "value": value}
        )


def _staying(functions: list[Callable[..., Any]]) -> Callable[[Any], dict[str, Any]]:
    def stays(value: Any) -> dict[str, Any]:
        if isinstance(value, RemoteHandle):
            return {"handle": value.number}
        if callable(value):
            functions.append(value)
            return {"function": len(functions) - 1}
        raise TypeError(f"{type(value).__name__} cannot be passed to a student's function")

    return stays


def read_failure(described: Any) -> Failure | None:
    """The failure that a student's process tells of.

    Raises:
        ValueError: it is malformed.
    """
    if not described:
        return None
    if not isinstance(described, Mapping):
        raise ValueError("a malformed failure")
    texts = (wire.clean(str(described.get(key, "")), MAX_FAILURE) for key in ("type", "message", "where"))
    return Failure(*texts)
