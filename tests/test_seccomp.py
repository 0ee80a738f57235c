"""The numbers of system calls that the filter knows are the kernel's, where its headers are installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gradescent.grading.inside import seccomp

# By column of the filter's tables. Debian and Ubuntu keep the machine's own headers in a folder of its name.
HEADERS = (
    ("asm/unistd_64.h", "x86_64-linux-gnu/asm/unistd_64.h"),
    ("asm-generic/unistd.h",),  # aarch64 has no table of its own
)
NUMBER = re.compile(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", re.MULTILINE)
NAMED = {
    "clone": seccomp.CLONE,
    "clone3": seccomp.CLONE3,
    "fcntl": seccomp.FILE_CONTROL,
    "ioctl": seccomp.IOCTL,
    "ioprio_set": seccomp.SET_IO_PRIORITY,
    "kill": seccomp.KILL,
    "mmap": seccomp.MMAP,
    "pidfd_send_signal": seccomp.PIDFD_SIGNAL,
    "rt_sigqueueinfo": seccomp.SIGNAL_QUEUE,
    "rt_tgsigqueueinfo": seccomp.THREAD_SIGNAL_QUEUE,
    "setpriority": seccomp.SET_PRIORITY,
    "setsockopt": seccomp.SET_SOCKET_OPTION,
    "socket": seccomp.SOCKET,
    "tgkill": seccomp.TGKILL,
    "tkill": seccomp.TKILL,
}
KNOWN = {**NAMED, **seccomp.REFUSED, **seccomp.WITHOUT_EFFECT, **seccomp.UNSUPPORTED, **seccomp.OF_A_PROCESS}


@pytest.mark.parametrize("column", [0, 1], ids=["x86_64", "aarch64"])
def test_every_number_is_the_kernels(column: int) -> None:
    files = [file for name in HEADERS[column] if (file := Path("/usr/include", name)).is_file()]
    if not files:
        pytest.skip("the kernel's headers are not installed (Debian, Ubuntu: apt install linux-libc-dev)")
    table = {name: int(number) for name, number in NUMBER.findall(files[0].read_text())}
    ours = {name: numbers[column] for name, numbers in KNOWN.items()}
    newest = max(table.values())  # what came after it, the headers do not know
    wrong = {name: number for name, number in ours.items() if number != table.get(name) and (number or 0) <= newest}
    assert wrong == {}


def test_no_two_calls_have_one_number() -> None:
    for column in (0, 1):
        numbers = [pair[column] for pair in KNOWN.values() if pair[column] is not None]
        assert len(numbers) == len(set(numbers))
