"""The hierarchy that the labels of documents imply, where each label is a path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hgraph.errors import TaxonomyError
from hgraph.graph.formats.builder import SEPARATOR, TaxonomyBuilder
from hgraph.graph.label_graph import LabelGraph

Label = str | Sequence[str]


def from_documents(
    documents: Iterable[Sequence[Label] | Mapping[str, Any]], *, separator: str = SEPARATOR, title: str = ""
) -> LabelGraph:
    """Build from documents alone; see :meth:`hgraph.graph.LabelGraph.from_documents`."""
    if not separator:
        raise TaxonomyError("'separator' is empty. Give the text between two names, such as ' > '.")
    if isinstance(documents, str | Mapping):
        raise TaxonomyError("'documents' must hold a list of labels for each document, found one. Put it in a list.")
    builder = TaxonomyBuilder("'documents'")
    for position, document in enumerate(documents):
        builder.path = where = _where(document, position)
        for label in _labels(document, where):
            if not isinstance(label, str | list | tuple):
                raise TaxonomyError(f"{where}: a label must be a path or a list of names, found {label!r}.")
            names = label.split(separator) if isinstance(label, str) else label
            if not all(isinstance(name, str) for name in names) or not names:
                raise TaxonomyError(f"{where}: the names of a path must be strings, found {label!r}.")
            builder.add_path([name.strip() for name in names], separator=separator)
    builder.path = "'documents'"
    return builder.build(title=title or "documents")


def _labels(document: Any, where: str) -> Sequence[Any]:
    labels = document.get("labels") if isinstance(document, Mapping) else document
    if isinstance(labels, str) or not isinstance(labels, Sequence):
        raise TaxonomyError(f"{where}: expected a list of labels, found {labels!r}."[:200])
    return labels


def _where(document: Any, position: int) -> str:
    """`file:line` of a record that knows where it comes from, else its position."""
    if isinstance(document, Mapping) and "source" in document and "line" in document:
        return f"{document['source']}:{document['line']}"
    return f"'documents' at position {position}"
