"""Known solutions of part 2."""

from grader_tests.variants import Variant

BIASES = "self.biases = [np.random.randn(n, 1) for n in self.sizes[1:]]"
WEIGHTS = "self.weights = [np.random.randn(n_out, n_in) for n_in, n_out in zip(self.sizes[:-1], self.sizes[1:])]"
DRAWS = f"        {BIASES}\n        {WEIGHTS}"
DB = "delta.sum(axis=1, keepdims=True)"
RETURN = "return dW_list, db_list"
UPDATE = "dW_list.insert(0, delta @ activations[layer].T)"
ACCURACY = "np.mean(self.forward_prop(x).argmax(axis=0) == y.argmax(axis=0))"


def draws(*lines):
    """Edits of `__init__` that make the draws in another way."""
    return {"network": [(DRAWS, "\n".join(" " * 8 + line for line in lines))]}


def back_prop(body):
    return {"back_prop": f"def back_prop(self, x, y):\n{body}\n\n\nNetwork.back_prop = back_prop"}


KINDS = """\
    activation, derivative = {
        "sigmoid": (sigmoid, sigmoid_prime),
        "relu": (relu, relu_prime),
        "tanh": (tanh, tanh_prime),
    }[self.hidden]
"""

FORWARD = (
    KINDS
    + """\
    zs, activations = [], [x]
    for W, b in zip(self.weights, self.biases):
        zs.append(W @ activations[-1] + b)
        activations.append(activation(zs[-1]))
    if self.output == "softmax":
        delta = softmax(zs[-1]) - y
    else:
        delta = (sigmoid(zs[-1]) - y) * sigmoid_prime(zs[-1])
"""
)

DELTAS_FIRST = (
    FORWARD
    + """\
    deltas = [delta]
    for layer in range(len(self.weights) - 1, 0, -1):
        deltas.insert(0, (self.weights[layer].T @ deltas[0]) * derivative(zs[layer - 1]))
    return [d @ a.T for d, a in zip(deltas, activations)], [d.sum(axis=1, keepdims=True) for d in deltas]"""
)

TWO_LAYERS_ONLY = (
    FORWARD
    + """\
    hidden_delta = (self.weights[-1].T @ delta) * derivative(zs[-2])
    dW = [hidden_delta @ activations[-3].T, delta @ activations[-2].T]
    return dW, [hidden_delta.sum(axis=1, keepdims=True), delta.sum(axis=1, keepdims=True)]"""
)

FINITE_DIFFERENCES = """\
    def cost():
        a = self.forward_prop(x)
        return -np.sum(y * np.log(a)) if self.output == "softmax" else 0.5 * np.sum((a - y) ** 2)

    def gradient(array):
        result = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + 1e-5
            above = cost()
            array[index] = kept - 1e-5
            below = cost()
            array[index] = kept
            result[index] = (above - below) / 2e-5
        return result

    return [gradient(W) for W in self.weights], [gradient(b) for b in self.biases]"""

STOPS_EARLY = (
    FORWARD
    + """\
    dW_list = [np.zeros_like(W) for W in self.weights]
    db_list = [np.zeros_like(b) for b in self.biases]
    for layer in range(len(self.weights) - 1, 0, -1):
        dW_list[layer] = delta @ activations[layer].T
        db_list[layer] = delta.sum(axis=1, keepdims=True)
        delta = (self.weights[layer].T @ delta) * derivative(zs[layer - 1])
    return dW_list, db_list"""
)

RELU_IN_PLACE = [
    ("return np.maximum(np.asarray(z, dtype=float), 0.0)", "z[z < 0] = 0\n    return z"),
    ("return np.where(np.asarray(z) > 0, 1.0, 0.0)", "z[z > 0] = 1\n    z[z <= 0] = 0\n    return z"),
]

