"""Killing others, multiplying, and staying."""

from __future__ import annotations

from attacks.attack import OUTCOME, Attack, answer

DAEMON = """
import ctypes, os, signal, time
def daemon():
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    os.closerange(0, 100)
    while True:
        time.sleep(1)
"""

ATTACKS = [
    Attack(
        "kill_everything",
        OUTCOME
        + """
import os, signal
print({outcome(os.kill, pid, signal.SIGKILL) for pid in (GRADER, 2000, 5000)})
print(outcome(os.kill, os.getppid(), signal.SIGKILL), outcome(os.kill, 1, signal.SIGKILL), outcome(os.kill, -1, signal.SIGKILL))
print("processes", [name for name in os.listdir("/proc") if name.isdigit()])
""",
        shows=("{'ProcessLookupError'}", "processes ['1', '2']"),
    ),
    Attack("kill_itself", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", ends="process died"),
    Attack("kill_the_group", "import os, signal\nos.killpg(0, signal.SIGKILL)", ends="process died"),
    Attack(
        "fork_bomb",
        """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
        limits={"cell_seconds": 1},
        ends="time limit",
    ),
    Attack(
        "fork_quietly",
        """
import os, time
children = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(1000)
        children += 1
except OSError as error:
    print("children", children < 64, error.strerror)
""",
        shows="children True Resource temporarily unavailable",
    ),
    Attack(
        "threads",
        """
import threading, time
started = 0
try:
    while True:
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        started += 1
except RuntimeError as error:
    print("threads", started < 64, error)
""",
        shows="threads True can't start new thread",
        limits={"memory_mb": 1000},
    ),
    Attack(
        "a_daemon",
        DAEMON + "daemon()\ntime.sleep(0.3)\nprint('it stays')",
        shows="it stays",
    ),
    Attack("a_daemon_of_one_who_dies", DAEMON + "daemon()\ntime.sleep(0.3)\nos._exit(0)", ends="process died"),
    Attack(
        "programs_that_stay",
        """
import subprocess
subprocess.Popen(["sleep", "1000"], start_new_session=True)
get_ipython().system("nohup setsid sleep 1000 > /dev/null 2>&1 &")
print("started")
""",
        shows="started",
    ),
    answer(
        "a_child_that_holds_the_channel",
        "import os, time\nif os.fork() == 0:\n    time.sleep(1000)\nos._exit(3)",
        "process died",
        "exit code 3",
    ),
    Attack(
        "spend_time_in_children",
        """
import os, time
for _ in range(4):
    if os.fork() == 0:
        while True:
            pass
time.sleep(100)
""",
        limits={"cell_seconds": 1},
        ends="time limit",
    ),
    Attack(
        "spend_time_in_children_that_nobody_counts",
        """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
spent = 0.0
while spent < 30:
    child = os.fork()
    if child == 0:
        while time.process_time() < 0.1:
            pass
        os._exit(0)
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        pass
    spent += 0.1
print("spent", spent)
""",
        limits={"cell_seconds": 1},
        ends="time limit",
    ),
    Attack(
        "spend_time_in_threads",
        """
import hashlib, threading
def spend():
    while True:
        hashlib.sha256(bytes(1 << 20)).digest()
threads = [threading.Thread(target=spend, daemon=True) for _ in range(3)]
[thread.start() for thread in threads]
threads[0].join()
""",
        limits={"cell_seconds": 1},
        ends="time limit",
    ),
]
