"""What the transforms of label hierarchies share: reading the hierarchy, naming and writing attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform
from torch_geometric.transforms.add_positional_encoding import add_node_attr

from hgraph.errors import ConfigError
from hgraph.graph.algebra import Algebra
from hgraph.graph.editing import Editing
from hgraph.graph.label_graph import LabelGraph
from hgraph.graph.relations import Relations

RESERVED = frozenset(
    ("edge_index", "num_nodes", "level", "label_id", "name", "description", "title", "license", "source", "typed_edges")
)


def hierarchy_of(data: Any) -> LabelGraph:
    """The graph itself when it is a `LabelGraph`; of any other PyG `Data` one with the same edges, parent over child.

    Raises:
        ConfigError: not a PyG `Data` with `edge_index`.
        TaxonomyError: the edges have a cycle or lead outside the nodes.
    """
    if isinstance(data, LabelGraph):
        _ = data.parents  # checked anew where a transform such as ToUndirected has changed the edges
        return data
    if not isinstance(data, Data) or data.edge_index is None or not data.num_nodes:
        raise ConfigError(
            f"Expected a LabelGraph or a PyG Data with 'edge_index' (parent over child), found {type(data).__name__}."
        )
    return LabelGraph(data.edge_index, [str(node) for node in range(int(data.num_nodes))])


def check_attr_name(attr_name: str | None) -> str | None:
    """The name, or a `ConfigError` where it belongs to the hierarchy or to a method, which would hide the attribute."""
    taken = attr_name is not None and any(hasattr(base, attr_name) for base in (Algebra, Relations, Editing))
    if taken or attr_name in RESERVED:
        raise ConfigError(f"'attr_name' must not be {attr_name!r}, which a LabelGraph has already. Choose another.")
    return attr_name


def undirected_adjacency(graph: LabelGraph) -> sp.csr_matrix:
    """Float64 CSR of ones between parents and children, either way."""
    return (graph.parents + graph.children).astype(np.float64)


class GraphTransform(BaseTransform):
    """Base: prints its options, label matrices and other large ones by their shape."""

    def __repr__(self) -> str:
        shown = [f"{key}={_brief(value)}" for key, value in vars(self).items()]
        return f"{type(self).__name__}({', '.join(shown)})"


class NodeTransform(GraphTransform):
    """A transform that writes one row a node.

    Args:
        attr_name: the attribute to write; None appends the row to `x`.

    Raises:
        ConfigError: `attr_name` is part of the hierarchy itself.
    """

    def __init__(self, attr_name: str | None) -> None:
        self.attr_name = check_attr_name(attr_name)

    def write(self, data: Data, value: np.ndarray | Tensor) -> Data:
        """Put `value`, `[num_nodes]` or `[num_nodes, C]`, on the device of the graph and into its attribute."""
        value = torch.as_tensor(value).to(data.edge_index.device)
        if self.attr_name is None:
            if value.dim() == 1:
                value = value.unsqueeze(1)
            if not value.is_floating_point():
                value = value.to(torch.get_default_dtype())
        return add_node_attr(data, value, self.attr_name)


def _brief(value: Any) -> str:
    if callable(value):
        return getattr(value, "__qualname__", type(value).__name__)
    shape = getattr(value, "shape", None)
    return repr(value) if shape is None else f"{type(value).__name__}{list(shape)}"
