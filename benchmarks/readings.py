"""Repeated measurements of one thing, and what is said about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

Report = Callable[[str], None]  # told what was measured, once a measurement


@dataclass
class Reading:
    """Measurements of one contestant, one a repetition, in the order of the repetitions.

    Attributes:
        group: what is compared, for example "batch of 10".
        name: who is measured.
        seconds: for each repetition.
        cpu_seconds: for each repetition, where it is another thing than `seconds`.
        accuracies: for each repetition, where something was trained.
    """

    group: str
    name: str
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def accuracy(self) -> float:
        return sum(self.accuracies) / len(self.accuracies)

    def times(self, other: Reading) -> float:
        """How many times as long as another this one takes: the median over the repetitions.

        The two of a repetition ran one after the other, so what else the machine was doing falls on both.
        """
        return median(mine / theirs for mine, theirs in zip(self.seconds, other.seconds, strict=True))


def groups(readings: list[Reading]) -> dict[str, list[Reading]]:
    """The readings by group, in their order."""
    found: dict[str, list[Reading]] = {}
    for reading in readings:
        found.setdefault(reading.group, []).append(reading)
    return found


def accuracy_gap(readings: list[Reading]) -> float:
    """Largest difference between the mean accuracies, in percentage points."""
    accuracies = [reading.accuracy for reading in readings]
    return 100 * (max(accuracies) - min(accuracies))
