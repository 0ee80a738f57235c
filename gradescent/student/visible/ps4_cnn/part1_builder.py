"""Visible checks of part 1: build and train a convolutional network."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradescent.student import datasets
from gradescent.student.compare import check_array, check_sequence, check_unmodified, compare, wrong
from gradescent.student.judging import NotAttempted, Questions, Student
from gradescent.student.visible.ps4_cnn.networks import (
    answers_of,
    check_budget,
    check_compiled,
    check_is_model,
    kernels_of,
    network,
    weights_of,
)

questions = Questions(
    by_person=("activations_plot", "activations", "layer_types", "improved"), optional=("accuracy_990", "accuracy_994")
)

BUDGET = 150_000  # parameters
FEW, ENOUGH = 2_000, 0.75  # training images of the check, and the accuracy that they must give

# ── preprocess ───────────────────────────────────────────────────────────────────────────────────────────────────


@questions("preprocess", needs=("preprocess",))
def white_and_black(student: Student, rng: np.random.Generator) -> None:
    images = np.zeros((2, 28, 28), np.uint8)
    images[1] = 255
    x, y = inputs_and_targets(student, images, np.array([2, 0], np.uint8))
    for number, value in enumerate((0.0, 1.0)):
        step = "divide by 255"
        compare(f"x of an image of {255 * number} everywhere", x[number].mean(), value, next_step=step)
    compare("y of the labels [2, 0]", y, np.eye(10)[[2, 0]], next_step="label 2 becomes 0 0 1 0 0 0 0 0 0 0")


@questions("preprocess", needs=("preprocess",))
def places_stay(student: Student, rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (3, 28, 28)).astype(np.uint8)
    x, _ = inputs_and_targets(student, images, np.array([9, 9, 1], np.uint8))
    for place in ((0, 3, 7), (2, 20, 1)):
        got, step = x[place][0], "reshape keeps the order of the pixels, transpose does not"
        compare(f"x[{place[0]}, {place[1]}, {place[2]}, 0] · 255", 255 * got, float(images[place]), (), 1e-5, step)
    flat, _ = inputs_and_targets(student, images.reshape(3, 784), np.array([9, 9, 1], np.uint8))
    compare("x of the flat images, and of the square ones", flat, x)


def inputs_and_targets(student: Student, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `preprocess` returns, of the right form, as float64."""
    what = f"preprocess(<images {images.shape}>, <labels {labels.shape}>)"
    x, y = check_sequence(what, student.call("preprocess", images, labels), 2, "return x, y")
    check_unmodified("preprocess", student.modified, ("images", "labels"))
    m = len(images)
    x = check_array(f"x of {what}", x, (m, 28, 28, 1), "float32")
    _check_ten_columns(f"y of {what}", y, labels)
    y = check_array(f"y of {what}", y, (m, 10), "float32")
    return x.astype(float), y.astype(float)


def _check_ten_columns(what: str, y: Any, labels: np.ndarray) -> None:
    """Say why y has another shape, where that is known."""
    shape, m = np.shape(y), len(labels)
    causes = {
        (m,): "the labels themselves; each becomes a row of ten numbers, one of them 1",
        (m, 1): "the labels themselves; each becomes a row of ten numbers, one of them 1",
        (m, int(labels.max()) + 1): "as many columns as the largest label of these; there are ten digits in any case",
        (
            m,
            len(np.unique(labels)),
        ): "as many columns as there are labels among these; there are ten digits in any case",
        (10, m): "a missing transpose: one row is one image",
    }
    if shape != (m, 10) and shape in causes:
        raise wrong(what, f"has shape {shape}, expected {(m, 10)}", causes[shape], "np.eye(10)[labels] gives the rows")


# ── conv_layer ───────────────────────────────────────────────────────────────────────────────────────────────────


@questions("conv_layer", needs=("conv_layer",))
def layers_by_hand(student: Student, rng: np.random.Generator) -> None:
    by_hand: tuple[tuple[tuple[Any, ...], tuple[int, int]], ...] = (
        ((28, 1, 3, 32), (26, 320)),
        ((5, 1, 5, 1), (1, 26)),
        ((6, 2, 3, 1, 2), (2, 19)),
        ((5, 2, 3, 4, 2, "same"), (3, 76)),
    )
    for args, expected in by_hand:
        check_layer(student, args, expected)


