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
from collections.abc import Iterator, Mapping
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
from gradescent.grading.engine import Graded, Job
from gradescent.grading.inside import linux
from gradescent.grading.record import FILE
from gradescent.grading.watch import family

NEIGHBOUR = "ada"
LIMITS = {"cell_seconds": 2, "call_seconds": 2, "memory_mb": 400, "processes": 64, "file_mb": 16}
NO_OTHERS: Mapping[str, float] = {}
VARYING = ("seconds", "cell_seconds", "seed", "key")  # of a record: all else is the same; a key holds the limits
HIDDEN = "finite differences take half a million forward passes"  # of the hidden tests' text
PLANTED = "plan" + "ted"  # what the secrets begin with: memory can be searched for it
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
        cell: the attack's cell as it was graded, None where there is none.
    """

    site: Site
    attack: Attack
    graded: Graded
    cell: NotebookNode | None = None

    @property
    def folder(self) -> Path:
        """The attacker's autograded folder."""
        return self.site.course.autograded / self.attack.student / ASSIGNMENT

    @property
    def notebook(self) -> NotebookNode:
        return nbformat.read(self.folder / f"{NETWORK}.ipynb", 4)

    @property
    def page(self) -> str:
        return (self.site.course.feedback / self.attack.student / ASSIGNMENT / f"{NETWORK}.html").read_text()

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
        files = [file for place in places for file in (place / self.attack.student).rglob("*") if file.is_file()]
        return "\n".join(file.read_text(errors="replace") for file in files) + json.dumps(self.graded.result.to_dict())


@dataclass
class Site:
    """A course with two students, one of them an attacker, and everything that an attack may want.

    Args:
        course: of the test's own.
        job: opened; its submissions are replaced for each attack.
        secrets: what nobody may read.
        listeners: sockets of the grader's machine, which nobody may reach.
    """

    course: Course
    job: Job
    secrets: tuple[str, ...]
    listeners: list[socket.socket]
    mark: str = field(default_factory=lambda: f"mark-{secrets.token_hex(8)}")
    processes: set[int] = field(default_factory=set)
    quiet: dict[str, Any] = field(default_factory=dict)  # the neighbour, with nobody who attacks

    def grade(self, *students: str, limits: Mapping[str, float] = NO_OTHERS, pages: bool = True) -> dict[str, Graded]:
        """Grade students at the same time and return the results."""
        found = {entry.student: entry for entry in intake.submissions(self.course.submitted, ASSIGNMENT)}
        job = replace(
            self.job,
            submissions=[found[name] for name in students],
            assignment=self.course.assignment(ASSIGNMENT, limits),
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

    def others(self, student: str) -> dict[str, str]:
        """Digests of the course's files but those that grading a student, or the neighbour, writes."""
        own = [place / student for place in self._written] + [place / NEIGHBOUR for place in self._written[:2]]
        files = [file for file in self.course.root.rglob("*") if file.is_file() or file.is_symlink()]
        kept = [file for file in files if file.name != "gradebook.db" and not any(map(file.is_relative_to, own))]
        return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in kept}

    @property
    def _written(self) -> tuple[Path, ...]:
        return self.course.autograded, self.course.feedback, self.course.root / "submitted"

    def forget(self, student: str) -> None:
        for place in self._written:
            shutil.rmtree(place / student, ignore_errors=True)

    def run(self, attack: Attack) -> Scene:
        """Grade the attacker beside the neighbour, and demand whatever every attack must leave alone."""
        self.forget(attack.student)
        before = self.others(attack.student)
        self.hand_in(attack.student, self.notebook(attack), attack)
        shown_as = attack.student if attack.student.isprintable() else ascii(attack.student)
        waits = "submission_seconds" in attack.limits  # a wall clock so short that it may not be the neighbour's
        together = (shown_as,) if waits else (shown_as, NEIGHBOUR)
        scene = Scene(self, attack, self.grade(*together, limits=attack.limits, pages=attack.pages)[shown_as])
        if waits:
            self.grade(NEIGHBOUR)
        with contextlib.suppress(OSError, StopIteration):
            scene.cell = next(cell for cell in scene.notebook.cells if self.mark in cell.source)
        self._stands_untouched(scene, before)
        return scene

    def _stands_untouched(self, scene: Scene, before: dict[str, str]) -> None:
        assert self.neighbour() == self.quiet
        assert self.others(scene.attack.student) == before
        assert not self.survivors()
        assert not [place for place in OUTSIDE if Path(place, self.mark).exists()]
        assert not [secret for secret in self.secrets if secret in scene.everything()]
        assert not [listener for listener in self.listeners if _was_reached(listener)]

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
def attacked_course(root: Path, empty_gradebook: Path) -> Iterator[Site]:
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
            options = engine.Options(course.submitted, workers=2, force=True)
            job = opened.enter_context(engine.opened_job(course, course.assignment(ASSIGNMENT), options))
            site = Site(course, job, (*hidden, HIDDEN), listeners)
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
