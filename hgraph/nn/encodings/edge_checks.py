"""What is wrong with the edges of a hierarchy, in one line that names the edges."""

from torch import Tensor

from hgraph.errors import TaxonomyError

SHOWN_LABELS = 6
"""Labels of a cycle that an error message names."""


def check_edges(edge_index: Tensor, num_labels: int) -> None:
    """Refuse edges to labels that are not there, and edges given twice.

    Args:
        edge_index: edges from parent to child.
        num_labels: the number of labels ``L``.

    Shapes:
        - edge_index ``[2, E]`` (long)

    Raises:
        TaxonomyError: an end is not from 0 to ``L - 1``, or an edge is there twice.
    """
    if not edge_index.numel():
        return
    low, high = int(edge_index.min()), int(edge_index.max())
    if low < 0 or high >= num_labels:
        raise TaxonomyError(
            f"'edge_index' must hold labels from 0 to {num_labels - 1}, but got {low if low < 0 else high}."
        )
    keys = (edge_index[0] * num_labels + edge_index[1]).sort().values
    twice = (keys[1:] == keys[:-1]).nonzero()
    if len(twice):
        parent, child = divmod(int(keys[twice[0]]), num_labels)
        raise TaxonomyError(
            f"'edge_index' must hold each edge once, but got {parent} -> {child} twice. Remove one of them."
        )


def cycle_error(parent: Tensor, label: int) -> TaxonomyError:
    """The error that names the cycle at which the way up from `label` ends.

    Args:
        parent: one parent of each label; those above `label` must have one, so that the way up never ends.
        label: where to start.

    Shapes:
        - parent ``[L]`` or longer

    Example:
        >>> import torch
        >>> print(cycle_error(torch.tensor([1, 2, 1]), label=0))
        'edge_index' contains a cycle of labels: 1 -> 2 -> 1. Remove one of these edges.
    """
    above, walk = parent.tolist(), {label: 0}
    while (label := above[label]) not in walk:
        walk[label] = len(walk)
    downwards = [*walk][walk[label] :][::-1]
    cycle = [str(label) for label in (downwards[-1], *downwards)]
    if len(cycle) > SHOWN_LABELS:
        cycle = [*cycle[: SHOWN_LABELS - 1], "...", cycle[-1]]
    return TaxonomyError(f"'edge_index' contains a cycle of labels: {' -> '.join(cycle)}. Remove one of these edges.")
