"""Known solutions of part 3."""

from grader_tests.variants import Variant

LONG = ("train_mnist", "hidden_size_plot", "epochs_plot")
UPDATE = "W -= eta * (dW / m + lam * W)"
BIAS = "b -= eta * db / m"
ORDER = "order = np.random.permutation(len(train))"
EPOCHS = "for epoch in range(epochs):"
BATCHES = "for start in range(0, len(train), batch_size):"
EMPTY = "self.acc_train_array, self.acc_test_array = [], []"
TRAIN_ACCURACY = "self.acc_train_array.append(self.evaluate(train))"
TEST_ACCURACY = "self.acc_test_array.append(self.evaluate(test))"
NO_MASK = "if self.keep_prob is None:"
LISTS = "zs, masks, activations = [], [], [x]"
INSTALL = "Network.back_prop = dropout_back_prop"
MASK = "masks.append((np.random.rand(*zs[-1].shape) < self.keep_prob) / self.keep_prob)"


def sgd(name, *edits, **stated):
    """A variant with edits in SGD_train alone; its toy network may fail as well, so that it is left out."""
    return Variant(name, edits={"SGD_train": list(edits)}, leave=(*LONG, "train_toy"), **stated)


def wrong_sgd(name, points, word, *edits, **scores):
    return sgd(name, *edits, scores={"sgd_train": points, **scores}, says={"sgd_train": word})


def wrong_history(name, points, word, *edits):
    return sgd(name, *edits, scores={"history": points}, says={"history": word})


def dropout(name, *edits, **stated):
    return Variant(name, edits={"dropout": list(edits)}, leave=(*LONG, "train_toy"), **stated)


def wrong_dropout(name, points, word, *edits):
    return dropout(name, *edits, scores={"dropout": points}, says={"dropout": word})


