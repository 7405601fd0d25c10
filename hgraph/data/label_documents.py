"""The labels' own texts as training documents: every label has at least one, also where the corpus has none."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import scipy.sparse as sp

from hgraph.graph import LabelGraph

LabelText = Literal["name", "name+description", "path"]


def label_texts(graph: LabelGraph, content: LabelText = "name") -> list[str]:
    """One string a label: its name, its name and description, or the names from a root down to it.

    >>> label_texts(LabelGraph.from_edges([("a", "b")], names={"a": "Animals", "b": "Bears"}), "path")
    ['Animals', 'Animals > Bears']
    """
    if content == "path":
        return [graph.path_names(index) for index in range(graph.num_labels)]
    if content == "name":
        return list(graph.name)
    return [f"{name}. {text}" if text else name for name, text in zip(graph.name, graph.description, strict=True)]


def exchanged(texts: Sequence[str], seed: int = 0) -> list[str]:
    """Each text in the place of another, by a random cycle through all of them.

    >>> exchanged(["a", "b", "c"]), exchanged(["a"])
    (['c', 'a', 'b'], ['a'])
    """
    order = np.random.default_rng(seed).permutation(len(texts))
    out = list(texts)
    for place, source in zip(order.tolist(), np.roll(order, 1).tolist(), strict=True):
        out[place] = texts[source]
    return out


def label_rows(graph: LabelGraph) -> sp.csr_matrix:
    """Label matrix [num_labels, num_labels] of the label documents: each label and all its ancestors."""
    return graph.expand(sp.identity(graph.num_labels, dtype=np.float32, format="csr"))
