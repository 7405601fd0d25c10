"""The ranker against plain loops, and the solver against scikit-learn."""

import numpy as np
import pytest
import scipy.sparse as sp
from ranker_reference import TREES, make_documents, naive_scores, objective

from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph, LevelPartition
from hgraph.ranking import LinearRanker, RankerTree, beam, level_training, pair_scores

X, Y = make_documents()
DENSE = np.random.default_rng(5).normal(size=(60, 4)).astype(np.float32)
EVERY_TREE = pytest.mark.parametrize("name", TREES)
TRANSFORMS = ["l3_hinge", "l1_hinge", "log_l2_hinge", "sigmoid", "log_sigmoid", "noop"]


def fit(tree, features=X, labels=Y, **options):
    return LinearRanker.fit(features, labels, tree, **{"threads": 1, "cp": 2.0, "cn": 1.5, **options})


def blocks_of(tree, level, labels=Y):
    """Documents of each parent's block with a teacher, by loops."""
    if level == 0:
        return {0: list(range(labels.shape[0]))}
    above = tree.targets(labels)[level - 1].toarray()
    return {parent: [i for i in range(labels.shape[0]) if above[i, parent]] for parent in range(above.shape[1])}


@pytest.fixture(params=["gram", "rows"])
def solver(request, monkeypatch):
    """Each form of the solver on its own: the Gram matrix for all blocks, or for none."""
    rows = 0 if request.param == "rows" else 10**6
    monkeypatch.setattr(level_training, "GRAM_ROWS", rows)
    return request.param


@pytest.mark.parametrize("dense", [False, True])
@EVERY_TREE
def test_each_classifier_reaches_the_minimum_of_its_objective(name, solver, dense):
    from sklearn.svm import LinearSVC

    tree = TREES[name]
    features = [X, DENSE] if dense else X
    full = np.hstack([X.toarray(), DENSE]) if dense else X.toarray()
    ranker = fit(tree, features, threshold=0.0, tolerance=1e-5, max_iterations=10_000, negatives="teacher")
    rows = np.hstack([full, np.ones((60, 1), dtype=np.float32)])
    checked = 0
    for level, targets in enumerate(tree.targets(Y)):
        weights = ranker.levels[level]
        sparse = weights.to_csr(X.shape[1]).toarray()
        for parent, block in blocks_of(tree, level).items():
            for node in range(weights.child_ptr[parent], weights.child_ptr[parent + 1]):
                found = [*sparse[node], *(weights.dense[node] if dense else []), weights.bias[node]]
                if weights.child_ptr[parent + 1] - weights.child_ptr[parent] == 1:
                    assert not np.any(found)
                    continue
                signs = [1 if targets[i, node] else -1 for i in block]
                costs = [2.0 if sign > 0 else 1.5 for sign in signs]
                value = objective(found, rows[block], signs, costs)
                if len(set(signs)) == 2:
                    model = LinearSVC(C=1.0, fit_intercept=False, tol=1e-9, max_iter=1_000_000)
                    model.fit(rows[block], signs, sample_weight=costs)
                    least = objective(model.coef_.ravel(), rows[block], signs, costs)
                    assert value == pytest.approx(least, rel=2e-5)
                    checked += 1
                else:
                    assert value <= sum(costs) + 1e-6
    assert checked >= 5


