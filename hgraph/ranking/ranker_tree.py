"""`RankerTree`: the levels of a label tree as plain arrays, as a linear ranker reads them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError, DataError

if TYPE_CHECKING:
    from hgraph.graph.edit.level_partition import LevelPartition


@dataclass(frozen=True, eq=False)
class RankerTree:
    """Levels of nodes, each node with one parent on the level above; the nodes of the bottom stand for labels.

    A label may have several bottom nodes (copies, as a DAG needs them); its score is the highest of theirs. A tree of
    one level is plain one-vs-rest.

    Args:
        parents: for each level below the first, the position on the level above of each node's parent, ascending, so
            that siblings are next to each other.
        num_top: number of nodes of the first level.
        labels: label of each node of the last level.
        num_labels: number of labels `L`; a label without a node is never predicted.

    Shapes:
        - **parents:** int64 `[n_d]` for each level `d = 2..D`
        - **labels:** int64 `[n_D]`

    Raises:
        ConfigError: parents are not ascending or out of range, or labels are out of range.

    Example:
        >>> tree = RankerTree([np.array([0, 0, 1])], num_top=2, labels=np.array([0, 1, 2]), num_labels=3)
        >>> tree.num_nodes
        [2, 3]
        >>> [level.toarray().tolist() for level in tree.targets(np.array([[0, 1, 0], [1, 0, 1]]))]
        [[[1.0, 0.0], [1.0, 1.0]], [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]]
    """

    parents: list[np.ndarray]
    num_top: int
    labels: np.ndarray
    num_labels: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "parents", [_positions(above, "parents") for above in self.parents])
        object.__setattr__(self, "labels", _positions(self.labels, "labels"))
        if self.num_top < 1:
            raise ConfigError(f"'num_top' must be at least 1, found {self.num_top}. Give the tree a node.")
        for level, (above, size) in enumerate(zip(self.parents, self.num_nodes, strict=False), start=2):
            if (np.diff(above) < 0).any():
                raise ConfigError(f"'parents' of level {level} must be ascending. Sort its nodes by parent.")
            if len(above) == 0 or above[0] < 0 or above[-1] >= size:
                found = f"{above[0]} to {above[-1]}" if len(above) else "no nodes"
                raise ConfigError(f"'parents' of level {level} must be from 0 to {size - 1}, found {found}.")
        if len(self.labels) != self.num_nodes[-1]:
            raise ConfigError(
                f"'labels' must have one label for each of the {self.num_nodes[-1]} nodes of the last level, "
                f"found {len(self.labels)}."
            )
        if self.labels.min() < 0 or self.labels.max() >= self.num_labels:
            found = f"{self.labels.min()} to {self.labels.max()}"
            raise ConfigError(f"'labels' must be from 0 to {self.num_labels - 1}, found {found}.")

    @classmethod
    def of(cls, partition: LevelPartition, *, bottom: Literal["labels", "nodes"] = "labels") -> RankerTree:
        """The tree of a `LevelPartition`.

        Args:
            partition: a hierarchy drawn out over levels; not one with `extra_parents="native"`.
            bottom: `"labels"`: targets and scores are those of the labels of the hierarchy; the copy of an inner label
                is right whenever the label is. `"nodes"`: each bottom node counts as a label of its own; then targets
                are `partition.to_nodes(label_matrix)`, and `partition.to_labels(scores)` leads back.

        Example:
            >>> from hgraph.graph import LabelGraph, LevelPartition
            >>> RankerTree.of(LevelPartition(LabelGraph.from_edges([("a", "b"), ("a", "c")]))).num_nodes
            [1, 3]
        """
        if partition.extra_parents == "native":
            raise ConfigError(
                "A ranker needs one parent a node, found a partition with extra_parents='native'. "
                "Use extra_parents='primary' or 'copies'."
            )
        labels, num_labels = partition.levels[-1], partition.graph.num_labels
        if bottom == "nodes":
            labels, num_labels = np.arange(len(labels)), len(labels)
        elif bottom != "labels":
            raise ConfigError(f"'bottom' must be 'labels' or 'nodes', found {bottom!r}.")
        elif (labels < 0).any():
            raise ConfigError("Each node of the last level must be a label, found a cluster. Use pad=True.")
        parents = [partition.parent(level) for level in range(2, partition.num_levels + 1)]
        return cls(parents, num_top=partition.num_nodes[0], labels=labels, num_labels=num_labels)

    @classmethod
    def flat(cls, num_labels: int) -> RankerTree:
        """One level with a node for each label: one-vs-rest."""
        return cls([], num_top=num_labels, labels=np.arange(num_labels), num_labels=num_labels)

    @property
    def num_levels(self) -> int:
        """Number of levels `D`."""
        return len(self.parents) + 1

    @property
    def num_nodes(self) -> list[int]:
        """Number of nodes of each level, the first one's first."""
        return [self.num_top, *(len(above) for above in self.parents)]

    @cached_property
    def child_ptr(self) -> list[np.ndarray]:
        """For each level, where the children of each node above begin.

        Shapes:
            - **output:** int64 `[2]` for the first level, whose nodes hang on one root, then `[n_{d-1} + 1]`
        """
        top = np.array([0, self.num_top], dtype=np.int64)
        sizes = self.num_nodes
        return [top, *(np.searchsorted(p, np.arange(n + 1)) for p, n in zip(self.parents, sizes, strict=False))]

    def targets(self, label_matrix: Any) -> list[sp.csr_matrix]:
        """Which nodes of each level are right for each document: those of its labels, and the nodes above them.

        Shapes:
            - **label_matrix:** sparse or dense `[N, L]`, non-zero where a document has a label
            - **output:** for each level float32 CSR `[N, n_d]` of ones with sorted columns
        """
        present = sp.csr_matrix(label_matrix).astype(np.float32)
        if present.shape[1] != self.num_labels:
            raise DataError(f"'label_matrix' must have {self.num_labels} columns, found {present.shape[1]}.")
        present.data = (present.data != 0).astype(np.float32)
        present.eliminate_zeros()
        levels = [_ones(present[:, self.labels])]
        for above, size in zip(self.parents[::-1], self.num_nodes[-2::-1], strict=True):
            levels.append(_ones(levels[-1] @ _membership(above, size)))
        return levels[::-1]

    def beam(self, label_matrix: Any, *, least: int = 10, room: float = 2.0, share: float = 0.95) -> list[int]:
        """How many nodes a search should keep on each level above the last, for documents like these.

        A document can only be given labels below the nodes that are kept. So each level keeps `room` times as many as
        the right nodes that all but the richest documents have there, and not below `least`. In a hierarchy whose
        inner labels have copies down to the last level, each label of a document may need a node of its own.

        Args:
            label_matrix: sparse or dense `[N, L]`, non-zero where a document has a label.
            least: fewest nodes of a level.
            room: how many nodes to keep for each right one.
            share: share of the documents for which there is this room.

        Returns:
            A number for each level but the last, at most the nodes of the level.

        Example:
            >>> tree = RankerTree([np.array([0, 0, 1])], num_top=2, labels=np.array([0, 1, 2]), num_labels=3)
            >>> tree.beam(np.array([[0, 1, 0], [1, 1, 0]]), least=1, room=1.0)
            [1]
        """
        widths = []
        for level in self.targets(label_matrix)[:-1]:
            counts = np.diff(level.indptr)
            needed = int(np.ceil(room * np.quantile(counts, share, method="higher"))) if len(counts) else 0
            widths.append(min(max(least, needed), level.shape[1]))
        return widths

    def lift(self, values: sp.csr_matrix) -> list[sp.csr_matrix]:
        """Values of label cells added up over the nodes of each level, the first one's first, CSR `[N, n_d]`."""
        levels = [values.tocsr()[:, self.labels]]
        for above, size in zip(self.parents[::-1], self.num_nodes[-2::-1], strict=True):
            levels.append((levels[-1] @ _membership(above, size)).tocsr())
        return levels[::-1]

    def __repr__(self) -> str:
        nodes = " / ".join(f"{size:,}" for size in self.num_nodes)
        return f"{type(self).__name__}(nodes={nodes}, labels={self.num_labels:,})"


def _membership(above: np.ndarray, size: int) -> sp.csr_matrix:
    """Parent of each node as CSR `[n_d, n_{d-1}]` of ones."""
    ones, indptr = np.ones(len(above), dtype=np.float32), np.arange(len(above) + 1)
    return sp.csr_matrix((ones, above, indptr), shape=(len(above), size))


def _ones(matrix: sp.csr_matrix) -> sp.csr_matrix:
    matrix = matrix.tocsr()
    matrix.sort_indices()
    matrix.data[:] = 1
    return matrix


def _positions(array: Any, name: str) -> np.ndarray:
    """An array of positions as int64 `[n]`."""
    array = np.asarray(array)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ConfigError(f"'{name}' must be integers of shape [n], found {array.dtype} {list(array.shape)}.")
    return array.astype(np.int64)
