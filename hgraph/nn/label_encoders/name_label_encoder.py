"""Label vectors from label names."""

import torch
from torch import Tensor, nn

from hgraph.nn.label_encoders.feature_rows import LabelFeatures
from hgraph.nn.label_encoders.label_encoder import LabelEncoder, chosen_rows
from hgraph.nn.label_encoders.learned_label_encoder import look_up


class NameLabelEncoder(LabelEncoder):
    r"""Label names, as vectors of any origin, brought to the width and scale of label vectors.

    .. math:: f_l = \operatorname{LN}(W n_l + u_l)

    where :math:`u_l` is a free vector of label :math:`l`, if wanted: it tells apart labels with equal names and learns
    what a name does not say, but ties the encoder to one set of labels. HTLA starts it at unit variance, where it
    drowns the name; here it starts at N(0, 0.02²).

    Args:
        in_channels: the width of a name vector :math:`n`.
        channels: the width of a label vector.
        num_labels: with it each label has a free vector :math:`u_l`; without it (default) there are none, and the
            encoder takes any number of labels.

    Shapes:
        - features ``[L, in_channels]``, labels ``[S]`` or ``None``
        - output ``[L, channels]``, or ``[S, channels]`` with ``labels``

    Example:
        >>> NameLabelEncoder(in_channels=6, channels=4)(torch.randn(3, 6)).shape
        torch.Size([3, 4])
    """

    label_parameters = ("id_embedding",)

    def __init__(self, in_channels: int, channels: int, *, num_labels: int | None = None) -> None:
        super().__init__(num_labels, channels)
        self.in_channels = in_channels
        self.projection = nn.Linear(in_channels, channels)
        self.id_embedding = None if num_labels is None else nn.Parameter(torch.empty(num_labels, channels))
        self.norm = nn.LayerNorm(channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        self.projection.reset_parameters()
        self.norm.reset_parameters()
        if self.id_embedding is not None:
            nn.init.normal_(self.id_embedding, std=0.02)

    def forward(self, features: LabelFeatures | None = None, *, labels: Tensor | None = None) -> Tensor:
        """The vector of each label, or of each of ``labels``."""
        vectors = self.projection(chosen_rows(self.require_features(features, self.in_channels), labels))
        if self.id_embedding is not None:
            vectors = vectors + look_up(self.id_embedding, labels, sparse=self.sparse)
        return self.norm(vectors)

    @property
    def partial(self) -> bool:
        """It is: a label has nothing to do with another."""
        return True
