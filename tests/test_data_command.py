"""`gradescent data`, and what `datasets.load` downloads: from a server on this machine that behaves well and badly."""

import importlib.util
import os
import re
import socket
from pathlib import Path

import numpy as np
import official_files
import pytest

from gradescent import datasets
from gradescent.cli import DONE, FAILED, main
from gradescent.student.datasets import DataError, fetch, manifest, places

FILES = official_files.contents()
MNIST = FILES["mnist"]["mnist.npz"]
ALL = {name: content for files in FILES.values() for name, content in files.items()}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with official_files.serving(dict(ALL)) as running:
        yield running


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The folder for downloads, still to be made; no other folder has data."""
    folder = tmp_path / "home"
    monkeypatch.delenv(places.VARIABLE, raising=False)
    monkeypatch.setattr(places, "home", lambda: folder)
    return folder


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Put a manifest of the small files in the place of the real one."""

    def publish(*addresses):
        file = tmp_path / "manifest.toml"
        file.write_text(official_files.manifest_text(FILES, list(addresses)))
        monkeypatch.setattr(manifest, "FILE", file)
        manifest.entries.cache_clear()

    yield publish
    monkeypatch.undo()
    manifest.entries.cache_clear()


@pytest.fixture
def site(server, home, publish):
    publish(server.address)
    return server


# ── What is downloaded ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_downloaded_once_and_is_the_one_that_is_published(site, home):
    first = datasets.load("mnist")
    assert first.x_train.shape == (12, 28, 28)
    assert (home / "mnist.npz").read_bytes() == MNIST
    assert np.array_equal(datasets.load("mnist").x_train, first.x_train)
    assert site.requests == [("mnist.npz", None)]
    assert [file.name for file in home.iterdir()] == ["mnist.npz"]


def test_a_download_that_is_cut_off_goes_on_by_itself(site, home, monkeypatch):
    monkeypatch.setattr(fetch, "PIECE", 1)
    site.behaviour["mnist.npz"] = ["cut", "cut"]
    datasets.load("mnist")
    half, quarter = len(MNIST) // 2, len(MNIST) - len(MNIST) // 2
    assert site.requests == [
        ("mnist.npz", None),
        ("mnist.npz", f"bytes={half}-"),
        ("mnist.npz", f"bytes={half + quarter // 2}-"),
    ]
    assert (home / "mnist.npz").read_bytes() == MNIST


