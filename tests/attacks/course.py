"""The course that is attacked: its secrets, its other student, and what may not change."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
from conftest import ASSIGNMENT, NETWORK, ROOT, make_course, network_notebook
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from attacks.attack import FULL, Attack
from grader_tests.variants import Variant
from gradescent.course import Course, load_course
from gradescent.grading import engine, gradebook, intake
from gradescent.grading.inside import linux
from gradescent.grading.job import Job, Options, opened_job
from gradescent.grading.record import FILE
from gradescent.grading.submission import Graded
from gradescent.grading.watch import family

NEIGHBOUR = "ada"
LIMITS = {"cell_seconds": 2, "call_seconds": 2, "memory_mb": 400, "processes": 64, "file_mb": 16}
NO_OTHERS: Mapping[str, float] = {}
VARYING = ("seconds", "cell_seconds", "seed", "key")  # of a record: all else is the same; a key holds the limits
HIDDEN = "finite differences take half a million forward passes"  # of the hidden tests' text
PLANTED = "plan" + "ted"  # what the secrets begin with: memory can be searched for it
CLASS = 8  # attackers at most in a class with the neighbour
SETTLE_SECONDS = 10.0  # for the kernel to take away what was killed
OUTSIDE = (
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/home/student",
    "/",
    str(Path.home()),
    str(ROOT),
    str(ROOT / "grader_tests"),
)


@dataclass
class Scene:
    """What is left of one attack.

    Attributes:
        site: where it took place.
        attack: it.
        graded: the attacker's result.
        damage: what was done to others, by anybody of the class.
        together: the class.
        cell: the attack's cell as it was graded, None where there is none.
    """

    site: Site
    attack: Attack
    graded: Graded
    damage: list[str]
    together: list[str]
    cell: NotebookNode | None = None

    @property
    def folder(self) -> Path:
        """The attacker's autograded folder."""
        return self.site.course.autograded / self.attack.shown_as / ASSIGNMENT

    @property
    def notebook(self) -> NotebookNode:
        return nbformat.read(self.folder / f"{NETWORK}.ipynb", 4)

    @property
    def page(self) -> str:
        return (self.site.course.feedback / self.attack.shown_as / ASSIGNMENT / f"{NETWORK}.html").read_text()

    @property
    def shown(self) -> str:
        """All text that the attack's cell showed."""
        outputs = self.cell.outputs if self.cell else []
        texts = (
            "".join([*out.get("traceback", []), str(out.get("text", "")), str(out.get("data", ""))]) for out in outputs
        )
        return "\n".join(texts)

    def everything(self) -> str:
        """All that was written about the attacker, but for the code that was handed in."""
        places = (self.site.course.autograded, self.site.course.feedback)
        files = [file for place in places for file in (place / self.attack.shown_as).rglob("*") if file.is_file()]
        return "\n".join(file.read_text(errors="replace") for file in files) + json.dumps(self.graded.result.to_dict())


