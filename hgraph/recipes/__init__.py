"""Recipes: one YAML file -> a trained model."""

from typing import Any

from hgraph.recipes.recipe import Recipe, recipe_names, recipe_source

__all__ = ["Recipe", "TrainingRun", "default_recipe", "recipe_names", "recipe_source", "train"]

_LAZY = {
    "train": "hgraph.recipes.run",
    "TrainingRun": "hgraph.recipes.run",
    "default_recipe": "hgraph.recipes.defaults",
}


def __getattr__(name: str) -> Any:
    """Import what needs torch on first use, so that listing recipes does not (PEP 562)."""
    import importlib

    if name not in _LAZY:
        raise AttributeError(f"module 'hgraph.recipes' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
