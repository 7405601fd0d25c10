"""`hgraph taxonomies`."""

import click


@click.command("taxonomies")
def command() -> None:
    """List the label hierarchies that come with hgraph.

    \b
    In Python: LabelGraph.from_name("wos"). On the command line their names stand for a file:
      hgraph train --taxonomy onet ...
    """
    from hgraph import taxonomies
    from hgraph.cli.options import table

    rows = [["name", "labels", "levels", "licence", "what"]]
    for name in taxonomies.names():
        info = taxonomies.info(name)
        licence = info["license"] if len(info["license"]) <= 36 else info["license"][:33] + "..."
        rows.append([name, str(info["labels"]), str(len(info["levels"])), licence, info["title"]])
    click.echo(table(rows, align="lrr"))
