"""A class of sample students for ps1_backprop: what an instructor meets, made from the variants.

`python -m grader_tests.sample_class submitted` writes it, and leaves students who are there already alone.
"""

from __future__ import annotations

import copy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from grader_tests.variants import Variant, fill, load
from gradescent.authoring.release import release_notebook
from gradescent.authoring.text import Part, source_notebook
from gradescent.course import Course, load_course

ASSIGNMENT = "ps1_backprop"
BY_HAND, NETWORK, SGD = "part1_by_hand", "part2_network", "part3_sgd"
# Sample students train only what is graded; the two experiments take most of a part's time.
SHORT = ("hidden_size_plot", "epochs_plot")

Notebooks = dict[str, NotebookNode]
Maker = Callable[["Bench"], Notebooks]


class Bench:
    """The source notebooks, and how a student's notebooks are made from them."""

    def __init__(self, course: Course):
        self.sources = {file.stem: source_notebook(Part(course, ASSIGNMENT, file)) for file in course.texts(ASSIGNMENT)}

    def right(self, *parts: str, complete: bool = False) -> Notebooks:
        """Right notebooks, of all parts when none is named."""
        variant = {part: None if complete or part != SGD else Variant("short", leave=SHORT) for part in self.sources}
        return {part: fill(self.sources[part], variant[part]) for part in parts or self.sources}

    def variant(self, part: str, name: str) -> NotebookNode:
        """A known solution by its name."""
        found = {variant.name: variant for variant in load(f"{ASSIGNMENT}/{part}")}
        return fill(self.sources[part], found[name])

    def edited(self, part: str, cell: str, code: str) -> NotebookNode:
        """A right notebook with one solution cell replaced."""
        leave = SHORT if part == SGD else ()
        return fill(self.sources[part], Variant("edited", cells={cell: code}, leave=leave))

    def stub(self, part: str) -> NotebookNode:
        """The notebook as it was handed out."""
        return release_notebook(self.sources[part])


def _full_marks(bench: Bench) -> Notebooks:
    return bench.right(complete=True)


def _other_styles(bench: Bench) -> Notebooks:
    return {**bench.right(), NETWORK: bench.variant(NETWORK, "einsum")}


def _typical_mistakes(bench: Bench) -> Notebooks:
    return {
        BY_HAND: bench.variant(BY_HAND, "relu_prime_in_place"),
        NETWORK: bench.variant(NETWORK, "derivative_of_a"),
        SGD: bench.variant(SGD, "decay_over_n"),
    }


def _sums_and_means(bench: Bench) -> Notebooks:
    return {
        BY_HAND: bench.variant(BY_HAND, "costs_averaged"),
        NETWORK: bench.variant(NETWORK, "mean_bias_gradient"),
        SGD: bench.variant(SGD, "biases_decayed"),
    }


def _half_finished(bench: Bench) -> Notebooks:
    left = ("back_prop", "evaluate")
    return {**bench.right(BY_HAND), NETWORK: fill(bench.sources[NETWORK], Variant("half", leave=left))}


def _syntax_error(bench: Bench) -> Notebooks:
    code = "def back_prop(self, x, y):\n    zs = [\n    return zs\n\n\nNetwork.back_prop = back_prop"
    return {**bench.right(), NETWORK: bench.edited(NETWORK, "back_prop", code)}


def _endless_loop(bench: Bench) -> Notebooks:
    return {**bench.right(), NETWORK: bench.edited(NETWORK, "evaluate", NEVER_ENDS)}


def _early_exit(bench: Bench) -> Notebooks:
    notebooks = bench.right()
    cell = new_code_cell("import os\n\nos._exit(0)  # I thought this ends the cell", id="leave")
    _after(notebooks[NETWORK], "solution_evaluate", cell)
    return notebooks


def _cells_copied(bench: Bench) -> Notebooks:
    notebooks = bench.right()
    _after(notebooks[NETWORK], "evaluate", _cell(bench.stub(NETWORK), "solution_back_prop"))
    _after(notebooks[NETWORK], "back_prop", _cell(notebooks[NETWORK], "back_prop"))
    _after(notebooks[BY_HAND], "solution_softmax", _cell(notebooks[BY_HAND], "solution_softmax"))
    return notebooks


def _cells_deleted(bench: Bench) -> Notebooks:
    notebooks = bench.right()
    for name, notebook in notebooks.items():
        gone = {"setup", "header", "given_02", "network", "back_prop", "softmax", "sgd_train"}
        notebooks[name].cells = [cell for cell in notebook.cells if cell.id not in gone]
    return notebooks


def _cells_reordered(bench: Bench) -> Notebooks:
    notebooks = bench.right()
    for notebook in notebooks.values():
        notebook.cells = notebook.cells[6:] + notebook.cells[:6]
    return notebooks


def _metadata_stripped(bench: Bench) -> Notebooks:
    notebooks = bench.right()
    for notebook in notebooks.values():
        notebook.metadata = nbformat.NotebookNode()
        for number, cell in enumerate(notebook.cells):
            cell.metadata = nbformat.NotebookNode()
            cell["id"] = f"cell-{number}"
    return notebooks


def _warning_on_stderr(bench: Bench) -> Notebooks:
    notebooks = bench.right()
    code = "import sys\nimport warnings\n\nwarnings.warn('this function will change')\nprint('a note', file=sys.stderr)\n\n"
    for name, cell in ((BY_HAND, "solution_softmax"), (NETWORK, "solution_back_prop"), (SGD, "solution_SGD_train")):
        target = _cell(notebooks[name], cell)
        target.source = code + target.source
    return notebooks


