# %% [markdown]
# # Part 1: build and train a convolutional network
#
# **You will build** a convolutional network in Keras that reads handwritten digits, and everything around it: what
# happens to an image before the network sees it, the network, its training, and its predictions. The tests train
# your network with your own functions and ask it about 10,000 images that it has not seen: 98.5 % right gets full
# marks.
#
# **Time:** about 150 minutes. The whole notebook runs in 70 seconds with the reference solution on one core, 50 of them
# for the experiment at the end; in 15 in the small setting.
# **You need:** problem set 1, and Keras 3 on TensorFlow or JAX (PyTorch should do, and is not tested). Colab and Kaggle have it.

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no log of TensorFlow's start

import keras
import matplotlib.pyplot as plt
import numpy as np

from gradescent import check, datasets, plots, small_setting

SMALL = small_setting()
print("Keras", keras.__version__, "on", keras.backend.backend(), "- small setting" if SMALL else "- full setting")

# %% [markdown]
# `SMALL` is `True` on a slow machine, if you say so before the notebook starts (the environment variable
# `GRADESCENT_SMALL=1`), and always while your notebook is graded: the tests train by themselves, so experiments need
# not run again at full size. Use it where the text says so.
#
# ## The data
#
# MNIST: 60,000 training images of 28×28 pixels, bytes from 0 (paper) to 255 (ink), and 10,000 test images. Draw
# conclusions about settings from a part of the *training* set that you hold back; look at the test set once, at the end.

# %%
mnist = datasets.load("mnist")
print(mnist.x_train.shape, mnist.x_train.dtype, "and labels", mnist.y_train.shape, mnist.y_train.dtype)
plots.images(mnist.x_train, mnist.y_train, "MNIST, the first ten training images", side=28)

# %% [markdown]
# ## From bytes to what a network likes (8 points)
#
# The first weights of a network are drawn so that inputs of about size 1 give outputs of about size 1. Bytes up to
# 255 would give sums a hundred times as large: saturated neurons, and steps of a learning rate that fits nothing. So
# pixels are divided by 255. A convolution wants a **channel** axis as well: colour images have three channels, these
# one. And ten output neurons need ten targets: label 3 becomes $(0,0,0,1,0,0,0,0,0,0)$, **one-hot**.
#
# `preprocess(images, labels)` returns `(x, y)`:
#
# - `images`: uint8, `(m, 28, 28)`, or the same pixels flat, `(m, 784)` (row after row). They are not changed.
# - `labels`: whole numbers 0…9, `(m,)`.
# - `x`: float32, `(m, 28, 28, 1)`, between 0 and 1.
# - `y`: float32, `(m, 10)`, one-hot.
#
# **Expect:** `preprocess` of one empty image (all bytes 0) with label 2 gives zeros of shape (1, 28, 28, 1) and
# `[[0, 0, 1, 0, 0, 0, 0, 0, 0, 0]]`, also when no 9 is among the labels. The reference needs three lines.


# %% solution="preprocess"
def preprocess(images, labels):
    """Turn raw images and labels into inputs and targets.

    Args:
        images: uint8 pixels, (m, 28, 28) or (m, 784).
        labels: class numbers 0...9, (m,).

    Returns:
        x (m, 28, 28, 1) float32 in 0...1, and y (m, 10) float32, one-hot.
    """
    ### BEGIN SOLUTION
    x = np.asarray(images).reshape(-1, 28, 28, 1).astype("float32") / 255
    y = np.eye(10, dtype="float32")[labels]
    return x, y
    ### END SOLUTION


# %% tests="preprocess" points=8
check("preprocess", preprocess)

# %% [markdown]
# ## What a convolution costs (6 points)
#
# A fully connected layer has a weight for each pair of pixel and neuron, and must learn a stroke anew for every
# place. A **convolution** slides one small window of $k \times k$ weights, a **kernel**, over the image: wherever
# the pixels look like the kernel, the sum of products is large. The same few weights are used at every place. A
# layer has many kernels, called **filters**; the output of each is a **feature map**. At row $i$ and column $j$, filter
# $f$ gives the sum over the window's rows $a$ and columns $b$ and the channels $c$ of its input $x$
#
# $$z_{ijf} = \sum_{a,b,c} K_{abcf}\, x_{i+a,\,j+b,\,c} + b_f$$
#
# Here is one filter, written by hand, that finds vertical edges. In its map one colour says that ink begins to the
# left of a place, the other that it begins to the right, and white that both sides are alike:

