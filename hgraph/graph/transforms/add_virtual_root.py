"""One root above all others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph.label_graph import LabelGraph
from hgraph.graph.transforms.graph_transform import GraphTransform, hierarchy_of

DERIVED: dict[type, tuple[str, ...]] = {Data: ("edge_index", "num_nodes")}
DERIVED[LabelGraph] = (*DERIVED[Data], "level", "label_id", "name", "description")


class AddVirtualRoot(GraphTransform):
    """Put one more label above all roots; every level grows by one.

    It comes last, so that the other labels keep their indices. Features of the new label and of its edges are zeros.
    Put it first in a `Compose`: what other transforms have written is not computed anew.

    Args:
        label_id: id of the new label.
        name: its name, by default the id.

    Raises:
        TaxonomyError: there is a label of this id.
        ConfigError: a batch, or a graph with typed edges, which would lack those of the new label.

    Example:
        >>> graph = AddVirtualRoot()(LabelGraph.from_edges([("a", "b"), ("c", "d")]))
        >>> graph, graph.path_names("d")
        (LabelGraph(labels=5, edges=4, levels=3, roots=1, tree), '<root> > c > d')
    """

    def __init__(self, *, label_id: str = "<root>", name: str | None = None) -> None:
        self.label_id, self.name = label_id, name

    def forward(self, data: Any) -> Any:
        """Add it."""
        graph, edge_index = hierarchy_of(data), data.edge_index
        if isinstance(data, Batch):
            raise ConfigError("AddVirtualRoot adds a label to one graph. Apply it before batching.")
        if "typed_edges" in data:
            raise ConfigError("AddVirtualRoot must come before the transforms that add edges. Move it to the front.")
        roots = torch.from_numpy(graph.roots).to(edge_index)
        added = torch.stack([torch.full_like(roots, graph.num_labels), roots])
        derived = DERIVED[LabelGraph if isinstance(data, LabelGraph) else Data]
        grown = {
            key: _grow(data, key, value, len(roots)) for key, value in data.to_dict().items() if key not in derived
        }
        joined = torch.cat([edge_index, added], dim=1)
        if not isinstance(data, LabelGraph):
            return Data(edge_index=joined, num_nodes=graph.num_labels + 1, **grown)
        if self.label_id in data.id_to_index:
            raise TaxonomyError(f"'label_id' is {self.label_id!r}, which the hierarchy has already. Choose another.")
        name = self.label_id if self.name is None else self.name
        return type(data)(
            joined,
            [*data.label_id, self.label_id],
            name=[*data.name, name],
            description=[*data.description, ""],
            **grown,
        )


def _grow(data: Data, key: str, value: Any, num_edges: int) -> Any:
    """The value of an attribute with a row for the new label, or for each of its edges."""
    node = data.is_node_attr(key)
    more = 1 if node else num_edges if data.is_edge_attr(key) else 0
    if not more or not isinstance(value, Tensor | list):
        return value
    if isinstance(value, list):
        return [*value, *["" if all(isinstance(entry, str) for entry in value) else None] * more]
    dim = data.__cat_dim__(key, value)
    size = list(value.shape)
    size[dim] = more
    return torch.cat([value, value.new_zeros(size)], dim=dim)
