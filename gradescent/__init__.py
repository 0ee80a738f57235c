"""gradescent: a deep-learning course of graded notebooks, and the engine that grades a class.

What a notebook imports stays light (NumPy and matplotlib); grading and authoring are imported only where they are used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "check": "gradescent.student.check",
    "small_setting": "gradescent.student.settings",
    "datasets": None,
    "plots": None,
}


def __getattr__(name: str) -> Any:
    """Load what notebooks import at its first use, so that importing the package costs nothing."""
    if name not in _LAZY:
        raise AttributeError(f"module 'gradescent' has no attribute {name!r}")
    module = _LAZY[name]
    value = import_module(f"gradescent.student.{name}") if module is None else getattr(import_module(module), name)
    # The submodule `gradescent.student.check` is not what `from gradescent import check` means: keep the function.
    globals()[name] = value
    return value
