"""Grade one submission: run its cells in a student's process, judge its questions, keep what happened.

The supervisor is trusted. It hands code and data to the student's process and takes back values, which the hidden
tests judge here.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from nbformat import NotebookNode
from nbformat.v4 import new_output

from gradescent.course import Limits
from gradescent.grading.outputs import MB, error_output, trusted_outputs, write_outputs
from gradescent.grading.processes import Killed, MachineFault
from gradescent.grading.remote import Allowed, Link, RemoteStudent, read_failure, used_up
from gradescent.grading.sandbox import Sandbox
from gradescent.student.invoke import Failure
from gradescent.student.judging import (
    Died,
    MemoryLimit,
    Outcome,
    Question,
    Questions,
    Result,
    Stop,
    TimeLimit,
    judge,
)

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
        tests: whether the tests are run here, too: those of a plain nbgrader course.
        files: what lies in the working folder, by relative path.
        skipped: cells that ended the process, by index, with what happened.
        failed: cells that stopped with an error, by their grade_id or id.
        starts: processes used so far.
        kills: of them, those that were killed and are forgiven.
        cpu_seconds: that the processes used which have ended.
        cell_seconds: wall clock of the cells in the process that is asked.
        ends: monotonic time at which the submission's time is over, in seconds.
    """

    notebook: NotebookNode
    sandbox: Sandbox
    imports: frozenset[str]
    limits: Limits
    tests: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict)
    skipped: Skipped = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)
    starts: int = 0
    kills: int = 0
    cpu_seconds: float = 0.0
    cell_seconds: float = 0.0
    ends: float = math.inf
    _link: Link | None = None

    def student(self, cell: NotebookNode) -> RemoteStudent:
        """The student of a process in which all cells have run, with the limits of a test cell.

        Raises:
            Died: the notebook used up its processes.
            TimeLimit: the notebook used up its time.
            MachineFault: a process could not be started.
        """
        return RemoteStudent(self._ready(), allowed(cell, self.limits, self.limits.call_seconds))

    def run_all(self) -> None:
        """Run every cell. What a process that ended again and again did not reach is left as it is.

        Raises:
            MachineFault: a process could not be started.
        """
        self.ends = time.monotonic() + self.limits.submission_seconds
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
            child = self.sandbox.start(self.imports, limits)
            cpu_left = limits.submission_cpu_seconds - self.cpu_seconds
            self._link = Link(child, limits, self.ends, cpu_left, patient=self.kills < FORGIVEN)
            try:
                self._put_files(self._link, limits)
                self._run_cells(self._link, int(limits.submission_output_mb * MB))
            except Killed:
                self.kills += 1
        return self._link

    def _refuse_more(self) -> None:
        if self.cpu_seconds > self.limits.submission_cpu_seconds:
            raise used_up(self.limits, "submission_cpu_seconds")
        if time.monotonic() > self.ends:
            raise used_up(self.limits, "submission_seconds")
        if self.starts >= MAX_STARTS:
            raise next(iter(self.skipped.values()), Died("the process that ran the notebook ended again and again"))

    def _put_files(self, link: Link, limits: Limits) -> None:
        if not self.files:
            return
        contents = [np.frombuffer(content, np.uint8) for content in self.files.values()]
        may_use = Allowed.within(limits, limits.cell_seconds)
        try:
            link.ask({"op": "files", "names": list(self.files)}, contents, may_use)
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
            submission_output_mb=max(self.limits.submission_output_mb, *(one.output_mb for one in each)),
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


