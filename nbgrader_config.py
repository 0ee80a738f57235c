"""nbgrader's configuration of this course: everything stands in gradescent.grading.stock."""

from pathlib import Path

from gradescent.grading.stock import configure

configure(get_config(), Path(__file__).resolve().parent)  # noqa: F821 - nbgrader provides get_config
