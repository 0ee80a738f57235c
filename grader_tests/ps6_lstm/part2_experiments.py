"""Hidden tests of part 2: one experiment, the nearest words, and GloVe vectors."""

from __future__ import annotations

import numpy as np

from gradescent.student.compare import Suspect, check_shape, check_unmodified, compare, wrong
from gradescent.student.judging import Questions, Student
from gradescent.student.visible.ps6_lstm.part2_experiments import check_experiment, check_glove

questions = Questions()


@questions("experiment", weight=2, needs=("experiment",))
def lstm_with_these_settings(student: Student, rng: np.random.Generator) -> None:
    check_experiment(student, _setting(rng, "LSTM"))


@questions("experiment", weight=1, needs=("experiment",))
def gru_with_these_settings(student: Student, rng: np.random.Generator) -> None:
    check_experiment(student, _setting(rng, "GRU"))


def _setting(rng: np.random.Generator, cell: str) -> dict[str, int | str]:
    drawn = {"vocab_size": (200, 400), "length": (6, 12), "size": (3, 9), "units": (2, 9), "batch_size": (90, 120)}
    return {**{name: int(rng.integers(*ends)) for name, ends in drawn.items()}, "cell": cell}


@questions("nearest", weight=2, needs=("nearest",))
def nearest_by_cosine(student: Student, rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(30, 6)) * rng.uniform(0.2, 5, (30, 1))
    for row, count in zip(rng.permutation(np.arange(1, 30))[:3], (5, 1, 28), strict=True):
        _nearest_right(student, vectors, int(row), count)


@questions("nearest", weight=1, needs=("nearest",))
def neither_padding_nor_itself(student: Student, rng: np.random.Generator) -> None:
    """Row 0 and a twin of the row point in its very direction, and one row is zero."""
    vectors = rng.normal(size=(20, 4))
    vectors[0], vectors[9], vectors[13] = 2 * vectors[5], 0, 3 * vectors[5]
    _nearest_right(student, vectors, 5, 4)
    _nearest_right(student, vectors, 5, 18)


def _nearest_right(student: Student, vectors: np.ndarray, row: int, count: int) -> None:
    what = f"nearest of row {row} of {len(vectors)}, count {count}"
    got = check_shape(what, student.call("nearest", vectors.copy(), row, count), (count,))
    check_unmodified("nearest", student.modified, ("vectors", "row", "count"))
    products, lengths = vectors @ vectors[row], np.linalg.norm(vectors, axis=1)
    with np.errstate(all="ignore"):
        cosines = np.where(lengths > 0, products / (lengths * lengths[row]), -1)
    distances = np.linalg.norm(vectors - vectors[row], axis=1)
    with_zero, with_itself = cosines.copy(), cosines.copy()
    with_zero[row], with_itself[0] = -np.inf, -np.inf
    right = with_zero.copy()
    right[0] = -np.inf
    suspects = [
        Suspect(np.argsort(-with_itself)[:count], "the row itself is among them: leave it out"),
        Suspect(np.argsort(-with_zero)[:count], "row 0, the padding, is among them: leave it out"),
        Suspect(np.argsort(-cosines)[:count], "the row itself and row 0 are among them: leave both out"),
        Suspect(_order(-products, row)[:count], "the lengths count: divide the product by both of them"),
        Suspect(_order(distances, row)[:count], "distances are compared: the cosine asks for the direction alone"),
        Suspect(_order(-right, row)[::-1][:count], "the farthest come first: sort downwards"),
        Suspect(np.argsort(-right)[:count][::-1], "the right ones in the wrong order: the nearest comes first"),
    ]
    compare(what, got.astype(float), np.argsort(-right, kind="stable")[:count], suspects)


def _order(values: np.ndarray, row: int) -> np.ndarray:
    order = np.argsort(values)
    return order[(order != 0) & (order != row)]


@questions("load_glove", weight=3, needs=("load_glove",))
def vectors_in_their_rows(student: Student, rng: np.random.Generator) -> None:
    names = [f"word{i}" for i in range(12)] + ["naïve", "'s", "7"]
    words = [names[i] for i in rng.permutation(len(names))[:10]]
    known = {name: np.round(rng.normal(size=5), 4) for name in names[::2]}
    lines = [_line(name, known[name]) for name in (list(known)[i] for i in rng.permutation(len(known)))]
    expected = np.array([np.zeros(5)] + [known.get(word, np.zeros(5)) for word in words])
    got = check_glove(student, lines, words, 5, sum(word in known for word in words))
    shifted = np.roll(expected, -1, axis=0)
    suspects = [Suspect(shifted, "token t is words[t - 1]: the first word belongs to row 1, and row 0 stays zero")]
    missing = ~expected.any(axis=1)
    if np.abs(got[missing]).max(initial=0) > 0 and not np.abs(got[~missing] - expected[~missing]).max() > 1e-6:
        raise wrong(
            "rows of words that the file lacks",
            "are not zero",
            "random numbers or another word's vector",
            "leave them at zero",
        )
    compare("the vectors of load_glove", got.astype(float), expected, suspects)


@questions("load_glove", weight=1, needs=("load_glove",))
def lines_that_are_no_vectors(student: Student, rng: np.random.Generator) -> None:
    good, bad = np.round(rng.normal(size=(2, 4)), 3)
    lines = ["400000 4\n", _line("good", good), "short 1.0 2.0\n", "long 1 2 3 4 5\n", "\n", _line("bad", bad)]
    got = check_glove(student, lines, ["bad", "short", "good", "long"], 4, 2)
    compare(
        "the vectors of load_glove", got.astype(float), np.array([np.zeros(4), bad, np.zeros(4), good, np.zeros(4)])
    )


def _line(word: str, vector: np.ndarray) -> str:
    return f"{word} {' '.join(f'{number:g}' for number in vector)}\n"
