"""Hyperbolic distances against published values and their definition, and the alignment loss against loops."""

import definitions
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from label_cases import assert_same, batches, random_graph, random_labels, random_mask, random_scores, shortlist

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import LorentzTLALoss, exp0, lorentz_distance


def test_known_distances():
    u = torch.tensor([[0.3, 0.0], [0.0, 0.0]], dtype=torch.float64)
    v = torch.tensor([[0.0, 0.4]], dtype=torch.float64)
    assert lorentz_distance(u[:1], v).item() == pytest.approx(0.504698, abs=1e-6)
    assert lorentz_distance(u[:1], u[1:]).item() == pytest.approx(0.3, abs=1e-9)
    assert lorentz_distance(u[:1], v, 2.0).item() == pytest.approx(0.509197, abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([0.3, 1.0, 2.0]), st.sampled_from([1e-2, 1.0, 4.0]), st.booleans())
def test_distances_equal_the_definition(seed, c, scale, own):
    text = random_scores((3, 4), seed, scale)
    vectors = random_scores((3, 5, 4) if own else (5, 4), seed + 1, scale)
    curvature = torch.tensor(c, dtype=torch.float64, requires_grad=True)
    value = lorentz_distance(text, vectors, curvature)
    rows = [
        torch.stack([definitions.lorentz_distance(text[i], v, curvature) for v in (vectors[i] if own else vectors)])
        for i in range(3)
    ]
    # The definition itself loses digits at short and at long distances.
    weight = torch.randn(3, 5, dtype=torch.float64)
    assert_same(
        (value * weight).sum(), (torch.stack(rows) * weight).sum(), text, vectors, curvature, rtol=1e-6, atol=1e-7
    )
    torch.testing.assert_close(value, torch.stack(rows), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("c", [0.5, 1.0, 2.0])
def test_points_lie_as_far_from_the_origin_as_their_vectors_are_long(c):
    vectors = torch.randn(6, 3, dtype=torch.float64)
    vectors[0] = 0
    points = exp0(vectors, c)
    time = (1 / c + points.square().sum(-1)).sqrt()
    origin = torch.arccosh((c**0.5 * time).clamp(min=1)) / c**0.5
    torch.testing.assert_close(origin, vectors.norm(dim=-1))
    torch.testing.assert_close(torch.nn.functional.cosine_similarity(points, vectors)[1:], torch.ones(5).double())


def test_float32_keeps_the_digits_of_short_distances():
    """Float64 is the judge: the inner product of the definition is wrong by a hundredth where points are that near."""
    text = torch.tensor([[1.0, 2.0, -1.0], [3.0, 0.5, 3.0]])
    vectors = torch.stack([row * (1 + torch.tensor([[1e-3], [1e-2], [-3e-3], [0.0]])) for row in text])
    wide = lorentz_distance(text.double(), vectors.double())
    error = (lorentz_distance(text, vectors) - wide).abs().max()
    pairs = [(t, v) for t, row in zip(text, vectors, strict=True) for v in row]
    plain = torch.stack([definitions.lorentz_distance(t, v, 1.0) for t, v in pairs])
    assert 2 * error < (plain - wide.flatten()).abs().max()
    assert error < 5e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_distances_and_slopes_are_finite_everywhere(dtype):
    points = torch.tensor([[0.0, 0.0], [1e-30, 0.0], [1.0, 1.0], [1e6, -1e6], [-1e15, 1.0]], dtype=dtype)
    text, vectors = points.clone().requires_grad_(), points.clone().requires_grad_()
    curvature = torch.ones((), dtype=dtype, requires_grad=True)
    distance = lorentz_distance(text, vectors, curvature)
    distance.sum().backward()
    for tensor in (distance, text.grad, vectors.grad, curvature.grad):
        assert tensor.isfinite().all()
    assert (distance.diag() < 1e-3).all() and (distance >= 0).all()


def values(loss):
    return [loss.log_text_scale.exp(), loss.log_label_scale.exp()], loss.log_curvature.exp()


@settings(deadline=None, max_examples=40)
@given(batches(), st.booleans())
def test_loss_equals_the_loop(batch, masked):
    graph, labels, seed = batch
    text, vectors = random_scores((len(labels), 3), seed), random_scores((graph.num_labels, 3), seed + 1)
    mask = random_mask(labels.shape, seed) if masked else None
    loss = LorentzTLALoss(graph, 3, temperature=0.5).double()
    with torch.no_grad():
        loss.log_text_scale += 0.2
        loss.log_curvature += 0.4
    value = loss(labels=labels, text=text, label_vectors=vectors, mask=mask)
    nodes = definitions.digraph(graph)
    expected = definitions.lorentz_tla(text, vectors, labels, nodes, 0.5, *values(loss), mask)
    assert_same(value, expected, text, vectors, *loss.parameters(), rtol=1e-6, atol=1e-7)


@settings(deadline=None, max_examples=40)
@given(batches(), st.sampled_from([1.0, 0.7]))
def test_loss_on_a_shortlist_equals_the_loop(batch, share):
    graph, labels, seed = batch
    text, vectors = random_scores((len(labels), 3), seed), random_scores((graph.num_labels, 3), seed + 1)
    candidates, short, mask = shortlist(labels, max(int(graph.num_labels * share), 1), seed)
    loss = LorentzTLALoss(graph, 3, temperature=0.5).double()
    value = loss(labels=short, text=text, label_vectors=vectors, mask=mask, candidates=candidates)
    nodes = definitions.digraph(graph)
    expected = definitions.lorentz_tla(text, vectors, short, nodes, 0.5, *values(loss), mask, candidates, lowest=True)
    assert_same(value, expected, text, vectors, *loss.parameters(), rtol=1e-6, atol=1e-7)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_in_a_tree_a_shortlist_of_all_labels_is_the_dense_loss(seed):
    graph = random_graph(12, 1, seed)
    labels = random_labels(graph, 3, seed)
    text, vectors = random_scores((3, 3), seed), random_scores((12, 3), seed + 1)
    loss = LorentzTLALoss(graph, 3).double()
    order = torch.stack([torch.randperm(12) for _ in range(3)])
    dense = loss(labels=labels, text=text, label_vectors=vectors)
    short = loss(labels=labels.gather(1, order), text=text, label_vectors=vectors, candidates=order)
    torch.testing.assert_close(short, dense)


def test_which_labels_are_negatives():
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d"), ("b", "e"), ("c", "f"), ("g", "c")])
    name = graph.label_id
    place = {label: j for j, label in enumerate(name)}
    similarity = torch.zeros(1, 7)
    for label, s in {"d": 0.5, "e": 0.9, "f": 0.8, "c": 0.1, "g": 0.2}.items():
        similarity[0, place[label]] = s
    positive = torch.tensor([[label in ("a", "b") for label in name]])
    loss = LorentzTLALoss(graph, 2)
    chosen = loss.negatives(similarity, positive, ~positive)
    # g and c are the other labels of the levels of a and b; e is the nearest below b, and f below a, through c: e is
    # below a too, but through b.
    assert {name[j] for j in chosen[0].nonzero().flatten()} == {"g", "c", "e", "f"}
    order = torch.tensor([[5, 2, 0, 6, 4, 1, 3]])
    similarity, positive = similarity.gather(1, order), positive.gather(1, order)
    short = loss.negatives(similarity, positive, ~positive, order)
    assert {name[j] for j in order[short]} == {"g", "c", "e", "f"}


def test_scales_start_at_the_root_of_the_width_and_are_learned():
    loss = LorentzTLALoss(random_graph(5), 64)
    scales, curvature = values(loss)
    assert [scale.item() for scale in scales] == pytest.approx([0.125, 0.125]) and curvature == 1
    assert {name for name, _ in loss.named_parameters()} == {"log_text_scale", "log_label_scale", "log_curvature"}
    assert set(loss.state_dict()) == {"log_text_scale", "log_label_scale", "log_curvature"}


def test_extremes_are_finite():
    graph = random_graph(6, seed=1)
    loss = LorentzTLALoss(graph, 3)
    for labels in (torch.zeros(0, 6), torch.zeros(2, 6), torch.ones(2, 6), random_labels(graph, 3).float()):
        text, vectors = torch.zeros(len(labels), 3).requires_grad_(), torch.randn(6, 3).requires_grad_()
        value = loss(labels=labels, text=text, label_vectors=vectors)
        value.backward()
        assert value.isfinite() and text.grad.isfinite().all() and vectors.grad.isfinite().all()
        assert value == 0 or labels.sum() > 0
    text, vectors = torch.randn(3, 3).bfloat16(), torch.randn(6, 3).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(labels=labels, text=text, label_vectors=vectors)
    wide = loss.double()(labels=labels, text=text.double(), label_vectors=vectors.double())
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), wide, rtol=1e-4, atol=1e-5)


def test_wrong_options_are_named():
    graph = random_graph(3)
    with pytest.raises(ConfigError, match="'channels' must be at least 1"):
        LorentzTLALoss(graph, 0)
    with pytest.raises(ConfigError, match="'temperature' must be above 0"):
        LorentzTLALoss(graph, 2, temperature=0)
    with pytest.raises(ConfigError, match="a column for each of the 3 labels"):
        LorentzTLALoss(graph, 2)(labels=torch.zeros(1, 4), text=torch.zeros(1, 2), label_vectors=torch.zeros(4, 2))
