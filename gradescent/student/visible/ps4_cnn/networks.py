"""What the visible checks and the hidden tests ask of a Keras model: by its weights and its answers, never by its layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradescent.student.compare import check_probabilities, wrong
from gradescent.student.judging import Handle, Student


def network(student: Student, function: str, *args: Any) -> Handle:
    """The model that a function of the student's returns."""
    what = f"{function}({', '.join(map(str, args))})"
    return check_is_model(what, student.call(function, *args))


def check_is_model(what: str, value: Any, step: str = "") -> Handle:
    """Demand something that can be a model; `step` is what to do where it is something else."""
    if value is None:
        raise wrong(what, "came back as None", "a missing return statement", "end the function with `return model`")
    if not hasattr(value, "call"):
        raise wrong(what, f"came back as {type(value).__name__}, expected a keras.Model", "", step)
    return value


def weights_of(what: str, model: Handle) -> list[np.ndarray]:
    """The arrays that `model.get_weights()` gives."""
    weights = model.call("get_weights")
    if not isinstance(weights, list) or not all(isinstance(array, np.ndarray) for array in weights):
        raise wrong(f"get_weights() of {what}", "is no list of arrays", "the model is no keras.Model")
    if not weights:
        step = "put keras.Input((28, 28, 1)) first"
        raise wrong(f"get_weights() of {what}", "is empty", "the model does not know the shape of its inputs yet", step)
    return weights


def check_budget(what: str, weights: list[np.ndarray], budget: int) -> None:
    """Demand at most so many parameters."""
    count = sum(array.size for array in weights)
    if count > budget:
        largest = max(weights, key=lambda array: array.size)
        raise wrong(
            what,
            f"has {count:,} parameters, at most {budget:,} are allowed",
            f"{largest.size:,} of them sit in one array of shape {largest.shape}",
            "pool once more or take a stride of 2, so that fewer values are left where they are flattened",
        )


def kernels_of(what: str, weights: list[np.ndarray]) -> list[int]:
    """Places of the kernels of two-dimensional convolutions among the weights: (height, width, channels, filters)."""
    found = [place for place, array in enumerate(weights) if array.ndim == 4 and min(array.shape[:2]) > 1]
    if not found:
        got = f"has weights of shapes {', '.join(str(array.shape) for array in weights[:6])}"
        pointwise = any(array.ndim == 4 for array in weights)
        cause = "kernels of 1×1 see one pixel each, and no stroke" if pointwise else "no Conv2D in it"
        step = "begin with layers.Conv2D(filters, 3) or a larger kernel"
        raise wrong(what, f"{got}: none is a kernel larger than 1×1", cause, step)
    return found


def check_compiled(what: str, model: Handle) -> None:
    """Demand that the model can be trained."""
    if model.get("compiled") is not True or model.get("loss") is None:
        step = 'model.compile(optimizer="adam", loss="categorical_crossentropy")'
        raise wrong(what, "is not compiled with a loss", "model.compile(...) is missing, or has no loss", step)


def answers_of(student: Student, model: Handle, images: np.ndarray) -> np.ndarray:
    """What the student's `predict` says of raw images, (m, 10)."""
    shape = (len(images), 10)
    return check_probabilities(f"predict(model, <{shape[0]} images>)", student.call("predict", model, images), shape)