WRONG_INIT = [
    Variant(
        "weights_drawn_first",
        edits=draws(WEIGHTS, BIASES),
        scores={"network": 2.0},
        says={"network": "drawn before the biases"},
    ),
    Variant(
        "drawn_layer_by_layer",
        edits=draws(
            "self.biases, self.weights = [], []",
            "for n_in, n_out in zip(self.sizes[:-1], self.sizes[1:]):",
            "    self.biases.append(np.random.randn(n_out, 1))",
            "    self.weights.append(np.random.randn(n_out, n_in))",
        ),
        scores={"network": 2.0},
        says={"network": "layer by layer:"},
    ),
    Variant(
        "uniform_draws",
        edits={"network": [("np.random.randn", "np.random.rand")]},
        scores={"network": 2.0},
        says={"network": "uniform"},
    ),
    Variant(
        "scaled_weights",
        edits=draws(BIASES, WEIGHTS.replace("randn(n_out, n_in)", "randn(n_out, n_in) / np.sqrt(n_in)")),
        scores={"network": 2.0},
        says={"network": "square root"},
    ),
    Variant(
        "small_weights",
        edits=draws(BIASES, WEIGHTS.replace("randn(n_out, n_in)", "randn(n_out, n_in) * 0.01")),
        scores={"network": 2.0},
        says={"network": "0.01 times"},
    ),
    Variant(
        "zero_biases",
        edits=draws(BIASES.replace("np.random.randn(n, 1)", "np.zeros((n, 1))"), WEIGHTS),
        scores={"network": 2.0},
        says={"network": "the biases are zero"},
    ),
    Variant(
        "zero_weights",
        edits={
            "network": [
                ("np.random.randn(n, 1)", "np.zeros((n, 1))"),
                ("np.random.randn(n_out, n_in)", "np.zeros((n_out, n_in))"),
            ]
        },
        scores={"network": 0.0},
        says={"network": "not filled at random"},
    ),
    Variant(
        "default_rng",
        edits={
            "network": [
                (BIASES, f"rng = np.random.default_rng()\n        {BIASES}"),
                ("np.random.randn(n, 1)", "rng.standard_normal((n, 1))"),
                ("np.random.randn(n_out, n_in)", "rng.standard_normal((n_out, n_in))"),
            ]
        },
        scores={"network": 2.0},
        says={"network": "another generator"},
    ),
    Variant(
        "default_rng_with_a_seed",
        edits={
            "network": [
                (BIASES, f"rng = np.random.default_rng(0)\n        {BIASES}"),
                ("np.random.randn(n, 1)", "rng.standard_normal((n, 1))"),
                ("np.random.randn(n_out, n_in)", "rng.standard_normal((n_out, n_in))"),
            ]
        },
        scores={"network": 1.0},
        says={"network": "fixed seed"},
    ),
    Variant(
        "seed_inside_init",
        edits=draws("np.random.seed(1)", BIASES, WEIGHTS),
        scores={"network": 1.0},
        says={"network": "a seed is set inside __init__"},
    ),
    Variant(
        "flat_biases",
        edits={"network": [("np.random.randn(n, 1)", "np.random.randn(n)")]},
        scores={"network": 1.0},
        says={"network": "a column was lost"},
    ),
    Variant(
        "transposed_weights",
        edits={"network": [("np.random.randn(n_out, n_in)", "np.random.randn(n_in, n_out)")]},
        scores={"network": 0.0},
        says={"network": "transpose"},
    ),
    Variant(
        "bias_for_the_input_too",
        edits={"network": [("for n in self.sizes[1:]]", "for n in self.sizes]")]},
        scores={"network": 1.0},
        says={"network": "gap between layers"},
    ),
    Variant(
        "lists_of_the_class",
        cells={
            "network": """\
class Network:
    biases = []
    weights = []

    def __init__(self, sizes, hidden="sigmoid", output="sigmoid", keep_prob=None):
        self.sizes, self.hidden, self.output, self.keep_prob = sizes, hidden, output, keep_prob
        for n in sizes[1:]:
            self.biases.append(np.random.randn(n, 1))
        for n_in, n_out in zip(sizes[:-1], sizes[1:]):
            self.weights.append(np.random.randn(n_out, n_in))"""
        },
        scores={"network": 0.0},
        says={"network": "belongs to the class"},
    ),
]

