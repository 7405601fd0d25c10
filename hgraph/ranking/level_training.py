"""Train the classifiers of one level: blocks of documents, work items, threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from hgraph.ranking.level_weights import LevelWeights, chunked
from hgraph.ranking.ranker_features import RankerFeatures

ITEM_COST = 2e7
"""Rows x features x children above which the children of one parent are spread over several work items."""
GRAM_ROWS = 2048
"""Most rows of a block whose Gram matrix is made (16 MB a thread)."""
TASK_COST = 2e7
"""Work items up to this cost go together into one task."""
LEVEL_TASKS = 8
"""About as many tasks are made of a level that is smaller, so that the threads share it."""


@dataclass(frozen=True)
class SolverOptions:
    """Settings of the solver, as `LinearRanker.fit` describes them."""

    cp: float
    cn: float
    threshold: float
    keep: int | None
    bias: float
    max_iterations: int
    tolerance: float
    seed: int


def document_lists(targets: sp.csr_matrix, mask: sp.csr_matrix, parents: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Documents of each parent's block, ascending, and which of them every child counts as a negative or positive.

    Shapes:
        - **targets:** CSR `[N, n_d]`; **mask:** CSR `[N, P]`, the active blocks; **parents:** `[n_d]`, None for a root
        - **output:** `block_ptr [P + 1]`, `rows [m]`, `in_all [m]`
    """
    if parents is None:
        rows = np.arange(targets.shape[0])
        return np.array([0, len(rows)]), rows, np.ones(len(rows), dtype=bool)
    ones = np.ones(len(parents), dtype=np.float32)
    member = sp.csr_matrix((ones, parents, np.arange(len(parents) + 1)), shape=(len(parents), mask.shape[1]))
    positive, active = (targets @ member).tocsr(), mask.tocsr().copy()
    positive.data[:], active.data[:] = 1, 2  # 2 or 3: in the mask
    both = (positive + active).tocsc()
    both.sort_indices()
    return both.indptr.astype(np.int64), both.indices.astype(np.int64), both.data >= 2


def work_items(child_ptr: np.ndarray, trained: np.ndarray, cells: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Tasks of work items, the most expensive first; they depend on the data alone, not on the threads.

    Shapes:
        - **child_ptr:** `[P + 1]`; **trained:** whether a parent's children need classifiers, `[P]`
        - **cells, rows:** stored features and documents of each block, `[P]`
        - **output:** int64 `[n, 3]`, parent, first child, last child + 1
    """
    items, costs = [], []
    each = np.maximum(cells.astype(np.float64), 1.0)
    share = float((each * np.diff(child_ptr))[trained].sum()) / LEVEL_TASKS
    for parent in np.flatnonzero(trained).tolist():
        first, last = int(child_ptr[parent]), int(child_ptr[parent + 1])
        step = last - first if rows[parent] <= GRAM_ROWS else max(1, int(min(ITEM_COST, share) / each[parent]))
        for begin in range(first, last, step):
            items.append((parent, begin, min(begin + step, last)))
            costs.append(each[parent] * (min(begin + step, last) - begin))
    if not items:
        return []
    order = np.argsort(-np.array(costs), kind="stable")
    task = (np.cumsum(np.array(costs)[order]) // min(TASK_COST, share)).astype(np.int64)
    return np.split(np.array(items, dtype=np.int64)[order], np.flatnonzero(np.diff(task)) + 1)


def train_level(
    features: RankerFeatures,
    targets: sp.csr_matrix,
    relevance: np.ndarray,
    mask: sp.csr_matrix,
    child_ptr: np.ndarray,
    parents: np.ndarray | None,
    options: SolverOptions,
    threads: int,
) -> LevelWeights:
    """The classifiers of all nodes of one level.

    Shapes:
        - **targets:** CSR `[N, n_d]`; **relevance:** of its cells, `[nnz]`; **mask:** CSR `[N, P]`
        - **child_ptr:** `[P + 1]`; **parents:** `[n_d]`, None on the first level
    """
    from hgraph.ranking.level_kernels import train_items

    num_nodes, num_parents = targets.shape[1], len(child_ptr) - 1
    blocks = document_lists(targets, mask, parents)
    lengths = np.diff(features.indptr) + 1 + features.num_dense
    cells = np.diff(np.concatenate([[0], np.cumsum(lengths[blocks[1]])])[blocks[0]])
    only_child = np.diff(child_ptr) == 1
    tasks = work_items(child_ptr, ~only_child, cells, np.diff(blocks[0]))
    cost = sp.csr_matrix((relevance, targets.indices, targets.indptr), shape=targets.shape).tocsc()
    cost.sort_indices()
    positives = (cost.indptr.astype(np.int64), cost.indices.astype(np.int64), cost.data.astype(np.float64))
    counts, bias = np.zeros(num_nodes, dtype=np.int64), np.zeros(num_nodes, dtype=np.float32)
    dense = np.zeros((num_nodes, features.num_dense), dtype=np.float32)
    keep = np.iinfo(np.int64).max if options.keep is None else options.keep
    settings = (options.threshold, keep, options.max_iterations, options.tolerance, features.num_sparse, GRAM_ROWS)
    sparse, weights = (features.indptr, features.indices, features.data), (options.cp, options.cn, options.bias)

    def run(items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return train_items(
            items,
            child_ptr,
            blocks,
            sparse,
            features.dense,
            positives,
            weights,
            settings,
            options.seed,
            counts,
            bias,
            dense,
        )

    if threads == 1:
        found = [run(items) for items in tasks]
    else:
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(run, tasks))
    lists = _list_starts(tasks, counts), counts
    entries = (
        np.concatenate([np.zeros(0, dtype=np.int32), *(pair[0] for pair in found)]),
        np.concatenate([np.zeros(0, dtype=np.float32), *(pair[1] for pair in found)]),
    )
    return chunked(
        child_ptr,
        only_child.astype(np.uint8),
        lists,
        entries,
        (bias, dense),
        features.num_sparse,
        min(threads, num_parents),
    )


def _list_starts(tasks: list[np.ndarray], counts: np.ndarray) -> np.ndarray:
    """Where the entries of each node begin in those of all tasks one after the other, int64 `[n_d]`."""
    starts = np.zeros(len(counts), dtype=np.int64)
    if tasks:
        items = np.concatenate(tasks)
        sizes = items[:, 2] - items[:, 1]
        shift = np.repeat(items[:, 1] - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
        nodes = np.arange(sizes.sum()) + shift
        starts[nodes] = np.concatenate([[0], np.cumsum(counts[nodes])[:-1]])
    return starts
