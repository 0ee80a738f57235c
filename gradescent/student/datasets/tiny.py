"""The two small data sets, and what stands in for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradescent.student.datasets.dataset import DataError, Dataset

TINY_SIZE = 2499  # examples a split of the original course's 14x14 MNIST


def tiny_mnist(mnist: Callable[[], Dataset]) -> Dataset:
    """MNIST in the 14x14 form of the original course; where MNIST is not to be had, scikit-learn's digits stand in.

    Args:
        mnist: loads MNIST.
    """
    try:
        whole = mnist()
    except Exception as error:  # whatever the network, the proxy or the disk does: the stand-in is there for that
        return _digits(f"MNIST could not be fetched ({type(error).__name__})")
    return Dataset(
        _shrink(whole.x_train),
        whole.y_train[:TINY_SIZE],
        _shrink(whole.x_test),
        whole.y_test[:TINY_SIZE],
        "MNIST, averaged over 2x2 pixels",
    )


def _shrink(images: np.ndarray) -> np.ndarray:
    """28x28 uint8 images to the 14x14 form of the original course: averages, scaled to 0...0.8, one decimal."""
    small = images[:TINY_SIZE].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)) / 255
    return np.round(0.8 * small, 1).reshape(-1, 196)


def _digits(reason: str) -> Dataset:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError(
            f"tiny_mnist: {reason}, and scikit-learn, whose digits could stand in, is not installed. Remedy: switch the "
            f"internet on, set GRADESCENT_DATA to a folder with tiny_mnist.npz or mnist.npz, or install scikit-learn"
        ) from None
    digits = load_digits()
    # 8x8 pixels to 14x14 by linear interpolation along each axis.
    positions = np.linspace(0, 7, 14)
    low = np.minimum(positions.astype(int), 6)
    mix = np.zeros((14, 8))
    mix[np.arange(14), low] = 1 - (positions - low)
    mix[np.arange(14), low + 1] = positions - low
    images = np.round(0.8 * (mix @ digits.images @ mix.T) / 16, 1).reshape(-1, 196)
    labels = digits.target.astype("uint8")
    cut = 1200
    source = f"scikit-learn's 8x8 digits scaled to 14x14, because {reason}"
    return Dataset(images[:cut], labels[:cut], images[cut:], labels[cut:], source, stand_in=True)


def tiny_toy() -> Dataset:
    """A disc inside a ring."""
    rng = np.random.default_rng(1)
    splits = [_disc_and_ring(rng) for _ in range(2)]
    (x_train, y_train), (x_test, y_test) = splits
    source = "a disc inside a ring drawn at random, because tiny_toy.npz was not found"
    return Dataset(x_train, y_train, x_test, y_test, source, stand_in=True)


def _disc_and_ring(rng: np.random.Generator, size: int = 200) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(size, dtype="uint8") % 2
    radius = np.where(labels == 0, 0.4 * np.sqrt(rng.random(size)), rng.uniform(0.55, 0.9, size))
    angle = rng.uniform(0, 2 * np.pi, size)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), labels
