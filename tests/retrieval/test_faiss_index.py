"""The kinds of FAISS index: what they find, how they are made, where they are kept."""

import json
import logging
import os

import numpy as np
import pytest
import torch

from hgraph.errors import ConfigError, DataError
from hgraph.retrieval import ExactIndex, FaissIndex, build_index, faiss_kinds, faiss_or_none, load_index

pytestmark = pytest.mark.skipif(faiss_or_none() is None, reason="faiss is not installed")
N, D, Q, K = 3000, 24, 120, 10
KINDS = pytest.mark.parametrize("kind", ["flat", "hnsw", "ivf"])
SIMILARITIES = pytest.mark.parametrize("similarity", ["dot", "cosine"])


def clustered(count, seed, channels=D, centres=40):
    """Points around centres that are the same for every seed, of different lengths."""
    centre = np.random.default_rng(99).standard_normal((centres, channels))
    draw = np.random.default_rng(seed)
    points = centre[draw.integers(0, centres, count)] + 0.7 * draw.standard_normal((count, channels))
    return (points * draw.uniform(0.5, 1.5, (count, 1))).astype(np.float32)


VECTORS, QUERIES = clustered(N, 0), clustered(Q, 1)


def true_neighbours(similarity, k=K, queries=QUERIES, vectors=VECTORS):
    """Scores and ids by NumPy in float64."""
    queries, vectors = queries.astype(np.float64), vectors.astype(np.float64)
    if similarity == "cosine":
        queries, vectors = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, vectors))
    scores = queries @ vectors.T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), order, scores


def recall(indices, true):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(indices.tolist(), true.tolist(), strict=True)])


@KINDS
@SIMILARITIES
def test_recall_and_exact_scores(kind, similarity):
    index = FaissIndex(VECTORS, similarity=similarity, kind=kind)
    assert index.kind == kind
    share = index.tune(QUERIES, K, recall=0.97)
    scores, indices = index.search(QUERIES, K)
    _, true, everything = true_neighbours(similarity)
    assert recall(indices, true) >= (1.0 if kind == "flat" else 0.97)
    assert abs(recall(indices, true) - share) < 1e-3  # all queries were tried
    np.testing.assert_allclose(scores, np.take_along_axis(everything, indices.numpy(), axis=1), rtol=1e-4, atol=1e-4)
    assert (scores.diff(dim=1) <= 1e-6).all()
    assert (indices.dtype, scores.dtype) == (torch.int64, torch.float32)


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_more_effort_finds_more_and_tuning_takes_no_more_than_needed(kind, caplog):
    _, true, _ = true_neighbours("cosine")
    found = {}
    for effort in (1, 4, 16, 64):
        indices = FaissIndex(VECTORS, similarity="cosine", kind=kind, effort=effort).search(QUERIES, K)[1]
        found[effort] = recall(indices, true)
    assert found[1] < found[64]
    assert sorted(found.values()) == list(found.values())
    index = FaissIndex(VECTORS, similarity="cosine", kind=kind)
    low = index.tune(QUERIES, K, recall=0.6), index.effort
    high = index.tune(QUERIES, K, recall=0.99), index.effort
    assert low[0] >= 0.6 and high[0] >= 0.99
    assert low[1] <= high[1]
    if kind == "ivf":  # the graph finds all of these with its least effort
        assert low[1] < high[1]
    with caplog.at_level(logging.WARNING, logger="hgraph.retrieval"):
        index.tune(np.random.default_rng(0).standard_normal((30, D)), 2, recall=1.0)
    assert index.effort <= (faiss_kinds.num_lists(N) if kind == "ivf" else N)


def test_a_share_that_cannot_be_reached_is_said(caplog, monkeypatch):
    monkeypatch.setattr(faiss_kinds, "REFINEMENTS", (1,))
    monkeypatch.setattr(faiss_kinds, "LEAST_REFINED", 1)
    index = FaissIndex(VECTORS, similarity="cosine", kind="ivf")
    with caplog.at_level(logging.WARNING, logger="hgraph.retrieval"):
        found = index.tune(QUERIES, K, recall=1.0)
    assert found < 1
    assert f"finds {found:.3f} of the {K} nearest, less than the 1.000 asked for" in caplog.text
    most = FaissIndex(VECTORS, similarity="cosine", kind="ivf", effort=faiss_kinds.num_lists(N), refined=1)
    reached = (most.search(QUERIES, K)[0].numpy() >= true_neighbours("cosine")[0][:, -1:] - 1e-6).mean()
    assert found == pytest.approx(reached, abs=0.01)


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_k_beyond_what_the_lists_hold_and_beyond_all(kind):
    index = FaissIndex(VECTORS, kind=kind, effort=1)
    for k in (500, N, N + 5):
        scores, indices = index.search(QUERIES[:6], k)
        assert indices.shape == (6, min(k, N))
        assert all(len(set(row)) == len(row) and min(row) >= 0 for row in indices.tolist())
        assert torch.isfinite(scores).all()
    expected, _, _ = true_neighbours("dot", N, QUERIES[:6])
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)


