"""Warm processes: what they import, what their children share and do not share, and what happens when a fork is not safe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradescent.course import Limits
from gradescent.grading import sandbox as sandboxes
from gradescent.grading.imports import imports_of, warm_sets
from gradescent.grading.remote import Allowed, Link, RemoteStudent
from gradescent.grading.sandbox import Backend, Sandbox

LIMITS = Limits()
ALLOWED = Allowed(seconds=20, memory_mb=2048, processes=256)
NUMPY, KERAS = frozenset({"numpy"}), frozenset({"numpy", "keras"})
SandboxOf = Callable[[Backend], Sandbox]


def value(sandbox: Sandbox, imports: frozenset[str], code: str) -> Any:
    """What `found` holds after a cell in a new student's process."""
    link = Link(sandbox.start(imports, LIMITS), LIMITS)
    reply, _ = link.ask({"op": "cell", "code": code}, [], ALLOWED)
    assert reply["failure"] is None, reply["failure"]
    found = RemoteStudent(link, ALLOWED).read("found")
    link.child.stop()
    return found


def test_the_imports_of_a_notebook_decide_what_is_warm() -> None:
    light = "import numpy as np, antigravity\nfrom gradescent import check\n# import keras"
    heavy = "%matplotlib inline\ndef f():\n    from keras import layers"
    assert imports_of(light) == {"numpy"}
    assert imports_of(heavy) == {"keras"}
    assert warm_sets({"a": light, "b": light}) == {"a": {"numpy"}, "b": {"numpy"}}
    assert warm_sets({"a": light, "b": heavy}) == {"a": {"numpy"}, "b": {"numpy", "keras"}}


def test_a_child_has_what_the_warm_process_imported_and_one_thread(sandbox_of: SandboxOf) -> None:
    sandbox = sandbox_of(Backend.NAMESPACES)
    sandbox.prepare(NUMPY)
    found = value(
        sandbox, NUMPY, "import os, sys\nfound = ['numpy' in sys.modules, 'matplotlib.pyplot' in sys.modules]"
    )
    assert found == [True, True]
    (process,) = [one for one in sandbox._warm.values() if one.imports[-1] == "numpy"]
    assert process.threads == 1
    assert process.missing == []


def test_children_draw_different_numbers_and_hash_alike(sandbox_of: SandboxOf) -> None:
    code = "import numpy as np, random\nfound = [np.random.rand(), random.random(), hash('a')]"
    first, second = (value(sandbox_of(Backend.NAMESPACES), NUMPY, code) for _ in range(2))
    assert first[0] != second[0]
    assert first[1] != second[1]
    assert first[2] == second[2]


MEMORY = """
import re, sys
def holds(pattern):  # a pattern, for the word itself would be found where it is asked for
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(text, 16) for text in span.split("-"))
            if rights.startswith("rw") and "[" not in line:
                memory.seek(start)
                if re.search(pattern, memory.read(end - start)):
                    return True
    return False
planted = b"PLANTED_" + b"WORDER"
found = [holds(b"PLANTED[_]WORDER"), holds(b"SECRET[_]WORDER"), [name for name in sys.modules if name.split(".")[0] in OURS]]
"""


def test_a_child_finds_nothing_of_the_grader_in_its_memory(
    sandbox_of: SandboxOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the warm process holds, every child can read: it must not have been given the grader's environment."""
    sandbox_of(Backend.NAMESPACES)  # else skipped
    monkeypatch.setenv("GRADER", "SECRET_WORDER")
    with Sandbox(tmp_path, NUMPY, only=Backend.NAMESPACES) as sandbox:
        code = MEMORY.replace("OURS", "('grader_tests', 'nbgrader', 'sqlalchemy')")
        assert value(sandbox, NUMPY, code) == [True, False, []]


def test_keras_trains_in_a_forked_child(sandbox_of: SandboxOf) -> None:
    pytest.importorskip("keras")
    sandbox = sandbox_of(Backend.NAMESPACES)
    sandbox.prepare(KERAS)
    assert any("keras" in process.imports for process in sandbox._warm.values()), "a fork is safe with this back end"
    code = """
import sys
warm = "keras" in sys.modules
import keras, numpy as np
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile(loss="mse")
found = [warm, float(model.fit(np.ones((8, 2)), np.ones((8, 1)), verbose=0).history["loss"][0]) >= 0]
"""
    for _ in range(2):
        assert value(sandbox, KERAS, code) == [True, True]


def test_where_a_fork_is_not_safe_a_fresh_process_serves(
    sandbox_of: SandboxOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox_of(Backend.NAMESPACES)  # else skipped

    def environment(*args: Any) -> dict[str, str]:
        given = original(*args)
        return {**given, "PYTHONPATH": f"{given['PYTHONPATH']}:{tmp_path}"}

    original = sandboxes.environment
    monkeypatch.setattr(sandboxes, "environment", environment)
    text = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
    (tmp_path / "starts_a_thread.py").write_text(text)
    imports = frozenset({"starts_a_thread"})
    with Sandbox(tmp_path, imports, only=Backend.NAMESPACES) as sandbox:
        (process,) = sandbox._warm.values()
        assert process.imports == ()
        assert value(sandbox, imports, "import sys\nfound = 'matplotlib.pyplot' in sys.modules") is False


def test_where_a_calculation_hangs_after_a_fork_a_fresh_process_serves(
    sandbox_of: SandboxOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox_of(Backend.NAMESPACES)  # else skipped
    hangs_when_forked = "import sys\nif 'matplotlib.pyplot' in sys.modules:\n    raise RuntimeError('as if it hung')"
    monkeypatch.setattr("gradescent.grading.sandbox.CANARY", hangs_when_forked)
    with Sandbox(tmp_path, NUMPY, only=Backend.NAMESPACES) as sandbox:
        (process,) = sandbox._warm.values()
        assert process.imports == ()
        assert value(sandbox, NUMPY, "import numpy as np\nfound = float(np.ones(3).sum())") == 3.0


def test_where_a_device_is_used_every_submission_starts_afresh(sandbox_of: SandboxOf, tmp_path: Path) -> None:
    sandbox_of(Backend.NAMESPACES)  # else skipped
    code = """
import os, sys
found = ["matplotlib.pyplot" in sys.modules, os.access("/dev/tty", os.F_OK), os.environ.get("CUDA_VISIBLE_DEVICES")]
"""
    assert value(sandbox_of(Backend.NAMESPACES), NUMPY, code) == [True, False, ""]
    with Sandbox(tmp_path, NUMPY, only=Backend.NAMESPACES, devices=("/dev/tty",)) as sandbox:
        assert value(sandbox, NUMPY, code) == [False, True, None]


def test_a_head_start_is_what_the_first_sandbox_takes(sandbox_of: SandboxOf, tmp_path: Path) -> None:
    sandbox_of(Backend.NAMESPACES)  # else skipped
    with sandboxes.head_start(NUMPY):
        ((_, early),) = sandboxes._EARLY
        with Sandbox(tmp_path, NUMPY, only=Backend.NAMESPACES) as sandbox:
            assert list(sandbox._warm.values()) == [early]
    assert sandboxes._EARLY == []
