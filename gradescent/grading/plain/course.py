"""What nbgrader_config.py says, in the form in which the engine knows a course."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbconvert.preprocessors import Preprocessor
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute
from nbgrader.utils import chdir
from sqlalchemy.engine import make_url
from traitlets import TraitError
from traitlets.config import Config

from gradescent.course import PLAIN as CONFIG
from gradescent.course import Assignment, Course, CourseError, Limits
from gradescent.grading import gradebook
from gradescent.grading.keys import ADDRESS
from gradescent.grading.plain.steps import silent, steps

if TYPE_CHECKING:
    from gradescent.grading.grader import Grader

STRUCTURE = "{nbgrader_step}/{student_id}/{assignment_id}"


@dataclass(frozen=True)
class PlainCourse(Course):
    """An nbgrader course without a course.toml.

    Attributes:
        config: all that nbgrader_config.py sets.
        directory: nbgrader's view of the folders.
    """

    config: Config
    directory: CourseDirectory

    @property
    def settings(self) -> Config:
        return self.config

    @property
    def db_url(self) -> str:
        return str(self.directory.db_url)

    @property
    def source(self) -> Path:
        return self._step(self.directory.source_directory)

    @property
    def release(self) -> Path:
        return self._step(self.directory.release_directory)

    @property
    def submitted(self) -> Path:
        return self._step(self.directory.submitted_directory)

    @property
    def autograded(self) -> Path:
        return self._step(self.directory.autograded_directory)

    @property
    def feedback(self) -> Path:
        return self._step(self.directory.feedback_directory)

    @property
    def gradebook(self) -> Path:
        return Path(make_url(self.db_url).database or "gradebook.db")

    @property
    def settings_key(self) -> str:
        """Digest of all that nbgrader_config.py sets."""
        return hashlib.sha256(ADDRESS.sub("", repr(self.config)).encode()).hexdigest()[:16]

    def autograde_steps(self, log: logging.Logger) -> tuple[list[Preprocessor], list[Preprocessor]]:
        """nbgrader's steps as nbgrader_config.py has them: those before a notebook is run, and from then on.

        Args:
            log: takes what they remark on.
        """
        autograde = Autograde(coursedir=self.directory, config=self.config)
        lists = (autograde.sanitize_preprocessors, autograde.autograde_preprocessors)
        first, second = (steps(self.config, configured, log) for configured in lists)
        return first, second

    def grader(self, assignment: Assignment, write: bool) -> Grader:
        from gradescent.grading.plain.grader import PlainGrader

        return PlainGrader(self, assignment, write)

    def _step(self, name: str) -> Path:
        return Path(self.directory.format_path(name, ".", "."))


@dataclass(frozen=True)
class Place:
    """One notebook of one student."""

    assignment: str
    student: str
    part: str

    def resources(self, course: PlainCourse) -> dict[str, Any]:
        """What nbgrader's preprocessors want to know about the notebook that they work on."""
        names = {"assignment": self.assignment, "student": self.student, "notebook": self.part}
        known = {**names, "db_url": course.db_url}
        return {"unique_key": self.part, "output_files_dir": f"{self.part}_files", "nbgrader": known}


def load_plain_course(root: Path) -> PlainCourse:
    """Read nbgrader_config.py as `nbgrader autograde` does.

    Args:
        root: the course's folder.

    Raises:
        CourseError: the configuration cannot be loaded, or the folders are laid out in an order of their own.
    """
    config, directory = _configured(root.resolve())
    if directory.directory_structure != STRUCTURE:
        raise CourseError(
            f"{root / CONFIG}: CourseDirectory.directory_structure is {directory.directory_structure!r}, and gradescent "
            f"knows only {STRUCTURE!r}. Remedy: leave it out"
        )
    try:
        limits = Limits(cell_seconds=_cell_seconds(config, directory))
    except TraitError as error:
        raise CourseError(f"{root / CONFIG}: {error}. Remedy: correct that setting") from error
    source = Path(directory.format_path(directory.source_directory, ".", "."))
    names = sorted({file.parent.name for file in source.glob("*/*.ipynb")})
    assignments = {name: Assignment(name, name, (), limits) for name in names}
    return PlainCourse(Path(directory.root), directory.course_id, "", "", assignments, config, directory)


def _configured(root: Path) -> tuple[Config, CourseDirectory]:
    from nbgrader.apps import AutogradeApp  # loads all of nbgrader's commands, which takes seconds

    gradebook.wait_for_locks()
    app = AutogradeApp(log_level=logging.CRITICAL, raise_config_file_errors=True)
    try:
        with chdir(str(root)):
            app.initialize([], root=str(root))
    except SystemExit:  # of traitlets, which has said why
        raise CourseError(f"{root / CONFIG}: nbgrader refuses it, see above. Remedy: correct that line") from None
    except Exception as error:  # whatever the instructor's file raises
        raise CourseError(
            f"{root / CONFIG}: cannot be loaded ({type(error).__name__}: {error}). Remedy: correct that line"
        ) from error
    return app.config, app.coursedir


def _cell_seconds(config: Config, directory: CourseDirectory) -> float:
    """The time that the configuration gives a cell. It must list the step that runs the cells.

    Where nothing is run there are no outputs, which to nbgrader means that every test passed.
    """
    listed = Autograde(coursedir=directory, config=config).autograde_preprocessors
    if not any(isinstance(step, Execute) for step in steps(config, listed, silent(logging.NullHandler()))):
        raise CourseError(
            f"{Path(directory.root) / CONFIG}: Autograde.autograde_preprocessors has no Execute, so no test would be run. "
            "Remedy: put it there"
        )
    seconds = Execute(config=config).timeout
    return float(seconds) if seconds is not None and seconds > 0 else Limits.submission_seconds
