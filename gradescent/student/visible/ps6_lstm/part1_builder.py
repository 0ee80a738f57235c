"""Visible checks of part 1: padding, validation by film, word vectors, the network, and its training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradescent.student.compare import Suspect, check_array, check_shape, check_unmodified, compare, wrong
from gradescent.student.judging import CodeError, Handle, Missing, Questions, Stop, Student

questions = Questions(by_person=("split", "steps"))

LOSSES = ("binary_crossentropy", "BinaryCrossentropy", "bce", "BCE")
OTHER_CELLS = ("GRU", "SimpleRNN", "GRUCell", "SimpleRNNCell")
FREQUENT = 200  # every vocabulary has the tokens below
OUTSIDE = 120_000  # and none goes beyond this one

# What the known mistakes are called; the hidden tests name the same ones.
PAD_CAUSES = {
    ("first", "front"): "the first tokens are kept: keep the last, tokens[-length:]",
    ("last", "behind"): "the zeros stand behind the words: zeros go in front, for an LSTM should read the words last",
    ("first", "behind"): "the first tokens are kept, and the zeros stand behind: keep the last, with zeros in front",
}
PAIR_CAUSES = {
    "right": "only neighbours on one side are counted: each pair counts in both directions",
    "left": "only neighbours on one side are counted: each pair counts in both directions",
    "across": "windows reach across from one review into the next: put zeros between them",
    "closed_up": "tokens outside of the vocabulary lose their places: leave them where they are and do not count them",
    "window_short": "the largest distance is left out: distances are 1 … window, both included",
    "exact": "only the largest distance is counted: add up all distances from 1 to window",
    "itself": "each token is counted as its own neighbour: distances begin at 1",
    "by_distance": "the counts are weighted by the distance: each pair counts 1",
    "yes_or_no": "each pair counts once: `counts[i, j] += 1` adds once where an index repeats; take np.bincount",
}
VECTOR_CAUSES = {
    "no_context": "p(j | i) is not divided by p(j): frequent contexts drown the others",
    "negative": "negative information is kept: max(0, log …)",
    "log_counts": "the logarithm of the counts is taken, without dividing by what is expected",
    "no_log": "the logarithm is missing",
    "no_root": "the singular values stand where their square roots belong",
    "no_values": "the singular values are left out, U alone: eigh gives λ = S², so S^(-1/2) is λ^(-1/4)",
    "smallest": "the smallest singular values are taken: np.linalg.eigh sorts them upwards, so turn the order round",
    "by_spread": "all rows are divided by one number: each row is divided by its own length",
}


# ── Padding, films and vectors ───────────────────────────────────────────────────────────────────────────────────


@questions("pad", needs=("pad",))
def short_and_long(student: Student, rng: np.random.Generator) -> None:
    reviews = [np.array(tokens, np.int32) for tokens in ([5, 6, 7, 8], [9], [], [1, 2, 3])]
    padded = check_padded(student, reviews, 3, "pad of [5, 6, 7, 8], [9], [] and [1, 2, 3] to length 3")
    ways = {
        ("first", "front"): [[5, 6, 7], [0, 0, 9], [0, 0, 0], [1, 2, 3]],
        ("last", "behind"): [[6, 7, 8], [9, 0, 0], [0, 0, 0], [1, 2, 3]],
        ("first", "behind"): [[5, 6, 7], [9, 0, 0], [0, 0, 0], [1, 2, 3]],
    }
    suspects = [Suspect(np.array(rows, float), PAD_CAUSES[way]) for way, rows in ways.items()]
    compare("its rows", padded.astype(float), [[6, 7, 8], [0, 0, 9], [0, 0, 0], [1, 2, 3]], suspects)
    check_unmodified("pad", student.modified, ("sequences", "length"))


def check_padded(student: Student, reviews: list[np.ndarray], length: int, what: str) -> np.ndarray:
    """What `pad` returns, an int32 array of the right shape."""
    padded = check_shape(what, student.call("pad", reviews, length), (len(reviews), length))
    if padded.dtype != np.int32:
        step = 'np.zeros((m, length), dtype="int32")'
        raise wrong(what, f"has dtype {padded.dtype}, expected int32", "NumPy's zeros are float64", step)
    return padded


@questions("film_split", needs=("film_split",))
def no_film_on_both_sides(student: Student, rng: np.random.Generator) -> None:
    films = np.array([7, 3, 7, 9, 3, 12, 40, 7, 9, 21, 2, 5, 12, 30])
    _, validation = check_split(student, films, 0.2, 1)
    again = check_split(student, films, 0.2, 1)
    what = "the validation reviews of a second call with the same seed"
    compare(what, again[1].astype(float), validation.astype(float))
    check_unmodified("film_split", student.modified, ("films",))


def check_split(student: Student, films: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The two arrays of `film_split`: together all reviews, apart by film, the right number of films held out."""
    got = student.call("film_split", films, fraction, seed)
    what = f"film_split of {len(films)} reviews with fraction {fraction:g}"
    if not isinstance(got, list | tuple) or len(got) != 2:
        raise wrong(what, f"returns {_kind(got)}", "", "return training indices, validation indices")
    parts = [
        _indices(f"the {name} reviews of {what}", part)
        for name, part in zip(("training", "validation"), got, strict=True)
    ]
    together = np.concatenate(parts)
    if len(together) and (together.min() < 0 or together.max() >= len(films)):
        raise wrong(
            what, f"returns indices from {together.min()} to {together.max()}", "film numbers, not indices of reviews"
        )
    if not np.array_equal(np.sort(together), np.arange(len(films))):
        got_text = f"returns {len(together)} indices, {len(np.unique(together))} of them different"
        raise wrong(what, got_text, "film numbers instead of reviews, or reviews that are lost or on both sides")
    both = np.intersect1d(films[parts[0]], films[parts[1]])
    if len(both):
        cause = "reviews are drawn where films should be: draw from np.unique(films)"
        raise wrong(what, f"has {len(both)} films on both sides", cause)
    held_out, expected = len(np.unique(films[parts[1]])), round(fraction * len(np.unique(films)))
    if held_out != expected:
        swapped = len(np.unique(films[parts[0]])) == expected
        cause = (
            "training and validation are exchanged"
            if swapped
            else "the fraction is one of the films, not of the reviews"
        )
        raise wrong(what, f"holds out {held_out} films, expected {expected}", cause)
    for part in parts:
        if not np.array_equal(part, np.sort(part)):
            raise wrong(what, "returns indices that do not rise", "", "np.flatnonzero(mask) gives them in rising order")
    return parts[0], parts[1]


