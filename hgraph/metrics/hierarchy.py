"""Measures that know the hierarchy: violations, figures by level, hierarchical precision and recall."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse

from hgraph.decoding.cells import binary, cell_rows
from hgraph.metrics.f1 import LabelCounts, label_counts, macro_of_counts, micro_of_counts

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph


class HierarchicalScores(NamedTuple):
    """Precision, recall and F1 over label sets with all their ancestors."""

    precision: float
    recall: float
    f1: float


class ViolationRates(NamedTuple):
    """Shares of predicted cells and of documents that break the hierarchy."""

    cells: float
    documents: float


def violation_rates(predictions: Any, graph: "LabelGraph") -> ViolationRates:
    """How often a label is predicted without one of its parents.

    A predicted cell (document, label) is a violation when at least one parent of the label is not predicted for that
    document: with several parents, all of them are required. The rate of cells is over all predicted cells, labels
    without parents included; the rate of documents is over all documents. Measure it before ancestors are added.

    Args:
        predictions: CSR [N, L], non-zero = the label is predicted.
        graph: The hierarchy of the L labels.

    Example:
        >>> from hgraph.graph.label_graph import LabelGraph
        >>> violation_rates([[1, 1], [0, 1], [1, 0], [0, 0]], LabelGraph.from_edges([("root", "leaf")]))
        ViolationRates(cells=0.25, documents=0.25)
    """
    guess = binary(predictions, name="predictions")
    rows, broken = cell_rows(guess), _broken_cells(guess, sparse.csr_matrix(graph.parents))
    num_documents = guess.shape[0]
    broken_documents = int(np.count_nonzero(np.bincount(rows[broken], minlength=num_documents)))
    return ViolationRates(
        cells=float(broken.mean()) if guess.nnz else 0.0,
        documents=broken_documents / num_documents if num_documents else 0.0,
    )


def violation_rate(predictions: Any, graph: "LabelGraph") -> float:
    """Share of predicted cells some parent of which is not predicted; see `violation_rates`."""
    return violation_rates(predictions, graph).cells


def per_level(truth: Any, predictions: Any, graph: "LabelGraph") -> list[dict[str, float]]:
    """Figures of the labels of each level, from the roots down.

    Args:
        truth: CSR [N, L], non-zero = label.
        predictions: CSR [N, L], non-zero = the label is predicted.
        graph: Its `level` (1 + longest path from a root) groups the labels.

    Returns:
        For each level: `level`, `labels` (how many there are), `support` (true cells), `micro_f1`, `macro_f1` (all
        labels).

    Example:
        >>> from hgraph.graph.label_graph import LabelGraph
        >>> per_level([[1, 1]], [[1, 0]], LabelGraph.from_edges([("root", "leaf")]))
        [{'level': 1, 'labels': 1, 'support': 1, 'micro_f1': 1.0, 'macro_f1': 1.0},
         {'level': 2, 'labels': 1, 'support': 1, 'micro_f1': 0.0, 'macro_f1': 0.0}]
    """
    return per_level_of_counts(label_counts(truth, predictions), graph.level.cpu().numpy())


def per_level_of_counts(counts: LabelCounts, level: np.ndarray) -> list[dict[str, float]]:
    """As `per_level`, from label counts and the level of each label [L]."""
    parts = [(int(value), counts.select(level == value)) for value in np.unique(level)]
    return [
        {
            "level": value,
            "labels": len(part.support),
            "support": int(part.support.sum()),
            "micro_f1": micro_of_counts(part)[2],
            "macro_f1": macro_of_counts(part),
        }
        for value, part in parts
    ]


def hierarchical_scores(truth: Any, predictions: Any, graph: "LabelGraph") -> HierarchicalScores:
    r"""Hierarchical precision, recall and F1 (Kiritchenko et al., 2006).

    With :math:`Y^+` the labels of a document and all their ancestors,

    .. math:: hP = \frac{\sum_i |\hat Y_i^+ \cap Y_i^+|}{\sum_i |\hat Y_i^+|} \qquad
              hR = \frac{\sum_i |\hat Y_i^+ \cap Y_i^+|}{\sum_i |Y_i^+|}

    The paper leaves out the one root that every document has. A `LabelGraph` has no such artificial root: its roots are
    labels, so they count.

    Args:
        truth: CSR [N, L]; ancestors are added here.
        predictions: CSR [N, L]; ancestors are added here.
        graph: The hierarchy of the L labels.

    Example:
        >>> from hgraph.graph.label_graph import LabelGraph
        >>> hierarchical_scores([[0, 1, 0]], [[0, 0, 1]], LabelGraph.from_edges([("root", "a"), ("root", "b")]))
        HierarchicalScores(precision=0.5, recall=0.5, f1=0.5)
    """
    counts = label_counts(
        graph.expand(binary(truth, name="truth")),
        graph.expand(binary(predictions, name="predictions")),
    )
    return HierarchicalScores(*micro_of_counts(counts))


def _broken_cells(guess: sparse.csr_matrix, parents: sparse.csr_matrix) -> np.ndarray:
    """Whether each stored cell lacks a parent, bool [nnz]; cost grows with cells x parents, never with children."""
    num_labels = guess.shape[1]
    rows = cell_rows(guess)
    required = parents[guess.indices]  # [nnz, L]: row j lists the parents of stored cell j
    owner = cell_rows(required)
    predicted = rows * num_labels + guess.indices  # sorted, because rows and their labels are
    wanted = rows[owner] * num_labels + required.indices
    place = np.searchsorted(predicted, wanted)
    missing = np.append(predicted, -1)[place] != wanted
    return np.bincount(owner[missing], minlength=guess.nnz) > 0
