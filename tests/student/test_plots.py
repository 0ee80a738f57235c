"""Plots draw without an exception, and colour is never the only signal."""

from itertools import pairwise

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from gradescent import plots


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_curves_differ_in_marker_and_line_style():
    lines = {name: np.linspace(0, 1, 40) for name in "abcde"}
    plots.curves(lines, "epoch", "accuracy", "title", errors={"a": np.full(40, 0.1)})
    axes = plt.gca()
    drawn = [bars[0] for bars in axes.containers]
    assert len(drawn) == 5
    assert len({(line.get_marker(), line.get_linestyle()) for line in drawn}) == 5
    assert len({line.get_marker() for line in drawn}) == 5
    assert axes.containers[0].has_yerr
    assert not axes.containers[1].has_yerr
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("epoch", "accuracy", "title")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list("abcde")


def test_curves_count_from_one_or_take_x():
    plots.curves({"a": [1, 2, 3]}, "", "", "")
    assert plt.gca().containers[0][0].get_xdata().tolist() == [1, 2, 3]
    plots.curves({"a": [1, 2]}, "", "", "", x=[10, 30])
    assert list(plt.gca().containers[0][0].get_xdata()) == [10, 30]


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_curves_on_a_logarithmic_axis(scale):
    plots.curves({"a": [1, 2]}, "n", "", "", x=[2, 100], xscale=scale)
    assert (plt.gca().get_xscale(), plt.gca().get_yscale()) == (scale, "linear")


def test_curves_are_linear_unless_told():
    plots.curves({"a": [1, 2]}, "n", "", "")
    assert plt.gca().get_xscale() == "linear"


def test_points_have_a_marker_a_class():
    plots.points(np.random.default_rng(0).normal(size=(6, 2)), np.array([0, 1, 2, 0, 1, 2]), "toy")
    axes = plt.gca()
    paths = {len(scatter.get_paths()[0].vertices) for scatter in axes.collections}
    assert len(axes.collections) == 3
    assert len(paths) > 1
    assert sum(len(scatter.get_offsets()) for scatter in axes.collections) == 6


@pytest.mark.parametrize("count", [2, 10])
def test_images_show_their_class(count):
    plots.images(np.zeros((12, 196)), np.arange(12), "digits", count=count)
    assert [axes.get_title() for axes in plt.gcf().axes] == [str(n) for n in range(count)]


@pytest.mark.parametrize("sizes", [[2, 1], [3, 4, 4, 2], [1, 1]])
def test_network_names_the_shape_of_every_weight_matrix(sizes):
    plots.network(sizes)
    texts = " ".join(text.get_text() for text in plt.gca().texts)
    for layer, (n_in, n_out) in enumerate(pairwise(sizes)):
        assert f"weights[{layer}]\n({n_out}, {n_in})" in texts


@pytest.mark.parametrize("classes", [2, 3])
def test_regions_shade_what_the_network_says(classes):
    x = np.random.default_rng(0).normal(size=(30, 2))
    seen = []

    def forward(places):
        seen.append(places.shape)
        return np.vstack([places[0], -places[0], places[1] - 1])[:classes]

    plots.regions(forward, x, np.arange(30) % classes, "toy")
    axes = plt.gca()
    assert seen[0][0] == 2
    assert len(axes.get_legend().get_texts()) == classes
    assert axes.get_title() == "toy"


def test_regions_of_a_network_that_knows_one_class():
    plots.regions(lambda places: np.array([[1.0], [0.0]]) + 0 * places, np.ones((4, 2)), np.array([0, 1, 0, 1]), "toy")


@pytest.mark.parametrize(("m", "size", "last"), [(7, 3, 1), (6, 3, 3), (2, 5, 2)])
def test_mini_batches_name_the_size_of_each(m, size, last):
    plots.mini_batches(list(range(m))[::-1], size)
    steps = [text.get_text() for text in plt.gca().texts if text.get_text().startswith("step")]
    assert len(steps) == -(-m // size)
    assert steps[-1] == f"step {len(steps)}\nm = {last}"


def test_nothing_comes_back_that_a_notebook_would_show():
    x, y = np.random.default_rng(0).normal(size=(4, 2)), np.array([0, 1, 0, 1])
    shown = [
        plots.curves({"a": [1, 2]}, "", "", ""),
        plots.points(x, y, ""),
        plots.images(np.zeros((2, 196)), y, "", count=2),
        plots.network([2, 1]),
        plots.regions(lambda places: places, x, y, ""),
        plots.mini_batches([1, 0], 1),
    ]
    assert shown == [None] * 6


def test_a_heat_table_shows_its_numbers():
    plots.heat_table([[0.9, 0.123], [0.5, 1.0]], ["relu", "tanh"], [16, 64], "batch size", "activation", "accuracy")
    axes = plt.gcf().axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.900", "0.123", "0.500", "1.000"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["16", "64"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["relu", "tanh"]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("batch size", "activation", "accuracy")
    colours = {text.get_text(): text.get_color() for text in axes.texts}
    assert (colours["1.000"], colours["0.123"]) == ("white", "black")  # each readable on its own shade


@pytest.mark.parametrize(("channels", "count", "shown"), [(1, 16, 1), (8, 16, 8), (20, 16, 16), (20, 3, 3)])
def test_feature_maps_shows_so_many_channels(channels, count, shown):
    plots.feature_maps(np.random.default_rng(0).random((5, 6, channels)), "conv", count)
    pictures = [axes for axes in plt.gcf().axes if axes.images]
    assert [axes.get_title() for axes in pictures] == [str(channel) for channel in range(shown)]
    assert all(image.get_array().shape == (5, 6) for axes in pictures for image in axes.images)


def test_a_heat_map_covers_the_image():
    plots.heat_map(np.zeros((28, 28)), np.arange(49.0).reshape(7, 7), "what speaks for 7")
    image, heat, both = plt.gcf().axes[:3]
    assert heat.images[0].get_extent() == image.images[0].get_extent() == [0, 28, 28, 0]
    assert heat.images[0].get_array().shape == (7, 7)
    assert both.collections, "no contours over the image"
    assert plt.gcf().get_suptitle() == "what speaks for 7"
