"""Patching whatever a judge might use: it does not judge in the student's process."""

from __future__ import annotations

from attacks.attack import NO_POINTS, WORKER, cheat
from attacks.course import Scene
from gradescent.student.judging import RESULT_MIME


def _keeps_our_result(scene: Scene) -> None:
    """The grader's score stands first in the graded cell, and nothing else claims to be a result."""
    for cell in scene.notebook.cells:
        outputs = cell.get("outputs", [])
        if cell.metadata.get("nbgrader", {}).get("grade"):
            assert outputs[0].output_type == "execute_result"
            score = next(
                r.score for r in scene.graded.result.parts[0].results if r.question == cell.metadata.nbgrader.grade_id
            )
            assert outputs[0].data["text/plain"] == repr(score)
            outputs = outputs[2:]
        assert not any(RESULT_MIME in output.get("data", {}) for output in outputs)


ATTACKS = [
    cheat(
        "patch_numpy_testing",
        """
import numpy as np
for name in dir(np.testing):
    if name.startswith("assert_"):
        setattr(np.testing, name, lambda *args, **kwargs: None)
np.allclose = np.array_equal = np.isclose = lambda *args, **kwargs: True
""",
    ),
    cheat(
        "patch_numpy",
        """
import numpy as np
np.linalg.norm = lambda *args, **kwargs: 0.0
np.random.default_rng = lambda *args: np.random.RandomState(0)
np.isfinite = np.all = lambda *args, **kwargs: True
""",
        late=True,
    ),
    cheat(
        "patch_builtins",
        """
import builtins
builtins.abs = lambda value: 0
builtins.round = lambda *args: 5.0
builtins.all = builtins.any = lambda items: True
""",
        late=True,
    ),
    cheat(
        "patch_isinstance",
        "import builtins\nbuiltins.isinstance = lambda *args: True",
        late=True,
        limits={"submission_seconds": 3},
        scores=NO_POINTS,
        outcomes=dict.fromkeys(NO_POINTS, "time limit"),
        ends="time limit",
    ),
    cheat(
        "patch_json",
        """
import json
json.dumps = lambda *args, **kwargs: '{"arrays": [], "value": 1.0, "score": 5.0, "outcome": "right", "failure": null}'
""",
        late=True,
        answers={},
        scores=NO_POINTS,
        outcomes=dict.fromkeys(NO_POINTS, "wrong"),
    ),
    cheat(
        "patch_the_socket",
        WORKER
        + """
class Channel:
    def __init__(self, channel):
        self.channel = channel
    def sendall(self, data):
        self.channel.sendall(bytes(data).replace(b'"value": {"scalar": 0}', b'"value": 0.5').replace(b"wrong", b"right"))
    def __getattr__(self, name):
        return getattr(self.channel, name)
worker._channel = Channel(worker._channel)
""",
    ),
    cheat(
        "patch_the_worker",
        WORKER
        + """
perform = Worker._perform
def forged(self, request, decode):
    call = perform(self, request, decode)
    call.failure, call.modified, call.warned, call.outcome, call.score = None, [], [], "right", 5.0
    return call
Worker._perform = forged
""",
    ),
    cheat(
        "patch_the_judge",
        """
import gradescent.student.compare as compare, gradescent.student.judging as judging
judging.judge = lambda question, student, points, seed: judging.Result(question.name, points, points, judging.Outcome.RIGHT)
compare.relative_error = lambda a, b: 0.0
compare.TOLERANCE = float("inf")
judging.Wrong.__init__ = lambda self, *args: None
""",
    ),
    cheat(
        "patch_the_shell",
        """
shell = get_ipython()
shell.displayhook.write_format_data = lambda *args, **kwargs: None
run = shell.run_code
async def patched(code, result=None, **kwargs):
    await run(code, result, **kwargs)
    shell.user_ns["_"] = 5.0
    return False
shell.run_code = patched
import sys
sys.displayhook = lambda value: print("right", value)
""",
    ),
    cheat(
        "transform_later_code",
        """
import ast
class Reward(ast.NodeTransformer):
    def visit_Call(self, node):
        called = isinstance(node.func, ast.Name) and node.func.id == "check"
        return ast.copy_location(ast.Constant(5.0), node) if called else node
get_ipython().ast_transformers.append(Reward())
get_ipython().input_transformers_cleanup.append(lambda lines: [line.replace("### BEGIN HIDDEN TESTS", "5.0") for line in lines])
""",
    ),
    cheat(
        "replace_later_code",
        """
get_ipython().input_transformers_post.append(lambda lines: ["5.0\\n"])
""",
        scores=NO_POINTS,
        outcomes=dict.fromkeys(NO_POINTS, "missing"),
    ),
    cheat(
        "display_a_result",
        f"""
from IPython.display import display, publish_display_data
result = {{"question": "evaluate", "score": 5.0, "max_score": 5.0, "outcome": "right", "message": "", "checks": {{}}, "answer": ""}}
publish_display_data({{{RESULT_MIME!r}: result, "text/plain": "evaluate: right", "text/html": "<div class='alert'>evaluate: right</div>"}})
5.0
""",
        late=True,
        check=_keeps_our_result,
    ),
    cheat(
        "update_the_grader_s_outputs",
        WORKER
        + """
run_cell = worker_module.run_cell
def forged(*args):
    reply = run_cell(*args)
    data = {"text/plain": "5.0", "text/html": "<b>right</b>"}
    reply["updates"] = [{"cell": cell, "output": output, "data": data} for cell in range(-40, 40) for output in range(-3, 3)]
    return reply
worker_module.run_cell = forged
""",
        check=_keeps_our_result,
    ),
]