def test_both_forms_of_the_solver_are_taken_and_agree(monkeypatch):
    found = {}
    for rows in (0, 10**6):
        monkeypatch.setattr(level_training, "GRAM_ROWS", rows)
        ranker = fit(TREES["flat"], threshold=0.0, tolerance=1e-6, max_iterations=10_000)
        found[rows] = ranker.levels[0].to_csr(X.shape[1]).toarray()
    np.testing.assert_allclose(found[0], found[10**6], atol=2e-4)
    assert not np.array_equal(found[0], found[10**6])


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("beam_size", [1, 2, 100])
@EVERY_TREE
def test_prediction_is_that_of_plain_loops(name, beam_size, transform):
    ranker = fit(TREES[name], [X, DENSE], transform=transform)
    found = ranker.predict([X, DENSE], top_k=4, beam_size=beam_size)
    expected = naive_scores(ranker, X, DENSE, beam=beam_size)
    for document, scores in enumerate(expected):
        best = sorted(scores.values(), reverse=True)[:4]
        cells = slice(found.indptr[document], found.indptr[document + 1])
        np.testing.assert_allclose(found.data[cells], best, rtol=2e-4, atol=2e-5)
        for label, score in zip(found.indices[cells], found.data[cells], strict=True):
            assert score == pytest.approx(scores[label], rel=2e-4, abs=2e-5)
        assert len(set(found.indices[cells].tolist())) == len(best)


@EVERY_TREE
def test_transforms_of_levels_may_differ(name):
    tree = TREES[name]
    names = ["l3_hinge"] * (tree.num_levels - 1) + ["noop"]
    ranker = fit(tree, transform=names)
    expected = naive_scores(ranker, X, beam=10)
    found = ranker.predict(X, top_k=9)
    for document in range(60):
        for label, score in expected[document].items():
            assert found[document, label] == pytest.approx(score, rel=2e-4, abs=2e-5)


@pytest.mark.parametrize("transform", TRANSFORMS)
@EVERY_TREE
def test_given_pairs_are_scored_as_by_an_exhaustive_beam(name, transform):
    ranker = fit(TREES[name], transform=transform)
    full = ranker.predict(X, top_k=9, beam_size=100)
    pairs = ranker.score(X, np.ones((60, 9)))
    assert pairs.nnz == full.nnz
    np.testing.assert_array_equal(pairs.toarray(), full.toarray())
    some = sp.random(60, 9, density=0.3, random_state=3, format="csr")
    kept = some.multiply(full != 0) if transform == "noop" else some
    np.testing.assert_array_equal(ranker.score(X, kept).toarray(), np.where(kept.toarray() != 0, full.toarray(), 0))


def test_pairs_in_blocks(monkeypatch):
    ranker = fit(TREES["three levels"])
    whole = ranker.score(X, np.ones((60, 9)))
    monkeypatch.setattr(pair_scores, "BLOCK_PAIRS", 7)
    np.testing.assert_array_equal(ranker.score(X, np.ones((60, 9))).toarray(), whole.toarray())
    assert ranker.score(X, sp.csr_matrix((60, 9))).nnz == 0


@EVERY_TREE
def test_rows_are_sorted_and_probabilities_lie_between_0_and_1(name):
    for transform in TRANSFORMS:
        ranker = fit(TREES[name], transform=transform)
        found = ranker.predict(X, top_k=5)
        chances = ranker.predict(X, top_k=5, as_probabilities=True)
        np.testing.assert_array_equal(found.indices, chances.indices)
        assert chances.data.min() >= 0
        assert chances.data.max() <= 1
        for begin, end in zip(found.indptr[:-1], found.indptr[1:], strict=True):
            assert (np.diff(found.data[begin:end]) <= 0).all()
            assert (np.diff(chances.data[begin:end]) <= 1e-7).all()
    product = fit(TREES[name]).predict(X, top_k=5)
    log = fit(TREES[name]).predict(X, top_k=5, transform="log_l3_hinge", as_probabilities=True)
    np.testing.assert_allclose(log.data, product.data, rtol=1e-4, atol=1e-6)


@EVERY_TREE
def test_threads_tasks_and_blocks_change_nothing(name, monkeypatch):
    one = fit(TREES[name], [X, DENSE], negatives="both", threads=1)
    whole = one.predict([X, DENSE], threads=1)
    monkeypatch.setattr(level_training, "TASK_COST", 50.0)
    monkeypatch.setattr(beam, "MAX_BLOCK", 7)
    two = fit(TREES[name], [X, DENSE], negatives="both", threads=2)
    for first, second in zip(one.levels, two.levels, strict=True):
        for array in ("feature", "count", "offset", "weight", "bias", "dense", "row_ptr", "entry_ptr"):
            np.testing.assert_array_equal(getattr(first, array), getattr(second, array))
    found = two.predict([X, DENSE], threads=2)
    np.testing.assert_array_equal(found.indices, whole.indices)
    np.testing.assert_array_equal(found.data, whole.data)


