"""What a result depends on, as digests: the same digest, the same result, and nothing is run again."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import platform
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import nbformat
import numpy as np
from nbformat import NotebookNode

import gradescent
from gradescent.course import Limits
from gradescent.grading.imports import KERAS_BACKEND
from gradescent.grading.intake import Beside, Found
from gradescent.student.judging import Question

TESTS = "grader_tests"
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
PACKAGES = (
    "numpy",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "jax",
    "torch",
    "scipy",
    "scikit-learn",
    "ipython",
    "nbgrader",
)


def environment() -> dict[str, object]:
    """Versions of all that a submission runs with."""
    return {
        "gradescent": gradescent.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "keras_backend": os.environ.get(KERAS_BACKEND, ""),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def part_key(
    found: Found, beside: Beside, source: NotebookNode, limits: Limits, surroundings: dict[str, object]
) -> str:
    """Digest of what a part's result depends on, but for the hidden tests.

    Args:
        found: what was handed in.
        beside: what lies in the notebook's working folder.
        source: the part's source notebook.
        limits: of a submission.
        surroundings: versions, data, sandbox.
    """
    digest = hashlib.sha256(_engine())
    digest.update(json.dumps(found.notebook, sort_keys=True, default=str).encode("utf-8", "replace"))
    digest.update(repr((found.problem, found.notes, beside.digest)).encode("utf-8", "replace"))
    digest.update(nbformat.writes(source, version=4).encode())
    digest.update(repr((limits, sorted(surroundings.items(), key=str))).encode())
    return digest.hexdigest()


@cache
def _engine() -> bytes:
    """The text of the package that grades."""
    package = Path(gradescent.__file__).parent
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(package.rglob("*.py")))).digest()


def tests_key(question: Question) -> str:
    """Digest of a question's hidden tests: of their text, and of all in the course's tests that they make use of."""
    digest = hashlib.sha256(repr(question.needs).encode())
    seen: dict[int, Any] = {}  # the things themselves: the address of one that is gone may be another's
    for check in question.checks:
        digest.update(repr(check.weight).encode())
        for text in _texts(check.run, seen):
            digest.update(text.encode())
    return digest.hexdigest()


def _texts(thing: Any, seen: dict[int, Any]) -> Iterator[str]:
    """The texts and values that the behaviour of a test depends on."""
    if id(thing) in seen:
        return
    seen[id(thing)] = thing
    if isinstance(thing, ModuleType):
        if thing.__name__.startswith(TESTS):
            yield inspect.getsource(thing)
    elif isinstance(thing, np.ndarray):
        yield f"{thing.dtype}{thing.shape}{hashlib.sha256(thing.tobytes()).hexdigest()}"
    elif isinstance(thing, dict):
        yield from _texts(list(thing.items()), seen)
    elif isinstance(thing, list | tuple | set | frozenset):
        for item in thing:
            yield from _texts(item, seen)
    elif not callable(thing):
        yield ADDRESS.sub("", repr(thing))
    elif str(getattr(thing, "__module__", "")).startswith(TESTS):
        yield _source(thing)  # of a class, its methods too
        if isinstance(thing, FunctionType):
            yield repr((thing.__defaults__, thing.__kwdefaults__))
            yield from _used(thing, seen)


def _source(thing: Any) -> str:
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return ADDRESS.sub("", repr(thing))


def _used(function: FunctionType, seen: dict[int, Any]) -> Iterator[str]:
    names = sorted(_names(function.__code__))
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    for value in [*(function.__globals__[name] for name in names if name in function.__globals__), *cells]:
        yield from _texts(value, seen)


def _names(code: CodeType) -> set[str]:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*map(_names, inner))
