"""Weights that are handed in beside a notebook, and count in the place of a training."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ASSIGNMENT, NETWORK, network_notebook, set_in_assignment
from nbformat.v4 import new_code_cell

from grader_tests import questions
from gradescent.cli import DONE, NEEDS_A_PERSON, main
from gradescent.course import Course, Limits
from gradescent.grading.weights import find_weights
from gradescent.student.compare import check_shape
from gradescent.student.direct import DirectStudent
from gradescent.student.judging import Check, Student, Wrong

TRAINED = np.array([[1.0, -2.0], [0.5, 3.0], [0.0, 1.0]])
HDF5 = b"\x89HDF\r\n\x1a\n"

NUMPY_MODEL = """
class Model:
    def load(self, file):
        with np.load(file, allow_pickle=False) as stored:
            self.W = stored["arr_0"]
    def predict(self, x):
        return x @ self.W
"""
KERAS_MODEL = """
import keras
class Model:
    def __init__(self):
        self.net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    def load(self, file):
        self.net.load_weights(file)
    def predict(self, x):
        return keras.ops.convert_to_numpy(self.net(x))
"""


def _predicts_with_what_was_handed_in(student: Student, rng: np.random.Generator) -> None:
    file, model, x = student.weights, student.new("Model"), rng.normal(size=(5, 3)).astype("float32")
    model.call("load", file)
    if not np.allclose(check_shape("predict(x)", model.call("predict", x), (5, 2)), x @ TRAINED, atol=1e-4):
        raise Wrong("predict(x): is not what the trained weights give. Likely: other weights.")


def npz(*arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, *arrays)
    return stream.getvalue()


Grade = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def grade(
    course: Course, empty_gradebook: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Grade:
    """Grade a class whose question "evaluate" takes weights, and return exit code, that question by student, and the output."""
    set_in_assignment(course, 'accuracy = "weights"')
    check = Check(_predicts_with_what_was_handed_in, 1.0)
    monkeypatch.setattr(questions(f"{ASSIGNMENT}/{NETWORK}")["evaluate"], "checks", [check])
    shutil.copy(empty_gradebook, course.gradebook)
    monkeypatch.chdir(course.root)

    def run(*options: str) -> tuple[int, dict[str, Any], str]:
        code = main(["grade", ASSIGNMENT, "--json", "results.json", *options])
        rows = json.loads(Path("results.json").read_text())
        printed = capsys.readouterr()
        return code, {row["student"]: row["questions"]["evaluate"] for row in rows}, printed.out + printed.err

    return run


@pytest.fixture
def hand_in_weights(course: Course, hand_in: Callable[..., Path]) -> Callable[..., Path]:
    """Write a student's notebook with a model, and a file of weights beside it; return the file."""

    def write(student: str, name: str = "", content: bytes = b"", model: str = NUMPY_MODEL) -> Path:
        notebook = network_notebook(course)
        notebook.cells.append(new_code_cell(model))
        file = hand_in(student, notebook).with_name(name or "nothing")
        if name:
            file.write_bytes(content)
        return file

    return write


def test_weights_are_taken_refused_or_missed(hand_in_weights: Callable[..., Path], grade: Grade) -> None:
    ada = hand_in_weights("ada", "model.weights.npz", npz(TRAINED))
    hand_in_weights("ben", "model.weights.npz", npz(TRAINED + 1))
    hand_in_weights("copy", "model.weights (1).npz", npz(TRAINED))
    hand_in_weights("html", "model.weights.h5", b"<!DOCTYPE html>")
    hand_in_weights("large", "model.weights.npz", npz(TRAINED) + b" " * (1 << 20))
    hand_in_weights("link").with_name("model.weights.npz").symlink_to("/etc/passwd")
    hand_in_weights("nils")
    hand_in_weights("pickle", "model.weights.npz", npz(np.array([{}], dtype=object)))
    code, results, printed = grade("--limit", "weights_mb=1")
    assert code == NEEDS_A_PERSON
    assert {name: result["outcome"] for name, result in results.items()} == {
        "ada": "right",
        "ben": "wrong",
        "copy": "right",
        "html": "missing",
        "large": "missing",
        "link": "missing",
        "nils": "missing",
        "pickle": "error in your code",
    }
    assert "model.weights.h5 was not handed in" in results["nils"]["message"]
    assert 'model.save_weights("model.weights.h5")' in results["nils"]["message"]
    assert "! nils" not in printed
    for name, words in (("html", "holds no weights"), ("large", "at most 1 MB are opened"), ("link", "is a link")):
        assert words in results[name]["message"]
        assert "Remedy" in results[name]["message"]
        assert f"! {name}: " in printed
    assert "'model.weights (1).npz' is taken for model.weights.npz" in printed

    ada.write_bytes(npz(TRAINED * 2))
    code, results, _ = grade("--student", "ada", "--limit", "weights_mb=1")
    assert (code, results["ada"]["outcome"]) == (DONE, "wrong"), "other weights, another result"


