"""The miner against loops over documents, on vectors of small integers, whose products are exact and often tie."""

import logging

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph
from hgraph.retrieval import HardNegativeMiner, mining_pass, mining_relations

EXACT = {"backend": "exact"}


def random_case(seed, num_texts=14, num_labels=18):
    """A random DAG, label matrix (some rows empty, some closed upward) and vectors of integers."""
    rng = np.random.default_rng(seed)
    above = np.triu(rng.random((num_labels, num_labels)) < 2 / num_labels, 1)
    edges = [(f"n{i}", f"n{j}") for i, j in np.argwhere(above)]
    graph = LabelGraph.from_edges(edges, nodes=[f"n{i}" for i in range(num_labels)])
    labels = rng.random((num_texts, num_labels)) < rng.choice([0.05, 0.2])
    labels[rng.integers(num_texts)] = False
    labels = sp.csr_matrix(labels.astype(np.float32))
    if rng.random() < 0.5:
        labels = graph.expand(labels)
    text, vectors = (rng.integers(-2, 3, (n, 4)).astype(np.float32) for n in (num_texts, num_labels))
    return graph, labels, text, vectors


class Naive:
    """Who is what, by networkx and sets."""

    def __init__(self, graph, labels):
        self.network = graph.to_networkx()
        self.ids = graph.label_id
        self.index = {label: i for i, label in enumerate(self.ids)}
        self.given = [{self.ids[j] for j in labels[i].indices} for i in range(labels.shape[0])]
        self.level = dict(zip(self.ids, graph.level.tolist(), strict=True))

    def above(self, labels):
        return set(labels).union(*(nx.ancestors(self.network, label) for label in labels))

    def below(self, labels):
        return set(labels).union(*(nx.descendants(self.network, label) for label in labels))

    def specific(self, labels):
        return {label for label in labels if not nx.descendants(self.network, label) & set(labels)}

    def siblings(self, labels):
        parents = {parent for label in labels for parent in self.network.predecessors(label)}
        return {child for parent in parents for child in self.network.successors(parent)}

    def labels(self, i, descendants):
        specific = self.specific(self.given[i])
        excluded = self.above(self.given[i]) | (self.below(specific) if descendants else set())
        return tuple({self.index[x] for x in s} for s in (specific, excluded, self.siblings(specific)))

    def cut(self, i, level):
        labels = self.above(self.given[i])
        return self.specific({x for x in labels if level is None or self.level[x] <= level})

    def texts(self, i, level):
        own = self.cut(i, level)
        positives, excluded, siblings = set(), {i}, set()
        for j in range(len(self.given)):
            other = self.cut(j, level)
            if other & own and j != i:
                positives.add(j)
            if own & self.above(other) or self.above(own) & other:
                excluded.add(j)
            if {p for x in own for p in self.network.predecessors(x)} & {
                p for x in other for p in self.network.predecessors(x)
            }:
                siblings.add(j)
        return positives, excluded, siblings


def expected(scores, positives, excluded, siblings, o):
    """Negatives of one document, the most similar first: (id, similarity)."""
    reference = np.float32(np.inf)
    bound = np.float32(np.inf)
    if positives:
        own = [scores[p] for p in positives]
        least = np.float32(min(own))
        reference = least if o["positive"] == "least" else np.float32(sum(map(float, own)) / len(own))
        if o["relative_margin"] is not None:
            bound = min(bound, reference - np.float32(o["relative_margin"]) * abs(reference))
        if o["absolute_margin"] is not None:
            bound = min(bound, reference - np.float32(o["absolute_margin"]))
        if o["strategy"] == "semi_hard":
            bound = min(bound, np.nextafter(least, np.float32(-np.inf)))
    if o["max_similarity"] is not None:
        bound = min(bound, np.float32(o["max_similarity"]))
    ranked = sorted((c for c in range(len(scores)) if c not in excluded), key=lambda c: (-scores[c], c))
    possible = [c for rank, c in enumerate(ranked) if scores[c] <= bound and rank >= o["range_min"]]
    chosen = [c for c in possible if c in siblings][: int(np.ceil(o["sibling_quota"] * o["num_negatives"] - 1e-9))]
    for c in possible:
        in_range = o["range_max"] is None or ranked.index(c) < o["range_max"]
        if len(chosen) < o["num_negatives"] and c not in chosen and in_range:
            chosen.append(c)
    return sorted(((c, scores[c]) for c in chosen), key=lambda pair: (-pair[1], pair[0]))


