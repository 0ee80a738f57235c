"""How large the experiments of a notebook are: full size for your report, a smaller one on slow machines and when graded."""

from __future__ import annotations

import os

SMALL = "GRADESCENT_SMALL"  # set it to 1 on a slow machine


def small_setting() -> bool:
    """Whether the notebook's experiments shall take their smaller setting.

    True where the environment variable GRADESCENT_SMALL is 1, for a slow machine or a first try, and while a notebook is
    graded: the tests train by themselves, and the figures of an experiment stand in your written answers.

    Example:
        >>> epochs = 1 if small_setting() else 5
    """
    return os.environ.get(SMALL) == "1" or bool(os.environ.get("NBGRADER_EXECUTION"))
