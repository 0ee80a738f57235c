"""Pages of graded notebooks: feedback/, made by nbgrader, and what makes students' text safe in it and in the formgrader."""

from __future__ import annotations

import copy
import html
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bleach
from bleach.css_sanitizer import CSSSanitizer
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.filters.markdown_mistune import InvalidNotebook, IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor, Preprocessor
from nbformat import NotebookNode
from nbgrader.converters import GenerateFeedback
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import GetGrades
from nbgrader.utils import is_locked
from traitlets import Bool

from gradescent.course import Course
from gradescent.grading.gradebook import url
from gradescent.grading.record import write_durably
from gradescent.grading.repair import split_hidden
from gradescent.student.invoke import OutOfTime, cpu_limit

PAGE_SECONDS = 20.0  # CPU time for a student's text in a page; an honest one takes a tenth of a second
LEFT = "gradescent_seconds"  # of it: noted in what a page is made with
MAX_MARKDOWN = 20_000  # characters of a cell that are rendered: hostile Markdown takes quadratic time

# What Markdown, tables and our own messages are made of. No class or id of nbgrader's page can be borrowed.
TEXT = {"a", "abbr", "b", "br", "code", "del", "em", "i", "img", "s", "span", "strong", "sub", "sup", "u"}
BLOCKS = {"blockquote", "details", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "p", "pre", "summary"}
LISTS = {"dd", "dl", "dt", "li", "ol", "ul"}
TABLES = {"caption", "table", "tbody", "td", "tfoot", "th", "thead", "tr"}
ATTRIBUTES = {"img": {"alt", "title", "width", "height"}, "a": {"title"}, "td": {"colspan", "rowspan"}}
LINK = re.compile(r"https?://|mailto:|#", flags=re.IGNORECASE)
PICTURE = re.compile(r"https?://|data:image/(png|jpeg|gif|svg\+xml);base64,", flags=re.IGNORECASE)
HIGHLIGHTING = re.compile(r"highlight|[a-z][a-z0-9]?")  # Pygments' classes
CODE_OF_PAGES = re.compile(r"<(script|style)\b.*?</\1\s*>", flags=re.DOTALL | re.IGNORECASE)
TAG = re.compile(r"<[^<>]*>")
COLOURS = CSSSanitizer(allowed_css_properties=["color"])


class HideTests(Preprocessor):
    """Take the call of the hidden tests and the rubric out of the cells that students did not write."""

    enabled = Bool(True)

    def preprocess_cell(self, cell: NotebookNode, resources: Any, cell_index: int) -> tuple[NotebookNode, Any]:
        if is_locked(cell):
            cell.source = split_hidden(cell.source)[0].strip()
        return cell, resources


class ForgetMetadata(Preprocessor):
    """Forget what a student's outputs say about themselves: nbconvert writes the width of a picture into the page as it is."""

    enabled = Bool(True)

    def preprocess_cell(self, cell: NotebookNode, resources: Any, cell_index: int) -> tuple[NotebookNode, Any]:
        for output in cell.get("outputs", []):
            if "metadata" in output:
                output.metadata = NotebookNode()
        return cell, resources


class _Renderer(IPythonRenderer):
    def image(self, text: str, url: str, title: str | None = None) -> str:
        try:
            return super().image(text, url, title)
        except InvalidNotebook:  # an attachment that did not come along
            return html.escape(f"[picture: {text}]")


def _within_time(context: Context, make: Callable[[], str], otherwise: str) -> str:
    """What is made of a student's text, within the CPU time that a page may take in all; else the other text, escaped.

    Parsers take quadratic time for tags that nobody closes: minutes for one output.
    """
    resources = context.get("resources", {})  # one page's
    left = resources.get(LEFT, PAGE_SECONDS)
    begun = time.process_time()
    try:
        if left > 0:
            with cpu_limit(left):
                made = make()
            resources[LEFT] = left - (time.process_time() - begun)
            return made
    except OutOfTime:
        resources[LEFT] = 0.0
    except Exception:  # nested a thousand times, for instance
        resources[LEFT] = left - (time.process_time() - begun)
    return f"<pre>{html.escape(otherwise)}</pre>"