@dataclass
class Site:
    """A course with two students, one of them an attacker, and everything that an attack may want.

    Args:
        course: of the test's own.
        job: opened; its submissions are replaced for each attack.
        secrets: what nobody may read.
        listeners: sockets of the grader's machine, which nobody may reach.
        coming: the attacks that will be attended to.
    """

    course: Course
    job: Job
    secrets: tuple[str, ...]
    listeners: list[socket.socket]
    coming: Sequence[Attack]
    mark: str = field(default_factory=lambda: f"mark-{secrets.token_hex(8)}")
    processes: set[int] = field(default_factory=set)
    quiet: dict[str, Any] = field(default_factory=dict)  # the neighbour, with nobody who attacks
    _scenes: dict[str, Scene] = field(default_factory=dict)

    def grade(self, *students: str, limits: Mapping[str, float] = NO_OTHERS, pages: bool = True) -> dict[str, Graded]:
        """Grade students, two at a time, and return the results."""
        found = {entry.student: entry for entry in intake.submissions(self.course.submitted, ASSIGNMENT)}
        assignment = self.course.assignment(ASSIGNMENT, limits)
        job = replace(
            self.job,
            submissions=[found[name] for name in students],
            assignment=assignment,
            grader=self.course.grader(assignment, write=False),
            options=replace(self.job.options, feedback=pages),
        )
        return {graded.result.student: graded for graded in engine.grade_class(job, lambda student, what: None)}

    def hand_in(self, student: str, notebook: NotebookNode | None, attack: Attack | None = None) -> None:
        folder = self.course.submitted / student / ASSIGNMENT
        folder.mkdir(parents=True)
        if attack and attack.hand_in:
            attack.hand_in(folder, notebook)
        else:
            nbformat.write(notebook, folder / f"{NETWORK}.ipynb")

    @cached_property
    def right(self) -> NotebookNode:
        return network_notebook(self.course)

    def knowledge(self) -> str:
        """What every attacker is told."""
        known = {
            "COURSE": str(self.course.root),
            "TESTS": str(ROOT / "grader_tests"),
            "GRADER": os.getpid(),
            "MARK": self.mark,
            "PORT": self.listeners[0].getsockname()[1],
        }
        return "".join(f"{name} = {value!r}\n" for name, value in known.items())

    def notebook(self, attack: Attack) -> NotebookNode:
        notebook = copy.deepcopy(self.right)
        if attack.answers:
            notebook = network_notebook(self.course, Variant(attack.name, cells=dict(attack.answers)))
        cell = new_code_cell(self.knowledge() + attack.cell, id="attack")
        notebook.cells.insert(len(notebook.cells) if attack.late else 1, cell)
        return notebook

    def neighbour(self) -> dict[str, Any]:
        """Everything that was written about the neighbour."""
        place = Path(NEIGHBOUR, ASSIGNMENT)
        record = json.loads((self.course.autograded / place / FILE).read_text())
        for part in record["parts"]:
            for name in VARYING:
                part.pop(name, None)
        return {
            "record": record,
            "notebook": (self.course.autograded / place / f"{NETWORK}.ipynb").read_bytes(),
            "page": (self.course.feedback / place / f"{NETWORK}.html").read_bytes(),
            "gradebook": self.entries(NEIGHBOUR),
        }

    def entries(self, student: str) -> dict[str, Any]:
        """A student's entries in the gradebook, by question."""
        with gradebook.opened(self.course) as book:
            submission = book.find_submission(ASSIGNMENT, student)
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            return {
                grade.name: (grade.auto_score, grade.manual_score, grade.extra_credit, grade.needs_manual_grade)
                for grade in grades
            }

    def others(self, students: Collection[str]) -> dict[str, str]:
        """Digests of the course's files but those that grading some students, or the neighbour, writes."""
        own = [place / student for place in self._written for student in students]
        own += [place / NEIGHBOUR for place in self._written[:2]]
        files = [file for file in self.course.root.rglob("*") if file.is_file() or file.is_symlink()]
        kept = [file for file in files if file.name != "gradebook.db" and not any(map(file.is_relative_to, own))]
        return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in kept}

    @property
    def _written(self) -> tuple[Path, ...]:
        return self.course.autograded, self.course.feedback, self.course.root / "submitted"

    def attend(self, attack: Attack) -> Scene:
        """What is left of an attack, in a class with the next of those that are still to come.

        Raises:
            AssertionError: it left something behind, or read a secret; or one of its class cost the neighbour anything.
        """
        if attack.name not in self._scenes:
            fitting = [other for other in self.coming if other.goes_with(attack) and other.name not in self._scenes]
            self._grade_class([attack, *(other for other in fitting if other is not attack)][:CLASS])
        scene = self._scenes[attack.name]
        assert not scene.damage, f"{scene.damage}, in a class of {scene.together}"
        assert not [secret for secret in self.secrets if secret in scene.everything()]
        return scene

    def _grade_class(self, attacks: list[Attack]) -> None:
        students = [attack.folder for attack in attacks]
        before = self.others(students)
        for attack in attacks:
            self.hand_in(attack.folder, self.notebook(attack), attack)
        first, together = attacks[0], [attack.shown_as for attack in attacks]
        graded = self.grade(*together, *([] if first.waits else [NEIGHBOUR]), limits=first.limits, pages=first.pages)
        if first.waits:
            self.grade(NEIGHBOUR)
        damage = self._damage(students, before)
        for attack in attacks:
            scene = Scene(self, attack, graded[attack.shown_as], damage, together)
            with contextlib.suppress(OSError, StopIteration):
                scene.cell = next(cell for cell in scene.notebook.cells if self.mark in cell.source)
            self._scenes[attack.name] = scene
        for student in students:
            shutil.rmtree(self.course.submitted / student)

    def _damage(self, students: Collection[str], before: dict[str, str]) -> list[str]:
        """What a class of attackers did to anybody else."""
        left = self.survivors()
        found = {
            "the neighbour's results changed": self.neighbour() != self.quiet,
            "files of the course changed": self.others(students) != before,
            f"processes live on: {left}": left,
            "a file lies outside": [place for place in OUTSIDE if Path(place, self.mark).exists()],
            "somebody was reached": [listener for listener in self.listeners if _was_reached(listener)],
        }
        return [words for words, evidence in found.items() if evidence]

    def survivors(self) -> set[int]:
        """Processes that a submission left behind, once the kernel had its time."""
        ends = time.monotonic() + SETTLE_SECONDS
        while (left := set(family(os.getpid())) - self.processes) and time.monotonic() < ends:
            time.sleep(0.05)
        return left


