# %% [markdown]
# # Part 2: a network of any depth
#
# **You will build** `Network`, a class that runs a mini-batch forward through any number of layers and sends the error
# back through all of them, one matrix product a layer. It is the engine of part 3, where it learns to read digits.
#
# **Time:** about 90 minutes to write; every cell runs in under a second. **You need:** your functions of part 1.

# %%
import numpy as np

from gradescent import check, plots

# %% [markdown]
# ## From one neuron to matrices
#
# In part 1 you followed one example through five neurons, number by number. Nobody wants to do that for a thousand
# neurons, and nobody has to: all neurons of a layer are one matrix product.
#
# One example is a **column**. A mini-batch of $m$ examples is $m$ columns side by side. Layer $l$ computes
#
# $$z^l = W^l a^{l-1} + b^l, \qquad a^l = \sigma(z^l), \qquad a^0 = x$$
#
# | quantity | meaning | shape |
# |---|---|---|
# | `x` | mini-batch, one example a column | $(n_{in}, m)$ |
# | `weights[l]` | row $i$ holds the weights into neuron $i$ | $(n_{out}, n_{in})$ |
# | `biases[l]` | one a neuron; NumPy adds it to every column | $(n_{out}, 1)$ |
# | `z`, `a`, `delta` | of one layer | $(n_{out}, m)$ |
#
# Python counts from 0: `weights[0]` is $W^1$ and `biases[0]` is $b^1$.
#
# Whenever you are lost, write the shapes next to the formula. Most mistakes show there.

# %%
plots.network([3, 4, 4, 2])

# %% [markdown]
# The picture is `Network([3, 4, 4, 2])`: four columns of neurons, but only **three** weight matrices and three bias
# columns, one for each gap. `weights[0]` has shape (4, 3), `weights[2]` has shape (2, 4).
#
# ## Your tools from part 1
#
# Paste `sigmoid`, `relu`, `tanh`, their derivatives and `softmax` here. Nothing new is asked, so the cell has no points;
# the checks of part 1 tell whether the copy is complete.


# %% solution="tools"
# Paste your seven functions of part 1 in place of the last line.
### BEGIN SOLUTION
def sigmoid(z):
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(z, dtype=float)))


def sigmoid_prime(z):
    s = sigmoid(z)
    return s * (1 - s)


def relu(z):
    return np.maximum(np.asarray(z, dtype=float), 0.0)


def relu_prime(z):
    return np.where(np.asarray(z) > 0, 1.0, 0.0)


def tanh(z):
    return np.tanh(np.asarray(z, dtype=float))


def tanh_prime(z):
    return 1 - tanh(z) ** 2


def softmax(z):
    z = np.asarray(z, dtype=float)
    powers = np.exp(z - z.max(axis=0))
    return powers / powers.sum(axis=0)


### END SOLUTION

# %%
check("sigmoid", sigmoid)
check("sigmoid_prime", sigmoid_prime)
check("relu", relu)
check("relu_prime", relu_prime)
check("tanh", tanh)
check("tanh_prime", tanh_prime)
check("softmax", softmax)

# %% [markdown]
# ## The parameters
#
# `Network(sizes, hidden="sigmoid", output="sigmoid", keep_prob=None)` sets up the parameters. Why random ones? If all
# weights of a layer were equal, all its neurons would compute the same number and get the same gradient, and stay equal
# for ever.
#
# The contract, to the letter, so that two correct programs give the same network from the same seed:
#
# - `self.biases` is a list of arrays $(n, 1)$ and `self.weights` a list of arrays $(n_{out}, n_{in})$;
# - both come from `np.random.randn` and from nothing else: **first all biases**, layer by layer, then all weights;
# - keep `sizes`, `hidden` (`"sigmoid"`, `"relu"` or `"tanh"`), `output` (`"sigmoid"` or `"softmax"`) and `keep_prob`
#   too. `keep_prob` is for the extra credit of part 3.
#
# **Expect:** `Network([2, 3, 1])` has biases of shapes (3, 1) and (1, 1) and weights of shapes (3, 2) and (1, 3).


# %% solution="network"
class Network:
    """A fully connected network.

    Args:
        sizes: neurons a layer, the input first, for example [196, 30, 10].
        hidden: activation of the hidden layers: "sigmoid", "relu" or "tanh".
        output: "sigmoid" (with the quadratic cost) or "softmax" (with cross-entropy).
        keep_prob: for dropout, part 3; None means none.
    """

    def __init__(self, sizes, hidden="sigmoid", output="sigmoid", keep_prob=None):
        ### BEGIN SOLUTION
        self.sizes = list(sizes)
        self.hidden = hidden
        self.output = output
        self.keep_prob = keep_prob
        self.biases = [np.random.randn(n, 1) for n in self.sizes[1:]]
        self.weights = [np.random.randn(n_out, n_in) for n_in, n_out in zip(self.sizes[:-1], self.sizes[1:])]
        ### END SOLUTION


# %% tests="network" points=4
check("network", Network)

