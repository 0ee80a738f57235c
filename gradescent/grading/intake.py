"""Find and read what students handed in. Trusted code that reads hostile files: it follows no link and never blocks."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import nbformat
from nbformat import NotebookNode

from gradescent.course import CourseError, Limits
from gradescent.grading import archives
from gradescent.grading.inside.wire import clean
from gradescent.grading.repair import defined, grade_id

MAX_FILES = 1000  # files of one submission that are looked at
MAX_ARCHIVES = 10
MAX_CELLS = 1000
PICTURES = ("image/png", "image/jpeg")
BASE64 = re.compile(r"[A-Za-z0-9+/=\n]+")
CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
NO_FILES = {  # errors of opening that are the submission's
    errno.ELOOP: "is a link",
    errno.ENXIO: "is not a regular file",
    errno.ENODEV: "is not a regular file",
    errno.ENAMETOOLONG: "lies too deep in folders",
}
SHARED_NAMES = 3  # of cells and functions, from which a notebook without a name of ours is taken for a part


class IntakeError(Exception):
    """A notebook cannot be graded as it is. The message names the file and the remedy."""


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
            notebook, notes = _parsed(file, read())
            _refuse_foreign(file, notebook, submission.folder.name)
        except (IntakeError, archives.Refused) as error:
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
            yield folder / name, partial(_text, folder / name, limits)
    packed = [folder / name for name in names if name.lower().endswith(".zip")]
    if len(packed) > MAX_ARCHIVES:
        notes.append(f"{folder}: only the first {MAX_ARCHIVES} archives were opened")
    for file in packed[:MAX_ARCHIVES]:
        try:
            yield from archives.notebooks(file, int(limits.notebook_mb * (1 << 20)), notes)
        except archives.Refused as refused:
            yield file, partial(_raise, refused)


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


def read_notebook(file: Path, limits: Limits) -> tuple[NotebookNode, list[str]]:
    """Read a notebook and bring it to format 4.5.

    Returns:
        The notebook, and notes about what had to be repaired.

    Raises:
        IntakeError: it is no notebook, or too large.
        OSError: the machine cannot read it.
    """
    return _parsed(file, _text(file, limits))


def _text(file: Path, limits: Limits) -> str:
    remedy = "clear all outputs in Jupyter and save, or raise notebook_mb in course.toml"
    raw = read_regular(file, int(limits.notebook_mb * (1 << 20)), remedy)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise IntakeError(
            f"{file}: not a notebook, it is no text in UTF-8. Remedy: ask the student for the .ipynb file itself"
        ) from error


def _parsed(file: Path, text: str) -> tuple[NotebookNode, list[str]]:
    if not text.strip():
        raise IntakeError(f"{file}: the file is empty. Remedy: ask the student to save and hand in again")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise IntakeError(
            f"{file}: not a notebook, its JSON breaks ({error}). Remedy: ask the student for the .ipynb file itself"
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("nbformat"), int):
        raise IntakeError(f"{file}: JSON, but not a notebook. Remedy: ask the student for the .ipynb file itself")
    notes = []
    try:
        if content["nbformat"] < 4:
            notes.append(f"converted from notebook format {content['nbformat']}")
        content.setdefault("metadata", {})
        notebook = nbformat.convert(nbformat.from_dict(content), 4)
    except Exception as error:  # nbformat raises whatever a malformed cell makes it raise
        raise IntakeError(
            f"{file}: a malformed notebook ({type(error).__name__}: {error}). Remedy: open it in Jupyter, save, hand in again"
        ) from error
    _clean_up(file, notebook)
    return notebook, notes


def read_regular(file: Path, limit: int, remedy: str) -> bytes:
    """What is in a file that was handed in. No link is followed, and nothing blocks.

    Args:
        file: which.
        limit: on its size, in bytes.
        remedy: for a larger one.

    Raises:
        IntakeError: it is no regular file, or is larger.
        OSError: the machine cannot read it, which is no fault of the submission.
    """
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in NO_FILES:
            raise
        raise IntakeError(f"{file}: {NO_FILES[error.errno]}. Remedy: put the file itself there") from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise IntakeError(f"{file}: is not a regular file. Remedy: put the file itself there")
        if status.st_size > limit:
            sizes = f"{_size(status.st_size)}, and at most {_size(limit)} are opened"
            raise IntakeError(f"{file}: {sizes}. Remedy: {remedy}")
        with os.fdopen(handle, "rb", closefd=False) as stream:
            return stream.read(limit + 1)
    except OSError as error:  # that of a read names no file
        raise OSError(error.errno, error.strerror, str(file)) from error
    finally:
        os.close(handle)


def _size(count: int) -> str:
    return f"{count / (1 << 20):.0f} MB" if count >= 1 << 20 else f"{count} bytes"


def _clean_up(file: Path, notebook: NotebookNode) -> None:
    """Demand cells, and give them what a well-formed notebook has. Saved outputs do not count and are dropped."""
    cells = notebook.get("cells")
    if not isinstance(cells, list) or len(cells) > MAX_CELLS:
        raise IntakeError(
            f"{file}: has no list of cells, or more than {MAX_CELLS}. Remedy: ask the student for the .ipynb file itself"
        )
    if not isinstance(notebook.get("metadata"), dict):
        notebook["metadata"] = NotebookNode()
    for number, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
            raise IntakeError(f"{file}: cell {number} is malformed. Remedy: open it in Jupyter, save, hand in again")
        source = cell.get("source", "")
        text = "".join(map(str, source)) if isinstance(source, list) else str(source)
        cell["source"] = text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written again
        if not isinstance(cell.get("metadata"), dict):
            cell["metadata"] = NotebookNode()
        if not isinstance(cell.get("id"), str) or not CELL_ID.fullmatch(cell["id"]):
            cell["id"] = f"cell-{number}"
        _keep_pictures(cell)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None


def _keep_pictures(cell: dict[str, Any]) -> None:
    """Of a cell's attachments keep the pictures: a derivation on paper is an answer, too."""
    attached = cell.pop("attachments", None)
    kept = {}
    for name, bundle in attached.items() if isinstance(attached, dict) else ():
        for mime in PICTURES:
            picture = bundle.get(mime) if isinstance(bundle, dict) else None
            if isinstance(name, str) and isinstance(picture, str) and BASE64.fullmatch(picture):
                kept[name] = NotebookNode({mime: picture})
    if kept and cell["cell_type"] == "markdown":
        cell["attachments"] = NotebookNode(kept)
