"""Judge a notebook that runs: each question by its hidden tests, or for a person, and why a name is not there."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping

from nbformat import NotebookNode

from gradescent.grading.outputs import trusted_outputs
from gradescent.grading.processes import Killed, MachineFault
from gradescent.grading.run import Run
from gradescent.student.judging import Outcome, Question, Questions, Result, Stop, judge


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
    run.begin()
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
    except Killed as kill:
        run.forgive(kill)
        return _judge(run, cell, question, seed)
    except Stop as stop:
        return Result(question.name, 0.0, points, stop.outcome, str(stop))
    except (MachineFault, OSError):
        raise
    except Exception as error:  # a test that breaks is nobody's lost points: a person decides
        message = f"the hidden test broke on this submission ({type(error).__name__}: {error}); a person has to look"
        return Result(question.name, None, points, Outcome.UNGRADED, message)
    if result.outcome == Outcome.MISSING and result.message != run.beside.missing:
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


def _points(cell: NotebookNode) -> float:
    return float(_extra_credit(cell) or cell.metadata.nbgrader.points)


def _extra_credit(cell: NotebookNode) -> float:
    return float(cell.metadata.get("gradescent", {}).get("extra_credit", 0))
