"""Label vectors that know where their label stands in the hierarchy: GPTrans over pairs of labels."""

from typing import Any

from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.nn.conv import EdgeBlocks
from hgraph.nn.encodings import LabelEdges, LabelStructure, PairRows, label_edges
from hgraph.nn.gptrans_block import GPTransBlock
from hgraph.nn.label_encoders.memory import edge_memory, label_memory, pair_memory, warn_if_short
from hgraph.nn.label_encoders.published import HTLABlock
from hgraph.nn.label_encoders.transformer_label_encoder import (
    Form,
    TransformerLabelEncoder,
    check_form,
    source_and_target,
)
from hgraph.nn.transformer_block import Norm

HTLA_DISTANCES = 19
"""The largest distance that the table of HTLA tells apart."""


class GPTransLabelEncoder(TransformerLabelEncoder):
    r"""GPTrans (`arXiv 2305.11424 <https://arxiv.org/abs/2305.11424>`_) on a label hierarchy, as HTLA uses it.

    Each label starts from its features plus embeddings of its numbers of parents and of children; each pair of labels
    from its distance and the edges between (the maths of :class:`~hgraph.nn.DenseEdgeEncoding`). Blocks of graph
    propagation attention (:class:`~hgraph.nn.GPTransBlock`) update both, and a last LayerNorm gives the label vectors.

    Changed against HTLA (`arXiv 2409.00788 <https://arxiv.org/abs/2409.00788>`_), whose program lost parts of GPTrans:
    pair states are not scrambled between pairs; the blocks have residuals and normalisation; pair states are carried
    from block to block; degrees are encoded. Label ids play no part: permuting the labels permutes the result.

    The form says which pairs there are:

    - ``dense``: all, in one tensor. Time and memory grow with the square of the number of labels.
    - ``all_pairs``: all, their states computed a few rows at a time. Memory is linear, time grows with the square.
      There is nowhere to keep updated states, so it is a form of a single layer.
    - ``edges``: those of :func:`~hgraph.nn.label_edges`, which start from their kind and the difference of levels. Time
      and memory are linear. Only this form can compute some ``labels`` without the others.
    - ``auto``: up to ``dense_limit`` labels all pairs (one layer on a tree ``all_pairs``, else ``dense``), above it
      ``edges``.

    Args:
        graph: the hierarchy, a :class:`~hgraph.nn.LabelStructure` or anything with ``edge_index`` (from parent to
            child) and ``num_nodes``.
        channels: the width of a label vector (default 768).
        edge_channels: the width of a pair state (default 30).
        heads: the number of attention heads (default 12).
        layers: the number of blocks (default 1).
        dropout: throughout the blocks and on the input (default 0.1).
        max_distance: labels farther apart are treated as this far apart (default 20).
        path: whether pair states start from the edges between, too (default true).
        distance: whether they start from the distance, in the form ``edges`` from levels (default true).
        in_channels: the width of the features, if it is not ``channels``; they are projected then.
        node_encoder: any label encoder of ``channels`` outputs that makes the start of each label, for example
            ``NameLabelEncoder(768, 768, num_labels=graph.num_nodes)`` for names plus a free vector a label. It takes
            the place of ``in_channels``.
        ffn_ratio: the width of the feed-forward networks in multiples of ``channels`` (default 1).
        max_degree: more parents or children than this count as this many (default 64); ``None`` leaves degrees out.
        norm: where the LayerNorms of the blocks are, ``"pre"`` (default) or ``"post"``.
        form: see above (default ``"auto"``).
        dense_limit: the largest number of labels of the form ``dense`` (default 4000).
        all_pairs_limit: the largest number of labels of the form ``all_pairs`` (default 50,000).
        edges: the edges of the form ``edges``, made by :func:`~hgraph.nn.label_edges` with options of your own.
        faithful: the layer of HTLA's program (:class:`~hgraph.nn.label_encoders.published.HTLABlock`), to compare with
            published numbers. The form is ``dense``; ``ffn_ratio``, ``max_degree``, ``max_distance`` and ``norm`` play
            no part.

    Shapes:
        - features ``[L, in_channels]``, labels ``[S]`` or ``None``
        - output ``[L, channels]``, or ``[S, channels]`` with ``labels``

    Example:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> graph = Data(edge_index=torch.tensor([[0, 0], [1, 2]]), num_nodes=4)
        >>> encoder = GPTransLabelEncoder(graph, channels=16, heads=2, in_channels=8)
        >>> encoder(torch.randn(4, 8)).shape
        torch.Size([4, 16])
        >>> encoder = GPTransLabelEncoder(graph, channels=16, heads=2, layers=2, form="edges")
        >>> encoder(torch.randn(4, 16), labels=torch.tensor([3, 1])).shape
        torch.Size([2, 16])
    """

    def __init__(
        self,
        graph: Any,
        *,
        channels: int = 768,
        edge_channels: int = 30,
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
    ) -> None:
        structure = LabelStructure.of(graph)
        num_labels = structure.num_labels
        if layers < 1:
            raise ConfigError(f"'layers' must be at least 1, but got {layers}.")
        memory = {
            "dense": pair_memory(num_labels, channels=channels, state_channels=edge_channels, layers=layers),
            "all_pairs": label_memory(num_labels, channels=channels, layers=layers),
        }
        if faithful:
            if form not in ("auto", "dense"):
                raise ConfigError(f"'form' must be 'dense' with faithful=True, but got {form!r}.")
            form, max_distance = "dense", HTLA_DISTANCES
        elif form == "auto":
            over_pairs: Form = "all_pairs" if layers == 1 and structure.is_tree else "dense"
            form = over_pairs if edges is None and num_labels <= dense_limit else "edges"
        limits = {"dense": dense_limit, "all_pairs": all_pairs_limit}
        check_form(form, edges, num_labels, limits, memory, type(self).__name__)
        if form == "all_pairs" and layers > 1:
            raise ConfigError(
                f"'form' must not be 'all_pairs' with layers={layers}: later layers read updated states of all pairs, "
                "which this form does not keep. Use 'dense' or 'edges'."
            )
        super().__init__(
            structure,
            channels=channels,
            state_channels=edge_channels,
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
        last = layers - 1
        self.blocks = nn.ModuleList(
            HTLABlock(channels, edge_channels, heads=heads, dropout=dropout, last=number == last)
            if faithful
            else GPTransBlock(
                channels,
                edge_channels,
                heads=heads,
                dropout=dropout,
                ffn_ratio=ffn_ratio,
                norm=norm,
                update_edges=number < last,
            )
            for number in range(layers)
        )
        if isinstance(self.edges, EdgeBlocks):
            memory["edges"] = edge_memory(
                num_labels, self.edges.num_edges, channels=channels, state_channels=edge_channels, layers=layers
            )
        warn_if_short(memory[form], f"{type(self).__name__} with form={form!r} on {num_labels} labels")
        self.reset_parameters()

    def layer(
        self, number: int, x: Tensor, edges: Tensor | EdgeBlocks | None, edge_attr: Any, num_targets: int
    ) -> tuple[Tensor, Tensor | PairRows]:
        """See :class:`~hgraph.nn.EdgeLabelEncoder`."""
        return self.blocks[number](source_and_target(x, num_targets), edges, edge_attr)
