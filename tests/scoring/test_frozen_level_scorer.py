"""The scorer of steps against its definition, one pair at a time; how it comes back from a saved model."""

import json
import math

import pytest
import torch

from hgraph.errors import ConfigError
from hgraph.scoring import FrozenLevelScorer, restore

L, D = 5, 4
LEVEL = [2, 1, 3, 1, 2]
EDGES = [(1, 0), (3, 0), (3, 4), (0, 2)]  # sorted by the level of the child; label 0 has two parents


def make(**options):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    tensors = {"weight": draw(L, D), "bias": draw(L), "mask_vector": draw(D), "map_weight": draw(D, D)}
    tensors |= {"map_bias": draw(D), "norm_weight": draw(D), "norm_bias": draw(D)}
    tensors |= {"order": torch.tensor([1, 3, 0, 4, 2]), "edge_index": torch.tensor(EDGES).T}
    return FrozenLevelScorer(L, D, level_sizes=[2, 2, 1], edge_sizes=[0, 3, 1], **tensors, **options)


def score(scorer, state, label):
    """One pair, by plain arithmetic."""
    inner = [sum(scorer.map_weight[i, j] * state[j] for j in range(D)) + scorer.map_bias[i] for i in range(D)]
    hidden = [state[i] + inner[i] * 0.5 * (1 + math.erf(inner[i] / math.sqrt(2))) for i in range(D)]
    mean = sum(hidden) / D
    spread = math.sqrt(sum((value - mean) ** 2 for value in hidden) / D + 1e-5)
    found = [(hidden[i] - mean) / spread * scorer.norm_weight[i] + scorer.norm_bias[i] for i in range(D)]
    return float(sum(found[i] * scorer.weight[label, i] for i in range(D)) + scorer.bias[label])


def test_a_label_is_scored_by_the_step_of_its_level():
    scorer, steps = make(), torch.randn(3, 3, D, dtype=torch.float64)
    expected = torch.tensor([[score(scorer, steps[b, LEVEL[n] - 1], n) for n in range(L)] for b in range(3)])
    torch.testing.assert_close(scorer(steps), expected.double(), rtol=0, atol=1e-5)
    candidates = torch.tensor([[4, 0], [2, 2], [1, 3]])
    torch.testing.assert_close(scorer(steps, candidates=candidates), scorer(steps).gather(1, candidates))
    for step, labels in enumerate(([1, 3], [0, 4], [2])):
        torch.testing.assert_close(scorer.step_scores(steps[:, step], step), scorer(steps)[:, labels])
    assert scorer(steps[:0]).shape == (0, L)


@pytest.mark.parametrize("constrained", [True, False])
def test_a_step_is_fed_with_what_hangs_below(constrained):
    scorer = make(constrained=constrained, threshold=0.8)
    yes, no = math.log(0.81 / 0.19), math.log(0.79 / 0.21)
    fed, state = torch.zeros(3, L, dtype=torch.bool), torch.zeros(3, D, dtype=torch.float64)
    first = torch.tensor([[yes, no], [no, yes], [no, no]], dtype=torch.float64)  # labels 1 and 3
    given = scorer.feed(state, 0, first, fed)
    torch.testing.assert_close(given, torch.stack([scorer.weight[1], scorer.weight[3], scorer.mask_vector]))
    both = torch.full((3, 2), yes, dtype=torch.float64)  # labels 0 and 4
    given = scorer.feed(state, 1, both, fed)
    pair = scorer.weight[0] + scorer.weight[4]
    # Label 4 hangs from 3 alone, label 0 from 1 and 3.
    expected = [scorer.weight[0], pair, scorer.mask_vector] if constrained else [pair, pair, pair]
    torch.testing.assert_close(given, torch.stack(expected))
    assert fed[0].tolist() == [True, True, False, False, not constrained]
    given = scorer.feed(state, 2, both[:, :1], fed)
    last = [scorer.weight[2], scorer.weight[2], scorer.mask_vector if constrained else scorer.weight[2]]
    torch.testing.assert_close(given, torch.stack(last))


def test_the_published_step_is_fed_with_any_label_or_zeros():
    scorer, fed = make(faithful=True), torch.zeros(2, L, dtype=torch.bool)
    state = torch.randn(2, D, dtype=torch.float64)
    given = scorer.feed(state, 1, scorer.step_scores(state, 1), fed)
    for row in range(2):
        own = [scorer.weight[n] for n in range(L) if score(scorer, state[row], n) > 0]
        torch.testing.assert_close(given[row], sum(own, torch.zeros(D, dtype=torch.float64)))
    scorer.bias.fill_(-1e3)
    assert not scorer.feed(state, 1, scorer.step_scores(state, 1), fed).any()


def test_it_comes_back_from_json_and_tensors():
    scorer = make(threshold=0.25, constrained=False, faithful=True)
    revived = restore(scorer.kind, json.loads(json.dumps(scorer.config())))
    assert all(tensor.is_meta for tensor in revived.state_dict().values())
    revived.load_state_dict(scorer.state_dict(), assign=True)
    steps = torch.randn(2, 3, D, dtype=torch.float64)
    assert torch.equal(revived(steps), scorer(steps)) and revived.config() == scorer.config()
    assert (revived.threshold, revived.constrained, revived.faithful) == (0.25, False, True)


@pytest.mark.parametrize("shape", [(2, D), (2, 2, D), (2, 3, D + 1)])
def test_states_of_another_shape(shape):
    with pytest.raises(ConfigError, match=r"one state a level, shape \[B, 3, 4\]"):
        make()(torch.zeros(shape))
