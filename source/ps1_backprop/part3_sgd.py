# %% [markdown]
# # Part 3: stochastic gradient descent
#
# **You will build** `SGD_train`, the loop that lets the network of part 2 learn, and train two networks with it:
# one that tells a disc from a ring, and one that reads handwritten digits. Then you find out what the number of
# hidden neurons and the number of epochs do.
#
# **Time:** about 120 minutes. The whole notebook runs in about 10 seconds with the reference solution on one core.
# **You need:** your functions of part 1 and your `Network` of part 2.

# %%
import numpy as np

from gradescent import check, datasets, plots

# %% [markdown]
# ## Your network so far
#
# Paste your work, so that this notebook runs on its own. Nothing new is asked here and there are no points; the
# checks below are those of part 2. A mistake that is still in `back_prop` costs nothing twice: `SGD_train` is
# graded with the gradients that *your* `back_prop` returns.


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


# %% solution="network"
# Paste your class Network of part 2 with forward_prop, back_prop and evaluate in place of the last line.
### BEGIN SOLUTION
class Network:
    def __init__(self, sizes, hidden="sigmoid", output="sigmoid", keep_prob=None):
        self.sizes, self.hidden, self.output, self.keep_prob = list(sizes), hidden, output, keep_prob
        self.biases = [np.random.randn(n, 1) for n in self.sizes[1:]]
        self.weights = [np.random.randn(n_out, n_in) for n_in, n_out in zip(self.sizes[:-1], self.sizes[1:])]

    def forward_prop(self, a):
        activation = {"sigmoid": sigmoid, "relu": relu, "tanh": tanh}[self.hidden]
        for W, b in zip(self.weights[:-1], self.biases[:-1]):
            a = activation(W @ a + b)
        z = self.weights[-1] @ a + self.biases[-1]
        return softmax(z) if self.output == "softmax" else sigmoid(z)

    def back_prop(self, x, y):
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

    def evaluate(self, data):
        x = np.hstack([pair[0] for pair in data])
        y = np.hstack([pair[1] for pair in data])
        return float(np.mean(self.forward_prop(x).argmax(axis=0) == y.argmax(axis=0)))


### END SOLUTION

# %%
check("network", Network)
check("forward_prop", Network)
check("back_prop", Network)
check("evaluate", Network)

# %% [markdown]
# ## The data
#
# `tiny_toy` has two features and two classes: a disc, and a ring around it. No straight line separates them, so a
# network without a hidden layer must fail. `tiny_mnist` holds handwritten digits of 14×14 pixels, 196 features, ten
# classes. `datasets.columns` turns rows into the pairs `(x, y)` of columns that `evaluate` takes.
#
# The **training** set is what the network learns from. The **test** set only tells how well it does on examples
# that it has not seen; never learn from it.

# %%
toy = datasets.load("tiny_toy")
toy_train = datasets.columns(toy.x_train, toy.y_train, 2)
toy_test = datasets.columns(toy.x_test, toy.y_test, 2)
plots.points(toy.x_train, toy.y_train, "tiny_toy, training set")

