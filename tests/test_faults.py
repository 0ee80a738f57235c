"""What goes wrong around the grader, caused for real: nobody's result is lost, made twice, or wrong, and it says so."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import nbformat
import pytest
from conftest import ASSIGNMENT, NETWORK, make_course, network_notebook, source_of
from faults_class import FORK, FULL, Class, Running, slow_notebook, wait_for
from nbformat import NotebookNode

from grader_tests.variants import Variant, fill
from gradescent.cli import DONE, NEEDS_A_PERSON, STOPPED, USAGE
from gradescent.course import Course, Limits, load_course
from gradescent.grading import gradebook, intake, pool
from gradescent.grading.regular import read_regular
from gradescent.grading.remote import CLOCK, Allowed, Link, RemoteStudent
from gradescent.grading.sandbox import Backend, Sandbox
from gradescent.student.judging import Stop

BY_HAND, ANSWER = "part1_by_hand", "wrong_answer"
LATE = ("ben", "cleo", "dan")


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory, empty_gradebook: Path) -> Class:
    """A class in which one student is graded, by the tests and by a person."""
    folder = tmp_path_factory.mktemp("begun")
    (folder / "tmp").mkdir()
    made = Class(make_course(folder / "course", [NETWORK]), folder / "tmp")
    shutil.copy(empty_gradebook, made.course.gradebook)
    made.hand_in("ada")
    assert made.grade().code == DONE
    made.look()
    return made


@pytest.fixture
def room(begun: Class, tmp_path: Path) -> Class:
    """A copy of it, in which a test may hand in more and break what it likes."""
    shutil.copytree(begun.course.root, tmp_path / "course", symlinks=True)
    (tmp_path / "tmp").mkdir()
    return Class(load_course(tmp_path / "course"), tmp_path / "tmp", list(begun.students))


# ── the main process ends ────────────────────────────────────────────────────────────────────────────────────────


def _while_it_runs(room: Class) -> bool:
    return len(room.graded()) >= 2


def _while_feedback_is_written(room: Class) -> bool:
    return any(room.page(student).exists() for student in LATE)


ENDS = [
    (signal.SIGKILL, _while_it_runs),
    (signal.SIGKILL, _while_feedback_is_written),
    (signal.SIGTERM, _while_it_runs),
    (signal.SIGINT, _while_feedback_is_written),
]


@pytest.mark.parametrize(("number", "moment"), ENDS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_whoever_is_done_when_the_grader_ends_is_not_graded_again(
    room: Class, number: int, moment: Callable[[Class], bool]
) -> None:
    room.hand_in(*LATE, notebook=slow_notebook(room.course))
    workers = "1" if moment is _while_feedback_is_written else "2"  # two would write the last pages at the same time
    with room.grading("--workers", workers) as running:
        wait_for(lambda: moment(room), moment.__name__)
        ended = running.stop(number)
    if number == signal.SIGKILL:
        assert ended.code == -number
    else:
        assert ended.code == STOPPED + number
        ended.says(f"stopped by {signal.Signals(number).name}. What is done is kept")
        room.assert_clean()
    before = room.records()
    assert room.grade("--workers", "1").code == DONE
    room.assert_complete(before)
    room.assert_looked()


def test_a_grader_that_is_ended_while_it_starts_leaves_nothing(room: Class) -> None:
    with room.grading() as running:
        wait_for(lambda: list(room.temporary.rglob("warm-*")), "a process that imports")
        ended = running.stop(signal.SIGTERM)
    assert ended.code == STOPPED + signal.SIGTERM
    ended.says("stopped by SIGTERM")
    room.assert_clean()


# ── a process that grades ends ───────────────────────────────────────────────────────────────────────────────────


def _ends_as_told(item: tuple[str, Path]) -> str:
    """Work that ends its process, the first time or every time, holding the lock of the queue or not; or none of it."""
    what, mark = item
    if what == "ends every time" or (what == "ends holding the lock" and not mark.exists()):
        mark.touch()
        if what == "ends holding the lock":
            pool._NEWS._wlock.acquire()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)
    return what


def _worked(works: dict[str, str], mark: Path) -> dict[str, str | pool.Lost]:
    with pool.Pool(2, lambda name, what: None) as workers:
        return dict(workers.run(_ends_as_told, {name: (what, mark) for name, what in works.items()}))


def test_a_process_that_is_killed_while_it_tells_something_blocks_nobody(tmp_path: Path) -> None:
    works = {"a": "ends holding the lock", "b": "works", "c": "works"}
    assert _worked(works, tmp_path / "mark") == works


def test_a_submission_that_kills_its_process_costs_no_neighbour_the_result(tmp_path: Path) -> None:
    works = {"a": "works", "b": "ends every time", "c": "works", "d": "works"}
    done = _worked(works, tmp_path / "mark")
    assert "killed 3 times" in str(done.pop("b"))
    assert set(done.values()) == {"works"}


def _supervisor(running: Running) -> list[int]:
    return running.supervisors() if running.students() else []


KILLED = [_supervisor, Running.warm, Running.guards, Running.students]


@pytest.mark.parametrize("which", KILLED, ids=lambda which: which.__name__)
def test_a_killed_process_costs_nobody_anything(room: Class, which: Callable[[Running], list[int]]) -> None:
    before = room.records()
    room.hand_in("ben", "cleo", notebook=slow_notebook(room.course))
    with room.grading("--workers", "2") as running:
        wait_for(lambda: len(running.students()) == 2, "two students' processes")
        os.kill(which(running)[0], signal.SIGKILL)
        ended = running.ended()
    assert ended.code == DONE, ended.printed
    ended.says()
    room.assert_complete(before)


def _killed_each_time(course: Course) -> NotebookNode:
    code = "def evaluate(self, data):\n    import os\n    os.kill(os.getpid(), 9)\n\n\nNetwork.evaluate = evaluate"
    return network_notebook(course, Variant("v", cells={"evaluate": code}))


def test_who_kills_itself_loses_the_points_of_that_alone(room: Class) -> None:
    room.hand_in("ben", notebook=_killed_each_time(room.course))
    assert room.grade("--no-feedback").code == DONE
    record = room.record("ben").read_text()
    assert "the process was killed each time that it ran (when last seen, it used" in record
    assert "Likely: the code kills it (os.kill)" in record
    assert room.reached("ben") == FULL - 5


def test_who_is_killed_each_time_for_want_of_memory_is_left_for_the_next_run(room: Class) -> None:
    """The machine's count of such kills is made up; the kills are not."""
    before = room.records()
    room.hand_in("ben", notebook=_killed_each_time(room.course))
    count = "import itertools\nfrom gradescent.grading import remote\nremote.oom_kills = itertools.count().__next__"
    ended = room.grade("--no-feedback", before=count)
    assert ended.code == NEEDS_A_PERSON
    ended.says("! ben: the student's process was killed, for this machine ran out of memory; when last seen", "again")
    assert room.records() == before
    room.hand_in("ben")
    assert room.grade("--no-feedback").code == DONE
    room.assert_complete(before, pages=False)