def _indices(what: str, value: Any) -> np.ndarray:
    array = check_shape(what, value, (len(value),) if hasattr(value, "__len__") else (0,))
    if array.dtype.kind == "b":
        raise wrong(what, "is a mask of True and False", "", "np.flatnonzero(mask) turns it into indices")
    if array.size and array.dtype.kind not in "iu":
        raise wrong(what, f"has dtype {array.dtype}", "", "indices are integers")
    return array.astype(int)


def _kind(value: Any) -> str:
    return "None" if value is None else f"{type(value).__name__}"


@questions("count_pairs", needs=("count_pairs",))
def pairs_by_hand(student: Student, rng: np.random.Generator) -> None:
    reviews = [np.array(tokens, np.int32) for tokens in ([1, 2, 1], [3])]
    for window, expected, across in (
        (1, [[0, 2, 0], [2, 0, 0], [0, 0, 0]], [[0, 2, 1], [2, 0, 0], [1, 0, 0]]),
        (2, [[2, 2, 0], [2, 0, 0], [0, 0, 0]], [[2, 2, 1], [2, 0, 1], [1, 1, 0]]),
    ):
        counts = student.call("count_pairs", reviews, 4, 4, window)
        counts = check_array(f"count_pairs of [1, 2, 1] and [3] with window {window}", counts, (4, 4), "float32")
        one_side = np.array(expected) / 2
        suspects = [Suspect(across, PAIR_CAUSES["across"]), Suspect(one_side, PAIR_CAUSES["right"])]
        compare(f"its rows and columns 1 to 3 with window {window}", counts[1:, 1:].astype(float), expected, suspects)
        compare("row 0 and column 0, of what is no word", np.append(counts[0], counts[:, 0]).astype(float), np.zeros(8))