mnist = datasets.load("tiny_mnist")
mnist_train = datasets.columns(mnist.x_train, mnist.y_train, 10)
mnist_test = datasets.columns(mnist.x_test, mnist.y_test, 10)
few = slice(None, None, len(mnist.x_train) // 10 + 1)
plots.images(mnist.x_train[few], mnist.y_train[few], "tiny_mnist, ten images of the training set")
print(len(toy_train), "and", len(mnist_train), "training examples,", len(toy_test), "and", len(mnist_test), "to test")

# %% [markdown]
# ## Stochastic gradient descent
#
# The gradient over the whole training set shows the way downhill exactly, but costs a pass over all the data for a
# single step. The gradient over a few examples, a **mini-batch**, points roughly the same way and costs a fraction
# of that. Many rough steps beat one exact step. An **epoch** is one pass over the training set, in mini-batches.
#
# Examples often come sorted: first all zeros, then all ones, up to the nines. A network that sees them in that
# order forgets the zeros while it learns the nines. So the examples are **shuffled** before every epoch.
#
# For a mini-batch of $m$ examples, with $dW$ and $db$ the sums that `back_prop` returns, learning rate $\eta$
# (`eta`) and L2 weight decay $\lambda$ (`lam`), which keeps the weights small, every layer takes the step
#
# $$W \leftarrow W - \eta\left(\frac{dW}{m} + \lambda W\right), \qquad b \leftarrow b - \eta\,\frac{db}{m}$$
#
# `SGD_train(train, epochs, eta, lam=0.0, verbose=True, test=None, batch_size=1)` to the letter, so that the same
# seed gives the same network:
#
# - `train` and `test` are lists of pairs `(x, y)` of columns, like `toy_train`. They are not changed.
# - Each epoch begins with one `np.random.permutation(len(train))`; this is the order of the *original* list for
#   this epoch. Nothing else is drawn.
# - The mini-batches are consecutive slices of that order, `batch_size` long. The last may be shorter, and then $m$
#   is its own length. A `batch_size` larger than the training set means one mini-batch.
# - All gradients of a step belong to the same parameters: one call of `self.back_prop` for a mini-batch, then the
#   update of all layers.
# - The biases are not decayed.
# - `self.acc_train_array` and `self.acc_test_array` are emptied at the start of each call. After every epoch the
#   accuracy on `train` is appended to the first if `verbose` is set or a `test` set is given, and the accuracy on
#   `test` to the second if there is one.
# - When `verbose`, a line is printed now and then (once in ten epochs, say); otherwise nothing is printed.

# %%
np.random.seed(3)
plots.mini_batches(np.random.permutation(7), batch_size=3)

# %% [markdown]
# The picture is one epoch over seven examples with `batch_size=3`: the order comes from `np.random.permutation(7)`,
# and each group is one step with its own $m$.
#
# **Recipe:** stack the training pairs into one matrix for `x` and one for `y` at the start, not in every step. If
# one example is a *row* of these, then `x[batch].T` picks a mini-batch of columns for any list of indices `batch`.
# A mini-batch as one matrix is what makes it fast: with `batch_size=128` an epoch on `tiny_mnist` takes the
# reference 4 ms, and 90 ms when `back_prop` gets the examples one by one. The reference needs 20 lines.
#
# **Expect:** with one weight, one bias, both 0, and the example $x = 1$, $y = 1$ the output is ½, so the gradients
# are $(\tfrac12 - 1)\cdot\tfrac14 = -\tfrac18$, and one epoch with $\eta = 8$ leaves both at exactly 1.


# %% solution="SGD_train"
def SGD_train(self, train, epochs, eta, lam=0.0, verbose=True, test=None, batch_size=1):
    """Train by stochastic gradient descent on mini-batches, with L2 weight decay.

    Args:
        train: list of (x, y) columns.
        epochs: passes over the training set.
        eta: learning rate.
        lam: factor of the L2 weight decay; the biases are not decayed.
        verbose: print a line now and then.
        test: list of (x, y) columns to measure the accuracy on, or None.
        batch_size: examples a step.
    """
    ### BEGIN SOLUTION
    self.acc_train_array, self.acc_test_array = [], []
    x_rows = np.array([x[:, 0] for x, _ in train])
    y_rows = np.array([y[:, 0] for _, y in train])
    for epoch in range(epochs):
        order = np.random.permutation(len(train))
        for start in range(0, len(train), batch_size):
            batch = order[start : start + batch_size]
            m = len(batch)
            dW_list, db_list = self.back_prop(x_rows[batch].T, y_rows[batch].T)
            for W, b, dW, db in zip(self.weights, self.biases, dW_list, db_list):
                W -= eta * (dW / m + lam * W)
                b -= eta * db / m
        if verbose or test is not None:
            self.acc_train_array.append(self.evaluate(train))
        if test is not None:
            self.acc_test_array.append(self.evaluate(test))
        if verbose and epoch % max(1, epochs // 10) == 0:
            print(f"epoch {epoch + 1}: accuracy {self.acc_train_array[-1]:.3f} on the training set")
    ### END SOLUTION


Network.SGD_train = SGD_train

# %% tests="sgd_train" points=14
check("sgd_train", Network)

# %% tests="history" points=4
check("history", Network)

# %% [markdown]
# ## A disc and a ring
#
# Train a network of sizes [2, 30, 2] on `toy_train` and leave it in the variable `toy_network`. Give `SGD_train`
# the test set too, so that you can see how it learns. A start that works: $\eta = 3$, mini-batches of 10, 100
# epochs.
#
# The accuracy on points that nobody has seen gives the points: one each at 0.80, 0.90 and 0.97. Grading runs your
# cell again, on four fifths of the training set, and asks the network about other points than those of your test
# set: a result that lies 0.03 above a mark here holds there too.
# A fresh network with random weights reaches about 0.5. Set a seed first, so that the result can be repeated.
#
# **Expect:** half a second with the reference.

# %% solution="train_toy"
# Leave the trained network in toy_network.
### BEGIN SOLUTION
np.random.seed(1)
toy_network = Network([2, 30, 2])
toy_network.SGD_train(toy_train, epochs=100, eta=3.0, test=toy_test, batch_size=10)
### END SOLUTION

# %% tests="train_toy" points=3
check("train_toy", toy_network)

# %% [markdown]
# What has it learnt? The shaded regions show the class that the network gives to every place of the plane.

# %%
plots.regions(toy_network.forward_prop, toy.x_test, toy.y_test, "[2, 30, 2] on tiny_toy, test set")

# %% [markdown]
# ## Handwritten digits
#
# Train a network of sizes [196, 30, 10] on `mnist_train` and leave it in `mnist_network`. The points depend on the
# accuracy on digits that it has not seen: one each at 0.40, 0.60, 0.70, 0.76 and 0.80. As above, your cell is run
# again with a little less data: aim 0.03 higher. (Where a data set is replaced by a stand-in, the check names its
# marks.)
#
# A start that works: $\eta = 3$, mini-batches of 10, $\lambda = 10^{-4}$, 20 epochs. If the accuracy sticks near a
# multiple of 0.1 below what you hoped for, one digit is probably never answered: its output neuron sits at 0, where
# $\sigma'$ is close to 0 too and no gradient gets through. Weight decay pulls the neuron back; another seed may
# help as well.
#
# **Expect:** under a second with mini-batches as matrices, about 10 seconds example by example.

# %% solution="train_mnist" seconds=120
# Leave the trained network in mnist_network.
### BEGIN SOLUTION
np.random.seed(1)
mnist_network = Network([196, 30, 10])
mnist_network.SGD_train(mnist_train, epochs=20, eta=3.0, lam=1e-4, test=mnist_test, batch_size=10)
### END SOLUTION

# %% tests="train_mnist" points=5
check("train_mnist", mnist_network)

# %% [markdown]
# Look at the mistakes. Above each image stand the right digit and the network's answer. Would you have known?

# %%
answers = mnist_network.forward_prop(mnist.x_test.T).argmax(axis=0)
missed = np.flatnonzero(answers != mnist.y_test)
missed = missed[:: max(1, len(missed) // 10)]
labels = [f"{mnist.y_test[i]} → {answers[i]}" for i in missed]
plots.images(mnist.x_test[missed], labels, "right digit → the network's answer")

# %% [markdown] written="structure" points=3
# ## The two structures (3 points)
#
# Explain the sizes [2, 30, 2] and [196, 30, 10]. Which of the numbers are given by the data, and which one did
# somebody choose? Why has each network one output for each class rather than one output in all? How many parameters
# does each network have?
#
# ### BEGIN MARK SCHEME
# - 1 point: inputs are the features (2; 14·14 = 196) and outputs the classes (2; 10), both given by the data; 30 is
#   chosen.
# - 1 point: one output a class with one-hot targets: classes have no order, and argmax gives the answer. (For two
#   classes one output would do as well; saying so is right too.)
# - 1 point: 2·30 + 30 + 30·2 + 2 = 152 and 196·30 + 30 + 30·10 + 10 = 6,220 parameters. Half for weights alone
#   (120; 6,180).
# ### END MARK SCHEME
#
# ### BEGIN SOLUTION
# The data fix both ends. A point of the toy set has two features and belongs to one of two classes; an image has
# 14·14 = 196 pixels and shows one of ten digits. The hidden size, 30, is a choice.
#
# The classes have no order: a 4 is not halfway between a 3 and a 5, and a single output that had to say "4" would
# treat them so. With an output for each class the targets are one-hot, all classes are equally far apart, and the
# largest output is the answer. With two classes one output above or below ½ would do too.
#
# The first network has 2·30 + 30 + 30·2 + 2 = 152 parameters, the second one 196·30 + 30 + 30·10 + 10 = 6,220,
# nearly all of them between the pixels and the hidden layer.
# ### END SOLUTION

# %% [markdown] question="hidden_size_plot"
# ## How many hidden neurons? (3 points)
#
# Plot the accuracy on `mnist_train` and on `mnist_test` against the hidden size: at least five sizes between 2 and
# 100, each trained from at least three seeds. Show the mean of the seeds, with their standard deviation as error
# bars. Everything else stays the same.
#
# `plots.curves({"train": ..., "test": ...}, xlabel, ylabel, title, x=sizes, errors={"train": ..., "test": ...})`
# draws it, with `xscale="log"` on an axis that gives the small sizes room; matplotlib's own functions are fine as well.
# Fifteen epochs a network are enough, and `verbose=False` keeps the output short.
#
# **Expect:** 4 seconds with the reference; the cell may take 300.
#
# ### BEGIN MARK SCHEME
# - 1 point: at least five sizes, two of them below 10, and at least three seeds each.
# - 1 point: curves of train and test with error bars that are the spread over the seeds, not over the examples.
# - 1 point: axes named, both lines named, the accuracies plausible: about 0.4 with 2 neurons, 0.95 (train) and 0.87
#   (test) with 30.
# ### END MARK SCHEME

# %% plot="hidden_size_plot" points=3 seconds=300
# Train the networks and plot their accuracy against the hidden size.
### BEGIN SOLUTION
hidden_sizes, seeds = [2, 5, 10, 20, 30, 60, 100], [1, 2, 3]
accuracy = {"train": np.empty((len(hidden_sizes), len(seeds))), "test": np.empty((len(hidden_sizes), len(seeds)))}
for row, hidden_size in enumerate(hidden_sizes):
    for column, seed in enumerate(seeds):
        np.random.seed(seed)
        net = Network([196, hidden_size, 10])
        net.SGD_train(mnist_train, epochs=15, eta=3.0, lam=1e-4, verbose=False, batch_size=10)
        accuracy["train"][row, column] = net.evaluate(mnist_train)
        accuracy["test"][row, column] = net.evaluate(mnist_test)
means = {name: values.mean(axis=1) for name, values in accuracy.items()}
errors = {name: values.std(axis=1, ddof=1) for name, values in accuracy.items()}
title = "[196, n, 10], mean ± standard deviation of 3 seeds"
plots.curves(means, "hidden neurons n", "accuracy", title, x=hidden_sizes, errors=errors, xscale="log")
### END SOLUTION

# %% [markdown] written="hidden_size" points=3
# ## What the hidden size does (3 points)
#
# Describe your plot and explain it. What limits a network with two hidden neurons? What do more and more neurons
# bring, for the training set and for the test set, and what do they cost? Which differences are larger than the
# error bars?
#
# ### BEGIN MARK SCHEME
# - 1 point: too few hidden neurons are a bottleneck: ten classes must pass through two numbers, both accuracies are
#   low (underfitting).
# - 1 point: gains shrink; beyond some size (20 to 60 here) the test accuracy is flat while the training accuracy is
#   higher by a gap (overfitting); the cost grows in proportion to the size.
# - 1 point: the claims are held against the error bars: neighbouring sizes that differ by less are not called
#   different.
# ### END MARK SCHEME
#
# ### BEGIN SOLUTION
# With two hidden neurons all that the network knows of an image must pass through two numbers: the accuracy is 0.41
# ± 0.11 on the training set and 0.39 ± 0.10 on the test set. Both are low, so this is underfitting, and the seed
# matters a lot. Five neurons reach 0.83 and 0.74.
#
# From ten neurons on the gains are small: 0.93 and 0.84 with 10, 0.95 and 0.87 with 30, 0.94 and 0.87 with 60. The
# training accuracy stays about 0.08 above the test accuracy: the network has learnt some of the training images
# rather than the digits (overfitting). The step from 10 to 30 is larger than the error bars (below 0.01); 30 and 60
# cannot be told apart, though 60 has twice the parameters and needs more time for each epoch. With 100 neurons both
# accuracies are lower and vary more (0.92 ± 0.02, 0.84 ± 0.02): the sums into the output neurons are larger, η = 3
# is probably too large for them. I would take 30.
# ### END SOLUTION

# %% [markdown] question="epochs_plot"
# ## How many epochs? (3 points)
#
# Plot the accuracy on `mnist_train` and on `mnist_test` after every epoch of one network [196, 30, 10], over at
# least 40 epochs, from one call of `SGD_train` with a test set: `acc_train_array` and `acc_test_array` hold all you
# need.
#
# **Expect:** 2 seconds with the reference; the cell may take 300.
#
# ### BEGIN MARK SCHEME
# - 1 point: both curves, one value an epoch, at least 40 epochs.
# - 1 point: axes and lines named, title or caption with the setting (η, λ, mini-batch size).
# - 1 point: plausible: a steep rise in the first epochs, then training above test, about 0.95 and 0.87 after 20
#   epochs.
# ### END MARK SCHEME

# %% plot="epochs_plot" points=3 seconds=300
# Train one network and plot its accuracy after every epoch.
### BEGIN SOLUTION
np.random.seed(1)
net = Network([196, 30, 10])
net.SGD_train(mnist_train, epochs=60, eta=3.0, lam=1e-4, verbose=False, test=mnist_test, batch_size=10)
histories = {"train": net.acc_train_array, "test": net.acc_test_array}
plots.curves(histories, "epoch", "accuracy", "[196, 30, 10], η = 3, λ = 1e-4, mini-batches of 10")
### END SOLUTION

# %% [markdown] written="epochs" points=2
# ## What more epochs bring (2 points)
#
# How do the two curves of your plot differ, early and late? When would you have stopped, and what tells you?
#
# ### BEGIN MARK SCHEME
# - 1 point: both rise together at first; later training goes on rising or is flat near its top while test is flat
#   or falls: the network learns the training set's own peculiarities (overfitting).
# - 1 point: stop where the test curve has become flat, with an epoch read off the plot; better decided with a third
#   set, for a test set that chooses the epoch is no longer unseen.
# ### END MARK SCHEME
#
# ### BEGIN SOLUTION
# In the first five epochs both curves rise steeply, to 0.91 on the training set and 0.82 on the test set. After
# about 20 epochs (0.95 and 0.87) the test curve only wobbles, by about 0.01, while the training curve creeps on to
# 0.97 at epoch 60. What is learnt in that time is peculiar to the training images. I would stop near epoch 20 to
# 30. To decide that properly I would hold a part of the training set out and watch the accuracy on it, since a test
# set by which the epoch is chosen is no longer unseen.
# ### END SOLUTION

# %% [markdown]
# ## Extra credit: dropout
#
# Dropout fights overfitting in a strange way: in every training step each hidden neuron is switched off with
# probability $1 - p$, so no neuron can rely on one particular other. With $p$ = `keep_prob` and a **mask** $r^l$ of
# zeros and ones, each 1 with probability $p$, drawn afresh for every hidden neuron *and every example*:
#
# $$a^l = \frac{r^l}{p} \odot \sigma(z^l), \qquad
# \delta^l = \frac{r^l}{p} \odot \big((W^{l+1})^T \delta^{l+1}\big) \odot \sigma'(z^l)$$
#
# The division by $p$ makes it **inverted** dropout: on average a neuron passes on as much as without dropout, so
# that `forward_prop` needs no change at all and never drops anything. The gradient passes the same mask on its way
# back.
#
# Write `dropout_back_prop(self, x, y)`, which takes the place of `Network.back_prop`: your `back_prop` of part 2 with
# masks. Hidden layers only: neither the input nor the output is dropped. With `keep_prob=None` every mask is 1, no
# random number is drawn, and the result is what it was before. The order in which you draw the masks is up to you.
# `SGD_train` calls `self.back_prop`, so that `Network(sizes, keep_prob=0.8)` trains with dropout at once. The
# reference needs 20 lines.
#
# Do not expect a better accuracy here: dropout pays with larger networks and long training. In 40 epochs with
# $\eta = 1$, $\lambda = 10^{-4}$ and mini-batches of 10 the sizes [196, 100, 10] reached 0.862 with `keep_prob=0.8`
# and 0.873 without, on the test set, as the mean of three seeds.
#
# **Expect:** for one example, the columns of `dW_list[-1]` that belong to dropped neurons are zero, and the
# gradients change from call to call.

# %%
# Your back_prop as it is now, to compare with. SGD_train is graded with this one: what goes wrong below costs no
# points above.
plain_back_prop = Network.back_prop


# %% solution="dropout"
def dropout_back_prop(self, x, y):
    """Return (dW_list, db_list), summed over the columns, with masks on the hidden layers if keep_prob is set."""
    ### BEGIN SOLUTION
    activation, derivative = {
        "sigmoid": (sigmoid, sigmoid_prime),
        "relu": (relu, relu_prime),
        "tanh": (tanh, tanh_prime),
    }[self.hidden]
    zs, masks, activations = [], [], [x]
    for W, b in zip(self.weights[:-1], self.biases[:-1]):
        zs.append(W @ activations[-1] + b)
        if self.keep_prob is None:
            masks.append(1.0)
        else:
            masks.append((np.random.rand(*zs[-1].shape) < self.keep_prob) / self.keep_prob)
        activations.append(masks[-1] * activation(zs[-1]))
    z = self.weights[-1] @ activations[-1] + self.biases[-1]
    delta = softmax(z) - y if self.output == "softmax" else (sigmoid(z) - y) * sigmoid_prime(z)
    dW_list, db_list = [], []
    for layer in reversed(range(len(self.weights))):
        dW_list.insert(0, delta @ activations[layer].T)
        db_list.insert(0, delta.sum(axis=1, keepdims=True))
        if layer > 0:
            delta = masks[layer - 1] * (self.weights[layer].T @ delta) * derivative(zs[layer - 1])
    return dW_list, db_list
    ### END SOLUTION


# Make it the back_prop of Network, as with SGD_train.
### BEGIN SOLUTION
Network.back_prop = dropout_back_prop
### END SOLUTION

# %% tests="dropout" points=0 extra=5
check("dropout", Network)

# %% [markdown]
# ## Before you hand in
#
# Restart the kernel and run all cells; every box above should be a tick (that of the extra credit may stay open), and
# the two plots should be there. From a shell, `gradescent check part3_sgd.ipynb` looks at the same, and whether the
# written answers are there. While grading, a cell of yours may use 20 seconds of computing time, the training of the
# digits 120 and each experiment 300: ten times what the reference needs, and more.
