"""Random hierarchies and label sets for the tests of samplers and negatives."""

import networkx as nx
import numpy as np
import torch
from hypothesis import strategies as st

from hgraph.graph import LabelGraph


@st.composite
def hierarchies(draw, max_labels=10):
    """Random forests and DAGs whose index order is not topological."""
    size = draw(st.integers(1, max_labels))
    most = draw(st.sampled_from([1, 3]))
    edges = []
    for child in range(1, size):
        edges += [(f"n{parent}", f"n{child}") for parent in draw(st.sets(st.integers(0, child - 1), max_size=most))]
    return LabelGraph.from_edges(edges, nodes=draw(st.permutations([f"n{i}" for i in range(size)])))


@st.composite
def label_matrices(draw, graph, max_documents=6):
    """Ragged label sets, closed upward or not, some empty: float `[N, L]`."""
    size = draw(st.integers(0, max_documents))
    share = draw(st.sampled_from([0.0, 0.2, 0.5, 1.0]))
    source = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    labels = (torch.rand(size, graph.num_labels, generator=source) < share).float()
    if size and draw(st.booleans()):
        labels = torch.from_numpy(graph.expand(labels.numpy()).toarray())
    return labels


def large_case(seed, num_labels=25, num_documents=12):
    """A DAG (or forest) of several levels in random order and label sets that are not closed upward."""
    draw = np.random.default_rng(seed)
    order = draw.permutation(num_labels)
    edges = [
        (f"n{order[parent]}", f"n{order[child]}")
        for child in range(4, num_labels)
        for parent in {*draw.integers(child // 2, size=1 + 2 * (seed % 2)).tolist()}
    ]
    graph = LabelGraph.from_edges(edges, nodes=[f"n{i}" for i in range(num_labels)])
    return graph, torch.from_numpy((draw.random((num_documents, num_labels)) < 0.12).astype(np.float32))


def indexed(graph):
    """The hierarchy in networkx, on indices."""
    out = nx.DiGraph()
    out.add_nodes_from(range(graph.num_labels))
    out.add_edges_from(graph.edge_index.t().tolist())
    return out


def corpus(num_documents, seed=0, num_labels=60):
    """A forest of three levels and label sets closed upward, a few of them empty; frequent and rare labels."""
    edges = [(f"r{i % 4}", f"m{i}") for i in range(12)] + [(f"m{i % 12}", f"l{i}") for i in range(num_labels - 16)]
    graph = LabelGraph.from_edges(edges)
    draw = np.random.default_rng(seed)
    labels = np.zeros((num_documents, graph.num_labels), dtype=np.float32)
    for row in labels[: num_documents - num_documents // 20]:
        row[(draw.zipf(1.3, size=draw.integers(1, 4)) + 3) % graph.num_labels] = 1
    return graph, graph.expand(labels)


class LargestTensor(torch.utils._python_dispatch.TorchDispatchMode):
    """Within it, `size` is the number of entries of the largest tensor that an operation gave."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, torch.Tensor):
                self.size = max(self.size, tensor.numel())
        return out