def test_weights_of_keras_are_loaded_behind_the_walls(
    hand_in_weights: Callable[..., Path], grade: Grade, tmp_path: Path
) -> None:
    keras = pytest.importorskip("keras")
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    net.set_weights([TRAINED])
    net.save_weights(tmp_path / "saved.weights.h5")
    hand_in_weights("ada", f"{NETWORK}.weights.h5", (tmp_path / "saved.weights.h5").read_bytes(), KERAS_MODEL)
    code, results, _ = grade()
    assert (code, results["ada"]["outcome"]) == (DONE, "right"), results["ada"]["message"]


def test_a_name_that_is_not_there_is_explained_as_ever(course: Course, hand_in: Callable, grade: Grade) -> None:
    hand_in("stub").with_name("model.weights.npz").write_bytes(npz(TRAINED))
    _, results, _ = grade()
    assert results["stub"]["outcome"] == "missing"
    assert "Model is not defined" in results["stub"]["message"]


PARTS = ["part1_fit", "part2_deep"]


@pytest.mark.parametrize(
    ("there", "parts", "name"),
    [
        (["model.weights.h5", "model.weights.npz"], PARTS[:1], "model.weights.h5"),
        (["model.weights.h5", "part1_fit.weights.npz"], PARTS[:1], "part1_fit.weights.npz"),
        (["model.weights.h5", "part1_fit.weights.h5", "part2_deep.weights.h5"], PARTS, "part1_fit.weights.h5"),
        (["model.weights.h5", "part2_deep.weights.h5"], PARTS, "model.weights.h5"),
        (["part2_deep.weights.h5"], PARTS, ""),
        (["Copy of part1-fit.weights.H5"], PARTS, "part1_fit.weights.h5"),
        (["trained.h5"], PARTS[:1], "model.weights.h5"),
        ([".model.weights.h5", "model.keras", "notes.txt"], PARTS[:1], ""),
    ],
)
def test_which_file_counts(tmp_path: Path, there: list[str], parts: list[str], name: str) -> None:
    for file in there:
        (tmp_path / file).write_bytes(HDF5 if file.lower().endswith(".h5") else npz(TRAINED))
    found = find_weights(tmp_path, PARTS[0], parts, Limits())
    assert found.name == name
    assert bool(found.missing) == (not name)
    assert list(found.files) == ([name] if name else [])


def test_what_does_not_count_is_said(tmp_path: Path) -> None:
    for name in ("model.weights.h5", "trained.h5"):
        (tmp_path / name).write_bytes(HDF5)
    (note,) = find_weights(tmp_path, PARTS[0], PARTS, Limits()).notes
    assert note == "the weights in 'model.weights.h5' count, those in 'trained.h5' do not"


def test_several_parts_are_told_their_own_name(tmp_path: Path) -> None:
    assert "part1_fit.weights.h5 was not handed in" in find_weights(tmp_path, PARTS[0], PARTS, Limits()).missing


def test_the_content_tells_weights_apart(tmp_path: Path) -> None:
    digests = set()
    for content in (HDF5, HDF5 + b"more", b"<html>"):
        (tmp_path / "model.weights.h5").write_bytes(content)
        digests.add(find_weights(tmp_path, PARTS[0], PARTS, Limits()).digest)
    assert len(digests) == 3


def test_weights_have_no_more_room_than_a_file_of_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "model.weights.h5").write_bytes(HDF5 + b" " * (2 << 20))
    assert "at most 1 MB are opened" in find_weights(tmp_path, PARTS[0], PARTS, Limits(file_mb=1)).problem
    assert find_weights(tmp_path, PARTS[0], PARTS, Limits(file_mb=3)).name


def test_a_notebook_of_its_own_knows_no_weights() -> None:
    assert DirectStudent({}).weights == ""
