"""The hierarchy that a model searches: the real one, a tree of clusters, or one below the other."""

from collections.abc import Sequence
from typing import Any, Literal

import scipy.sparse as sp

from hgraph.clustering import hybrid_tree, label_tree, label_vectors
from hgraph.graph import LabelGraph
from hgraph.recipes.model_options import CascadeXML
from hgraph.text import Text
from hgraph.text.fields import plain_texts
from hgraph.text.vocabulary import NGrams, TfidfFeatures

DEFAULT_LEAF_SIZE = 100
"""Most children of a node of a `hybrid` hierarchy."""


def label_hierarchy(
    config: CascadeXML, graph: LabelGraph, texts: Sequence[Text], labels: Any, *, seed: int = 0
) -> LabelGraph:
    """The hierarchy that `config` names; its first L nodes are the labels of `graph`, the others clusters.

    Clusters are made of TF-IDF vectors of the training documents, summed over the documents of each label
    (:func:`hgraph.clustering.label_vectors`). The same documents and seed give the same tree.

    Args:
        config: The options of the model.
        graph: The real hierarchy.
        texts: Training documents.
        labels: Their labels, sparse [N, L].
        seed: Of what is drawn at random.
    """
    if config.hierarchy == "taxonomy":
        return graph
    plain = list(plain_texts(texts))
    features = TfidfFeatures([NGrams("word", 1, 1)]).fit(plain).transform(plain)
    vectors = label_vectors(features, sp.csr_matrix(labels))
    return with_clusters(
        config.hierarchy, graph, vectors, branching=config.branching, leaf_size=config.leaf_size, seed=seed
    )


def with_clusters(
    kind: Literal["pifa", "taxonomy", "hybrid"],
    graph: LabelGraph,
    vectors: Any,
    *,
    branching: int = 16,
    leaf_size: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> LabelGraph:
    """A tree of clusters (`pifa`), the hierarchy (`taxonomy`), or it with wide fan-outs cut into clusters (`hybrid`).

    Its first L nodes are the labels of `graph`, the others clusters; `vectors` [L, C] are those of the labels.
    """
    if kind == "pifa":
        return label_tree(graph, vectors, branching=branching, leaf_size=leaf_size, seed=seed, threads=threads)
    if kind == "hybrid":
        most = leaf_size or DEFAULT_LEAF_SIZE
        return hybrid_tree(graph, vectors, max_children=most, seed=seed, threads=threads)
    return graph
