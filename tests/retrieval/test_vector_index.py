"""Every index against a full sort in NumPy."""

import numpy as np
import pytest
import torch

from hgraph.errors import ConfigError, DataError
from hgraph.retrieval import ExactIndex, FaissIndex, VectorIndex, exact_top_k, faiss_or_none, nearest

INDEXES = {
    "exact": ExactIndex,
    "exact in small blocks": lambda vectors, **options: ExactIndex(vectors, chunk=7, **options),
    "exact in float32": lambda vectors, **options: ExactIndex(vectors, precision="float32", **options),
    "exact in float32 blocks": lambda vectors, **options: ExactIndex(vectors, precision="float32", chunk=7, **options),
    "faiss": FaissIndex,
}
ALL = pytest.mark.parametrize("name", INDEXES)
SIMILARITIES = pytest.mark.parametrize("similarity", ["dot", "cosine"])
Q, N, D = 13, 50, 6


@pytest.fixture(autouse=True)
def _needs_faiss(request):
    if "faiss" in request.node.name and faiss_or_none() is None:
        pytest.skip("faiss is not installed")


def reference(queries, vectors, k, similarity):
    """All scores, then a stable sort: the first of equal scores is the one with the smaller index."""
    queries, vectors = np.asarray(queries, dtype=np.float64), np.asarray(vectors, dtype=np.float64)
    scores = np.array([[sum(a * b for a, b in zip(q, v, strict=True)) for v in vectors] for q in queries])
    scores = scores.reshape(len(queries), len(vectors))
    if similarity == "cosine":
        lengths = np.outer(np.sqrt((queries**2).sum(1)), np.sqrt((vectors**2).sum(1)))
        scores = np.divide(scores, lengths, out=np.zeros_like(scores), where=lengths > 0)
    scores = scores.astype(np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), order


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


@ALL
@SIMILARITIES
@pytest.mark.parametrize("k", [1, 5, 7, 8, N, N + 10])
def test_finds_what_a_full_sort_finds(name, similarity, k):
    queries, vectors = normal(Q, D), normal(N, D, seed=1)
    index = INDEXES[name](vectors, similarity=similarity)
    assert isinstance(index, VectorIndex)
    assert (index.num_vectors, index.channels) == (N, D)
    scores, indices = index.search(queries, k)
    expected_scores, expected = reference(queries, vectors, k, similarity)
    assert (scores.dtype, indices.dtype) == (torch.float32, torch.int64)
    assert indices.shape == (Q, min(k, N))
    np.testing.assert_array_equal(indices.numpy(), expected)
    np.testing.assert_allclose(scores.numpy(), expected_scores, rtol=1e-5, atol=1e-6)


@SIMILARITIES
def test_faiss_agrees_with_exact_at_a_real_width(similarity):
    queries, vectors = normal(200, 96), normal(5000, 96, seed=1)
    exact, found = (INDEXES[n](vectors, similarity=similarity).search(queries, 20) for n in ("exact", "faiss"))
    torch.testing.assert_close(found[0], exact[0], rtol=1e-5, atol=1e-5)
    # Float32 sums may swap two vectors whose scores are equal to rounding, nothing else.
    for i, j in (found[1] != exact[1]).nonzero().tolist():
        assert abs(exact[0][i] - exact[0][i, j]).lt(1e-5).sum() > 1


@ALL
@pytest.mark.parametrize("as_input", [torch.from_numpy, np.ndarray.tolist, np.asfortranarray, lambda x: x.astype("f8")])
def test_takes_tensors_arrays_and_lists(name, as_input):
    queries, vectors = normal(Q, D), normal(N, D, seed=1)
    scores, indices = INDEXES[name](as_input(vectors)).search(as_input(queries), 3)
    np.testing.assert_array_equal(indices.numpy(), reference(queries, vectors, 3, "dot")[1])
    assert not scores.requires_grad


