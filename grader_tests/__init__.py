"""Hidden tests, one package a problem set and one module a part. Installed for the grader, never shipped to students."""

from __future__ import annotations

from importlib import import_module

from gradescent.student.judging import Questions


def questions(part: str) -> Questions:
    """The hidden questions of a part.

    Args:
        part: "ps1_backprop/part2_network".

    Raises:
        ModuleNotFoundError: there are no hidden tests for it.
    """
    return import_module(f"grader_tests.{part.replace('/', '.')}").questions
