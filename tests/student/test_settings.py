"""The smaller setting of the experiments is taken when graded, or when asked for."""

import pytest

from gradescent import small_setting


@pytest.mark.parametrize(
    ("variables", "small"),
    [
        ({}, False),
        ({"GRADESCENT_SMALL": "1"}, True),
        ({"GRADESCENT_SMALL": "0"}, False),
        ({"GRADESCENT_SMALL": ""}, False),
        ({"NBGRADER_EXECUTION": "autograde"}, True),
        ({"NBGRADER_EXECUTION": ""}, False),
    ],
)
def test_small_setting(monkeypatch, variables, small):
    for name in ("GRADESCENT_SMALL", "NBGRADER_EXECUTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert small_setting() is small
