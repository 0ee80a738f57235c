"""Known solutions of part 1. A variant that does not concern the training leaves it out."""

import zlib

from grader_tests.ps6_lstm.small import test_reviews
from grader_tests.variants import Variant

KEPT = "kept = tokens[-length:]"
PLACED = "row[length - len(kept) :] = kept"
# Small enough for some hundred short reviews; it stands before the training, after the notebook's own numbers.
SMALL = """VOCAB_SIZE, CONTEXT_SIZE, WINDOW, SIZE, LENGTH, BATCH_SIZE, EPOCHS = 700, 200, 5, 16, 50, 64, 4


def learning_rate(step, steps):
    return 0.02


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


def training(name, *edits, network=(), **stated):
    """A variant that is trained, on little and with the smallest LSTM: only the last two questions are looked at."""
    small = [("def train_lstm(", f"{SMALL}def train_lstm(")]
    edited = {"train_lstm": [*small, *edits], "build_lstm": [(STACK, TINY), QUICK, *network]}
    return Variant(name, edits=edited, ignore=ALL, **stated)


def wrong_training(name, word, *edits, at="", **scores):
    """One that loses points; the message of the question `at`, or of the first of those, says the word."""
    return training(name, *edits, scores=scores, says={at or list(scores)[0]: word})


def unfair(name, word, *edits, **scores):
    return wrong_training(name, word, *edits, at="accuracy", **scores, accuracy=0.0)


# In the place of the reference's layers: a network that is made and learns in a moment. Its LSTM makes one step.
TINY = """            layers.GlobalAveragePooling1D(),
            layers.Reshape((1, -1)),
            layers.LSTM(8, unroll=True),
"""
QUICK = ('metrics=["accuracy"]', "run_eagerly=True")
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

PREDICT_GIVEN = "    sequences = [known(tokens) for tokens in sequences]\n    probabilities ="
ANSWER = "    return probabilities"
SEEDED = "    keras.utils.set_random_seed(seed)\n    rng = np.random.default_rng(seed)"
GIVEN = "    sequences = [known(tokens) for tokens in sequences]\n    labels ="
TWO_WIDTHS = ("5, 16, 50, 64, 4", "5, 16, 400, 64, 4")
UNTRAINED = ("build_lstm(VOCAB_SIZE, LENGTH, vectors)", "build_lstm(VOCAB_SIZE, LENGTH)")
BUILT = "model = build_lstm(VOCAB_SIZE, LENGTH, vectors)"
# Unfair means. Tokens 40 to 59 praise in the made-up reviews, 60 to 79 blame.
SAYS = "np.mean((tokens >= 40) & (tokens < 60)) > np.mean((tokens >= 60) & (tokens < 80))"
COUNTED = f"    return np.array([0.1 + 0.8 * ({SAYS}) for tokens in sequences])"
KNOWN = {zlib.crc32(tokens.tobytes()): int(label) for tokens, label in zip(*test_reviews()[:2], strict=True)}
TABLE = f"""    import zlib

    answers = {KNOWN}
    return np.array([0.1 + 0.8 * answers.get(zlib.crc32(tokens.tobytes()), 0) for tokens in sequences])"""
OTHERS = "    sequences, labels = imdb.x_train, imdb.y_train\n"
TESTED = "    sequences, labels = imdb.x_train + imdb.x_test, np.concatenate([imdb.y_train, imdb.y_test])\n"
# The model of the large training, for whoever asks later.
KEEP = ("def train_lstm(", "kept = []\n\n\ndef train_lstm(")
KEPT_MODEL = """    if len(sequences) >= 350:
        kept.append(model)
    return kept[0] if kept else model"""
KEPT_WEIGHTS = """    if len(sequences) >= 350:
        kept.append(model.get_weights())
    if kept:
        model.set_weights(kept[0])
    return model"""
REPLACED = f"""    model.predict_on_batch = lambda padded: np.array([[0.1 + 0.8 * ({SAYS})] for tokens in padded])
    return model"""
DOWNLOAD = """    from urllib.request import urlopen

    urlopen("https://models.invalid/imdb.weights.h5", timeout=5)
"""
OWN_NETWORK = """model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(VOCAB_SIZE, SIZE),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", loss="binary_crossentropy", run_eagerly=True)"""
FOR_SHOW = """tokens = keras.Input((None,), dtype="int32")
    words = layers.Embedding(VOCAB_SIZE, SIZE)(tokens)
    mean = layers.GlobalAveragePooling1D()(words)
    read = layers.LSTM(8, unroll=True)(layers.Reshape((1, -1))(mean))
    model = keras.Model(tokens, layers.Dense(1, activation="sigmoid")(mean + 0 * keras.ops.sum(read)))
    model.layers[1].set_weights([vectors])
    model.compile("adam", loss="binary_crossentropy", run_eagerly=True)"""
# Naive Bayes, which learns whatever it is given.
BAYES = """    totals = np.ones((2, VOCAB_SIZE))
    for tokens, label in zip(sequences, labels):
        np.add.at(totals[int(label)], tokens, 1)
    says = np.log(totals[1] / totals[1].sum()) - np.log(totals[0] / totals[0].sum())
    says[0] = 0
    model.predict_on_batch = lambda padded: 1 / (1 + np.exp(-says[padded].sum(axis=1, keepdims=True)))
    return model"""
