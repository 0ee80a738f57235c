"""The few system calls of Linux that Python has no name for."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)

NEW_TIME, NEW_MOUNTS, NEW_CGROUP, NEW_NAMES, NEW_IPC = 0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000
NEW_USER, NEW_PIDS, NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000
NEW_ANYTHING = NEW_MOUNTS | NEW_CGROUP | NEW_NAMES | NEW_IPC | NEW_USER | NEW_PIDS | NEW_NETWORK

NO_SETUID, NO_DEVICES, NO_PROGRAMS, BIND, RECURSIVE, PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
ATTRIBUTE_READ_ONLY, ATTRIBUTE_NO_SETUID = 1, 2
DETACH = 2

SET_PARENT_DEATH_SIGNAL, SET_DUMPABLE, DROP_BOUNDING, SET_SUBREAPER, NO_NEW_PRIVILEGES = 1, 4, 24, 36, 38
AMBIENT, AMBIENT_CLEAR_ALL = 47, 4
LAST_CAPABILITY = 63
CAPABILITY_VERSION = 0x20080522

MOUNT_SETATTR, LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 442, 444, 445, 446  # the same on every machine
AT_CWD, AT_RECURSIVE = -100, 0x8000
COLLAPSE, LARGE_PAGE = 25, 2 << 20


def checked(result: int, what: str) -> int:
    """The result of a system call.

    Raises:
        OSError: it failed; the text says what was tried.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def call(number: int, *arguments: object, what: str) -> int:
    """A system call by its number."""
    # Without a type ctypes passes 32 bits of a number, and these calls read 64.
    typed = [ctypes.c_long(item) if isinstance(item, int) else item for item in arguments]
    return checked(LIBC.syscall(ctypes.c_long(number), *typed), what)


def control(option: int, *arguments: int) -> None:
    """prctl."""
    padded = [ctypes.c_ulong(number) for number in [*arguments, 0, 0, 0, 0][:4]]
    checked(LIBC.prctl(option, *padded), f"prctl({option})")


def unshare(flags: int) -> None:
    checked(LIBC.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    encoded = [text.encode() if text else None for text in (source, target, kind)]
    checked(LIBC.mount(*encoded, ctypes.c_ulong(flags), options.encode() if options else None), f"mount {target}")


def make_read_only(folder: str) -> None:
    """Make everything that is mounted at or below a folder read-only, without programs that run as somebody else."""
    _set_attributes(folder, AT_RECURSIVE, ATTRIBUTE_READ_ONLY | ATTRIBUTE_NO_SETUID, 0)


def make_writable(folder: str) -> None:
    """Make what is mounted at a folder, and nothing below, writable again."""
    _set_attributes(folder, 0, 0, ATTRIBUTE_READ_ONLY)


def _set_attributes(folder: str, flags: int, given: int, taken: int) -> None:
    attributes = struct.pack("QQQQ", given, taken, 0, 0)
    call(MOUNT_SETATTR, AT_CWD, folder.encode(), flags, attributes, len(attributes), what="mount_setattr")


def change_root() -> None:
    """Make the current folder the root, and forget the old one."""
    checked(LIBC.pivot_root(b".", b"."), "pivot_root")
    checked(LIBC.umount2(b".", DETACH), "umount the old root")
    os.chdir("/")


def forgo_capabilities() -> None:
    """Let no program that is started ever have a privilege. It takes one, so it comes before the others are dropped."""
    for capability in range(LAST_CAPABILITY + 1):
        LIBC.prctl(DROP_BOUNDING, ctypes.c_ulong(capability), 0, 0, 0)  # fails for those that this kernel does not have


def drop_capabilities() -> None:
    """Give up every privilege, for this process and whatever it starts."""
    LIBC.prctl(AMBIENT, ctypes.c_ulong(AMBIENT_CLEAR_ALL), 0, 0, 0)
    checked(LIBC.capset(struct.pack("II", CAPABILITY_VERSION, 0), struct.pack("6I", *[0] * 6)), "capset")


def use_large_pages() -> None:
    """Move what this process has allocated to pages of 2 MiB: a fork shares each page by itself, and has fewer to share.

    Where the kernel cannot (before Linux 6.1, or for want of memory in one piece), small pages stay.
    """
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, access, _, _, inode, *name = line.split()
        if not access.startswith("rw-p") or inode != "0" or name not in ([], ["[heap]"]):
            continue
        begin, end = (int(address, 16) for address in place.split("-"))
        for page in range(-(-begin // LARGE_PAGE) * LARGE_PAGE, end - LARGE_PAGE + 1, LARGE_PAGE):
            LIBC.madvise(ctypes.c_void_p(page), ctypes.c_size_t(LARGE_PAGE), COLLAPSE)
