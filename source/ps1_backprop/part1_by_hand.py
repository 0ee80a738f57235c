# %% [markdown]
# # Part 1: back-propagation by hand
#
# **You will build** the pieces that every network is made of: activations, their derivatives, costs, a way to check
# any gradient, and one complete step of back-propagation through a network that is small enough to follow number by
# number.
#
# **Time:** about 90 minutes to write; every cell runs in under a second. **You need:** NumPy arrays and the chain
# rule.

# %%
import matplotlib.pyplot as plt
import numpy as np

from gradescent import check, plots

# %% [markdown]
# ## Activations
#
# A neuron adds up its weighted inputs, $z = w \cdot a + b$, and sends on $\sigma(z)$. Without $\sigma$ a deep network
# would be one big linear map, however many layers it has: the **activation** is what makes depth worth anything.
# Three are common:
#
# $$\text{sigmoid}(z) = \frac{1}{1 + e^{-z}}, \qquad \text{relu}(z) = \max(0, z), \qquad
# \tanh(z) = \frac{e^z - e^{-z}}{e^z + e^{-z}}$$
#
# The contract for these three and for their derivatives below:
#
# - `z` is an array of **any shape**, a single number in an array included; what comes out has the same shape;
# - what comes out is **float64**, also for an array of integers;
# - no overflow warning at $z = \pm 1000$;
# - `z` itself is **not changed**. The backward pass needs it once more after the forward pass.
#
# **Beware:** `np.exp(1000)` is infinite and says so in a warning. In which direction does the sigmoid's $e^{-z}$
# explode? `np.where(condition, first, second)` does not help by itself, because NumPy computes *both* before it
# chooses. A function that is bounded and always quiet is `np.tanh`; how does the sigmoid follow from it?
#
# **Expect:** `sigmoid` of 0 is 0.5, and `relu(np.array([-1, 2]))` is `[0., 2.]`: floats, although integers
# went in.


# %% solution="activations"
def sigmoid(z):
    """Return 1 / (1 + exp(-z)), entry by entry: float64 of the shape of z, without overflow."""
    ### BEGIN SOLUTION
    # tanh saturates quietly where exp would overflow.
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(z, dtype=float)))
    ### END SOLUTION


def relu(z):
    """Return z where it is positive and 0 elsewhere: a new float64 array of the shape of z."""
    ### BEGIN SOLUTION
    return np.maximum(np.asarray(z, dtype=float), 0.0)
    ### END SOLUTION


def tanh(z):
    """Return the hyperbolic tangent, entry by entry: float64 of the shape of z, without overflow."""
    ### BEGIN SOLUTION
    return np.tanh(np.asarray(z, dtype=float))
    ### END SOLUTION


# %% tests="activations" points=3
check("sigmoid", sigmoid)
check("relu", relu)
check("tanh", tanh)

# %% [markdown]
# ## Their derivatives
#
# Back-propagation asks each neuron: if your $z$ grew a little, how much would your output grow? That is $\sigma'(z)$.
#
# $$\text{sigmoid}'(z) = \text{sigmoid}(z)\,\big(1 - \text{sigmoid}(z)\big), \qquad \tanh'(z) = 1 - \tanh^2(z), \qquad
# \text{relu}'(z) = \begin{cases} 1 & z > 0 \\ 0 & z \le 0 \end{cases}$$
#
# At $z = 0$ ReLU has a corner and no derivative; we **define** it as 0 there. All three are functions of $z$, *not*
# of the activation $a = \sigma(z)$: some books write $a(1 - a)$ and mean the same number, but `sigmoid_prime` gets
# the $z$.
#
# The contract is the one above. A published solution of this very exercise wrote zeros and ones into the array it was
# given, and the rest of its program went on with the ruined `z`. Make a new array.
#
# **Expect:** `sigmoid_prime` of 0 is 0.25, its largest value. `tanh_prime` of 0 is 1.


# %% solution="derivatives"
def sigmoid_prime(z):
    """Return the derivative of sigmoid at z, entry by entry: float64 of the shape of z."""
    ### BEGIN SOLUTION
    s = sigmoid(z)
    return s * (1 - s)
    ### END SOLUTION


def relu_prime(z):
    """Return 1 where z is positive and 0 elsewhere, at 0 too: a new float64 array of the shape of z."""
    ### BEGIN SOLUTION
    return np.where(np.asarray(z) > 0, 1.0, 0.0)
    ### END SOLUTION


