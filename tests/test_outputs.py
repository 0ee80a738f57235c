"""What a student's cells show in autograded/ is what stock Jupyter shows: one notebook through a real kernel and through the engine."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from gradescent.course import Limits
from gradescent.grading.supervisor import Run

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
    "slow_streams": "import time\nfor i in range(2):\n    print(i)\n    time.sleep(0.5)\n    print(-i, file=sys.stderr)\n    time.sleep(0.5)",
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
    "os_system": "code = os.system('echo from os.system; echo error >&2')\ntime.sleep(0.5)",
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
    "own_repr": "class Rich:\n    def _repr_html_(self):\n        return '<u>rich</u>'\n    def __repr__(self):\n        return 'Rich()'\n\nRich()",
    "repr_that_fails": "class Broken:\n    def __repr__(self):\n        raise ValueError('no repr')\n\nBroken()",
    "html_repr_that_fails": "class Broken:\n    def _repr_html_(self):\n        raise ValueError('no html')\n    def __repr__(self):\n        return 'B'\n\nBroken()",
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
    "jpeg_and_png": "%config InlineBackend.figure_formats = ['jpeg', 'png']\nplt.figure(figsize=(1, 1))\nplt.plot([1, 2]);",
    "svg_figure": "%config InlineBackend.figure_formats = ['svg']\nplt.rcParams['svg.hashsalt'] = 'x'\n%config InlineBackend.print_figure_kwargs = {'metadata': {'Date': None}}\nplt.figure(figsize=(1, 1))\nplt.plot([1, 2]);",
    "animated": "%config InlineBackend.figure_format = 'png'\nfor i in range(2):\n    plt.figure(figsize=(1, 1))\n    plt.plot([i])\n    clear_output(wait=True)\n    plt.show()",
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
    "async_for": "async def count():\n    for i in range(2):\n        yield i\n\nasync for i in count():\n    print(i)",
    "gather": "await asyncio.gather(asyncio.sleep(0.02, 1), asyncio.sleep(0.01, 2))",
    "running_loop": "asyncio.get_running_loop().is_running()",
    "asyncio_run": "asyncio.run(asyncio.sleep(0))",
    "task": "background = asyncio.create_task(asyncio.sleep(0.01, 'done'))",
    "task_awaited": "await background",
    "plot_in_async_cell": "await asyncio.sleep(0)\nplt.figure(figsize=(1, 1))\nplt.plot([1, 2]);",
    # What is refused, with a message of our own.
    "input": "input('name: ')",
    "input_caught": "try:\n    input()\nexcept NotImplementedError as error:\n    print(type(error).__name__)",
    "getpass": "import getpass\ngetpass.getpass()",
    "own_stdout": "import io\nkept, sys.stdout = sys.stdout, io.StringIO()\nprint('nowhere')\nsys.stdout = kept\nprint('here')",
    "count": "get_ipython().execution_count",
}


def _notebook() -> NotebookNode:
    return new_notebook(cells=[new_code_cell(source, id=name.replace("_", "-")) for name, source in CELLS.items()])


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> dict[str, NotebookNode]:
    """The cells as nbclient and ipykernel leave them."""
    notebook = _notebook()
    folder = tmp_path_factory.mktemp("stock")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("SHELL", "/bin/sh")
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=120, allow_errors=True, kernel_name="python3", resources=resources).execute()
    return _by_name(notebook)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, NotebookNode]:
    """The cells as the engine leaves them."""
    notebook = _notebook()
    run = Run(notebook, Limits(), tmp_path_factory.mktemp("data"))
    try:
        run.student()
    finally:
        run.close()
    assert not run.skipped
    nbformat.validate(notebook)
    return _by_name(notebook)


def _by_name(notebook: NotebookNode) -> dict[str, NotebookNode]:
    return dict(zip(CELLS, notebook.cells, strict=True))


@pytest.mark.parametrize("name", CELLS)
def test_cell_shows_what_stock_jupyter_shows(name: str, stock: dict, ours: dict) -> None:
    expected, shown = stock[name], ours[name]
    assert shown.outputs == expected.outputs
    assert shown.execution_count == expected.execution_count
