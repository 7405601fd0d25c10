"""What the samplers of documents promise about batches, epochs, processes and cost."""

import copy
import pickle
import sys
import tracemalloc
from collections import Counter

import numpy as np
import pytest
import scipy.sparse as sp
from accelerate.data_loader import BatchSamplerShard
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling_cases import corpus, hierarchies, label_matrices
from torch.utils.data import BatchSampler, DataLoader

from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph
from hgraph.sampling import CompanionSampler, LevelSampler, SupportSampler

TREE = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e")])
KINDS = {
    "companion": CompanionSampler,
    "level": LevelSampler,
    "support": lambda *args, **kwargs: SupportSampler(*args, epochs=3, **kwargs),
}


@pytest.fixture(params=KINDS)
def make(request):
    return KINDS[request.param]


def epoch(sampler, number):
    sampler.set_epoch(number)
    return list(sampler)


def test_seed_and_epoch_alone_decide_the_stream(make):
    graph, labels = corpus(101)
    first, second, other = (make(labels, graph, batch_size=8, seed=seed) for seed in (5, 5, 6))
    streams = [epoch(first, number) for number in range(3)]
    # In another order, twice, and after a run that stopped in mid-epoch.
    iterator = iter(second)
    for _ in range(10):
        next(iterator)
    assert [epoch(second, number) for number in (2, 0, 1, 1)] == [streams[i] for i in (2, 0, 1, 1)]
    assert streams[0] != streams[1] != streams[2] != streams[0]
    assert epoch(other, 0) != streams[0]
    for made in (copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert epoch(made, 1) == streams[1]


def test_the_stream_is_cut_into_the_batches_of_the_sampler(make):
    graph, labels = corpus(101)
    sampler = make(labels, graph, batch_size=8)
    batches = list(sampler.batches())
    assert all(len(batch) == 8 for batch in batches[:-1]) and 0 < len(batches[-1]) <= 8
    assert list(sampler) == [document for batch in batches for document in batch]
    assert len(sampler) == len(list(sampler))
    loader = DataLoader(range(101), batch_size=8, sampler=sampler)
    assert [batch.tolist() for batch in loader] == batches
    assert all(type(document) is int and 0 <= document < 101 for document in sampler)


def test_processes_share_whole_batches(make):
    graph, labels = corpus(101)
    batches = list(make(labels, graph, batch_size=8).batches())
    shares = []
    for rank in range(2):
        sampler = BatchSampler(make(labels, graph, batch_size=8), batch_size=8, drop_last=False)
        shares.append(list(BatchSamplerShard(sampler, num_processes=2, process_index=rank)))
    full = [batch for batch in batches if len(batch) == 8]
    rounds = len(full) // 2
    assert [share[:rounds] for share in shares] == [full[0 : 2 * rounds : 2], full[1 : 2 * rounds : 2]]
    if make is CompanionSampler:
        seen = [{document for batch in share[:rounds] for document in batch} for share in shares]
        assert not seen[0] & seen[1]


def test_the_input_is_left_alone(make):
    labels = sp.csr_matrix(np.array([[1.0, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 1, 0]]))
    labels.data[-1] = 0  # a stored zero is no label
    before = labels.copy()
    sampler = make(labels, TREE, batch_size=2)
    list(sampler)
    assert sampler.support.tolist() == [2, 2, 0, 0, 0]
    assert labels.nnz == before.nnz and (labels.indices == before.indices).all() and (labels.data == before.data).all()


def test_wrong_input_is_named(make):
    with pytest.raises(ConfigError, match="'labels' must have 5 columns, one a label, but got 2"):
        make(np.ones((3, 2)), TREE, batch_size=2)
    with pytest.raises(ConfigError, match="'batch_size' must be at least 1, but got 0"):
        make(np.ones((3, 5)), TREE, batch_size=0)


# Companions


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(1, 5))
def test_each_document_comes_once(data, batch_size):
    graph = data.draw(hierarchies())
    labels = data.draw(label_matrices(graph, max_documents=14))
    sampler = CompanionSampler(labels.numpy(), graph, batch_size=batch_size, seed=data.draw(st.integers(0, 99)))
    assert sorted(sampler) == list(range(len(labels)))


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(2, 6))
def test_an_anchor_has_companions_wherever_they_are_left(data, batch_size):
    """Walk down the chains: after an anchor, for each of its levels, a document that shares a label there."""
    graph = data.draw(hierarchies())
    labels = graph.expand(data.draw(label_matrices(graph, max_documents=14)).numpy()).toarray() > 0
    sampler = CompanionSampler(labels, graph, batch_size=batch_size, seed=data.draw(st.integers(0, 99)))
    unused = set(range(len(labels)))
    for batch in sampler.batches():
        place = 0
        while place < len(batch):
            if place == 0 or place < len(batch) - 1:
                anchor = batch[place]
                unused.remove(anchor)
                place += 1
            levels = sorted({graph.level[label].item() for label in labels[anchor].nonzero()[0]})
            for depth, companion in zip(levels or [0], batch[place:], strict=False):
                on = labels[anchor] & (graph.level.numpy() == depth)
                if any((labels[other] & on).any() for other in unused):
                    assert (labels[companion] & on).any()
                unused.remove(companion)
                place += 1
    assert not unused


