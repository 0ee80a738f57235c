"""`datasets.load(name)`: the data of the problem sets, as arrays, token ids or texts.

A file comes from the folder that the environment variable `GRADESCENT_DATA` names, else from the course's `data/`
folder (without a course: the user's cache), else the official files of manifest.toml are downloaded there, verified and,
where they are slow to read, kept as npz. The two tiny sets have stand-ins that say so.
"""

from __future__ import annotations

import contextlib
import os
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from gradescent.student.datasets import places, tiny
from gradescent.student.datasets.dataset import DataError, Dataset, read_csv, read_npz, save, training_view
from gradescent.student.datasets.fetch import official_files
from gradescent.student.datasets.manifest import entries
from gradescent.student.datasets.official import read_official

__all__ = ["DataError", "Dataset", "columns", "files_of", "load", "read", "save", "training_view"]


def load(name: str) -> Dataset:
    """Load a data set by name.

    Args:
        name: one of these.
            "tiny_toy": float64 (m, 2); 2 classes.
            "tiny_mnist": float64 (m, 196), 14x14 pixels in 0...0.8; 10 classes.
            "mnist", "fashion_mnist": uint8 (m, 28, 28), 0...255; 10 classes.
            "cifar10": uint8 (m, 32, 32, 3), red, green and blue in 0...255; 10 `classes`.
            "imdb": lists of int32 arrays, the token ids of a review each; `words`, `film_train`, `film_test`; y 1 = liked it.
            "dbpedia": lists of str, one paragraph each; y in 1...14.

    Returns:
        The two splits, in memory of their own: what a caller changes does not come back with the next load. A stand-in is
        announced on the screen.

    Raises:
        DataError: unknown name, a file that cannot be read, or neither a file nor a network.

    Example:
        >>> toy = datasets.load("tiny_toy")
        >>> toy.x_train.shape
        (200, 2)
    """
    if name not in entries():
        raise DataError(f"there is no data set {name!r}. Those that exist: {', '.join(entries())}")
    files = files_of(name)
    dataset = read(files) if files else _made(name)
    if dataset.stand_in:
        _announce(f"Note: {name} is a stand-in: {dataset.source}.")
    return dataset.copy()


def files_of(name: str) -> tuple[Path, ...]:
    """The files that `load` reads, from the first folder that has them: NAME.npz, or NAME_train.csv and NAME_test.csv."""
    for folder in places.folders():
        npz, *texts = (folder / file for file in (f"{name}.npz", f"{name}_train.csv", f"{name}_test.csv"))
        if npz.is_file():
            return (npz,)
        if all(file.is_file() for file in texts):
            return tuple(texts)
    return ()


def read(files: tuple[Path, ...]) -> Dataset:
    """Read the files that `files_of` names; again only when they have changed. The arrays are shared: copy before a change."""
    return _read(files, tuple((file.stat().st_mtime_ns, file.stat().st_size) for file in files))


@lru_cache(maxsize=2)
def _read(files: tuple[Path, ...], stamps: tuple[tuple[int, int], ...]) -> Dataset:
    """The stamps are there for the cache."""
    return read_csv(*files) if len(files) == 2 else read_npz(*files)


def _made(name: str) -> Dataset:
    return _tiny(name) if name.startswith("tiny_") else _official(name)


@cache
def _tiny(name: str) -> Dataset:
    """Made once a process: a download that failed is not tried again."""
    return tiny.tiny_toy() if name == "tiny_toy" else tiny.tiny_mnist(lambda: load("mnist"))


def _official(name: str) -> Dataset:
    """Read the official files, and keep the result where `load` finds it the next time."""
    files = official_files(entries()[name])
    dataset = read_official(name, files)
    kept = places.home() / f"{name}.npz"
    if kept not in files:
        with contextlib.suppress(OSError):  # a full or read-only disk: then they are read again the next time
            _keep(dataset, kept)
    return dataset


def _keep(dataset: Dataset, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        save(dataset, half)
        half.replace(file)
    finally:
        half.unlink(missing_ok=True)


@cache
def _announce(note: str) -> None:
    """Print each note once a process."""
    print(note)


def columns(x: np.ndarray, y: np.ndarray, classes: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Turn arrays into the list of column pairs that `Network.SGD_train` and `evaluate` take.

    Args:
        x: (m, n) features, one example a row.
        y: (m,) class numbers.
        classes: length of the one-hot columns.

    Returns:
        m pairs (x column (n, 1), one-hot column (classes, 1)), float64.

    Example:
        >>> pairs = datasets.columns(toy.x_train, toy.y_train, 2)
        >>> pairs[0][0].shape, pairs[0][1].shape
        ((2, 1), (2, 1))
    """
    one_hot = np.eye(classes)[np.asarray(y, dtype=int)]
    return [
        (row.reshape(-1, 1), target.reshape(-1, 1))
        for row, target in zip(np.asarray(x, dtype=float), one_hot, strict=True)
    ]