WRONG_FORWARD = [
    Variant(
        "softmax_over_rows",
        edits={"tools": [("z.max(axis=0)", "z.max()"), ("powers.sum(axis=0)", "powers.sum(axis=1, keepdims=True)")]},
        scores={"forward_prop": 4.0, "back_prop": 12.0},
        says={"forward_prop": "wrong axis", "back_prop": "wrong axis"},
    ),
    Variant(
        "softmax_over_everything",
        edits={"tools": [("z.max(axis=0)", "z.max()"), ("powers.sum(axis=0)", "powers.sum()")]},
        scores={"forward_prop": 4.0, "back_prop": 12.0},
        says={"forward_prop": "whole batch", "back_prop": "whole batch"},
    ),
    Variant(
        "unstable_softmax",
        edits={"tools": [("np.exp(z - z.max(axis=0))", "np.exp(z)")]},
        scores={"forward_prop": 6.0},
        says={"forward_prop": "subtract the largest z"},
    ),
    Variant(
        "unstable_sigmoid",
        edits={
            "tools": [
                ("return 0.5 * (1 + np.tanh(0.5 * np.asarray(z, dtype=float)))", "return np.exp(z) / (1 + np.exp(z))")
            ]
        },
        scores={"forward_prop": 6.0},
        says={"forward_prop": "overflows in sigmoid"},
    ),
    Variant(
        "output_always_sigmoid",
        edits={
            "forward_prop": [('return softmax(z) if self.output == "softmax" else sigmoid(z)', "return sigmoid(z)")]
        },
        scores={"forward_prop": 4.0, "back_prop": 12.0},
        says={"forward_prop": "whatever `output` says", "back_prop": "whatever `output` says"},
    ),
    Variant(
        "hidden_always_sigmoid",
        edits={"forward_prop": [('{"sigmoid": sigmoid, "relu": relu, "tanh": tanh}[self.hidden]', "sigmoid")]},
        scores={"forward_prop": 5.0, "back_prop": 12.0},
        says={"forward_prop": "whatever `hidden` says"},
    ),
    Variant(
        "no_output_activation",
        edits={"forward_prop": [('return softmax(z) if self.output == "softmax" else sigmoid(z)', "return z")]},
        scores={"forward_prop": 0.0, "back_prop": 0.0},
        says={"forward_prop": "no activation", "back_prop": "no activation"},
    ),
    Variant(
        "forward_without_biases",
        edits={
            "forward_prop": [("W @ a + b", "W @ a"), ("self.weights[-1] @ a + self.biases[-1]", "self.weights[-1] @ a")]
        },
        scores={"forward_prop": 0.0, "back_prop": 0.0},
        says={"forward_prop": "biases are left out"},
        leave=("evaluate",),
    ),
    Variant(
        "forward_in_float32",
        edits={"forward_prop": [("else sigmoid(z)", "else sigmoid(z).astype(np.float32)")]},
        scores={"forward_prop": 0.0, "back_prop": 2.0},
        says={"forward_prop": "float32"},
    ),
    Variant(
        "forward_changes_its_argument",
        edits={
            "forward_prop": [
                ("    return softmax", "    x *= 0\n    return softmax"),
                ("    activation =", "    x = a\n    activation ="),
            ]
        },
        scores={"forward_prop": 7.0},
        says={"forward_prop": "changes its argument a in place"},
    ),
    Variant(
        "forward_hard_coded",
        cells={
            "forward_prop": "def forward_prop(self, a):\n    return np.full((self.sizes[-1], a.shape[1]), 0.5)\n\n\nNetwork.forward_prop = forward_prop"
        },
        scores={"forward_prop": 0.0, "back_prop": 0.0},
        says={"forward_prop": "smallest case by hand", "back_prop": "get forward_prop right first"},
        leave=("evaluate",),
    ),
]

