"""The result of one student's assignment, written so that it survives: result.json."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradescent.student.judging import Outcome, Result

FILE = "result.json"
VERSION = 2  # a record of another version is graded again


@dataclass
class PartResult:
    """What came of one notebook.

    Attributes:
        part: the notebook's name.
        results: the questions in the notebook's order, those that a person grades among them.
        notes: repairs and the like, which cost no points.
        problem: what a person has to look at, empty when nothing.
        ran: whether there was a notebook to run.
        untouched: names of the answers that still are the stubs.
        key: digest of all that the part's result depends on but the hidden tests.
        tests: digest of each question's hidden tests.
        starts: processes that the notebook used; above 1 where a cell ended one.
        seconds: wall clock.
        cell_seconds: wall clock of the student's own cells.
        seed: of the hidden tests' inputs.
        forgeable: whether the tests ran in the student's process, which can make them say anything.
    """

    part: str
    results: list[Result]
    notes: list[str] = field(default_factory=list)
    problem: str = ""
    ran: bool = False
    untouched: list[str] = field(default_factory=list)
    key: str = ""
    tests: dict[str, str] = field(default_factory=dict)
    starts: int = 0
    seconds: float = 0.0
    cell_seconds: float = 0.0
    seed: int = 0
    forgeable: bool = False

    @property
    def score(self) -> float:
        return sum(result.score or 0.0 for result in self.results)

    def to_dict(self) -> dict[str, Any]:
        return {
            "part": self.part,
            "questions": {result.question: result.to_dict() for result in self.results},
            "notes": self.notes,
            "problem": self.problem,
            "ran": self.ran,
            "untouched": self.untouched,
            "key": self.key,
            "tests": self.tests,
            "starts": self.starts,
            "seconds": round(self.seconds, 3),
            "cell_seconds": round(self.cell_seconds, 3),
            "seed": self.seed,
            "forgeable": self.forgeable,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> PartResult:
        """Read back what `to_dict` gave."""
        questions = record["questions"].values()
        results = [Result(**{**entry, "outcome": Outcome(entry["outcome"])}) for entry in questions]
        return cls(**{key: value for key, value in record.items() if key != "questions"}, results=results)


@dataclass
class StudentResult:
    """What came of one student's assignment.

    Attributes:
        student, assignment: whose, and of what.
        parts: in the course's order.
        environment: what it was graded with.
        changed: answers for a person, as [part, question], that are others than those that the gradebook knows.
    """

    student: str
    assignment: str
    parts: list[PartResult]
    environment: dict[str, Any] = field(default_factory=dict)
    changed: list[list[str]] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return [part.problem for part in self.parts if part.problem]

    @property
    def score(self) -> float:
        return sum(part.score for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "student": self.student,
            "assignment": self.assignment,
            "parts": [part.to_dict() for part in self.parts],
            "environment": self.environment,
            "changed": self.changed,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> StudentResult:
        """Read back what `to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        if record["version"] != VERSION:
            raise ValueError(f"a record of version {record['version']}")
        parts = [PartResult.from_dict(part) for part in record["parts"]]
        return cls(record["student"], record["assignment"], parts, record["environment"], record.get("changed", []))

    def to_rows(self) -> list[dict[str, Any]]:
        """The form of `gradescent grade --json`: one entry a notebook."""
        keys = ("score", "max_score", "outcome", "message")
        return [
            {
                "student": self.student,
                "assignment": self.assignment,
                "notebook": part.part,
                "questions": {r.question: {key: r.to_dict()[key] for key in keys} for r in part.results},
            }
            for part in self.parts
        ]


def write_durably(file: Path, text: str) -> None:
    """Write a file so that a crash or a full disk leaves either the old content or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.tmp")  # the next write overwrites what a killed one left behind
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def file_problem(error: OSError, folder: Path) -> str:
    """What a person has to know of a file that the machine cannot read or write."""
    return (
        f"{error.filename or folder}: {error.strerror}. Remedy: free the disk or correct the permissions, grade again"
    )


def load(folder: Path) -> StudentResult | None:
    """The record in a student's autograded folder, None where there is none that can be read."""
    try:
        return StudentResult.from_dict(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def save(result: StudentResult, folder: Path) -> None:
    """Write result.json into the student's autograded folder."""
    write_durably(folder / FILE, json.dumps(result.to_dict(), indent=1, ensure_ascii=False) + "\n")