def test_a_download_that_stops_is_kept_and_resumed_by_the_next_command(site, home, monkeypatch, capsys):
    monkeypatch.setattr(fetch, "PIECE", 1)
    site.behaviour["mnist.npz"] = ["cut", "dead"]
    assert main(["data", "fetch", "mnist"]) == FAILED
    said = capsys.readouterr().err
    assert "mnist: mnist.npz could not be fetched" in said
    assert "goes on where it broke off" in said
    assert (home / "mnist.npz.part").read_bytes() == MNIST[: len(MNIST) // 2]
    assert not (home / "mnist.npz").exists()
    assert main(["data", "fetch", "mnist"]) == DONE
    assert site.requests[-1] == ("mnist.npz", f"bytes={len(MNIST) // 2}-")
    assert (home / "mnist.npz").read_bytes() == MNIST
    assert not (home / "mnist.npz.part").exists()


def test_a_server_that_cannot_resume_is_read_from_the_start(site, home):
    home.mkdir()
    (home / "mnist.npz.part").write_bytes(MNIST[:100])
    site.behaviour["mnist.npz"] = ["whole"]
    datasets.load("mnist")
    assert (home / "mnist.npz").read_bytes() == MNIST


def test_the_rest_of_another_file_is_thrown_away_and_the_download_done_again(site, home):
    home.mkdir()
    (home / "mnist.npz.part").write_bytes(b"<html>please log in</html>")
    datasets.load("mnist")
    assert [asked for _, asked in site.requests] == ["bytes=26-", None]
    assert (home / "mnist.npz").read_bytes() == MNIST


@pytest.mark.parametrize("left", [len(MNIST), len(MNIST) + 1])
def test_a_rest_that_is_no_rest_is_judged_by_its_checksum(left, site, home):
    home.mkdir()
    (home / "mnist.npz.part").write_bytes(b"x" * left)
    datasets.load("mnist")
    assert (home / "mnist.npz").read_bytes() == MNIST


def test_a_wrong_checksum_is_refused(site, home, capsys):
    site.behaviour["mnist.npz"] = ["wrong"]
    assert main(["data", "fetch", "mnist"]) == FAILED
    said = capsys.readouterr().err
    assert "does not match" in said
    assert manifest.entries()["mnist"].files[0].sha256 in said
    assert "Remedy" in said
    assert list(home.iterdir()) == []


def test_more_than_what_is_published_is_not_read(site, home):
    site.behaviour["mnist.npz"] = ["long"]
    with pytest.raises(DataError, match="sends more than the"):
        datasets.load("mnist")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(("status", "words"), [(404, "answered 404 Not Found"), (503, "answered 503")])
def test_what_the_server_answers_is_said(status, words, site):
    site.behaviour["mnist.npz"] = [status]
    with pytest.raises(DataError, match=words):
        datasets.load("mnist")


def test_a_server_that_says_nothing_is_not_waited_for(site, home, publish, monkeypatch):
    monkeypatch.setattr(fetch, "WAIT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        publish(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(DataError, match=r"no answer within 0\.05 seconds"):
            datasets.load("mnist")


def test_the_next_address_is_tried(site, home, publish):
    publish(_closed(), f"{site.address}/elsewhere", site.address)
    site.behaviour["mnist.npz"] = ["wrong"]
    datasets.load("mnist")
    assert (home / "mnist.npz").read_bytes() == MNIST


def test_without_a_network_the_message_says_what_to_do(home, publish, monkeypatch, tmp_path):
    publish(_closed())
    monkeypatch.setenv(places.VARIABLE, str(tmp_path / "given"))
    with pytest.raises(DataError) as caught:
        datasets.load("mnist")
    said = str(caught.value)
    assert "/mnist.npz: no connection" in said
    assert f"{tmp_path / 'given'} and {home}" in said
    assert "switch the internet on" in said
    assert "GRADESCENT_DATA" in said


def test_a_folder_that_cannot_be_written_is_named(site, home):
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file where the folder should be")
    with pytest.raises(DataError, match=str(home)):
        datasets.load("mnist")


def _closed() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


# ── What is read ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_fashion_mnist(site, home):
    _, (x_train, y_train, x_test, y_test) = official_files.fashion()
    for _ in range(2):  # the files, then what was kept of them
        data = datasets.load("fashion_mnist")
        assert np.array_equal(data.x_train, x_train)
        assert np.array_equal(data.y_train, y_train)
        assert np.array_equal(data.x_test, x_test)
        assert np.array_equal(data.y_test, y_test)
    assert len(site.requests) == 4


def test_cifar10(site, home):
    for _ in range(2):
        data = datasets.load("cifar10")
        assert data.x_train.shape == (10, 32, 32, 3)
        assert data.x_test.shape == (2, 32, 32, 3)
        assert data.x_train.dtype == "uint8"
        assert data.y_train.tolist() == [0, 1] * 5
        assert data.x_train[:, 0, 0].tolist() == [[10 * b + k, 100, 200] for b in range(1, 6) for k in range(2)]
        assert data.x_test[0, 1, 2].tolist() == [255, 255, 255]
        assert data.x_test[0, 2, 1].tolist() == [60, 100, 200]
        assert data.classes[3] == "cat"


def test_imdb(site, home):
    for _ in range(2):
        data = datasets.load("imdb")
        # By frequency: 5, 3, 2, 2, 1, 1, 1; what occurs as often stands in alphabetical order.
        assert data.words == ["good", "film", "bad", "br", "a", "it's", "élan"]
        texts = {tuple(data.words[i - 1] for i in review) for review in data.x_train}
        assert texts == {("a", "good", "good", "film", "br", "br", "it's", "good"), ("good",), ("bad", "film")}
        lengths = {8: (1, 0), 1: (1, 2), 2: (0, 0)}  # length of the review: liked, film
        for review, label, film in zip(data.x_train, data.y_train, data.film_train, strict=True):
            assert review.dtype == "int32"
            assert (label, film) == lengths[len(review)]
        assert sorted(zip(data.y_test.tolist(), data.film_test.tolist(), strict=True)) == [(0, 3), (1, 1)]
        assert (data.y_train.dtype, data.film_train.dtype) == ("uint8", "uint32")


def test_dbpedia(site, home):
    for _ in range(2):
        data = datasets.load("dbpedia")
        assert len(data.x_train) == len(set(data.x_train)) == 14 * 400
        assert len(data.x_test) == 14 * 50
        assert np.bincount(data.y_train).tolist() == [0] + [400] * 14
        assert np.bincount(data.y_test).tolist() == [0] + [50] * 14
        assert all(text.startswith(f"train text {y} ") for text, y in zip(data.x_train, data.y_train, strict=True))
        assert data.x_test[0].endswith('", with a comma')
        assert "another than the assignment's" in data.source
        assert data.y_train[:50].min() < data.y_train[:50].max()


def test_official_files_in_a_folder_need_no_network(home, publish, tmp_path, monkeypatch):
    publish(_closed())
    monkeypatch.setenv(places.VARIABLE, str(tmp_path))
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(FILES["cifar10"]["cifar-10-binary.tar.gz"])
    assert len(datasets.load("cifar10").x_train) == 10
    assert (home / "cifar10.npz").is_file()


def test_an_official_file_that_is_not_the_published_one_is_not_read(home, publish, tmp_path, monkeypatch):
    publish(_closed())
    monkeypatch.setenv(places.VARIABLE, str(tmp_path))
    (tmp_path / "aclImdb_v1.tar.gz").write_bytes(FILES["cifar10"]["cifar-10-binary.tar.gz"])
    with pytest.raises(DataError, match=r"aclImdb_v1\.tar\.gz: not the published file.*the test says"):
        datasets.load("imdb")


def test_what_cannot_be_kept_is_loaded_all_the_same(site, home, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(datasets, "save", full)
    assert len(datasets.load("cifar10").x_train) == 10
    assert [file.name for file in home.iterdir()] == ["cifar-10-binary.tar.gz"]


def test_tiny_mnist_is_derived_from_what_is_downloaded(site, home):
    datasets._tiny.cache_clear()
    tiny = datasets.load("tiny_mnist")
    datasets._tiny.cache_clear()
    assert not tiny.stand_in
    whole = datasets.load("mnist").x_train[0].astype(float)
    assert tiny.x_train[0, 1] == pytest.approx(np.round(0.8 * whole[:2, 2:4].mean() / 255, 1))


# ── status, fetch, verify ────────────────────────────────────────────────────────────────────────────────────────


def test_from_nothing_to_verified(site, home, capsys):
    assert main(["data", "status"]) == DONE
    said = capsys.readouterr().out
    assert said.count("missing: when loaded: without of ") == 7
    assert str(home) in said
    assert main(["data", "verify"]) == DONE
    assert "There is nothing in" in capsys.readouterr().out
    assert main(["data", "verify", "mnist"]) == FAILED
    assert main(["data", "fetch"]) == DONE
    said = capsys.readouterr().out
    assert "licence of imdb" in said
    assert all(f"{name}: ready" in said for name in FILES)
    assert main(["data", "fetch", "mnist", "imdb"]) == DONE
    assert capsys.readouterr().out.count("already there") == 2
    assert len(site.requests) == len(ALL)
    assert main(["data", "verify"]) == DONE
    said = capsys.readouterr().out
    assert "mnist: verified: SHA-256 as published" in said
    assert "imdb: not verifiable: nobody publishes a checksum of this form (Large Movie" in said
    assert all(file.sha256 in said for entry in manifest.entries().values() for file in entry.files)
    assert main(["data", "status", "mnist"]) == DONE
    said = capsys.readouterr().out
    assert f"mnist     {home / 'mnist.npz'}  " in said
    assert "verified: SHA-256 as published" in said


def test_verify_finds_what_has_changed(site, home, capsys):
    assert main(["data", "fetch", "mnist", "cifar10", "dbpedia"]) == DONE
    (home / "mnist.npz").write_bytes(MNIST[:-1] + b"x")
    (home / "cifar-10-binary.tar.gz").write_bytes(b"something else")
    assert main(["data", "verify"]) == FAILED
    said = capsys.readouterr().out
    assert f"mnist: WRONG: {home / 'mnist.npz'}: not the published file. Remedy" in said
    assert f"cifar10: WRONG: {home / 'cifar-10-binary.tar.gz'}: not the published file. Remedy" in said
    assert "dbpedia: not verifiable" in said
    assert main(["data", "status"]) == DONE


def test_arrays_are_recognised_in_whatever_file(site, home, publish, capsys):
    data = datasets.load("mnist")
    text = manifest.FILE.read_text()
    manifest.FILE.write_text(text.replace("[mnist]", f'[mnist]\ncontent = "{data.digest()}"'))
    manifest.entries.cache_clear()
    datasets.save(data, home / "mnist.npz")
    assert main(["data", "verify", "mnist"]) == DONE
    assert "mnist: verified: every array is the original one" in capsys.readouterr().out
    data.y_test[0] += 1
    datasets.save(data, home / "mnist.npz")
    assert main(["data", "verify", "mnist"]) == FAILED
    assert "mnist.npz: not the original arrays. Remedy" in capsys.readouterr().out


def test_a_stand_in_is_not_verified(site, home, capsys):
    home.mkdir()
    datasets.save(datasets.load("tiny_toy"), home / "tiny_toy.npz")
    capsys.readouterr()
    assert main(["data", "status", "tiny_toy"]) == DONE
    assert "not verifiable: a stand-in: a disc" in capsys.readouterr().out


def test_the_others_are_fetched_where_one_fails(site, home, capsys):
    site.behaviour["mnist.npz"] = [404]
    assert main(["data", "fetch", "mnist", "cifar10"]) == FAILED
    shown = capsys.readouterr()
    assert "! mnist: " in shown.err
    assert "cifar10: ready" in shown.out


@pytest.mark.parametrize("action", ["status", "fetch", "verify"])
def test_an_unknown_name_is_refused(action, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["data", action, "mnits"])
    assert caught.value.code == 2
    assert "no data set 'mnits'. Those that exist: tiny_toy, tiny_mnist, mnist" in capsys.readouterr().err


def test_the_bar_is_drawn_on_a_terminal_only(monkeypatch, capsys):
    with fetch.Bar("mnist.npz") as bar:
        bar(1, 2)
    assert capsys.readouterr().out == ""
    with fetch.Bar("mnist.npz") as bar:
        bar.visible = True
        bar(5_000_000, 10_000_000)
        bar(5_000_001, 10_000_000)
        bar(10_000_000, 10_000_000)
    half, whole = capsys.readouterr().out.split("\r")[1:]
    assert half == "mnist.npz ████████████░░░░░░░░░░░░  50 % 5.0 of 10.0 MB"
    assert whole == "mnist.npz ████████████████████████ 100 % 10.0 of 10.0 MB\n"


# ── The manifest ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_official_file_has_addresses_a_size_and_a_published_checksum():
    for entry in manifest.entries().values():
        assert entry.licence
        assert entry.citation
        for file in entry.files:
            assert file.addresses[0].startswith("https://")
            assert all(address.endswith(f"/{file.name}") for address in file.addresses)
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.size > 1000
            assert file.checksum_from


def test_keras_states_the_same_checksum_of_mnist():
    keras = importlib.util.find_spec("keras")  # found, not imported: that takes seconds
    source = Path(keras.origin).parent / "src" / "datasets" / "mnist.py"
    assert manifest.entries()["mnist"].files[0].sha256 in source.read_text()


def test_the_readme_says_what_the_manifest_says():
    readme = (Path(__file__).parents[1] / "data" / "README.md").read_text()
    for entry in manifest.entries().values():
        size = f"{sum(file.size for file in entry.files) / 1e6:.1f}" if entry.files else "-"
        assert f"| `{entry.name}` | {entry.title} | {size} | {entry.licence} |" in readme


@pytest.mark.skipif(places.VARIABLE not in os.environ, reason="GRADESCENT_DATA names no data folder")
def test_the_real_data_is_verified(capsys):
    assert main(["data", "verify", "tiny_toy", "mnist", "fashion_mnist"]) == DONE
    assert capsys.readouterr().out.count(": verified: ") == 3
