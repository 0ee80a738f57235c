"""Hidden tests of part 1: padding, validation by film, word vectors, the network, its training and its accuracy."""

from __future__ import annotations

import numpy as np

from grader_tests.accuracy import judge_ramp
from grader_tests.ps6_lstm import reference, setting
from gradescent.student.compare import Suspect, check_array, check_unmodified, compare, wrong
from gradescent.student.judging import Handle, Questions, Student
from gradescent.student.visible.ps6_lstm.part1_builder import (
    OUTSIDE,
    PAD_CAUSES,
    PAIR_CAUSES,
    VECTOR_CAUSES,
    check_lstm_counts,
    check_network,
    check_padded,
    check_predictions,
    check_split,
    check_vectors,
    few_reviews,
    probabilities,
    trained,
)

questions = Questions()


# ── pad ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _padded_right(student: Student, reviews: list[np.ndarray], length: int) -> None:
    what = f"pad of {len(reviews)} reviews to length {length}"
    got = check_padded(student, reviews, length, what)
    check_unmodified("pad", student.modified, ("sequences", "length"))
    suspects = [Suspect(reference.pad(reviews, length, *ways), cause) for ways, cause in PAD_CAUSES.items()]
    compare(what, got.astype(float), reference.pad(reviews, length), suspects)


@questions("pad", weight=2, needs=("pad",))
def short_and_long_reviews(student: Student, rng: np.random.Generator) -> None:
    length = int(rng.integers(6, 12))
    lengths = [length + 5, 1, length, length - 2, length + 1, 3]
    reviews = [rng.integers(1, 120_000, n).astype(np.int32) for n in lengths]
    _padded_right(student, reviews, length)


@questions("pad", weight=1, needs=("pad",))
def reviews_without_tokens(student: Student, rng: np.random.Generator) -> None:
    reviews = [np.zeros(0, np.int32), rng.integers(1, 50, 4).astype(np.int32), np.zeros(0, np.int32)]
    _padded_right(student, reviews, 3)
    _padded_right(student, reviews[:1], 5)


@questions("pad", weight=1, needs=("pad",))
def hundreds_of_reviews(student: Student, rng: np.random.Generator) -> None:
    _padded_right(student, [rng.integers(1, 1000, n).astype(np.int32) for n in rng.integers(1, 300, 300)], 100)


# ── film_split ───────────────────────────────────────────────────────────────────────────────────────────────────


def _films(rng: np.random.Generator) -> np.ndarray:
    """Film numbers of 400 reviews: 60 films in no order, of very different counts."""
    numbers = rng.permutation(7000)[:60]
    share = rng.dirichlet(np.full(60, 0.5))
    return np.concatenate([numbers, rng.choice(numbers, 340, p=share)])[rng.permutation(400)].astype(np.uint32)


@questions("film_split", weight=2, needs=("film_split",))
def films_are_held_out(student: Student, rng: np.random.Generator) -> None:
    films = _films(rng)
    for fraction in (0.15, 0.4):
        check_split(student, films, fraction, int(rng.integers(1000)))
        check_unmodified("film_split", student.modified, ("films", "fraction", "seed"))


@questions("film_split", weight=1, needs=("film_split",))
def the_seed_draws(student: Student, rng: np.random.Generator) -> None:
    films, seeds = _films(rng), rng.permutation(1000)[:3]
    drawn = [check_split(student, films, 0.3, int(seed))[1] for seed in seeds]
    again = check_split(student, films, 0.3, int(seeds[0]))[1]
    what = "film_split with the same seed"
    if not np.array_equal(again, drawn[0]):
        raise wrong(what, "holds out other films the second time", "the generator is not made from the seed")
    if all(np.array_equal(one, drawn[0]) for one in drawn):
        raise wrong(
            "film_split with three seeds",
            "holds out the same films",
            "the seed is not used, or the films are not drawn",
        )


# ── Word vectors ─────────────────────────────────────────────────────────────────────────────────────────────────


def _token_lists(rng: np.random.Generator, count: int = 9) -> list[np.ndarray]:
    """Reviews of tokens 1 … 14, of which small ones are frequent."""
    lengths = rng.integers(2, 15, count)
    return [np.minimum(rng.geometric(0.2, n), 14).astype(np.int32) for n in lengths]