def test_children_of_a_large_block_over_several_items_change_nothing(monkeypatch):
    monkeypatch.setattr(level_training, "GRAM_ROWS", 0)
    whole = fit(TREES["flat"])
    monkeypatch.setattr(level_training, "ITEM_COST", 1.0)
    pieces = fit(TREES["flat"], threads=2)
    np.testing.assert_array_equal(whole.levels[0].weight, pieces.levels[0].weight)
    np.testing.assert_array_equal(whole.levels[0].bias, pieces.levels[0].bias)


def test_a_document_is_scored_alone_as_in_a_batch():
    ranker = fit(TREES["three levels"])
    batch = ranker.predict(X)
    for document in range(0, 60, 7):
        alone = ranker.predict(X[document])
        np.testing.assert_array_equal(alone.toarray(), batch[document].toarray())


def test_binary_search_and_table_give_the_same():
    rng = np.random.default_rng(1)
    features = sp.random(40, 3000, density=0.05, random_state=1, format="csr", dtype=np.float32)
    labels = (rng.random((40, 4)) < 0.4).astype(np.float32)
    ranker = LinearRanker.fit(features, labels, RankerTree.flat(4), threshold=0.0, threads=1)
    known, unknown = features[:1].indices[1], np.setdiff1d(np.arange(3000), features.indices)[:2]
    query = sp.csr_matrix(([1.0, 0.5, 2.0], ([0, 0, 0], [*unknown, known])), shape=(1, 3000), dtype=np.float32)
    many = sp.vstack([query] * 400).tocsr()
    rows = ranker.levels[0].row_ptr[1]
    assert 4 * 3 <= rows < 4 * many.nnz  # few features against a long chunk: binary search
    np.testing.assert_array_equal(ranker.predict(query).toarray()[0], ranker.predict(many).toarray()[-1])
    expected = naive_scores(ranker, query)[0]
    for label, score in expected.items():
        assert ranker.predict(query)[0, label] == pytest.approx(score, rel=1e-4)


def test_matcher_blocks_are_those_of_the_beam():
    tree = TREES["two levels"]
    exact = {"threshold": 0.0, "tolerance": 1e-5, "max_iterations": 10_000}
    first = fit(RankerTree.flat(3), labels=tree.targets(Y)[0], negatives="teacher", **exact)
    beams = first.predict(X, top_k=1)
    above, below = (level.toarray() for level in tree.targets(Y))
    rows = np.hstack([X.toarray(), np.ones((60, 1))])
    for kind in ("matcher", "both"):
        ranker = fit(tree, negatives=kind, beam_size=1, **exact)
        weights = np.hstack([ranker.levels[1].to_csr(40).toarray(), ranker.levels[1].bias[:, None]])
        for node in range(8):
            parent = node // 3
            block = [
                i
                for i in range(60)
                if parent in beams[i].indices or below[i, node] or (kind == "both" and above[i, parent])
            ]
            signs = [1 if below[i, node] else -1 for i in block]
            costs = [2.0 if sign > 0 else 1.5 for sign in signs]
            best = np.array(weights[node], dtype=np.float64)
            value = objective(best, rows[block], signs, costs)
            # At the minimum of a convex function the gradient is 0.
            margins = rows[block] @ best
            gradient = best - 2 * ((np.array(costs) * np.maximum(0, 1 - signs * margins) * signs) @ rows[block])
            assert np.abs(gradient).max() < 1e-3 * max(1.0, value)


