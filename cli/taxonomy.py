"""A hierarchy from what a user gave: a file, or the name of one that ships with hgraph."""

from pathlib import Path
from typing import Any

from hgraph import taxonomies
from hgraph.errors import ConfigError, TaxonomyError
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


def open_source(source: str, **reading: Any) -> LabelGraph:
    """Read `source` with the options of :func:`hgraph.graph.read_taxonomy`; those that are None are not given.

    Raises:
        TaxonomyError: It is neither a readable file nor a known name.
        ConfigError: A hierarchy that ships with hgraph takes no options.
    """
    given = {name: value for name, value in reading.items() if value is not None}
    if Path(source).exists() or Path(source).suffix or "/" in source:
        return read_taxonomy(source, **given)
    if given and source in taxonomies.names():
        raise ConfigError(
            f"'{next(iter(given))}' has no meaning for '{source}', which ships with hgraph. Leave it out."
        )
    return open_taxonomy(source, "SOURCE")
