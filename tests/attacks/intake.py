"""Folders that were handed in, and files in them, that want to harm whoever opens them."""

from __future__ import annotations

import json
import os
import socket
import zipfile
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


def _zip(file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("../../../../evil.ipynb", "x")
        packed.writestr("bomb.ipynb", bytes(50 << 20))


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
    broken("a_zip", with_file(_zip), "no text in UTF-8"),
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
    Attack("a_zip_beside_it", hand_in=beside(lambda folder: _zip(folder / "more.zip"))),
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