def test_default_negatives_are_published_ones():
    tree = TREES["three levels"]
    default, same = fit(tree, beam_size=1), fit(tree, beam_size=1, negatives=["teacher", "teacher", "both"])
    other = fit(tree, beam_size=1, negatives="teacher")
    np.testing.assert_array_equal(default.levels[2].bias, same.levels[2].bias)
    assert not np.array_equal(default.levels[2].bias, other.levels[2].bias)


def test_relevance_weighs_positives():
    relevance = Y * 3
    flat = RankerTree.flat(9)
    by_relevance, by_cost = fit(flat, relevance=relevance), fit(flat, cp=6.0)
    np.testing.assert_array_equal(by_relevance.levels[0].weight, by_cost.levels[0].weight)
    partial = sp.csr_matrix(Y.multiply(np.arange(60)[:, None] < 30))
    np.testing.assert_array_equal(fit(flat, relevance=partial).levels[0].weight, fit(flat).levels[0].weight)


def test_relevance_of_clusters_is_summed_and_scaled():
    from hgraph.ranking.relevance import level_relevance

    tree = TREES["two levels"]
    relevance = Y.multiply(1 + np.arange(9)).tocsr()
    targets = tree.targets(Y)
    costs = level_relevance(tree, targets, Y, relevance)
    for document in range(60):
        sums = [sum(relevance[document, 3 * top + j] for j in range(3)) for top in range(3)]
        begin, end = targets[0].indptr[document : document + 2]
        found = dict(zip(targets[0].indices[begin:end], costs[0][begin:end], strict=True))
        assert found == pytest.approx({top: value / max(sums) for top, value in enumerate(sums) if value})


def test_threshold_and_keep():
    all_weights = fit(TREES["flat"], threshold=0.0).levels[0].to_csr(40).toarray()
    large = fit(TREES["flat"], threshold=0.3).levels[0].to_csr(40).toarray()
    np.testing.assert_array_equal(large, np.where(np.abs(all_weights) >= 0.3, all_weights, 0))
    few = fit(TREES["flat"], threshold=0.0, keep=5).levels[0].to_csr(40).toarray()
    for node in range(9):
        limit = np.sort(np.abs(all_weights[node]))[-5]
        np.testing.assert_array_equal(few[node], np.where(np.abs(all_weights[node]) >= limit, all_weights[node], 0))


def test_no_bias():
    ranker = fit(TREES["two levels"], bias=0.0)
    assert not ranker.levels[1].bias.any()
    assert ranker.levels[1].weight.any()


def test_an_only_child_costs_nothing_and_changes_nothing():
    short = RankerTree([np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])], 3, np.arange(9), 9)
    long = RankerTree([np.arange(3), np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])], 3, np.arange(9), 9)
    first = fit(short, negatives="teacher").predict(X)
    ranker = fit(long, negatives="teacher")
    assert len(ranker.levels[1].weight) == 0
    second = ranker.predict(X)
    np.testing.assert_allclose(second.toarray(), first.toarray(), rtol=2e-2, atol=2e-2)
    np.testing.assert_array_equal(ranker.levels[1].only_child, 1)


def test_restriction_keeps_the_scores():
    for name in ("three levels", "copies", "padded"):
        ranker = fit(TREES[name], [X, DENSE])
        kept = [0, 4, 8]
        smaller = ranker.restrict(kept)
        before = ranker.predict([X, DENSE], top_k=9, beam_size=100).toarray()
        after = smaller.predict([X, DENSE], top_k=9, beam_size=100).toarray()
        np.testing.assert_allclose(after[:, kept], before[:, kept], rtol=1e-5)
        assert not np.delete(after, kept, axis=1).any()
        assert smaller.tree.num_nodes[-1] < ranker.tree.num_nodes[-1]
    with pytest.raises(ConfigError, match="found none"):
        fit(TREES["padded"]).restrict([6])
    with pytest.raises(ConfigError, match="from 0 to 8"):
        ranker.restrict([9])


