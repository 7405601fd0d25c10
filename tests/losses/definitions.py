"""Objectives on labels written as their definitions: plain loops over documents and labels, in float64.

`graph` is a :class:`networkx.DiGraph` on label numbers, parent -> child. Scalars are tensors, so that autograd goes
through the loops. With a shortlist, `columns` gives the label of each column, document by document.
"""

import itertools
import math

import networkx as nx
import torch
from torch import Tensor


def digraph(graph):
    """The networkx form of a LabelGraph, on label numbers."""
    out = nx.DiGraph()
    out.add_nodes_from(range(graph.num_labels))
    out.add_edges_from(graph.edge_index.t().tolist())
    return out


def levels_of(graph):
    """1 + the longest path from a root."""
    level = {}
    for node in nx.topological_sort(graph):
        level[node] = 1 + max((level[parent] for parent in graph.predecessors(node)), default=0)
    return level


def rows(labels, mask=None, columns=None):
    """For each document: column by label, labels it has, and labels it has not; pairs that do not count are left out."""
    for i in range(len(labels)):
        ids = range(labels.shape[1]) if columns is None else columns[i].tolist()
        column = {label: j for j, label in enumerate(ids) if mask is None or mask[i, j]}
        positives = {label for label, j in column.items() if labels[i, j] > 0.5}
        yield i, column, positives, set(column) - positives


def cells(matrix):
    """The entries as lists of lists: `matrix[i, j]` would make a gradient of the size of the matrix for each entry."""
    return [list(row) for row in matrix]


def zero(tensor):
    return (tensor * 0).sum()


def reduced(terms, batch, reduction, like):
    """Mean over terms, or their sum over the number of documents."""
    if not terms:
        return zero(like)
    return sum(terms) / (len(terms) if reduction == "mean" else max(batch, 1))


def bce(scores, labels, reduction="mean", mask=None, weight=None, pos_weight=1.0, columns=None):
    z = cells(scores)
    terms = []
    for i, column, positives, _ in rows(labels, mask, columns):
        for label, j in column.items():
            p = 1 / (1 + torch.exp(-z[i][j]))
            w = 1.0 if weight is None else weight[label]
            terms.append(-w * (pos_weight * torch.log(p) if label in positives else torch.log(1 - p)))
    return reduced(terms, len(scores), reduction, scores)


def class_balance(support, beta):
    weights = [(1 - beta) / (1 - beta ** max(int(n), 1)) for n in support]
    return [w * len(weights) / sum(weights) for w in weights]


def asymmetric(scores, labels, gamma_pos, gamma_neg, clip, reduction="mean", mask=None, alpha=None):
    z = cells(scores)
    terms = []
    for i, column, positives, _ in rows(labels, mask):
        for label, j in column.items():
            p = 1 / (1 + torch.exp(-z[i][j]))
            if label in positives:
                terms.append(-(1 if alpha is None else alpha) * (1 - p) ** gamma_pos * torch.log(p))
            else:
                q = torch.clamp(p - clip, min=0)
                terms.append(-(1 if alpha is None else 1 - alpha) * q**gamma_neg * torch.log(1 - q))
    return reduced(terms, len(scores), reduction, scores)


def conditional_sigmoid(scores, labels, graph, reduction="mean", mask=None, columns=None):
    z = cells(scores)
    terms = []
    for i, column, positives, _ in rows(labels, mask, columns):
        for label, j in column.items():
            if all(parent in positives for parent in graph.predecessors(label)):
                p = 1 / (1 + torch.exp(-z[i][j]))
                terms.append(-torch.log(p if label in positives else 1 - p))
    return reduced(terms, len(scores), reduction, scores)


def conditional_softmax(scores, labels, graph, reduction="mean", mask=None, tau=0.0, support=None):
    z = cells(scores)
    shift = [0.0] * scores.shape[1] if support is None else [tau * torch.tensor(max(n, 1.0)).log() for n in support]
    roots = [node for node in graph if not list(graph.predecessors(node))]
    terms = []
    for i, column, positives, _ in rows(labels, mask):
        families = [roots, *(list(graph.successors(p)) for p in positives)]
        for family in families:
            family = [c for c in family if c in column]
            for child in positives.intersection(family):
                bottom = sum(torch.exp(z[i][c] + shift[c]) for c in family)
                terms.append(-torch.log(torch.exp(z[i][child] + shift[child]) / bottom))
    return reduced(terms, len(scores), reduction, scores)