# ── the gradebook ────────────────────────────────────────────────────────────────────────────────────────────────

HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1])
connection.execute("begin immediate")
print("held", flush=True)
time.sleep(1000)
"""


@contextlib.contextmanager
def held(file: Path) -> Iterator[subprocess.Popen]:
    """Have another program write to the gradebook until it is killed."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout
            assert other.stdout.readline() == b"held\n"
            yield other
        finally:
            other.kill()


def test_a_kill_between_record_and_gradebook_loses_nothing(tmp_path: Path, empty_gradebook: Path) -> None:
    """Not even that a person has to look again at an answer, which was changed after it was graded."""
    (tmp_path / "tmp").mkdir()
    room = Class(make_course(tmp_path / "course", [BY_HAND]), tmp_path / "tmp", part=BY_HAND)
    shutil.copy(empty_gradebook, room.course.gradebook)
    room.hand_in("ada", notebook=_with_answer(room.course, "The second is wrong."))
    assert room.grade("--no-feedback").code == DONE
    _give_two_points(room)
    first = room.record("ada").read_bytes()
    room.hand_in("ada", notebook=_with_answer(room.course, "The third is wrong."))
    room.hand_in("ben")
    with held(room.course.gradebook), room.grading("--no-feedback") as running:
        wait_for(lambda: room.record("ben").exists() and room.record("ada").read_bytes() != first, "both records")
        running.stop(signal.SIGKILL)
    results = _parts(room)
    for waits_for_a_person in (True, False):
        assert room.grade("--no-feedback").code == DONE
        assert _parts(room) == results
        assert _two_points(room) == (2.0, waits_for_a_person)
        _give_two_points(room)
    assert set(room.entered()) == {"ada", "ben"}
    room.assert_clean()


def _parts(room: Class) -> dict[str, list]:
    return {student: json.loads(record)["parts"] for student, record in room.records().items()}


def _with_answer(course: Course, text: str) -> NotebookNode:
    notebook = fill(source_of(course, BY_HAND))
    next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == ANSWER).source = text
    return notebook