WRONG_SGD = [
    wrong_sgd(
        "decay_over_n", 11.0, "number of training examples", (UPDATE, "W -= eta * (dW / m + lam / len(train) * W)")
    ),
    wrong_sgd("decay_over_m", 11.0, "divided by m too", (UPDATE, "W -= eta * (dW + lam * W) / m")),
    wrong_sgd("biases_decayed", 11.0, "biases are decayed", (BIAS, "b -= eta * (db / m + lam * b)")),
    wrong_sgd("no_decay", 11.0, "left out", (UPDATE, "W -= eta * dW / m")),
    wrong_sgd("decay_without_eta", 11.0, "not multiplied by η", (UPDATE, "W -= eta * dW / m + lam * W")),
    wrong_sgd("decay_grows", 11.0, "shrink the weights", (UPDATE, "W -= eta * (dW / m - lam * W)")),
    wrong_sgd("sums_not_means", 4.0, "not divided by m", ("m = len(batch)", "m = 1")),
    wrong_sgd(
        "mean_twice", 4.0, "by m twice", (UPDATE, "W -= eta * (dW / m**2 + lam * W)"), (BIAS, "b -= eta * db / m**2")
    ),
    wrong_sgd("bias_gradients_not_averaged", 4.0, "bias gradients are not divided", (BIAS, "b -= eta * db")),
    wrong_sgd("uphill", 0.0, "uphill", (UPDATE, "W += eta * (dW / m + lam * W)"), (BIAS, "b += eta * db / m")),
    wrong_sgd(
        "updates_inside_the_mini_batch",
        4.0,
        "every single example",
        (
            "dW_list, db_list = self.back_prop(x_rows[batch].T, y_rows[batch].T)",
            "for i in batch:\n                dW_list, db_list = self.back_prop(x_rows[[i]].T, y_rows[[i]].T)",
        ),
        (
            "            for W, b, dW, db in zip(self.weights, self.biases, dW_list, db_list):\n"
            "                W -= eta * (dW / m + lam * W)\n"
            "                b -= eta * db / m",
            "                for W, b, dW, db in zip(self.weights, self.biases, dW_list, db_list):\n"
            "                    W -= eta / m * (dW + lam * W)\n"
            "                    b -= eta * db / m",
        ),
    ),
    wrong_sgd(
        "layer_by_layer",
        0.0,
        "call back_prop once",
        (
            "            for W, b, dW, db in zip(self.weights, self.biases, dW_list, db_list):\n"
            "                W -= eta * (dW / m + lam * W)\n"
            "                b -= eta * db / m",
            "            for k in range(len(self.weights)):\n"
            "                dW_list, db_list = self.back_prop(x_rows[batch].T, y_rows[batch].T)\n"
            "                self.weights[k] = self.weights[k] - eta * (dW_list[k] / m + lam * self.weights[k])\n"
            "                self.biases[k] = self.biases[k] - eta * db_list[k] / m",
        ),
    ),
    wrong_sgd("no_shuffle", 11.0, "not shuffled", (ORDER, "order = np.arange(len(train))")),
    wrong_sgd(
        "order_shuffled_in_place",
        11.0,
        "the epoch before",
        (EPOCHS, f"order = np.arange(len(train))\n    {EPOCHS}"),
        (ORDER, "np.random.shuffle(order)"),
    ),
    wrong_sgd(
        "shuffles_the_callers_list",
        10.0,
        "the epoch before",
        (
            ORDER,
            "np.random.shuffle(train)\n"
            "        order = np.arange(len(train))\n"
            "        x_rows = np.array([x[:, 0] for x, _ in train])\n"
            "        y_rows = np.array([y[:, 0] for _, y in train])",
        ),
    ),
    wrong_sgd(
        "one_order_for_all_epochs",
        11.0,
        "once for all epochs",
        (EPOCHS, f"{ORDER}\n    {EPOCHS}"),
        (f"        {ORDER}\n        for", "        for"),
    ),
    wrong_sgd("seeds_itself", 11.0, "a seed is set inside", (EMPTY, f"np.random.seed(0)\n    {EMPTY}")),
    wrong_sgd(
        "last_batch_dropped",
        9.0,
        "left out",
        (BATCHES, "for start in range(0, len(train) - batch_size + 1, batch_size):"),
    ),
    wrong_sgd("last_batch_over_batch_size", 9.0, "divided by batch_size", ("m = len(batch)", "m = batch_size")),
    wrong_sgd("one_epoch_too_few", 0.0, "one step too early", (EPOCHS, "for epoch in range(1, epochs):"), history=0.0),
    wrong_sgd(
        "one_epoch_too_many", 0.0, "one epoch too many", (EPOCHS, "for epoch in range(epochs + 1):"), history=0.0
    ),
    wrong_sgd(
        "decaying_learning_rate",
        2.0,
        "learning rate shrinks",
        (ORDER, f"{ORDER}\n        eta = eta * 0.95 if epoch else eta"),
    ),
    wrong_sgd("batch_size_one_only", 4.0, "as if batch_size were 1", (EMPTY, f"batch_size = 1\n    {EMPTY}")),
    wrong_sgd(
        "keeps_the_first_learning_rate",
        13.0,
        "setting of the first call",
        (EMPTY, f"eta = self.eta = getattr(self, 'eta', eta)\n    {EMPTY}"),
    ),
    wrong_sgd("float32", 0.0, "float32", ("for x, _ in train])", "for x, _ in train], dtype=np.float32)")),
    Variant(
        "hard_coded",
        cells={
            "SGD_train": "def SGD_train(self, train, epochs, eta, lam=0.0, verbose=True, test=None, batch_size=1):\n"
            "    self.weights = [np.ones_like(W) for W in self.weights]\n"
            "    self.biases = [np.ones_like(b) for b in self.biases]\n"
            "    self.acc_train_array = [0.5] * epochs if verbose or test else []\n"
            "    self.acc_test_array = [0.5] * epochs if test else []\n"
            "    if verbose:\n"
            "        print('epoch 1: accuracy 0.5')\n\n\n"
            "Network.SGD_train = SGD_train",
            "train_toy": "toy_network = Network([2, 30, 2])\ntoy_network.SGD_train(toy_train, 10, 1.0)",
        },
        scores={"sgd_train": 0.0, "history": 0.0, "train_toy": 0.0},
        says={"train_toy": "to everything"},
        leave=LONG,
    ),
    Variant(
        "zero_gradients_and_no_training",
        cells={
            "SGD_train": "def SGD_train(self, train, epochs, eta, lam=0.0, verbose=True, test=None, batch_size=1):\n"
            "    self.acc_train_array, self.acc_test_array = [], []\n\n\n"
            "def back_prop(self, x, y):\n"
            "    return [0 * W for W in self.weights], [0 * b for b in self.biases]\n\n\n"
            "Network.SGD_train, Network.back_prop = SGD_train, back_prop"
        },
        scores={"sgd_train": 0.0, "history": 0.0},
        says={"sgd_train": "the update is missing"},
        leave=(*LONG, "train_toy"),
    ),
    Variant(
        "does_nothing",
        cells={
            "SGD_train": "def SGD_train(self, train, epochs, eta, lam=0.0, verbose=True, test=None, batch_size=1):\n"
            "    accuracy = self.evaluate(train)\n"
            "    self.acc_train_array = [accuracy] * epochs if verbose or test else []\n"
            "    self.acc_test_array = [self.evaluate(test)] * epochs if test else []\n"
            "    if verbose:\n"
            "        print(accuracy)\n\n\n"
            "Network.SGD_train = SGD_train"
        },
        scores={"sgd_train": 0.0, "history": 0.0},
        says={"sgd_train": "update is missing", "history": "changes no parameter"},
        leave=(*LONG, "train_toy"),
    ),
]