def sigmoid_probabilities(scores, graph):
    out = torch.zeros_like(scores)
    for i in range(len(scores)):
        for label in graph:
            out[i, label] = 1.0
            for above in nx.ancestors(graph, label) | {label}:
                out[i, label] *= torch.sigmoid(scores[i, above])
    return out


def softmax_probabilities(scores, graph):
    """Probability of each label as the sum over all paths from a root."""
    roots = [node for node in graph if not list(graph.predecessors(node))]
    out = torch.zeros_like(scores)
    for i in range(len(scores)):

        def given(child, family, i=i):
            return torch.exp(scores[i, child]) / sum(torch.exp(scores[i, c]) for c in family)

        for label in graph:
            for root in roots:
                paths = [[root]] if root == label else nx.all_simple_paths(graph, root, label)
                for path in paths:
                    p = given(root, roots)
                    for parent, child in itertools.pairwise(path):
                        p = p * given(child, list(graph.successors(parent)))
                    out[i, label] += p
    return out


def cosine(text, vectors, columns=None):
    """Similarities, [B, L] or [B, K]."""
    out, vectors = [], list(vectors)
    for i, t in enumerate(text):
        ids = range(len(vectors)) if columns is None else columns[i].tolist()
        out.append(torch.stack([t @ vectors[j] / (t.norm() * vectors[j].norm()) for j in ids]))
    return torch.stack(out)


def sampled_softmax(similarity, i, positives, negatives, column, temperature):
    """Mean over positives of minus the log of their share among positives and negatives."""
    bottom = sum(torch.exp(similarity[i][column[c]] / temperature) for c in [*positives, *negatives])
    terms = [-torch.log(torch.exp(similarity[i][column[p]] / temperature) / bottom) for p in positives]
    return sum(terms) / len(terms)


def tla(
    similarity, labels, temperature, mask=None, columns=None, allowed=None, choice="hardest", count=None, margin=0.0
):
    """TLA; `allowed(i, label)` says which labels may be negatives."""
    s, values = cells(similarity), []
    for i, column, positives, others in rows(labels, mask, columns):
        if not positives:
            continue
        pool = [n for n in others if allowed is None or allowed(i, n)]
        if choice == "semi_hard":
            least = min(s[i][column[p]].item() for p in positives)
            pool = [n for n in pool if s[i][column[n]].item() < least - margin] or pool
        pool.sort(key=lambda n: -s[i][column[n]].item())
        wanted = len(pool) if choice == "all" else len(positives) if count is None else count
        values.append(sampled_softmax(s, i, positives, pool[:wanted], column, temperature))
    return sum(values) / len(values) if values else zero(similarity)


def level_margin(similarity, labels, level, margin, levels, reduction="level-mean", mask=None, columns=None):
    s = cells(similarity)
    triplets = {k: [] for k in levels}
    for i, column, positives, others in rows(labels, mask, columns):
        for p in positives:
            wrong = [s[i][column[n]] for n in others if level[n] == level[p]]
            if level[p] in triplets and wrong:
                hardest = max(wrong, key=lambda value: value.item())
                distance_p, distance_n = 1 - s[i][column[p]], 1 - hardest
                triplets[level[p]].append(torch.clamp(margin + distance_p - distance_n, min=0))
    if reduction == "sum":
        return reduced([t for ts in triplets.values() for t in ts], len(labels), "sum", similarity)
    return sum((sum(ts) / len(ts) for ts in triplets.values() if ts), zero(similarity))


def lorentz_distance(u: Tensor, v: Tensor, c) -> Tensor:
    """Exponential map, time components, inner product, arccosh: one pair of tangent vectors."""

    def point(x):
        length = c**0.5 * x.norm()
        # HyILR cuts the argument of sinh, as written in its program.
        space = x if length.item() == 0 else torch.sinh(length.clamp(max=math.asinh(2**15))) * x / length
        return space, (1 / c + space @ space) ** 0.5

    (x, x0), (y, y0) = point(u), point(v)
    inner = x @ y - x0 * y0
    return torch.arccosh(torch.clamp(-c * inner, min=1 + 1e-8)) / c**0.5