def tanh_prime(z):
    """Return the derivative of tanh at z, entry by entry: float64 of the shape of z."""
    ### BEGIN SOLUTION
    return 1 - tanh(z) ** 2
    ### END SOLUTION


# %% tests="derivatives" points=3
check("sigmoid_prime", sigmoid_prime)
check("relu_prime", relu_prime)
check("tanh_prime", tanh_prime)

# %% [markdown]
# Look at what you wrote. On the left the functions: sigmoid rises from 0 to 1, tanh from −1 to 1, ReLU is a ramp. On
# the right their derivatives: a low hill that never exceeds ¼, a hill of height 1, and a step. Away from 0 the two
# hills are flat: there a neuron passes on next to nothing. Keep that in mind for the last question.

# %%
z = np.linspace(-5, 5, 201)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4))
pairs = [(sigmoid, sigmoid_prime, "-"), (tanh, tanh_prime, "--"), (relu, relu_prime, ":")]
for function, derivative, style in pairs:
    left.plot(z, function(z), style, label=function.__name__)
    right.plot(z, derivative(z), style, label=derivative.__name__)
left.set(title="activations", xlabel="z", ylim=(-1.2, 3))
right.set(title="derivatives", xlabel="z")
for axes, place in ((left, "upper left"), (right, "center right")):
    axes.grid(alpha=0.3)
    axes.legend(loc=place)
plt.show()

# %% [markdown]
# ## Softmax
#
# A network that chooses among $n$ classes should answer with $n$ probabilities. Softmax makes them from any $n$
# numbers:
#
# $$\text{softmax}(z)_i = \frac{e^{z_i}}{\sum_k e^{z_k}}$$
#
# One example is one **column**. So for `z` of shape $(n, m)$, $m$ examples side by side, each column is turned into
# probabilities by itself, and for $(n,)$ there is just one. The sum runs over **axis 0** in both cases.
#
# **Beware:** $e^{1000}$ again. Adding the same number to all $z_i$ of a column changes nothing (why?), so choose that
# number in such a way that no exponent is positive. Each column needs its own. As before: float64 comes out, also for
# integers, and `z` itself does not change.
#
# **Expect:** every column sums to 1, and `softmax(z + 1000)` equals `softmax(z)`.


# %% solution="softmax"
def softmax(z):
    """Return the softmax over axis 0 of z, (n,) or (n, m): float64 of the same shape, without overflow."""
    ### BEGIN SOLUTION
    z = np.asarray(z, dtype=float)
    powers = np.exp(z - z.max(axis=0))
    return powers / powers.sum(axis=0)
    ### END SOLUTION


# %% tests="softmax" points=2
check("softmax", softmax)

# %% [markdown]
# ## Costs
#
# The cost says in one number how far the outputs are from the targets $y$. All costs here are **sums** over
# everything that is passed in, one example a column; nothing is divided by the number of examples.
#
# $$C_{quadratic} = \tfrac12 \sum (a - y)^2, \qquad C_{entropy} = -\sum y \log p$$
#
# The quadratic cost goes with sigmoid outputs $a$, cross-entropy with softmax outputs $p$ and one-hot targets $y$,
# one 1 in each column. Their derivatives are pleasantly short:
#
# $$\frac{\partial C_{quadratic}}{\partial a} = a - y, \qquad
# \frac{\partial C_{entropy}}{\partial z} = \text{softmax}(z) - y$$
#
# The second one is with respect to $z$, *before* the softmax: the derivative of softmax and the one of the logarithm
# cancel.
#
# **Beware:** a probability can come out as exactly 0, and $\log 0$ is $-\infty$. Where $y = 0$ such an entry must add
# nothing (but `0 * -inf` is NaN), where $y = 1$ it must cost much, and stay finite. Keep $p$ above a tiny number such
# as $10^{-12}$ when you take the logarithm.
#
# **Expect:** both costs are single numbers, the derivatives have the shape of `y`. No argument is changed.


# %% solution="costs"
def quadratic_cost(a, y):
    """Return half the sum of (a - y)**2 over all entries, a number."""
    ### BEGIN SOLUTION
    return float(0.5 * np.sum((a - y) ** 2))
    ### END SOLUTION


def quadratic_cost_prime(a, y):
    """Return the derivative of quadratic_cost with respect to a, of the shape of a."""
    ### BEGIN SOLUTION
    return a - y
    ### END SOLUTION


