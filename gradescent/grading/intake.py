"""Find and read what students handed in. Trusted code that reads hostile files: it follows no link and never blocks."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NoReturn

from nbformat import NotebookNode

from gradescent.course import CourseError, Limits
from gradescent.grading import archives
from gradescent.grading.inside.wire import clean
from gradescent.grading.notebooks import parsed, text_of
from gradescent.grading.regular import IntakeError
from gradescent.grading.repair import defined, grade_id

MAX_FILES = 1000  # files of one submission that are looked at
MAX_ARCHIVES = 10
SHARED_NAMES = 3  # of cells and functions, from which a notebook without a name of ours is taken for a part


@dataclass
class Submission:
    """What one student handed in for one assignment."""

    student: str
    folder: Path
    problem: str = ""


@dataclass
class Found:
    """The notebook of one part.

    Attributes:
        notebook: None where there is none, or none that can be read.
        file: where it was; for one in an archive the archive's path with the member's behind it.
        notes: what was noticed on the way in and costs no points.
        problem: what a person has to look at, empty when nothing.
    """

    notebook: NotebookNode | None = None
    file: Path | None = None
    notes: list[str] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True)
class Beside:
    """What lies beside a notebook in its working folder.

    Attributes:
        files: their contents, by relative path.
        weights: name of the file of trained weights among them, empty where there is none.
        missing: what the student is told where the assignment takes weights and there are none, else empty.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    weights: str = ""
    missing: str = ""

    @property
    def digest(self) -> str:
        """What tells these files from others."""
        digests = [(name, hashlib.sha256(content).hexdigest()) for name, content in sorted(self.files.items())]
        return hashlib.sha256(repr((digests, self.weights, self.missing)).encode()).hexdigest()


def submissions(submitted: Path, assignment: str) -> list[Submission]:
    """Every student's folder for the assignment, in order of the students' names; a link counts, and is refused later.

    Raises:
        CourseError: the folder does not exist, or holds nothing for this assignment.
    """
    if not submitted.is_dir():
        raise CourseError(
            f"{submitted}: no such folder. Remedy: --submitted takes a folder laid out as <student>/<assignment>/*.ipynb"
        )
    students = sorted(
        entry.name for entry in os.scandir(submitted) if entry.is_dir() and not entry.name.startswith(".")
    )
    found = [_submission(name, submitted / name / assignment) for name in students]
    found = [submission for submission in found if _may_be_there(submission.folder)]
    if not found:
        raise CourseError(
            f"{submitted}: nobody handed in {assignment!r}. Remedy: put notebooks, or a zip archive of them, "
            f"at <student>/{assignment}/"
        )
    return found


