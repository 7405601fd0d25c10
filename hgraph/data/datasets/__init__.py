"""Data sets of the literature, from the files that users download to corpora of hgraph. Nothing is downloaded here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hgraph.data.datasets import aapd, bgc, circulating_jsonl, nyt, rcv1, wos, xmc
from hgraph.data.datasets.source import Document, Folder, Source
from hgraph.data.datasets.writer import check_folder, write_corpus
from hgraph.data.datasets.xmc_writer import write_xmc
from hgraph.errors import ConfigError

__all__ = ["DATASETS", "Dataset", "Document", "Folder", "Source", "convert", "write_xmc"]


@dataclass(frozen=True)
class Dataset:
    """A data set that can be converted.

    Args:
        title: What it is.
        page: Where its files come from.
        terms: Their licence or agreement.
        open: Reads the folder of files.
        options: Options that `open` takes.
    """

    title: str
    page: str
    terms: str
    open: Callable[..., Source]
    options: tuple[str, ...] = ()


DATASETS: dict[str, Dataset] = {
    "wos": Dataset(wos.TITLE, wos.PAGE, wos.TERMS, wos.open_wos, ("labels",)),
    "nyt": Dataset(nyt.TITLE, nyt.PAGE, nyt.TERMS, nyt.open_nyt, ("keep_leaks",)),
    "rcv1": Dataset(rcv1.TITLE, rcv1.PAGE, rcv1.TERMS, rcv1.open_rcv1),
    "bgc": Dataset(bgc.TITLE, bgc.PAGE, bgc.TERMS, bgc.open_bgc),
    "aapd": Dataset(aapd.TITLE, aapd.PAGE, aapd.TERMS, aapd.open_aapd),
    "jsonl": Dataset(
        circulating_jsonl.TITLE, circulating_jsonl.PAGE, circulating_jsonl.TERMS, circulating_jsonl.open_jsonl
    ),
    "xmc": Dataset(xmc.TITLE, xmc.PAGE, xmc.TERMS, xmc.open_xmc),
}


def convert(name: str, source: str | Path, output: str | Path, **options: Any) -> str:
    """Write a data set as `taxonomy.json`, `train.jsonl.gz`, `val.jsonl.gz`, `test.jsonl.gz` and `README.txt`.

    Args:
        name: A key of :data:`DATASETS`.
        source: The folder of downloaded files.
        output: Folder to write, new or empty; it appears whole or not at all.
        **options: Those of the data set: `labels` of `wos`, `keep_leaks` of `nyt`.

    Returns:
        The text of the README: counts, what was left out, checksums.

    Raises:
        ConfigError: There is no such data set or option, or the output exists.
        DataError: A file is missing or malformed.
    """
    if name not in DATASETS:
        raise ConfigError(f"'name' must be one of {', '.join(DATASETS)}, but got {name!r}.")
    dataset = DATASETS[name]
    for option in options:
        if option not in dataset.options:
            raise ConfigError(f"'{option}' has no meaning for '{name}'. Leave it out.")
    check_folder(Path(output))
    folder = Folder(Path(source), page=dataset.page, terms=dataset.terms)
    return write_corpus(dataset.open(folder, **options), Path(output), title=dataset.title, terms=dataset.terms)
