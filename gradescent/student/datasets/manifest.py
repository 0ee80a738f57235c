"""What manifest.toml says about each data set."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = Path(__file__).with_name("manifest.toml")


@dataclass(frozen=True)
class OfficialFile:
    """A file as its authors, or Keras, publish it.

    Attributes:
        name: what it is called on the disk.
        addresses: where it can be fetched, the preferred place first.
        size: bytes.
        sha256: its SHA-256, 64 hexadecimal digits.
        checksum_from: who publishes the checksum.
    """

    name: str
    addresses: tuple[str, ...]
    size: int
    sha256: str
    checksum_from: str


@dataclass(frozen=True)
class Entry:
    """A data set.

    Attributes:
        title: what it is.
        examples: shapes and dtypes.
        licence, citation: whose it is.
        without: what `load` does where there is no file.
        content: `Dataset.digest()` of the original arrays, "" where it is not known.
        files: the official files, none for what is derived or drawn.
    """

    name: str
    title: str
    examples: str
    licence: str
    citation: str
    without: str
    content: str = ""
    files: tuple[OfficialFile, ...] = ()


@cache
def entries() -> dict[str, Entry]:
    """Every data set, by name."""
    return {name: _entry(name, table) for name, table in tomllib.loads(FILE.read_text(encoding="utf-8")).items()}


def _entry(name: str, table: dict[str, Any]) -> Entry:
    files = tuple(OfficialFile(**{**file, "addresses": tuple(file["addresses"])}) for file in table.pop("files", []))
    return Entry(name=name, **table, files=files)
