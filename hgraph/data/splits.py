"""Splits that depend on the text alone, so that no text stands in two of them."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from hgraph.errors import ConfigError


def split_indices(texts: Sequence[str], fractions: Mapping[str, float], *, seed: int = 0) -> dict[str, np.ndarray]:
    """Divide documents by a hash of their text: equal texts always land together, whatever else the corpus holds.

    Args:
        texts: One string a document.
        fractions: Share of each split; they add up to 1.
        seed: Another seed, another division.

    Returns:
        For each split the ascending row numbers, int64.

    Raises:
        ConfigError: The shares are negative or do not add up to 1.

    Example:
        >>> rows = split_indices(["a", "b", "a", "c"], {"train": 0.5, "val": 0.5})
        >>> sorted(int(row) for part in rows.values() for row in part)
        [0, 1, 2, 3]
    """
    shares = np.array(list(fractions.values()), dtype=np.float64)
    if not ((shares >= 0).all() and abs(shares.sum() - 1) <= 1e-6):
        raise ConfigError(f"'fractions' must be non-negative and add up to 1, found {dict(fractions)}.")
    position = np.array([_position(text, seed) for text in texts])
    bounds = np.concatenate([[0.0], np.cumsum(shares)])
    bounds[-1] = 1.0
    part = np.searchsorted(bounds, position, side="right") - 1
    return {name: np.flatnonzero(part == i) for i, name in enumerate(fractions)}


def _position(text: str, seed: int) -> float:
    """A number in [0, 1) that the text and the seed alone decide."""
    digest = hashlib.blake2b(" ".join(text.split()).encode(), digest_size=8, key=str(seed).encode()).digest()
    # 53 bits are what a float holds; more could round to 1.
    return (int.from_bytes(digest, "big") >> 11) / 2**53