@st.composite
def options(draw, strategies=("hardest", "semi_hard", "fixed")):
    range_min = draw(st.integers(0, 3))
    return {
        "num_negatives": draw(st.integers(1, 6)),
        "strategy": draw(st.sampled_from(strategies)),
        "range_min": range_min,
        "range_max": draw(st.none() | st.integers(range_min + 1, 9)),
        "relative_margin": draw(st.none() | st.sampled_from([0.0, 0.05, 0.5])),
        "absolute_margin": draw(st.none() | st.sampled_from([0.0, 1.0])),
        "max_similarity": draw(st.none() | st.integers(-2, 4)),
        "positive": draw(st.sampled_from(["least", "mean"])),
        "sibling_quota": draw(st.sampled_from([0.0, 0.3, 0.5, 1.0])),
    }


def check(mined, scores, relations, o):
    for i, row in enumerate(scores):
        positives, excluded, siblings = relations(i)
        wanted = expected(row, positives, excluded, siblings, o) if positives or relations.labelled(i) else []
        count = int((mined.ids[i] >= 0).sum())
        assert mined.ids[i, :count].tolist() == [c for c, _ in wanted]
        assert mined.similarity[i, :count].tolist() == [s for _, s in wanted]
        assert (mined.ids[i, count:] == -1).all()
        assert (mined.similarity[i, count:] == -np.inf).all()


class Relations:
    def __init__(self, naive, of):
        self.naive, self.of = naive, of

    def labelled(self, i):
        return bool(self.naive.given[i])

    def __call__(self, i):
        return self.of(i)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), options(), st.booleans(), st.integers(1, 30), st.none() | st.integers(1, 4))
def test_labels_against_loops(seed, o, descendants, block, first):
    graph, labels, text, vectors = random_case(seed)
    miner = HardNegativeMiner(graph=graph, similarity="dot", index=EXACT, exclude_descendants=descendants, **o)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hgraph.retrieval.rows.BLOCK_ENTRIES", 8 * block)  # several blocks
        if first is not None:  # several searches, each deeper
            patch.setattr(mining_pass.MiningPass, "_first_depth", lambda self, rows: first)
        mined = miner.mine_labels(text, vectors, labels)
    assert mined.ids.dtype == np.int32 and mined.similarity.dtype == np.float32
    naive = Naive(graph, labels)
    check(mined, text @ vectors.T, Relations(naive, lambda i: naive.labels(i, descendants)), o)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), options(), st.none() | st.integers(1, 2))
def test_texts_against_loops(seed, o, level):
    graph, labels, text, _ = random_case(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mining_relations, "MAX_POSITIVE_TEXTS", 1000)
        mined = HardNegativeMiner(graph=graph, similarity="dot", index=EXACT, **o).mine_texts(text, labels, level=level)
    naive = Naive(graph, labels)
    check(mined, text @ text.T, Relations(naive, lambda i: naive.texts(i, level)), o)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), options(("random",)), st.booleans(), st.integers(1, 30))
def test_random_negatives_are_allowed_and_as_many_as_there_are(seed, o, texts, first):
    o.update(range_min=0, range_max=None)
    graph, labels, text, vectors = random_case(seed)
    miner = HardNegativeMiner(graph=graph, similarity="dot", **o)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mining_relations, "MAX_POSITIVE_TEXTS", 1000)
        patch.setattr(mining_pass.MiningPass, "_first_depth", lambda self, rows: first)
        mined = miner.mine_texts(text, labels) if texts else miner.mine_labels(text, vectors, labels)
    naive = Naive(graph, labels)
    scores = text @ (text if texts else vectors).T
    everything = {**o, "num_negatives": scores.shape[1], "sibling_quota": 0.0}
    for i, row in enumerate(scores):
        positives, excluded, siblings = naive.texts(i, None) if texts else naive.labels(i, False)
        allowed = {c for c, _ in expected(row, positives, excluded, siblings, everything)} if naive.given[i] else set()
        found = mined.ids[i][mined.ids[i] >= 0].tolist()
        assert set(found) <= allowed and len(set(found)) == len(found)
        assert len(found) == min(len(allowed), o["num_negatives"])
        quota = int(np.ceil(o["sibling_quota"] * o["num_negatives"] - 1e-9))
        assert len(siblings & set(found)) >= min(quota, len(siblings & allowed))
        assert mined.similarity[i, : len(found)].tolist() == sorted(row[found].tolist(), reverse=True)