def _give_two_points(room: Class) -> None:
    with gradebook.opened(room.course) as book:
        grade = book.find_grade(ANSWER, BY_HAND, ASSIGNMENT, "ada")
        grade.manual_score, grade.needs_manual_grade = 2.0, False
        book.db.commit()


def _two_points(room: Class) -> tuple[float, bool]:
    with gradebook.opened(room.course) as book:
        grade = book.find_grade(ANSWER, BY_HAND, ASSIGNMENT, "ada")
        return grade.manual_score, grade.needs_manual_grade


def test_a_gradebook_that_another_program_writes_to_is_waited_for(room: Class) -> None:
    before = room.records()
    room.hand_in("ben", "cleo")
    with held(room.course.gradebook) as other, room.grading("--no-feedback") as running:
        wait_for(lambda: len(room.graded()) == 3, "all records")
        time.sleep(6)  # stock nbgrader gives up after 5
        assert set(room.entered()) == {"ada"}
        other.kill()
        assert running.ended().code == DONE
    room.assert_complete(before, pages=False)
    room.assert_looked()


def test_a_gradebook_that_stays_locked_is_told_and_filled_later(room: Class) -> None:
    room.hand_in("ben", "cleo")
    with held(room.course.gradebook):
        ended = room.grade(
            "--no-feedback", before="from gradescent.grading import gradebook; gradebook.LOCK_SECONDS = 1"
        )
    assert ended.code == NEEDS_A_PERSON
    ended.says(f"{room.course.gradebook}: cannot be used", "database is locked", "grade again")
    told = [line for line in ended.printed.splitlines() if line.startswith("! ")]
    assert len(told) == 2  # one student's and the class's: nobody waits a second time
    assert set(room.entered()) == {"ada"}
    before = room.records()
    assert set(before) == set(room.students)
    assert room.grade().code == DONE
    room.assert_complete(before)
    room.assert_looked()


def _read_only(room: Class) -> list[str]:
    if os.getuid() != 0:
        room.course.gradebook.chmod(0o444)
        return []
    return in_own_mounts('mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"', room.course.gradebook)


def test_a_read_only_gradebook_is_told_and_filled_later(room: Class) -> None:
    room.hand_in("ben")
    ended = room.grade_within(_read_only(room), "--no-feedback")
    assert ended.code == NEEDS_A_PERSON
    ended.says(f"{room.course.gradebook}: cannot be used", "readonly database", "grade again")
    before = room.records()
    room.course.gradebook.chmod(0o644)
    assert room.grade("--no-feedback").code == DONE
    room.assert_complete(before, pages=False)
    room.assert_looked()


def _deleted(file: Path) -> None:
    file.unlink()


def _replaced_by_garbage(file: Path) -> None:
    garbage = file.with_suffix(".new")
    garbage.write_bytes(b"this is no database, and never was" * 100)
    garbage.replace(file)


@pytest.mark.parametrize("lose", [_deleted, _replaced_by_garbage], ids=lambda lose: lose.__name__)
def test_a_gradebook_that_is_lost_while_the_grader_runs_is_filled_from_the_records(
    room: Class, lose: Callable[[Path], None]
) -> None:
    backup = room.course.gradebook.read_bytes()
    room.hand_in("ben", "cleo", notebook=slow_notebook(room.course))
    with room.grading("--no-feedback") as running:
        wait_for(running.students, "a student's process")
        lose(room.course.gradebook)
        ended = running.ended()
    assert ended.code == NEEDS_A_PERSON
    ended.says(f"{room.course.gradebook}: cannot be used", "grade again")
    before = room.records()
    assert set(before) == set(room.students)
    room.course.gradebook.write_bytes(backup)
    assert room.grade("--no-feedback").code == DONE
    room.assert_complete(before, pages=False)
    room.assert_looked()


# ── the disk is full ─────────────────────────────────────────────────────────────────────────────────────────────


def in_own_mounts(script: str, place: Path) -> list[str]:
    """A command that runs the command after it as `"$@"` of a script, with `"$0"` a place, where mounts are its own."""
    if os.getuid() != 0 or not shutil.which("unshare"):
        pytest.skip("only root mounts something of its own here")
    if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount anything")
    return ["unshare", "-m", "sh", "-c", script, str(place)]


# A small disk at a folder, full but for some KiB; the command; room on it; the command again; a copy of what is on it.
SMALL_DISK = """
kept="$0.kept"
mount -t tmpfs -o size=16m none "$0" && cp -a "$kept/." "$0"
dd if=/dev/zero of="$0/ballast" bs=4k 2> /dev/null
truncate -s -{free}k "$0/ballast"
"$@"
echo "exit code $?"
rm "$0/ballast"
"$@"
code=$?
cp -a "$0/." "$kept"
exit $code
"""

