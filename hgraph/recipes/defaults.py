"""Which recipe `hgraph train` takes when none is named, and why."""

import torch

from hgraph.recipes.recipe import Recipe

ENCODER = "sentence-transformers/all-MiniLM-L6-v2"


def default_recipe(text_encoder: str | None = None) -> tuple[Recipe, str]:
    """The recipe for the hardware at hand, and the reason in one sentence.

    On a CPU the recipes were measured side by side on four corpora (docs/results.md, "Ten minutes of two cores"). None
    was measured on a GPU.

    Args:
        text_encoder: the transformer that the user named, if any; without one the recipe downloads nothing.
    """
    gpu = torch.cuda.is_available()
    if text_encoder in (None, "bag"):
        reason = "the most accurate one measured that needs no download; "
        if gpu:
            return Recipe.load("lexical"), f"{reason}a GPU was found, so `--recipe htla` is worth comparing"
        better = f"`--text-encoder {ENCODER}` (90 MB) takes `wide_deep`, one to four points of micro-F1 better"
        return Recipe.load("lexical"), reason + better
    if gpu:
        reason = "it fine-tunes the encoder on the GPU that was found; `--recipe htla` is worth comparing"
        return Recipe.load("flat"), reason
    reason = "on average the best one measured within ten minutes and without a GPU; it reads the encoder, "
    return Recipe.load("wide_deep"), f"{reason}where `--recipe flat`, `htla` and `xr_transformer` fine-tune it"
