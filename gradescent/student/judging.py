"""Questions, checks and their results: what a test is, and how its outcome becomes points and a message.

A check is a function of a `student`, and of a random generator where it wants one. It asks the student for values and
raises `Wrong` where they are not right. Hidden tests and the checks in a notebook are made of the same parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Protocol

import numpy as np

RESULT_MIME = "application/vnd.gradescent.result+json"  # a result among the outputs of a graded cell


class Outcome(str, Enum):
    """How a question ended. The values are what result.json and the tables show."""

    RIGHT = "right"
    PARTLY = "partly right"
    WRONG = "wrong"
    NOT_ATTEMPTED = "not attempted"
    ERROR = "error in your code"
    TIME_LIMIT = "time limit"
    MEMORY_LIMIT = "memory limit"
    DIED = "process died"
    MISSING = "missing"
    UNGRADED = "to be graded by a person"


class Stop(Exception):
    """Ends a check with an outcome and a message that a student can act on."""

    outcome = Outcome.WRONG


class Wrong(Stop):
    """A value is not right. The message says what was checked, what came back, the likely cause and the next step."""


class Partly(Stop):
    """A value is as good as a part of the check's points: a ramp of accuracy, for instance.

    Args:
        fraction: of the check's points that are reached, between 0 and 1.
        message: what was reached, and what would bring the rest.
    """

    outcome = Outcome.PARTLY

    def __init__(self, fraction: float, message: str):
        super().__init__(message)
        if not 0 <= fraction < 1:
            raise ValueError(f"a part of the points lies between 0 and 1, got {fraction}")
        self.fraction = fraction


class NotAttempted(Stop):
    outcome = Outcome.NOT_ATTEMPTED


class Missing(Stop):
    outcome = Outcome.MISSING


class CodeError(Stop):
    outcome = Outcome.ERROR


class TimeLimit(Stop):
    outcome = Outcome.TIME_LIMIT


class MemoryLimit(Stop):
    outcome = Outcome.MEMORY_LIMIT


class Died(Stop):
    outcome = Outcome.DIED


HOPELESS = {Outcome.TIME_LIMIT, Outcome.DIED}
MAX_READINGS, MAX_READING = 40, 200  # of a question, and characters of a text among them
Reading = float | int | str  # what stands in result.json


class Handle(Protocol):
    """An object that stays with the student's code: its methods are called, its attributes read and set."""

    type_name: str

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any: ...

    def get(self, attribute: str) -> Any: ...

    def set(self, attribute: str, value: Any) -> None: ...


class Student(Protocol):
    """What a check can ask for. The direct carrier and the remote one behave alike.

    `printed`, `warned`, `modified` and `seconds` speak of the last call that was made.

    Attributes:
        readings: what a check measured (accuracy, seeds, seconds): stands in the result beside the points.
        memory: what a check keeps for those after it, a trained model for instance; gone with the process it lives in.
        weights: name of the file of trained weights in the working folder, empty where the assignment trains; where none was
            handed in it raises `Missing`.
    """

    printed: str
    warned: list[str]
    modified: list[str]
    seconds: float
    readings: dict[str, Reading]

    @property
    def memory(self) -> dict[str, Any]: ...

    @property
    def weights(self) -> str: ...

    def has(self, name: str) -> bool: ...

    def call(self, function: str, *args: Any, **kwargs: Any) -> Any: ...

    def new(self, cls: str, *args: Any, **kwargs: Any) -> Handle: ...

    def read(self, name: str) -> Any: ...

    def seed(self, seed: int) -> None: ...


@dataclass(frozen=True)
class Check:
    """One test function of a question, and its share of the question's points."""

    run: Callable[[Student, np.random.Generator], None]
    weight: float

    @property
    def name(self) -> str:
        return self.run.__name__