@ALL
@SIMILARITIES
@pytest.mark.parametrize(("num_queries", "num_vectors"), [(0, N), (3, 1), (1, N), (3, 0), (0, 0)])
def test_no_queries_one_vector_no_vectors(name, similarity, num_queries, num_vectors):
    queries, vectors = normal(num_queries, D), normal(num_vectors, D, seed=1)
    scores, indices = INDEXES[name](vectors, similarity=similarity).search(queries, 4)
    assert scores.shape == indices.shape == (num_queries, min(4, num_vectors))
    assert (scores.dtype, indices.dtype) == (torch.float32, torch.int64)
    np.testing.assert_array_equal(indices.numpy(), reference(queries, vectors, 4, similarity)[1])


@ALL
def test_a_zero_vector_has_cosine_zero(name):
    index = INDEXES[name]([[0.0, 0.0], [-1.0, 0.0], [2.0, 0.0], [1e-30, 0.0]], similarity="cosine")
    scores, _ = index.search([[1.0, 0.0], [0.0, 0.0]], 4)
    np.testing.assert_allclose(scores.numpy(), [[1, 1, 0, -1], [0, 0, 0, 0]], atol=1e-6)


@ALL
@SIMILARITIES
def test_keeps_a_copy_without_gradient(name, similarity):
    vectors = torch.nn.Parameter(torch.from_numpy(normal(N, D)))
    queries = torch.from_numpy(normal(Q, D, seed=1)).requires_grad_()
    index = INDEXES[name](vectors, similarity=similarity)
    before = index.search(queries, 3)
    with torch.no_grad():
        vectors.zero_()
    after = index.search(queries, 3)
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    assert not before[0].requires_grad


@pytest.mark.parametrize("chunk", [1, 3, 8, 4096])
@SIMILARITIES
def test_ties_go_to_the_smaller_index_across_blocks(chunk, similarity):
    rng = np.random.default_rng(0)
    vectors = rng.integers(-1, 2, (60, 3)).astype(np.float32)  # 27 different vectors, many of them repeated
    queries = rng.integers(-2, 3, (20, 3)).astype(np.float32)
    for k in (1, 10, 60):
        scores, indices = ExactIndex(vectors, similarity="dot", chunk=chunk).search(queries, k)
        expected_scores, expected = reference(queries, vectors, k, "dot")
        np.testing.assert_array_equal(indices.numpy(), expected)
        np.testing.assert_array_equal(scores.numpy(), expected_scores)
    repeated = np.tile(normal(5, 33), (4, 1))
    _, indices = ExactIndex(repeated, similarity=similarity, chunk=chunk).search(normal(9, 33, seed=1), 20)
    groups = indices.reshape(9, 5, 4)  # each vector, its four copies in order
    assert (groups.diff(dim=2) == 5).all()


def test_both_zeros_and_both_signs_are_ordered():
    vectors = torch.tensor([[-0.0], [0.0], [-1e-40], [1e-40], [-3e38], [3e38], [-1.0], [1.0]])
    scores, indices = ExactIndex(vectors).search([[1.0]], 8)
    assert indices.tolist() == [[5, 7, 3, 0, 1, 2, 6, 4]]
    np.testing.assert_array_equal(scores.numpy(), vectors[indices[0]].T.numpy())
    assert ExactIndex([[2e38], [-2e38]]).search([[10.0]], 2)[0].tolist() == [[float("inf"), -float("inf")]]


@SIMILARITIES
def test_a_score_depends_neither_on_the_batch_nor_on_the_block(similarity):
    queries, vectors = normal(40, 65), normal(300, 65, seed=1)
    scores, indices = ExactIndex(vectors, similarity=similarity).search(queries, 300)
    blocks = ExactIndex(vectors, similarity=similarity, chunk=11)
    for rows in (slice(0, 1), slice(3, 17), slice(0, 40)):
        other_scores, other = blocks.search(queries[rows], 300)
        torch.testing.assert_close(other_scores, scores[rows], rtol=2e-7, atol=1e-12)
        assert torch.equal(other, indices[rows])


