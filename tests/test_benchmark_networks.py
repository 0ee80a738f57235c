"""The way to an accuracy is measured as it is told: the clock, the looks, what is kept, and what is promised."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import long
from rich.console import Console

from benchmarks import accept, accuracy, grading, networks
from benchmarks.__main__ import main, network_table
from benchmarks.accept import Graded, Thresholds
from benchmarks.accuracy import ENTRIES, FULL, SMALL, Entry, Trained
from benchmarks.networks import Watch
from grader_tests.ps6_lstm import small
from grader_tests.variants import part_of, points
from gradescent.authoring.text import source_notebook
from gradescent.course import load_course
from gradescent.student import datasets

BY_NAME = {entry.name: entry for entry in ENTRIES}
CNN, CONVNET, BILSTM = BY_NAME["cnn_reference"], BY_NAME["keras_convnet"], BY_NAME["keras_bilstm"]


class Clock:
    """A CPU clock that says what it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.now = 50.0
        monkeypatch.setattr(networks.time, "process_time", lambda: self.now)


class Model:
    """A model each step of which takes a second, and which counts them."""

    def __init__(self, clock: Clock):
        self.clock, self.steps = clock, 0

    def fit(self, x: Any, batch_size: int, epochs: int, callbacks: list) -> None:
        for _ in range(epochs):
            for _ in range(0, len(x), batch_size):
                self._step()
                for callback in callbacks:
                    callback.on_train_batch_end(0, {})

    def train_on_batch(self, x: Any) -> float:
        self._step()
        return 0.25

    def _step(self) -> None:
        self.steps += 1
        self.clock.now += 1.0


def watch_of(clock: Clock, accuracy_of: Callable[[Model], float], **settings: Any) -> Watch:
    """A watch of a look that takes a hundred seconds."""

    def look(model: Model) -> float:
        clock.now += 100.0
        return accuracy_of(model)

    watch = Watch(look, **settings)
    watch.start()
    return watch


def test_the_clock_stands_still_during_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    watch = watch_of(clock, lambda model: model.steps / 10, epoch=10, every=2)
    watch.attach(Model(clock)).fit(np.zeros(10), batch_size=4, epochs=2)
    watch.finish()
    # Batches of 4, 4 and 2: a look at steps 2, 4 and 6, and at the ends of the epochs, steps 3 and 6.
    assert watch.looks == [(8, 2.0, 0.2), (10, 3.0, 0.3), (14, 4.0, 0.4), (20, 6.0, 0.6)]


def test_between_the_ends_of_epochs_nobody_looks_once_it_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    watch = watch_of(clock, lambda model: model.steps / 10, epoch=4, every=1, enough=0.2)
    watch.attach(Model(clock)).fit(np.zeros(4), batch_size=1, epochs=2)
    watch.finish()
    assert [examples for examples, _, _ in watch.looks] == [1, 2, 4, 8]


def test_an_own_loop_is_followed_too_and_gets_what_keras_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    watch = watch_of(clock, lambda model: 0.5, epoch=5)
    model = watch.attach(Model(clock))
    assert [model.train_on_batch(np.zeros(size)) for size in (3, 2, 3)] == [0.25] * 3
    watch.finish()
    assert watch.looks == [(5, 2.0, 0.5), (8, 3.0, 0.5)], "the end of an epoch, and the end of all"


# ── the networks, for real ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def little_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Made-up digits, a bright row each, and made-up reviews, too few to learn anything but enough to run."""
    rng = np.random.default_rng(3)
    y = (np.arange(90) % 10).astype(np.uint8)
    x = rng.integers(0, 40, (90, 28, 28)).astype(np.uint8)
    x[np.arange(90), 5 + 2 * y] = 255
    made = datasets.Dataset(x[:60], y[:60], x[60:], y[60:], "made up", True)
    datasets.save(made, tmp_path / "mnist.npz")
    small.write(tmp_path, 40, 30)
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    return tmp_path


# Keras says 34,826 and 2,757,761 of its examples; the others follow from their layers.
PARAMETERS = {
    "keras_convnet": 34_826,
    "large_convnet": 1_087_106,
    "keras_bilstm": 2_757_761,
    "lstm_64": 10_000 * 128 + 4 * 64 * (128 + 64 + 1) + 65,
}


@long
@pytest.mark.parametrize(
    "entry", [entry for entry in ENTRIES if entry.name != "lstm_128"], ids=lambda entry: entry.name
)
def test_every_network_trains_from_raw_data(entry: Entry, little_data: Path) -> None:
    one = accuracy.train(entry, 0, SMALL)
    assert one.parameters == PARAMETERS.get(entry.name, one.parameters)
    size = {"mnist": 60, "imdb": 40}[entry.data]
    assert one.epoch == (54 if entry.name == "keras_convnet" else size), "Keras' example holds a tenth back"
    assert one.looks[-1][0] % one.epoch == 0
    assert one.seconds > 0
    assert 0 <= one.accuracy <= 1
    assert len(one.after_epochs()) == one.looks[-1][0] / one.epoch


