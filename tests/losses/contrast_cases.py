"""Random batches for the tests of the contrastive objectives."""

import torch
from hypothesis import strategies as st

from hgraph.graph import LabelGraph


@st.composite
def hierarchies(draw, max_labels=9):
    """Random forests and DAGs whose index order is not topological."""
    size = draw(st.integers(1, max_labels))
    most = draw(st.sampled_from([1, 3]))
    edges = []
    for child in range(1, size):
        edges += [(f"n{parent}", f"n{child}") for parent in draw(st.sets(st.integers(0, child - 1), max_size=most))]
    return LabelGraph.from_edges(edges, nodes=draw(st.permutations([f"n{i}" for i in range(size)])))


class Batch:
    """A hierarchy, ragged label sets (closed upward or not, some empty, some equal) and vectors of documents."""

    def __init__(self, graph, labels, seed):
        self.graph, self.labels = graph, labels
        draw = torch.Generator().manual_seed(seed)
        self.text = torch.randn(len(labels), 3, dtype=torch.float64, generator=draw)
        self.views = torch.randn(len(labels), 2, 3, dtype=torch.float64, generator=draw)
        self.label_text = torch.randn(*labels.shape, 3, dtype=torch.float64, generator=draw)
        self.mask = torch.rand(labels.shape, generator=draw) < 0.8
        self.level = graph.level.tolist()
        self.parents = [set(graph.parents[[label]].indices.tolist()) for label in range(graph.num_labels)]

    def sets(self, mask=None):
        kept = self.labels > 0 if mask is None else (self.labels > 0) & mask
        return [set(row.nonzero().view(-1).tolist()) for row in kept]

    def slots(self, label_text, mask=None):
        return [(i, label, label_text[i, label]) for i, row in enumerate(self.sets(mask)) for label in sorted(row)]

    def shortlist(self, seed=0):
        """Columns in a random order of each document's own, with two pads: labels, candidates, mask, label_text."""
        draw = torch.Generator().manual_seed(seed)
        batch, size = self.labels.shape
        order = torch.rand(batch, size, generator=draw).argsort(1)
        candidates = torch.cat([order, torch.zeros(batch, 2, dtype=torch.long)], dim=1)
        mask = torch.ones(batch, size + 2, dtype=torch.bool)
        mask[:, size:] = False
        labels = self.labels.gather(1, candidates)
        label_text = self.label_text.gather(1, candidates.unsqueeze(2).expand(-1, -1, self.label_text.size(2)))
        return labels, candidates, mask, label_text


@st.composite
def batches(draw, max_documents=6):
    graph = draw(hierarchies())
    size = draw(st.integers(0, max_documents))
    share = draw(st.sampled_from([0.0, 0.2, 0.5, 1.0]))
    source = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    labels = (torch.rand(size, graph.num_labels, generator=source) < share).float()
    if size > 1 and draw(st.booleans()):
        labels[1] = labels[0]
    if draw(st.booleans()):
        labels = torch.from_numpy(graph.expand(labels.numpy()).toarray()) if size else labels
    return Batch(graph, labels, draw(st.integers(0, 10_000)))


def large_batch(seed):
    """Nine documents on a DAG (or forest) of 12 labels: closed and other label sets, one empty, two equal, subsets."""
    draw = torch.Generator().manual_seed(seed)
    edges = [
        (f"n{parent}", f"n{child}")
        for child in range(3, 12)
        for parent in set(torch.randint(child // 2, (1 + seed % 2,), generator=draw).tolist())
    ]
    graph = LabelGraph.from_edges(edges, nodes=[f"n{i}" for i in torch.randperm(12, generator=draw).tolist()])
    labels = (torch.rand(9, 12, generator=draw) < 0.2).float()
    labels[:6] = torch.from_numpy(graph.expand(labels[:6].numpy()).toarray())
    labels[6] = 0
    labels[1] = labels[0]
    labels[2] = torch.maximum(labels[0], labels[2])
    return Batch(graph, labels, seed)


def value_and_gradients(function, *tensors):
    """The value of `function` of copies of the tensors, and its gradients; zeros for those it does not read."""
    copies = [tensor.clone().requires_grad_() for tensor in tensors]
    value = function(*copies)
    if not value.requires_grad:
        return value, [torch.zeros_like(copy) for copy in copies]
    gradients = torch.autograd.grad(value, copies, allow_unused=True)
    return value.detach(), [
        torch.zeros_like(copy) if gradient is None else gradient
        for copy, gradient in zip(copies, gradients, strict=True)
    ]


def assert_same(ours, theirs):
    """Values and gradients of :func:`value_and_gradients` agree, and are finite."""
    torch.testing.assert_close(ours[0], theirs[0], rtol=1e-9, atol=1e-9)
    for left, right in zip(ours[1], theirs[1], strict=True):
        assert left.isfinite().all()
        torch.testing.assert_close(left, right, rtol=1e-8, atol=1e-9)
