"""`python -m benchmarks`: measure, with a progress display on stderr and the tables on stdout."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import accuracy
from benchmarks.readings import Reading, Report, accuracy_gap, groups
from gradescent.cli import positive

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
TRAININGS, GRADINGS = 5, 3  # repetitions
SEEDS = 3
CLASS = 24  # submissions
SIZES = (24, 240, 2400)
WIDTH = 160  # characters a line, so that a table looks alike on a terminal and in a file


def main(arguments: list[str] | None = None) -> int:
    """Measure what the options ask for and print it."""
    options = _parser().parse_args(arguments)
    long = options.networks or options.classes
    everything = not (options.training or options.grading or options.engine or long)
    # NumPy's BLAS reads them when it is imported, so nothing that imports NumPy may come before.
    os.environ.update(ONE_THREAD)
    console = Console(width=WIDTH)
    if everything or options.training:
        _training(console, options.repetitions or TRAININGS)
    if everything or options.grading:
        _grading(console, options.submissions or CLASS, options.repetitions or GRADINGS)
    if everything or options.engine:
        _engine(console, options.sizes)
    try:
        if options.networks:
            _networks(console, options)
        if options.classes:
            _classes(console, options.submissions)
    except accuracy.ResultsError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure training, grading and the engine."
    )
    parser.add_argument(
        "--training", action="store_true", help="training alone (default: everything but --networks and --classes)"
    )
    parser.add_argument("--grading", action="store_true", help="grading alone, against stock nbgrader")
    parser.add_argument(
        "--engine", action="store_true", help="the engine's parts alone, and how the cost of a class grows"
    )
    parser.add_argument(
        "--networks",
        action="store_true",
        help="CPU seconds to an accuracy, of the references and of published networks; an hour of one core",
    )
    parser.add_argument(
        "--classes",
        action="store_true",
        help="classes whose networks the tests train, against stock nbgrader; half an hour",
    )
    names = [entry.name for entry in accuracy.ENTRIES]
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NETWORK", help=f"of {', '.join(names)}"
    )
    parser.add_argument(
        "--seeds",
        type=positive,
        default=SEEDS,
        metavar="N",
        help=f"trainings of each network, seeds 0 to N - 1 (default: {SEEDS})",
    )
    parser.add_argument("--small", action="store_true", help="networks with a few examples, to try the command")
    parser.add_argument(
        "--json",
        type=Path,
        default=Path("bench-training.json"),
        metavar="FILE",
        help="where trainings are kept; those in there are not run again (default: bench-training.json)",
    )
    parser.add_argument(
        "--submissions",
        type=positive,
        metavar="N",
        help=f"size of the classes that are graded (default: {CLASS}; with --classes 12 of ps4_cnn and 4 of ps6_lstm)",
    )
    parser.add_argument(
        "--sizes",
        type=positive,
        nargs="*",
        default=SIZES,
        metavar="N",
        help=f"sizes of the classes whose cost is compared (default: {' '.join(map(str, SIZES))})",
    )
    parser.add_argument(
        "--repetitions",
        type=positive,
        metavar="N",
        help=f"measurements of each thing (default: {TRAININGS} in training, {GRADINGS} in grading)",
    )
    return parser


def _training(console: Console, repetitions: int) -> None:
    from benchmarks import training
    from gradescent.student import datasets

    setting = training.Setting()
    data = datasets.load("tiny_mnist")
    with _progress(repetitions * len(setting.batch_sizes) * len(training.trainers())) as report:
        readings = training.measure(data, setting, repetitions, report)
    title = (
        f"Training {list(setting.sizes)} for {setting.epochs} epochs, eta {setting.eta:g}, on {len(data.x_train):,} examples"
        f" ({data.source});\none BLAS thread, CPU time, median of {repetitions}"
    )
    console.print(f"\n{title}", highlight=False, markup=False)
    console.print(training_table(readings, training.REFERENCE))
    for group, members in groups(readings).items():
        gap = accuracy_gap(members)
        console.print(
            f"{group}: mean test accuracies {gap:.2f} points apart; within 1 point: {'yes' if gap <= 1 else 'no'}"
        )


def _grading(console: Console, submissions: int, repetitions: int) -> None:
    from benchmarks import grading

    cores = os.cpu_count() or 1
    with _progress(repetitions * len(grading.SUBJECTS) * len(grading.commands("", cores))) as report:
        readings, shares = grading.measure(submissions, repetitions, report)
    title = (
        f"Grading {submissions} right submissions afresh on {cores} cores ({platform.machine()}); wall clock,"
        f" start-up included,\nmedian of {repetitions}"
    )
    console.print(f"\n{title}", highlight=False, markup=False)
    console.print(grading_table(readings, grading.NBGRADER))
    for part, share in shares.items():
        console.print(
            f"{part}: {share.each:.2f} times the students' own cells; with all that is started once for a class, "
            f"{share.whole:.2f} times",
            highlight=False,
        )


def _engine(console: Console, sizes: list[int]) -> None:
    from benchmarks import engine

    cores = os.cpu_count() or 1
    with _progress(len(engine.SETS) + 1 + len(sizes)) as report:
        rows = engine.measure(report) + engine.scale(tuple(sizes), cores, report)
    table = _table("median", "min ... max")
    for what, middle, span in rows:
        table.add_row("engine", what, middle, span)
    console.print(f"\nThe engine's parts on {cores} cores ({platform.machine()})", highlight=False)
    console.print(table)


def _networks(console: Console, options: argparse.Namespace) -> None:
    entries = [entry for entry in accuracy.ENTRIES if entry.name in options.only]
    setting = accuracy.SMALL if options.small else accuracy.FULL
    with _progress(options.seeds * len(entries)) as report:
        trained = accuracy.measure(entries, options.seeds, options.json, report, setting)
    seeds = f"{options.seeds} seed{'s' if options.seeds > 1 else ''}"
    console.print(
        f"\nTraining from raw data, {setting} setting, mean of {seeds} (smallest ... largest), CPU seconds of"
    )
    console.print(f"one thread without looks at the test set; {trained[0].machine}", highlight=False, markup=False)
    for marks in dict.fromkeys(entry.marks for entry in entries):
        chosen = [entry for entry in entries if entry.marks == marks]
        console.print(network_table(chosen, trained))
        for entry in chosen:
            own = [one for one in trained if one.name == entry.name]
            line = f"{entry.title}: test accuracy after each epoch, %: {accuracy.epochs_line(own)}"
            console.print(line, highlight=False, markup=False)


def network_table(entries: list[accuracy.Entry], trained: list[accuracy.Trained]) -> Table:
    """A row for each network, all with the same marks."""
    marks = [f"{mark:.1%}, CPU s" for mark in entries[0].marks]
    table = Table(box=box.MARKDOWN)
    table.add_column("network")
    for number in ("parameters", "epochs", *marks, "in the end, %", "all, CPU s", "examples/s"):
        table.add_column(number, justify="right")
    for entry in entries:
        table.add_row(*accuracy.row(entry, [one for one in trained if one.name == entry.name]))
    return table


def _classes(console: Console, submissions: int | None) -> None:
    from benchmarks import grading

    cores = os.cpu_count() or 1
    classes = {subject: submissions or size for subject, size in grading.TRAINED.items()}
    with _progress(len(classes) * len(grading.trained_commands())) as report:
        readings = grading.measure_trained(classes, report)
    console.print(
        f"\nGrading submissions whose network the tests train, once, on {cores} cores ({platform.machine()}); wall clock,"
        " start-up included",
        highlight=False,
    )
    console.print(grading_table(readings, grading.NBGRADER))


@contextmanager
def _progress(total: int) -> Iterator[Report]:
    """A bar on stderr. It is drawn seldom, since drawing costs this process CPU time."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=1, transient=True) as progress:
        bar = progress.add_task("starting", total=total)
        yield lambda what: progress.update(bar, description=what, advance=1)


