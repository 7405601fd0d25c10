"""One report with every figure of an evaluation, ready for JSON."""

from typing import TYPE_CHECKING, Any

from hgraph.decoding.cells import binary
from hgraph.metrics.f1 import divide, label_counts, macro_of_counts, micro_of_counts
from hgraph.metrics.hierarchy import hierarchical_scores, per_level_of_counts, violation_rates
from hgraph.metrics.ranking import RankedCells

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph


def evaluate(truth: Any, scores: Any, predictions_raw: Any, graph: "LabelGraph") -> dict[str, Any]:
    """Measure scores and decisions against the truth.

    F1, precision and recall are of the predictions with all ancestors added; violations are of the predictions as
    they came; P@k and R-Precision are of the scores. The truth is taken as given, except that `hierarchical_f1`
    closes both sides. So where documents list only their most specific labels, pass `graph.expand(truth)`.

    Args:
        truth: CSR [N, L], non-zero = label.
        scores: CSR [N, L] of probabilities, each document's best labels.
        predictions_raw: CSR [N, L], non-zero = predicted, before ancestors are added.
        graph: The hierarchy of the L labels.

    Returns:
        `micro_f1`, `micro_precision`, `micro_recall`, `macro_f1` (all labels), `macro_f1_supported` (labels with a
        document), `p@1`, `p@3`, `p@5`, `r_precision`, `hierarchical_f1`, `violation_rate` (share of predicted cells),
        `document_violation_rate`, `documents`, `labels`, `labels_supported`, `predicted_labels_per_document`
        (ancestors included), `true_labels_per_document`, `per_level` (list, see `hgraph.metrics.per_level`). Finite
        for no documents.

    Example:
        >>> from hgraph.graph.label_graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("root", "leaf")])
        >>> report = evaluate([[1, 1], [1, 0]], [[0.4, 0.9], [0.8, 0.1]], [[0, 1], [1, 0]], graph)
        >>> report["micro_f1"], report["p@1"], report["violation_rate"]
        (1.0, 1.0, 0.5)
    """
    target, raw = binary(truth, name="truth"), binary(predictions_raw, name="predictions_raw")
    closed = binary(graph.expand(raw))
    counts = label_counts(target, closed)
    ranked = RankedCells.from_scores(target, scores)
    violations = violation_rates(raw, graph)
    precision, recall, f1 = micro_of_counts(counts)
    num_documents, num_labels = target.shape
    return {
        "micro_f1": f1,
        "micro_precision": precision,
        "micro_recall": recall,
        "macro_f1": macro_of_counts(counts),
        "macro_f1_supported": macro_of_counts(counts, over="supported"),
        "p@1": ranked.precision(1),
        "p@3": ranked.precision(3),
        "p@5": ranked.precision(5),
        "r_precision": ranked.r_precision(),
        "hierarchical_f1": hierarchical_scores(target, closed, graph).f1,
        "violation_rate": violations.cells,
        "document_violation_rate": violations.documents,
        "documents": int(num_documents),
        "labels": int(num_labels),
        "labels_supported": int((counts.support > 0).sum()),
        "predicted_labels_per_document": float(divide(closed.nnz, num_documents)),
        "true_labels_per_document": float(divide(target.nnz, num_documents)),
        "per_level": per_level_of_counts(counts, graph.level.cpu().numpy()),
    }