@questions("count_pairs", needs=("count_pairs",))
def a_token_outside_keeps_its_place(student: Student, rng: np.random.Generator) -> None:
    what = "count_pairs of [5, 99, 6] with vocab_size=50 and window 1"
    got = student.call("count_pairs", [np.array([5, 99, 6], np.int32)], 50, 50, 1)
    counts = check_array(what, got, (50, 50), "float32").astype(float)
    closed_up = np.zeros((50, 50))
    closed_up[[5, 6], [6, 5]] = 1
    compare(what, counts, np.zeros((50, 50)), [Suspect(closed_up, PAIR_CAUSES["closed_up"])])


# Four words of uneven counts, and the cosines of their vectors of two numbers each: of 1 with 2, 3 and 4, of 2 with 3 and
# 4, of 3 with 4. Signs and rotations of the columns do not change them.
WORD_COUNTS = ((1, 3, 1, 1), (6, 9, 5, 0), (1, 2, 4, 2), (8, 9, 0, 0))
COSINES = (-0.4152, 0.5819, 0.648, 0.4983, -0.9619, -0.2423)
WRONG_COSINES = {
    "no_context": (0.9655, 0.0796, 0.9921, 0.3366, 0.9251, -0.0462),
    "negative": (-0.5177, 0.4463, -0.3025, 0.5346, -0.6588, -0.988),
    "log_counts": (0.9758, 0.865, 0.5823, 0.7343, 0.746, 0.0957),
    "no_log": (0.461, 0.967, 0.2404, 0.2197, 0.9722, -0.0148),
    "no_root": (0.0163, 0.8465, 0.4568, 0.5461, -0.882, -0.0869),
    "no_values": (-0.741, 0.1138, 0.8343, 0.5828, -0.9884, -0.4527),
    "smallest": (1, -1, -1, -1, -1, 1),
}


@questions("word_vectors", needs=("word_vectors",))
def vectors_of_four_words(student: Student, rng: np.random.Generator) -> None:
    """Words 0 and 5 stand beside nothing."""
    counts = np.zeros((6, 5), np.float32)
    counts[1:5, 1:] = WORD_COUNTS
    vectors = check_array("word_vectors(counts, 2)", student.call("word_vectors", counts, 2), (6, 2), "float32")
    check_unmodified("word_vectors", student.modified, ("counts", "size"))
    length = 0.4 * np.sqrt(2)
    compare(
        "lengths of the vectors",
        np.linalg.norm(vectors, axis=1).astype(float),
        np.array([0, 1, 1, 1, 1, 0]) * length,
        tolerance=1e-5,
        next_step=VECTOR_CAUSES["by_spread"],
    )
    cosines = (vectors @ vectors.T / length**2)[1:5, 1:5][np.triu_indices(4, 1)].astype(float)
    suspects = [Suspect(value, VECTOR_CAUSES[name]) for name, value in WRONG_COSINES.items()]
    compare("cosines of words 1 to 4 with each other", cosines, COSINES, suspects, tolerance=2e-3)


# ── The network ──────────────────────────────────────────────────────────────────────────────────────────────────


@questions("build_lstm", needs=("build_lstm",))
def form_of_the_network(student: Student, rng: np.random.Generator) -> None:
    check_network(student.call("build_lstm", 50, 40), 50, "build_lstm(50, 40)")


