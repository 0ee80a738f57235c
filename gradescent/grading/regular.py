"""Open a file that was handed in, which may be anything: no link is followed, and nothing blocks."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

NO_FILES = {  # errors of opening that are the submission's
    errno.ELOOP: "is a link",
    errno.ENXIO: "is not a regular file",
    errno.ENODEV: "is not a regular file",
    errno.ENAMETOOLONG: "lies too deep in folders",
}


class IntakeError(Exception):
    """What was handed in cannot be graded as it is. The message names the file and the remedy."""


class NotRegular(Exception):
    """What stands there is no regular file. The message says what it is."""


class TooLarge(Exception):
    """The file is larger than what is opened. The message says how large."""


def open_regular(file: Path, limit: int) -> int:
    """A descriptor of a file that was handed in.

    Args:
        file: which.
        limit: on its size, in bytes.

    Raises:
        NotRegular: it is a link, a folder, a pipe.
        TooLarge: it is larger.
        OSError: the machine cannot open it, which is no fault of the submission.
    """
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in NO_FILES:
            raise
        raise NotRegular(NO_FILES[error.errno]) from error
    status = os.fstat(handle)
    regular = stat.S_ISREG(status.st_mode)
    if regular and status.st_size <= limit:
        return handle
    os.close(handle)
    if not regular:
        raise NotRegular("is not a regular file")
    raise TooLarge(f"{_size(status.st_size)}, and at most {_size(limit)} are opened")


def read_regular(file: Path, limit: int, remedy: str) -> bytes:
    """What is in a file that was handed in.

    Args:
        file: which.
        limit: on its size, in bytes.
        remedy: for a larger one.

    Raises:
        IntakeError: it is no regular file, or is larger.
        OSError: the machine cannot read it, which is no fault of the submission.
    """
    try:
        handle = open_regular(file, limit)
    except NotRegular as error:
        raise IntakeError(f"{file}: {error}. Remedy: put the file itself there") from error
    except TooLarge as error:
        raise IntakeError(f"{file}: {error}. Remedy: {remedy}") from error
    try:
        with os.fdopen(handle, "rb") as stream:
            return stream.read(limit + 1)
    except OSError as error:  # that of a read names no file
        raise OSError(error.errno, error.strerror, str(file)) from error


def _size(count: int) -> str:
    return f"{count / (1 << 20):.0f} MB" if count >= 1 << 20 else f"{count} bytes"
