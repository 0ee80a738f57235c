"""feedback/: the pages that go back to students, made by nbgrader."""

from __future__ import annotations

import logging

from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from gradescent.course import Course
from gradescent.grading.gradebook import url


def write_feedback(course: Course, assignment: str, student: str) -> None:
    """Write one student's feedback pages from autograded/ and the gradebook."""
    config = Config()
    config.CourseDirectory.root = str(course.root)
    config.CourseDirectory.assignment_id = assignment
    config.CourseDirectory.student_id = student
    config.CourseDirectory.db_url = url(course)
    config.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "result.json"]
    # Pages that show students' output run no script of theirs.
    config.HTMLExporter.sanitize_html = True
    log = logging.getLogger("gradescent.feedback")
    log.setLevel(logging.ERROR)
    converter = GenerateFeedback(coursedir=CourseDirectory(config=config), config=config, log=log)
    converter.force = True
    converter.start()
