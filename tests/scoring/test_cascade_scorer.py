"""The cascade against its definition on random trees and DAGs, its gradients, and its edge cases."""

import json

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from cascade_definition import Walk, random_hierarchy
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.scoring import CascadeLevels, CascadeScorer, FrozenCascadeScorer, cascade_functional, restore

D = 3


def build(tree, num_labels, **options):
    """A scorer of random weights in float64."""
    torch.manual_seed(1)
    scorer = CascadeScorer(CascadeLevels.of(tree, num_labels), D, dropouts=None, **options).double()
    with torch.no_grad():
        for parameter in scorer.parameters():
            parameter.normal_()
    return scorer


def definition(scorer, levels, vectors):
    """(level, node) -> score of one document, from the rows of the tables; its vectors are [T + 1, D]."""
    place = [{int(node): row for row, node in enumerate(nodes)} for nodes in levels.nodes]

    def score(level, node):
        if level == 0:
            weight, bias, row = scorer.label_table.weight, scorer.label_bias.weight, node
        else:
            weight, bias = scorer.table(level - 1)
            row = int(scorer.structure("table_row", level - 1)[place[level - 1][node]])
        vector = vectors[level - 1] if level else vectors[-1]
        return sum(w * x for w, x in zip(weight[row].tolist(), vector.tolist(), strict=True)) + bias[row, 0].item()

    return score


@st.composite
def cases(draw):
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    size = draw(st.integers(1, 14))
    clusters = draw(st.integers(0, max(0, min(3, size - 1))))
    tree = random_hierarchy(rng, size, dag=draw(st.booleans()), clusters=clusters)
    return tree, size - clusters, rng, draw(st.integers(1, 3)), draw(st.integers(0, 4))


def closed_labels(tree, num_labels, rng, documents):
    truth = rng.random((documents, num_labels)) < 0.25
    both = np.zeros((documents, tree.num_labels), dtype=bool)
    both[:, :num_labels] = truth
    return tree.expand(sp.csr_matrix(both)).toarray()[:, :num_labels] > 0


@settings(max_examples=120, deadline=None)
@given(cases(), st.sampled_from(["level", "weighted", "path"]), st.booleans(), st.sampled_from([1, 32]))
def test_a_walk_is_the_definition(case, kind, faithful, shared):
    tree, size, rng, k, documents = case
    levels, walk = CascadeLevels.of(tree, size), Walk(tree, size)
    depth = len(walk.inner)
    assert [set(nodes.tolist()) for nodes in levels.nodes] == walk.inner
    topk = [1 + (k + t) % 3 for t in range(depth)]
    scorer = build(tree, size, topk=topk or [k], scores=kind, faithful=faithful).eval()
    text = torch.from_numpy(rng.normal(size=(documents, depth + 1, D)))
    truth = closed_labels(tree, size, rng, documents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cascade_functional, "SHARED_ROWS", shared)
        patch.setattr(cascade_functional, "BLOCK", 2)
        trained = scorer.training_walk(text, torch.from_numpy(truth.astype(np.float32)))
        labels, logits = scorer.shortlist(text)
        again = scorer.freeze().shortlist(text)
    assert torch.equal(labels, again[0])
    torch.testing.assert_close(logits, again[1])
    for row in range(documents):
        score = definition(scorer, levels, text[row])
        inner, final = walk.walk(score, topk, kind, labels=set(np.flatnonzero(truth[row])), grow=not faithful)
        for t, expected in enumerate([*inner, final]):
            level = trained[t]
            mine = level.cells.row == row
            last = t == depth
            nodes = level.cells.node[mine].numpy()
            nodes = nodes if last else levels.nodes[t][nodes]
            assert sorted(nodes.tolist()) == sorted(expected)
            own = torch.ones(len(mine), dtype=torch.bool) if level.own is None else level.own
            found = zip(nodes.tolist(), level.scores[mine].tolist(), level.right[mine].tolist(), own[mine], strict=True)
            for node, value, right, has_own in found:
                assert value == pytest.approx(expected[node][0], abs=1e-9)
                assert right == expected[node][1]
                assert last or bool(has_own) == expected[node][2]
        _, final = walk.walk(score, topk, kind)
        kept = labels[row] >= 0
        assert sorted(labels[row][kept].tolist()) == sorted(final)
        assert (logits[row][~kept] == -np.inf).all()
        for label, value in zip(labels[row][kept].tolist(), logits[row][kept].sigmoid().tolist(), strict=True):
            assert value == pytest.approx(final[label][2], abs=1e-6)


