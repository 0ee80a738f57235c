"""Folders that were handed in, and files in them, that want to harm whoever opens them."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import nbformat
from conftest import ASSIGNMENT, NETWORK
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from attacks.attack import FULL, NO_POINTS, Attack

MISSING = dict.fromkeys(FULL, "missing")
DEEP = ["-" * 90_000 + "1", "(" * 90_000, "[" * 90_000, "not " * 24_000 + "1", "lambda:" * 14_000 + "1"]
DEEP += ["f'{" * 30_000, "a" + ".b" * 49_000, "+".join(["x"] * 49_000), "x = " * 24_000 + "1", "if 1:\n " * 10_000]
DEEP += [
    "".join(" " * n + "if 1:\n" for n in range(99)),
    "\\\n" * 49_000,
    "\x0c" * 90_000,
    "1" * 90_000,
    "0x" + "f" * 90_000,
]


def broken(name: str, hand_in: Callable[[Path, NotebookNode], object], problem: str, **more: object) -> Attack:
    """A submission that cannot be read: no points, and a person looks."""
    settings = {"scores": NO_POINTS, "outcomes": MISSING, **more}
    return Attack(name, hand_in=hand_in, problem=problem, **settings)  # type: ignore[arg-type]


def with_file(make: Callable[[Path], object]) -> Callable[[Path, NotebookNode], None]:
    """Something in the notebook's place."""
    return lambda folder, notebook: make(folder / f"{NETWORK}.ipynb") and None


def beside(make: Callable[[Path], object]) -> Callable[[Path, NotebookNode], None]:
    """A right notebook, and something beside it."""

    def hand_in(folder: Path, notebook: NotebookNode) -> None:
        nbformat.write(notebook, folder / f"{NETWORK}.ipynb")
        make(folder)

    return hand_in


def edited(edit: Callable[[dict], object]) -> Callable[[Path, NotebookNode], None]:
    """A right notebook whose JSON was edited."""

    def hand_in(folder: Path, notebook: NotebookNode) -> None:
        content = json.loads(nbformat.writes(notebook))
        edit(content)
        (folder / f"{NETWORK}.ipynb").write_text(json.dumps(content))

    return hand_in


def with_cells(*cells: NotebookNode) -> Callable[[Path, NotebookNode], None]:
    """A right notebook with more cells at its end."""

    def hand_in(folder: Path, notebook: NotebookNode) -> None:
        notebook.cells += cells
        nbformat.write(notebook, folder / f"{NETWORK}.ipynb")

    return hand_in


def _socket(file: Path) -> None:
    here = Path.cwd()
    os.chdir(file.parent)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(file.name)
    os.chdir(here)