WRONG_BACK_PROP = [
    Variant(
        "missing_transpose",
        edits={"back_prop": [("self.weights[layer].T @ delta", "self.weights[layer] @ delta")]},
        scores={"back_prop": 0.0},
        says={"back_prop": "missing transpose"},
    ),
    Variant(
        "transposed_outer_product",
        edits={"back_prop": [("delta @ activations[layer].T", "activations[layer] @ delta.T")]},
        scores={"back_prop": 0.0},
        says={"back_prop": "transpose"},
    ),
    Variant(
        "sign_of_the_error",
        edits={
            "back_prop": [
                ("softmax(zs[-1]) - y", "y - softmax(zs[-1])"),
                ("(sigmoid(zs[-1]) - y)", "(y - sigmoid(zs[-1]))"),
            ]
        },
        scores={"back_prop": 0.0},
        says={"back_prop": "the output error is y − a"},
    ),
    Variant(
        "derivative_of_a",
        edits={
            "back_prop": [
                ("sigmoid_prime(zs[-1])", "sigmoid_prime(activations[-1])"),
                ("derivative(zs[layer - 1])", "derivative(activations[layer])"),
            ]
        },
        scores={"back_prop": 2.0},
        says={"back_prop": "not σ′(a)"},
    ),
    Variant(
        "hidden_derivative_of_a",
        edits={"back_prop": [("derivative(zs[layer - 1])", "derivative(activations[layer])")]},
        scores={"back_prop": 2.0},  # ReLU's derivative is the same at a and at z
        says={"back_prop": "the hidden layers' derivative is taken at a"},
    ),
    Variant(
        "output_derivative_missing",
        edits={"back_prop": [(" * sigmoid_prime(zs[-1])", "")]},
        scores={"back_prop": 2.0},  # right with softmax
        says={"back_prop": "lacks the factor"},
    ),
    Variant(
        "output_derivative_with_softmax",
        edits={
            "back_prop": [("softmax(zs[-1]) - y", "(softmax(zs[-1]) - y) * softmax(zs[-1]) * (1 - softmax(zs[-1]))")]
        },
        scores={"back_prop": 12.0},
        says={"back_prop": "a derivative too many"},
    ),
    Variant(
        "output_sigmoid_prime_with_softmax",
        edits={"back_prop": [("softmax(zs[-1]) - y", "(softmax(zs[-1]) - y) * sigmoid_prime(zs[-1])")]},
        scores={"back_prop": 12.0},
        says={"back_prop": "sigmoid's derivative in it"},
    ),
    Variant(
        "hidden_derivative_missing",
        edits={"back_prop": [(" * derivative(zs[layer - 1])", "")]},
        scores={"back_prop": 0.0},
        says={"back_prop": "hidden layers' deltas lack"},
    ),
    Variant(
        "hidden_derivative_always_sigmoid",
        edits={"back_prop": [("derivative(zs[layer - 1])", "sigmoid_prime(zs[layer - 1])")]},
        scores={"back_prop": 12.0},
        says={"back_prop": "whatever `hidden` says"},
    ),
    Variant(
        "derivative_of_another_layer",
        edits={"back_prop": [("derivative(zs[layer - 1])", "derivative(zs[layer])")]},
        scores={"back_prop": 0.0},
        says={"back_prop": "different layers"},
    ),
    Variant(
        "mean_gradients",
        edits={
            "back_prop": [
                ("delta @ activations[layer].T", "delta @ activations[layer].T / x.shape[1]"),
                (DB, "delta.mean(axis=1, keepdims=True)"),
            ]
        },
        scores={"back_prop": 3.0},
        says={"back_prop": "averaged over the mini-batch; here"},
    ),
    Variant(
        "mean_bias_gradient",
        edits={"back_prop": [(DB, "delta.mean(axis=1, keepdims=True)")]},
        scores={"back_prop": 3.0},
        says={"back_prop": "while the weight gradients are summed"},
    ),
    Variant(
        "bias_gradient_forgotten",
        edits={"back_prop": [(DB, "np.zeros_like(self.biases[layer])")]},
        scores={"back_prop": 0.0},
        says={"back_prop": "the bias gradients are never filled in"},
    ),
    Variant(
        "bias_gradient_not_summed",
        edits={"back_prop": [(DB, "delta")]},
        scores={"back_prop": 3.0},
        says={"back_prop": "keeps one column an example"},
    ),
    Variant(
        "bias_gradient_without_keepdims",
        edits={"back_prop": [(DB, "delta.sum(axis=1)")]},
        scores={"back_prop": 0.0},
        says={"back_prop": "keepdims=True"},
    ),
    Variant(
        "bias_gradient_over_the_neurons",
        edits={"back_prop": [(DB, "delta.sum(axis=0, keepdims=True)")]},
        scores={"back_prop": 0.0},
        says={"back_prop": "summed over the neurons"},
    ),
    Variant(
        "relu_in_place",
        edits={"tools": RELU_IN_PLACE},
        cells=back_prop(
            DELTAS_FIRST.replace(
                "        activations.append(activation(zs[-1]))",
                "        if len(zs) < len(self.weights):\n            activations.append(activation(zs[-1]))",
            )
        ),
        scores={"back_prop": 12.0},
        says={"back_prop": "writes into its argument"},
    ),
    Variant(
        "updates_the_weights",
        edits={
            "back_prop": [(RETURN, f"for W, dW in zip(self.weights, dW_list):\n        W -= 0.1 * dW\n    {RETURN}")]
        },
        scores={"back_prop": 16.0},
        says={"back_prop": "must not change the parameters"},
    ),
    Variant(
        "updates_the_weights_too_early",
        edits={
            "back_prop": [(UPDATE, f"{UPDATE}\n        self.weights[layer] = self.weights[layer] - 0.1 * dW_list[0]")]
        },
        scores={"back_prop": 0.0},
        says={"back_prop": "must not change the parameters"},
    ),
    Variant(
        "loop_leaves_out_the_first_layer",
        edits={"back_prop": [("reversed(range(len(self.weights)))", "reversed(range(1, len(self.weights)))")]},
        scores={"back_prop": 0.0},
        says={"back_prop": "gap between layers"},
    ),
    Variant(
        "loop_stops_early",
        cells=back_prop(STOPS_EARLY),
        scores={"back_prop": 0.0},
        says={"back_prop": "the loop over the layers stops"},
    ),
    Variant(
        "gradients_in_float32",
        edits={
            "back_prop": [
                (RETURN, "return [g.astype(np.float32) for g in dW_list], [g.astype(np.float32) for g in db_list]")
            ]
        },
        scores={"back_prop": 0.0},
        says={"back_prop": "float32"},
    ),
    Variant(
        "lists_as_default_arguments",
        edits={
            "back_prop": [
                ("(self, x, y)", "(self, x, y, dW_list=[], db_list=[])"),
                ("    dW_list, db_list = [], []\n", ""),
            ]
        },
        scores={"back_prop": 0.0},
        says={"back_prop": "results of an earlier call are kept"},
    ),
    Variant(
        "lists_on_self",
        edits={
            "network": [
                (
                    "        self.hidden = hidden",
                    "        self.dW_list, self.db_list = [], []\n        self.hidden = hidden",
                )
            ],
            "back_prop": [("dW_list, db_list = [], []", "dW_list, db_list = self.dW_list, self.db_list")],
        },
        scores={"back_prop": 16.0},
        says={"back_prop": "results of an earlier call are kept"},
    ),
    Variant(
        "gradients_added_up_over_calls",
        edits={
            "network": [("        self.hidden = hidden", "        self.total = 0\n        self.hidden = hidden")],
            "back_prop": [
                (
                    RETURN,
                    "self.total = [g + t for g, t in zip(dW_list, self.total or [0.0] * len(dW_list))]\n    return self.total, db_list",
                )
            ],
        },
        scores={"back_prop": 16.0},
        says={"back_prop": "an earlier call left"},
    ),
    Variant(
        "two_layers_only",
        cells=back_prop(TWO_LAYERS_ONLY),
        scores={"back_prop": 2.0},
        says={"back_prop": "gap between layers"},
    ),
    Variant(
        "one_example_only",
        edits={"back_prop": [("delta @ activations[layer].T", "np.outer(delta, activations[layer])"), (DB, "delta")]},
        scores={"back_prop": 3.0},
        says={"back_prop": "np.outer"},
    ),
    Variant(
        "first_example_only",
        edits={
            "back_prop": [("zs, activations = [], [x]", "x, y = x[:, :1], y[:, :1]\n    zs, activations = [], [x]")]
        },
        scores={"back_prop": 3.0},
        says={"back_prop": "only the first example"},
    ),
    Variant(
        "finite_differences",
        cells=back_prop(FINITE_DIFFERENCES),
        scores={"back_prop": 3.0},
        says={"back_prop": "not back-propagation"},
    ),
    Variant(
        "lists_swapped",
        edits={"back_prop": [(RETURN, "return db_list, dW_list")]},
        scores={"back_prop": 0.0},
        says={"back_prop": "swapped"},
    ),
    Variant(
        "order_reversed",
        edits={"back_prop": [("dW_list.insert(0, ", "dW_list.append("), ("db_list.insert(0, ", "db_list.append(")]},
        scores={"back_prop": 0.0},
        says={"back_prop": "the order is reversed"},
    ),
    Variant(
        "pairs_by_layer",
        edits={"back_prop": [(RETURN, "return list(zip(dW_list, db_list))")]},
        scores={"back_prop": 0.0},
        says={"back_prop": "listed as pairs"},
    ),
    Variant(
        "no_return",
        edits={"back_prop": [(RETURN, "dW_list, db_list")]},
        scores={"back_prop": 0.0},
        says={"back_prop": "missing return"},
    ),
    Variant(
        "error_written_into_y",
        edits={"back_prop": [("delta = softmax(zs[-1]) - y", "y -= softmax(zs[-1])\n        delta = -y")]},
        scores={"back_prop": 16.0},
        says={"back_prop": "changes its argument y in place"},
    ),
    Variant(
        "name_misspelled",
        edits={"back_prop": [("sigmoid_prime(zs[-1])", "sigmoid_derivative(zs[-1])")]},
        scores={"back_prop": 2.0},
        says={"back_prop": "spelled differently"},
    ),
]

