"""The contrastive objectives as plain loops over documents, labels and pairs, in the words of their definitions.

Label sets are Python sets, levels a list (from 1), parents a list of sets; vectors are tensors, so that gradients can be
taken through the loops.
"""

import math

import torch


def cosine(left, right):
    return (left * right).sum() / (left.norm() * right.norm())


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else torch.zeros((), dtype=torch.float64)


def hilecon_loop(slots, sets, level, *, temperature=1.0, faithful=False):
    """`slots`: triples of document, label and vector."""
    num_levels, num_labels = max(level), len(level)
    weight = [num_levels - level[label] + 1 for label in range(num_labels)]
    total = sum(weight)

    def rho(i, j):
        return sum(weight[label] for label in sets[i] ^ sets[j])

    values = []
    for label in sorted({label for _, label, _ in slots}):
        ours = [slot for slot in slots if slot[1] == label]
        others = [slot for slot in slots if slot[1] != label]
        terms = []
        for i, _, p in ours:
            against = sum(rho(i, n[0]) * torch.exp(cosine(p, n[2]) / temperature) for n in others)
            for j, _, other in ours:
                towards = (1 - rho(i, j) / total) * torch.exp(cosine(p, other) / temperature)
                divisor = towards * (len(others) + 1) if faithful else towards
                terms.append(torch.log((against + towards) / divisor))
        values.append(mean(terms))
    return sum(values) / num_labels if faithful else mean(values)


def supcon_loop(similarity, weight, temperature):
    """`similarity` and `weight`: functions of two positions in `range(len)` of the lists that the caller holds."""
    values = []
    size = len(similarity)
    for i in range(size):
        others = [a for a in range(size) if a != i]
        total = sum(weight[i][p] for p in others)
        if not total:
            continue
        bottom = sum(torch.exp(similarity[i][a] / temperature) for a in others)
        terms = [weight[i][p] * torch.log(torch.exp(similarity[i][p] / temperature) / bottom) for p in others]
        values.append(-sum(terms) / total)
    return mean(values)


def label_weight(left, right, kind):
    """How much two documents are positives of each other by their label sets."""
    if not left & right:
        return 0.0
    return {"identical": float(left == right), "any": 1.0, "jaccard": len(left & right) / len(left | right)}[kind]


def instance_loop(vectors, sets, level, *, temperature, base_temperature, constraint=None):
    num_levels = max(level)
    groups = [[i] for i in range(len(vectors))]
    total, before = torch.zeros((), dtype=torch.float64), []
    for g in range(1, num_levels + 1):

        def kept(group, deepest=num_levels + 1 - g):
            return frozenset(label for label in sets[group[0]] if level[label] <= deepest)

        similarity = [
            [mean(cosine(vectors[i], vectors[j]) for i in left for j in right) for right in groups] for left in groups
        ]
        same = [[float(bool(kept(a)) and kept(a) == kept(b)) for b in groups] for a in groups]
        value = supcon_loop(similarity, same, temperature)
        if constraint == "max":
            before.append(value)
            value = max(before)
        total = total + math.exp(1 / g) * value * temperature / base_temperature
        merged = {}
        for group in groups:
            merged.setdefault(kept(group) or (group[0],), []).extend(group)
        groups = list(merged.values())
    return total / num_levels


def text_pairs(sets, level, parents, kind):
    """For each level the positives and negatives of each document, as lists of sets."""

    def on(i, depth):
        return {label for label in sets[i] if level[label] == depth}

    def above(labels):
        return set().union(*(parents[label] for label in labels))

    out = []
    for depth in range(1, max(level) + 1):
        positives, negatives = [], []
        for i in range(len(sets)):
            others = [j for j in range(len(sets)) if j != i and on(i, depth)]
            positives.append({j for j in others if on(i, depth) & on(j, depth)})
            unlike = {j for j in others if on(j, depth) and not on(i, depth) & on(j, depth)}
            close = {j for j in unlike if above(on(i, depth)) & above(on(j, depth))}
            negatives.append(
                {
                    "all": {j for j in others if not sets[i] & sets[j]},
                    "level": unlike,
                    "sibling": unlike if depth == 1 else close,
                    "parent": unlike - close,
                }[kind]
            )
        out.append((positives, negatives))
    return out


def hmcl_loop(vectors, sets, level, parents, *, kind, temperature, level_weights=None, negative_weights=None):
    total = torch.zeros((), dtype=torch.float64)
    for depth, (positives, negatives) in enumerate(text_pairs(sets, level, parents, kind)):
        values = []
        for i, vector in enumerate(vectors):
            if not positives[i]:
                continue
            against = sum(
                (1.0 if negative_weights is None else negative_weights[depth][n])
                * torch.exp(cosine(vector, vectors[n]) / temperature)
                for n in negatives[i]
            )
            towards = [torch.exp(cosine(vector, vectors[p]) / temperature) for p in positives[i]]
            values.append(mean(-torch.log(t / (t + against)) for t in towards))
        total = total + (1.0 if level_weights is None else level_weights[depth]) * mean(values)
    return total


def nt_xent_loop(first, second, temperature):
    vectors = [*first, *second]
    size, values = len(first), []
    for m, vector in enumerate(vectors):
        exponents = [torch.exp(cosine(vector, other) / temperature) for other in vectors]
        bottom = sum(value for a, value in enumerate(exponents) if a != m)
        values.append(-torch.log(exponents[(m + size) % (2 * size)] / bottom))
    return mean(values)
