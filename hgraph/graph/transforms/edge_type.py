"""Edges of several types between labels, kept apart from the hierarchy."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph.transforms.graph_transform import hierarchy_of

ATTRIBUTE = "typed_edges"


class EdgeType(IntEnum):
    """What the label an edge comes from is to the label it goes to; the numbers are those in `edge_type`.

    Example:
        >>> EdgeType.SIBLING_OF.relation
        ('label', 'sibling_of', 'label')
    """

    PARENT_OF = 0
    CHILD_OF = 1
    SIBLING_OF = 2
    ANCESTOR_OF = 3
    DESCENDANT_OF = 4
    COOCCURS_WITH = 5

    @property
    def relation(self) -> tuple[str, str, str]:
        """The key of these edges in a PyG `HeteroData`."""
        return ("label", self.name.lower(), "label")


def put_edges(data: Data, edge_type: EdgeType, edge_index: Tensor, weight: Tensor | None = None) -> Data:
    """Write the edges of a type into `data.typed_edges`, in place of those of this type that are there.

    `edge_index` stays the hierarchy: with other edges in it, a `LabelGraph` would be no hierarchy any more.
    `typed_edges` is a dictionary of tensors, which PyG moves, batches, separates and pickles like other attributes but
    never takes for one with a row a label or an edge, however many edges there are. It also refers to the `edge_index`
    it was made for: after `subgraph`, `ToUndirected` or an edit it is refused, not silently wrong. (In a list of labels
    without any edges, only missing labels are noticed.)

    Args:
        data: a `LabelGraph` or PyG `Data`; changed.
        edge_type: any but `PARENT_OF`, which are the edges of the hierarchy.
        edge_index: from and to.
        weight: ones by default.

    Shapes:
        - **edge_index:** long `[2, E']`, **weight:** `[E']`
        - **data.typed_edges:** `edge_index` long `[2, E'']`, `edge_type` long `[E'']`, `edge_weight` float32 `[E'']`

    Raises:
        ConfigError: edges of the hierarchy, or another number of weights than edges.
        TaxonomyError: the graph has edges of other types that were made before its hierarchy changed.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c")])
        >>> put_edges(graph, EdgeType.SIBLING_OF, torch.tensor([[1, 2], [2, 1]])).typed_edges["edge_type"]
        tensor([2, 2])
    """
    if edge_type == EdgeType.PARENT_OF:
        raise ConfigError("'edge_type' must not be PARENT_OF: these edges are 'edge_index' itself.")
    device = data.edge_index.device
    edge_index = edge_index.to(device)
    weight = torch.ones(edge_index.size(1)) if weight is None else weight.float()
    if weight.shape != edge_index.shape[1:]:
        raise ConfigError(f"'weight' must hold {edge_index.size(1)} numbers, found {list(weight.shape)}.")
    before = typed_edges(data)
    keep = before["edge_type"] != int(edge_type)
    of_type = torch.full_like(edge_index[0], int(edge_type))
    data[ATTRIBUTE] = {  # a new dictionary: shallow copies of the graph share the old one
        "edge_index": torch.cat([before["edge_index"][:, keep], edge_index], dim=1),
        "edge_type": torch.cat([before["edge_type"][keep], of_type]),
        "edge_weight": torch.cat([before["edge_weight"][keep], weight.to(device)]),
        "made_for_edge_index": data.edge_index,
    }
    return data


def typed_edges(data: Data) -> dict[str, Tensor]:
    """The edges that :func:`put_edges` wrote, none where it did not; `TaxonomyError` if the hierarchy has changed."""
    found = data.get(ATTRIBUTE)
    if found is None:
        none = data.edge_index.new_empty(0)
        return {"edge_index": none.view(1, 0).repeat(2, 1), "edge_type": none, "edge_weight": none.float()}
    past_the_end = found["edge_index"].numel() and int(found["edge_index"].max()) >= int(data.num_nodes or 0)
    if past_the_end or not torch.equal(found["made_for_edge_index"], data.edge_index):
        raise TaxonomyError(
            "'typed_edges' was made before the hierarchy changed. Delete it and apply the transforms again."
        )
    return found


def to_typed(data: Data) -> Data:
    """One PyG `Data` whose `edge_index` has all edges: those of the hierarchy, then those of `typed_edges`.

    For layers that read `edge_type` (`RGCNConv` with `num_relations=len(EdgeType)`), `edge_weight` (`GCNConv`), or a
    one-hot `edge_type` as `edge_attr` (`GATv2Conv`).

    Shapes:
        - **edge_index:** long `[2, E]`, **edge_type:** long `[E]`, **edge_weight:** float32 `[E]`, 1 by default
        - tensors with a row a label as they are; ids and names stay behind, in the same order

    Raises:
        TaxonomyError: the graph has a cycle, or its hierarchy changed after its typed edges were made.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> from hgraph.graph.transforms import AddReverseEdges
        >>> data = to_typed(AddReverseEdges()(LabelGraph.from_edges([("a", "b"), ("a", "c")])))
        >>> data.edge_index.tolist(), data.edge_type.tolist()
        ([[0, 0, 1, 2], [1, 2, 0, 0]], [0, 0, 1, 1])
    """
    hierarchy_of(data)
    more, hierarchy = typed_edges(data), data.edge_index
    parents = torch.full_like(hierarchy[0], int(EdgeType.PARENT_OF))
    return Data(
        edge_index=torch.cat([hierarchy, more["edge_index"]], dim=1),
        edge_type=torch.cat([parents, more["edge_type"]]),
        edge_weight=torch.cat([torch.ones_like(parents, dtype=torch.float), more["edge_weight"]]),
        **_node_attributes(data),
    )


def to_hetero_data(data: Data) -> HeteroData:
    """A PyG `HeteroData` of one node type, `label`, and one edge type for each that has edges.

    For models made by :func:`torch_geometric.nn.to_hetero` and for `HeteroConv`.

    Shapes:
        - tensors with a row a label, of the node type `label`, as they are
        - for each edge type **edge_index** long `[2, E]` and **edge_weight** float32 `[E]`

    Raises:
        TaxonomyError: the graph has a cycle, or its hierarchy changed after its typed edges were made.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> from hgraph.graph.transforms import AddSiblingEdges
        >>> data = to_hetero_data(AddSiblingEdges()(LabelGraph.from_edges([("a", "b"), ("a", "c")])))
        >>> data.edge_types
        [('label', 'parent_of', 'label'), ('label', 'sibling_of', 'label')]
    """
    typed, out = to_typed(data), HeteroData()
    for key, value in _node_attributes(data).items():
        out["label"][key] = value
    for edge_type in EdgeType:
        chosen = typed.edge_type == int(edge_type)
        if chosen.any():
            out[edge_type.relation].edge_index = typed.edge_index[:, chosen]
            out[edge_type.relation].edge_weight = typed.edge_weight[chosen]
    return out


def _node_attributes(data: Data) -> dict[str, Any]:
    """The number of nodes, and all tensors with a row a node.

    Not lists: where there are as many edges as labels, PyG takes those of a plain `Data` for attributes of the edges.
    """
    rows = {
        key: value
        for key, value in data.items()
        if isinstance(value, Tensor) and key != "edge_index" and data.is_node_attr(key)
    }
    return {"num_nodes": data.num_nodes, **rows}