def _may_be_there(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:  # not permitted, for instance: said when it is read
        return True


def _submission(name: str, folder: Path) -> Submission:
    """A submission; a name that no file or page can carry is shown escaped, and needs a person."""
    if name.isprintable() and name.encode("utf-8", "replace").decode() == name:
        return Submission(name, folder)
    return Submission(
        ascii(name), folder, f"the folder {name!a} cannot be a student's name. Remedy: give it another name"
    )


def find_parts(submission: Submission, sources: dict[str, NotebookNode], limits: Limits) -> dict[str, Found]:
    """The notebook of every part of the assignment, read and brought to the current notebook format.

    Args:
        submission: whose.
        sources: the source notebooks, by part.
        limits: on the size.

    Raises:
        OSError: the machine cannot read what is there.
    """
    found = {name: Found() for name in sources}
    if submission.folder.is_symlink() or submission.folder.parent.is_symlink():
        problem = f"{submission.folder}: is a link. Remedy: put the folder itself there"
        return {name: Found(problem=problem) for name in sources}
    candidates: dict[str, list[tuple[Path, NotebookNode]]] = {name: [] for name in sources}
    unknown = []
    for file, read in _handed_in(submission.folder, limits, next(iter(found.values())).notes):
        guess = part_by_name(file.stem, list(sources))
        try:
            notebook, notes = parsed(file, read())
            _refuse_foreign(file, notebook, submission.folder.name)
        except IntakeError as error:
            for name in [guess] if guess else list(sources)[:1]:
                found[name].problem = str(error)
            continue
        part = guess or _part_by_content(notebook, sources)
        if part is None:
            unknown.append(file)
            continue
        candidates[part].append((file, notebook))
        found[part].notes += notes
    for name in sources:
        _choose(found[name], name, candidates[name], submission.folder)
        if unknown and not found[name].file and not found[name].problem:
            listed = ", ".join(str(file) for file in unknown)
            found[
                name
            ].problem = f"{listed}: cannot tell which part it is. Remedy: if it is {name}, name it {name}.ipynb"
    for each in found.values():  # a file's name need not be text that can be written anywhere
        each.problem, each.notes = clean(each.problem), [clean(note) for note in each.notes]
    return found


def _refuse_foreign(file: Path, notebook: NotebookNode, assignment: str) -> None:
    own = notebook.metadata.get("gradescent")
    stated = own.get("assignment") if isinstance(own, dict) else None
    if isinstance(stated, str) and stated != assignment:
        raise IntakeError(f"{file}: is a notebook of {clean(stated, 100)!r}. Remedy: ask for the one of {assignment!r}")


def _choose(found: Found, name: str, candidates: list[tuple[Path, NotebookNode]], folder: Path) -> None:
    if not candidates:
        return
    candidates.sort(key=lambda item: (item[0].stem != name, item[0].name))
    found.file, found.notebook = candidates[0]
    if found.file.stem != name:
        found.notes.append(f"the notebook's name is {found.file.name!r}, taken for {name}")
    others = [file for file, notebook in candidates[1:] if notebook.cells != found.notebook.cells]
    if others:
        listed = ", ".join(repr(str(file.relative_to(folder))) for file in others)
        found.problem = (
            f"{found.file}: handed in twice, {listed} differs. Graded: {str(found.file.relative_to(folder))!r}. "
            f"Remedy: delete the one that does not count, grade again"
        )


def _handed_in(folder: Path, limits: Limits, notes: list[str]) -> Iterator[tuple[Path, archives.Reader]]:
    """The notebooks of a submission, beside each other and in archives, each with what reads it."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for _, entry in zip(range(MAX_FILES), entries, strict=False))
    names = [name for name in names if not name.startswith(".")]
    for name in names:
        if name.lower().endswith(".ipynb"):
            yield folder / name, partial(text_of, folder / name, limits)
    packed = [folder / name for name in names if name.lower().endswith(".zip")]
    if len(packed) > MAX_ARCHIVES:
        notes.append(f"{folder}: only the first {MAX_ARCHIVES} archives were opened")
    for file in packed[:MAX_ARCHIVES]:
        try:
            yield from archives.notebooks(file, int(limits.notebook_mb * (1 << 20)), notes)
        except IntakeError as error:
            yield file, partial(_raise, error)


def _raise(error: Exception) -> NoReturn:
    raise error


def part_by_name(stem: str, names: list[str]) -> str | None:
    """The part that a file's name speaks of: "Copy of part2_network (1)" is part2_network."""
    plain = unicodedata.normalize("NFKC", stem).casefold()
    for name in sorted(names, key=len, reverse=True):
        if re.search(rf"(?<![a-z0-9]){re.escape(name.casefold())}(?![a-z0-9])", plain.replace("-", "_")):
            return name
    return None


def _part_by_content(notebook: NotebookNode, sources: dict[str, NotebookNode]) -> str | None:
    """The part that a notebook says it is, else the one with which it shares most names of cells and functions."""
    own = notebook.metadata.get("gradescent")
    part = own.get("part") if isinstance(own, dict) else None
    if isinstance(part, str) and part in sources:
        return part
    names = _names(notebook)
    shared = {part: len(names & _names(source)) for part, source in sources.items()}
    best, *others = sorted(shared, key=lambda part: -shared[part])
    enough = shared[best] >= SHARED_NAMES and all(shared[other] < shared[best] for other in others)
    return best if enough else None


def _names(notebook: NotebookNode) -> set[str]:
    """Names of a notebook's cells, and of what its code defines."""
    defined_names = {name for cell in notebook.cells for name in defined(cell)}
    return defined_names | {grade_id(cell) for cell in notebook.cells} - {"", "header", "setup"}