@pytest.mark.parametrize("quota", [0.0, 0.5])
def test_random_negatives_are_drawn_evenly_and_anew_each_round(quota):
    graph = LabelGraph.from_edges([("a" if i < 10 else "b", f"l{i}") for i in range(20)])
    labels = sp.csr_matrix(np.eye(graph.num_labels)[np.full(4000, graph.index("l0"))])
    text, vectors = np.zeros((4000, 2), np.float32), np.zeros((graph.num_labels, 2), np.float32)
    miner = HardNegativeMiner(graph=graph, num_negatives=4, strategy="random", sibling_quota=quota, seed=3)
    mined = miner.mine_labels(text, vectors, labels)
    counts = np.bincount(mined.ids.ravel(), minlength=graph.num_labels)
    assert counts[graph.indices(["a", "l0"])].sum() == 0
    siblings = graph.indices([f"l{i}" for i in range(1, 10)])
    others = np.setdiff1d(np.arange(graph.num_labels), [*siblings, *graph.indices(["a", "l0"])])
    for group in (siblings, others):
        shares = counts[group] / counts[group].mean()
        assert abs(shares - 1).max() < 0.15
    # 9 siblings of 20: with a quota 2 of them, and of 18 others for the two left 7 more siblings.
    share = 9 / 20 if quota == 0 else (2 + 2 * 7 / 18) / 4
    assert abs(counts[siblings].sum() / counts.sum() - share) < 0.02
    again, other = (miner.mine_labels(text, vectors, labels, round=r).ids for r in (0, 1))
    np.testing.assert_array_equal(again, mined.ids)
    assert (other != mined.ids).mean() > 0.5


def test_documents_that_are_short_are_searched_again_deeper(monkeypatch):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((300, 8)).astype(np.float32)
    labels = sp.csr_matrix((np.ones(300), (np.repeat([0, 1, 2], [298, 1, 1]), np.arange(300))), (3, 300))
    text = rng.standard_normal((3, 8)).astype(np.float32)
    depths = []

    class Counting:
        def __init__(self, inner):
            self.inner = inner

        def search(self, queries, k):
            depths.append((len(queries), k))
            return self.inner.search(queries, k)

    from hgraph.retrieval import ExactIndex

    monkeypatch.setattr(
        "hgraph.retrieval.hard_negative_miner.build_index", lambda vectors, **_: Counting(ExactIndex(vectors))
    )
    monkeypatch.setattr(mining_pass.MiningPass, "_first_depth", lambda self, rows: 5)
    mined = HardNegativeMiner(num_negatives=4, similarity="dot").mine_labels(text, vectors, labels)
    assert (mined.ids[0] >= 0).sum() == 2  # all that is left
    assert set(mined.ids[0, :2]) == {298, 299}
    assert depths[0] == (3, 5)
    assert [count for count, _ in depths[1:]] == [1] * (len(depths) - 1)
    assert [depth for _, depth in depths] == [5, 20, 80, 300]
    monkeypatch.setattr(mining_pass, "MAX_DEPTH", 20)
    depths.clear()
    HardNegativeMiner(num_negatives=4, similarity="dot").mine_labels(text, vectors, labels)
    assert [depth for _, depth in depths] == [5, 20]


def test_many_siblings_are_drawn(monkeypatch):
    monkeypatch.setattr(mining_relations, "MAX_SIBLINGS", 20)
    graph = LabelGraph.from_edges([("a", f"a{i}") for i in range(500)] + [("b", f"b{i}") for i in range(50)])
    own = graph.index("a0")
    vectors = np.zeros((graph.num_labels, 2), np.float32)
    vectors[[graph.index(f"b{i}") for i in range(50)]] = [1.0, 0.0]
    vectors[[graph.index(f"a{i}") for i in range(500)], 1] = np.arange(500)
    labels = sp.csr_matrix(np.eye(graph.num_labels)[[own, own]])
    miner = HardNegativeMiner(graph=graph, num_negatives=8, similarity="dot", sibling_quota=0.5, index=EXACT)
    mined = miner.mine_labels(np.array([[1.0, -1e-6]] * 2), vectors, labels)
    for row in mined.ids:
        ids = [graph.label_id[c] for c in row]
        assert [label[0] for label in ids] == ["b"] * 4 + ["a"] * 4
        assert len(set(ids)) == 8 and "a0" not in ids


