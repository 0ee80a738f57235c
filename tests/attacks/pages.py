"""Hostile text, on its way to the pages and to the terminal of whoever reads them."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

from conftest import ASSIGNMENT, NETWORK
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell
from rich.console import Console

from attacks.attack import Attack, answer
from attacks.course import NEIGHBOUR, Scene
from attacks.intake import with_cells
from gradescent.report.table import class_table, reasons

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)><a href='javascript:alert(1)'>x</a><iframe src='//evil'></iframe>"
RUNNING = ("script", "iframe", "object", "embed", "form", "base", "meta", "style", "link", "svg", "math", "frame")
PLACES = ("href", "src", "srcset", "action", "formaction", "xlink:href", "data")


class Running(HTMLParser):
    """What of a page a browser runs, loads as a page, or takes for a setting of the page."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in RUNNING:
            self.found.append(tag)
        for name, value in attrs:
            address = re.sub(r"[\s\x00]", "", value or "").lower()
            if name.startswith("on") or name == "srcdoc" or "expression(" in address:
                self.found.append(f"{tag} {name}={value}")
            if name in PLACES and address.startswith(("javascript:", "vbscript:", "data:text")):
                self.found.append(f"{tag} {name}={value}")


def _runs_nothing(scene: Scene) -> None:
    """The attacker's page runs what the neighbour's does, which is of our making alone."""
    page = scene.site.course.feedback / NEIGHBOUR / ASSIGNMENT / f"{NETWORK}.html"
    assert Running(scene.page).found == Running(page.read_text()).found


def _is_one_line_each(scene: Scene) -> None:
    lines = reasons(scene.graded.result)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(class_table([scene.graded.result], "class"))
    for text in (*lines, console.export_text()):
        assert "\x1b" not in text
        assert "\n! ada" not in text
    assert "\x1b" not in scene.everything()


ATTACKS = [
    Attack(
        "scripts_in_text",
        hand_in=with_cells(
            new_markdown_cell(SCRIPT),
            new_markdown_cell(
                f"[x](javascript:alert(1)) ![x](data:text/html;base64,{SCRIPT}) $\\href{{javascript:alert(1)}}{{x}}$"
            ),
            new_markdown_cell(
                f"<style>body{{display:none}}</style><svg><g onload=alert(1)></svg><math><mtext>{SCRIPT}</mtext></math>"
            ),
            new_raw_cell(SCRIPT),
            new_code_cell(f"# {SCRIPT}\nraise ValueError({SCRIPT!r})"),
        ),
        pages=True,
        check=_runs_nothing,
    ),
    Attack(
        "scripts_in_outputs",
        f"""
from IPython.display import HTML, Javascript, Latex, Markdown, display
evil = {SCRIPT!r}
picture = f"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'>{{evil}}</svg>"
display({{"image/svg+xml": picture}}, raw=True)
display(HTML(evil), Markdown(evil), Latex(evil))
display(Javascript("alert(1)"))
widget = {{"application/vnd.jupyter.widget-view+json": {{"model_id": evil}}}}
display({{"image/png": '" onerror="alert(1)', "text/html": evil, **widget}}, raw=True)
display({{"image/png": "iVBORw=="}}, metadata={{"image/png": {{"width": '1" onload="alert(1)'}}}}, raw=True)
print(evil)
""",
        pages=True,
        check=_runs_nothing,
    ),
    answer(
        "scripts_in_messages",
        f"raise type({SCRIPT!r}, (Exception,), {{}})({SCRIPT!r})",
        "error in your code",
        pages=True,
        check=_runs_nothing,
    ),
    answer(
        "escape_codes_in_messages",
        "raise ValueError('\\x1b[2J\\x1b]0;owned\\x07\\n! ada: 0/35\\r\\x9b2J\\u202e')",
        "error in your code",
        pages=True,
        check=_is_one_line_each,
    ),
    answer(
        "markup_in_messages",
        "raise ValueError('[bold red]right[/] [link=http://evil]x[/link] [/]')",
        "error in your code",
        pages=True,
        check=_is_one_line_each,
    ),
    Attack(
        "html_that_no_parser_likes",
        """
from IPython.display import HTML, display
display(HTML("".join(f"<b id={number}>" for number in range(1_000))))
""",
        pages=True,
        check=_runs_nothing,
    ),
]
