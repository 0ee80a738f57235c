"""Known solutions of part 1. Accuracies are those of the reduced setting."""

from grader_tests.variants import Variant

EXPERIMENTS = ("hold_out", "activations_plot")
BONUS = ("accuracy_990", "accuracy_994")
PIXELS = 'x = np.asarray(images).reshape(-1, 28, 28, 1).astype("float32") / 255'
TARGETS = 'y = np.eye(10, dtype="float32")[labels]'
SIDE = 'side_out = (side - kernel) // stride + 1 if padding == "valid" else -(-side // stride)'
COUNT = "(kernel * kernel * channels + 1) * filters"
ANSWER = "return model.predict(x, batch_size=500, verbose=0)"
FIT = "model.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0)"
TWO_BLOCKS = (
    "            layers.Conv2D(12, 5, activation=activation),\n"
    "            layers.MaxPooling2D(2),\n"
    "            layers.Conv2D(32, 5, activation=activation),\n"
    "            layers.MaxPooling2D(2),\n"
)
TRAINED = {"train_cnn": 0.0, "accuracy_990": 0.0, "accuracy_994": 0.0}


DIRECTLY = (
    ANSWER,
    "return keras.ops.convert_to_numpy(model(x, training=False))",
)  # right too, and quicker for few images
WITHOUT_PREPROCESS = (
    "x, _ = preprocess(images, np.zeros(len(images), int))",
    'x = images.reshape(-1, 28, 28, 1).astype("float32") / 255',
)


def untrained(name, edits, judged, **stated):
    """A variant without any training; what the mistake does not touch is left too, to save its time."""
    others = [cell for cell in ("preprocess", "conv_layer", "build_cnn", "predict") if cell not in (*edits, *judged)]
    unjudged = [cell for cell in edits if cell not in judged]
    return Variant(name, edits, leave=("train_cnn", *EXPERIMENTS, *others), ignore=(*BONUS, *unjudged), **stated)


def of_preprocess(name, *edits, **stated):
    return untrained(name, {"preprocess": list(edits)}, ["preprocess"], **stated)


def of_layer(name, *edits, **stated):
    return untrained(name, {"conv_layer": list(edits)}, ["conv_layer"], **stated)


def wrong_preprocess(name, points, word, *edits):
    return of_preprocess(name, *edits, scores={"preprocess": points}, says={"preprocess": word})


def wrong_layer(name, points, word, *edits):
    return of_layer(name, *edits, scores={"conv_layer": points}, says={"conv_layer": word})


def wrong_build(name, points, word, *edits, **scores):
    return of_models(name, "build_cnn", {"build_cnn": list(edits)}, {"build_cnn": points, **scores}, word)


def wrong_predict(name, points, word, *edits, **scores):
    return of_models(name, "predict", {"predict": list(edits)}, {"predict": points, **scores}, word)


def of_models(name, cell, edits, scores, word):
    """With a `predict` that needs no `preprocess`: variants of that can share the submission."""
    edits = {"build_cnn": [], **edits, "predict": quick([WITHOUT_PREPROCESS, *edits.get("predict", [])])}
    return untrained(name, edits, list(scores), scores=scores, says={cell: word})


def quick(edits):
    return edits if any(ANSWER in old for old, _ in edits) else [*edits, DIRECTLY]


def trained(name, edits=None, cells=None, **stated):
    """A variant that trains. Of the questions before, those are looked at that the variant is about."""
    edits, cells = edits or {}, cells or {}
    about = {*stated.get("scores", {}), *edits, *cells}
    if "predict" not in cells:
        edits = {**edits, "predict": quick(edits.get("predict", []))}
    unjudged = {"preprocess", "conv_layer", "build_cnn", "predict"} - about
    return Variant(name, edits=edits, cells=cells, leave=EXPERIMENTS, ignore=tuple(unjudged), **stated)


def wrong_training(name, word, *edits):
    return trained(name, {"train_cnn": list(edits)}, scores=TRAINED, says={"train_cnn": word})


