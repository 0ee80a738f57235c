"""Seconds to an accuracy: networks trained in turn, each in a process of its own, and what came of each kept in a file."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from statistics import mean

FULL, SMALL = "full", "small"
SMALL_SIZES = (600, 200)  # training and test examples of the small setting
ONE_CORE = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}


class ResultsError(Exception):
    """The file of earlier results cannot be read. The message names it and the remedy."""


@dataclass(frozen=True)
class Entry:
    """A network that is measured.

    Attributes:
        name: its key, as --only takes it.
        title: what the table says.
        data: name of the data set.
        marks: accuracies of which the seconds are told.
        epochs: passes over the training set; a reference has its own.
        every: steps between two looks at the test set, until the last mark is passed; 0 looks after each epoch.
    """

    name: str
    title: str
    data: str
    marks: tuple[float, ...]
    epochs: int
    every: int


MNIST_MARKS, IMDB_MARKS = (0.985, 0.99), (0.90,)
ENTRIES = (
    Entry("cnn_reference", "ps4_cnn, reference", "mnist", MNIST_MARKS, 0, 100),
    Entry("cnn_quick", "ps4_cnn, its quick setting", "mnist", MNIST_MARKS, 0, 100),
    Entry("keras_convnet", "Keras' Simple MNIST convnet", "mnist", MNIST_MARKS, 15, 100),
    Entry("large_convnet", "a tutorial's network of 1.09 million", "mnist", MNIST_MARKS, 4, 100),
    Entry("lstm_reference", "ps6_lstm, reference", "imdb", IMDB_MARKS, 0, 0),
    Entry("keras_bilstm", "Keras' Bidirectional LSTM on IMDB", "imdb", IMDB_MARKS, 2, 0),
    Entry("lstm_64", "embedding, LSTM of 64, dense", "imdb", IMDB_MARKS, 3, 0),
    Entry("lstm_128", "embedding, LSTM of 128, dense", "imdb", IMDB_MARKS, 3, 0),
)


@dataclass(frozen=True)
class Trained:
    """What one training came to.

    Attributes:
        name, seed, setting: which training it was.
        parameters: numbers that are learnt.
        epoch: examples of an epoch.
        looks: (examples seen, CPU seconds until then, accuracy on the test set), the last after the whole training.
        machine: processor, Python, Keras and back end.
    """

    name: str
    seed: int
    setting: str
    parameters: int
    epoch: int
    looks: list[tuple[int, float, float]]
    machine: str

    @property
    def seconds(self) -> float:
        """CPU time of the whole training."""
        return self.looks[-1][1]

    @property
    def accuracy(self) -> float:
        """On the test set, after the whole training."""
        return self.looks[-1][2]

    @property
    def speed(self) -> float:
        """Examples trained on in a CPU second, everything included."""
        return self.looks[-1][0] / self.seconds

    def seconds_to(self, mark: float) -> float | None:
        """CPU time until the first look that finds at least this accuracy; None where none does."""
        return next((seconds for _, seconds, accuracy in self.looks if accuracy >= mark), None)

    def after_epochs(self) -> list[float]:
        """Accuracies at the end of each epoch."""
        return [accuracy for examples, _, accuracy in self.looks if examples % self.epoch == 0]


def measure(
    entries: Iterable[Entry], seeds: int, file: Path, report: Callable[[str], None], setting: str = FULL
) -> list[Trained]:
    """Train every network once with every seed, in turn; what the file holds already is taken from there.

    Raises:
        ResultsError: the file is there and no list of trainings.
    """
    results = read(file)
    done = {(one.name, one.seed, one.setting): one for one in results}
    chosen = list(entries)
    for seed in range(seeds):
        for entry in chosen:
            key = (entry.name, seed, setting)
            report(f"{entry.name}, seed {seed}")
            if key not in done:
                done[key] = in_own_process(entry, seed, setting)
                write(file, list(done.values()))
    return [done[entry.name, seed, setting] for entry in chosen for seed in range(seeds)]


def in_own_process(entry: Entry, seed: int, setting: str) -> Trained:
    """Train in a fresh process, so that what Keras prepares once is paid by each, and no memory is handed on."""
    os.environ.update(ONE_CORE)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(train, entry, seed, setting).result()


def train(entry: Entry, seed: int, setting: str) -> Trained:
    """Train a network in this process and look at the test set on the way."""
    # Not before: they import NumPy, and the process that asks for a training sets the number of threads first.
    import keras

    from benchmarks.networks import NETWORKS, Watch
    from gradescent.student import datasets

    training, test = SMALL_SIZES if setting == SMALL else (None, None)
    data = datasets.load(entry.data)
    x, y = data.x_train[:training], data.y_train[:training]
    x_test, y_test = data.x_test[:test], data.y_test[:test]
    network = NETWORKS[entry.name]()

    def accuracy(model: object) -> float:
        probabilities = network.predict(model, x_test)
        answers = probabilities.argmax(axis=1) if probabilities.ndim == 2 else probabilities > 0.5
        return float((answers == y_test).mean())

    watch = Watch(accuracy, len(y), entry.every, max(entry.marks))
    watch.start()
    network.train(x, y, 1 if setting == SMALL else entry.epochs, seed, watch)
    watch.finish()
    machine = (
        f"{_processor()}, Python {platform.python_version()}, Keras {keras.__version__} on {keras.backend.backend()}"
    )
    parameters = int(watch.model.count_params())
    return Trained(entry.name, seed, setting, parameters, watch.epoch, watch.looks, machine)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


def read(file: Path) -> list[Trained]:
    """The trainings that a file holds; none where there is no file.

    Raises:
        ResultsError: it is there and holds something else.
    """
    if not file.exists():
        return []
    try:
        return [_trained(one) for one in json.loads(file.read_text())]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ResultsError(
            f"{file} holds no results of trainings ({error}). Remedy: delete it, or name another"
        ) from error


def _trained(values: dict) -> Trained:
    kept = {field.name: values[field.name] for field in fields(Trained)}
    return Trained(**{**kept, "looks": [tuple(look) for look in kept["looks"]]})


def write(file: Path, results: list[Trained]) -> None:
    """Write the trainings, whole or not at all."""
    half = file.with_name(f"{file.name}.part")
    half.write_text(json.dumps([asdict(one) for one in results], indent=1) + "\n")
    half.replace(file)


def row(entry: Entry, trained: list[Trained]) -> list[str]:
    """A row of the table: parameters, epochs, seconds to each mark, accuracy, seconds of all, examples a second."""
    accuracies = [100 * one.accuracy for one in trained]
    seconds = [one.seconds for one in trained]
    return [
        entry.title,
        f"{trained[0].parameters:,}",
        f"{trained[0].looks[-1][0] / trained[0].epoch:.0f}",
        *(_to_mark(trained, mark) for mark in entry.marks),
        _spread(accuracies, ".2f"),
        f"{mean(seconds):.0f}",
        f"{mean(one.speed for one in trained):,.0f}",
    ]


def _to_mark(trained: list[Trained], mark: float) -> str:
    reached = [seconds for one in trained if (seconds := one.seconds_to(mark)) is not None]
    if not reached:
        return "never"
    told = _spread(reached, ".1f")
    return told if len(reached) == len(trained) else f"{told}, {len(reached)} of {len(trained)}"


def _spread(values: list[float], form: str) -> str:
    """The mean, and the smallest and largest where there are several."""
    several = f" ({min(values):{form}} ... {max(values):{form}})" if len(values) > 1 else ""
    return f"{mean(values):{form}}{several}"


def epochs_line(trained: list[Trained]) -> str:
    """The mean accuracies after each epoch, in per cent."""
    columns = zip(*(one.after_epochs() for one in trained), strict=False)
    return " ".join(f"{100 * mean(column):.2f}" for column in columns)
