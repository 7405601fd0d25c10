"""`hgraph diff`."""

import json
import sys

import click


@click.command("diff")
@click.argument("old")
@click.argument("new")
@click.option("--json", "as_json", is_flag=True, help="Print every change as JSON instead of a report.")
@click.option("--limit", type=click.IntRange(min=0), default=10, show_default=True, help="Labels of each kind to list.")
@click.option(
    "--match",
    type=click.Choice(["id", "name"]),
    default="id",
    show_default=True,
    help="`name`: a label with a new id, but the same name and parents of the same names, is the same one.",
)
@click.option("--exit-code", is_flag=True, help="Exit with code 1 when there is a difference.")
def command(old: str, new: str, as_json: bool, limit: int, match: str, exit_code: bool) -> None:
    """Compare two versions of a label hierarchy: what was added, removed, renamed, moved and described anew.

    OLD and NEW are files in any format that `hgraph build-taxonomy` reads, or names of hierarchies that ship with
    hgraph. Labels are compared by id; their order does not matter.

    \b
    Examples:
      hgraph diff labels-2024.csv labels-2025.csv
      hgraph diff old.json new.json --json > changes.json
      hgraph diff old.json new.json --exit-code && echo unchanged
    """
    from hgraph.cli.taxonomy import open_taxonomy

    changes = open_taxonomy(old, "OLD").diff(open_taxonomy(new, "NEW"), match=match)
    if as_json:
        click.echo(json.dumps(changes.to_dict(), indent=1))
    else:
        click.echo("\n".join(changes.lines(limit=limit)))
    if exit_code and changes:
        sys.exit(1)
