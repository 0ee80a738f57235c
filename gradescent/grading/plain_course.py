"""Any nbgrader course as it is: what nbgrader_config.py says, in the form in which the engine knows a course.

The configuration, the gradebook and what lies in source/ are the instructor's own and are trusted. What students handed in
beside their notebooks is not, and is read here as the notebooks are.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import logging
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook, MissingEntry, Notebook
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute, SaveCells
from nbgrader.utils import chdir, find_all_files, parse_utc
from sqlalchemy.engine import make_url
from traitlets import TraitError
from traitlets.config import Config

from gradescent.course import PLAIN as CONFIG
from gradescent.course import Assignment, Course, CourseError, Limits
from gradescent.grading import gradebook, intake
from gradescent.grading.keys import ADDRESS

STRUCTURE = "{nbgrader_step}/{student_id}/{assignment_id}"
SCHEMA = 3  # of nbgrader's metadata
MAX_TIMESTAMP = 1000  # characters


@dataclass(frozen=True)
class PlainCourse(Course):
    """An nbgrader course without a course.toml.

    Attributes:
        config: all that nbgrader_config.py sets.
        directory: nbgrader's view of the folders.
    """

    config: Config
    directory: CourseDirectory

    @property
    def settings(self) -> Config:
        return self.config

    @property
    def db_url(self) -> str:
        return str(self.directory.db_url)

    @property
    def source(self) -> Path:
        return self._step(self.directory.source_directory)

    @property
    def release(self) -> Path:
        return self._step(self.directory.release_directory)

    @property
    def submitted(self) -> Path:
        return self._step(self.directory.submitted_directory)

    @property
    def autograded(self) -> Path:
        return self._step(self.directory.autograded_directory)

    @property
    def feedback(self) -> Path:
        return self._step(self.directory.feedback_directory)

    @property
    def gradebook(self) -> Path:
        return Path(make_url(self.db_url).database or "gradebook.db")

    def _step(self, name: str) -> Path:
        return Path(self.directory.format_path(name, ".", "."))


@dataclass(frozen=True)
class Place:
    """One notebook of one student."""

    assignment: str
    student: str
    part: str

    def resources(self, course: PlainCourse) -> dict[str, Any]:
        """What nbgrader's preprocessors want to know about the notebook that they work on."""
        names = {"assignment": self.assignment, "student": self.student, "notebook": self.part}
        known = {**names, "db_url": course.db_url}
        return {"unique_key": self.part, "output_files_dir": f"{self.part}_files", "nbgrader": known}


def load_plain_course(root: Path) -> PlainCourse:
    """Read nbgrader_config.py as `nbgrader autograde` does.

    Args:
        root: the course's folder.

    Raises:
        CourseError: the configuration cannot be loaded, or the folders are laid out in an order of their own.
    """
    config, directory = _configured(root.resolve())
    if directory.directory_structure != STRUCTURE:
        raise CourseError(
            f"{root / CONFIG}: CourseDirectory.directory_structure is {directory.directory_structure!r}, and gradescent "
            f"knows only {STRUCTURE!r}. Remedy: leave it out"
        )
    try:
        limits = Limits(cell_seconds=_cell_seconds(config, directory))
    except TraitError as error:
        raise CourseError(f"{root / CONFIG}: {error}. Remedy: correct that setting") from error
    source = Path(directory.format_path(directory.source_directory, ".", "."))
    names = sorted({file.parent.name for file in source.glob("*/*.ipynb")})
    assignments = {name: Assignment(name, name, (), limits) for name in names}
    return PlainCourse(Path(directory.root), directory.course_id, "", "", assignments, config, directory)


def _configured(root: Path) -> tuple[Config, CourseDirectory]:
    from nbgrader.apps import AutogradeApp  # loads all of nbgrader's commands, which takes seconds

    gradebook.wait_for_locks()
    app = AutogradeApp(log_level=logging.CRITICAL, raise_config_file_errors=True)
    try:
        with chdir(str(root)):
            app.initialize([], root=str(root))
    except SystemExit:  # of traitlets, which has said why
        raise CourseError(f"{root / CONFIG}: nbgrader refuses it, see above. Remedy: correct that line") from None
    except Exception as error:  # whatever the instructor's file raises
        raise CourseError(
            f"{root / CONFIG}: cannot be loaded ({type(error).__name__}: {error}). Remedy: correct that line"
        ) from error
    return app.config, app.coursedir


