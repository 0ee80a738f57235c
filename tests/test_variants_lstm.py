"""The tests of the hidden tests of ps6_lstm: every known solution gets its points, on made-up reviews."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from conftest import ROOT, sampled
from nbformat import NotebookNode

from grader_tests import questions
from grader_tests.ps6_lstm import setting, small
from grader_tests.variants import Variant, fill, load, merged, part_of, points, together
from gradescent.authoring.release import graded_notebook
from gradescent.authoring.text import source_notebook
from gradescent.course import load_course
from gradescent.grading.data import training_data
from gradescent.grading.judge import grade_notebook
from gradescent.grading.repair import repair
from gradescent.grading.run import Run
from gradescent.grading.sandbox import Sandbox
from gradescent.student import datasets
from gradescent.student.judging import Result

COURSE = load_course(ROOT)
ASSIGNMENT = COURSE.assignment("ps6_lstm")
PARTS = ["ps6_lstm/part1_builder", "ps6_lstm/part2_experiments"]
CASES = [(part, variant) for part in PARTS for variant in load(part)]


@cache
def source(part: str) -> NotebookNode:
    return source_notebook(part_of(COURSE, part))


DATA = os.environ.get("GRADESCENT_DATA")  # before the fixture of the made-up reviews changes it


def _chosen(part: str) -> list[list[Variant]]:
    found = together(load(part), points(source(part)))
    return sampled(found, lambda row: "experiments" in part or any("accuracy" not in one.ignore for one in row))


SUBMISSIONS = [(part, variants) for part in PARTS for variants in _chosen(part)]


def _name(case: object) -> str:
    if isinstance(case, list):
        return f"{case[0].name}-{len(case)}"
    if isinstance(case, Variant):
        return case.name
    return str(case).split("/")[1].split("_")[0]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox whose data folder holds the training view of made-up reviews, which the hidden tests take too."""
    folder = tmp_path_factory.mktemp("reviews")
    small.write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADESCENT_DATA", str(folder))
        patch.setattr(setting, "setting", setting.MADE_UP)
        with training_data(ASSIGNMENT) as (data, _), Sandbox(data, trust=True) as opened:
            yield opened


def graded(part: str, variant: Variant, sandbox: Sandbox) -> dict[str, Result]:
    notebook, _ = repair(graded_notebook(source(part)), fill(source(part), variant))
    run = Run(notebook, sandbox, frozenset({"numpy", "keras"}), ASSIGNMENT.limits)
    return {result.question: result for result in grade_notebook(run, questions(part))[0]}


@pytest.mark.parametrize(("part", "variants"), SUBMISSIONS, ids=_name)
def test_split_carrier(part: str, variants: list[Variant], sandbox: Sandbox) -> None:
    found = graded(part, merged(variants), sandbox)
    for variant in variants:
        judged = variant.judged(points(source(part)))
        worth = {name: value for name, value in points(source(part)).items() if name in judged}
        stated = {name: variant.scores.get(name, value) for name, value in worth.items()}
        messages = {name: found[name].message for name in worth}
        assert {name: found[name].score or 0.0 for name in worth} == stated, (variant.name, messages)
        for name, word in variant.says.items():
            assert word in messages[name], variant.name


