"""`datasets.load(name)`: the data of the problem sets, as arrays.

A file comes from the folder that the environment variable `GRADESCENT_DATA` names, else from the course's `data/`
folder, else it is derived from MNIST as Keras downloads it, else it is a stand-in that says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from gradescent.student.datasets.dataset import DataError, Dataset, read_csv, read_npz, save, training_view

__all__ = ["DataError", "Dataset", "columns", "load", "save", "training_view"]

# The file and checksum are those of keras.datasets.mnist (Keras 3, keras/src/datasets/mnist.py).
MNIST_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
MNIST_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
DOWNLOAD_SECONDS = 20  # wait for a first answer of the server
TINY_SIZE = 2499  # examples a split of the original course's 14x14 MNIST


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
        DataError: unknown name, or a file that cannot be read.

    Example:
        >>> toy = datasets.load("tiny_toy")
        >>> toy.x_train.shape
        (200, 2)
    """
    if name not in NAMES:
        raise DataError(f"there is no data set {name!r}. Those that exist: {', '.join(NAMES)}")
    dataset = _found(name) or _made(name)
    if dataset.stand_in:
        _announce(f"Note: {name} is a stand-in: {dataset.source}.")
    return dataset.copy()


def _found(name: str) -> Dataset | None:
    """The data set in the first folder that has it: NAME.npz, or NAME_train.csv and NAME_test.csv."""
    for folder in _folders():
        npz, train, test = (folder / file for file in (f"{name}.npz", f"{name}_train.csv", f"{name}_test.csv"))
        if npz.is_file():
            return _read(npz)
        if train.is_file() and test.is_file():
            return _read(train, test)
    return None


def _read(*files: Path) -> Dataset:
    return _read_once(files, tuple(_stamp(file) for file in files))


@lru_cache(maxsize=2)
def _read_once(files: tuple[Path, ...], stamps: tuple[tuple[int, int], ...]) -> Dataset:
    """A file is read again only when it has changed; the stamps are there for the cache."""
    return read_csv(*files) if len(files) == 2 else read_npz(*files)


def _stamp(file: Path) -> tuple[int, int]:
    state = file.stat()
    return state.st_mtime_ns, state.st_size


@cache
def _made(name: str) -> Dataset:
    """Made once a process: a download that failed is not tried again."""
    if name not in _MAKERS:
        raise DataError(
            f"{name}: no file {name}.npz in {' or '.join(map(str, _folders()))}. Remedy: set GRADESCENT_DATA to a folder that "
            f"has it"
        )
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


def _tiny_mnist() -> Dataset:
    try:
        file = _mnist_file()
    except Exception as error:  # whatever the network, the proxy or the disk does: the stand-in is there for that
        return _digits(f"MNIST could not be fetched ({type(error).__name__})")
    mnist = _read(file)
    return Dataset(
        _shrink(mnist.x_train),
        mnist.y_train[:TINY_SIZE],
        _shrink(mnist.x_test),
        mnist.y_test[:TINY_SIZE],
        "MNIST, averaged over 2x2 pixels",
    )


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


NAMES = ("tiny_toy", "tiny_mnist", "mnist", "fashion_mnist", "cifar10", "imdb", "dbpedia")
_MAKERS: dict[str, Callable[[], Dataset]] = {"tiny_toy": _tiny_toy, "tiny_mnist": _tiny_mnist}
