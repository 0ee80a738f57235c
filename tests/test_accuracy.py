"""How accuracy is graded: honest models get what they reach, whatever they are made of, and unfair means are named."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grader_tests.accuracy import CHUNK, Task, judge_ramp, judge_threshold, measured
from gradescent.course import Limits
from gradescent.grading.remote import Allowed, Link, RemoteStudent
from gradescent.grading.sandbox import Sandbox
from gradescent.student.direct import DirectStudent
from gradescent.student.judging import Outcome, Questions, Result, Student, judge

# A classifier by nearest means: it learns in a moment, and everything that can be unfair can be unfair with it.
CODE = """
import numpy as np

class Model:
    def __init__(self):
        self.means = np.random.default_rng(1).uniform(0, 255, (CLASSES, 100))
    def load_weights(self, name):
        self.means = np.load(name)
    def set_weights(self, arrays):
        (means,) = arrays
        if means.shape != self.means.shape:
            raise ValueError(f"the shape {means.shape} does not match {self.means.shape}")
        self.means = means

def build():
    return Model()

calls = []

def train(images, labels, seed=0):
    calls.append((len(images), seed))
    model = build()
    for label in np.unique(labels):
        model.means[label] = images[labels == label].reshape(-1, 100).mean(axis=0)
    return model

def predict(model, images):
    x = images.reshape(-1, 100)
    distances = ((x[:, None] - model.means) ** 2).sum(axis=2) / SHARPNESS
    powers = np.exp(distances.min(axis=1, keepdims=True) - distances)
    return powers / powers.sum(axis=1, keepdims=True)
"""
RAMP = {"least": 0.6, "full": 0.8}


def blurred_blobs(rng: np.random.Generator, n: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Images of 10x10 pixels with a blurred cross whose place is the class."""
    labels = rng.integers(4, size=n)
    rows, columns = np.divmod(np.arange(100), 10)
    centres = np.array([(3, 3), (3, 6), (6, 3), (6, 6)])[labels]
    distance = (rows - centres[:, :1]) ** 2 + (columns - centres[:, 1:]) ** 2
    x = 200 * np.exp(-distance / 8) + rng.normal(0, noise, (n, 100))
    return np.clip(x, 0, 255).astype(np.uint8).reshape(n, 10, 10), labels.astype(np.uint8)


def shifted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.roll(images, rng.choice([-1, 1]), axis=rng.choice([1, 2]))


def task(noise: float = 140, **changes: Any) -> Task:
    rng = np.random.default_rng(0)
    training, test = blurred_blobs(rng, 600, noise), blurred_blobs(rng, 700, noise)
    names = {"name": "blobs", "build": "build", "train": "train", "predict": "predict"}
    made = Task(**names, training=training, test=test, classes=4, transform=shifted, unlike=200, follows=0.5, **RAMP)
    return replace(made, **changes)


def student(*edits: tuple[str, str], classes: int = 4, extra: str = "") -> DirectStudent:
    code = filled(CODE, classes)
    for old, new in edits:
        assert old in code
        code = code.replace(old, new)
    namespace: dict[str, Any] = {}
    exec(code + extra, namespace)
    return DirectStudent(namespace)


def filled(code: str, classes: int = 4) -> str:
    return code.replace("CLASSES", str(classes)).replace("SHARPNESS", "100000")


Split = Callable[..., Student]
ALLOWED = Allowed(seconds=10, memory_mb=2048, processes=256)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("data"), trust=True) as opened:
        yield opened


@pytest.fixture
def split(sandbox: Sandbox) -> Iterator[Split]:
    """A student in a process of its own, behind the walls: code, files in the working folder, of which .weights. are handed in."""
    with ExitStack() as ends:

        def start(code: str, files: dict[str, bytes] | None = None) -> Student:
            limits, files = Limits(), files or {}
            link = Link(sandbox.start((), limits), limits)
            ends.callback(link.stop)
            contents = [np.frombuffer(content, np.uint8) for content in files.values()]
            link.ask({"op": "files", "names": list(files)}, contents, ALLOWED)
            reply, _ = link.ask({"op": "cell", "code": code}, [], ALLOWED)
            assert reply["failure"] is None, reply
            weights = next((name for name in files if ".weights." in name), "")
            return RemoteStudent(link, ALLOWED, weights)

        yield start