def _was_reached(listener: socket.socket) -> bool:
    listener.setblocking(False)
    try:
        listener.accept() if listener.type == socket.SOCK_STREAM else listener.recv(1)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def attacked_course(root: Path, empty_gradebook: Path, coming: Sequence[Attack]) -> Iterator[Site]:
    """A course with secrets in it, a sandbox for all attacks, and the neighbour graded once without any."""
    course = _with_limits(make_course(root / "course", [NETWORK]))
    shutil.copy(empty_gradebook, course.gradebook)
    hidden = [f"{PLANTED}-{where}-{secrets.token_hex(12)}" for where in ("environment", "file", "neighbour")]
    os.environ["GRADER_TOKEN"], token = hidden[0], course.root / "token.txt"
    token.write_text(hidden[1])
    notebook = network_notebook(course)
    notebook.cells.append(new_code_cell(f"# {hidden[2]}"))
    site: Site | None = None
    linux.control(linux.SET_SUBREAPER, 1)  # whatever outlives its parents becomes ours, and is found
    try:
        with contextlib.ExitStack() as opened:
            listeners = [opened.enter_context(listener) for listener in _listeners()]
            _write_notebook(course, NEIGHBOUR, notebook)
            options = Options(course.submitted, workers=2, force=True)
            job = opened.enter_context(opened_job(course, course.assignment(ASSIGNMENT), options))
            site = Site(course, job, (*hidden, HIDDEN), listeners, coming)
            site.grade(NEIGHBOUR)
            site.quiet, site.processes = site.neighbour(), set(family(os.getpid()))
            yield site
    finally:
        linux.control(linux.SET_SUBREAPER, 0)
        del os.environ["GRADER_TOKEN"]


def _write_notebook(course: Course, student: str, notebook: NotebookNode) -> None:
    folder = course.submitted / student / ASSIGNMENT
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{NETWORK}.ipynb")


def _with_limits(course: Course) -> Course:
    """Small limits, so that what takes too much ends soon."""
    file = course.root / "course.toml"
    lines = [line for line in file.read_text().splitlines() if line.split(" ")[0] not in LIMITS]
    lines.insert(lines.index("[limits]") + 1, "\n".join(f"{name} = {value}" for name, value in LIMITS.items()))
    file.write_text("\n".join(lines))
    return load_course(course.root)


def _listeners() -> list[socket.socket]:
    """Somebody on the grader's machine: over TCP, UDP, and Unix sockets with an abstract name and with a file."""
    tcp = socket.create_server(("127.0.0.1", 0))
    port = tcp.getsockname()[1]
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", port))
    abstract = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    abstract.bind(f"\0listener-{port}")
    abstract.listen()
    return [tcp, udp, abstract]


def expected_scores(attack: Attack) -> dict[str, float | None]:
    return {**FULL, **attack.scores}
