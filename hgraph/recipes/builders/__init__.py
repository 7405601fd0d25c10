"""Recipe -> objects: the one place where names become classes."""

from hgraph.recipes.builders.label_encoders import recipe_label_texts
from hgraph.recipes.builders.models import build_link, build_model, count_parameters
from hgraph.recipes.builders.objectives import build_objectives
from hgraph.recipes.builders.text_encoders import build_text_encoder

__all__ = [
    "build_link",
    "build_model",
    "build_objectives",
    "build_text_encoder",
    "count_parameters",
    "recipe_label_texts",
]