WRONG_HISTORY = [
    wrong_history(
        "never_emptied", 3.0, "empty it", (EMPTY, f"if not hasattr(self, 'acc_train_array'):\n        {EMPTY}")
    ),
    wrong_history(
        "always_prints", 3.0, "outside `if verbose:`", ("if verbose and epoch", "if self.acc_train_array and epoch")
    ),
    wrong_history("always_evaluates", 3.0, "nobody asked", ("if verbose or test is not None:", "if True:")),
    wrong_history("needs_verbose", 1.0, "only when verbose", ("if verbose or test is not None:", "if verbose:")),
    wrong_history(
        "per_cent",
        0.0,
        "per cent",
        (TRAIN_ACCURACY, "self.acc_train_array.append(100 * self.evaluate(train))"),
        (TEST_ACCURACY, "self.acc_test_array.append(100 * self.evaluate(test))"),
    ),
    wrong_history(
        "train_and_test_mixed_up",
        1.0,
        "mixed up",
        (TRAIN_ACCURACY, "self.acc_train_array.append(self.evaluate(test or train))"),
        (TEST_ACCURACY, "self.acc_test_array.append(self.evaluate(train))"),
    ),
    wrong_history(
        "measured_before_the_epoch",
        2.0,
        "before the epoch",
        (
            "        if verbose or test is not None:\n            self.acc_train_array.append(self.evaluate(train))\n",
            "",
        ),
        ("        if test is not None:\n            self.acc_test_array.append(self.evaluate(test))\n", ""),
        (
            ORDER,
            "if verbose or test is not None:\n            self.acc_train_array.append(self.evaluate(train))\n"
            f"        if test is not None:\n            self.acc_test_array.append(self.evaluate(test))\n        {ORDER}",
        ),
    ),
    wrong_history(
        "every_tenth_epoch_only",
        0.0,
        "now and then",
        ("if verbose or test is not None:", "if (verbose or test is not None) and epoch % 3 == 0:"),
    ),
]

