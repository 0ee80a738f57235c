"""The direct carrier: a `student` whose functions live in this very process.

The visible checks use it, and so does stock `nbgrader autograde`. What it runs could change what judges it: the engine's
own carrier is `gradescent.grading.remote`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradescent.student.failures import raise_failure
from gradescent.student.invoke import Call, invoke
from gradescent.student.judging import Missing


class DirectStudent:
    """Serve a check from a notebook's namespace.

    Args:
        namespace: names to objects, a kernel's `globals()` for instance.
        cpu_seconds: limit of one call, None for no limit.
    """

    def __init__(self, namespace: Mapping[str, Any], cpu_seconds: float | None = None):
        self.namespace = namespace
        self.cpu_seconds = cpu_seconds
        self._note(Call())

    def has(self, name: str) -> bool:
        return name in self.namespace

    def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
        return self.run(function, self.lookup(function), args, kwargs)

    def new(self, cls: str, *args: Any, **kwargs: Any) -> DirectHandle:
        return DirectHandle(self, cls, self.run(cls, self.lookup(cls), args, kwargs))

    def read(self, name: str) -> Any:
        value = self.lookup(name)
        return value if isinstance(value, np.ndarray | int | float | str) else DirectHandle(self, name, value)

    def seed(self, seed: int) -> None:
        np.random.seed(seed)

    def lookup(self, name: str) -> Any:
        if name not in self.namespace:
            raise Missing(missing_message(name))
        return self.namespace[name]

    def run(self, label: str, function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
        """Call with copies, so that a student who writes into an argument cannot spoil the check's own arrays."""
        call = invoke(function, copied(args), {k: copied(v) for k, v in kwargs.items()}, self.cpu_seconds)
        self._note(call)
        if call.failure:
            raise_failure(label, call.failure, args, kwargs)
        return copied(call.value)

    def _note(self, call: Call) -> None:
        self.printed, self.warned, self.modified, self.seconds = call.printed, call.warned, call.modified, call.seconds


class DirectHandle:
    """An object of the student's, by reference."""

    def __init__(self, student: DirectStudent, label: str, target: Any):
        self._student, self._label, self._target = student, label, target

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._student.run(f"{self._label}.{method}", self._attribute(method), args, kwargs)

    def get(self, attribute: str) -> Any:
        return copied(self._attribute(attribute))

    def set(self, attribute: str, value: Any) -> None:
        setattr(self._target, attribute, copied(value))

    def _attribute(self, name: str) -> Any:
        if not hasattr(self._target, name):
            raise Missing(missing_message(f"{self._label}.{name}"))
        return getattr(self._target, name)


def copied(value: Any) -> Any:
    """A copy of data (arrays, also in lists, tuples and dicts); anything else is returned as it is."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list):
        return [copied(item) for item in value]
    if type(value) is tuple:
        return tuple(copied(item) for item in value)
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return copy.copy(value) if isinstance(value, np.generic) else value


def missing_message(name: str) -> str:
    return (
        f"{name} is not defined. Likely: its cell was not run, was deleted, or stopped with an error before the definition. "
        f"Next: run the notebook from the top and look at the first cell with an error."
    )
