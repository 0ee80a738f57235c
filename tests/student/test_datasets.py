"""Data sets: where they come from, what is said when they do not come, and what graded code sees."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradescent import datasets
from gradescent.student.datasets import DataError, Dataset, places

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
    monkeypatch.setattr(places, "home", lambda: tmp_path / "none")

    def offline(*_):
        raise OSError("no network")

    monkeypatch.setattr(datasets, "official_files", offline)
    datasets._announce.cache_clear()
    datasets._tiny.cache_clear()
    yield
    datasets._tiny.cache_clear()


@pytest.fixture
def reviews():
    """30 + 8 reviews; review i of the training split is about film i // 3, says i + 1 and i % 3 further words."""
    x_train = [np.full(1 + i % 3, i + 1, "int32") for i in range(30)]
    x_test = [np.array([], "int32"), *(np.array([i, 7], "int32") for i in range(1, 8))]
    return Dataset(
        x_train,
        np.arange(30, dtype="uint8") % 2,
        x_test,
        np.arange(8, dtype="uint8") % 2,
        "made",
        words=[f"wörd{i}" for i in range(1, 31)],
        film_train=np.arange(30, dtype="uint32") // 3,
        film_test=np.arange(100, 108, dtype="uint32"),
    )


@pytest.fixture
def texts():
    return Dataset(
        [f"né {i}\n" * (i % 3) for i in range(10)],
        np.arange(1, 11, dtype="uint8"),
        ["", "a, b"],
        np.array([14, 1], "uint8"),
        "made",
        classes=["Company", "Bürger"],
    )


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


@pytest.mark.parametrize("name", ["tiny_toy", "imdb"])
def test_a_file_that_holds_pickles_is_refused(name, tmp_path, monkeypatch):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "opened",))

    arrays = {array: np.array([Trap()], object) for array in ("x_train", "y_train", "x_test", "y_test")}
    np.savez(tmp_path / f"{name}.npz", **arrays)
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=rf"{name}\.npz.*pickles, which can run any code and are never opened.*Remedy"):
        datasets.load(name)
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("offsets", [[0, 2, 1, 3], [1, 2, 3, 3], [0, 1, 2, 2], [0, 1, 2, 4], []])
def test_offsets_that_do_not_cut_the_examples_are_refused(offsets, reviews, tmp_path, monkeypatch):
    datasets.save(reviews, tmp_path / "imdb.npz")
    arrays = dict(np.load(tmp_path / "imdb.npz"))
    arrays |= {"x_train": np.arange(3), "x_train_offsets": np.array(offsets, int), "y_train": np.zeros(3, "uint8")}
    np.savez(tmp_path / "imdb.npz", **arrays)
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"imdb\.npz: not a readable data set"):
        datasets.load("imdb")


def test_labels_of_another_number_are_refused(small, tmp_path, monkeypatch):
    datasets.save(replace(small, y_test=small.y_test[1:]), tmp_path / "tiny_toy.npz")
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"tiny_toy\.npz.*50 examples and 49 labels in x_test and y_test"):
        datasets.load("tiny_toy")


@pytest.mark.parametrize(
    ("row", "words"), [("x,text", "row 2"), ("300,text", "row 2"), ("7", "row 2"), ("-1,text", "row 2")]
)
def test_a_row_that_is_no_text_with_a_label_is_named(row, words, tmp_path, monkeypatch):
    (tmp_path / "dbpedia_train.csv").write_text(f"1,first,,\n{row}\n")
    (tmp_path / "dbpedia_test.csv").write_text("1,first\n")
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=rf"dbpedia_train\.csv.*{words}.*Remedy"):
        datasets.load("dbpedia")


def test_texts_are_read_from_csv(tmp_path, monkeypatch):
    (tmp_path / "dbpedia_train.csv").write_text('7, A diner, in “Park”.,,\n14,"He said ""no"", twice.",,,\n', "utf-8")
    (tmp_path / "dbpedia_test.csv").write_text("1,short\n")
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    data = datasets.load("dbpedia")
    assert data.x_train == ["A diner", 'He said "no", twice.']
    assert (data.y_train.tolist(), data.y_train.dtype) == ([7, 14], "uint8")
    assert data.x_test == ["short"]


