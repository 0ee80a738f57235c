"""A small imdb.npz of made-up reviews, for tests of the tests: no download, and a network learns it in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gradescent.student import datasets

WORDS = 600
GOOD, BAD = np.arange(40, 60), np.arange(60, 80)  # tokens that praise and blame
NAMES = 400  # tokens from here on are names, one film each


def write(folder: Path, training: int = 400, test: int = 200) -> Path:
    """Write imdb.npz with made-up reviews into a folder and return the file."""
    x_train, y_train, films = _reviews(np.random.default_rng(6), training, 0)
    x_test, y_test, others = test_reviews(test)
    words = [f"w{token}" for token in range(1, WORDS + 1)]
    file = folder / "imdb.npz"
    made = datasets.Dataset(
        x_train, y_train, x_test, y_test, "made up", True, words=words, film_train=films, film_test=others
    )
    datasets.save(made, file)
    return file


def test_reviews(count: int = 200) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """The made-up test set: reviews, labels and films."""
    return _reviews(np.random.default_rng(7), count, 100)


def _reviews(rng: np.random.Generator, count: int, first_film: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Reviews of 10 to 34 frequent tokens, among them the film's name and a few that praise or blame."""
    films = rng.integers(first_film, first_film + 100, count).astype(np.uint32)
    labels = (rng.random(count) < np.where(films % 2, 0.8, 0.2)).astype(np.uint8)
    reviews = []
    for film, label in zip(films, labels, strict=True):
        tokens = np.minimum(rng.geometric(0.03, rng.integers(10, 35)), 399)
        tokens = tokens[(tokens < 40) | (tokens >= 80)]
        own, other = (GOOD, BAD) if label else (BAD, GOOD)
        said = [rng.choice(own, 9), rng.choice(other, 1), [NAMES + film]]
        reviews.append(rng.permutation(np.concatenate([tokens, *said])).astype(np.int32))
    return reviews, labels, films
