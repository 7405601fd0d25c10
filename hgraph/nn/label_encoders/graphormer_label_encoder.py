"""Label vectors by Graphormer: attention among labels, biased by distance and path in the hierarchy."""

from typing import Any, Literal, get_args

from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.nn.conv import EdgeBlocks
from hgraph.nn.encodings import LabelEdges, LabelStructure, PairRows, label_edges
from hgraph.nn.graphormer_block import GraphormerBlock
from hgraph.nn.label_encoders.memory import edge_memory, label_memory, pair_memory, warn_if_short
from hgraph.nn.label_encoders.published import HGCLRBlock
from hgraph.nn.label_encoders.transformer_label_encoder import (
    Form,
    TransformerLabelEncoder,
    check_form,
    source_and_target,
)
from hgraph.nn.transformer_block import Norm

Program = Literal["hgclr", "htla_n"]
HGCLR_DISTANCES = 19
"""The largest distance that the table of HGCLR tells apart."""


class GraphormerLabelEncoder(TransformerLabelEncoder):
    r"""Graphormer (`arXiv 2106.05234 <https://arxiv.org/abs/2106.05234>`_) on a label hierarchy.

    Each label starts from its features plus embeddings of its numbers of parents and of children. In each block
    (:class:`~hgraph.nn.GraphormerBlock`) all labels attend to all labels, with a bias for each head :math:`h` that the
    blocks share:

    .. math:: b^h_{ij} = t^h_{\min(\phi(i, j), D)} + \operatorname{mean}_{k \in \operatorname{path}(i, j)} w^h_k

    with a table :math:`t` of distances (:math:`t_0 = 0`) and a number :math:`w_k` for each edge of the hierarchy on the
    path between the two. A last LayerNorm gives the label vectors. Permuting the labels permutes the result.

    Changed against HGCLR (`arXiv 2203.03825 <https://arxiv.org/abs/2203.03825>`_): each head has a bias of its own,
    degrees are encoded as in Graphormer, blocks are pre-norm, and the last one has a feed-forward network, too.

    The form says who attends to whom:

    - ``all_pairs``: everyone to everyone, the bias computed a few rows at a time. Memory is linear in the labels, time
      grows with their square.
    - ``dense``: the same numbers with the bias in one tensor ``[L, L, heads]``.
    - ``edges``: along those of :func:`~hgraph.nn.label_edges`, with a bias by their kind and the difference of levels.
      Time and memory are linear. Only this form can compute some ``labels`` without the others.
    - ``auto``: ``all_pairs`` up to ``all_pairs_limit`` labels (where labels have several parents, up to ``dense_limit``
      ``dense``, as rows take longer there), above it ``edges``.

    Args:
        graph: the hierarchy, a :class:`~hgraph.nn.LabelStructure` or anything with ``edge_index`` (from parent to
            child) and ``num_nodes``.
        channels: the width of a label vector (default 768).
        heads: the number of attention heads (default 12).
        layers: the number of blocks (default 1).
        dropout: throughout the blocks and on the input (default 0.1).
        max_distance: labels farther apart are treated as this far apart (default 20).
        path: whether the bias has the path term (default true).
        distance: whether it has the distance term, in the form ``edges`` that of levels (default true).
        in_channels: the width of the features, if it is not ``channels``; they are projected then.
        node_encoder: any label encoder of ``channels`` outputs that makes the start of each label; it takes the place
            of ``in_channels``.
        ffn_ratio: the width of the feed-forward networks in multiples of ``channels`` (default 1).
        max_degree: more parents or children than this count as this many (default 64); ``None`` leaves degrees out.
        norm: where the LayerNorms of the blocks are, ``"pre"`` (default) or ``"post"``.
        form: see above (default ``"auto"``).
        dense_limit: the largest number of labels of the form ``dense`` (default 4000).
        all_pairs_limit: the largest number of labels of the form ``all_pairs`` (default 50,000).
        edges: the edges of the form ``edges``, made by :func:`~hgraph.nn.label_edges` with options of your own.
        faithful: the layer of HGCLR's program (:class:`~hgraph.nn.label_encoders.published.HGCLRBlock`), to compare
            with published numbers: one bias for all heads, post-norm, no feed-forward network after the last layer. It
            divides the path term by :math:`\phi + 10^{-8}`, which no float32 tells from :math:`\phi`, so that is left
            out. The form is ``dense``; ``ffn_ratio``, ``max_degree``, ``max_distance`` and ``norm`` play no part.
        program: whose layer ``faithful`` gives: ``"hgclr"`` (default), or ``"htla_n"``, that of HTLA^n (IEEE DSAA
            2024), which is the same with a feed-forward network after the last layer, too.

    Shapes:
        - features ``[L, in_channels]``, labels ``[S]`` or ``None``
        - output ``[L, channels]``, or ``[S, channels]`` with ``labels``

    Example:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> graph = Data(edge_index=torch.tensor([[0, 0], [1, 2]]), num_nodes=4)
        >>> GraphormerLabelEncoder(graph, channels=16, heads=2, in_channels=8)(torch.randn(4, 8)).shape
        torch.Size([4, 16])
    """

    def __init__(
        self,
        graph: Any,
        *,
        channels: int = 768,
        heads: int = 12,
        layers: int = 1,
        dropout: float = 0.1,
        max_distance: int = 20,
        path: bool = True,
        distance: bool = True,
        in_channels: int | None = None,
        node_encoder: nn.Module | None = None,
        ffn_ratio: float = 1.0,
        max_degree: int | None = 64,
        norm: Norm = "pre",
        form: Form = "auto",
        dense_limit: int = 4000,
        all_pairs_limit: int = 50_000,
        edges: LabelEdges | None = None,
        faithful: bool = False,
        program: Program = "hgclr",
    ) -> None:
        structure = LabelStructure.of(graph)
        num_labels = structure.num_labels
        if layers < 1:
            raise ConfigError(f"'layers' must be at least 1, but got {layers}.")
        if program not in get_args(Program):
            raise ConfigError(f"'program' must be one of {', '.join(get_args(Program))}, but got {program!r}.")
        memory = {
            "dense": pair_memory(num_labels, channels=channels, state_channels=heads, layers=1),
            "all_pairs": label_memory(num_labels, channels=channels, layers=layers),
        }
        if faithful:
            if form not in ("auto", "dense"):
                raise ConfigError(f"'form' must be 'dense' with faithful=True, but got {form!r}.")
            form, max_distance = "dense", HGCLR_DISTANCES
        elif form == "auto":
            form = _automatic(structure, dense_limit, all_pairs_limit) if edges is None else "edges"
        limits = {"dense": dense_limit, "all_pairs": all_pairs_limit}
        check_form(form, edges, num_labels, limits, memory, type(self).__name__)
        super().__init__(
            structure,
            channels=channels,
            state_channels=1 if faithful else heads,
            form=form,
            dropout=dropout,
            max_distance=max_distance,
            path=path,
            distance=distance,
            in_channels=in_channels,
            node_encoder=node_encoder,
            max_degree=max_degree,
            edges=label_edges(graph) if form == "edges" and edges is None else edges,
            plain=faithful,
        )
        bare = layers - 1 if program == "hgclr" else None  # the layer without a feed-forward network
        self.blocks = nn.ModuleList(
            HGCLRBlock(channels, heads=heads, dropout=dropout, last=number == bare)
            if faithful
            else GraphormerBlock(channels, heads=heads, dropout=dropout, ffn_ratio=ffn_ratio, norm=norm)
            for number in range(layers)
        )
        if isinstance(self.edges, EdgeBlocks):
            memory["edges"] = edge_memory(
                num_labels, self.edges.num_edges, channels=channels, state_channels=heads, layers=layers
            )
        warn_if_short(memory[form], f"{type(self).__name__} with form={form!r} on {num_labels} labels")
        self.reset_parameters()

    def layer(
        self, number: int, x: Tensor, edges: Tensor | EdgeBlocks | None, edge_attr: Any, num_targets: int
    ) -> tuple[Tensor, Tensor | PairRows]:
        """See :class:`~hgraph.nn.EdgeLabelEncoder`."""
        return self.blocks[number](source_and_target(x, num_targets), edges, edge_attr), edge_attr


def _automatic(structure: LabelStructure, dense_limit: int, all_pairs_limit: int) -> Form:
    """The form that ``auto`` stands for."""
    if not structure.is_tree and structure.num_labels <= dense_limit:
        return "dense"
    return "all_pairs" if structure.num_labels <= all_pairs_limit else "edges"
