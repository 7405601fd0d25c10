"""Negatives among labels against their definitions in networkx."""

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling_cases import LargestTensor, hierarchies, indexed, label_matrices, large_case

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.sampling import LABEL_NEGATIVES, LabelNegatives

TOY = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e"), ("b", "f"), ("d", "f")])  # f is below b and d


def negatives_loop(graph, positive, kind):
    """The negatives of one document with the labels `positive`, by definition."""
    hierarchy, level = indexed(graph), graph.level.tolist()
    parents = {n: set(hierarchy.pred[n]) or {"root"} for n in hierarchy}
    out = set()
    for label in set(hierarchy) - positive:
        on_level = any(level[p] == level[label] for p in positive)
        if {
            "all": True,
            "level": on_level,
            "sibling": any(parents[p] & parents[label] for p in positive),
            "parent": on_level and not parents[label] & positive,
            "descendant": bool(nx.ancestors(hierarchy, label) & positive),
        }[kind]:
            out.add(label)
    return out


@pytest.mark.parametrize("kind", LABEL_NEGATIVES)
@settings(max_examples=30, deadline=None)
@given(data=st.data(), masked=st.booleans())
def test_equals_the_definition(data, kind, masked):
    graph = data.draw(hierarchies())
    labels = data.draw(label_matrices(graph))
    mask = torch.rand(labels.shape, generator=torch.Generator().manual_seed(0)) < 0.7 if masked else None
    found = LabelNegatives(graph, kind)(labels, mask=mask)
    assert found.shape == labels.shape and found.dtype == torch.bool
    for row, (document, negative) in enumerate(zip(labels, found, strict=True)):
        counts = set(range(graph.num_labels)) if mask is None else set(mask[row].nonzero().view(-1).tolist())
        positive = set(document.nonzero().view(-1).tolist()) & counts
        assert set(negative.nonzero().view(-1).tolist()) == negatives_loop(graph, positive, kind) & counts


@pytest.mark.parametrize("kind", LABEL_NEGATIVES)
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_definition_on_larger_hierarchies(seed, kind):
    graph, labels = large_case(seed)
    negatives = LabelNegatives(graph, kind)
    expected = torch.zeros(labels.shape, dtype=torch.bool)
    for row, document in enumerate(labels):
        expected[row, list(negatives_loop(graph, set(document.nonzero().view(-1).tolist()), kind))] = True
    assert torch.equal(negatives(labels), expected)
    # As candidates in another order for each document; all of its labels are among them.
    order = torch.rand(labels.shape, generator=torch.Generator().manual_seed(seed)).argsort(1)
    assert torch.equal(negatives(labels.gather(1, order), order), expected.gather(1, order))


@pytest.mark.parametrize("kind", LABEL_NEGATIVES)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_candidates_are_judged_by_the_labels_among_them(data, kind):
    graph = data.draw(hierarchies())
    full = data.draw(label_matrices(graph))
    count = data.draw(st.integers(0, graph.num_labels))
    order = torch.rand(full.shape, generator=torch.Generator().manual_seed(0)).argsort(1)[:, :count]
    pads = torch.zeros(len(full), 1, dtype=torch.long)
    candidates = torch.cat([order, pads], dim=1)
    labels = torch.cat([full.gather(1, order), torch.zeros(len(full), 1)], dim=1)
    mask = torch.ones_like(candidates, dtype=torch.bool)
    mask[:, -1] = False
    found = LabelNegatives(graph, kind)(labels, candidates, mask=mask)
    for ids, document, negative in zip(order, labels[:, :-1], found, strict=True):
        positive = set(ids[document > 0].tolist())
        assert set(ids[negative[:-1]].tolist()) == negatives_loop(graph, positive, kind) & set(ids.tolist())
        assert not negative[-1]


def test_toy():
    """By hand; e and c are on the level of b, f is below b and shares the parent d with e."""
    names = lambda found: {TOY.label_id[i] for i in found[0].nonzero().view(-1)}  # noqa: E731
    labels = torch.zeros(1, 6)
    labels[0, TOY.indices(["d", "e"])] = 1
    expected = {
        "all": {"a", "b", "c", "f"},
        "level": {"a", "b", "c"},
        "sibling": {"a", "f"},
        "parent": {"a", "b", "c"},
        "descendant": {"f"},
    }
    assert {kind: names(LabelNegatives(TOY, kind)(labels)) for kind in LABEL_NEGATIVES} == expected


@pytest.mark.parametrize("kind", LABEL_NEGATIVES)
def test_candidates_cost_nothing_that_grows_with_the_labels(kind):
    sizes = []
    for count in (20, 50_000):
        graph = LabelGraph.from_edges([(f"r{i % 2}", f"n{i}") for i in range(count)], nodes=None)
        negatives = LabelNegatives(graph, kind)
        candidates = torch.tensor([[0, 1, 3, 4], [0, 1, 2, 5]])
        labels = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0]])
        with LargestTensor() as largest:
            negatives(labels, candidates)
        sizes.append(largest.size)
    assert sizes[0] == sizes[1] < 100


@pytest.mark.parametrize("kind", LABEL_NEGATIVES)
def test_half_precision_labels_and_no_documents(kind):
    negatives = LabelNegatives(TOY, kind)
    labels = torch.tensor([[1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    assert torch.equal(negatives(labels.bfloat16()), negatives(labels))
    assert torch.equal(negatives(labels)[1], torch.full((6,), kind == "all"))
    assert negatives(torch.zeros(0, 6)).shape == (0, 6)
    assert negatives(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long)).shape == (0, 3)
    assert negatives(torch.zeros(2, 0), torch.zeros(2, 0, dtype=torch.long)).shape == (2, 0)
    assert not negatives.state_dict()


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match="'kind' must be one of all, level, sibling, parent, descendant, but got 'x'"):
        LabelNegatives(TOY, "x")
    with pytest.raises(ConfigError, match=r"'labels' must have 6 columns, one a label, but got 4. Give 'candidates'"):
        LabelNegatives(TOY)(torch.zeros(1, 4))
    with pytest.raises(ConfigError, match=r"'candidates' must have the shape of the labels, \[1, 4\]"):
        LabelNegatives(TOY)(torch.zeros(1, 4), torch.zeros(1, 3, dtype=torch.long))
    with pytest.raises(ConfigError, match=r"'labels' must have shape \[documents, labels\]"):
        LabelNegatives(TOY)(torch.zeros(6))
