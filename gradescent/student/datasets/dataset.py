"""A data set in memory, what graded code sees of it, and the file that holds it."""

from __future__ import annotations

import csv
import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

# What np.load and what follows it raise on a file that is cut off, overwritten or no npz file.
DAMAGED = (OSError, EOFError, ValueError, KeyError, IndexError, zipfile.BadZipFile, zlib.error, UnicodeDecodeError)
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


class DataError(Exception):
    """A data set cannot be read. The message names the file and the remedy."""


def _no_films() -> np.ndarray:
    return np.empty(0, "uint32")


@dataclass(frozen=True)
class Dataset:
    """A data set in two splits.

    Attributes:
        x_train, x_test: the examples. An array, the first axis of which counts them; or for reviews a list of int32
            arrays of token ids, for texts a list of str.
        y_train, y_test: uint8 class numbers, (examples,).
        source: where it came from, a sentence.
        stand_in: True where it only takes the place of the real data.
        classes: names of the classes in the order of their numbers, where the data set has names.
        words: the vocabulary of token ids: id i is words[i - 1], the most frequent word first; 0 is free for padding.
        film_train, film_test: uint32, (examples,): the film that each review is about. Reviews of one film resemble
            each other, so that a fair validation split holds out films.
    """

    x_train: Any
    y_train: np.ndarray
    x_test: Any
    y_test: np.ndarray
    source: str
    stand_in: bool = False
    classes: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    film_train: np.ndarray = field(default_factory=_no_films)
    film_test: np.ndarray = field(default_factory=_no_films)

    def copy(self) -> Dataset:
        """The same data in memory of its own."""
        return replace(
            self,
            **{name: _copied(getattr(self, name)) for name in (*ARRAYS, "film_train", "film_test")},
            classes=list(self.classes),
            words=list(self.words),
        )

    def digest(self) -> str:
        """The SHA-256 of examples and labels of both splits, 64 hexadecimal digits."""
        digest = hashlib.sha256()
        for name in ARRAYS:
            values = getattr(self, name)
            for array in _joined(values) if isinstance(values, list) else (values,):
                digest.update(array.tobytes())
        return digest.hexdigest()


def training_view(dataset: Dataset) -> Dataset:
    """The data set as graded code sees it: four fifths of the training split, and the last fifth in the place of the test split.

    Where it is known which film a review is about, no film is in both parts; their sizes are then as near to four
    fifths and one fifth as whole films allow.
    """
    rng = np.random.default_rng(0)
    order = rng.permutation(len(dataset.x_train))
    cut = len(order) * 4 // 5
    train, test = order[:cut], order[cut:]
    if len(dataset.film_train):
        kept = _some_films(dataset.film_train[order], cut, rng)
        train, test = order[kept], order[~kept]
    return replace(
        dataset,
        x_train=_picked(dataset.x_train, train),
        y_train=dataset.y_train[train],
        x_test=_picked(dataset.x_train, test),
        y_test=dataset.y_train[test],
        film_train=_picked(dataset.film_train, train),
        film_test=_picked(dataset.film_train, test),
    )


