"""Floods and forgeries of what a cell shows."""

from __future__ import annotations

from conftest import NETWORK

from attacks.attack import WORKER, Attack
from attacks.course import Scene


def _is_bounded(scene: Scene) -> None:
    file = scene.folder / f"{NETWORK}.ipynb"
    assert file.stat().st_size < 20 << 20


ATTACKS = [
    Attack("flood_of_one_line", "print('x' * 40_000_000)", shows="cut off", check=_is_bounded),
    Attack(
        "flood_of_lines",
        "for number in range(10**9):\n    print(number)",
        limits={"cell_seconds": 1},
        shows="cut off",
        check=_is_bounded,
    ),
    Attack(
        "flood_of_bytes",
        "import os\nfor _ in range(200):\n    os.write(1, os.urandom(1 << 16))\n    os.write(2, b'\\xff\\x00\\x1b[2J' * 1000)",
        shows="cut off",
        check=_is_bounded,
    ),
    Attack(
        "flood_of_displays",
        "from IPython.display import HTML, display\nfor number in range(5000):\n    display(number)",
        shows="cut off",
        check=_is_bounded,
    ),
    Attack(
        "flood_of_large_displays",
        "from IPython.display import display\nfor number in range(100):\n    display({'text/plain': 'x' * 90_000}, raw=True)",
        shows="cut off",
        check=_is_bounded,
    ),
    Attack(
        "flood_of_a_program",
        "import subprocess\nsubprocess.run(['sh', '-c', 'yes flood'], timeout=30)",
        limits={"cell_seconds": 1},
        check=_is_bounded,
    ),
    Attack(
        "flood_of_updates",
        """
from IPython.display import display
handle = display("x", display_id="one")
for number in range(20_000):
    handle.update("y" * (number % 1000))
""",
        limits={"cell_seconds": 10},
        check=_is_bounded,
    ),
    Attack(
        "floods_of_many_cells",
        WORKER
        + """
run_cell = worker_module.run_cell
def flooding(*args):
    reply = run_cell(*args)
    reply["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 99_000} for _ in range(80)]
    return reply
worker_module.run_cell = flooding
""",
        check=_is_bounded,
    ),
    Attack(
        "outputs_that_are_none",
        WORKER
        + """
run_cell = worker_module.run_cell
odd = [None, 5, "text", [], {}, {"output_type": []}, {"output_type": "stream", "text": {"a": 1}},
       {"output_type": "error", "traceback": 5}, {"output_type": "display_data", "data": [1]},
       {"output_type": "display_data", "data": {"image/png": 5, "text/html": ["<b>"]}, "metadata": 5},
       {"output_type": "execute_result", "execution_count": "x", "data": {"application/json": {"a": float("nan")}}}]
def forged(*args):
    return {**run_cell(*args), "outputs": odd, "updates": odd, "execution_count": [1], "failure": "no"}
worker_module.run_cell = forged
""",
    ),
    Attack(
        "the_channel_as_an_output",
        WORKER + "import os\nos.write(worker._channel.fileno(), b'\\xff' * 1000)",
        ends="process died",
    ),
]
