"""course.toml: the assignments, their limits and data, and where everything lies."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from traitlets.config import Config

    from gradescent.grading.grader import Grader

FILE = "course.toml"
PLAIN = "nbgrader_config.py"  # all that an nbgrader course has
LEAST = {"memory_mb": 100, "processes": 16}  # below that Python and NumPy do not start
MOST = {"output_mb": 16}  # half of a message
MOST_OF_ALL = 1e9  # no machine has more of anything
ACCURACY = (
    "train",
    "weights",
)  # what a question about accuracy judges: a training here, or weights that were handed in
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


class CourseError(Exception):
    """Something about the course or the command is wrong. The message names the file and the remedy."""


@dataclass(frozen=True)
class Limits:
    """What a submission may use.

    Attributes:
        cell_seconds: CPU seconds of one cell.
        call_seconds: CPU seconds of one call by a hidden test.
        submission_cpu_seconds: CPU seconds of one notebook: of all its cells, calls and processes together.
        submission_seconds: wall clock of one notebook, whatever it does.
        wall_factor: wall clock allowed, in multiples of the CPU seconds.
        memory_mb: data memory of the student's processes, MiB.
        file_mb: size of a file, and of the working folder, MiB.
        output_mb: what one cell shows, MiB of JSON.
        submission_output_mb: what all cells of a notebook show, MiB of JSON.
        processes: processes and threads of a submission.
        notebook_mb: size of a notebook that is opened, MiB.
        gpu_memory_mb: a submission's share of a graphics processor's memory, MiB.
        weights_mb: size of a file of weights that is opened, MiB; no larger than file_mb in any case.
    """

    cell_seconds: float = 20
    call_seconds: float = 20
    submission_cpu_seconds: float = 3600
    submission_seconds: float = 3600
    wall_factor: float = 10
    memory_mb: float = 2048
    file_mb: float = 256
    output_mb: float = 8
    submission_output_mb: float = 16
    processes: int = 256
    notebook_mb: float = 20
    gpu_memory_mb: float = 4096
    weights_mb: float = 100


@dataclass(frozen=True)
class Assignment:
    """A problem set.

    Attributes:
        name: its folder's name.
        title: for people.
        data: names of the data sets that its notebooks load.
        limits: the course's, with the assignment's own put over them.
        gpu: whether students' code gets the machine's graphics processors; every submission then starts afresh.
        accuracy: "weights" where students hand in trained weights beside the notebook, else "train".
    """

    name: str
    title: str = ""
    data: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    gpu: bool = False
    accuracy: str = ACCURACY[0]


@dataclass(frozen=True)
class Course:
    """Everything that course.toml says, and the folders beside it."""

    root: Path
    name: str
    repository: str
    branch: str
    assignments: dict[str, Assignment]

    @property
    def source(self) -> Path:
        return self.root / "source"

    @property
    def release(self) -> Path:
        return self.root / "release"

    @property
    def submitted(self) -> Path:
        return self.root / "submitted"

    @property
    def autograded(self) -> Path:
        return self.root / "autograded"

    @property
    def feedback(self) -> Path:
        return self.root / "feedback"

    @property
    def gradebook(self) -> Path:
        return self.root / "gradebook.db"

    @property
    def db_url(self) -> str:
        """Address of the gradebook."""
        return f"sqlite:///{self.gradebook}"

    @property
    def settings(self) -> Config:
        """What nbgrader_config.py sets, where the course has nothing but that."""
        from traitlets.config import Config

        return Config()

    def assignment(self, name: str, limits: Mapping[str, float] | None = None) -> Assignment:
        """The assignment of that name, with other limits put over its own.

        Raises:
            CourseError: there is none, or no such limit; the message lists those that exist.
        """
        if name not in self.assignments:
            known = ", ".join(sorted(self.assignments)) or "none"
            raise CourseError(f"{self.root}: there is no assignment {name!r}. Those that exist: {known}")
        found = self.assignments[name]
        return replace(found, limits=_limits(self.root / FILE, "limits", dict(limits or {}), found.limits))

    def grader(self, assignment: Assignment, write: bool) -> Grader:
        """What grades an assignment of this class of course.

        Args:
            assignment: one of its own.
            write: whether the gradebook may be written.

        Raises:
            CourseError: something that concerns the whole class is wrong.
        """
        from gradescent.grading.own import OwnGrader

        return OwnGrader(self, assignment)

    def texts(self, assignment: str) -> list[Path]:
        """The text sources of an assignment, one a part, in order."""
        found = sorted((self.source / assignment).glob("part*.py"))
        if not found:
            raise CourseError(
                f"{self.source / assignment}: no part*.py there. Remedy: write the problem set's text first"
            )
        return found


def find_root(start: Path | None = None) -> Path:
    """The nearest folder upwards that holds course.toml, or nbgrader_config.py where it is an nbgrader course alone.

    Raises:
        CourseError: there is none.
    """
    here = (start or Path.cwd()).resolve()
    for folder in [here, *here.parents]:
        if (folder / FILE).is_file() or (folder / PLAIN).is_file():
            return folder
    raise CourseError(f"{here}: no {FILE} here or above, nor {PLAIN}. Remedy: run the command in the course's folder")


def load_course(root: Path | None = None) -> Course:
    """Read course.toml.

    Raises:
        CourseError: it is missing, is not TOML, or holds a key or value that it cannot hold.
    """
    root = root or find_root()
    file = root / FILE
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CourseError(f"{file}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CourseError(f"{file}: not valid TOML: {error}. Remedy: correct that line") from error
    _known(file, "", content, {"course", "limits", "assignments"})
    course = _table(file, "course", content.get("course", {}))
    _known(file, "course", course, {"name", "repository", "branch"})
    limits = _limits(file, "limits", content.get("limits", {}), Limits())
    listed = _table(file, "assignments", content.get("assignments", {}))
    assignments = {name: _assignment(file, name, entry, limits) for name, entry in listed.items()}
    repository = _text(file, "course.repository", course.get("repository", ""))
    if not REPOSITORY.fullmatch(repository):
        raise CourseError(f"{file}: course.repository must be 'owner/name', got {repository!r}")
    return Course(
        root,
        _text(file, "course.name", course.get("name", "")),
        repository,
        _text(file, "course.branch", course.get("branch", "main")),
        assignments,
    )


def _assignment(file: Path, name: str, entry: Any, limits: Limits) -> Assignment:
    place = f"assignments.{name}"
    _known(file, place, _table(file, place, entry), {"title", "data", "limits", "gpu", "accuracy"})
    data = entry.get("data", [])
    if not isinstance(data, list) or not all(isinstance(item, str) for item in data):
        raise CourseError(f"{file}: {place}.data must be a list of names, got {data!r}")
    title = _text(file, f"{place}.title", entry.get("title", name))
    own, gpu = _limits(file, f"{place}.limits", entry.get("limits", {}), limits), entry.get("gpu", False)
    if not isinstance(gpu, bool):
        raise CourseError(f"{file}: {place}.gpu must be true or false, got {gpu!r}")
    accuracy = entry.get("accuracy", ACCURACY[0])
    if accuracy not in ACCURACY:
        allowed = " or ".join(f'"{word}"' for word in ACCURACY)
        raise CourseError(f"{file}: {place}.accuracy must be {allowed}, got {accuracy!r}")
    return Assignment(name, title, tuple(data), own, gpu, accuracy)


def _limits(file: Path, place: str, entry: Any, base: Limits) -> Limits:
    _known(file, place, _table(file, place, entry), {item.name for item in fields(Limits)})
    for key, value in entry.items():
        problem = wrong_limit(key, value)
        if problem:
            raise CourseError(f"{file}: {place}.{key} {problem}")
    return replace(base, **entry)


def wrong_limit(name: str, value: Any) -> str:
    """Why a limit cannot have a value, empty when it can: "must be a number above 0, got -1"."""
    least, most = LEAST.get(name, 0), MOST.get(name, MOST_OF_ALL)
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not value > least:
        return f"must be a number above {least}, got {value!r}"
    if value > most:
        return f"must be at most {most:g}, got {value!r}"
    if name == "processes" and not isinstance(value, int):
        return f"must be a whole number, got {value!r}"
    return ""


def _table(file: Path, place: str, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise CourseError(f"{file}: [{place}] must be a table, got {entry!r}")
    return entry


def _known(file: Path, place: str, entry: dict[str, Any], keys: set[str]) -> None:
    for key in entry:
        if key not in keys:
            where = f"[{place}]" if place else "the file"
            raise CourseError(f"{file}: {where} cannot hold {key!r}. It can hold: {', '.join(sorted(keys))}")


def _text(file: Path, place: str, value: Any) -> str:
    if not isinstance(value, str):
        raise CourseError(f"{file}: {place} must be a text in quotes, got {value!r}")
    return value
