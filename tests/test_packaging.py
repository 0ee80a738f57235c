"""What is installed where: the student's package is light and holds no test, and the files that say so agree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, source_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from gradescent.course import load_course

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _bare(requirement: str) -> str:
    return requirement.split(";")[0].replace(" ", "")


def test_environment_yml_lists_the_packages_of_pyproject() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["grade"]]
    markers = [requirement for requirement in wanted if ";" in requirement]
    assert markers == ["tomli>=2; python_version < '3.11'"], "conda has no markers; Python is 3.11 or newer there"
    assert environment[0] == "python>=3.11"
    assert sorted(environment[1:]) == sorted(_bare(requirement) for requirement in wanted if ";" not in requirement)


def test_the_lock_file_pins_everything_with_hashes_and_names_no_index() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned = {line.split("==")[0] for line in lock.splitlines() if re.match(r"[a-z0-9]", line)}
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *extras["grade"], *extras["test"]]
    names = {re.split(r"[<>=;\[ ]", requirement)[0].lower() for requirement in wanted} - {"gradescent"}
    assert names <= pinned
    entries = re.split(r"\n(?=[a-z0-9])", lock)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in lock
    assert "index" not in lock.splitlines()[0] or "--no-emit" in lock.splitlines()[0]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_package_for_students_holds_no_test_and_no_solution(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if not name.startswith(("gradescent/", "gradescent-"))]
    assert {"gradescent/student/check.py", "gradescent/student/datasets/manifest.toml"} <= set(names)


def test_the_students_side_works_with_numpy_and_matplotlib_alone(wheel: Path, tmp_path: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(wheel)!r})
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {{"nbgrader", "jupytext", "nbformat", "rich", "sklearn", "IPython", "tensorflow", "keras"}}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
from gradescent import check, datasets, plots
import numpy as np
check("sigmoid", lambda z: 1 / (1 + np.exp(-np.asarray(z, dtype=float))))
loaded = [name for name in sys.modules if name.startswith("gradescent")]
assert not [name for name in loaded if "grading" in name or "authoring" in name or "report" in name], loaded
"""
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "sigmoid" in done.stdout


def _setup_cell() -> str:
    return source_of(load_course(ROOT)).cells[1].source


SHELL = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
class Hide:
    def find_spec(self, name, path=None, target=None):
        return None
real = __import__("importlib.util").util.find_spec
installed = []
def find_spec(name, package=None):
    return real(name, package) if name != "gradescent" or (installed and {works}) or {there} else None
__import__("importlib.util").util.find_spec = find_spec
shell.register_magic_function(lambda line: installed.append(line), "line", "pip")
result = shell.run_cell(open(sys.argv[1]).read())
print("INSTALLED", installed)
"""


@pytest.mark.parametrize(
    ("variable", "there", "works", "words"),
    [
        ("", True, True, ["INSTALLED []"]),
        (
            "COLAB_RELEASE_TAG",
            False,
            True,
            ["Installing the course package", "INSTALLED ['install --quiet", "archive/refs/heads/main.zip"],
        ),
        ("KAGGLE_KERNEL_RUN_TYPE", False, True, ["Turn on internet", "INSTALLED ['install --quiet"]),
        ("KAGGLE_KERNEL_RUN_TYPE", False, False, ["switch the internet on", "ModuleNotFoundError"]),
        ("", False, True, ["ModuleNotFoundError", "In a terminal: pip install", "INSTALLED []"]),
    ],
)
def test_the_set_up_cell(tmp_path: Path, variable: str, there: bool, works: bool, words: list[str]) -> None:
    cell = tmp_path / "cell.py"
    cell.write_text(_setup_cell())
    environment = {
        key: value for key, value in os.environ.items() if key not in ("COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE")
    }
    environment |= {variable: "1"} if variable else {}
    code = SHELL.format(there=there, works=works)
    done = subprocess.run([sys.executable, "-c", code, str(cell)], env=environment, capture_output=True, text=True)
    for word in words:
        assert word in done.stdout + done.stderr


def test_nothing_speaks_of_machines_or_indexes() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    hosts = re.compile("(pypi|files[.]pythonhosted)[.]" + "org|conda[.]anaconda")
    for name in listed.stdout.splitlines():
        file = ROOT / name
        if file.suffix in {".py", ".md", ".toml", ".yml", ".lock", ".ipynb", ""} and file.is_file():
            assert not hosts.search(file.read_text(encoding="utf-8")), name
