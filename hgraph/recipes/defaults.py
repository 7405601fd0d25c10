"""Which recipe `hgraph train` takes when none is named, and why."""

import torch

from hgraph.recipes.recipe import Recipe

CPU_REASON = (
    "no GPU was found; on O*NET it is more accurate than a one-vs-rest linear SVM and trains in a minute "
    "or so on two cores"
)
GPU_REASON = (
    "it is the recipe measured best so far, on a CPU; a GPU was found, so `--recipe htla`, which fine-tunes a "
    "transformer, is worth comparing"
)


def default_recipe() -> tuple[Recipe, str]:
    """The recipe for the hardware at hand, and the reason in one sentence."""
    return Recipe.load("lexical"), GPU_REASON if torch.cuda.is_available() else CPU_REASON
