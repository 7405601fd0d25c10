"""Random hierarchies and batches for the tests of objectives on labels."""

import numpy as np
import torch
from hypothesis import strategies as st

from hgraph.graph import LabelGraph


def random_graph(num_labels, max_parents=3, seed=0, roots=0.2):
    """A random DAG (a forest with one parent at most), labels in random order."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(num_labels)
    edges = []
    for child in range(1, num_labels):
        if rng.random() >= roots:
            parents = rng.choice(child, size=min(child, rng.integers(1, max_parents + 1)), replace=False)
            edges += [(ids[parent], ids[child]) for parent in parents]
    edge_index = torch.tensor(np.array(edges, dtype=np.int64).reshape(-1, 2).T.copy())
    return LabelGraph(edge_index, [str(i) for i in range(num_labels)])


def random_labels(graph, batch, seed=0, share=0.15, closed=True):
    """Labels of documents, with their ancestors if `closed`; the first has none, the last of several has all."""
    rng = np.random.default_rng(seed)
    labels = rng.random((batch, graph.num_labels)) < share
    labels[:1], labels[1:][-1:] = False, True
    labels = labels.astype(np.float64)
    return torch.from_numpy(graph.expand(labels).toarray() if closed else labels)


def random_scores(shape, seed=0, scale=1.0):
    """Normal numbers with a gradient."""
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(tuple(shape), generator=generator, dtype=torch.float64)).requires_grad_()


def random_mask(shape, seed=0, share=0.7):
    """True in some places."""
    return torch.rand(tuple(shape), generator=torch.Generator().manual_seed(seed)) < share


def shortlist(labels, width, seed=0):
    """Candidates of each document in random order with padding, and labels and mask on them."""
    generator = torch.Generator().manual_seed(seed)
    batch, num_labels = labels.shape
    candidates = torch.stack([torch.randperm(num_labels, generator=generator)[:width] for _ in range(batch)])
    mask = torch.rand(batch, width, generator=generator) < 0.8
    # A padded slot may hold any label, also one that another slot of the document holds, or that the document has.
    repeated = candidates[:, torch.randint(width, (width,), generator=generator)]
    candidates = torch.where(mask, candidates, repeated)
    noise = (torch.rand(batch, width, generator=generator) < 0.5).to(labels)
    return candidates, torch.where(mask, labels.gather(1, candidates), noise), mask


@st.composite
def batches(draw, max_labels=12):
    """A hierarchy, labels of documents (closed upwards or any), and a seed."""
    seed = draw(st.integers(0, 2**31))
    size = draw(st.sampled_from([max_labels, max_labels - 3, max_labels // 2, 2, 1]))
    graph = random_graph(size, draw(st.sampled_from([1, 3])), seed)
    labels = random_labels(
        graph, draw(st.sampled_from([4, 3, 1])), seed, draw(st.sampled_from([0.1, 0.3])), draw(st.booleans())
    )
    return graph, labels, seed


def assert_same(value, expected, *inputs, rtol=1e-9, atol=1e-10):
    """Two values and their gradients agree."""
    torch.testing.assert_close(value, expected, rtol=rtol, atol=atol)
    ours, theirs = (torch.autograd.grad(v, inputs, retain_graph=True, allow_unused=True) for v in (value, expected))
    for one, other, at in zip(ours, theirs, inputs, strict=True):
        one, other = (torch.zeros_like(at) if g is None else g for g in (one, other))
        torch.testing.assert_close(one, other, rtol=10 * rtol, atol=10 * atol)
