"""Exceptions that mean "the input is wrong", each with one line a user can act on.

Every message names the argument or the file and line, what was expected, what was found and what to do about it.
The command line prints the message alone and exits with code 2.
"""

from collections.abc import Callable


class HGraphError(Exception):
    """Base of every error that hgraph raises about its input."""


class TaxonomyError(HGraphError):
    """A label hierarchy is malformed: a cycle, an unknown end of an edge, a duplicate id, an empty file.

    Attributes:
        edges: Where the edges as a whole are wrong, a function that gives all (parent id, child id) pairs, for
            :func:`hgraph.graph.diagnose_edges`; else None.
    """

    edges: Callable[[], list[tuple[str, str]]] | None = None


class UnknownLabelError(HGraphError):
    """A document or a caller names a label that the hierarchy does not have."""


class DataError(HGraphError):
    """A document file is malformed: bad JSON, a missing field, an empty text, another encoding."""


class ConfigError(HGraphError):
    """A recipe, an option or a model folder is not what it should be."""
