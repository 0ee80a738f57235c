"""`python -m benchmarks.steadiness`: grade honest networks around the thresholds twice, with other seeds, and compare.

Each submission is the reference of ps4_cnn with a smaller network and a training of its own, so that their accuracies lie
from 97 % to 99 %, where chance decides most. The exit code is 1 when a grade differs by more than is promised.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import grading
from benchmarks.__main__ import ONE_THREAD, WIDTH
from grader_tests.variants import Variant
from gradescent.cli import positive

SUBMISSIONS = 40
PROMISED = 5.0  # per cent of a submission's points
FINE, DIFFERING = 0, 3  # exit codes of `gradescent grade --twice`

FILTERS = (8, 10, 12, 14)
# A learning rate that stays, and one that rises and falls, to its highest value.
STAYING = "keras.optimizers.Adam({rate})"
FALLING = (
    "keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay("
    "{rate} / 20, decay_steps=len(x) // 64, alpha=0.01, warmup_target={rate}, warmup_steps=len(x) // 320))"
)
OPTIMIZERS = (*(FALLING.format(rate=rate) for rate in (2e-3, 3e-3, 4e-3, 5e-3)), STAYING.format(rate=2e-3))
DENSE = (32, 64)

BUILD = """from keras import layers


def build_cnn(activation="relu", optimizer="adam"):
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D({filters}, 5, strides=2, activation=activation),
            layers.Conv2D(2 * {filters}, 5, activation=activation),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense({dense}, activation=activation),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    return model
"""
TRAIN = """def train_cnn(images, labels, seed=0):
    keras.utils.set_random_seed(seed)
    x, y = preprocess(images, labels)
    model = build_cnn(optimizer={optimizer})
    model.fit(x, y, epochs=1, batch_size=64, verbose=0)
    return model
"""


@dataclass(frozen=True)
class Twice:
    """A submission's points in both runs, and the most that it can have without a person."""

    student: str
    first: float
    second: float
    worth: float

    @property
    def percent(self) -> float:
        """The difference, in per cent of the submission's points."""
        return 100 * abs(self.first - self.second) / self.worth


class NotGradedError(Exception):
    """The class was not graded twice. The message says what was told."""


def honest_networks() -> list[Variant]:
    """Submissions that reach 97 % to 99 % in an epoch of a few seconds. Their plots and answers are left out."""
    return [
        Variant(
            f"filters_{filters}_dense_{dense}_{number}",
            cells={
                "build_cnn": BUILD.format(filters=filters, dense=dense),
                "train_cnn": TRAIN.format(optimizer=optimizer),
            },
            leave=("hold_out", "activations_plot"),
        )
        for (number, optimizer), filters, dense in product(enumerate(OPTIMIZERS), FILTERS, DENSE)
    ]


def grade_twice(submissions: int) -> list[Twice]:
    """Have `gradescent grade --twice` grade the first of the networks.

    Raises:
        NotGradedError: the command failed.
    """
    with tempfile.TemporaryDirectory(prefix="gradescent-steadiness-") as name:
        folder = Path(name)
        environment = grading.environment_in(folder / "data", (grading.CNN,))
        students = grading.make_class(folder, grading.CNN, submissions, honest_networks())
        told = folder / "twice.json"
        command = ["gradescent", "grade", grading.CNN.assignment, "--no-feedback", "--twice", "--json", str(told)]
        done = grading.run_in(students.folder, command, environment, stderr=None)
        if done.returncode not in (FINE, DIFFERING) or not told.exists():
            raise NotGradedError("\n".join(done.stdout.splitlines()[-20:]))
        return [compared(row) for row in json.loads(told.read_text())]


def compared(row: dict) -> Twice:
    """An entry of the command's JSON. Questions that a person grades have no points in either run.

    Raises:
        NotGradedError: the second run has nothing of this student.
    """
    if not row["again"]:
        raise NotGradedError(f"{row['student']}: not graded a second time")
    first, second = (sum(one["score"] or 0.0 for one in row[run].values()) for run in ("questions", "again"))
    return Twice(row["student"], first, second, sum(one["max_score"] for one in row["questions"].values()))


def table(found: list[Twice]) -> Table:
    """A row for each submission."""
    made = Table(box=box.MARKDOWN)
    for heading in ("submission", "first", "second", "of", "difference, %"):
        made.add_column(heading, justify="right")
    for one in found:
        made.add_row(one.student, f"{one.first:.2f}", f"{one.second:.2f}", f"{one.worth:g}", f"{one.percent:.2f}")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Grade twice, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steadiness", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--submissions", type=positive, default=SUBMISSIONS, metavar="N", help="default: %(default)s")
    options = parser.parse_args(arguments)
    os.environ.update(ONE_THREAD)
    try:
        found = grade_twice(min(options.submissions, len(honest_networks())))
    except NotGradedError as error:
        print(f"steadiness: {error}", file=sys.stderr)
        return 2
    Console(width=WIDTH).print(table(found))
    worst = max(one.percent for one in found)
    differing = sum(one.percent > 0 for one in found)
    print(f"{differing} of {len(found)} differ, by {worst:.2f} % of their points at most; promised: {PROMISED:g} %")
    return 0 if worst <= PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())