@pytest.mark.parametrize("margin", [None, 0.5])
@pytest.mark.parametrize("backend", ["exact", "faiss"])
def test_cosine_and_the_summary_against_loops(backend, margin, caplog):
    if backend == "faiss":
        pytest.importorskip("faiss")
    graph, labels, _, _ = random_case(5, 200, 60)
    rng = np.random.default_rng(0)
    text, vectors = rng.standard_normal((200, 6)) + 0.5, rng.standard_normal((60, 6)) + 0.5
    miner = HardNegativeMiner(
        graph=graph, num_negatives=3 if margin else 40, relative_margin=margin, index={"backend": backend}
    )
    with caplog.at_level(logging.INFO, logger="hgraph.retrieval"):
        mined = miner.mine_labels(text, vectors, labels)
    scores = (text / np.linalg.norm(text, axis=1)[:, None]) @ (vectors / np.linalg.norm(vectors, axis=1)[:, None]).T
    naive, summary = Naive(graph, labels), mined.summary
    positive, negative, above_least, above_mean, siblings, short, documents = [], [], 0, 0, 0, 0, 0
    for i in range(200):
        own, _, around = naive.labels(i, False)
        if not own:
            assert (mined.ids[i] == -1).all()
            continue
        documents += 1
        mine = [scores[i, p] for p in own]
        positive += mine
        found = [c for c in mined.ids[i] if c >= 0]
        negative += [scores[i, c] for c in found]
        above_least += sum(scores[i, c] > min(mine) for c in found)
        above_mean += sum(scores[i, c] > np.mean(mine) for c in found)
        siblings += sum(c in around for c in found)
        short += len(found) < mined.ids.shape[1]
        np.testing.assert_allclose(mined.similarity[i, : len(found)], scores[i, found], rtol=1e-5, atol=1e-6)
    # Nothing below is trivially so.
    assert 0 < documents < 200
    assert 0 < short < documents if margin else 0 < above_mean < above_least < len(negative)
    assert (summary.documents, summary.unlabelled) == (documents, 200 - documents)
    assert summary.mined == len(negative)
    for spread, values in ((summary.positives, positive), (summary.negatives, negative)):
        found = (spread.mean, spread.p5, spread.p50, spread.p95)
        np.testing.assert_allclose(found, [np.mean(values), *np.percentile(values, [5, 50, 95])], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        (summary.above_least, summary.above_mean, summary.siblings),
        np.array([above_least, above_mean, siblings]) / len(negative),
    )
    assert summary.short == pytest.approx(short / documents)
    assert summary.siblings > 0
    table = str(summary)
    assert table in caplog.text
    for word in ("positives", "negatives", f"{100 * summary.siblings:.1f} %", f"{summary.mined:,}", "seconds, search"):
        assert word in table
    assert len({len(line) for line in table.splitlines()}) <= 2  # aligned


def test_false_negatives_are_counted_and_a_margin_removes_them():
    vectors = np.eye(4)
    text = [[0.5, 0.9, 0.1, 0.0], [0.9, 0.1, 0.8, 0.2]]
    labels = sp.csr_matrix([[1, 0, 0, 0], [1, 0, 0, 0]])
    mined = HardNegativeMiner(num_negatives=2, similarity="dot").mine_labels(text, vectors, labels)
    assert mined.ids.tolist() == [[1, 2], [2, 3]]
    assert mined.summary.above_least == 1 / 4
    assert np.isnan(mined.summary.siblings)
    safe = HardNegativeMiner(num_negatives=2, similarity="dot", relative_margin=0.2).mine_labels(text, vectors, labels)
    assert safe.ids.tolist() == [[2, 3], [3, 1]]
    assert safe.summary.above_least == 0
    wary = HardNegativeMiner(num_negatives=2, similarity="dot", max_similarity=0.15).mine_labels(text, vectors, labels)
    assert wary.ids.tolist() == [[2, 3], [1, -1]]
    assert wary.summary.short == 0.5


def test_a_document_does_not_depend_on_the_others():
    graph, labels, text, vectors = random_case(3, 40)
    miner = HardNegativeMiner(graph=graph, num_negatives=4, similarity="dot", index=EXACT, sibling_quota=0.5)
    mined = miner.mine_labels(text, vectors, labels)
    some = np.array([7, 3, 30])
    np.testing.assert_array_equal(miner.mine_labels(text[some], vectors, labels[some]).ids, mined.ids[some])


