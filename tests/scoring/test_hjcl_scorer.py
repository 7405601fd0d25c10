"""HJCL's scorer: its features, what padding does to both forms, dropout, and the bound of the published head."""

import pytest
import torch
import torch.nn.functional as F
from scorer_cases import D, L, T, hjcl_feature, inputs, make

from hgraph.errors import ConfigError
from hgraph.scoring import HJCLScorer
from hgraph.scoring import hjcl_scorer as module
from hgraph.scoring.hjcl import moment_features

EACH = pytest.mark.parametrize("name", ["hjcl", "hjcl-faithful"])


def close(actual, expected, atol=1e-12):
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


@EACH
def test_features_match_a_loop(name):
    scorer = make(name)
    text, labels, mask = inputs(scorer, 5)
    expected = torch.stack(
        [
            torch.stack([hjcl_feature(scorer, tokens, real, label) for label in labels])
            for tokens, real in zip(text, mask["mask"], strict=True)
        ]
    )
    close(scorer.label_text(text, labels, **mask), expected)
    candidates = torch.randint(L, (5, 3))
    picked = expected.gather(1, candidates.unsqueeze(-1).expand(-1, -1, D))
    close(scorer.label_text(text, labels, candidates, **mask), picked)


def test_features_are_weighted_means_of_real_tokens():
    """A document of one real token says that token about every label, however long it is padded."""
    scorer = make("hjcl")
    text, labels, _ = inputs(scorer, 1)
    mask = torch.zeros(1, T, dtype=torch.bool)
    mask[0, 2] = True
    close(scorer.label_text(text, labels, mask=mask), text[:, 2:3].expand(1, L, D))


@pytest.mark.parametrize("filling", [0.0, 1e3, float("nan")])
def test_padding_changes_nothing_in_the_default_form(filling):
    scorer = make("hjcl")
    text, labels, mask = inputs(scorer, 4)
    longer = F.pad(text, (0, 0, 0, 3)).masked_fill(~F.pad(mask["mask"], (0, 3)).unsqueeze(-1), filling)
    close(scorer(longer, labels, mask=F.pad(mask["mask"], (0, 3))), scorer(text, labels, **mask))


def test_padding_changes_the_published_form():
    """Its fusion sums over pads: that is what the default form corrects."""
    scorer = make("hjcl-faithful")
    text, labels, mask = inputs(scorer, 2)
    longer, real = torch.cat([text, text.new_ones(2, 3, D)], 1), F.pad(mask["mask"], (0, 3))
    assert (scorer(longer, labels, mask=real) - scorer(text, labels, **mask)).abs().min() > 1e-3
    # The first attention leaves pads out: with states of zero there, nothing changes.
    zeros = F.pad(text.masked_fill(~mask["mask"].unsqueeze(-1), 0.0), (0, 0, 0, 3))
    close(scorer(zeros, labels, mask=real), scorer(zeros[:, :T], labels, **mask))


def test_the_published_form_does_not_read_the_first_token():
    scorer = make("hjcl-faithful")
    text, labels, mask = inputs(scorer, 2)
    other = torch.cat([torch.randn(2, 1, D).double(), text[:, 1:]], 1)
    close(scorer(other, labels, **mask), scorer(text, labels, **mask))
    assert not torch.equal(make("hjcl")(other, labels, **mask), make("hjcl")(text, labels, **mask))


@EACH
@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (2, 1)])
def test_nothing_to_read_scores_what_the_biases_say(name, shape):
    scorer = make(name).float()
    labels = torch.randn(L, scorer.label_channels)
    scores = scorer(torch.randn(*shape, D), labels, mask=torch.zeros(shape, dtype=torch.bool))
    expected = scorer.weight @ scorer.hidden_bias.clamp(min=0) + scorer.bias
    close(scores, expected.expand(shape[0], L), atol=1e-6)
    scores.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in scorer.parameters() if parameter.grad is not None)


def test_relabelling_permutes_the_scores():
    scorer, order = make("hjcl"), torch.randperm(L, generator=torch.Generator().manual_seed(0))
    text, labels, mask = inputs(scorer, 3)
    scores = scorer(text, labels, **mask)[:, order]
    with torch.no_grad():
        scorer.weight.copy_(scorer.weight[order].clone())
        scorer.bias.copy_(scorer.bias[order].clone())
    close(scorer(text, labels[order], **mask), scores)


@EACH
def test_dropout_is_drawn_in_training_alone_and_is_the_same_in_both_passes(name):
    torch.manual_seed(0)
    scorer = HJCLScorer(9, 6, heads=2, dropout=0.5, head_dropout=0.3, faithful="faithful" in name).double()
    tokens, labels = torch.randn(2, 5, 6).double(), torch.randn(9, 6).double()
    scorer.memory_budget = 20_000  # a few labels at a time

    def scores(weight):
        torch.manual_seed(1)
        return torch.func.functional_call(scorer, {"query_map.weight": weight}, (tokens, labels))

    assert torch.autograd.gradcheck(scores, scorer.query_map.weight.detach().clone().requires_grad_())
    assert not torch.equal(scorer(tokens, labels), scorer(tokens, labels))
    assert torch.equal(scorer.eval()(tokens, labels), scorer(tokens, labels))


@pytest.mark.parametrize("labels", [1, 3, 40])
def test_both_orders_of_the_moment_agree(labels):
    torch.manual_seed(0)
    direction, tokens = torch.randn(2, labels, 4).double(), torch.randn(2, 30, 4).double()
    expected = torch.einsum("bcd,btd,bte->bce", direction, tokens, tokens)
    close(moment_features(direction, tokens), expected)


@EACH
def test_state_dicts_come_back(name):
    scorer, other = make(name), HJCLScorer(L, D, label_channels=4, heads=make(name).heads, faithful="faithful" in name)
    other.double().eval().load_state_dict(scorer.state_dict())
    text, labels, mask = inputs(scorer, 3)
    assert torch.equal(other(text, labels, **mask), scorer(text, labels, **mask))


def test_the_published_head_is_bounded(monkeypatch):
    with pytest.raises(ConfigError, match=r"47,185,920,000 bytes, the limit is 2,147,483,648\. Use the default form"):
        HJCLScorer(20_000, 768, faithful=True)
    monkeypatch.setattr(module, "HEAD_BYTES", 4 * L * D * D)
    HJCLScorer(L, D, heads=2, faithful=True)
    with pytest.raises(ConfigError, match="'faithful' must be false for 8 labels of 6 channels"):
        HJCLScorer(L + 1, D, heads=2, faithful=True)


def test_wrong_input_is_named():
    scorer = make("hjcl")
    text, labels, mask = inputs(scorer, 3)
    with pytest.raises(ConfigError, match=r"'text' must hold the vectors of all tokens, .* but got \[3, 6\]"):
        scorer(text[:, 0], labels)
    with pytest.raises(ConfigError, match=r"'mask' must have shape \[3, 5\], but got \[3, 4\]"):
        scorer(text, labels, mask=mask["mask"][:, :4])
    with pytest.raises(ConfigError, match="needs label vectors"):
        scorer(text)
    with pytest.raises(ConfigError, match="'heads' must divide 'channels', 6, but got 4"):
        HJCLScorer(2, 6, heads=4)
    with pytest.raises(ConfigError, match=r"'head_dropout' must be at least 0 and below 1, but got 1\.0"):
        HJCLScorer(2, 6, heads=2, head_dropout=1.0)
