"""The visible checks of ps6_lstm name the known mistakes, and find what is right right."""

from functools import partial

import keras
import numpy as np
import pytest

from grader_tests.ps6_lstm import reference
from gradescent.student.check import find, run
from gradescent.student.judging import Outcome
from gradescent.student.visible.ps6_lstm.part1_builder import PAD_CAUSES, PAIR_CAUSES, VECTOR_CAUSES


def judged(name, *objects):
    question = find(name)
    return run(question, dict(zip(question.needs, objects, strict=True)))


def float32(function, mistake=""):
    return lambda *given: function(*given, mistake).astype(np.float32)


def by_eigh(power):
    """Word vectors as the notebook's recipe makes them, with M R λ^power."""

    def word_vectors(counts, size):
        of_word, of_context = np.maximum(counts.sum(1, keepdims=True), 1), np.maximum(counts.sum(0), 1)
        information = np.log(np.maximum(counts / of_word / (of_context / counts.sum()), 1))
        squares, directions = np.linalg.eigh(information.T @ information)
        vectors = information @ directions[:, ::-1][:, :size] * np.maximum(squares[::-1][:size], 1e-12) ** power
        lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return (0.4 * np.sqrt(size) * vectors / lengths).astype(np.float32)

    return word_vectors


@pytest.mark.parametrize("word_vectors", [float32(reference.word_vectors), by_eigh(-0.25)], ids=["svd", "eigh"])
def test_right_word_vectors(word_vectors):
    assert judged("word_vectors", word_vectors).outcome is Outcome.RIGHT


@pytest.mark.parametrize("mistake", VECTOR_CAUSES)
def test_wrong_word_vectors(mistake):
    result = judged("word_vectors", float32(reference.word_vectors, mistake))
    assert result.outcome is Outcome.WRONG
    assert VECTOR_CAUSES[mistake] in result.message


def test_the_wrong_power_of_what_eigh_gives():
    assert "eigh gives λ = S²" in judged("word_vectors", by_eigh(-0.5)).message


def test_right_pairs():
    assert judged("count_pairs", float32(reference.count_pairs)).outcome is Outcome.RIGHT


@pytest.mark.parametrize("mistake", PAIR_CAUSES)
def test_wrong_pairs(mistake):
    result = judged("count_pairs", float32(reference.count_pairs, mistake))
    assert result.outcome is Outcome.WRONG
    if mistake in ("left", "right", "across", "closed_up"):
        assert PAIR_CAUSES[mistake] in result.message


def padded(reviews, length, *ways):
    return reference.pad(reviews, length, *ways).astype(np.int32)


def test_right_padding():
    assert judged("pad", padded).outcome is Outcome.RIGHT


@pytest.mark.parametrize("ways", PAD_CAUSES)
def test_wrong_padding(ways):
    result = judged("pad", lambda *given: padded(*given, *ways))
    assert result.outcome is Outcome.WRONG
    assert PAD_CAUSES[ways] in result.message


VOCABULARY = 300


def build_lstm(vocab_size, length, vectors=None, with_input=True, compiled=True):
    embedding = keras.layers.Embedding(vocab_size, 4 if vectors is None else vectors.shape[1])
    first = [keras.Input((None,), dtype="int32")] if with_input else []
    last = keras.layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([*first, embedding, keras.layers.LSTM(2), last])
    if vectors is not None and with_input:
        embedding.set_weights([vectors])
    if compiled:
        model.compile(loss="binary_crossentropy", run_eagerly=True)
    return model


def test_a_network_with_an_input():
    assert judged("build_lstm", build_lstm).outcome is Outcome.RIGHT


@pytest.mark.parametrize("compiled", [True, False])
def test_a_network_without_an_input(compiled):
    result = judged("build_lstm", partial(build_lstm, with_input=False, compiled=compiled))
    assert result.outcome is Outcome.WRONG
    assert "does not know the shape of its inputs yet" in result.message
    assert 'keras.Input((None,), dtype="int32") first' in result.message


def rows(sequences):
    return padded([tokens[tokens < VOCABULARY] for tokens in sequences], 30)


def train_lstm(sequences, labels, seed=0):
    keras.utils.set_random_seed(seed)
    model = build_lstm(VOCABULARY, 30)
    model.train_on_batch(rows(sequences), labels[:, None].astype("float32"))
    return model


def predict(model, sequences):
    return np.asarray(model.predict_on_batch(rows(sequences)))[:, 0]


def test_right_training():
    assert judged("train_lstm", train_lstm, predict).message == ""
    assert judged("untrained_lstm", build_lstm, predict, VOCABULARY, 30).message == ""


def look_up(sequences):
    """Back ends differ in what a token without a row does: here it is an error, as with TensorFlow on the processor."""
    if max(tokens.max(initial=0) for tokens in sequences) >= VOCABULARY:
        raise IndexError("indices[0,1] = 31060 is not in [0, 20000)")


def careless_training(sequences, labels, seed=0):
    look_up(sequences)
    return train_lstm(sequences, labels, seed)


def careless_prediction(model, sequences):
    look_up(sequences)
    return predict(model, sequences)


def test_tokens_outside_of_the_vocabulary():
    results = [
        judged("train_lstm", careless_training, predict),
        judged("untrained_lstm", build_lstm, careless_prediction, VOCABULARY, 30),
    ]
    for result in results:
        assert "Likely: tokens outside the vocabulary were not left out. Next: known(tokens)." in result.message


def test_another_error_keeps_its_own_message():
    message = judged("untrained_lstm", build_lstm, lambda model, sequences: sequences.no, VOCABULARY, 30).message
    assert "AttributeError" in message
    assert "vocabulary" not in message


def test_a_column_of_predictions():
    message = judged("untrained_lstm", build_lstm, lambda *given: predict(*given)[:, None], VOCABULARY, 30).message
    assert "take `[:, 0]`" in message


def test_predictions_that_are_not_numbers():
    result = judged("untrained_lstm", build_lstm, lambda *given: np.nan * predict(*given), VOCABULARY, 30)
    assert "holds NaN. Likely: tokens outside the vocabulary were not left out" in result.message
