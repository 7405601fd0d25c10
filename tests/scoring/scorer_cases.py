"""One of each scorer, and its scores by definition, one pair at a time."""

import math

import torch
import torch.nn.functional as F
from hmcn_definition import hmcn

from hgraph.scoring import (
    AdditiveScorer,
    BilinearScorer,
    ConcatScorer,
    DotScorer,
    GatedScorer,
    HJCLScorer,
    HMCNScorer,
    LabelAttentionScorer,
    LinearScorer,
    MLPScorer,
    ShrunkLinearScorer,
)

L, D, C, T = 7, 6, 4, 5

BUILD = {
    "linear": lambda n: LinearScorer(n, D),
    "additive": lambda n: AdditiveScorer(n, D),
    "dot": lambda n: DotScorer(D, scale=0.7),
    "cosine": lambda n: DotScorer(D, num_labels=n, similarity="cosine"),
    "bilinear": lambda n: BilinearScorer(D, label_channels=C),
    "bilinear-rank": lambda n: BilinearScorer(D, num_labels=n, label_channels=C, rank=2),
    "shrunk": lambda n: ShrunkLinearScorer(n, D, label_channels=C, support=torch.arange(n) * 3, kappa=4.0),
    "mlp": lambda n: MLPScorer(n, D, hidden=3),
    "gated": lambda n: GatedScorer(n, D),
    "concat": lambda n: ConcatScorer(D, label_channels=C, hidden=3),
    "concat-gelu": lambda n: ConcatScorer(D, num_labels=n, activation="gelu"),
    "attention": lambda n: LabelAttentionScorer(D, num_labels=n, label_channels=C, heads=3),
    "attention-label": lambda n: LabelAttentionScorer(D, label_channels=C, heads=2, weight="label"),
    "attention-learned": lambda n: LabelAttentionScorer(D, num_labels=n, query="learned", heads=2),
    "attention-plain": lambda n: LabelAttentionScorer(
        D, num_labels=n, query="learned", heads=1, projections="none"
    ),
    "attention-given": lambda n: LabelAttentionScorer(
        D, num_labels=n, query="given", heads=1, projections="none"
    ),
    "attention-all": lambda n: LabelAttentionScorer(
        D, num_labels=n, query="given", heads=2, weight="all"
    ),
    "hjcl": lambda n: HJCLScorer(n, D, label_channels=C, heads=3),
    "hjcl-faithful": lambda n: HJCLScorer(n, D, label_channels=C, heads=2, faithful=True),
    "hmcn": lambda n: HMCNScorer(D, level=level(n), heads=3),
    "hmcn-labels": lambda n: HMCNScorer(D, level=level(n), heads=2, label_channels=C),
    "hmcn-blend": lambda n: HMCNScorer(D, level=level(n), heads=2, blend=0.3, integrator=False),
    "hmcn-faithful": lambda n: HMCNScorer(D, level=level(n), heads=1, faithful=True),
}  # fmt: skip
BLOCKED = [name for name in BUILD if name.startswith(("gated", "concat", "attention", "hjcl"))]
"""Scorers that compute pairs in blocks."""


def level(num_labels):
    """Three levels at most, in no order."""
    return torch.tensor([1, 2, 3, 2, 1, 3, 3, 2])[:num_labels]


def make(name, num_labels=L, dtype=torch.float64):
    """A scorer in float64 whose parameters are all drawn at random."""
    torch.manual_seed(0)
    scorer = BUILD[name](num_labels).to(dtype).eval()
    scorer.reset_parameters()  # what is set to a value, such as a scale, is now exact
    for key, parameter in scorer.named_parameters():
        if not key.startswith("log_"):
            torch.nn.init.normal_(parameter, std=0.7)
    return scorer


def inputs(scorer, batch, num_labels=L, seed=1):
    """Text, label vectors and the keyword arguments of a call; documents of 0 to T tokens or fields where those are read."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    labels = draw(num_labels, scorer.label_channels)
    if not scorer.reads_tokens and not scorer.reads_fields:
        return draw(batch, D), labels, {}
    lengths = torch.tensor([T, 2, 0, 1, 3])[torch.arange(batch) % 5]
    first = int(scorer.reads_fields)  # the vector of the document, always there
    return draw(batch, first + T, D), labels, {"mask": torch.arange(first + T) < first + lengths.unsqueeze(1)}


def reference(scorer, text, labels, mask=None):
    """Every score by its definition."""
    if isinstance(scorer, HJCLScorer):
        return hjcl_scores(scorer, text, labels, mask)
    if isinstance(scorer, HMCNScorer):
        return hmcn(scorer, text, labels, mask)[0]
    scores = torch.zeros(len(text), len(labels), dtype=text.dtype)
    for i, h in enumerate(text):
        for j, f in enumerate(labels):
            bias = scorer.bias[j] if scorer.num_labels else scorer.bias[0]
            if getattr(scorer, "pair_weight", None) is not None:
                features = [attended(scorer, h if mask is None else h[mask[i]], g, m) for m, g in enumerate(labels)]
                scores[i, j] = sum(a @ b for a, b in zip(scorer.pair_weight[j], features, strict=True)) + bias
            elif scorer.reads_tokens:
                feature = attended(scorer, h if mask is None else h[mask[i]], f, j)
                weight = scorer.weight[j] if scorer.weight is not None else scorer.weight_map.weight @ f
                scores[i, j] = sum(a * b for a, b in zip(weight, feature, strict=True)) + bias
            else:
                scores[i, j] = _SCORE[type(scorer)](scorer, h, f, j) + bias
    return scores


def hjcl_scores(scorer, text, labels, mask=None):
    """HJCL's scores by their definition, one document at a time."""
    scores = torch.zeros(len(text), len(labels), dtype=text.dtype)
    for i, tokens in enumerate(text):
        real = torch.ones(len(tokens), dtype=torch.bool) if mask is None else mask[i]
        features = [hjcl_feature(scorer, tokens, real, label) for label in labels]
        if scorer.faithful:
            hidden = sum(z @ scorer.head[j] for j, z in enumerate(features)) + scorer.hidden_bias
            scores[i] = scorer.weight @ hidden.clamp(min=0) + scorer.bias
        else:
            for j, z in enumerate(features):
                hidden = (scorer.hidden_map.weight @ z + scorer.hidden_bias).clamp(min=0)
                scores[i, j] = scorer.weight[j] @ hidden + scorer.bias[j]
    return scores


