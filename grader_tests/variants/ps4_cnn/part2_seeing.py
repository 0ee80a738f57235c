"""Known solutions of part 2."""

from grader_tests.variants import Variant

LONG = ("kernels_plot", "gap_model", "maps_plot", "heat_plot")
CONV = 'layers.Conv2D(16, kernel_size, activation="relu")'
LAST = 'layers.Conv2D(64, 3, padding="same", activation="relu")'
LOOP = (
    "    for layer in model.layers:\n        x = layer(x)\n        if len(x.shape) == 4:\n"
    "            maps.append(keras.ops.convert_to_numpy(x))\n"
)
RETURN = "return A @ W + b"
LAST_MAPS = (
    "    A = feature_maps(model, images)[-1]\n",
    '    x = images[..., None].astype("float32") / 255\n'
    "    for layer in model.layers[:-2]:\n        x = layer(x)\n"
    "    A = keras.ops.convert_to_numpy(x)\n",
)


OTHERS = ("build_kernel", "build_gap", "feature_maps", "class_activation")


def wrong(cell, name, points, word, *edits):
    """A variant of one cell; what the mistake does not touch is left too, to save its time."""
    return Variant(name, {cell: list(edits)}, leave=untouched(cell), scores={cell: points}, says={cell: word})


def right(name, cell, code, needed=()):
    return Variant(name, cells={cell: code}, leave=untouched(cell, *needed))


def untouched(*used):
    return (*LONG, *(other for other in OTHERS if other not in used))


def wrong_activation(name, points, word, *edits):
    """Without `feature_maps`, so that variants of that can share the submission."""
    return wrong("class_activation", name, points, word, LAST_MAPS, *edits)


def wrong_maps(name, points, word, *edits):
    return wrong("feature_maps", name, points, word, *edits)


KERNELS = [
    wrong("build_kernel", "size_ignored", 0.0, "first kernel of shape (3, 3, 1, 16)", (CONV, CONV.replace("kernel_size", "3"))),
    wrong("build_kernel", "same_padding", 0.0, "the task has none", (CONV, CONV.replace("kernel_size,", "kernel_size, padding='same',"))),
    wrong("build_kernel", "no_pooling", 0.0, "pooling is missing", ("            layers.MaxPooling2D(2),\n            layers.Flatten()", "            layers.Flatten()")),
    wrong("build_kernel", "no_relu", 2.0, "ReLU after the convolution is missing", (CONV, "layers.Conv2D(16, kernel_size)")),
    wrong("build_kernel", "no_softmax", 2.0, "softmax at the end is missing", ('layers.Dense(10, activation="softmax"),\n        ]\n    )\n    model.compile("adam"', 'layers.Dense(10),\n        ]\n    )\n    model.compile("adam"')),
    wrong("build_kernel", "average_pooling", 2.0, "predicts with given weights", ("layers.MaxPooling2D(2),\n            layers.Flatten()", "layers.AveragePooling2D(2),\n            layers.Flatten()")),
    wrong("build_kernel", "without_compile", 0.0, "not compiled", ('model.compile("adam"', 'dict.fromkeys("adam"'), (', "categorical_crossentropy", metrics=["accuracy"])\n    return', ")\n    return")),
]  # fmt: skip

GAP = [
    wrong("build_gap", "flattened", 0.0, "Flatten instead of", ("layers.GlobalAveragePooling2D()", "layers.Flatten()")),
    wrong("build_gap", "dense_between", 0.0, "dense layer in between", ("layers.GlobalAveragePooling2D(),", "layers.GlobalAveragePooling2D(),\n            layers.Dense(32, activation='relu'),")),
    wrong("build_gap", "pooled_too_often", 0.0, "pooled too often", (LAST, f"layers.MaxPooling2D(2),\n            {LAST}")),
    wrong("build_gap", "gap_too_large", 0.0, "100,000 are allowed", (LAST, LAST.replace("64, 3", "64, 9"))),
    wrong("build_gap", "gap_without_softmax", 0.0, "softmax at the end is missing", ('layers.Dense(10, activation="softmax"),\n        ]\n    )\n    model.compile(keras', 'layers.Dense(10),\n        ]\n    )\n    model.compile(keras')),
]  # fmt: skip

