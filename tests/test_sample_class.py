"""The main job: the sample class, graded by the command as an instructor would."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ASSIGNMENT, make_course

from grader_tests.sample_class import STUDENTS, write
from gradescent.cli import DONE, main

PARTS = ["part1_by_hand", "part2_network", "part3_sgd"]
HONEST_DAMAGE = [
    "hiro_early_exit",
    "ines_cells_copied",
    "jonas_cells_deleted",
    "kwame_cells_reordered",
    "lina_metadata_stripped",
    "marek_warning_on_stderr",
    "noor_colab",
    "oskar_kaggle",
    "ben_other_styles",
]
CHEATS = ["petra_reads_the_tests", "quentin_patches_the_comparisons"]

Scores = dict[str, dict[str, dict]]


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scores, Path, str]]:
    """Results by student and question, the course's folder, and what was printed."""
    course = make_course(tmp_path_factory.mktemp("class") / "course", PARTS)
    write(course, course.submitted)
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.chdir(course.root)
        assert main(["grade", ASSIGNMENT, "--json", "all.json"]) == DONE
    results: Scores = {}
    for row in json.loads((course.root / "all.json").read_text()):
        results.setdefault(row["student"], {}).update(row["questions"])
    yield results, course.root, printed.getvalue()


def lost(questions: dict[str, dict]) -> dict[str, str]:
    """Questions that tests grade and that did not get everything, with their outcomes."""
    tested = {name: q for name, q in questions.items() if q["score"] is not None and q["outcome"] != "right"}
    return {name: q["outcome"] for name, q in tested.items()}


def test_nobody_is_missing(graded: tuple[Scores, Path, str]) -> None:
    results, root, printed = graded
    assert len(STUDENTS) >= 14
    assert set(results) == set(STUDENTS)
    for student in STUDENTS:
        assert student in printed
        assert (root / "autograded" / student / ASSIGNMENT / "result.json").is_file()
    for student in set(STUDENTS) - {"emre_half_finished", *CHEATS}:
        for part in PARTS:
            assert (root / "autograded" / student / ASSIGNMENT / f"{part}.ipynb").is_file()
            assert (root / "feedback" / student / ASSIGNMENT / f"{part}.html").is_file()
    assert "Results:" in printed


def test_full_marks(graded: tuple[Scores, Path, str]) -> None:
    results, _, _ = graded
    assert lost(results["ada_full_marks"]) == {}
    assert sum(q["score"] or 0 for q in results["ada_full_marks"].values()) == 80 + 5
    waiting = [name for name, q in results["ada_full_marks"].items() if q["score"] is None]
    assert sum(results["ada_full_marks"][name]["max_score"] for name in waiting) == 20


@pytest.mark.parametrize("student", HONEST_DAMAGE)
def test_honest_damage_costs_no_points(graded: tuple[Scores, Path, str], student: str) -> None:
    results, _, _ = graded
    # The sample students leave the two long experiments out.
    assert lost(results[student]) == {"hidden_size_plot": "not attempted", "epochs_plot": "not attempted"}


@pytest.mark.parametrize("student", CHEATS)
def test_cheats_gain_nothing(graded: tuple[Scores, Path, str], student: str) -> None:
    results, _, _ = graded
    assert results[student]["back_prop"]["score"] == 0
    assert results[student]["forward_prop"]["score"] == 8, "the honest part of the work counts"


@pytest.mark.parametrize(
    ("student", "question", "outcome", "word"),
    [
        ("chloe_typical_mistakes", "back_prop", "wrong", "σ′(z)"),
        ("chloe_typical_mistakes", "sgd_train", "wrong", "λ"),
        ("dmitri_sums_and_means", "costs", "wrong", "sums"),
        ("emre_half_finished", "back_prop", "not attempted", "NotImplementedError"),
        ("emre_half_finished", "sgd_train", "missing", "part3_sgd.ipynb was not handed in"),
        ("fatima_syntax_error", "back_prop", "error in your code", "SyntaxError"),
        ("gita_endless_loop", "evaluate", "time limit", "never ends"),
    ],
)
def test_mistakes_are_named(
    graded: tuple[Scores, Path, str], student: str, question: str, outcome: str, word: str
) -> None:
    result = graded[0][student][question]
    assert result["outcome"] == outcome
    assert word in result["message"]
