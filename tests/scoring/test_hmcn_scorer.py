"""HMCN against its definition, and what it must not depend on."""

import json

import pytest
import torch
from hmcn_definition import document, hmcn

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.scoring import HMCNScorer, restore

D, F, C = 8, 3, 5
GRAPH = LabelGraph.from_edges(
    [("a", "c"), ("a", "d"), ("b", "d"), ("b", "e"), ("d", "f"), ("c", "g"), ("b", "f"), ("e", "h"), ("e", "i")]
)
"""A DAG of three levels: `d` has two parents, `f` hangs from levels 1 and 2."""
KINDS = {
    "ours": {},
    "vectors": {"label_channels": C},
    "narrow": {"top": 2, "heads": 2},
    "blend": {"blend": 0.3, "integrator": False},
    "share": {"blend": 0.8},
    "faithful": {"faithful": True},
}
EACH = pytest.mark.parametrize("kind", KINDS)


def make(kind, level=None, seed=0):
    """A scorer in float64 whose parameters are all drawn at random."""
    torch.manual_seed(seed)
    scorer = HMCNScorer(D, level=GRAPH.level if level is None else level, **KINDS[kind]).double().eval()
    for parameter in scorer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return scorer


def batch(size=4, seed=1):
    """Vectors of documents and of their fields, the mask with one to three fields a document, and label vectors."""
    generator = torch.Generator().manual_seed(seed)
    text = torch.randn(size, 1 + F, D, generator=generator, dtype=torch.float64)
    labels = torch.randn(GRAPH.num_labels, C, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 1], [1, 0, 1, 0], [1, 1, 0, 0]]).bool()
    return text, mask[torch.arange(size) % 4], labels


def close(actual, expected, atol=1e-12):
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


@EACH
@pytest.mark.parametrize("size", [4, 1, 0])
def test_scores_and_branches_match_the_definition(kind, size):
    scorer, (text, mask, labels) = make(kind), batch(size)
    final, branches = scorer.forward_branches(text, labels, mask=mask)
    expected = hmcn(scorer, text, labels, mask)
    assert branches.shape == (2, size, GRAPH.num_labels)
    close(final, expected[0])
    close(branches, torch.stack(expected[1:]))
    close(scorer(text, labels, mask=mask), final)
    candidates = torch.randint(GRAPH.num_labels, (size, 3))
    close(scorer(text, labels, candidates, mask=mask), final.gather(1, candidates))


@EACH
def test_gradients_match_those_of_the_definition(kind):
    scorer, (text, mask, labels) = make(kind), batch()
    generator = torch.Generator().manual_seed(2)
    weights = torch.randn(3, 4, GRAPH.num_labels, generator=generator, dtype=torch.float64)
    leaves = [text.requires_grad_(), labels.requires_grad_(), *scorer.parameters()]

    def gradients(final, local, overall):
        value = (weights * torch.stack([final, local, overall])).sum()
        return torch.autograd.grad(value, leaves, allow_unused=True)

    final, branches = scorer.forward_branches(text, labels, mask=mask)
    found, expected = gradients(final, *branches), gradients(*hmcn(scorer, text, labels, mask))
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            close(one, other, atol=1e-10)


def test_a_label_is_scored_on_its_level_in_a_dag():
    scorer = make("ours")
    text, mask, labels = batch(1)
    assert GRAPH.level.tolist() == [scorer_level(scorer, label) for label in range(GRAPH.num_labels)]
    before = scorer.forward_branches(text, labels, mask=mask)[1][0, 0]
    with torch.no_grad():
        scorer.network.local_hidden[1][0].weight.add_(1.0)
    changed = (scorer.forward_branches(text, labels, mask=mask)[1][0, 0] - before).abs() > 1e-9
    deep = GRAPH.level == 3  # they read the probabilities of level 2
    assert changed[GRAPH.level == 2].all() and changed[deep].all() and not changed[GRAPH.level == 1].any()


def scorer_level(scorer, label):
    ends = torch.tensor(scorer.network.sizes).cumsum(0)
    return int((ends <= int((scorer.network.order == label).nonzero())).sum()) + 1


@EACH
def test_documents_fields_and_ids_in_another_order(kind):
    scorer, (text, mask, labels) = make(kind), batch()
    expected, branches = scorer.forward_branches(text, labels, mask=mask)
    order = torch.tensor([2, 0, 3, 1])
    close(scorer(text[order], labels, mask=mask[order]), expected[order])
    for row in range(4):
        close(scorer(text[row : row + 1], labels, mask=mask[row : row + 1]), expected[row : row + 1])
    fields = torch.tensor([0, 2, 3, 1])
    close(scorer(text[:, fields], labels, mask=mask[:, fields]), expected)
    shuffled = torch.randperm(GRAPH.num_labels, generator=torch.Generator().manual_seed(3))
    other = make(kind, GRAPH.level[shuffled])
    own = dict(scorer.named_parameters())
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            parameter.copy_(own[name][shuffled] if name in scorer.label_parameters else own[name])
    relabelled, others = other.forward_branches(text, labels[shuffled], mask=mask)
    close(relabelled, expected[:, shuffled])
    close(others, branches[:, :, shuffled])


