"""The engine's folders say of themselves what is in them, in the order in which a submission flows through it."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
from types import ModuleType

import pytest
from conftest import ROOT

from gradescent import grading
from gradescent.grading import plain


@pytest.mark.parametrize("package", [grading, plain], ids=lambda package: package.__name__)
def test_every_module_has_its_line(package: ModuleType) -> None:
    listed = re.findall(r"^ *(\w+)  +\w", package.__doc__ or "", re.MULTILINE)
    assert sorted(listed) == sorted(module.name for module in pkgutil.iter_modules(package.__path__))


EVERYTHING = """
import importlib, pkgutil, sys
from pathlib import Path
from grader_tests import questions
from gradescent import grading, report
for package in (grading, report):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
for file in Path("source").glob("*/part*.py"):
    questions(f"{file.parent.name}/{file.stem}")
print(sorted({"jax", "keras", "tensorflow", "torch"} & set(sys.modules)), len(sys.modules) > 500)
"""


def test_who_grades_imports_no_framework() -> None:
    done = subprocess.run([sys.executable, "-c", EVERYTHING], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[] True\n"
