"""What a scorer is given of the documents."""

import pytest
import torch

from hgraph.errors import ConfigError
from hgraph.models.frozen_model import scorer_input
from hgraph.scoring import HMCNScorer, LabelAttentionScorer, LinearScorer
from hgraph.text import TextStates

D = 4
FIELDS = HMCNScorer(D, level=torch.tensor([1, 2, 2]))


@pytest.mark.parametrize("size", [3, 1, 0])
def test_a_scorer_of_fields_reads_the_pooled_vector_and_then_the_fields(size):
    pooled, fields = torch.randn(size, D), torch.randn(size, 2, D)
    mask = torch.tensor([[True, False], [True, True], [False, True]])[:size]
    states = TextStates(pooled, fields=fields, field_mask=mask)
    for scorer in (FIELDS, FIELDS.freeze()):
        text, there = scorer_input(scorer, states)
        assert torch.equal(text[:, 0], pooled) and torch.equal(text[:, 1:], fields)
        assert there.dtype == torch.bool and there[:, 0].all() and torch.equal(there[:, 1:], mask)
        assert scorer(text, mask=there).shape == (size, 3)
    assert scorer_input(FIELDS, TextStates(pooled, fields=fields))[1] is None


@pytest.mark.parametrize("size", [3, 0])
def test_a_text_without_fields_is_given_twice(size):
    pooled = torch.randn(size, D)
    text, mask = scorer_input(FIELDS, TextStates(pooled))
    assert mask is None and torch.equal(text, torch.stack([pooled, pooled], dim=1))
    one = TextStates(pooled, fields=pooled.unsqueeze(1), field_mask=torch.ones(size, 1, dtype=torch.bool))
    again, there = scorer_input(FIELDS, one)
    assert torch.equal(FIELDS.eval()(text), FIELDS(again, mask=there))


def test_the_other_scorers_read_the_pooled_vector_or_the_tokens():
    states = TextStates(torch.randn(2, D), torch.randn(2, 5, D), torch.ones(2, 5).bool(), fields=torch.randn(2, 3, D))
    text, mask = scorer_input(LinearScorer(3, D), states)
    assert text is states.pooled and mask is None
    reader = LabelAttentionScorer(D, num_labels=3, query="learned", heads=2)
    text, mask = scorer_input(reader, states)
    assert text is states.tokens and mask is states.mask
    with pytest.raises(ConfigError, match="reads token states, which the text encoder does not give"):
        scorer_input(reader, TextStates(states.pooled))
