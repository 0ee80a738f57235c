"""Modules and settings that want to be taken for others, in the submission's folder and in the environment."""

from __future__ import annotations

from pathlib import Path

import nbformat
from conftest import NETWORK
from nbformat import NotebookNode

from attacks.attack import Attack, cheat
from attacks.course import Scene

CODE = """import pathlib
pathlib.Path(__file__).parent.joinpath("EXECUTED").write_text("x")
print("EXECUTED")
"""
NAMES = (
    "numpy.py",
    "keras/__init__.py",
    "gradescent/__init__.py",
    "grader_tests/__init__.py",
    "sitecustomize.py",
    "usercustomize.py",
    "json.py",
    "conftest.py",
    "nbgrader_config.py",
    "ipython_config.py",
    ".ipython/profile_default/startup/00.py",
    ".jupyter/jupyter_config.py",
    "matplotlibrc",
    ".env",
)


def _with_modules(folder: Path, notebook: NotebookNode) -> None:
    nbformat.write(notebook, folder / f"{NETWORK}.ipynb")
    for place in (folder, folder.parent):
        for name in NAMES:
            file = place / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(CODE)


def _with_records(folder: Path, notebook: NotebookNode) -> None:
    nbformat.write(notebook, folder / f"{NETWORK}.ipynb")
    (folder / "result.json").write_text('{"version": 2, "parts": [], "score": 1000}')
    (folder / "gradebook.db").write_bytes(b"not yours")
    (folder / "course.toml").write_text("[limits]\nmemory_mb = 100000\n")


def _nothing_was_executed(scene: Scene) -> None:
    assert not list(scene.site.course.root.rglob("EXECUTED"))
    assert "EXECUTED" not in scene.everything()


def _claims(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        grader = cell.metadata.get("nbgrader")
        if grader:
            grader.points, grader.grade, grader.locked = 1000, True, False
        cell.metadata.gradescent = {"seconds": 10**6, "memory_mb": 10**6, "processes": 10**6, "extra_credit": 1000}
    notebook.metadata.kernelspec = {"name": "evil", "argv": ["sh", "-c", "touch EXECUTED"], "display_name": "x"}


def _with_claims(folder: Path, notebook: NotebookNode) -> None:
    _claims(notebook)
    nbformat.write(notebook, folder / f"{NETWORK}.ipynb")


ATTACKS = [
    Attack(
        "modules_beside_the_notebook",
        "import os\nprint('here:', os.listdir('.'))",
        hand_in=_with_modules,
        shows="here: ['.ipython']",
        check=_nothing_was_executed,
    ),
    cheat("records_beside_the_notebook", "", hand_in=_with_records),
    cheat("metadata_that_claims_points", "", hand_in=_with_claims),
    Attack(
        "metadata_that_claims_time",
        "while True:\n    pass",
        hand_in=_with_claims,
        limits={"cell_seconds": 1},
        shows="OutOfTime",
    ),
    Attack(
        "modules_for_the_next_process",
        """
import os, pathlib
for name in ("numpy.py", "sitecustomize.py", "gradescent/__init__.py", ".ipython/profile_default/startup/00.py"):
    file = pathlib.Path.home() / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("raise SystemExit")
os._exit(0)
""",
        ends="process died",
    ),
    cheat(
        "a_module_in_place_of_numpy",
        """
import pathlib, sys
pathlib.Path("numpy.py").write_text("raise SystemExit")
sys.path.insert(0, ".")
""",
    ),
    cheat(
        "modules_in_place_of_loaded_ones",
        """
import sys, types
fake = types.ModuleType("gradescent.student.judging")
fake.judge = lambda *args: 5.0
sys.modules["gradescent.student.judging"] = sys.modules["grader_tests"] = fake
""",
    ),
    Attack(
        "environment_for_the_next_process",
        """
import os, pathlib
pathlib.Path("evil.py").write_text("raise SystemExit")
os.environ.update(PYTHONPATH="/home/student", LD_PRELOAD="/home/student/evil.so", PYTHONSTARTUP="/home/student/evil.py",
                  PYTHONINSPECT="1", IPYTHONDIR="/tmp", BASH_ENV="/home/student/evil.py", GRADESCENT_DATA="/")
os._exit(0)
""",
        ends="process died",
    ),
]
