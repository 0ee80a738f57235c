"""The networks whose way to an accuracy is measured: the references of the problem sets, and what others published.

Every network is trained by a function of (images or reviews, labels, seed, watch) and asked by another of (model, images or
reviews), both from raw data, so that what happens to the data counts for all of them.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import matplotlib
import numpy as np
from keras import layers

from grader_tests.variants import Variant, notebook_of
from gradescent.course import load_course

ROOT = Path(__file__).resolve().parents[1]
CHUNK = 500  # examples of one prediction
FIRST_TOKEN, UNKNOWN, SHIFT = 1, 2, 3  # how keras.datasets.imdb numbers: 1 begins a review, 2 is a rare word


@dataclass
class Watch:
    """A stopwatch of this process' CPU time that stands still while the accuracy on the test set is looked at.

    Attributes:
        accuracy: of a model, on the test set, between 0 and 1.
        epoch: examples of an epoch.
        every: steps between two looks within an epoch; 0 looks at the end of each epoch only.
        enough: accuracy from which on only the ends of epochs are looked at.
        looks: (examples seen, CPU seconds, accuracy) of each look.
    """

    accuracy: Callable[[Any], float]
    epoch: int
    every: int = 0
    enough: float = 1.0
    looks: list[tuple[int, float, float]] = field(default_factory=list)
    model: Any = None
    examples: int = 0
    _steps: int = 0
    _seconds: float = 0.0
    _since: float = 0.0

    def start(self) -> None:
        self._since = time.process_time()

    def attach(self, model: Any) -> Any:
        """Let every training step of a model, by `fit` or `train_on_batch`, be followed. Returns the model."""
        fit, train_on_batch = model.fit, model.train_on_batch

        def watched_fit(x: Any, *args: Any, callbacks: Any = (), batch_size: int = 32, **settings: Any) -> Any:
            self.epoch = len(x)
            follow = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: self._step(batch_size))
            return fit(x, *args, callbacks=[*(callbacks or ()), follow], batch_size=batch_size, **settings)

        def watched_train_on_batch(x: Any, *args: Any, **settings: Any) -> Any:
            logs = train_on_batch(x, *args, **settings)
            self._step(len(x))
            return logs

        model.fit, model.train_on_batch = watched_fit, watched_train_on_batch
        self.model = model
        return model

    def finish(self) -> None:
        """Look at what the training ended in, unless an epoch's end just did."""
        if not self.looks or self.looks[-1][0] != self.examples:
            self._look()

    def _step(self, examples: int) -> None:
        end = (self.examples // self.epoch + 1) * self.epoch
        self.examples, self._steps = min(self.examples + examples, end), self._steps + 1
        found = max((accuracy for _, _, accuracy in self.looks), default=0.0)
        between = self.every and self._steps % self.every == 0 and found < self.enough
        if self.examples == end or between:
            self._look()

    def _look(self) -> None:
        self._seconds += time.process_time() - self._since
        self.looks.append((self.examples, self._seconds, self.accuracy(self.model)))
        self._since = time.process_time()


Train = Callable[[Any, np.ndarray, int, int, Watch], None]  # inputs, labels, epochs, seed, watch


@dataclass(frozen=True)
class Network:
    """How a network is trained, from raw data, and asked.

    Attributes:
        train: (inputs, labels, epochs, seed, watch). A reference takes the epochs that stand in its solution.
        predict: (model, inputs) -> probabilities, (m, 10), or (m,) where there are two classes.
    """

    train: Train
    predict: Callable[[Any, Any], np.ndarray]


# ── References ───────────────────────────────────────────────────────────────────────────────────────────────────


def reference(part: str, build: str, train: str, variant: Variant | None = None) -> Network:
    """The reference of a part: its notebook's own cells, run up to the one that trains, with the small experiments.

    Args:
        part: "ps4_cnn/part1_builder".
        build, train: names of its functions; the solution cell of the training is called like it.
        variant: what is other in it.
    """
    os.environ["GRADESCENT_SMALL"] = "1"
    matplotlib.use("Agg")
    names: dict[str, Any] = {}
    for cell in notebook_of(load_course(ROOT), part, variant).cells:
        grader = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code" or cell.id == "setup" or (grader.get("grade") and not grader["solution"]):
            continue
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(cell.source, f"<cell {cell.id}>", "exec"), names)
        if grader.get("grade_id") == f"solution_{train}":
            break
    own_build = names[build]

    def watched(x: Any, y: np.ndarray, epochs: int, seed: int, watch: Watch) -> None:
        names[build] = lambda *args, **kwargs: watch.attach(own_build(*args, **kwargs))
        names[train](x, y, seed=seed)

    return Network(watched, names["predict"])


def cnn_reference() -> Network:
    """The reference of ps4_cnn."""
    return reference("ps4_cnn/part1_builder", "build_cnn", "train_cnn")