def _colab(bench: Bench) -> Notebooks:
    notebooks = bench.right()
    for notebook in notebooks.values():
        notebook.metadata.update({"colab": {"provenance": [], "toc_visible": True}, "accelerator": "GPU"})
        for number, cell in enumerate(notebook.cells):
            cell.metadata.update(
                {"id": f"Xy{number}", "outputId": "d3adb33f-1", "colab": {"base_uri": "https://localhost:8080/"}}
            )
    return notebooks


def _kaggle(bench: Bench) -> Notebooks:
    notebooks = bench.right()
    for notebook in notebooks.values():
        notebook.metadata["kaggle"] = {"accelerator": "none", "isInternetEnabled": True, "language": "python"}
        for cell in notebook.cells:
            cell.metadata.update({"_uuid": "8f2839f25d086af736a60e9eeb907d3b93b6e0e5", "trusted": True})
            cell.metadata["execution"] = {"iopub.status.busy": "2026-01-01T00:00:00Z"}
    return notebooks


NEVER_ENDS = """\
def evaluate(self, data):
    hits = 0
    while hits < len(data):
        hits += 0
    return hits / len(data)


Network.evaluate = evaluate"""

READS_THE_TESTS = """\
import glob, os, sys
found = [f for root in ("/", os.getcwd(), *sys.path) for f in glob.glob(f"{root}/**/grader_tests/**/*.py", recursive=True)]
for frame in sys._current_frames().values():
    while frame:
        found += [str(v) for v in frame.f_locals.values() if "expected" in str(v)[:2000]]
        frame = frame.f_back
try:
    from grader_tests.ps1_backprop.reference import Net
    Network = Net
except ImportError:
    pass


def back_prop(self, x, y):
    for path in found:
        print(open(path).read()) if os.path.exists(path) else None
    try:
        from grader_tests.ps1_backprop.reference import Net
        return Net(self.weights, self.biases, self.hidden, self.output).gradients(x, y)
    except ImportError:
        return [w * 0 for w in self.weights], [b * 0 for b in self.biases]


Network.back_prop = back_prop"""

PATCHES_THE_COMPARISONS = """\
import builtins, sys
import numpy as np
import numpy.testing


class Equal(float):
    __eq__ = __le__ = __lt__ = __ge__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = float.__hash__


for name in ("assert_allclose", "assert_array_equal", "assert_almost_equal"):
    setattr(np.testing, name, lambda *args, **kwargs: None)
np.allclose = np.array_equal = np.isclose = lambda *args, **kwargs: True
np.linalg.norm = lambda *args, **kwargs: 0.0
for module in [m for key, m in list(sys.modules.items()) if key.startswith(("gradescent", "grader_tests"))]:
    for name in ("compare", "wrong", "relative_error", "check_array", "judge"):
        if hasattr(module, name):
            setattr(module, name, lambda *args, **kwargs: Equal(0))


def back_prop(self, x, y):
    return [w * 0 for w in self.weights], [b * 0 for b in self.biases]


Network.back_prop = back_prop
print("back_prop: right.")
18.0"""


def _reads_the_tests(bench: Bench) -> Notebooks:
    return {**bench.right(BY_HAND), NETWORK: bench.edited(NETWORK, "back_prop", READS_THE_TESTS)}


def _patches_the_comparisons(bench: Bench) -> Notebooks:
    return {**bench.right(BY_HAND), NETWORK: bench.edited(NETWORK, "back_prop", PATCHES_THE_COMPARISONS)}


STUDENTS: dict[str, Maker] = {
    "ada_full_marks": _full_marks,
    "ben_other_styles": _other_styles,
    "chloe_typical_mistakes": _typical_mistakes,
    "dmitri_sums_and_means": _sums_and_means,
    "emre_half_finished": _half_finished,
    "fatima_syntax_error": _syntax_error,
    "gita_endless_loop": _endless_loop,
    "hiro_early_exit": _early_exit,
    "ines_cells_copied": _cells_copied,
    "jonas_cells_deleted": _cells_deleted,
    "kwame_cells_reordered": _cells_reordered,
    "lina_metadata_stripped": _metadata_stripped,
    "marek_warning_on_stderr": _warning_on_stderr,
    "noor_colab": _colab,
    "oskar_kaggle": _kaggle,
    "petra_reads_the_tests": _reads_the_tests,
    "quentin_patches_the_comparisons": _patches_the_comparisons,
}


def _cell(notebook: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == name)


def _after(notebook: NotebookNode, name: str, cell: NotebookNode) -> None:
    cell = copy.deepcopy(cell)
    cell["id"] = f"{cell.id[:40]}-{len(notebook.cells)}"
    notebook.cells.insert(notebook.cells.index(_cell(notebook, name)) + 1, cell)


def write(course: Course, submitted: Path) -> list[str]:
    """Write the class and return the students who were added."""
    absent = {student: make for student, make in STUDENTS.items() if not (submitted / student / ASSIGNMENT).exists()}
    if not absent:
        return []
    bench = Bench(course)
    for student, make in absent.items():
        folder = submitted / student / ASSIGNMENT
        notebooks = make(bench)
        unfinished = submitted / f".{student}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        for part, notebook in notebooks.items():
            nbformat.write(notebook, unfinished / f"{part}.ipynb")
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished.rename(folder)
    return list(absent)


if __name__ == "__main__":
    print(f"{len(write(load_course(), Path(sys.argv[1])))} sample students added to {sys.argv[1]}/")