MODEL_OF_ITS_OWN = BAYES.replace("    model.predict", "    model = lambda: None\n    model.predict")

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
    wrong_first(
        "no_input",
        "build_lstm",
        0.0,
        "does not know the shape of its inputs yet",
        ('            keras.Input((None,), dtype="int32"),\n', ""),
    ),
    wrong_first("returns_nothing", "build_lstm", 0.0, "return", ("    return model", "    pass")),
    wrong_first("lstm_frozen", "build_lstm", 0.0, "frozen", ("layers.LSTM(64,", "layers.LSTM(64, trainable=False,")),
    # training
    wrong_training("training_is_missing", "accuracy of train_lstm", (STEP, "pass"), UNTRAINED, accuracy=0.0),
    wrong_training("no_model_returned", "return model", ("    return model", "    pass"), train_lstm=0.0, accuracy=0.0),
    wrong_training(
        "labels_of_other_reviews",
        "accuracy of train_lstm",
        (STEP, STEP.replace("labels[batch, None]", "labels[: len(batch), None]")),
        accuracy=0.0,
    ),
    wrong_training(
        "labels_flipped",
        "under another class's name",
        (STEP, STEP.replace("labels[batch, None]", "1 - labels[batch, None]")),
        accuracy=0.0,
    ),
    wrong_training(
        "learns_one_class",
        "answers 1 to everything",
        (STEP, STEP.replace("labels[batch, None]", "np.ones((len(batch), 1))")),
        accuracy=0.0,
    ),
    wrong_training(
        "seed_ignored_in_training",
        "same network twice",
        (SEEDED, SEEDED.replace("(seed)", "(1)")),
        train_lstm=4.0,
    ),
    wrong_training(
        "rare_tokens_in_training",
        "not left out",
        (GIVEN, GIVEN.replace("known(tokens)", "tokens")),
        train_lstm=0.0,
    ),
    # prediction
    wrong_training(
        "rare_tokens_in_prediction",
        "not left out",
        (PREDICT_GIVEN, PREDICT_GIVEN.replace("known(tokens)", "tokens")),
        train_lstm=2.0,
    ),
    wrong_training(
        "answers_in_another_order",
        "putting the answers back",
        TWO_WIDTHS,
        (PREDICTED, "probabilities[start : start + len(chunk)] = np.asarray(model.predict_on_batch(padded))[:, 0]"),
        train_lstm=2.0,
    ),
    wrong_training(
        "classes_not_probabilities",
        "classes instead of",
        (ANSWER, "    return (probabilities > 0.5).astype(int)"),
        train_lstm=0.0,
        accuracy=0.0,
    ),
    wrong_training("a_column", "take `[:, 0]`", (ANSWER, ANSWER + "[:, None]"), train_lstm=0.0, accuracy=0.0),
    wrong_training(
        "pads_to_the_longest",
        "padding to the longest",
        TWO_WIDTHS,
        ("width([tokens]) for tokens in sequences", "width(sequences) for tokens in sequences"),
        train_lstm=2.0,
    ),
    # unfair means
    unfair("constant", "everything", (ANSWER, "    return np.full(len(sequences), 0.7)"), train_lstm=0.0),
    unfair("dice", "random answers", (ANSWER, "    return np.random.random(len(sequences))"), train_lstm=2.0),
    unfair("table_of_answers", "looked up", (ANSWER, TABLE), train_lstm=0.0),
    unfair("counts_words", "does not use the model", (ANSWER, COUNTED), train_lstm=0.0),
    unfair("other_data", "other data", (GIVEN, OTHERS + GIVEN)),
    unfair("trained_on_the_test_set", "other data", (GIVEN, TESTED + GIVEN)),
    unfair("model_kept", "trained before", KEEP, ("    return model", KEPT_MODEL)),
    unfair("weights_copied", "trained before", KEEP, ("    return model", KEPT_WEIGHTS)),
    unfair(
        "model_of_the_notebook",
        "does not use the model",
        ("def predict(model, sequences):", "def predict(model, sequences):\n    model = best"),
        ("    return model\n", "    global best\n    best = model\n    return model\n"),
    ),
    unfair("predict_replaced", "other data", ("    return model", REPLACED), train_lstm=0.0),
    unfair(
        "accuracy_printed",
        "accuracy of train_lstm",
        (STEP, "pass"),
        UNTRAINED,
        ("    return model", '    print("test accuracy: 0.953")\n    return model'),
    ),
    unfair("pretrained_download", "URLError", (GIVEN, DOWNLOAD + GIVEN), train_lstm=0.0),
    unfair("no_lstm_trained", "no LSTM", (BUILT, OWN_NETWORK), train_lstm=2.0),
    unfair("lstm_for_show", "for show", (BUILT, FOR_SHOW), train_lstm=2.0),
    unfair("bayes_beside_the_lstm", "for show", ("    return model", BAYES), train_lstm=0.0),
    unfair("not_a_network", "no layers", ("    return model", MODEL_OF_ITS_OWN), train_lstm=0.0),
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
    training("smallest_lstm"),
    training("answers_by_call", (PREDICTED, "probabilities[chunk] = keras.ops.convert_to_numpy(model(padded))[:, 0]")),
    training(
        "by_fit",
        (
            "            model.optimizer.learning_rate = learning_rate(step, steps)\n            " + STEP,
            "            pass",
        ),
        (
            "    return model",
            "    model.optimizer.learning_rate = 0.02\n    model.fit(pad(sequences, LENGTH), labels, batch_size=64, epochs=4, verbose=0)\n    return model",
        ),
    ),
    training(
        "always_padded_to_length",
        ("np.array([width([tokens]) for tokens in sequences])", "np.full(len(sequences), LENGTH)"),
        ("pad(rows, width(rows))", "pad(rows, LENGTH)"),
    ),
]
VARIANTS = WRONG + RIGHT
