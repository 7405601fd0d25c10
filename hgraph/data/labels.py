"""From the labels that a file names (ids, names or paths) to a CSR label matrix over a hierarchy."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import scipy.sparse as sp

from hgraph.data.documents import join_fields, read_documents
from hgraph.errors import UnknownLabelError
from hgraph.graph import LabelGraph

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

UnknownLabels = Literal["error", "drop"]
PATH_SEPARATOR = " > "


class LabelResolver:
    """Finds the label that a string means: an id, else a name that only one label has, else a path of names.

    Args:
        graph: The hierarchy.

    Example:
        >>> graph = LabelGraph.from_edges([("a", "b")], names={"a": "Animals", "b": "Bears"})
        >>> resolver = LabelResolver(graph)
        >>> [resolver("b"), resolver("Bears"), resolver("Animals > Bears")]
        [1, 1, 1]
    """

    def __init__(self, graph: LabelGraph) -> None:
        self.graph = graph
        self._ids = graph.id_to_index
        self._by_name: dict[str, list[int]] | None = None

    def __call__(self, label: str) -> int:
        """Index of `label`.

        Raises:
            UnknownLabelError: No label, or more than one, answers to it.
        """
        index = self._ids.get(label)
        if index is not None:
            return index
        named = self._names().get(label, [])
        if len(named) > 1:
            choices = ", ".join(f"'{self.graph.label_id[i]}'" for i in named[:3])
            raise UnknownLabelError(f"the name '{label}' belongs to {len(named)} labels ({choices}); use the id.")
        if named:
            return named[0]
        walked = self._walk(label)
        if len(walked) > 1:
            choices = ", ".join(f"'{self.graph.label_id[i]}'" for i in walked[:3])
            raise UnknownLabelError(f"the path '{label}' leads to {len(walked)} labels ({choices}); use the id.")
        # `index` raises, with the nearest ids and names as suggestions.
        return walked[0] if walked else self.graph.index(label)

    def _names(self) -> dict[str, list[int]]:
        if self._by_name is None:
            self._by_name = {}
            for index, name in enumerate(self.graph.name):
                self._by_name.setdefault(name, []).append(index)
        return self._by_name

    def _walk(self, path: str) -> list[int]:
        """The labels at the end of a path of names from a root."""
        if PATH_SEPARATOR not in path:
            return []
        first, *rest = path.split(PATH_SEPARATOR)
        roots = set(self.graph.roots.tolist())
        here = [index for index in self._names().get(first, []) if index in roots]
        children = self.graph.children
        for name in rest:
            named = set(self._names().get(name, []))
            below = [children.indices[children.indptr[i] : children.indptr[i + 1]] for i in here]
            # Once each: in a DAG two parents may share the child.
            here = list(dict.fromkeys(index for row in below for index in row.tolist() if index in named))
        return here


def label_matrix(
    labels: Sequence[Sequence[str]],
    graph: LabelGraph,
    *,
    unknown: UnknownLabels = "error",
    where: Sequence[str] | None = None,
    expand: bool = True,
) -> sp.csr_matrix:
    """Label matrix of documents.

    Args:
        labels: For each document the labels it carries, as ids, names or paths.
        graph: The hierarchy.
        unknown: `"error"` stops at the first label the hierarchy does not have; `"drop"` leaves such labels out and
            logs how many there were.
        where: For each document the `file:line` that an error names.
        expand: Add every ancestor of a label.

    Returns:
        float32 CSR of shape [num_documents, num_labels], ones where a document has a label.

    Raises:
        UnknownLabelError: A label is not in the hierarchy and `unknown` is `"error"`.
    """
    resolver, cache = LabelResolver(graph), dict[str, int]()
    indices, indptr, dropped = [], [0], dict[str, int]()
    for row, document in enumerate(labels):
        for label in document:
            if label not in cache:
                cache[label] = _resolve(resolver, label, unknown, where[row] if where else f"document {row}")
            if cache[label] < 0:
                dropped[label] = dropped.get(label, 0) + 1
            else:
                indices.append(cache[label])
        indptr.append(len(indices))
    if dropped:
        examples = ", ".join(f"'{label}'" for label in list(dropped)[:3])
        logger.warning("dropped %d unknown labels %d times: %s", len(dropped), sum(dropped.values()), examples)
    matrix = sp.csr_matrix(
        (np.ones(len(indices), dtype=np.float32), np.asarray(indices, dtype=np.int64), np.asarray(indptr)),
        shape=(len(labels), graph.num_labels),
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return graph.expand(matrix) if expand else matrix


def _resolve(resolver: LabelResolver, label: str, unknown: UnknownLabels, where: str) -> int:
    try:
        return resolver(label)
    except UnknownLabelError as error:
        if unknown == "drop":
            return -1
        raise UnknownLabelError(
            f"{where}: {str(error).rstrip()} Correct the label, check that the file belongs to this taxonomy, or "
            "leave unknown labels out with --unknown-labels drop."
        ) from None


@dataclass(frozen=True)
class Corpus:
    """Documents beside their label matrix.

    Attributes:
        documents: Dataset with columns `id`, `text`, `labels`, `line`; see :func:`hgraph.data.read_documents`.
        labels: CSR [num_documents, num_labels], closed upward.
    """

    documents: "Dataset"
    labels: sp.csr_matrix

    def __len__(self) -> int:
        return len(self.documents)

    @property
    def texts(self) -> list[str]:
        """One string a document, its fields joined."""
        return [join_fields(text) for text in self.documents["text"]]

    @property
    def field_texts(self) -> list[dict[str, str]]:
        """The fields of each document by name; a plain string is the field "" alone."""
        return [{part["field"]: part["value"] for part in text} for text in self.documents["text"]]

    def select(self, rows: np.ndarray) -> "Corpus":
        """The documents at `rows`."""
        return Corpus(self.documents.select(rows), self.labels[rows])


def read_corpus(
    path: str | Path,
    graph: LabelGraph,
    *,
    unknown: UnknownLabels = "error",
    fields: Sequence[str] | None = None,
    label_separator: str = "|",
) -> Corpus:
    """Read labelled documents; see :func:`read_documents` and :func:`label_matrix`.

    Raises:
        DataError: The file is malformed.
        UnknownLabelError: A label is not in the hierarchy; the message names file and line.
    """
    documents = read_documents(path, fields=fields, label_separator=label_separator)
    where = [f"{path}:{line}" for line in documents["line"]]
    return Corpus(documents, label_matrix(documents["labels"], graph, unknown=unknown, where=where))