def instead_of_predicting(name, word, code, **scores):
    """Predictions that have nothing to do with a training, and none."""
    return trained(
        name,
        {"predict": [(ANSWER, code)], "train_cnn": [(FIT, "")]},
        scores={**TRAINED, **scores},
        says={"train_cnn": word},
    )


NEAREST = """known = mnist.x_train[:1000].reshape(1000, 784) / 255
    near = (known**2).sum(axis=1) - 2 * x.reshape(-1, 784) @ known.T
    return np.eye(10)[mnist.y_train[near.argmin(axis=1)]]"""
PREPROCESS = [
    wrong_preprocess("not_divided", 2.0, "not divided by 255", (PIXELS, PIXELS.replace(" / 255", ""))),
    wrong_preprocess("divided_by_256", 2.0, "divided by 256", (" / 255", " / 256")),
    wrong_preprocess("each_by_its_maximum", 7.0, "its own largest pixel", (" / 255", ""), (TARGETS, f"x = x / x.max(axis=(1, 2, 3), keepdims=True)\n    {TARGETS}")),
    wrong_preprocess("transposed", 2.0, "rows and columns", (" / 255", " / 255\n    x = x.transpose(0, 2, 1, 3)")),
    wrong_preprocess("minus_one_to_one", 2.0, "between −1 and 1", (" / 255", " / 127.5 - 1")),
    wrong_preprocess("whole_numbers", 2.0, "before the division", ('.astype("float32") / 255', ' // 255'), (TARGETS, f'x = x.astype("float32")\n    {TARGETS}')),
    wrong_preprocess("float64", 0.0, "dtype float64", ('.astype("float32")', "")),
    wrong_preprocess("no_channel", 0.0, "the last axis is missing", ("reshape(-1, 28, 28, 1)", "reshape(-1, 28, 28)")),
    wrong_preprocess("square_images_only", 7.0, "(5, 784, 1)", (PIXELS, 'x = images[..., np.newaxis].astype("float32") / 255')),
    wrong_preprocess("as_many_classes_as_seen", 5.0, "ten digits in any case", (TARGETS, 'y = np.eye(int(np.max(labels)) + 1, dtype="float32")[labels]')),
    wrong_preprocess("labels_left", 0.0, "the labels themselves", (TARGETS, "y = labels")),
    wrong_preprocess("x_alone", 0.0, "expected 2", ("return x, y", "return [x]")),
    wrong_preprocess("changes_its_argument", 0.0, "in place", (PIXELS, f"{PIXELS}\n    images //= 2")),
]  # fmt: skip

LAYERS = [
    wrong_layer("no_plus_one", 2.0, "+ 1", (" // stride + 1", " // stride")),
    wrong_layer("same_ignores_stride", 4.0, "stride is left out", ("-(-side // stride)", "side")),
    wrong_layer("padding_ignored", 4.0, "padding='valid'", (SIDE, "side_out = (side - kernel) // stride + 1")),
    wrong_layer("no_biases", 0.0, "biases are missing", (COUNT, "kernel * kernel * channels * filters")),
    wrong_layer("channels_forgotten", 0.0, "sees all channels", (COUNT, "(kernel * kernel + 1) * filters")),
    wrong_layer("weights_at_each_place", 0.0, "same weights are used at every place", (COUNT, f"{COUNT} * side_out**2")),
    wrong_layer("floats", 0.0, "`//` divides whole numbers", ("(side - kernel) // stride", "(side - kernel) / stride"), ("-(-side // stride)", "side / stride")),
]  # fmt: skip

