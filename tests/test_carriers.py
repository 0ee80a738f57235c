"""Both carriers serve the same tests alike: the direct one, and the split one over a real socket to a real process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from gradescent.course import CourseError, Limits
from gradescent.grading.processes import MachineFault
from gradescent.grading.remote import Allowed, Link, RemoteStudent
from gradescent.grading.sandbox import Backend, Sandbox
from gradescent.student.direct import DirectStudent
from gradescent.student.judging import CodeError, Died, MemoryLimit, Missing, NotAttempted, Student, TimeLimit, Wrong

CODE = """
import numpy as np
import warnings

class Counter:
    def __init__(self, start=0):
        self.total = np.array([float(start)])
        self.history = []
    def add(self, x):
        self.total = self.total + x
        return self.total
    @property
    def double(self):
        return 2 * self.total

def square(x):
    return x ** 2

def stub(x):
    raise NotImplementedError("stub")

def broken(x):
    return x[10]

def overwrite(z):
    z[z < 0] = 0
    return z

def noisy(x):
    print("hello", x)
    warnings.warn("careful")
    return np.log(np.zeros(1))

def forever():
    while True:
        try:
            while True:
                pass
        except Exception:
            pass

def slope(f, x):
    return (f(x + 1e-5) - f(x - 1e-5)) / 2e-5

def backwards(rows):
    return [row[::-1] for row in rows]

def draw():
    return np.random.randn(2)

def kinds():
    return {"a": [1, (2.5, "x")], "b": np.arange(3)}

def objects():
    return np.array([object()])

def mine():
    return Counter(3)

def quits():
    import os
    os._exit(7)

def greedy():
    return np.ones(10**11)

def exits():
    raise SystemExit("bye")

