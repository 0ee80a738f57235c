"""`gradescent doctor`: what contains students' code on this machine, found by attacking it."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gradescent.course import CourseError, Limits
from gradescent.grading.processes import MachineFault
from gradescent.grading.remote import Allowed, Link, RemoteStudent
from gradescent.grading.sandbox import Backend, Sandbox
from gradescent.grading.watch import PROC
from gradescent.student.judging import Stop

LIMITS = Limits(memory_mb=512, file_mb=16, processes=64, wall_factor=1)
ALLOWED = Allowed(seconds=3, memory_mb=512, processes=64)
GONE_SECONDS = 5.0  # for the processes of a submission to be gone

# An attack's code defines `attack()`, which returns what it got hold of, empty when nothing.
TOOLS = """
import ctypes, os, socket, time
libc = ctypes.CDLL(None, use_errno=True)
def tried(attempt, what):
    try:
        return what if attempt() else ""
    except Exception:
        return ""
def called(number, *arguments):
    return libc.syscall(number, *arguments) >= 0
"""
READ = "def attack(): return tried(lambda: open({path!r}, 'rb').read(1) is not None, 'could read ' + {path!r})"
WRITE = (
    "def attack(): return tried(lambda: open({path!r} + '/planted', 'w').close() is None, 'could write to ' + {path!r})"
)
CONNECT = """
def attack():
    def connect():
        with socket.socket(socket.{family}) as s:
            s.settimeout(2)
            s.connect({address!r})
            return True
    return tried(connect, {what!r})
"""
SYSCALL = "def attack(): return tried(lambda: called({numbers}[os.uname().machine], {arguments}), {what!r})"


@dataclass(frozen=True)
class Attack:
    """One thing that a student's code must not be able to do.

    Attributes:
        promise: what is promised, in words.
        code: defines `attack()`.
        over: whether a limit ends it, which is what it should.
    """

    promise: str
    code: str
    over: bool = False


@dataclass(frozen=True)
class Finding:
    """What came of an attack: `got` is what it got hold of, empty when nothing."""

    promise: str
    got: str


def diagnose(report: Callable[[str], None]) -> tuple[dict[Backend, str], Backend | None, list[Finding]]:
    """Try every back end, and attack the strongest one that works.

    Args:
        report: told what is going on.

    Returns:
        By back end why it does not work, empty when it does; the strongest that works, None where none does; and what
        came of the attacks on it.
    """
    reasons: dict[Backend, str] = {}
    with tempfile.TemporaryDirectory(prefix="gradescent-doctor-") as name:
        data = Path(name)
        data.chmod(0o755)
        for backend in Backend:
            if backend is not Backend.NONE:
                report(f"trying: {backend.value}")
                reasons[backend] = _problem(data, backend)
        working = next((backend for backend, reason in reasons.items() if not reason), None)
        if working is None:
            return reasons, None, []
        with Sandbox(data, only=working) as sandbox:
            return reasons, working, list(_findings(sandbox, report))


def _problem(data: Path, backend: Backend) -> str:
    try:
        Sandbox(data, only=backend).close()
    except CourseError as error:
        return str(error)
    return ""


def _findings(sandbox: Sandbox, report: Callable[[str], None]) -> Iterator[Finding]:
    with _baits() as baits:
        for attack in attacks(baits):
            report(f"attacking: {attack.promise}")
            yield Finding(attack.promise, _try(sandbox, attack))
        report("attacking: nothing outlives a submission")
        yield Finding("nothing outlives a submission", _survivors(sandbox))


def _try(sandbox: Sandbox, attack: Attack) -> str:
    link = Link(sandbox.start((), LIMITS), LIMITS)
    try:
        link.ask({"op": "cell", "code": TOOLS + attack.code}, [], ALLOWED)
        got = RemoteStudent(link, ALLOWED).call("attack")
    except Stop as stop:
        return "" if attack.over else f"could not be tried ({stop})"
    except MachineFault as error:
        return f"the machine failed: {error}"
    finally:
        link.child.stop()
    return str(got)


def _survivors(sandbox: Sandbox) -> str:
    """Start a daemon that leaves its session and its parent, end the submission, and look for it from outside."""
    mark = f"gradescent-{secrets.token_hex(8)}"
    code = f"""
import subprocess, sys
def attack():
    subprocess.Popen([sys.executable, "-c", "import os, time; os.setsid(); os.fork() and os._exit(0); time.sleep(60)", {mark!r}])
    time.sleep(0.5)
    return ""
"""
    problem = _try(sandbox, Attack("", code))
    ends = time.monotonic() + GONE_SECONDS
    while (alive := _runs(mark)) and time.monotonic() < ends:
        time.sleep(0.1)
    return problem or ("a process went on after the submission" if alive else "")


def _runs(mark: str) -> bool:
    for file in PROC.glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if mark.encode() in file.read_bytes():
                return True
    return False


@dataclass(frozen=True)
class Baits:
    """Things of the grader's that an attack would like to reach.

    Attributes:
        file: that only the grader needs.
        port: a server on this machine, over TCP.
        abstract: name of a server on an abstract Unix socket.
        variable: "NAME=value" of the grader's environment, which no student's process is given.
    """

    file: Path
    port: int
    abstract: str
    variable: str


@contextlib.contextmanager
def _baits() -> Iterator[Baits]:
    token = secrets.token_hex(8)
    with (
        tempfile.TemporaryDirectory(prefix="gradescent-bait-") as name,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        abstract.bind(f"\0gradescent-{token}")
        abstract.listen()
        file = Path(name, "secret")
        file.write_text(token)
        yield Baits(file, server.getsockname()[1], f"\0gradescent-{token}", _own_variable())


def _own_variable() -> str:
    """The longest variable that the grader was started with: /proc shows those alone."""
    given = (PROC / "self" / "environ").read_text(errors="replace").split("\0")
    return max((text for text in given if not text.startswith(("PATH=", "HOME=", "LANG="))), key=len, default="")


def attacks(baits: Baits) -> list[Attack]:
    """What is tried, each in a process of its own."""
    environ = f"""
