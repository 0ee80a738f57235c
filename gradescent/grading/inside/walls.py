"""The walls around a student's process, put up by the process itself before the student's code runs.

A forked child cannot start bubblewrap: a new program would lose what the warm process imported. So it makes the same
namespaces itself: its own processes, network, names and files, the latter read-only but for small folders in memory.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from gradescent.grading.inside import landlock, linux, seccomp

NAMESPACES, LANDLOCK = "namespaces", "landlock"
HOME = "/home/student"
IN_MEMORY = (HOME, "/tmp", "/dev/shm")  # all that can be written behind namespaces
DEVICES = ("null", "full", "random", "urandom")  # a shared mapping of /dev/zero would be memory that nobody counts
INNER_ID = 1000  # the student's user in a namespace of users
OPEN_FILES = 1024


@dataclass(frozen=True)
class Walls:
    """What a student's process sees, and how much it may use.

    Attributes:
        kind: NAMESPACES or LANDLOCK.
        visible: (path on this machine, path that the student sees), read-only.
        links: (target, path) of symbolic links in the root folder.
        root: an empty folder to build upon.
        home: the working folder.
        environment: variables that replace all others.
        user: id to run as behind namespaces, where the grader runs as root; 0 for the grader's own.
        memory_mb: data memory of a process, MiB.
        file_mb: size of a file, and of each writable folder in memory, MiB.
        processes: processes and threads of the submission.
        devices: more device files, of a graphics processor for instance.
    """

    kind: str
    visible: list[tuple[str, str]]
    links: list[tuple[str, str]]
    root: str
    home: str
    environment: dict[str, str]
    user: int
    memory_mb: float
    file_mb: float
    processes: int
    devices: list[str] = field(default_factory=list)


def separate(walls: Walls) -> None:
    """Leave the grader's processes, network and names. Processes begin anew with the next child.

    Raises:
        OSError: this machine does not allow it.
    """
    if walls.kind != NAMESPACES:
        return
    flags = linux.NEW_MOUNTS | linux.NEW_PIDS | linux.NEW_NETWORK | linux.NEW_IPC | linux.NEW_NAMES
    if walls.user:  # root makes namespaces as it is, and drops everything afterwards
        linux.unshare(flags)
        return
    user, group = os.getuid(), os.getgid()
    linux.control(linux.SET_DUMPABLE, 1)  # else the files below belong to root
    linux.unshare(flags | linux.NEW_USER)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{INNER_ID} {user} 1"),
        ("gid_map", f"{INNER_ID} {group} 1"),
    ):
        Path("/proc/self", name).write_text(text)


def build(walls: Walls) -> None:
    """Make the root folder that the student's process sees, and go there.

    Raises:
        OSError: this machine does not allow it.
    """
    new = walls.root
    linux.mount("none", "/", flags=linux.RECURSIVE | linux.PRIVATE)
    linux.mount("tmpfs", new, "tmpfs", linux.NO_SETUID, "size=1m,mode=755")
    # The empty folders come first: an interpreter may lie below /tmp or /home.
    owner = walls.user or INNER_ID
    for folder in IN_MEMORY:
        options = f"size={max(1, int(walls.file_mb * 1024))}k,nr_inodes=10k,mode=700,uid={owner},gid={owner}"
        Path(new + folder).mkdir(parents=True)
        linux.mount("tmpfs", new + folder, "tmpfs", linux.NO_SETUID | linux.NO_DEVICES, options)
    for source, place in walls.visible:
        _show(source, new + place)
    for device in [*(f"/dev/{name}" for name in DEVICES), *walls.devices]:
        _show(device, new + device)
    for target, path in walls.links:
        Path(new + path).symlink_to(target)
    Path(new, "dev/ptmx").symlink_to("pts/ptmx")
    Path(new, "dev/fd").symlink_to("/proc/self/fd")
    for folder in ("/proc", "/dev/pts"):
        Path(new + folder).mkdir(parents=True)
    linux.make_read_only(new)
    for folder in IN_MEMORY:
        linux.make_writable(new + folder)
    linux.mount("proc", new + "/proc", "proc", linux.NO_SETUID | linux.NO_DEVICES | linux.NO_PROGRAMS)
    linux.mount("devpts", new + "/dev/pts", "devpts", linux.NO_SETUID, "newinstance,ptmxmode=0666,mode=620,max=16")
    os.chdir(new)
    linux.change_root()


def _show(source: str, place: str) -> None:
    if not Path(source).exists():
        return
    if Path(source).is_dir():
        Path(place).mkdir(parents=True, exist_ok=True)
    else:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).touch()
    linux.mount(source, place, flags=linux.BIND | linux.RECURSIVE)


def close(walls: Walls, keep: Collection[int]) -> None:
    """The last step, in the student's own process: limits, privileges, and the filter of system calls.

    Args:
        walls: all of it.
        keep: the file descriptors beside the standard ones that stay open.

    Raises:
        OSError: this machine does not allow it.
    """
    os.environ.clear()
    os.environ.update(walls.environment)
    os.chdir(walls.home)
    _close_files(keep)
    linux.forgo_capabilities()
    if walls.user:
        os.setgroups([])
        os.setresgid(walls.user, walls.user, walls.user)
    limit(walls)
    if walls.user:
        os.setresuid(walls.user, walls.user, walls.user)
    linux.drop_capabilities()
    linux.control(linux.SET_DUMPABLE, 1)  # its own /proc/self is its own again
    linux.control(linux.NO_NEW_PRIVILEGES, 1)
    if walls.kind == NAMESPACES:
        seccomp.load(network_namespace=True)
        return
    hide_tests()
    readable = [source for source, _ in walls.visible] + [path for _, path in walls.links]
    devices = [f"/dev/{name}" for name in DEVICES] + walls.devices
    landlock.restrict([*readable, *landlock.FILES_OF_PROC], [walls.home, *devices])
    seccomp.load(network_namespace=False, may_signal=os.getpid())


def limit(walls: Walls) -> None:
    """Bound what a process may take. RLIMIT_AS would count address space that libraries reserve and never use."""
    memory, files = int(walls.memory_mb * (1 << 20)), int(walls.file_mb * (1 << 20))
    bounds = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_FSIZE, files),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ]
    if walls.kind == NAMESPACES:  # without them it would count the processes of a user who has others
        bounds.append((resource.RLIMIT_NPROC, walls.processes))
    for kind, bound in bounds:
        with contextlib.suppress(ValueError, OSError):  # a lower one stands already
            resource.setrlimit(kind, (bound, bound))


def _close_files(keep: Collection[int]) -> None:
    numbers = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    for number in numbers:
        if number > 2 and number not in keep:
            with contextlib.suppress(OSError):  # the one that listed the folder
                os.close(number)


def hide_tests() -> None:
    """Take the hidden tests off the path of a process that has no root folder of its own: it must not find them by name."""
    sys.path[:] = [entry for entry in sys.path if not (Path(entry) / "grader_tests").is_dir()]