weights = np.eye(2)
"""

ALLOWED = Allowed(seconds=5, memory_mb=4096, processes=256)
LIMITS = Limits(memory_mb=1024, wall_factor=5)
SandboxOf = Callable[[Backend], Sandbox]


@pytest.fixture
def sandbox(sandbox_of: SandboxOf) -> Sandbox:
    return sandbox_of(Backend.NAMESPACES)


def linked(sandbox: Sandbox, code: str = CODE) -> Link:
    link = Link(sandbox.start((), LIMITS), LIMITS)
    reply, _ = link.ask({"op": "cell", "code": code, "seconds": 10}, [], ALLOWED)
    assert reply["failure"] is None, reply
    return link


@pytest.fixture(params=["direct", *Backend], ids=str)
def student(request: pytest.FixtureRequest, sandbox_of: SandboxOf) -> Iterator[Student]:
    if request.param == "direct":
        namespace: dict = {}
        exec(CODE, namespace)
        yield DirectStudent(namespace, cpu_seconds=1)
        return
    link = linked(sandbox_of(request.param))
    yield RemoteStudent(link, replace(ALLOWED, seconds=1))
    link.child.stop()


def test_values_of_every_kind(student: Student) -> None:
    assert np.array_equal(student.call("square", np.array([1.0, 2.0])), [1.0, 4.0])
    kinds = student.call("kinds")
    assert kinds["a"] == [1, (2.5, "x")]
    assert np.array_equal(kinds["b"], [0, 1, 2])
    assert np.array_equal(student.read("weights"), np.eye(2))


def test_objects_stay_and_answer_as_handles(student: Student) -> None:
    counter = student.new("Counter", 1)
    assert counter.call("add", 2.0) == 3.0
    assert counter.get("total") == 3.0
    assert counter.get("double") == 6.0
    counter.set("total", np.array([10.0]))
    assert counter.call("add", 1) == 11.0
    with pytest.raises(Missing, match="Counter has no attribute nothing"):
        counter.call("nothing")


def test_names(student: Student) -> None:
    assert student.has("square")
    assert not student.has("cube")
    with pytest.raises(Missing, match="cube is not defined"):
        student.call("cube", 1)


def test_outcomes(student: Student) -> None:
    with pytest.raises(NotAttempted, match="the cell 'stub' still raises NotImplementedError"):
        student.call("stub", 1)
    with pytest.raises(CodeError, match=r"broken\(array\(\[1\.\]\)\) raised IndexError"):
        student.call("broken", np.ones(1))
    with pytest.raises(CodeError, match="raised SystemExit"):
        student.call("exits")
    with pytest.raises(MemoryLimit, match="more memory"):
        student.call("greedy")


def test_an_endless_loop_is_stopped_and_the_next_call_works(student: Student) -> None:
    with pytest.raises(TimeLimit, match=r"forever\(\) did not finish"):
        student.call("forever")
    assert student.call("square", 3) == 9


def test_facts_about_the_last_call(student: Student) -> None:
    z = np.array([-1.0, 2.0])
    student.call("overwrite", z)
    assert student.modified == ["0"]
    assert np.array_equal(z, [-1.0, 2.0]), "the check's own array was changed"
    student.call("noisy", 5)
    assert student.printed == "hello 5\n"
    assert "careful" in student.warned
    assert any("divide by zero" in text for text in student.warned)
    student.call("square", 1)
    assert (student.printed, student.warned, student.modified) == ("", [], [])


def test_many_reviews_cross_both_ways(student: Student) -> None:
    rng = np.random.default_rng(0)
    reviews = [rng.integers(0, 999, rng.integers(1, 50)).astype("u4") for _ in range(12_000)]
    got = student.call("backwards", reviews)
    assert [type(row) for row in got[:2]] == [np.ndarray, np.ndarray]
    assert len(got) == len(reviews)
    assert all(np.array_equal(row, review[::-1]) for row, review in zip(got, reviews, strict=True))


def test_memory_is_that_of_the_process(sandbox: Sandbox) -> None:
    link = linked(sandbox)
    RemoteStudent(link, ALLOWED).memory["counter"] = RemoteStudent(link, ALLOWED).new("Counter", 4)
    later = RemoteStudent(link, ALLOWED)
    assert later.memory["counter"].get("total") == 4.0
    link.child.stop()
    other = linked(sandbox)
    assert RemoteStudent(other, ALLOWED).memory == {}
    other.child.stop()


def test_a_function_of_the_graders_is_called_back(student: Student) -> None:
    seen = []

    def cube(x: float) -> float:
        seen.append(x)
        return x**3

    assert student.call("slope", cube, 2.0) == pytest.approx(12, rel=1e-6)
    assert seen == [2.00001, 1.99999]


def test_the_seed_decides_what_is_drawn(student: Student) -> None:
    student.seed(5)
    assert np.array_equal(student.call("draw"), np.random.RandomState(5).randn(2))


def test_an_array_of_objects_crosses_as_a_list(student: Student) -> None:
    objects = student.call("objects")
    assert len(objects) == 1
    assert not isinstance(objects[0], int | float | str)


def test_an_own_class_is_an_object_not_data(student: Student) -> None:
    made = student.call("mine")
    assert not isinstance(made, np.ndarray | list | dict)


def test_the_end_of_the_process_is_noticed(sandbox: Sandbox) -> None:
    link = linked(sandbox)
    with pytest.raises(Died, match="ended by itself"):
        RemoteStudent(link, ALLOWED).call("quits")
    with pytest.raises(Died, match="has ended"):
        RemoteStudent(link, ALLOWED).call("square", 1)
    link.child.stop()


def test_a_process_that_hangs_up_and_lives_on_is_not_waited_for(sandbox: Sandbox) -> None:
    link = linked(sandbox, "import os, time\ndef hang_up():\n    os.closerange(3, 60)\n    time.sleep(1000)")
    with pytest.raises(Died, match="closed its connection"):
        RemoteStudent(link, ALLOWED).call("hang_up")
    link.child.stop()


def test_a_process_that_does_not_start_is_the_machines_fault(sandbox_of: SandboxOf, tmp_path: Path) -> None:
    sandbox_of(Backend.NAMESPACES)  # else skipped
    with Sandbox(tmp_path, only=Backend.NAMESPACES) as sandbox:
        sandbox._root.rmdir()
        with pytest.raises(MachineFault, match="did not start"):
            Link(sandbox.start((), LIMITS), LIMITS)


FORGERIES = {
    "garbage": "channel.send(b'\\xff' * 100)",
    "huge": "channel.send(struct.pack('>I', 2**31))",
    "not_json": "channel.send(struct.pack('>I', 3) + b'abc')",
    "bad_array": "say({'value': {'array': 0}, 'arrays': [['O', [1]]]})",
    "no_such_array": "say({'value': {'array': 7}, 'arrays': []})",
    "callback_that_was_not_given": "say({'callback': 3, 'args': {'list': []}, 'arrays': []})",
    "malformed_failure": "say({'failure': 5, 'arrays': []})",
    "seconds_of_the_wrong_kind": "say({'seconds': [1], 'value': 1.0, 'arrays': []})",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_answers_are_the_submissions_fault(sandbox: Sandbox, name: str) -> None:
    code = f"""