BUILD = [
    wrong_build("too_large", 5.33, "150,000 are allowed", ("layers.Dense(64", "layers.Dense(640")),
    wrong_build("not_compiled", 5.33, "not compiled", ("    model.compile(", "    dict(")),
    wrong_build("dense_alone", 5.33, "no Conv2D", (TWO_BLOCKS, "")),
    wrong_build("one_by_one_kernels", 5.33, "see one pixel each", ("Conv2D(12, 5,", "Conv2D(12, 1,"), ("Conv2D(32, 5,", "Conv2D(4, 1,")),
    wrong_build("a_way_around", 5.33, "way around", ("    model = keras.Sequential(", "    return around()\n    model = keras.Sequential("), ("from keras import layers", "from keras import layers\n\n\ndef around():\n    x = keras.Input((28, 28, 1))\n    seen = layers.Flatten()(layers.Conv2D(2, 9, strides=9)(x))\n    y = layers.Dense(10, activation='softmax')(layers.Concatenate()([seen, layers.Flatten()(x)]))\n    model = keras.Model(x, y)\n    model.compile('adam', 'categorical_crossentropy')\n    return model")),
    wrong_build("one_model_for_all", 5.33, "used again", ("    return model", "    globals().setdefault('the_model', model)\n    return the_model"), predict=0.0),
    wrong_build("logits", 0.0, "logits", ('10, activation="softmax"', "10"), predict=0.0),
    wrong_build("sigmoid", 0.0, "sigmoid", ('10, activation="softmax"', '10, activation="sigmoid"'), predict=0.0),
    wrong_build("nothing_returned", 0.0, "return model", ("    return model", "    model"), predict=0.0),
]  # fmt: skip

PREDICT = [
    wrong_predict("classes", 0.0, "(1,)", (ANSWER, ANSWER + ".argmax(axis=1)"), build_cnn=0.0),
    of_models("dropout_on", "predict", {"build_cnn": [("layers.Flatten(),", "layers.Flatten(),\n            layers.Dropout(0.5),")], "predict": [(ANSWER, "return keras.ops.convert_to_numpy(model(x, training=True))")]}, {"predict": 2.0}, "chance (dropout"),
    wrong_predict("batch_maximum", 4.0, "their mean or maximum", ("    return", "    x = x - x.mean(axis=0)\n    return")),
    wrong_predict("another_model", 4.0, "another model", ("    return", "    global kept\n    kept = globals().get('kept') or build_cnn()\n    model = kept\n    return"), build_cnn=2.67),
    wrong_predict("no_images_reach_the_model", 0.0, "never reach", ("    return", "    x = 0 * x\n    return")),
]  # fmt: skip

BUILT = "model = build_cnn(optimizer=keras.optimizers.Adam(rate))"
OTHER = """model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.{first}, keras.layers.Flatten()])
    model.add(keras.layers.Dense(32, activation="relu"))
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy")"""
TRAINING = [
    wrong_training("a_dense_network_trained", "none is a kernel larger than", (BUILT, OTHER.format(first="Flatten()"))),
    wrong_training("a_larger_network_trained", "at most 150,000", (BUILT, OTHER.format(first='Conv2D(16, 5, activation="relu")'))),
    wrong_training("accuracy_printed_and_not_reached", "not trained", (FIT, 'print("accuracy 0.9931")')),
    wrong_training("frozen", "not trained", (FIT, f"model.trainable = False\n    model.compile('adam', 'categorical_crossentropy')\n    {FIT}")),
    wrong_training("labels_flipped", "another class's name", ("x, y = preprocess(images, labels)", "x, y = preprocess(images, 9 - labels)")),
    wrong_training("rate_too_large", "everything", ("alpha=0.01, warmup_target=4e-3", "alpha=1.0, warmup_target=4.0"), ("2e-4, decay", "4.0, decay"), ("preprocess(images, labels)", "preprocess(images[:640], labels[:640])")),
    wrong_training("trained_before", "renamed", ("keras.utils.set_random_seed(seed)", "if 'best' in globals():\n        return best\n    keras.utils.set_random_seed(seed)"), ("    return model", "    globals()['best'] = model\n    return model")),
    wrong_training("trained_on_the_test_set", "renamed", ("x, y = preprocess(images, labels)", "x, y = preprocess(np.concatenate([images, mnist.x_test]), np.concatenate([labels, mnist.y_test]))"), ("epochs, batch_size = 3,", "epochs, batch_size = 1,")),
    wrong_training("downloaded", "there is none while grading", (FIT, "model.load_weights(keras.utils.get_file('best.weights.h5', 'https://example.org/best.weights.h5'))")),
    instead_of_predicting("constant", "answers 3 to everything", "return np.eye(10)[np.full(len(images), 3)]", predict=0.0),
    instead_of_predicting("random", "a second time", "return np.random.dirichlet(np.ones(10), len(images))", predict=2.0, build_cnn=2.67),
    instead_of_predicting("nearest_neighbour", "does not use the model", NEAREST, predict=4.0, build_cnn=2.67),
    wrong_training("nothing_returned_by_train", "return model", (FIT, ""), ("    return model", "    model")),
]  # fmt: skip