def test_the_last_place_goes_to_a_companion():
    """Labels of six documents, batches of three: an anchor, its companion, and one more companion of the same."""
    graph = LabelGraph.from_edges([], nodes=[f"n{i}" for i in range(4)])
    labels = np.repeat(np.eye(4), 6, axis=0)
    for seed in range(10):
        for batch in CompanionSampler(labels, graph, batch_size=3, seed=seed).batches():
            assert len({document // 6 for document in batch}) == 1


def test_companions_are_uniform():
    """Document 0 is the only anchor of its label's group; its companions are the other five, equally often."""
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c")])
    labels = np.array([[1, 1, 0]] + [[1, 0, 1]] * 4 + [[1, 1, 0]])
    counts = Counter()
    sampler = CompanionSampler(labels, graph, batch_size=2)
    for number in range(3000):
        sampler.set_epoch(number)
        anchor, companion = next(iter(sampler.batches()))
        if anchor == 0:
            counts[companion] += 1
    total = sum(counts.values())
    assert 400 < total < 600  # a sixth of the anchors
    assert all(0.14 < counts[other] / total < 0.26 for other in range(1, 6))


def test_no_documents():
    assert list(CompanionSampler(np.zeros((0, 5)), TREE, batch_size=2)) == []
    assert list(SupportSampler(np.zeros((0, 5)), TREE, batch_size=2, epochs=1)) == []


# Levels


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(2, 7), st.integers(2, 3))
def test_every_document_of_a_level_batch_has_a_positive(data, batch_size, per_label):
    graph = data.draw(hierarchies())
    labels = data.draw(label_matrices(graph, max_documents=12)).numpy() > 0
    build = lambda: LevelSampler(labels, graph, batch_size=batch_size, documents_per_label=per_label)  # noqa: E731
    if not (labels.sum(0) >= 2).any():
        with pytest.raises(DataError, match="'labels' must hold a label that two documents carry"):
            build()
        return
    sampler = build()
    assert len(sampler) == len(list(sampler)) == len(labels) - (len(labels) % batch_size == 1)
    for batch in sampler.batches():
        assert len(batch) >= 2
        for place, document in enumerate(batch):
            others = [other for other in batch[:place] + batch[place + 1 :] if other != document]
            assert any((labels[document] & labels[other]).any() for other in others)


@pytest.mark.parametrize("batch_size", [2, 5, 7])
@pytest.mark.parametrize("per_label", [2, 3])
def test_no_document_of_a_level_batch_is_alone(batch_size, per_label):
    """Many labels of a few documents each: a document that was put in to fill a batch would be alone."""
    labels = np.repeat(np.eye(60), 4, axis=0)
    graph = LabelGraph.from_edges([], nodes=[f"n{i}" for i in range(60)])
    for batch in LevelSampler(labels, graph, batch_size=batch_size, documents_per_label=per_label).batches():
        assert min(Counter(document // 4 for document in batch).values()) >= 2
        assert len(set(batch)) == len(batch)


def test_level_batches_hold_documents_once_and_labels_of_one_level():
    graph, labels = corpus(2000)
    dense = labels.toarray() > 0
    sampler = LevelSampler(labels, graph, batch_size=32)
    levels = Counter()
    for batch in sampler.batches():
        assert len(set(batch)) == len(batch)
        shared = [dense[left] & dense[right] for left, right in zip(batch[::2], batch[1::2], strict=True)]
        common = set.intersection(*({graph.level[i].item() for i in pair.nonzero()[0]} for pair in shared))
        assert common
        levels[max(common)] += 1
    assert set(levels) == {1, 2, 3}


def test_a_level_that_is_too_small_is_filled_up_from_others():
    """Level 2 has two documents in all: a batch of six holds them and documents of level 1, none twice."""
    graph = LabelGraph.from_edges([("a", "b")])
    labels = np.array([[1, 1]] * 2 + [[1, 0]] * 20)
    sampler = LevelSampler(labels, graph, batch_size=6, num_batches=30)
    assert all(len(set(batch)) == 6 for batch in sampler.batches())
    few = LevelSampler(labels[:2], graph, batch_size=6, num_batches=3)  # nothing else there: again the same two
    assert [set(batch) for batch in few.batches()] == [{0, 1}] * 3


@pytest.mark.parametrize("tempering", [0.0, 0.5, 1.0])
def test_labels_are_drawn_with_tempered_frequency(tempering):
    graph = LabelGraph.from_edges([], nodes=["often", "seldom"])
    labels = np.zeros((1000, 2))
    labels[:900, 0] = labels[900:, 1] = 1
    sampler = LevelSampler(labels, graph, batch_size=2, tempering=tempering, num_batches=4000)
    share = np.mean([document < 900 for document in sampler])
    expected = 900**tempering / (900**tempering + 100**tempering)
    assert abs(share - expected) < 0.04


def test_level_sampler_names_wrong_input():
    labels = np.ones((3, 5))
    with pytest.raises(
        ConfigError, match="'batch_size' must be at least 2, so that documents have positives, but got 1"
    ):
        LevelSampler(labels, TREE, batch_size=1)
    with pytest.raises(ConfigError, match="'documents_per_label' must be at least 2"):
        LevelSampler(labels, TREE, batch_size=4, documents_per_label=1)
    with pytest.raises(ConfigError, match="'tempering' must be from 0 to 1, but got 2"):
        LevelSampler(labels, TREE, batch_size=4, tempering=2)
    with pytest.raises(ConfigError, match="'num_batches' must be at least 1, but got 0"):
        LevelSampler(labels, TREE, batch_size=4, num_batches=0)


# Support


@settings(max_examples=50, deadline=None)
@given(st.data(), st.integers(0, 4))
def test_chances_follow_the_rarest_label(data, number):
    graph = data.draw(hierarchies())
    labels = data.draw(label_matrices(graph, max_documents=10)).numpy() > 0
    sampler = SupportSampler(labels, graph, batch_size=3, epochs=3, alpha=(0.0, 1.0), beta=(2.0, 0.0))
    sampler.set_epoch(number)
    progress = min(number / 2, 1.0)
    support, level = labels.sum(0), graph.level.tolist()
    weights = []
    for row in labels:
        rarest = min(row.nonzero()[0], key=lambda label: (support[label], -level[label]), default=None)
        weights.append(None if rarest is None else support[rarest] ** -progress * level[rarest] ** (2 - 2 * progress))
    known = [weight for weight in weights if weight is not None]
    weights = [np.mean(known) if known and weight is None else weight or 1.0 for weight in weights]
    assert sampler.chances() == pytest.approx(np.array(weights) / sum(weights) if weights else np.zeros(0))
    # Systematic sampling: each document as often as expected, rounded up or down.
    counts = np.bincount(list(sampler), minlength=len(labels))
    assert (np.abs(counts - sampler.chances() * len(labels)) < 1 + 1e-9).all()


def test_of_labels_that_are_equally_rare_the_deepest_counts():
    labels = [[0, 0, 0, 1, 1], [1, 0, 0, 0, 0]]  # d and e, of levels 1 and 2, in one document; a in another
    sampler = SupportSampler(labels, TREE, batch_size=2, epochs=1, beta=(1.0, 1.0))
    assert sampler.chances() == pytest.approx([2 / 3, 1 / 3])


def test_without_weights_each_document_comes_once_in_random_order():
    graph, labels = corpus(50)
    sampler = SupportSampler(labels, graph, batch_size=8, epochs=2, alpha=(0.0, 0.0))
    assert sorted(sampler) == list(range(50)) != list(sampler)


def test_support_sampler_names_wrong_input():
    with pytest.raises(ConfigError, match="'epochs' must be at least 1, but got 0"):
        SupportSampler(np.ones((2, 5)), TREE, batch_size=2, epochs=0)
    with pytest.raises(ConfigError, match="'beta' must be two numbers"):
        SupportSampler(np.ones((2, 5)), TREE, batch_size=2, epochs=1, beta=(1.0,))


# Cost


def cost_of_batches(sampler, count=20):
    """Lines that one batch runs and bytes that it allocates at once, the most of some batches after the first."""
    lines = 0

    def trace(frame, event, argument):
        nonlocal lines
        lines += event == "line" and "hgraph" in frame.f_code.co_filename
        return trace if "hgraph" in frame.f_code.co_filename else None

    batches = sampler.batches()
    next(batches)
    most_lines = most_bytes = 0
    for _ in range(count):
        tracemalloc.start()
        lines, before = 0, sys.gettrace()
        sys.settrace(trace)
        next(batches)
        sys.settrace(before)
        most_lines, most_bytes = max(most_lines, lines), max(most_bytes, tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return most_lines, most_bytes


def test_a_batch_costs_the_same_in_a_corpus_a_hundred_times_as_large(make):
    few, many = (cost_of_batches(make(labels, graph, batch_size=16)) for graph, labels in map(corpus, (400, 40_000)))
    assert few[0] > 16 or make not in (CompanionSampler, LevelSampler)
    assert many[0] < 2 * few[0] + 10
    assert many[1] < 2 * few[1] + 10_000  # an array of a number a document would be 320,000 bytes