import gc, json, socket, struct
channel = next(item for item in gc.get_objects() if isinstance(item, socket.socket) and item.fileno() > 0)
def say(header):
    body = json.dumps(header).encode()
    channel.send(struct.pack('>I', len(body)) + body)
def answer():
    {FORGERIES[name]}
"""
    link = linked(sandbox, code)
    try:
        with pytest.raises((Died, Wrong, TimeLimit)):
            RemoteStudent(link, replace(ALLOWED, seconds=1)).call("answer")
            RemoteStudent(link, replace(ALLOWED, seconds=1)).call("answer")
    finally:
        link.child.stop()


@pytest.mark.parametrize("backend", [Backend.NAMESPACES, Backend.BUBBLEWRAP], ids=str)
def test_the_sandbox_hides_the_course_the_network_and_the_graders_environment(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADERS_SECRET", "token")
    try:
        sandbox = Sandbox(tmp_path, only=backend)
    except CourseError as error:
        pytest.skip(str(error))
    code = """
import os, socket
def facts():
    found = {"environment": str(dict(os.environ))}
    if os.access("/proc/1/environ", os.R_OK):
        found["environment"] += open("/proc/1/environ").read()
    found["course"] = os.path.exists("COURSE/course.toml")
    found["package"] = " ".join(sorted(os.listdir("COURSE/gradescent")))
    found["processes"] = len([p for p in os.listdir("/proc") if p.isdigit()])
    try:
        import grader_tests
        found["tests"] = "imported"
    except ImportError:
        found["tests"] = "not found"
    found["routes"] = len(open("/proc/net/route").read().splitlines()) - 1
    found["interfaces"] = [name for _, name in socket.if_nameindex()]
    writable = []
    for folder in ("/", "/usr", "/data", "COURSE/gradescent", "/dev", "/home/student"):
        try:
            open(folder + "/probe", "w").close()
            writable.append(folder)
        except OSError:
            pass
    found["writable"] = writable
    return found
"""
    link = linked(sandbox, code.replace("COURSE", str(ROOT)))
    facts = RemoteStudent(link, ALLOWED).call("facts")
    link.child.stop()
    sandbox.close()
    assert "token" not in facts["environment"]
    assert not facts["course"]
    assert facts["package"] == "__init__.py grading student"
    assert facts["processes"] <= 3
    assert facts["tests"] == "not found"
    assert facts["routes"] <= 0
    assert facts["interfaces"] == ["lo"]
    # Below /tmp the folders that lead to the package lie in the student's own memory, and hold nothing else.
    own = {"/home/student", f"{ROOT}/gradescent"} if ROOT.is_relative_to("/tmp") else {"/home/student"}
    assert "/home/student" in facts["writable"]
    assert set(facts["writable"]) <= own
