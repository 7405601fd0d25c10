"""Random hierarchies for property tests."""

import torch
from hypothesis import strategies as st


@st.composite
def hierarchies(draw, max_parents=3, max_labels=14):
    """Edges of a random DAG (or forest), labels in random order, edges in random order."""
    size = draw(st.integers(1, max_labels))
    ids = draw(st.permutations(range(size)))
    edges = []
    for child in range(1, size):
        parents = draw(st.sets(st.integers(0, child - 1), max_size=max_parents))
        edges += [(ids[parent], ids[child]) for parent in parents]
    edges = draw(st.permutations(edges))
    return torch.tensor(edges, dtype=torch.long).reshape(-1, 2).t().contiguous(), size
