import hashlib

import numpy as np
import pytest
import scipy.sparse as sp

from hgraph.clustering import balanced_groups, two_means
from hgraph.clustering.kernels import choose_seeds, cut
from hgraph.errors import ConfigError, DataError


def random_vectors(size, channels, seed=0, density=0.2):
    generator = np.random.default_rng(seed)
    dense = generator.random((size, channels)) * (generator.random((size, channels)) < density)
    centre = generator.random((5, channels)) * (generator.random((5, channels)) < density)
    dense += centre[generator.integers(0, 5, size)]
    lengths = np.linalg.norm(dense, axis=1, keepdims=True)
    return (dense / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def norm(vector):
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else vector


def split_by_loops(vectors, members, num_left, seed, node, rounds=20):
    """The definition: sums made anew in each round, a sorted list, float64."""
    right, left = choose_seeds(np.uint64(seed), np.uint64(node), len(members))
    direction = vectors[members[right]] - vectors[members[left]]
    sides = None
    for _ in range(rounds):
        ranked = sorted(range(len(members)), key=lambda i: (float(vectors[members[i]] @ direction), i))
        new = set(ranked[:num_left])
        if new == sides:
            break
        sides = new
        sums = np.zeros((2, vectors.shape[1]))
        for i, member in enumerate(members):
            sums[0 if i in sides else 1] += vectors[member]
        direction = norm(sums[1]) - norm(sums[0])
    return [m for i, m in enumerate(members) if i in sides], [m for i, m in enumerate(members) if i not in sides]


def groups_by_loops(vectors, num_groups, seed):
    out = np.empty(len(vectors), dtype=int)
    todo = [(list(range(len(vectors))), num_groups, 0, 1)]
    while todo:
        members, groups, first, node = todo.pop()
        if groups == 1:
            out[members] = first
            continue
        lower = groups // 2
        left, right = split_by_loops(vectors, members, len(members) * lower // groups, seed, node)
        todo += [(left, lower, first, 2 * node), (right, groups - lower, first + lower, 2 * node + 1)]
    return out


@pytest.mark.parametrize("kind", [sp.csr_matrix, np.asarray])
@pytest.mark.parametrize(("size", "groups"), [(64, 8), (61, 8), (100, 7), (30, 30), (9, 2), (150, 64)])
def test_equals_the_definition(kind, size, groups):
    vectors = random_vectors(size, 40, seed=size)
    expected = groups_by_loops(vectors.astype(np.float64), groups, seed=3)
    np.testing.assert_array_equal(balanced_groups(kind(vectors), groups, seed=3, threads=1), expected)


@pytest.mark.parametrize("kind", [sp.csr_matrix, np.asarray])
def test_wide_nodes_and_threads_change_nothing(kind, monkeypatch):
    vectors = kind(random_vectors(700, 60, seed=1))
    expected = balanced_groups(vectors, 16, seed=5, threads=1)
    for threads in (2, 5):
        np.testing.assert_array_equal(balanced_groups(vectors, 16, seed=5, threads=threads), expected)
    monkeypatch.setattr(two_means, "WIDE_NODE", 500)
    for threads in (1, 2, 5):
        np.testing.assert_array_equal(balanced_groups(vectors, 16, seed=5, threads=threads), expected)


@pytest.mark.parametrize("size", [1, 2, 3, 10, 97, 128])
@pytest.mark.parametrize("groups", [1, 2, 3, 8, 10, 64])
def test_sizes_differ_by_at_most_one(size, groups):
    if groups > size:
        with pytest.raises(ConfigError, match=f"from 1 to {size}"):
            balanced_groups(random_vectors(size, 10), groups)
        return
    counts = np.bincount(balanced_groups(random_vectors(size, 10), groups), minlength=groups)
    assert len(counts) == groups
    assert set(counts) <= {size // groups, -(-size // groups)}


def test_similar_vectors_come_together():
    vectors = np.repeat(np.eye(4, dtype=np.float32), 25, axis=0)
    vectors[:, 0] += 0.1
    order = np.random.default_rng(0).permutation(100)
    kinds = [
        len(set(zip(balanced_groups(vectors[order], 4, seed=seed).tolist(), order // 25, strict=True)))
        for seed in range(5)
    ]
    assert min(kinds) == 4


def test_seed_decides():
    vectors = random_vectors(200, 30)
    codes = {hashlib.md5(balanced_groups(vectors, 4, seed=seed).tobytes()).hexdigest() for seed in range(4)}
    assert len(codes) > 1
    np.testing.assert_array_equal(balanced_groups(vectors, 4, seed=2), balanced_groups(vectors, 4, seed=2))


@pytest.mark.parametrize("kind", [sp.csr_matrix, np.asarray])
def test_rows_of_zeros_are_cut_by_their_position(kind):
    vectors = kind(np.zeros((10, 3), dtype=np.float32))
    assert balanced_groups(vectors, 2).tolist() == [0] * 5 + [1] * 5


def test_nothing_at_all():
    assert balanced_groups(np.zeros((0, 3), dtype=np.float32), 1).tolist() == []
    assert balanced_groups(sp.csr_matrix((1, 0), dtype=np.float32), 1).tolist() == [0]


def test_seeds_are_two_and_all_are_possible():
    pairs = {choose_seeds(np.uint64(seed), np.uint64(1), 3) for seed in range(100)}
    assert pairs == {(a, b) for a in range(3) for b in range(3) if a != b}


def test_cut_takes_the_lowest_keys():
    generator = np.random.default_rng(0)
    for size in (1, 2, 3, 17, 200):
        keys = generator.permutation(size * 3)[:size] - size
        for wanted in {0, size // 2, size - 1}:
            before, after = np.full(size, -1, np.int8), np.full(size, -1, np.int8)
            assert cut(keys, np.empty(size, np.int64), wanted, before, after)
            expected = np.ones(size, dtype=int)
            expected[np.argsort(keys)[:wanted]] = 0
            np.testing.assert_array_equal(after, expected)
            assert not cut(keys, np.empty(size, np.int64), wanted, after.copy(), after)


def test_progress_and_errors():
    seen = []
    balanced_groups(random_vectors(20, 5), 5, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(ConfigError, match="'rounds' must be at least 1"):
        balanced_groups(random_vectors(4, 5), 2, rounds=0)
    with pytest.raises(ConfigError, match="'threads' must be at least 1"):
        balanced_groups(random_vectors(4, 5), 2, threads=0)
    with pytest.raises(DataError, match="finite"):
        balanced_groups(np.full((4, 2), np.nan), 2)
    with pytest.raises(DataError, match="shape"):
        balanced_groups(np.zeros(4), 2)
