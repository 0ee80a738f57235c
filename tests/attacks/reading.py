"""Reading what is hidden: on the disk, in memory, in frames and by hooks."""

from __future__ import annotations

from attacks.attack import OUTCOME, Attack, answer
from attacks.course import Scene
from gradescent.grading import judge


def _shows_only_own_processes(scene: Scene) -> None:
    assert "gradescent grade" not in scene.shown
    assert "pytest" not in scene.shown


ATTACKS = [
    Attack(
        "search_the_disk",
        """
import os
wanted = {"grader_tests", "token.txt", "course.toml", "result.json", "part2_network.ipynb", "test_attacks.py"}
found = []
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/sys")]
    found += [os.path.join(folder, name) for name in wanted.intersection(folders + files)]
print("found", found)
""",
        limits={"cell_seconds": 20},
        shows="found []",
    ),
    Attack(
        "open_what_is_known",
        OUTCOME
        + """
import os
files = [f"{COURSE}/token.txt", f"{TESTS}/ps1_backprop/part2_network.py", "/etc/passwd", "/etc/shadow",
         "/root/.bashrc", f"/proc/{GRADER}/environ", f"/proc/{GRADER}/cwd/token.txt", f"/proc/1/root{COURSE}/token.txt"]
print(sorted({outcome(lambda: open(file).read()) for file in files}))
print(outcome(os.listdir, COURSE), outcome(os.listdir, TESTS))
""",
        shows=("['FileNotFoundError', 'PermissionError']", "FileNotFoundError FileNotFoundError"),
    ),
    Attack(
        "import_the_tests",
        OUTCOME
        + """
import importlib.util, runpy, sys
sys.path += [TESTS, TESTS.rpartition("/")[0]]
print(outcome(importlib.import_module, "grader_tests"), outcome(runpy.run_path, f"{TESTS}/ps1_backprop/part2_network.py"))
"""
        + f"print(outcome(importlib.import_module, {judge.__name__!r}))",
        shows=("ModuleNotFoundError FileNotFoundError", "\nModuleNotFoundError"),
    ),
    answer(
        "walk_the_frames",
        """
import sys
frame, seen = sys._getframe(), []
while frame:
    seen += [frame.f_code.co_filename, repr(frame.f_locals)[:2000]]
    frame = frame.f_back
raise ValueError(" ".join(seen)[-1500:])
""",
        "error in your code",
        "gradescent.grading.inside",
    ),
    Attack(
        "search_all_objects",
        """
import gc, sys
def texts(value, depth=0):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict) and depth < 3:
        for item in list(value.values()):
            yield from texts(item, depth + 1)
wanted = ["".join(parts) for parts in (["half a", " million"], ["plan", "ted-"])]
found = (text for item in gc.get_objects() for text in texts(item))
hits = {text[:80] for text in found if any(word in text for word in wanted)}
print("hits", [hit for hit in hits if "join" not in hit])
print([name for name in sys.modules if name.startswith(("grader", "gradescent.grading")) and ".inside" not in name])
""",
        limits={"cell_seconds": 20},
        shows=("hits []", "['gradescent.grading']"),
    ),
    Attack(
        "search_all_memory",
        """
wanted, hits, read = bytes(reversed(b"-detnalp")), [], 0
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in maps:
        span, mode = line.split()[:2]
        begin, end = (int(part, 16) for part in span.split("-"))
        for place in range(begin, end, 1 << 20) if mode.startswith("rw") else ():
            try:
                memory.seek(place)
                content = memory.read(min(1 << 20, end - place))
            except (OSError, OverflowError):
                break
            read += len(content)
            at = content.find(wanted)
            while at >= 0:
                hits.append(content[at:at + 40])
                at = content.find(wanted, at + 1)
print("hits", [hit for hit in hits if len(hit) > 30 and hit[8:9] in b"efn"], read > 1 << 20)
""",
        limits={"cell_seconds": 20},
        shows="hits [] True",
    ),
    Attack(
        "read_the_environment_and_processes",
        """
import os, glob
print(dict(os.environ))
for file in sorted(glob.glob("/proc/[0-9]*/cmdline")):
    print(file, open(file, "rb").read())
for name in ("environ", "maps"):
    print(open(f"/proc/self/{name}", "rb").read()[:20000])
print("processes", [int(name) for name in os.listdir("/proc") if name.isdigit()])
""",
        shows="processes [1, 2]",
        pages=True,
        check=_shows_only_own_processes,
    ),
    Attack(
        "read_inputs_and_outputs",
        """
print(In, Out, [name for name in get_ipython().user_ns])
print(get_ipython().history_manager.input_hist_raw, len(In))
""",
        late=True,
        shows="back_prop",
    ),
    answer(
        "hook_everything",
        "raise ValueError(' '.join(heard)[-1900:])",
        "error in your code",
        "raised ValueError",
        after="""
import sys
heard = []
class Finder:
    def find_spec(self, name, path=None, target=None):
        heard.append("import " + name)
sys.meta_path.insert(0, Finder())
sys.addaudithook(lambda event, arguments: heard.append(f"{event} {arguments!r}"[:200]))
sys.setprofile(lambda frame, event, argument: heard.append(frame.f_code.co_filename.rpartition("/")[2]) and None)
import socket
""",
    ),
    Attack(
        "look_at_open_files",
        OUTCOME
        + """
import os, socket
kinds = {}
for name in os.listdir("/proc/self/fd"):
    kinds[int(name)] = outcome(os.readlink, f"/proc/self/fd/{name}").partition(":")[0]
print(sorted(kinds.values()))
channel = next(number for number, kind in kinds.items() if kind == "socket")
with socket.socket(fileno=os.dup(channel)) as copy:
    print("waiting", outcome(copy.recv, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT), repr(copy.getpeername()))
""",
        shows=("waiting BlockingIOError ''",),
    ),
    Attack(
        "look_for_labels",
        """
import glob, hashlib, numpy as np
files = sorted(glob.glob("/data/*"))
for file in files:
    for name, array in np.load(file).items():
        print("array", name, hashlib.sha256(array.tobytes()).hexdigest())
print(len(files), "files")
""",
        shows="2 files",
        check=lambda scene: _has_no_test_data(scene),
    ),
]


def _has_no_test_data(scene: Scene) -> None:
    import hashlib

    from gradescent.student import datasets

    for name in scene.site.job.assignment.data:
        data = datasets.load(name)
        for array in (data.x_test, data.y_test, data.y_train):
            assert hashlib.sha256(array.tobytes()).hexdigest() not in scene.shown