WRONG_EVALUATE = [
    Variant(
        "evaluate_counts",
        edits={"evaluate": [("np.mean(", "np.sum(")]},
        scores={"evaluate": 0.0},
        says={"evaluate": "it counts"},
    ),
    Variant(
        "evaluate_in_per_cent",
        edits={"evaluate": [(ACCURACY, "100 * " + ACCURACY)]},
        scores={"evaluate": 0.0},
        says={"evaluate": "per cent"},
    ),
    Variant(
        "evaluate_error_rate",
        edits={"evaluate": [(ACCURACY, ACCURACY.replace("==", "!="))]},
        scores={"evaluate": 0.0},
        says={"evaluate": "error rate"},
    ),
    Variant(
        "evaluate_rounds",
        edits={"evaluate": [(ACCURACY, "np.mean((np.round(self.forward_prop(x)) == y).all(axis=0))")]},
        scores={"evaluate": 0.0},
        says={"evaluate": "rounded outputs"},
    ),
    Variant(
        "evaluate_rounds_entry_by_entry",
        edits={"evaluate": [(ACCURACY, "np.mean(np.round(self.forward_prop(x)) == y)")]},
        scores={"evaluate": 0.0},
        says={"evaluate": "entry by entry"},
    ),
    Variant(
        "evaluate_shuffles",
        edits={"evaluate": [("    x = np.hstack", "    np.random.shuffle(data)\n    x = np.hstack")]},
        scores={"evaluate": 4.0},
        says={"evaluate": "np.random.shuffle"},
    ),
    Variant(
        "evaluate_empties_the_list",
        edits={"evaluate": [("    return", "    data.clear()\n    return")]},
        scores={"evaluate": 4.0},
        says={"evaluate": "changes its argument data in place"},
    ),
    Variant(
        "evaluate_hard_coded",
        cells={"evaluate": "def evaluate(self, data):\n    return 0.75\n\n\nNetwork.evaluate = evaluate"},
        scores={"evaluate": 0.0},
        says={"evaluate": "got 0.75"},
    ),
]

