"""Every limit, for real: a cell that goes beyond it, one that has a wider one of its own, and what the student is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from gradescent.course import Limits
from gradescent.grading.run import Run
from gradescent.grading.sandbox import Backend, Sandbox
from gradescent.student.judging import TimeLimit

SandboxOf = Callable[[Backend], Sandbox]
LIMITS = Limits(file_mb=4, output_mb=0.1, processes=40, memory_mb=400)
WRITE = "with open('x', 'wb') as file:\n    file.write(bytes(8 << 20))\nprint('done')"
LIFT = "import resource\nmost = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
LIFT += "resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))\n"
LINES = "for number in range(30):\n    display('x' * 9_000)"
THREADS = "import threading\nthreading.stack_size(1 << 18)\nfor _ in range(60):\n    threading.Timer(3, int).start()\n"
HOARD = "hoard = [np.ones(30 << 17) for _ in range(10)]\n"
WAIT = "time.sleep(1)\nprint('done')"
IMPORTS = new_code_cell("import time\nimport numpy as np", id="imports")


def cell(code: str, **own: float) -> NotebookNode:
    """A cell with limits of its own."""
    return new_code_cell(code, metadata={"gradescent": own} if own else {})


def run(sandbox_of: SandboxOf, *cells: NotebookNode, backend: Backend = Backend.NAMESPACES, **limits: Any) -> Run:
    """What came of a notebook with these cells."""
    notebook = new_notebook(cells=[IMPORTS.copy(), *cells])
    done = Run(notebook, sandbox_of(backend), frozenset(), replace(LIMITS, **limits))
    done.run_all()
    return done


def shown(cell: NotebookNode) -> str:
    return str(cell.outputs)


@pytest.mark.parametrize("backend", list(Backend), ids=str)
def test_a_file_has_a_size(sandbox_of: SandboxOf, backend: Backend) -> None:
    refused = "try:\n    " + WRITE.replace("\n", "\n    ") + "\nfinally:\n    time.sleep(0.5)"  # time for the watch
    cells = [cell(refused), cell(WRITE, file_mb=20), cell(refused)]
    done = run(sandbox_of, *cells, backend=backend)
    for full in (cells[0], cells[2]):
        assert "File too large" in shown(full)
        assert "may have 4 MB here (file_mb). Next: write less" in shown(full)
    assert shown(cells[1]).count("done") == 1
    assert done.starts == 1


def test_numpys_words_for_a_full_file_are_explained(sandbox_of: SandboxOf) -> None:
    saves = cell("np.save('x.npy', np.zeros(1 << 20))")
    run(sandbox_of, saves)
    assert "(file_mb)" in shown(saves)


def test_a_file_limit_that_was_lifted_is_kept_from_outside(sandbox_of: SandboxOf) -> None:
    lifted, wide, after = cell(LIFT + WRITE + "\n" + WAIT), cell(WRITE, file_mb=20), cell(WAIT)
    done = run(sandbox_of, lifted, wide, after)
    assert "memory limit" in shown(lifted)
    assert "more than 4 MiB of files (file_mb). Next: write less" in shown(lifted)
    assert "done" in shown(wide)
    assert "done" in shown(after), "what the wide cell wrote may stay"
    assert done.starts == 2


def test_what_a_cell_shows_has_a_size(sandbox_of: SandboxOf) -> None:
    cells = [cell(LINES), cell(LINES, output_mb=1), cell(LINES)]
    run(sandbox_of, *cells)
    assert [len(each.outputs) for each in cells] == [12, 30, 12]
    for cut in (cells[0], cells[2]):
        assert "cut off: a cell may show 0.1 MB (output_mb)" in cut.outputs[-1].text


def test_what_a_notebook_shows_has_a_size(sandbox_of: SandboxOf) -> None:
    cells = [cell(LINES) for _ in range(6)]
    run(sandbox_of, *cells, output_mb=1, submission_output_mb=1)
    assert [len(each.outputs) for each in cells] == [30, 30, 30, 26, 1, 1]
    assert "its notebook may show no more (submission_output_mb)" in cells[-1].outputs[-1].text


def test_a_cell_has_a_wall_clock(sandbox_of: SandboxOf) -> None:
    slept, rested = cell("time.sleep(1000)", wall_seconds=1), cell(WAIT, wall_seconds=30)
    run(sandbox_of, slept, rested)
    assert "no answer within 1 s of wall clock (wall_seconds). Likely: it sleeps" in shown(slept)
    assert "done" in shown(rested)


def test_memory_and_threads_of_a_cell_may_stay(sandbox_of: SandboxOf) -> None:
    """What a cell took within wider limits of its own costs no later cell anything."""
    cells = [cell(HOARD, memory_mb=900), cell(THREADS + WAIT, processes=100), cell(WAIT)]
    done = run(sandbox_of, *cells)
    assert "done" in shown(cells[1])
    assert "done" in shown(cells[2])
    assert done.starts == 1


def test_too_many_threads_are_named(sandbox_of: SandboxOf) -> None:
    greedy = cell(THREADS + WAIT)
    run(sandbox_of, greedy, cell("1", processes=200))
    assert "more than 40 processes and threads (processes). Next: start fewer" in shown(greedy)


def test_a_notebook_has_cpu_seconds(sandbox_of: SandboxOf) -> None:
    """They count all its cells and processes, whatever each of them may use."""
    burn = "import os\nif os.fork() == 0:\n    begun = time.process_time()\n"
    burn += "    while time.process_time() - begun < 1:\n        pass\n    os._exit(0)\nos.wait()\nprint('done')"
    cells = [cell(burn) for _ in range(8)]
    done = run(sandbox_of, *cells, submission_cpu_seconds=2.5)
    ended = [number for number, each in enumerate(cells) if "time limit" in shown(each)]
    assert len(ended) == 1
    assert 1 <= ended[0] <= 2
    assert (
        "used up its 2.5 s of CPU time, in all its cells and calls together (submission_cpu_seconds). Next: find"
        in shown(cells[ended[0]])
    )
    assert [shown(each) for each in cells[ended[0] + 1 :]] == ["[]"] * (7 - ended[0])
    assert done.starts == 1, "no new process is started for what may not run"
    with pytest.raises(TimeLimit, match="submission_cpu_seconds"):
        done.student(cells[0])


def test_a_notebook_has_a_wall_clock(sandbox_of: SandboxOf) -> None:
    slept, after = cell("time.sleep(1000)"), cell(WAIT)
    done = run(sandbox_of, slept, after, submission_seconds=4)
    assert "used up its 4 s of wall clock" in shown(slept)
    assert shown(after) == "[]"
    assert done.starts == 1