@questions("build_lstm", needs=("build_lstm",))
def begins_with_the_vectors(student: Student, rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(30, 8)).astype(np.float32)
    what = "build_lstm(30, 40, vectors)"
    check_vectors(check_network(student.call("build_lstm", 30, 40, vectors), 30, what), vectors, what)


def check_network(model: Any, vocab_size: int, what: str) -> Handle:
    """A compiled network from tokens to one probability, an embedding first and an LSTM in it; returns the embedding."""
    if model is None:
        raise wrong(what, "came back as None", "a missing return statement", "end the function with `return model`")
    if not hasattr(model, "call"):
        raise wrong(what, f"came back as {type(model).__name__}, expected a keras.Model")
    layers = all_layers(model)
    if not layers or layers[0].type_name != "Embedding":
        raise wrong(what, _shown(layers), "", "the first layer after the input is Embedding(vocab_size, ...)")
    check_has_lstm(layers, what)
    rows = layers[0].get("input_dim")
    if rows != vocab_size:
        raise wrong(f"the embedding of {what}", f"has {rows} rows, expected {vocab_size}", "a number that is typed in")
    shape = _output_shape(model, what)
    if list(shape or ()) != [None, 1]:
        cause = (
            "return_sequences=True at the last LSTM, without a pooling over time after it"
            if len(shape or ()) == 3
            else ""
        )
        raise wrong(
            f"the output of {what}",
            f"has shape {shape}, expected (None, 1)",
            cause,
            'end in Dense(1, activation="sigmoid")',
        )
    _check_compiled(model, what)
    _check_probabilities(model, vocab_size, what)
    return layers[0]


def _output_shape(model: Handle, what: str) -> Any:
    """The shape of the output, which a model without an input does not know."""
    try:
        return model.get("output_shape")
    except Missing:
        cause, step = (
            "the model does not know the shape of its inputs yet",
            'put keras.Input((None,), dtype="int32") first',
        )
        raise wrong(what, "has no output shape", cause, step) from None


def check_has_lstm(layers: list[Any], what: str) -> list[Any]:
    """The layers that are LSTMs; there is one, and it learns."""
    found = [layer for layer in layers if layer.type_name in ("LSTM", "LSTMCell")]
    if not found:
        others = [layer.type_name for layer in layers if layer.type_name in OTHER_CELLS]
        cause = f"{others[0]} stands where the LSTM belongs" if others else "there is no LSTM in it"
        raise wrong(what, _shown(layers), cause, "put an LSTM layer between embedding and output")
    if not all(layer.get("trainable") is True for layer in found):
        raise wrong(f"the LSTM of {what}", "is frozen", "trainable=False", "let it learn")
    return found


def _shown(layers: list[Any]) -> str:
    return f"its layers are {', '.join(layer.type_name for layer in layers) or 'none'}"


def all_layers(model: Any) -> list[Any]:
    """The layers in order, those inside of wrappers and inner models in their places."""
    found: list[Any] = []
    for layer in model.get("layers"):
        inner = {"Bidirectional": "forward_layer", "RNN": "cell", "TimeDistributed": "layer"}.get(layer.type_name)
        if layer.type_name in ("Sequential", "Functional"):
            found += all_layers(layer)
        elif inner:
            found += [layer, layer.get(inner)]
        elif layer.type_name != "InputLayer":
            found.append(layer)
    return found


def _check_compiled(model: Any, what: str) -> None:
    if model.get("compiled") is not True:
        raise wrong(what, "is not compiled", "", 'model.compile(optimizer, loss="binary_crossentropy")')
    loss = model.get("loss")
    name = loss if isinstance(loss, str) else loss.type_name
    if name == "function":
        name = loss.get("__name__")
    if name not in LOSSES:
        cause = "another cost than that of a yes-or-no question"
        raise wrong(f"the loss of {what}", f"is {name}", cause, 'loss="binary_crossentropy"')
    if not isinstance(loss, str) and loss.type_name == "BinaryCrossentropy" and loss.get("from_logits"):
        cause = "from_logits=True belongs to an output without a sigmoid; here probabilities come out"
        raise wrong(f"the loss of {what}", "expects logits", cause, "leave from_logits out")


