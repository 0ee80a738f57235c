"""Start a student's process: under bubblewrap where it works, else as a plain child process.

Inside bubblewrap the student's code sees the interpreter and the packages (read-only), the few modules of gradescent
that it needs, the training data (read-only) and an empty working folder of its own. No tests, no labels, no gradebook, no
network, no other process, nothing of the grader's environment.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# What of gradescent a student's process may import. Everything else of the package stays outside.
SHARED = ("__init__.py", "student", "grading/__init__.py", "grading/inside")
SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/fonts", "/etc/alternatives")
HOME = "/home/student"
WORK_BYTES = 256 << 20  # size of the working folder, of /tmp and of /dev/shm


@dataclass
class Child:
    """A running student's process and the socket to it."""

    process: subprocess.Popen
    channel: socket.socket
    log: Path
    folder: tempfile.TemporaryDirectory

    def stop(self) -> None:
        """Kill the process and remove its folder."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # what the student's code left running, too
        self.process.wait()
        self.channel.close()
        self.folder.cleanup()


@functools.cache
def bubblewrap() -> str | None:
    """Path of a bubblewrap that can make namespaces on this machine, else None."""
    program = shutil.which("bwrap")
    if not program:
        return None
    # The very walls and the very program that will be used: an older bubblewrap lacks some of the options.
    with tempfile.TemporaryDirectory(prefix="gradescent-") as data:
        probe = [program, *_walls(Path(data)), sys.executable, "-c", "import gradescent.grading.inside.worker"]
        environment = _environment(HOME, "/data", "/opt/gradescent")
        try:
            done = subprocess.run(probe, capture_output=True, timeout=60, env=environment)
        except (OSError, subprocess.TimeoutExpired):
            return None
    return program if done.returncode == 0 else None


def describe() -> str:
    """One line about how students' code is contained here."""
    if bubblewrap():
        return "bubblewrap (no network, no files of the course, no other processes)"
    reason = "does not work here" if shutil.which("bwrap") else "is not installed"
    return (
        f"NONE: bubblewrap {reason}. Students' code runs as you, with your files and network. Remedy: install bubblewrap "
        "(Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap), or grade only submissions that you trust"
    )


def start(data: Path, memory_mb: float) -> Child:
    """Start a student's process.

    Args:
        data: folder with the data sets as the student's code may see them.
        memory_mb: limit of the data memory, MiB.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = tempfile.TemporaryDirectory(prefix="gradescent-")
    log = Path(folder.name) / "stderr"
    worker = [sys.executable, "-m", "gradescent.grading.inside.worker", str(theirs.fileno()), str(memory_mb)]
    sandbox = bubblewrap()
    if sandbox:
        command = [sandbox, *_walls(data), *worker]
        environment = _environment(HOME, "/data", "/opt/gradescent")
        working = "/"
    else:
        command, working = worker, str(Path(folder.name) / "work")
        Path(working).mkdir()
        environment = _environment(working, str(data), str(PACKAGE.parent))
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            pass_fds=[theirs.fileno()],
            env=environment,
            cwd=working,
            start_new_session=True,
        )
    theirs.close()
    return Child(process, ours, log, folder)


def _environment(home: str, data: str, package: str) -> dict[str, str]:
    """A clean environment: `bwrap --clearenv` would leave the grader's readable in /proc/1/environ."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": home,
        "LANG": "C.UTF-8",
        "PYTHONPATH": package,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "GRADESCENT_DATA": data,
        "IPYTHONDIR": f"{home}/.ipython",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        # One thread a student: more would make the time of one depend on the others.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _walls(data: Path) -> list[str]:
    """bubblewrap's arguments. Its tmpfs folders have no size unless they are given one."""
    size = ["--size", str(WORK_BYTES), "--tmpfs"]
    walls = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "student"]
    if os.getuid() == 0:
        walls += ["--uid", "65534", "--gid", "65534"]
    # The empty folders come first: an interpreter may lie below /tmp or /home.
    walls += ["--proc", "/proc", "--dev", "/dev", *size, "/dev/shm", *size, "/tmp", *size, HOME, "--chdir", HOME]
    for path in SYSTEM:
        walls += _mirror(Path(path))
    for prefix in dict.fromkeys([sys.base_prefix, sys.prefix]):
        if not prefix.startswith("/usr/") and prefix != "/usr":
            walls += ["--ro-bind", prefix, prefix]
    for name in SHARED:
        walls += ["--ro-bind", str(PACKAGE / name), f"/opt/gradescent/gradescent/{name}"]
    return [*walls, "--ro-bind", str(data), "/data", "--remount-ro", "/dev", "--remount-ro", "/"]


def _mirror(path: Path) -> list[str]:
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.exists() else []
