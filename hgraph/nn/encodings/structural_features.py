"""What the place of a label in its hierarchy says about it, in five numbers."""

import torch
from torch import Tensor

from hgraph.nn.encodings.label_structure import LabelStructure

NUM_STRUCTURAL_FEATURES = 5
"""Columns of :func:`structural_features`."""


def structural_features(structure: LabelStructure) -> Tensor:
    r"""Five standardised numbers a label, for label encoders without a parameter of their own for each label.

    1. the level: 1 + the longest path from a root
    2. :math:`\log(1 + \text{parents})`
    3. :math:`\log(1 + \text{children})`
    4. :math:`\log` of the number of labels at and below it, along first parents
    5. :math:`\log(1 + \text{siblings})`, counted once for each parent that is shared

    Each column has mean 0 and variance 1, or is 0 where all labels are alike: in a tree with one root, parents tell
    the root apart; in a list of labels nothing tells any two apart. The logarithms bring a root above a hundred
    thousand children within reach of a label above two.

    Args:
        structure: the hierarchy.

    Shapes:
        - output ``[L, 5]`` (float32)

    Example:
        >>> structure = LabelStructure(torch.tensor([[0, 0], [1, 2]]), num_labels=3)
        >>> structural_features(structure)[:, 0]
        tensor([-1.4142,  0.7071,  0.7071])
    """
    parents, children = structure.edge_index
    siblings = torch.zeros_like(structure.in_degree).index_add(0, children, structure.out_degree[parents] - 1)
    counts = (structure.in_degree, structure.out_degree, structure.subtree_size - 1, siblings)
    columns = [structure.level.double(), *(count.double().log1p() for count in counts)]
    features = torch.stack(columns, dim=1)
    centred = features - features.mean(dim=0)
    # Rounding in the mean is not variance.
    spread = centred.square().mean(dim=0).sqrt()
    return torch.where(spread > 1e-9, centred / spread.clamp(min=1e-9), 0.0).float()