def test_reviews_are_numbered_and_padded_as_keras_does() -> None:
    """1 begins a review, word 1 is token 4, from `num_words` on everything is 2, and zeros stand in front."""
    reviews = [np.array([1, 2, 500], dtype=np.int32), np.arange(1, 9, dtype=np.int32)]
    padded = networks._padded(reviews, words=10, length=6)
    assert padded.tolist() == [[0, 0, 1, 4, 5, 2], [6, 7, 8, 9, 2, 2]]


# ── what is kept and told ────────────────────────────────────────────────────────────────────────────────────────


def trained(name: str = "keras_convnet", seed: int = 0, setting: str = FULL, **changes: Any) -> Trained:
    looks = [(30, 2.0, 0.98), (60, 4.0, 0.986), (90, 5.0, 0.984), (120, 8.0, 0.9931)]
    return replace(Trained(name, seed, setting, 34_826, 60, looks, "a machine"), **changes)


def test_the_first_look_that_passes_a_mark_counts() -> None:
    one = trained()
    assert (one.seconds_to(0.985), one.seconds_to(0.99), one.seconds_to(0.995)) == (4.0, 8.0, None)
    assert one.after_epochs() == [0.986, 0.9931]
    assert one.speed == 15.0


def test_what_the_table_of_networks_says() -> None:
    slow = trained(seed=1, looks=[(60, 6.0, 0.98), (120, 12.0, 0.987)])
    console = Console(width=160)
    with console.capture() as captured:
        console.print(network_table([CONVNET], [trained(), slow]))
    told = " ".join(captured.get().split())
    assert "34,826 | 2 | 8.0 (4.0 ... 12.0) | 8.0, 1 of 2 | 99.00 (98.70 ... 99.31) | 10 | 12 |" in told
    assert accuracy.row(BILSTM, [trained("keras_bilstm", looks=[(60, 6.0, 0.87)])])[3] == "never"
    assert accuracy.epochs_line([trained(), slow]) == "98.30 99.00"


def test_what_is_finished_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def made(entry: Entry, seed: int, setting: str) -> Trained:
        asked.append((entry.name, seed))
        if len(asked) == 4:
            raise KeyboardInterrupt
        return trained(entry.name, seed, setting)

    monkeypatch.setattr(accuracy, "in_own_process", made)
    file = tmp_path / "trainings.json"
    with pytest.raises(KeyboardInterrupt):
        accuracy.measure([CNN, CONVNET], 2, file, lambda text: None)
    found = accuracy.measure([CNN, CONVNET], 2, file, lambda text: None)
    first_three = [("cnn_reference", 0), ("keras_convnet", 0), ("cnn_reference", 1)]
    assert asked == [*first_three, ("keras_convnet", 1), ("keras_convnet", 1)], "what was broken off is done once more"
    assert [(one.name, one.seed) for one in found] == [
        (name, seed) for name in ("cnn_reference", "keras_convnet") for seed in (0, 1)
    ]
    assert accuracy.read(file)[0] == trained("cnn_reference")
    accuracy.measure([CNN], 1, file, lambda text: None, SMALL)
    assert asked[-1] == ("cnn_reference", 0), "another setting is another training"


