"""The command line: build, grade, check, doctor, data."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradescent
from gradescent.course import FILE, Assignment, Course, CourseError, find_root, load_course

if TYPE_CHECKING:
    from rich.console import Console

    from gradescent.grading.job import Job
    from gradescent.grading.submission import Graded

DONE, FAILED, USAGE, NEEDS_A_PERSON = 0, 1, 2, 3
STOPPED = 128  # and the signal's number, as a shell counts
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
PIPE_WIDTH = 160  # characters a line where the output is no terminal

EXIT_CODES = """exit codes:
  0  everything is done
  1  a check failed or is missing; release/ is stale (build --check); a promise of the sandbox fails (doctor);
     a data set could not be fetched, is missing or is not what is published (data)
  2  wrong usage, or something about the course is wrong
  3  graded, but somebody needs a person: the lines that begin with ! say who and why; or --twice found grades that differ
  130, 143  stopped by Ctrl-C or SIGTERM: what is done is kept, and the same command goes on from there
"""


class Stopped(KeyboardInterrupt):
    """A signal says that the command is to end."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code. Bad input never ends in a traceback."""
    options = _parser().parse_args(arguments)
    # jsonschema would build a grammar of internet addresses, a second of work that no notebook needs; it is optional.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    try:
        with _stoppable():
            return options.run(options)
    except CourseError as error:
        print(f"gradescent: {error}", file=sys.stderr)
        return USAGE
    except Stopped as stopped:
        name, number = signal.Signals(stopped.args[0]).name, stopped.args[0]
        print(
            f"gradescent: stopped by {name}. What is done is kept; the same command goes on from there.",
            file=sys.stderr,
        )
        return STOPPED + number
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads what is still in there
        return FAILED
    except OSError as error:
        print(
            f"gradescent: {error.filename or 'a file'}: {error.strerror}. Remedy: free the disk or correct the permissions",
            file=sys.stderr,
        )
        return USAGE


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Have the signals that end a command raise `Stopped`, so that it cleans up; what is ignored (nohup) stays so."""
    if threading.current_thread() is not threading.main_thread():  # which alone may say what a signal does
        yield
        return
    heard = {number: handler for number in SIGNALS if (handler := signal.getsignal(number)) is not signal.SIG_IGN}
    try:
        for number in heard:
            signal.signal(number, _stop)
        yield
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)


def _stop(number: int, frame: Any) -> None:
    raise Stopped(number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gradescent",
        description="A deep-learning course of graded notebooks, and the engine that grades a class.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gradescent {gradescent.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    build = commands.add_parser("build", help="make the source and release notebooks from the text in source/")
    build.add_argument("assignments", nargs="*", metavar="ASSIGNMENT", help="default: all of course.toml")
    build.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when release/ is not what the text gives"
    )
    build.set_defaults(run=_build)

    grade = commands.add_parser(
        "grade",
        help="grade what was handed in",
        description="Grade a class. What has not changed since the last run is not run again.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    grade.add_argument(
        "assignment", metavar="ASSIGNMENT", help="a problem set of course.toml, for example ps1_backprop"
    )
    grade.add_argument(
        "--submitted",
        type=Path,
        metavar="DIR",
        help="folder laid out as <student>/<assignment>/*.ipynb (default: submitted/)",
    )
    grade.add_argument("--json", type=Path, metavar="FILE", help="also write all results as one list")
    grade.add_argument(
        "--workers",
        type=positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="submissions at a time (default: the cores)",
    )
    grade.add_argument(
        "--student", action="append", default=[], metavar="ID", help="grade this student only; may be given again"
    )
    grade.add_argument(
        "--limit",
        action="append",
        type=limit,
        default=[],
        metavar="NAME=VALUE",
        help="another limit than course.toml's, for example cell_seconds=60; may be given again",
    )
    grade.add_argument("--force", action="store_true", help="run again what has not changed, too")
    kind = grade.add_mutually_exclusive_group()
    kind.add_argument("--diff", action="store_true", help="write nothing; show whose points would change, and why")
    kind.add_argument(
        "--twice",
        action="store_true",
        help="grade, then run all of it again with other seeds, write nothing of that, and show every grade that differs",
    )
    grade.add_argument(
        "--device",
        choices=("auto", "cpu", "gpu"),
        default="auto",
        help="where students' code calculates (default: on a graphics processor where the assignment says gpu = true "
        "and there is one)",
    )
    grade.add_argument(
        "--no-feedback", action="store_false", dest="feedback", help="leave the students' pages for a later run"
    )
    grade.add_argument(
        "--trust-students",
        action="store_true",
        dest="trust",
        help="where nothing contains students' code on this machine, run it all the same, as you",
    )
    grade.set_defaults(run=_grade)

    doctor = commands.add_parser(
        "doctor",
        help="say what contains students' code on this machine, by attacking it",
        description="Try every kind of walls, attack the strongest that works, and say what holds and what to install.",
    )
    doctor.set_defaults(run=_doctor)

    check = commands.add_parser(
        "check",
        help="run the visible checks of a notebook before handing it in",
        description="Run a notebook from the top and show the outcome of every visible check of its part.",
    )
    check.add_argument("notebook", type=Path, metavar="NOTEBOOK")
    check.set_defaults(run=_check)
    _add_data(commands)
    return parser


def _add_data(commands: Any) -> None:
    data = commands.add_parser(
        "data",
        help="say where the data sets are, fetch them, compare them with what is published",
        description="The data sets of the course. They are looked for in the folder that GRADESCENT_DATA names, then in data/ "
        "of the course, without a course in the user's cache; there downloads go.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = data.add_subparsers(title="actions", required=True, metavar="ACTION")
    for action, words, default in (
        ("status", "a table: where each data set is, its size, and whether it is what is published", "all"),
        ("fetch", "download what is not there; what broke off goes on, what is not as published is refused", "all"),
        ("verify", "compute every digest again; exit 1 when a file is wrong or missing", "those that are there"),
    ):
        parser = actions.add_parser(action, help=words, description=words)
        parser.add_argument("names", nargs="*", type=data_set, metavar="NAME", help=f"data sets (default: {default})")
        parser.set_defaults(run=_data, action=action)


def positive(text: str) -> int:
    """An option's whole number of 1 or more, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def limit(text: str) -> tuple[str, float]:
    """An option NAME=VALUE, for argparse."""
    name, _, value = text.partition("=")
    return name, float(value)