def cross_entropy_cost(p, y):
    """Return minus the sum of y log(p) over all entries, a number, finite also where p is 0."""
    ### BEGIN SOLUTION
    return float(-np.sum(y * np.log(np.maximum(p, 1e-12))))
    ### END SOLUTION


def softmax_cross_entropy_prime(z, y):
    """Return the derivative of cross_entropy_cost(softmax(z), y) with respect to z, of the shape of z."""
    ### BEGIN SOLUTION
    return softmax(z) - y
    ### END SOLUTION


# %% tests="costs" points=3
check("quadratic_cost", quadratic_cost)
check("quadratic_cost_prime", quadratic_cost_prime)
check("cross_entropy_cost", cross_entropy_cost)
check("softmax_cross_entropy_prime", softmax_cross_entropy_prime)

# %% [markdown]
# ## A gradient that cannot lie
#
# A formula for a gradient is easy to get wrong, and a network with a wrong gradient often still learns, only badly.
# There is a slow way that needs no formula: nudge one entry of $x$ up and down and see what $f$ does.
#
# $$\frac{\partial f}{\partial x_i} \approx \frac{f(x + h e_i) - f(x - h e_i)}{2h}$$
#
# Here $e_i$ is 1 at entry $i$ and 0 elsewhere. This is the **central** difference. The forward one, with $f(x + h e_i)$
# and $f(x)$, is one-sided: its error shrinks like $h$, the central one's like $h^2$.
#
# **Recipe:** `np.ndindex(x.shape)` walks over the entries of an array of any shape, one index at a time, and
# `x[index]` reads or writes one. If you write into `x`, keep the old value first and put exactly that back: after the
# call `x` is as before. The function `f` takes an array of the shape of `x` and returns a number.
#
# **Expect:** for $f(x) = \sum x^2$ the result is close to $2x$, in the shape of `x`. The reference needs 11 lines.


# %% solution="numerical_gradient"
def numerical_gradient(f, x, h=1e-5):
    """Return the central differences of the scalar function f at the float array x: an array of the shape of x."""
    ### BEGIN SOLUTION
    moved = np.array(x, dtype=float)
    gradient = np.zeros_like(moved)
    for index in np.ndindex(moved.shape):
        kept = moved[index]
        moved[index] = kept + h
        above = f(moved)
        moved[index] = kept - h
        below = f(moved)
        moved[index] = kept
        gradient[index] = (above - below) / (2 * h)
    return gradient
    ### END SOLUTION


# %% tests="numerical_gradient" points=3
check("numerical_gradient", numerical_gradient)

# %% [markdown]
# ## How close is close?
#
# Two gradients differ by 0.001. Is that much? Beside gradients of size 1000 it is nothing, beside 0.001 everything. So
# compare the difference with the sizes of both:
#
# $$\text{relative error}(a, b) = \frac{\lVert a - b \rVert}{\lVert a \rVert + \lVert b \rVert}, \qquad
# \lVert a \rVert = \sqrt{\textstyle\sum a_i^2} \text{ over all entries}$$
#
# It lies between 0 (equal) and 1 (opposite, or one of them zero). When **both** are zero they agree: return 0, not
# 0/0.


# %% solution="relative_error"
def relative_error(a, b):
    """Return the norm of a - b over the sum of the norms of a and b, a number; 0 when both are zero."""
    ### BEGIN SOLUTION
    scale = np.linalg.norm(a) + np.linalg.norm(b)
    return 0.0 if scale == 0 else float(np.linalg.norm(a - b) / scale)
    ### END SOLUTION


# %% tests="relative_error" points=1
check("relative_error", relative_error)

# %% [markdown]
# Now measure the measuring device. Both axes of the picture are logarithmic. From the right, the error falls with
# $h$: by two decades a decade for central differences, by one for forward ones, as promised. Then it rises again:
# $f(x + h)$ and $f(x - h)$ agree in so many digits that their difference is mostly rounding. Central differences are
# best near $h = 10^{-5}$, which is why that is the default, and they reach errors that forward ones never do.


# %%
def wave(x):
    return np.sum(np.sin(x))


def central_at(points, h):
    return np.array([numerical_gradient(wave, np.array([point]), h)[0] for point in points])