# %%
kernel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], "float32").reshape(3, 3, 1, 1)
image = mnist.x_train[:1].reshape(1, 28, 28, 1).astype("float32") / 255
edges = keras.ops.convert_to_numpy(keras.ops.conv(image, kernel, padding="valid", data_format="channels_last"))
figure, (left, right) = plt.subplots(1, 2, figsize=(6, 3))
left.imshow(image[0, ..., 0], cmap="gray_r")
left.set_title("image, 28×28")
picture = right.imshow(edges[0, ..., 0], cmap="PuOr")
right.set_title("feature map, 26×26")
figure.colorbar(picture, ax=right)
plt.show()

# %% [markdown]
# The map is smaller than the image, because a window of 3 fits 26 times into 28 pixels. With `padding="same"` zeros
# are put around the image, so that as many outputs come out as there are pixels; with a **stride** $s$ the window
# moves $s$ pixels at a time. For a side of $n$ pixels:
#
# $$n_\text{valid} = \left\lfloor \frac{n - k}{s} \right\rfloor + 1, \qquad n_\text{same} = \left\lceil \frac{n}{s} \right\rceil$$
#
# Each filter sees all $c$ channels of its input and has one bias, so that $f$ filters have $(k \cdot k \cdot c + 1) \cdot f$
# parameters, however large the image is.
#
# `conv_layer(side, channels, kernel, filters, stride=1, padding="valid")` returns `(side_out, parameters)`, two whole
# numbers, by these formulas alone. `padding` is "valid" or "same".
#
# **Expect:** `conv_layer(28, 1, 3, 32)` gives `(26, 320)`: 320 parameters, where a fully connected layer from 784
# pixels to the same 26·26·32 outputs would have 17 million.


# %% solution="conv_layer"
def conv_layer(side, channels, kernel, filters, stride=1, padding="valid"):
    """Size and cost of a convolution.

    Args:
        side: pixels of a side of the square input.
        channels: channels of the input.
        kernel: pixels of a side of the square kernel.
        filters: number of filters.
        stride: pixels that the kernel moves at a time.
        padding: "valid" or "same".

    Returns:
        (side of the output, number of parameters), whole numbers.
    """
    ### BEGIN SOLUTION
    side_out = (side - kernel) // stride + 1 if padding == "valid" else -(-side // stride)
    return side_out, (kernel * kernel * channels + 1) * filters
    ### END SOLUTION


# %% tests="conv_layer" points=6
check("conv_layer", conv_layer)

# %% [markdown]
# ## Keras in ten lines
#
# Keras is told which layers there are, and does forward pass, back-propagation and mini-batches by itself. The network
# of problem set 1, 784-30-10, would be
#
# ```python
# network = keras.Sequential([
#     keras.Input(shape=(28, 28, 1)),                      # the shape of one example
#     keras.layers.Reshape((784,)),
#     keras.layers.Dense(units=30, activation="relu"),     # fully connected
#     keras.layers.Dense(units=10, activation="softmax"),
# ])
# network.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
# network.summary()                                        # layers, shapes, parameters
# network.fit(x, y, epochs=3, batch_size=64, verbose=0)    # trains; verbose=0 prints nothing
# network.predict(x, verbose=0)                            # probabilities, (m, 10), a NumPy array
# ```
#
# Try it on 1,000 images that `preprocess` has made ready. **Adam** is gradient descent in which each weight has a step
# size of its own: the mean of its last gradients, divided by the root of the mean of their squares.

# %% [markdown]
# ## Your network (8 points)
#
# `build_cnn()` returns a new, untrained, **compiled** Keras model:
#
# - Every path from the pixels to the output passes a `Conv2D` with a kernel larger than 1×1.
# - At most **150,000 parameters**. (Models that earlier students published have 4.6 million, 1.09 million and 136,000,
#   and all of them reach 98.5 %.)
# - For $m$ images it gives $(m, 10)$ probabilities: softmax at the end.
# - `compile` names an optimiser and a loss. For one-hot targets and softmax that is `"categorical_crossentropy"`.
#
# **Recipe:** blocks of `Conv2D` with `activation="relu"`, then `MaxPooling2D`, which keeps the largest of each 2×2
# values (of a 4×4 map, 2×2 are left): a quarter of the cost of all that follows, and a stroke may move by a pixel. Two or three blocks,
# then `Flatten` and one or two `Dense` layers. Look at `model.summary()`: where do the parameters sit? Usually in the
# first `Dense` layer, so that another block, or a stride of 2, brings you under the limit.
#
# **Expect:** the reference has 43,426 parameters in two convolutions (12 and 32 filters of 5×5), two poolings and two
# dense layers (64 and 10), all with `padding="valid"`. Seven lines.


