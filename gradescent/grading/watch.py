"""What a submission's processes use, read from outside, where no student's code can lie about it."""

from __future__ import annotations

import functools
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gradescent.grading.inside.walls import IN_MEMORY

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")
PAGED = 512  # bytes of address space for one byte of page tables
OUTER = 3  # of the first processes of a submission, one is behind the walls
MOST_SECONDS = 1.0  # between two looks; while nothing is asked of a process nobody looks
TIME, CHILDRENS_TIME, AFTER_TIME = 11, 13, 15  # fields of /proc/PID/stat, from the state on
THREADS, STARTED, ADDRESSES, RESIDENT = 17, 19, 20, 21
QUEUE = 10  # messages that wait for a socket of datagrams, each of another sender that may be gone


@dataclass
class Usage:
    """What all processes of a submission use together.

    Attributes:
        cpu_seconds: so far, of those that live and of those that have ended.
        memory_mb: MiB; pages that several share count once. With page tables, and what may wait in sockets.
        threads: of all processes.
        written_mb: MiB in the fullest folder in memory; see written_mb().
    """

    cpu_seconds: float = 0.0
    memory_mb: float = 0.0
    threads: int = 0
    written_mb: float = 0.0


class Watch:
    """Looks again and again at a process and its descendants. Where there is no /proc, nothing is known of them.

    The kernel adds the time of an ended process to that of the one that waits for it, and forgets it where the parent ignores
    its children's end (SIGCHLD). Of those the time is estimated: who was at work at one look, and has ended at the next though
    nobody's time says so, counts with the time from look to look. The shorter such a process lives, the more seldom it is seen,
    so that over many looks the estimate is right. What ends within the first tick of its clock (10 ms) stays forgotten.
    """

    def __init__(self) -> None:
        self._before: dict[int, list[str]] = {}  # the processes at the last look
        self._looked = 0.0
        self._forgotten = 0.0  # CPU seconds that the kernel counts for nobody

    def usage(self, root: int, memory_mb: float) -> Usage:
        """Read what the processes use now, and have used so far.

        Args:
            root: the process.
            memory_mb: the limit; shared pages are told apart and page tables read, which is slow, only near it.
        """
        pids = list(family(root))
        found = {pid: stat for pid in pids if (stat := _stat(pid))}
        if root in found:  # else all have ended, and nobody is left who could have got their time
            self._note_ended(found)
        stats = found.values()
        sockets = _in_sockets(pids[:OUTER]) / (1 << 20)
        memory = sockets + sum(int(stat[RESIDENT]) for stat in stats) * PAGE / (1 << 20)
        tables = sum(int(stat[ADDRESSES]) for stat in stats) / PAGED / (1 << 20)  # at most
        if memory + tables > memory_mb:
            memory = sockets + sum(_proportional_mb(pid) + _page_tables_mb(pid) for pid in pids)
        return Usage(
            sum(map(_ticks, stats)) / TICKS + self._forgotten,
            memory,
            sum(int(stat[THREADS]) for stat in stats),
        )

    def _note_ended(self, found: dict[int, list[str]]) -> None:
        """Compare with the last look: whose time did nobody get who was there then and is now?"""
        now, before = time.monotonic(), self._before
        passed = min(now - self._looked, MOST_SECONDS)
        self._before, self._looked = found, now
        # Read once more, for a process may have ended since it was found. Whoever waited for one has its time before it is gone.
        again = {pid: _stat(pid) for pid in before} if before.keys() - found.keys() else found
        living = {pid for pid, stat in before.items() if again[pid][STARTED:][:1] == stat[STARTED:][:1]}
        ended = [_ticks(stat) for pid, stat in before.items() if pid not in living]
        got = sum(_ticks(again[pid], CHILDRENS_TIME) - _ticks(before[pid], CHILDRENS_TIME) for pid in living)
        if sum(ended) > got:
            self._forgotten += sum(max(ticks / TICKS, passed) for ticks in ended if ticks) - got / TICKS


def _ticks(stat: list[str], first: int = TIME) -> int:
    """CPU time of a process and of the children that it waited for, or of these alone."""
    return sum(map(int, stat[first:AFTER_TIME]))


def written_mb(root: int) -> float:
    """MiB in the fullest folder that a process or a descendant has in memory, 0 where they write elsewhere."""
    folders = [f"{PROC}/{pid}/root{folder}" for pid in family(root) for folder in IN_MEMORY]
    return max(map(_filled_mb, folders), default=0.0)


def _filled_mb(folder: str) -> float:
    try:
        state = os.statvfs(folder) if os.path.ismount(folder) else None
    except OSError:  # the process has ended meanwhile, or hides it
        return 0.0
    return (state.f_blocks - state.f_bfree) * state.f_frsize / (1 << 20) if state else 0.0


def oom_kills() -> int:
    """How often this machine ran out of memory and the kernel killed a process, 0 where nobody counts it."""
    try:
        counters = dict(line.split() for line in (PROC / "vmstat").read_text().splitlines())
    except OSError:
        return 0
    return int(counters.get("oom_kill", 0))


def family(pid: int) -> Iterator[int]:
    """A process and all its descendants."""
    yield pid
    try:
        listed = [file.read_text().split() for file in (PROC / str(pid) / "task").glob("*/children")]
    except OSError:  # it has ended meanwhile
        return
    for children in listed:
        for child in children:
            yield from family(int(child))


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third, its state, on."""
    try:
        return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _page_tables_mb(pid: int) -> float:
    try:
        lines = (PROC / str(pid) / "status").read_text(errors="replace").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmPTE:")) / 1024


def _in_sockets(outer: list[int]) -> int:
    """Bytes that may wait in the sockets of a submission that has a network of its own, else 0.

    Who holds a Unix socket cannot be told from outside, for it may be on its way through another. All of a network are
    listed, at what each may hold; those to the kernel, at what they do hold.

    Args:
        outer: the first processes, one of which is behind the walls.
    """
    inside = next((pid for pid in outer if _network(pid) not in ("", _network("self"))), None)
    if inside is None:
        return 0
    kinds, kernels = (_table(inside, name) for name in ("unix", "netlink"))
    datagrams = sum(line[4:5] == [b"0002"] for line in kinds)
    held = sum(int(number) for line in kernels for number in line[4:6])
    return (2 * (len(kinds) - datagrams) + (QUEUE + 1) * datagrams) * _buffer() + held


def _network(pid: int | str) -> str:
    try:
        return str((PROC / str(pid) / "ns" / "net").readlink())
    except OSError:
        return ""


def _table(pid: int, name: str) -> list[list[bytes]]:
    """The fields of a table of a process's network; a socket's name that has line breaks makes more lines of one."""
    try:
        return [line.split() for line in (PROC / str(pid) / "net" / name).read_bytes().splitlines()[1:]]
    except OSError:
        return []


@functools.cache
def _buffer() -> int:
    """Bytes that a socket sends before somebody receives them. More cannot be asked for: inside/seccomp.py ignores it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        return ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)


def _proportional_mb(pid: int) -> float:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except PermissionError:  # a process that hid it: all of it counts
        stat = _stat(pid)
        return int(stat[RESIDENT]) * PAGE / (1 << 20) if stat else 0.0
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