RECURSION = (
    KINDS
    + """\
    def walk(layer, a):
        '''Gradients of this layer and those above it, and the error at its input a.'''
        W, b = self.weights[layer], self.biases[layer]
        z = W @ a + b
        if layer < len(self.weights) - 1:
            dWs, dbs, error = walk(layer + 1, activation(z))
            delta = error * derivative(z)
        else:
            dWs, dbs = (), ()
            delta = softmax(z) - y if self.output == "softmax" else (sigmoid(z) - y) * sigmoid_prime(z)
        return (delta @ a.T, *dWs), (delta.sum(1).reshape(-1, 1), *dbs), W.T @ delta

    return walk(0, x)[:2]"""
)

PURE_PYTHON = """\
    import math

    act = {
        "sigmoid": lambda v: 1 / (1 + math.exp(-v)),
        "relu": lambda v: max(v, 0.0),
        "tanh": math.tanh,
    }
    prime = {
        "sigmoid": lambda v: act["sigmoid"](v) * (1 - act["sigmoid"](v)),
        "relu": lambda v: 1.0 if v > 0 else 0.0,
        "tanh": lambda v: 1 - math.tanh(v) ** 2,
    }
    Ws = [W.tolist() for W in self.weights]
    bs = [b.ravel().tolist() for b in self.biases]
    dWs = [[[0.0] * len(row) for row in W] for W in Ws]
    dbs = [[[0.0] for _ in b] for b in bs]
    for column, target in zip(x.T.tolist(), y.T.tolist()):
        zs, As = [], [column]
        for W, b in zip(Ws, bs):
            zs.append([sum(w * v for w, v in zip(row, As[-1])) + c for row, c in zip(W, b)])
            As.append([act[self.hidden](v) for v in zs[-1]])
        if self.output == "softmax":
            top = max(zs[-1])
            powers = [math.exp(v - top) for v in zs[-1]]
            delta = [p / sum(powers) - t for p, t in zip(powers, target)]
        else:
            delta = [(act["sigmoid"](v) - t) * prime["sigmoid"](v) for v, t in zip(zs[-1], target)]
        for layer in range(len(Ws) - 1, -1, -1):
            for i, d in enumerate(delta):
                dbs[layer][i][0] += d
                row = dWs[layer][i]
                for j, v in enumerate(As[layer]):
                    row[j] += d * v
            if layer:
                delta = [
                    sum(Ws[layer][i][j] * d for i, d in enumerate(delta)) * prime[self.hidden](v)
                    for j, v in enumerate(zs[layer - 1])
                ]
    return dWs, dbs"""