at = np.linspace(0.1, 2, 12)
steps = np.logspace(-12, -1, 34)
central = [relative_error(central_at(at, h), np.cos(at)) for h in steps]
forward = [relative_error((np.sin(at + h) - np.sin(at)) / h, np.cos(at)) for h in steps]
_, axes = plt.subplots(figsize=(6, 3.6))
axes.loglog(steps, central, "o-", label="central, yours")
axes.loglog(steps, forward, "s--", label="forward")
axes.axvline(1e-5, color="0.5", linestyle=":", label="h = 1e-5")
axes.set(xlabel="h", ylabel="relative error", title="How good is a numerical gradient?")
axes.grid(alpha=0.3)
axes.legend()
plt.show()

# %% [markdown]
# Rule of thumb for float64 and $h = 10^{-5}$: a right gradient agrees to $10^{-7}$ or better, a wrong one differs by
# $10^{-3}$ or more. Try it on your own work: the line below should print a very small number.

# %%
logits, targets = np.array([[0.2, -1.0], [1.5, 0.3], [-0.7, 0.4]]), np.array([[0, 1], [1, 0], [0, 0]])
slow = numerical_gradient(lambda z: cross_entropy_cost(softmax(z), targets), logits)
print("softmax with cross-entropy:", relative_error(slow, softmax_cross_entropy_prime(logits, targets)))

# %% [markdown]
# ## One iteration by hand
#
# Everything is ready for a network: two inputs, two hidden layers of two **ReLU** neurons, one **sigmoid** output,
# and the cost $C = \frac12 (\hat y - y)^2$.

# %%
plots.network([2, 2, 2, 1])

# %% [markdown]
# **Take paper first** and follow $x = (1, -1)$, $y = 1$ through it, with
#
# $$W^1 = \begin{pmatrix} 0.25 & 0.1 \\ -0.2 & 0.9 \end{pmatrix},\;
# b^1 = \begin{pmatrix} 0.1 \\ -0.2 \end{pmatrix},\quad
# W^2 = \begin{pmatrix} 0.5 & 0.8 \\ 0.3 & 0.7 \end{pmatrix},\;
# b^2 = \begin{pmatrix} -0.3 \\ 0.1 \end{pmatrix},\quad
# W^3 = \begin{pmatrix} 0.1 & -0.2 \end{pmatrix},\; b^3 = 0.3$$
#
# Forward, from $a^0 = x$: $\quad z^l = W^l a^{l-1} + b^l, \quad a^l = \sigma(z^l)$. Then backward. Call
# $\delta^l = \partial C / \partial z^l$ the **error** of layer $l$:
#
# 1. output: $\delta^3 = (a^3 - y) \, \text{sigmoid}'(z^3)$;
# 2. one layer down: $\delta^l = \big( (W^{l+1})^T \delta^{l+1} \big) \odot \text{relu}'(z^l)$, where $\odot$
#    multiplies entry by entry;
# 3. gradients: $\dfrac{\partial C}{\partial W^l} = \delta^l (a^{l-1})^T$ and
#    $\dfrac{\partial C}{\partial b^l} = \delta^l$.
#
# Then write `one_iteration`, for these and any other numbers of the same shapes. It returns a dictionary:
#
# | key | value | shapes |
# |---|---|---|
# | `"z"`, `"a"`, `"delta"` | list of three columns, one a layer | (2, 1), (2, 1), (1, 1) |
# | `"dW"` | list of three, $\partial C / \partial W^l$ | (2, 2), (2, 2), (1, 2) |
# | `"db"` | list of three columns, $\partial C / \partial b^l$ | (2, 1), (2, 1), (1, 1) |
# | `"cost"` | a float, not an array | |
#
# `"a"` begins with the first *hidden* layer: the input is not in it. `x`, `y` and the biases come as columns too, so
# `y` and `biases[2]` have shape (1, 1). An array with a single entry becomes a float by `.item()`.
#
# **Expect:** for the numbers above $\hat y \approx 0.566$. The reference needs 15 lines.


