"""A label hierarchy in PyTorch Geometric: transforms, typed edges, layers, batches, neighbourhoods.

python examples/04_label_graph_in_pyg.py
"""

import warnings

import torch
import torch_geometric.transforms as T
from torch_geometric.loader import DataLoader, NeighborLoader
from torch_geometric.nn import GATv2Conv, SAGEConv, to_hetero
from torch_geometric.utils import k_hop_subgraph, one_hot

from hgraph import LabelGraph
from hgraph.graph import transforms as H
from hgraph.graph.similarity import similarity


def letters(texts: list[str]) -> torch.Tensor:
    """Stands in for a text encoder: how often each letter occurs."""
    return torch.tensor([[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], dtype=torch.float)


class Layers(torch.nn.Module):
    """Two SAGE layers, to be made relational by PyG's `to_hetero`."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = SAGEConv((-1, -1), 32), SAGEConv((-1, -1), 8)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        """Encode labels."""
        return self.second(self.first(x, edge_index).relu(), edge_index)


def main() -> None:
    """Run the example."""
    torch.manual_seed(0)
    # Features of labels and edges of more types, composed with PyG's own transforms. The hierarchy stays a hierarchy.
    steps = [H.AddVirtualRoot(), H.AddTextFeatures(letters), H.AddLevel(num_levels=9, attr_name=None)]
    steps += [H.AddLaplacianEncoding(4, attr_name=None), T.NormalizeFeatures()]
    steps += [H.AddReverseEdges(), H.AddSiblingEdges(window=3), H.AddAncestorEdges()]
    graph = T.Compose(steps)(LabelGraph.from_name("edam"))
    print(graph, "with features", list(graph.x.shape))

    # All edges in one `edge_index`, for layers that read their types.
    typed = H.to_typed(graph)
    print({kind.name.lower(): int((typed.edge_type == kind).sum()) for kind in H.EdgeType})
    layer = GATv2Conv(graph.num_features, 8, heads=4, edge_dim=len(H.EdgeType))
    print("GATv2:", list(layer(typed.x, typed.edge_index, one_hot(typed.edge_type, len(H.EdgeType))).shape))

    # Or one `edge_index` a type, for a model that PyG makes relational.
    data = H.to_hetero_data(graph)
    model = to_hetero(Layers(), data.metadata())
    print("relational SAGE:", list(model(data.x_dict, data.edge_index_dict)["label"].shape))

    # Several hierarchies in one batch, and back.
    other = T.Compose(steps)(LabelGraph.from_paths(["Sport > Football", "Sport > Chess", "Games > Chess"]))
    batch = next(iter(DataLoader([graph, other], batch_size=2)))
    print("batch:", batch.num_nodes, "labels;", batch[1])

    # The surroundings of a few labels. NeighborLoader needs pyg-lib or torch-sparse; whole neighbourhoods do not.
    some = torch.tensor(graph.leaves[:2])
    nodes = k_hop_subgraph(some, 2, typed.edge_index[:, typed.edge_type == H.EdgeType.PARENT_OF])[0]
    print("two hops up:", graph.subgraph(nodes).name)
    try:
        with warnings.catch_warnings(action="ignore"):  # torch-sparse is the older way, PyG says
            part = next(iter(NeighborLoader(graph, [-1, -1], batch_size=2, input_nodes=some)))
        print("NeighborLoader:", part.name)
    except ImportError as error:
        print("NeighborLoader:", error)

    # How alike labels are, by what they have in common.
    pairs = [graph.indices(["topic_0080", "topic_0080"]), graph.indices(["topic_0081", "topic_3316"])]
    for measure in ("lin", "wu_palmer"):
        print(f"{measure}:", similarity(graph, *pairs, measure=measure).round(2).tolist())


if __name__ == "__main__":
    main()
