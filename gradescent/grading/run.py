"""Run a notebook's cells in a student's process, and again without the cell that ended it.

The supervisor is trusted. It hands code and data to the student's process and takes back values, which judge.py judges.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from nbformat import NotebookNode
from nbformat.v4 import new_output

from gradescent.course import Limits
from gradescent.grading.intake import Beside
from gradescent.grading.outputs import MB, error_output, write_outputs
from gradescent.grading.processes import Killed, MachineFault
from gradescent.grading.remote import CLOCK, Allowed, Link, RemoteStudent, read_failure, used_up
from gradescent.grading.sandbox import Sandbox
from gradescent.student.invoke import Failure
from gradescent.student.judging import Died, MemoryLimit, Stop, TimeLimit

FORGIVEN = 2  # times that a process may be killed: who is killed every time brings it about itself
MAX_STARTS = 8  # processes that one notebook may use up: one for each cell or question that ends it

Skipped = dict[int, Stop]


@dataclass
class Run:
    """A notebook in a student's process: started when needed, and again without the cell that killed it.

    Attributes:
        notebook: what is graded; outputs are written into it.
        sandbox: where it runs.
        imports: names of the modules that it will want.
        limits: of the submission.
        beside: what lies in the working folder.
        variables: more of the process's environment.
        tests: whether the tests are run here, too: those of a plain nbgrader course.
        skipped: cells that ended the process, by index, with what happened.
        failed: cells that stopped with an error, by their grade_id or id.
        starts: processes used so far.
        kills: of them, those that were killed and are forgiven.
        cpu_seconds: that the processes used which have ended.
        cell_seconds: wall clock of the cells in the process that is asked.
        ends: time of CLOCK at which the submission's time is over.
    """

    notebook: NotebookNode
    sandbox: Sandbox
    imports: frozenset[str]
    limits: Limits
    beside: Beside = field(default_factory=Beside)
    variables: Mapping[str, str] = field(default_factory=dict)
    tests: bool = False
    skipped: Skipped = field(default_factory=dict, init=False)
    failed: dict[str, Failure] = field(default_factory=dict, init=False)
    starts: int = field(default=0, init=False)
    kills: int = field(default=0, init=False)
    cpu_seconds: float = field(default=0.0, init=False)
    cell_seconds: float = field(default=0.0, init=False)
    ends: float = field(default=math.inf, init=False)
    _link: Link | None = field(default=None, init=False)

    def begin(self) -> None:
        """Let the submission's time begin."""
        self.ends = CLOCK.now() + self.limits.submission_seconds

    def student(self, cell: NotebookNode) -> RemoteStudent:
        """The student of a process in which all cells have run, with the limits of a test cell.

        Raises:
            Died: the notebook used up its processes.
            TimeLimit: the notebook used up its time.
            MachineFault: a process could not be started.
        """
        may_use = allowed(cell, self.limits, self.limits.call_seconds)
        return RemoteStudent(self._ready(), may_use, self.beside.weights, self.beside.missing)

    def run_all(self) -> None:
        """Run every cell. What a process that ended again and again did not reach is left as it is.

        Raises:
            MachineFault: a process could not be started.
        """
        self.begin()
        try:
            with contextlib.suppress(Stop):
                self._ready()
        finally:
            self.close()

    def _ready(self) -> Link:
        while self._link is None or not self._link.alive:
            self.close()
            self._refuse_more()
            self.starts += 1
            limits = self._widest_limits()
            child = self.sandbox.start(self.imports, limits, self.variables)
            cpu_left = limits.submission_cpu_seconds - self.cpu_seconds
            self._link = Link(child, limits, self.ends, cpu_left, patient=self.kills < FORGIVEN)
            try:
                self._put_files(self._link, limits)
                self._run_cells(self._link, int(limits.submission_output_mb * MB))
            except Killed as kill:
                self.forgive(kill)
        return self._link

    def _refuse_more(self) -> None:
        if self.cpu_seconds > self.limits.submission_cpu_seconds:
            raise used_up(self.limits, "submission_cpu_seconds")
        if CLOCK.now() > self.ends:
            raise used_up(self.limits, "submission_seconds")
        if self.starts >= MAX_STARTS:
            raise next(iter(self.skipped.values()), Died("the process that ran the notebook ended again and again"))

    def forgive(self, kill: Killed) -> None:
        """Note a kill; what is killed so often that it should not be tried again is raised."""
        self.kills += 1
        if self.kills > FORGIVEN:
            raise kill

    def _put_files(self, link: Link, limits: Limits) -> None:
        files = self.beside.files
        if not files:
            return
        contents = [np.frombuffer(content, np.uint8) for content in files.values()]
        may_use = Allowed.within(limits, limits.cell_seconds)
        try:
            link.ask({"op": "files", "names": list(files)}, contents, may_use)
        except Stop as stop:
            raise MachineFault(f"the assignment's files could not be put into the working folder ({stop})") from stop

    def _widest_limits(self) -> Limits:
        """What the process as a whole may use: each cell's own limits are watched from outside."""
        each = [allowed(cell, self.limits, 0) for cell in self.notebook.cells]
        return replace(
            self.limits,
            memory_mb=max(one.memory_mb for one in each),
            processes=max(one.processes for one in each),
            file_mb=max(one.file_mb for one in each),
        )

    def _run_cells(self, link: Link, room: int) -> None:
        ran: list[NotebookNode] = []
        self.cell_seconds = 0.0
        for index, cell in enumerate(self.notebook.cells):
            if cell.cell_type != "code" or index in self.skipped or (_is_test(cell) and not self.tests):
                continue
            limits, begun = allowed(cell, self.limits, self.limits.cell_seconds), time.monotonic()
            try:
                reply, _ = link.ask({"op": "cell", "code": cell.source}, [], limits)
            except (Died, TimeLimit, MemoryLimit) as stop:
                self.skipped[index] = stop
                cell.outputs = [error_output(stop)]
                return
            self.cell_seconds += time.monotonic() - begun
            ran.append(cell)
            room = write_outputs(ran, reply, limits.output_mb, room)
            self._note_failure(cell, reply.get("failure"))

    def _note_failure(self, cell: NotebookNode, described: Any) -> None:
        name = cell.metadata.get("nbgrader", {}).get("grade_id") or cell.id
        self.failed.pop(name, None)
        with contextlib.suppress(ValueError):  # a malformed failure explains nothing
            failure = read_failure(described)
            if failure:
                self.failed[name] = failure
                # To nbgrader a test passed that left no error output; some failures show a line of text alone.
                if self.tests and not any(output.output_type == "error" for output in cell.outputs):
                    cell.outputs.append(new_output("error", ename=failure.type, evalue=failure.message, traceback=[]))

    def close(self) -> None:
        if self._link is not None:
            self._link.stop()
            self.cpu_seconds += self._link.cpu_seconds
            self._link = None


def allowed(cell: NotebookNode, limits: Limits, seconds: float) -> Allowed:
    """What a cell may use: the course's limits, with the author's for this cell put over them."""
    own = cell.metadata.get("gradescent", {})
    known = {item.name for item in fields(Allowed)}
    return replace(Allowed.within(limits, seconds), **{name: own[name] for name in known & own.keys()})


def _is_test(cell: NotebookNode) -> bool:
    grader: dict[str, Any] = cell.metadata.get("nbgrader", {})
    return bool(grader.get("grade")) and not grader.get("solution")