# %% solution="one_iteration"
def one_iteration(x, y, weights, biases):
    """Go forward and backward once through a 2-2-2-1 network with ReLU hidden layers and a sigmoid output.

    Args:
        x, y: input (2, 1) and target (1, 1).
        weights: list of arrays (2, 2), (2, 2), (1, 2).
        biases: list of columns (2, 1), (2, 1), (1, 1).

    Returns:
        A dict with the lists "z", "a", "delta", "dW", "db", one entry a layer after the input, and the float "cost".
    """
    ### BEGIN SOLUTION
    zs, activations = [], [x]
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
        z = W @ activations[-1] + b
        zs.append(z)
        activations.append(sigmoid(z) if layer == 2 else relu(z))
    delta = quadratic_cost_prime(activations[-1], y) * sigmoid_prime(zs[-1])
    deltas = [delta]
    for layer in (1, 0):
        delta = (weights[layer + 1].T @ delta) * relu_prime(zs[layer])
        deltas.insert(0, delta)
    dW = [delta @ a.T for delta, a in zip(deltas, activations[:-1], strict=True)]
    db = [delta.copy() for delta in deltas]
    cost = quadratic_cost(activations[-1], y)
    return {"z": zs, "a": activations[1:], "delta": deltas, "dW": dW, "db": db, "cost": cost}
    ### END SOLUTION


# %% tests="one_iteration" points=4
check("one_iteration", one_iteration)

# %% [markdown]
# The exercise itself. Compare with your paper, line by line; the last column is the slow gradient of the cost, entry
# by entry, for the same weights.

# %%
x, y = np.array([[1.0], [-1.0]]), np.array([[1.0]])
weights = [np.array([[0.25, 0.1], [-0.2, 0.9]]), np.array([[0.5, 0.8], [0.3, 0.7]]), np.array([[0.1, -0.2]])]
biases = [np.array([[0.1], [-0.2]]), np.array([[-0.3], [0.1]]), np.array([[0.3]])]


def cost_with(layer, W):
    changed = [*weights[:layer], W, *weights[layer + 1 :]]
    return one_iteration(x, y, changed, biases)["cost"]


step = one_iteration(x, y, weights, biases)
print(f"cost {step['cost']:.5f}")
for layer in range(3):
    slow = numerical_gradient(lambda W, layer=layer: cost_with(layer, W), weights[layer])
    z, a, dW = (np.round(step[key][layer].ravel(), 5) for key in ("z", "a", "dW"))
    print(f"layer {layer + 1}: z {z}, a {a}, dW {dW}, slow {np.round(slow.ravel(), 5)}")

# %% [markdown] written="wrong_answer" points=3
# ## Find the mistake (3 points)
#
# A worked answer to this exercise was published with these gradients:
#
# $$\frac{\partial C}{\partial W^2} = \begin{pmatrix} -0.00533 & 0 \end{pmatrix}, \qquad
# \frac{\partial C}{\partial W^3} = \begin{pmatrix} 0.01067 & 0.02133 \end{pmatrix}$$
#
# What is wrong with each of the two? One could have been caught at a glance, without a calculation; say how. One is a
# different quantity; say which, and what else happened to it. Then derive the right ones from your $\delta$ and $a$.
#
# Five to ten lines.
#
# ### BEGIN MARK SCHEME
# - **½ point:** the shape of ∂C/∂W² is wrong: the gradient of a (2, 2) matrix is a (2, 2) matrix, one entry a weight.
#   This is what a glance shows.
# - **½ point:** the sign of its one entry is wrong too: +0.00533 and not −0.00533. (Also accept: it stands in the
#   wrong row.)
# - **1 point:** the second is not ∂C/∂W³ but (W³)ᵀδ³ = ∂C/∂a², what goes back to layer 2 (½), and its sign is lost:
#   (W³)ᵀδ³ = (−0.01067, 0.02133) (½).
# - **1 point:** the right gradients, derived as δ·aᵀ: ∂C/∂W² = [[0, 0], [0.00533, 0]] (½) and ∂C/∂W³ = [[0,
#   −0.01866]] (½). Rounding in the last digit does not matter; numbers without a derivation get half.
# ### END MARK SCHEME
# ### BEGIN SOLUTION
# Forward: $z^1 = (0.25, -1.3)$, so $a^1 = (0.25, 0)$; $z^2 = (-0.175, 0.175)$, so $a^2 = (0, 0.175)$; $z^3 = 0.265$
# and $\hat y = 0.56587$.
#
# Backward: $\delta^3 = (0.56587 - 1) \cdot 0.56587 \cdot (1 - 0.56587) = -0.10665$. Sent back:
# $(W^3)^T \delta^3 = (-0.01067, 0.02133)$. The first neuron of layer 2 is off ($z < 0$), so $\delta^2 = (0, 0.02133)$.
#
# **The published ∂C/∂W²** has the wrong shape. There are four weights in $W^2$, so there are four derivatives, which
# the shape tells at a glance. Its value has the wrong sign as well, and it would belong to the second row: the first
# neuron is off, none of its weights matters.
#
# **The published ∂C/∂W³** is another quantity: $(W^3)^T \delta^3 = \partial C / \partial a^2$, the error that is sent
# back to the layer below, and without the minus sign of its first entry. The gradient of the weights is the error
# times what came *in*, $\delta^3 (a^2)^T$.
#
# The right ones:
#
# $$\frac{\partial C}{\partial W^2} = \delta^2 (a^1)^T
# = \begin{pmatrix} 0 \\ 0.02133 \end{pmatrix} \begin{pmatrix} 0.25 & 0 \end{pmatrix}
# = \begin{pmatrix} 0 & 0 \\ 0.00533 & 0 \end{pmatrix}$$
#
# $$\frac{\partial C}{\partial W^3} = \delta^3 (a^2)^T
# = -0.10665 \begin{pmatrix} 0 & 0.175 \end{pmatrix} = \begin{pmatrix} 0 & -0.01866 \end{pmatrix}$$
# ### END SOLUTION

