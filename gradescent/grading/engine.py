"""`gradescent grade`: a class through the engine, from submitted/ to autograded/, gradebook.db and feedback/."""

from __future__ import annotations

import fcntl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from gradescent.authoring.release import graded_notebook
from gradescent.authoring.text import Part, source_notebook
from gradescent.course import Assignment, Course, CourseError
from gradescent.grading import devices, gradebook, intake, keys
from gradescent.grading.feedback import write_feedback
from gradescent.grading.imports import first_set, refuse_missing_backend, warm_sets
from gradescent.grading.plain import enter_plain_result, grade_plain_notebook
from gradescent.grading.plain_course import (
    Place,
    PlainCourse,
    enter_plain_assignment,
    files_key,
    kept_notebooks,
    settings_key,
    working_files,
    written_notebooks,
)
from gradescent.grading.pool import Lost, Pool, tell
from gradescent.grading.processes import MachineFault
from gradescent.grading.record import FILE, PartResult, StudentResult, load, save, write_durably
from gradescent.grading.repair import repair
from gradescent.grading.sandbox import Sandbox, refuse_visible
from gradescent.grading.scratch import Scratch
from gradescent.grading.supervisor import (
    Run,
    broken_tests,
    grade_notebook,
    missing_results,
    ungraded_results,
    untouched_answers,
)
from gradescent.grading.weights import Weights, find_weights
from gradescent.student import datasets
from gradescent.student.judging import Questions, Result

Report = Callable[[str, str], None]  # student, what is going on
DONE = "done"
LOCK = ".gradescent.lock"
ATTEMPTS = 3  # at one submission, where the machine fails


@dataclass(frozen=True)
class Options:
    """What the command line says about a run.

    Attributes:
        submitted: folder laid out as <student>/<assignment>/*.ipynb.
        workers: submissions at a time.
        students: those to grade, empty for all.
        force: run again what has not changed too.
        trust: run students' code without walls where this machine has none.
        diff: write nothing; tell what would change.
        feedback: write the students' pages, too.
        device: "auto", "cpu" or "gpu": where students' code calculates.
    """

    submitted: Path
    workers: int = 1
    students: tuple[str, ...] = ()
    force: bool = False
    trust: bool = False
    diff: bool = False
    feedback: bool = True
    device: str = "auto"


@dataclass
class Graded:
    """One student's result.

    Attributes:
        result: the record.
        earlier: the record that stood before, None where there was none.
        fresh: whether any of it was run now.
        fault: the machine's, not the submission's: nothing of it may reach the gradebook.
    """

    result: StudentResult
    earlier: StudentResult | None = None
    fresh: bool = False
    fault: bool = False


@dataclass
class Job:
    """What every submission of an assignment is graded with.

    Attributes:
        course, assignment, options: what is graded.
        sources: the source notebooks, by part, as the other mappings.
        graded: their graded form, which every submission is rebuilt from; empty for a plain nbgrader course.
        questions: the hidden tests.
        tests: their digests, by question.
        imports: the modules that a notebook will want.
        sandbox: where students' code runs.
        slots: its places on graphics processors.
        surroundings: versions, data and sandbox, which stand in every record.
        submissions: all that were handed in and are to be graded.
    """

    course: Course
    assignment: Assignment
    options: Options
    sources: dict[str, NotebookNode]
    graded: dict[str, NotebookNode]
    questions: dict[str, Questions]
    tests: dict[str, dict[str, str]]
    imports: dict[str, frozenset[str]]
    sandbox: Sandbox
    slots: devices.Slots
    surroundings: dict[str, object]
    submissions: list[intake.Submission]


_JOB: Job | None = None  # the supervisors' processes are forked, and find it here


