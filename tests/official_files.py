"""Small files in the formats of the official ones, a manifest that knows them, and a server that gives them, well or badly."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

REVIEWS = {  # split, opinion, number: film, text
    ("train", "pos", 0): ("tt0000007", "A good, GOOD film.<br /><br />It's good!"),
    ("train", "pos", 1): ("tt0000009", "good"),
    ("train", "neg", 0): ("tt0000007", "bad film"),
    ("test", "pos", 0): ("tt0000008", "good film..."),
    ("test", "neg", 0): ("tt0000010", "Élan: bad"),
}


def archive(members: dict[str, bytes]) -> bytes:
    """A .tar.gz of these files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def mnist(seed: int = 0) -> bytes:
    """An npz file as Keras publishes it, of 12 + 6 images."""
    rng = np.random.default_rng(seed)
    stream = io.BytesIO()
    images = {
        f"x_{split}": rng.integers(0, 256, (size, 28, 28), "uint8") for split, size in (("train", 12), ("test", 6))
    }
    labels = {f"y_{split}": np.arange(size, dtype="uint8") % 10 for split, size in (("train", 12), ("test", 6))}
    np.savez(stream, **images, **labels)
    return stream.getvalue()


def idx(array: np.ndarray) -> bytes:
    """An array in the IDX format, compressed."""
    header = np.array([0x800 + array.ndim, *array.shape], ">i4").tobytes()
    return gzip.compress(header + array.tobytes())


def fashion() -> tuple[dict[str, bytes], list[np.ndarray]]:
    """The four files, and the arrays in them."""
    rng = np.random.default_rng(1)
    arrays = [
        rng.integers(0, 256, (5, 28, 28), "uint8"),
        np.arange(5, dtype="uint8"),
        rng.integers(0, 256, (3, 28, 28), "uint8"),
        np.arange(3, dtype="uint8"),
    ]
    names = [f"{split}-{kind}-ubyte.gz" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    return {name: idx(array) for name, array in zip(names, arrays, strict=True)}, arrays


def cifar() -> bytes:
    """Two pictures a batch. All of picture k of a batch: class k, red 10 * batch + k, green 100, blue 200, pixel (1, 2) white."""
    batches = {}
    for batch, name in enumerate(
        ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"], 1
    ):
        content = b""
        for k in range(2):
            planes = np.stack([np.full((32, 32), level, "uint8") for level in (10 * batch + k, 100, 200)])
            planes[:, 1, 2] = 255
            content += bytes([k]) + planes.tobytes()
        batches[f"cifar-10-batches-bin/{name}.bin"] = content
    return archive({"cifar-10-batches-bin/batches.meta.txt": b"airplane\n", **batches})


def imdb() -> bytes:
    """The reviews above, and what else such an archive holds."""
    members = {"aclImdb/README": b"read me", "aclImdb/train/unsup/0_0.txt": b"never counted never counted"}
    for (split, opinion, number), (_, text) in REVIEWS.items():
        members[f"aclImdb/{split}/{opinion}/{number}_7.txt"] = text.encode()
    for split in ("train", "test"):
        for opinion in ("pos", "neg"):
            films = [film for (s, o, _), (film, _) in REVIEWS.items() if (s, o) == (split, opinion)]
            lines = [f"http://www.imdb.com/title/{film}/usercomments\n" for film in films]
            members[f"aclImdb/{split}/urls_{opinion}.txt"] = "".join(lines).encode()
    return archive(members)


def dbpedia() -> bytes:
    """402 and 52 texts a class: more than the sample takes."""

    def rows(split: str, size: int) -> bytes:
        lines = [
            f'{label},"Title {i}"," {split} text {label} ""{i}"", with a comma"'
            for label in range(1, 15)
            for i in range(size)
        ]
        return "\n".join(lines).encode()

    return archive({"dbpedia_csv/train.csv": rows("train", 402), "dbpedia_csv/test.csv": rows("test", 52)})


def contents() -> dict[str, dict[str, bytes]]:
    """Every official file, by data set and name."""
    return {
        "mnist": {"mnist.npz": mnist()},
        "fashion_mnist": fashion()[0],
        "cifar10": {"cifar-10-binary.tar.gz": cifar()},
        "imdb": {"aclImdb_v1.tar.gz": imdb()},
        "dbpedia": {"dbpedia_csv.tgz": dbpedia()},
    }


def manifest_text(files: dict[str, dict[str, bytes]], addresses: list[str]) -> str:
    """A manifest for these contents, at folders of these addresses."""
    lines = []
    for name in ("tiny_toy", "tiny_mnist", *files):
        keys = ("title", "examples", "licence", "citation", "without")
        lines += [f"[{name}]", *(f"{key} = {json.dumps(f'{key} of {name}')}" for key in keys)]
        for file, content in files.get(name, {}).items():
            lines += [
                f"[[{name}.files]]",
                f'name = "{file}"',
                f"addresses = {json.dumps([f'{address}/{file}' for address in addresses])}",
                f"size = {len(content)}",
                f'sha256 = "{hashlib.sha256(content).hexdigest()}"',
                'checksum_from = "the test"',
            ]
    return "\n".join(lines)


class Server:
    """A web server on this machine. `behaviour[name]` says how it serves a file, one word a request; then all is well.

    "cut": half of what was asked for, then the connection ends. "dead": nothing but the head. "whole": Range is ignored.
    "wrong": other bytes of the same number. "long": more bytes than there are. Or a number, the status to answer with.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.behaviour: dict[str, list[Any]] = {}
        self.requests: list[tuple[str, str | None]] = []  # name, Range
        self.address = ""


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Server]:
    """Run a `Server` in a thread."""
    state = Server(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, state)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def _answer(handler: BaseHTTPRequestHandler, state: Server) -> None:
    name, asked = Path(handler.path).name, handler.headers["Range"]
    state.requests.append((name, asked))
    how = state.behaviour[name].pop(0) if state.behaviour.get(name) else "well"
    if isinstance(how, int) or name not in state.files:
        handler.send_error(how if isinstance(how, int) else 404)
        return
    content = state.files[name]
    if how == "wrong":
        content = bytes(byte ^ 1 for byte in content)
    if how == "long":
        content += b"more"
    start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and how != "whole" else 0
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Length", str(len(content) - start))
    handler.end_headers()
    rest = content[start:]
    handler.wfile.write({"cut": rest[: len(rest) // 2], "dead": b""}.get(str(how), rest))
    handler.close_connection = True
