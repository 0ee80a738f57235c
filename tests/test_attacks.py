"""Hostile submissions, for real: each gains nothing, leaves nothing behind, and costs its neighbour nothing.

The attacks stand in tests/attacks/, a few lines each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from attacks import (
    course_files,
    intake,
    kernel,
    memory,
    network,
    outputs,
    pages,
    patching,
    processes,
    reading,
    replies,
    shadows,
    signals,
)
from attacks.attack import FULL, Attack
from attacks.course import Site, attacked_course, expected_scores
from conftest import ROOT

GROUPS = (
    reading,
    patching,
    replies,
    shadows,
    course_files,
    processes,
    memory,
    outputs,
    signals,
    network,
    kernel,
    intake,
    pages,
)
ATTACKS = list(chain.from_iterable(group.ATTACKS for group in GROUPS))


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, empty_gradebook: Path
) -> Iterator[Site]:
    chosen = {item.callspec.id for item in request.session.items if hasattr(item, "callspec")}
    coming = [attack for attack in ATTACKS if attack.name in chosen]
    with attacked_course(tmp_path_factory.mktemp("attacked"), empty_gradebook, coming) as found:
        yield found


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_gains_nothing(site: Site, attack: Attack) -> None:
    scene = site.attend(attack)
    [part] = scene.graded.result.parts
    results = {result.question: result for result in part.results}
    assert {name: result.score for name, result in results.items()} == expected_scores(attack), part
    wanted = dict.fromkeys(FULL, "right") | dict(attack.outcomes)
    assert {name: result.outcome.value for name, result in results.items()} == wanted, part
    for name, words in attack.says.items():
        assert words in results[name].message
    assert scene.graded.fault == attack.fault, part.problem
    assert attack.problem in part.problem if attack.problem else not part.problem
    if not attack.fault:
        entered = {name: entry[0] for name, entry in site.entries(attack.shown_as).items()}
        assert entered == expected_scores(attack)
    for words in [attack.shows] if isinstance(attack.shows, str) else attack.shows:
        assert words in scene.shown
    assert (
        [output.ename for output in scene.cell.outputs if attack.ends] == [attack.ends] * bool(attack.ends)
        if scene.cell
        else not attack.ends
    )
    if attack.check:
        attack.check(scene)


def test_the_names_of_attacks_are_their_own() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 50


def test_the_page_of_promises_names_every_group_and_file() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    named = {name.strip() for names in re.findall(r"tests/attacks: ([a-z_, ]+)", page) for name in names.split(",")}
    assert named == {group.__name__.rpartition(".")[2] for group in GROUPS}
    assert [file for file in re.findall(r"tests/\w+\.py", page) if not (ROOT / file).is_file()] == []