def _some_films(films: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Which of the reviews, (m,) bool, are about films drawn at random until another film would make more than `size`."""
    _, film, counts = np.unique(films, return_inverse=True, return_counts=True)
    drawn = rng.permutation(len(counts))
    kept = np.zeros(len(counts), bool)
    kept[drawn] = np.cumsum(counts[drawn]) <= size
    return kept[film]


def _picked(values: Any, index: np.ndarray) -> Any:
    if isinstance(values, list):
        return [values[i] for i in index]
    return values[index] if len(values) else values


def _copied(values: Any) -> Any:
    if not isinstance(values, list):
        return values.copy()
    if not values or isinstance(values[0], str):
        return list(values)
    flat, offsets = _joined(values)  # one copy is quicker than one an example
    return _cut(flat, offsets)


# ── The file ─────────────────────────────────────────────────────────────────────────────────────────────────────


def save(dataset: Dataset, file: Path) -> None:
    """Write the npz file that `load` reads. It is not compressed: a class loads it more often than it is written.

    A list of examples becomes one flat array (int32 token ids, or uint8 for the UTF-8 bytes of texts), and
    `<name>_offsets`, int64, (examples + 1,): example i is flat[offsets[i]:offsets[i + 1]].
    """
    arrays = {"stand_in": np.array(dataset.stand_in), "source": np.array(dataset.source)}
    for name in ARRAYS:
        values = getattr(dataset, name)
        if isinstance(values, list):
            arrays[name], arrays[f"{name}_offsets"] = _joined(values)
        else:
            arrays[name] = values
    if dataset.classes:
        arrays["classes"] = np.array(dataset.classes)
    if dataset.words:
        arrays["words"] = np.frombuffer("\n".join(dataset.words).encode(), "uint8")
    if len(dataset.film_train):
        arrays |= {"film_train": dataset.film_train, "film_test": dataset.film_test}
    with file.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def read_npz(file: Path) -> Dataset:
    """Read what `save` wrote, or a file of the same arrays. Pickles are never opened.

    Raises:
        DataError: the file is damaged, lacks an array or holds something else.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            x_train, y_train, x_test, y_test = (_examples(arrays, name) for name in ARRAYS)
            dataset = Dataset(
                x_train,
                y_train,
                x_test,
                y_test,
                str(arrays["source"]) if "source" in arrays else f"read from {file.name}",
                bool(arrays["stand_in"]) if "stand_in" in arrays else False,
                arrays["classes"].tolist() if "classes" in arrays else [],
                arrays["words"].tobytes().decode().split("\n") if "words" in arrays else [],
                arrays["film_train"] if "film_train" in arrays else _no_films(),
                arrays["film_test"] if "film_test" in arrays else _no_films(),
            )
    except DAMAGED as error:
        raise unreadable(file, error) from error
    for split in ("train", "test"):
        examples, labels = len(getattr(dataset, f"x_{split}")), len(getattr(dataset, f"y_{split}"))
        if examples != labels:
            raise unreadable(file, f"{examples} examples and {labels} labels in x_{split} and y_{split}")
    return dataset


def read_csv(train: Path, test: Path) -> Dataset:
    """Read texts from two files without a header: the class number, then the text; further columns are ignored.

    Raises:
        DataError: a file is damaged or a row is something else.
    """
    (x_train, y_train), (x_test, y_test) = _rows(train), _rows(test)
    return Dataset(x_train, y_train, x_test, y_test, f"read from {train.name} and {test.name}")


def unreadable(file: Path, reason: object) -> DataError:
    """The error for a file that is there and cannot be read."""
    if "allow_pickle" in str(reason):
        reason = "it holds Python pickles, which can run any code and are never opened"
    return DataError(f"{file}: not a readable data set ({reason}). Remedy: delete the file, or fetch it again")


def _rows(file: Path) -> tuple[list[str], np.ndarray]:
    labels: list[int] = []
    texts = []
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            for label, text, *_ in csv.reader(stream):
                if int(label) not in range(256):
                    raise ValueError(f"the class number {label} is not in 0...255")
                texts.append(text.strip())
                labels.append(int(label))
    except (*DAMAGED, csv.Error) as error:
        raise unreadable(file, f"row {len(labels) + 1}: {error}") from error
    return texts, np.array(labels, "uint8")


def _examples(arrays: Any, name: str) -> Any:
    if f"{name}_offsets" not in arrays:
        return arrays[name]
    flat, offsets = arrays[name], arrays[f"{name}_offsets"]
    if offsets[0] != 0 or offsets[-1] != len(flat) or (np.diff(offsets) < 0).any():
        raise ValueError(f"{name}_offsets do not cut {name} into examples")
    if flat.dtype == "uint8":
        content = flat.tobytes()
        return [content[start:end].decode() for start, end in _spans(offsets)]
    return _cut(flat.astype("int32"), offsets)


def _joined(values: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """One flat array of all examples, and the offsets at which it is cut."""
    if values and isinstance(values[0], str):
        values = [np.frombuffer(text.encode(), "uint8") for text in values]
    offsets = np.cumsum([0, *map(len, values)], dtype="int64")
    return np.concatenate(values) if values else np.empty(0, "int32"), offsets


def _cut(flat: np.ndarray, offsets: np.ndarray) -> list[np.ndarray]:
    return [flat[start:end] for start, end in _spans(offsets)]


def _spans(offsets: np.ndarray) -> Iterator[tuple[int, int]]:
    return pairwise(offsets.tolist())
