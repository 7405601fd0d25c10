"""About how much memory a training step of a label encoder takes, and a warning before there is too little."""

import logging
import os

import torch

logger = logging.getLogger(__name__)


def label_memory(num_labels: int, *, channels: int, layers: int) -> int:
    """About how many bytes of float32 a training step holds for the labels alone, whatever they attend to.

    A layer keeps some fifteen tensors of the width of a label for its backward pass (norms, queries, keys, values, the
    feed-forward network); ten more are there before and after the layers. Measured with 30,000 and 100,000 labels.

    Example:
        >>> label_memory(1000, channels=768, layers=1)
        76800000
    """
    return 4 * channels * num_labels * (15 * layers + 10)


def pair_memory(num_labels: int, *, channels: int, state_channels: int, layers: int) -> int:
    """About how many bytes of float32 a training step holds where the states of all pairs are one tensor.

    One state a pair for each layer that updates them, and three on the way to the first. Measured with 1000 and 1500
    labels.

    Example:
        >>> pair_memory(1000, channels=768, state_channels=30, layers=2)
        722880000
    """
    states = 4 * state_channels * (layers + 3) * num_labels**2
    return states + label_memory(num_labels, channels=channels, layers=layers)


def edge_memory(num_labels: int, num_edges: int, *, channels: int, state_channels: int, layers: int) -> int:
    """About how many bytes of float32 a training step holds where edges are listed.

    Example:
        >>> edge_memory(1000, 13_000, channels=768, state_channels=30, layers=2)
        129120000
    """
    states = 4 * state_channels * (layers + 2) * num_edges
    return states + label_memory(num_labels, channels=channels, layers=layers)


def warn_if_short(needed: int, what: str) -> None:
    """Log a warning where a training step needs more memory than this machine has."""
    available = available_memory()
    if available is not None and needed > available:
        logger.warning(
            "%s takes about %.1f GiB a training step, and %.1f GiB are available: choose another form, fewer layers or "
            "narrower labels.",
            what,
            needed / 2**30,
            available / 2**30,
        )


def available_memory() -> int | None:
    """Bytes that are free on the GPU, or without one the memory of the machine; None where this cannot be told."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0]
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
