"""Warm processes: what they import, what their children share and do not share, and what happens when a fork is not safe."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gradescent.course import CourseError, Limits
from gradescent.grading import sandbox as sandboxes
from gradescent.grading.imports import BACKENDS, KERAS_BACKEND, imports_of, refuse_missing_backend, warm_sets
from gradescent.grading.remote import Allowed, Link, RemoteStudent
from gradescent.grading.sandbox import Backend, Sandbox
from gradescent.grading.scratch import PREFIX, remove_abandoned
from gradescent.grading.watch import PROC

LIMITS = Limits()
ALLOWED = Allowed(seconds=20, memory_mb=2048, processes=256)
NUMPY, KERAS = frozenset({"numpy"}), frozenset({"numpy", "keras"})
SandboxOf = Callable[[Backend], Sandbox]


def value(sandbox: Sandbox, imports: frozenset[str], code: str) -> Any:
    """What `found` holds after a cell in a new student's process."""
    link = Link(sandbox.start(imports, LIMITS), LIMITS)
    reply, _ = link.ask({"op": "cell", "code": code, "seconds": 20}, [], ALLOWED)
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


@pytest.mark.parametrize("back_end", BACKENDS)
def test_keras_trains_in_a_forked_child(
    sandbox_of: SandboxOf, back_end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With whichever back ends are installed."""
    for package in ("keras", back_end):
        if not find_spec(package):
            pytest.skip(f"{package} is not installed")
    sandbox_of(Backend.NAMESPACES)  # else skipped
    monkeypatch.setenv(KERAS_BACKEND, back_end)
    code = """
import sys
warm = "keras" in sys.modules
import keras, numpy as np
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile(loss="mse")
loss = model.fit(np.ones((8, 2)), np.ones((8, 1)), verbose=0).history["loss"][0]
found = [warm, keras.backend.backend(), float(loss) >= 0]
"""
    with Sandbox(tmp_path, KERAS, only=Backend.NAMESPACES) as sandbox:
        for _ in range(2):
            assert value(sandbox, KERAS, code) == [True, back_end, True]


def test_a_back_end_that_is_not_there_is_refused_before_it_costs_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KERAS_BACKEND, "tensorflaw")
    refuse_missing_backend([NUMPY])
    with pytest.raises(CourseError, match=r"KERAS_BACKEND=tensorflaw: no such back end .* Remedy: install it"):
        refuse_missing_backend([NUMPY, KERAS])
    for back_end in filter(find_spec, BACKENDS):
        monkeypatch.setenv(KERAS_BACKEND, back_end)
        refuse_missing_backend([KERAS])


THREAD = "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"


def with_module(name: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> frozenset[str]:
    """Have warm processes find one more module."""
    original = sandboxes.environment

    def environment(*args: Any) -> dict[str, str]:
        given = original(*args)
        return {**given, "PYTHONPATH": f"{given['PYTHONPATH']}:{folder}"}

    monkeypatch.setattr(sandboxes, "environment", environment)
    (folder / f"{name}.py").write_text(text)
    return frozenset({name})


def test_where_a_fork_is_not_safe_a_fresh_process_serves(
    sandbox_of: SandboxOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox_of(Backend.NAMESPACES)  # else skipped
    imports = with_module("starts_a_thread", THREAD, tmp_path, monkeypatch)
    with Sandbox(tmp_path, imports, only=Backend.NAMESPACES) as sandbox:
        (process,) = sandbox._warm.values()
        assert process.imports == ()
        assert value(sandbox, imports, "import sys\nfound = 'matplotlib.pyplot' in sys.modules") is False


def test_a_warm_process_that_is_started_again_must_be_safe_to_fork_again(
    sandbox_of: SandboxOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox_of(Backend.NAMESPACES)  # else skipped
    mark = tmp_path / "mark"
    imports = with_module(
        "starts_a_thread_later", f"import os\nif os.path.exists({str(mark)!r}):\n    {THREAD}", tmp_path, monkeypatch
    )
    with Sandbox(tmp_path, imports, only=Backend.NAMESPACES) as sandbox:
        (process,) = sandbox._warm.values()
        assert process.imports[-1] in imports
        mark.touch()
        process._process.kill()
        process._process.wait()
        assert value(sandbox, imports, "found = 1") == 1
        assert (process.imports, process.threads) == ((), 1)


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


HONEST = """
import os, pathlib, resource, shutil, subprocess, sys, tarfile, tempfile, zipfile
os.mkdir("a")
pathlib.Path("a/text").write_text("kept")
pathlib.Path("a/text").touch()
os.chmod("a/text", 0o600)
shutil.copy("a/text", "copied")
shutil.copy2("a/text", "copied2")
shutil.copytree("a", "b")
for kind, mode in (("zip", "zip"), ("gztar", "tar.gz")):
    shutil.make_archive("packed", kind, "a")
    shutil.unpack_archive(f"packed.{mode}", f"unpacked-{kind}")
with tempfile.TemporaryDirectory() as name, tempfile.NamedTemporaryFile() as file:
    shutil.move("copied2", name)
    shutil.copy(f"{name}/copied2", file.name)
    moved = pathlib.Path(file.name).read_text()
program = [sys.executable, "-c", "import os; os.nice(1); print('kept', end='')"]
printed = subprocess.run(program, start_new_session=True, capture_output=True, text=True).stdout
resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE))
os.sched_setaffinity(0, os.sched_getaffinity(0))
files = ("copied", "b/text", "unpacked-zip/text", "unpacked-gztar/text")
found = [moved, printed, *(pathlib.Path(file).read_text() for file in files)]
"""


def test_landlock_breaks_no_copies_archives_or_programs(sandbox_of: SandboxOf) -> None:
    assert value(sandbox_of(Backend.LANDLOCK), NUMPY, HONEST) == ["kept"] * 6


CHAIN = """
import ctypes, os
for _ in range(8):
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(15, MARK.encode(), 0, 0, 0)
        for _ in range(30_000):
            os.setsid()
            os.setpgid(0, 0)
            if os.fork():
                os._exit(0)
