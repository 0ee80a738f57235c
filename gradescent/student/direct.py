"""The direct carrier: a `student` whose functions live in this very process.

The visible checks use it, and so does stock `nbgrader autograde`. What it runs could change what judges it: the
engine's own carrier is `gradescent.grading.remote`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradescent.student.failures import raise_failure
from gradescent.student.invoke import Call, invoke
from gradescent.student.judging import Missing, Reading

SCALARS = (np.generic, int, float, complex, str)
ABSENT = object()


class DirectStudent:
    """Serve a check from a notebook's namespace.

    Args:
        namespace: names to objects, a kernel's `globals()` for instance.
        cpu_seconds: limit of one call, None for no limit.
        memory: what checks keep, where it shall outlive this student.
    """

    weights = ""  # what lies beside a notebook is known to the engine alone

    def __init__(
        self, namespace: Mapping[str, Any], cpu_seconds: float | None = None, memory: dict[str, Any] | None = None
    ):
        self.namespace = namespace
        self.cpu_seconds = cpu_seconds
        self.memory = {} if memory is None else memory
        self.readings: dict[str, Reading] = {}
        self._note(Call())

    def has(self, name: str) -> bool:
        return name in self.namespace

    def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
        return self.carried(function, self.run(function, self.lookup(function), args, kwargs))

    def new(self, cls: str, *args: Any, **kwargs: Any) -> DirectHandle:
        return DirectHandle(self, cls, self.run(cls, self.lookup(cls), args, kwargs))

    def read(self, name: str) -> Any:
        return self.carried(name, self.lookup(name))

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
        return call.value

    def carried(self, label: str, value: Any) -> Any:
        """A value on its way from the student to a check: data is copied, anything else stays behind a handle."""
        if isinstance(value, list | tuple):
            items = [self.carried(f"{label}[{i}]", item) for i, item in enumerate(value)]
            return items if isinstance(value, list) else tuple(items)
        if isinstance(value, dict):
            return {key: self.carried(f"{label}[{key!r}]", item) for key, item in value.items()}
        if isinstance(value, np.ndarray):
            return np.array(value)
        return value if isinstance(value, SCALARS) or value is None else DirectHandle(self, label, value)

    def _note(self, call: Call) -> None:
        self.printed, self.warned, self.modified, self.seconds = call.printed, call.warned, call.modified, call.seconds


class DirectHandle:
    """An object of the student's, by reference."""

    def __init__(self, student: DirectStudent, label: str, target: Any):
        self._student, self._label, self._target = student, label, target
        self.type_name = type(target).__name__

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        label = f"{self._label}.{method}"
        return self._student.carried(label, self._student.run(label, self._attribute(method), args, kwargs))

    def get(self, attribute: str) -> Any:
        return self._student.carried(f"{self._label}.{attribute}", self._attribute(attribute))

    def set(self, attribute: str, value: Any) -> None:
        call = invoke(setattr, (self._target, attribute, copied(value)), {}, self._student.cpu_seconds)
        if call.failure:
            raise_failure("setattr", call.failure, (self._label, attribute, value), {})

    def _attribute(self, name: str) -> Any:
        """Through `invoke`, for an attribute may be a property, which is the student's code."""
        call = invoke(getattr, (self._target, name, ABSENT), {}, self._student.cpu_seconds)
        if call.failure:
            raise_failure(f"{self._label}.{name}", call.failure, (), {})
        if call.value is ABSENT:
            raise Missing(missing_attribute(self._label, name))
        return call.value


def copied(value: Any) -> Any:
    """A copy of data on its way to the student; a handle becomes the object that it stands for."""
    if isinstance(value, DirectHandle):
        return value._target
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list):
        return [copied(item) for item in value]
    if type(value) is tuple:
        return tuple(copied(item) for item in value)
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return value


def missing_message(name: str) -> str:
    return (
        f"{name} is not defined. Likely: its cell was not run, was deleted, or stopped with an error before the "
        f"definition. Next: run the notebook from the top and look at the first cell with an error."
    )


def missing_attribute(label: str, name: str) -> str:
    return (
        f"{label} has no attribute {name}. Likely: another spelling, `{name} = ...` without `self.`, or a cell that "
        f"was not run again after a change. Next: restart the kernel and run the notebook from the top."
    )
