"""`hgraph update`."""

from pathlib import Path

import click

from hgraph.cli.options import FILE


@click.command("update")
@click.argument("run", type=FILE)
@click.option("--taxonomy", required=True, help="The newer hierarchy: a file, or the name of one that ships.")
@click.option("-o", "--output", type=FILE, required=True, help="Folder for the updated model; must not exist yet.")
def command(run: Path, taxonomy: str, output: Path) -> None:
    """Move the model in the folder RUN to a newer version of its label hierarchy, without training.

    Labels are matched by id. Those that are gone are predicted no more. New ones get their weights from the label
    encoder, or from their names and the labels above them; a model that has neither cannot predict them, and says so.
    `hgraph diff` shows beforehand what changed; `hgraph evaluate` tells whether to train anew.

    \b
    Example:
      hgraph diff taxonomy.json next-year.json
      hgraph update runs/first --taxonomy next-year.json -o runs/next-year
    """
    from hgraph.cli.taxonomy import open_taxonomy
    from hgraph.update import update_model

    click.echo(str(update_model(run, open_taxonomy(taxonomy, "--taxonomy"), output)))
    click.echo(f"\nWritten to {output}")
