"""What a student's cells show in autograded/ is what stock Jupyter shows: one notebook through a real kernel and through the engine."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from gradescent.course import Limits
from gradescent.grading.outputs import MAX_OUTPUTS, MB, safe_outputs, write_outputs
from gradescent.grading.run import Run
from gradescent.grading.sandbox import Backend, Sandbox
from gradescent.student.judging import RESULT_MIME

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

# Names of cells, and their sources. All run one after the other, as they stand here.
CELLS: dict[str, str] = {
    # Values and streams.
    "value": "'text', 1.5, None",
    "long_value": "list(range(2000))",
    "value_of_a_statement": "x = 3",
    "semicolon": "x;",
    "empty": "",
    "blank": "  \n",
    "comment": "# nothing to run",
    "print": "print('one')\nprint('two', end='')",
    "stderr": "import sys\nprint('an error', file=sys.stderr)",
    "both_streams": "for i in range(3):\n    print(i)\n    print(-i, file=sys.stderr)",
    "flushed": "print('out', flush=True)\nprint('err', file=sys.stderr, flush=True)\nprint('out again')",
    "slow_streams": (
        "import time\nfor i in range(2):\n    print(i)\n    time.sleep(0.5)\n"
        "    print(-i, file=sys.stderr)\n    time.sleep(0.5)"
    ),
    "print_and_value": "print('before')\nx",
    "two_values": "x\nx + 1",
    "unusual_text": "print('Zoë 李 \\u00a0\\u200d👩‍🔬 \\x1b[31mred\\x1b[0m a\\bb')",
    "not_text": "sys.stdout.write(5)",
    "stream_attributes": "sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.name, sys.stderr.name, sys.stdout.writable()",
    "progress": "for i in range(3):\n    print(f'\\r{i} of 3', end='')",
    "progress_on_stderr": (
        "for i in range(3):\n    sys.stderr.write(f'\\r{i:3d}%|{\"█\" * i}')\n    sys.stderr.flush()\nsys.stderr.write('\\n')"
    ),
    "warning": "import warnings\nwarnings.warn('this will change', DeprecationWarning)\nwarnings.warn('careful')",
    "numpy_warning": "import numpy as np\nnp.log(np.array([0.0, 1.0]))",
    "logging": "import logging\nlogging.basicConfig()\nlogging.warning('a note')",
    "logging_later": "logging.warning('another note')",
    # Past Python: the file descriptors.
    "descriptor": "import os\nn = os.write(1, b'written to 1\\n')\ntime.sleep(0.5)",
    "descriptor_of_stderr": "n = os.write(2, 'geschrieben: ü\\n'.encode())\ntime.sleep(0.5)",
    "program": "import subprocess\ndone = subprocess.run(['echo', 'a program'])\ntime.sleep(0.5)",
    "much_of_a_program": "done = subprocess.run(['seq', '12000'])\ntime.sleep(1)",
    "os_system": "code = os.system('echo from os.system')\ntime.sleep(0.5)",
    "forked_child": (
        "import multiprocessing\n\ndef work(n):\n    print('child', n)\n\n"
        "child = multiprocessing.get_context('fork').Process(target=work, args=(1,))\nchild.start()\nchild.join()\ntime.sleep(0.5)"
    ),
    "thread": "import threading\nt = threading.Thread(target=print, args=('from a thread',))\nt.start()\nt.join()",
    # Displays.
    "html": "from IPython.display import *\nHTML('<b>bold</b><table><tr><td>1</td></tr></table>')",
    "markdown": "Markdown('*text* $x^2$')",
    "latex": "Latex(r'$$\\frac{1}{2}$$')",
    "math": "Math(r'\\alpha')",
    "json": "JSON({'a': [1, 2.5, None, {'b': 'ü'}], 'c': True}, expanded=True)",
    "javascript": "Javascript('alert(1)')",
    "svg": f"SVG({SVG!r})",
    "several": "display('a', 1, HTML('<i>x</i>'))\nprint('between')\ndisplay(2)\n3",
    "raw_bundle": "display({'text/plain': 'plain', 'text/html': '<p>rich</p>', 'application/x-unknown': 'z'}, raw=True)",
    "picture": f"import base64\nImage(base64.b64decode({PNG!r}), width=30, height=20)",
    "picture_from_bytes": (
        "class Picture:\n    def __init__(self, kind):\n        self.kind = kind\n"
        f"    def _repr_mimebundle_(self, **_):\n        return {{self.kind: base64.b64decode({PNG!r})}}\n\nPicture('image/png')"
    ),
    "jpeg": "display(Picture('image/jpeg'))\ndisplay(Picture('image/gif'))",
    "pretty": "{f'key {i}': list(range(20)) for i in range(4)}",
    "own_repr": (
        "class Rich:\n    def _repr_html_(self):\n        return '<u>rich</u>'\n"
        "    def __repr__(self):\n        return 'Rich()'\n\nRich()"
    ),
    "repr_that_fails": "class Broken:\n    def __repr__(self):\n        raise ValueError('no repr')\n\nBroken()",
    "html_repr_that_fails": (
        "class Broken:\n    def _repr_html_(self):\n        raise ValueError('no html')\n"
        "    def __repr__(self):\n        return 'B'\n\nBroken()"
    ),
    "display_id": "handle = display('first', display_id='shown')\ndisplay('other')\nhandle.update('second')",
    "display_id_later": "handle.display('third')\nupdate_display(HTML('<b>last</b>'), display_id='shown')",
    "display_id_unknown": "update_display('nowhere', display_id='unknown')",
    "clear_output": "print('gone')\ndisplay('gone')\nclear_output()\nprint('stays')",
    "clear_output_wait": "for i in range(3):\n    clear_output(wait=True)\n    print(i)\n    display(i)",
    "clear_output_wait_for_nothing": "print('stays')\nclear_output(wait=True)",
    "clear_then_update": "h = display('a', display_id=True)\nclear_output()\nh.update('b')\nprint('c')",
    "progress_bar": "for i in ProgressBar(3):\n    pass",
    "widget": "import ipywidgets\nipywidgets.IntSlider(value=5)",
    "audio": "Audio(np.zeros(10), rate=10)",
    # matplotlib.
    "plot": "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])",
    "inline": "%matplotlib inline",
    "show": "plt.figure(figsize=(3, 2))\nplt.imshow(np.eye(4))\nplt.show()\nprint('after')",
    "two_figures": "plt.figure(figsize=(1, 1))\nplt.plot([1])\nplt.figure(figsize=(1, 2))\nplt.plot([2]);",
    "figure_as_value": "fig, ax = plt.subplots(figsize=(2, 2))\nax.plot([3, 1])\nplt.close(fig)\nfig",
    "transparent": "plt.figure(figsize=(1, 1), facecolor='none')\nplt.plot([1, 2])\nplt.show()",
    "figure_before_error": "plt.figure(figsize=(1, 1))\nplt.plot([1])\n1 / 0",
    "retina": "%config InlineBackend.figure_format = 'retina'\nplt.figure(figsize=(1, 1))\nplt.plot([1, 2]);",
    "jpeg_and_png": (
        "%config InlineBackend.figure_formats = ['jpeg', 'png']\nplt.figure(figsize=(1, 1))\nplt.plot([1, 2]);"
    ),
    "svg_figure": (
        "%config InlineBackend.figure_formats = ['svg']\nplt.rcParams['svg.hashsalt'] = 'x'\n"
        "%config InlineBackend.print_figure_kwargs = {'metadata': {'Date': None}}\n"
        "plt.figure(figsize=(1, 1))\nplt.plot([1, 2]);"
    ),
    "animated": (
        "%config InlineBackend.figure_format = 'png'\nfor i in range(2):\n"
        "    plt.figure(figsize=(1, 1))\n    plt.plot([i])\n    clear_output(wait=True)\n    plt.show()"
    ),
    # Errors.
    "error": "def f(n):\n    return 1 / n\n\nprint('before')\nf(0)\nprint('after')",
    "error_in_earlier_cell": "f(0)",
    "chained_error": "try:\n    f(0)\nexcept ZeroDivisionError as error:\n    raise KeyError('a') from error",
    "error_with_note": "class Mine(Exception):\n    pass\n\nraise Mine('line one\\nline two')",
    "error_in_library": "np.zeros((2, 3)) @ np.zeros((2, 3))",
    "name_error": "no_such_name",
    "syntax_error": "def g(:\n    pass",
    "indentation_error": "if x:\npass",
    "unclosed": "print((1,",
    "null_byte": "exec('x = \\x00')",
    "recursion": "def deep(n):\n    return deep(n + 1)\n\ndeep(0)",
    "assertion": "assert x == 4, 'x is wrong'",
    "not_implemented": "raise NotImplementedError",
    "system_exit": "print('bye')\nsys.exit(3)",
    "system_exit_without_code": "raise SystemExit",
    "keyboard_interrupt": "print('working')\nraise KeyboardInterrupt",
    "exception_group": "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])",
    "usage_error": "%no_such_magic",
    "usage_error_of_cell": "%%no_such_magic\nx",
    "unclosed_magic": "%%timeit -n",
    "tb": "%tb",
    # IPython.
    "get_ipython": "type(get_ipython()).__name__, get_ipython() is not None, get_ipython().execution_count",
    "libraries_see_a_notebook": "'IPKernelApp' in get_ipython().config",
    "underscore": "_",
    "underscores": "_, __, ___",
    "out": "sorted(Out)[:5], Out[1]",
    "in": "In[1:3]",
    "history": "%history 1-3",
    "who": "%who int",
    "help": "len?",
    "source_of_function": "f??",
    "inspect": "import inspect\nprint(inspect.getsource(f))",
    "env": "%env COURSE=learning",
    "env_of_name": "%env COURSE",
    "capture": "%%capture taken\nprint('captured')\ndisplay(1)\n2",
    "captured": "taken.show()\ntaken.stdout",
    "capture_figure": "%%capture\nplt.plot([1])",
    "write_file": "%%writefile note.py\nVALUE = 7\n",
    "read_file": "import note\nprint(note.VALUE, open('note.py').read())",
    "overwrite_file": "%%writefile note.py\nVALUE = 8\n",
    "run_file": "%run note.py\nVALUE",
    "bash": "%%bash\necho from bash\necho error >&2\nexit 0",
    "bash_that_fails": "%%bash\necho before\nexit 3",
    "sh_with_output": "%%sh --out said\necho kept",
    "script_output": "said",
    "python_script": "%%python\nprint('another Python')",
    "bang": "!echo hi",
    "bang_stderr": "!echo oops >&2; exit 3",
    "bang_exit_code": "_exit_code",
    "bang_variable": "word = 'there'\n!echo hello {word} $word",
    "bang_assigned": "lines = !printf 'a\\nb\\n'\nlines",
    "bang_in_loop": "for i in range(2):\n    print('before', i)\n    !echo {i}",
    "bang_not_found": "!no-such-program-anywhere",
    "bang_background": "!sleep 1 &",
    "sx": "%sx echo listed",
    "time_of_cell": "%%time\nprint('timed')",
    "macro": "%macro -q again 1\nprint(type(again).__name__)",
    "alias": "%alias shout echo LOUD %s\n%shout now",
    "pinfo_of_missing": "missing_name?",
    "precision": "%precision 3\n3.14159265",
    "automagic": "who_ls int",
    "page": "%psource f",
    "reset_of_names": "spare = 1\n%reset_selective -f ^spare$\n'spare' in globals()",
    "question_and_shell_in_function": "def listing():\n    !echo inside\n\nlisting()",
    # Asynchronous cells.
    "await": "import asyncio\nawait asyncio.sleep(0.01)\nprint('slept')\nawait asyncio.sleep(0.01, 'value')",
    "await_error": "async def fails():\n    raise ValueError('async')\n\nawait fails()",
    "async_for": (
        "async def count():\n    for i in range(2):\n        yield i\n\nasync for i in count():\n    print(i)"
    ),
    "gather": "await asyncio.gather(asyncio.sleep(0.02, 1), asyncio.sleep(0.01, 2))",
    "running_loop": "asyncio.get_running_loop().is_running()",
    "asyncio_run": "sleeping = asyncio.sleep(0)\ntry:\n    asyncio.run(sleeping)\nfinally:\n    sleeping.close()",
    "task": "background = asyncio.create_task(asyncio.sleep(0.01, 'done'))",
    "task_awaited": "await background",
    "plot_in_async_cell": "await asyncio.sleep(0)\nplt.figure(figsize=(1, 1))\nplt.plot([1, 2]);",
    # What is refused, with a message of our own.
    "input": "input('name: ')",
    "input_caught": "try:\n    input()\nexcept NotImplementedError as error:\n    print(type(error).__name__)",
    "getpass": "import getpass\ngetpass.getpass()",
    "own_stdout": (
        "import io\nkept, sys.stdout = sys.stdout, io.StringIO()\nprint('nowhere')\nsys.stdout = kept\nprint('here')"
    ),
    "count": "get_ipython().execution_count",
}


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> dict[str, NotebookNode]:
    """The cells as nbclient and ipykernel leave them."""
    notebook = _notebook(CELLS)
    folder = tmp_path_factory.mktemp("stock")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("SHELL", "/bin/sh")
        patch.delenv("PYTEST_CURRENT_TEST")  # with it ipykernel leaves the file descriptors alone
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=120, allow_errors=True, kernel_name="python3", resources=resources).execute()
    return _by_name(CELLS, notebook)


@pytest.fixture(scope="module", params=[Backend.NAMESPACES, Backend.BUBBLEWRAP], ids=lambda backend: backend.value)
def ours(request: pytest.FixtureRequest, sandbox_of: Callable[[Backend], Sandbox]) -> dict[str, NotebookNode]:
    """The cells as the engine leaves them: forked from a process that had imported matplotlib, and in a fresh one."""
    return _graded(CELLS, sandbox_of(request.param))


def _graded(cells: dict[str, str], sandbox: Sandbox) -> dict[str, NotebookNode]:
    notebook = _notebook(cells)
    run = Run(notebook, sandbox, frozenset(), Limits())
    try:
        run.student(notebook.cells[-1])
    finally:
        run.close()
    assert not run.skipped
    nbformat.validate(notebook)
    nbformat.writes(notebook).encode()
    return _by_name(cells, notebook)


def _notebook(cells: dict[str, str]) -> NotebookNode:
    return new_notebook(cells=[new_code_cell(source, id=name.replace("_", "-")) for name, source in cells.items()])


def _by_name(cells: dict[str, str], notebook: NotebookNode) -> dict[str, NotebookNode]:
    return dict(zip(cells, notebook.cells, strict=True))


# ── what may differ ──────────────────────────────────────────────────────────────────────────────────────────────

KEPT = {"text/plain", "text/html", "text/latex", "text/markdown", "application/json"}
KEPT |= {"image/png", "image/jpeg", "image/gif"}
# The text of every output, on both sides.
DIFFERENT = {
    r"\b0x[0-9a-f]{6,}": "ADDRESS",
    r"/ipykernel_\d+/": "/ipykernel_PID/",  # of the kernel's process, in the name of a cell's file
    r"[~/][\w./+-]*/(?=site-packages/|python3\.\d+/)": "",  # where Python and its packages lie; ~ depends on HOME
    r"(/usr)?/bin/sh\b": "sh",
    r"[\d.]+ (ns|μs|ms|s)\b": "TIME",
}
# Where a frame of the kernel's own stands in the traceback: input() and the stream are ours.
OWN_FRAMES = {"input", "getpass", "not_text"}
REFUSED = {"input", "getpass"}
CUT = {"recursion"}  # of a thousand frames we keep a hundred


def _comparable(name: str, outputs: list[NotebookNode]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for output in map(_plain, outputs):
        # The kernel sends a stream in pieces, as time passes.
        if made and output["output_type"] == "stream" and output.get("name") == made[-1].get("name"):
            made[-1]["text"] += output["text"]
            continue
        if name in OWN_FRAMES:
            output.pop("traceback", None)
        if name in REFUSED:
            output.pop("evalue", None)
        if name in CUT:
            output["traceback"] = [*output["traceback"][:20], *output["traceback"][-20:]]
        made.append(output)
    return made


def _plain(value: Any) -> Any:
    """A copy without what may differ in text. Pictures have to be the same to the last byte."""
    if isinstance(value, dict):
        return {key: item if str(key).startswith("image/") else _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        for pattern, replacement in DIFFERENT.items():
            value = re.sub(pattern, replacement, value)
    return value


def _without_what_is_left_out(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """What the engine makes of stock outputs on purpose: nothing active, SVG as an <img>, and a note in the text."""
    made = copy.deepcopy(outputs)
    for output in made:
        data = output.get("data", {})
        svg = data.pop("image/svg+xml", None)
        if svg:
            encoded = base64.b64encode(svg.encode()).decode()
            data["text/html"] = f'<img alt="SVG picture" src="data:image/svg+xml;base64,{encoded}">'
        for mime in set(data) - KEPT:
            del data[mime]
            data["text/plain"] += f"\n[left out: {mime}]"
    return made


@pytest.mark.parametrize("name", CELLS)
def test_cell_shows_what_stock_jupyter_shows(
    name: str, stock: dict[str, NotebookNode], ours: dict[str, NotebookNode]
) -> None:
    expected, shown = stock[name], ours[name]
    assert _comparable(name, shown.outputs) == _comparable(name, _without_what_is_left_out(expected.outputs))
    assert shown.execution_count == expected.execution_count


def test_the_notebook_shows_every_kind_of_output(stock: dict[str, NotebookNode]) -> None:
    """Nothing is alike because it is empty: the kernel itself shows all of it."""
    outputs = [output for cell in stock.values() for output in cell.outputs]
    mimes = {mime for output in outputs for mime in output.get("data", {})}
    assert mimes >= KEPT | {"image/svg+xml", "application/javascript", "application/vnd.jupyter.widget-view+json"}
    assert {output.output_type for output in outputs} == {"stream", "error", "execute_result", "display_data"}
    assert any({"width", "height"} == set(output.get("metadata", {}).get("image/png", {})) for output in outputs)
    assert any(output.get("metadata", {}).get("needs_background") for output in outputs)


def test_input_is_refused_with_a_remedy(ours: dict[str, NotebookNode]) -> None:
    for name in REFUSED:
        assert "put the value into a variable" in ours[name].outputs[-1].evalue


# ── other walls, hostile cells ───────────────────────────────────────────────────────────────────────────────────


def test_commands_run_behind_walls_without_terminals(sandbox_of: Callable[[Backend], Sandbox]) -> None:
    cells = {
        "command": "!echo hi; exit 3",
        "code": "_exit_code",
        "file": "%%writefile mine.py\nX = 1",
        "import": "import mine",
    }
    shown = _graded(cells, sandbox_of(Backend.LANDLOCK))
    assert shown["command"].outputs[0].text.split() == ["hi"]
    assert shown["code"].outputs[0].data["text/plain"] == "3"
    assert shown["import"].outputs == []


def test_no_cell_breaks_what_later_cells_show(sandbox_of: Callable[[Backend], Sandbox]) -> None:
    breaking = {
        "flood": "for i in range(10_000):\n    print(i, flush=True)\n    display(i)",
        "flood_of_a_program": "import os, subprocess\ndone = subprocess.run('yes | head -c 100000000', shell=True)",
        "flood_of_text": "print('x' * 40_000_000)",
        "flood_of_wide_text": "for i in range(50):\n    print('👩' * 1_000_000)",
        "flood_of_displays": "for i in range(300):\n    display('x' * 99_000)",
        "stopped_loop": "import asyncio\nasyncio.get_running_loop().stop()\nawait asyncio.sleep(9)",
        "exit": "exit()",
        "odd_text": (
            "print('\\ud800 \\x00 \\x07')\ndisplay({'application/json': ['\\ud800', float('nan')]}, raw=True)"
        ),
        "picture_beside_odd_json": "display({'image/png': b'\\x89PNG', 'application/json': [object]}, raw=True)",
        "fork_in_display": "if not os.fork():\n    display(1)\n    os._exit(0)\nn = os.wait()",
        "closed_descriptors": "os.closerange(0, 3)",
        "no_streams": "import sys\nsys.stdout = sys.stderr = None",
        "no_streams_later": "1 / 0",
    }
    cells = {}
    for name, source in breaking.items():
        cells[name] = source
        cells[f"after_{name}"] = f"print('after {name}')\n'value'"
    shown = _graded(cells, sandbox_of(Backend.NAMESPACES))
    for name in list(breaking)[:-2]:
        outputs = shown[f"after_{name}"].outputs
        assert [output.output_type for output in outputs] == ["stream", "execute_result"], name
        assert outputs[0].text == f"after {name}\n"
    assert shown["picture_beside_odd_json"].outputs[0].data["image/png"] == "iVBORw=="
    for name in ("flood", "flood_of_a_program", "flood_of_text", "flood_of_wide_text", "flood_of_displays"):
        assert "cut off" in str(shown[name].outputs), name
        assert len(nbformat.writes(new_notebook(cells=[shown[name]]))) < 2 * Limits.output_mb * MB


def test_an_updated_display_may_change_for_ever(sandbox_of: Callable[[Backend], Sandbox]) -> None:
    cells = {
        "here": "h = display(display_id=True)\nfor i in range(400):\n    h.update('x' * 90_000 + str(i))",
        "many": "others = [display(i, display_id=True) for i in range(60)]",
        "all_of_them": "for other in others:\n    other.update('z' * 1_000_000)",
        "later": "for i in range(400):\n    h.update('y' * 90_000 + str(i))",
    }
    shown = _graded(cells, sandbox_of(Backend.NAMESPACES))
    assert shown["here"].outputs[0].data["text/plain"].strip("'") == "y" * 90_000 + "399"
    assert len(shown["here"].outputs) == 1
    assert shown["later"].outputs == []


# ── what the grader lets through ─────────────────────────────────────────────────────────────────────────────────


ROOM = 8 * MB


def _only(data: dict[str, Any], metadata: dict[str, Any] | None = None) -> NotebookNode:
    (output,), _ = safe_outputs([{"output_type": "display_data", "data": data, "metadata": metadata or {}}], ROOM, "")
    return output


@pytest.mark.parametrize(
    "mime", [RESULT_MIME, "application/javascript", "application/vnd.x+json", "text/vnd.mermaid", "image/svg"]
)
def test_other_kinds_of_data_are_left_out(mime: str) -> None:
    output = _only({mime: "x", "text/plain": "y"})
    assert output.data == {"text/plain": f"y\n[left out: {mime}]"}


def test_svg_never_becomes_a_part_of_a_page() -> None:
    output = _only({"image/svg+xml": SVG + '"><script>alert(2)</script>'})
    assert set(output.data) == {"text/html"}
    picture = r'<img alt="SVG picture" src="data:image/svg\+xml;base64,[A-Za-z0-9+/=]+">'
    assert re.fullmatch(picture, output.data["text/html"])


def test_metadata_says_sizes_only() -> None:
    attack = {"width": "1 onerror=alert(1)", "height": 10**9, "alt": "<script>"}
    for metadata in ({"image/png": attack}, {"text/html": {"isolated": True}}, {"needs_background": "<b>"}, {"x": 1}):
        assert _only({"image/png": PNG}, metadata).metadata == {}
    sides = {"width": 3, "height": 2.5}
    assert _only({"image/png": PNG}, {"image/png": {**sides, "alt": "x"}}).metadata == {"image/png": sides}


def test_json_is_kept_where_every_program_can_read_it() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    for bad in (deep, float("nan"), {"a": [float("inf")]}, "x" * 200_000):
        assert set(_only({"application/json": bad}).data) == {"text/plain"}
    assert _only({"application/json": {"a": [1, None, "\ud800"]}}).data["application/json"] == {"a": [1, None, "?"]}


@pytest.mark.parametrize("outputs", [None, 5, {}, [None, 1, []], [{"output_type": "stream"}], [{"output_type": []}]])
def test_malformed_outputs_do_no_harm(outputs: Any) -> None:
    cells = [new_code_cell("1")]
    write_outputs(cells, {"outputs": outputs, "execution_count": "9", "updates": outputs}, 1, ROOM)
    nbformat.validate(new_notebook(cells=cells))
    assert cells[0].execution_count is None


def test_an_update_changes_displays_only() -> None:
    cells = [new_code_cell("1", id="a"), new_code_cell("2", id="b")]
    first = [{"output_type": "stream", "name": "stdout", "text": "x"}, {"output_type": "display_data", "data": {}}]
    write_outputs(cells[:1], {"outputs": first}, 1, ROOM)
    new = {"data": {"text/plain": "new", RESULT_MIME: {}}, "metadata": {}}
    places = [(0, 0), (0, 1), (0, 2), (1, 0), (-1, 1), (True, 1), (7, 0), ("0", 1), (None, None)]
    updates = [{"cell": cell, "output": number, **new} for cell, number in places]
    write_outputs(cells, {"outputs": [], "updates": [*updates, 5]}, 1, ROOM)
    nbformat.validate(new_notebook(cells=cells))
    assert cells[0].outputs[0].text == "x"
    assert cells[0].outputs[1].data == {"text/plain": f"new\n[left out: {RESULT_MIME}]"}
    assert cells[1].outputs == []


def test_outputs_have_a_size() -> None:
    picture = {"output_type": "display_data", "data": {"image/png": "A" * (3 << 20)}}
    made, left = safe_outputs([picture] * 9, 8 * MB, "a cell may show 8 MB")
    assert (len(made), 0 < left < 3 * MB) == (3, True)
    assert "cut off: a cell may show 8 MB" in made[-1].text
    made, _ = safe_outputs([{"output_type": "stream", "name": "stdout", "text": "x"}] * 999, ROOM, "")
    assert len(made) == MAX_OUTPUTS + 1


def test_a_notebooks_outputs_have_a_size_together() -> None:
    """What a hostile process claims that a cell showed, or changed in an earlier one, counts for the notebook, too."""
    cells = [new_code_cell(str(number)) for number in range(40)]
    shows = {"output_type": "display_data", "data": {"text/plain": "x"}, "metadata": {}}
    left = write_outputs(cells[:1], {"outputs": [shows] * 100}, 2, 3 * MB)
    for number in range(1, len(cells)):
        changes = {"cell": 0, "output": number, "data": {"image/png": "A" * 900_000}, "metadata": {}}
        left = write_outputs(cells[: number + 1], {"outputs": [], "updates": [changes, changes]}, 2, left)
    last = write_outputs(cells, {"outputs": [{**shows, "data": {"image/png": "A" * 900_000}}]}, 2, left)
    assert 0 < last <= left
    assert 2 * MB < len(json.dumps([cell.outputs for cell in cells])) < 3 * MB + 10_000
    assert "its notebook may show no more (submission_output_mb)" in cells[-1].outputs[0].text
