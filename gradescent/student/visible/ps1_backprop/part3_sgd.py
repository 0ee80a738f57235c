"""Visible checks of part 3: stochastic gradient descent."""

from __future__ import annotations

from gradescent.student.judging import Questions

questions = Questions()
