"""The in-kernel carrier: what the hidden region of a test cell calls under stock `nbgrader autograde`.

Everything runs in the student's kernel, so it is as forgeable as nbgrader is; gradescent's own engine keeps the tests
in another process.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from grader_tests import questions
from gradescent.student.check import line
from gradescent.student.direct import DirectStudent
from gradescent.student.judging import RESULT_MIME, judge

CALL_SECONDS = 20.0
_MEMORY: dict[str, Any] = {}  # of the tests: a kernel runs one notebook


def grade(
    part: str,
    question: str,
    namespace: Mapping[str, Any],
    points: float,
    extra_credit: float = 0.0,
    seconds: float = CALL_SECONDS,
) -> float:
    """Run the hidden tests of one question on a kernel's namespace and show the message.

    Args:
        part: "ps1_backprop/part2_network".
        question: the grade_id.
        namespace: the kernel's `globals()`.
        points: what the cell is worth.
        extra_credit: points above the maximum, for a question that has only those.
        seconds: CPU time of a call.

    Returns:
        The points as a plain float: nbgrader takes the last value of the cell as partial credit.
    """
    from IPython.display import display

    student = DirectStudent(namespace, cpu_seconds=seconds, memory=_MEMORY)
    result = judge(questions(part)[question], student, extra_credit or points, secrets.randbits(32))
    display({"text/plain": line(result), RESULT_MIME: result.to_dict()}, raw=True)
    return 0.0 if extra_credit else float(result.score or 0.0)
