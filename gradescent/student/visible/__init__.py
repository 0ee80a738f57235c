"""The checks that students see, one module a problem set: other inputs than the hidden ones, the same comparisons.

They hold no reference solution: expected values follow from identities, from hand-computed numbers, or from finite
differences of the student's own cost.
"""

from __future__ import annotations

from gradescent.student.judging import Questions


def parts() -> dict[str, Questions]:
    """Part name ("ps1_backprop/part2_network") to its visible questions."""
    from gradescent.student.visible import ps1_backprop

    return dict(ps1_backprop.PARTS)
