"""`hgraph build-taxonomy`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hgraph.cli.formats_help import FORMATS, WRITTEN
from hgraph.cli.label_trees import check_tree_options, tree_of_documents, tree_options
from hgraph.cli.options import FILE, check_output, overwrite_option
from hgraph.errors import ConfigError

if TYPE_CHECKING:
    from hgraph.graph import LabelGraph

HELP = """\b
Read a label hierarchy, check it and write it, as JSON unless told otherwise.

SOURCE is a file, gzipped or not, or the name of a hierarchy that ships with hgraph. Without SOURCE,
--from-documents makes a hierarchy of the labels of documents, where each label is a path of names.
With --method pifa labels of any kind are put into clusters, those with similar documents together, and a report says
how good the tree is; --taxonomy compares it with the real hierarchy, --hybrid keeps that one and cuts what is too wide.

\b
Examples:
  hgraph build-taxonomy labels.csv -o taxonomy.json
  hgraph build-taxonomy paths.txt --format paths --separator / -o taxonomy.json
  hgraph build-taxonomy go.obo.gz --relation is_a --relation part_of -o go.json.gz
  hgraph build-taxonomy thesaurus.ttl --language de -o thesaurus.csv
  hgraph build-taxonomy --from-documents train.jsonl --separator " > " -o taxonomy.json
  hgraph build-taxonomy --from-documents train.jsonl --method pifa --taxonomy labels.json -o tree.json

The format of SOURCE is found out from its name and its beginning, or named by --format. The file must be UTF-8.
"""


def _help() -> str:
    parts = [HELP]
    for name, (description, example) in FORMATS.items():
        lines = [f"    {line}" for line in example.expandtabs(16).splitlines()]
        parts.append("\n".join(["\b", f"{name}: {description}", *lines]) + "\n")
    return "\n".join(parts)


@click.command("build-taxonomy", help=_help(), short_help="Read a label hierarchy, check it and write it.")
@click.argument("source", required=False)
@click.option("-o", "--output", type=FILE, required=True, help="File to write (.gz compresses it).")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(list(FORMATS)),
    help="Format of SOURCE. Default: found out from name and content.",
)
@click.option(
    "--to",
    type=click.Choice(WRITTEN),
    help="Format of the output. Default: by its extension, and json for an extension that stands for none.",
)
@click.option(
    "--separator",
    help="Between the names of a path (default: found out), the parents of a cell (default: |), or the columns of a "
    "table (default: tab, semicolon or comma).",
)
@click.option("--language", help="Of names and descriptions (skos, owl). Default: en, else without a language.")
@click.option(
    "--relation",
    "relations",
    multiple=True,
    help="Relation that leads from a term to its parents (obo); may be repeated. Default: is_a.",
)
@click.option(
    "--iri",
    type=click.Choice(["short", "full"]),
    help="Ids of skos and owl: the last part of each IRI, or all of it. Default: short when all share a namespace.",
)
@click.option(
    "--from-documents",
    "documents",
    type=FILE,
    multiple=True,
    help="Documents (.jsonl, .csv, .tsv, .parquet) in place of SOURCE; may be repeated.",
)
@click.option(
    "--method",
    type=click.Choice(["paths", "pifa"]),
    default="paths",
    show_default=True,
    help="How documents make a hierarchy: their labels are paths, or clusters of labels with similar documents.",
)
@tree_options
@click.option(
    "--label-separator", default="|", show_default=True, help="Between the labels of one csv or tsv cell of documents."
)
@click.option("--single-root", is_flag=True, help="Refuse a hierarchy with several roots.")
@click.option("--name", help="Name of the hierarchy. Default: what the file says, else its name.")
@overwrite_option
def command(
    source: str | None,
    output: Path,
    file_format: str | None,
    to: str | None,
    separator: str | None,
    language: str | None,
    relations: tuple[str, ...],
    iri: str | None,
    documents: tuple[Path, ...],
    method: str,
    label_separator: str,
    single_root: bool,
    name: str | None,
    overwrite: bool,
    **tree_options: Any,
) -> None:
    """See `HELP`."""
    if (source is None) == (not documents):
        found = "neither" if source is None else "both"
        raise ConfigError(
            f"expected either SOURCE or --from-documents, found {found}. Try `hgraph build-taxonomy --help`."
        )
    reading = {"format": file_format, "language": language, "relations": list(relations) or None, "iri": iri}
    given = [f"--{key.removesuffix('s')}" for key, value in reading.items() if value]
    if documents and given:
        raise ConfigError(f"{given[0]} has no meaning with --from-documents. Leave it out.")
    check_tree_options(method, documents, separator, tree_options)
    check_output(output, "-o", overwrite=overwrite)
    from hgraph.cli.taxonomy import open_source
    from hgraph.graph.formats import check_single_root, write_taxonomy, written_format

    report = ""
    if method == "pifa":
        graph, report = tree_of_documents(documents, label_separator, tree_options)
    elif source is None:
        graph = _of_documents(documents, separator, label_separator)
    else:
        graph = open_source(source, separator=separator, **reading)
    if single_root:
        check_single_root(graph, source or ", ".join(map(str, documents)))
    if name:
        graph.title = name
    write_taxonomy(graph, output, format=to or written_format(output) or "json", overwrite=overwrite)
    click.echo(report or str(graph.check()))
    click.echo(f"\nWritten to {output}")


def _of_documents(paths: Sequence[Path], separator: str | None, label_separator: str) -> "LabelGraph":
    from hgraph.graph import LabelGraph
    from hgraph.graph.files import stem

    options = {} if separator is None else {"separator": separator}
    return LabelGraph.from_documents(_documents(paths, label_separator), title=stem(paths[0]), **options)


def _documents(paths: Sequence[Path], label_separator: str) -> Iterator[dict[str, Any]]:
    from hgraph.data.documents import iterate_documents
    from hgraph.data.records import file_format, read_records

    for path in paths:
        split = label_separator if file_format(path) in ("csv", "tsv") else None
        for document in iterate_documents(read_records(path), source=str(path), label_separator=split):
            yield {"source": path, "line": document["line"], "labels": document["labels"]}
