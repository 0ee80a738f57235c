"""Visible checks of part 2: what a convolutional network sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradescent.student.compare import (
    Suspect,
    check_array,
    check_sequence,
    check_unmodified,
    compare,
    relative_error,
    wrong,
)
from gradescent.student.judging import Handle, Questions, Student
from gradescent.student.visible.ps4_cnn.networks import (
    check_budget,
    check_compiled,
    kernels_of,
    network,
    weights_of,
)

questions = Questions(
    by_person=("kernels_plot", "kernels", "maps_plot", "heat_plot", "against_dense"),
)

GAP_BUDGET, LEAST_SIDE = 100_000, 5
PRECISION = 1e-4  # relative error of maps: float32 gives 1e-6, a graphics processor's shortened products 1e-5 or so

# ── build_kernel and build_gap ───────────────────────────────────────────────────────────────────────────────────


@questions("build_kernel", needs=("build_kernel",))
def kernels_of_three_sizes(student: Student, rng: np.random.Generator) -> None:
    for size in (3, 4, 24):
        check_kernel_network(student, size)


def check_kernel_network(student: Student, size: int) -> None:
    """Demand the weights that the one network of the task with this kernel has, and that it is compiled."""
    model, what = network(student, "build_kernel", size), f"build_kernel({size})"
    check_compiled(what, model)
    weights = weights_of(what, model)
    kernel = weights[kernels_of(what, weights)[0]]
    if kernel.shape != (size, size, 1, 16):
        raise wrong(what, f"has a first kernel of shape {kernel.shape}, expected {(size, size, 1, 16)}")
    side = (28 - size + 1) // 2
    dense = next((array for array in weights if array.ndim == 2), np.zeros((0, 0)))
    if dense.shape != (side * side * 16, 10):
        got = f"has a dense layer with weights of shape {dense.shape}, expected {(side * side * 16, 10)}"
        cause = _why_another_side(dense.shape, size)
        raise wrong(what, got, cause, "compare model.summary() with the list of the task")
    if len(weights) != 4:
        raise wrong(what, f"has {len(weights)} arrays of weights, expected 4", "a layer more, or use_bias=False")


def _why_another_side(shape: tuple[int, ...], size: int) -> str:
    unpooled = 28 - size + 1
    causes: dict[tuple[int, ...], str] = {
        (unpooled**2 * 16, 10): "the pooling is missing",
        (14 * 14 * 16, 10): 'padding="same"; the task has none',
        (16, 10): "global pooling where Flatten belongs",
    }
    return causes.get(shape, "another layer between convolution and output, or none")


@questions("build_gap", needs=("build_gap",))
def averages_over_places(student: Student, rng: np.random.Generator) -> None:
    check_gap_network(network(student, "build_gap"))


def check_gap_network(model: Handle) -> list[np.ndarray]:
    """Demand a small compiled network whose dense layer has a weight for each map; return its weights."""
    check_compiled("build_gap()", model)
    weights = weights_of("build_gap()", model)
    check_budget("build_gap()", weights, GAP_BUDGET)
    filters = weights[kernels_of("build_gap()", weights)[-1]].shape[-1]
    shapes = [array.shape for array in weights[-2:]]
    if shapes != [(filters, 10), (10,)]:
        got = f"ends in weights of shapes {' and '.join(map(str, shapes))}, expected {(filters, 10)} and (10,)"
        cause = "Flatten instead of GlobalAveragePooling2D, or a dense layer in between"
        raise wrong("build_gap()", got, cause, "Conv2D, GlobalAveragePooling2D, Dense(10): nothing between them")
    return weights


# ── feature_maps and class_activation ────────────────────────────────────────────────────────────────────────────


@questions("feature_maps", needs=("feature_maps",))
def maps_of_known_kernels(student: Student, rng: np.random.Generator) -> None:
    """One kernel that copies the pixel in the middle of its window, and one that doubles it and subtracts 1."""
    layers = _keras_layers()
    kernel = np.zeros((3, 3, 1, 2), "float32")
    kernel[1, 1, 0] = 1, 2
    model = _sequential(
        layers.Input((28, 28, 1)), layers.Conv2D(2, 3, activation="relu"), layers.MaxPooling2D(2), layers.Flatten()
    )
    model.set_weights([kernel, np.array([0, -1], "float32")])
    images = rng.integers(0, 256, (2, 28, 28)).astype(np.uint8)
    what = "feature_maps of a convolution, a pooling and Flatten"
    maps = check_sequence(
        what, student.call("feature_maps", model, images), 2, "one array for each layer with four axes"
    )
    check_unmodified("feature_maps", student.modified, ("model", "images"))
    inner = images[:, 1:-1, 1:-1] / 255
    expected = np.stack([inner, np.maximum(2 * inner - 1, 0)], axis=-1)
    pooled = expected.reshape(2, 13, 2, 13, 2, 2).max(axis=(2, 4))
    for name, got, right in zip(("the convolution", "the pooling"), maps, (expected, pooled), strict=True):
        compare_maps(f"feature map of {name}", got, right)


@questions("class_activation", needs=("class_activation",))
def means_are_the_logits(student: Student, rng: np.random.Generator) -> None:
    layers = _keras_layers()
    model = _sequential(
        layers.Input((28, 28, 1)),
        layers.Conv2D(3, 5, strides=4, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10, activation="softmax"),
    )
    model.set_weights([rng.normal(0, 1, array.shape).astype("float32") for array in model.get_weights()])
    images = rng.integers(0, 256, (3, 28, 28)).astype(np.uint8)
    maps = check_maps(
        "class_activation(model, <3 images>)", student.call("class_activation", model, images), (3, 6, 6, 10)
    )
    logits = maps.mean(axis=(1, 2))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = np.asarray(model.predict(images[..., None].astype("float32") / 255, verbose=0), dtype=float)
    step = "add the bias of the dense layer at every place, and leave softmax out"
    what = "softmax of the mean of class_activation over the places"
    compare(what, powers / powers.sum(axis=1, keepdims=True), expected, (), 1e-4, step)


def check_maps(what: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Demand float maps of this shape; return them as float64."""
    return check_array(what, _doubled(what, value), shape)


def compare_maps(what: str, got: Any, expected: np.ndarray, suspects: Sequence[Suspect] = ()) -> None:
    """Demand these maps, to the precision of float32. A suspect may have another shape."""
    maps = _doubled(what, got)
    for suspect in suspects:
        other_shape = np.shape(maps) == np.shape(suspect.value) != expected.shape
        if other_shape and relative_error(maps, suspect.value) <= PRECISION:
            raise wrong(what, f"has shape {np.shape(maps)}, expected {expected.shape}", suspect.cause)
    step = "print the smallest and largest value of each map, and of the image"
    compare(what, maps, expected, suspects, PRECISION, step)


def _doubled(what: str, value: Any) -> Any:
    """An array of floats as float64; anything else as it is, for a check that says what is wrong with it."""
    if getattr(value, "type_name", "").endswith(("Tensor", "Array", "ArrayImpl")):
        raise wrong(what, f"came back as {value.type_name}", "", "keras.ops.convert_to_numpy makes an array of it")
    return value.astype(float) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def _keras_layers() -> Any:
    from keras import layers

    return layers


def _sequential(*layers: Any) -> Any:
    import keras

    return keras.Sequential(list(layers))
