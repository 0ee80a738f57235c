"""Training: the reference's mini-batches against a loop over single examples and against scikit-learn.

All three train the same model with the same rule from the same starting parameters; only the order of the examples is
drawn differently by scikit-learn.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.readings import Reading, Report
from grader_tests.variants import part_of, reference_cells
from gradescent.authoring.text import source_notebook
from gradescent.course import load_course
from gradescent.student.datasets import Dataset, columns

ROOT = Path(__file__).resolve().parents[1]
PART = "ps1_backprop/part3_sgd"
CELLS = ("tools", "network", "SGD_train")  # the solution cells that make the reference's Network
REFERENCE, LOOP, SCIKIT_LEARN = "reference", "one by one", "scikit-learn"


@dataclass(frozen=True)
class Setting:
    """What is trained. The output is a softmax with cross-entropy, the only one that MLPClassifier has."""

    sizes: tuple[int, int, int] = (196, 30, 10)
    epochs: int = 30
    eta: float = 1.0
    batch_sizes: tuple[int, ...] = (10, 128)


@dataclass(frozen=True)
class Task:
    """One training: the setting's, with one batch size and one seed."""

    data: Dataset
    setting: Setting
    batch_size: int
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What came of one training.

    Attributes:
        seconds: CPU time an epoch.
        accuracy: on the test split, between 0 and 1.
        weights, biases: after the last epoch, in the reference's layout.
    """

    seconds: float
    accuracy: float
    weights: list[np.ndarray]
    biases: list[np.ndarray]


Trainer = Callable[[Task], Outcome]


def trainers() -> dict[str, Trainer]:
    """Everybody who is measured, by name."""
    network = reference_network()
    loop = looped(network)
    return {
        REFERENCE: lambda task: train_network(network, task),
        LOOP: lambda task: train_network(loop, task),
        SCIKIT_LEARN: lambda task: train_scikit_learn(network, task),
    }


def measure(data: Dataset, setting: Setting, repetitions: int, report: Report) -> list[Reading]:
    """Train with everybody in turn, once a repetition, with the repetition's number as the seed."""
    everybody = trainers()
    readings = {(size, name): Reading(_group(size), name) for size in setting.batch_sizes for name in everybody}
    for seed in range(repetitions):
        for (batch_size, name), reading in readings.items():
            outcome = everybody[name](Task(data, setting, batch_size, seed))
            reading.seconds.append(outcome.seconds)
            reading.accuracies.append(outcome.accuracy)
            report(f"training, {reading.group}, {name}")
    return list(readings.values())


def _group(batch_size: int) -> str:
    return f"batch of {batch_size}"


def reference_network() -> Any:
    """The class Network of the reference solution, as it stands in the source of part 3."""
    cells = reference_cells(source_notebook(part_of(load_course(ROOT), PART)))
    namespace: dict[str, Any] = {"np": np}
    for name in CELLS:
        exec(compile(cells[name], f"<cell {name}>", "exec"), namespace)
    return namespace["Network"]


def looped(network: Any) -> Any:
    """The same network, but its back_prop gets the examples of a mini-batch one by one and sums their gradients."""

    class Looped(network):
        def back_prop(self, x: np.ndarray, y: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
            dW_sums, db_sums = network.back_prop(self, x[:, :1], y[:, :1])
            for i in range(1, x.shape[1]):
                dW_list, db_list = network.back_prop(self, x[:, i : i + 1], y[:, i : i + 1])
                for total, gradient in zip([*dW_sums, *db_sums], [*dW_list, *db_list], strict=True):
                    total += gradient
            return dW_sums, db_sums

    return Looped


def train_network(network: Any, task: Task) -> Outcome:
    """Train the reference's Network, or one that behaves like it, with its SGD_train."""
    data, setting = task.data, task.setting
    classes = setting.sizes[-1]
    train = columns(data.x_train, data.y_train, classes)
    net = _start(network, task)
    start = time.process_time()
    net.SGD_train(train, epochs=setting.epochs, eta=setting.eta, verbose=False, batch_size=task.batch_size)
    seconds = time.process_time() - start
    accuracy = net.evaluate(columns(data.x_test, data.y_test, classes))
    return Outcome(seconds / setting.epochs, accuracy, net.weights, net.biases)


def train_scikit_learn(network: Any, task: Task) -> Outcome:
    """Train scikit-learn's network, from the parameters that the reference's starts with."""
    data, setting = task.data, task.setting
    model = MLPClassifier(
        hidden_layer_sizes=setting.sizes[1:-1],
        activation="logistic",
        solver="sgd",
        momentum=0,
        alpha=0,
        batch_size=task.batch_size,
        learning_rate_init=setting.eta,
        max_iter=1,
        n_iter_no_change=setting.epochs + 1,  # never stop early
        tol=0,
        warm_start=True,
        random_state=task.seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is given, as for the others
        model.fit(data.x_train, data.y_train)  # makes the parameters, which are then replaced
        net = _start(network, task)
        model.coefs_ = [W.T.copy() for W in net.weights]
        model.intercepts_ = [b[:, 0].copy() for b in net.biases]
        model.set_params(max_iter=setting.epochs)
        start = time.process_time()
        model.fit(data.x_train, data.y_train)
        seconds = time.process_time() - start
    weights, biases = [W.T for W in model.coefs_], [b.reshape(-1, 1) for b in model.intercepts_]
    return Outcome(seconds / model.n_iter_, model.score(data.x_test, data.y_test), weights, biases)


def _start(network: Any, task: Task) -> Any:
    """A network with the parameters that the task's seed gives; the order of the examples follows from it too."""
    np.random.seed(task.seed)
    return network(list(task.setting.sizes), output="softmax")