def _check_probabilities(model: Any, vocab_size: int, what: str) -> None:
    """Extreme embeddings show what a moderate one hides: an output without a sigmoid leaves 0 … 1."""
    kernels = [layer for layer in all_layers(model) if layer.type_name == "Dense"]
    if not kernels or kernels[-1].get("activation").get("__name__") == "sigmoid":
        return
    activation = kernels[-1].get("activation").get("__name__")
    if all_layers(model)[-1].type_name == "Dense":
        raise wrong(
            f"the last layer of {what}",
            f"has the activation {activation}",
            "a probability needs a sigmoid",
            'Dense(1, activation="sigmoid")',
        )


def check_vectors(embedding: Any, vectors: np.ndarray, what: str) -> None:
    """The embedding begins with the given vectors, and may learn."""
    weights = embedding.call("get_weights")
    if not isinstance(weights, list) or len(weights) != 1:
        raise wrong(f"the embedding of {what}", "has no weights yet", "", "begin the model with keras.Input")
    shape = tuple(np.shape(weights[0]))
    if shape != vectors.shape:
        raise wrong(
            f"the embedding of {what}",
            f"has shape {shape}, expected {vectors.shape}",
            "its size is not that of the vectors",
            "vectors.shape[1]",
        )
    step = "embedding_layer.set_weights([vectors]) after the model is made"
    compare(
        f"weights of the embedding of {what}", np.asarray(weights[0], float), vectors, tolerance=1e-5, next_step=step
    )
    if embedding.get("trainable") is not True:
        raise wrong(f"the embedding of {what}", "is frozen", "trainable=False", "let it learn on from the vectors")


# ── Training and prediction ──────────────────────────────────────────────────────────────────────────────────────


