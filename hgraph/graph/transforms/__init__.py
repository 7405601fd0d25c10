"""PyG transforms of label hierarchies: features of labels, and edges of more types."""

from hgraph.graph.transforms.add_ancestor_edges import AddAncestorEdges
from hgraph.graph.transforms.add_cooccurrence_edges import AddCooccurrenceEdges
from hgraph.graph.transforms.add_degree import AddDegree
from hgraph.graph.transforms.add_laplacian_encoding import AddLaplacianEncoding
from hgraph.graph.transforms.add_level import AddLevel
from hgraph.graph.transforms.add_random_walk_encoding import AddRandomWalkEncoding
from hgraph.graph.transforms.add_reverse_edges import AddReverseEdges
from hgraph.graph.transforms.add_shortest_path_distance import AddDistancePairs, AddShortestPathDistance
from hgraph.graph.transforms.add_sibling_edges import AddSiblingEdges
from hgraph.graph.transforms.add_support import AddSupport
from hgraph.graph.transforms.add_text_features import AddTextFeatures
from hgraph.graph.transforms.add_virtual_root import AddVirtualRoot
from hgraph.graph.transforms.edge_type import EdgeType, put_edges, to_hetero_data, to_typed, typed_edges

__all__ = [
    "AddAncestorEdges",
    "AddCooccurrenceEdges",
    "AddDegree",
    "AddDistancePairs",
    "AddLaplacianEncoding",
    "AddLevel",
    "AddRandomWalkEncoding",
    "AddReverseEdges",
    "AddShortestPathDistance",
    "AddSiblingEdges",
    "AddSupport",
    "AddTextFeatures",
    "AddVirtualRoot",
    "EdgeType",
    "put_edges",
    "to_hetero_data",
    "to_typed",
    "typed_edges",
]
