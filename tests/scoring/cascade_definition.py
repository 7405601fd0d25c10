"""CascadeXML by definition, one document and one node at a time, on lists and dictionaries."""

import math

import numpy as np

from hgraph.graph import LabelGraph


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def levels_of(tree):
    """1 + the longest path from a root, of every node."""
    parents = {node: [] for node in range(tree.num_labels)}
    for parent, child in tree.edge_index.T.tolist():
        parents[child].append(parent)
    known = {}

    def level(node):
        if node not in known:
            known[node] = 1 + max((level(parent) for parent in parents[node]), default=0)
        return known[node]

    return {node: level(node) for node in parents}


class Walk:
    """The nodes of a hierarchy as a cascade meets them: (level, node), a gap filled by the node above it.

    Attributes:
        inner: for each level, the nodes (numbers in `tree`) that have something below them there.
        children: of (level, node): the inner nodes on the next level.
        labels: of (level, node): the labels that end there.
        roots: labels that hang from nothing.
    """

    def __init__(self, tree, num_labels):
        level = levels_of(tree)
        below = {node: [] for node in level}
        for parent, child in tree.edge_index.T.tolist():
            below[parent].append(child)
        depth = max(level.values())
        last = {node: max((level[child] - 1 for child in below[node]), default=0) for node in level}
        self.inner = [
            {node for node in level if below[node] and level[node] <= t <= last[node]} for t in range(1, depth + 1)
        ]
        while self.inner and not self.inner[-1]:
            self.inner.pop()
        self.children, self.labels = {}, {}
        for t, nodes in enumerate(self.inner, start=1):
            for node in nodes:
                near = [child for child in below[node] if level[child] == t + 1]
                inner = {child for child in near if below[child]} | ({node} if last[node] > t else set())
                self.children[t, node] = inner
                self.labels[t, node] = {child for child in near if not below[child] and child < num_labels}
        for node in level:
            if below[node] and node < num_labels:  # its own label hangs where its children begin to differ
                t = level[node]
                while self.children[t, node] == {node} and not self.labels[t, node]:
                    t += 1
                self.labels[t, node].add(node)
        self.roots = {node for node in level if level[node] == 1 and not below[node] and node < num_labels}
        self.num_labels = num_labels

    def alias(self, t, node):
        """Whether a node is its only parent's only child."""
        above = [upper for upper in self.inner[t - 2] if node in self.children[t - 1, upper]] if t > 1 else []
        return len(above) == 1 and len(self.children[t - 1, above[0]]) == 1 and not self.labels[t - 1, above[0]]

    def right(self, t, node, labels):
        """Whether a document with `labels` is below a node."""
        if self.labels[t, node] & labels:
            return True
        return any(self.right(t + 1, child, labels) for child in self.children[t, node])

    def walk(self, score, topk, kind, *, labels=None, grow=True):
        """One document down the levels.

        Args:
            score: (level, node) -> score; level 0 is that of the labels.
            topk: one number a level.
            kind: how probabilities are made.
            labels: the right ones, in training.

        Returns:
            For each level {node: (score, right, own)}, and {label: (score, right, probability)}.
        """
        above = dict.fromkeys(self.inner[0] if self.inner else (), (math.inf, 1.0))
        found = dict.fromkeys(self.roots, (math.inf, 1.0))
        out = []
        for t, k in enumerate(topk, start=1):
            level = {}
            for node in above:
                alias = self.alias(t, node)
                value = above[node][0] if alias else score(t, node)
                level[node] = (value, labels is not None and self.right(t, node, labels), not alias)
            out.append(level)
            ranked = sorted(level, key=lambda node: -sigmoid(level[node][0]) - level[node][1])
            if grow:
                k = max(k, sum(right for _, right, _ in level.values()))
            below = {}
            for node in ranked[:k]:
                value, _, own = level[node]
                path = above[node][1] * (sigmoid(value) if own else 1.0)
                for child in self.children[t, node]:
                    below[child] = best(below.get(child), (value, path))
                for label in self.labels[t, node]:
                    found[label] = best(found.get(label), (value, path))
            above = below
        final = {}
        for label, (parent, path) in found.items():
            value = score(0, label)
            factor = {"level": 1.0, "weighted": sigmoid(parent) if parent < math.inf else 1.0, "path": path}[kind]
            final[label] = (value, labels is not None and label in labels, sigmoid(value) * factor)
        return out, final


def best(one, other):
    """The maximum of both parts."""
    return other if one is None else (max(one[0], other[0]), max(one[1], other[1]))


def random_hierarchy(rng, size, *, dag, clusters=0):
    """A random tree or DAG; the last `clusters` nodes are inner ones."""
    order = rng.permutation(size)
    if clusters:  # clusters come first in the order, so that they have something below them
        order = np.concatenate([np.arange(size - clusters, size), rng.permutation(size - clusters)])
    edges = set()
    for place in range(1, size):
        upper = order[:place]
        if clusters:
            upper = upper[:clusters] if place >= clusters else upper
        if rng.random() < 0.15 and not clusters:
            continue
        for _ in range(1 + (dag and rng.random() < 0.4)):
            edges.add((int(rng.choice(upper)), int(order[place])))
    names = [f"n{node}" for node in range(size)]
    graph = LabelGraph.from_edges(
        [(names[parent], names[child]) for parent, child in sorted(edges)],
        nodes=names,
    )
    assert graph.label_id == names
    return graph