TREE = LabelGraph.from_edges(
    [("r", "a"), ("r", "b"), ("a", "c"), ("a", "d"), ("b", "e"), ("b", "f"), ("s", "t"), ("s", "u"), ("t", "v"), ("t", "w")]
)  # fmt: skip


def closed(labels):
    return torch.from_numpy(TREE.expand(sp.csr_matrix(labels.numpy())).toarray())


@pytest.mark.parametrize("sparse", [True, False])
def test_gradients_touch_candidates_alone(sparse):
    scorer = build(TREE, TREE.num_labels, topk=[1], sparse=sparse)
    labels = torch.zeros(2, TREE.num_labels)
    labels[:, TREE.indices(["r", "a", "c"])] = 1
    levels = scorer.training_walk(torch.randn(2, 3, D, dtype=torch.double), labels)
    sum(level.scores.sum() for level in levels).backward()
    tables = [*scorer.tables, scorer.label_table, *scorer.biases, scorer.label_bias]
    for table, level in zip(tables, [*levels, *levels], strict=True):
        grad = table.weight.grad
        assert grad.is_sparse == sparse
        touched = (
            set(grad.coalesce().indices()[0].tolist()) if sparse else set(grad.abs().sum(1).nonzero()[:, 0].tolist())
        )
        assert touched == set(level.cells.node.tolist())
        dense = grad.to_dense()[list(touched)]
        assert (dense.abs().sum(1) > 0).all()
    assert set(levels[-1].cells.node.tolist()) == set(TREE.indices(["r", "a", "b", "c", "d"]).tolist()) - {
        TREE.index("b")
    }


def test_sparse_and_dense_gradients_are_equal_whatever_the_blocks(monkeypatch):
    grads = []
    for sparse, shared in ((True, 32), (False, 32), (True, 0), (False, 0)):
        monkeypatch.setattr(cascade_functional, "SHARED_ROWS", shared)
        monkeypatch.setattr(cascade_functional, "BLOCK", 2)
        scorer = build(TREE, TREE.num_labels, topk=[1], sparse=sparse).eval()
        generator = torch.Generator().manual_seed(3)
        text = torch.randn(5, 3, D, generator=generator, dtype=torch.double, requires_grad=True)
        labels = (torch.rand(5, TREE.num_labels, generator=generator) < 0.2).float()
        levels = scorer.training_walk(text, closed(labels))
        sum((level.scores**2).sum() for level in levels).backward()
        grads.append([text.grad, *(parameter.grad.to_dense() for parameter in scorer.parameters())])
    for other in grads[1:]:
        torch.testing.assert_close(grads[0], other)


def test_a_document_depends_neither_on_its_batch_nor_on_padding():
    scorer = build(TREE, TREE.num_labels, topk=[1]).eval()
    text = torch.randn(7, 3, D, dtype=torch.double)
    ids = torch.full((7, 9), -1)
    labels = closed((torch.rand(7, TREE.num_labels) < 0.3).float())
    for row, given_ in enumerate(labels):
        found = given_.nonzero().squeeze(1)
        ids[row, : len(found)] = found
    whole, padded_ids = scorer.training_walk(text, labels), scorer.training_walk(text, ids)
    order = torch.randperm(7)
    moved = scorer.training_walk(text[order], ids[order][:, torch.randperm(9)])
    for t, level in enumerate(whole):
        torch.testing.assert_close(level.scores, padded_ids[t].scores)
        assert torch.equal(level.right, padded_ids[t].right)
        for row in range(7):
            alone = scorer.training_walk(text[row : row + 1], ids[row : row + 1, : int(labels[row].sum())])[t]
            mine, place = level.cells.row == row, moved[t].cells.row == int((order == row).nonzero())
            for other, cells in ((alone, torch.ones_like(alone.right)), (moved[t], place)):
                assert torch.equal(level.cells.node[mine], other.cells.node[cells])
                torch.testing.assert_close(level.scores[mine], other.scores[cells])
                assert torch.equal(level.right[mine], other.right[cells])
    found, scores = scorer.shortlist(text)
    for row in range(7):
        alone, values = scorer.shortlist(text[row : row + 1])
        assert torch.equal(found[row][found[row] >= 0], alone[0])
        torch.testing.assert_close(scores[row][found[row] >= 0], values[0])