def test_dense_features_alone():
    ranker = fit(TREES["three levels"], DENSE)
    empty = sp.csr_matrix((60, 0), dtype=np.float32)
    expected = naive_scores(ranker, empty, DENSE, beam=10)
    found = ranker.predict(DENSE, top_k=9)
    for document in range(60):
        for label, score in expected[document].items():
            assert found[document, label] == pytest.approx(score, rel=1e-3, abs=1e-5)


def test_a_hierarchy_with_two_parents_end_to_end():
    graph = LabelGraph.from_edges([("r", "a"), ("r", "b"), ("a", "c"), ("b", "c"), ("a", "d"), ("s", "e")])
    tree = RankerTree.of(LevelPartition(graph, extra_parents="copies"))
    labels = np.tile(np.eye(graph.num_labels, dtype=np.float32), (4, 1))
    ranker = LinearRanker.fit(sp.csr_matrix(labels), labels, tree, cp=10, cn=10, threads=1)
    found = ranker.predict(sp.csr_matrix(labels), top_k=3)
    np.testing.assert_array_equal(found.indices[found.indptr[:-1]], np.tile(np.arange(graph.num_labels), 4))


def test_empty_cases():
    nothing, none = sp.csr_matrix((0, 40), dtype=np.float32), sp.csr_matrix((0, 9), dtype=np.float32)
    for tree in TREES.values():
        empty = fit(tree, nothing, none)
        assert empty.predict(nothing).shape == (0, 9)
        assert not fit(tree).predict(X[:0]).nnz
        assert empty.predict(X[:2]).nnz
    blank = sp.csr_matrix((3, 40), dtype=np.float32)
    assert fit(TREES["two levels"], blank, sp.csr_matrix((3, 9))).predict(blank).nnz == 27
    single = RankerTree.flat(1)
    found = fit(single, X, sp.csr_matrix(np.ones((60, 1)))).predict(X)
    np.testing.assert_array_equal(found.toarray(), 1)
    one = fit(TREES["flat"], X[:1], Y[:1])
    assert one.predict(X[:1], top_k=2).nnz == 2


def test_progress_is_told():
    seen = []
    fit(TREES["three levels"], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"negatives": "random"}, "'negatives' must be"),
        ({"negatives": ["teacher"]}, "one for each of 2 levels"),
        ({"cp": 0}, "'cp' must be above 0"),
        ({"tolerance": 0}, "'tolerance' must be above 0"),
        ({"threshold": -1}, "'threshold' must be at least 0"),
        ({"keep": 0}, "'keep' must be at least 1"),
        ({"max_iterations": 0}, "'max_iterations'"),
        ({"beam_size": 0}, "'beam_size' must be at least 1"),
        ({"transform": "l0_hinge"}, "'transform' must be"),
        ({"transform": "log_noop"}, "'transform' must be"),
        ({"transform": ["l3_hinge", "log_sigmoid"]}, "must not mix"),
        ({"threads": 0}, "'threads' must be at least 1"),
    ],
)
def test_wrong_settings(options, message):
    with pytest.raises(ConfigError, match=message):
        fit(TREES["two levels"], **options)


def test_wrong_data():
    with pytest.raises(DataError, match="one row for each of 60"):
        fit(TREES["flat"], X, Y[:5])
    with pytest.raises(DataError, match="one row a document"):
        fit(TREES["flat"], [X, DENSE[:5]])
    with pytest.raises(DataError, match="finite"):
        fit(TREES["flat"], np.full((60, 2), np.nan))
    with pytest.raises(DataError, match="a list of one of each"):
        fit(TREES["flat"], [X, X])
    with pytest.raises(DataError, match="not below 0"):
        fit(TREES["flat"], relevance=np.full((60, 9), -1.0))
    ranker = fit(TREES["flat"])
    with pytest.raises(DataError, match="must have 40 sparse and 0 dense columns"):
        ranker.predict(X[:, :3])
    with pytest.raises(DataError, match="'pairs' must have shape"):
        ranker.score(X, np.ones((2, 9)))
    with pytest.raises(ConfigError, match="'top_k'"):
        ranker.predict(X, top_k=0)
