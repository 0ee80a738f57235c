"""course.toml: what it may hold, and one clear line for each mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT

from gradescent.course import CourseError, find_root, load_course

GOOD = '[course]\nname = "c"\nrepository = "owner/name"\n[limits]\ncell_seconds = 5\n[assignments.ps]\ntitle = "T"\n'


def test_the_courses_own_file() -> None:
    course = load_course(ROOT)
    assert course.assignment("ps1_backprop").data == ("tiny_toy", "tiny_mnist")
    assert course.assignment("ps1_backprop").limits.cell_seconds > 0


def test_an_assignments_limits_stand_over_the_courses(tmp_path: Path) -> None:
    (tmp_path / "course.toml").write_text(GOOD + "limits = { memory_mb = 999 }\n")
    limits = load_course(tmp_path).assignment("ps").limits
    assert (limits.cell_seconds, limits.memory_mb) == (5, 999)


def test_the_root_is_found_from_below(tmp_path: Path) -> None:
    (tmp_path / "course.toml").write_text(GOOD)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_root(below) == tmp_path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("[course]", "[course"), "not valid TOML"),
        (('name = "c"', "name = 5"), "course.name must be a text"),
        (('"owner/name"', '"name"'), "must be 'owner/name'"),
        (("cell_seconds = 5", "cell_seconds = -1"), "limits.cell_seconds must be a number above 0"),
        (("cell_seconds = 5", 'cell_seconds = "5"'), "limits.cell_seconds must be a number above 0"),
        (("cell_seconds = 5", "cell_seconds = nan"), "limits.cell_seconds must be a number above 0"),
        (("cell_seconds = 5", "memory_mb = inf"), "limits.memory_mb must be a number above 100"),
        (("cell_seconds = 5", "memory_mb = 0.5"), "limits.memory_mb must be a number above 100"),
        (("cell_seconds = 5", "file_mb = 0"), "limits.file_mb must be a number above 0"),
        (("cell_seconds = 5", "output_mb = 17"), "limits.output_mb must be at most 16, got 17"),
        (("cell_seconds = 5", "submission_output_mb = []"), "limits.submission_output_mb must be a number above 0"),
        (("cell_seconds = 5", "submission_cpu_seconds = 1e12"), "limits.submission_cpu_seconds must be at most 1e+09"),
        (("cell_seconds = 5", "processes = 20.5"), "limits.processes must be a whole number, got 20.5"),
        (("cell_seconds = 5", "wall_seconds = 60"), "[limits] cannot hold 'wall_seconds'. It can hold: call_seconds"),
        (('"owner/name"', '"a b/c?d"'), "must be 'owner/name'"),
        (("cell_seconds", "cel_seconds"), "[limits] cannot hold 'cel_seconds'"),
        (("[limits]", "[limit]"), "the file cannot hold 'limit'"),
        (('title = "T"', 'titel = "T"'), "[assignments.ps] cannot hold 'titel'"),
        (('title = "T"', 'data = "mnist"'), "assignments.ps.data must be a list"),
        (("[assignments.ps]\n", "[assignments]\nps = 3\n"), "[assignments.ps] must be a table"),
    ],
)
def test_each_mistake_has_its_line(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    (tmp_path / "course.toml").write_text(GOOD.replace(*change))
    with pytest.raises(CourseError) as error:
        load_course(tmp_path)
    assert words in str(error.value)
    assert "course.toml" in str(error.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "course.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(CourseError, match="not valid TOML"):
        load_course(tmp_path)


def test_an_assignment_without_text_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "course.toml").write_text(GOOD)
    with pytest.raises(CourseError, match=r"no part\*\.py there. Remedy"):
        load_course(tmp_path).texts("ps")