def test_right_nodes_come_before_certain_wrong_ones():
    """The published sum of probability and target cannot tell a wrong node of probability 1 from a right one of 0."""
    scorer = build(TREE, TREE.num_labels, topk=[1, 1], faithful=True)
    with torch.no_grad():
        scorer.biases[0].weight.copy_(torch.tensor([[-800.0], [800.0]]))  # r, s
    labels = torch.zeros(1, TREE.num_labels)
    labels[0, TREE.indices(["r", "a", "b", "c", "e"])] = 1
    levels = scorer.training_walk(torch.randn(1, 3, D, dtype=torch.double), labels)
    assert set(levels[1].cells.node.tolist()) == {0, 1} and scorer.cut == 1  # a and b; one of the two is cut
    scorer.faithful = False
    levels = scorer.training_walk(torch.randn(1, 3, D, dtype=torch.double), labels)
    assert set(TREE.indices(["c", "d", "e", "f"]).tolist()) <= set(levels[2].cells.node.tolist()) and scorer.cut == 1


def test_only_children_cost_nothing():
    """y hangs below a and deeper below c: what fills the gap has no weights, no loss and its parent's score."""
    graph = LabelGraph.from_edges([("a", "y"), ("b", "c"), ("b", "d"), ("c", "y"), ("c", "z")])
    levels = CascadeLevels.of(graph)
    assert levels.sizes == [2, 2] and [int(alias.sum()) for alias in levels.alias] == [0, 1]
    scorer = build(graph, 6)
    assert [table.num_embeddings for table in scorer.tables] == [2, 1]
    first, second, last = scorer.walk(torch.randn(2, 3, D, dtype=torch.double))
    filled = ~second.own
    assert filled.sum() == 2
    torch.testing.assert_close(second.scores[filled], first.scores[first.cells.node == list(levels.nodes[0]).index(graph.index("a"))])  # fmt: skip
    assert set(last.cells.node.tolist()) == set(range(6)) and len(last.cells.row) == 12


def test_layers_of_a_pair_are_mapped_to_one_vector():
    scorer = build(TREE, TREE.num_labels, sources=[[0, 1], [2], [3]], topk=[1]).eval()
    text = torch.randn(2, 4, D, dtype=torch.double)
    expected = torch.cat([text[:, 0], text[:, 1]], 1) @ scorer.projections["0"].weight.T + scorer.projections["0"].bias
    torch.testing.assert_close(scorer.feature(text, 0), expected)
    torch.testing.assert_close(scorer.feature(text, 2), text[:, 3])
    frozen = scorer.freeze()
    for mine, other in zip(scorer.shortlist(text), frozen.shortlist(text), strict=True):
        torch.testing.assert_close(mine, other)


def test_dropout_is_one_a_level():
    scorer = CascadeScorer(CascadeLevels.of(TREE), D, dropouts=[0.0, 0.9, 0.0])
    text = torch.ones(50, 3, D)
    assert torch.equal(scorer.feature(text, 0), text[:, 0]) and (scorer.feature(text, 1) == 0).float().mean() > 0.7
    rising = CascadeScorer(CascadeLevels.of(TREE), D)
    assert [round(dropout.p, 2) for dropout in rising.dropouts] == [0.2, 0.35, 0.5]