@contextmanager
def opened_job(course: Course, assignment: Assignment, options: Options) -> Iterator[Job]:
    """Everything that a run needs: the submissions, the hidden tests, the data, and the sandbox.

    Raises:
        CourseError: something that concerns the whole class is wrong.
    """
    found = _chosen(intake.submissions(options.submitted, assignment.name), options)
    if isinstance(course, PlainCourse):
        sources, imports, surrounding = _plain_sources(course, assignment.name, options)
        questions, graded = {part: Questions() for part in sources}, {}
    else:
        sources, questions = _own_sources(course, assignment.name)
        graded = {part: graded_notebook(source) for part, source in sources.items()}
        imports, surrounding = warm_sets({part: _code(source) for part, source in sources.items()}), {}
    refuse_missing_backend(imports.values())
    refuse_visible([course.root, options.submitted])
    processors = devices.chosen(options.device, assignment.gpu, assignment.limits, devices.FOLDER)
    files = devices.device_files(devices.FOLDER) if processors else ()
    with (
        nullcontext() if options.diff else only_one(course),
        training_data(assignment) as (data, described),
        Sandbox(data, first_set(imports), options.trust, devices=files) as sandbox,
        devices.Slots(processors, assignment.limits.gpu_memory_mb) as slots,
    ):
        surroundings = {**keys.environment(), **surrounding, "sandbox": sandbox.backend.value, "data": described}
        surroundings["device"] = slots.names()
        tests = {
            part: {name: keys.tests_key(question) for name, question in hidden.items()}
            for part, hidden in questions.items()
        }
        yield Job(
            course, assignment, options, sources, graded, questions, tests, imports, sandbox, slots, surroundings, found
        )


def again(job: Job) -> Job:
    """The same class once more: everything is run, with other seeds, and nothing of it is written."""
    return replace(job, options=replace(job.options, force=True, diff=True))


def _own_sources(course: Course, assignment: str) -> tuple[dict[str, NotebookNode], dict[str, Questions]]:
    if str(course.root) not in sys.path:
        sys.path.append(str(course.root))  # grader_tests lies in the course's folder
    sources = {file.stem: source_notebook(Part(course, assignment, file)) for file in course.texts(assignment)}
    return sources, {part: _hidden_questions(assignment, part, source) for part, source in sources.items()}


def _plain_sources(
    course: PlainCourse, assignment: str, options: Options
) -> tuple[dict[str, NotebookNode], dict[str, frozenset[str]], dict[str, object]]:
    """What the gradebook keeps of the notebooks, what they import, and what else a result depends on."""
    if not options.diff:
        enter_plain_assignment(course, assignment)
    sources = kept_notebooks(course, assignment)
    written = written_notebooks(course, assignment, sources)
    imports = warm_sets({part: _code(notebook) for part, notebook in written.items()})
    return sources, imports, {"nbgrader_config": settings_key(course)}


def _chosen(found: list[intake.Submission], options: Options) -> list[intake.Submission]:
    unknown = set(options.students) - {submission.student for submission in found}
    if unknown:
        listed = ", ".join(submission.student for submission in found[:20])
        raise CourseError(f"--student {sorted(unknown)[0]}: handed nothing in. Those who did: {listed}")
    return [submission for submission in found if not options.students or submission.student in options.students]


@contextmanager
def only_one(course: Course) -> Iterator[None]:
    """Keep a second `gradescent grade` from grading the same class at the same time.

    Raises:
        CourseError: one is running.
    """
    course.autograded.mkdir(exist_ok=True)
    lock = course.autograded / LOCK
    with lock.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CourseError(f"{lock}: `gradescent grade` is at work in this course. Remedy: wait for it") from None
        yield


def _code(notebook: NotebookNode) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def grade_class(job: Job, report: Report) -> Iterator[Graded]:
    """Grade every submission and yield the results as they come; feedback pages are written when all are there.

    Args:
        job: of a class.
        report: told what is going on.

    Raises:
        CourseError: the gradebook cannot be used at all; the class is graded all the same.
    """
    global _JOB
    _JOB, course = job, job.course
    unusable = ""
    if not (job.options.diff or isinstance(course, PlainCourse)):
        unusable = _enter_assignment(course, job.assignment.name, job.sources)
    for imports in set(job.imports.values()):
        report("", f"importing {', '.join(sorted(imports)) or 'what notebooks need'}")
        job.sandbox.prepare(imports)
    pages: dict[str, StudentResult] = {}
    with gradebook.KeptOpen(course) as book, Pool(job.options.workers, report) as pool:
        for student, graded in pool.run(_grade_student, {found.student: found for found in job.submissions}):
            if isinstance(graded, Lost):
                graded = _not_graded(job, student, f"{graded}. Remedy: grade again; if it stays, a person has to look")
            if not (unusable or graded.fault or job.options.diff):
                unusable = _enter(job, book, graded.result, pages)
            report(student, DONE)
            yield graded
        for student, problem in pool.run(_feedback, pages if job.options.feedback else {}):
            report(student, DONE)
            _add_problem(pages[student], str(problem))
    if unusable:
        raise CourseError(unusable)