def few_reviews(
    rng: np.random.Generator, count: int, vocab_size: int = FREQUENT, longest: int = 30
) -> list[np.ndarray]:
    """Reviews of random tokens, one of them empty."""
    lengths = rng.integers(1, longest, count)
    lengths[count // 2] = 0
    return [rng.integers(1, vocab_size, n).astype(np.int32) for n in lengths]


@questions("train_lstm", needs=("train_lstm", "predict"))
def a_model_that_predicts(student: Student, rng: np.random.Generator) -> None:
    model = trained(student, rng, 1)
    check_predictions(student, model, few_reviews(rng, 40))
    check_lstm_counts(student, model)


def trained(student: Student, rng: np.random.Generator, seed: int) -> Handle:
    """The model of `train_lstm`, of 60 short reviews, in which one token lies outside of the vocabulary."""
    reviews, labels = few_reviews(rng, 60), rng.integers(2, size=60).astype(np.uint8)
    reviews[7] = np.append(reviews[7], np.int32(OUTSIDE))
    what = "train_lstm of 60 reviews"
    model = with_reviews(what, reviews, lambda given: student.call("train_lstm", given, labels, seed=seed))
    check_unmodified("train_lstm", student.modified, ("sequences", "labels"))
    return check_is_model(model, what)


def with_reviews(what: str, reviews: list[np.ndarray], call: Callable[[list[np.ndarray]], Any]) -> Any:
    """What `call(reviews)` gives; where it raises an error, see whether tokens outside of the vocabulary are the cause."""
    try:
        return call(reviews)
    except CodeError as error:
        if max(tokens.max(initial=0) for tokens in reviews) < FREQUENT:
            raise
        try:
            call([tokens[tokens < FREQUENT] for tokens in reviews])
        except Stop:
            raise error from None
    cause = "tokens outside the vocabulary were not left out"
    raise wrong(what, "raises an error, and none where all tokens are frequent ones", cause, "known(tokens)")


@questions("untrained_lstm", needs=("build_lstm", "predict", "VOCAB_SIZE", "LENGTH"))
def predict_with_an_untrained_model(student: Student, rng: np.random.Generator) -> None:
    model = student.call("build_lstm", student.read("VOCAB_SIZE"), student.read("LENGTH"))
    check_predictions(student, model, few_reviews(rng, 20, OUTSIDE))


def check_is_model(model: Any, what: str) -> Handle:
    """What `train_lstm` returned, if it can be a model."""
    if not hasattr(model, "call"):
        cause = "a missing return statement" if model is None else ""
        raise wrong(
            what, f"came back as {_kind(model)}, expected a keras.Model", cause, "end the function with `return model`"
        )
    return model


def check_lstm_counts(student: Student, model: Handle, least: float = 1e-6) -> None:
    """There is an LSTM in the trained model, and without its weights a probability changes by more than `least`."""
    what = "the model that train_lstm returns"
    try:
        lstms = check_has_lstm(all_layers(model), what)
    except Missing:
        step = "train the model that build_lstm makes, and return it"
        raise wrong(what, "is something that has no layers", "", step) from None
    reviews = few_reviews(np.random.default_rng(0), 8)
    known, weights = probabilities(student, model, reviews), [lstm.call("get_weights") for lstm in lstms]
    for lstm, arrays in zip(lstms, weights, strict=True):
        lstm.call("set_weights", [np.zeros_like(array) for array in arrays])
    difference = np.abs(known - probabilities(student, model, reviews)).max()
    for lstm, arrays in zip(lstms, weights, strict=True):
        lstm.call("set_weights", arrays)
    if not difference > least:
        cause = "the answers come from something else than the LSTM, which is there for show"
        step = "let all that is read pass through the LSTM, and predict with the model"
        raise wrong(
            "predict with all weights of the LSTM set to zero", f"changes the answers by {difference:.2g}", cause, step
        )


def check_predictions(student: Student, model: Any, reviews: list[np.ndarray]) -> None:
    """Probabilities of reviews in their order, which depend on nothing but the review."""
    what = f"predict of {len(reviews)} reviews"
    first = probabilities(student, model, reviews)
    check_unmodified("predict", student.modified, ("model", "sequences"))
    difference = np.abs(first - probabilities(student, model, reviews[::-1])[::-1]).max()
    if not difference <= 1e-3:
        cause = "sorting by length without putting the answers back, or dropout that is on"
        raise wrong(f"{what} in the reverse order", f"gives probabilities that differ by {difference:.2g}", cause)
    alone = np.concatenate([probabilities(student, model, [review]) for review in reviews])
    difference = np.abs(first - alone).max()
    if not difference <= 1e-3:
        cause = "padding to the longest review of the call: the width may follow from the review alone"
        raise wrong("predict of a review by itself", f"differs by {difference:.2g} from that among others", cause)


def probabilities(student: Student, model: Any, reviews: list[np.ndarray]) -> np.ndarray:
    """What `predict` returns, if it can be probabilities."""
    what = f"predict of {len(reviews)} reviews"
    got = with_reviews(what, reviews, lambda given: student.call("predict", model, given))
    if isinstance(got, np.ndarray) and got.shape == (len(reviews), 1):
        cause = "the model gives a column, one row a review"
        raise wrong(what, f"has shape {got.shape}, expected ({len(reviews)},)", cause, "take `[:, 0]`")
    array = check_shape(what, got, (len(reviews),))
    if array.dtype.kind != "f":
        raise wrong(what, f"has dtype {array.dtype}", "classes instead of probabilities", "return what the model gives")
    if np.isnan(array).any():
        cause = "tokens outside the vocabulary were not left out, or the training diverged"
        raise wrong(what, "holds NaN", cause, "known(tokens), else a smaller learning rate")
    if not (array.min() >= 0 and array.max() <= 1):
        raise wrong(what, f"holds values from {array.min():.3g} to {array.max():.3g}", "no probabilities")
    return array.astype(float)