def hjcl_feature(scorer, tokens, real, label):
    """What one document says about one label, by the steps of the paper."""
    if scorer.faithful:
        tokens, real = tokens[1:], real[1:]
    width, query = D // scorer.heads, F.linear(label, *scorer.query_map.parameters())
    read = torch.zeros(D, dtype=tokens.dtype)
    for head in range(scorer.heads):
        part = slice(head * width, (head + 1) * width)
        pairs = [(scorer.token_map.weight @ token).chunk(2) for token in tokens[real]]
        exponents = [torch.exp(query[part] @ key[part] / width**0.5) for key, _ in pairs]
        for exponent, (_, value) in zip(exponents, pairs, strict=True):
            read[part] = read[part] + exponent / sum(exponents) * value[part]
    kept = scorer.output_map.weight @ read + query
    kept = kept + scorer.residual_map.weight @ kept
    fused = torch.cat([scorer.fusion_map.weight, scorer.label_fusion.weight], dim=1) @ torch.cat([kept, label])
    fused = fused + scorer.label_fusion.bias
    if scorer.faithful:
        direction = fused.exp() / fused.exp().sum()
        return sum(((direction @ token) * token for token in tokens), torch.zeros(D, dtype=tokens.dtype))
    exponents = [torch.exp(fused @ token / D**0.5) for token in tokens[real]]
    terms = (exponent / sum(exponents) * token for exponent, token in zip(exponents, tokens[real], strict=True))
    return sum(terms, torch.zeros(D, dtype=tokens.dtype))


def attended(scorer, tokens, label, index):
    """What one label reads in one document: for each head a softmax over its tokens."""
    width = D // scorer.heads
    if scorer.query is not None:
        query = scorer.query[index]
    elif scorer.query_map is not None:
        query = F.linear(label, *scorer.query_map.parameters())
    else:
        query = label * width**0.5  # as it is
    feature = torch.zeros(D, dtype=tokens.dtype)
    for head in range(scorer.heads):
        part = slice(head * width, (head + 1) * width)
        keys, values = [], []
        for token in tokens:
            projected = torch.cat([token, token]) if scorer.token_map is None else scorer.token_map.weight @ token
            keys.append(projected[:D][part])
            values.append(projected[D:][part])
        exponents = [math.exp(float(query[part].detach() @ key.detach()) / width**0.5) for key in keys]
        for exponent, value in zip(exponents, values, strict=True):
            feature[part] += exponent / sum(exponents) * value
    return feature


def _dot(scorer, h, f, j):
    similarity = sum(a * b for a, b in zip(h, f, strict=True))
    if scorer.similarity == "cosine":
        similarity = similarity / (sum(a * a for a in h).sqrt() * sum(a * a for a in f).sqrt())
    return scorer.log_scale.exp() * similarity


def _bilinear(scorer, h, f, j):
    product = scorer.text_map if scorer.label_map is None else scorer.text_map @ scorer.label_map.t()
    return sum(h[a] * product[a, b] * f[b] for a in range(len(h)) for b in range(len(f)))


def _shrunk(scorer, h, f, j):
    from_label = scorer.text_map @ f
    own = from_label + scorer.difference[j]
    share = float(scorer.support[j]) / (float(scorer.support[j]) + scorer.kappa)
    return (share * own + (1 - share) * from_label) @ h


def _gated(scorer, h, f, j):
    gate = torch.sigmoid(scorer.text_gate.weight @ h + scorer.label_gate.weight @ f + scorer.text_gate.bias)
    return scorer.weight[j] @ (gate * h + (1 - gate) * f)


def _concat(scorer, h, f, j):
    both = torch.cat([scorer.text_map.weight, scorer.label_map.weight], dim=1)
    activation = {"relu": torch.relu, "gelu": F.gelu}[scorer.activation]
    return scorer.output @ activation(both @ torch.cat([h, f]) + scorer.text_map.bias)


def _mlp(scorer, h, f, j):
    return scorer.weight[j] @ F.gelu(scorer.hidden.weight @ h + scorer.hidden.bias)


_SCORE = {
    LinearScorer: lambda scorer, h, f, j: (scorer.weight @ h)[j],
    AdditiveScorer: lambda scorer, h, f, j: (scorer.weight @ (h + f))[j],
    DotScorer: _dot,
    BilinearScorer: _bilinear,
    ShrunkLinearScorer: _shrunk,
    MLPScorer: _mlp,
    GatedScorer: _gated,
    ConcatScorer: _concat,
}