def lorentz_tla(text, vectors, labels, graph, temperature, scales, c, mask=None, columns=None, lowest=False):
    """HyILR. `lowest`: the rule of shortlists for what is below a positive, through the closure alone."""
    level, values, documents, vectors = levels_of(graph), [], list(text), list(vectors)
    for i, column, positives, others in rows(labels, mask, columns):
        similarity = {n: -lorentz_distance(scales[0] * documents[i], scales[1] * vectors[n], c) for n in column}
        if not positives:
            continue
        negatives = set()
        taken = set()
        for p in positives:
            same = [n for n in others if level[n] == level[p] and n not in taken]
            if same:
                taken.add(max(same, key=lambda n: similarity[n].item()))
        for p in positives:
            if lowest:
                reach = []
                for n in others & nx.descendants(graph, p):
                    above = nx.ancestors(graph, n) & positives
                    if level[p] == max(level[a] for a in above):
                        reach.append(n)
            else:
                free = graph.subgraph([n for n in graph if n not in positives or n == p])
                reach = [n for n in nx.descendants(free, p) if n in others]
            if reach:
                negatives.add(max(reach, key=lambda n: similarity[n].item()))
        negatives |= taken
        bottom = sum(torch.exp(similarity[n] / temperature) for n in [*positives, *negatives])
        terms = [-torch.log(torch.exp(similarity[p] / temperature) / bottom) for p in positives]
        values.append(sum(terms) / len(terms))
    return sum(values) / len(values) if values else zero(text)


def path_regularisation(scores, graph, power=1, on="probabilities", margin=0.0, mask=None, columns=None):
    z = cells(scores)
    total = zero(scores)
    for i, column, _, _ in rows(torch.zeros(scores.shape), mask, columns):
        for parent, child in graph.edges:
            if parent in column and child in column:
                pair = [z[i][column[child]], z[i][column[parent]]]
                if on == "probabilities":
                    pair = [1 / (1 + torch.exp(-z)) for z in pair]
                total = total + torch.clamp(pair[0] - pair[1] + margin, min=0) ** power
    return total / max(len(scores), 1)


def max_constraint(scores, graph):
    """Maxima over the label and its descendants, by the matrix of C-HMCNN."""
    size = scores.shape[1]
    below = torch.eye(size, dtype=torch.bool)
    for a in graph:
        for d in nx.descendants(graph, a):
            below[a, d] = True
    return scores.unsqueeze(1).masked_fill(~below, -torch.inf).max(-1).values


def max_constraint_loss(scores, labels, graph, reduction="mean", mask=None, columns=None):
    z = cells(scores)
    terms = []
    for i, column, positives, _ in rows(labels, mask, columns):
        for label in column:
            own = label in positives
            pool = [d for d in nx.descendants(graph, label) | {label} if d in (positives if own else column)]
            best = max((torch.sigmoid(z[i][column[d]]) for d in pool), key=lambda p: p.item())
            terms.append(-torch.log(best if own else 1 - best))
    return reduced(terms, len(scores), reduction, scores)


def recursive_regularisation(weights, graph):
    total, w = zero(weights), cells(weights)
    for parent, child in graph.edges:
        for k in range(weights.shape[1]):
            total = total + (w[parent][k] - w[child][k]) ** 2 / 2
    return total


def zlpr(scores, labels, mask=None):
    z = cells(scores)
    values = []
    for i, column, positives, others in rows(labels, mask):
        below = 1 + sum(torch.exp(z[i][column[n]]) for n in others)
        above = 1 + sum(torch.exp(-z[i][column[p]]) for p in positives)
        values.append(torch.log(torch.as_tensor(below)) + torch.log(torch.as_tensor(above)))
    return sum(values, zero(scores)) / max(len(values), 1)


def squared_hinge(scores, labels, reduction="mean", mask=None):
    z = cells(scores)
    terms = []
    for i, column, positives, _ in rows(labels, mask):
        for label, j in column.items():
            terms.append(torch.clamp(1 - (z[i][j] if label in positives else -z[i][j]), min=0) ** 2)
    return reduced(terms, len(scores), reduction, scores)