@pytest.mark.parametrize("strategy", ["hardest", "semi_hard", "random"])
def test_no_documents_no_labels_one_label(strategy):
    miner = HardNegativeMiner(num_negatives=2, strategy=strategy)
    empty = miner.mine_labels(np.zeros((0, 3)), np.eye(3), sp.csr_matrix((0, 3)))
    assert empty.ids.shape == (0, 2)
    assert "-" in str(empty.summary) or "nan" in str(empty.summary)
    nothing = miner.mine_labels(np.eye(3), np.eye(3), sp.csr_matrix((3, 3)))
    assert (nothing.ids == -1).all() and nothing.summary.short == 0
    alone = miner.mine_labels(np.ones((2, 3)), np.ones((1, 3)), sp.csr_matrix([[1], [0]]))
    assert (alone.ids == -1).all() and alone.summary.short == 1
    texts = miner.mine_texts(np.eye(3), sp.csr_matrix(np.eye(3)))
    if strategy != "semi_hard":
        assert sorted(texts.ids[0].tolist()) == [1, 2]
    assert len(miner.mine_texts(np.ones((1, 3)), sp.csr_matrix([[1]]))) == 1


def test_fixed_is_hardest_that_is_not_refreshed():
    graph, labels, text, vectors = random_case(1)
    miners = {s: HardNegativeMiner(graph=graph, strategy=s) for s in ("fixed", "hardest", "semi_hard", "random")}
    fixed, hardest = (miners[s].mine_labels(text, vectors, labels) for s in ("fixed", "hardest"))
    np.testing.assert_array_equal(fixed.ids, hardest.ids)
    assert {s: m.refreshes for s, m in miners.items()} == {s: s != "fixed" for s in miners}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_negatives": 0}, "'num_negatives' must be at least 1, but got 0"),
        ({"strategy": "easy"}, "'strategy' must be one of hardest, semi_hard, random, fixed, but got 'easy'"),
        ({"positive": "most"}, "'positive' must be one of least, mean, but got 'most'"),
        ({"similarity": "l2"}, "'similarity' must be one of dot, cosine, but got 'l2'"),
        ({"range_min": -1}, "'range_min' must be 0 or more, but got -1"),
        ({"range_min": 4, "range_max": 4}, "'range_max' must be above 'range_min' 4, but got 4"),
        ({"strategy": "random", "range_max": 4}, "ranks by similarity, which 'random' does not have"),
        ({"relative_margin": -0.1}, "'relative_margin' must be 0 or more, but got -0.1"),
        ({"absolute_margin": float("nan")}, "'absolute_margin' must be 0 or more, but got nan"),
        ({"sibling_quota": 1.1}, "'sibling_quota' must be between 0 and 1, but got 1.1"),
        ({"sibling_quota": 0.5}, "'sibling_quota' needs the hierarchy, but 'graph' is None"),
        ({"exclude_descendants": True}, "'exclude_descendants' needs the hierarchy"),
        ({"recall": 0.0}, "'recall' must be above 0 and at most 1, but got 0.0"),
    ],
)
def test_refuses_bad_options(arguments, message):
    with pytest.raises(ConfigError, match=message) as error:
        HardNegativeMiner(**arguments)
    assert "\n" not in str(error.value)


def test_refuses_what_does_not_fit():
    graph = LabelGraph.from_edges([("a", "b")])
    miner, labels = HardNegativeMiner(graph=graph), sp.csr_matrix([[0, 1]])
    with pytest.raises(DataError, match="'labels' must have 2 columns, one a label, found 3"):
        miner.mine_labels([[1.0]], [[1.0]] * 3, sp.csr_matrix([[0, 1, 0]]))
    with pytest.raises(DataError, match="'labels' must have 2 rows, one a text, found 1"):
        miner.mine_labels([[1.0]] * 2, [[1.0]] * 2, labels)
    with pytest.raises(DataError, match="'label_vectors' must have 2 rows, one a label, found 3"):
        miner.mine_labels([[1.0]], [[1.0]] * 3, labels)
    with pytest.raises(DataError, match=r"'label_vectors' has shape \[2, 2\], expected \[label_vectors, 1\]"):
        miner.mine_labels([[1.0]], np.eye(2), labels)
    with pytest.raises(DataError, match=r"'labels' must be a sparse matrix .* got ndarray"):
        miner.mine_labels([[1.0]], [[1.0]] * 2, labels.toarray())
    with pytest.raises(DataError, match="'text_vectors' contains NaN"):
        miner.mine_labels([[np.nan]], [[1.0]] * 2, labels)
    with pytest.raises(ConfigError, match="'level' must be a level of the hierarchy, but got 3 with levels 1 to 2"):
        miner.mine_texts([[1.0]], labels, level=3)
    with pytest.raises(ConfigError, match="got 1 with no hierarchy"):
        HardNegativeMiner().mine_texts([[1.0]], labels, level=1)