def _sparse(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(1 << 40)


def _course(folder: Path) -> Path:
    return folder.parents[2]


def _nested(folder: Path) -> None:
    for _ in range(300):
        folder = folder / "d"
        folder.mkdir()


def _many(folder: Path) -> None:
    for number in range(3000):
        (folder / f"{number}.ipynb").symlink_to("/etc/passwd")


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes | str]) -> bytes:
    """A zip archive with these members, whatever they are called."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that stands twice
        for member, content in members:
            packed.writestr(member, content)
    return made.getvalue()


def packed(name: str, make: Callable[[bytes], bytes], problem: str, **more: object) -> Attack:
    """A right notebook in an archive that is not to be read."""

    def hand_in(folder: Path, notebook: NotebookNode) -> None:
        (folder / "handin.zip").write_bytes(make(nbformat.writes(notebook).encode()))

    return broken(name, hand_in, problem, **more)


def _patched(archive: bytes, place: int, value: bytes) -> bytes:
    """An archive of one member with other bytes in its entry of the list, and at the same place of its own header."""
    changed = bytearray(archive)
    listed, header = archive.rindex(b"PK\x01\x02") + place, place - 2
    changed[listed : listed + len(value)] = changed[header : header + len(value)] = value
    return bytes(changed)


def _link(content: bytes) -> bytes:
    member = zipfile.ZipInfo(f"{NETWORK}.ipynb")
    member.external_attr = 0o120777 << 16
    return zipped((member, "/etc/passwd"))


def _overlapping(content: bytes) -> bytes:
    """Two members whose bytes are the same."""
    archive = zipped((f"{NETWORK}.ipynb", content), ("zz.ipynb", content))
    second = archive.rindex(b"PK\x01\x02")
    return archive[: second + 42] + struct.pack("<I", 0) + archive[second + 46 :]


def _bomb(content: bytes) -> bytes:
    """64 MB that say of themselves that they are small."""
    deflated = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"".join(deflated.compress(bytes(1 << 20)) for _ in range(64)) + deflated.flush()
    archive = zipped((f"{NETWORK}.ipynb", b""))
    start, listed = 30 + len(f"{NETWORK}.ipynb"), archive.index(b"PK\x01\x02")
    sizes = struct.pack("<II", len(data), 1000)
    changed = _patched(archive, 20, sizes)
    end = bytearray(changed[listed:])
    end[-6:-2] = struct.pack("<I", start + len(data))  # where the list begins
    return changed[:start] + data + bytes(end)


def _many_members(content: bytes) -> bytes:
    """An archive with a list of a hundred thousand members."""
    archive = zipped(("x", b""))
    listed = archive.index(b"PK\x01\x02")
    entries, end = archive[listed:-22] * 100_000, bytearray(archive[-22:])
    end[12:16] = struct.pack("<I", len(entries))
    return archive[:listed] + entries + bytes(end)


def _large(content: bytes) -> bytes:
    return zipped((f"{NETWORK}.ipynb", bytes(50 << 20)))


def _names(folder: Path) -> None:
    for name in (
        "a\nb.ipynb",
        "\x1b[2J.ipynb",
        "-rf.ipynb",
        "$(touch x).ipynb",
        os.fsdecode(b"\xff\xfe.ipynb"),
        "x" * 240 + ".ipynb",
    ):
        (folder / name).write_text("{")


ATTACKS = [
    broken(
        "a_link_to_the_neighbour",
        with_file(lambda f: f.symlink_to(_course(f.parent) / "submitted/ada" / ASSIGNMENT / f.name)),
        "is a link",
    ),
    broken("a_link_to_the_token", with_file(lambda f: f.symlink_to(_course(f.parent) / "token.txt")), "is a link"),
    broken(
        "a_hard_link_to_the_token",
        with_file(lambda f: f.hardlink_to(_course(f.parent) / "token.txt")),
        "its JSON breaks",
    ),
    broken("a_pipe", with_file(os.mkfifo), "is not a regular file"),
    broken("a_socket", with_file(_socket), "is not a regular file"),
    broken("a_file_of_a_terabyte", with_file(_sparse), "20 MB are opened"),
    broken("a_zip", with_file(lambda f: f.write_bytes(_large(b""))), "no text in UTF-8"),
    packed("a_zip_of_megabytes", _large, f"the member '{NETWORK}.ipynb' has 50 MB, and at most 20 MB are opened"),
    packed("a_zip_that_is_a_bomb", _bomb, f"the member '{NETWORK}.ipynb' is broken"),
    packed(
        "a_zip_of_many_megabytes",
        lambda c: zipped(*((f"{n}.ipynb", bytes(15 << 20)) for n in range(14))),
        "unpack to more",
    ),
    packed("a_zip_with_a_link", _link, f"the member '{NETWORK}.ipynb' is a link"),
    packed(
        "a_zip_that_leads_upwards", lambda c: zipped((f"../../ada/{NETWORK}.ipynb", c)), "a name that leads elsewhere"
    ),
    packed("a_zip_from_the_root", lambda c: zipped((f"/tmp/{NETWORK}.ipynb", c)), "a name that leads elsewhere"),
    packed("a_zip_from_a_drive", lambda c: zipped((f"C:\\{NETWORK}.ipynb", c)), "a name that leads elsewhere"),
    packed("a_zip_with_control_characters", lambda c: zipped((f"\x1b[2J{NETWORK}.ipynb", c)), "'\\x1b[2J"),
    packed(
        "a_zip_whose_name_is_no_text",
        lambda c: _patched(zipped(("ü.ipynb", c)), 46, b"\xff\xfe"),
        "a broken zip archive",
    ),
    packed("an_encrypted_zip", lambda c: _patched(zipped((f"{NETWORK}.ipynb", c)), 8, b"\x01"), "is encrypted"),
    packed("a_zip_of_an_odd_kind", lambda c: _patched(zipped((f"{NETWORK}.ipynb", c)), 10, b"\x0e"), "packed in a way"),
    packed("a_zip_that_overlaps", _overlapping, "whose files overlap"),
    packed("a_zip_with_a_name_twice", lambda c: zipped(*[(f"{NETWORK}.ipynb", c)] * 2), "stands twice in it"),
    packed(
        "a_zip_with_damaged_bytes",
        lambda c: _patched(zipped((f"{NETWORK}.ipynb", c)), 16, b"\0\0\0\0"),
        "is broken (Bad CRC",
    ),
    packed("a_zip_cut_short", lambda c: zipped((f"{NETWORK}.ipynb", c))[:-100], "a broken zip archive"),
    packed("a_zip_that_is_none", lambda c: c, "a broken zip archive"),
    packed(
        "a_zip_of_a_hundred_thousand",
        _many_members,
        "more than 1000 files",
    ),
    packed("a_zip_of_two_thousand", lambda c: zipped(*((f"{n}", b"") for n in range(2_000))), "more than 1000 files"),
    broken(
        "a_zip_that_is_a_link",
        lambda f, n: (f / "x.zip").symlink_to(_course(f) / "token.txt"),
        "is a link. Remedy: put the archive itself there",
    ),
    broken(
        "a_zip_that_is_a_folder",
        lambda f, n: (f / "x.zip").mkdir(),
        "is not a regular file. Remedy: put the archive itself there",
    ),
    broken(
        "a_zip_that_is_a_pipe",
        lambda f, n: os.mkfifo(f / "x.zip"),
        "is not a regular file. Remedy: put the archive itself there",
    ),
    broken("a_zip_of_a_terabyte", lambda f, n: _sparse(f / "x.zip"), "and at most 200 MB are opened"),
    Attack("a_zip_in_a_zip", hand_in=beside(lambda f: (f / "x.zip").write_bytes(zipped(("y.zip", _large(b"")))))),
    broken(
        "a_deep_notebook",
        with_file(lambda f: f.write_text('{"nbformat": 4, "cells": ' + "[" * 10**6)),
        "its JSON breaks",
    ),
    broken(
        "a_number_of_many_digits",
        with_file(lambda f: f.write_text('{"nbformat": ' + "9" * 10**5 + "}")),
        "its JSON breaks",
    ),
    broken("thousands_of_cells", edited(lambda c: c["cells"].extend([c["cells"][0]] * 5000)), "more than 1000"),
    Attack(
        "a_device",
        hand_in=with_file(lambda f: f.symlink_to("/dev/zero")),
        problem="is a link",
        scores=NO_POINTS,
        outcomes=MISSING,
    ),
    Attack("deep_folders", hand_in=beside(_nested)),
    Attack("links_beside_it", hand_in=beside(lambda folder: (folder / "all").symlink_to("/")), shows=()),
    Attack(
        "a_zip_beside_it",
        hand_in=beside(lambda folder: (folder / "more.zip").write_bytes(_large(b""))),
        problem="has 50 MB",
    ),
    Attack(
        "dozens_of_zips",
        hand_in=beside(lambda folder: [(folder / f"{n}.zip").write_bytes(zipped(("x.png", b""))) for n in range(50)]),
    ),
    Attack(
        "names_that_hurt",
        hand_in=beside(_names),
        problem="its JSON breaks",
    ),
    broken("thousands_of_links", beside(_many), "is a link"),
    Attack(
        "code_that_no_parser_likes", hand_in=with_cells(*map(new_code_cell, DEEP)), limits={"submission_seconds": 60}
    ),
    Attack("a_cell_of_megabytes", hand_in=with_cells(new_code_cell("a=0\n" * 50_000)), limits={"cell_seconds": 20}),
    Attack(
        "the_same_cell_a_thousand_times",
        hand_in=with_cells(
            *(
                new_markdown_cell(f"{n} " + "The product in step 3 already sums over the examples " * 40)
                for n in range(900)
            )
        ),
    ),
    Attack(
        "metadata_of_any_kind",
        hand_in=edited(
            lambda c: [
                cell.update(metadata={"nbgrader": [1], "gradescent": "x", "tags": {"a": 1}, "collapsed": float("inf")})
                for cell in c["cells"]
            ]
        ),
    ),
    Attack("a_name_like_a_formula", student="=HYPERLINK(A1)", shows=()),
    Attack("a_name_like_a_pattern", student="[a-z]*{eve,ada}"),
    Attack("a_name_like_an_option", student="--force"),
    Attack("a_name_like_markup", student="<script>alert(1)<"),
    Attack(
        "a_name_with_control_characters",
        student="eve\x1b[2J\n! ada: 0",
        fault=True,
        problem="cannot be a student's name",
        scores=dict.fromkeys(FULL),
        outcomes=dict.fromkeys(FULL, "to be graded by a person"),
    ),
]
