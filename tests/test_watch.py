"""The CPU time of processes that come and go, as it is seen from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from gradescent.grading.watch import PROC, TICKS, Usage, Watch

pytestmark = pytest.mark.skipif(not (PROC / "self" / "stat").exists(), reason="there is no /proc")

SECONDS = 3.0
CHILDREN = f"""
import os, sys, time
{{before}}
for _ in range(int({SECONDS} / {{each}})):
    if os.fork() == 0:
        while time.process_time() < {{each}}:
            pass
        os._exit(0)
    try:
        os.wait()
    except ChildProcessError:
        pass
print(flush=True)
sys.stdin.read()
"""
IGNORED = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)"


def _watched(before: str, each: float) -> tuple[Usage, float]:
    """What is seen of a process whose children work one after another, and what the kernel counts for it in the end."""
    command = [sys.executable, "-c", CHILDREN.format(before=before, each=each)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin and process.stdout
    os.set_blocking(process.stdout.fileno(), False)
    watch = Watch()
    with process:
        while not process.stdout.read():
            watch.usage(process.pid, 1e9)
            time.sleep(0.1)
        used = watch.usage(process.pid, 1e9)
        fields = (PROC / str(process.pid) / "stat").read_text().rpartition(")")[2].split()
        process.stdin.close()
    return used, sum(map(int, fields[11:15])) / TICKS


def test_children_that_are_waited_for_count_once() -> None:
    used, counted = _watched("", 0.25)
    assert counted > SECONDS / 2, "the kernel counts them for their parent"
    assert used.cpu_seconds == counted


@pytest.mark.parametrize("each", [0.1, 0.25])
def test_children_that_the_kernel_forgets_are_estimated(each: float) -> None:
    used, counted = _watched(IGNORED, each)
    assert counted < SECONDS / 2, "the kernel forgets them"
    assert used.cpu_seconds - counted > SECONDS / 2


WORKS = """
import sys, time
while time.process_time() < 0.2:
    pass
print(flush=True)
sys.stdin.read()
"""


def test_where_all_have_ended_nothing_is_estimated() -> None:
    watch, command = Watch(), [sys.executable, "-c", WORKS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        assert watch.usage(process.pid, 1e9).cpu_seconds > 0.1
        time.sleep(0.5)
    assert watch.usage(process.pid, 1e9).cpu_seconds == 0
