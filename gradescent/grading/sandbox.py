"""Where students' code runs: the strongest walls that this machine allows, found by trying them.

Behind all of them a student's code sees the interpreter and the packages (read-only), the few modules of gradescent that
it needs, the training data (read-only) and an empty working folder of its own. No tests, no labels, no gradebook, no
network, no other process, nothing of the grader's environment.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from gradescent.course import CourseError, Limits
from gradescent.grading.devices import MODEST
from gradescent.grading.imports import KERAS_BACKEND
from gradescent.grading.inside import landlock, seccomp, walls
from gradescent.grading.inside.walls import HOME
from gradescent.grading.processes import Child, MachineFault, WarmProcess, spawn
from gradescent.grading.remote import Allowed, Link
from gradescent.grading.scratch import Folder, Scratch
from gradescent.student.judging import Died, Stop

PACKAGE = Path(__file__).resolve().parents[1]
# What of gradescent a student's process may import. Everything else of the package stays outside.
SHARED = ("__init__.py", "student", "grading/__init__.py", "grading/inside")
SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/fonts", "/etc/alternatives")
DATA = "/data"
USERS = 1 << 20  # above the users that a machine has, for a grader that runs as root
# What every notebook needs, and what IPython would import at the first cell, traceback, `!` or picture.
ALWAYS = (
    "gradescent.grading.inside.worker",
    "gradescent.student.check",
    "gradescent.student.datasets",
    "gradescent.student.plots",
    "numpy.fft",
    "numpy.linalg",
    "numpy.random",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "IPython.core.application",
    "IPython.core.completerlib",
    "IPython.core.magics.execution",
    "IPython.core.oinspect",
    "stack_data",
    "pygments.formatters.terminal256",
    "pexpect",
    "PIL.JpegImagePlugin",
)
CANARY = "import numpy as np\nnp.linalg.norm(np.ones((64, 64)) @ np.ones((64, 64)))"
KERAS_CANARY = (
    "import keras\nfloat(keras.ops.sum(keras.ops.matmul(keras.ops.ones((64, 64)), keras.ops.ones((64, 64)))))"
)
CANARY_SECONDS = 60.0
LEAST_LANDLOCK = 3


class Backend(Enum):
    """The kinds of walls, the strongest first."""

    NAMESPACES = "own namespaces"
    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "Landlock"
    NONE = "none"


PROMISES = {
    Backend.NAMESPACES: "own namespaces (no network, no files of the course, no other processes; warm start)",
    Backend.BUBBLEWRAP: "bubblewrap (no network, no files of the course, no other processes; slow start)",
    Backend.LANDLOCK: "Landlock (no internet, no files of the course; other processes are visible, but out of reach)",
    Backend.NONE: "NONE: students' code runs as you, with your files and network",
}
REMEDY = (
    "Remedy: install bubblewrap (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap), or allow "
    "unprivileged user namespaces; `gradescent doctor` says what works here"
)


class Sandbox:
    """The walls of this machine, and the warm processes behind which students' processes start.

    Args:
        data: folder with the data sets as the student's code may see them.
        imports: modules of the first warm process, which tries the walls.
        trust: run students' code without walls where there are none.
        only: take this back end, or fail.
        devices: device files that the students' code needs, of a graphics processor for instance: no warm start then.

    Raises:
        CourseError: nothing contains students' code here, and nobody said that it is to be trusted.
    """

    def __init__(
        self,
        data: Path,
        imports: Iterable[str] = (),
        trust: bool = False,
        only: Backend | None = None,
        devices: tuple[str, ...] = (),
    ):
        self._data, self._devices, self._first = data, list(devices), frozenset(imports)
        self._early: WarmProcess | None
        self._folder, self._early = _EARLY.pop() if _EARLY else (Scratch(), None)
        Path(self._folder.name).chmod(0o711)  # a student's process of another user passes, and lists nothing
        self._root = Path(self._folder.name, "root")
        self._root.mkdir()
        self._warm: dict[tuple[str, ...], WarmProcess] = {}
        self.reasons: dict[Backend, str] = {}
        try:
            self.backend = self._choose([only] if only else list(Backend), trust or only is Backend.NONE)
        except BaseException:
            self.close()
            raise

    def _choose(self, backends: list[Backend], trust: bool) -> Backend:
        for backend in backends:
            self.backend = backend
            problem = self._problem(trust)
            if not problem:
                return backend
            self.reasons[backend] = problem
        tried = "; ".join(f"{backend.value}: {reason}" for backend, reason in self.reasons.items())
        raise CourseError(
            f"nothing contains students' code on this machine ({tried}). {REMEDY}; or say --trust-students, "
            "and every submission runs as you, with your files and network"
        )

    def _problem(self, trust: bool) -> str:
        """Why the back end does not work here, empty when it does."""
        if self.backend is Backend.NONE:
            return "" if trust else "not trusted"
        if self.backend is Backend.BUBBLEWRAP and not bubblewrap():
            return "not installed" if not shutil.which("bwrap") else "installed, but it cannot make namespaces here"
        if not sys.platform.startswith("linux") or not seccomp.supported():
            return f"not on {sys.platform}, {os.uname().machine}"
        if self.backend is Backend.LANDLOCK and landlock.version() < LEAST_LANDLOCK:
            return "this kernel has none that keeps files from being cut short (Linux 6.2 has)"
        try:
            self.prepare(self._first)
        except (MachineFault, Stop, OSError) as error:
            return str(error)
        return ""

    def prepare(self, imports: Iterable[str]) -> None:
        """Have a warm process for a set of modules, and try it: after a wrong fork a library would hang for ever.

        Raises:
            MachineFault, Stop: not even a process that imports everything afresh works.
        """
        wanted = frozenset(imports)
        if self.backend in (Backend.BUBBLEWRAP, Backend.NONE) or self._warm_set(wanted) in self._warm:
            return
        try:
            self._try(wanted)
        except Stop:
            self._warm.pop(self._warm_set(wanted)).close()
            self._warm[self._warm_set(wanted)] = self._warm_process(())
            self._try(wanted)

    def _try(self, imports: frozenset[str]) -> None:
        """Calculate something in a student's process. What it raises of a warm one, a fresh one may be able to do."""
        limits = Limits(wall_factor=1)
        link = Link(self.start(imports, limits), limits)
        try:
            code = KERAS_CANARY if "keras" in imports else CANARY
            reply, _ = link.ask({"op": "cell", "code": code}, [], Allowed.within(limits, CANARY_SECONDS))
            if reply.get("failure"):
                raise Died(f"a first calculation failed: {reply['failure']}")
        finally:
            link.child.stop()

    def start(self, imports: Iterable[str], limits: Limits, variables: Mapping[str, str] | None = None) -> Child:
        """Start a student's process.

        Args:
            imports: names of the modules that the notebook will want.
            limits: of the submission.
            variables: more of its environment.

        Raises:
            MachineFault: it does not start.
        """
        if self.backend in (Backend.BUBBLEWRAP, Backend.NONE):
            return self._spawn(limits, variables or {})
        wanted = self._warm_set(frozenset(imports))
        if wanted not in self._warm:
            self._warm[wanted] = self._warm_process(wanted)
        folder = Folder(dir=self._folder.name) if self.backend is Backend.LANDLOCK else None
        built = self._walls(limits, folder.name if folder else HOME, variables or {})
        return self._warm[wanted].fork(built, folder)

    def _warm_set(self, imports: frozenset[str]) -> tuple[str, ...]:
        return () if self._devices else (*ALWAYS, *sorted(imports))

    def _warm_process(self, imports: tuple[str, ...]) -> WarmProcess:
        if self._early and self._early.imports == imports:
            process, self._early = self._early, None
        else:
            process = _started(imports, self._folder.name, bool(self._devices))
        process.wait()
        return process

    def _walls(self, limits: Limits, home: str, variables: Mapping[str, str]) -> walls.Walls:
        namespaces = self.backend is Backend.NAMESPACES
        return walls.Walls(
            kind=walls.NAMESPACES if namespaces else walls.LANDLOCK,
            visible=[*visible(), (str(self._data), DATA)],
            links=links(),
            root=str(self._root),
            home=home,
            environment={**self._environment(home, DATA if namespaces else str(self._data)), **variables},
            user=USERS + secrets.randbelow(USERS) if namespaces and os.getuid() == 0 else 0,
            memory_mb=limits.memory_mb,
            file_mb=limits.file_mb,
            processes=limits.processes,
            devices=self._devices,
        )

    def _spawn(self, limits: Limits, variables: Mapping[str, str]) -> Child:
        folder = Folder(dir=self._folder.name)
        worker = [sys.executable, "-m", "gradescent.grading.inside.worker", "SOCKET", str(limits.memory_mb)]
        if self.backend is Backend.BUBBLEWRAP:
            command = [*bubble(self._data, limits.file_mb, self._devices), "--seccomp", "FILTER", *worker]
            given = {**self._environment(HOME, DATA), **variables}
            return spawn(command, given, folder, "/", seccomp.program(network_namespace=True))
        home = Path(folder.name, "work")
        home.mkdir()
        return spawn(worker, {**self._environment(str(home), str(self._data)), **variables}, folder, str(home), b"")

    def _environment(self, home: str, data: str) -> dict[str, str]:
        return environment(home, data, bool(self._devices))

    def describe(self) -> str:
        """One line about how students' code is contained here."""
        text = PROMISES[self.backend]
        return f"{text}. {REMEDY}, or grade only submissions that you trust" if self.backend is Backend.NONE else text

    def close(self) -> None:
        """End the warm processes and remove what was written for them."""
        for process in [*self._warm.values(), *([self._early] if self._early else [])]:
            process.close()
        with contextlib.suppress(OSError):
            self._folder.cleanup()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