def training_table(readings: list[Reading], base: str) -> Table:
    """Milliseconds an epoch of everybody, against the base's."""
    table = _table("ms an epoch", "min ... max", f"times the {base}'s", "test accuracy")
    for members in groups(readings).values():
        reference = next(reading for reading in members if reading.name == base)
        for reading in members:
            low, high = min(reading.seconds), max(reading.seconds)
            table.add_row(
                reading.group,
                reading.name,
                f"{1000 * reading.median:.2f}",
                f"{1000 * low:.2f} ... {1000 * high:.2f}",
                f"{reading.times(reference):.2f}",
                f"{reading.accuracy:.4f}",
            )
    return table


def grading_table(readings: list[Reading], base: str) -> Table:
    """Seconds a submission of every command, and how many times as fast as the base it is."""
    table = _table("s a submission", "min ... max", "times as fast", "CPU s a submission")
    for members in groups(readings).values():
        stock = next(reading for reading in members if reading.name == base)
        for reading in members:
            table.add_row(
                reading.group,
                reading.name,
                f"{reading.median:.2f}",
                f"{min(reading.seconds):.2f} ... {max(reading.seconds):.2f}",
                f"{stock.times(reading):.2f}",
                f"{median(reading.cpu_seconds):.2f}",
            )
    return table


def _table(*numbers: str) -> Table:
    table = Table(box=box.MARKDOWN)
    table.add_column("")
    table.add_column("")
    for number in numbers:
        table.add_column(number, justify="right")
    return table


if __name__ == "__main__":
    sys.exit(main())
