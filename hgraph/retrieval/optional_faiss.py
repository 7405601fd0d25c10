"""FAISS is an extra: it is imported on first use and everything works without it."""

import importlib
from functools import cache
from types import ModuleType

from hgraph.errors import ConfigError

FAISS_HINT = 'pip install "hgraph-text[cpu]" (or "hgraph-text[gpu]")'


@cache
def faiss_or_none() -> ModuleType | None:
    """The faiss module, or `None` where it is not installed; looked up once a process.

    Only an `ImportError` means "not installed": any other failure of a broken installation is shown.
    """
    try:
        return importlib.import_module("faiss")
    except ImportError:
        return None


def require_faiss(purpose: str) -> ModuleType:
    """The faiss module.

    Args:
        purpose: What needs it, the first words of the error: `"FaissIndex"`.

    Raises:
        ConfigError: faiss is not installed; the message names the extra that brings it.
    """
    faiss = faiss_or_none()
    if faiss is None:
        raise ConfigError(f"{purpose} needs faiss, which is not installed: {FAISS_HINT}.")
    return faiss
