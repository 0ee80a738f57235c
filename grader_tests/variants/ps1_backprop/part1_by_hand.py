"""Known solutions of part 1."""

from grader_tests.variants import Variant

SIGMOID = "return 0.5 * (1 + np.tanh(0.5 * np.asarray(z, dtype=float)))"
RELU = "return np.maximum(np.asarray(z, dtype=float), 0.0)"
TANH = "return np.tanh(np.asarray(z, dtype=float))"
SIGMOID_PRIME = "s = sigmoid(z)\n    return s * (1 - s)"
RELU_PRIME = "return np.where(np.asarray(z) > 0, 1.0, 0.0)"
TANH_PRIME = "return 1 - tanh(z) ** 2"
SHIFTED = "powers = np.exp(z - z.max(axis=0))"
NORMALISED = "return powers / powers.sum(axis=0)"
QUADRATIC = "return float(0.5 * np.sum((a - y) ** 2))"
QUADRATIC_PRIME = "return a - y"
ENTROPY = "return float(-np.sum(y * np.log(np.maximum(p, 1e-12))))"
ENTROPY_PRIME = "return softmax(z) - y"
QUOTIENT = "gradient[index] = (above - below) / (2 * h)"
RELATIVE = "return 0.0 if scale == 0 else float(np.linalg.norm(a - b) / scale)"
LAST_DELTA = "delta = quadratic_cost_prime(activations[-1], y) * sigmoid_prime(zs[-1])"
NEXT_DELTA = "delta = (weights[layer + 1].T @ delta) * relu_prime(zs[layer])"
DW = "dW = [delta @ a.T for delta, a in zip(deltas, activations[:-1], strict=True)]"
DB = "db = [delta.copy() for delta in deltas]"

# The numbers of the exercise, typed in from paper.
HARD_CODED = """
def one_iteration(x, y, weights, biases):
    column = lambda *numbers: np.array(numbers, dtype=float).reshape(-1, 1)
    delta = [column(0.0063987, 0), column(0, 0.0213290), column(-0.1066450)]
    return {
        "z": [column(0.25, -1.3), column(-0.175, 0.175), column(0.265)],
        "a": [column(0.25, 0), column(0, 0.175), column(0.5658649)],
        "delta": delta,
        "dW": [delta[0] @ x.T, np.array([[0, 0], [0.00533225, 0]]), np.array([[0, -0.01866288]])],
        "db": delta,
        "cost": 0.0942366,
    }
"""

# What the visible checks ask for, looked up.
TABLE = """
def looked_up(z, table):
    return np.array([table.get(round(float(v), 3), 0.0) for v in np.ravel(z)]).reshape(np.shape(z))


def sigmoid(z):
    return looked_up(z, {0.0: 0.5, 1.099: 0.75, -1.099: 0.25, 0.693: 2 / 3, 1000.0: 1.0})


def relu(z):
    return looked_up(z, {3.5: 3.5, 1000.0: 1000.0, 1.0: 1.0, 2.0: 2.0})


def tanh(z):
    return looked_up(z, {0.0: 0.0, 0.693: 0.6, -1.099: -0.8, -1000.0: -1.0, 1000.0: 1.0})
"""

# Only single neurons, lists of floats and loops.
PLAIN_PYTHON = """
def one_iteration(x, y, weights, biases):
    z, a, below = [], [], [float(v) for v in x[:, 0]]
    for layer in range(3):
        W, b = weights[layer].tolist(), biases[layer].tolist()
        sums = [sum(w * v for w, v in zip(W[i], below)) + b[i][0] for i in range(len(W))]
        below = [max(s, 0.0) if layer < 2 else 1 / (1 + np.exp(-s)) for s in sums]
        z.append([[s] for s in sums])
        a.append([[v] for v in below])
    out, target = a[2][0][0], float(y[0, 0])
    delta3 = (out - target) * out * (1 - out)
    delta2 = [weights[2][0, j] * delta3 if z[1][j][0] > 0 else 0.0 for j in range(2)]
    delta1 = [sum(weights[1][i, j] * delta2[i] for i in range(2)) if z[0][j][0] > 0 else 0.0 for j in range(2)]
    delta = [[[d] for d in delta1], [[d] for d in delta2], [[delta3]]]
    inputs = [x[:, 0].tolist(), [v[0] for v in a[0]], [v[0] for v in a[1]]]
    dW = [[[d[0] * v for v in inputs[layer]] for d in delta[layer]] for layer in range(3)]
    return {"z": z, "a": a, "delta": delta, "dW": dW, "db": delta, "cost": (out - target) ** 2 / 2}
"""