def test_all_labels_or_given_ones_by_their_own_weights():
    scorer = build(TREE, TREE.num_labels).eval()
    text, candidates = torch.randn(2, 3, D, dtype=torch.double), torch.tensor([[0, 4, 4], [9, 1, 2]])
    every = text[:, 2] @ scorer.label_table.weight.T + scorer.label_bias.weight.T
    torch.testing.assert_close(scorer(text), every)
    torch.testing.assert_close(scorer.freeze()(text, candidates=candidates), every.gather(1, candidates))


def test_save_and_restore():
    graph = LabelGraph.from_edges([("a", "y"), ("b", "c"), ("b", "d"), ("c", "y"), ("c", "z")])
    frozen = build(graph, 6, sources=[[0, 1], [1], [0]], topk=[1], scores="path").freeze()
    revived = restore(frozen.kind, json.loads(json.dumps(frozen.config())))
    assert isinstance(revived, FrozenCascadeScorer)
    revived.load_state_dict(frozen.state_dict(), assign=True)
    text = torch.randn(4, 2, D, dtype=torch.double)
    for mine, other in zip(frozen.shortlist(text), revived.shortlist(text), strict=True):
        assert torch.equal(mine, other)


@pytest.mark.parametrize("edges", [[], [("a", "b")]])
def test_the_smallest_hierarchies(edges):
    graph = LabelGraph.from_edges(edges, nodes=["a", "b"][: 1 + len(edges)])
    scorer = build(graph, graph.num_labels).eval()
    text = torch.randn(3, 1 + len(edges), D, dtype=torch.double)
    labels, scores = scorer.shortlist(text)
    assert labels.tolist() == [list(range(graph.num_labels))] * 3 and scores.isfinite().all()
    assert [part.shape for part in scorer.shortlist(text[:0])] == [(0, 0), (0, 0)]
    levels = scorer.training_walk(text, torch.full((3, 0), -1))
    assert not any(level.right.any() for level in levels)
    assert len(scorer.training_walk(text[:0], torch.full((0, 0), -1))[-1].cells.row) == 0


def test_the_prior_starts_labels():
    scorer = CascadeScorer(CascadeLevels.of(TREE), D)
    scorer.init_bias(torch.full((12,), 0.25))
    torch.testing.assert_close(scorer.label_bias.weight, torch.full((12, 1), -np.log(3.0), dtype=torch.float32))
    with pytest.raises(ConfigError, match="one share a label"):
        scorer.init_bias(torch.ones(3))


def test_half_precision_scores_are_widened():
    scorer = CascadeScorer(CascadeLevels.of(TREE), D)
    with torch.autocast("cpu", torch.bfloat16):
        levels = scorer.training_walk(torch.randn(2, 3, D), torch.zeros(2, 12))
    assert all(level.scores.dtype == torch.float32 for level in levels)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"topk": [1, 2, 3]}, "'topk' must have one entry for each of 2 levels of the hierarchy, found 3"),
        ({"topk": [0]}, "'topk' must be at least 1"),
        ({"dropouts": [0.1]}, "'dropouts' must have one entry for each of 3 levels"),
        ({"dropouts": [0.1, 1.0, 0]}, "'dropouts' must be shares"),
        ({"sources": [[0]]}, "'sources' must have one entry"),
        ({"scores": "sum"}, "'scores' must be one of level, weighted, path, found 'sum'"),
    ],
)
def test_what_does_not_fit(options, word):
    with pytest.raises(ConfigError, match=word):
        CascadeScorer(CascadeLevels.of(TREE), D, **options)


def test_text_and_trees_of_the_wrong_size():
    with pytest.raises(ConfigError, match=r"shape \[B, 3, 3\], but got \[2, 4, 3\]"):
        build(TREE, 12).shortlist(torch.zeros(2, 4, D))
    with pytest.raises(ConfigError, match="must hold the 13 labels first"):
        CascadeLevels.of(TREE, 13)