def attack():
    found = []
    tried(lambda: found.extend(os.listdir("/proc")), "")
    environs = ["/proc/" + p + "/environ" for p in found if p.isdigit()]
    seen = [file for file in environs if tried(lambda: {baits.variable!r} in open(file).read(), "x")]
    return f"could read {{seen}}" if seen or {baits.variable!r}.split("=")[0] in os.environ else ""
"""
    signals = f"""
def attack():
    killed = [p for p in ({os.getpid()}, os.getppid(), -1) if tried(lambda: os.kill(p, 0) is None, "x")]
    return f"could signal {{killed}}" if killed and {os.getpid()} in killed else ""
"""
    forks = f"""
def attack():
    made = 0
    try:
        for made in range(1000):
            if os.fork() == 0:
                time.sleep(30)
    except OSError:
        pass
    return f"could start {{made}} processes" if made > {LIMITS.processes} else ""
"""
    memory = """
def attack():
    hoard = [b"x" * (1 << 20) for _ in range(2000)]
    return f"could take {len(hoard)} MiB"
"""
    shared = """
def attack():
    import mmap
    hoard = []
    for _ in range(2000):
        hoard.append(mmap.mmap(-1, 1 << 20))
        hoard[-1].write(b"x" * (1 << 20))
    time.sleep(1)
    return f"could take {len(hoard)} MiB"
"""
    disk = f"""
def attack():
    written = 0
    for folder in (os.getcwd(), "/tmp", "/dev/shm", "/var/tmp"):
        try:
            for number in range(100):
                with open(f"{{folder}}/{{number}}", "wb") as file:
                    file.write(bytes(1 << 20))
                written += 1
        except OSError:
            continue
    return f"could write {{written}} MiB" if written > {4 * LIMITS.file_mb:g} else ""
"""
    tests = "def attack(): return tried(lambda: __import__('grader_tests'), 'could import the hidden tests')"
    endless = "def attack():\n    import re\n    return str(re.match('(a+)+$', 'a' * 64 + 'b'))"
    node = (
        "def attack(): return tried(lambda: os.mknod('node', 0o60666, os.makedev(8, 0)) is None, 'could make a device')"
    )
    root = "def attack(): return tried(lambda: [os.setuid(0), os.setuid(12345)], 'has the privileges of root')"
    loopback, outside = ("127.0.0.1", baits.port), ("192.0.2.1", 80)
    return [
        Attack("the grader's files cannot be read", READ.format(path=str(baits.file))),
        Attack("the machine's accounts cannot be read", READ.format(path="/etc/passwd")),
        Attack("the hidden tests cannot be imported", tests),
        Attack("the grader's environment cannot be read", environ),
        Attack("the system cannot be written to", WRITE.format(path="/usr/lib")),
        Attack("the packages cannot be written to", WRITE.format(path=str(Path(os.__file__).parent))),
        Attack("other folders cannot be written to", WRITE.format(path=str(baits.file.parent))),
        Attack(
            "no TCP to this machine", CONNECT.format(family="AF_INET", address=loopback, what="reached a server here")
        ),
        Attack(
            "no TCP to other machines", CONNECT.format(family="AF_INET", address=outside, what="reached the network")
        ),
        Attack(
            "no abstract sockets",
            CONNECT.format(family="AF_UNIX", address=baits.abstract, what="reached a server here"),
        ),
        Attack(
            "no names are looked up", "def attack(): return tried(lambda: socket.gethostbyname('example.com'), 'DNS')"
        ),
        Attack(
            "no sockets to the host of a virtual machine",
            "def attack(): return tried(lambda: socket.socket(40), 'vsock')",
        ),
        Attack("other processes cannot be signalled", signals),
        Attack("other processes cannot be traced", _syscall((101, 117), "16, 1, 0, 0", "could trace process 1")),
        Attack("nothing can be mounted", _syscall((165, 40), "b'none', b'/tmp', b'tmpfs', 0, 0", "could mount")),
        Attack("no new namespaces", _syscall((272, 97), "0x10000000", "could make a namespace")),
        Attack("no keys of the kernel", _syscall((250, 219), "0, -3, 1", "could use the key ring")),
        Attack("no io_uring", _syscall((425, 425), "8, ctypes.create_string_buffer(120)", "could use io_uring")),
        Attack("no nameless files in memory", _syscall((319, 279), "b'x', 0", "could use memfd_create")),
        Attack("no devices", node),
        Attack("nobody has the privileges of root", root),
        Attack("processes are limited", forks, over=True),
        Attack("memory is limited", memory, over=True),
        Attack("shared memory is limited", shared, over=True),
        Attack("the disk is limited", disk),
        Attack("CPU time is limited, in C code too", endless, over=True),
    ]


def _syscall(numbers: tuple[int, int], arguments: str, what: str) -> str:
    named = dict(zip(("x86_64", "aarch64"), numbers, strict=True))
    return SYSCALL.format(numbers=named, arguments=arguments, what=what)
