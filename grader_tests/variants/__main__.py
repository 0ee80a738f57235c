"""`python -m grader_tests.variants PART [NAME ...]`: try variants quickly, in this process, while writing them."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
import matplotlib.pyplot as plt

from grader_tests import questions
from grader_tests.ps4_cnn import setting as images
from grader_tests.ps6_lstm import setting as reviews
from grader_tests.ps6_lstm import small
from grader_tests.variants import Variant, fill, load, part_of, points
from gradescent.authoring.text import source_notebook
from gradescent.course import load_course
from gradescent.student.direct import DirectStudent
from gradescent.student.judging import judge


def main(part: str, names: list[str]) -> int:
    matplotlib.use("Agg")
    os.environ["GRADESCENT_SMALL"] = "1"
    images.setting, reviews.setting = images.REDUCED, reviews.MADE_UP
    source = source_notebook(part_of(load_course(), part))
    bad = 0
    with TemporaryDirectory() as folder:
        if part.startswith("ps6_lstm"):
            os.environ["GRADESCENT_DATA"] = str(small.write(Path(folder)).parent)
        for variant in [Variant("reference"), *load(part)]:
            if not names or variant.name in names:
                bad += _try(part, source, variant, verbose=bool(names))
    print(f"{bad} not as stated")
    return 1 if bad else 0


def _try(part, source, variant, verbose) -> int:
    start = time.perf_counter()
    namespace = {"__name__": "__main__"}
    notebook = fill(source, variant)
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.id != "setup":
            try:
                exec(compile(cell.source, f"<cell {cell.id}>", "exec"), namespace)
            except BaseException as error:
                if verbose:
                    print(f"    cell {cell.id}: {type(error).__name__}: {error}")
    problems = []
    lines = []
    student = DirectStudent(namespace, 20)
    judged = variant.judged(points(source))
    for name, worth in points(source).items():
        if name not in judged:
            continue
        result = judge(questions(part)[name], student, worth, 7)
        lines.append(
            f"    {name}: {result.score}/{worth:g} {result.outcome.value}: {result.message}  {result.checks if verbose else ''}"
        )
        if result.score != variant.scores.get(name, worth):
            problems.append(f"    {name}: {result.score}, stated {variant.scores.get(name, worth)}")
        if variant.says.get(name, "") not in result.message:
            problems.append(f"    {name}: does not say {variant.says[name]!r}")
    plt.close("all")
    mark = "BAD" if problems else "ok "
    print(f"{mark} {variant.name} ({time.perf_counter() - start:.1f} s)")
    shown = [line for line in lines if " right: " not in line or verbose]
    print("\n".join(problems + shown)) if problems or shown else None
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