def test_no_block_exceeds_the_chunk(monkeypatch):
    seen = []
    monkeypatch.setattr(torch.Tensor, "float", lambda x: seen.append(tuple(x.shape)) or x.to(torch.float32))
    exact_top_k(torch.randn(25, 4), torch.randn(33, 4), 3, chunk=10)
    assert len(seen) == 3 * 4
    assert max(rows for rows, _ in seen) == max(columns for _, columns in seen) == 10


@ALL
@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([1.0, 2.0], r"'vectors' has shape \[2\], expected \[vectors, channels\]"),
        (np.zeros((3, 0)), r"'vectors' has shape \[3, 0\]"),
        ([[1.0, float("nan")]], "'vectors' contains NaN"),
        (torch.tensor([[1.0, -float("inf")]]), "'vectors' contains NaN or infinity"),
        (np.array([[1e300]]), "infinity in float32"),
        ([["a"]], "'vectors' is not a dense matrix of numbers: got list"),
        ([[1.0], [1.0, 2.0]], "not a dense matrix"),
        (torch.eye(2).to_sparse(), "to_dense"),
    ],
)
def test_refuses_vectors_that_are_no_finite_matrix(name, vectors, message):
    with pytest.raises(DataError, match=message):
        INDEXES[name](vectors)


@ALL
def test_refuses_bad_queries_and_options(name):
    index = INDEXES[name](normal(N, D))
    with pytest.raises(DataError, match=r"'queries' has shape \[2, 5\], expected \[queries, 6\]"):
        index.search(normal(2, 5), 3)
    with pytest.raises(DataError, match="'queries' contains NaN"):
        index.search(np.full((2, D), np.nan), 3)
    for k in (0, -1, 2.0, True):
        with pytest.raises(ConfigError, match=f"'k' is {k}, expected an integer"):
            index.search(normal(2, D), k)
    with pytest.raises(ConfigError, match="'similarity' must be one of dot, cosine, but got 'l2'"):
        INDEXES[name](normal(N, D), similarity="l2")
    assert "num_vectors=50, channels=6, similarity='dot'" in repr(index)


def test_refuses_an_empty_chunk():
    with pytest.raises(ConfigError, match="'chunk' must be at least 1, but got 0"):
        ExactIndex(normal(N, D), chunk=0)


def test_refuses_an_unknown_precision():
    with pytest.raises(ConfigError, match="'precision' must be one of float64, float32, but got 'float16'"):
        ExactIndex(normal(N, D), precision="float16")


@SIMILARITIES
def test_float32_agrees_with_float64_at_a_real_width(similarity):
    queries, vectors = normal(200, 96), normal(5000, 96, seed=1)
    exact, found = (
        ExactIndex(vectors, similarity=similarity, precision=precision, chunk=700).search(queries, 20)
        for precision in ("float64", "float32")
    )
    torch.testing.assert_close(found[0], exact[0], rtol=1e-5, atol=1e-5)
    for i, j in (found[1] != exact[1]).nonzero().tolist():
        assert abs(exact[0][i] - exact[0][i, j]).lt(1e-5).sum() > 1


def test_nearest_uses_the_cosine_unless_told_otherwise():
    queries, vectors = [[1.0, 0.2]], [[1.0, 0.0], [9.0, 9.0]]
    assert nearest(queries, vectors, 1)[1].tolist() == [[0]]
    assert nearest(queries, vectors, 1, similarity="dot", backend="exact")[1].tolist() == [[1]]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@SIMILARITIES
def test_gpu_vectors_give_the_same_answer(similarity):
    queries, vectors = normal(Q, D), torch.from_numpy(normal(N, D, seed=1)).cuda()
    scores, indices = ExactIndex(vectors, similarity=similarity, chunk=7).search(queries, 9)
    expected_scores, expected = reference(queries, vectors.cpu(), 9, similarity)
    np.testing.assert_array_equal(indices.numpy(), expected)
    np.testing.assert_allclose(scores.numpy(), expected_scores, rtol=1e-6)