def data_set(text: str) -> str:
    """An argument that names a data set, for argparse."""
    from gradescent.student.datasets.manifest import entries

    if text not in entries():
        raise argparse.ArgumentTypeError(f"there is no data set {text!r}. Those that exist: {', '.join(entries())}")
    return text


def _build(options: argparse.Namespace) -> int:
    from gradescent.authoring.build import build

    course = load_course()
    stale = []
    for name in options.assignments or course.assignments:
        stale += build(course, name, check_only=options.check)
    for file in stale:
        print(f"{'stale' if options.check else 'wrote'}: {file.relative_to(course.root)}")
    if not stale:
        print("Everything is up to date.")
    if stale and options.check:
        print("Remedy: run `gradescent build` and commit release/.", file=sys.stderr)
        return FAILED
    return DONE


def _grade(options: argparse.Namespace) -> int:
    # Submissions are divided among the cores: a BLAS of many threads would only have the supervisors wait for each other.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from gradescent.grading.imports import first_set, warm_sets
    from gradescent.grading.sandbox import head_start

    course = _any_course()
    assignment = course.assignment(options.assignment, dict(options.limit))
    if not (course.root / FILE).is_file() or assignment.gpu or options.device == "gpu":
        return _grade_class(options, course, assignment)
    imports = first_set(warm_sets({file.stem: file.read_text() for file in course.texts(assignment.name)}))
    with head_start(imports):
        return _grade_class(options, course, assignment)


def _grade_class(options: argparse.Namespace, course: Course, assignment: Assignment) -> int:
    # A second of imports, while the warm process does its own.
    from gradescent.grading.inside.wire import clean
    from gradescent.grading.job import Options, again, opened_job
    from gradescent.report import twice
    from gradescent.report.table import class_table, diff_table

    console = _console()
    submitted = options.submitted or course.submitted
    wanted = Options(
        submitted,
        options.workers,
        tuple(options.student),
        options.force,
        options.trust,
        options.diff,
        options.feedback,
        options.device,
    )
    second: list[Graded] = []
    with opened_job(course, assignment, wanted) as job:
        contained = job.sandbox.describe()
        style = "bold red" if contained.startswith("NONE") else ""
        console.print(f"Sandbox: {contained}", style=style, markup=False, highlight=False)
        if assignment.gpu or job.slots.devices:
            console.print(f"Device: {job.slots.describe()}", markup=False, highlight=False)
        first, problems = _graded(job, console)
        if options.twice:
            console.print("Once more, with other seeds; nothing of it is written.", markup=False, highlight=False)
            second, _ = _graded(again(job), console)
    if options.diff:
        console.print(diff_table(first, f"{assignment.name}: what would change; nothing was written"))
    else:
        console.print(class_table([graded.result for graded in first], f"{assignment.name}: {assignment.title}"))
        _say_where(console, course)
    differs = options.twice and _show_differences(console, assignment, first, second)
    if options.json:
        problems += _write_json(options.json, twice.both_rows(first, second) if options.twice else twice.rows(first))
    told = [f"{graded.result.student}: {text}" for graded in first + second for text in graded.result.problems]
    for text in dict.fromkeys(told + problems):
        console.print(f"! {clean(text)}", style="bold red", markup=False, highlight=False)
    return NEEDS_A_PERSON if told or problems or differs else DONE