def grade_notebook(
    run: Run,
    questions: Questions,
    stands: Mapping[str, Result] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> tuple[list[Result], int]:
    """Run a repaired notebook and judge every question of it.

    Args:
        run: of the notebook, in the source's order; its cells get their outputs, the graded ones the trusted outputs first.
        questions: the hidden tests of the part.
        stands: results of an earlier run that stand, by question.
        progress: told what is going on.

    Returns:
        The results in the notebook's order, and the seed of the tests' inputs.
    """
    seed, stands = secrets.randbits(32), stands or {}
    run.ends = time.monotonic() + run.limits.submission_seconds
    results = []
    try:
        for cell in run.notebook.cells:
            grader = cell.metadata.get("nbgrader", {})
            if not grader.get("grade"):
                continue
            name = grader["grade_id"]
            progress(name)
            if grader["solution"]:
                results.append(_for_a_person(cell))
                continue
            result = stands[name] if name in stands else _judge(run, cell, questions[name], seed)
            result.max_score = float(grader["points"])
            cell.outputs = trusted_outputs(result, bool(_extra_credit(cell)))
            results.append(result)
    finally:
        run.close()
    return results, seed


def _judge(run: Run, cell: NotebookNode, question: Question, seed: int) -> Result:
    points = _points(cell)
    try:
        student = run.student(cell)
        result = judge(question, student, points, seed)
    except Killed:
        run.kills += 1
        return _judge(run, cell, question, seed)
    except Stop as stop:
        return Result(question.name, 0.0, points, stop.outcome, str(stop))
    except (MachineFault, OSError):
        raise
    except Exception as error:  # a test that breaks is nobody's lost points: a person decides
        message = f"the hidden test broke on this submission ({type(error).__name__}: {error}); a person has to look"
        return Result(question.name, None, points, Outcome.UNGRADED, message)
    if result.outcome == Outcome.MISSING:
        _explain_missing(run, result)
    return result


def _explain_missing(run: Run, result: Result) -> None:
    """Say why a name is not there: the cell that should define it is a stub, stopped with an error, or ended the process."""
    own_name = f"solution_{result.question}"
    own = run.failed.get(own_name)
    if own and own.type == "NotImplementedError":
        result.outcome = Outcome.NOT_ATTEMPTED
        result.message = f"The cell {result.question!r} still raises NotImplementedError: not attempted yet."
        return
    if run.skipped:
        ended = next(iter(run.skipped.values()))
        result.outcome, result.message = ended.outcome, f"A cell ended the process: {ended}. {result.message}"
        return
    # A NameError only repeats that something is missing; a stub says it for itself.
    repeats = ("NotImplementedError", "NameError")
    errors = {name: failure for name, failure in run.failed.items() if failure.type not in repeats or name == own_name}
    name = own_name if own else next(iter(errors), "")
    if name:
        failure = errors[name]
        where = f" at {failure.where}" if failure.where else ""
        result.outcome = Outcome.ERROR
        result.message = (
            f"The cell {name!r} stopped with {failure.type}: {failure.message}{where}, so what it defines is not there. "
            f"Next: correct this cell first."
        )


def broken_tests(results: list[Result]) -> str:
    """What a person has to look at because a test itself broke, empty when none did."""
    broken = [result for result in results if result.outcome == Outcome.UNGRADED and result.message]
    return "; ".join(f"{result.question}: {result.message}" for result in broken)


def missing_results(notebook: NotebookNode, message: str) -> list[Result]:
    """The results of a notebook that was not handed in or cannot be read: nothing reached."""
    return _all_alike(notebook, 0.0, Outcome.MISSING, message)


def ungraded_results(notebook: NotebookNode, message: str) -> list[Result]:
    """The results of a notebook that the machine could not grade: no score, which is not the same as nothing reached."""
    return _all_alike(notebook, None, Outcome.UNGRADED, message)


def _all_alike(notebook: NotebookNode, score: float | None, outcome: Outcome, message: str) -> list[Result]:
    graders = [cell.metadata.get("nbgrader", {}) for cell in notebook.cells]
    return [Result(g["grade_id"], score, float(g["points"]), outcome, message) for g in graders if g.get("grade")]


def _for_a_person(cell: NotebookNode) -> Result:
    name, points = cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)
    answer = answer_digest(cell)
    if is_untouched(cell):
        return Result(name, 0.0, points, Outcome.NOT_ATTEMPTED, "No answer was given.", answer=answer)
    return Result(name, None, points, Outcome.UNGRADED, answer=answer)


def untouched_answers(notebook: NotebookNode) -> list[str]:
    """Names of the answers that still are the stubs."""
    answers = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution")]
    return [cell.metadata.nbgrader.grade_id for cell in answers if is_untouched(cell)]


def answer_digest(cell: NotebookNode) -> str:
    """What tells an answer that a person graded from another one."""
    return hashlib.sha256(cell.source.encode("utf-8", "replace")).hexdigest()


def is_untouched(cell: NotebookNode) -> bool:
    """Whether an answer still is the stub, by nbgrader's checksum of the source's stub."""
    from nbgrader.utils import compute_checksum

    return cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)


def allowed(cell: NotebookNode, limits: Limits, seconds: float) -> Allowed:
    """What a cell may use: the course's limits, with the author's for this cell put over them."""
    own = cell.metadata.get("gradescent", {})
    known = {item.name for item in fields(Allowed)}
    return replace(Allowed.within(limits, seconds), **{name: own[name] for name in known & own.keys()})


def _is_test(cell: NotebookNode) -> bool:
    grader: dict[str, Any] = cell.metadata.get("nbgrader", {})
    return bool(grader.get("grade")) and not grader.get("solution")


def _points(cell: NotebookNode) -> float:
    return float(_extra_credit(cell) or cell.metadata.nbgrader.points)


def _extra_credit(cell: NotebookNode) -> float:
    return float(cell.metadata.get("gradescent", {}).get("extra_credit", 0))