def _enter_assignment(course: Course, assignment: str, sources: dict[str, NotebookNode]) -> str:
    """Enter the assignment into the gradebook; where that fails the class is graded all the same, and told so at the end."""
    try:
        gradebook.enter_assignment(course, assignment, sources)
    except CourseError as error:
        return str(error)
    return ""


def _enter(job: Job, book: gradebook.KeptOpen, result: StudentResult, pages: dict[str, StudentResult]) -> str:
    """Enter a result into the gradebook and note whose feedback pages are to be written.

    Returns:
        Why nobody else's result can be entered, empty when it can. What concerns this one stands in the result.
    """
    course = job.course
    folder = course.autograded / result.student / result.assignment
    changed = {(part, question) for part, question in result.changed}
    try:
        if isinstance(course, PlainCourse):
            submission = job.options.submitted / result.student / result.assignment
            _add_problem(result, enter_plain_result(course, result, submission, changed))
        else:
            book.enter(result, changed)
        if result.changed:
            result.changed = []
            save(result, folder)
    except gradebook.Locked as error:  # each attempt waits for a minute, and the records stand
        _add_problem(result, str(error))
        return str(error)
    except CourseError as error:
        _add_problem(result, str(error))
    except OSError as error:
        _add_problem(result, _of_files(error, folder))
    else:
        if _lacks_page(course, result):
            pages[result.student] = result
    return ""


def _lacks_page(course: Course, result: StudentResult) -> bool:
    """Whether a feedback page is not there, or older than the record that it shows."""
    place = Path(result.student, result.assignment)
    pages = [course.feedback / place / f"{part.part}.html" for part in result.parts if part.ran]
    try:
        written = (course.autograded / place / FILE).stat().st_mtime_ns
        return any(page.stat().st_mtime_ns < written for page in pages)
    except OSError:
        return True


def _add_problem(result: StudentResult, problem: str) -> None:
    result.parts[0].problem = result.parts[0].problem or problem


def _feedback(result: StudentResult) -> str:
    """Write a student's pages, and return what went wrong, empty when nothing did."""
    assert _JOB
    tell(result.student, "feedback")
    try:
        write_feedback(_JOB.course, result.assignment, result.student)
    except Exception as error:  # nbgrader wraps whatever went wrong; the grades are safe by now
        pages = _JOB.course.feedback / result.student / result.assignment
        reason = str(error)[:200] or type(error).__name__
        return f"{pages}: the feedback could not be written ({reason}). Remedy: free the disk, grade again"
    return ""


def _grade_student(submission: intake.Submission) -> Graded:
    """Grade one student, or take the result that stands when nothing has changed. Never raises."""
    assert _JOB
    job, student = _JOB, submission.student
    folder = job.course.autograded / student / job.assignment.name
    if submission.problem:
        return _not_graded(job, student, submission.problem)
    try:
        return _retried(lambda: _graded(job, submission, folder))
    except MachineFault as error:
        remedy = "Remedy: `gradescent grade` again; `gradescent doctor` tries the sandbox"
        return _not_graded(job, student, f"{error}. {remedy}")
    except OSError as error:
        return _not_graded(job, student, _of_files(error, folder))
    except Exception as error:  # one submission must not end the class, whatever it is made of
        problem = f"{submission.folder}: the engine failed on it ({type(error).__name__}: {error}). Remedy: a person has to look"
        return _not_graded(job, student, problem)


def _of_files(error: OSError, folder: Path) -> str:
    return (
        f"{error.filename or folder}: {error.strerror}. Remedy: free the disk or correct the permissions, grade again"
    )


