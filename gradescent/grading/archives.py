"""Zip archives, as learning platforms hand notebooks back: read in memory, never unpacked to the disk.

Nothing in an archive is believed: neither its list of members, nor their names, kinds and sizes.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from gradescent.grading.regular import IntakeError, NotRegular, TooLarge, open_regular

MAX_MEMBERS = 1000
MAX_READ = 1 << 20  # bytes at once; zipfile reads the list of members at once
BLOCK = 1 << 16
HEADER = 30  # bytes before a member, and its name
NOTEBOOKS = 10  # an archive may have the size of so many notebooks, packed and unpacked
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")
DRIVE = re.compile(r"[A-Za-z]:")
ASK = "Remedy: ask the student for the .ipynb file itself"

Reader = Callable[[], str]


class _Careful(io.BufferedReader):
    """A file of which nobody reads much at once, whatever an archive says of itself, and that remembers a failing disk."""

    def __init__(self, handle: int, file: Path):
        super().__init__(io.FileIO(handle))
        self.file = file
        self._fault: OSError | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_READ:
            raise IntakeError(f"has more than {MAX_MEMBERS} files in it, or says so")
        try:
            return super().read(MAX_READ if size is None or size < 0 else size)
        except OSError as error:  # which zipfile may take for a sign that this is no archive
            self._fault = error
            raise

    def raise_fault(self) -> None:
        """Raise what the disk did: it is no fault of the archive."""
        if self._fault:
            raise OSError(self._fault.errno, self._fault.strerror, str(self.file)) from self._fault


def notebooks(file: Path, limit: int, notes: list[str]) -> Iterator[tuple[Path, Reader]]:
    """The notebooks in a zip archive, each with what reads it while the archive is open.

    Args:
        file: the archive.
        limit: on the size of a notebook, in bytes.
        notes: gets what was left out.

    Returns:
        Of each notebook the archive's path with the member's behind it, and a function that returns its text; that one, too,
        raises IntakeError.

    Raises:
        IntakeError: nothing of the archive can be read.
        OSError: the machine cannot read it, which is no fault of the submission.
    """
    with _opened(file, NOTEBOOKS * limit) as stream:
        archive, members = _listed(stream)
        chosen = [member for member in members if _name(member).lower().endswith(".ipynb")]
        if sum(member.file_size for member in chosen) > NOTEBOOKS * limit:
            raise IntakeError(f"{file}: its notebooks unpack to more than {NOTEBOOKS * limit >> 20} MB. {ASK}")
        notes += [
            f"{file}: the archive {_name(member)!r} in it was not opened"
            for member in members
            if _name(member).lower().endswith(ARCHIVES)
        ]
        if not chosen:
            notes.append(f"{file}: there is no notebook in it")
        names = [_name(member) for member in chosen]
        for member, name in zip(chosen, names, strict=True):
            twice = "stands twice in it" if names.count(name) > 1 else ""
            yield file / _harmless(name), partial(_text, archive, member, stream, limit, twice)


def _opened(file: Path, limit: int) -> _Careful:
    try:
        return _Careful(open_regular(file, limit), file)
    except NotRegular as error:
        raise IntakeError(f"{file}: {error}. Remedy: put the archive itself there") from error
    except TooLarge as error:
        raise IntakeError(f"{file}: {error}. {ASK}") from error


def _listed(stream: _Careful) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """The archive, and its members but for folders and what systems put there for themselves."""
    try:
        archive = zipfile.ZipFile(stream)
    except IntakeError as error:
        raise IntakeError(f"{stream.file}: {error}. {ASK}") from error
    except Exception as error:  # zipfile raises whatever a broken archive makes it raise
        stream.raise_fault()
        raise IntakeError(f"{stream.file}: a broken zip archive ({error}). {ASK}") from error
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise IntakeError(f"{stream.file}: has more than {MAX_MEMBERS} files in it. {ASK}")
    in_order = sorted(members, key=lambda member: member.header_offset)
    ends = [member.header_offset + HEADER + member.compress_size for member in in_order]
    if any(end > following.header_offset for end, following in zip(ends, in_order[1:], strict=False)):
        raise IntakeError(f"{stream.file}: a zip archive whose files overlap. {ASK}")
    return archive, [member for member in members if not (member.is_dir() or _is_systems(_name(member)))]


def _name(member: zipfile.ZipInfo) -> str:
    return member.orig_filename.replace("\\", "/")  # as some programs for Windows write it


def _is_systems(name: str) -> bool:
    return any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _harmless(name: str) -> Path:
    """A name that leads nowhere. It is shown, and never opened."""
    return Path(*(part for part in PurePosixPath(name.replace("\0", "")).parts if part not in ("/", "//", "..")))


def _text(archive: zipfile.ZipFile, member: zipfile.ZipInfo, stream: _Careful, limit: int, twice: str) -> str:
    place = f"{stream.file}: the member {_name(member)!r}"
    problem = twice or _problem(member, limit)
    if problem:
        raise IntakeError(f"{place} {problem}. {ASK}")
    try:
        return _content(archive, member).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise IntakeError(f"{place} is not a notebook, it is no text in UTF-8. {ASK}") from error
    except Exception as error:  # zipfile raises whatever a broken archive makes it raise
        stream.raise_fault()
        raise IntakeError(f"{place} is broken ({error}). {ASK}") from error


def _problem(member: zipfile.ZipInfo, limit: int) -> str:
    """Why a member is not read, empty when it is."""
    name, kind = _name(member), stat.S_IFMT(member.external_attr >> 16)
    if name.startswith("/") or ".." in name.split("/") or DRIVE.match(name) or not name.isprintable():
        return "has a name that leads elsewhere, or that cannot be shown"
    if kind not in (0, stat.S_IFREG):
        return "is a link, or no regular file"
    if member.flag_bits & 0x1:
        return "is encrypted"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed in a way that is not read here"
    if member.file_size > limit:
        return f"has {member.file_size >> 20} MB, and at most {limit >> 20} MB are opened"
    return ""


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member's bytes, no more than it says that it has."""
    content = bytearray()
    with archive.open(member) as stream:
        while block := stream.read(BLOCK):
            content += block
            if len(content) > member.file_size:
                raise zipfile.BadZipFile("it is larger than it says")
    return bytes(content)
