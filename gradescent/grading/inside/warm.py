"""A process that imports the libraries once and then forks a child for each submission.

Started as `python -m gradescent.grading.inside.warm FD`. It runs no student's code and no operation of a library: a fork
after TensorFlow's first operation hangs for ever. What it holds, every child can read, so it is given nothing.

A submission takes three processes: the guard, outside the walls, which ends the others when the grader says so or hangs
up; the first process behind the walls, which ends everything there when it ends; and the student's own.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from gradescent.grading.inside import linux, walls

MAX_REQUEST = 1 << 18
# Parts of a module that it would import at first use.
LAZY = {"keras": ("Sequential", "layers", "optimizers", "losses", "datasets", "callbacks")}
FAULT = 70  # exit code of a process of ours that could not do its work


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    sys.argv = ["notebook"]
    imports = json.loads(control.recv(MAX_REQUEST))
    gc.disable()  # what is imported stays: looking for what might go takes a quarter of the time
    missing = [name for name in imports if not _imported(name)]
    if "matplotlib.pyplot" in sys.modules:
        _draw()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel takes away who has ended
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page that it looks at
    gc.enable()
    linux.use_large_pages()
    control.send(json.dumps({"threads": len(list(Path("/proc/self/task").iterdir())), "missing": missing}).encode())
    while True:
        request, files, _, _ = socket.recv_fds(control, MAX_REQUEST, 2)
        if not request:
            return
        if os.fork() == 0:
            control.close()
            _guarded(walls.Walls(**json.loads(request)), *files)
        for file in files:
            os.close(file)


def _imported(name: str) -> bool:
    """Import a module, and the parts of it that it would import at first use."""
    try:
        module = importlib.import_module(name)
        for part in LAZY.get(name, ()):
            getattr(module, part)
    except Exception:  # the notebook that wants it will say so
        return False
    return True


def _draw() -> None:
    """Draw a picture that nobody sees: fonts, and what matplotlib makes at its first one, are then there for all children."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], label="a")
    axes.scatter([0], [1])
    axes.set(title="a", xlabel="$x_1$")
    axes.legend()
    FigureCanvasAgg(figure).print_png(io.BytesIO())


def _guarded(built: walls.Walls, channel: int, status: int) -> NoReturn:
    """In a child: become the guard, behind which the student's process starts."""
    telling = socket.socket(fileno=status)
    with _told(telling):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        linux.control(linux.SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        os.setsid()
        _tell(telling, {"pid": os.getpid()})
        linux.control(linux.SET_SUBREAPER, 1)
        walls.separate(built)
        start = _behind_namespaces if built.kind == walls.NAMESPACES else _student
        child = _fork(lambda: start(built, channel, telling))
        os.close(channel)
        code = _wait_for(child, telling)
        if built.kind != walls.NAMESPACES:
            _wait_for_the_rest()
        _tell(telling, {"exit": code})
    os._exit(0)


def _behind_namespaces(built: walls.Walls, channel: int, telling: socket.socket) -> NoReturn:
    """The first process there: when it ends, the kernel ends every other. No student can signal or read it."""
    walls.build(built)
    student = _fork(lambda: _student(built, channel, telling))
    os.close(channel)
    telling.close()
    linux.control(linux.SET_DUMPABLE, 0)
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == student:
            os._exit(_exit_code(status))


def _student(built: walls.Walls, channel: int, telling: socket.socket) -> NoReturn:
    # A machine that runs out of memory shall end a student's process, not the grader.
    Path("/proc/self/oom_score_adj").write_text("1000")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if built.kind != walls.NAMESPACES:
        os.setsid()  # a group that nobody leaves, and that is ended at one stroke
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # the only generator that a fork repeats
    walls.close(built, keep=(channel, telling.fileno()))
    # What the warm process did not import is imported here, behind the walls: a filter binds only threads that come after it.
    from gradescent.grading.inside.worker import Worker, make_shell

    worker = Worker(socket.socket(fileno=channel), make_shell())
    telling.close()
    worker.serve()
    os._exit(0)


def _fork(run: Callable[[], NoReturn]) -> int:
    """Fork a child that dies with its parent."""
    child = os.fork()
    if child == 0:
        linux.control(linux.SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        run()
    return child


def _wait_for(child: int, telling: socket.socket) -> int:
    """Wait until the child has ended, or end it when the grader speaks or hangs up."""
    handle = os.pidfd_open(child)
    select.select([handle, telling.fileno()], [], [])
    for end in (os.kill, os.killpg):  # the group of a student's process without namespaces
        with contextlib.suppress(ProcessLookupError):
            end(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return _exit_code(status)


def _wait_for_the_rest() -> None:
    """Without a namespace of processes: wait until all that the student's code left running, which was ended, is gone."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


@contextlib.contextmanager
def _told(telling: socket.socket) -> Any:
    """Tell of whatever goes wrong before the student's code runs: it is the machine's fault."""
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(OSError, ValueError):
            _tell(telling, {"fault": f"{type(error).__name__}: {error}"})
        os._exit(FAULT)


def _tell(telling: socket.socket, news: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        telling.sendall(json.dumps(news).encode() + b"\n")


if __name__ == "__main__":
    main()