SINGLE_EXAMPLES = """\
def one_example(net, x, y):
    f = {"sigmoid": sigmoid, "relu": relu, "tanh": tanh}[net.hidden]
    f_prime = {"sigmoid": sigmoid_prime, "relu": relu_prime, "tanh": tanh_prime}[net.hidden]
    L = len(net.weights)
    a, z = {0: x}, {}
    for l in range(1, L + 1):
        z[l] = np.dot(net.weights[l - 1], a[l - 1]) + net.biases[l - 1]
        a[l] = f(z[l])
    delta = {L: softmax(z[L]) - y if net.output == "softmax" else (sigmoid(z[L]) - y) * sigmoid_prime(z[L])}
    for l in range(L - 1, 0, -1):
        delta[l] = np.dot(net.weights[l].transpose(), delta[l + 1]) * f_prime(z[l])
    return [np.outer(delta[l], a[l - 1]) for l in range(1, L + 1)], [delta[l] for l in range(1, L + 1)]


def back_prop(self, x, y):
    nabla_w = [np.zeros(w.shape) for w in self.weights]
    nabla_b = [np.zeros(b.shape) for b in self.biases]
    for i in range(x.shape[1]):
        dw, db = one_example(self, x[:, i : i + 1], y[:, i : i + 1])
        nabla_w = [n + d for n, d in zip(nabla_w, dw)]
        nabla_b = [n + d for n, d in zip(nabla_b, db)]
    return nabla_w, nabla_b


Network.back_prop = back_prop"""

LOOP_EVALUATE = """\
def evaluate(self, data):
    correct = 0
    for x, y in data:
        if np.argmax(self.forward_prop(x)) == np.argmax(y):
            correct += 1
    return correct / len(data)


Network.evaluate = evaluate"""

DATACLASS = """\
from dataclasses import dataclass, field


@dataclass
class Network:
    sizes: list
    hidden: str = "sigmoid"
    output: str = "sigmoid"
    keep_prob: float = None
    biases: list = field(init=False, repr=False)
    weights: list = field(init=False, repr=False)

    def __post_init__(self):
        self.biases = [np.random.standard_normal((n, 1)) for n in self.sizes[1:]]
        self.weights = [np.random.standard_normal(shape) for shape in zip(self.sizes[1:], self.sizes)]"""

PROPERTIES = """\
class Layer:
    def __init__(self, n_in, n_out):
        self.b, self.shape = np.random.normal(size=(n_out, 1)), (n_out, n_in)

    def draw(self):
        self.W = np.random.normal(0, 1, self.shape)


class Network:
    def __init__(self, sizes, hidden="sigmoid", output="sigmoid", keep_prob=None):
        self.sizes, self.hidden, self.output, self.keep_prob = sizes, hidden, output, keep_prob
        self._layers = [Layer(n_in, n_out) for n_in, n_out in zip(sizes, sizes[1:])]
        for layer in self._layers:
            layer.draw()

    @property
    def weights(self):
        return [layer.W for layer in self._layers]

    @weights.setter
    def weights(self, values):
        for layer, W in zip(self._layers, values):
            layer.W = W

    @property
    def biases(self):
        return [layer.b for layer in self._layers]

    @biases.setter
    def biases(self, values):
        for layer, b in zip(self._layers, values):
            layer.b = b"""

