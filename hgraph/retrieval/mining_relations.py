"""Who is a positive, who must not be a negative, and who is a sibling: for labels and for texts."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph
from hgraph.retrieval.rows import NONE, are_in, binary_csr, draw_members, share_entries

MAX_SIBLINGS = 512
"""Most siblings a document that are compared; of more, so many are drawn."""
MAX_POSITIVE_TEXTS = 16
"""Most positive texts a text that are compared; of more, so many are drawn."""


@dataclass(frozen=True)
class MiningRelations:
    """How each document stands to the targets, which are labels or texts.

    Attributes:
        num_targets: Number W of targets.
        positives: CSR `[N, G]` over groups, and the members of each group, CSR `[G, W]`: the positives of a document.
        max_positives: Most positives a document that are compared.
        excluded: Pairs of CSR `[N, G]` and `[W, G]`: a target that shares an entry with a document is no negative.
        parents: CSR `[N, L]` and `[W, L]`: what shares a parent with a document is a sibling; None without hierarchy.
        members: CSR `[L, W]`, the targets under each parent; None without hierarchy.
        is_self: Whether target i is document i.
    """

    num_targets: int
    positives: tuple[sp.csr_matrix, sp.csr_matrix]
    max_positives: int
    excluded: tuple[tuple[sp.csr_matrix, sp.csr_matrix], ...]
    parents: tuple[sp.csr_matrix, sp.csr_matrix] | None
    members: sp.csr_matrix | None
    is_self: bool

    @property
    def num_documents(self) -> int:
        """Number N of documents."""
        return self.positives[0].shape[0]

    def labelled(self) -> np.ndarray:
        """Documents that have labels, int64."""
        return np.flatnonzero(np.diff(self.positives[0].indptr))

    def positives_of(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Positives of some documents, `[B, P]`, -1 after the last."""
        groups, members = self.positives
        found = draw_members(groups[rows], members, self.max_positives, rng)
        return np.where(found == rows[:, None], NONE, found) if self.is_self else found

    def without_excluded(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """`columns` `[B, C]` with -1 in the place of what must not be a negative of documents `rows` `[B]`."""
        wrong = columns == rows[:, None] if self.is_self else np.zeros_like(columns, dtype=bool)
        for documents, targets in self.excluded:
            wrong |= share_entries(documents[rows], targets, columns)
        return np.where(wrong, NONE, columns)

    def are_siblings(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Which of `columns` share a parent with a positive of their document."""
        if self.parents is None:
            return np.zeros_like(columns, dtype=bool)
        return share_entries(self.parents[0][rows], self.parents[1], columns)

    def other_siblings(self, rows: np.ndarray, columns: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Siblings that may be negatives and are not among `columns`, `[B, S]`, -1 where there is none."""
        if self.parents is None or self.members is None:
            return np.full((len(rows), 0), NONE)
        found = draw_members(self.parents[0][rows], self.members, MAX_SIBLINGS, rng)
        found = np.where(are_in(found, columns, self.num_targets), NONE, found)
        return self.without_excluded(rows, found)


def label_relations(
    labels: sp.csr_matrix, graph: LabelGraph | None = None, *, exclude_descendants: bool = False
) -> MiningRelations:
    """Documents and labels.

    The positives of a document are its most specific labels; excluded are these and their ancestors, which it carries
    by implication.

    Args:
        labels: CSR `[N, L]`, closed upward or not.
        graph: The hierarchy; without one a label stands alone.
        exclude_descendants: Whether the descendants are excluded too, which may be true and too fine to be marked.
    """
    given = _checked(labels, graph)
    if exclude_descendants and graph is None:
        raise ConfigError("'exclude_descendants' needs the hierarchy, but 'graph' is None.")
    same = sp.identity(given.shape[1], dtype=bool, format="csr")
    if graph is None:
        return MiningRelations(given.shape[1], (given, same), given.shape[1], ((given, same),), None, None, False)
    specific, closed = binary_csr(graph.most_specific(given)), binary_csr(graph.expand(given))
    if exclude_descendants:
        closed = binary_csr(closed + specific @ graph.descendants)
    return MiningRelations(
        num_targets=graph.num_labels,
        positives=(specific, same),
        max_positives=graph.num_labels,
        excluded=((closed, same),),
        parents=(binary_csr(specific @ graph.parents), graph.parents),
        members=graph.children,
        is_self=False,
    )


def text_relations(
    labels: sp.csr_matrix, graph: LabelGraph | None = None, *, level: int | None = None
) -> MiningRelations:
    """Documents and documents.

    Two documents are positives of each other where they share a most specific label. Excluded is more: a document whose
    label is the other's, an ancestor of it or a descendant.

    Args:
        labels: CSR `[N, L]`, closed upward or not.
        graph: The hierarchy; without one a label stands alone.
        level: Labels below this level count as their ancestors on it: two documents that part only further down are
            positives.
    """
    given = _checked(labels, graph)
    if level is not None and (graph is None or not 1 <= level <= graph.num_levels):
        highest = "no hierarchy" if graph is None else f"levels 1 to {graph.num_levels}"
        raise ConfigError(f"'level' must be a level of the hierarchy, but got {level} with {highest}.")
    specific = closed = given
    if graph is not None:
        closed = binary_csr(graph.expand(given))
        if level is not None:
            closed = binary_csr(closed.multiply(graph.level.numpy() <= level))
        specific = binary_csr(graph.most_specific(closed))
    parents = None if graph is None else binary_csr(specific @ graph.parents)
    return MiningRelations(
        num_targets=given.shape[0],
        positives=(specific, binary_csr(specific.T)),
        max_positives=MAX_POSITIVE_TEXTS,
        excluded=((specific, closed), (closed, specific)),
        parents=None if parents is None else (parents, parents),
        members=None if parents is None else binary_csr(parents.T),
        is_self=True,
    )


def _checked(labels: sp.csr_matrix, graph: LabelGraph | None) -> sp.csr_matrix:
    if not sp.issparse(labels):
        raise DataError(f"'labels' must be a sparse matrix [documents, labels], but got {type(labels).__name__}.")
    if graph is not None and labels.shape[1] != graph.num_labels:
        raise DataError(f"'labels' must have {graph.num_labels} columns, one a label, found {labels.shape[1]}.")
    return binary_csr(labels)
