"""Visible checks of part 1: back-propagation by hand."""

from __future__ import annotations

import numpy as np

from gradescent.student.compare import compare
from gradescent.student.judging import Questions, Student

questions = Questions()


@questions("sigmoid", needs=("sigmoid",))
def sigmoid_values(student: Student, rng: np.random.Generator) -> None:
    compare("sigmoid of [0, log 3]", student.call("sigmoid", np.array([0.0, np.log(3)])), [0.5, 0.75])
