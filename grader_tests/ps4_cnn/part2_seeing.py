"""Hidden tests of part 2: what a convolutional network sees."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradescent.student.compare import Suspect, check_sequence, check_unmodified, wrong
from gradescent.student.judging import Handle, Questions, Student
from gradescent.student.visible.ps4_cnn.networks import network, weights_of
from gradescent.student.visible.ps4_cnn.part2_seeing import (
    LEAST_SIDE,
    check_gap_network,
    check_kernel_network,
    check_maps,
    compare_maps,
)

questions = Questions()

# ── build_kernel and build_gap ───────────────────────────────────────────────────────────────────────────────────


@questions("build_kernel", weight=2, needs=("build_kernel",))
def kernels_of_every_size(student: Student, rng: np.random.Generator) -> None:
    for size in (2, 8, 24, int(rng.integers(5, 8))):
        check_kernel_network(student, size)


@questions("build_kernel", weight=2, needs=("build_kernel",))
def computes_what_is_asked(student: Student, rng: np.random.Generator) -> None:
    """The answers of the student's network with the grader's weights, by a convolution of the grader's."""
    for size in (3, 8):
        model = network(student, "build_kernel", size)
        check_kernel_network(student, size)
        kernel, bias, dense, offset = (rng.normal(0, 0.2, a.shape).astype("float32") for a in weights_of("", model))
        model.call("set_weights", [kernel, bias, dense, offset])
        x = rng.random((4, 28, 28, 1)).astype("float32")
        pooled = pool(np.maximum(convolve(x, kernel, bias), 0))
        linear = pool(convolve(x, kernel, bias))
        expected, without = (softmax(maps.reshape(4, -1) @ dense + offset) for maps in (pooled, linear))
        suspects = [
            Suspect(without, "the ReLU after the convolution is missing"),
            Suspect(pooled.reshape(4, -1) @ dense + offset, "softmax at the end is missing"),
        ]
        got = model.call("predict", x, verbose=0)
        compare_maps(f"what build_kernel({size}) predicts with given weights", got, expected, suspects)


@questions("build_gap", needs=("build_gap",))
def averages_and_weighs(student: Student, rng: np.random.Generator) -> None:
    """Moving the digit leaves the averages nearly as they are, where maps keep their places."""
    model = network(student, "build_gap")
    check_gap_network(model)
    probabilities = model.call("predict", rng.random((3, 28, 28, 1)).astype("float32"), verbose=0)
    check_maps("what build_gap() predicts for 3 images", probabilities, (3, 10))
    if not np.abs(np.asarray(probabilities).sum(axis=1) - 1).max() <= 1e-3:
        raise wrong("what build_gap() predicts", "has rows that do not add up to 1", "softmax at the end is missing")
    sides = _last_sides(model)
    if min(sides) >= LEAST_SIDE:
        return
    got = f"are of {sides[0]}×{sides[1]} places, at least {LEAST_SIDE}×{LEAST_SIDE} are asked for"
    step = "leave out a pooling or a stride, or pad with `same`"
    raise wrong("the last maps of build_gap()", got, "pooled too often", step)


def _last_sides(model: Handle) -> tuple[int, int]:
    """Height and width of the last maps, as the model's layers tell them; (0, 0) where none does."""
    shapes = [layer.get("output").get("shape") for layer in model.get("layers") if hasattr(layer, "get")]
    sides = [shape[1:3] for shape in shapes if isinstance(shape, tuple | list) and len(shape) == 4]
    return tuple(sides[-1]) if sides and all(type(n) is int for n in sides[-1]) else (0, 0)


# ── feature_maps ─────────────────────────────────────────────────────────────────────────────────────────────────


@questions("feature_maps", weight=4, needs=("feature_maps",))
def maps_of_three_layers(student: Student, rng: np.random.Generator) -> None:
    net = _Net(student, rng, [(3, 5), (4, 3)])
    images = rng.integers(0, 256, (3, 28, 28)).astype(np.uint8)
    _check_feature_maps(student, net, images)


@questions("feature_maps", weight=2, needs=("feature_maps",))
def other_networks_too(student: Student, rng: np.random.Generator) -> None:
    """One image, one layer; and four layers."""
    for kernels in ([(2, 4)], [(2, 3), (3, 3), (2, 2)]):
        net = _Net(student, rng, kernels)
        _check_feature_maps(student, net, rng.integers(0, 256, (1, 28, 28)).astype(np.uint8))


@questions("feature_maps", weight=1, needs=("feature_maps",))
def leaves_model_and_images_alone(student: Student, rng: np.random.Generator) -> None:
    net = _Net(student, rng, [(3, 3)])
    images = rng.integers(0, 256, (2, 28, 28)).astype(np.uint8)
    first = check_sequence("feature_maps", student.call("feature_maps", net.model, images), 2)
    check_unmodified("feature_maps", student.modified, ("model", "images"))
    second = check_sequence("feature_maps", student.call("feature_maps", net.model, images), 2)
    for number, (a, b) in enumerate(zip(first, second, strict=True)):
        shape = net.maps(images)[number].shape
        compare_maps(f"map {number} of a second call", b, check_maps(f"map {number}", a, shape))


