"""`hgraph build-taxonomy --method pifa`: a label tree made of documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hgraph.cli.options import F, fields_of
from hgraph.cli.training_input import say
from hgraph.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import scipy.sparse as sp

    from hgraph.data import Corpus
    from hgraph.graph import LabelGraph

HYBRID_LEAF_SIZE = 100
DOCUMENTS_AT_ONCE = 20_000


def tree_options(command: F) -> F:
    """Options of `--method pifa`; none is set by default, so that one that has no meaning is noticed."""
    for option in reversed(
        (
            click.option("--taxonomy", help="With pifa: the real hierarchy of the labels, a file or a name."),
            click.option("--hybrid", is_flag=True, default=None, help="With pifa: keep --taxonomy, cut only what is "
                         "wider than --leaf-size."),
            click.option("--branching", type=click.IntRange(min=2), help="With pifa: clusters of a cluster, a power of "
                         "two. Default: 16."),
            click.option("--leaf-size", type=click.IntRange(min=2), help="With pifa: most labels of a cluster. "
                         "Default: the root of the number of labels, at most 100; with --hybrid 100."),
            click.option("--label-text", type=click.FloatRange(min=0), help="With pifa: as how many documents the "
                         "name and description of a label count; they place labels without documents. Default: 1."),
            click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), help="With pifa. Default: 0."),
            click.option("--threads", type=click.IntRange(min=1), help="With pifa. Default: all cores."),
            click.option("--text-fields", help="With pifa: fields that make up the text, joined by commas. Default: "
                         "`text`, else every text column."),
            click.option("--unknown-labels", type=click.Choice(["error", "drop"]), help="With pifa and --taxonomy: "
                         "stop at a label it does not have, or leave such labels out. Default: error."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def check_tree_options(
    method: str, documents: Sequence[Path], separator: str | None, options: Mapping[str, Any]
) -> None:
    """Refuse options that have no meaning together.

    Raises:
        ConfigError: There are such options.
    """
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if method != "pifa":
        if given:
            raise ConfigError(f"{given[0]} needs --method pifa. Add it, or leave {given[0]} out.")
        return
    if not documents:
        raise ConfigError("--method pifa needs documents: --from-documents train.jsonl.")
    if separator is not None:
        raise ConfigError("--separator has no meaning with --method pifa: labels are not paths. Leave it out.")
    if options["hybrid"] and options["branching"] is not None:
        raise ConfigError("--branching has no meaning with --hybrid. Set --leaf-size, or leave one of them out.")
    for name in ("hybrid", "unknown_labels"):
        if options[name] and options["taxonomy"] is None:
            raise ConfigError(f"--{name.replace('_', '-')} needs the real hierarchy: --taxonomy labels.json.")
    branching = options["branching"]
    if branching is not None and branching & (branching - 1):
        raise ConfigError(f"--branching must be a power of two (2, 4, 8, 16, ...), found {branching}.")


def tree_of_documents(
    documents: Sequence[Path], label_separator: str, options: Mapping[str, Any]
) -> tuple[LabelGraph, str]:
    """The label tree, and its report as text."""
    from hgraph.clustering import hybrid_tree, label_tree, tree_report

    corpora, graph, labels = _read(documents, label_separator, options)
    say(f"{labels.shape[0]:,} documents, {graph.num_labels:,} labels, {labels.nnz / max(labels.shape[0], 1):.1f} each")
    vectors = _vectors(corpora, graph, labels, options["label_text"], options["threads"])
    del corpora
    seed, leaf_size = options["seed"] or 0, options["leaf_size"]
    if options["hybrid"]:
        tree = hybrid_tree(
            graph, vectors, max_children=leaf_size or HYBRID_LEAF_SIZE, seed=seed, threads=options["threads"]
        )
    else:
        with _progress("Clusters") as show:
            tree = label_tree(
                graph, vectors, branching=options["branching"] or 16, leaf_size=leaf_size, seed=seed,
                threads=options["threads"], progress=show,
            )  # fmt: skip
    return tree, str(tree_report(tree, labels, graph if options["taxonomy"] else None))


def _read(
    paths: Sequence[Path], label_separator: str, options: Mapping[str, Any]
) -> tuple[list[Corpus], LabelGraph, sp.csr_matrix]:
    """Documents, their labels as a hierarchy or a list, and which document has which."""
    import scipy.sparse as sp

    from hgraph.cli.taxonomy import open_taxonomy
    from hgraph.data import Corpus, label_matrix, read_documents
    from hgraph.graph import LabelGraph
    from hgraph.graph.files import stem

    fields = fields_of(options["text_fields"])
    read = [read_documents(path, fields=fields, label_separator=label_separator) for path in paths]
    if options["taxonomy"] is not None:
        graph = open_taxonomy(options["taxonomy"], "--taxonomy")
    else:
        nodes = dict.fromkeys(label for part in read for labels in part["labels"] for label in labels)
        if not nodes:
            raise ConfigError(f"{paths[0]}: no document has a label. A label tree needs labelled documents.")
        graph = LabelGraph.from_edges([], nodes=list(nodes), title=stem(paths[0]))
    unknown: Any = options["unknown_labels"] or "error"
    corpora = []
    for path, part in zip(paths, read, strict=True):
        where = [f"{path}:{line}" for line in part["line"]]
        corpora.append(Corpus(part, label_matrix(part["labels"], graph, unknown=unknown, where=where)))
    return corpora, graph, sp.vstack([corpus.labels for corpus in corpora], format="csr")


def _vectors(
    corpora: Sequence[Corpus], graph: LabelGraph, labels: sp.csr_matrix, label_text: float | None, threads: int | None
) -> sp.csr_matrix | np.ndarray:
    """Label vectors of TF-IDF, where the words of a label count as documents of it."""
    import scipy.sparse as sp

    from hgraph.clustering import LabelVectors
    from hgraph.text.vocabulary import NGrams, TfidfFeatures

    texts = [text for corpus in corpora for text in corpus.texts]
    say("Counting words")
    features = TfidfFeatures([NGrams(shortest=1, longest=1)]).fit(texts)
    sums = LabelVectors(graph.num_labels, threads=threads)
    with _progress("Label vectors") as show:
        for start in range(0, len(texts), DOCUMENTS_AT_ONCE):
            part = slice(start, start + DOCUMENTS_AT_ONCE)
            sums.update(features.transform(texts[part]), labels[part])
            show(min(start + DOCUMENTS_AT_ONCE, len(texts)), len(texts))
    weight = 1.0 if label_text is None else label_text
    if weight:
        words = [f"{name} {text}" for name, text in zip(graph.name, graph.description, strict=True)]
        sums.update(features.transform(words) * weight, sp.identity(graph.num_labels, format="csr"))
    return sums.finish()


@contextmanager
def _progress(title: str) -> Iterator[Any]:
    """A bar for whoever watches a terminal: call with what is done and with all there is."""
    bar = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            from tqdm import tqdm

            bar = tqdm(total=total, desc=title, disable=None)
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