def graded(of: Student, at: Task | None = None, check: Any = judge_ramp, points: float = 10) -> Result:
    questions = Questions()
    questions("accuracy")(lambda student, rng: check(student, at or task(), rng))
    return judge(questions["accuracy"], of, points, seed=3)


def trainings(of: DirectStudent) -> list[tuple[int, int]]:
    return of.namespace["calls"]


def test_an_honest_model_gets_everything_and_its_readings() -> None:
    honest = student()
    result = graded(honest)
    assert (result.score, result.outcome, result.message) == (10, Outcome.RIGHT, "")
    readings = result.readings
    assert readings["accuracy"] > 0.9
    assert readings["standard_error"] == pytest.approx(
        (readings["accuracy"] * (1 - readings["accuracy"]) / 700) ** 0.5, rel=1e-4
    )
    assert readings["trainings"] == 1
    assert readings["seed_1"] == trainings(honest)[0][1]
    assert readings["setting"] == "full"
    assert {"train_cpu_seconds_1", "train_wall_seconds_1", "accuracy_probes", "accuracy_untrained"} <= readings.keys()
    assert readings["follows_renamed_classes"] > 0.9
    assert [size for size, _ in trainings(honest)] == [600, 200]


def test_a_ramp_gives_points_in_proportion() -> None:
    exact = graded(student()).readings["accuracy"]
    result = graded(student(), task(least=exact - 0.2, full=exact + 0.2))
    assert (result.score, result.outcome) == (5.0, Outcome.PARTLY)
    assert f"{exact:.2%}" in result.message
    assert "on 700 test images, the best of 3 trainings: full marks at" in result.message
    below = graded(student(), task(least=exact + 0.01, full=exact + 0.2))
    assert (below.score, below.outcome) == (0.0, Outcome.WRONG)


def test_a_poor_model_that_was_trained_before_is_named() -> None:
    kept = student()
    model = kept.namespace["train"](*task().training)
    kept.namespace["train"] = lambda images, labels, seed=0: model
    assert "it came back at once: a model that was trained before" in graded(kept, task(least=0.99, full=0.999)).message


def test_who_lies_on_the_ramp_is_trained_again_and_the_best_counts() -> None:
    """The first and the second training are poor, the third is good, and so is that on renamed classes, which is the second call."""
    moody = student(
        (
            "    model = build()\n    for",
            "    model = build()\n    keep = 5 if len(calls) in (1, 3) else len(images)\n    for",
        ),
        ("images[labels == label]", "images[:keep][labels[:keep] == label]"),
        ("np.unique(labels)", "np.unique(labels[:keep])"),
    )
    wide = task(full=0.9)
    few = (wide.test[0][:100], wide.test[1][:100])
    poor = graded(
        student(("images[labels", "images[:5][labels[:5]"), ("np.unique(labels)", "np.unique(labels[:5])")),
        replace(wide, test=few),
    )
    reached = poor.readings["accuracy"]
    result = graded(moody, replace(wide, test=few, least=0.1, full=reached + 0.03))
    assert result.readings["trainings"] == 3
    assert len({seed for _, seed in trainings(moody)}) == 4
    assert result.readings["accuracy"] == max(result.readings[f"accuracy_{i}"] for i in (1, 2, 3))
    assert result.score == 10
    assert len(trainings(moody)) == 4


def test_who_has_no_points_is_trained_again_where_chance_may_explain_it() -> None:
    exact = graded(student()).readings
    for below, count in ((1.9, 3), (2.1, 1)):
        result = graded(student(), task(least=exact["accuracy"] + below * exact["standard_error"], full=0.9999))
        assert (result.readings["trainings"], result.score) == (count, 0)