def _counts_right(student: Student, rng: np.random.Generator, vocab_size: int, context_size: int, window: int) -> None:
    reviews = _token_lists(rng)
    what = f"count_pairs of {len(reviews)} reviews with vocab_size={vocab_size}, context_size={context_size}, window={window}"
    given = (reviews, vocab_size, context_size, window)
    got = student.call("count_pairs", *given)
    check_unmodified("count_pairs", student.modified, ("sequences", "vocab_size", "context_size", "window"))
    got = check_array(what, got, (vocab_size, context_size), "float32")
    suspects = (Suspect(reference.count_pairs(*given, name), cause) for name, cause in PAIR_CAUSES.items())
    compare(what, got.astype(float), reference.count_pairs(*given), suspects)


@questions("count_pairs", weight=2, needs=("count_pairs",))
def all_tokens_known(student: Student, rng: np.random.Generator) -> None:
    for window in (1, 2, int(rng.integers(3, 6))):
        _counts_right(student, rng, 15, 15, window)


@questions("count_pairs", weight=2, needs=("count_pairs",))
def fewer_contexts_and_unknown_tokens(student: Student, rng: np.random.Generator) -> None:
    for window in (2, 4):
        _counts_right(student, rng, 9, 9, window)
        _counts_right(student, rng, 9, 5, window)


@questions("count_pairs", weight=1, needs=("count_pairs",))
def many_reviews(student: Student, rng: np.random.Generator) -> None:
    """A loop in Python over each pair takes a hundred times as long as whole arrays do, and meets the limit of the call."""
    reviews = [rng.integers(1, 30, 1000).astype(np.int32) for _ in range(1000)]
    got = student.call("count_pairs", reviews, 30, 30, 5)
    counts = check_array("count_pairs of a million tokens", got, (30, 30), "float32")
    pairs = sum(2 * (1000 - distance) for distance in range(1, 6)) * 1000
    compare("the sum of all counts", float(counts.astype(float).sum()), float(pairs))


@questions("word_vectors", weight=3, needs=("word_vectors",))
def vectors_follow_from_counts(student: Student, rng: np.random.Generator) -> None:
    """Vectors are compared by all their products, which neither signs nor rotations of the columns change."""
    for rows, columns, size in ((40, 25, 6), (60, 60, 12)):
        counts = rng.poisson(rng.gamma(0.3, 6, (rows, columns))).astype(np.float32)
        counts[0], counts[:, 0] = 0, 0
        what = f"word_vectors of ({rows}, {columns}) counts with size {size}"
        got = student.call("word_vectors", counts, size)
        check_unmodified("word_vectors", student.modified, ("counts", "size"))
        vectors = check_array(what, got, (rows, size), "float32").astype(float)
        right = reference.word_vectors(counts, size)
        ways = {name: reference.word_vectors(counts, size, name) for name in VECTOR_CAUSES}
        suspects = [Suspect(ways[name] @ ways[name].T, cause) for name, cause in VECTOR_CAUSES.items()]
        _products(f"the products of all vectors, {what}", vectors @ vectors.T, right @ right.T, suspects)


def _products(what: str, got: np.ndarray, expected: np.ndarray, suspects: list[Suspect]) -> None:
    """Float32 on the way costs some digits, where squares of singular values are taken even more.

    Suspects are known by their ratios: one number that divides everything may depend on the arbitrary signs.
    """
    for suspect in suspects:
        alike = suspect.value * (np.linalg.norm(got) / np.linalg.norm(suspect.value))
        if np.linalg.norm(got - alike) <= 1e-2 * np.linalg.norm(expected) < np.linalg.norm(got - expected):
            raise wrong(what, "are others", suspect.cause)
    compare(what, got, expected, tolerance=2e-3)


