"""Memory and disk: in the heap, in many processes, in files, in what a process shares, and in the kernel."""

from __future__ import annotations

from attacks.attack import OUTCOME, WORKER, Attack, answer

# The worker does something else where the grader sends it a large array.
DEAF = (
    WORKER
    + """
import os, signal, time
fill = wire.Incoming.fill
def deaf(self, place):
    if len(place) < 1 << 20:
        return fill(self, place)
"""
)

ATTACKS = [
    Attack("the_heap", "hoard = [bytes(10**6) for _ in range(10**6)]", shows="MemoryError"),
    answer("one_array", "return np.ones(10**10)", "memory limit"),
    Attack(
        "the_heap_of_many_processes",
        """
import os, time
for _ in range(8):
    if os.fork() == 0:
        hoard = b"x" * (100 << 20)
        time.sleep(1000)
time.sleep(1000)
""",
        ends="memory limit",
        limits={"submission_seconds": 30},
    ),
    Attack(
        "shared_memory_without_a_name",
        """
import mmap, time
try:
    hoard = mmap.mmap(-1, 700 << 20)
except OSError as error:
    print(error)
""",
        shows="Cannot allocate memory",
    ),
    Attack(
        "memory_files",
        OUTCOME + "import os\nprint(outcome(os.memfd_create, 'hoard'))",
        shows="PermissionError",
    ),
    Attack(
        "files_in_memory",
        """
import os
written = {}
for folder in ("/tmp", "/home/student", "/dev/shm", "/", "/data", "/dev", "/run", "/var/tmp"):
    written[folder], number = 0, 0
    try:
        while True:
            with open(f"{folder}/hoard-{number}", "wb", 0) as file:
                for _ in range(8):
                    written[folder] += file.write(bytes(1 << 20))
            number += 1
    except OSError:
        pass
print("MiB", [folder for folder, size in written.items() if size], sum(written.values()) <= 48 << 20)
""",
        shows="MiB ['/tmp', '/home/student', '/dev/shm'] True",
    ),
    Attack(
        "many_files",
        """
number = 0
try:
    while True:
        open(f"/tmp/{number}", "w").close()
        number += 1
except OSError as error:
    print("files", number <= 10_240, error.strerror)
""",
        shows="files True No space left on device",
    ),
    Attack(
        "a_file_beyond_the_limit",
        OUTCOME
        + """
import os
with open("hoard", "wb") as file:
    print(outcome(os.truncate, file.fileno(), 1 << 40), outcome(os.posix_fallocate, file.fileno(), 0, 1 << 30))
""",
        shows="OSError OSError",
    ),
    Attack(
        "raise_the_limits",
        OUTCOME
        + """
import resource
names = ("RLIMIT_DATA", "RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_NOFILE")
print({outcome(resource.setrlimit, getattr(resource, name), (1 << 40, 1 << 40)) for name in names})
print(outcome(open("/proc/self/oom_score_adj", "w").write, "-1000"), outcome(open, "/proc/sys/vm/overcommit_memory", "w"))
""",
        shows=("{'ValueError'}",),
    ),
    Attack(
        "sockets_full_of_bytes",
        """
import os, socket, time
for _ in range(4):
    if os.fork():
        continue
    hoard = []
    try:
        while len(hoard) < 500:
            pair = socket.socketpair()
            hoard.append(pair)
            for end in pair:
                end.setblocking(False)
                try:
                    while True:
                        end.send(bytes(1 << 16))
                except BlockingIOError:
                    pass
    except OSError:
        pass
    time.sleep(1000)
time.sleep(2)
print("kept", [line for line in open("/proc/net/sockstat") if "sockets" in line])
""",
        ends="memory limit",
        limits={"cell_seconds": 5},
    ),
    Attack(
        "sockets_of_senders_that_are_gone",
        """
import os, socket, time
for child in range(4):
    if os.fork():
        continue
    hoard = []
    try:
        for number in range(500):
            hoard.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            hoard[-1].bind(f"\\0{child}\\n-{number}")
            for _ in range(10):
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
                    sender.sendto(bytes(150_000), f"\\0{child}\\n-{number}")
    except OSError:
        pass
    time.sleep(1000)
time.sleep(4)
""",
        ends="memory limit",
        limits={"cell_seconds": 5},
    ),
    Attack(
        "large_buffers",
        """
import socket
ours, theirs = socket.socketpair()
before = ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
print("as before:", ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == before)
print("reused:", ours.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR))
""",
        shows=("as before: True", "reused: 1"),
    ),
    Attack(
        "page_tables",
        """
import ctypes, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
size = 300 << 30
place = libc.mmap(None, size, 1, 0x22 | 0x4000, -1, 0)
assert place != ctypes.c_void_p(-1).value
for at in range(place, place + size, 2 << 20):
    ctypes.c_char.from_address(at).value
print("kept", [line for line in open("/proc/self/status") if line.startswith("VmPTE")])
time.sleep(2)
""",
        ends="memory limit",
        limits={"cell_seconds": 5},
    ),
    Attack(
        "memory_while_the_grader_sends",
        DEAF
        + """
    for _ in range(6):
        if os.fork() == 0:
            hoard = b"x" * (150 << 20)
            time.sleep(1000)
    time.sleep(3)
    os._exit(9)
wire.Incoming.fill = deaf
""",
        limits={"submission_seconds": 60},
        scores={"back_prop": 3.0},
        outcomes={"back_prop": "memory limit"},
    ),
    Attack(
        "time_while_the_grader_sends",
        DEAF
        + """
    signal.setitimer(signal.ITIMER_PROF, 0)
    end = time.process_time() + 5
    while time.process_time() < end:
        pass
    return fill(self, place)
wire.Incoming.fill = deaf
""",
        limits={"call_seconds": 1},
        scores={"back_prop": 3.0},
        outcomes={"back_prop": "time limit"},
    ),
]