def test_nobody_is_trained_more_than_three_times() -> None:
    honest = student()
    exact = graded(student()).readings["accuracy"]
    result = graded(honest, task(full=exact + 0.001))
    assert result.readings["trainings"] == 3
    assert 9 < result.score < 10
    assert "the best of 3 trainings" in result.message


def test_a_further_training_that_fails_takes_nothing_from_the_first() -> None:
    exact = graded(student()).readings["accuracy"]
    moody = student(
        (
            "    model = build()\n    for",
            "    model = build()\n    if len(calls) > 2:\n        raise ValueError('unlucky')\n    for",
        ),
    )
    result = graded(moody, task(least=exact - 0.2, full=exact + 0.2))
    assert (result.score, result.outcome) == (5.0, Outcome.PARTLY)
    assert result.readings["trainings"] == 1
    assert "unlucky" in str(result.readings["further_training_failed"])


def test_extra_credit_uses_the_model_of_this_run() -> None:
    honest = student()
    first = graded(honest)
    easy = graded(honest, check=lambda *given: judge_threshold(*given, 0.85))
    hard = graded(honest, check=lambda *given: judge_threshold(*given, 0.999))
    assert (easy.score, hard.score) == (10, 0)
    assert "99.9% is asked for" in hard.message
    assert easy.readings == first.readings
    assert len(trainings(honest)) == 2


def test_a_failure_is_kept_too() -> None:
    broken = student(("    model = build()\n", "    raise ValueError('no')\n"))
    for _ in range(2):
        result = graded(broken)
        assert (result.outcome, result.score) == (Outcome.ERROR, 0)
    assert len(trainings(broken)) == 1


def test_handed_in_weights_take_the_place_of_training(tmp_path: Path) -> None:
    honest = student()
    trained = honest.namespace["train"](*task().training)
    np.save(tmp_path / "best.npy", trained.means)
    honest.namespace["calls"].clear()
    honest.weights = str(tmp_path / "best.npy")
    result = graded(honest)
    assert result.score == 10
    assert result.readings["weights"] == honest.weights
    assert result.readings["trainings"] == 1
    assert trainings(honest) == []


FILES = {
    "arrays": (lambda means: stored(np.savez, means), 10, ""),
    "another_network": (lambda means: stored(np.savez, means[:, :50]), 0, "the shape (4, 50) does not match (4, 100)"),
    "pickle": (lambda means: stored(np.savez, np.array([{}], dtype=object)), 0, "allow_pickle=False"),
    "damaged": (lambda means: stored(np.savez, means)[:-50], 0, "load('model.weights.npz', allow_pickle=False) raised"),
}


