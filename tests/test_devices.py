"""Graphics processors, with a stand-in for `nvidia-smi` and plain files for the devices: all but the driver is real.

Nothing here shows that a framework trains on one.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import ASSIGNMENT, NETWORK, network_notebook, set_in_assignment
from nbformat.v4 import new_code_cell

from gradescent.cli import DONE, USAGE, main
from gradescent.course import Course, CourseError, Limits
from gradescent.grading import devices
from gradescent.grading.devices import Device, Slots, chosen, environment
from gradescent.grading.remote import Allowed, Link, RemoteStudent
from gradescent.grading.sandbox import Backend, Sandbox

H100 = "GPU-2f1a0c3e-7b4d-4f6e-9a51-0c8d3b7e6f10, NVIDIA H100 80GB HBM3, 550.54.15, 81559"
T4 = "GPU-9c1e5b7a-1d2f-43c8-8e90-5a6b7c8d9e0f, Tesla T4, 550.54.15, 15360"
LARGE, SMALL = Device("GPU-large", "Large", "1.0", 3000.0), Device("GPU-small", "Small", "1.0", 1500.0)
SHARE = 1000.0

Machine = Callable[..., Path]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Pretend that this machine has devices: `nvidia-smi` on the path, and the devices' files in a folder, which is returned."""

    def pretend(said: str, code: int = 0, files: tuple[str, ...] = ("nvidia0", "nvidiactl")) -> Path:
        programs, folder = tmp_path / "programs", tmp_path / "dev"
        programs.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)
        for name in files:
            (folder / name).write_text("a device")
        wanted = "--query-gpu=uuid,name,driver_version,memory.total --format=csv,noheader,nounits"
        tool = programs / "nvidia-smi"
        tool.write_text(f'#!/bin/sh\n[ "$*" = "{wanted}" ] || exit 2\ncat <<END\n{said}\nEND\nexit {code}\n')
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(devices, "FOLDER", folder)
        return folder

    return pretend


# ── which there are ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_devices_are_what_the_drivers_tool_lists_the_largest_first(machine: Machine) -> None:
    folder = machine(f"{T4}\n{H100}")
    first, second = chosen("auto", True, Limits(), folder)
    assert (first.uuid[:8], first.memory_mb, str(first)) == (
        "GPU-2f1a",
        81559.0,
        "NVIDIA H100 80GB HBM3 (driver 550.54.15)",
    )
    assert second.name == "Tesla T4"
    assert [device.name for device in chosen("gpu", False, Limits(gpu_memory_mb=20000), folder)] == [first.name]


@pytest.mark.parametrize(
    ("wanted", "gpu", "count"), [("cpu", True, 0), ("auto", False, 0), ("auto", True, 1), ("gpu", False, 1)]
)
def test_who_gets_one(machine: Machine, wanted: str, gpu: bool, count: int) -> None:
    assert len(chosen(wanted, gpu, Limits(), machine(H100))) == count


FAILED = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."


@pytest.mark.parametrize(
    ("said", "code", "files", "words"),
    [
        (FAILED, 9, ("nvidia0",), "nvidia-smi: NVIDIA-SMI has failed because"),
        ("", 0, ("nvidia0",), "nvidia-smi lists none"),
        (H100, 0, (), "there is no "),
    ],
)
def test_where_there_is_none_auto_does_without_and_gpu_says_why(
    machine: Machine, said: str, code: int, files: tuple[str, ...], words: str
) -> None:
    folder = machine(said, code, files)
    assert chosen("auto", True, Limits(), folder) == []
    with pytest.raises(CourseError, match="--device gpu: no graphics processor") as error:
        chosen("gpu", True, Limits(), folder)
    assert words in str(error.value)
    assert "Remedy" in str(error.value)


