"""The engine's folders say of themselves what is in them, in the order in which a submission flows through it."""

from __future__ import annotations

import pkgutil
import re
from types import ModuleType

import pytest

from gradescent import grading
from gradescent.grading import plain


@pytest.mark.parametrize("package", [grading, plain], ids=lambda package: package.__name__)
def test_every_module_has_its_line(package: ModuleType) -> None:
    listed = re.findall(r"^ *(\w+)  +\w", package.__doc__ or "", re.MULTILINE)
    assert sorted(listed) == sorted(module.name for module in pkgutil.iter_modules(package.__path__))
