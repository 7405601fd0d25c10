"""Scores given parents, to log-odds."""

import pytest
import torch

from hgraph.graph import LabelGraph
from hgraph.models import ConditionalLink

GRAPH = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d"), ("e", "f")])


@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
def test_log_odds_are_those_of_products_down_the_path(kind):
    torch.manual_seed(0)
    scores = torch.randn(5, 6, dtype=torch.float64)
    column = GRAPH.label_id.index
    probability = ConditionalLink(GRAPH, kind=kind)(scores).sigmoid()
    if kind == "sigmoid":
        step = scores.sigmoid()
    else:
        step = torch.empty_like(scores)
        for family in (["a", "e"], ["b", "c"], ["d"], ["f"]):
            columns = [column(label) for label in family]
            step[:, columns] = scores[:, columns].softmax(-1)
    for path in (["a"], ["a", "b"], ["a", "c"], ["a", "b", "d"], ["e"], ["e", "f"]):
        expected = torch.stack([step[:, column(label)] for label in path]).prod(0)
        torch.testing.assert_close(probability[:, column(path[-1])].double(), expected, rtol=1e-4, atol=1e-6)


def test_no_label_is_more_probable_than_its_parent():
    torch.manual_seed(0)
    log_odds = ConditionalLink(GRAPH)(5 * torch.randn(50, 6))
    parent, child = GRAPH.edge_index
    assert (log_odds[:, child] <= log_odds[:, parent] + 1e-5).all()


def test_extreme_scores_stay_finite():
    for kind in ("sigmoid", "softmax"):
        log_odds = ConditionalLink(GRAPH, kind=kind)(torch.tensor([[80.0] * 6, [-80.0] * 6]))
        assert torch.isfinite(log_odds).all()


WIDER = LabelGraph.from_edges(
    [("a", "n"), ("n", "b"), ("a", "c"), ("b", "d"), ("e", "m"), ("m", "f"), ("m", "k"), ("m", "o"), ("o", "f")]
)
"""`GRAPH` with `n` put above `b`, `m` and below it `o` above `f`, and the leaf `k`."""


@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
def test_labels_without_scores_leave_those_below_as_they_were(kind):
    torch.manual_seed(0)
    scores = torch.randn(5, 6)
    expected = ConditionalLink(GRAPH, kind=kind)(scores)
    link, wide = ConditionalLink(WIDER, kind=kind), torch.randn(5, WIDER.num_labels)
    known = torch.tensor([WIDER.label_id.index(label) for label in GRAPH.label_id])
    wide[:, known] = scores
    assert not torch.allclose(link(wide)[:, known], expected, atol=1e-2)
    link.unscored[[WIDER.label_id.index(label) for label in "nmok"]] = True
    found = link(wide)
    torch.testing.assert_close(found[:, known], expected, rtol=1e-4, atol=1e-4)
    assert found[:, link.unscored].sigmoid().max() < 1e-9
    # Nothing but the hierarchy and the mark decides: it comes back with the state.
    other = ConditionalLink(WIDER, kind=kind)
    other.load_state_dict(link.state_dict())
    assert torch.equal(other(wide), found)