def _cell_seconds(config: Config, directory: CourseDirectory) -> float:
    """The time that the configuration gives a cell. It must list the step that runs the cells.

    Where nothing is run there are no outputs, which to nbgrader means that every test passed.
    """
    listed = Autograde(coursedir=directory, config=config).autograde_preprocessors
    if not any(isinstance(step, Execute) for step in steps(config, listed, silent(logging.NullHandler()))):
        raise CourseError(
            f"{Path(directory.root) / CONFIG}: Autograde.autograde_preprocessors has no Execute, so no test would be run. "
            "Remedy: put it there"
        )
    seconds = Execute(config=config).timeout
    return float(seconds) if seconds is not None and seconds > 0 else Limits.submission_seconds


def steps(config: Config, configured: list[Any], log: logging.Logger) -> list[Preprocessor]:
    """Preprocessors as nbgrader makes them: of classes, or of their names, each with its settings.

    Args:
        config: their settings.
        configured: a list of nbgrader_config.py, or nbgrader's own.
        log: takes what they remark on.
    """
    exporter = NotebookExporter(config=config, log=log)
    exporter._preprocessors = []
    for step in configured:
        exporter.register_preprocessor(step)
    return exporter._preprocessors


def silent(handler: logging.Handler) -> logging.Logger:
    """A log that tells nobody but the handler: what concerns a person stands in the record.

    Args:
        handler: gets all that is logged.
    """
    log = logging.Logger("gradescent.nbgrader")  # connected to no other
    log.addHandler(handler)
    return log


def enter_plain_assignment(course: PlainCourse, assignment: str) -> None:
    """Enter an assignment's cells as `nbgrader generate_assignment` does, where the gradebook has none of them.

    What the gradebook has stands: it is what was handed out, whatever has become of the source since. release/ is left alone.

    Raises:
        CourseError: the gradebook cannot be used, or nbgrader refuses a source notebook.
    """
    with gradebook.opened(course) as book:
        if _notebooks(book, assignment):
            return
        name = course.directory.course_id or book.course_id
        book.check_course(name)
        book.update_or_create_assignment(assignment, course_id=name)
    for file in sorted((course.source / assignment).glob("*.ipynb")):
        try:
            with in_folder(course.root):
                _enter_notebook(course, assignment, file)
        except Exception as error:  # of a step, which may be the instructor's own
            raise CourseError(
                f"{file}: nbgrader refuses it ({type(error).__name__}: {error}). "
                f"Remedy: `nbgrader generate_assignment {assignment}` says where"
            ) from error


def _notebooks(book: Gradebook, assignment: str) -> list[Notebook]:
    try:
        return sorted(book.find_assignment(assignment).notebooks, key=lambda notebook: notebook.name)
    except MissingEntry:
        return []


