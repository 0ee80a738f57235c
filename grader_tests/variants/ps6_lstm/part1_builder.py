"""Known solutions of part 1. A variant that does not concern the training leaves it out."""

from grader_tests.variants import Variant

KEPT = "kept = tokens[-length:]"
PLACED = "row[length - len(kept) :] = kept"
# Small enough for 1,800 short reviews; it stands before the training, after the notebook's own numbers.
SMALL = """VOCAB_SIZE, CONTEXT_SIZE, WINDOW, SIZE, LENGTH, BATCH_SIZE, EPOCHS = 700, 200, 5, 16, 100, 32, 4


"""
STEP = "model.train_on_batch(pad(rows, width(rows)), labels[batch, None])"


ALL = ("pad", "film_split", "count_pairs", "word_vectors", "build_lstm")


def others(cell):
    """All cells but one."""
    return tuple(other for other in (*ALL, "train_lstm") if other != cell)


def first(name, cell, *edits, **stated):
    """A variant of one of the first cells: the others stay stubs, and nothing is trained."""
    return Variant(name, edits={cell: list(edits)}, leave=others(cell), ignore=("accuracy",), **stated)


def wrong_first(name, cell, points, word, *edits):
    return first(name, cell, *edits, scores={cell: points}, says={cell: word})


def training(name, *edits, stack=None, **stated):
    """A variant that is trained, on little and without an LSTM: only the last two questions are looked at."""
    small = [("def train_lstm(", f"{SMALL}def train_lstm(")]
    edited = {"train_lstm": [*edits, *small], "build_lstm": [(STACK, stack or MEAN)]}
    return Variant(name, edits=edited, ignore=ALL, **stated)


def wrong_training(name, word, *edits, **scores):
    question = "train_lstm" if "train_lstm" in scores else "accuracy"
    return training(name, *edits, scores=scores, says={question: word})


# In the place of the reference's layers: a network that is made and learns in a moment.
MEAN = "            layers.GlobalAveragePooling1D(),\n"
LITTLE = """            layers.MaxPooling1D(2, padding="same"),
            layers.LSTM(8, return_sequences=True),
            layers.GlobalMaxPooling1D(),
"""
STACK = """            layers.SpatialDropout1D(0.4),
            layers.Conv1D(100, 3, padding="same", activation="relu"),
            layers.MaxPooling1D(4, padding="same"),
            layers.Bidirectional(layers.LSTM(64, return_sequences=True)),
            layers.GlobalMaxPooling1D(),
            layers.Dropout(0.5),
"""
OUTPUT = 'layers.Dense(1, activation="sigmoid")'
LOSS = 'loss="binary_crossentropy"'
SET = "        embedding.set_weights([vectors])"
WHOLE_INPUT = ('keras.Input((None,), dtype="int32")', 'keras.Input((length,), dtype="int32")')
PAIR = "for word, context in ((left, right), (right, left)):"
RANGE = "for distance in range(1, window + 1):"
HELD = "held_out = np.random.default_rng(seed).permutation(different)[:count]"
SPLIT = "return np.flatnonzero(~validates), np.flatnonzero(validates)"
PREDICTED = "probabilities[chunk] = np.asarray(model.predict_on_batch(padded))[:, 0]"

