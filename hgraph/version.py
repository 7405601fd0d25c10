"""The version of hgraph."""

__version__ = "0.1.0"
