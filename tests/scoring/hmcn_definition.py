"""HMCN by its definition: one document at a time, loops over fields, levels, labels and heads."""

import torch
import torch.nn.functional as F


def hmcn(scorer, text, labels, mask=None):
    """Final scores, local scores and global ones, ``[B, L]`` each."""
    rows = [document(scorer, fields, labels, None if mask is None else mask[i, 1:]) for i, fields in enumerate(text)]
    empty = torch.zeros(0, scorer.num_labels, dtype=text.dtype)
    return [torch.stack(part) if rows else empty for part in (zip(*rows, strict=True) if rows else [()] * 3)]


def document(scorer, vectors_of_text, labels, mask):
    """The three rows of scores of one document: its vector comes first, then its fields."""
    net, state, fields = scorer.network, vectors_of_text[0], vectors_of_text[1:]
    present = [field for f, field in enumerate(fields) if mask is None or mask[f]]
    present = present or [torch.zeros_like(fields[0])]
    vectors = label_vectors(scorer, labels)
    level_of = levels(net)
    overall = [net.weight[j] @ hidden(net.hidden, state) + net.bias[j] for j in range(scorer.num_labels)]
    local, keys = [None] * scorer.num_labels, [(1.0, field) for field in present]
    for depth, level in enumerate(net.levels):
        attended = level.output.weight @ attention(level, state, keys) + level.output.bias
        state = layer_norm(level.attention_norm, state + attended)
        state = layer_norm(level.ffn_norm, state + linear(level.ffn[3], hidden(level.ffn, state)))
        for j in range(scorer.num_labels):
            if level_of[j] == depth:
                local[j] = net.local_weight[j] @ hidden(net.local_hidden[depth], state) + net.local_bias[j]
        if vectors is not None:
            own = sorted(
                (j for j in range(scorer.num_labels) if level_of[j] == depth), key=lambda j: -float(local[j].detach())
            )
            likely = [(1 / (1 + torch.exp(-local[j])), vectors[j]) for j in own[: net.top]]
            keys = [(1.0, field) for field in present] + likely
    return final(net, local, overall), torch.stack(local), torch.stack(overall)


def final(net, local, overall):
    into, share = net.integrator, 0.0 if net.blend is None else net.blend
    blended = torch.stack([share * a + (1 - share) * b for a, b in zip(local, overall, strict=True)])
    if into is None:
        return blended
    state = into.hidden_bias
    for j in range(len(local)):
        state = state + local[j] * into.local_input[j] + overall[j] * into.global_input[j]
    learned = torch.stack([into.weight[j] @ F.gelu(state) + into.bias[j] for j in range(len(local))])
    return learned if net.blend is None else blended + learned


def levels(net):
    """The level of each label, from 0."""
    found, start = {}, 0
    for depth, size in enumerate(net.sizes):
        found |= {int(label): depth for label in net.order[start : start + size]}
        start += size
    return found


def label_vectors(scorer, labels):
    if scorer.label_table is not None:
        return list(scorer.label_table)
    return None if scorer.label_map is None else [scorer.label_map.weight @ label for label in labels]


def attention(level, state, keys):
    """What the state reads of pairs of a probability and a vector."""
    width, query = len(state) // level.heads, linear(level.query, state)
    parts = []
    for head in range(level.heads):
        part = slice(head * width, (head + 1) * width)
        pairs = [(level.key_value.weight @ vector).chunk(2) for _, vector in keys]
        exponents = [
            probability * torch.exp(query[part] @ key[part] / width**0.5)
            for (probability, _), (key, _) in zip(keys, pairs, strict=True)
        ]
        parts.append(sum(e / sum(exponents) * value[part] for e, (_, value) in zip(exponents, pairs, strict=True)))
    return torch.cat(parts)


def layer_norm(norm, x):
    centred = x - x.mean()
    return norm.weight * centred / (centred.square().mean() + norm.eps).sqrt() + norm.bias


def linear(layer, x):
    return layer.weight @ x + layer.bias


def hidden(layers, x):
    return F.gelu(linear(layers[0], x))
