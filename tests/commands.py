"""Real commands in a course's folder, with the programs of this environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

from gradescent.course import Course

SECONDS = 400  # after which a command is taken for stuck


def environment(course: Course) -> dict[str, str]:
    """The environment of a shell in which this virtual environment is active, without the user's own Jupyter settings."""
    programs = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": programs + os.pathsep + os.environ.get("PATH", ""),
        "PYTHONPATH": str(ROOT),
        **{f"JUPYTER_{kind}_DIR": f"{course.root}-jupyter" for kind in ("CONFIG", "DATA", "RUNTIME")},
    }


def run(course: Course, *command: str, fails: bool = False) -> str:
    """Run a command and return what it printed, errors included."""
    done = subprocess.run(
        command,
        cwd=course.root,
        env=environment(course),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        text=True,
        check=False,
    )
    assert bool(done.returncode) == fails, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout
