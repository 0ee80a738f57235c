"""Visible checks of part 2: one experiment, the nearest words, and GloVe vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradescent.student.compare import check_array, check_shape, check_unmodified, compare, wrong
from gradescent.student.judging import Questions, Student

questions = Questions(
    by_person=("sweep_plot", "sweep", "gru_plot", "gru", "embedding", "units"), optional=("load_glove",)
)

Setting = Mapping[str, Any]


@questions("experiment", needs=("experiment", "y_validate"))
def one_experiment(student: Student, rng: np.random.Generator) -> None:
    check_experiment(student, {"vocab_size": 100, "length": 5, "size": 2, "units": 3, "batch_size": 100})


def parameters(setting: Setting) -> int:
    """Parameters of the simple network, by the formulas of the notebook."""
    v, n, u = setting["vocab_size"], setting["size"], setting["units"]
    cell = 3 * (n + u + 2) * u if setting.get("cell") == "GRU" else 4 * (n + u + 1) * u
    return v * n + cell + u + 1


def check_experiment(student: Student, setting: Setting) -> float:
    """Run one experiment and judge what it returns; its accuracy comes back."""
    what = f"experiment({', '.join(f'{name}={value!r}' for name, value in setting.items())})"
    got = student.call("experiment", **setting)
    if not isinstance(got, dict):
        raise wrong(
            what, f"returns {type(got).__name__}", "", 'return {"accuracy": ..., "seconds": ..., "parameters": ...}'
        )
    missing = [key for key in ("accuracy", "seconds", "parameters") if key not in got]
    if missing:
        raise wrong(what, f"lacks {', '.join(missing)}")
    accuracy, seconds = (float(check_shape(f'"{key}" of {what}', got[key], ())) for key in ("accuracy", "seconds"))
    if not seconds > 0:
        raise wrong(f'"seconds" of {what}', f"is {seconds:g}", "the clock is read before the training only, or rounded")
    compare(
        f'"parameters" of {what}',
        float(check_shape("parameters", got["parameters"], ())),
        float(parameters(setting)),
        next_step="the formulas above say what each layer has",
    )
    count = len(student.read("y_validate"))
    if not 0.3 <= accuracy <= 1:
        cause = "it is a percentage or the loss" if not 0 <= accuracy <= 1 else "the labels are turned round"
        raise wrong(f'"accuracy" of {what}', f"is {accuracy:g}", cause)
    if not abs(accuracy * count - round(accuracy * count)) <= 1e-2:
        raise wrong(
            f'"accuracy" of {what}',
            f"is {accuracy:g}, no number of {count} reviews",
            "it is measured on other reviews than x_validate, or it is the loss",
        )
    return accuracy


@questions("nearest", needs=("nearest",))
def nearest_of_five(student: Student, rng: np.random.Generator) -> None:
    vectors = np.array([[1.0, 0.1], [2, 0], [0, 3], [5, 4], [1, 0.1], [-9, 0], [0, 0]])
    what = "nearest to (2, 0) among (0, 3), (5, 4), (1, 0.1), (−9, 0) and (0, 0)"
    got = check_shape(what, student.call("nearest", vectors, 1, 3), (3,))
    check_unmodified("nearest", student.modified, ("vectors", "row", "count"))
    compare(
        what, got.astype(float), [4, 3, 2], next_step="divide by both lengths, and leave out row 0 and the row itself"
    )


@questions("load_glove", needs=("load_glove",))
def three_lines(student: Student, rng: np.random.Generator) -> None:
    lines = ["3 2\n", "good 0.5 -1\n", "unknown 3 4\n", "broken 1\n", "film 2 0.25\n"]
    vectors = check_glove(student, lines, ["film", "bad", "good", "broken"], 2, 2)
    compare("the vectors", vectors.astype(float), [[0, 0], [2, 0.25], [0, 0], [0.5, -1], [0, 0]])


def check_glove(student: Student, lines: list[str], words: list[str], size: int, found: int) -> np.ndarray:
    """The vectors of `load_glove`, of the right form and number."""
    what = f"load_glove of {len(lines)} lines for {len(words)} words"
    got = student.call("load_glove", lines, words, size)
    if not isinstance(got, list | tuple) or len(got) != 2:
        raise wrong(what, f"returns {type(got).__name__}", "", "return vectors, found")
    compare(f"the number of words found by {what}", float(check_shape("found", got[1], ())), float(found))
    return check_array(f"the vectors of {what}", got[0], (len(words) + 1, size), "float32")