TWO_BRANCHES = """
def sigmoid(z):
    z = np.asarray(z, dtype=np.float64)
    out = np.empty_like(z)
    positive = z >= 0
    out[positive] = 1 / (1 + np.exp(-z[positive]))
    powers = np.exp(z[~positive])
    out[~positive] = powers / (1 + powers)
    return out


def relu(z):
    out = np.array(z, dtype=float)
    out[out < 0] = 0
    return out


def tanh(z):
    return 2 * sigmoid(2 * np.asarray(z)) - 1
"""

VECTORIZED = """
import math


def sigmoid(z):
    return 1 / (1 + np.exp(-np.clip(z, -500, 500)))


def relu(z):
    return z * (np.asarray(z) > 0).astype(float)


tanh = np.vectorize(math.tanh, otypes=[float])
"""

CLIPPED_COSTS = """
def quadratic_cost(a, y):
    return np.linalg.norm(a - y) ** 2 / 2


def quadratic_cost_prime(a, y):
    return -(y - a)


def cross_entropy_cost(p, y):
    total = 0.0
    for column in range(p.shape[1]):
        for row in range(p.shape[0]):
            if y[row, column] > 0:
                total -= y[row, column] * math.log(max(p[row, column], 1e-300))
    return total


def softmax_cross_entropy_prime(z, y):
    gradient = softmax(z)
    gradient[y == 1] -= 1
    return gradient


import math
"""

NAN_TO_NUM_COSTS = """
def quadratic_cost(a, y):
    return 0.5 * ((a - y) ** 2).sum()


def quadratic_cost_prime(a, y):
    return np.subtract(a, y)


def cross_entropy_cost(p, y):
    return np.sum(np.nan_to_num(-y * np.log(p)))


def softmax_cross_entropy_prime(z, y):
    return np.array([softmax(z[:, j]) - y[:, j] for j in range(z.shape[1])]).T
"""

FLAT_GRADIENT = """
def numerical_gradient(f, x, h=1e-5):
    steps = h * np.eye(x.size)
    flat = x.flatten()
    quotients = [(f((flat + e).reshape(x.shape)) - f((flat - e).reshape(x.shape))) / 2 / h for e in steps]
    return np.reshape(quotients, x.shape)
"""

DRIFTING_GRADIENT = """
def numerical_gradient(f, x, h=1e-5):
    gradient = np.empty(x.shape)
    for index, _ in np.ndenumerate(x):
        x[index] += h
        above = f(x)
        x[index] -= 2 * h
        below = f(x)
        x[index] += h
        gradient[index] = (above - below) / (2 * h)
    return gradient
"""