found = 1
"""


def test_a_chain_of_forks_ends_with_its_submission(sandbox_of: SandboxOf) -> None:
    mark = secrets.token_hex(6)
    assert value(sandbox_of(Backend.LANDLOCK), NUMPY, f"MARK = {mark!r}\n{CHAIN}") == 1
    assert not [folder for folder in PROC.glob("[0-9]*") if mark in _name(folder)]


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text()
    except OSError:  # it has ended meanwhile
        return ""


DEEP = """
import os
home = os.getcwd()
for name in ("closed", "deep"):
    os.mkdir(name)
    os.chdir(name)
    for _ in range(1500):
        os.mkdir("d")
        os.chdir("d")
    open("file", "w").close()
    os.chdir(home)
    os.chmod(name, 0)
found = home
"""


def test_whatever_a_submission_leaves_on_the_disk_is_removed(sandbox_of: SandboxOf) -> None:
    home = value(sandbox_of(Backend.LANDLOCK), NUMPY, DEEP)
    assert Path(home).parent.is_dir()
    assert not Path(home).exists()


def test_what_a_killed_run_left_on_the_disk_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left, kept = tmp_path / f"{PREFIX}left", tmp_path / "kept"
    left.mkdir()
    kept.mkdir()
    (kept / "file").touch()
    (left / "link").symlink_to(kept)
    subprocess.run([sys.executable, "-c", DEEP], cwd=left, check=True)
    remove_abandoned()
    assert list(tmp_path.rglob("*")) == [kept, kept / "file"]


def test_a_head_start_is_what_the_first_sandbox_takes(sandbox_of: SandboxOf, tmp_path: Path) -> None:
    sandbox_of(Backend.NAMESPACES)  # else skipped
    with sandboxes.head_start(NUMPY):
        ((_, early),) = sandboxes._EARLY
        with Sandbox(tmp_path, NUMPY, only=Backend.NAMESPACES) as sandbox:
            assert list(sandbox._warm.values()) == [early]
    assert sandboxes._EARLY == []
