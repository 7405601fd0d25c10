"""`hgraph taxonomies`."""

import textwrap
from typing import Any

import click

LICENCE_WIDTH = 36


@click.command("taxonomies")
@click.argument("name", required=False)
@click.option("--others", is_flag=True, help="List hierarchies to get from their publishers, and the format of each.")
def command(name: str | None, others: bool) -> None:
    """List the label hierarchies that come with hgraph, or show one: its source, licence and levels.

    \b
    In Python: LabelGraph.from_name("onet"). On the command line their names stand for a file:
      hgraph train --taxonomy onet ...
    """
    from hgraph import taxonomies
    from hgraph.errors import ConfigError

    if name is not None and others:
        raise ConfigError(f"--others lists hierarchies that do not come with hgraph. Leave it out to show '{name}'.")
    if name is not None:
        click.echo(_details(taxonomies.info(name)))
    elif others:
        click.echo(_others(taxonomies.elsewhere()))
    else:
        click.echo(_list([taxonomies.info(name) for name in taxonomies.names()]))


def _list(entries: list[dict[str, Any]]) -> str:
    from hgraph.cli.options import table

    rows = [["name", "labels", "levels", "shape", "licence", "what"]]
    for entry in entries:
        licence = textwrap.shorten(entry["license"], LICENCE_WIDTH, placeholder="...")
        levels = str(len(entry["levels"]))
        rows.append([entry["name"], f"{entry['labels']:,}", levels, entry["structure"], licence, entry["title"]])
    return table(rows, align="lrr")


def _others(entries: list[dict[str, str]]) -> str:
    from hgraph.cli.options import table

    keys = ["name", "what", "format", "file", "terms", "url"]
    return table([keys, *([entry[key] for key in keys] for entry in entries)])


def _details(entry: dict[str, Any]) -> str:
    """Everything the list of hierarchies knows of one."""
    more = entry["num_roots"] - len(entry["roots"])
    roots = ", ".join(entry["roots"]) + (f", and {more} more" if more > 0 else "")
    size = f"{entry['labels']:,} on {len(entry['levels'])} levels, {entry['edges']:,} edges"
    facts = {
        "labels": f"{size}, {entry['structure']}",
        "per level": ", ".join(f"{count:,}" for count in entry["levels"]),
        "top labels": roots,
        "version": entry["version"],
        "licence": entry["license"],
        "source": entry["source"],
        "url": entry["url"],
        "fingerprint": entry["fingerprint"],
    }
    lines = [f"{entry['name']}: {entry['title']}", ""]
    for key, value in facts.items():
        first = f"{key:<12}"
        lines += textwrap.wrap(value, 100, initial_indent=first, subsequent_indent=" " * 12, break_on_hyphens=False)
    return "\n".join([*lines, "", "some leaves", *(f"  {key}: {path}" for key, path in entry["examples"].items())])