WRONG_NETWORKS = [
    Variant(
        "untrained",
        cells={
            "train_toy": "np.random.seed(1)\ntoy_network = Network([2, 30, 2])",
            "train_mnist": "np.random.seed(1)\nmnist_network = Network([196, 30, 10])",
        },
        scores={"train_toy": 0.0, "train_mnist": 0.0},
        says={"train_toy": "trained", "train_mnist": "not trained at all"},
        leave=LONG[1:],
    ),
    Variant(
        "trained_too_short",
        cells={
            "train_toy": "np.random.seed(1)\ntoy_network = Network([2, 30, 2])\n"
            "toy_network.SGD_train(toy_train, epochs=3, eta=0.5, batch_size=10)",
            "train_mnist": "np.random.seed(1)\nmnist_network = Network([196, 30, 10])\n"
            "mnist_network.SGD_train(mnist_train, epochs=1, eta=0.05, batch_size=10)",
        },
        scores={"train_toy": 0.0, "train_mnist": 0.0},
        says={"train_mnist": "too few epochs"},
        leave=LONG[1:],
    ),
    Variant(
        "constant_answer_and_wrong_size",
        edits={"train_toy": [("[2, 30, 2]", "[2, 20, 2]")]},
        cells={
            "train_mnist": "mnist_network = Network([196, 30, 10])\n"
            "mnist_network.SGD_train(mnist_train, epochs=1, eta=1e4, batch_size=10)\n"
            "mnist_network.weights[-1] *= 0"
        },
        scores={"train_toy": 0.0, "train_mnist": 0.0},
        says={"train_toy": "with the sizes [2, 30, 2]", "train_mnist": "to everything"},
        leave=LONG[1:],
    ),
    Variant(
        "keeps_the_return_value",
        cells={"train_toy": "toy_network = Network([2, 30, 2]).SGD_train(toy_train, 1, 1.0)"},
        scores={"train_toy": 0.0},
        says={"train_toy": "SGD_train returns nothing"},
        leave=LONG,
    ),
]

WRONG_DROPOUT = [
    wrong_dropout(
        "dropout_not_inverted", 3.0, "not divided by keep_prob", (MASK, MASK.replace(" / self.keep_prob)", " * 1.0)"))
    ),
    wrong_dropout("dropout_swapped", 3.0, "probability to drop", (MASK, MASK.replace("<", ">"))),
    wrong_dropout(
        "dropout_one_mask_a_batch", 4.0, "whole mini-batch", (MASK, MASK.replace("*zs[-1].shape", "len(zs[-1]), 1"))
    ),
    wrong_dropout(
        "dropout_same_mask_every_time",
        4.0,
        "drops the same neurons",
        (MASK, f"np.random.seed(len(masks))\n            {MASK}"),
    ),
    wrong_dropout(
        "dropout_on_the_output",
        2.0,
        "output layer is never dropped",
        (
            "    dW_list, db_list = [], []",
            "    if self.keep_prob is not None:\n"
            "        delta = delta * (np.random.rand(*delta.shape) < self.keep_prob) / self.keep_prob\n"
            "    dW_list, db_list = [], []",
        ),
    ),
    wrong_dropout(
        "dropout_on_the_input",
        3.0,
        "input",
        (LISTS, f"p = self.keep_prob\n    if p:\n        x = x * (np.random.rand(*x.shape) < p) / p\n    {LISTS}"),
    ),
    wrong_dropout("dropout_not_on_the_way_back", 4.0, "on its way back", ("delta = masks[layer - 1] * ", "delta = ")),
    wrong_dropout(
        "dropout_in_forward_prop",
        4.0,
        "every neuron",
        (
            INSTALL,
            "def forward_prop(self, a):\n"
            "    for W, b in zip(self.weights[:-1], self.biases[:-1]):\n"
            "        a = sigmoid(W @ a + b) * (np.random.rand(len(W), a.shape[1]) < (self.keep_prob or 1))\n"
            "    return sigmoid(self.weights[-1] @ a + self.biases[-1])\n\n\n"
            "Network.back_prop, Network.forward_prop = dropout_back_prop, forward_prop",
        ),
    ),
    wrong_dropout(
        "forward_prop_scaled",
        4.0,
        "scaled by keep_prob",
        (
            INSTALL,
            "def forward_prop(self, a):\n"
            "    p = self.keep_prob or 1\n"
            "    for W, b in zip(self.weights[:-1], self.biases[:-1]):\n"
            "        a = {'sigmoid': sigmoid, 'relu': relu, 'tanh': tanh}[self.hidden](W @ a + b) * p\n"
            "    z = self.weights[-1] @ a + self.biases[-1]\n"
            "    return softmax(z) if self.output == 'softmax' else sigmoid(z)\n\n\n"
            "Network.back_prop, Network.forward_prop = dropout_back_prop, forward_prop",
        ),
    ),
    wrong_dropout("dropout_never", 0.0, "masks are not applied", (NO_MASK, "if True:")),
    wrong_dropout("dropout_without_none", 4.0, "NoneType", (NO_MASK, "if False:")),
    wrong_dropout(
        "dropout_draws_without_keep_prob",
        4.0,
        "although they are not used",
        (NO_MASK, f"np.random.rand(*zs[-1].shape)\n        {NO_MASK}"),
    ),
    wrong_dropout("dropout_not_made_the_method", 0.0, "is missing at its end", (INSTALL, "pass")),
    wrong_dropout("dropout_raises", 0.0, "name 'mask' is not defined", (LISTS, f"mask\n    {LISTS}")),
    wrong_dropout(
        "dropout_of_mean_gradients",
        3.0,
        "0.25 times",
        ("return dW_list, db_list", "return [g / x.shape[1] for g in dW_list], [g / x.shape[1] for g in db_list]"),
    ),
    Variant(
        "dropout_left_as_it_was",
        cells={
            "dropout": "def dropout_back_prop(self, x, y):\n"
            "    # YOUR CODE HERE\n"
            "    raise NotImplementedError('dropout')\n\n\n"
            "# YOUR CODE HERE\n"
            "raise NotImplementedError('dropout')"
        },
        scores={"dropout": 0.0},
        says={"dropout": "not attempted yet"},
        leave=(*LONG, "train_toy"),
    ),
    Variant(
        "dropout_hard_coded",
        cells={
            "dropout": "def dropout_back_prop(self, x, y):\n"
            "    return [np.eye(*W.shape) for W in self.weights], [np.zeros(b.shape) for b in self.biases]\n\n\n"
            f"{INSTALL}"
        },
        scores={"dropout": 0.0},
        says={"dropout": "output layer is never dropped"},
        leave=(*LONG, "train_toy"),
    ),
    Variant(
        "dropout_random_numbers",
        cells={
            "dropout": "def dropout_back_prop(self, x, y):\n"
            "    p = self.keep_prob or 1\n"
            "    dW_list = [np.random.randn(*W.shape) * (np.random.rand(W.shape[1]) < p) for W in self.weights]\n"
            "    return dW_list, [np.random.randn(*b.shape) for b in self.biases]\n\n\n"
            f"{INSTALL}"
        },
        scores={"dropout": 0.0},
        says={"dropout": "output weights 0"},
        leave=(*LONG, "train_toy"),
    ),
    Variant(
        "plain_back_prop_as_dropout",
        edits={"dropout": [(LISTS, f"return plain_back_prop(self, x, y)\n    {LISTS}")]},
        scores={"dropout": 0.0},
        says={"dropout": "masks are not applied"},
        leave=(*LONG, "train_toy"),
    ),
]

