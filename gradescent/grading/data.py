"""The data sets of an assignment, as students' code may see them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gradescent.course import Assignment, CourseError
from gradescent.grading.record import file_problem
from gradescent.grading.scratch import Scratch
from gradescent.student import datasets


@contextmanager
def training_data(assignment: Assignment) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with the assignment's data as students' code may see it, and where the data came from."""
    described = {}
    with Scratch() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for data in assignment.data:
            try:
                dataset = datasets.load(data)
            except datasets.DataError as error:
                raise CourseError(str(error)) from error
            try:
                datasets.save(datasets.training_view(dataset), folder / f"{data}.npz")
            except OSError as error:
                raise CourseError(file_problem(error, folder)) from error
            described[data] = f"{'stand-in: ' if dataset.stand_in else ''}{dataset.source} ({dataset.digest()[:16]})"
        yield folder, described
