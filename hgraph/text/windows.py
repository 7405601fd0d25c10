"""Cutting texts to the length that a model reads, and counting what is cut off."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

logger = logging.getLogger(__name__)

PART = 1000
"""Texts given to a tokenizer at once."""


@dataclass(frozen=True)
class Truncation:
    """How much of some texts a model does not read.

    Attributes:
        texts: Number of texts.
        cut: How many of them are cut.
        tokens: Tokens of all texts before cutting, without special ones.
        lost: How many of them are cut off.

    Example:
        >>> print(Truncation(texts=4, cut=1, tokens=2000, lost=500))
        1 of 4 texts are cut; they lose 25.0% of all tokens
    """

    texts: int = 0
    cut: int = 0
    tokens: int = 0
    lost: int = 0

    @property
    def share(self) -> float:
        """Share of texts that are cut."""
        return self.cut / max(self.texts, 1)

    @property
    def lost_share(self) -> float:
        """Share of tokens that are cut off."""
        return self.lost / max(self.tokens, 1)

    def __str__(self) -> str:
        return f"{self.cut} of {self.texts} texts are cut; they lose {self.lost_share:.1%} of all tokens"


def token_windows(
    tokenizer: Any, texts: Sequence[str], *, max_length: int, overlap: int = 0
) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
    """For each text its token ids in windows of at most `max_length`, and how many tokens each window adds.

    Args:
        tokenizer: A tokenizer of transformers.
        texts: The texts.
        max_length: Most tokens of a window, special tokens included.
        overlap: Tokens that a window shares with the one before it.

    Yields:
        The windows (int32, each with its special tokens; at least one), and the number of tokens of the text that each
        has and the windows before it have not (special tokens do not count).
    """
    specials = tokenizer.num_special_tokens_to_add()
    for start in range(0, len(texts), PART):
        part = list(texts[start : start + PART])
        for windows in (_fast if tokenizer.is_fast else _slow)(tokenizer, part, max_length, overlap):
            added = np.array([len(window) - specials for window in windows])
            added[1:] -= overlap
            yield windows, added


def _fast(tokenizer: Any, texts: list[str], max_length: int, overlap: int) -> list[list[np.ndarray]]:
    encoded = tokenizer(
        texts,
        truncation=True,
        max_length=max_length,
        stride=overlap,
        return_overflowing_tokens=True,
        return_attention_mask=False,
    )
    windows: list[list[np.ndarray]] = [[] for _ in texts]
    for ids, text in zip(encoded["input_ids"], encoded["overflow_to_sample_mapping"], strict=True):
        windows[text].append(np.asarray(ids, dtype=np.int32))
    return windows


def _slow(tokenizer: Any, texts: list[str], max_length: int, overlap: int) -> list[list[np.ndarray]]:
    """The same for a tokenizer written in Python, which gives no windows."""
    room = max_length - tokenizer.num_special_tokens_to_add()
    windows = []
    for ids in tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]:
        starts = range(0, max(len(ids) - overlap, 1), room - overlap)
        parts = [tokenizer.build_inputs_with_special_tokens(ids[start : start + room]) for start in starts]
        windows.append([np.asarray(part, dtype=np.int32) for part in parts])
    return windows
