# %% [markdown]
# # Part 1: a small network in Keras
#
# **You will build** a network of one hidden layer and train it on points in the plane, inside a circle or outside it.

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

rng = np.random.default_rng(0)
x_train = rng.uniform(-1, 1, (1000, 2)).astype("float32")
y_train = (np.hypot(x_train[:, 0], x_train[:, 1]) < 0.7).astype("float32")

# %% [markdown]
# ## A network (2 points)
#
# `build_model()` returns a compiled `keras.Sequential` with one hidden layer of 32 ReLU neurons and one sigmoid output.


# %% solution="build_model"
def build_model():
    """Return the compiled model."""
    ### BEGIN SOLUTION
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(32, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.03), loss="binary_crossentropy")
    return model
    ### END SOLUTION


# %% solution="train"
### BEGIN SOLUTION
keras.utils.set_random_seed(1)
model = build_model()
model.fit(x_train, y_train, epochs=4, batch_size=32, verbose=0)


def predict(x):
    return keras.ops.convert_to_numpy(model(x))[:, 0] > 0.5


### END SOLUTION

# %% tests="predict" points=2
# `predict(x)` says for each row of x whether the point lies inside.