def test_without_the_drivers_tool_there_is_none(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = machine(H100)
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(CourseError, match="nvidia-smi is not installed"):
        chosen("gpu", True, Limits(), folder)


@pytest.mark.parametrize("said", ["GPU-1, NVIDIA GB10, 580.95.05, [N/A]", "something else"])
def test_what_cannot_be_understood_is_not_guessed(machine: Machine, said: str) -> None:
    folder = machine(said)
    with pytest.raises(CourseError, match=r"cannot be understood: .* Remedy: say --device cpu"):
        chosen("auto", True, Limits(), folder)


def test_a_share_that_no_device_has_is_named(machine: Machine) -> None:
    folder = machine(T4)
    with pytest.raises(CourseError, match=r"gpu_memory_mb is 20000, and Tesla T4 .* has 15360\. Remedy"):
        chosen("auto", True, Limits(gpu_memory_mb=20000), folder)


# ── who has a place ──────────────────────────────────────────────────────────────────────────────────────────────


def _work(slots: Slots, log: Path, alone: bool) -> None:
    """Have a place for a moment; lines of a log say from when to when."""
    with slots.taken(alone) as variables, log.open("a") as stream:
        place = f"{variables['CUDA_VISIBLE_DEVICES']} {'alone' if alone else 'shared'}"
        for what in ("begins", "ends"):
            stream.write(f"{place} {what}\n")
            stream.flush()
            time.sleep(0.05)


def test_no_device_has_more_than_its_places_and_who_wants_one_alone_gets_it(tmp_path: Path) -> None:
    context, log = multiprocessing.get_context("fork"), tmp_path / "log"
    with Slots([LARGE, SMALL], SHARE) as slots:
        assert [slots.places(device) for device in slots.devices] == [3, 1]
        alone = [False] * 8 + [True, True] + [False] * 4
        processes = [context.Process(target=_work, args=(slots, log, one)) for one in alone]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * len(alone)
    now: Counter[tuple[str, str]] = Counter()
    seen: Counter[tuple[str, str]] = Counter()
    for line in log.read_text().splitlines():
        device, kind, what = line.split()
        now[device, kind] += 1 if what == "begins" else -1
        seen[device, kind] += what == "begins"
        assert now[LARGE.uuid, "shared"] <= 3
        assert now[SMALL.uuid, "shared"] <= 1
        for uuid in (LARGE.uuid, SMALL.uuid):
            assert now[uuid, "alone"] <= 1
            assert not (now[uuid, "alone"] and now[uuid, "shared"])
    assert sum(seen.values()) == len(alone)
    assert sum(count for (_, kind), count in seen.items() if kind == "alone") == 2


def _stay(slots: Slots, there: Event) -> None:
    with slots.taken():
        there.set()
        signal.pause()


def test_a_full_device_is_full_until_somebody_leaves_or_is_killed() -> None:
    context = multiprocessing.get_context("fork")
    with Slots([SMALL], SHARE) as slots, ExitStack() as held:
        there = context.Event()
        other = context.Process(target=_stay, args=(slots, there), daemon=True)
        other.start()
        try:
            there.wait()
            full = slots._place(held) is None
        finally:
            other.kill()
            other.join()
        assert full
        with ExitStack() as first:
            assert slots._place(first) == SMALL
            assert slots._place(held) is None
        assert slots._place(held) == SMALL


def test_without_devices_nobody_waits() -> None:
    with Slots([], SHARE) as slots, slots.taken() as first, slots.taken() as second, slots.taken(alone=True) as third:
        assert first == second == third == {}
        assert slots.names() == "cpu"


def test_a_framework_is_led_to_one_device_and_bounded_there() -> None:
    shared, alone = environment(LARGE, SHARE), environment(LARGE, LARGE.memory_mb)
    assert shared["CUDA_VISIBLE_DEVICES"] == "GPU-large"
    assert [float(one["XLA_PYTHON_CLIENT_MEM_FRACTION"]) for one in (shared, alone)] == [0.3, 0.9]


# ── the sandbox and the engine ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("backend", [Backend.NAMESPACES, Backend.BUBBLEWRAP, Backend.LANDLOCK])
def test_behind_every_kind_of_walls_the_devices_and_the_variables_are_there(
    sandbox_of: Callable[[Backend], Sandbox], machine: Machine, tmp_path: Path, backend: Backend
) -> None:
    sandbox_of(backend)  # else skipped
    device, limits, may_use = machine(H100) / "nvidia0", Limits(), Allowed(20, 2048, 256)
    code = f"import os\nfound = [open({str(device)!r}).read(), os.environ['PLACE'], os.environ['TF_FORCE_GPU_ALLOW_GROWTH']]"
    (tmp_path / "data").mkdir()
    with Sandbox(tmp_path / "data", only=backend, devices=(str(device),)) as sandbox:
        link = Link(sandbox.start((), limits, {"PLACE": "here"}), limits)
        reply, _ = link.ask({"op": "cell", "code": code, "seconds": 20}, [], may_use)
        assert reply["failure"] is None, reply["failure"]
        assert RemoteStudent(link, may_use).read("found") == ["a device", "here", "true"]
        link.child.stop()


@pytest.fixture
def grade(
    course: Course, empty_gradebook: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Callable[..., tuple[int, dict[str, Any], str]]:
    """Grade an assignment that wants the graphics processor; returns exit code, questions by student, and the output."""
    set_in_assignment(course, "gpu = true")
    shutil.copy(empty_gradebook, course.gradebook)
    monkeypatch.chdir(course.root)

    def run(*options: str) -> tuple[int, dict[str, Any], str]:
        code = main(["grade", ASSIGNMENT, "--json", "results.json", *options])
        rows = json.loads(Path("results.json").read_text()) if Path("results.json").exists() else []
        printed = capsys.readouterr()
        return code, {row["student"]: row["questions"] for row in rows}, printed.out + printed.err

    return run


def _record(course: Course, student: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((course.autograded / student / ASSIGNMENT / "result.json").read_text())
    return record


def _shown(course: Course, student: str) -> str:
    """What the last cell of a student's notebook printed."""
    cells = nbformat.read(course.autograded / student / ASSIGNMENT / f"{NETWORK}.ipynb", 4).cells
    return str(cells[-1].outputs[0].text)


def test_a_class_is_graded_on_the_device_and_again_with_another_driver(
    course: Course, hand_in: Callable[..., Path], grade: Callable, machine: Machine
) -> None:
    folder = machine(f"{H100}\n{T4}")
    there = f"os.path.exists({str(folder / 'nvidia0')!r})"
    for student in ("ada", "ben", "cleo"):
        notebook = network_notebook(course)
        notebook.cells.append(new_code_cell(f"import os\nprint(os.environ['CUDA_VISIBLE_DEVICES'], {there})"))
        hand_in(student, notebook)
    code, results, printed = grade("--workers", "3", "--limit", "gpu_memory_mb=10000")
    assert code == DONE
    assert {question["outcome"] for questions in results.values() for question in questions.values()} == {"right"}
    assert "Device: NVIDIA H100 80GB HBM3 (driver 550.54.15), 8 submissions at a time; Tesla T4" in printed
    uuids = {line.split(",")[0] for line in (H100, T4)}
    for student in results:
        uuid, found = _shown(course, student).split()
        assert uuid in uuids
        assert found == "True"
    before = _record(course, "ada")
    assert before["environment"]["device"] == "NVIDIA H100 80GB HBM3 (driver 550.54.15), Tesla T4 (driver 550.54.15)"

    one = ("--student", "ada", "--limit", "gpu_memory_mb=10000")
    grade(*one)
    assert _record(course, "ada") == before, "nothing has changed"
    machine(H100.replace("550.54.15", "570.86.10"))
    grade(*one)
    after = _record(course, "ada")
    assert after["environment"]["device"] == "NVIDIA H100 80GB HBM3 (driver 570.86.10)"
    assert after["parts"][0]["key"] != before["parts"][0]["key"]
    grade(*one, "--device", "cpu")
    assert _record(course, "ada")["environment"]["device"] == "cpu"
    assert _shown(course, "ada").split() == ["False"]


def test_who_finds_no_memory_left_is_tried_alone_before_it_costs_points(
    course: Course, hand_in: Callable[..., Path], grade: Callable, machine: Machine
) -> None:
    machine(H100)
    for student, least in (("crowded", "0.5"), ("greedy", "2.0")):
        body = (
            f"import os\n    if float(os.environ['XLA_PYTHON_CLIENT_MEM_FRACTION']) < {least}:\n"
            "        raise RuntimeError('CUDA out of memory. Tried to allocate 9.00 GiB.')\n"
            "    return original(self, data)"
        )
        notebook = network_notebook(course)
        answer = next(cell for cell in notebook.cells if cell.id == "solution_evaluate")
        answer.source += f"\n\n\noriginal = Network.evaluate\n\n\ndef evaluate(self, data):\n    {body}\n\n\nNetwork.evaluate = evaluate"
        hand_in(student, notebook)
    hand_in("ada")
    code, results, _ = grade("--workers", "2")
    assert code == DONE
    assert results["crowded"]["evaluate"]["outcome"] == "right"
    assert results["greedy"]["evaluate"]["outcome"] == "error in your code"
    assert "CUDA out of memory" in results["greedy"]["evaluate"]["message"]
    alone = {student: devices.ALONE in _record(course, student)["parts"][0]["notes"] for student in results}
    assert alone == {"ada": False, "crowded": True, "greedy": True}


def test_a_device_that_is_demanded_and_not_there_ends_the_command(
    course: Course, hand_in: Callable[..., Path], grade: Callable, machine: Machine
) -> None:
    machine(FAILED, 9)
    hand_in("ada")
    code, _, printed = grade("--device", "gpu")
    assert code == USAGE
    assert "--device gpu: no graphics processor can be used here: nvidia-smi: NVIDIA-SMI has failed" in printed
    code, _, printed = grade()
    assert code == DONE
    assert "Device: no graphics processor" in printed
