"""Scorers against loops over documents and labels."""

import inspect
import json

import pytest
import torch
from scorer_cases import BLOCKED, BUILD, D, L, inputs, make, reference

import hgraph.scoring
from hgraph.errors import ConfigError
from hgraph.scoring import (
    CascadeScorer,
    DotScorer,
    FrozenCascadeScorer,
    FrozenLevelScorer,
    FrozenScorer,
    LinearScorer,
    Scorer,
    additive_scores,
    dot_scores,
    log_odds,
    restore,
)

ALL = pytest.mark.parametrize("name", BUILD)


def close(actual, expected, atol=1e-12):
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


def test_every_scorer_has_a_case():
    exported = {member for member in vars(hgraph.scoring).values() if inspect.isclass(member)}
    scorers = {member for member in exported if issubclass(member, Scorer) and not inspect.isabstract(member)}
    # A cascade answers a shortlist; it has tests of its own.
    assert scorers - {CascadeScorer} == {type(make(name)) for name in BUILD}


@ALL
@pytest.mark.parametrize(("batch", "num_labels"), [(3, L), (0, L), (2, 1)])
def test_scores_match_a_loop_over_pairs(name, batch, num_labels):
    scorer = make(name, num_labels)
    text, labels, mask = inputs(scorer, batch, num_labels)
    expected = reference(scorer, text, labels, **mask)
    close(scorer(text, labels, **mask), expected)
    candidates = torch.randint(num_labels, (batch, 4))
    close(scorer(text, labels, candidates, **mask), expected.gather(1, candidates))
    close(scorer(text, labels, candidates[:, :0], **mask), expected[:, :0])


@ALL
def test_frozen_scorer_gives_the_same_scores_without_label_vectors(name):
    scorer = make(name)
    text, labels, mask = inputs(scorer, 3)
    candidates = torch.randint(L, (3, 4))
    frozen = scorer.freeze(labels)
    assert (frozen.reads_tokens, frozen.reads_fields) == (scorer.reads_tokens, scorer.reads_fields)
    assert (frozen.num_labels, frozen.channels) == (L, D)
    close(frozen(text, **mask), scorer(text, labels, **mask))
    close(frozen(text, candidates=candidates, **mask), scorer(text, labels, candidates, **mask))
    assert not frozen.training
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    before = frozen(text, **mask).clone()
    with torch.no_grad():  # a copy: later training of the scorer does not reach it
        for parameter in scorer.parameters():
            parameter.add_(1.0)
    assert torch.equal(frozen(text, **mask), before)


@ALL
def test_frozen_scorer_comes_back_from_json_and_tensors(name):
    scorer = make(name)
    text, labels, mask = inputs(scorer, 3)
    frozen = scorer.freeze(labels)
    revived = restore(frozen.kind, json.loads(json.dumps(frozen.config())))
    assert type(revived) is type(frozen)
    assert all(tensor.is_meta for tensor in revived.state_dict().values())
    revived.load_state_dict(frozen.state_dict(), assign=True)
    assert not revived.training and not any(parameter.requires_grad for parameter in revived.parameters())
    assert torch.equal(revived(text, **mask), frozen(text, **mask))
    assert revived.config() == frozen.config()


def test_every_frozen_scorer_can_be_restored():
    frozen = {type(make(name).freeze(inputs(make(name), 1)[1])) for name in BUILD}
    exported = {member for member in vars(hgraph.scoring).values() if inspect.isclass(member)}
    # Scorers of steps and of levels read states of another shape; they have tests of their own.
    elsewhere = {FrozenScorer, FrozenLevelScorer, FrozenCascadeScorer}
    assert {member for member in exported if issubclass(member, FrozenScorer)} - elsewhere < frozen
    assert len({kind.kind for kind in frozen}) == len(frozen)
    with pytest.raises(ConfigError, match=r"'kind' must be one of linear, cosine, .*, but got 'tree'"):
        restore("tree", {})
    with pytest.raises(ConfigError, match="'config' must be that of a scorer of kind 'linear'"):
        restore("linear", {"shapes": {}})
    with pytest.raises(ConfigError, match="'config' must be that of a scorer of kind 'gated'"):
        restore("gated", {"num_labels": 3})


