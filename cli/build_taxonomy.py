"""`hgraph build-taxonomy`."""

from pathlib import Path

import click

from hgraph.cli.options import FILE, check_output, overwrite_option


@click.command("build-taxonomy")
@click.argument("source", type=FILE)
@click.option("-o", "--output", type=FILE, required=True, help="JSON file to write (.gz compresses it).")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["json", "edges", "paths", "htc"]),
    help="Format of SOURCE. Default: found out from name and content.",
)
@click.option("--separator", help="Between the names of a path (format `paths`). Default: ' > '.")
@click.option("--name", help="Name of the hierarchy. Default: what the file says, else its name.")
@overwrite_option
def command(
    source: Path, output: Path, file_format: str | None, separator: str | None, name: str | None, overwrite: bool
) -> None:
    """Read a label hierarchy from SOURCE, check it and write it as one JSON file.

    SOURCE may be gzipped, and is one of

    \b
      json   {"nodes": [{"id": "b", "name": "Bears"}], "edges": [["a", "b"]]}
      edges  csv or tsv: parent,child  (perhaps with columns name, description)
      paths  one path a line: Animals > Mammals > Bears
      htc    tab-separated: parent child1 child2 ...; the first line begins with Root

    \b
    Examples:
      hgraph build-taxonomy labels.csv -o taxonomy.json
      hgraph build-taxonomy paths.txt --format paths --separator / -o taxonomy.json
      hgraph build-taxonomy rcv1.taxonomy -o rcv1.json
    """
    check_output(output, "-o", overwrite=overwrite)
    from hgraph.graph import read_taxonomy

    graph = read_taxonomy(source, format=file_format, separator=separator)
    if name:
        graph.title = name
    graph.save(output, overwrite=overwrite)
    click.echo(str(graph.check()))
    click.echo(f"\nWritten to {output}")