# %% solution="build_cnn"
### BEGIN SOLUTION
from keras import layers


def build_cnn(activation="relu", optimizer="adam"):
    """A compiled, untrained network of 43,426 parameters for (m, 28, 28, 1) inputs."""
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(12, 5, activation=activation),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 5, activation=activation),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(64, activation=activation),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    return model


### END SOLUTION


# %% [markdown]
# ## Predictions (6 points)
#
# `predict(model, images)` is the other half of what the tests rely on: **raw images in, probabilities out**. What
# happens between, and what kind of input your model takes, is yours; but all of it must come from the argument
# `model`, and the answer for one image may depend neither on chance nor on the other images. (A warning of TensorFlow
# about *retracing* means that several models were asked one after the other. It costs nothing.)
#
# **Expect:** shape (m, 10), each row adding up to 1. Two lines.


# %% solution="predict"
# What the tests call: probabilities for raw images.
def predict(model, images):
    """Probabilities of the ten digits.

    Args:
        model: a model of build_cnn or train_cnn.
        images: raw images, uint8, (m, 28, 28).

    Returns:
        (m, 10) probabilities, one row an image.
    """
    ### BEGIN SOLUTION
    x, _ = preprocess(images, np.zeros(len(images), int))
    return model.predict(x, batch_size=500, verbose=0)
    ### END SOLUTION


# %% tests="build_cnn" points=8 seconds=60
check("build_cnn", build_cnn, predict)

# %% tests="predict" points=6 seconds=60
check("predict", build_cnn, predict)

# %% [markdown]
# ## Training (20 points)
#
# `train_cnn(images, labels, seed=0)` takes **raw** training images and labels, builds a new network with your
# `build_cnn`, trains it, and returns it. `seed` goes to `keras.utils.set_random_seed`, so that a run can be repeated.
# It uses its arguments and nothing else: no other data, no weights from elsewhere, no test set.
#
# The tests call it with all 60,000 training images, shuffled, and a seed of theirs; then they ask `predict` about the
# 10,000 test images. **Full marks at 98.5 %**, no points at 97.0 % or less, and in between in proportion. Chance moves
# an accuracy by a few tenths: if you lie in between, they train again with other seeds, twice at most, and the best
# counts. They also train on a few images whose labels were exchanged (every 3 called 5, say), and expect those.
# A training may take 15 minutes of computing time.
#
# **Recipe:** begin with a twentieth of the images and hold back some others to test on; make it fast, then good. What
# helps most, for free: a learning rate that starts small, rises in the first tenth of the steps and then falls to
# a hundredth of its top: `keras.optimizers.schedules.CosineDecay(2e-4, decay_steps=steps - rising, alpha=0.01,
# warmup_target=4e-3, warmup_steps=rising)` in the place of Adam's learning rate. `steps` counts the mini-batches of all
# epochs and follows from `len(images)`; `rising` is a tenth of them. Adam with mini-batches of 64 takes this top rate of
# 0.004. For the optimiser to know the steps, give `build_cnn` an argument with a default, or call `model.compile` again
# in `train_cnn`.
#
# **Expect:** with this schedule the reference takes three epochs, 22 seconds on one core with TensorFlow and 59 with JAX,
# and reaches 99.2 % (four seeds: 99.18 to 99.28 %; JAX, one seed: 99.20 %). With a stride of 2 in place of the first
# pooling, one epoch of 8 seconds gives 98.7 to 98.8 % (four seeds). Earlier students needed 50 to 100 epochs for 98.5 %.


# %% solution="train_cnn"
def train_cnn(images, labels, seed=0):
    """Train a new network.

    Args:
        images: raw images, uint8, (m, 28, 28).
        labels: class numbers, (m,).
        seed: of all that is random.

    Returns:
        The trained keras.Model.
    """
    ### BEGIN SOLUTION
    keras.utils.set_random_seed(seed)
    x, y = preprocess(images, labels)
    epochs, batch_size = 3, 64
    steps = epochs * -(-len(x) // batch_size)
    rising = steps // 10
    rate = keras.optimizers.schedules.CosineDecay(
        2e-4, decay_steps=steps - rising, alpha=0.01, warmup_target=4e-3, warmup_steps=rising
    )
    model = build_cnn(optimizer=keras.optimizers.Adam(rate))
    model.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0)
    return model
    ### END SOLUTION


