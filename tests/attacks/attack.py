"""What an attack is: a few lines of a student's, and what may come of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbformat import NotebookNode

if TYPE_CHECKING:
    from attacks.course import Scene

FULL = {"network": 4.0, "forward_prop": 8.0, "back_prop": 18.0, "evaluate": 5.0}
NO_POINTS = dict.fromkeys(FULL, 0.0)

# The student's process knows its own worker: so does an attacker.
WORKER = """
import gc
from gradescent.grading.inside import wire, worker as worker_module
from gradescent.grading.inside.worker import Worker
worker = next(item for item in gc.get_objects() if isinstance(item, Worker))
"""
# The kernel's answer to a system call, by its number.
SYSCALL = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def syscall(*arguments):
    ctypes.set_errno(0)
    result = libc.syscall(*(ctypes.c_long(item) if isinstance(item, int) else item for item in arguments))
    return "no error" if result >= 0 else errno.errorcode[ctypes.get_errno()]
"""
# What came of something that should not work: the error's name, or the value.
OUTCOME = """
def outcome(function, *arguments):
    try:
        return function(*arguments)
    except Exception as error:
        return type(error).__name__
"""


@dataclass(frozen=True)
class Attack:
    """One hostile submission and its outcome. What it does not state stays as it is without the attack.

    Attributes:
        name: in snake case.
        cell: code of a cell that the student added before all answers. It knows COURSE, TESTS, GRADER (a process), MARK
            (a name to leave behind) and PORT (of somebody who listens).
        late: whether that cell stands after all answers.
        answers: the student's cells in place of right ones.
        hand_in: makes the submission's folder of it, where it is no plain notebook.
        student: the folder's name, where it is a part of the attack.
        limits: of the submission, beside the suite's.
        scores: of the questions that do not get full marks; None for one that a person has to grade.
        outcomes: of the questions that are not right.
        says: words of a question's message.
        problem: words of what a person has to look at.
        fault: whether the machine's fault is claimed.
        shows: words that the cell printed; the proof that the attack took place.
        ends: how the cell ended the process.
        check: looks at whatever else was written.
        pages: whether feedback is written, too.
    """

    name: str
    cell: str = ""
    late: bool = False
    answers: Mapping[str, str] = field(default_factory=dict)
    hand_in: Callable[[Path, NotebookNode], Any] | None = None
    student: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float | None] = field(default_factory=dict)
    outcomes: Mapping[str, str] = field(default_factory=dict)
    says: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    fault: bool = False
    shows: tuple[str, ...] | str = ()
    ends: str = ""
    check: Callable[[Scene], None] | None = None
    pages: bool = False

    @property
    def folder(self) -> str:
        """The student's folder."""
        return self.student or f"eve_{self.name}"

    @property
    def shown_as(self) -> str:
        """The student's name in what is written."""
        return self.folder if self.folder.isprintable() else ascii(self.folder)

    @property
    def waits(self) -> bool:
        """Whether its wall clock is so short that it may not be the neighbour's."""
        return "submission_seconds" in self.limits

    def goes_with(self, other: Attack) -> bool:
        """Whether both can be handed in to the same class."""
        ordinary = not (self.limits or other.limits)
        return self is other or (ordinary and self.pages == other.pages)


def evaluate_is(body: str, after: str = "") -> dict[str, str]:
    """The answers with another body of `evaluate`."""
    lines = "\n    ".join(body.strip().splitlines())
    return {"evaluate": f"def evaluate(self, data):\n    {lines}\n\n\nNetwork.evaluate = evaluate\n{after}"}


WRONG = evaluate_is("return 0.123456")  # no fraction of a few examples
RIGHT = """
x = np.hstack([pair[0] for pair in data])
y = np.hstack([pair[1] for pair in data])
return float(np.mean(self.forward_prop(x).argmax(axis=0) == y.argmax(axis=0)))
"""


def cheat(name: str, cell: str, **more: Any) -> Attack:
    """An attack that wants points for a wrong `evaluate`, and gets none."""
    settings = {"answers": WRONG, "scores": {"evaluate": 0.0}, "outcomes": {"evaluate": "wrong"}, **more}
    return Attack(name, cell, **settings)


def answer(name: str, body: str, outcome: str, says: str = "", after: str = "", **more: Any) -> Attack:
    """An attack in the body of `evaluate`, which costs its points and nothing else."""
    scores, outcomes = {"evaluate": 0.0}, {"evaluate": outcome}
    words = {"evaluate": says} if says else {}
    return Attack(
        name, answers=evaluate_is(body, after), **{"scores": scores, "outcomes": outcomes, "says": words, **more}
    )