@pass_context
def safe_html(context: Context, source: Any) -> str:
    """HTML of a student's (or ours) as safe HTML, or its text where a page would take too long."""
    text = str(source)
    return _within_time(context, lambda: _clean(text), html.unescape(TAG.sub("", text)))


def _clean(text: str) -> str:
    """HTML with nothing in it that runs, loads a page or looks like a part of nbgrader's page."""
    return bleach.clean(
        CODE_OF_PAGES.sub("", text),
        tags=TEXT | BLOCKS | LISTS | TABLES,
        attributes=_is_safe,
        protocols={"http", "https", "mailto", "data"},
        css_sanitizer=COLOURS,
        strip=True,
    )


def _is_safe(tag: str, name: str, value: str) -> bool:
    if name == "href":
        return tag == "a" and bool(LINK.match(value))
    if name == "src":
        return tag == "img" and bool(PICTURE.match(value))
    if name == "class":
        return tag in ("div", "span") and bool(HIGHLIGHTING.fullmatch(value))
    return name == "style" or name in ATTRIBUTES.get(tag, ())


@pass_context
def safe_markdown(context: Context, source: str) -> str:
    """Markdown as safe HTML. nbgrader's own templates let scripts in a student's Markdown through."""
    if len(source) > MAX_MARKDOWN:
        return f"<pre>{html.escape(source)}</pre>"
    attachments = context.get("cell", {}).get("attachments", {})
    renderer = _Renderer(escape=False, attachments=attachments)
    return _within_time(context, lambda: _clean(MarkdownWithMath(renderer=renderer).render(source)), source)


def configure_pages(config: Any) -> None:
    """Make the pages safe: those of feedback, and those of the formgrader, where a script would run as the instructor."""
    config.GenerateFeedback.preprocessors = [GetGrades, HideTests, CSSHTMLHeaderPreprocessor]
    config.HTMLExporter.preprocessors = [ForgetMetadata]
    config.HTMLExporter.sanitize_html = True
    config.HTMLExporter.filters = {"markdown2html": safe_markdown, "clean_html": safe_html}


class _OneStudent(GenerateFeedback):
    """nbgrader's converter for one folder, whatever its name: nbgrader takes names for patterns."""

    folder: Path
    reason: Exception | None = None  # why a page could not be made, of which nbgrader's own exception says nothing

    def init_notebooks(self) -> None:
        self.assignments = {str(self.folder): sorted(map(str, self.folder.glob("*.ipynb")))}

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        """Copy nothing: pages go back, and nothing that lies beside the notebooks."""

    def convert_single_notebook(self, notebook_filename: str) -> None:
        try:
            super().convert_single_notebook(notebook_filename)
        except Exception as error:
            self.reason = error
            raise

    def write_single_notebook(self, output: str, resources: Any) -> None:
        """Write a page whole or not at all: what is there counts as written."""
        names = resources["nbgrader"]
        folder = Path(self._format_dest(names["assignment"], names["student"]))
        write_durably(folder / f"{resources['unique_key']}.html", output)


def write_feedback(course: Course, assignment: str, student: str) -> None:
    """Write one student's feedback pages from autograded/ and the gradebook."""
    config = copy.deepcopy(course.settings)
    config.CourseDirectory.root = str(course.root)
    config.CourseDirectory.assignment_id = assignment
    config.CourseDirectory.db_url = url(course)
    configure_pages(config)
    log = logging.getLogger("gradescent.feedback")
    log.setLevel(logging.CRITICAL)  # tracebacks: what went wrong is raised as well
    converter = _OneStudent(coursedir=CourseDirectory(config=config), config=config, log=log)
    converter.folder = course.autograded / student / assignment
    converter.force = True
    try:
        converter.start()
    except NbGraderException as error:
        raise converter.reason or error from None