VARIANTS = [
    # ── right ────────────────────────────────────────────────────────────────────────────────────────────────────
    Variant("two_branches", cells={"activations": TWO_BRANCHES}),
    Variant("vectorized_and_clipped", cells={"activations": VECTORIZED, "costs": CLIPPED_COSTS}),
    Variant("nan_to_num", cells={"costs": NAN_TO_NUM_COSTS, "numerical_gradient": FLAT_GRADIENT}),
    Variant("plain_python", cells={"one_iteration": PLAIN_PYTHON}),
    Variant("adds_and_takes_back_h", cells={"numerical_gradient": DRIFTING_GRADIENT}),
    Variant(
        "other_formulas",
        edits={
            "activations": [(SIGMOID, "return np.exp(-np.logaddexp(0, -np.asarray(z)))")],
            "derivatives": [
                (SIGMOID_PRIME, "return sigmoid(z) * sigmoid(-z)"),
                (RELU_PRIME, "return np.heaviside(z, 0.0)"),
                (TANH_PRIME, "return (1 - np.tanh(z)) * (1 + np.tanh(z))"),
            ],
            "softmax": [
                (SHIFTED, "shifted = z - np.max(z, axis=0, keepdims=True)"),
                (NORMALISED, "return np.exp(shifted - np.log(np.sum(np.exp(shifted), axis=0, keepdims=True)))"),
            ],
            "relative_error": [(RELATIVE, "return np.sqrt(((a - b) ** 2).sum()) / max(scale, 1e-12)")],
            "one_iteration": [(DW, "dW = [np.outer(d, a) for d, a in zip(deltas, activations)]"), (DB, "db = deltas")],
        },
    ),
    # ── activations ──────────────────────────────────────────────────────────────────────────────────────────────
    Variant(
        "sigmoid_overflows",
        edits={"activations": [(SIGMOID, "return 1 / (1 + np.exp(-np.asarray(z, dtype=float)))")]},
        scores={"activations": 2.8, "derivatives": 2.8},
        says={"activations": "overflow", "derivatives": "overflow"},
    ),
    Variant(
        "sigmoid_by_where",
        edits={
            "activations": [(SIGMOID, "return np.where(z >= 0, 1 / (1 + np.exp(-z)), np.exp(z) / (1 + np.exp(z)))")]
        },
        scores={"activations": 2.8, "derivatives": 2.8},
        says={"activations": "np.where does not prevent", "derivatives": "np.where does not prevent"},
    ),
    Variant(
        "tanh_from_exponentials",
        edits={"activations": [(TANH, "return (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))")]},
        scores={"activations": 2.8, "derivatives": 2.8},
        says={"activations": "overflow", "derivatives": "overflow"},
    ),
    Variant(
        "relu_in_place",
        edits={"activations": [(RELU, "z[z < 0] = 0\n    return z")]},
        scores={"activations": 2.6, "one_iteration": 3.0},
        says={"activations": "in place", "one_iteration": "relu changes its argument in place"},
    ),
    Variant(
        "relu_by_integer_vectorize",
        edits={"activations": [(RELU, "return np.vectorize(lambda v: v if v > 0 else 0)(z)")]},
        scores={"activations": 2.0, "one_iteration": 0.0},
        says={"activations": "cuts off", "one_iteration": "cuts off"},
    ),
    Variant(
        "float32",
        edits={"activations": [(TANH, "return np.tanh(np.asarray(z, dtype=np.float32))")]},
        scores={"activations": 2.0, "derivatives": 2.0},
        says={"activations": "float32", "derivatives": "float32"},
    ),
    Variant(
        "leaky_relu",
        edits={"activations": [(RELU, "return np.where(np.asarray(z) > 0, z, 0.01 * z)")]},
        scores={"activations": 2.0, "one_iteration": 0.0},
        says={"activations": "leaky", "one_iteration": "leaky"},
    ),
    Variant(
        "answers_of_the_visible_checks",
        cells={"activations": TABLE},
        scores={"activations": 0.0, "derivatives": 1.0, "one_iteration": 0.0},
        says={"activations": "never filled in"},
    ),
    # ── derivatives ──────────────────────────────────────────────────────────────────────────────────────────────
    Variant(
        "relu_prime_in_place",
        edits={"derivatives": [(RELU_PRIME, "z[z <= 0] = 0\n    z[z > 0] = 1\n    return z")]},
        scores={"derivatives": 2.6, "one_iteration": 3.0},
        says={"derivatives": "in place", "one_iteration": "relu_prime wrote"},
    ),
    Variant(
        "relu_prime_of_zero_is_one",
        edits={"derivatives": [("np.asarray(z) > 0", "np.asarray(z) >= 0")]},
        scores={"derivatives": 2.6},
        says={"derivatives": "defined as 0"},
    ),
    Variant(
        "relu_prime_of_integers",
        edits={"derivatives": [("1.0, 0.0", "1, 0")]},
        scores={"derivatives": 2.0},
        says={"derivatives": "int64"},
    ),
    Variant(
        "relu_prime_of_one_number",
        edits={"derivatives": [(RELU_PRIME, "return 1.0 if z > 0 else 0.0")]},
        scores={"derivatives": 2.0, "one_iteration": 0.0},
        says={"derivatives": "`if` on a whole array", "one_iteration": "`if` on a whole array"},
    ),
    Variant(
        "sigmoid_prime_of_a",
        edits={"derivatives": [(SIGMOID_PRIME, "return z * (1 - z)")]},
        scores={"derivatives": 2.0, "one_iteration": 1.5},
        says={"derivatives": "taken for the activation", "one_iteration": "get sigmoid_prime right"},
    ),
    Variant(
        "tanh_prime_of_a",
        edits={"derivatives": [(TANH_PRIME, "return 1 - z**2")]},
        scores={"derivatives": 2.0},
        says={"derivatives": "taken for the activation"},
    ),
    Variant(
        "tanh_prime_by_cosh",
        edits={"derivatives": [(TANH_PRIME, "return 1 / np.cosh(z) ** 2")]},
        scores={"derivatives": 2.8},
        says={"derivatives": "overflow"},
    ),
    # ── softmax ──────────────────────────────────────────────────────────────────────────────────────────────────
    Variant(
        "softmax_overflows",
        edits={"softmax": [(SHIFTED, "powers = np.exp(z)")]},
        scores={"softmax": 1.25, "costs": 2.75},
        says={"softmax": "overflow", "costs": "overflow"},
    ),
    Variant(
        "softmax_over_rows",
        edits={
            "softmax": [
                (SHIFTED, "powers = np.exp(z - z.max())"),
                (NORMALISED, "return powers / powers.sum(axis=-1, keepdims=True)"),
            ]
        },
        scores={"softmax": 0.5, "costs": 2.25},
        says={"softmax": "wrong axis", "costs": "wrong axis"},
    ),
    Variant(
        "softmax_over_everything",
        edits={"softmax": [("axis=0", "")]},
        scores={"softmax": 1.0, "costs": 2.25},
        says={"softmax": "whole array", "costs": "whole array"},
    ),
    Variant(
        "softmax_with_one_maximum",
        edits={"softmax": [("z.max(axis=0)", "z.max()")]},
        scores={"softmax": 1.75, "costs": 2.75},
        says={"softmax": "its own maximum", "costs": "its own maximum"},
    ),
    Variant(
        "softmax_in_place",
        edits={"softmax": [("z = np.asarray(z, dtype=float)", "z -= z.max(axis=0)")]},
        scores={"softmax": 1.75, "costs": 2.75},
        says={"softmax": "in place", "costs": "in place"},
    ),
    # ── costs ────────────────────────────────────────────────────────────────────────────────────────────────────
    Variant(
        "costs_averaged",
        edits={
            "costs": [
                (QUADRATIC, "return 0.5 * np.sum((a - y) ** 2) / y.shape[1]"),
                (ENTROPY, ENTROPY + " / y.shape[1]"),
            ]
        },
        scores={"costs": 1.5},
        says={"costs": "averaged over the examples"},
    ),
    Variant(
        "missing_half",
        edits={"costs": [(QUADRATIC, "return np.sum((a - y) ** 2)"), (QUADRATIC_PRIME, "return 2 * (a - y)")]},
        scores={"costs": 1.5, "one_iteration": 1.0},
        says={"costs": "½ is missing"},
    ),
    Variant(
        "quadratic_prime_sign",
        edits={"costs": [(QUADRATIC_PRIME, "return y - a")]},
        scores={"costs": 2.25, "one_iteration": 1.5},
        says={"costs": "a − y", "one_iteration": "y − a"},
    ),
    Variant(
        "costs_one_number_a_column",
        edits={"costs": [(QUADRATIC, "return 0.5 * np.sum((a - y) ** 2, axis=0)")]},
        scores={"costs": 2.25, "one_iteration": 3.5},
        says={"costs": "each column only", "one_iteration": "float belongs"},
    ),
    Variant(
        "log_of_zero",
        edits={"costs": [(ENTROPY, "return -np.sum(y * np.log(p))")]},
        scores={"costs": 2.75},
        says={"costs": "0 · log 0"},
    ),
    Variant(
        "log_of_zero_where_y_is_one",
        edits={"costs": [(ENTROPY, "return -np.sum(np.log(p[y == 1]))")]},
        scores={"costs": 2.75},
        says={"costs": "came out as inf"},
    ),
    Variant(
        "clips_in_place",
        edits={"costs": [(ENTROPY, "p[p == 0] = 1e-12\n    return -np.sum(y * np.log(p))")]},
        scores={"costs": 2.75},
        says={"costs": "in place"},
    ),
    Variant(
        "binary_cross_entropy",
        edits={
            "costs": [
                (
                    ENTROPY,
                    "p = np.clip(p, 1e-12, 1 - 1e-12)\n    return -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p))",
                )
            ]
        },
        scores={"costs": 2.25},
        says={"costs": "binary cross-entropy"},
    ),
    Variant(
        "derivative_without_softmax",
        edits={"costs": [(ENTROPY_PRIME, "return z - y")]},
        scores={"costs": 2.25},
        says={"costs": "softmax is missing"},
    ),
    # ── gradient checking ────────────────────────────────────────────────────────────────────────────────────────
    Variant(
        "forward_difference",
        edits={"numerical_gradient": [("moved[index] = kept - h", "moved[index] = kept"), ("(2 * h)", "h")]},
        scores={"numerical_gradient": 1.5},
        says={"numerical_gradient": "one-sided"},
    ),
    Variant(
        "no_division_by_two",
        edits={"numerical_gradient": [("(2 * h)", "h")]},
        scores={"numerical_gradient": 0.0},
        says={"numerical_gradient": "divide by 2h"},
    ),
    Variant(
        "brackets_missing",
        edits={"numerical_gradient": [("(2 * h)", "2 * h")]},
        scores={"numerical_gradient": 0.0},
        says={"numerical_gradient": "brackets"},
    ),
    Variant(
        "own_step",
        edits={"numerical_gradient": [("moved = np.array", "h = 1e-5\n    moved = np.array")]},
        scores={"numerical_gradient": 2.5},
        says={"numerical_gradient": "h is not used"},
    ),
    Variant(
        "x_not_put_back",
        edits={
            "numerical_gradient": [
                ("moved = np.array(x, dtype=float)", "moved = x"),
                ("        moved[index] = kept\n", ""),
            ]
        },
        scores={"numerical_gradient": 2.5},
        says={"numerical_gradient": "not put back"},
    ),
    Variant(
        "whole_rows_at_once",
        edits={
            "numerical_gradient": [
                ("np.ndindex(moved.shape)", "range(len(moved))"),
                ("kept = moved[index]", "kept = moved[index].copy()"),
            ]
        },
        scores={"numerical_gradient": 0.5},
        says={"numerical_gradient": "whole rows"},
    ),
    Variant(
        "all_entries_at_once",
        edits={
            "numerical_gradient": [
                ("for index in np.ndindex(moved.shape)", "for index in [...]"),
                ("kept = moved[index]", "kept = moved[index].copy()"),
            ]
        },
        scores={"numerical_gradient": 0.0},
        says={"numerical_gradient": "one entry at a time"},
    ),
    Variant(
        "relative_error_of_zeros",
        edits={"relative_error": [(RELATIVE, "return np.linalg.norm(a - b) / scale")]},
        scores={"relative_error": 0.75},
        says={"relative_error": "0 / 0"},
    ),
    Variant(
        "relative_error_by_maximum",
        edits={
            "relative_error": [("np.linalg.norm(a) + np.linalg.norm(b)", "max(np.linalg.norm(a), np.linalg.norm(b))")]
        },
        scores={"relative_error": 0.25},
        says={"relative_error": "divide by their sum"},
    ),
    Variant(
        "relative_error_by_entry",
        edits={
            "relative_error": [(RELATIVE, "return np.max(np.abs(a - b) / np.maximum(1e-12, np.abs(a) + np.abs(b)))")]
        },
        scores={"relative_error": 0.25},
        says={"relative_error": "single entry"},
    ),
    # ── one_iteration ────────────────────────────────────────────────────────────────────────────────────────────
    Variant(
        "missing_transpose",
        edits={
            "one_iteration": [
                (NEXT_DELTA, NEXT_DELTA.replace("weights[layer + 1].T", "(weights[1] if layer == 0 else weights[2].T)"))
            ]
        },
        scores={"one_iteration": 1.5},
        says={"one_iteration": "missing transpose"},
    ),
    Variant(
        "hard_coded_exercise",
        cells={"one_iteration": HARD_CODED},
        scores={"one_iteration": 0.0},
        says={"one_iteration": "numbers of the exercise"},
    ),
    Variant(
        "published_mistake",
        edits={"one_iteration": [(DW, DW + "\n    dW[2] = np.abs(weights[2].T @ deltas[2]).T")]},
        scores={"one_iteration": 3.0},
        says={"one_iteration": "W3ᵀδ3"},
    ),
    Variant(
        "vectors_for_columns",
        edits={"one_iteration": [(DB, "db = [delta.ravel() for delta in deltas]")]},
        scores={"one_iteration": 3.5},
        says={"one_iteration": "column was lost"},
    ),
    Variant(
        "sigma_prime_of_a",
        edits={"one_iteration": [("sigmoid_prime(zs[-1])", "sigmoid_prime(activations[-1])")]},
        scores={"one_iteration": 1.5},
        says={"one_iteration": "σ′(z), not σ′(a)"},
    ),
    Variant(
        "no_derivative_of_the_output",
        edits={"one_iteration": [(LAST_DELTA, "delta = activations[-1] - y")]},
        scores={"one_iteration": 1.5},
        says={"one_iteration": "lacks the factor σ′(z)"},
    ),
    Variant(
        "no_derivative_of_relu",
        edits={"one_iteration": [(" * relu_prime(zs[layer])", "")]},
        scores={"one_iteration": 1.5},
        says={"one_iteration": "derivative of the activation"},
    ),
    Variant(
        "bias_gradients_forgotten",
        edits={"one_iteration": [(DB, "db = [np.zeros_like(b) for b in biases]")]},
        scores={"one_iteration": 3.5},
        says={"one_iteration": "bias gradients"},
    ),
    Variant(
        "activation_of_its_own_layer",
        edits={"one_iteration": [("activations[:-1], strict", "activations[1:], strict")]},
        scores={"one_iteration": 3.0},
        says={"one_iteration": "its own layer"},
    ),
    Variant(
        "input_among_the_activations",
        edits={"one_iteration": [('"a": activations[1:]', '"a": activations')]},
        scores={"one_iteration": 3.0},
        says={"one_iteration": "begins with the input"},
    ),
    Variant(
        "from_last_to_first",
        edits={
            "one_iteration": [("cost = quad", "deltas, dW, db = deltas[::-1], dW[::-1], db[::-1]\n    cost = quad")]
        },
        scores={"one_iteration": 1.5},
        says={"one_iteration": "order is reversed"},
    ),
    Variant(
        "cost_is_an_array",
        edits={
            "one_iteration": [("cost = quadratic_cost(activations[-1], y)", "cost = 0.5 * (activations[-1] - y) ** 2")]
        },
        scores={"one_iteration": 3.5},
        says={"one_iteration": "float belongs"},
    ),
    Variant(
        "output_is_relu",
        edits={"one_iteration": [("sigmoid(z) if layer == 2 else relu(z)", "relu(z)")]},
        scores={"one_iteration": 0.0},
        says={"one_iteration": "the output is a sigmoid"},
    ),
    Variant(
        "biases_left_out",
        edits={"one_iteration": [("activations[-1] + b", "activations[-1]")]},
        scores={"one_iteration": 0.0},
        says={"one_iteration": "bias is left out"},
    ),
    Variant(
        "nothing_returned",
        edits={"one_iteration": [("return {", "result = {")]},
        scores={"one_iteration": 0.0},
        says={"one_iteration": "return"},
    ),
    Variant(
        "half_of_the_functions",
        edits={"derivatives": [(TANH_PRIME, 'raise NotImplementedError("derivatives")')]},
        scores={"derivatives": 2.0},
        says={"derivatives": "not attempted"},
    ),
]