def test_lists_come_back_as_they_were_saved(reviews, texts, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    datasets.save(reviews, tmp_path / "imdb.npz")
    loaded = datasets.load("imdb")
    for split in ("x_train", "x_test"):
        assert [review.tolist() for review in getattr(loaded, split)] == [r.tolist() for r in getattr(reviews, split)]
        assert {review.dtype for review in getattr(loaded, split)} == {np.dtype("int32")}
    assert loaded.words == reviews.words
    assert np.array_equal(loaded.film_train, reviews.film_train)
    assert np.array_equal(loaded.film_test, reviews.film_test)
    assert loaded.source == "made"
    datasets.save(texts, tmp_path / "dbpedia.npz")
    loaded = datasets.load("dbpedia")
    assert (loaded.x_train, loaded.x_test, loaded.classes) == (texts.x_train, texts.x_test, texts.classes)
    assert loaded.digest() == texts.digest()


def test_a_change_does_not_come_back_with_the_next_load(small, reviews, texts, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    datasets.save(small, tmp_path / "mnist.npz")
    datasets.save(reviews, tmp_path / "imdb.npz")
    datasets.save(texts, tmp_path / "dbpedia.npz")
    images, tokens, strings = (datasets.load(name) for name in ("mnist", "imdb", "dbpedia"))
    images.x_train[:] = -1
    images.y_test[:] = 77
    tokens.x_train[0][:] = -1
    tokens.x_train.clear()
    tokens.words.clear()
    tokens.film_train[:] = 0
    strings.x_test[0] = "changed"
    strings.classes.append("more")
    assert datasets.load("mnist").digest() == small.digest()
    assert datasets.load("imdb").digest() == reviews.digest()
    assert datasets.load("imdb").words == reviews.words
    assert np.array_equal(datasets.load("imdb").film_train, reviews.film_train)
    assert datasets.load("dbpedia").digest() == texts.digest()
    assert datasets.load("dbpedia").classes == texts.classes


def test_a_file_that_has_changed_is_read_again(small, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    datasets.save(small, tmp_path / "mnist.npz")
    datasets.load("mnist")
    datasets.save(replace(small, x_train=small.x_train + 1), tmp_path / "mnist.npz")
    os.utime(tmp_path / "mnist.npz", (1, 1))
    assert datasets.load("mnist").x_train[0] == 1


def test_the_digest_tells_any_change(reviews, texts):
    digests = {reviews.digest(), texts.digest()}
    digests.add(replace(reviews, y_test=reviews.y_test[::-1]).digest())
    digests.add(replace(texts, x_train=[*texts.x_train[:-1], "other"]).digest())
    digests |= {replace(texts, x_test=pair).digest() for pair in (["ab", "c"], ["a", "bc"])}
    assert len(digests) == 6


def test_an_unknown_name_lists_those_that_exist():
    with pytest.raises(DataError, match=r"no data set 'mnits'.*tiny_toy, tiny_mnist"):
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
    datasets._announce.cache_clear()
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


def test_the_training_view_of_reviews_holds_out_films(reviews):
    view = datasets.training_view(reviews)
    assert len(view.x_train) == 24
    assert len(view.x_test) == 6
    assert not set(view.film_train) & set(view.film_test)
    said = [
        (x.tolist(), int(y), int(film)) for x, y, film in zip(view.x_train, view.y_train, view.film_train, strict=True)
    ]
    held = [
        (x.tolist(), int(y), int(film)) for x, y, film in zip(view.x_test, view.y_test, view.film_test, strict=True)
    ]
    whole = [([i + 1] * (1 + i % 3), i % 2, i // 3) for i in range(30)]
    assert sorted(said + held) == whole
    assert said != sorted(said)
    assert view.words == reviews.words


def test_the_training_view_of_texts(texts):
    view = datasets.training_view(texts)
    assert (len(view.x_train), len(view.x_test)) == (8, 2)
    pairs = [*zip(view.x_train, view.y_train, strict=True), *zip(view.x_test, view.y_test, strict=True)]
    assert sorted(pairs, key=lambda pair: pair[1]) == [(f"né {i}\n" * (i % 3), i + 1) for i in range(10)]
    assert view.classes == texts.classes


def test_the_training_view_is_saved_and_loaded(reviews, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    view = datasets.training_view(reviews)
    datasets.save(view, tmp_path / "imdb.npz")
    loaded = datasets.load("imdb")
    assert loaded.digest() == view.digest()
    assert np.array_equal(loaded.film_test, view.film_test)


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


@needs_data
@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [("mnist", (28, 28), 10), ("fashion_mnist", (28, 28), 10), ("cifar10", (32, 32, 3), 10)],
)
def test_the_real_images(name, shape, classes):
    data = datasets.load(name)
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert x.shape == (len(y), *shape)
        assert (x.dtype, y.dtype) == ("uint8", "uint8")
        assert set(np.unique(y)) == set(range(classes))
        assert (x.min(), x.max()) == (0, 255)


@needs_data
def test_the_real_reviews():
    data = datasets.load("imdb")
    for x, y, films in ((data.x_train, data.y_train, data.film_train), (data.x_test, data.y_test, data.film_test)):
        assert len(x) == len(y) == len(films) == 25_000
        assert y.sum() == 12_500
        assert min(review.min() for review in x) == 1
        assert max(review.max() for review in x) <= len(data.words)
    assert data.words[0] == "the"
    counts = np.bincount(np.concatenate(data.x_train + data.x_test))[1:]
    assert (np.diff(counts) <= 0).all()
    view = datasets.training_view(data)
    assert not set(view.film_train) & set(view.film_test)
    assert 19_900 < len(view.x_train) <= 20_000
    assert len(view.x_train) + len(view.x_test) == 25_000


@needs_data
def test_the_real_texts():
    data = datasets.load("dbpedia")
    assert np.bincount(data.y_train).tolist() == [0] + [400] * 14
    assert np.bincount(data.y_test).tolist() == [0] + [50] * 14
    assert all(isinstance(text, str) and text for text in data.x_train + data.x_test)
