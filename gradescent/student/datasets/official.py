"""Read the official files into a `Dataset`. Archives are read in a stream and never unpacked; pickles are never opened."""

from __future__ import annotations

import csv
import gzip
import io
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from gradescent.student.datasets.dataset import DAMAGED, Dataset, read_npz, unreadable

IDX_UINT8 = {1: 0x801, 3: 0x803}  # the magic number, by number of axes
CIFAR_ROW = 1 + 32 * 32 * 3  # bytes: the class, then the red, the green and the blue pixels
CIFAR_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
REVIEW = re.compile(r"aclImdb/(train|test)/(pos|neg)/(\d+)_\d+\.txt")
FILMS = re.compile(r"aclImdb/(train|test)/urls_(pos|neg)\.txt")
TITLE = re.compile(r"/title/(tt\d+)")
# What keras.preprocessing.text.text_to_word_sequence drops: everything but letters, digits and apostrophes of ASCII.
PUNCTUATION = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', " "))
DBPEDIA_SAMPLE = {"train": 400, "test": 50}  # texts a class, as in the assignment's sample


def read_official(name: str, files: list[Path]) -> Dataset:
    """Read a data set from its official files, in the order of the manifest.

    Raises:
        DataError: a file is damaged.
    """
    try:
        return READERS[name](*files)
    except (*DAMAGED, tarfile.TarError, csv.Error) as error:
        raise unreadable(files[0], error) from error


def _fashion_mnist(*files: Path) -> Dataset:
    x_train, y_train, x_test, y_test = (_idx(file, axes) for file, axes in zip(files, (3, 1, 3, 1), strict=True))
    return Dataset(x_train, y_train, x_test, y_test, "Fashion-MNIST, the authors' files")


def _idx(file: Path, axes: int) -> np.ndarray:
    """An array in LeCun's IDX format: magic number and sizes as big-endian int32, then the bytes."""
    content = gzip.decompress(file.read_bytes())
    magic, *shape = np.frombuffer(content, ">i4", 1 + axes).tolist()
    if magic != IDX_UINT8[axes]:
        raise ValueError(f"{file.name}: magic number {magic:#x} instead of {IDX_UINT8[axes]:#x}")
    return np.frombuffer(content, "uint8", offset=4 * (1 + axes)).reshape(shape).copy()


def _cifar10(archive: Path) -> Dataset:
    batches = {name: np.frombuffer(content, "uint8") for name, content in _members(archive) if name.endswith(".bin")}
    folder = "cifar-10-batches-bin"
    train = np.concatenate([batches[f"{folder}/data_batch_{i}.bin"] for i in range(1, 6)])
    x_train, y_train = _cifar_images(train)
    x_test, y_test = _cifar_images(batches[f"{folder}/test_batch.bin"])
    source = "CIFAR-10, the authors' binary version"
    return Dataset(x_train, y_train, x_test, y_test, source, classes=CIFAR_CLASSES)


def _cifar_images(content: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = content.reshape(-1, CIFAR_ROW)
    return np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), rows[:, 0].copy()


def _imdb(archive: Path) -> Dataset:
    """Reviews in random order, words in lower case without punctuation, numbered by frequency over both splits."""
    numbers: dict[str, int] = {}  # of words, in the order in which they are met
    reviews: dict[tuple[str, ...], np.ndarray] = {}  # split, opinion, number of the review
    titles: dict[tuple[str, ...], str] = {}
    for name, content in _members(archive):
        if match := REVIEW.fullmatch(name):
            words = content.decode().lower().translate(PUNCTUATION).split()
            reviews[match.groups()] = np.array([numbers.setdefault(word, len(numbers)) for word in words], "int32")
        elif match := FILMS.fullmatch(name):
            titles |= {(*match.groups(), str(i)): title for i, title in enumerate(TITLE.findall(content.decode()))}
    vocabulary, ids = _ranked(numbers, np.bincount(np.concatenate(list(reviews.values()))))
    films = {title: i for i, title in enumerate(sorted(set(titles.values())))}
    rng = np.random.default_rng(0)
    splits = []
    for split in ("train", "test"):
        of_split = sorted(key for key in reviews if key[0] == split)
        keys = [of_split[i] for i in rng.permutation(len(of_split))]
        labels = np.array([opinion == "pos" for _, opinion, _ in keys], "uint8")
        splits.append(
            ([ids[reviews[key]] for key in keys], labels, np.array([films[titles[key]] for key in keys], "uint32"))
        )
    (x_train, y_train, film_train), (x_test, y_test, film_test) = splits
    source = "Large Movie Review Dataset, the authors' texts as token ids"
    return Dataset(
        x_train, y_train, x_test, y_test, source, words=vocabulary, film_train=film_train, film_test=film_test
    )


def _ranked(numbers: dict[str, int], counts: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The words, the most frequent first and those as frequent by alphabet, and the token id of each number, int32."""
    words = sorted(numbers, key=lambda word: (-counts[numbers[word]], word))
    ids = np.empty(len(words), "int32")
    ids[[numbers[word] for word in words]] = np.arange(1, len(words) + 1)
    return words, ids


def _dbpedia(archive: Path) -> Dataset:
    """As many texts of each class as the assignment's sample has, drawn at random."""
    rng = np.random.default_rng(0)
    splits = {
        split: _sample(content, DBPEDIA_SAMPLE[split], rng)
        for name, content in _members(archive)
        for split in DBPEDIA_SAMPLE
        if name == f"dbpedia_csv/{split}.csv"
    }
    source = "DBpedia, a sample drawn from the published set: another than the assignment's"
    return Dataset(*splits["train"], *splits["test"], source)


def _sample(content: bytes, size: int, rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """`size` texts of each class, in random order, from rows of class, title and text (reservoir sampling, Vitter 1985)."""
    seen: Counter[int] = Counter()
    drawn: dict[tuple[int, int], str] = {}  # class, place
    for label, _, text in csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8", newline="")):
        number = seen[int(label)]
        seen[int(label)] += 1
        place = number if number < size else int(rng.integers(number + 1))
        if place < size:
            drawn[int(label), place] = text.strip()
    keys = sorted(drawn)
    keys = [keys[i] for i in rng.permutation(len(keys))]
    return [drawn[key] for key in keys], np.array([label for label, _ in keys], "uint8")


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of every ordinary file of a tar archive."""
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            if member.isfile() and (stream := tar.extractfile(member)):
                yield member.name.removeprefix("./"), stream.read()


READERS: dict[str, Callable[..., Dataset]] = {
    "mnist": read_npz,
    "fashion_mnist": _fashion_mnist,
    "cifar10": _cifar10,
    "imdb": _imdb,
    "dbpedia": _dbpedia,
}
