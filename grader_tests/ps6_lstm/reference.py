"""Padding, pair counts and word vectors written plainly, and the known wrong ways."""

from __future__ import annotations

import numpy as np

Reviews = list[np.ndarray]


def pad(reviews: Reviews, length: int, keep: str = "last", zeros: str = "front") -> np.ndarray:
    """The padded rows, (m, length), with the first or last tokens kept and zeros in front or behind."""
    rows = np.zeros((len(reviews), length))
    for row, tokens in zip(rows, reviews, strict=True):
        kept = tokens[:length] if keep == "first" else tokens[max(0, len(tokens) - length) :]
        start = length - len(kept) if zeros == "front" else 0
        row[start : start + len(kept)] = kept
    return rows


def count_pairs(reviews: Reviews, vocab_size: int, context_size: int, window: int, mistake: str = "") -> np.ndarray:
    """Counts of pairs, one pair after the other.

    Args:
        reviews: token lists.
        vocab_size, context_size, window: as in the notebook.
        mistake: name of a known wrong way, see PAIR_CAUSES of the visible checks.
    """
    if mistake == "across":
        reviews = [np.concatenate(reviews)]
    if mistake == "closed_up":
        reviews = [tokens[tokens < vocab_size] for tokens in reviews]
    reach = window - 1 if mistake == "window_short" else window
    counts = np.zeros((vocab_size, context_size))
    for tokens in reviews:
        for i, word in enumerate(tokens):
            for j in range(max(0, i - reach), min(len(tokens), i + reach + 1)):
                one_sided = (mistake == "right" and j < i) or (mistake == "left" and j > i)
                far = mistake == "exact" and abs(i - j) != window
                if (j == i and mistake != "itself") or one_sided or far:
                    continue
                if 0 < word < vocab_size and 0 < tokens[j] < context_size:
                    counts[word, tokens[j]] += 1 / abs(i - j) if mistake == "by_distance" else 1
    return np.minimum(counts, 1) if mistake == "yes_or_no" else counts


def word_vectors(counts: np.ndarray, size: int, mistake: str = "") -> np.ndarray:
    """The vectors by NumPy's own SVD in float64."""
    counts = counts.astype(float)
    of_word, of_context = counts.sum(axis=1, keepdims=True), counts.sum(axis=0)
    with np.errstate(all="ignore"):
        ratio = np.nan_to_num(counts * counts.sum() / (of_word * of_context), nan=0.0)
        if mistake == "no_context":
            ratio = np.nan_to_num(counts / of_word, nan=0.0) * len(of_context)
        information = np.log(ratio, out=np.zeros_like(ratio), where=ratio > 0)
    if mistake != "negative":
        information = np.maximum(information, 0)
    if mistake == "log_counts":
        information = np.log1p(counts)
    if mistake == "no_log":
        information = ratio
    u, s, _ = np.linalg.svd(information, full_matrices=False)
    power = {"no_root": 1.0, "no_values": 0.0}.get(mistake, 0.5)
    chosen = slice(-size, None) if mistake == "smallest" else slice(size)
    vectors = u[:, chosen] * s[chosen] ** power
    if mistake == "by_spread":
        return 0.4 * vectors / vectors.std()
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    empty = counts.sum(axis=1, keepdims=True) == 0
    return 0.4 * np.sqrt(size) * np.where(empty, 0, vectors) / np.where(lengths > 0, lengths, 1)