def _retried(attempt: Callable[[], Graded]) -> Graded:
    """A fault of the machine is no fault of the submission: try again."""
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except MachineFault:
            continue
    return attempt()


def _not_graded(job: Job, student: str, problem: str) -> Graded:
    """No score and no record: what stands from an earlier run stays as it is."""
    parts = [PartResult(part, ungraded_results(source, problem)) for part, source in job.sources.items()]
    parts[0].problem = problem
    return Graded(StudentResult(student, job.assignment.name, parts), fault=True)


def _graded(job: Job, submission: intake.Submission, folder: Path) -> Graded:
    found = intake.find_parts(submission, job.sources, job.assignment.limits)
    files = _files(job, submission, found)
    surroundings = {**job.surroundings, "files": files_key(files)} if files else job.surroundings
    weights = {name: _weights(job, submission, name, found[name]) for name in job.sources}
    earlier = load(folder)
    before = {part.part: part for part in earlier.parts} if earlier else {}
    keys_now = {
        name: keys.part_key(
            found[name], source, job.assignment.limits, {**surroundings, "weights": weights[name].digest}
        )
        for name, source in job.sources.items()
    }
    results: list[PartResult] = []
    notebooks: dict[str, NotebookNode] = {}
    for name, key in keys_now.items():
        kept = before.get(name)
        if kept and _stands(job, kept, key, folder):
            results.append(kept)
            continue
        stands = {} if job.options.force or kept is None or kept.key != key else _standing_results(job, kept)
        if isinstance(job.course, PlainCourse):
            grade = partial(_grade_plain, job, job.course, submission.student, name, found[name], files)
        else:
            grade = partial(_grade_part, job, submission.student, name, found[name], weights[name], stands)
        graded, notebook = grade({}) if found[name].notebook is None else job.slots.run(grade)
        graded.key, graded.tests = key, job.tests[name]
        results.append(graded)
        if notebook is not None:
            notebooks[name] = notebook
    result = StudentResult(submission.student, job.assignment.name, results, job.surroundings)
    result.changed = _changed_answers(earlier, result)
    fresh = any(part is not before.get(part.part) for part in results)
    if fresh and not job.options.diff:
        _save(result, notebooks, folder)
    return Graded(result, earlier, fresh)


def _stands(job: Job, kept: PartResult, key: str, folder: Path) -> bool:
    """Whether the result of an earlier run is still what a new one would give, its notebook still there."""
    if job.options.force or kept.key != key or kept.tests != job.tests[kept.part]:
        return False
    return not kept.ran or (folder / f"{kept.part}.ipynb").is_file()


def _standing_results(job: Job, kept: PartResult) -> dict[str, Result]:
    """The questions whose tests have not changed, where a notebook's state allows to judge the others alone.

    Where a cell or a test ended the process, later questions were judged in another state than they would be now.
    """
    if kept.starts != 1:
        return {}
    now = job.tests[kept.part]
    return {
        result.question: result
        for result in kept.results
        if result.question in now and kept.tests.get(result.question) == now[result.question]
    }


def _grade_part(
    job: Job,
    student: str,
    name: str,
    found: intake.Found,
    weights: Weights,
    stands: dict[str, Result],
    variables: dict[str, str],
) -> tuple[PartResult, NotebookNode | None]:
    source = job.graded[name]
    if found.notebook is None:
        message = found.problem or f"{name}.ipynb was not handed in"
        return PartResult(name, missing_results(source, message), found.notes, found.problem), None
    start = time.perf_counter()
    notebook, repairs = repair(source, found.notebook)
    run = Run(notebook, job.sandbox, job.imports[name], job.assignment.limits, weights=weights, variables=variables)
    results, seed = grade_notebook(
        run, job.questions[name], stands, lambda question: tell(student, f"{name}: {question}")
    )
    graded = PartResult(name, results, found.notes + repairs, found.problem or broken_tests(results), True)
    graded.untouched, graded.starts, graded.seed = untouched_answers(notebook), run.starts, seed
    graded.seconds, graded.cell_seconds = time.perf_counter() - start, run.cell_seconds
    return graded, notebook


