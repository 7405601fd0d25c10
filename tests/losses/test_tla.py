"""Text-label alignment with any similarity, set of negatives and choice, against loops."""

import copy

import definitions
import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from label_cases import (
    assert_same,
    batches,
    random_graph,
    random_labels,
    random_mask,
    random_scores,
    shortlist,
)

from hgraph.errors import ConfigError
from hgraph.losses import ObjectiveList, TLALoss, tla_from_similarity
from hgraph.losses.mined import mined_negatives
from hgraph.losses.negative_choice import choose_negatives


def relation(kind, nodes, labels, mask, columns):
    """Whether a label may be a negative of a document, from networkx."""
    level = definitions.levels_of(nodes)
    positives = {i: own for i, _, own, _ in definitions.rows(labels, mask, columns)}

    def parents(label):
        return set(nodes.predecessors(label)) or {"root"}

    def allowed(i, n):
        own = positives[i]
        same_level = any(level[p] == level[n] for p in own)
        if kind == "level":
            return same_level
        if kind == "sibling":
            return any(parents(p) & parents(n) for p in own)
        if kind == "parent":
            return same_level and not parents(n) & own
        if kind == "descendant":
            return bool(nx.ancestors(nodes, n) & own)
        return True

    return allowed


@settings(deadline=None, max_examples=60)
@given(
    batches(),
    st.sampled_from(["hardest", "semi_hard", "all"]),
    st.sampled_from([None, 1, 3]),
    st.sampled_from([0.0, 0.5]),
    st.booleans(),
)
def test_every_choice_equals_the_loop(batch, choice, count, margin, restricted):
    _, labels, seed = batch
    similarity, mask = random_scores(labels.shape, seed), random_mask(labels.shape, seed)
    allowed = random_mask(labels.shape, seed + 1) if restricted else None
    value = tla_from_similarity(
        similarity,
        labels,
        temperature=0.5,
        mask=mask,
        allowed=allowed,
        choice=choice,
        num_negatives=count,
        margin=margin,
    )
    may = None if allowed is None else lambda i, n: bool(allowed[i, n])
    expected = definitions.tla(similarity, labels, 0.5, mask, None, may, choice, count, margin)
    assert_same(value, expected, similarity)