@EACH
def test_missing_fields_say_nothing(kind):
    scorer, (text, mask, labels) = make(kind), batch()
    expected = scorer(text, labels, mask=mask)
    noise = torch.where(mask.unsqueeze(-1), text, torch.full_like(text, 7.0))
    close(scorer(noise, labels, mask=mask), expected)
    longer = torch.cat([text, torch.full_like(text, -3.0)], dim=1)
    close(scorer(longer, labels, mask=torch.cat([mask, torch.zeros_like(mask)], dim=1)), expected)
    alone = scorer(text[3:, :2], labels)
    close(alone, expected[3:])
    mask[:, 1:] = False
    zero = torch.stack([text[:, 0], torch.zeros_like(text[:, 0])], dim=1)
    close(scorer(text, labels, mask=mask), scorer(zero, labels))
    (gradient,) = torch.autograd.grad(scorer(noise.requires_grad_(), labels, mask=batch()[1]).sum(), noise)
    assert not gradient[~batch()[1]].any() and gradient[batch()[1]].abs().amax(-1).min() > 0


@EACH
def test_the_vector_of_the_text_is_where_both_branches_start(kind):
    """The global branch reads nothing else; fields are read by the levels alone."""
    scorer, (text, mask, labels) = make(kind), batch()
    before = scorer.forward_branches(text, labels, mask=mask)[1]
    for part, moves in ((slice(0, 1), True), (slice(1, None), False)):
        changed = text.clone()
        changed[:, part] = text[:, part].flip(0)
        local, overall = (scorer.forward_branches(changed, labels, mask=mask)[1] - before).abs()
        assert local.min() > 1e-9
        assert overall.min() > 1e-9 if moves else not overall.any()


def test_with_one_field_the_published_attention_says_nothing_and_ours_does():
    """A softmax over one key is 1: queries have no effect, and each level adds the same map of the field."""
    text = batch()[0][:, :2]
    for kind, matters in (("faithful", False), ("ours", True)):
        scorer = make(kind)
        before = scorer(text)
        with torch.no_grad():
            for level in scorer.network.levels:
                torch.nn.init.normal_(level.query.weight)
                torch.nn.init.normal_(level.query.bias)
        assert bool((scorer(text) - before).abs().max() > 1e-3) == matters


def test_level_one_reads_the_fields_alone_and_the_last_level_passes_nothing_on():
    scorer, (text, mask, labels) = make("ours"), batch()
    before = scorer.forward_branches(text, labels, mask=mask)[1][0]
    with torch.no_grad():
        scorer.label_table[GRAPH.level == 3] += 5.0
        assert torch.equal(scorer.forward_branches(text, labels, mask=mask)[1][0], before)
        scorer.label_table[GRAPH.level == 1] += 5.0
    moved = (scorer.forward_branches(text, labels, mask=mask)[1][0] - before).abs().amax(0) > 1e-6
    assert moved.tolist() == (GRAPH.level > 1).tolist()


def test_a_label_of_probability_near_zero_has_no_influence():
    """With all of level 1 improbable, the levels below read what the fields alone would give them."""
    scorer, (text, mask, _) = make("ours"), batch()
    fields = make("faithful")
    own = dict(scorer.named_parameters())
    with torch.no_grad():
        for name, parameter in fields.named_parameters():
            parameter.copy_(own[name])
        for odds, tolerance in ((-40.0, 1e-12), (-1000.0, 0.0), (-1e30, 0.0)):
            for one in (scorer, fields):
                one.network.local_bias.fill_(odds)
            local = scorer.forward_branches(text, mask=mask)[1][0]
            close(local - odds, fields.forward_branches(text, mask=mask)[1][0] - odds, atol=tolerance)
            assert local.isfinite().all()
        scorer.network.local_bias.fill_(40.0)
        fields.network.local_bias.fill_(40.0)
        moved = (scorer.forward_branches(text, mask=mask)[1][0] - fields.forward_branches(text, mask=mask)[1][0]).abs()
    assert (moved[:, GRAPH.level > 1] > 1e-3).all()


def test_improbable_labels_have_finite_gradients():
    scorer, (text, mask, _) = make("ours").float(), batch()
    with torch.no_grad():
        scorer.network.local_bias.fill_(-1e4)
    scorer(text.float(), mask=mask).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in scorer.parameters())


@EACH
def test_every_part_is_trained_by_final_scores_and_branches(kind):
    scorer, (text, mask, labels) = make(kind), batch()
    final, (local, overall) = scorer.forward_branches(text, labels, mask=mask)

    def reached(value):
        names, parameters = zip(*scorer.named_parameters(), strict=True)
        gradients = torch.autograd.grad(value.square().sum(), parameters, retain_graph=True, allow_unused=True)
        return {name for name, grad in zip(names, gradients, strict=True) if grad is not None and grad.abs().max() > 0}

    everything = {name for name, _ in scorer.named_parameters()}
    assert reached(final) == everything
    integrator = {name for name in everything if "integrator" in name}
    of_global = {"network.weight", "network.bias", "network.hidden.0.weight", "network.hidden.0.bias"}
    assert reached(local) == everything - integrator - of_global
    assert reached(overall) == of_global


