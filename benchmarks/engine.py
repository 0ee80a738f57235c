"""The engine's parts: a fork, a waiting child, a call of a hidden test, and how the cost of a class grows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.grading import SUBJECTS, commands, environment_in, make_class, run_once
from benchmarks.readings import Report
from gradescent.course import Limits
from gradescent.grading.remote import Allowed, Link, RemoteStudent
from gradescent.grading.sandbox import Sandbox
from gradescent.grading.watch import PROC, family

SETS = {"NumPy": frozenset({"numpy"}), "NumPy and Keras": frozenset({"numpy", "keras"})}
ALLOWED = Allowed(seconds=20, memory_mb=4096, processes=256)
STUDENT = (
    "import numpy as np\ndef same(x):\n    return x\ndef predict(images):\n    return images[:, 0].argmax(axis=1)\n"
)
CHILDREN, CALLS, LARGE_CALLS = 20, 1000, 20

Row = tuple[str, str, str]  # what, the median, min ... max


def measure(report: Report) -> list[Row]:
    """Measure children and calls; nothing is compared, everything is a median."""
    rows: list[Row] = []
    for name, imports in SETS.items():
        with tempfile.TemporaryDirectory() as data, Sandbox(Path(data), imports) as sandbox:
            report(f"engine, {name}: children")
            times, memories = zip(*[_child(sandbox, imports) for _ in range(CHILDREN)], strict=True)
            rows.append(_row(f"{name}: from fork to the first cell's end, ms", [1000 * t for t in times]))
            rows.append(_row(f"{name}: memory of its own of a waiting child, MiB", list(memories)))
            if "keras" not in imports:
                rows += _calls(sandbox, report)
    return rows


def _child(sandbox: Sandbox, imports: frozenset[str]) -> tuple[float, float]:
    begun = time.perf_counter()
    link = _link(sandbox, imports, "1 + 1")
    seconds = time.perf_counter() - begun
    memory = sum(_own_mb(pid) for pid in family(link.child.pid))
    link.child.stop()
    return seconds, memory


def _link(sandbox: Sandbox, imports: frozenset[str], code: str) -> Link:
    link = Link(sandbox.start(imports, Limits()), Limits())
    link.ask({"op": "cell", "code": code}, [], ALLOWED)
    return link


def _own_mb(pid: int) -> float:
    lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def _calls(sandbox: Sandbox, report: Report) -> list[Row]:
    report("engine: calls")
    link = _link(sandbox, frozenset({"numpy"}), STUDENT)
    student = RemoteStudent(link, ALLOWED)
    small, images = np.ones(3), np.zeros((10_000, 28, 28), dtype="float32")
    rows = [
        _row("a call with a small array, ms", _times(lambda: student.call("same", small), CALLS)),
        _row(
            "a call with 10,000 images of 28x28 (float32), ms",
            _times(lambda: student.call("predict", images), LARGE_CALLS),
        ),
    ]
    link.child.stop()
    return rows


def _times(call: Callable[[], object], repetitions: int) -> list[float]:
    times = []
    for _ in range(repetitions):
        begun = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - begun))
    return times


def _row(what: str, values: list[float]) -> Row:
    return what, f"{median(values):.2f}", f"{min(values):.2f} ... {max(values):.2f}"


def scale(sizes: tuple[int, ...], cores: int, report: Report) -> list[Row]:
    """Wall clock a submission of classes of several sizes, start-up included."""
    rows: list[Row] = []
    subject = SUBJECTS[0]
    command = commands(subject.assignment, cores)[f"gradescent, {cores} worker{'s' if cores > 1 else ''}"]
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="gradescent-bench-") as name:
            taken = run_once(make_class(Path(name), subject, size), command, environment_in(Path(name) / "data"))
        rows.append((f"{size} submissions of {subject.part}, s a submission", f"{taken.seconds:.3f}", "once"))
        report(f"{size} submissions")
    return rows