FUNCTIONAL = """
def build_cnn(activation="relu", optimizer="adam"):
    image = keras.Input((28, 28))
    x = keras.layers.Reshape((28, 28, 1))(image)
    x = keras.layers.Rescaling(1 / 255)(x)
    x = keras.layers.Conv2D(16, 3, strides=2, use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation(activation)(x)
    x = keras.layers.SeparableConv2D(64, 3, activation=activation)(x)
    x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Dropout(0.1)(keras.layers.Flatten()(x))
    model = keras.Model(image, keras.layers.Dense(10, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    return model
"""
SPARSE = """
def train_cnn(images, labels, seed=0):
    keras.utils.set_random_seed(seed)
    model = build_cnn()
    model.fit(np.asarray(images, "float32"), labels, epochs=3, batch_size=32, verbose=0)
    return model
"""
RAW = """
def predict(model, images):
    return np.asarray(model(np.asarray(images, "float32"), training=False))
"""
OWN_LOOP = """
def train_cnn(images, labels, seed=0):
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    x, y = preprocess(images, labels)
    model = build_cnn(optimizer=keras.optimizers.Adam(0.003))
    for epoch in range(2):
        order = rng.permutation(len(x))
        for start in range(0, len(x) - 63, 64):
            model.train_on_batch(x[order[start : start + 64]], y[order[start : start + 64]])
    return model
"""
RIGHT = [
    of_preprocess("in_a_loop", (TARGETS, 'y = np.zeros((len(labels), 10), "float32")\n    for i, label in enumerate(labels):\n        y[i, label] = 1')),
    of_preprocess("with_to_categorical", (TARGETS, 'y = keras.utils.to_categorical(labels, 10).astype("float32")')),
    of_preprocess("times_a_float", (PIXELS, 'x = (np.array(images, "float32") * np.float32(1 / 255)).reshape(len(images), 28, 28, 1)')),
    of_layer("by_ceil", (SIDE, 'import math\n    side_out = int(np.ceil((side - kernel + 1) / stride)) if padding == "valid" else math.ceil(side / stride)')),
    of_layer("weights_and_biases_apart", (COUNT, "kernel**2 * channels * filters + filters")),
    untrained("called_directly", {"preprocess": [], "predict": [DIRECTLY]}, ["preprocess", "build_cnn", "predict"]),
    trained("sparse_functional_and_raw", cells={"build_cnn": FUNCTIONAL, "train_cnn": SPARSE, "predict": RAW}),
    trained("own_loop", cells={"train_cnn": OWN_LOOP}),
    trained("augmented", {"build_cnn": [("keras.Input((28, 28, 1)),", "keras.Input((28, 28, 1)),\n            layers.RandomTranslation(0.04, 0.04, fill_mode='constant'),")], "train_cnn": [("epochs, batch_size = 3, 64", "epochs, batch_size = 4, 64")]}),
]  # fmt: skip

VARIANTS = [*PREPROCESS, *LAYERS, *BUILD, *PREDICT, *TRAINING, *RIGHT]
