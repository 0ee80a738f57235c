"""Objects that pretend, and replies that are too large, too late, too many or none at all."""

from __future__ import annotations

from attacks.attack import NO_POINTS, RIGHT, WORKER, Attack, answer

SEND = WORKER + "import json, struct\nraw = worker._channel\n"


def forging(name: str, header: str, outcome: str, says: str = "", **more: object) -> Attack:
    """`evaluate` itself writes a reply, and nothing after it."""
    body = (
        f"body = {header}\nraw.sendall(struct.pack('>I', len(body)) + body)\nimport time\ntime.sleep(0.3)\nreturn 0.5"
    )
    return answer(name, body, outcome, says, after=SEND, **more)


ATTACKS = [
    answer(
        "equal_to_everything",
        "return Everything()",
        "wrong",
        "Everything",
        after="""
class Everything(float):
    __eq__ = __le__ = __ge__ = __lt__ = __gt__ = __bool__ = lambda *args: True
    __sub__ = __rsub__ = __add__ = __radd__ = lambda self, other: self
    __abs__ = lambda self: 0.0
    __hash__ = float.__hash__
    __array__ = lambda self, *args, **kwargs: np.zeros(())
""",
    ),
    Attack(
        "an_array_that_pretends",
        answers={
            "forward_prop": """
class Pretender(np.ndarray):
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return np.bool_(True)
    def __array_function__(self, function, types, args, kwargs):
        return 0.0
    dtype = property(lambda self: np.dtype("float64"))
    __eq__ = lambda self, other: True

def forward_prop(self, a):
    return np.zeros((self.sizes[-1], a.shape[1])).view(Pretender)

Network.forward_prop = forward_prop
"""
        },
        scores={"forward_prop": 0.0, "back_prop": 0.0, "evaluate": 0.0},
        outcomes=dict.fromkeys(("forward_prop", "back_prop", "evaluate"), "wrong"),
    ),
    answer("an_array_beyond_memory", "return np.broadcast_to(1.0, (10**9,))", "process died"),
    answer("many_large_arrays", "return [np.ones(10**6)] * 200", "process died"),
    answer("a_text_beyond_memory", "return 'x' * 10**8", "wrong", "a str"),
    answer("a_list_of_millions", "return [0.5] * 1_100_000", "wrong", "too many parts"),
    answer("a_nested_list", "value = 0.5\nfor _ in range(5000):\n    value = [value]\nreturn value", "wrong"),
    answer("a_list_in_itself", "value = []\nvalue.append(value)\nreturn value", "wrong"),
    answer("an_array_of_objects", "return np.array([None, self, [0.5]], dtype=object)[:1].reshape(1, 1)", "wrong"),
    answer("an_array_of_records", "return np.zeros(3, dtype=[('a', 'f8'), ('b', 'O')])", "wrong", "dtype"),
    answer("a_date", "return np.datetime64('2030-01-01')", "wrong", "dtype"),
    answer("not_a_number", "return float('nan')", "wrong", "NaN"),
    answer("infinite", "return np.inf", "wrong", "infinite"),
    answer(
        "a_whole_number_of_many_digits",
        "return 10**4000",
        "wrong",
    ),
    answer("a_generator_without_end", "import itertools\nreturn itertools.count()", "wrong", "count"),
    answer(
        "a_dictionary_that_lies",
        "return Lies(a=1)",
        "wrong",
        "Lies",
        after="class Lies(dict):\n    __len__ = lambda self: 10**9\n    items = lambda self: iter(lambda: (1, 2), 3)\n",
    ),
    answer(
        "an_error_that_cannot_be_read",
        "raise Unreadable()",
        "error in your code",
        "cannot be read",
        after="class Unreadable(Exception):\n    def __str__(self):\n        raise RuntimeError\n",
    ),
    answer(
        "an_error_of_megabytes",
        "raise ValueError('x' * 10**7)",
        "error in your code",
        check=lambda scene: _is_small(scene),
    ),
    answer(
        "an_error_with_our_names",
        "raise Missing('network')",
        "missing",
        after="class Missing(Exception):\n    pass\n",
    ),
    forging("a_reply_that_is_no_json", "b'{' * 50", "process died", "no reply"),
    forging("a_reply_without_arrays", "b'{\"value\": 1.0}'", "process died", "no reply"),
    forging(
        "a_reply_with_a_pickle", 'b\'{"arrays": [["O", [1]]], "value": {"array": 0}}\'', "process died", "no reply"
    ),
    forging(
        "a_reply_of_impossible_shape",
        'b\'{"arrays": [["<f8", [536870912, 536870912, 536870912, 0]]], "value": {"array": 0}}\'',
        "process died",
        "no reply",
    ),
    forging(
        "a_call_of_a_function", 'b\'{"arrays": [], "callback": 0, "args": {"list": []}}\'', "process died", "not given"
    ),
    forging("a_handle_of_nothing", 'b\'{"arrays": [], "value": {"handle": [999999, "float"]}}\'', "wrong", "float"),
    forging(
        "a_reply_with_odd_notes", 'b\'{"arrays": [], "value": 0.5, "printed": {}, "warned": 5}\'', "wrong", "judged"
    ),
    forging("a_reply_of_odd_time", 'b\'{"arrays": [], "value": 0.5, "seconds": \' + b"9" * 400 + b"}"', "wrong"),
    forging(
        "a_reply_of_millions_of_lists",
        "b'{\"arrays\": [], \"value\": {\"list\": [' + b'[],' * 2_000_000 + b'1]}}'",
        "process died",
        "too many parts",
    ),
    forging(
        "a_reply_of_millions_of_arrays",
        "b'{\"arrays\": [' + b'[\"|b1\",[0]],' * 500_000 + b'[\"|b1\",[0]]]}'",
        "process died",
        "too many arrays",
    ),
    answer(
        "replies_to_calls_that_were_not_made",
        "body = b'{\"arrays\": [], \"value\": 1.0}'\nraw.sendall((struct.pack('>I', len(body)) + body) * 50)\nreturn 1.0",
        "wrong",
        after=SEND,
    ),
    answer(
        "a_reply_without_end",
        """
body = b'{"arrays": [["|u1", [200000000]], ["|u1", [100000000]]], "value": {"array": 0}}'
raw.sendall(struct.pack('>I', len(body)) + body)
while True:
    raw.sendall(bytes(1 << 20))
""",
        "wrong",
        after=SEND,
    ),
    answer(
        "a_reply_byte_by_byte",
        """
import time
raw.sendall(struct.pack('>I', 1000))
while True:
    raw.sendall(b" ")
    time.sleep(0.05)
""",
        "time limit",
        after=SEND,
        limits={"submission_seconds": 3},
    ),
    answer(
        "a_reply_after_the_deadline",
        "import signal\nsignal.setitimer(signal.ITIMER_PROF, 0)\nimport time\nend = time.process_time() + 5\n"
        "while time.process_time() < end:\n    pass\n" + RIGHT,
        "time limit",
        limits={"call_seconds": 1},
    ),
    answer("a_channel_that_is_closed", "import os\nos.closerange(0, 1000)\nreturn 0.5", "process died"),
    answer(
        "nothing_is_read_any_more",
        "return 0.5",
        "time limit",
        scores=NO_POINTS,
        outcomes=dict.fromkeys(NO_POINTS, "time limit"),
        after=SEND
        + """
import time
def deaf(*args):
    time.sleep(1000)
worker_module.Worker._answer = deaf
""",
        limits={"submission_seconds": 3},
    ),
]


def _is_small(scene: object) -> None:
    assert len(scene.everything()) < 1_100_000  # type: ignore[attr-defined]