@questions("word_vectors", weight=1, needs=("word_vectors",))
def words_without_counts(student: Student, rng: np.random.Generator) -> None:
    counts = rng.poisson(2.0, (30, 20)).astype(np.float32)
    empty = np.array([0, 7, 8, 29])
    counts[empty], counts[:, [0, 4]] = 0, 0
    got = student.call("word_vectors", counts, 5)
    vectors = check_array("word_vectors with words that were never counted", got, (30, 5), "float32").astype(float)
    if not np.abs(vectors[empty]).max() <= 1e-6:
        raise wrong(
            "the vectors of words without counts", "are not zero", "a division of almost nothing by almost nothing"
        )
    lengths = np.linalg.norm(np.delete(vectors, empty, axis=0), axis=1)
    compare("the lengths of the other vectors", lengths, np.full(26, 0.4 * np.sqrt(5)), tolerance=1e-4)


# ── The network ──────────────────────────────────────────────────────────────────────────────────────────────────


@questions("build_lstm", weight=2, needs=("build_lstm",))
def form_of_the_network(student: Student, rng: np.random.Generator) -> None:
    vocab_size, length = (int(n) for n in rng.integers(40, 90, 2))
    what = f"build_lstm({vocab_size}, {length})"
    model = student.call("build_lstm", vocab_size, length)
    embedding = check_network(model, vocab_size, what)
    tokens = rng.integers(0, vocab_size, (3, length)).astype(np.int32)
    got = check_array(f"predict_on_batch of {what}", model.call("predict_on_batch", tokens), (3, 1), "float32")
    if not (got.min() >= 0 and got.max() <= 1):
        raise wrong(f"{what} of random tokens", f"gives {got.min():.3g} … {got.max():.3g}", "the sigmoid is missing")
    weights = np.asarray(embedding.call("get_weights")[0])
    if not np.ptp(weights) > 0:
        raise wrong(f"the embedding of {what}", "is the same number everywhere", "no word can be told from another")


@questions("build_lstm", weight=2, needs=("build_lstm",))
def begins_with_the_vectors(student: Student, rng: np.random.Generator) -> None:
    for size in rng.permutation(np.arange(5, 40))[:2]:
        vectors = rng.normal(size=(int(rng.integers(30, 60)), int(size))).astype(np.float32)
        what = f"build_lstm({len(vectors)}, 40, vectors of size {size})"
        model = student.call("build_lstm", len(vectors), 40, vectors)
        check_vectors(check_network(model, len(vectors), what), vectors, what)


# ── Training and accuracy ────────────────────────────────────────────────────────────────────────────────────────


@questions("train_lstm", weight=2, needs=("train_lstm", "predict"))
def predictions_of_raw_reviews(student: Student, rng: np.random.Generator) -> None:
    reviews = few_reviews(rng, 30, OUTSIDE)
    reviews[3] = rng.integers(1, 300, 700).astype(np.int32)
    check_predictions(student, _little_model(student, 1), reviews)
    check_lstm_counts(student, _little_model(student, 1))


@questions("train_lstm", weight=1, needs=("train_lstm", "predict"))
def another_seed_another_network(student: Student, rng: np.random.Generator) -> None:
    reviews = few_reviews(rng, 10)
    first, second = (probabilities(student, _little_model(student, seed), reviews) for seed in (1, 2))
    if np.abs(first - second).max() <= 1e-4:
        cause = "the seed is not used, or one model serves all calls"
        step = "keras.utils.set_random_seed(seed), and a new model in each call"
        raise wrong("train_lstm with two seeds", "gives the same network twice", cause, step)


def _little_model(student: Student, seed: int) -> Handle:
    """A model trained on the same 60 short reviews, once a seed."""
    key = f"little model {seed}"
    if key not in student.memory:
        student.memory[key] = trained(student, np.random.default_rng(6), seed)
    return student.memory[key]


@questions("accuracy", needs=("build_lstm", "train_lstm", "predict"))
def accuracy_on_the_test_set(student: Student, rng: np.random.Generator) -> None:
    judge_ramp(student, setting.task(_whole(student, "VOCAB_SIZE"), _whole(student, "LENGTH")), rng)


def _whole(student: Student, name: str) -> int:
    value = student.read(name)
    if not isinstance(value, int | np.integer) or value < 1:
        raise wrong(name, f"is {value!r:.50}", "", "a whole number, which build_lstm takes")
    return int(value)
