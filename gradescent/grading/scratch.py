"""Temporary folders that do not stay: what a run that was killed left behind, the next one removes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import tempfile
from pathlib import Path

PREFIX = "gradescent-run-"


class Folder(tempfile.TemporaryDirectory):
    """A temporary folder in which students' code may leave what it likes."""

    def cleanup(self) -> None:
        remove(self.name)
        super().cleanup()


def remove(folder: str | Path) -> None:
    """Remove a folder, however deep its folders and whatever their modes. Python's own function calls itself for each level."""
    for command in (["rm", "-rf"], ["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
        if os.path.lexists(folder):
            subprocess.run([*command, "--", folder], stderr=subprocess.DEVNULL)


class Scratch(Folder):
    """A temporary folder that is locked while a process of its run lives, so that other runs know whose it is."""

    def __init__(self) -> None:
        remove_abandoned()
        super().__init__(prefix=PREFIX)
        self._handle: int | None = os.open(self.name, os.O_RDONLY)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def cleanup(self) -> None:
        super().cleanup()
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def remove_abandoned() -> None:
    """Remove this user's folders whose runs have ended without doing so."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, or removed meanwhile
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                _remove_unless_in_use(folder, handle)
            finally:
                os.close(handle)


def _remove_unless_in_use(folder: Path, handle: int) -> None:
    """An empty folder stays: it may just have been made, and not be locked yet.

    Raises:
        BlockingIOError: it is in use.
    """
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.fstat(handle).st_uid == os.getuid() and os.listdir(handle):
        remove(folder)
