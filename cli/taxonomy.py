"""A hierarchy from what a user gave: a file, or the name of one that ships with hgraph."""

from pathlib import Path

from hgraph import taxonomies
from hgraph.errors import TaxonomyError
from hgraph.graph import LabelGraph, read_taxonomy


def open_taxonomy(source: str, option: str) -> LabelGraph:
    """Read `source`.

    Raises:
        TaxonomyError: It is neither a readable file nor a known name.
    """
    if Path(source).exists():
        return read_taxonomy(source)
    if source in taxonomies.names():
        return taxonomies.load(source)
    if Path(source).suffix or "/" in source:
        raise TaxonomyError(f"{option}: there is no file '{source}'.")
    known = ", ".join(taxonomies.names())
    raise TaxonomyError(f"{option}: '{source}' is neither a file nor a hierarchy that ships with hgraph ({known}).")
