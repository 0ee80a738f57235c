"""`gradescent doctor`: it finds what holds on this machine, and would find what does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gradescent.cli import DONE, FAILED, main
from gradescent.course import CourseError
from gradescent.grading import doctor, sandbox
from gradescent.grading.sandbox import Backend, Sandbox

# What may be tried without walls: it reads and asks, and changes nothing.
HARMLESS = (
    "the grader's files cannot be read",
    "the machine's accounts cannot be read",
    "the grader's environment cannot be read",
    "no TCP to this machine",
    "no abstract sockets",
    "other processes cannot be signalled",
    "other processes keep their limits and priorities",
    "the grader's files keep their modes and times",
    "no nameless files in memory",
)


@pytest.mark.parametrize("backend", [Backend.NAMESPACES, Backend.BUBBLEWRAP, Backend.LANDLOCK], ids=str)
def test_the_promises_hold(sandbox_of: Callable[[Backend], Sandbox], backend: Backend) -> None:
    findings = {finding.promise: finding.got for finding in doctor._findings(sandbox_of(backend), lambda what: None)}
    assert len(findings) >= 29
    weaker = (
        {"the disk is limited"} if backend is Backend.LANDLOCK else set()
    )  # of a folder no size can be bounded there
    assert {promise for promise, got in findings.items() if got} == weaker, findings


def test_an_attack_without_walls_is_found_to_succeed(sandbox_of: Callable[[Backend], Sandbox]) -> None:
    open_to_all = sandbox_of(Backend.NONE)
    with doctor._baits() as baits:
        tried = {attack.promise: attack for attack in doctor.attacks(baits)}
        got = {promise: doctor._try(open_to_all, tried[promise]) for promise in HARMLESS}
    assert all(got.values()), got


def test_the_command_says_what_holds(capsys: pytest.CaptureFixture) -> None:
    try:
        Sandbox(Path.cwd()).close()
    except CourseError as error:
        pytest.skip(str(error))
    code = main(["doctor"])
    printed = capsys.readouterr().out
    held, tried = map(int, re.search(r"(\d+) of (\d+) promises hold", printed).groups())
    assert tried >= 25
    assert printed.count("  holds  ") == held
    assert code == (DONE if held == tried else FAILED)


def test_a_machine_without_walls_is_told_what_to_install(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox.seccomp, "MACHINES", {})  # a machine that the filter does not know
    monkeypatch.setattr(sandbox, "bubblewrap", lambda: False)
    assert main(["doctor"]) == FAILED
    printed = capsys.readouterr().out
    assert "Nothing contains students' code here" in printed
    assert "apt install bubblewrap" in printed
