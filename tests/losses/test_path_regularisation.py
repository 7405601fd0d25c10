"""The penalty on edges against a loop over them."""

import definitions
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from label_cases import assert_same, batches, random_graph, random_mask, random_scores, shortlist

from hgraph.errors import ConfigError
from hgraph.losses import PathRegularisation

OPTIONS = st.fixed_dictionaries(
    {
        "power": st.sampled_from([1, 2]),
        "on": st.sampled_from(["probabilities", "scores"]),
        "margin": st.sampled_from([0.0, 0.3]),
    }
)


@settings(deadline=None, max_examples=40)
@given(batches(), OPTIONS, st.booleans())
def test_equals_the_loop(batch, options, masked):
    graph, labels, seed = batch
    scores = random_scores(labels.shape, seed)
    mask = random_mask(labels.shape, seed) if masked else None
    value = PathRegularisation(graph, **options)(scores=scores, mask=mask)
    assert_same(
        value, definitions.path_regularisation(scores, definitions.digraph(graph), **options, mask=mask), scores
    )


@settings(deadline=None, max_examples=40)
@given(batches(), OPTIONS)
def test_on_a_shortlist_equals_the_loop(batch, options):
    graph, labels, seed = batch
    candidates, short, mask = shortlist(labels, max(graph.num_labels * 2 // 3, 1), seed)
    scores, nodes = random_scores(short.shape, seed), definitions.digraph(graph)
    value = PathRegularisation(graph, **options)(scores=scores, mask=mask, candidates=candidates)
    expected = definitions.path_regularisation(scores, nodes, **options, mask=mask, columns=candidates)
    assert_same(value, expected, scores)


def test_consistent_scores_cost_nothing():
    graph = random_graph(20, seed=3)
    scores = -graph.level.float().expand(4, -1)
    assert PathRegularisation(graph)(scores=scores) == 0
    assert PathRegularisation(graph, power=2)(scores=-scores) > 0


def test_extremes_are_finite():
    graph = random_graph(6, seed=1)
    for on in ("probabilities", "scores"):
        loss = PathRegularisation(graph, on=on)
        assert loss(scores=torch.zeros(0, 6)) == 0
        scores = (1e4 * torch.randn(3, 6)).requires_grad_()
        loss(scores=scores).backward()
        assert scores.grad.isfinite().all()
        half = torch.randn(3, 6).bfloat16()
        value = loss(scores=half)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), loss(scores=half.double()), rtol=1e-5, atol=1e-6)


def test_wrong_options_are_named():
    graph = random_graph(3)
    for options, message in [
        ({"power": 3}, "'power' must be 1 or 2, but got 3"),
        ({"on": "logits"}, "'on' must be 'probabilities' or 'scores', but got 'logits'"),
        ({"margin": -1.0}, "'margin' must be at least 0"),
    ]:
        with pytest.raises(ConfigError, match=message):
            PathRegularisation(graph, **options)
    with pytest.raises(ConfigError, match="a column for each of the 3 labels"):
        PathRegularisation(graph)(scores=torch.zeros(1, 2))
