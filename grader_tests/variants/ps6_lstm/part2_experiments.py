"""Known solutions of part 2. Each concerns one cell; the others stay stubs."""

from grader_tests.variants import Variant

LONG = ("sweep_plot", "gru_plot")
CELLS = ("experiment", "nearest", "load_glove")


def one(name, cell, *edits, **stated):
    leave = (*LONG, *(other for other in CELLS if other != cell))
    return Variant(name, edits={cell: list(edits)}, leave=leave, **stated)


def wrong(name, cell, points, word, *edits):
    return one(name, cell, *edits, scores={cell: points}, says={cell: word})


CELL = 'recurrent = {"LSTM": layers.LSTM, "GRU": layers.GRU}[cell]'
RESULT = 'return {"accuracy": float(accuracy), "seconds": seconds, "parameters": model.count_params()}'
COSINES = "cosines = vectors @ vectors[row] / np.maximum(lengths * lengths[row], 1e-12)"
WITHOUT = "cosines[[0, row]] = -np.inf"
SORTED = "return np.argsort(-cosines)[:count]"
FOUND = "if word in tokens and len(numbers) == size:"
STORED = 'vectors[tokens[word]] = np.array(numbers, dtype="float32")'

VARIANTS = [
    # experiment
    wrong("always_an_lstm", "experiment", 4.0, "parameters", (CELL, "recurrent = layers.LSTM")),
    wrong("always_a_gru", "experiment", 2.0, "parameters", (CELL, "recurrent = layers.GRU")),
    wrong("units_typed_in", "experiment", 0.0, "parameters", ("recurrent(units)", "recurrent(32)")),
    wrong(
        "vocabulary_typed_in",
        "experiment",
        0.0,
        "parameters",
        ("layers.Embedding(vocab_size,", "layers.Embedding(5000,"),
    ),
    wrong("percent", "experiment", 0.0, "percentage", ("float(accuracy)", "100 * float(accuracy)")),
    wrong(
        "a_tuple", "experiment", 0.0, "returns tuple", (RESULT, "return float(accuracy), seconds, model.count_params()")
    ),
    wrong("seconds_missing", "experiment", 0.0, "lacks seconds", ('"seconds": seconds, ', "")),
    wrong(
        "no_time_passes",
        "experiment",
        0.0,
        "the clock",
        ("seconds = time.perf_counter() - start", "seconds = start - start"),
    ),
    wrong(
        "measured_elsewhere",
        "experiment",
        0.0,
        "other reviews",
        ("model.evaluate(padded(x_validate), y_validate", "model.evaluate(padded(x_learn[:37]), y_learn[:37]"),
    ),
    wrong("labels_turned", "experiment", 0.0, "turned round", ("float(accuracy)", "0.1")),
    # nearest
    wrong("products", "nearest", 0.0, "lengths count", (COSINES, "cosines = vectors @ vectors[row]")),
    wrong("itself_is_nearest", "nearest", 0.0, "itself", (WITHOUT, "cosines[0] = -np.inf")),
    wrong("padding_is_near", "nearest", 0.0, "padding", (WITHOUT, "cosines[row] = -np.inf")),
    wrong(
        "farthest",
        "nearest",
        0.0,
        "farthest come first",
        (SORTED, "return np.argsort(np.where(np.isfinite(cosines), cosines, np.inf))[:count]"),
    ),
    wrong(
        "distances", "nearest", 0.0, "distances", (COSINES, "cosines = -np.linalg.norm(vectors - vectors[row], axis=1)")
    ),
    wrong("upside_down", "nearest", 0.0, "wrong order", (SORTED, "return np.argsort(-cosines)[:count][::-1]")),
    # load_glove
    wrong(
        "one_row_off",
        "load_glove",
        0.0,
        "first word belongs to row 1",
        ("enumerate(words, start=1)", "enumerate(words)"),
    ),
    wrong(
        "counts_lines",
        "load_glove",
        0.0,
        "number of words",
        ("found.add(word)", "found.add(word)\n        found.add(line)"),
    ),
    wrong(
        "random_for_missing",
        "load_glove",
        0.0,
        "not zero",
        (
            'np.zeros((len(words) + 1, size), dtype="float32")',
            'np.random.default_rng(0).normal(size=(len(words) + 1, size)).astype("float32")',
        ),
    ),
    wrong("trusts_every_line", "load_glove", 3.75, "raised ValueError", (FOUND, "if word in tokens:")),
    wrong("double_vectors", "load_glove", 0.0, "float64", (', dtype="float32"), set()', "), set()")),
    # right ones
    one(
        "by_train_on_batch",
        "experiment",
        (
            "model.fit(padded(x_learn), y_learn, batch_size=batch_size, epochs=EPOCHS, verbose=0)",
            "model.fit(padded(x_learn), np.asarray(y_learn, float)[:, None], batch_size=batch_size, epochs=1, verbose=0)",
        ),
    ),
    one(
        "by_predict",
        "experiment",
        (
            "_, accuracy = model.evaluate(padded(x_validate), y_validate, batch_size=256, verbose=0)",
            "accuracy = np.mean((model.predict(padded(x_validate), verbose=0)[:, 0] > 0.5) == y_validate)",
        ),
    ),
    one("sorted_list", "nearest", (SORTED, "return sorted(range(len(vectors)), key=lambda i: -cosines[i])[:count]")),
    one(
        "unit_vectors",
        "nearest",
        (COSINES, "cosines = (vectors / np.maximum(lengths, 1e-9)[:, None]) @ (vectors[row] / lengths[row])"),
    ),
    one("keeps_a_dict", "load_glove", (STORED, "vectors[tokens[word], :] = [float(number) for number in numbers]")),
]
