"""Label attention: pads, documents without tokens, features, and an independent implementation."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scorer_cases import BUILD, D, L, T, attended, inputs, make

from hgraph.errors import ConfigError
from hgraph.scoring import LabelAttentionScorer

KINDS = [name for name in BUILD if name.startswith("attention")]
EACH = pytest.mark.parametrize("name", KINDS)


@EACH
def test_features_match_a_loop_and_give_the_scores(name):
    scorer = make(name)
    text, labels, mask = inputs(scorer, 4)
    features = scorer.label_text(text, labels, **mask)
    expected = torch.stack(
        [
            torch.stack([attended(scorer, tokens[real], label, j) for j, label in enumerate(labels)])
            for tokens, real in zip(text, mask["mask"], strict=True)
        ]
    )
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-12)
    if scorer.pair_weight is None:
        scores = (features * scorer.weights(labels)).sum(-1) + scorer.bias
    else:
        scores = features.flatten(1) @ scorer.pair_weight.flatten(1).t() + scorer.bias
    torch.testing.assert_close(scorer(text, labels, **mask), scores, rtol=0, atol=1e-12)
    candidates = torch.randint(L, (4, 3))
    picked = features.gather(1, candidates.unsqueeze(-1).expand(-1, -1, D))
    torch.testing.assert_close(scorer.label_text(text, labels, candidates, **mask), picked, rtol=0, atol=1e-12)


def test_features_are_those_of_torch():
    """Multi-head attention of torch, with its output map set to the identity."""
    scorer = make("attention")
    text, labels, mask = inputs(scorer, 2)
    query = scorer.query_map(labels).expand(2, -1, -1)
    reference = torch.nn.MultiheadAttention(D, scorer.heads, batch_first=True, bias=False).double()
    with torch.no_grad():
        reference.in_proj_weight.copy_(torch.cat([torch.eye(D), scorer.projection]))
        reference.out_proj.weight.copy_(torch.eye(D))
    expected, _ = reference(query, text, text, key_padding_mask=~mask["mask"])
    torch.testing.assert_close(scorer.label_text(text, labels, **mask), expected, rtol=0, atol=1e-12)


@EACH
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_pads_do_not_matter(name, data):
    """Whatever pads hold, however many there are and wherever they are."""
    scorer = make(name)
    text, labels, _ = inputs(scorer, 2)
    lengths = data.draw(st.tuples(st.integers(0, T), st.integers(0, T)))
    extra = data.draw(st.integers(0, 4))
    filling = data.draw(st.sampled_from([0.0, 1e3, -1e3, float("inf"), float("nan")]))
    mask = torch.arange(T) < torch.tensor(lengths).unsqueeze(1)
    alone = torch.cat(
        [scorer(text[i : i + 1, : lengths[i]], labels, mask=mask[i : i + 1, : lengths[i]]) for i in (0, 1)]
    )
    longer, real = F.pad(text, (0, 0, 0, extra)), F.pad(mask, (0, extra))
    longer = longer.masked_fill(~real.unsqueeze(-1), filling)
    order = torch.randperm(T + extra, generator=torch.Generator().manual_seed(data.draw(st.integers(0, 99))))
    padded = scorer(longer[:, order], labels, mask=real[:, order])
    torch.testing.assert_close(padded, alone, rtol=0, atol=1e-12)


@EACH
def test_a_document_without_tokens_scores_the_bias(name):
    scorer = make(name).float()
    labels = torch.randn(L, scorer.label_channels)
    expected = scorer.bias.expand(2, L)
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    text = torch.randn(2, 3, D, requires_grad=True)
    scores = scorer(text, labels, mask=nothing)
    torch.testing.assert_close(scores, expected)
    scores.sum().backward()
    assert not text.grad.any()
    assert all(parameter.grad.isfinite().all() for parameter in scorer.parameters())
    torch.testing.assert_close(scorer(torch.randn(2, 0, D), labels), expected)
    torch.testing.assert_close(scorer(torch.randn(2, 0, D), labels, torch.randint(L, (2, L))).shape, expected.shape)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(scorer(text, labels, mask=nothing).float(), expected.bfloat16().float()) or torch.allclose(
            scorer(text, labels, mask=nothing).float(), expected, atol=1e-6
        )


@EACH
def test_no_pad_gets_a_gradient(name):
    scorer = make(name)
    text, labels, mask = inputs(scorer, 5)
    text.requires_grad_()
    scorer(text, labels, **mask).square().sum().backward()
    assert not text.grad[~mask["mask"]].any()
    several = mask["mask"] & (mask["mask"].sum(1, keepdim=True) > 0)
    assert text.grad[several].abs().sum(-1).all()


def test_large_logits_stay_finite():
    scorer = make("attention").float()
    text, labels, mask = inputs(scorer, 3)
    scores = scorer(1e3 * text.float(), labels.float(), **mask)
    assert scores.isfinite().all()


def test_learned_queries_need_no_label_vectors():
    scorer = make("attention-learned")
    text, _, mask = inputs(scorer, 3)
    assert scorer(text, **mask).shape == (3, L)
    frozen = scorer.freeze()
    torch.testing.assert_close(frozen(text, **mask), scorer(text, **mask))


def test_at_first_learned_queries_read_all_tokens_alike():
    torch.manual_seed(0)
    scorer = LabelAttentionScorer(64, num_labels=3, query="learned", projections="none")
    text = torch.randn(2, 7, 64)
    torch.testing.assert_close(scorer.label_text(text), text.mean(1, keepdim=True).expand(-1, 3, -1), rtol=0, atol=0.05)


def test_wrong_input_is_named():
    scorer = make("attention")
    text, labels, mask = inputs(scorer, 3)
    with pytest.raises(ConfigError, match=r"'text' must hold the vectors of all tokens, .* but got \[3, 6\]"):
        scorer(text[:, 0], labels)
    with pytest.raises(ConfigError, match=r"'mask' must have shape \[3, 5\], but got \[3, 4\]"):
        scorer(text, labels, mask=mask["mask"][:, :4])
    with pytest.raises(ConfigError, match="needs label vectors"):
        scorer(text)
    with pytest.raises(ConfigError, match="'heads' must divide 'channels', 6, but got 4"):
        LabelAttentionScorer(6, num_labels=2, heads=4)
    with pytest.raises(ConfigError, match="'num_labels' must be given"):
        LabelAttentionScorer(6, heads=2)
    with pytest.raises(ConfigError, match="'query' must be one of label, given, learned, but got 'both'"):
        LabelAttentionScorer(6, num_labels=2, heads=2, query="both")
    with pytest.raises(ConfigError, match=r"'label_channels' must be 6, that of the tokens, .* but got 4"):
        LabelAttentionScorer(6, num_labels=2, heads=2, query="given", label_channels=4)
    with pytest.raises(ConfigError, match=r"'num_labels' is 1001, .* would take 24,048,024 bytes, .* Use weight='own'"):
        LabelAttentionScorer(6, num_labels=1001, heads=2, weight="all")
    assert LabelAttentionScorer(6, num_labels=3, heads=2, weight="all", all_limit=3).num_labels == 3
    with pytest.raises(ConfigError, match="'dropout' must be at least 0 and below 1"):
        LabelAttentionScorer(6, num_labels=2, heads=2, dropout=1.0)
    with pytest.raises(ConfigError, match=r"must hold one document and one label, .* Raise it, or shorten the texts"):
        LabelAttentionScorer(6, num_labels=2, heads=2, memory_budget=100)(text.float(), torch.randn(2, 6))