WRONG = [
    # pad: 2 points for short and long, 1 for none, 2 for hundreds, of 5
    wrong_first("keeps_the_first", "pad", 0.0, "first tokens are kept", (KEPT, "kept = tokens[:length]")),
    wrong_first("zeros_behind", "pad", 1.25, "zeros stand behind", (PLACED, "row[: len(kept)] = kept")),
    wrong_first("int64", "pad", 0.0, "int32", ('dtype="int32"', 'dtype="int64"')),
    wrong_first("float_zeros", "pad", 0.0, "float64", (', dtype="int32"', "")),
    wrong_first(
        "longest_not_length",
        "pad",
        0.0,
        "shape",
        ("padded = np.zeros(", "length = max(map(len, sequences), default=0)\n    padded = np.zeros("),
    ),
    wrong_first(
        "pads_with_one",
        "pad",
        0.0,
        "got 1, expected 0",
        ("np.zeros((len(sequences), length)", "np.ones((len(sequences), length)"),
    ),
    wrong_first(
        "changes_its_argument",
        "pad",
        0.0,
        "changes its argument",
        (KEPT, "tokens[:] = np.minimum(tokens, 10**9)\n        tokens[:1] = 1\n        kept = tokens[-length:]"),
    ),
    # film_split
    wrong_first(
        "splits_reviews",
        "film_split",
        0.0,
        "both sides",
        (
            "validates = np.isin(films, held_out)",
            "validates = np.random.default_rng(seed).random(len(films)) < fraction",
        ),
    ),
    wrong_first(
        "returns_films",
        "film_split",
        0.0,
        "film numbers",
        (SPLIT, "return np.setdiff1d(different, held_out), held_out"),
    ),
    wrong_first(
        "exchanged",
        "film_split",
        0.0,
        "exchanged",
        (SPLIT, "return np.flatnonzero(validates), np.flatnonzero(~validates)"),
    ),
    wrong_first("masks", "film_split", 0.0, "mask", (SPLIT, "return ~validates, validates")),
    wrong_first(
        "fraction_of_reviews",
        "film_split",
        0.0,
        "not of the reviews",
        (
            "count = round(fraction * len(different))",
            "count = int(np.searchsorted(np.cumsum(np.unique(films, return_counts=True)[1]), fraction * len(films) / 3))",
        ),
    ),
    wrong_first("seed_ignored", "film_split", 2.67, "seed is not used", ("default_rng(seed)", "default_rng(0)")),
    wrong_first("first_films", "film_split", 2.67, "seed is not used", (HELD, "held_out = different[:count]")),
    wrong_first("without_a_seed", "film_split", 2.67, "not made from the seed", ("default_rng(seed)", "default_rng()")),
    # count_pairs
    wrong_first("one_side", "count_pairs", 0.0, "one side", (PAIR, "for word, context in ((left, right),):")),
    wrong_first(
        "across_reviews",
        "count_pairs",
        0.0,
        "reach across",
        ("for part in (tokens, between)]", "for part in (tokens,)]"),
    ),
    wrong_first(
        "closed_up",
        "count_pairs",
        3.6,
        "lose their places",
        ("flat[flat >= vocab_size] = 0", "flat = flat[flat < vocab_size]"),
    ),
    wrong_first(
        "window_too_short", "count_pairs", 0.0, "largest distance", (RANGE, "for distance in range(1, window):")
    ),
    wrong_first("only_the_window", "count_pairs", 0.0, "only the largest", (RANGE, "for distance in (window,):")),
    wrong_first(
        "by_distance",
        "count_pairs",
        0.0,
        "weighted",
        (
            "counts += np.bincount(cells, minlength=len(counts))",
            "counts += np.bincount(cells, minlength=len(counts)) / distance",
        ),
    ),
    wrong_first("double_precision", "count_pairs", 0.0, "float64", ('dtype="float32"', 'dtype="float64"')),
    wrong_first("flat_counts", "count_pairs", 0.0, "shape", (".reshape(vocab_size, context_size)", "")),
    # word_vectors
    wrong_first(
        "no_context", "word_vectors", 1.5, "frequent contexts", ("/ (of_context / counts.sum())", "* len(of_context)")
    ),
    wrong_first(
        "negative_information",
        "word_vectors",
        1.5,
        "negative information",
        ("np.log(np.maximum(ratio, 1))", "np.where(ratio > 0, np.log(np.maximum(ratio, 1e-9)), 0)"),
    ),
    wrong_first("no_logarithm", "word_vectors", 1.5, "logarithm is missing", ("np.log(np.maximum(ratio, 1))", "ratio")),
    wrong_first(
        "smallest_values",
        "word_vectors",
        1.5,
        "smallest singular",
        ("squares[::-1][:size], directions[:, ::-1][:, :size]", "squares[:size], directions[:, :size]"),
    ),
    wrong_first("no_square_root", "word_vectors", 1.5, "square roots", (" / np.maximum(squares, 1e-12) ** 0.25", "")),
    wrong_first("only_u", "word_vectors", 1.5, "U alone", ("** 0.25", "** 0.5")),
    wrong_first(
        "one_length_for_all",
        "word_vectors",
        0.0,
        "its own length",
        ("np.sqrt(size) * vectors / lengths", "vectors / vectors.std()"),
    ),
    wrong_first("unit_length", "word_vectors", 0.0, "times the right one", ("0.4 * np.sqrt(size) * ", "")),
    wrong_first(
        "nan_for_the_empty",
        "word_vectors",
        0.0,
        "word_vectors",
        ("np.maximum(counts.sum(axis=1, keepdims=True), 1)", "counts.sum(axis=1, keepdims=True)"),
    ),
    # build_lstm
    wrong_first("gru_for_lstm", "build_lstm", 0.0, "GRU stands where", ("layers.LSTM(64", "layers.GRU(64")),
    wrong_first(
        "no_lstm",
        "build_lstm",
        0.0,
        "no LSTM",
        ("            layers.Bidirectional(layers.LSTM(64, return_sequences=True)),\n", ""),
    ),
    wrong_first(
        "one_hot_first",
        "build_lstm",
        0.0,
        "first layer after the input",
        (
            "            embedding,\n",
            "            layers.CategoryEncoding(vocab_size, output_mode='one_hot') if False else layers.Lambda(lambda t: keras.ops.one_hot(t, vocab_size)),\n",
        ),
    ),
    wrong_first(
        "an_output_a_step", "build_lstm", 0.0, "return_sequences", ("            layers.GlobalMaxPooling1D(),\n", "")
    ),
    wrong_first("two_outputs", "build_lstm", 0.0, "(None, 2)", (OUTPUT, 'layers.Dense(2, activation="softmax")')),
    wrong_first("no_sigmoid", "build_lstm", 0.0, "sigmoid", (OUTPUT, "layers.Dense(1)")),
    wrong_first("softmax_of_one", "build_lstm", 0.0, "softmax", (OUTPUT, 'layers.Dense(1, activation="softmax")')),
    wrong_first("not_compiled", "build_lstm", 0.0, "not compiled", ("    model.compile(", "    dict(optimizer=")),
    wrong_first("mean_squared_error", "build_lstm", 0.0, "mse", (LOSS, 'loss="mse"')),
    wrong_first(
        "from_logits",
        "build_lstm",
        0.0,
        "from_logits",
        (LOSS, "loss=keras.losses.BinaryCrossentropy(from_logits=True)"),
    ),
    wrong_first(
        "vocabulary_typed_in",
        "build_lstm",
        0.0,
        "typed in",
        ("layers.Embedding(vocab_size,", "layers.Embedding(20_000,"),
    ),
    wrong_first("vectors_ignored", "build_lstm", 4.0, "weights of the embedding", (SET, "        pass")),
    wrong_first("vectors_frozen", "build_lstm", 4.0, "frozen", (SET, SET + "\n        embedding.trainable = False")),
    wrong_first(
        "size_typed_in",
        "build_lstm",
        4.0,
        "size",
        ("SIZE if vectors is None else vectors.shape[1]", "SIZE"),
        (SET, "        pass"),
    ),
    wrong_first("returns_nothing", "build_lstm", 0.0, "return", ("    return model", "    pass")),
    # training
    wrong_training(
        "labels_ignored",
        "accuracy of train_lstm",
        (STEP, STEP.replace("labels[batch, None]", "rng.integers(0, 2, (len(batch), 1))")),
        accuracy=0.0,
    ),
    wrong_training(
        "labels_of_other_reviews",
        "accuracy of train_lstm",
        (STEP, STEP.replace("labels[batch, None]", "labels[: len(batch), None]")),
        accuracy=0.0,
    ),
    wrong_training("training_is_missing", "accuracy of train_lstm", (STEP, "pass"), accuracy=0.0),
    wrong_training(
        "learns_one_class",
        "answers 1 to everything",
        (STEP, STEP.replace("labels[batch, None]", "np.ones((len(batch), 1))")),
        accuracy=0.0,
    ),
    wrong_training(
        "answers_in_another_order",
        "putting the answers back",
        (PREDICTED, "probabilities[start : start + len(chunk)] = np.asarray(model.predict_on_batch(padded))[:, 0]"),
        train_lstm=2.0,
        accuracy=0.0,
    ),
    wrong_training(
        "classes_not_probabilities",
        "classes instead of",
        ("    return probabilities", "    return (probabilities > 0.5).astype(int)"),
        train_lstm=0.0,
        accuracy=0.0,
    ),
    wrong_training(
        "a_column",
        "shape",
        ("    return probabilities", "    return probabilities[:, None]"),
        train_lstm=0.0,
        accuracy=0.0,
    ),
    wrong_training(
        "own_model",
        "same network twice",
        (
            "def predict(model, sequences):",
            "kept = []\n\n\ndef predict(model, sequences):\n    kept.append(model)\n    model = kept[0]",
        ),
        train_lstm=4.0,
        accuracy=0.0,
    ),
    wrong_training(
        "pads_to_the_longest",
        "differ",
        (
            "np.array([width([tokens]) for tokens in sequences])",
            "np.full(len(sequences), max(map(len, sequences)) + 1)",
        ),
        train_lstm=2.0,
        accuracy=0.0,
    ),
    wrong_training(
        "seed_ignored_in_training",
        "same network twice",
        (
            "    keras.utils.set_random_seed(seed)\n    rng = np.random.default_rng(seed)",
            "    keras.utils.set_random_seed(1)\n    rng = np.random.default_rng(1)",
        ),
        train_lstm=4.0,
    ),
    wrong_training("no_model_returned", "return model", ("    return model", "    pass"), train_lstm=0.0, accuracy=0.0),
]

