"""Graphics processors: which there are, how many submissions share one, and which submission has its place on one now.

Everything here but the driver is tested with a stand-in for `nvidia-smi`; none of it was run on a graphics processor.
"""

from __future__ import annotations

import csv
import fcntl
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradescent.course import CourseError, Limits
from gradescent.grading.record import PartResult
from gradescent.grading.scratch import Scratch

FOLDER, FILES = Path("/dev"), "nvidia*"
TOOL, QUERY, TOOL_SECONDS = "nvidia-smi", "uuid,name,driver_version,memory.total", 60.0
POLL_SECONDS = 0.1  # while every place is taken
POOL = 0.9  # of its share that a framework may keep for arrays: the driver and its libraries need the rest
# What TensorFlow, JAX, PyTorch and CUDA's libraries say when a device has no memory left.
OUT_OF_MEMORY = re.compile(
    r"OutOfMemoryError|CUDA out of memory|CUDA_ERROR_OUT_OF_MEMORY|RESOURCE_EXHAUSTED|ResourceExhaustedError|"
    r"OOM when allocating|CU(DNN|BLAS)_STATUS_ALLOC_FAILED"
)
# For every process that may use a device: take memory when it is needed, and not all of it at once.
MODEST = {
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
}
ALONE = "the graphics processor had no memory left: run again, alone on it"


@dataclass(frozen=True)
class Device:
    """A graphics processor.

    Attributes:
        uuid: what CUDA knows it by, whatever the order in which it counts.
        name: of the model.
        driver: version of the driver.
        memory_mb: MiB.
    """

    uuid: str
    name: str
    driver: str
    memory_mb: float

    def __str__(self) -> str:
        return f"{self.name} (driver {self.driver})"


def device_files(folder: Path) -> tuple[str, ...]:
    """The files by which programs reach the graphics processors."""
    return tuple(sorted(str(path) for path in folder.glob(FILES)))


def chosen(wanted: str, gpu: bool, limits: Limits, folder: Path) -> list[Device]:
    """The graphics processors that students' code gets, none where it runs on the processor.

    Args:
        wanted: "cpu", "gpu", or "auto", which takes them where the assignment asks for them and there are any.
        gpu: whether the assignment asks for them.
        limits: of a submission.
        folder: of the device files.

    Raises:
        CourseError: they are demanded and there are none, or none is as large as a submission's share.
    """
    if wanted == "cpu" or (wanted == "auto" and not gpu):
        return []
    found, reason = _devices(folder)
    if not found and wanted == "auto":
        return []
    if not found:
        raise CourseError(
            f"--device gpu: no graphics processor can be used here: {reason}. Remedy: grade on a machine where "
            f"`{TOOL}` lists one, or say --device cpu"
        )
    large = [device for device in found if device.memory_mb >= limits.gpu_memory_mb]
    if not large:
        raise CourseError(
            f"course.toml: limits.gpu_memory_mb is {limits.gpu_memory_mb:g}, and {found[0]} has {found[0].memory_mb:g}. "
            "Remedy: --limit gpu_memory_mb= with less, or --device cpu"
        )
    return sorted(large, key=lambda device: -device.memory_mb)


def _devices(folder: Path) -> tuple[list[Device], str]:
    """The devices of this machine, and why there are none where there are none.

    Raises:
        CourseError: what the driver's tool says cannot be understood.
    """
    if not device_files(folder):
        return [], f"there is no {folder}/{FILES}"
    tool = shutil.which(TOOL)
    if not tool:
        return [], f"{TOOL} is not installed"
    command = [tool, f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TOOL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], f"{TOOL} does not answer ({type(error).__name__})"
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines() or [f"exit code {done.returncode}"]
        return [], f"{TOOL}: {said[0]}"
    rows = list(csv.reader(done.stdout.splitlines(), skipinitialspace=True))
    return [_device(row) for row in rows if row], f"{TOOL} lists none"


def _device(row: list[str]) -> Device:
    try:
        uuid, name, driver, memory = (field.strip() for field in row)
        return Device(uuid, name, driver, float(memory))
    except ValueError:
        raise CourseError(f"{TOOL}: cannot be understood: {', '.join(row)!r}. Remedy: say --device cpu") from None


