"""Masks against plain loops, and the rows that the paper draws."""

import pytest
import torch

from hgraph.models.hbgl import hierarchy_mask, stream_mask
from hgraph.models.hbgl.masks import HIDDEN, additive


def looped(source, steps, pseudo):
    """Who sees whom, one pair at a time."""
    rows = []
    for real in source.tolist():
        kinds = [("source", i) for i in range(len(real))] + [("target", k) for k in range(steps)]
        kinds += [("pseudo", k) for k in range(steps)] if pseudo else []
        row = []
        for query, k in kinds:
            seen = []
            for key, j in kinds:
                if key == "source":
                    seen.append(real[j])
                elif query == "source":
                    seen.append(False)
                elif query == "target":
                    seen.append(key == "target" and j <= k)
                else:
                    seen.append((key == "target" and j < k) or (key == "pseudo" and j == k))
            row.append(seen)
        rows.append(row)
    return torch.tensor(rows)


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("pseudo", [True, False])
def test_streams_match_a_loop(steps, pseudo):
    source = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])
    assert torch.equal(stream_mask(source, steps, pseudo=pseudo), looped(source, steps, pseudo))


def test_pseudo_step_two_sees_the_source_the_first_target_and_itself():
    """The oracle of two steps behind a source of three tokens."""
    mask = stream_mask(torch.ones(1, 3, dtype=torch.bool), 2)[0].int().tolist()
    source, first, second, pseudo_first, pseudo_second = slice(0, 3), 3, 4, 5, 6
    row = mask[pseudo_second]
    assert row[source] == [1, 1, 1] and row[first] == row[pseudo_second] == 1
    assert row[second] == row[pseudo_first] == 0
    assert mask[second][first] == mask[second][second] == 1 and mask[second][5:] == [0, 0]
    assert all(mask[token][3:] == [0, 0, 0, 0] for token in range(3))


def test_no_documents():
    assert stream_mask(torch.zeros(0, 3, dtype=torch.bool), 2).shape == (0, 7, 7)


@pytest.mark.parametrize("self_loops", [True, False])
def test_labels_see_parents_and_children_alone(self_loops):
    edges = [[(0, 1), (1, 2), (1, 3), (0, 4), (4, 3)], [(0, 1)]]  # the second has one label, and three positions of pad
    sizes = torch.tensor([4, 1])
    flat = torch.tensor([(row, *edge) for row, pairs in enumerate(edges) for edge in pairs]).T
    mask = hierarchy_mask(flat, sizes, 6, self_loops=self_loops)
    for row, pairs in enumerate(edges):
        for query in range(6):
            for key in range(6):
                real = query < sizes[row] + 2
                expected = (query, key) in pairs or (key, query) in pairs or (query == key and self_loops and real)
                assert mask[row, query, key] == expected, (row, query, key)


def test_hidden_pairs_vanish():
    mask = torch.tensor([[[True, False]]])
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        weights = (torch.tensor([[[3.0, 90.0]]], dtype=dtype) + additive(mask, dtype)[0]).softmax(-1)
        assert weights[0, 0].tolist() == [1.0, 0.0] and additive(mask, dtype).isfinite().all()
    assert additive(mask, torch.float32).shape == (1, 1, 1, 2) and additive(mask, torch.float32).min() == HIDDEN
