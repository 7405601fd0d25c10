"""The graph layers by their definition: loops over targets, their edges, heads and channels, one number at a time.

The parameters are read from the layer; nothing else of it is used. Everything is built of PyTorch operations, so
autograd goes through it and gradients can be compared as well. Only for graphs of a few nodes in float64.
"""

import math

import torch


def gptrans_reference(conv, x, edge_index, edge_attr, mask=None):
    """What `GPTransConv` computes: nodes and edge states.

    `edge_index` None stands for all pairs, `edge_attr` [n, n, De] then. `x` is one tensor, or sources and targets.
    `mask` [n], for all pairs only, leaves nodes out: as sources, and their own results are zero.
    """
    if edge_index is None:
        return _on_all_pairs(gptrans_reference, conv, x, edge_attr, mask)
    sources, targets = x if isinstance(x, tuple) else (x, x)
    width, heads = conv.out_channels // conv.heads, range(conv.heads)
    query = [linear(conv.lin_query, row) for row in targets]
    key_value = [linear(conv.lin_key_value, row) for row in sources]
    key = [row[: conv.out_channels] for row in key_value]
    value = [row[conv.out_channels :] for row in key_value]
    nodes, states = [], [None] * edge_index.shape[1]
    for i in range(len(targets)):
        into = [(e, j) for e, (j, target) in enumerate(edge_index.t().tolist()) if target == i]
        logits = {}
        for e, j in into:
            from_state = linear(conv.reduce, edge_attr[e])
            logits[e] = [_score(query[i], key[j], h, width) + from_state[h] for h in heads]
        weights = [_softmax([logits[e][h] for e, _ in into]) for h in heads]
        for k, (e, _) in enumerate(into):
            states[e] = linear(conv.expand, torch.stack([weights[h][k] + logits[e][h] for h in heads]))
        message = []
        for c in range(conv.edge_channels):
            chosen = _softmax([states[e][c] for e, _ in into])
            message.append(_sum([w * states[e][c] for w, (e, _) in zip(chosen, into, strict=True)], edge_attr))
        heard = _heard(weights, [value[j] for _, j in into], width, targets)
        nodes.append(linear(conv.lin_out, heard + linear(conv.edge_to_node, torch.stack(message))))
    empty = edge_attr.new_zeros(0, conv.edge_channels)
    return torch.stack(nodes), torch.stack(states) if states else empty


def graphormer_reference(conv, x, edge_index, edge_attr=None, mask=None):
    """What `GraphormerConv` computes; the arguments are those of `gptrans_reference`, without states a bias of zero."""
    if edge_index is None:
        n = (x[1] if isinstance(x, tuple) else x).shape[0]
        edge_attr = x.new_zeros(n, n, 1) if edge_attr is None else edge_attr
        return _on_all_pairs(_without_states(graphormer_reference), conv, x, edge_attr, mask)[0]
    sources, targets = x if isinstance(x, tuple) else (x, x)
    width, heads = conv.out_channels // conv.heads, range(conv.heads)
    query = [linear(conv.lin_query, row) for row in targets]
    key_value = [linear(conv.lin_key_value, row) for row in sources]
    key = [row[: conv.out_channels] for row in key_value]
    value = [row[conv.out_channels :] for row in key_value]

    def bias(e, h):
        if edge_attr is None:
            return 0.0
        by_head = edge_attr[e] if conv.edge_channels is None else linear(conv.lin_edge, edge_attr[e])
        return by_head[h if len(by_head) > 1 else 0]  # one number is shared by all heads

    nodes = []
    for i in range(len(targets)):
        into = [(e, j) for e, (j, target) in enumerate(edge_index.t().tolist()) if target == i]
        weights = [_softmax([_score(query[i], key[j], h, width) + bias(e, h) for e, j in into]) for h in heads]
        nodes.append(linear(conv.lin_out, _heard(weights, [value[j] for _, j in into], width, targets)))
    return torch.stack(nodes)


def linear(layer, vector):
    """A linear layer, one output at a time."""
    out = torch.stack([(row * vector).sum() for row in layer.weight])
    return out if layer.bias is None else out + layer.bias


def _on_all_pairs(reference, conv, x, edge_attr, mask):
    """`reference` on the list of all pairs, and back to the dense form."""
    n = len(x)
    real = [True] * n if mask is None else mask.tolist()
    pairs = [(i, j) for i in range(n) for j in range(n) if real[i] and real[j]]
    edge_index = torch.tensor([[j for _, j in pairs], [i for i, _ in pairs]], dtype=torch.long).view(2, -1)
    chosen = [edge_attr[i, j] for i, j in pairs]
    flat = torch.stack(chosen) if chosen else edge_attr.new_zeros(0, edge_attr.shape[-1])
    nodes, states = reference(conv, x, edge_index, flat)
    nodes = torch.stack([row if real[i] else torch.zeros_like(row) for i, row in enumerate(nodes)])
    dense = {pair: states[e] for e, pair in enumerate(pairs)}
    zero = states.new_zeros(states.shape[1:])
    rows = [torch.stack([dense.get((i, j), zero) for j in range(n)]) for i in range(n)]
    return nodes, torch.stack(rows)


def _without_states(reference):
    """`reference` with the edge states it was given as a second result."""
    return lambda conv, x, edge_index, edge_attr: (reference(conv, x, edge_index, edge_attr), edge_attr)


def _score(query, key, head, width):
    """The scaled product of one head."""
    return sum(query[c] * key[c] for c in range(head * width, (head + 1) * width)) / math.sqrt(width)


def _softmax(values):
    """Softmax of a list of numbers."""
    if not values:
        return []
    top = max(value.item() for value in values)
    powers = [torch.exp(value - top) for value in values]
    return [power / sum(powers) for power in powers]


def _heard(weights, values, width, like):
    """What a target hears: each channel of the values, weighted by its head."""
    channels = range(len(weights) * width)
    return torch.stack(
        [_sum([w * v[c] for w, v in zip(weights[c // width], values, strict=True)], like) for c in channels]
    )


def _sum(numbers, like):
    """A sum that is a zero tensor where there is nothing to add."""
    return sum(numbers, like.new_zeros(()))
