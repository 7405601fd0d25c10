"""Plain loops that say what a ranker must give."""

import math

import numpy as np
import scipy.sparse as sp

from hgraph.ranking import RankerTree


def make_documents(num_documents=60, num_features=40, num_labels=9, seed=0):
    """Features that tell the labels, and labels; the last label has no document, the last document no label."""
    rng = np.random.default_rng(seed)
    labels = rng.random((num_documents, num_labels)) < 0.25
    labels[:, -1], labels[-1] = False, False
    features = (rng.random((num_documents, num_features)) < 0.2) * rng.random((num_documents, num_features))
    features[:, :num_labels] += labels * (0.5 + rng.random((num_documents, num_labels)))
    features[0] = 0
    return sp.csr_matrix(features, dtype=np.float32), sp.csr_matrix(labels, dtype=np.float32)


def objective(weights, rows, signs, costs):
    """`1/2 |w|^2 + sum c max(0, 1 - s w.x)^2`, loop by loop."""
    total = 0.5 * sum(float(w) ** 2 for w in weights)
    for row, sign, cost in zip(rows, signs, costs, strict=True):
        margin = sum(float(w) * float(x) for w, x in zip(weights, row, strict=True))
        total += cost * max(0.0, 1 - sign * margin) ** 2
    return total


def transformed(above, margin, name):
    """Value of a node."""
    if name == "noop":
        return margin
    log = name.startswith("log_")
    if name.endswith("sigmoid"):
        value = 1 / (1 + math.exp(-margin))
    else:
        value = math.exp(-(max(0.0, 1 - margin) ** int(name.removeprefix("log_")[1])))
    return above + math.log(value) if log else above * value


def naive_scores(ranker, features, dense=None, names=None, beam=None, only=None):
    """Scores of all labels that a beam reaches: a dict a document; `only` lists bottom nodes whose paths are kept."""
    tree = ranker.tree
    names = ranker.transform if names is None else names
    matrices = [level.to_csr(ranker.num_sparse).toarray().astype(np.float64) for level in ranker.levels]
    result = []
    for document in range(features.shape[0]):
        x = np.asarray(features[document].todense(), dtype=np.float64).ravel()
        start = 0.0 if any(name.startswith("log_") for name in names) else 1.0
        states = {0: (start, 1.0)}
        for level, name in enumerate(names):
            found = {}
            weights, above = ranker.levels[level], [0] * tree.num_top if level == 0 else tree.parents[level - 1]
            for node in range(tree.num_nodes[level]):
                parent = int(above[node])
                if parent not in states:
                    continue
                value, margin = states[parent]
                if weights.only_child[parent]:
                    found[node] = (margin if name == "noop" else value, margin)
                    continue
                own = float(weights.bias[node]) + sum(w * f for w, f in zip(matrices[level][node], x, strict=True))
                if dense is not None:
                    own += float(np.dot(weights.dense[node].astype(np.float64), dense[document]))
                found[node] = (transformed(value, own, name), own)
            if level < tree.num_levels - 1 and beam is not None:
                # Values are rounded as the ranker's are, so that saturated ones tie; then the margin decides.
                kept = sorted(found, key=lambda node: (-np.float32(found[node][0]), -found[node][1], node))[:beam]
                found = {node: found[node] for node in kept}
            states = found
        best = {}
        for node, (value, _) in states.items():
            label = int(tree.labels[node])
            best[label] = max(best.get(label, -math.inf), value)
        result.append(best)
    return result


TREES = {
    "two levels": RankerTree([np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])], 3, np.arange(9), 9),
    "three levels": RankerTree([np.array([0, 0, 1]), np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])], 2, np.arange(9), 9),
    "copies": RankerTree(
        [np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])], 3, np.array([0, 1, 2, 3, 4, 0, 5, 6, 7, 8, 4]), 9
    ),
    "padded": RankerTree(
        [np.array([0, 0, 1, 2]), np.array([0, 0, 1, 2, 2, 2, 2, 3])], 3, np.array([0, 1, 2, 3, 4, 5, 8, 7]), 9
    ),
    "one root": RankerTree([np.zeros(9, dtype=int)], 1, np.arange(9), 9),
    "flat": RankerTree.flat(9),
}
