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