EXTRA_METHODS = """\
def _forward(self, x):
    zs, acts = [], [x]
    for i, (W, b) in enumerate(zip(self.weights, self.biases)):
        zs.append(np.matmul(W, acts[-1]) + b)
        last = i == len(self.weights) - 1
        name = self.output if last else self.hidden
        acts.append({"sigmoid": sigmoid, "relu": relu, "tanh": tanh, "softmax": softmax}[name](zs[-1]))
    self.cache = zs, acts
    return acts[-1]


def forward_prop(self, a):
    return self._forward(a)


Network._forward = _forward
Network.forward_prop = forward_prop"""

USES_THE_CACHE = """\
def back_prop(self, inputs, targets):
    out = self._forward(inputs)
    zs, acts = self.cache
    error = out - targets
    if self.output != "softmax":
        error = error * out * (1 - out)
    grads = {}
    for i in range(len(self.weights))[::-1]:
        grads[i] = np.tensordot(error, acts[i], axes=(1, 1)), error @ np.ones((error.shape[1], 1))
        if i:
            a = acts[i]
            error = np.tensordot(self.weights[i], error, axes=(0, 0))
            error *= {"sigmoid": a * (1 - a), "tanh": 1 - a * a, "relu": (a > 0) * 1.0}[self.hidden]
    return [grads[i][0] for i in range(len(grads))], [grads[i][1] for i in range(len(grads))]


Network.back_prop = back_prop"""

RIGHT = [
    Variant(
        "einsum",
        edits={
            "back_prop": [
                ("delta @ activations[layer].T", "np.einsum('im,jm->ij', delta, activations[layer])"),
                ("self.weights[layer].T @ delta", "np.einsum('ij,im->jm', self.weights[layer], delta)"),
            ]
        },
    ),
    Variant("loop_over_single_examples", cells={"back_prop": SINGLE_EXAMPLES, "evaluate": LOOP_EVALUATE}),
    Variant("recursion_and_tuples", cells=back_prop(RECURSION)),
    Variant("pure_python_lists", cells=back_prop(PURE_PYTHON)),
    Variant("dataclass", cells={"network": DATACLASS}),
    Variant("properties_and_layers", cells={"network": PROPERTIES}),
    Variant("extra_methods", cells={"forward_prop": EXTRA_METHODS, "back_prop": USES_THE_CACHE}),
    Variant("deltas_first", cells=back_prop(DELTAS_FIRST)),
    Variant(
        "arrays_of_arrays",
        edits={
            "back_prop": [
                (
                    RETURN,
                    "dW, db = np.empty(len(dW_list), object), np.empty(len(db_list), object)\n"
                    "    dW[:], db[:] = dW_list, db_list\n    return dW, db",
                )
            ]
        },
    ),
    Variant(
        "nested_lists",
        edits={"back_prop": [(RETURN, "return [g.tolist() for g in dW_list], [g.tolist() for g in db_list]")]},
    ),
    Variant(
        "parameters_in_tuples",
        edits=draws(
            "self.biases = tuple(np.random.standard_normal((n, 1)) for n in sizes[1:])",
            "self.weights = tuple(np.random.standard_normal(s) for s in zip(sizes[1:], sizes))",
        ),
    ),
    Variant(
        "sigmoid_that_warns",  # graded in part 1; its values are right
        edits={
            "tools": [("return 0.5 * (1 + np.tanh(0.5 * np.asarray(z, dtype=float)))", "return 1 / (1 + np.exp(-z))")]
        },
    ),
    Variant(
        "prints_while_it_works",
        edits={"back_prop": [(RETURN, f"print('shapes', [g.shape for g in dW_list])\n    {RETURN}")]},
    ),
    Variant("evaluate_gives_a_numpy_number", edits={"evaluate": [("return float(", "return (")]}),
]

VARIANTS = [*WRONG_INIT, *WRONG_FORWARD, *WRONG_BACK_PROP, *WRONG_EVALUATE, *RIGHT]
