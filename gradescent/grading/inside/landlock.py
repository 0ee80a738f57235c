"""Landlock: file access of a process bounded by the kernel, where a container or a policy forbids namespaces."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from gradescent.grading.inside import linux

EXECUTE, WRITE_FILE, READ_FILE, READ_FOLDER = 1, 2, 4, 8
TRUNCATE, DEVICE_CONTROL = 1 << 14, 1 << 15
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | DEVICE_CONTROL
# Rights of version 1, and what each version added.
RIGHTS = {1: (1 << 13) - 1, 2: 1 << 13, 3: TRUNCATE, 5: DEVICE_CONTROL}
TCP = 3  # bind and connect, from version 4
SCOPES = 3  # abstract Unix sockets and signals, from version 6
VERSION = 1  # a flag of landlock_create_ruleset: tell the version
UNDER_A_PATH = 1  # a kind of rule
FILES_OF_PROC = ("/proc/cpuinfo", "/proc/meminfo")


def version() -> int:
    """Landlock's version in this kernel, 0 where there is none."""
    try:
        return linux.call(linux.LANDLOCK_CREATE, None, 0, VERSION, what="landlock")
    except OSError:
        return 0


def restrict(readable: list[str], writable: list[str]) -> None:
    """Leave this process, and whatever it starts, with these files only. It must have given up new privileges before.

    Args:
        readable: files and folders to read and to run programs from.
        writable: folders to do everything in, and devices.

    Raises:
        OSError: the kernel refuses.
    """
    found = version()
    rights = sum(bits for since, bits in RIGHTS.items() if since <= found)
    handled = struct.pack("QQQ", rights, TCP if found >= 4 else 0, SCOPES if found >= 6 else 0)
    size = 24 if found >= 6 else 16 if found >= 4 else 8
    rules = linux.call(linux.LANDLOCK_CREATE, handled, size, 0, what="landlock")
    for path in readable:
        _allow(rules, path, rights & (EXECUTE | READ_FILE | READ_FOLDER))
    for path in writable:
        _allow(rules, path, rights)
    linux.call(linux.LANDLOCK_RESTRICT, rules, 0, what="landlock")
    os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    if not Path(path).exists():
        return
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    allowed = rights if Path(path).is_dir() else rights & FILE_RIGHTS
    try:
        linux.call(linux.LANDLOCK_ADD, rules, UNDER_A_PATH, struct.pack("=Qi", allowed, handle), 0, what="landlock")
    finally:
        os.close(handle)