def _weights(job: Job, submission: intake.Submission, part: str, found: intake.Found) -> Weights:
    """The weights that were handed in for a part, where the assignment takes them."""
    if job.assignment.accuracy != "weights":
        return Weights()
    weights = find_weights(submission.folder, part, list(job.sources), job.assignment.limits)
    found.problem = found.problem or weights.problem
    found.notes += weights.notes
    return weights


def _files(job: Job, submission: intake.Submission, found: dict[str, intake.Found]) -> dict[str, bytes]:
    """What lies in the working folder of a plain nbgrader course's notebooks."""
    if not isinstance(job.course, PlainCourse):
        return {}
    files, notes = working_files(job.course, job.assignment.name, submission.folder, job.assignment.limits)
    next(iter(found.values())).notes += notes
    return files


def _grade_plain(
    job: Job,
    course: PlainCourse,
    student: str,
    name: str,
    found: intake.Found,
    files: dict[str, bytes],
    variables: dict[str, str],
) -> tuple[PartResult, NotebookNode | None]:
    start, runs = time.perf_counter(), []

    def run(notebook: NotebookNode) -> None:
        limits = job.assignment.limits
        runs.append(Run(notebook, job.sandbox, job.imports[name], limits, tests=True, files=files, variables=variables))
        runs[-1].run_all()

    tell(student, name)
    graded, notebook = grade_plain_notebook(
        course, Place(job.assignment.name, student, name), job.sources[name], found, run
    )
    graded.starts, graded.cell_seconds = sum(one.starts for one in runs), sum(one.cell_seconds for one in runs)
    graded.seconds = time.perf_counter() - start
    return graded, notebook


def _save(result: StudentResult, notebooks: dict[str, NotebookNode], folder: Path) -> None:
    """Write the notebooks and then the record, which alone makes them count."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, notebook in notebooks.items():
        write_durably(folder / f"{name}.ipynb", nbformat.writes(notebook, version=4) + "\n")
    save(result, folder)
    ran = {part.part for part in result.parts if part.ran}
    for stale in folder.glob("*.ipynb"):
        if stale.stem not in ran:
            stale.unlink()


def _changed_answers(earlier: StudentResult | None, now: StudentResult) -> list[list[str]]:
    """Answers that a person grades and that are others than in the earlier record, or than the gradebook knew already then."""
    if earlier is None:
        return []
    before = {(p.part, q.question): q.answer for p in earlier.parts for q in p.results}
    after = {(p.part, q.question): q.answer for p in now.parts for q in p.results}
    changed = [list(place) for place, answer in after.items() if answer and before.get(place, answer) != answer]
    return sorted([place for place in earlier.changed if place not in changed] + changed)


def _hidden_questions(assignment: str, part: str, source: NotebookNode) -> Questions:
    """The hidden tests of a part; every tested question must have some."""
    from grader_tests import questions

    name = f"{assignment}/{part}"
    try:
        hidden = questions(name)
    except ModuleNotFoundError as error:
        raise CourseError(
            f"grader_tests/{name}.py: not found ({error}). Remedy: write the hidden tests of this part"
        ) from error
    tested = [cell.metadata.nbgrader for cell in source.cells if "nbgrader" in cell.metadata]
    for grader in tested:
        if grader.grade and not grader.solution and grader.grade_id not in hidden:
            raise CourseError(f"grader_tests/{name}.py: no hidden tests for the question {grader.grade_id!r}")
    return hidden


@contextmanager
def training_data(assignment: Assignment) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with the assignment's data as students' code may see it, and where the data came from."""
    described = {}
    with Scratch() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for data in assignment.data:
            try:
                dataset = datasets.load(data)
            except datasets.DataError as error:
                raise CourseError(str(error)) from error
            try:
                datasets.save(datasets.training_view(dataset), folder / f"{data}.npz")
            except OSError as error:
                raise CourseError(_of_files(error, folder)) from error
            described[data] = f"{'stand-in: ' if dataset.stand_in else ''}{dataset.source} ({dataset.digest()[:16]})"
        yield folder, described