# The reference with a smaller vocabulary, shorter reviews and fewer units: an LSTM that is trained in seconds.
NUMBERS = "VOCAB_SIZE, CONTEXT_SIZE, WINDOW, SIZE, LENGTH, BATCH_SIZE, EPOCHS = 4000, 400, 5, 32, 100, 64, 3\n\n\n"
REFERENCES = [
    Variant(
        "smaller_reference",
        edits={
            "train_lstm": [
                ("def train_lstm(", f"{NUMBERS}def train_lstm("),
                ("= learning_rate(step, steps)", "= learning_rate(step, steps, highest=6e-3)"),
            ],
            "build_lstm": [("layers.LSTM(64,", "layers.LSTM(16,")],
        },
    ),
    Variant("reference_without_the_long_plots", leave=("sweep_plot", "gru_plot")),
]


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real reviews, of which the hidden tests take few; skipped where nobody has put them."""
    monkeypatch.setattr(setting, "setting", setting.REDUCED)
    if DATA is None:
        monkeypatch.delenv("GRADESCENT_DATA", raising=False)
    else:
        monkeypatch.setenv("GRADESCENT_DATA", DATA)
    monkeypatch.setenv("GRADESCENT_SMALL", "1")
    if not datasets.files_of("imdb"):
        pytest.skip("there is no imdb.npz here")


def test_a_real_lstm_learns_real_reviews(real: None) -> None:
    with training_data(ASSIGNMENT) as (data, _), Sandbox(data, trust=True) as sandbox:
        found = graded(PARTS[0], REFERENCES[0], sandbox)
    assert {name: found[name].score for name in points(source(PARTS[0]))} == points(source(PARTS[0])), found
    readings = found["accuracy"].readings
    assert readings["setting"] == "reduced"
    assert readings["accuracy"] > 0.78
    assert readings["accuracy_untrained"] < 0.65


@pytest.mark.parametrize(("part", "reference"), zip(PARTS, REFERENCES, strict=True), ids=_name)
def test_the_checks_in_the_notebook_find_the_reference_right(
    part: str, reference: Variant, real: None, capsys: pytest.CaptureFixture
) -> None:
    notebook = fill(source(part), reference)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code" and cell.id != "setup"]
    left = [cell for cell in cells if "NotImplementedError" in cell]
    namespace: dict[str, object] = {}
    for cell in cells:
        if cell not in left:
            exec(cell, namespace)
    printed = capsys.readouterr().out
    checks = [cell for cell in cells if cell.startswith("check(")]
    assert printed.count("✓") == len(checks) > 2, printed
    assert "✗" not in printed


@pytest.mark.parametrize("part", PARTS, ids=_name)
def test_the_notebook_as_handed_out_gets_nothing(part: str, sandbox: Sandbox) -> None:
    cells = [
        cell.metadata.nbgrader.grade_id
        for cell in source(part).cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    ]
    results = graded(part, Variant("stub", leave=tuple(cell.removeprefix("solution_") for cell in cells)), sandbox)
    assert {result.score for result in results.values()} == {0.0}
    assert {result.outcome.value for result in results.values()} <= {"not attempted", "missing"}


def test_the_set_is_worth_100_points_and_5_extra() -> None:
    cells = [cell for part in PARTS for cell in source(part).cells]
    assert sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in cells) == 100
    assert sum(cell.metadata.get("gradescent", {}).get("extra_credit", 0) for cell in cells) == 5


def test_there_are_as_many_variants_as_promised() -> None:
    wrong = [variant for _, variant in CASES if not variant.right]
    assert len(wrong) >= 60
    assert len(CASES) - len(wrong) >= 15
    assert len({(part, variant.name) for part, variant in CASES}) == len(CASES)
    assert [variant.name for variant in wrong if not any(variant.says.values())] == []


def test_made_up_reviews_have_the_form_of_the_real_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small.write(tmp_path, training=50, test=20)
    monkeypatch.setenv("GRADESCENT_DATA", str(tmp_path))
    imdb = datasets.load("imdb")
    assert (len(imdb.x_train), len(imdb.x_test), imdb.stand_in) == (50, 20, True)
    assert {(tokens.dtype.name, tokens.ndim, bool(tokens.min() >= 1)) for tokens in imdb.x_train} == {
        ("int32", 1, True)
    }
    assert max(tokens.max() for tokens in imdb.x_train) <= len(imdb.words)
    view = datasets.training_view(imdb)
    assert len(view.x_train) == len(view.film_train) <= 40 < len(view.x_train) + 5
    assert not set(view.film_train) & set(view.film_test)
    own = sorted(tokens.tobytes() for tokens in imdb.x_train)
    assert sorted(tokens.tobytes() for tokens in view.x_train + view.x_test) == own