def _check_feature_maps(student: Student, net: _Net, images: np.ndarray) -> None:
    expected = net.maps(images)
    what = f"feature_maps of {len(expected) // 2} convolutions, each with a pooling"
    cause = "one array for each layer whose output has four axes, also for the poolings"
    maps = check_sequence(what, student.call("feature_maps", net.model, images), len(expected), cause)
    raw, linear = net.maps(images, scale=1.0), net.maps(images, relu=False)
    for number, right in enumerate(expected):
        suspects = [
            Suspect(raw[number], "the images were not preprocessed: divide by 255"),
            Suspect(linear[number], "the activation of the layer is left out: call the layer itself"),
            Suspect(
                right.transpose(0, 3, 1, 2),
                "channels stand before the places; the order is (m, height, width, channels)",
            ),
            Suspect(right[..., :1], "the first channel alone"),
            Suspect(right[:1], "the first image alone"),
            Suspect(right.mean(axis=-1), "a mean over the channels"),
            *[
                Suspect(other, f"these are the maps of layer {k}: the order of the layers")
                for k, other in enumerate(expected)
            ],
        ]
        compare_maps(f"map {number} of {len(expected)} of {what}", maps[number], right, suspects)


# ── class_activation ─────────────────────────────────────────────────────────────────────────────────────────────


@questions("class_activation", weight=3, needs=("class_activation",))
def contributions_of_each_place(student: Student, rng: np.random.Generator) -> None:
    net = _Net(student, rng, [(3, 5), (4, 3)], gap=True)
    _check_class_activation(student, net, rng.integers(0, 256, (3, 28, 28)).astype(np.uint8))


@questions("class_activation", weight=2, needs=("class_activation",))
def contributions_of_another_network(student: Student, rng: np.random.Generator) -> None:
    net = _Net(student, rng, [(6, 7)], gap=True)
    _check_class_activation(student, net, rng.integers(0, 256, (1, 28, 28)).astype(np.uint8))


def _check_class_activation(student: Student, net: _Net, images: np.ndarray) -> None:
    last = net.maps(images)[-1]
    W, b = net.dense, net.offset
    places = last.shape[1] * last.shape[2]
    right = last @ W + b
    what = f"class_activation(model, <{len(images)} images>)"
    suspects = [
        Suspect(last @ W, "the bias is missing: the mean over the places would not be the logits"),
        Suspect(
            last @ W + b / places, "the bias is divided by the number of places; the mean over the places does that"
        ),
        Suspect(
            (last @ W + b) / places, "divided by the number of places: the mean, not the sum, over them is the logit"
        ),
        Suspect(softmax(right), "softmax at each place; the map is what comes before it"),
        Suspect(np.maximum(right, 0), "negative contributions are cut off; a place may speak against a class"),
        Suspect(right.transpose(0, 3, 1, 2), "classes stand before the places; the order is (m, h, w, 10)"),
        Suspect(last, "these are the feature maps: weigh them with W"),
        Suspect(net.maps(images, scale=1.0)[-1] @ W + b, "the images were not preprocessed: divide by 255"),
        Suspect(right.mean(axis=(1, 2)), "the mean over the places is taken: the map is what comes before it"),
    ]
    compare_maps(what, student.call("class_activation", net.model, images), right, suspects)


# ── A network of the grader's in the student's process, and the same in NumPy ────────────────────────────────────


class _Net:
    """A keras.Sequential with random weights, made by the grader where the student's code runs.

    Args:
        student: whose `keras` is used.
        rng: draws the weights.
        kernels: (filters, side of the kernel) of each convolution; each is followed by a ReLU and a pooling.
        gap: whether it ends in global average pooling, and the last pooling is left out; else in Flatten.
    """

    def __init__(self, student: Student, rng: np.random.Generator, kernels: list[tuple[int, int]], gap: bool = False):
        keras = student.read("keras")
        if not hasattr(keras, "get"):
            raise wrong("keras", "is not the module any more", "a variable of this name", "name the variable otherwise")
        self.gap, self.kernels, self.biases = gap, [], []  # type: bool, list[np.ndarray], list[np.ndarray]
        layers: Any = keras.get("layers")
        stack, channels, side = [keras.call("Input", [28, 28, 1])], 1, 28
        for number, (filters, kernel) in enumerate(kernels):
            stack.append(layers.call("Conv2D", filters, kernel, activation="relu"))
            self.kernels.append(
                rng.normal(0, 1.5 / kernel / channels**0.5, (kernel, kernel, channels, filters)).astype("float32")
            )
            self.biases.append(rng.normal(0, 0.3, filters).astype("float32"))
            channels, side = filters, side - kernel + 1
            if not gap or number < len(kernels) - 1:
                stack.append(layers.call("MaxPooling2D", 2))
                side //= 2
        stack.append(layers.call("GlobalAveragePooling2D" if gap else "Flatten"))
        stack.append(layers.call("Dense", 10, activation="softmax"))
        self.dense = rng.normal(0, 1, (channels if gap else channels * side * side, 10)).astype("float32")
        self.offset = rng.normal(0, 1, 10).astype("float32")
        self.model = keras.call("Sequential", stack)
        pairs = zip(self.kernels, self.biases, strict=True)
        self.model.call("set_weights", [array for pair in pairs for array in pair] + [self.dense, self.offset])

    def maps(self, images: np.ndarray, scale: float = 1 / 255, relu: bool = True) -> list[np.ndarray]:
        """What comes out of its convolutions and poolings, float64."""
        x, found = images[..., None] * scale, []
        for number, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            x = convolve(x, kernel, bias)
            x = np.maximum(x, 0) if relu else x
            found.append(x)
            if not self.gap or number < len(self.kernels) - 1:
                x = pool(x)
                found.append(x)
        return found


def convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A convolution without padding: (m, h, w, c) and (k, k, c, f) to (m, h − k + 1, w − k + 1, f), in float64."""
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(x, float), kernel.shape[:2], axis=(1, 2))
    return np.einsum("mijcab,abcf->mijf", windows, kernel.astype(float), optimize=True) + bias


def pool(x: np.ndarray) -> np.ndarray:
    """The largest of each 2×2 places; an odd last row or column is left out."""
    m, h, w, c = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(m, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))


def softmax(z: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