@ALL
def test_a_score_depends_on_its_document_alone(name):
    scorer = make(name)
    text, labels, mask = inputs(scorer, 5)
    scores, order = scorer(text, labels, **mask), torch.tensor([2, 0, 4, 1, 3])

    def some(rows):
        return scorer(text[rows], labels, **{key: value[rows] for key, value in mask.items()})

    close(some(order), scores[order])
    for row in range(5):
        close(some(slice(row, row + 1)), scores[row : row + 1])


@ALL
def test_gradients_are_those_of_finite_differences(name):
    scorer = make(name, num_labels=3)
    text, labels, mask = inputs(scorer, 2, 3)
    if isinstance(scorer, hgraph.scoring.ConcatScorer) and scorer.activation == "relu":
        scorer.activation = "tanh"  # finite differences do not get along with corners
    names = [key for key, parameter in scorer.named_parameters() if parameter.requires_grad]
    values = [scorer.get_parameter(key).detach().clone().requires_grad_() for key in names]
    for candidates in (None, torch.tensor([[0, 2], [1, 1]])):

        def scores(text, labels, *values):
            state = dict(zip(names, values, strict=True))
            return torch.func.functional_call(scorer, state, (text, labels, candidates), mask)  # noqa: B023

        assert torch.autograd.gradcheck(scores, (text.requires_grad_(), labels.requires_grad_(), *values))


@ALL
def test_half_precision_comes_close(name):
    scorer = make(name)
    text, labels, mask = inputs(scorer, 3)
    expected = scorer(text, labels, **mask)
    single = scorer.float()
    for candidates in (None, torch.randint(L, (3, 4))):
        wanted = expected if candidates is None else expected.gather(1, candidates)
        with torch.autocast("cpu", torch.bfloat16):
            scores = single(text.float(), labels.float(), candidates, **mask)
        assert scores.isfinite().all()
        close(scores.double(), wanted, atol=0.05 * float(expected.detach().abs().max()))
        scores.sum().backward()
        assert all(p.grad.isfinite().all() for p in single.parameters() if p.grad is not None)
    with torch.no_grad():
        scores = single.bfloat16()(text.bfloat16(), labels.bfloat16(), **mask)
    close(scores.double(), expected, atol=0.05 * float(expected.detach().abs().max()))


def test_additive_scorer_folds_into_a_flat_classifier():
    scorer = make("additive")
    text, labels, _ = inputs(scorer, 3)
    flat = scorer.fold(labels)
    assert type(flat) is LinearScorer
    assert torch.equal(flat.weight, scorer.weight)
    close(flat(text), reference(scorer, text, labels))
    revived = LinearScorer(L, D).double()
    revived.load_state_dict(flat.state_dict())
    assert torch.equal(revived(text), flat(text))


@ALL
def test_frozen_kind(name):
    scorer = make(name)
    frozen = scorer.freeze(inputs(scorer, 1)[1])
    kinds = {
        "cosine": "cosine",
        "mlp": "mlp",
        "gated": "gated",
        "concat": "concat",
        "attention": "label_attention",
        "hjcl": "hjcl",
        "hmcn": "hmcn",
    }
    assert frozen.kind == kinds.get(name.split("-")[0], "linear")
    assert isinstance(frozen, LinearScorer) == (frozen.kind == "linear")


@ALL
def test_label_weights_have_one_row_a_label(name):
    scorer = make(name)
    labels = inputs(scorer, 1)[1]
    weights = scorer.label_weights(labels)
    if name in ("linear", "additive", "shrunk"):
        close(weights, scorer.freeze(labels).weight)
    elif name.startswith("hmcn"):
        assert weights is scorer.network.weight
    elif name == "gated" or (name in BLOCKED and getattr(scorer, "weight", None) is not None):
        assert weights is scorer.weight
    else:
        assert weights is None


def test_gradients_of_the_functions_are_those_of_finite_differences():
    text, labels, weight = (torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (2, 4, 4))
    bias, candidates = torch.randn(4, dtype=torch.float64, requires_grad=True), torch.tensor([[0, 3], [2, 2]])
    for shortlist in (None, candidates):
        assert torch.autograd.gradcheck(
            lambda *args: additive_scores(*args, candidates=shortlist),  # noqa: B023
            (text, labels, weight, bias),
        )
        assert torch.autograd.gradcheck(
            lambda t, v, b: dot_scores(t, v, bias=b, candidates=shortlist),  # noqa: B023
            (text, labels, bias),
        )