@dataclass
class Question:
    """The checks of one graded cell, in the order in which they run.

    Attributes:
        name: the grade_id.
        needs: the names that the notebook must define for it.
    """

    name: str
    needs: tuple[str, ...] = ()
    checks: list[Check] = field(default_factory=list)


class Questions(dict[str, Question]):
    """The questions of one part. Used as a decorator factory: `@questions("back_prop", weight=2)`.

    Args:
        by_person: names of the answers and plots that a person grades.
        optional: names of the questions that are extra credit.
    """

    def __init__(self, by_person: tuple[str, ...] = (), optional: tuple[str, ...] = ()):
        super().__init__()
        self.by_person, self.optional = by_person, optional

    def __call__(self, name: str, weight: float = 1.0, needs: tuple[str, ...] = ()) -> Callable[[Callable], Callable]:
        def register(run: Callable) -> Callable:
            question = self.setdefault(name, Question(name))
            question.needs = tuple(dict.fromkeys(question.needs + needs))
            question.checks.append(Check(run, weight))
            return run

        return register


@dataclass
class Result:
    """What came of one question.

    Attributes:
        question: the grade_id.
        score: points reached, None where a person has to grade it.
        max_score: points of the question (0 for extra credit).
        outcome: of the first check that did not pass, else "right".
        message: empty when right, else one paragraph for the student.
        checks: outcome by the name of the check.
        answer: SHA-256 of an answer that a person grades, empty for a question that tests grade.
        readings: what was measured on the way, for whoever has to defend the points.
    """

    question: str
    score: float | None
    max_score: float
    outcome: Outcome
    message: str = ""
    checks: dict[str, str] = field(default_factory=dict)
    answer: str = ""
    readings: dict[str, Reading] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "outcome": self.outcome.value}


def judge(question: Question, student: Student, points: float, seed: int) -> Result:
    """Run every check of a question and add up the points.

    Args:
        question: the checks.
        student: either carrier.
        points: what all checks together are worth.
        seed: of the generator that every check gets afresh, so that one check does not shift another's inputs.

    Returns:
        The result; a check that stops does not keep the others from running.
    """
    problems: list[Stop] = []
    outcomes: dict[str, str] = {}
    reached = 0.0
    student.readings = {}
    for number, check in enumerate(question.checks):
        # What hangs or dies once does so again: one wait is enough.
        hopeless = bool(problems) and problems[-1].outcome in HOPELESS
        problem = problems[-1] if hopeless else _run(check, student, np.random.default_rng([seed, number]))
        outcomes[check.name] = (problem.outcome if problem else Outcome.RIGHT).value
        if problem is None:
            reached += check.weight
        else:
            reached += check.weight * (problem.fraction if isinstance(problem, Partly) else 0.0)
            problems.append(problem)
    total = sum(check.weight for check in question.checks)
    score = round(points * reached / total, 2)
    readings = bounded(student.readings)
    if not problems:
        return Result(question.name, score, points, Outcome.RIGHT, checks=outcomes, readings=readings)
    # What is half right is told after what is wrong.
    told = next((problem for problem in problems if not isinstance(problem, Partly)), problems[0])
    return Result(question.name, score, points, told.outcome, str(told), outcomes, readings=readings)


def bounded(readings: dict[str, Reading]) -> dict[str, Reading]:
    """The readings as JSON can hold them: few, short, fractions with six digits, and text for a number that is none."""
    kept: dict[str, Reading] = {}
    for name, value in list(readings.items())[:MAX_READINGS]:
        kept[name[:MAX_READING]] = value[:MAX_READING] if isinstance(value, str) else _as_json(value)
    return kept


def _as_json(value: float) -> Reading:
    number = float(value)
    if not math.isfinite(number):
        return str(number)
    return int(number) if number.is_integer() else float(f"{number:.6g}")


def _run(check: Check, student: Student, rng: np.random.Generator) -> Stop | None:
    try:
        check.run(student, rng)
    except Stop as stop:
        return stop
    return None
