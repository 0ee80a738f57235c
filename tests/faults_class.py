"""A class in a course of its own, the command that grades it as a program of its own, and what must hold afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from conftest import ASSIGNMENT, NETWORK, network_notebook
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from gradescent.course import Course
from gradescent.grading import gradebook
from gradescent.grading.record import FILE

FULL = 35.0
MANUAL, COMMENT = 17.5, "Nicely vectorised."
PATIENCE = 60.0  # seconds that a test waits for something to happen before it fails
PROC = Path("/proc")


class Never(AssertionError):
    """What a test waited for did not happen."""


def wait_for(happened: Callable[[], object], what: str) -> None:
    """Wait until something happens.

    Raises:
        Never: it does not.
    """
    ends = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > ends:
            raise Never(what)
        time.sleep(0.01)


@dataclass
class Ended:
    """How a command ended, and what it said."""

    code: int
    printed: str

    def says(self, *words: str) -> None:
        missing = [word for word in words if word not in self.printed]
        assert not missing, f"{missing} not in:\n{self.printed}"
        assert "Traceback" not in self.printed, self.printed


@dataclass
class Class:
    """A course with students.

    Attributes:
        course: in a folder of its own.
        temporary: the folder of temporary files of every command that is started here, by which its processes are known.
        students: who handed in.
    """

    course: Course
    temporary: Path
    students: list[str] = field(default_factory=list)

    def hand_in(self, *students: str, notebook: NotebookNode | None = None) -> None:
        for student in students:
            file = self.submission(student)
            file.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook or network_notebook(self.course), file)
        self.students += [student for student in students if student not in self.students]

    def submission(self, student: str) -> Path:
        return self.course.submitted / student / ASSIGNMENT / f"{NETWORK}.ipynb"

    def record(self, student: str) -> Path:
        return self.course.autograded / student / ASSIGNMENT / FILE

    def page(self, student: str) -> Path:
        return self.course.feedback / student / ASSIGNMENT / f"{NETWORK}.html"

    def records(self) -> dict[str, bytes]:
        """The records that stand, by student."""
        return {student: self.record(student).read_bytes() for student in self.graded()}

    def graded(self) -> list[str]:
        return [student for student in self.students if self.record(student).is_file()]

    def reached(self, student: str) -> float:
        """A student's points, by the record."""
        record = json.loads(self.record(student).read_text())
        return sum(question["score"] for part in record["parts"] for question in part["questions"].values())

    def command(self, *options: str) -> list[str]:
        return [sys.executable, "-m", "gradescent", "grade", ASSIGNMENT, *options]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "TMPDIR": str(self.temporary)}

    @contextlib.contextmanager
    def grading(self, *options: str) -> Iterator[Running]:
        """Start the command; it does not outlive the test."""
        process = subprocess.Popen(
            self.command(*options),
            cwd=self.course.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield Running(process)
        finally:
            process.kill()
            process.communicate()

    def grade(self, *options: str) -> Ended:
        with self.grading(*options) as running:
            return running.ended()

    def look(self) -> None:
        """Have a person grade the first student, whom the tests have graded before."""
        with gradebook.opened(self.course) as book:
            grade = book.find_grade("back_prop", NETWORK, ASSIGNMENT, self.students[0])
            grade.manual_score, grade.needs_manual_grade = MANUAL, False
            comment = book.find_comment("solution_back_prop", NETWORK, ASSIGNMENT, self.students[0])
            comment.manual_comment = COMMENT
            book.db.commit()

    def assert_looked(self) -> None:
        """What the person wrote stands as it was written."""
        with gradebook.opened(self.course) as book:
            grade = book.find_grade("back_prop", NETWORK, ASSIGNMENT, self.students[0])
            assert (grade.manual_score, grade.auto_score, grade.needs_manual_grade) == (MANUAL, 18.0, False)
            comment = book.find_comment("solution_back_prop", NETWORK, ASSIGNMENT, self.students[0])
            assert comment.manual_comment == COMMENT

    def entered(self) -> dict[str, float]:
        """Points of the tests in the gradebook, by student; without those of whom nothing was entered."""
        with gradebook.opened(self.course) as book:
            submissions = {found.student.id: found for found in book.assignment_submissions(ASSIGNMENT)}
            return {
                student: sum(grade.auto_score or 0.0 for notebook in found.notebooks for grade in notebook.grades)
                for student, found in submissions.items()
                if any(grade.auto_score is not None for notebook in found.notebooks for grade in notebook.grades)
            }

    def assert_complete(self, before: dict[str, bytes]) -> None:
        """Everybody has the one right result everywhere, and what stood before was not made a second time.

        Args:
            before: records that stood after the fault.
        """
        assert {student: self.reached(student) for student in self.students} == dict.fromkeys(self.students, FULL)
        assert self.entered() == dict.fromkeys(self.students, FULL)
        assert {student: self.record(student).read_bytes() for student in before} == before
        pages = [self.page(student) for student in self.students]
        assert [page for page in pages if not page.read_text().rstrip().endswith("</html>")] == []
        self.assert_clean()

    def assert_clean(self) -> None:
        """No process and no temporary file is left."""
        wait_for(lambda: not self.processes(), f"processes are left behind: {self.processes()}")
        assert list(self.temporary.iterdir()) == []
        folders = (self.course.autograded, self.course.feedback)
        assert [file for folder in folders for file in folder.rglob("*.tmp")] == []

    def processes(self) -> dict[int, str]:
        """Command lines of all processes that were started with this class's folder of temporary files, and live."""
        found = {}
        mine = os.fsencode(self.temporary)
        for folder in PROC.glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ends meanwhile, or is another user's
                if mine in (folder / "environ").read_bytes() and folder.name != str(os.getpid()):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found


@dataclass
class Running:
    """The command, and the processes below it."""

    process: subprocess.Popen[str]

    def ended(self) -> Ended:
        printed, _ = self.process.communicate(timeout=10 * PATIENCE)
        return Ended(self.process.returncode, printed)

    def stop(self, number: int) -> Ended:
        """Send a signal as a terminal does: to everybody in the foreground."""
        os.killpg(self.process.pid, number) if number == signal.SIGINT else self.process.send_signal(number)
        return self.ended()

    def supervisors(self) -> list[int]:
        return [pid for pid in children(self.process.pid) if b"inside.warm" not in _command_line(pid)]

    def warm(self) -> list[int]:
        return [pid for pid in children(self.process.pid) if b"inside.warm" in _command_line(pid)]

    def guards(self) -> list[int]:
        """The guards of students' processes that run now. A supervisor may have started a warm process of its own."""
        below = [pid for supervisor in self.supervisors() for pid in children(supervisor)]
        return [guard for pid in [*self.warm(), *below] for guard in children(pid)]

    def students(self) -> list[int]:
        """The students' own processes: behind each guard the last that was started."""
        lines = [descendants(guard) for guard in self.guards()]
        return [line[-1] for line in lines if line]


def children(pid: int) -> list[int]:
    listed = []
    with contextlib.suppress(OSError):
        for file in (PROC / str(pid) / "task").glob("*/children"):
            listed += map(int, file.read_text().split())
    return listed


def descendants(pid: int) -> list[int]:
    return [one for child in children(pid) for one in [child, *descendants(child)]]


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return (PROC / str(pid) / "cmdline").read_bytes()
    return b""


def slow_notebook(course: Course, seconds: float = 0.5) -> NotebookNode:
    """A right notebook with a cell that takes its time, and none of the processor's."""
    notebook = network_notebook(course)
    notebook.cells.append(new_code_cell(f"import time\ntime.sleep({seconds})"))
    return notebook
