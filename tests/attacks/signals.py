"""Ending, not ending, and not letting oneself be ended."""

from __future__ import annotations

from attacks.attack import NO_POINTS, RIGHT, Attack, answer, cheat

ATTACKS = [
    Attack("exit_at_once", "import os\nos._exit(0)", ends="process died"),
    Attack("exit_politely", "import sys\nsys.exit(0)"),
    Attack("exit_the_shell", "exit()\nquit()"),
    Attack("crash", "import ctypes\nctypes.string_at(0)", ends="process died"),
    Attack("abort", "import os\nos.abort()", ends="process died"),
    Attack(
        "signals_ignored",
        """
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass
""",
        limits={"cell_seconds": 1},
        ends="time limit",
    ),
    Attack(
        "interrupts_swallowed",
        """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
""",
        limits={"cell_seconds": 1},
        ends="time limit",
    ),
    answer("an_interrupt_of_its_own", "raise KeyboardInterrupt", "error in your code", "KeyboardInterrupt"),
    Attack(
        "a_hang_in_c",
        "sum(range(10**12))",
        limits={"cell_seconds": 1},
        ends="time limit",
    ),
    Attack(
        "a_hang_in_a_regular_expression",
        "import re\nre.match('(a+)+$', 'a' * 60 + 'b')",
        limits={"cell_seconds": 1},
        shows="OutOfTime",
    ),
    answer(
        "a_hang_in_c_in_an_answer",
        "sum(range(10**12))\n" + RIGHT,
        "time limit",
        limits={"call_seconds": 1},
    ),
    Attack(
        "a_long_sleep",
        "import time\ntime.sleep(1000)",
        limits={"submission_seconds": 3},
        scores=NO_POINTS,
        outcomes=dict.fromkeys(NO_POINTS, "time limit"),
        ends="time limit",
    ),
    answer(
        "stopped",
        "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n" + RIGHT,
        "time limit",
        limits={"submission_seconds": 3},
    ),
    cheat(
        "clocks_of_its_own",
        """
import time, signal
time.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0
signal.setitimer = lambda *args: None
""",
    ),
    Attack(
        "a_signal_to_itself_for_ever",
        """
import os, signal
signal.signal(signal.SIGALRM, lambda *args: signal.setitimer(signal.ITIMER_REAL, 0.001))
signal.setitimer(signal.ITIMER_REAL, 0.001)
print("ringing")
""",
        shows="ringing",
    ),
]