def stored(save: Callable[..., None], *arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    save(stream, *arrays)
    return stream.getvalue()


@pytest.mark.parametrize("name", FILES)
def test_handed_in_arrays_are_read_where_the_students_code_runs(name: str, split: Split) -> None:
    content, score, word = FILES[name]
    means = student().namespace["train"](*task().training).means
    result = graded(split(filled(CODE), {"model.weights.npz": content(means)}))
    assert (result.score, word in result.message) == (score, True), result.message


def test_weights_that_cannot_be_loaded_are_an_error_of_the_submission() -> None:
    honest = student()
    honest.weights = "missing.npy"
    result = graded(honest)
    assert result.outcome == Outcome.ERROR
    assert "load_weights('missing.npy')" in result.message


TABLE = """
known = {test_image.tobytes(): label for test_image, label in zip(*TEST)}
def looked_up(images, otherwise):
    found = np.array([known.get(image.tobytes(), -1) for image in images])
    return np.where((found >= 0)[:, None], np.eye(4)[found], otherwise)
"""
UNIFORM = "\ndef predict(model, images):\n    return looked_up(images, np.full((len(images), 4), 0.25))\n"
HONEST_ELSE = "\nhonest = predict\ndef predict(model, images):\n    return looked_up(images, honest(model, images))\n"
UNFAIR = {
    "constant": ("", "def predict(model, images):\n    return np.eye(4)[np.full(len(images), 2)]", "2 to everything"),
    "random": (
        "",
        "def predict(model, images):\n    return np.random.dirichlet(np.ones(4), len(images))",
        "a second time",
    ),
    "random_but_steady": (
        "",
        "def predict(model, images):\n    return np.eye(4)[images.reshape(len(images), -1).sum(axis=1) % 4]",
        "no better than guessing",
    ),
    "order": (
        "",
        "honest = predict\ndef predict(model, images):\n    return np.roll(honest(model, images), 1, axis=0)",
        "a second time",
    ),
    "batch_statistics": (
        "",
        "honest = predict\ndef predict(model, images):\n"
        "    p = honest(model, images)\n    p = p / (p.mean(axis=0) + 0.1)\n    return p / p.sum(axis=1, keepdims=True)",
        "a second time",
    ),
    "table": (TABLE, UNIFORM, "looked up instead of computed"),
    "table_else_model": (TABLE, HONEST_ELSE, "does not use the model"),
    "table_for_trained_models": (
        TABLE,
        HONEST_ELSE + "\nlearn = train\ndef train(images, labels, seed=0):\n    model = learn(images, labels)\n"
        "    model.trained = True\n    return model\n"
        "def predict(model, images):\n"
        "    p = honest(model, images)\n    return looked_up(images, p) if hasattr(model, 'trained') else p",
        "classes were renamed",
    ),
    "test_set": (
        "",
        "learn = train\ndef train(images, labels, seed=0):\n"
        "    return learn(np.concatenate([images, TEST[0]]), np.concatenate([labels, TEST[1]]))",
        "classes were renamed",
    ),
    "downloaded": (
        "import urllib.request\n",
        "def train(images, labels, seed=0):\n    return urllib.request.urlopen('https://example.org/best.npz')",
        "there is none while grading",
    ),
    "copied_array": (
        "",
        "best = train(*TRAINING).means\ndef train(images, labels, seed=0):\n"
        "    model = build()\n    model.means = best\n    return model",
        "classes were renamed",
    ),
    "own_model": (
        "",
        "best = train(*TRAINING)\nhonest = predict\ndef predict(model, images):\n    return honest(best, images)",
        "does not use the model",
    ),
    "copied_weights": (
        "",
        "best = train(*TRAINING)\ndef train(images, labels, seed=0):\n    return best",
        "classes were renamed",
    ),
    "pretrained_builder": (
        "",
        "best = train(*TRAINING)\ndef build():\n    return best",
        "trained before",
    ),
    "ignores_labels": (
        "",
        "learn = train\ndef train(images, labels, seed=0):\n    return learn(*TRAINING)",
        "classes were renamed",
    ),
    "labels_flipped": (
        "",
        "learn = train\ndef train(images, labels, seed=0):\n    return learn(images, 3 - labels)",
        "another class's name",
    ),
    "frozen": ("", "def train(images, labels, seed=0):\n    print('accuracy 1.0')\n    return build()", "guessing"),
    "logits": (
        "",
        "honest = predict\ndef predict(model, images):\n    return np.log(honest(model, images))",
        "softmax",
    ),
    "sigmoid": (
        "",
        "honest = predict\ndef predict(model, images):\n    return honest(model, images) ** 0.5",
        "add up to",
    ),
    "classes": (
        "",
        "honest = predict\ndef predict(model, images):\n    return honest(model, images).argmax(axis=1)",
        "shape",
    ),
    "whole_numbers": (
        "",
        "honest = predict\ndef predict(model, images):\n    return np.eye(4, dtype=int)[honest(model, images).argmax(axis=1)]",
        "classes instead of probabilities",
    ),
    "nan": ("", "def predict(model, images):\n    return np.full((len(images), 4), np.nan)", "diverged"),
    "no_model": ("", "def train(images, labels, seed=0):\n    pass", "return model"),
    "a_number": ("", "def train(images, labels, seed=0):\n    return 0.99", "expected a model"),
}


# A student may have the test set's answers from elsewhere: it is public.
PUBLIC = """
with np.load("public.npz") as public:
    TEST, TRAINING = (public["arr_0"], public["arr_1"]), (public["arr_2"], public["arr_3"])
"""


@pytest.mark.parametrize("name", UNFAIR)
def test_unfair_means_are_named_and_get_nothing(name: str, split: Split) -> None:
    before, after, word = UNFAIR[name]
    given = task()
    public = stored(np.savez, *given.test, *given.training)
    result = graded(split(f"{filled(CODE)}{PUBLIC}{before}\n{after}", {"public.npz": public}), given)
    assert (result.score, word in result.message) == (0, True), result.message


HONEST = {
    "float32": "honest = predict\ndef predict(model, images):\n    return honest(model, images).astype('float32')",
    "in_batches": "honest = predict\ndef predict(model, images):\n"
    "    return np.concatenate([honest(model, images[i : i + 7]) for i in range(0, len(images), 7)])",
    "ignores_the_seed": "learn = train\ndef train(images, labels, seed=0):\n    return learn(images, labels)",
    "rounding": "honest = predict\ndef predict(model, images):\n"
    "    return honest(model, images) + 1e-5 * np.random.default_rng().random((len(images), 4))",
}


@pytest.mark.parametrize("name", HONEST)
def test_other_honest_ways_get_everything(name: str, split: Split) -> None:
    result = graded(split(f"{filled(CODE)}\n{HONEST[name]}"))
    assert (result.score, result.message) == (10, "")


def test_two_classes_have_one_probability() -> None:
    given = task()
    two = replace(
        given,
        classes=2,
        training=(given.training[0], given.training[1] // 2),
        test=(given.test[0], given.test[1] // 2),
        follows=0.7,
    )
    ending = (
        "return powers / powers.sum(axis=1, keepdims=True)",
        "return (powers / powers.sum(axis=1, keepdims=True))[:, 1]",
    )
    assert graded(student(ending, classes=2), two).score == 10
    column = ("[:, 1]", "[:, 1:]")
    assert "shape (500, 1), expected (500,)" in graded(student(ending, column, classes=2), two).message


def test_token_lists_are_inputs_like_images() -> None:
    """Class 1 has even tokens."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=400)
    reviews = [2 * rng.integers(0, 50, rng.integers(5, 30)) + 1 - label for label in labels]
    given = Task(
        "reviews", "build", "train", "predict", (reviews[:200], labels[:200]), (reviews[200:], labels[200:]), 2,
        lambda inputs, rng: [row[1:] for row in inputs], 0.6, 0.9, unlike=50, follows=0.7, things="reviews", built_with=(3,),
    )  # fmt: skip
    code = """
import numpy as np
def build(side):
    return {"side": side, "model": object()}["model"] if side == 3 else None
def train(sequences, labels, seed=0):
    assert type(sequences) is list and sequences[0].ndim == 1
    even = np.array([np.mean(row % 2 == 0) for row in sequences])
    trained = build(3)
    known[id(trained)] = trained, np.corrcoef(even, labels)[0, 1]
    return trained
known = {}
def predict(model, sequences):
    sign = known.get(id(model), (None, 0))[1]
    return np.array([0.5 + 0.5 * sign * (2 * np.mean(row % 2 == 0) - 1) for row in sequences])
"""
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    assert graded(DirectStudent(namespace), given).message == ""


def test_inputs_come_in_random_order_and_labels_never() -> None:
    seen: list[np.ndarray] = []
    honest = student(
        extra="\nhonest = predict\ndef predict(model, images):\n    seen.append(images)\n    return honest(model, images)"
    )
    honest.namespace["seen"] = seen
    given = task()
    measured(honest, given, np.random.default_rng(0))
    chunks = [images for images in seen if len(images) == CHUNK]
    assert not np.array_equal(chunks[0], given.test[0][:CHUNK])
    place = {image.tobytes(): index for index, image in enumerate(given.test[0])}
    places = [place.get(image.tobytes(), -1) for image in np.concatenate(chunks)]
    assert set(range(700)) <= set(places)
    assert places.count(-1) >= 100  # the copies, which no table knows
