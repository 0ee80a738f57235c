"""What a submission's processes use, read from outside, where no student's code can lie about it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gradescent.grading.inside.walls import IN_MEMORY

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")


@dataclass
class Usage:
    """What all processes of a submission use together.

    Attributes:
        cpu_seconds: so far, of those that live and of those that were waited for.
        memory_mb: MiB; pages that several share count once.
        threads: of all processes.
        written_mb: MiB in the fullest folder in memory; see written_mb().
    """

    cpu_seconds: float = 0.0
    memory_mb: float = 0.0
    threads: int = 0
    written_mb: float = 0.0


def usage(root: int, memory_mb: float) -> Usage:
    """Read what a process and its descendants use. Where there is no /proc, nothing is known of it.

    Args:
        root: the process.
        memory_mb: the limit; shared pages are told apart, which is slow, only when the sum with them exceeds it.
    """
    pids = list(family(root))
    stats = [stat for stat in map(_stat, pids) if stat]
    memory = sum(int(stat[21]) for stat in stats) * PAGE / (1 << 20)
    if memory > memory_mb:
        memory = sum(_proportional_mb(pid) for pid in pids)
    return Usage(
        sum(sum(map(int, stat[11:15])) for stat in stats) / TICKS,
        memory,
        sum(int(stat[17]) for stat in stats),
    )


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


def _proportional_mb(pid: int) -> float:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except PermissionError:  # a process that hid it: all of it counts
        stat = _stat(pid)
        return int(stat[21]) * PAGE / (1 << 20) if stat else 0.0
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