@KINDS
def test_the_seed_decides_and_threads_do_not(kind):
    faiss = faiss_or_none()
    before = faiss.omp_get_max_threads()
    made = []
    try:
        for threads in (1, 2):
            faiss.omp_set_num_threads(threads)
            made.append(FaissIndex(VECTORS[:1200], kind=kind, seed=5, effort=4).search(QUERIES, K))
            assert faiss.omp_get_max_threads() == threads
    finally:
        faiss.omp_set_num_threads(before)
    assert torch.equal(made[0][0], made[1][0]) and torch.equal(made[0][1], made[1][1])
    if kind != "flat":
        other = FaissIndex(VECTORS[:1200], kind=kind, seed=6, effort=4).search(QUERIES, K)
        assert not torch.equal(other[1], made[0][1])


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("kind", ["exact", "flat", "hnsw", "ivf"])
@SIMILARITIES
def test_saved_and_loaded_it_answers_the_same(kind, similarity, mmap, tmp_path):
    folder = tmp_path / "deep" / "index"
    for vectors in (VECTORS[::-1].copy(), VECTORS):  # the second replaces the first
        if kind == "exact":
            index = ExactIndex(vectors, similarity=similarity, precision="float32", chunk=100)
        else:
            index = FaissIndex(vectors, similarity=similarity, kind=kind)
            index.tune(QUERIES, K, recall=0.9)
        index.save(folder)
    loaded = load_index(folder, mmap=mmap)
    assert type(loaded) is type(index)
    assert repr(loaded) == repr(index)
    for k in (1, K):
        for one, other in zip(index.search(QUERIES, k), loaded.search(QUERIES, k), strict=True):
            assert torch.equal(one, other)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["index"]
    loaded.save(tmp_path / "again")  # what is mapped can be written
    assert torch.equal(load_index(tmp_path / "again").search(QUERIES, K)[1], index.search(QUERIES, K)[1])


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc")
@pytest.mark.parametrize("kind", ["exact", "flat", "hnsw"])
def test_a_mapped_index_is_not_read_into_memory(kind, tmp_path):
    def anonymous():
        with open("/proc/self/status") as status:
            return 1024 * next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))

    vectors = clustered(2_000, 0, 6_000)
    index = ExactIndex(vectors) if kind == "exact" else FaissIndex(vectors, kind=kind)
    index.save(tmp_path / "index")
    took = {}
    for mmap in (True, False):
        before = anonymous()
        loaded = load_index(tmp_path / "index", mmap=mmap)
        took[mmap] = anonymous() - before
        del loaded
    assert took[True] < 0.1 * vectors.nbytes < 0.9 * vectors.nbytes < took[False]


