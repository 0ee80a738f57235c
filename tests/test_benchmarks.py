"""The benchmarks measure what they say: the same training three times over, and graded classes. No time is asserted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks import engine, grading, training
from benchmarks.__main__ import main, training_table
from benchmarks.readings import Reading, accuracy_gap
from gradescent.student.datasets import Dataset

SETTING = training.Setting(sizes=(4, 5, 3), epochs=3, eta=0.5, batch_sizes=(1, 7))


@pytest.fixture
def data() -> Dataset:
    """Three clouds of points, 50 to train with, so that a mini-batch of 7 leaves a rest."""
    rng = np.random.default_rng(5)
    y = np.arange(80, dtype=np.uint8) % 3
    x = rng.normal(size=(80, 4)) + np.eye(3, 4)[y]
    return Dataset(x[:50], y[:50], x[50:], y[50:], "made up")


@pytest.mark.parametrize("batch_size", SETTING.batch_sizes)
def test_the_loop_and_the_reference_end_in_the_same_parameters(data: Dataset, batch_size: int) -> None:
    network = training.reference_network()
    task = training.Task(data, SETTING, batch_size, seed=11)
    reference = training.train_network(network, task)
    loop = training.train_network(training.looped(network), task)
    np.random.seed(11)
    fresh = network(list(SETTING.sizes))
    for end, other, start in zip(
        [*reference.weights, *reference.biases],
        [*loop.weights, *loop.biases],
        [*fresh.weights, *fresh.biases],
        strict=True,
    ):
        np.testing.assert_allclose(other, end, rtol=1e-10, atol=1e-12)
        assert not np.allclose(end, start, atol=1e-3)
    assert loop.accuracy == reference.accuracy


def test_scikit_learn_trains_the_same_model_by_the_same_rule(data: Dataset) -> None:
    """With all examples in one mini-batch their order does not matter, so nothing is left to differ."""
    network = training.reference_network()
    task = training.Task(data, SETTING, len(data.x_train), seed=11)
    reference, sklearn = training.train_network(network, task), training.train_scikit_learn(network, task)
    for end, other in zip([*reference.weights, *reference.biases], [*sklearn.weights, *sklearn.biases], strict=True):
        np.testing.assert_allclose(other, end, rtol=1e-9, atol=1e-12)


def test_everybody_is_measured_once_a_repetition_in_turn(data: Dataset) -> None:
    told: list[str] = []
    readings = training.measure(data, SETTING, 2, told.append)
    everybody = [training.REFERENCE, training.LOOP, training.SCIKIT_LEARN]
    groups = ["batch of 1", "batch of 7"]
    assert [(reading.group, reading.name) for reading in readings] == [(g, name) for g in groups for name in everybody]
    assert all(len(reading.seconds) == len(reading.accuracies) == 2 for reading in readings)
    assert all(seconds > 0 for reading in readings for seconds in reading.seconds)
    assert told == 2 * [f"training, {group}, {name}" for group in groups for name in everybody]
    assert len(training_table(readings, training.REFERENCE).rows) == len(readings)


def test_what_the_table_says() -> None:
    slow, fast = Reading("g", "slow", [2.0, 6.0, 9.0], accuracies=[0.8, 0.9]), Reading("g", "fast", [1.0, 2.0, 9.0])
    fast.accuracies = [0.83, 0.9]
    assert slow.median == 6.0
    assert slow.times(fast) == 2.0, "the median of 2, 3 and 1, not the quotient of the medians"
    assert accuracy_gap([slow, fast]) == pytest.approx(1.5)
    console = Console(width=120)
    with console.capture() as captured:
        console.print(training_table([fast, slow], "fast"))
    assert "| g | slow |" in " ".join(captured.get().split())
    assert "2000.00 ... 9000.00" in captured.get()


@pytest.mark.parametrize("subject", grading.SUBJECTS, ids=lambda subject: subject.part)
def test_only_a_class_that_was_graded_right_is_measured(subject: grading.Subject, tmp_path: Path) -> None:
    students = grading.make_class(tmp_path, subject, 1)
    environment = grading.environment_in(tmp_path / "data")
    command = grading.commands(subject.assignment, cores=1)["gradescent, 1 worker"]
    taken = grading.run_once(students, command, environment)
    assert taken.cpu_seconds > 0
    assert taken.seconds > taken.graded_seconds > taken.own_seconds > 0
    share = grading.Share.of([taken], cores=1)
    assert share.whole > share.each > 1
    assert not (students.folder / "autograded").exists(), "every repetition starts from a course that nobody graded"
    nothing = ["python", "-c", "pass"]
    with pytest.raises(RuntimeError, match=rf"{subject.part} ended with 0, scores \{{'student_0001': 0.0\}}"):
        grading.run_once(students, nothing, environment)


def test_the_engines_parts_are_measured() -> None:
    rows = engine.measure(lambda what: None)
    assert len(rows) == 6
    assert all(float(middle) > 0 for _, middle, _ in rows)


def test_wrong_options_are_refused(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(["--repetitions", "0"])
    assert "must be 1 or more" in capsys.readouterr().err
