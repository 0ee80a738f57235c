"""Fuzz the decoder of replies, guided by coverage: `pip install atheris; python tests/fuzz_wire.py CORPUS -max_total_time=600`.

CORPUS is a folder, which may be empty; whatever leads somewhere new is kept there.
"""

from __future__ import annotations

import contextlib
import io
import struct
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import numpy as np

with atheris.instrument_imports(include=["gradescent.grading", "json"]):
    from gradescent.grading.inside import wire
    from gradescent.grading.remote import Allowed, RemoteStudent, read_failure
    from gradescent.student.judging import Stop

SEEDS = (
    b'{"arrays": [["<f8", [2, 1]]], "value": {"list": [{"array": 0}, {"tuple": [1, null, "x"]}]}}' + bytes(16),
    b'{"arrays": [["|b1", []]], "value": {"dict": {"a": {"scalar": 0}, "b": 1e999}}, "seconds": 0.5}\x02',
    b'{"arrays": [], "value": {"handle": [0, "Network"]}, "printed": "a", "warned": ["b"], "modified": ["0"]}',
    b'{"arrays": [], "failure": {"type": "ValueError", "message": "m", "where": "line 1"}, "value": null}',
    b'{"arrays": [], "value": {"refused": "an array of dtype object"}}',
    b'{"arrays": [["|u1", [3]], ["<i8", [2]]], "value": {"rows": [{"array": 0}, {"array": 1}]}}abc\x01'
    + bytes(7)
    + b"\x02"
    + bytes(7),
    b'{"arrays": [["<c16", [1, 0, 3]]], "callback": 0, "args": {"list": []}}',
)


def one_reply(data: bytes) -> None:
    """Decode one message: the header is as long as its first line's JSON, or as the first byte says."""
    end = data.rfind(b"}") + 1 if data[:1] == b"{" else 0
    message = struct.pack(">I", end) + data if end else data
    student = RemoteStudent(None, Allowed(1, 100, 10))  # type: ignore[arg-type]
    student._functions.append(np.sum)
    with contextlib.suppress(wire.WireError, wire.Closed, Stop):
        header, arrays = wire.receive(wire.Incoming(io.BytesIO(message).readinto))
        if "callback" in header:
            student._answer(header, arrays)
        with contextlib.suppress(ValueError):  # what it says it raises
            read_failure(header.get("failure"))
        student._conclude("f", header, arrays, (), {})


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        if Path(argument).is_dir():
            for number, seed in enumerate(SEEDS):
                Path(argument, f"seed-{number}").write_bytes(seed)
    atheris.Setup(sys.argv, one_reply)
    atheris.Fuzz()