@settings(deadline=None, max_examples=40)
@given(batches(), st.sampled_from(["all", "level", "sibling", "parent", "descendant"]), st.booleans())
def test_negatives_of_the_hierarchy_dense_and_on_shortlists(batch, kind, short):
    graph, labels, seed = batch
    text = random_scores((len(labels), 3), seed)
    vectors = random_scores((graph.num_labels, 3), seed + 1)
    mask, candidates = random_mask(labels.shape, seed), None
    if short:
        candidates, labels, mask = shortlist(labels, max(graph.num_labels * 2 // 3, 1), seed)
    loss = TLALoss(temperature=0.5, negatives=kind, graph=graph)
    value = loss(labels=labels, text=text, label_vectors=vectors, mask=mask, candidates=candidates)
    may = relation(kind, definitions.digraph(graph), labels, mask, candidates)
    similarity = definitions.cosine(text, vectors, candidates)
    assert_same(value, definitions.tla(similarity, labels, 0.5, mask, candidates, may), text, vectors)


@settings(deadline=None, max_examples=40)
@given(batches(), st.booleans(), st.sampled_from(["hardest", "all"]))
def test_mined_negatives(batch, short, choice):
    graph, labels, seed = batch
    num_labels = graph.num_labels
    text, vectors = random_scores((len(labels), 3), seed), random_scores((num_labels, 3), seed + 1)
    generator = torch.Generator().manual_seed(seed)
    mined = torch.randint(-1, num_labels, (len(labels), 5), generator=generator)
    mask, candidates = None, None
    if short:
        candidates, labels, mask = shortlist(labels, max(num_labels // 2, 1), seed)
    value = TLALoss(temperature=0.5, negatives="mined", choice=choice)(
        labels=labels, text=text, label_vectors=vectors, mask=mask, candidates=candidates, mined=mined
    )
    values = []
    everything = definitions.cosine(text, vectors)
    for i, _, positives, _ in definitions.rows(labels, mask, candidates):
        if positives:
            pool = sorted(set(mined[i].tolist()) - positives - {-1}, key=lambda n: -everything[i, n].item())
            pool = pool if choice == "all" else pool[: len(positives)]
            column = {n: n for n in range(num_labels)}
            values.append(definitions.sampled_softmax(everything, i, positives, pool, column, 0.5))
    expected = sum(values) / len(values) if values else definitions.zero(text)
    assert_same(value, expected, text, vectors)


def test_mined_labels_of_pairs_that_do_not_count_are_left_out():
    mined, positive = torch.tensor([[0, 1, 2, 2, -1]]), torch.tensor([[True, False, False]])
    mask = torch.tensor([[True, False, True]])
    assert mined_negatives(mined, positive, mask, None, num_labels=3).tolist() == [[False, False, True, False, False]]


@pytest.mark.parametrize("name", ["cosine", "dot", "lorentz"])
@pytest.mark.parametrize("short", [False, True])
def test_similarities(name, short):
    graph = random_graph(9, seed=5)
    labels = random_labels(graph, 4, 5)
    text, vectors = random_scores((4, 6), 1), random_scores((9, 6), 2)
    candidates = mask = None
    if short:
        candidates, labels, mask = shortlist(labels, 5, 2)

    def pair(t, v):
        if name == "dot":
            return t @ v
        if name == "cosine":
            return t @ v / (t.norm() * v.norm())
        return -definitions.lorentz_distance(t / 6**0.5, v / 6**0.5, 1.0)

    ids = torch.arange(9).expand(4, -1) if candidates is None else candidates
    rows = [torch.stack([pair(text[i], vectors[j]) for j in ids[i].tolist()]) for i in range(4)]
    expected = definitions.tla(torch.stack(rows), labels, 0.3, mask, candidates)
    loss = TLALoss(temperature=0.3, similarity=name)
    value = loss(labels=labels, text=text, label_vectors=vectors, mask=mask, candidates=candidates)
    assert_same(value, expected, text, vectors, rtol=1e-7)


def test_functions_as_similarity_and_negatives():
    graph = random_graph(8, seed=1)
    labels, text, vectors = random_labels(graph, 4, 1), random_scores((4, 5)), random_scores((8, 5), 1)

    def minus_squared_distance(t, v):
        return -(t.unsqueeze(1) - v).square().sum(-1)

    def even(labels, candidates):
        assert candidates is None
        return (torch.arange(labels.size(1)) % 2 == 0).expand_as(labels)

    loss = TLALoss(temperature=2.0, similarity=minus_squared_distance, negatives=even)
    similarity = minus_squared_distance(text, vectors)
    expected = definitions.tla(similarity, labels, 2.0, allowed=lambda i, n: n % 2 == 0)
    assert_same(loss(labels=labels, text=text, label_vectors=vectors), expected, text, vectors)


def test_random_negatives_are_seeded_allowed_and_not_the_hardest():
    labels = torch.zeros(50, 40)
    labels[:, :4] = 1
    similarity = torch.arange(40.0).expand(50, -1)
    allowed = (labels == 0) & (torch.arange(40) % 3 == 0)
    draw = [
        choose_negatives(
            similarity, labels > 0, allowed, choice="random", generator=torch.Generator().manual_seed(seed)
        )
        for seed in (0, 0, 1)
    ]
    assert (draw[0] == draw[1]).all() and (draw[0] != draw[2]).any()
    assert (draw[0].sum(1) == 4).all() and not (draw[0] & ~allowed).any()
    # Each allowed label is drawn in about 4 of 12 documents: 16.7 of 50.
    counts = draw[0].sum(0)[allowed[0]]
    assert counts.min() > 5 and counts.max() < 30
    text, vectors = torch.randn(50, 4), torch.randn(40, 4)
    inputs = {"labels": labels, "text": text, "label_vectors": vectors}
    first, second = TLALoss(choice="random", seed=3), TLALoss(choice="random", seed=3)
    assert first(**inputs) == second(**inputs)
    again = first(**inputs)
    assert again != TLALoss(choice="random", seed=3)(**inputs)  # a new draw at each step
    assert copy.deepcopy(second)(**inputs) == again


def test_semi_hard_falls_back_to_the_hardest():
    similarity = torch.tensor([[0.1, 0.5, 0.9], [0.8, 0.7, 0.9]])
    positive = torch.tensor([[True, False, False], [True, False, False]])
    chosen = choose_negatives(similarity, positive, ~positive, choice="semi_hard")
    assert chosen.tolist() == [[False, False, True], [False, True, False]]
    wider = choose_negatives(similarity, positive, ~positive, choice="semi_hard", margin=0.2)
    assert wider.tolist() == [[False, False, True], [False, False, True]]


def test_each_document_stands_alone():
    graph = random_graph(12, seed=3)
    labels = random_labels(graph, 5, 2, share=0.3)[1:]
    text, vectors = random_scores((4, 5)), random_scores((12, 5), 1)
    loss = TLALoss(negatives="sibling", graph=graph)
    alone = [loss(labels=labels[i : i + 1], text=text[i : i + 1], label_vectors=vectors) for i in range(4)]
    torch.testing.assert_close(loss(labels=labels, text=text, label_vectors=vectors), sum(alone) / 4)


@pytest.mark.parametrize("choice", ["hardest", "semi_hard", "random", "all"])
@pytest.mark.parametrize("similarity", ["cosine", "dot", "lorentz"])
def test_extremes_are_finite(choice, similarity):
    for batch, share in ((0, 0.5), (3, 0.0), (3, 1.0), (3, 0.3)):
        labels = (torch.rand(batch, 5, generator=torch.Generator().manual_seed(0)) < share).float()
        text, vectors = torch.randn(batch, 4).requires_grad_(), torch.randn(5, 4).requires_grad_()
        with torch.no_grad():
            vectors[0] = 0
            vectors[1] = 1e3
            text[:1] = 0
        value = TLALoss(choice=choice, similarity=similarity)(labels=labels, text=text, label_vectors=vectors)
        value.backward()
        assert value.isfinite() and text.grad.isfinite().all() and vectors.grad.isfinite().all()
        assert value == 0 or (batch and share)
        mined = torch.full((batch, 2), -1)
        loss = TLALoss(negatives="mined", similarity=similarity, choice=choice)
        assert loss(labels=labels, text=text, label_vectors=vectors, mined=mined).isfinite()


def test_half_precision_shortlists_are_computed_in_float32():
    graph = random_graph(9, seed=5)
    candidates, labels, mask = shortlist(random_labels(graph, 4, 5), 5, 2)
    text, vectors = random_scores((4, 16), 1).detach().bfloat16(), random_scores((9, 16), 2).detach().bfloat16()
    inputs = {"labels": labels, "mask": mask, "candidates": candidates, "mined": torch.tensor([[1, 2]] * 4)}
    for loss in (TLALoss(), TLALoss(negatives="mined"), TLALoss(similarity="lorentz")):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = loss_of(loss, text=text, label_vectors=vectors, **inputs)
        assert value.dtype == torch.float32
        wide = loss_of(loss, text=text.double(), label_vectors=vectors.double(), **inputs)
        torch.testing.assert_close(value.double(), wide, rtol=1e-5, atol=1e-5)


def loss_of(objective, **inputs):
    return ObjectiveList([objective])(**inputs)[0]


def test_wrong_input_is_named():
    graph = random_graph(4)
    for make, message in [
        (lambda: TLALoss(similarity="euclid"), "'similarity' must be one of cosine, dot, lorentz, or a function"),
        (lambda: TLALoss(negatives="sibling"), "'graph' must be the hierarchy of the labels where negatives is"),
        (lambda: TLALoss(negatives="other", graph=graph), "'negatives' must be one of all, .*, mined, or a function"),
        (lambda: TLALoss(choice="best"), "'choice' must be one of hardest, semi_hard, random, all, but got 'best'"),
        (lambda: TLALoss(num_negatives=0), "'num_negatives' must be at least 1, or None, but got 0"),
        (lambda: TLALoss(margin=-1.0), "'margin' must be at least 0"),
    ]:
        with pytest.raises(ConfigError, match=message):
            make()
    inputs = {"labels": torch.zeros(2, 4), "text": torch.zeros(2, 3), "label_vectors": torch.zeros(4, 3)}
    loss = TLALoss(negatives="mined")
    with pytest.raises(ConfigError, match="needs 'mined': mine hard negatives first"):
        loss(**inputs)
    with pytest.raises(ConfigError, match=r"'mined' must hold label numbers, shape \[2, N\]"):
        loss(**inputs, mined=torch.zeros(3, 1).long())
    with pytest.raises(ConfigError, match="'mined' must hold labels below 4, but got 9"):
        loss(**inputs, mined=torch.tensor([[9], [1]]))
    with pytest.raises(ConfigError, match="a column for each of the 4 labels"):
        TLALoss()(**{**inputs, "labels": torch.zeros(2, 3)})
