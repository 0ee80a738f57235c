"""Hidden tests of part 1: build and train a convolutional network."""

from __future__ import annotations

import math

import numpy as np

from grader_tests.accuracy import judge_ramp, judge_threshold
from grader_tests.ps4_cnn import setting
from gradescent.student.compare import Suspect, check_unmodified, compare, wrong
from gradescent.student.judging import Questions, Student
from gradescent.student.visible.ps4_cnn.networks import (
    answers_of,
    check_budget,
    check_compiled,
    kernels_of,
    network,
    weights_of,
)
from gradescent.student.visible.ps4_cnn.part1_builder import BUDGET, check_layer, inputs_and_targets

questions = Questions()

# ── preprocess ───────────────────────────────────────────────────────────────────────────────────────────────────


@questions("preprocess", weight=3, needs=("preprocess",))
def pixels_between_0_and_1(student: Student, rng: np.random.Generator) -> None:
    images, labels = _random_images(rng, 7), np.append(rng.integers(10, size=6), 9).astype(np.uint8)
    x, _ = inputs_and_targets(student, images, labels)
    _compare_pixels("x of random images", x, images)


@questions("preprocess", weight=1, needs=("preprocess",))
def dark_images_are_not_stretched(student: Student, rng: np.random.Generator) -> None:
    """Each image is divided by 255, not by its own largest value."""
    images = (_random_images(rng, 4) // 5).astype(np.uint8)
    x, _ = inputs_and_targets(student, images, np.arange(6, 10, dtype=np.uint8))
    _compare_pixels("x of dark images", x, images)


@questions("preprocess", weight=1, needs=("preprocess",))
def flat_images_too(student: Student, rng: np.random.Generator) -> None:
    images = _random_images(rng, 5)
    x, _ = inputs_and_targets(student, images.reshape(5, 784), np.arange(5, 10, dtype=np.uint8))
    _compare_pixels("x of flat images (5, 784)", x, images)


@questions("preprocess", weight=2, needs=("preprocess",))
def one_hot_targets(student: Student, rng: np.random.Generator) -> None:
    for labels in (rng.permutation(10), rng.integers(0, 8, 6), np.full(3, rng.integers(9))):
        _, y = inputs_and_targets(student, _random_images(rng, len(labels)), labels.astype(np.uint8))
        suspects = [
            Suspect(np.eye(10)[np.maximum(labels - 1, 0)], "the places are counted from 1"),
            Suspect(np.eye(10)[9 - labels], "the places are counted from the end"),
        ]
        compare(f"y of the labels {labels.tolist()}", y, np.eye(10)[labels], suspects)


@questions("preprocess", weight=1, needs=("preprocess",))
def one_image(student: Student, rng: np.random.Generator) -> None:
    images = _random_images(rng, 1)
    x, y = inputs_and_targets(student, images, np.array([7], np.uint8))
    _compare_pixels("x of a single image", x, images)
    compare("y of the label 7", y, np.eye(10)[[7]])


def _random_images(rng: np.random.Generator, m: int) -> np.ndarray:
    images = rng.integers(0, 256, (m, 28, 28)).astype(np.uint8)
    images[:, 13, 14] = 255  # so that its own maximum tells nothing
    return images


def _compare_pixels(what: str, x: np.ndarray, images: np.ndarray) -> None:
    raw = images[..., None].astype(float)
    expected = raw / 255
    largest = raw.max(axis=(1, 2, 3), keepdims=True)
    suspects = [
        Suspect(raw, "the pixels are not divided by 255"),
        Suspect(raw / 256, "divided by 256; the largest byte is 255"),
        Suspect(1 - expected, "ink and paper are exchanged"),
        Suspect(2 * expected - 1, "between −1 and 1, where 0 to 1 is asked for"),
        Suspect(expected.transpose(0, 2, 1, 3), "rows and columns are exchanged"),
        Suspect(raw / largest, "each image is divided by its own largest pixel instead of 255"),
        Suspect(raw / raw.max(), "divided by the largest pixel of these images instead of 255"),
        Suspect(
            np.round(expected), "rounded: the division happened in whole numbers, or the image was made black and white"
        ),
        Suspect(np.floor(expected), "whole numbers: convert to float32 before the division, not after"),
        Suspect((raw - raw.mean()) / raw.std(), "standardised by mean and deviation of these images"),
    ]
    compare(what, x, expected, suspects, 1e-6, "divide by 255 as float32, and reshape to (m, 28, 28, 1)")


# ── conv_layer ───────────────────────────────────────────────────────────────────────────────────────────────────


@questions("conv_layer", weight=2, needs=("conv_layer",))
def without_padding(student: Student, rng: np.random.Generator) -> None:
    for _ in range(4):
        kernel, stride = int(rng.integers(1, 8)), int(rng.integers(1, 4))
        _check_random_layer(student, rng, kernel, stride, "valid")
    # The window does not reach the last pixels.
    _check_random_layer(student, rng, 4, 3, "valid", side=12)


@questions("conv_layer", weight=2, needs=("conv_layer",))
def with_padding(student: Student, rng: np.random.Generator) -> None:
    for stride in (1, 2, 3):
        _check_random_layer(
            student, rng, int(rng.integers(2, 8)), stride, "same", side=int(rng.integers(5, 15)) * stride + 1
        )


@questions("conv_layer", weight=2, needs=("conv_layer",))
def one_stride_and_no_padding_unless_said(student: Student, rng: np.random.Generator) -> None:
    side, channels, kernel, filters = (int(rng.integers(low, high)) for low, high in ((9, 40), (2, 9), (2, 8), (2, 70)))
    args = (side, channels, kernel, filters)
    check_layer(student, args, _layer(*args, 1, "valid"), _known_wrong_layers(*args, 1, "valid"))


def _check_random_layer(
    student: Student, rng: np.random.Generator, kernel: int, stride: int, padding: str, side: int = 0
) -> None:
    side = side or int(rng.integers(10, 60))
    args = (side, int(rng.integers(2, 9)), kernel, int(rng.integers(2, 70)), stride, padding)
    check_layer(student, args, _layer(*args), _known_wrong_layers(*args))


def _layer(side: int, channels: int, kernel: int, filters: int, stride: int, padding: str) -> tuple[int, int]:
    out = (side - kernel) // stride + 1 if padding == "valid" else math.ceil(side / stride)
    return out, (kernel**2 * channels + 1) * filters


def _known_wrong_layers(
    side: int, channels: int, kernel: int, filters: int, stride: int, padding: str
) -> list[tuple[tuple[int, int], str]]:
    out, parameters = _layer(side, channels, kernel, filters, stride, padding)
    other = "same" if padding == "valid" else "valid"
    return [
        ((_layer(side, channels, kernel, filters, stride, other)[0], -1), f"that is the side for padding={other!r}"),
        ((side if padding == "same" else side - kernel + 1, -1), "the stride is left out"),
        ((out - 1, -1), "the + 1, or rounding up: the first place counts too"),
        ((out + 1, -1), "rounded up where the window no longer fits"),
        ((-1, kernel**2 * channels * filters), "the biases are missing: one a filter"),
        ((-1, kernel**2 * channels * filters + 1), "one bias in all, where each filter has one"),
        ((-1, (kernel**2 + 1) * filters), "each filter sees all channels of its input: they are missing"),
        ((-1, (kernel * channels + 1) * filters), "a kernel has k·k weights a channel"),
        ((-1, (kernel**2 + 1) * channels * filters), "one bias a filter, not one a filter and channel"),
        ((-1, parameters * out * out), "the same weights are used at every place: the size of the map plays no part"),
    ]


# ── build_cnn ────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("build_cnn", weight=2, needs=("build_cnn", "predict"))
def compiled_and_within_the_budget(student: Student, rng: np.random.Generator) -> None:
    """With all weights at zero nothing may tell one image from another: whatever answers then is not counted."""
    model = network(student, "build_cnn")
    check_compiled("build_cnn()", model)
    weights = weights_of("build_cnn()", model)
    check_budget("build_cnn()", weights, BUDGET)
    images = _digits(rng, 30)
    answers_of(student, model, images)
    model.call("set_weights", [np.zeros_like(array) for array in weights])
    answers = answers_of(student, model, images)
    if not np.abs(answers - answers[0]).max() <= 1e-3:
        raise wrong(
            "predict with all weights of build_cnn() set to zero",
            "still tells one image from another",
            "predict uses something beside the model's own weights",
            "use the argument `model` alone",
        )


@questions("build_cnn", weight=2, needs=("build_cnn", "predict"))
def sees_through_convolutions(student: Student, rng: np.random.Generator) -> None:
    """With its kernels at zero a network is blind, if all goes through them."""
    model = network(student, "build_cnn")
    weights = weights_of("build_cnn()", model)
    kernels = kernels_of("build_cnn()", weights)
    images = _digits(rng, 30)
    before = answers_of(student, model, images)
    model.call("set_weights", [0 * array if place in kernels else array for place, array in enumerate(weights)])
    blind = answers_of(student, model, images)
    spread, left = (float(np.abs(answers - answers.mean(axis=0)).max()) for answers in (before, blind))
    if left <= max(1e-4, 0.01 * spread):
        return
    raise wrong(
        "build_cnn() with all kernels of its convolutions set to zero",
        "still tells one image from another",
        "a way around the convolutions: a layer that sees the pixels directly",
        "let everything pass through at least one Conv2D",
    )


@questions("build_cnn", weight=2, needs=("build_cnn", "predict"))
def new_and_untrained(student: Student, rng: np.random.Generator) -> None:
    """Two models are two: what is learnt by one is not in the other."""
    first, second = network(student, "build_cnn"), network(student, "build_cnn")
    images, kept = _digits(rng, 20), weights_of("build_cnn()", second)
    first.call("set_weights", [np.full_like(array, 0.01) for array in weights_of("build_cnn()", first)])
    if all(np.array_equal(a, b) for a, b in zip(kept, weights_of("build_cnn()", second), strict=True)):
        answers_of(student, second, images)
        return
    raise wrong(
        "a second model of build_cnn()",
        "changes with the first one",
        "one model, or layers, made outside the function and used again",
        "make every layer inside build_cnn",
    )


STEADY = "neither chance (dropout, training=True) nor the other images (their mean or maximum) may change an answer"

# ── predict ──────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("predict", weight=2, needs=("build_cnn", "predict"))
def probabilities_for_any_number_of_images(student: Student, rng: np.random.Generator) -> None:
    model = network(student, "build_cnn")
    _amplify(model)
    for m in (1, 3, int(rng.integers(30, 90))):
        answers = answers_of(student, model, _digits(rng, m))
        check_unmodified("predict", student.modified, ("model", "images"))
    _check_told_apart(answers)


@questions("predict", weight=2, needs=("build_cnn", "predict"))
def one_answer_an_image(student: Student, rng: np.random.Generator) -> None:
    model, images = network(student, "build_cnn"), _digits(rng, 40)
    _amplify(model)
    answers = answers_of(student, model, images)
    _check_told_apart(answers)
    order = rng.permutation(40)[:25]
    again = answers_of(student, model, images[order])
    compare("predict of the same images, fewer and in another order", again, answers[order], (), 1e-3, STEADY)


@questions("predict", weight=2, needs=("build_cnn", "predict"))
def answers_of_this_model(student: Student, rng: np.random.Generator) -> None:
    """Two models with different kernels differ, and the first answers again as it did."""
    images = _digits(rng, 10)
    model = network(student, "build_cnn")
    _amplify(model)
    first = answers_of(student, model, images)
    _check_told_apart(first)
    weights = weights_of("build_cnn()", model)
    # Kernels and dense weights alone: a variance that BatchNormalization keeps must stay positive.
    model.call("set_weights", [-array if array.ndim > 1 else array for array in weights])
    if not np.abs(answers_of(student, model, images) - first).max() > 1e-3:
        raise wrong(
            "predict of a model whose weights all changed their sign",
            "is what it was before",
            "it asks another model than the one that it is given",
            "use the argument `model`, and no variable of the notebook",
        )
    model.call("set_weights", weights)
    what = "predict of the first weights again, other weights having been in between,"
    compare(what, answers_of(student, model, images), first, (), 1e-3, STEADY)


def _check_told_apart(answers: np.ndarray) -> None:
    if np.abs(answers - answers[0]).max() > 1e-3:
        return
    step = "look at what comes out of each layer: where do all images become the same?"
    raise wrong(
        f"predict of {len(answers)} digits", "is the same for all of them", "the images never reach the model", step
    )


def _amplify(model: object) -> None:
    """Larger weights, so that an untrained network tells images apart clearly."""
    weights = weights_of("build_cnn()", model)  # type: ignore[arg-type]
    model.call("set_weights", [2 * array if array.ndim > 1 else array for array in weights])  # type: ignore[attr-defined]


def _digits(rng: np.random.Generator, m: int) -> np.ndarray:
    images = setting.mnist().x_test
    return images[rng.permutation(len(images))[:m]]


# ── train_cnn ────────────────────────────────────────────────────────────────────────────────────────────────────


@questions("train_cnn", needs=("build_cnn", "train_cnn", "predict"))
def accuracy_on_the_test_set(student: Student, rng: np.random.Generator) -> None:
    judge_ramp(student, setting.task(), rng)


@questions("accuracy_990", needs=("build_cnn", "train_cnn", "predict"))
def accuracy_of_extra_credit(student: Student, rng: np.random.Generator) -> None:
    judge_threshold(student, setting.task(), rng, setting.setting.bonus[0])


@questions("accuracy_994", needs=("build_cnn", "train_cnn", "predict"))
def accuracy_of_more_extra_credit(student: Student, rng: np.random.Generator) -> None:
    judge_threshold(student, setting.task(), rng, setting.setting.bonus[1])