RIGHT = [
    first("pad_by_lists", "pad", (KEPT, "kept = list(tokens)[-length:]")),
    Variant(
        "pad_by_keras",
        cells={"pad": "def pad(sequences, length):\n    return keras.utils.pad_sequences(sequences, maxlen=length)"},
        leave=others("pad"),
        ignore=("accuracy",),
    ),
    first(
        "choice_of_films",
        "film_split",
        (HELD, "held_out = np.random.default_rng(seed).choice(different, count, replace=False)"),
    ),
    first(
        "global_seed",
        "film_split",
        (HELD, "np.random.seed(seed)\n    held_out = np.random.permutation(different)[:count]"),
    ),
    first(
        "add_at", "count_pairs", ("counts += np.bincount(cells, minlength=len(counts))", "np.add.at(counts, cells, 1)")
    ),
    Variant(
        "full_svd",
        cells={
            "word_vectors": """def word_vectors(counts, size):
    of_word = counts.sum(1, keepdims=True)
    of_context = counts.sum(0)
    with np.errstate(all="ignore"):
        information = np.log(counts * counts.sum() / of_word / of_context)
    information = np.nan_to_num(np.maximum(information, 0), nan=0.0, neginf=0.0)
    u, s, _ = np.linalg.svd(information, full_matrices=False)
    vectors = u[:, :size] * np.sqrt(s[:size])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.where(of_word > 0, vectors / np.maximum(lengths, 1e-12), 0)
    return (0.4 * size**0.5 * vectors).astype(np.float32)"""
        },
        leave=others("word_vectors"),
        ignore=("accuracy",),
    ),
    first("plain_lstm", "build_lstm", (STACK, "            layers.LSTM(8),\n"), WHOLE_INPUT),
    first(
        "two_lstms",
        "build_lstm",
        (
            STACK,
            "            layers.LSTM(8, return_sequences=True),\n            layers.LSTM(4),\n            layers.Dense(5, activation='relu'),\n",
        ),
    ),
    first("lstm_cell", "build_lstm", (STACK, "            layers.RNN(layers.LSTMCell(6)),\n")),
    first("loss_object", "build_lstm", (LOSS, "loss=keras.losses.BinaryCrossentropy(label_smoothing=0.1)")),
    first("activation_layer", "build_lstm", (OUTPUT, "layers.Dense(1),\n            layers.Activation('sigmoid')")),
    Variant(
        "functional",
        cells={
            "build_lstm": """def build_lstm(vocab_size, length, vectors=None):
    tokens = keras.Input((length,), dtype="int32")
    size = 12 if vectors is None else vectors.shape[1]
    start = "uniform" if vectors is None else keras.initializers.Constant(vectors)
    words = layers.Embedding(vocab_size, size, embeddings_initializer=start)(tokens)
    read = layers.Bidirectional(layers.LSTM(8))(words)
    mean = layers.GlobalAveragePooling1D()(words)
    output = layers.Dense(1, activation="sigmoid")(layers.Concatenate()([read, mean]))
    model = keras.Model(tokens, output)
    model.compile(optimizer="rmsprop", loss=keras.losses.binary_crossentropy)
    return model"""
        },
        leave=others("build_lstm"),
        ignore=("accuracy",),
    ),
    training("with_an_lstm", stack=LITTLE),
    training(
        "by_fit",
        (
            "            model.optimizer.learning_rate = learning_rate(step, steps)\n            " + STEP,
            "            pass",
        ),
        (
            "    return model",
            "    model.fit(pad(sequences, LENGTH), labels, batch_size=32, epochs=6, verbose=0)\n    return model",
        ),
    ),
    training(
        "always_padded_to_length",
        ("np.array([width([tokens]) for tokens in sequences])", "np.full(len(sequences), LENGTH)"),
        ("pad(rows, width(rows))", "pad(rows, LENGTH)"),
    ),
]
VARIANTS = WRONG + RIGHT
