"""`hgraph convert`."""

from pathlib import Path
from typing import Any

import click

from hgraph.cli.options import FILE

FILES = {
    "wos": "Data.xlsx (or Data.txt, saved with tabs), or X.txt, YL1.txt and YL2.txt",
    "nyt": "idnewnyt_{train,val,test}.json, nyt.taxonomy, and the .tgz or .xml files of LDC2008T19",
    "rcv1": "rcv1-v2.topics.qrels, lyrl2004_tokens_*.dat or the *newsML.xml files, rcv1.topics.hier.orig",
    "bgc": "BlurbGenreCollection_EN_{train,dev,test}.txt, hierarchy.txt",
    "aapd": "text_{train,val,test}, label_{train,val,test}",
    "jsonl": "*train*.json, *val*.json or *dev*.json, *test*.json, *.taxonomy",
    "xmc": "trn.json, tst.json, lbl.json, or {trn,tst}_X.txt, {trn,tst}_Y.txt, Y.txt; taxonomy.json",
}

HELP = """Convert a data set of the literature to a corpus: from the files that you downloaded to taxonomy.json,
train.jsonl.gz, val.jsonl.gz, test.jsonl.gz and README.txt, which says what was done, with counts and checksums.

Nothing is downloaded. A file that is missing is named with the page that offers it and its licence or agreement.

\b
NAME    files in --source, each perhaps with .gz
{files}

\b
Examples:
  hgraph convert wos --source WebOfScience -o data/wos
  hgraph convert nyt --source nyt_corpus -o data/nyt
  hgraph train --taxonomy data/wos/taxonomy.json --train data/wos/train.jsonl.gz --val data/wos/val.jsonl.gz -o runs/wos
"""


@click.command(
    "convert",
    help=HELP.format(files="\n".join(f"{name:7s} {files}" for name, files in FILES.items())),
    short_help="Convert a data set of the literature to a corpus.",
)
@click.argument("name", type=click.Choice(list(FILES)))
@click.option("--source", type=FILE, required=True, help="Folder of the downloaded files.")
@click.option("-o", "--output", type=FILE, required=True, help="Folder to write; new or empty.")
@click.option(
    "--labels",
    type=click.Choice(["codes", "names"]),
    help="wos: an area is a code, 134 of them, or a name below a domain. Default: codes.",
)
@click.option("--keep-leaks", is_flag=True, help="nyt: keep articles that stand in several splits, as published.")
def command(name: str, source: Path, output: Path, labels: str | None, keep_leaks: bool) -> None:
    """See `HELP`."""
    from hgraph.data.datasets import convert
    from hgraph.errors import ConfigError

    given: dict[str, Any] = {}
    for option, data_set, value in (("labels", "wos", labels), ("keep_leaks", "nyt", keep_leaks)):
        if value and name != data_set:
            raise ConfigError(f"--{option.replace('_', '-')} has no meaning for {name}. Leave it out.")
        if value:
            given[option] = value
    click.echo(convert(name, source, output, **given))
    click.echo(f"Written to {output}")
