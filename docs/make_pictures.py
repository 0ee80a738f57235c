"""Make the pictures of the README: `python docs/make_pictures.py` after `make grade`. Needs chromium."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path

from nbconvert import HTMLExporter
from rich.console import Console

from gradescent.course import load_course
from gradescent.grading.record import StudentResult
from gradescent.report.table import class_table

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
SHOWN = ("ada", "chloe", "dmitri", "fatima", "gita", "hiro", "lina", "quentin")
CHROMIUM = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=900,760")
# The badges come from the network; the picture is made without one.
BADGE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="130" height="22" role="img" aria-label="{0}"><rect width="130" height="22" '
    'rx="4" fill="#555"/><text x="65" y="15" fill="#fff" font-family="sans-serif" font-size="12" text-anchor="middle">{0}</text></svg>'
)


def class_picture() -> None:
    """A part of the sample class as the terminal shows it."""
    records = sorted(load_course(ROOT).autograded.glob("*/ps1_backprop/result.json"))
    results = [
        StudentResult.from_dict(json.loads(file.read_text())) for file in records if file.parts[-3].startswith(SHOWN)
    ]
    console = Console(record=True, width=130)
    console.print(class_table(results, "gradescent grade ps1_backprop"))
    console.save_svg(str(PICTURES / "class.svg"), title="make grade")


def notebook_picture() -> None:
    """The top of a release notebook in a browser."""
    page, _ = HTMLExporter(template_name="lab").from_filename(str(ROOT / "release/ps1_backprop/part2_network.ipynb"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "notebook.html"
        for service in ("Colab", "Kaggle"):
            badge = BADGE.format(f"Open in {service}")
            page = re.sub(rf'<img alt="Open this notebook in {service}"[^>]*>', badge, page)
        file.write_text(page)
        picture = PICTURES / "notebook.png"
        subprocess.run(
            [*CHROMIUM, f"--screenshot={picture}", f"--user-data-dir={folder}/profile", file.as_uri()], check=True
        )


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    class_picture()
    notebook_picture()
