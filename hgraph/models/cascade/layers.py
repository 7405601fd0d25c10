"""Which layers of a transformer the levels of a cascade read, and their states."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.text import TransformerTextEncoder


def spread_layers(num_layers: int, num_levels: int) -> list[list[int]]:
    """Layers for each of `num_levels` levels, evenly up to the last layer.

    A sixth of the layers lies between two levels, or less where the first one would then read the lower half. The first
    level reads a pair of layers, as the others do not in the paper. On 12 layers and up to four levels these are the
    published choices.

    Args:
        num_layers: Layers of the transformer.
        num_levels: Levels of the hierarchy, the labels' included.

    Example:
        >>> spread_layers(12, 4), spread_layers(12, 1), spread_layers(2, 3)
        ([[5, 6], [8], [10], [12]], [[12]], [[1], [2], [2]])
    """
    steps = num_levels - 1
    first = num_layers - min(num_layers / 2, steps * num_layers / 6)
    groups = [[round(first + (num_layers - first) * step / max(steps, 1))] for step in range(num_levels)]
    groups[-1] = [num_layers]
    if num_levels > 1 and groups[0][0] > 1:
        groups[0] = [groups[0][0] - 1, groups[0][0]]
    return groups


def flat_layers(groups: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """All layers that `groups` name, ascending, and the positions of each group among them.

    Raises:
        ConfigError: A group is empty.

    Example:
        >>> flat_layers([[5, 6], [8], [8]])
        ([5, 6, 8], [[0, 1], [2], [2]])
    """
    if not groups or not all(groups):
        raise ConfigError(f"'layers' must name at least one layer for each level, found {[list(g) for g in groups]}.")
    layers = sorted({layer for group in groups for layer in group})
    return layers, [[layers.index(layer) for layer in group] for group in groups]


def layer_vectors(encoder: TransformerTextEncoder, text: Mapping[str, Tensor]) -> Tensor:
    """One vector of each text from each of the encoder's `layers`, pooled as it pools the last one.

    Shapes:
        - output: [B, S, D]
    """
    states = encoder(**text)
    assert states.layers is not None
    assert states.mask is not None
    return torch.stack([encoder.pool_states(tokens, states.mask) for tokens in states.layers], dim=1)