def cnn_quick() -> Network:
    """The quick setting that the notebook names: a stride of 2 for the first pooling, and a single epoch."""
    pooled = "layers.Conv2D(12, 5, activation=activation),\n            layers.MaxPooling2D(2),"
    edits = {
        "build_cnn": [(pooled, "layers.Conv2D(12, 5, strides=2, activation=activation),")],
        "train_cnn": [("epochs, batch_size = 3,", "epochs, batch_size = 1,")],
    }
    return reference("ps4_cnn/part1_builder", "build_cnn", "train_cnn", Variant("quick", edits))


def lstm_reference() -> Network:
    """The reference of ps6_lstm; the making of its word vectors is part of its training."""
    return reference("ps6_lstm/part1_builder", "build_lstm", "train_lstm")


# ── MNIST ────────────────────────────────────────────────────────────────────────────────────────────────────────


def keras_convnet() -> Network:
    """Keras' example "Simple MNIST convnet": 34,826 parameters, dropout 0.5, Adam, batches of 128, 15 epochs.

    It trains on the first 54,000 images and validates on the others; that pass is left out here, as evaluating is everywhere.
    Source: keras.io/examples/vision/mnist_convnet (keras-team/keras-io, examples/vision/mnist_convnet.py).
    """
    return _convnet(
        [
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
        ],
        held_back=0.1,
    )


def large_convnet() -> Network:
    """A convolutional network of 1,087,106 parameters as a tutorial publishes it: Adam, batches of 128, there for 10 epochs.

    Source: github.com/adventuresinML/adventures-in-ml-code, keras_cnn.py. Earlier students' network of "1.09 million
    parameters" is known by that figure alone, which this one has too.
    """
    return _convnet(
        [
            layers.Conv2D(32, 5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(1000, activation="relu"),
        ]
    )


def _convnet(hidden: list[Any], held_back: float = 0.0) -> Network:
    def train(images: np.ndarray, labels: np.ndarray, epochs: int, seed: int, watch: Watch) -> None:
        keras.utils.set_random_seed(seed)
        used = round(len(images) * (1 - held_back))
        x, y = _pixels(images[:used]), np.eye(10, dtype="float32")[labels[:used]]
        model = keras.Sequential([keras.Input((28, 28, 1)), *hidden, layers.Dense(10, activation="softmax")])
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        watch.attach(model).fit(x, y, batch_size=128, epochs=epochs, verbose=0)

    return Network(train, lambda model, images: model.predict(_pixels(images), batch_size=CHUNK, verbose=0))


def _pixels(images: np.ndarray) -> np.ndarray:
    return images[..., None].astype("float32") / 255


# ── IMDB ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def keras_bilstm() -> Network:
    """Keras' example "Bidirectional LSTM on IMDB": 20,000 words, the last 200 tokens, embedding 128, 2 epochs.

    Source: keras.io/examples/nlp/bidirectional_lstm_imdb (keras-team/keras-io, examples/nlp/bidirectional_lstm_imdb.py).
    """
    recurrent = [
        layers.Bidirectional(layers.LSTM(64, return_sequences=True)),
        layers.Bidirectional(layers.LSTM(64)),
    ]
    return _lstm(20_000, 200, recurrent, batch_size=32)


def lstm(units: int) -> Network:
    """Embedding, LSTM, dense, as earlier students published it: the last 256 tokens of 10,000 words, embedding 128.

    Of their settings the layers are known; Adam and batches of 64 are ours.
    """
    return _lstm(10_000, 256, [layers.LSTM(units)], batch_size=64)


def _lstm(words: int, length: int, recurrent: list[Any], batch_size: int) -> Network:
    def train(reviews: list[np.ndarray], labels: np.ndarray, epochs: int, seed: int, watch: Watch) -> None:
        keras.utils.set_random_seed(seed)
        x, y = _padded(reviews, words, length), labels.astype("float32")
        model = keras.Sequential(
            [
                keras.Input((None,), dtype="int32"),
                layers.Embedding(words, 128),
                *recurrent,
                layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
        watch.attach(model).fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)

    def predict(model: Any, reviews: list[np.ndarray]) -> np.ndarray:
        return model.predict(_padded(reviews, words, length), batch_size=CHUNK, verbose=0)[:, 0]

    return Network(train, predict)


def _padded(reviews: list[np.ndarray], words: int, length: int) -> np.ndarray:
    """The reviews as keras.datasets.imdb numbers them, its `num_words` being `words`, and as its `pad_sequences` pads."""
    numbered = [np.concatenate([[FIRST_TOKEN], tokens + SHIFT]) for tokens in reviews]
    known = [np.where(tokens < words, tokens, UNKNOWN) for tokens in numbered]
    return keras.utils.pad_sequences(known, maxlen=length)


NETWORKS: dict[str, Callable[[], Network]] = {
    "cnn_reference": cnn_reference,
    "cnn_quick": cnn_quick,
    "keras_convnet": keras_convnet,
    "large_convnet": large_convnet,
    "lstm_reference": lstm_reference,
    "keras_bilstm": keras_bilstm,
    "lstm_64": lambda: lstm(64),
    "lstm_128": lambda: lstm(128),
}