class Slots:
    """Places on the graphics processors, for supervisors that share this object by a fork.

    A place is the lock of a file, which the kernel gives back when its holder ends, however it ends. Whoever wants a
    device alone closes its gate, so that nobody new comes in, and waits until the last has left.

    Args:
        devices: that students' code gets; with none of them nobody ever waits.
        share_mb: memory of a submission, MiB.
    """

    def __init__(self, devices: list[Device], share_mb: float):
        self.devices, self._share = devices, share_mb
        self._scratch = Scratch() if devices else None
        self._locks = Path(self._scratch.name if self._scratch else "")

    def places(self, device: Device) -> int:
        """How many submissions a device takes at a time."""
        return int(device.memory_mb // self._share)

    @contextmanager
    def taken(self, alone: bool = False) -> Iterator[dict[str, str]]:
        """Wait for a place on a device, or for a device, and have it; gives the environment that leads a framework there."""
        with ExitStack() as held:
            yield self._environment(held, alone) if self.devices else {}

    def _environment(self, held: ExitStack, alone: bool) -> dict[str, str]:
        take = self._whole if alone else self._place
        while not (device := take(held)):
            time.sleep(POLL_SECONDS)
        return environment(device, device.memory_mb if alone else self._share)

    def _place(self, held: ExitStack) -> Device | None:
        """A free place on the device that has most of them."""
        for place in range(max(map(self.places, self.devices))):
            for number, device in enumerate(self.devices):
                if place >= self.places(device):
                    continue
                with suppress(BlockingIOError), self._locked(f"gate-{number}", fcntl.LOCK_SH | fcntl.LOCK_NB):
                    held.enter_context(self._locked(f"{number}-{place}", fcntl.LOCK_EX | fcntl.LOCK_NB))
                    return device
        return None

    def _whole(self, held: ExitStack) -> Device | None:
        """The first device that nobody else wants alone."""
        for number, device in enumerate(self.devices):
            with suppress(BlockingIOError):
                held.enter_context(self._locked(f"gate-{number}", fcntl.LOCK_EX | fcntl.LOCK_NB))
                for place in range(self.places(device)):
                    held.enter_context(self._locked(f"{number}-{place}", fcntl.LOCK_EX))
                return device
        return None

    @contextmanager
    def _locked(self, name: str, how: int) -> Iterator[None]:
        with (self._locks / name).open("a") as stream:
            fcntl.flock(stream, how)
            yield

    def run(self, grade: Callable[[dict[str, str]], tuple[PartResult, Any]]) -> tuple[PartResult, Any]:
        """Grade a notebook in a place of its own; where the device's memory was too small, again with a device to itself.

        Args:
            grade: runs and judges the notebook with these variables in the students' environment; returns both.
        """
        with self.taken() as variables:
            graded, notebook = grade(variables)
        if not self.devices or not ran_out_of_memory(graded, notebook):
            return graded, notebook
        with self.taken(alone=True) as variables:
            graded, notebook = grade(variables)
        graded.notes = [*graded.notes, ALONE]
        return graded, notebook

    def describe(self) -> str:
        """One line about where students' code calculates."""
        each = [f"{device}, {self.places(device)} submissions at a time" for device in self.devices]
        return "; ".join(each) or "no graphics processor"

    def names(self) -> str:
        """The devices and their drivers, for the record."""
        return ", ".join(sorted({str(device) for device in self.devices})) or "cpu"

    def __enter__(self) -> Slots:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._scratch:
            self._scratch.cleanup()


def environment(device: Device, room_mb: float) -> dict[str, str]:
    """What leads a framework to one device, and bounds what it takes there, as far as a variable can.

    JAX is bound to its share. TensorFlow and PyTorch have no variable for that in every version: they take what they need.
    Sources: docs.jax.dev (GPU memory allocation), tensorflow.org (Use a GPU), pytorch.org (CUDA semantics).

    Args:
        device: where.
        room_mb: memory for the submission, MiB.
    """
    return {
        "CUDA_VISIBLE_DEVICES": device.uuid,
        "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{POOL * room_mb / device.memory_mb:.4f}",
    }


def ran_out_of_memory(graded: PartResult, notebook: Any) -> bool:
    """Whether a cell or a question ended because the device had no memory left, by what the framework said."""
    outputs = [output for cell in (notebook.cells if notebook else []) for output in cell.get("outputs", [])]
    errors = [f"{output.ename}: {output.evalue}" for output in outputs if output.output_type == "error"]
    return any(OUT_OF_MEMORY.search(text) for text in [*errors, *(result.message for result in graded.results)])
