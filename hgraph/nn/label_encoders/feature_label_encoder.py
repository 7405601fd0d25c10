"""Label vectors from features of several origins, without a graph."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.nn.encodings import LabelStructure, structural_features
from hgraph.nn.label_encoders.feature_rows import LabelFeatures
from hgraph.nn.label_encoders.label_encoder import LabelEncoder, chosen_rows
from hgraph.nn.label_encoders.learned_label_encoder import look_up


class FeatureLabelEncoder(LabelEncoder):
    r"""What is known of each label, from any of four origins, in one vector.

    .. math:: z_l = \operatorname{LN}(W_t t_l + W_v v_l + W_s s_l + W_u u_l + b)

    with :math:`t_l` the features that are passed in (vectors of names), :math:`v_l` fixed vectors, for example means of
    the documents of each label (PIFA), :math:`s_l` what the place in the hierarchy says in a few numbers
    (:func:`~hgraph.nn.structural_features`), and :math:`u_l` a small free vector. Each is optional. Time and memory are
    linear in the labels, so this is the encoder to measure graph encoders against, and a start for them
    (``node_encoder``) on large hierarchies.

    So that no origin drowns another, each :math:`t_l` and :math:`v_l` is first scaled to a mean square of 1 (zero
    vectors stay zero), as :math:`s` has over all labels. Free vectors start at N(0, 0.02²): what other features say
    comes first.

    The fixed vectors follow from documents, which a model folder does not hold, so they are part of checkpoints; in
    half precision, whose rounding is far below the noise of such vectors. A new hierarchy needs new ones.

    Args:
        num_labels: the number of labels ``L``.
        channels: the width of a label vector.
        text_channels: the width of the features :math:`t`, if there are any.
        vectors: the fixed vectors :math:`v`, if there are any.
        structure: the hierarchy, if its shape is to be read: a :class:`~hgraph.nn.LabelStructure` or anything with
            ``edge_index`` (from parent to child) and ``num_nodes``.
        id_channels: the width of the free vectors :math:`u`, if there are any.
        sparse_ids: whether their gradients are sparse, see :class:`~hgraph.nn.LearnedLabelEncoder` (default false).

    Shapes:
        - features ``[L, text_channels]`` or ``None``, vectors ``[L, P]``, labels ``[S]`` or ``None``
        - output ``[L, channels]``, or ``[S, channels]`` with ``labels``

    Example:
        >>> encoder = FeatureLabelEncoder(5, 16, text_channels=8, vectors=torch.randn(5, 12), id_channels=4)
        >>> encoder(torch.randn(5, 8)).shape
        torch.Size([5, 16])
    """

    num_labels: int
    vectors: Tensor | None
    shape: Tensor | None
    label_parameters = ("id_embedding",)

    def __init__(
        self,
        num_labels: int,
        channels: int,
        *,
        text_channels: int | None = None,
        vectors: Tensor | None = None,
        structure: Any = None,
        id_channels: int | None = None,
        sparse_ids: bool = False,
    ) -> None:
        super().__init__(num_labels, channels)
        if all(origin is None for origin in (text_channels, vectors, structure, id_channels)):
            raise ConfigError(
                "FeatureLabelEncoder needs at least one of 'text_channels', 'vectors', 'structure' and 'id_channels', "
                "but got none."
            )
        self.text_channels, self.sparse = text_channels, sparse_ids
        self.register_buffer("vectors", None if vectors is None else _half(vectors, num_labels))
        shape = None if structure is None else _shape(structure, num_labels)
        self.register_buffer("shape", shape, persistent=False)
        widths = {
            "text": text_channels,
            "vectors": None if self.vectors is None else self.vectors.shape[1],
            "structure": None if self.shape is None else self.shape.shape[1],
            "id": id_channels,
        }
        self.projections = nn.ModuleDict(
            {name: nn.Linear(width, channels, bias=False) for name, width in widths.items() if width is not None}
        )
        self.id_embedding = None if id_channels is None else nn.Parameter(torch.empty(num_labels, id_channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.norm = nn.LayerNorm(channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        for module in (*self.projections.values(), self.norm):
            if isinstance(module, nn.Linear | nn.LayerNorm):
                module.reset_parameters()
        nn.init.zeros_(self.bias)
        if self.id_embedding is not None:
            nn.init.normal_(self.id_embedding, std=0.02)

    def forward(self, features: LabelFeatures | None = None, *, labels: Tensor | None = None) -> Tensor:
        """The vector of each label, or of each of ``labels``."""
        origins = {}
        if self.text_channels is not None:
            origins["text"] = _unit(chosen_rows(self.require_features(features, self.text_channels), labels))
        if self.vectors is not None:
            origins["vectors"] = _unit(chosen_rows(self.vectors, labels).to(self.bias.dtype))
        if self.shape is not None:
            origins["structure"] = chosen_rows(self.shape, labels).to(self.bias.dtype)
        if self.id_embedding is not None:
            origins["id"] = look_up(self.id_embedding, labels, sparse=self.sparse)
        return self.norm(sum((self.projections[name](origin) for name, origin in origins.items()), self.bias))

    @property
    def partial(self) -> bool:
        """It is: a label has nothing to do with another."""
        return True


def _half(vectors: Tensor, num_labels: int) -> Tensor:
    """The fixed vectors in half precision."""
    if vectors.dim() != 2 or vectors.shape[0] != num_labels:
        raise ConfigError(f"'vectors' must have shape [{num_labels}, P], but got {list(vectors.shape)}.")
    # Scaled first: half precision has no numbers above 65504, and few below 6e-5.
    vectors = _unit(vectors.detach().float()).half()
    if not vectors.isfinite().all():
        raise ConfigError("'vectors' must be finite, but some are infinite or NaN.")
    return vectors


def _shape(structure: Any, num_labels: int) -> Tensor:
    """What the hierarchy says of each label."""
    structure = LabelStructure.of(structure)
    if structure.num_labels != num_labels:
        raise ConfigError(f"'structure' must have num_labels={num_labels} labels, but got {structure.num_labels}.")
    return structural_features(structure)


def _unit(vectors: Tensor) -> Tensor:
    """Each vector scaled to a mean square of 1; a zero vector stays zero."""
    return F.normalize(vectors, dim=-1) * vectors.shape[-1] ** 0.5
