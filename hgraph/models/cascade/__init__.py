"""CascadeXML: one transformer whose layers feed the levels of a hierarchy."""

from hgraph.models.cascade.frozen import FrozenCascade
from hgraph.models.cascade.model import CascadeModel

__all__ = ["CascadeModel", "FrozenCascade"]