@EACH
def test_training_starts_from_the_base_rates(kind):
    torch.manual_seed(0)
    scorer, (text, mask, labels) = HMCNScorer(D, level=GRAPH.level, **KINDS[kind]).double().eval(), batch()
    prior = torch.linspace(0.05, 0.9, GRAPH.num_labels).double()
    with torch.no_grad():
        for weight in (scorer.network.weight, scorer.network.local_weight):
            weight.zero_()
    scorer.init_bias(prior)
    final, branches = scorer.forward_branches(text, labels, mask=mask)
    for scores in (final, *branches):
        close(scores.sigmoid(), prior.expand(4, -1), atol=1e-9)
    with pytest.raises(ConfigError, match="one share a label"):
        scorer.init_bias(prior[:2])


@EACH
def test_frozen_scorer_needs_neither_hierarchy_nor_label_vectors(kind, tmp_path):
    from safetensors.torch import load_file, save_file

    scorer, (text, mask, labels) = make(kind), batch()
    frozen = scorer.freeze(labels)
    close(frozen(text, mask=mask), scorer(text, labels, mask=mask))
    save_file(frozen.state_dict(), tmp_path / "scorer.safetensors")
    revived = restore("hmcn", json.loads(json.dumps(frozen.config())))
    revived.load_state_dict(load_file(tmp_path / "scorer.safetensors"), assign=True)
    assert torch.equal(revived(text, mask=mask), frozen(text, mask=mask))
    other = HMCNScorer(D, level=GRAPH.level, **KINDS[kind]).double().eval()
    other.load_state_dict(scorer.state_dict())
    assert torch.equal(other(text, labels, mask=mask), scorer(text, labels, mask=mask))
    with pytest.raises(ConfigError, match="'config' must be that of a scorer of kind 'hmcn'"):
        restore("hmcn", {"shapes": {}})


@EACH
def test_half_precision_trains(kind):
    scorer, (text, mask, labels) = make(kind).float().train(), batch()
    text, labels = text.float(), labels.float()
    with torch.autocast("cpu", torch.bfloat16):
        final, branches = scorer.forward_branches(text, labels, mask=mask)
    (final.float().sum() + branches.float().sum()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in scorer.parameters())


def test_a_hierarchy_of_one_level_and_one_label():
    scorer = HMCNScorer(D, level=torch.tensor([1])).double().eval()
    text, mask, _ = batch()
    close(scorer(text, mask=mask), hmcn(scorer, text, None, mask)[0])
    assert document(scorer, text[0], None, mask[0])[0].shape == (1,)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"level": torch.tensor([1, 3])}, r"'level' must count from 1 and leave no level out, but got \[1, 3\]"),
        ({"level": torch.tensor([0, 1])}, "'level' must count from 1"),
        ({"heads": 3}, "'heads' must divide the width of the text vectors, 8, but got 3"),
        ({"dropout": 1.0}, "'dropout'"),
        ({"top": 0}, "'top' must be at least 1"),
        ({"blend": 1.5}, "'blend' must be a share from 0 to 1"),
    ],
)
def test_wrong_options_are_named(changes, word):
    with pytest.raises(ConfigError, match=word):
        HMCNScorer(D, **{"level": GRAPH.level, **changes})


def test_wrong_input_is_named():
    scorer, (text, mask, _) = make("vectors"), batch()
    with pytest.raises(ConfigError, match=r"'text' must be \[B, 1 \+ F, D\], .* but got \[4, 1, 8\]"):
        make("ours")(text[:, :1])
    with pytest.raises(ConfigError, match="needs label vectors"):
        scorer(text, mask=mask)


@pytest.mark.parametrize(
    ("options", "share", "learned"),
    [
        ({}, 0.5, True),
        ({"blend": 0.8}, 0.8, True),
        ({"integrator": False}, 0.5, False),
        ({"faithful": True}, None, True),
        ({"faithful": True, "integrator": False, "blend": 0.3}, 0.3, False),
    ],
)
def test_final_scores_are_made_of_the_branches(options, share, learned):
    torch.manual_seed(0)
    scorer, (text, mask, _) = HMCNScorer(D, level=GRAPH.level, **options).double().eval(), batch()
    start, (local, overall) = scorer.forward_branches(text, mask=mask)
    blended = 0 if share is None else share * local + (1 - share) * overall
    if share is not None:
        close(start, blended)  # the integrator corrects nothing yet
    assert (scorer.network.integrator is not None) == learned
    if learned:
        torch.nn.init.normal_(scorer.network.integrator.weight)
        close(scorer(text, mask=mask), blended + scorer.network.integrator(local, overall))