# %% [markdown]
# The check below trains on 2,000 images only, so that you need not wait: it demands 75 %. Whether 98.5 % is reached, see
# for yourself in the cell after it, on training images that you hold back.

# %% tests="train_cnn" points=20 seconds=900
check("train_cnn", build_cnn, train_cnn, predict)

# %% solution="hold_out"
# Train on most of the training images, and print the accuracy on the others. (No points; SMALL: a few images only.)
### BEGIN SOLUTION
held = 1_000 if SMALL else 10_000
used = 2_000 if SMALL else len(mnist.x_train) - held
model = train_cnn(mnist.x_train[:used], mnist.y_train[:used])
answers = predict(model, mnist.x_train[-held:]).argmax(axis=1)
print(f"{np.mean(answers == mnist.y_train[-held:]):.4f} of {held:,} held-back images")
### END SOLUTION

# %% [markdown]
# ## Extra credit: 99.0 and 99.4 %
#
# 3 points more at 99.0 %, and 2 more at 99.4 %, within the same 150,000 parameters and 15 minutes. What pays:
# `BatchNormalization`, `Dropout`, images moved or turned a little while training (`keras.layers.RandomTranslation`
# as a layer of the network is active in training alone), more epochs. It need not take long: one run of the reference
# with some of these reached 99.45 % after 51 seconds on one core.

# %% tests="accuracy_990" points=0 extra=3 seconds=900
# Nothing to see here: the tests ask the network that they trained for the question above.

# %% tests="accuracy_994" points=0 extra=2 seconds=900
# Nothing to see here either.

# %% [markdown] question="activations_plot"
# ## Activations and batch sizes (5 points)
#
# Train your network with at least three activations in its hidden layers (ReLU, tanh, sigmoid) and at least three batch
# sizes between 16 and 256, all else equal: the same number of epochs, the same learning rate. Show the accuracy on images
# held back from the training set as a table or heat map: `plots.heat_table(values, rows, columns, xlabel, ylabel, title)`
# draws one.
#
# 10,000 training images and three epochs are enough (`SMALL`: 1,000, one epoch, and two activations and batch sizes).
#
# **Expect:** 50 seconds with the reference on one core; the cell may take 900. While graded, your cell runs
# in the small setting; so write the figures of your own run into your answer below.
#
# ### BEGIN MARK SCHEME
# The picture that you see was drawn again with the small setting; compare the figures in the answer below.
# - 2 points: at least three activations × three batch sizes, all else equal.
# - 2 points: accuracy on images that were not trained on, and not on the test set.
# - 1 point: rows, columns and setting named; readable without colour.
# ### END MARK SCHEME

# %% plot="activations_plot" points=5 seconds=900
# Train the networks, and draw the table.
### BEGIN SOLUTION
activations, batch_sizes = (["relu", "sigmoid"], [16, 256]) if SMALL else (["relu", "tanh", "sigmoid"], [16, 64, 256])
size, epochs = (1_000, 1) if SMALL else (10_000, 3)
x, y = preprocess(mnist.x_train[:size], mnist.y_train[:size])
x_held, y_held = preprocess(mnist.x_train[-2_000:], mnist.y_train[-2_000:])
accuracy = np.empty((len(activations), len(batch_sizes)))
for row, activation in enumerate(activations):
    for column, batch_size in enumerate(batch_sizes):
        keras.utils.set_random_seed(1)
        model = build_cnn(activation, keras.optimizers.Adam(0.002))
        model.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0)
        accuracy[row, column] = model.evaluate(x_held, y_held, batch_size=500, verbose=0)[1]
title = f"accuracy on 2,000 images held back, {epochs} epochs of {size:,} images, Adam 0.002"
plots.heat_table(accuracy, activations, batch_sizes, "batch size", "activation", title)
### END SOLUTION

