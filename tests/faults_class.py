"""A class in a course of its own, the command that grades it as a program of its own, and what must hold afterwards."""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import multiprocessing.process
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from conftest import ASSIGNMENT, NETWORK, network_notebook, source_of
from nbformat import NotebookNode

from grader_tests.variants import fill
from gradescent.cli import main
from gradescent.course import Course
from gradescent.grading import gradebook
from gradescent.grading.record import FILE

FULL = 35.0
MANUAL, COMMENT = 17.5, "Nicely vectorised."
PATIENCE = 60.0  # seconds that a test waits for something to happen before it fails
PROC = Path("/proc")
SLOW = b"slow"
FORK = multiprocessing.get_context("fork")


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
        part: the notebook that they hand in.
        sessions: of the processes that were started here.
    """

    course: Course
    temporary: Path
    students: list[str] = field(default_factory=list)
    part: str = NETWORK
    sessions: set[int] = field(default_factory=set)

    def hand_in(self, *students: str, notebook: NotebookNode | None = None) -> None:
        for student in students:
            file = self.submission(student)
            file.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook or fill(source_of(self.course, self.part)), file)
        self.students += [student for student in students if student not in self.students]

    def submission(self, student: str) -> Path:
        return self.course.submitted / student / ASSIGNMENT / f"{self.part}.ipynb"

    def record(self, student: str) -> Path:
        return self.course.autograded / student / ASSIGNMENT / FILE

    def page(self, student: str) -> Path:
        return self.course.feedback / student / ASSIGNMENT / f"{self.part}.html"

    def records(self) -> dict[str, bytes]:
        """The records that stand, by student."""
        return {student: self.record(student).read_bytes() for student in self.graded()}

    def graded(self) -> list[str]:
        return [student for student in self.students if self.record(student).is_file()]

    def reached(self, student: str) -> float:
        """A student's points, by the record."""
        record = json.loads(self.record(student).read_text())
        return sum(question["score"] for part in record["parts"] for question in part["questions"].values())

    @contextlib.contextmanager
    def grading(self, *options: str, before: str = "") -> Iterator[Running]:
        """Start the command as a process of its own, forked, because importing it takes longer than most faults.

        Args:
            options: of the command.
            before: code that the process runs first.
        """
        printed = self.course.root.with_name("printed.txt")
        process = FORK.Process(target=_program, args=(self, printed, before, options))
        process.start()
        assert process.pid
        self.sessions.add(process.pid)
        try:
            yield Running(process, printed)
        finally:
            process.kill()
            process.join()

    def grade(self, *options: str, before: str = "") -> Ended:
        with self.grading(*options, before=before) as running:
            return running.ended()

    def grade_within(self, command: Sequence[str], *options: str) -> Ended:
        """Start the command with another one before it."""
        done = subprocess.run(
            [*command, sys.executable, "-m", "gradescent", "grade", ASSIGNMENT, *options],
            cwd=self.course.root,
            env={**os.environ, "TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Ended(done.returncode, done.stdout)

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

    def assert_complete(self, before: Mapping[str, bytes], pages: bool = True) -> None:
        """Everybody has the one right result everywhere, and what stood before was not made a second time.

        Args:
            before: records that stood after the fault.
            pages: whether feedback was written, too.
        """
        assert {student: self.reached(student) for student in self.students} == dict.fromkeys(self.students, FULL)
        assert self.entered() == dict.fromkeys(self.students, FULL)
        assert {student: self.record(student).read_bytes() for student in before} == before
        for student in self.students if pages else []:
            assert self.page(student).read_text().rstrip().endswith("</html>")
        folders = (self.course.autograded, self.course.feedback)
        assert [file for folder in folders for file in folder.rglob("*.tmp")] == []
        self.assert_clean()

    def assert_clean(self) -> None:
        """No process and no temporary folder is left."""
        wait_for(lambda: not self.processes(), f"processes are left behind: {self.processes()}")
        assert list(self.temporary.iterdir()) == []

    def processes(self) -> dict[int, str]:
        """Command lines of all processes of the command that live: those of its session, and those that know its folder."""
        found = {}
        mine = os.fsencode(self.temporary)
        for folder in PROC.glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ends meanwhile, or is another user's
                session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
                if session in self.sessions or mine in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found


def _program(room: Class, printed: Path, before: str, options: Sequence[str]) -> None:
    """In a new process: become the command."""
    os.setsid()
    os.chdir(room.course.root)
    os.environ["TMPDIR"], tempfile.tempdir = str(room.temporary), None
    logging.getLogger().handlers.clear()  # pytest's: what is logged would not be seen
    with printed.open("w", buffering=1) as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
        sys.stdout = sys.stderr = stream
        exec(before, {})
        sys.exit(main(["grade", ASSIGNMENT, *options]))


@dataclass
class Running:
    """The command, and the processes below it."""

    process: multiprocessing.process.BaseProcess
    printed: Path

    @property
    def pid(self) -> int:
        assert self.process.pid
        return self.process.pid

    def ended(self) -> Ended:
        self.process.join(10 * PATIENCE)
        if self.process.exitcode is None:
            raise Never("the command does not end")
        return Ended(self.process.exitcode, self.printed.read_text())

    def stop(self, number: int) -> Ended:
        """Send a signal; Ctrl-C as a terminal does, to everybody in the foreground."""
        os.killpg(self.pid, number) if number == signal.SIGINT else os.kill(self.pid, number)
        return self.ended()

    def supervisors(self) -> list[int]:
        return [pid for pid in children(self.pid) if b"inside.warm" not in _read(pid, "cmdline")]

    def warm(self) -> list[int]:
        return [pid for pid in children(self.pid) if b"inside.warm" in _read(pid, "cmdline")]

    def guards(self) -> list[int]:
        """The guards of students' processes that are graded now. A supervisor may have started a warm process of its own."""
        if not self.supervisors():  # the sandbox tries itself
            return []
        below = [pid for supervisor in self.supervisors() for pid in children(supervisor)]
        return [guard for pid in [*self.warm(), *below] for guard in children(pid)]

    def students(self) -> list[int]:
        """The students' own processes that are at their slow cell."""
        below = [pid for guard in self.guards() for pid in descendants(guard)]
        return [pid for pid in below if _read(pid, "comm").strip() == SLOW]


def children(pid: int) -> list[int]:
    listed = []
    with contextlib.suppress(OSError):
        for file in (PROC / str(pid) / "task").glob("*/children"):
            listed += map(int, file.read_text().split())
    return listed


def descendants(pid: int) -> list[int]:
    return [one for child in children(pid) for one in [child, *descendants(child)]]


def _read(pid: int, name: str) -> bytes:
    with contextlib.suppress(OSError):  # it ends meanwhile
        return (PROC / str(pid) / name).read_bytes()
    return b""


def slow_notebook(course: Course) -> NotebookNode:
    """A right notebook with a cell that takes its time, and says so by the name of its process. All others need it."""
    notebook = network_notebook(course)
    cell = next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution"))
    cell.source += f"\n\nimport ctypes, time\nname = ctypes.CDLL(None).prctl\nname(15, {SLOW!r})\ntime.sleep(0.5)\nname(15, b'python')"
    return notebook
