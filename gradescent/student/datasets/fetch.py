"""Download official files: verified, and resumed where a download was cut off."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from gradescent.student.datasets import places
from gradescent.student.datasets.dataset import DataError
from gradescent.student.datasets.manifest import Entry, OfficialFile

WAIT_SECONDS = 20  # for an answer of the server, and for the next piece
PIECE = 1 << 14  # bytes that are written at a time, and lost at most where a connection breaks
BAR = 24  # characters
MEGABYTE = 1e6

Report = Callable[[int, int], None]  # bytes that are there, bytes in all


def official_files(entry: Entry) -> list[Path]:
    """The verified official files of a data set: those that lie in a folder, the others fetched.

    Raises:
        DataError: a file is neither there nor to be had, or is not the one that is published.
    """
    return [_local(file) or fetch(file, entry.name) for file in entry.files]


def fetch(file: OfficialFile, name: str) -> Path:
    """Download a file into the home folder, from the first address that gives what is published.

    Args:
        file: which.
        name: the data set that it belongs to.

    Raises:
        DataError: no address does. What came before a download broke off is kept for the next try.
    """
    import requests

    folder = places.home()
    part = folder / f"{file.name}.part"
    # What is left of an earlier try may belong to another file: then once more from the start.
    addresses = [file.addresses[0]] * part.is_file() + list(file.addresses)
    reasons: dict[str, None] = {}
    for address in addresses:
        try:
            with Bar(file.name) as report:
                return _retrieve(file, address, part, report)
        except (requests.RequestException, ValueError, OSError) as error:
            reasons[f"{address}: {_said(error)}"] = None
    raise DataError(
        f"{name}: {file.name} could not be fetched.\n  " + "\n  ".join(reasons) + f"\nLooked before in "
        f"{' and '.join(map(str, places.folders()))}. Remedy: switch the internet on (Kaggle: Settings → Turn on internet) and try "
        f"again, which goes on where it broke off; or download the file elsewhere and put it into {folder}, or into a "
        f"folder that {places.VARIABLE} names"
    )


def check_official(path: Path, file: OfficialFile) -> None:
    """Compare a file with what is published.

    Raises:
        DataError: it is another.
    """
    got = places.sha256(path)
    if got != file.sha256:
        raise DataError(
            f"{path}: not the published file: its SHA-256 is {got}, and {file.checksum_from} says {file.sha256}. "
            f"Remedy: delete it, and `gradescent data fetch` gets it again"
        )


def _local(file: OfficialFile) -> Path | None:
    for folder in places.folders():
        path = folder / file.name
        if path.is_file():
            check_official(path, file)
            return path
    return None


def _retrieve(file: OfficialFile, address: str, part: Path, report: Report) -> Path:
    """Download to the part file, and have pooch verify it and put it in its place."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    downloader = partial(_download, size=file.size, part=part, report=report)
    return Path(
        pooch.retrieve(address, f"sha256:{file.sha256}", fname=file.name, path=part.parent, downloader=downloader)
    )


def _download(address: str, output: str, _pooch: Any, size: int, part: Path, report: Report) -> None:
    """Fill the part file, try after try as long as each brings something, and move it to where pooch wants it."""
    import requests

    while (before := _size(part)) < size:
        try:
            _append(address, part, size, report)
        except requests.RequestException:
            if _size(part) <= before:
                raise
        if _size(part) <= before:
            raise ValueError(f"the server ended at {_size(part):,} of {size:,} bytes")
    part.replace(output)


def _append(address: str, part: Path, size: int, report: Report) -> None:
    """Ask for what is missing. A server that starts again from the first byte is welcome, too."""
    import requests

    there = _size(part)
    headers = {"Range": f"bytes={there}-"} if there else {}
    headers["Accept-Encoding"] = "identity"  # the bytes as they are, so that they can be counted
    with requests.get(address, headers=headers, stream=True, timeout=WAIT_SECONDS) as answer:
        answer.raise_for_status()
        goes_on = answer.status_code == requests.codes.partial_content
        there = there if goes_on else 0
        with part.open("ab" if goes_on else "wb") as stream:
            for piece in answer.iter_content(PIECE):
                there += stream.write(piece)
                if there > size:
                    break
                report(there, size)
    if there > size:
        part.unlink()
        raise ValueError(f"the server sends more than the {size:,} bytes that are published")


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _said(error: Exception) -> str:
    """A reason that a student understands."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {WAIT_SECONDS} seconds"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return str(error)


class Bar:
    """How far a download is, on a terminal and in a notebook; elsewhere nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.shown = -1
        self.visible = sys.stdout.isatty() or "ipykernel" in sys.modules

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.shown >= 0:
            print()

    def __call__(self, there: int, size: int) -> None:
        """Draw the bar again where it has grown by a percent."""
        percent = 100 * there // size
        if not self.visible or percent == self.shown:
            return
        self.shown = percent
        filled = "█" * (BAR * percent // 100)
        text = f"{there / MEGABYTE:.1f} of {size / MEGABYTE:.1f} MB"
        print(f"\r{self.name} {filled:░<{BAR}} {percent:3} % {text}", end="", flush=True)
