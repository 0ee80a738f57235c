"""`python -m benchmarks.accept`: hold the references of ps4_cnn and ps6_lstm against what is promised of them.

A class that hands in the reference is graded by `gradescent grade`, as an instructor does it; the tests train each submission
with a seed of its own. The table (Markdown) on stdout is the one that README.md quotes. The exit code is 1 when a promise is
not kept, and 2 when nothing could be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import accuracy, grading
from benchmarks.__main__ import ONE_THREAD, WIDTH
from gradescent.cli import positive
from gradescent.grading.record import FILE

SEEDS = 3


@dataclass(frozen=True)
class Thresholds:
    """What is promised. Accuracies lie between 0 and 1, times are CPU seconds.

    Attributes:
        cnn_accuracy: of each training of ps4_cnn.
        cnn_parameters: at most.
        cnn_mark, cnn_seconds: the accuracy that the quick setting ends with, and the time of its whole training.
        lstm_mean, lstm_least: of the trainings of ps6_lstm together, and of each.
        lstm_seconds: of each training, its word vectors included.
    """

    cnn_accuracy: float = 0.99
    cnn_parameters: int = 150_000
    cnn_mark: float = 0.985
    cnn_seconds: float = 10.0
    lstm_mean: float = 0.903
    lstm_least: float = 0.90
    lstm_seconds: float = 145.0


@dataclass(frozen=True)
class Graded:
    """What came of one submission.

    Attributes:
        score, worth: its points, and those that the reference is to have.
        accuracy, seconds: of the first training by the tests.
    """

    score: float
    worth: float
    accuracy: float
    seconds: float


class NotGradedError(Exception):
    """The class was not graded, so there is nothing to hold against the thresholds. The message says what was told."""


@dataclass(frozen=True)
class Promise:
    """A row of the table."""

    problem_set: str
    what: str
    threshold: str
    measured: str
    kept: bool


def main(arguments: list[str] | None = None, thresholds: Thresholds | None = None) -> int:
    """Measure, print the table, and return the exit code."""
    options = _parser().parse_args(arguments)
    os.environ.update(ONE_THREAD)
    chosen = [measured for name, measured in SETS.items() if name in options.only]
    try:
        promises = [one for measured in chosen for one in measured(thresholds or Thresholds(), options.submissions)]
    except NotGradedError as error:
        print(f"accept: {error}", file=sys.stderr)
        return 2
    console = Console(width=WIDTH)
    console.print(table(promises))
    for promise in promises:
        if not promise.kept:
            print(f"not kept: {promise.problem_set}, {promise.what}: {promise.measured}", file=sys.stderr)
    return 0 if all(promise.kept for promise in promises) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accept", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=list(SETS), default=list(SETS), metavar="SET")
    parser.add_argument(
        "--submissions", type=positive, default=SEEDS, metavar="N", help=f"of each problem set (default: {SEEDS})"
    )
    return parser


def promises_of_cnn(limits: Thresholds, submissions: int) -> list[Promise]:
    """Measure ps4_cnn: its quick setting alone, then a class of the reference, which has as many parameters."""
    quick = next(entry for entry in accuracy.ENTRIES if entry.name == "cnn_quick")
    once = replace(quick, marks=(limits.cnn_mark,), every=0)
    alone = []
    for seed in range(submissions):
        _say(f"ps4_cnn: training {seed + 1} of {submissions}")
        alone.append(accuracy.in_own_process(once, seed, accuracy.FULL))
    return judge_cnn(limits, alone, grade(grading.CNN, submissions))


def judge_cnn(limits: Thresholds, alone: list[accuracy.Trained], graded: list[Graded]) -> list[Promise]:
    """Hold what was measured of ps4_cnn against the thresholds."""
    parameters = alone[0].parameters
    seconds = [one.seconds for one in alone if one.accuracy >= limits.cnn_mark]
    told = _span(seconds, "{:.1f}") if len(seconds) == len(alone) else f"reached by {len(seconds)} of {len(alone)}"
    within = len(seconds) == len(alone) and max(seconds) <= limits.cnn_seconds
    mark = f"CPU s of a quick training to {limits.cnn_mark:.1%}"
    return [
        _points("ps4_cnn", graded),
        _accuracies("ps4_cnn", "test accuracy of each, %", limits.cnn_accuracy, graded),
        Promise(
            "ps4_cnn",
            "parameters",
            f"<= {limits.cnn_parameters:,}",
            f"{parameters:,}",
            parameters <= limits.cnn_parameters,
        ),
        Promise("ps4_cnn", mark, f"<= {limits.cnn_seconds:g}", told, within),
    ]


def promises_of_lstm(limits: Thresholds, submissions: int) -> list[Promise]:
    """Measure ps6_lstm by a class of it."""
    return judge_lstm(limits, grade(grading.LSTM, submissions))


def judge_lstm(limits: Thresholds, graded: list[Graded]) -> list[Promise]:
    """Hold what was measured of ps6_lstm against the thresholds."""
    average, seconds = mean(one.accuracy for one in graded), [one.seconds for one in graded]
    return [
        _points("ps6_lstm", graded),
        Promise(
            "ps6_lstm",
            "test accuracy, mean, %",
            f">= {100 * limits.lstm_mean:.1f}",
            f"{100 * average:.2f}",
            average >= limits.lstm_mean,
        ),
        _accuracies("ps6_lstm", "test accuracy of each, %", limits.lstm_least, graded),
        Promise(
            "ps6_lstm",
            "CPU s of a training",
            f"<= {limits.lstm_seconds:g}",
            _span(seconds, "{:.0f}"),
            max(seconds) <= limits.lstm_seconds,
        ),
    ]


def _points(problem_set: str, graded: list[Graded]) -> Promise:
    full = sum(one.score >= one.worth for one in graded)
    return Promise(problem_set, "submissions with all points", str(len(graded)), str(full), full == len(graded))


def _accuracies(problem_set: str, what: str, least: float, graded: list[Graded]) -> Promise:
    found = [one.accuracy for one in graded]
    told = " ".join(f"{100 * one:.2f}" for one in found)
    return Promise(problem_set, what, f">= {100 * least:.1f}", told, min(found) >= least)


def _span(values: list[float], form: str) -> str:
    return f"{form.format(min(values))} ... {form.format(max(values))}"


SETS: dict[str, Callable[[Thresholds, int], list[Promise]]] = {
    "ps4_cnn": promises_of_cnn,
    "ps6_lstm": promises_of_lstm,
}


def grade(subject: grading.Subject, submissions: int) -> list[Graded]:
    """Have `gradescent grade` grade a class that hands in the reference, and read what it wrote.

    Raises:
        NotGradedError: the command failed.
    """
    _say(f"{subject.assignment}: grading {submissions} submissions")
    with tempfile.TemporaryDirectory(prefix="gradescent-accept-") as name:
        environment = grading.environment_in(Path(name) / "data", (subject,))
        students = grading.make_class(Path(name), subject, submissions)
        command = ["gradescent", "grade", subject.assignment, "--no-feedback"]
        done = grading.run_in(students.folder, command, environment)
        files = sorted(students.folder.glob(f"autograded/*/*/{FILE}"))
        if done.returncode or len(files) != submissions:
            last = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            raise NotGradedError(f"gradescent grade {subject.assignment} ended with {done.returncode}:\n{last}")
        return [_graded(json.loads(file.read_text()), students.worth) for file in files]


def _graded(record: dict, worth: float) -> Graded:
    questions = [question for part in record["parts"] for question in part["questions"].values()]
    measured: dict[str, float] = next((one["readings"] for one in questions if "accuracy_1" in one["readings"]), {})
    score = sum(one["score"] or 0.0 for one in questions)
    return Graded(score, worth, measured.get("accuracy_1", 0.0), measured.get("train_cpu_seconds_1", 0.0))


def _say(text: str) -> None:
    print(f"{text} ...", file=sys.stderr, flush=True)


def table(promises: list[Promise]) -> Table:
    """What is promised, what was measured, and whether it holds."""
    made = Table(box=box.MARKDOWN)
    for heading in ("problem set", "what", "promised", "measured", "kept"):
        made.add_column(heading)
    for one in promises:
        made.add_row(one.problem_set, one.what, one.threshold, one.measured, "yes" if one.kept else "NO")
    return made


if __name__ == "__main__":
    sys.exit(main())