def _any_course() -> Course:
    """The course of course.toml, else the nbgrader course that is here as it is."""
    root = find_root()
    if (root / FILE).is_file():
        return load_course(root)
    from gradescent.grading.plain.course import load_plain_course

    return load_plain_course(root)


def _console() -> Console:
    """The terminal; where there is none (a log, a pipe) wide enough for the table's reasons."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def _graded(job: Job, console: Console) -> tuple[list[Graded], list[str]]:
    """Grade the class, with a live table on a terminal and a line a student elsewhere.

    Returns:
        What came of everybody, and what went wrong with the gradebook.

    Raises:
        CourseError: nobody could be graded.
    """
    from gradescent.grading.engine import grade_class
    from gradescent.report.board import Board

    found: list[Graded] = []
    with Board(console, len(job.submissions)) as board:
        try:
            for graded in grade_class(job, board.report):
                board.finish(graded.result, graded.fault)
                found.append(graded)
        except CourseError as error:
            if not found:
                raise
            return found, [str(error)]
    return found, []


def _show_differences(console: Console, assignment: Assignment, first: list[Graded], second: list[Graded]) -> bool:
    """Show what chance decided between two runs, and say whether it decided anything."""
    from gradescent.report import twice

    grades = twice.grades(first, second)
    console.print(twice.twice_table(grades, f"{assignment.name}: grades that differ"))
    console.print(twice.summary(grades), markup=False, highlight=False)
    return any(grade.differs for grade in grades)


def _write_json(file: Path, rows: list[dict[str, Any]]) -> list[str]:
    """Write the list of results, and return what went wrong, nothing when nothing did."""
    from gradescent.grading.record import write_durably

    try:
        write_durably(file, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        remedy = "name another file; nothing is graded again for it"
        return [f"{file}: cannot be written ({error.strerror}). Remedy: {remedy}"]
    return []


def _say_where(console: Console, course: Course) -> None:
    console.print(
        f"Results:   {course.autograded.name}/<student>/<assignment>/ (notebooks and result.json)\n"
        f"Gradebook: {course.gradebook.name}\n"
        f"Feedback:  {course.feedback.name}/<student>/<assignment>/*.html\n"
        "Written answers and plots wait for a person: docs/instructors.md says how.",
        markup=False,
        highlight=False,
    )


def _doctor(options: argparse.Namespace) -> int:
    from gradescent.grading.doctor import diagnose
    from gradescent.grading.sandbox import PROMISES, REMEDY

    console = _console()
    with console.status("starting") as status:
        reasons, working, findings = diagnose(lambda what: status.update(what))
    for backend, reason in reasons.items():
        state = "works" if not reason else f"does not work: {reason}"
        console.print(f"{backend.value + ':':16} {state}", markup=False, highlight=False)
    if working is None:
        console.print(
            f"Nothing contains students' code here. {REMEDY}", style="bold red", markup=False, highlight=False
        )
        return FAILED
    console.print(f"\nGrading uses: {PROMISES[working]}\n", markup=False, highlight=False)
    for finding in findings:
        held = not finding.got
        text = f"  {'holds' if held else 'FAILS':6} {finding.promise}{'' if held else ': ' + finding.got}"
        console.print(text, style="" if held else "bold red", markup=False, highlight=False)
    failed = [finding for finding in findings if finding.got]
    console.print(
        f"\n{len(findings) - len(failed)} of {len(findings)} promises hold. docs/security.md says what is not promised."
    )
    if failed:
        console.print(REMEDY, markup=False, highlight=False)
    return FAILED if failed else DONE


def _check(options: argparse.Namespace) -> int:
    from gradescent.student.handin import check_notebook

    return DONE if check_notebook(options.notebook) else FAILED


def _data(options: argparse.Namespace) -> int:
    from gradescent.student.datasets import command

    if options.action == "status":
        command.status(options.names)
        return DONE
    act = command.fetch if options.action == "fetch" else command.verify
    return DONE if act(options.names) else FAILED


if __name__ == "__main__":
    sys.exit(main())
