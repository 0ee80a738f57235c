"""`gradescent data`: where the data sets are, fetch them, and compare them with what is published."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from gradescent.student import datasets
from gradescent.student.datasets import DataError, places
from gradescent.student.datasets.fetch import MEGABYTE
from gradescent.student.datasets.manifest import Entry, entries

HEADINGS = ("data set", "where", "MB", "state")


class Verdict(Enum):
    """What is known about the files of a data set."""

    VERIFIED = "verified"
    UNVERIFIED = "not verifiable"
    WRONG = "WRONG"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """A data set on this machine: its files, and what is known about them."""

    name: str
    files: tuple[Path, ...]
    verdict: Verdict
    reason: str

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(file.stat().st_size for file in self.files)


def status(names: Sequence[str]) -> None:
    """Print a table: where each data set was found, its size, and whether it is what is published."""
    rows = [HEADINGS]
    for finding in map(examine, names or entries()):
        where = ", ".join(map(str, finding.files)) or "not here"
        size = f"{finding.size / MEGABYTE:.1f}" if finding.files else "-"
        rows.append((finding.name, where, size, f"{finding.verdict.value}: {finding.reason}"))
    name_width, where_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, where, size, state in rows:
        print(f"{name:{name_width}}  {where:{where_width}}  {size:>6}  {state}")
    print(f"\nLooked in {' and '.join(map(str, places.folders()))}.")


def fetch(names: Sequence[str]) -> bool:
    """Fetch what is not there, by default everything that has official files. Returns whether all is there now."""
    done = True
    for name in names or [entry.name for entry in entries().values() if entry.files]:
        try:
            _fetch(name)
        except DataError as error:
            print(f"! {error}", file=sys.stderr)
            done = False
    return done


def verify(names: Sequence[str]) -> bool:
    """Compute all digests again, by default of what is there. Returns whether nothing is wrong or missing."""
    findings = [examine(name) for name in names or entries()]
    if not names:
        findings = [finding for finding in findings if finding.verdict is not Verdict.MISSING]
    for finding in findings:
        print(f"{finding.name}: {finding.verdict.value}: {finding.reason}")
        for file in finding.files:
            print(f"    SHA-256 {places.sha256(file)}  {file}")
    if not findings:
        print(f"There is nothing in {' or '.join(map(str, places.folders()))}. `gradescent data fetch` gets the data.")
    return not any(finding.verdict in (Verdict.WRONG, Verdict.MISSING) for finding in findings)


def examine(name: str) -> Finding:
    """Find a data set, read it and compare it with the manifest."""
    entry = entries()[name]
    native, official = datasets.files_of(name), _official_files(entry)
    files = tuple(dict.fromkeys((*native, *official)))
    if not files:
        return Finding(name, (), Verdict.MISSING, f"when loaded: {entry.without}")
    try:
        return Finding(name, files, *_compared(entry, native, official))
    except DataError as error:
        return Finding(name, files, Verdict.WRONG, str(error))


def _compared(entry: Entry, native: tuple[Path, ...], official: tuple[Path, ...]) -> tuple[Verdict, str]:
    wrong = [path for path, file in zip(official, entry.files, strict=False) if places.sha256(path) != file.sha256]
    if wrong and (native != official or not entry.content):
        raise DataError(f"{wrong[0]}: not the published file. Remedy: delete it, and fetch it again")
    if native in ((), official) and not wrong:
        return Verdict.VERIFIED, "SHA-256 as published"
    dataset = datasets.read(native)
    if dataset.stand_in:
        return Verdict.UNVERIFIED, f"a stand-in: {dataset.source}"
    if not entry.content:
        return Verdict.UNVERIFIED, f"nobody publishes a checksum of this form ({dataset.source})"
    if dataset.digest() == entry.content:
        return Verdict.VERIFIED, "every array is the original one"
    raise DataError(f"{native[0]}: not the original arrays. Remedy: delete the file, or fetch it again")


def _official_files(entry: Entry) -> tuple[Path, ...]:
    """The official files, where all of them are there."""
    files = [places.local_file(file.name) for file in entry.files]
    return tuple(file for file in files if file) if all(files) else ()


def _fetch(name: str) -> None:
    if files := datasets.files_of(name):
        print(f"{name}: already there: {', '.join(map(str, files))}")
        return
    entry = entries()[name]
    if entry.files:
        size = sum(file.size for file in entry.files) / MEGABYTE
        print(f"{name}: {size:.1f} MB to {places.home()}, licence: {entry.licence}")
    print(f"{name}: ready: {datasets.load(name).source}")