STEPS = {
    "side_out": "draw the places of the window on squared paper",
    "parameters": "kernel · kernel · channels weights and one bias, for each filter",
}


def check_layer(student: Student, args: tuple[Any, ...], expected: tuple[int, int], causes: Any = ()) -> None:
    """Demand side and number of parameters of one layer. `causes` are (wrong pair, cause)."""
    what = f"conv_layer{args}"
    got = check_sequence(what, student.call("conv_layer", *args), 2, "return side_out, parameters")
    for name, value in zip(("side_out", "parameters"), got, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise wrong(what, f"{name} is {value!r}"[:80], "`/` gives a float; `//` divides whole numbers")
    if tuple(got) == expected:
        return
    for place, name in enumerate(("side_out", "parameters")):
        if got[place] != expected[place]:
            cause = next((cause for pair, cause in causes if pair[place] == got[place]), "")
            step = STEPS[name]
            raise wrong(what, f"{name} is {got[place]}, expected {expected[place]}", cause, step)


# ── build_cnn and predict ────────────────────────────────────────────────────────────────────────────────────────


@questions("build_cnn", needs=("build_cnn", "predict"))
def a_small_compiled_network(student: Student, rng: np.random.Generator) -> None:
    model = network(student, "build_cnn")
    check_compiled("build_cnn()", model)
    weights = weights_of("build_cnn()", model)
    check_budget("build_cnn()", weights, BUDGET)
    kernels_of("build_cnn()", weights)
    answers_of(student, model, rng.integers(0, 256, (3, 28, 28)).astype(np.uint8))


@questions("predict", needs=("build_cnn", "predict"))
def probabilities_of_raw_images(student: Student, rng: np.random.Generator) -> None:
    model = network(student, "build_cnn")
    images = rng.integers(0, 256, (5, 28, 28)).astype(np.uint8)
    together = answers_of(student, model, images)
    check_unmodified("predict", student.modified, ("model", "images"))
    alone = answers_of(student, model, images[3:4])[0]
    step = "neither chance nor the other images may change an answer"
    compare("predict of an image alone, and among others", alone, together[3], (), 1e-3, step)


# ── train_cnn ────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("train_cnn", needs=("build_cnn", "train_cnn", "predict"))
def learns_from_few_images(student: Student, rng: np.random.Generator) -> None:
    mnist = datasets.load("mnist")
    chosen = rng.permutation(len(mnist.x_train))[: FEW + 1_000]
    used, held = chosen[:FEW], chosen[FEW:]
    model = network_of_training(student, mnist.x_train[used], mnist.y_train[used])
    answers = answers_of(student, model, mnist.x_train[held]).argmax(axis=1)
    accuracy = float(np.mean(answers == mnist.y_train[held]))
    if accuracy >= ENOUGH:
        return
    got = f"{accuracy:.1%} of 1,000 images held back, expected at least {ENOUGH:.0%}"
    given = np.unique(answers)
    cause = "pixels that are not divided by 255, inputs and labels that do not belong together, or too few steps"
    if len(given) == 1:
        cause = f"it answers {given[0]} to everything: it is not trained, or the learning rate is far too large"
    raise wrong(f"train_cnn on {FEW:,} images", got, cause, "print the loss of each epoch: does it fall?")


def network_of_training(student: Student, images: np.ndarray, labels: np.ndarray) -> Any:
    """The model that train_cnn returns."""
    model = student.call("train_cnn", images, labels, seed=1)
    what = f"train_cnn(<{len(images):,} images>, <labels>)"
    return check_is_model(what, model, "return the model itself")


@questions("accuracy_990")
@questions("accuracy_994")
def extra_credit_is_graded_elsewhere(student: Student, rng: np.random.Generator) -> None:
    raise NotAttempted("extra credit for accuracy is given by the hidden tests alone")
