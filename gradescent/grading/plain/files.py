"""What lies beside the notebooks: the assignment's own files, which are trusted, and the students', which are not."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from nbgrader.converters import Autograde
from nbgrader.utils import find_all_files, parse_utc

from gradescent.course import CourseError, Limits
from gradescent.grading.intake import MAX_FILES
from gradescent.grading.plain.course import PlainCourse
from gradescent.grading.regular import NO_FILES, IntakeError, read_regular

MAX_TIMESTAMP = 1000  # characters


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
        if number >= MAX_FILES:
            notes.append(f"{folder}: only the first {MAX_FILES} files were given to the notebooks")
            break
        try:
            content = read_regular(file, room, "grade with a higher --limit file_mb=")
        except IntakeError as error:
            notes.append(f"left out: {error}")
            continue
        room -= len(content)
        files[str(file.relative_to(folder))] = content
    return files, notes


def _walk(folder: Path, ignored: list[str]) -> Iterator[Path]:
    """The files of a submission, links among them, in a fixed order; no link is followed."""
    for name, folders, files in os.walk(folder, onerror=_raise_fault):
        folders[:] = sorted(entry for entry in folders if not _is_ignored(entry, ignored))
        for entry in sorted(files):
            if not _is_ignored(entry, ignored):
                yield Path(name, entry)


def _raise_fault(error: OSError) -> None:
    if error.errno not in NO_FILES:
        raise error


def _is_ignored(name: str, ignored: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in ignored)


def submitted_at(folder: Path) -> datetime | None:
    """The time in a submission's timestamp.txt, None where there is none.

    Raises:
        IntakeError: it is no file, or no time.
        OSError: the machine cannot read it.
    """
    file = folder / "timestamp.txt"
    if not file.exists() and not file.is_symlink():
        return None
    remedy = "write it as 2025-05-13 23:59:00 UTC"
    text = read_regular(file, MAX_TIMESTAMP, remedy).decode("utf-8", "replace").strip()
    try:
        return parse_utc(text) if text else None
    except (ValueError, OverflowError) as error:
        raise IntakeError(f"{file}: is no time: {text[:50]!r}. Remedy: {remedy}") from error