# %% [markdown] written="vanishing_gradient" points=3
# ## A chain of three (3 points)
#
# Three sigmoid neurons in a row, one after the other: every weight is 1, every bias is $-\frac12$, the cost is
# $\frac12 (\hat y - y)^2$, and the example is $x = \frac12$, $y = 0$.
#
# Compute $\delta^3, \delta^2, \delta^1$ and the gradients of all three weights and biases by hand; fractions stay
# short. By which factor does $\delta$ change from one layer to the layer below? Is this a bad case or a good one?
# What would be left after ten layers, and what does that mean for the learning of the first layers? How does ReLU
# differ?
#
# Ten lines are enough.
#
# ### BEGIN MARK SCHEME
# - **1½ points:** the numbers. All z = 0 and a = ½ (½); δ³ = 1/8, δ² = 1/32, δ¹ = 1/128, which are the bias gradients
#   too (½); weight gradients 1/16, 1/64, 1/256 for layers 3, 2, 1 (½). A consistent follow-up error costs only once.
# - **½ point:** the factor a layer is W·σ′(z) = 1 · ¼.
# - **½ point:** it is the best case for a sigmoid with weights of size one, because σ′ is largest at z = 0; elsewhere
#   the gradient shrinks faster. Ten layers: nine factors, 4⁻⁹ ≈ 4·10⁻⁶ between the last layer and the first (accept
#   4⁻¹⁰).
# - **½ point:** the consequence: the first layers hardly learn while the last ones do; ReLU passes δ on with the
#   factor 1·W where its neuron is on (and 0 where it is off).
# ### END MARK SCHEME
# ### BEGIN SOLUTION
# Forward: $z^1 = 1 \cdot \frac12 - \frac12 = 0$, so $a^1 = \frac12$; the next neuron sees the same $\frac12$, so all
# $z^l = 0$ and all $a^l = \frac12$. There $\sigma'(0) = \frac14$.
#
# Backward: $\delta^3 = (\frac12 - 0) \cdot \frac14 = \frac18$, $\delta^2 = \frac18 \cdot 1 \cdot \frac14 = \frac1{32}$,
# $\delta^1 = \frac1{128}$.
#
# The bias gradients are the $\delta$: $\frac18, \frac1{32}, \frac1{128}$ for layers 3, 2, 1. Each weight gradient is
# $\delta$ times its input, always $\frac12$: $\frac1{16}, \frac1{64}, \frac1{256}$.
#
# Each layer multiplies $\delta$ by $W \sigma'(z) = \frac14$. This is the *best* case for weights of size one:
# $\frac14$ is the largest value of $\sigma'$, and a neuron that is nearly on or off has much less. After ten layers
# nine such factors lie between the last layer and the first: $4^{-9} \approx 4 \cdot 10^{-6}$. The gradient
# **vanishes**: the first layers stay close to their random start while the last ones learn from features that nobody
# improved. Weights of 4 would cure the factor but drive the neurons to where $\sigma'$ is tiny, or make the
# gradient explode.
#
# ReLU has the derivative 1 wherever its neuron is on, so the error passes on undiminished by the activation; where it
# is off, nothing passes. That is one reason why deep networks use it.
# ### END SOLUTION

# %% [markdown]
# ## Before you hand in
#
# Restart the kernel and run all cells; every box above should be a tick. From a shell, `gradescent check
# part1_by_hand.ipynb` does the same. In part 2 the three layers become any number of layers.
