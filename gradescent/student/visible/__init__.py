"""The checks that students see, one module a problem set: other inputs than the hidden ones, the same comparisons.

They hold no reference solution: expected values follow from identities, from hand-computed numbers, or from finite
differences of the student's own cost.
"""

from __future__ import annotations

from importlib import import_module

from gradescent.student.judging import Questions

PARTS = (
    "ps1_backprop/part1_by_hand",
    "ps1_backprop/part2_network",
    "ps1_backprop/part3_sgd",
    "ps4_cnn/part1_builder",
    "ps4_cnn/part2_seeing",
    "ps6_lstm/part1_builder",
    "ps6_lstm/part2_experiments",
)


def questions(part: str) -> Questions:
    """The visible questions of a part, for example "ps1_backprop/part2_network"."""
    return import_module(f"{__name__}.{part.replace('/', '.')}").questions