MAPS = [
    wrong_maps("raw_pixels", 1.0, "not preprocessed", ("x, _ = preprocess(images, np.zeros(len(images), int))", 'x = images[..., None].astype("float32")')),
    wrong_maps("reversed", 0.0, "order of the layers", ("return maps", "return maps[::-1]")),
    wrong_maps("without_poolings", 0.0, "also for the poolings", ("if len(x.shape) == 4:", "if len(x.shape) == 4 and 'conv' in layer.name:")),
    wrong_maps("everything", 0.0, "has 6 entries", ("if len(x.shape) == 4:", "if True:")),
    wrong_maps("first_channel", 0.0, "first channel alone", ("convert_to_numpy(x))", "convert_to_numpy(x)[..., :1])")),
    wrong_maps("channels_first", 0.0, "channels stand before", ("convert_to_numpy(x))", "convert_to_numpy(x).transpose(0, 3, 1, 2))")),
    wrong_maps("tensors", 0.0, "convert_to_numpy", ("keras.ops.convert_to_numpy(x)", "x")),
    wrong_maps("of_each_layer_on_the_image", 0.0, "raised", ("x = layer(x)", "x = layer(preprocess(images, [0] * len(images))[0])")),
    wrong_maps("no_relu_in_maps", 1.0, "activation of the layer is left out", (LOOP, LOOP.replace("x = layer(x)", "x = layer(x) if 'conv' not in layer.name else layer.convolution_op(x, layer.kernel) + layer.bias"))),
    wrong_maps("changes_the_model", 6.0, "second call", ("return maps", "model.set_weights([2 * w for w in model.get_weights()])\n    return maps")),
]  # fmt: skip

ACTIVATION = [
    wrong_activation("no_bias", 0.0, "bias is missing", (RETURN, "return A @ W")),
    wrong_activation("softmaxed", 0.0, "comes before it", (RETURN, "return keras.ops.convert_to_numpy(keras.ops.softmax(A @ W + b))")),
    wrong_activation("relu_of_it", 0.0, "cut off", (RETURN, "return np.maximum(A @ W + b, 0)")),
    wrong_activation("averaged", 0.0, "what comes before it", (RETURN, "return (A @ W + b).mean(axis=(1, 2))")),
    wrong_activation("the_maps_themselves", 0.0, "(3, 10, 10, 4)", (RETURN, "return A")),
    wrong_activation("divided_by_places", 0.0, "the mean, not the sum", (RETURN, "return (A @ W + b) / (A.shape[1] * A.shape[2])")),
]  # fmt: skip

SUBMODEL = """
def feature_maps(model, images):
    outputs = [layer.output for layer in model.layers if len(layer.output.shape) == 4]
    inside = keras.Model(model.inputs, outputs)
    maps = inside.predict(preprocess(images, np.zeros(len(images), int))[0], verbose=0)
    return list(maps) if len(outputs) > 1 else [np.asarray(maps).reshape(len(images), *outputs[0].shape[1:])]
"""
EINSUM = """
def class_activation(model, images):
    dense = model.layers[-1]
    maps = feature_maps(model, images)[-1].astype("float64")
    return np.einsum("mijk,kc->mijc", maps, np.asarray(dense.kernel)) + np.asarray(dense.bias)
"""
ADDED = """
def build_kernel(kernel_size):
    model = keras.Sequential()
    model.add(layers.Input(shape=(28, 28, 1)))
    model.add(layers.Conv2D(filters=16, kernel_size=(kernel_size, kernel_size), activation=keras.activations.relu))
    model.add(layers.MaxPool2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(10))
    model.add(layers.Softmax())
    model.compile(optimizer=keras.optimizers.Adam(), loss=keras.losses.CategoricalCrossentropy(), metrics=["accuracy"])
    return model
"""
WITH_NORMALISATION = """
def build_gap():
    stack = [keras.Input((28, 28, 1))]
    for filters in (8, 16, 32):
        stack += [layers.Conv2D(filters, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU()]
    stack += [layers.MaxPooling2D(3), layers.GlobalAveragePooling2D(), layers.Dense(10, activation="softmax")]
    model = keras.Sequential(stack)
    model.compile("sgd", "categorical_crossentropy")
    return model
"""
RIGHT = [
    right("submodel", "feature_maps", SUBMODEL),
    right("einsum", "class_activation", EINSUM, needed=("feature_maps",)),
    right("layer_by_layer", "build_kernel", ADDED),
    right("with_normalisation", "build_gap", WITH_NORMALISATION),
]

VARIANTS = [*KERNELS, *GAP, *MAPS, *ACTIVATION, *RIGHT]
