"""Text to notebooks: the same bytes each time, nothing leaked, nothing stale."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from conftest import ASSIGNMENT, NETWORK, ROOT, make_course, source_of
from IPython.core.inputtransformer2 import TransformerManager

from gradescent.authoring.build import build, text_of, verify
from gradescent.authoring.release import release_notebook
from gradescent.authoring.text import Part, source_notebook
from gradescent.course import Course, CourseError, load_course

HEADER = "# %% [markdown]\n# # Title\n#\n# Introduction.\n\n"


def _course_with(tmp_path: Path, text: str) -> Course:
    course = make_course(tmp_path / "c", [])
    (course.source / ASSIGNMENT / "part1.py").write_text(HEADER + text)
    return course


def test_release_in_the_repository_is_what_the_text_gives() -> None:
    assert build(load_course(ROOT), ASSIGNMENT, check_only=True) == []


@pytest.mark.parametrize(
    ("limits", "keyword"), [("", ""), (" seconds=300", ", seconds=300"), (" extra=2", ", extra_credit=2")]
)
def test_the_hidden_call_knows_the_cells_own_seconds(tmp_path: Path, limits: str, keyword: str) -> None:
    points = 0 if "extra" in limits else 5
    course = _course_with(tmp_path, f'# %% tests="q" points={points}{limits}\nprint("visible")\n')
    code = source_of(course, "part1").cells[-1].source
    assert f'"q", globals(), points={points}{keyword})' in code


def test_a_stale_release_is_noticed(course: Course) -> None:
    assert build(course, ASSIGNMENT)
    assert build(course, ASSIGNMENT) == []
    released = course.release / ASSIGNMENT / f"{NETWORK}.ipynb"
    released.write_text(released.read_text().replace("Forward", "Backward", 1))
    assert build(course, ASSIGNMENT, check_only=True) == [released]


def test_builds_repeat_byte_for_byte(course: Course) -> None:
    first = text_of(release_notebook(source_of(course)))
    assert first == text_of(release_notebook(source_of(course)))


@pytest.mark.parametrize("part", ["part1_by_hand", "part2_network", "part3_sgd"])
def test_student_notebooks_have_what_students_need(part: str) -> None:
    course = load_course(ROOT)
    release = release_notebook(source_of(course, part))
    header, setup = release.cells[:2]
    assert header.source.startswith("# Part")
    assert "You will build" in header.source
    assert "minutes" in header.source
    assert "| points |" in header.source
    assert (
        f"colab.research.google.com/github/{course.repository}/blob/{course.branch}/release/{ASSIGNMENT}/{part}.ipynb"
        in header.source
    )
    assert (
        f"https://github.com/{course.repository}/blob/{course.branch}/release/{ASSIGNMENT}/{part}.ipynb"
        in header.source
    )
    assert header.source.count("[![Open this notebook in") == 2
    assert (ROOT / f"release/{ASSIGNMENT}/{part}.ipynb").is_file()
    assert "%pip install" in setup.source
    assert "internet" in setup.source
    for cell in release.cells:
        assert not cell.get("outputs")
        if cell.cell_type == "code":
            ast.parse(TransformerManager().transform_cell(cell.source))
            assert len(cell.source.splitlines()) <= 60, f"{cell.id} is longer than a screen"


@pytest.mark.parametrize("part", ["part1_by_hand", "part2_network", "part3_sgd"])
def test_every_stub_raises_with_the_name_of_its_question(part: str) -> None:
    release = release_notebook(source_of(load_course(ROOT), part))
    stubs = [
        cell for cell in release.cells if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution")
    ]
    assert stubs
    for cell in stubs:
        name = cell.metadata.nbgrader.grade_id.removeprefix("solution_")
        assert f'raise NotImplementedError("{name}")' in cell.source


def test_points_add_up_to_one_hundred() -> None:
    course = load_course(ROOT)
    totals = {}
    for file in course.texts(ASSIGNMENT):
        cells = source_of(course, file.stem).cells
        totals[file.stem] = sum(
            c.metadata.nbgrader.points for c in cells if c.metadata.get("nbgrader", {}).get("grade")
        )
    assert totals == {"part1_by_hand": 25, "part2_network": 35, "part3_sgd": 40}


def test_every_written_answer_has_a_rubric_and_a_model_answer() -> None:
    course = load_course(ROOT)
    for file in course.texts(ASSIGNMENT):
        cells = {
            c.metadata.nbgrader.grade_id: c for c in source_of(course, file.stem).cells if "nbgrader" in c.metadata
        }
        for name, cell in cells.items():
            grader = cell.metadata.nbgrader
            if grader.grade and grader.solution:
                assert "BEGIN MARK SCHEME" in cells[f"question_{name}"].source, name
                assert len(cell.source) > 100, name


def test_a_leaking_solution_line_is_refused(course: Course) -> None:
    source = source_of(course)
    release = release_notebook(source)
    release.cells[-1].source += "\ndelta = (self.weights[layer].T @ delta) * derivative(zs[layer - 1])"
    with pytest.raises(CourseError, match="leaks into the student's copy"):
        verify(Part(course, ASSIGNMENT, course.texts(ASSIGNMENT)[0]), source, release)


def test_a_button_that_points_elsewhere_is_refused(course: Course) -> None:
    source = source_of(course)
    release = release_notebook(source)
    release.cells[0].source = release.cells[0].source.replace("part2_network.ipynb", "part9.ipynb")
    with pytest.raises(CourseError, match="a button points to"):
        verify(Part(course, ASSIGNMENT, course.texts(ASSIGNMENT)[0]), source, release)


def test_a_stub_that_does_not_parse_is_refused(tmp_path: Path) -> None:
    text = '# %% solution="f"\ndef f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION\n    else:\n'
    with pytest.raises(CourseError, match="does not parse"):
        build(_course_with(tmp_path, text), ASSIGNMENT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('# %% tests="f"\npass\n', "needs points="),
        ('# %% solution="f" tests="g"\npass\n', "two markers"),
        ('# %% [markdown] solution="f"\n# text\n', "belongs on a code cell"),
        ('# %% [markdown] written="w" points=2\n# Why?\n', "needs a model answer"),
        ('# %% solution="a b"\npass\n', "is no name"),
        ('# %% solution="f" seconds=0\npass\n', "seconds must be a number above 0, got 0"),
        ('# %% solution="f" wall_seconds="x"\npass\n', "wall_seconds must be a number above 0, got 'x'"),
        ('# %% solution="f" memory_mb=50\npass\n', "memory_mb must be a number above 100, got 50"),
        ('# %% solution="f" processes=99.5\npass\n', "processes must be a whole number, got 99.5"),
        ('# %% solution="f" file_mb=true\npass\n', "file_mb must be a number above 0, got True"),
        ('# %% solution="f" output_mb=17\npass\n', "output_mb must be at most 16, got 17"),
        ('# %% solution="f"\n### BEGIN SOLUTION\npass\n### END SOLUTION\n\n# %% solution="f"\npass\n', "stands twice"),
    ],
)
def test_mistakes_in_the_text_name_file_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CourseError, match=message) as error:
        build(_course_with(tmp_path, text), ASSIGNMENT)
    assert "part1.py" in str(error.value)


def test_a_cell_takes_its_own_limits_along(tmp_path: Path) -> None:
    own = {"seconds": 60, "wall_seconds": 600, "memory_mb": 4096, "processes": 400, "file_mb": 500, "output_mb": 0.5}
    marker = " ".join(f"{name}={value}" for name, value in own.items())
    course = _course_with(tmp_path, f'# %% plot="p" points=1 {marker}\n### BEGIN SOLUTION\n1\n### END SOLUTION\n')
    plot = source_notebook(Part(course, ASSIGNMENT, course.texts(ASSIGNMENT)[0])).cells[-1]
    assert plot.metadata["gradescent"] == own


def test_a_release_without_a_text_is_refused(course: Course) -> None:
    build(course, ASSIGNMENT)
    (course.release / ASSIGNMENT / "part9_old.ipynb").write_text("{}")
    with pytest.raises(CourseError, match="has no text source"):
        build(course, ASSIGNMENT, check_only=True)


def test_an_unknown_assignment_is_named(course: Course) -> None:
    with pytest.raises(CourseError, match="there is no assignment 'ps9'"):
        build(course, "ps9")
