"""Data sets: where they come from, what is said when they do not come, and what graded code sees."""

import os

import numpy as np
import pytest

from gradescent import datasets
from gradescent.student.datasets import DataError, Dataset

needs_data = pytest.mark.skipif("GRADESCENT_DATA" not in os.environ, reason="GRADESCENT_DATA names no data folder")


@pytest.fixture
def small():
    """Every example carries its own number in its feature; even numbers are training, odd ones test."""
    train, test = np.arange(0, 100, 2), np.arange(1, 100, 2)
    return Dataset(
        train[:, None] * 1.0, (train % 3).astype("uint8"), test[:, None] * 1.0, (test % 3).astype("uint8"), "made"
    )


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """Neither data nor a network."""
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path / "empty"))
    monkeypatch.setattr(datasets, "_course_data", lambda: tmp_path / "none")

    def offline():
        raise OSError("no network")

    monkeypatch.setattr(datasets, "_mnist_file", offline)


def test_the_folder_that_the_variable_names_is_used(small, tmp_path, monkeypatch, capsys):
    datasets.save(small, tmp_path / "tiny_toy.npz")
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    loaded = datasets.load("tiny_toy")
    for name in ("x_train", "y_train", "x_test", "y_test"):
        assert np.array_equal(getattr(loaded, name), getattr(small, name))
    assert not loaded.stand_in
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_named(content, tmp_path, monkeypatch):
    (tmp_path / "tiny_toy.npz").write_bytes(content)
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"tiny_toy\.npz.*Remedy"):
        datasets.load("tiny_toy")


def test_a_file_cut_in_half_is_named(small, tmp_path, monkeypatch):
    file = tmp_path / "tiny_toy.npz"
    datasets.save(small, file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"tiny_toy\.npz"):
        datasets.load("tiny_toy")


def test_a_file_without_an_array_is_named(tmp_path, monkeypatch):
    np.savez(tmp_path / "tiny_toy.npz", x_train=np.ones(3))
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    with pytest.raises(DataError, match="y_train"):
        datasets.load("tiny_toy")


def test_a_file_that_holds_pickles_is_refused(tmp_path, monkeypatch):
    arrays = {name: np.array([{}], object) for name in ("x_train", "y_train", "x_test", "y_test")}
    np.savez(tmp_path / "tiny_toy.npz", **arrays)
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"tiny_toy\.npz"):
        datasets.load("tiny_toy")


def test_an_unknown_name_lists_those_that_exist():
    with pytest.raises(DataError, match=r"no data set 'mnits'.*tiny_mnist, tiny_toy"):
        datasets.load("mnits")


@pytest.mark.parametrize(("name", "features"), [("tiny_toy", 2), ("tiny_mnist", 196)])
def test_a_stand_in_says_so(name, features, nowhere, capsys):
    datasets._announce.cache_clear()  # each note is printed once a process
    data = datasets.load(name)
    assert data.stand_in
    assert f"{name} is a stand-in" in capsys.readouterr().out
    assert data.x_train.shape == (len(data.y_train), features)
    assert data.x_test.shape == (len(data.y_test), features)
    assert data.x_train.dtype == "float64"
    assert data.y_train.dtype == "uint8"


def test_a_stand_in_stays_one_when_it_is_saved(nowhere, tmp_path, monkeypatch, capsys):
    datasets.save(datasets.load("tiny_toy"), tmp_path / "tiny_toy.npz")
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    capsys.readouterr()
    assert datasets.load("tiny_toy").stand_in
    assert "stand-in" in capsys.readouterr().out


def test_the_training_view_is_a_disjoint_cut_of_the_training_split(small):
    view = datasets.training_view(small)
    train, test = set(view.x_train.ravel()), set(view.x_test.ravel())
    assert not train & test
    assert train | test == set(small.x_train.ravel())
    assert len(view.x_train) == 40
    assert len(view.x_test) == 10
    assert np.array_equal(view.y_train, view.x_train.ravel().astype(int) % 3)
    assert np.array_equal(view.y_test, view.x_test.ravel().astype(int) % 3)
    assert np.array_equal(view.x_train, datasets.training_view(small).x_train)


def test_columns():
    pairs = datasets.columns(np.array([[1, 2, 3], [4, 5, 6]]), np.array([2, 0], "uint8"), 4)
    assert len(pairs) == 2
    assert [(x.shape, y.shape) for x, y in pairs] == [((3, 1), (4, 1))] * 2
    assert all(array.dtype == "float64" for pair in pairs for array in pair)
    assert pairs[0][0].ravel().tolist() == [1, 2, 3]
    assert pairs[0][1].ravel().tolist() == [0, 0, 1, 0]
    assert pairs[1][1].ravel().tolist() == [1, 0, 0, 0]


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="zip"):
        datasets.columns(np.ones((3, 2)), np.array([0, 1]), 2)


@needs_data
@pytest.mark.parametrize(
    ("name", "size", "features", "classes"), [("tiny_toy", 200, 2, 2), ("tiny_mnist", 2499, 196, 10)]
)
def test_the_real_data(name, size, features, classes, capsys):
    data = datasets.load(name)
    assert not data.stand_in
    assert capsys.readouterr().out == ""
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert x.shape == (size, features)
        assert y.shape == (size,)
        assert x.dtype == "float64"
        assert set(np.unique(y)) == set(range(classes))