# %% [markdown]
# ## Forward
#
# `forward_prop(a)` carries the columns of `a` through all layers and returns the output layer's activations,
# $(n_{out}, m)$ for an input $(n_{in}, m)$. The hidden layers use `self.hidden`, the last one `self.output`.
#
# A function becomes a method by the assignment under it; that keeps each cell short enough to see at once.
#
# Two of the eight points are for inputs around ±1000: no warning, no NaN. Your functions of part 1 see to that.
#
# **Expect:** `Network([2, 3, 1]).forward_prop(np.zeros((2, 5)))` has shape (1, 5), and all five columns are equal.


# %% solution="forward_prop"
def forward_prop(self, a):
    """Return the output activations, (n_out, m), for the columns of `a`, (n_in, m)."""
    ### BEGIN SOLUTION
    activation = {"sigmoid": sigmoid, "relu": relu, "tanh": tanh}[self.hidden]
    for W, b in zip(self.weights[:-1], self.biases[:-1]):
        a = activation(W @ a + b)
    z = self.weights[-1] @ a + self.biases[-1]
    return softmax(z) if self.output == "softmax" else sigmoid(z)
    ### END SOLUTION


Network.forward_prop = forward_prop

# %% tests="forward_prop" points=8
check("forward_prop", Network)

# %% [markdown]
# ## Backward
#
# How much does the cost change when a weight deep inside changes? The chain rule answers layer by layer, from the back.
# Call $\delta^l = \partial C / \partial z^l$ the **error** of layer $l$; everything else follows from it.
#
# 1. **Output layer.** With a sigmoid output and the quadratic cost, $\delta^L = (a^L - y) \odot \sigma'(z^L)$. With softmax
#    and cross-entropy the derivative cancels (part 1): $\delta^L = a^L - y$.
# 2. **One layer down.** $\delta^l = \big((W^{l+1})^T \delta^{l+1}\big) \odot \sigma'(z^l)$. The transposed weights send the
#    error back along the connections it came by. Note $\sigma'(z^l)$, not $\sigma'(a^l)$.
# 3. **Gradients.** $\dfrac{\partial C}{\partial W^l} = \delta^l (a^{l-1})^T$ and $\dfrac{\partial C}{\partial b^l} = $ the sum
#    of $\delta^l$ over its columns.
#
# The product in step 3 already **sums** over the examples of the mini-batch, and so must the bias gradient: `axis=1`,
# `keepdims=True`. No division by $m$ here; the update in part 3 does that.
#
# **Recipe:** go forward and keep every `z` and every `a`; compute the last delta; walk back. Test on one example first.
# The reference needs 20 lines. Neither `x`, `y` nor the parameters may change. Any depth counts, a network without a
# hidden layer too, and so does speed: a 784-300-10 network must take well under a second, which finite differences
# cannot.
#
# **Expect:** lists `dW_list` and `db_list` with the shapes of `self.weights` and `self.biases`, in the same order.


# %% solution="back_prop"
def back_prop(self, x, y):
    """Return (dW_list, db_list), summed over the columns of x, (n_in, m), and y, (n_out, m)."""
    ### BEGIN SOLUTION
    activation, derivative = {
        "sigmoid": (sigmoid, sigmoid_prime),
        "relu": (relu, relu_prime),
        "tanh": (tanh, tanh_prime),
    }[self.hidden]
    zs, activations = [], [x]
    for W, b in zip(self.weights, self.biases):
        zs.append(W @ activations[-1] + b)
        activations.append(activation(zs[-1]))
    if self.output == "softmax":
        delta = softmax(zs[-1]) - y
    else:
        delta = (sigmoid(zs[-1]) - y) * sigmoid_prime(zs[-1])
    dW_list, db_list = [], []
    for layer in reversed(range(len(self.weights))):
        dW_list.insert(0, delta @ activations[layer].T)
        db_list.insert(0, delta.sum(axis=1, keepdims=True))
        if layer > 0:
            delta = (self.weights[layer].T @ delta) * derivative(zs[layer - 1])
    return dW_list, db_list
    ### END SOLUTION


Network.back_prop = back_prop

# %% tests="back_prop" points=18
check("back_prop", Network)

# %% [markdown]
# The check above used the trick of part 1: it nudged every weight by $10^{-5}$ and looked at what the cost did. That takes
# two forward passes a weight. For a network with a million weights back-propagation is about a million times faster,
# which is the reason why deep learning exists.
#
# ## How good is it?
#
# `evaluate(data)` returns the **accuracy**, the fraction of examples whose largest output is at the place of the 1 in the
# target. `data` is a list of pairs `(x, y)` of columns. Stack them into one matrix (`np.hstack`) and one forward pass does
# for all; a loop is right too, and slower.
#
# **Expect:** a number between 0 and 1; about 0.1 for an untrained network with ten classes.


# %% solution="evaluate"
def evaluate(self, data):
    """Return the accuracy, between 0 and 1, on a list of (x, y) columns."""
    ### BEGIN SOLUTION
    x = np.hstack([pair[0] for pair in data])
    y = np.hstack([pair[1] for pair in data])
    return float(np.mean(self.forward_prop(x).argmax(axis=0) == y.argmax(axis=0)))
    ### END SOLUTION


Network.evaluate = evaluate

# %% tests="evaluate" points=5
check("evaluate", Network)

# %% [markdown]
# ## Before you hand in
#
# Restart the kernel and run all cells; every box above should be a tick. From a shell, `gradescent check
# part2_network.ipynb` does the same. While grading, a cell of yours may use 20 seconds of computing time. Part 3 lets this network learn.
