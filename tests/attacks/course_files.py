"""The course's files: to reach and to overwrite."""

from __future__ import annotations

from attacks.attack import OUTCOME, Attack

PLACES = """
import os, pathlib, shutil
places = [f"{COURSE}/{name}" for name in ("gradebook.db", "nbgrader_config.py", "course.toml", "token.txt",
          "autograded/ada/ps1_backprop/result.json", "submitted/ada/ps1_backprop/part2_network.ipynb",
          "feedback/ada/ps1_backprop/part2_network.html", "source/ps1_backprop/part2_network.py")]
"""

ATTACKS = [
    Attack(
        "read_the_course",
        OUTCOME + PLACES + "print({outcome(pathlib.Path(place).read_bytes) for place in places})",
        shows="{'FileNotFoundError'}",
    ),
    Attack(
        "overwrite_the_course",
        OUTCOME
        + PLACES
        + """
def overwrite(place):
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "a") as file:
        file.write(MARK)
# A folder of the same name in a /tmp of its own is all that it gets.
print(sorted({str(outcome(overwrite, place)) for place in places + [f"{COURSE}/{MARK}", f"{TESTS}/{MARK}", f"/{MARK}"]}))
print(sorted({outcome(open, f"{TESTS}/{MARK}", "w"), outcome(shutil.rmtree, TESTS), outcome(os.rename, TESTS, "/tmp/x")}))
""",
        shows=("['None', 'OSError']", "['FileNotFoundError', 'OSError']"),
    ),
    Attack(
        "climb_out",
        OUTCOME
        + PLACES
        + """
roots = ["/proc/1/root", "/proc/self/root", "/proc/1/cwd", f"/proc/{GRADER}/root", f"/proc/{os.getppid()}/root",
         "/proc/self/cwd" + "/.." * 20, "/proc/thread-self/root/../..", "/proc/1/task/1/root"]
print(sorted({outcome(pathlib.Path(root + place).read_bytes) for root in roots for place in places}))
os.symlink("/", "up")
print({outcome(pathlib.Path("up" + place).read_bytes) for place in places})
folder = os.open("/", os.O_RDONLY)
print({outcome(lambda: os.open(f"{'../' * 30}{place[1:]}", os.O_RDONLY, dir_fd=folder)) for place in places})
""",
        shows="['FileNotFoundError', 'PermissionError']\n{'FileNotFoundError'}\n{'FileNotFoundError'}",
    ),
    Attack(
        "overwrite_the_programs",
        OUTCOME
        + """
import gradescent.grading.inside.worker as module, numpy, os, sys
def spoil(file):
    with open(file, "a") as opened:
        opened.write("raise SystemExit")
files = [module.__file__, numpy.__file__, sys.executable, "/usr/bin/env", "/data/tiny_toy.npz", "/proc/self/exe"]
print({outcome(spoil, file) for file in files})
print({outcome(spoil, os.path.join(os.path.dirname(file), MARK)) for file in files[:5]})
print(outcome(os.chmod, module.__file__, 0o777), outcome(os.utime, numpy.__file__))
""",
        shows=("OSError",),
    ),
    Attack(
        "links_out_of_the_folder",
        OUTCOME
        + PLACES
        + """
targets = [*places, "/etc/passwd", "/usr/bin/env"]
for number, target in enumerate(targets):
    os.symlink(target, f"link-{number}")
    os.symlink(target, f"/tmp/link-{number}")
os.symlink(f"{COURSE}/gradebook.db", "part2_network.ipynb")
os.symlink(f"{COURSE}/gradebook.db", "result.json")
print({outcome(os.link, target, f"hard-{number}") for number, target in enumerate(targets)})
print({outcome(lambda: open(f"link-{number}", "a")) for number in range(len(places))})
""",
        shows=("OSError", "{'FileNotFoundError'}"),
    ),
    Attack(
        "device_nodes",
        OUTCOME
        + """
import os, stat
kinds = {"disk": (stat.S_IFBLK, 8, 0), "memory": (stat.S_IFCHR, 1, 1), "kernel": (stat.S_IFCHR, 1, 11)}
print({outcome(os.mknod, f"/tmp/{name}", kind | 0o666, os.makedev(*number)) for name, (kind, *number) in kinds.items()})
os.mkfifo("pipe")
print(sorted(os.listdir("/dev")))
""",
        shows=(
            "{'PermissionError'}",
            "['fd', 'full', 'null', 'ptmx', 'pts', 'random', 'shm', 'urandom']",
        ),
    ),
]
