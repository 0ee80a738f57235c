"""`datasets.load(name)`: the data of the problem sets, as arrays.

A file comes from the folder that the environment variable `GRADESCENT_DATA` names, else from the course's `data/`
folder, else it is derived from MNIST as Keras downloads it, else it is a stand-in that says so.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

# The file and checksum are those of keras.datasets.mnist (Keras 3, keras/src/datasets/mnist.py).
MNIST_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
MNIST_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
DOWNLOAD_SECONDS = 20  # wait for a first answer of the server
TINY_SIZE = 2499  # examples a split of the original course's 14x14 MNIST
DAMAGED = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)  # what np.load raises
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


class DataError(Exception):
    """A data set cannot be read. The message names the file and the remedy."""


@dataclass(frozen=True)
class Dataset:
    """A data set in two splits.

    Attributes:
        x_train, x_test: float64, (examples, features); of "imdb" lists of int32 arrays, the tokens of each review.
        y_train, y_test: uint8 class numbers, (examples,).
        source: where it came from, a sentence.
        stand_in: True where it only takes the place of the real data.
        words: of "imdb", the word of token t is words[t - 1]; token 0 is no word.
        film_train: of "imdb", the number of the film that each training review is about, (examples,).
    """

    x_train: Any
    y_train: np.ndarray
    x_test: Any
    y_test: np.ndarray
    source: str
    stand_in: bool = False
    words: tuple[str, ...] = ()
    film_train: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint32))


def load(name: str) -> Dataset:
    """Load a data set by name.

    Args:
        name: "tiny_toy" (2 features, 2 classes), "tiny_mnist" (14x14 = 196 features in 0...0.8, 10 classes) or "imdb"
            (film reviews as token numbers, 2 classes).

    Returns:
        The arrays. A stand-in is announced on the screen.

    Raises:
        DataError: unknown name, or a file that cannot be read.

    Example:
        >>> toy = datasets.load("tiny_toy")
        >>> toy.x_train.shape
        (200, 2)
    """
    if name not in _MAKERS:
        raise DataError(f"there is no data set {name!r}. Those that exist: {', '.join(sorted(_MAKERS))}")
    file = _local_file(f"{name}.npz")
    dataset = _read(file) if file else _made(name)
    if dataset.stand_in:
        _announce(f"Note: {name} is a stand-in: {dataset.source}.")
    return replace(dataset, **{array: getattr(dataset, array).copy() for array in ARRAYS})


@cache
def _made(name: str) -> Dataset:
    """Made once a process: a download that failed is not tried again."""
    return _MAKERS[name]()


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


def save(dataset: Dataset, file: Path) -> None:
    """Write the arrays as the npz file that `load` reads."""
    arrays = {name: getattr(dataset, name) for name in ARRAYS}
    if dataset.words:
        for name in ("x_train", "x_test"):
            arrays[f"{name}_offsets"] = np.cumsum([0, *map(len, arrays[name])])
            arrays[name] = np.concatenate(arrays[name])
        arrays["words"] = np.frombuffer("\n".join(dataset.words).encode(), np.uint8)
        arrays["film_train"] = dataset.film_train
    with file.open("wb") as stream:
        np.savez_compressed(stream, **arrays, stand_in=np.array(dataset.stand_in))


def fingerprint(dataset: Dataset) -> str:
    """The first 16 digits of the SHA-256 of the inputs."""
    digest = hashlib.sha256()
    for x in (dataset.x_train, dataset.x_test):
        digest.update(np.concatenate(x).tobytes() if isinstance(x, list) else x.tobytes())
    return digest.hexdigest()[:16]


def training_view(dataset: Dataset) -> Dataset:
    """The data set as graded code sees it: four fifths of the training split, and the last fifth in the place of the test split."""
    order = np.random.default_rng(0).permutation(len(dataset.x_train))
    cut = len(order) * 4 // 5
    inner, outer = order[:cut], order[cut:]
    films = dataset.film_train[inner] if len(dataset.film_train) else dataset.film_train
    return replace(
        dataset,
        x_train=_rows(dataset.x_train, inner),
        y_train=dataset.y_train[inner],
        x_test=_rows(dataset.x_train, outer),
        y_test=dataset.y_train[outer],
        film_train=films,
    )


def _rows(x: Any, indices: np.ndarray) -> Any:
    return [x[i] for i in indices] if isinstance(x, list) else x[indices]


def _folders() -> list[Path]:
    given = os.environ.get("GRADESCENT_DATA")
    return ([Path(given)] if given else []) + [_course_data()]


def _course_data() -> Path:
    """`data/` of the course that the working folder belongs to, else the user's cache."""
    here = Path.cwd()
    for folder in [here, *here.parents]:
        if (folder / "course.toml").is_file():
            return folder / "data"
    import pooch

    return Path(pooch.os_cache("gradescent"))


def _local_file(name: str) -> Path | None:
    return next((folder / name for folder in _folders() if (folder / name).is_file()), None)