def test_the_command_trains_in_processes_of_their_own(
    little_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = tmp_path / "kept.json"
    options = ["--networks", "--small", "--only", "keras_convnet", "--seeds", "1", "--json", str(file)]
    assert main(options) == 0
    told = capsys.readouterr().out
    assert "Keras' Simple MNIST convnet" in told
    assert "34,826" in told
    (kept,) = json.loads(file.read_text())
    assert (kept["name"], kept["seed"], kept["setting"]) == ("keras_convnet", 0, "small")


@pytest.mark.parametrize("content", ["{", "[1]", '[{"name": "cnn_reference"}]'])
def test_a_damaged_file_is_named(content: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = tmp_path / "kept.json"
    file.write_text(content)
    assert main(["--networks", "--small", "--json", str(file)]) == 2
    assert f"{file} holds no results of trainings" in capsys.readouterr().err
    assert file.read_text() == content, "nothing is lost"


# ── what is promised ─────────────────────────────────────────────────────────────────────────────────────────────

GOOD_CNN, GOOD_LSTM = Graded(50, 50, 0.9915, 14.0), Graded(60, 60, 0.9060, 112.0)
LIMITS = Thresholds()


def missed(promises: list[accept.Promise]) -> list[str]:
    return [promise.what for promise in promises if not promise.kept]


def test_every_promise_of_the_cnn_can_be_missed() -> None:
    alone = [trained("cnn_quick", parameters=43_426)] * 3
    assert missed(accept.judge_cnn(LIMITS, alone, [GOOD_CNN] * 3)) == []
    poor = [GOOD_CNN, replace(GOOD_CNN, accuracy=0.9899)]
    assert missed(accept.judge_cnn(LIMITS, alone, poor)) == ["test accuracy of each, %"]
    assert missed(accept.judge_cnn(LIMITS, alone, [replace(GOOD_CNN, score=49.0)])) == ["submissions with all points"]
    large = [replace(alone[0], parameters=150_001)]
    assert missed(accept.judge_cnn(LIMITS, large, [GOOD_CNN])) == ["parameters"]
    slow = [*alone, replace(alone[0], looks=[(60, 10.1, 0.986)])]
    assert missed(accept.judge_cnn(LIMITS, slow, [GOOD_CNN])) == ["CPU s of a quick training to 98.5%"]
    never = [replace(alone[0], looks=[(60, 2.0, 0.984)])]
    assert missed(accept.judge_cnn(LIMITS, never, [GOOD_CNN])) == ["CPU s of a quick training to 98.5%"]


def test_every_promise_of_the_lstm_can_be_missed() -> None:
    assert missed(accept.judge_lstm(LIMITS, [GOOD_LSTM] * 3)) == []
    below = [GOOD_LSTM, replace(GOOD_LSTM, accuracy=0.9029)]
    assert missed(accept.judge_lstm(LIMITS, below)) == [], "the mean is 90.45 %"
    assert missed(accept.judge_lstm(LIMITS, [replace(GOOD_LSTM, accuracy=0.9020)])) == ["test accuracy, mean, %"]
    uneven = [replace(GOOD_LSTM, accuracy=0.93), replace(GOOD_LSTM, accuracy=0.8999)]
    assert missed(accept.judge_lstm(LIMITS, uneven)) == ["test accuracy of each, %"]
    assert missed(accept.judge_lstm(LIMITS, [replace(GOOD_LSTM, seconds=146.0)])) == ["CPU s of a training"]
    assert missed(accept.judge_lstm(LIMITS, [replace(GOOD_LSTM, score=59.0)])) == ["submissions with all points"]


@long
def test_a_missed_promise_fails_a_real_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """The whole way, through `gradescent grade`, on made-up reviews; what is promised of them is another thing."""
    small.write(tmp_path)
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    graded: list[Graded] = []
    real = accept.grade
    monkeypatch.setattr(accept, "grade", lambda *args: graded or graded.extend(real(*args)) or graded)
    easy = Thresholds(lstm_mean=0.6, lstm_least=0.6, lstm_seconds=3600)
    assert accept.main(["--only", "ps6_lstm", "--submissions", "1"], easy) == 0
    (one,) = graded
    assert one.accuracy > 0.6
    assert one.seconds > 0
    told = capsys.readouterr().out
    assert f"{100 * one.accuracy:.2f}" in told
    assert "NO" not in told
    assert accept.main(["--only", "ps6_lstm"], replace(easy, lstm_least=one.accuracy + 0.0001)) == 1
    captured = capsys.readouterr()
    assert "NO" in captured.out
    assert f"not kept: ps6_lstm, test accuracy of each, %: {100 * one.accuracy:.2f}" in captured.err


def test_a_class_that_cannot_be_graded_is_told(
    tmp_path: Path, little_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    program = tmp_path / "gradescent"
    program.write_text("#!/bin/sh\necho no walls on this machine >&2\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setattr(grading, "PROGRAMS", tmp_path)
    assert accept.main(["--only", "ps6_lstm", "--submissions", "1"]) == 2
    told = capsys.readouterr().err
    assert "gradescent grade ps6_lstm ended with 2" in told
    assert "no walls on this machine" in told


# ── classes whose networks the tests train ───────────────────────────────────────────────────────────────────────


def test_classes_are_graded_by_stock_nbgrader_and_by_us(
    little_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Each class is made for real and handed to both commands; grading itself would train for minutes."""
    asked: list[tuple[str, str, int, float]] = []

    def graded(students: grading.Class, command: list[str], environment: dict[str, str]) -> grading.Taken:
        assignment = students.subject.assignment
        handed_in = list(students.folder.glob(f"submitted/*/{assignment}/part1_builder.ipynb"))
        asked.append((command[0], assignment, len(handed_in), students.worth))
        seconds = 8.0 if command[0] == "nbgrader" else 2.0
        return grading.Taken(seconds, seconds, 1.0, 1.0)

    monkeypatch.setattr(grading, "run_once", graded)
    assert main(["--classes", "--submissions", "1"]) == 0
    worths = {name: asked[place][3] for place, name in ((0, "ps4_cnn"), (2, "ps6_lstm"))}
    assert asked == [
        (program, name, 1, worths[name]) for name in ("ps4_cnn", "ps6_lstm") for program in ("nbgrader", "gradescent")
    ]
    course = load_course(grading.ROOT)
    for name, worth in worths.items():
        source = source_notebook(part_of(course, f"{name}/part1_builder"))
        beyond = points(source)["accuracy_994"] if name == "ps4_cnn" else 0
        assert worth == sum(points(source).values()) - beyond, "the reference does not reach 99.4 %"
    told = " ".join(capsys.readouterr().out.split())
    assert "| 1 of ps4_cnn | nbgrader autograde | 8.00 | 8.00 ... 8.00 | 1.00 | 8.00 |" in told
    assert "2.00 | 2.00 ... 2.00 | 4.00 | 2.00 |" in told