_EARLY: list[tuple[Scratch, WarmProcess]] = []


@contextlib.contextmanager
def head_start(imports: Iterable[str]) -> Iterator[None]:
    """Begin to import what the first sandbox will want, while the grader itself is still importing; in vain where none opens."""
    if sys.platform.startswith("linux"):
        folder = Scratch()
        _EARLY.append((folder, _started((*ALWAYS, *sorted(imports)), folder.name, devices=False)))
    try:
        yield
    finally:
        while _EARLY:
            folder, process = _EARLY.pop()
            process.close()
            folder.cleanup()


def _started(imports: tuple[str, ...], folder: str, devices: bool) -> WarmProcess:
    # Libraries write their caches where students' code never looks.
    variables = {**environment(HOME, DATA, devices), "MPLCONFIGDIR": f"{folder}/matplotlib"}
    return WarmProcess(imports, variables, Path(folder))


def environment(home: str, data: str, devices: bool) -> dict[str, str]:
    """All of a student's environment. `bwrap --clearenv` would leave the grader's readable in /proc/1/environ.

    Args:
        home: the working folder.
        data: folder of the data sets.
        devices: whether graphics processors may be used.
    """
    variables = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": "/tmp" if home == HOME else home,
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(PACKAGE.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "GRADESCENT_DATA": data,
        "NBGRADER_EXECUTION": "autograde",  # as stock nbgrader says it; tests of a course may ask for it
        "IPYTHONDIR": f"{home}/.ipython",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    if KERAS_BACKEND in os.environ:  # the only variable of the grader's that a student's process gets
        variables[KERAS_BACKEND] = os.environ[KERAS_BACKEND]
    # One thread a student: more would make the time of one depend on the others.
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    return variables | (MODEST if devices else {**dict.fromkeys(names, "1"), "CUDA_VISIBLE_DEVICES": ""})


@functools.cache
def visible() -> list[tuple[str, str]]:
    """What every student's process sees of this machine, as (path here, path there)."""
    paths = [path for path in SYSTEM if Path(path).exists() and not Path(path).is_symlink()]
    prefixes = [prefix for prefix in dict.fromkeys([sys.base_prefix, sys.prefix]) if not _is_below(prefix, "/usr")]
    shared = [str(PACKAGE / name) for name in SHARED if not any(_is_below(str(PACKAGE), prefix) for prefix in prefixes)]
    return [(path, path) for path in (*paths, *prefixes, *shared)]


def refuse_visible(paths: Iterable[Path]) -> None:
    """Demand that what only the grader may see does not lie where every student's process can read.

    Raises:
        CourseError: it does.
    """
    for path in paths:
        for seen, _ in visible():
            if _is_below(str(path.resolve()), seen):
                raise CourseError(f"{path}: lies in {seen}, which students' code sees. Remedy: move it elsewhere")


@functools.cache
def links() -> list[tuple[str, str]]:
    """The symbolic links among the system's folders, as (target, path)."""
    return [(str(Path(path).readlink()), path) for path in SYSTEM if Path(path).is_symlink()]


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


@functools.cache
def bubblewrap() -> bool:
    """Whether bubblewrap can make namespaces on this machine: with the very walls that will be used."""
    if not shutil.which("bwrap"):
        return False
    with tempfile.TemporaryDirectory(prefix="gradescent-") as data:
        probe = [*bubble(Path(data), 16), sys.executable, "-c", "import gradescent.grading.inside.worker"]
        environment = {"PYTHONPATH": str(PACKAGE.parent), "PATH": "/usr/bin:/bin"}
        try:
            done = subprocess.run(probe, capture_output=True, timeout=CANARY_SECONDS, env=environment)
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 0


def bubble(data: Path, file_mb: float, devices: Iterable[str] = ()) -> list[str]:
    """bubblewrap with its arguments. Its tmpfs folders have no size unless they are given one."""
    size = ["--size", str(int(file_mb * (1 << 20))), "--tmpfs"]
    arguments = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "student"]
    if os.getuid() == 0:
        arguments += ["--uid", "65534", "--gid", "65534"]
    # The empty folders come first: an interpreter may lie below /tmp or /home.
    arguments += ["--proc", "/proc", "--dev", "/dev", *size, "/dev/shm", *size, "/tmp", *size, HOME, "--chdir", HOME]
    for target, path in links():
        arguments += ["--symlink", target, path]
    for source, place in [*visible(), (str(data), DATA)]:
        arguments += ["--ro-bind", source, place]
    for device in devices:
        arguments += ["--dev-bind", device, device]
    return [shutil.which("bwrap") or "bwrap", *arguments, "--remount-ro", "/dev", "--remount-ro", "/"]