def test_a_crash_while_saving_leaves_the_old_index(tmp_path, monkeypatch):
    folder = tmp_path / "index"
    FaissIndex(VECTORS, kind="flat").save(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def crash(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr(faiss_or_none(), "write_index", crash)
        FaissIndex(VECTORS[::-1].copy(), kind="flat").save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"type": "Other", "similarity": "dot"}'])
def test_what_is_no_index_is_refused(content, tmp_path):
    if content is not None:
        (tmp_path / "index.json").write_text(content)
    with pytest.raises(
        DataError, match=r"expected a folder with a saved index, found no readable index\.json"
    ) as error:
        load_index(tmp_path)
    assert str(tmp_path) in str(error.value)
    sizes = {"type": "Other", "similarity": "dot", "num_vectors": 1, "channels": 1}
    (tmp_path / "index.json").write_text(json.dumps(sizes))
    with pytest.raises(DataError, match="expected one of ExactIndex, FaissIndex, found 'Other'"):
        load_index(tmp_path)


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_many_queries_are_answered_in_their_order(kind, monkeypatch):
    index, many = FaissIndex(VECTORS, kind=kind, effort=20), clustered(1500, 3)
    scores, indices = index.search(many, K)
    for rows in (slice(0, 7), slice(1400, 1500)):
        assert torch.equal(index.search(many[rows], K)[1], indices[rows])
        torch.testing.assert_close(index.search(many[rows], K)[0], scores[rows])


def test_the_size_chooses_the_kind(monkeypatch):
    assert FaissIndex(VECTORS).kind == "flat"
    monkeypatch.setattr(faiss_kinds, "FLAT_LIMIT", N - 1)
    assert FaissIndex(VECTORS).kind == "ivf"
    assert build_index(VECTORS, kind="hnsw").kind == "hnsw"
    for kind in ("hnsw", "ivf", "auto"):
        assert FaissIndex(VECTORS[: faiss_kinds.SMALLEST - 1], kind=kind).kind == "flat"
    assert [faiss_kinds.num_lists(n) for n in (1_000, 20_001, 100_000, 1_000_000)] == [256, 1024, 2048, 8192]


@pytest.mark.parametrize("channels", [1, 3, 17, 97, 130])
@SIMILARITIES
def test_any_width(channels, similarity):
    vectors, queries = clustered(1200, 0, channels), clustered(20, 1, channels)
    index = FaissIndex(vectors, similarity=similarity, kind="ivf")
    expected, _, _ = true_neighbours(similarity, 3, queries, vectors)
    assert index.tune(queries, 3, recall=0.95) >= 0.95
    assert (index.search(queries, 3)[0].numpy() >= expected[:, 2:] - 1e-4).mean() >= 0.95


def test_strongest_directions():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    rows = (rng.standard_normal((500, 8)) * [9, 8, 7, 6, 0.1, 0.1, 0.1, 0.1]) @ basis + 3 * basis[0]
    found = faiss_kinds.strongest_directions(torch.from_numpy(rows), 4, 0).double().numpy()
    np.testing.assert_allclose(found @ found.T, np.eye(4), atol=1e-5)
    np.testing.assert_allclose(rows @ found.T @ found, rows, atol=2)  # what is left out is small
    values, vectors = np.linalg.eigh(rows.T @ rows)
    strongest = vectors[:, np.argsort(-values)[:4]]
    np.testing.assert_allclose(found.T @ found, strongest @ strongest.T, atol=1e-4)
    uneven = rng.standard_normal((500, 64)) * np.r_[20, np.ones(63)]
    lengths = (
        (uneven @ faiss_kinds.strongest_directions(torch.from_numpy(uneven), 32, 0).double().numpy().T) ** 2
    ).sum(0)
    assert (
        lengths.max() / lengths.sum() < 0.5 < 0.8 < (uneven**2).sum(0).max() / (uneven**2).sum()
    )  # turned, it is shared
    padded = faiss_kinds.strongest_directions(torch.from_numpy(rows[:, :3]), 4, 0)
    assert padded.shape == (4, 3) and padded[3].eq(0).all()


class FakeGpu:
    """Stands for a faiss built for GPUs: the index stays where it is, and it is noted what was asked."""

    def __init__(self, faiss):
        self.faiss, self.calls = faiss, []

    def __getattr__(self, name):
        return getattr(self.faiss, name)

    def get_num_gpus(self):
        return 1

    def StandardGpuResources(self):
        self.calls.append("resources")
        return object()

    def index_cpu_to_gpu(self, resources, device, index):
        self.calls.append(("to gpu", device, type(index).__name__))
        return index

    def index_gpu_to_cpu(self, index):
        self.calls.append("to cpu")
        return index


@pytest.mark.parametrize(("kind", "made"), [("auto", "IndexFlatIP"), ("flat", "IndexFlatIP"), ("ivf", "IndexIVFFlat")])
def test_a_gpu_is_used_where_there_is_one_and_never_saved(kind, made, monkeypatch, tmp_path):
    monkeypatch.setattr(faiss_kinds, "FLAT_LIMIT", 100)
    fake = FakeGpu(faiss_or_none())
    monkeypatch.setattr("hgraph.retrieval.faiss_index.require_faiss", lambda _: fake)
    index = FaissIndex(VECTORS, similarity="cosine", kind=kind)
    assert index.on_gpu and fake.calls == ["resources", ("to gpu", 0, made)]
    index.tune(QUERIES, K)
    _, true, _ = true_neighbours("cosine")
    found = index.search(QUERIES, K)[1]
    assert recall(found, true) >= 0.98
    index.save(tmp_path / "index")
    assert fake.calls[-1] == "to cpu"
    loaded = load_index(tmp_path / "index")
    assert not loaded.on_gpu and torch.equal(loaded.search(QUERIES, K)[1], found)
    assert not FaissIndex(VECTORS, kind="ivf", device="cpu").on_gpu
    assert not FaissIndex(VECTORS, kind="hnsw").on_gpu
    with pytest.raises(ConfigError, match="'kind' must be 'flat' or 'ivf' on a GPU, but got 'hnsw'"):
        FaissIndex(VECTORS, kind="hnsw", device="gpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "pq"}, "'kind' must be one of flat, hnsw, ivf, auto, but got 'pq'"),
        ({"device": "tpu"}, "'device' must be one of auto, cpu, gpu, but got 'tpu'"),
        ({"effort": 0}, "'effort' must be at least 1, but got 0"),
        ({"refined": 0}, "'refined' must be at least 1, but got 0"),
    ],
)
def test_refuses_bad_options(arguments, message):
    with pytest.raises(ConfigError, match=message):
        FaissIndex(VECTORS, **arguments)


def test_refuses_a_gpu_that_is_not_there_and_bad_tuning():
    if not (hasattr(faiss_or_none(), "StandardGpuResources") and faiss_or_none().get_num_gpus()):
        with pytest.raises(ConfigError, match="'device' is 'gpu', but faiss sees none"):
            FaissIndex(VECTORS, device="gpu")
    index = FaissIndex(VECTORS, kind="ivf")
    for share in (0, 1.5, float("nan")):
        with pytest.raises(ConfigError, match="'recall' must be above 0 and at most 1"):
            index.tune(QUERIES, K, recall=share)
    with pytest.raises(DataError, match=r"'queries' has shape \[3, 2\]"):
        index.tune(np.ones((3, 2)), K)
    assert index.tune(np.ones((0, D)), K) == 1.0