def _enter_notebook(course: PlainCourse, assignment: str, file: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    resources = Place(assignment, ".", file.stem).resources(course)
    resources["metadata"] = {"name": file.stem, "path": str(file.parent)}
    generate = GenerateAssignment(coursedir=course.directory, config=course.config)
    for step in steps(course.config, generate.preprocessors, silent(logging.NullHandler())):
        notebook, resources = step(notebook, resources)
        if isinstance(step, SaveCells):
            return


@contextmanager
def in_folder(root: Path) -> Iterator[None]:
    """Work in the course's folder and with its modules, as nbgrader's commands do.

    Args:
        root: the course's folder.
    """
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    with chdir(str(root)):
        yield


def kept_notebooks(course: PlainCourse, assignment: str) -> dict[str, NotebookNode]:
    """What the gradebook keeps of an assignment's notebooks: the cells that count, with points, checksums and tests.

    Raises:
        CourseError: the gradebook cannot be used, or has nothing of the assignment, or the notebooks are not in Python.
    """
    with gradebook.opened(course) as book:
        kept = {notebook.name: _kept(notebook) for notebook in _notebooks(book, assignment)}
    if not kept:
        raise CourseError(
            f"{course.source / assignment}: no notebooks there, nor in the gradebook. Remedy: put the source notebooks there"
        )
    for name, notebook in kept.items():
        language = notebook.metadata.get("kernelspec", {}).get("language", "python")
        if language != "python":
            raise CourseError(
                f"{course.source / assignment / name}.ipynb: is in {language}, and only Python can be graded. "
                "Remedy: `nbgrader autograde`"
            )
    return kept


def _kept(notebook: Notebook) -> NotebookNode:
    graded = {cell.name: cell.max_score for cell in notebook.grade_cells}
    tasks = {cell.name: cell.max_score for cell in notebook.task_cells}
    solutions = {cell.name for cell in notebook.solution_cells}
    cells = []
    for number, source in enumerate(notebook.source_cells):
        grader = {
            "grade_id": source.name,
            "grade": source.name in graded,
            "solution": source.name in solutions,
            "task": source.name in tasks,
            "locked": source.locked,
            "points": (graded | tasks).get(source.name, 0.0),
            "checksum": source.checksum,
            "schema_version": SCHEMA,
        }
        new = new_code_cell if source.cell_type == "code" else new_markdown_cell
        cells.append(new(source.source, id=f"kept-{number}", metadata={"nbgrader": grader}))
    return new_notebook(cells=cells, metadata={"kernelspec": json.loads(notebook.kernelspec or "{}") or {}})


def written_notebooks(
    course: PlainCourse, assignment: str, kept: Mapping[str, NotebookNode]
) -> dict[str, NotebookNode]:
    """The notebooks as the instructor wrote them, with all their cells; what the gradebook keeps where that is all there is.

    Args:
        course: of the assignment.
        assignment: its name.
        kept: what the gradebook keeps of each notebook.
    """
    files = {name: course.source / assignment / f"{name}.ipynb" for name in kept}
    return {name: nbformat.read(file, 4) if file.is_file() else kept[name] for name, file in files.items()}


def settings_key(course: PlainCourse) -> str:
    """Digest of all that nbgrader_config.py sets."""
    return hashlib.sha256(ADDRESS.sub("", repr(course.config)).encode()).hexdigest()[:16]


def working_files(
    course: PlainCourse, assignment: str, folder: Path, limits: Limits
) -> tuple[dict[str, bytes], list[str]]:
    """What lies beside the notebooks: the student's files with the assignment's put over them, as nbgrader does.

    Args:
        course: of the assignment.
        assignment: its name.
        folder: the submission.
        limits: on all files together.

    Returns:
        The files' contents by relative path, and notes about what of the submission was left out.

    Raises:
        CourseError: the assignment's own files are too large.
    """
    own = _own_files(course, assignment)
    room = int(limits.file_mb * (1 << 20)) - sum(map(len, own.values()))
    if room < 0:
        raise CourseError(
            f"{course.source / assignment}: the files beside the notebooks have more than {limits.file_mb:g} MB. "
            "Remedy: grade with a higher --limit file_mb="
        )
    if folder.is_symlink() or folder.parent.is_symlink():  # which the notebooks are refused for
        return own, []
    files, notes = _handed_in(folder, course.directory.ignore, room)
    return {**files, **own}, notes


def _own_files(course: PlainCourse, assignment: str) -> dict[str, bytes]:
    source = course.source / assignment
    autograde = Autograde(coursedir=course.directory, config=course.config)
    left_to_students = {str(Path(name)) for name in autograde.exclude_overwriting.get(assignment, [])}
    found = find_all_files(str(source), [*course.directory.ignore, "*.ipynb"])
    files = {os.path.relpath(name, source): Path(name) for name in found}
    return {name: file.read_bytes() for name, file in files.items() if name not in left_to_students}


def _handed_in(folder: Path, ignored: list[str], room: int) -> tuple[dict[str, bytes], list[str]]:
    files: dict[str, bytes] = {}
    notes: list[str] = []
    for number, file in enumerate(_walk(folder, [*ignored, "*.ipynb"])):
        if number >= intake.MAX_FILES:
            notes.append(f"{folder}: only the first {intake.MAX_FILES} files were given to the notebooks")
            break
        try:
            content = _content(file, room)
        except intake.IntakeError as error:
            notes.append(f"left out: {error}")
            continue
        room -= len(content)
        files[str(file.relative_to(folder))] = content
    return files, notes


def _content(file: Path, limit: int) -> bytes:
    """What is in a regular file of at most so many bytes. No link is followed, and nothing blocks."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
                raise intake.IntakeError(f"{file}: is no regular file, or larger than {limit} bytes")
            return stream.read(limit)
    except OSError as error:
        raise intake.IntakeError(f"{file}: cannot be read ({error.strerror}); links are not followed") from error


def _walk(folder: Path, ignored: list[str]) -> Iterator[Path]:
    """The files of a submission, links among them, in a fixed order; no link is followed."""
    for name, folders, files in os.walk(folder):
        folders[:] = sorted(entry for entry in folders if not _is_ignored(entry, ignored))
        for entry in sorted(files):
            if not _is_ignored(entry, ignored):
                yield Path(name, entry)


def _is_ignored(name: str, ignored: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in ignored)


def submitted_at(folder: Path) -> datetime | None:
    """The time in a submission's timestamp.txt, None where there is none.

    Raises:
        IntakeError: it cannot be read, or is no time.
    """
    file = folder / "timestamp.txt"
    if not file.exists() and not file.is_symlink():
        return None
    text = _content(file, MAX_TIMESTAMP).decode("utf-8", "replace").strip()
    try:
        return parse_utc(text) if text else None
    except (ValueError, OverflowError) as error:
        raise intake.IntakeError(
            f"{file}: is no time: {text[:50]!r}. Remedy: write it as 2025-05-13 23:59:00 UTC"
        ) from error