FULL_DISKS = {
    "autograded": (0, NEEDS_A_PERSON, ["autograded/ben", "No space left on device"]),
    "feedback": (0, NEEDS_A_PERSON, ["feedback/ben", "the feedback could not be written"]),
    "gradebook.db": (0, NEEDS_A_PERSON, ["gradebook.db: cannot be used", "disk"]),
    "results.json": (0, NEEDS_A_PERSON, ["results.json: cannot be written", "No space left on device"]),
    "tmp": (8, USAGE, ["tmp", "No space left on device"]),
}


@pytest.mark.parametrize("name", FULL_DISKS)
def test_a_full_disk_is_told_and_the_next_run_completes(room: Class, tmp_path: Path, name: str) -> None:
    free, code, words = FULL_DISKS[name]
    small, kept = tmp_path / "small", tmp_path / "small.kept"
    small.mkdir()
    kept.mkdir()
    place = tmp_path / "tmp" if name == "tmp" else room.course.root / name
    if place.exists():
        place.rename(kept / name)
    if name != "results.json":  # whoever writes it would replace a link
        place.symlink_to(small / name)
    before = room.records()
    room.hand_in("ben")
    json_file = (small if name == "results.json" else room.course.root) / "results.json"
    ended = room.grade_within(in_own_mounts(SMALL_DISK.format(free=free), small), "--json", str(json_file))
    assert ended.code == DONE, ended.printed
    ended.says(f"exit code {code}", "Remedy", *words)
    shutil.copytree(kept, small, dirs_exist_ok=True)
    room.assert_complete(before)
    room.assert_looked()
    assert {row["student"] for row in json.loads(json_file.read_text())} == set(room.students)


# ── files change underneath ──────────────────────────────────────────────────────────────────────────────────────


def test_a_submission_that_goes_away_is_graded_as_it_was_read_or_left_for_the_next_run(room: Class) -> None:
    before = room.records()
    room.hand_in("ben", "cleo", notebook=slow_notebook(room.course))
    with room.grading("--no-feedback", "--workers", "1") as running:
        wait_for(running.students, "ben's process")
        for student in ("ben", "cleo"):
            shutil.rmtree(room.submission(student).parent)
        ended = running.ended()
    assert ended.code == NEEDS_A_PERSON
    ended.says("! cleo:", str(room.submission("cleo").parent), "No such file or directory", "grade again")
    assert room.graded() == ["ada", "ben"]
    assert room.reached("ben") == FULL
    as_it_was_read = room.record("ben").read_bytes()
    room.hand_in("ben", "cleo")
    assert room.grade("--no-feedback").code == DONE
    assert room.record("ben").read_bytes() != as_it_was_read
    room.assert_complete(before, pages=False)


# A file whose reading fails, in the place of one: a page of memory that nobody has, or what nobody may read.
UNREADABLE = """
mount --bind /proc/$$/mem "$0"
exec "$@"
"""


def test_a_submission_that_the_machine_cannot_read_is_left_for_the_next_run(room: Class) -> None:
    before, submission = room.records(), room.submission("ada")
    room.hand_in("ben")
    if os.getuid() == 0:
        ended = room.grade_within(in_own_mounts(UNREADABLE, submission), "--no-feedback")
        reason = "Input/output error"
    else:
        submission.chmod(0)
        ended = room.grade("--no-feedback")
        submission.chmod(0o644)
        reason = "Permission denied"
    assert ended.code == NEEDS_A_PERSON, ended.printed
    ended.says(f"! ada: {submission}: {reason}", "correct the permissions", "grade again")
    assert room.records().items() >= before.items()
    assert room.entered() == {"ada": FULL, "ben": FULL}
    before = room.records()
    assert room.grade("--no-feedback").code == DONE
    room.assert_complete(before, pages=False)
    room.assert_looked()


@pytest.fixture
def permitted_little(tmp_path: Path) -> Iterator[Path]:
    """A folder for one who is not root, whom nothing is denied to."""
    if os.getuid() != 0:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, 65534, 65534)
        os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            os.seteuid(0)