# %% [markdown] written="activations" points=3
# ## What the table says (3 points)
#
# Give your table as numbers. Which activation and which batch size would you take, and why? Explain the worst cell. What
# would change if every network were trained for the same number of *steps* instead of epochs?
#
# ### BEGIN MARK SCHEME
# - 1 point: the table in numbers, and a choice that follows from it; differences below about 0.005 (one standard error of
#   2,000 images is 0.003) are not called better.
# - 1 point: sigmoid with large batches is worst: σ′ ≤ ¼ in each layer makes gradients vanish, and few steps are taken.
# - 1 point: at equal epochs a batch of 256 takes a sixteenth of the steps of 16; at equal steps it would see sixteen times
#   as many images and do no worse.
# ### END MARK SCHEME
#
# ### BEGIN SOLUTION
# | | 16 | 64 | 256 |
# |---|---|---|---|
# | ReLU | 0.988 | 0.982 | 0.969 |
# | tanh | 0.984 | 0.983 | 0.975 |
# | sigmoid | 0.977 | 0.964 | 0.845 |
#
# One standard error of 2,000 images is √(0.98 · 0.02 / 2000) = 0.003. ReLU and tanh cannot be told apart at 16 and 64. I
# take ReLU and a batch of 64: 16 may be a little better, but takes four times as many steps for the same epochs.
#
# The worst cell is sigmoid with 256. In three epochs of 10,000 images it takes only 3 · 40 = 120 steps. And σ′ is at most ¼:
# three hidden layers make the gradient of the first one at least 64 times smaller than with a slope of 1, so that its
# kernels hardly move. With 16, which takes 1,875 steps, the same activation reaches 0.977.
#
# At equal steps a batch of 256 would see sixteen times as many images, 48 epochs instead of 3. Its gradients are less noisy,
# so it would do no worse than 16, but cost sixteen times as much. What the columns compare is mostly the number of steps.
# ### END SOLUTION

# %% [markdown] written="layer_types" points=5
# ## Three kinds of layers (5 points)
#
# Explain what a convolutional layer, a pooling layer and a fully connected layer do, which of them have parameters to
# learn, and why a network for images has them in this order.
#
# ### BEGIN MARK SCHEME
# - 2 points: convolution: the same small kernels at every place (shared weights, local), (k·k·c + 1)·f parameters, feature
#   maps; the response moves with the image.
# - 1 point: pooling: a summary (maximum, mean) of each small region, no parameters, smaller maps, small shifts matter less.
# - 1 point: fully connected: every input with every neuron, most of the parameters; combines all features into classes.
# - 1 point: order: local features first, then larger and fewer places with more channels, the decision over everything at
#   the end.
# ### END MARK SCHEME
#
# ### BEGIN SOLUTION
# A convolutional layer slides small kernels over its input. At each place it computes the sum of products of kernel and
# pixels plus a bias, with the same weights everywhere. Each kernel gives a feature map that is large where the input
# looks like the kernel. It learns (k·k·c + 1)·f parameters; moving the input moves the map.
#
# A pooling layer keeps one number of each small region, mostly the maximum. It has nothing to learn. The maps get smaller,
# what follows gets cheaper and sees a larger part of the image, and a stroke may move by a pixel without changing much.
#
# A fully connected layer has a weight for each pair of input and neuron, and so most of the parameters of a network (in
# mine 32,832 of 43,426 in the first one). It combines the features of all places into one decision.
#
# Strokes are local and look alike everywhere: so convolutions come first. Their combinations are larger: convolutions
# after pooling see more. Which digit it is depends on everything at once: fully connected at the end.
# ### END SOLUTION

# %% [markdown] written="improved" points=3
# ## What made your network better (3 points)
#
# Name at least three changes that you tried on the way to your network or its training, with the accuracy before and after
# each (on images that you held back), also one that did not help. Which would you try next, and why?
#
# ### BEGIN MARK SCHEME
# - 2 points: three changes with figures on held-back images, one of them without success; one point for two.
# - 1 point: a next step with a reason that fits the figures (does training or validation accuracy limit?).
# ### END MARK SCHEME
#
# ### BEGIN SOLUTION
# Trained on the first 50,000 images for two epochs with mini-batches of 64, measured on the other 10,000; two seeds each.
# One standard error is 0.10 %.
#
# | change | before | after |
# |---|---|---|
# | a second block of convolution and pooling, a third of the parameters | 98.33, 98.09 % | 98.36, 98.37 % |
# | rate rising to 0.004 and falling, where it was 0.001 throughout | 98.36, 98.37 % | 98.92, 98.86 % |
# | with that, dropout of 0.4 after Flatten | 98.92, 98.86 % | 99.10, 99.01 % |
# | with the rate, images moved by up to 6 %, without dropout | 98.92, 98.86 % | 98.91, 99.05 % |
#
# The rate made the only large difference. The second block gains little in accuracy, but saves two thirds of the
# parameters. Moving the images did not help in two epochs: its gain is no larger than what chance may explain.
#
# Next I would train longer with both dropout and moved images. Without them, 99.3 to 99.4 % of the training images are
# right and 98.9 % of the others: validation limits. With either, the two lie within 0.3 % of each other, so that more
# epochs may now raise both.
# ### END SOLUTION
