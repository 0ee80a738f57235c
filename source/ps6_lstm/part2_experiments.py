# %% [markdown]
# # Part 2: what do the settings do?
#
# **You will build** a small laboratory: a function that trains one network with given settings and measures it on
# held-out films, a sweep over five settings, GRU against LSTM, and a look into the embedding. As extra credit you
# load GloVe vectors from a text file.
#
# **Time:** about 90 minutes to write. All experiments together take 4 minutes of one core in the full setting (225
# seconds measured); they need no graphics processor. **You need:** part 1.

# %%
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers

from gradescent import check, datasets, plots, small_setting

# %% [markdown]
# ## The setting of the experiments
#
# A sweep of twenty networks with all reviews would take half an hour, and what it shows can be seen with fewer and shorter
# reviews. So the experiments train on 6,000 reviews for three epochs and measure on 2,500 reviews of **other films**;
# with `GRADESCENT_SMALL=1`, and while your notebook is graded, on 600 and 300, too few to conclude anything. The person
# who grades sees plots that were drawn again with these few reviews: let your answers speak of the full setting, and write
# its figures into them.

# %%
imdb = datasets.load("imdb")
COUNT, VALIDATION, EPOCHS = (600, 300, 1) if small_setting() else (6000, 2500, 3)
rng = np.random.default_rng(0)
films = rng.permutation(np.unique(imdb.film_train))
is_held_out = np.isin(imdb.film_train, films[: len(films) // 5])
learn = rng.permutation(np.flatnonzero(~is_held_out))[:COUNT]
validate = rng.permutation(np.flatnonzero(is_held_out))[:VALIDATION]
x_learn, y_learn = [imdb.x_train[i] for i in learn], imdb.y_train[learn]
x_validate, y_validate = [imdb.x_train[i] for i in validate], imdb.y_train[validate]
print(f"{len(x_learn)} reviews to learn from, {len(x_validate)} of other films to measure on")

# %% [markdown]
# ## One experiment (6 points)
#
# `experiment(vocab_size=5000, length=100, size=32, batch_size=64, units=32, cell="LSTM", seed=0)` trains the simple
# network, `Embedding` of `size`, one recurrent layer of `units` and `Dense(1)`, on `x_learn`, `y_learn` and returns a
# **dict** with
#
# | key | value |
# |---|---|
# | `"accuracy"` | on `x_validate`, a float between 0 and 1 |
# | `"seconds"` | that the training took, a float |
# | `"parameters"` | of the model, an int |
#
# Further keys are allowed. `cell` is "LSTM" or "GRU". Tokens of `vocab_size` and beyond are left out *before* the review is
# padded to `length`. Use your `pad` of part 1 (paste it here), `EPOCHS` epochs with Adam, and the seed for everything
# random. The seconds are those of the clock on the wall, `time.perf_counter()`; the check only wants more than 0.
#
# Count the parameters by hand once, for the checks count them too. With $V$ words, $n$ numbers a word and $u$ units:
#
# $$\text{embedding: } V n, \quad \text{LSTM: } 4\,(n + u + 1)\,u, \quad \text{GRU: } 3\,(n + u + 2)\,u, \quad
# \text{Dense: } u + 1$$
#
# An LSTM has four sets of weights, for three gates and what is written; a GRU has three (Keras gives each two
# biases), no cell beside its state, and one gate, $z$, that decides about keeping and writing at once:
#
# $$\begin{aligned} z, r &= \sigma(W_{z,r}\, x_t + b_{z,r} + U_{z,r}\, h_{t-1} + b'_{z,r}), & g &= \tanh(W_g x_t + b_g + r
# \odot (U_g h_{t-1} + b'_g)), \\ h_t &= z \odot h_{t-1} + (1 - z) \odot g \end{aligned}$$
#
# The other gate, $r$, decides how much of the old state has a say in what is written.
#
# **Expect:** with the defaults 168,353 parameters, and with the GRU 166,369. In the full setting the defaults reach 0.805,
# 0.804 and 0.815 with the seeds 0, 1 and 2 (the reference), in 7 to 8 seconds of one core each.


# %% solution="experiment"
def pad(sequences, length):
    """Return the last `length` tokens of each sequence, zeros in front of shorter ones: int32, (m, length)."""
    ### BEGIN SOLUTION
    padded = np.zeros((len(sequences), length), dtype="int32")
    for row, tokens in zip(padded, sequences):
        kept = tokens[-length:]
        row[length - len(kept) :] = kept
    return padded
    ### END SOLUTION


def experiment(vocab_size=5000, length=100, size=32, batch_size=64, units=32, cell="LSTM", seed=0):
    """Train one simple network and return its accuracy on held-out films, its seconds and its parameters."""
    ### BEGIN SOLUTION
    keras.utils.set_random_seed(seed)
    recurrent = {"LSTM": layers.LSTM, "GRU": layers.GRU}[cell]
    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            layers.Embedding(vocab_size, size),
            recurrent(units),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", loss="binary_crossentropy", metrics=["accuracy"])

    def padded(reviews):
        return pad([tokens[tokens < vocab_size] for tokens in reviews], length)

    start = time.perf_counter()
    model.fit(padded(x_learn), y_learn, batch_size=batch_size, epochs=EPOCHS, verbose=0)
    seconds = time.perf_counter() - start
    _, accuracy = model.evaluate(padded(x_validate), y_validate, batch_size=256, verbose=0)
    return {"accuracy": float(accuracy), "seconds": seconds, "parameters": model.count_params()}
    ### END SOLUTION


# %% tests="experiment" points=6 seconds=60
check("experiment", experiment, y_validate)

# %% [markdown] question="sweep_plot"
# ## The sweep (6 points)
#
# Change **one** setting at a time and leave the others as they are by default: `vocab_size`, `length`, `size`,
# `batch_size` and `units`, at least three values each over a factor of ten or more. Print a table (setting, value,
# parameters, accuracy, seconds) and draw a plot of accuracy for each setting, with the standard error $\sqrt{p(1 - p)
# / n}$ as error bars. `plots.curves` draws one such plot (`errors=...`, `xscale="log"`).
#
# The points: 2 for the settings and values, 1 for the table, 2 for the plots and their axes, 1 for the error bars.
#
# **Expect:** about 3 minutes of computing time with the reference; the cell may take 1,200 seconds.
#
# ### BEGIN MARK SCHEME
# The picture that you see was drawn again with the small setting; compare the figures in the answer below.
#
# - 2 points: all five settings, at least three values each, one changed at a time.
# - 1 point: a table with parameters, accuracy and seconds, readable.
# - 2 points: a plot for each setting (or one with all), axes named, logarithmic where values are.
# - 1 point: error bars or a remark on the standard error (about 0.8 % for 2,500 reviews, 2.9 % for 300), and plausible values.
# ### END MARK SCHEME

# %% plot="sweep_plot" points=6 seconds=1200
# Sweep the five settings; print the table and draw the plots.
### BEGIN SOLUTION
values = {
    "vocab_size": [500, 2000, 5000, 20000],
    "length": [20, 50, 100, 200],
    "size": [4, 16, 32, 128],
    "batch_size": [16, 64, 256],
    "units": [4, 16, 32, 128],
}
print(f"{'setting':<11} {'value':>6} {'parameters':>10} {'accuracy':>8} {'seconds':>7}")
figure, grid = plt.subplots(1, 5, figsize=(14, 3), sharey=True)
for axes, (setting, tried) in zip(grid, values.items()):
    found = [experiment(**{setting: value}) for value in tried]
    accuracy = np.array([one["accuracy"] for one in found])
    for value, one in zip(tried, found):
        print(f"{setting:<11} {value:>6} {one['parameters']:>10,} {one['accuracy']:>8.3f} {one['seconds']:>7.1f}")
    axes.errorbar(tried, accuracy, yerr=np.sqrt(accuracy * (1 - accuracy) / VALIDATION), marker="o", capsize=3)
    axes.set(xscale="log", xlabel=setting)
    axes.set_xticks(tried, [str(value) for value in tried])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
grid[0].set_ylabel("accuracy on held-out films")
figure.suptitle(f"One setting changed at a time; {COUNT:,} reviews, {EPOCHS} epochs")
plt.show()
### END SOLUTION

# %% [markdown] written="sweep" points=3
# ## What the sweep says (3 points)
#
# Which setting matters most, which hardly at all, within the error bars (1 point)? Explain the two strongest effects
# (1 point). What do a larger vocabulary and longer reviews cost, in parameters and in seconds (½ point)? How does the batch
# size change the seconds, the number of steps and the accuracy, and what would you change along with it (½ point)?
#
# ### BEGIN MARK SCHEME
# - 1 point: the strongest effects named from the plot (usually length, then vocabulary) and the weak ones called weak
#   because the error bars overlap.
# - 1 point: reasons: a verdict may stand anywhere in a review and twenty tokens miss it; a small vocabulary loses the
#   rarer words of judgement.
# - ½ point: cost: vocabulary costs parameters (V·n) and hardly time, length costs time in proportion and no
#   parameters.
# - ½ point: batch size: fewer, larger products an epoch are faster, and there are fewer steps; with larger batches a
#   larger learning rate or more epochs.
# ### END MARK SCHEME
# ### BEGIN SOLUTION
# Standard error 0.8 %. The length matters most: 0.694 with 20 tokens, 0.755 with 50, 0.805 with 100, and 0.807 with 200.
# Next come the units (0.769 with 4, 0.800 with 16). Size (0.787 with 4 numbers, 0.811 with 128) and vocabulary (0.793
# with 500 words, 0.805 with 5,000, 0.785 with 20,000) hardly matter: most of their error bars overlap. Twenty tokens are
# one or two sentences, and the verdict may stand before them; a state of four numbers cannot hold a topic, a mood and a
# "not". A larger vocabulary costs parameters, 24,353 with 500 words and 648,353 with 20,000, and hardly any time,
# because rows are looked up; the rare words have too few reviews to learn anything from. Longer reviews cost no
# parameter, but time nearly in proportion: 2.9, 7.0 and 12.6 seconds of one core for 20, 100 and 200 tokens. The batch
# size changes the number of steps: 14.3 seconds with 16, 7.0 with 64, 4.6 with 256, because one product of large matrices
# is quicker than many of small ones. The accuracies (0.784, 0.805 and 0.798) differ little. With larger batches I would
# raise the learning rate or train more epochs, since there are fewer steps.
# ### END SOLUTION

# %% [markdown] question="gru_plot"
# ## GRU against LSTM (4 points)
#
# Train both cells with at least three seeds each and the same settings (length 100 or more; 1 point). Plot the accuracies,
# every seed as a point and the mean of each cell (2 points), and print parameters and mean seconds of both (1 point).
#
# **Expect:** about 1 minute with the reference; the cell may take 900 seconds.
#
# ### BEGIN MARK SCHEME
# The picture that you see was drawn again with the small setting; compare the figures in the answer below.
#
# - 1 point: both cells, at least three seeds each, the same settings.
# - 2 points: single results and their means can be read off, axes and cells named.
# - 1 point: parameters and seconds of both are printed; the GRU's recurrent part has about three quarters of the
#   LSTM's.
# ### END MARK SCHEME

# %% plot="gru_plot" points=4 seconds=900
# Train both cells with several seeds and plot their accuracies.
### BEGIN SOLUTION
_, axes = plt.subplots(figsize=(5, 3.2))
for place, (cell, marker) in enumerate([("LSTM", "o"), ("GRU", "s")]):
    found = [experiment(cell=cell, seed=seed) for seed in (1, 2, 3)]
    accuracy = [one["accuracy"] for one in found]
    axes.plot([place] * 3, accuracy, marker, label=f"{cell}, one seed each")
    axes.plot([place - 0.2, place + 0.2], [np.mean(accuracy)] * 2, "k-")
    seconds = np.mean([one["seconds"] for one in found])
    print(f"{cell}: {found[0]['parameters']:,} parameters, {seconds:.1f} s, mean accuracy {np.mean(accuracy):.3f}")
axes.set(xticks=[0, 1], xticklabels=["LSTM", "GRU"], xlim=(-0.5, 1.5), ylabel="accuracy on held-out films")
axes.set_title("Three seeds and their mean (line)")
axes.grid(alpha=0.3)
axes.legend()
plt.show()
### END SOLUTION

# %% [markdown] written="gru" points=3
# ## Which one? (3 points)
#
# What does a GRU leave out of an LSTM (½ point), and what does that do to parameters and time (½ point)? Is one of the two
# better in your plot, given how far apart seeds of the same cell are (1 point)? What would you have to do to be sure
# (1 point)?
#
# ### BEGIN MARK SCHEME
# - ½ point: no separate cell, two gates for three: one gate decides on keeping and writing together, and there is no
#   output gate.
# - ½ point: about three quarters of the recurrent parameters; time compared with the measured seconds (which may be
#   equal).
# - 1 point: the difference of the means is held against the spread of the seeds: usually none can be told.
# - 1 point: more seeds and a larger validation set (standard error falls with the root of the number), or the same
#   reviews compared pair by pair.
# ### END MARK SCHEME
# ### BEGIN SOLUTION
# A GRU has no cell beside its state and no output gate; one gate decides at once how much is kept and how much is written.
# Its recurrent layer has 6,336 parameters here and the LSTM's 8,320: three quarters, but of all parameters (166,369 and
# 168,353) most are the embedding's. The time was not less (9.0 seconds of one core, the LSTM 7.0): 100 steps one after
# the other cost more than the products in them. Mean accuracy of three seeds: LSTM 0.806, GRU 0.797. Single seeds of
# the same cell lie up to 2.5 % apart (GRU 0.782 to 0.807), and the means 0.9 %: I cannot say which is better. To be sure I would
# train ten seeds or more of each, on more reviews, and compare them on the same reviews: what both get right or wrong
# tells nothing, and the others can be counted pair by pair.
# ### END SOLUTION

# %% [markdown]
# ## A look into the embedding (4 points)
#
# `nearest(vectors, row, count)` returns the indices of the `count` rows whose vectors point most nearly in the
# direction of row `row`: by the **cosine**, $a \cdot b / (\lVert a \rVert \lVert b \rVert)$, the nearest first.
# Neither the row itself nor row 0 (the padding) is among them; a vector of zeros is near to nothing (take its cosine
# as −1).
#
# **Expect:** with the rows (1, 0.1), (2, 0), (0, 3), (5, 4) and (1, 0.1), `nearest(vectors, 1, 3)` is `[4, 3, 2]`.


# %% solution="nearest"
def nearest(vectors, row, count):
    """Return the indices of the `count` rows with the largest cosine to `row`, the nearest first; never 0 or `row`."""
    ### BEGIN SOLUTION
    lengths = np.linalg.norm(vectors, axis=1)
    cosines = vectors @ vectors[row] / np.maximum(lengths * lengths[row], 1e-12)
    cosines[lengths == 0] = -1
    cosines[[0, row]] = -np.inf
    return np.argsort(-cosines)[:count]
    ### END SOLUTION


# %% tests="nearest" points=4
check("nearest", nearest)

# %% [markdown]
# Here a simple network is trained, and the neighbours of some words are looked up in its embedding, before and after.


# %% seconds=300
def words_near(vectors, word, count=6):
    return ", ".join(imdb.words[token - 1] for token in nearest(vectors, imdb.words.index(word) + 1, count))


keras.utils.set_random_seed(0)
embedding = layers.Embedding(5000, 32)
model = keras.Sequential(
    [keras.Input((100,), dtype="int32"), embedding, layers.LSTM(32), layers.Dense(1, activation="sigmoid")]
)
model.compile("adam", loss="binary_crossentropy")
before = np.array(embedding.get_weights()[0])
model.fit(pad([t[t < 5000] for t in x_learn], 100), y_learn, batch_size=64, epochs=EPOCHS, verbose=0)
after = np.array(embedding.get_weights()[0])
for word in ("excellent", "awful", "bad", "director", "7"):
    print(f"{word:>10}  before: {words_near(before, word)}")
    print(f"{'':>10}   after: {words_near(after, word)}")

# %% [markdown] written="embedding" points=5
# ## What the embedding is for (5 points)
#
# 1. Why not give the LSTM the token number itself, or a one-hot vector of 5,000 numbers? To which matrix product is
#    an embedding layer equal? (2 points)
# 2. Compare the neighbours before and after training with those of `word_vectors` in part 1, of *bad*, *director* and *7*
#    above all. What has each embedding learnt, from what, and which of them knows *director*? Why do both together do best?
#    (3 points)
#
# ### BEGIN MARK SCHEME
# - 1 point: token numbers have an order and distances that mean nothing; one-hot vectors are all equally far apart.
# - 1 point: it equals one-hot times a matrix, whose rows are looked up instead of multiplied: few numbers a word,
#   which are learnt.
# - 1 point: before: random neighbours; after: words that call for the same label (*awful* with *waste*, *worst*),
#   whatever they mean.
# - 1 point: vectors from counts: words in the same places, *bad* near *awful*, *director* near *producer*, but *7* near
#   all other grades, 4 and 9: meaning and grammar, not the verdict.
# - 1 point: together: counts give a start to all words, the rare ones too, and the labels turn it where the verdict
#   needs it.
# ### END MARK SCHEME
# ### BEGIN SOLUTION
# 1. Token 4,000 is not "more" than token 20, and token 20 is not near to 21 in meaning: the numbers are ranks of
#    frequency. One-hot vectors have no false order, but all words are equally far from each other, and the LSTM would
#    need 4 · 5,000 weights a unit. An embedding is the product of the one-hot vector and a matrix (5,000 × 32), done
#    by looking up the row. The rows are learnt, and words that do the same can have the same row.
# 2. Before training the neighbours are chance (*bad*: writes, novels, circle). Afterwards *awful* is near to *dull*, *waste*
#    and *worst*, and *bad* to *waste*, *stupid* and *disappointment*: words that call for the same label, whatever they
#    mean. *director* stands among anything that says little about the verdict (sea, ham, figured). In part 1, *bad* has
#    real relatives (awful, terrible, horrible), *director* has producer, writer and screenwriter, and *7* has 8, 10, 5
#    and 4: those vectors know what kind of word it is and not which grade is good. Rare words get a meaning from counts
#    which the few labels never give them, and training then draws apart what calls for different labels.
# ### END SOLUTION

# %% [markdown] written="units" points=3
# ## The size of the memory (3 points)
#
# Which vectors and matrices in the formulas of part 1 have the number of units as a dimension, and what is limited if it
# is small (1 point)? What does your sweep say about it (½ point), and which further number would `experiment` have to
# return to show overfitting (½ point)? How do parameters and time grow with it (1 point)?
#
# ### BEGIN MARK SCHEME
# - 1 point: h, c, the gates, g and b have that length, W and U as many rows (½; U as many columns, too); how many numbers
#   are carried from word to word: few can hold little of what was read (½).
# - ½ point: the sweep: little gain beyond a small size, held against the error bars.
# - ½ point: overfitting shows in the gap between accuracy on the training reviews and on held-out films, not in the
#   latter alone.
# - 1 point: parameters 4(n + u + 1)u grow with u² for large u, the time likewise at last, hardly for small ones.
# ### END MARK SCHEME
# ### BEGIN SOLUTION
# The state $h$ and the cell $c$, the gates, $g$ and each $b$ have that length, each $W$ is $u \times n$ and each $U$
# $u \times u$. So it says how many numbers are carried from word to word: with few, little of what was read can be
# kept. In the sweep 4 units reach 0.769, 16 units 0.800, 32 units 0.805 and 128 units 0.801; the standard error is 0.8
# %, so only the step from 4 to 16 counts. Accuracy on held-out films alone does not show overfitting. I need the
# accuracy on the training reviews beside it: where that goes on rising and the other does not, the network learns
# reviews by heart. The LSTM has $4 (n + u + 1) u$ parameters: 592 with 4 units, 82,432 with 128, which grows with
# $u^2$ as soon as $u$ is larger than $n$. The time grew from 7.0 seconds with 32 units to 19.6 with 128: less than the
# products, which are ten times as many, because part of a step's time does not depend on its size.
# ### END SOLUTION

# %% [markdown]
# ## Extra credit: vectors from elsewhere (5 extra points)
#
# GloVe vectors were made like yours from counts, but of 6 billion words (Pennington and others, 2014; public domain).
# The text file has one word a line: the word, then its numbers, all separated by single spaces.
#
# `load_glove(lines, words, size)` takes the lines of the file (an open file, or any list of lines) and returns an
# array of shape (len(words) + 1, size), dtype float32, and the number of words found. Row $t$ is the vector of
# `words[t - 1]`, so that tokens are row numbers; row 0 and the rows of words that the file lacks are zeros. Words
# that are not in `words` are skipped. Some files have a first line "400000 50" (count and size) or a line without its
# word: a line that has not exactly `size` numbers after its word is skipped. The check gives lines of its own, no file.
#
#     with open("glove.6B.50d.txt", encoding="utf-8") as file:
#         vectors, found = load_glove(file, imdb.words[:19_999], 50)
#
# On your own: use the vectors in `build_lstm` of part 1, with `embedding.trainable = False` and with `True`, and
# compare with the vectors from the reviews. (A file with *movie*, *film* and *awful* in it, please: small extracts
# lack them.)


# %% solution="load_glove"
def load_glove(lines, words, size):
    """Read word vectors from the lines of a text file.

    Args:
        lines: iterable of text, a word and `size` numbers each.
        words: the vocabulary; token t is words[t - 1].
        size: numbers a vector.

    Returns:
        Vectors, float32, (len(words) + 1, size), and how many words were found.
    """
    ### BEGIN SOLUTION
    tokens = {word: token for token, word in enumerate(words, start=1)}
    vectors, found = np.zeros((len(words) + 1, size), dtype="float32"), set()
    for line in lines:
        word, *numbers = line.rstrip().split(" ")
        if word in tokens and len(numbers) == size:
            vectors[tokens[word]] = np.array(numbers, dtype="float32")
            found.add(word)
    return vectors, len(found)
    ### END SOLUTION


# %% tests="load_glove" points=0 extra=5
check("load_glove", load_glove)

# %% [markdown]
# ## Before you hand in
#
# Restart the kernel, run all cells in the full setting, save, and hand in this file with its pictures. Whether everything
# runs in the small setting, too, you see in a **copy** of it, with `%env GRADESCENT_SMALL=1` in a new first cell.