def test_what_may_not_be_read_is_the_machines_fault(permitted_little: Path) -> None:
    folder = permitted_little / "ada" / ASSIGNMENT
    folder.mkdir(parents=True)
    file = folder / f"{NETWORK}.ipynb"
    file.touch(0)
    with pytest.raises(PermissionError, match=file.name):
        read_regular(file, 100, "")
    for closed in (folder, folder.parent):
        closed.chmod(0)
        (submission,) = intake.submissions(permitted_little, ASSIGNMENT)
        with pytest.raises(PermissionError, match=closed.name):
            intake.find_parts(submission, {NETWORK: nbformat.v4.new_notebook()}, Limits())
        closed.chmod(0o755)


def test_a_submission_that_changes_while_it_is_graded_is_graded_again(room: Class) -> None:
    room.hand_in("ben", notebook=slow_notebook(room.course))
    with room.grading() as running:
        wait_for(running.students, "ben's process")
        room.hand_in("ben", notebook=network_notebook(room.course, Variant("v", leave=("evaluate",))))
        assert running.ended().code == DONE
    assert room.reached("ben") == FULL
    assert "evaluate: right" in room.page("ben").read_text()
    assert room.grade("--no-feedback").code == DONE
    assert room.reached("ben") == room.entered()["ben"] == FULL - 5
    assert room.grade().code == DONE
    assert "evaluate: right" not in room.page("ben").read_text()  # an old page is none


def test_two_graders_in_one_course_do_not_meet(room: Class) -> None:
    before = room.records()
    room.hand_in("ben")
    with held(room.course.gradebook) as other, room.grading("--no-feedback") as running:
        wait_for(lambda: room.record("ben").exists(), "ben's record")
        second = room.grade("--no-feedback")
        other.kill()
        assert running.ended().code == DONE
    assert second.code == USAGE
    second.says("`gradescent grade` is at work in this course", "wait for it")
    room.assert_complete(before, pages=False)


def test_damaged_records_and_folders_that_cannot_be_written_are_made_again(room: Class) -> None:
    room.hand_in("ben", "cleo")
    whole = room.record("ada").read_bytes()
    room.record("ada").write_bytes(whole[: len(whole) // 2])
    (room.course.autograded / "ben").write_text("a file in the way")
    ended = room.grade("--no-feedback")
    assert ended.code == NEEDS_A_PERSON
    ended.says("! ben:", str(room.course.autograded / "ben"), "Remedy")
    (room.course.autograded / "ben").unlink()
    before = room.records()
    assert set(before) == {"ada", "cleo"}
    assert room.grade("--no-feedback").code == DONE
    room.assert_complete(before, pages=False)
    room.assert_looked()


# ── a busy machine, and one whose clock jumps ────────────────────────────────────────────────────────────────────

JUMPING = """
import itertools, time
jumps = itertools.cycle([0, 86400, -86400, 3e8])
now = time.time
time.time = lambda: now() + next(jumps)
"""


def test_a_clock_that_jumps_changes_nothing(room: Class) -> None:
    before = room.records()
    room.hand_in("ben")
    assert room.grade(before=JUMPING).code == DONE
    room.assert_complete(before)


def test_a_busy_machine_costs_nobody_a_point(room: Class) -> None:
    before = room.records()
    room.hand_in(*LATE, "eli")
    burn = [sys.executable, "-c", "while True: pass"]
    # Each in a session of its own: the kernel shares the processor out among sessions.
    burners = [subprocess.Popen(burn, start_new_session=True) for _ in range(8)]
    try:
        assert room.grade("--no-feedback").code == DONE
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    room.assert_complete(before, pages=False)


def _asks(sandbox: Sandbox, told: Connection) -> None:
    """In a process of its own: wait for a student's code, for a few seconds at most."""
    link = Link(sandbox.start((), Limits()), Limits(), CLOCK.now() + 6)
    told.send("asks")
    try:
        code = "import time\ntime.sleep(1)\nfound = 5"
        link.ask({"op": "cell", "code": code, "seconds": 20}, [], Allowed(20, 2048, 256))
        told.send(RemoteStudent(link, Allowed(20, 2048, 256)).read("found"))
    except Stop as stop:
        told.send(str(stop))
    finally:
        link.child.stop()


def test_a_pause_of_the_grader_is_no_time_of_the_submission(sandbox_of: Callable[[Backend], Sandbox]) -> None:
    told, tells = FORK.Pipe(duplex=False)
    asking = FORK.Process(target=_asks, args=(sandbox_of(Backend.NAMESPACES), tells))
    asking.start()
    assert asking.pid
    assert told.recv() == "asks"
    os.kill(asking.pid, signal.SIGSTOP)
    time.sleep(8)
    os.kill(asking.pid, signal.SIGCONT)
    assert told.recv() == 5
    asking.join()