def _read(file: Path) -> Dataset:
    if file.name == "imdb.npz":
        return _read_reviews(file)
    x_train, y_train, x_test, y_test, *rest = _arrays(file, "stand_in")
    return Dataset(x_train, y_train, x_test, y_test, f"read from {file.name}", bool(rest and rest[0]))


def _arrays(file: Path, *optional: str) -> list[np.ndarray]:
    """The four arrays of an npz file, and those of the optional ones that it has."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return [arrays[name] for name in ARRAYS] + [arrays[name] for name in optional if name in arrays]
    except DAMAGED as error:
        raise DataError(
            f"{file}: not a readable data set ({error}). Remedy: delete the file, or fetch it again"
        ) from error


def _read_reviews(file: Path) -> Dataset:
    """Flat token numbers with the places where the reviews begin, and the vocabulary as text, one word a line."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            x_train, x_test = (
                np.split(arrays[name].astype(np.int32), arrays[f"{name}_offsets"][1:-1])
                for name in ("x_train", "x_test")
            )
            words = tuple(arrays["words"].tobytes().decode().split("\n"))
            y_train, y_test, films = arrays["y_train"], arrays["y_test"], arrays["film_train"]
            stand_in = "stand_in" in arrays and bool(arrays["stand_in"])
    except DAMAGED as error:
        raise DataError(
            f"{file}: not a readable data set ({error}). Remedy: delete the file, or fetch it again"
        ) from error
    return Dataset(x_train, y_train, x_test, y_test, f"read from {file.name}", stand_in, words, films)


def _imdb() -> Dataset:
    raise DataError("imdb: there is no imdb.npz. Remedy: set GRADESCENT_DATA to a folder that has it")


def _tiny_mnist() -> Dataset:
    try:
        file = _mnist_file()
    except Exception as error:  # whatever the network, the proxy or the disk does: the stand-in is there for that
        return _digits(f"MNIST could not be fetched ({type(error).__name__})")
    x_train, y_train, x_test, y_test = _arrays(file)
    source = "MNIST, averaged over 2x2 pixels"
    return Dataset(_shrink(x_train), y_train[:TINY_SIZE], _shrink(x_test), y_test[:TINY_SIZE], source)


def _mnist_file() -> Path:
    local = _local_file("mnist.npz")
    if local:
        return local
    import pooch

    folder = _course_data()
    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(progressbar=False, timeout=DOWNLOAD_SECONDS)
    print("Downloading MNIST (11 MB) ...")
    return Path(
        pooch.retrieve(MNIST_URL, f"sha256:{MNIST_SHA256}", fname="mnist.npz", path=folder, downloader=downloader)
    )


def _shrink(images: np.ndarray) -> np.ndarray:
    """28x28 uint8 images to the 14x14 form of the original course: averages, scaled to 0...0.8, one decimal."""
    small = images[:TINY_SIZE].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)) / 255
    return np.round(0.8 * small, 1).reshape(-1, 196)


def _digits(reason: str) -> Dataset:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError(
            f"tiny_mnist: {reason}, and scikit-learn, whose digits could stand in, is not installed. Remedy: switch the "
            f"internet on, set GRADESCENT_DATA to a folder with tiny_mnist.npz or mnist.npz, or install scikit-learn"
        ) from None
    digits = load_digits()
    # 8x8 pixels to 14x14 by linear interpolation along each axis.
    positions = np.linspace(0, 7, 14)
    low = np.minimum(positions.astype(int), 6)
    mix = np.zeros((14, 8))
    mix[np.arange(14), low] = 1 - (positions - low)
    mix[np.arange(14), low + 1] = positions - low
    images = np.round(0.8 * (mix @ digits.images @ mix.T) / 16, 1).reshape(-1, 196)
    labels = digits.target.astype("uint8")
    cut = 1200
    source = f"scikit-learn's 8x8 digits scaled to 14x14, because {reason}"
    return Dataset(images[:cut], labels[:cut], images[cut:], labels[cut:], source, stand_in=True)


def _tiny_toy() -> Dataset:
    rng = np.random.default_rng(1)
    splits = [_disc_and_ring(rng) for _ in range(2)]
    (x_train, y_train), (x_test, y_test) = splits
    source = "a disc inside a ring drawn at random, because tiny_toy.npz was not found"
    return Dataset(x_train, y_train, x_test, y_test, source, stand_in=True)


def _disc_and_ring(rng: np.random.Generator, size: int = 200) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(size, dtype="uint8") % 2
    radius = np.where(labels == 0, 0.4 * np.sqrt(rng.random(size)), rng.uniform(0.55, 0.9, size))
    angle = rng.uniform(0, 2 * np.pi, size)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), labels


_MAKERS: dict[str, Callable[[], Dataset]] = {"tiny_toy": _tiny_toy, "tiny_mnist": _tiny_mnist, "imdb": _imdb}