RIGHT = [
    sgd(
        "example_by_example_with_sums",
        (
            "dW_list, db_list = self.back_prop(x_rows[batch].T, y_rows[batch].T)",
            "dW_list = [np.zeros(W.shape) for W in self.weights]\n"
            "            db_list = [np.zeros(b.shape) for b in self.biases]\n"
            "            for i in batch:\n"
            "                more_dW, more_db = self.back_prop(*train[i])\n"
            "                dW_list = [a + b for a, b in zip(dW_list, more_dW)]\n"
            "                db_list = [a + b for a, b in zip(db_list, more_db)]",
        ),
    ),
    sgd("fresh_list_shuffled", (ORDER, "order = np.arange(len(train))\n        np.random.shuffle(order)")),
    sgd(
        "new_tuples_of_parameters",
        (
            "for W, b, dW, db in zip(self.weights, self.biases, dW_list, db_list):\n"
            "                W -= eta * (dW / m + lam * W)\n"
            "                b -= eta * db / m",
            "shrink = 1 - eta * lam\n"
            "            self.weights = tuple(shrink * W - (eta / m) * dW for W, dW in zip(self.weights, dW_list))\n"
            "            self.biases = tuple(b - (eta / m) * db for b, db in zip(self.biases, db_list))",
        ),
    ),
    Variant(
        "stacks_every_batch_and_keeps_arrays",
        cells={
            "SGD_train": "def SGD_train(self, train, epochs, eta, lam=0.0, verbose=True, test=None, batch_size=1):\n"
            "    train_accuracies, test_accuracies = [], []\n"
            "    for epoch in range(1, epochs + 1):\n"
            "        shuffled = [train[i] for i in np.random.permutation(len(train))]\n"
            "        while shuffled:\n"
            "            batch, shuffled = shuffled[:batch_size], shuffled[batch_size:]\n"
            "            self.step(np.hstack([x for x, _ in batch]), np.hstack([y for _, y in batch]), eta, lam)\n"
            "        if verbose or test:\n"
            "            train_accuracies += [self.evaluate(train)]\n"
            "        if test:\n"
            "            test_accuracies += [self.evaluate(test)]\n"
            "        if verbose and epoch % 20 == 0:\n"
            "            print(epoch, train_accuracies[-1])\n"
            "    self.acc_train_array, self.acc_test_array = np.array(train_accuracies), np.array(test_accuracies)\n\n\n"
            "def step(self, x, y, eta, lam):\n"
            "    dW_list, db_list = self.back_prop(x, y)\n"
            "    for k in range(len(self.weights)):\n"
            "        self.weights[k] = self.weights[k] - eta * dW_list[k] / x.shape[1] - eta * lam * self.weights[k]\n"
            "        self.biases[k] = self.biases[k] - eta * db_list[k] / x.shape[1]\n\n\n"
            "Network.SGD_train, Network.step = SGD_train, step"
        },
        leave=LONG,
    ),
    sgd("prints_every_epoch", ("if verbose and epoch % max(1, epochs // 10) == 0:", "if verbose:")),
    dropout(
        "binomial_masks", (MASK, "masks.append(np.random.binomial(1, self.keep_prob, zs[-1].shape) / self.keep_prob)")
    ),
    dropout(
        "masks_drawn_first",
        (
            LISTS,
            "zs, activations, m, p = [], [x], x.shape[1], self.keep_prob\n"
            "    masks = [np.ones((n, m)) for n in self.sizes[1:-1]]\n"
            "    if p:\n"
            "        masks = [np.where(np.random.uniform(size=(n, m)) < p, 1 / p, 0.0) for n in self.sizes[1:-1]]",
        ),
        (f"        {NO_MASK}\n            masks.append(1.0)\n        else:\n            {MASK}\n", ""),
        ("activations.append(masks[-1] *", "activations.append(masks[len(zs) - 1] *"),
    ),
    dropout("plain_back_prop_called", (LISTS, f"{NO_MASK}\n        return plain_back_prop(self, x, y)\n    {LISTS}")),
    Variant(
        "dropout_in_the_class_itself",
        edits={
            "network": [
                (
                    "activations.append(activation(zs[-1]))",
                    "a = activation(zs[-1])\n"
                    "            if self.keep_prob and len(zs) < len(self.weights):\n"
                    "                a *= (np.random.random(a.shape) < self.keep_prob) / self.keep_prob\n"
                    "            activations.append(a)",
                ),
                ("zs, activations = [], [x]", "p, zs, activations = self.keep_prob or 1, [], [x]"),
                (
                    "* derivative(zs[layer - 1])",
                    "* derivative(zs[layer - 1]) * (1 if p == 1 else (activations[layer] != 0) / p)",
                ),
            ]
        },
        cells={"dropout": "# Network.back_prop above does it already."},
        leave=(*LONG, "train_toy"),
    ),
    # Mistakes of part 2 that cost nothing here.
    Variant(
        "mean_gradients_and_no_division",
        edits={
            "network": [
                (
                    "return dW_list, db_list",
                    "return [g / x.shape[1] for g in dW_list], [g / x.shape[1] for g in db_list]",
                )
            ],
            "SGD_train": [("m = len(batch)", "m = 1")],
        },
        leave=(*LONG, "train_toy"),
    ),
    Variant(
        "wrong_back_prop_and_evaluate_of_part_2",
        edits={
            "network": [
                ("* sigmoid_prime(zs[-1])", "* 1.5"),
                (
                    "return float(np.mean(self.forward_prop(x).argmax(axis=0) == y.argmax(axis=0)))",
                    "return int(np.sum(self.forward_prop(x).argmax(axis=0) == y.argmax(axis=0)))",
                ),
            ]
        },
        leave=(*LONG, "train_toy"),
    ),
]

VARIANTS = WRONG_SGD + WRONG_HISTORY + WRONG_NETWORKS + WRONG_DROPOUT + RIGHT