def test_bias_starts_at_the_base_rates():
    prior = torch.tensor([0.25, 0.5, 0.0, 1.0])
    scorer = LinearScorer(4, D)
    scorer.init_bias(prior)
    close(scorer(torch.zeros(1, D)).sigmoid()[0], prior, atol=1e-5)
    assert log_odds(torch.tensor([0.0, 1.0])).isfinite().all()
    with pytest.raises(ConfigError, match="one share a label"):
        scorer.init_bias(prior[:2])


@ALL
def test_every_scorer_starts_from_the_base_rates(name):
    scorer = make(name)
    prior = torch.linspace(0.1, 0.9, len(scorer.bias))
    scorer.init_bias(prior)
    torch.testing.assert_close(scorer.bias.detach().sigmoid(), prior.double(), rtol=1e-5, atol=0)


@ALL
def test_names_of_rows_a_label_are_right(name):
    scorer, other = make(name, L), make(name, L + 1)
    grown = {
        key
        for key, tensor in [*scorer.named_parameters(), *scorer.named_buffers()]
        if tensor.shape != dict([*other.named_parameters(), *other.named_buffers()])[key].shape
    }
    declared = {*scorer.label_parameters, *scorer.label_buffers, "network.order"}  # the last is the hierarchy
    assert grown <= declared
    assert all(len(tensor) == L for key, tensor in scorer.state_dict().items() if key in grown)


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match="needs label vectors"):
        make("additive")(torch.randn(1, D).double())
    with pytest.raises(ConfigError, match=r"must have shape \[7, 6\]"):
        make("additive")(torch.randn(1, D).double(), torch.randn(L + 1, D).double())
    with pytest.raises(ConfigError, match=r"must have shape \[num_labels, 4\], but got \[7, 6\]"):
        make("bilinear")(torch.randn(1, D).double(), torch.randn(L, D).double())
    with pytest.raises(ConfigError, match="'similarity' must be one of dot, cosine"):
        DotScorer(D, similarity="euclid")
    with pytest.raises(ConfigError, match="'scale' must be above 0"):
        DotScorer(D, scale=0.0)
    with pytest.raises(ConfigError, match="'num_labels' must be at least 1"):
        LinearScorer(0, D)
    with pytest.raises(ConfigError, match="'label_channels' must be at least 1"):
        hgraph.scoring.BilinearScorer(D, label_channels=0)
    with pytest.raises(ConfigError, match="'rank' must be at least 1 and at most 4"):
        hgraph.scoring.BilinearScorer(D, label_channels=4, rank=5)
    with pytest.raises(ConfigError, match="'hidden' must be at least 1"):
        hgraph.scoring.ConcatScorer(D, hidden=0)
    with pytest.raises(ConfigError, match="'activation' must be one of relu, gelu, tanh, but got 'sine'"):
        hgraph.scoring.ConcatScorer(D, activation="sine")
    with pytest.raises(ConfigError, match="'memory_budget' must be at least 1 byte, but got 0"):
        hgraph.scoring.GatedScorer(L, D, memory_budget=0)


def test_cosine_ignores_the_length_of_vectors_and_new_labels_can_be_scored():
    scorer, text, labels = DotScorer(D, similarity="cosine"), torch.randn(3, D), torch.randn(L, D)
    torch.testing.assert_close(scorer(text * 9, labels * 0.1), scorer(text, labels), rtol=1e-4, atol=1e-4)
    assert scorer(text, torch.randn(L + 3, D)).shape == (3, L + 3)
    assert scorer(torch.zeros(1, D), labels).isfinite().all()


@pytest.mark.parametrize("name", ["dot", "bilinear", "concat", "attention-label"])
def test_scorers_without_labels_of_their_own_score_any_number(name):
    scorer = make(name)
    text, labels, mask = inputs(scorer, 3, L + 4)
    close(scorer(text, labels, **mask), reference(scorer, text, labels, **mask))
    assert scorer.num_labels is None


def test_bilinear_starts_as_the_scaled_inner_product():
    text, labels = torch.randn(3, D), torch.randn(L, D)
    scores = hgraph.scoring.BilinearScorer(D)(text, labels)
    torch.testing.assert_close(scores, text @ labels.t() / D**0.5, rtol=1e-5, atol=1e-5)
    wide = hgraph.scoring.BilinearScorer(300, label_channels=200, rank=50)
    spread = wide(torch.randn(64, 300), torch.randn(64, 200)).std()
    assert 0.8 < spread < 1.2
