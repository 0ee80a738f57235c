"""The few plots that several notebooks share. Line style and marker differ as well as colour.

They return nothing: a value would stand as "<Axes: ...>" under the picture. `plt.gca()` finds the axes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

STYLES = (("o", "-"), ("s", "--"), ("^", "-."), ("D", ":"), ("v", "-"))
FEW_TICKS = 12  # values on a logarithmic axis that are written at it


def curves(
    lines: Mapping[str, Sequence[float]],
    xlabel: str,
    ylabel: str,
    title: str,
    x: Sequence[float] | None = None,
    errors: Mapping[str, Sequence[float]] | None = None,
    xscale: str = "linear",
) -> None:
    """Draw one line a name over a common x axis.

    Args:
        lines: name of the line to its y values.
        xlabel, ylabel, title: texts of the plot.
        x: common x values, 1, 2, 3 ... when None.
        errors: name of the line to the half lengths of its error bars.
        xscale: "linear", or "log" where x covers more than one power of ten; the values themselves are its ticks if few.

    Example:
        >>> plots.curves({"train": net.acc_train_array}, "epoch", "accuracy", "[2, 30, 2] on tiny_toy")
    """
    _, axes = plt.subplots(figsize=(6, 3.6))
    for (name, y), (marker, style) in zip(lines.items(), STYLES * len(lines), strict=False):
        xs = np.arange(1, len(y) + 1) if x is None else x
        bars = None if errors is None else errors.get(name)
        every = max(1, len(y) // 12)
        axes.errorbar(xs, y, yerr=bars, marker=marker, linestyle=style, markevery=every, capsize=3, label=name)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title, xscale=xscale)
    if xscale == "log" and x is not None and len(x) <= FEW_TICKS:
        axes.set_xticks(x, [f"{value:g}" for value in x])
        axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    plt.show()


def points(x: np.ndarray, y: np.ndarray, title: str) -> None:
    """Scatter two features, a colour and a marker a class.

    Args:
        x: (m, 2) features.
        y: (m,) class numbers.
        title: of the plot.
    """
    _, axes = plt.subplots(figsize=(4, 4))
    for label, (marker, _) in zip(np.unique(y), STYLES, strict=False):
        axes.scatter(x[y == label, 0], x[y == label, 1], marker=marker, s=14, label=f"class {label}")
    axes.set(xlabel="$x_1$", ylabel="$x_2$", title=title, aspect="equal")
    axes.legend()
    plt.show()


def images(x: np.ndarray, y: np.ndarray, title: str, side: int = 14, count: int = 10) -> None:
    """Show the first `count` square images in a row, each with its class above it.

    Args:
        x: (m, side * side) pixel values.
        y: (m,) class numbers.
        title: of the row.
        side: pixels a side.
        count: how many images.
    """
    figure, row = plt.subplots(1, count, figsize=(count, 1.6))
    for axes, pixels, label in zip(row, x, y, strict=False):
        axes.imshow(pixels.reshape(side, side), cmap="gray_r")
        axes.set_title(str(label))
        axes.axis("off")
    figure.suptitle(title, y=1.15)
    plt.show()


def network(sizes: Sequence[int]) -> None:
    """Draw the neurons and connections of a fully connected network, with the shape of each weight matrix.

    Args:
        sizes: neurons a layer, the input first.
    """
    _, axes = plt.subplots(figsize=(1.7 * len(sizes), 3))
    heights = [np.arange(n) - (n - 1) / 2 for n in sizes]
    for layer, (below, above) in enumerate(pairwise(heights)):
        for y0 in below:
            for y1 in above:
                axes.plot([layer, layer + 1], [y0, y1], color="0.75", linewidth=0.8, zorder=1)
        label = f"weights[{layer}]\n({sizes[layer + 1]}, {sizes[layer]})"
        axes.text(layer + 0.5, max(sizes) / 2 + 0.1, label, ha="center", va="bottom", fontsize=9)
    for layer, ys in enumerate(heights):
        axes.scatter(np.full(len(ys), layer), ys, s=220, facecolor="white", edgecolor="black", zorder=2)
        name = "input" if layer == 0 else "output" if layer == len(sizes) - 1 else f"hidden {layer}"
        axes.text(layer, -max(sizes) / 2 - 0.2, f"{name}\n{sizes[layer]}", ha="center", va="top", fontsize=9)
    axes.set(xlim=(-0.4, len(sizes) - 0.6), ylim=(-max(sizes) / 2 - 1.2, max(sizes) / 2 + 1.2))
    axes.axis("off")
    plt.show()


def regions(forward: Callable[[np.ndarray], np.ndarray], x: np.ndarray, y: np.ndarray, title: str) -> None:
    """Shade the plane by the class that a network gives each place, and scatter the examples over it.

    Args:
        forward: from columns (2, m) to output activations (classes, m), such as `net.forward_prop`.
        x: (m, 2) features.
        y: (m,) class numbers.
        title: of the plot.
    """
    _, axes = plt.subplots(figsize=(4, 4))
    side = np.linspace(-1.1, 1.1, 111) * np.abs(x).max()
    places = np.array(np.meshgrid(side, side)).reshape(2, -1)
    classes = np.argmax(forward(places), axis=0).reshape(len(side), len(side))
    levels = np.arange(classes.max() + 2) - 0.5
    axes.contourf(side, side, classes, levels=levels, alpha=0.25, colors=[f"C{i}" for i in range(len(levels) - 1)])
    axes.contour(side, side, classes, levels=levels[1:-1], colors="black", linewidths=1)
    for label, (marker, _) in zip(np.unique(y), STYLES, strict=False):
        axes.scatter(x[y == label, 0], x[y == label, 1], marker=marker, s=14, color=f"C{label}", label=f"class {label}")
    axes.set(xlabel="$x_1$", ylabel="$x_2$", title=title, aspect="equal")
    axes.legend(loc="upper right")
    plt.show()


def mini_batches(order: Sequence[int], batch_size: int) -> None:
    """Draw how the order of one epoch is cut into mini-batches.

    Args:
        order: indices of the training examples in the order of this epoch.
        batch_size: examples a mini-batch; the last may be shorter.
    """
    _, axes = plt.subplots(figsize=(0.62 * len(order) + 1.2, 2.1))
    for place, index in enumerate(order):
        batch = place // batch_size
        gap = 0.5 * batch
        hatch = ("", "///", "...", "xxx")[batch % 4]
        colour = f"C{batch % 10}"
        axes.add_patch(Rectangle((place, 1.6), 1, 0.8, facecolor="white", edgecolor="0.5"))
        axes.add_patch(
            Rectangle((place + gap, 0), 1, 0.8, facecolor=colour, alpha=0.35, hatch=hatch, edgecolor="black")
        )
        axes.text(place + 0.5, 2.0, str(place), ha="center", va="center", color="0.4")
        white = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "none"}
        axes.text(place + gap + 0.5, 0.4, str(index), ha="center", va="center", bbox=white)
    for batch, start in enumerate(range(0, len(order), batch_size)):
        m = min(batch_size, len(order) - start)
        axes.text(start + m / 2 + 0.5 * batch, -0.25, f"step {batch + 1}\nm = {m}", ha="center", va="top", fontsize=9)
    axes.text(-0.2, 2.0, "train", ha="right", va="center")
    axes.text(-0.2, 0.4, "this epoch", ha="right", va="center")
    axes.set(xlim=(-2.2, len(order) + 0.5 * (len(order) // batch_size) + 0.2), ylim=(-1.2, 2.5))
    axes.axis("off")
    plt.show()


def heat_table(
    values: np.ndarray, rows: Sequence[object], columns: Sequence[object], xlabel: str, ylabel: str, title: str
) -> None:
    """Draw a table whose cells are shaded by their value, with the number in each.

    Args:
        values: (rows, columns), accuracies for instance.
        rows, columns: names of the rows and columns.
        xlabel, ylabel, title: texts of the plot; xlabel is what the columns are.

    Example:
        >>> plots.heat_table(accuracy, ["relu", "tanh"], [32, 128], "batch size", "activation", "accuracy")
    """
    values = np.asarray(values, dtype=float)
    _, axes = plt.subplots(figsize=(1.1 * len(columns) + 2, 0.7 * len(rows) + 1.6))
    axes.imshow(values, cmap="Blues", aspect="auto")
    middle = (values.min() + values.max()) / 2
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, f"{value:.3f}", ha="center", va="center", color="white" if value > middle else "black")
    axes.set_xticks(range(len(columns)), [str(name) for name in columns])
    axes.set_yticks(range(len(rows)), [str(name) for name in rows])
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    plt.show()


def feature_maps(maps: np.ndarray, title: str, count: int = 16) -> None:
    """Show the first `count` channels of a layer's output for one image, eight a row, each on its own scale.

    Args:
        maps: (height, width, channels).
        title: of the picture.
        count: how many channels.
    """
    shown = min(count, maps.shape[-1])
    lines = -(-shown // 8)
    figure, grid = plt.subplots(lines, 8, figsize=(8, lines + 0.5), squeeze=False)
    for channel, axes in enumerate(grid.flat):
        axes.axis("off")
        if channel < shown:
            axes.imshow(maps[..., channel], cmap="gray_r")
            axes.set_title(str(channel), fontsize=7)
    figure.suptitle(title)
    plt.show()


def heat_map(image: np.ndarray, activation: np.ndarray, title: str) -> None:
    """Show an image, the heat map of a class, and the heat map's contours drawn over the image.

    Args:
        image: (height, width) pixels.
        activation: (h, w) values, stretched to the size of the image.
        title: of the picture.
    """
    height, width = image.shape
    figure, row = plt.subplots(1, 3, figsize=(8, 2.8))
    extent = (0, width, height, 0)
    row[0].imshow(image, cmap="gray_r", extent=extent)
    heat = row[1].imshow(activation, cmap="viridis", extent=extent)
    figure.colorbar(heat, ax=row[1])
    row[2].imshow(image, cmap="gray_r", extent=extent)
    h, w = activation.shape
    centres = (np.arange(w) + 0.5) * width / w, (np.arange(h) + 0.5) * height / h
    lines = row[2].contour(*centres, activation, levels=4, cmap="viridis")
    row[2].clabel(lines, fontsize=7, fmt="%.1f")
    for axes, name in zip(row, ("image", "heat map", "both"), strict=True):
        axes.set_title(name, fontsize=9)
        axes.axis("off")
    figure.suptitle(title)
    plt.show()
