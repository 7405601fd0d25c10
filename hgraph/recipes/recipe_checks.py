"""Which parts of a recipe fit together."""

from typing import TYPE_CHECKING

from hgraph.errors import ConfigError
from hgraph.recipes.model_options import CascadeXML, ModelOptions
from hgraph.recipes.objective_options import (
    BCE,
    LABEL_VECTOR_OBJECTIVES,
    TLA,
    ZLPR,
    Asymmetric,
    BranchBCE,
    HiLeCon,
    InstanceContrast,
    RecursiveRegularisation,
    SquaredHinge,
)
from hgraph.recipes.ranker_options import RankerOptions, XRTransformer
from hgraph.recipes.scorer_options import HMCN, LABEL_VECTOR_SCORERS, TOKEN_SCORERS, LabelAttention
from hgraph.recipes.text_encoder_options import Bag, Fields, Frozen, Transformer
from hgraph.recipes.training_options import Stage, check_stage
from hgraph.recipes.view_options import LabelGuided

if TYPE_CHECKING:
    from hgraph.recipes.recipe import Recipe


def check_recipe(recipe: "Recipe") -> None:
    """Refuse parts that do not fit together.

    Raises:
        ConfigError: Which, and what would fit.
    """
    check_stage(recipe.objectives, recipe.parts, "the recipe")
    if recipe.model is not None:
        _check_model(recipe, recipe.model)
    elif recipe.scorer is None and recipe.lexical is None:
        raise ConfigError("a model needs a 'scorer', 'lexical' or both, found neither.")
    if recipe.scorer is not None and isinstance(recipe.text_encoder, Bag) and not recipe.text_encoder.channels:
        raise ConfigError("a 'scorer' needs dense text vectors: set 'text_encoder.channels' above 0, found 0.")
    if isinstance(recipe.scorer, LABEL_VECTOR_SCORERS) and recipe.label_encoder is None:
        raise ConfigError(f"the scorer '{recipe.scorer.name}' needs a 'label_encoder', found none.")
    if isinstance(recipe.scorer, TOKEN_SCORERS) and not recipe.has_tokens:
        raise ConfigError(
            f"the scorer '{recipe.scorer.name}' reads token states: it needs the text encoder 'transformer', or "
            f"'fields' over one, found '{recipe.text_encoder.name}'."
        )
    _check_label_vectors(recipe)
    _check_neighbours(recipe)
    if recipe.fuse and recipe.conditional is not None:
        raise ConfigError("'fuse' weighs log-odds, and the scores of the objective 'conditional' are none.")
    names = [stage.name for stage in recipe.stages]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"'stages' must have different names, found '{name}' twice.")
    for stage in recipe.all_stages():
        _check_objectives(recipe, stage)


def _check_model(recipe: "Recipe", model: ModelOptions) -> None:
    """Refuse what `model` has no place for."""
    if isinstance(model, RankerOptions):
        _check_ranker(recipe, model)
        return
    if not isinstance(recipe.text_encoder, Transformer) or recipe.text_encoder.windows > 1:
        found = recipe.text_encoder.name
        raise ConfigError(
            f"the model '{model.name}' works inside the transformer: it needs the text encoder 'transformer' with "
            f"'windows' 1, found '{found}'{'' if found != 'transformer' else ' with more windows'}."
        )
    for name in ("label_encoder", "scorer", "lexical", "neighbours", "mining", "shortlist"):
        if getattr(recipe, name) is not None:
            raise ConfigError(f"the model '{model.name}' has no place for '{name}'. Set it to null.")
    if recipe.stages:
        raise ConfigError(f"the model '{model.name}' has no 'stages' before its own, found {len(recipe.stages)}.")
    if isinstance(model, CascadeXML):
        _check_cascade(recipe, model)
        return
    pairs = (BCE, ZLPR, Asymmetric)
    if recipe.faithful or model.faithful:
        for objective in recipe.objectives:
            if not isinstance(objective, pairs):
                raise ConfigError(
                    f"the model '{model.name}' in its published form trains steps that end: the objectives must be "
                    f"of {', '.join(kind.name for kind in pairs)}, found '{objective.name}'."
                )


def _check_ranker(recipe: "Recipe", model: RankerOptions) -> None:
    """Refuse what a ranker, which reads features and trains classifiers by itself, has no place for."""
    for name in ("label_encoder", "scorer", "neighbours", "mining", "shortlist", "view"):
        if getattr(recipe, name) is not None:
            raise ConfigError(f"the model '{model.name}' has no place for '{name}'. Set it to null.")
    if recipe.stages or recipe.fuse:
        found = "stages" if recipe.stages else "fuse"
        raise ConfigError(f"the model '{model.name}' has no place for '{found}', as it is fitted at once.")
    if isinstance(recipe.text_encoder, Fields):
        raise ConfigError(
            f"the model '{model.name}' reads one string a text: it needs another text encoder, found 'fields'."
        )
    if isinstance(model, XRTransformer):
        _check_matcher(recipe, model)
        return
    if isinstance(recipe.text_encoder, Bag) and recipe.text_encoder.channels:
        raise ConfigError(
            f"the model '{model.name}' takes the n-grams of 'bag' themselves: 'text_encoder.channels' must be 0, "
            f"found {recipe.text_encoder.channels}."
        )


def _check_matcher(recipe: "Recipe", model: XRTransformer) -> None:
    """Refuse what cannot be fine-tuned, or judged on the candidates of each document."""
    if not isinstance(recipe.text_encoder, Transformer):
        raise ConfigError(
            f"the model '{model.name}' fine-tunes the text encoder 'transformer', found "
            f"'{recipe.text_encoder.name}'. The model 'xr_linear' takes any other."
        )
    if recipe.lexical is None:
        raise ConfigError(f"the model '{model.name}' makes its first tree of n-grams: set 'lexical', found null.")
    for objective in recipe.objectives:
        if not isinstance(objective, BCE | SquaredHinge):
            raise ConfigError(
                f"the model '{model.name}' trains the objectives 'squared_hinge' and 'bce' alone, found "
                f"'{objective.name}'."
            )


def _check_cascade(recipe: "Recipe", model: CascadeXML) -> None:
    """Refuse what reads scores of all labels: a cascade scores a shortlist."""
    names = [objective.name for objective in recipe.objectives]
    if names != ["bce"]:
        raise ConfigError(f"the model '{model.name}' trains the objective 'bce' alone, found {', '.join(names)}.")
    if recipe.view is not None or recipe.fuse:
        found = "fuse" if recipe.fuse else "view"
        raise ConfigError(f"the model '{model.name}' has no place for '{found}', as it has one score alone.")


def _check_label_vectors(recipe: "Recipe") -> None:
    """Refuse queries and views of labels without label vectors, or of texts without words."""
    scorer, view = recipe.scorer, recipe.view
    if isinstance(scorer, LabelAttention) and scorer.query != "learned" and recipe.label_encoder is None:
        raise ConfigError(
            f"the scorer 'label_attention' with query '{scorer.query}' needs a 'label_encoder', found none."
        )
    if not isinstance(view, LabelGuided):
        return
    if recipe.label_encoder is None:
        raise ConfigError("the view 'label_guided' needs a 'label_encoder', found none.")
    if not isinstance(recipe.text_encoder, Transformer):
        raise ConfigError(
            "the view 'label_guided' leaves out words of a text: it needs the text encoder 'transformer', found "
            f"'{recipe.text_encoder.name}'."
        )


def _check_neighbours(recipe: "Recipe") -> None:
    if recipe.neighbours is None:
        return
    if not recipe.fuse:
        raise ConfigError("'neighbours' are no part of training: set 'fuse' to true, so that their weight is fitted.")
    if isinstance(recipe.text_encoder, Bag) and not recipe.text_encoder.channels:
        raise ConfigError("'neighbours' need dense text vectors: set 'text_encoder.channels' above 0, found 0.")


def _check_objectives(recipe: "Recipe", stage: Stage) -> None:
    """Refuse objectives and parts that the model of this recipe cannot serve."""
    for objective in stage.objectives:
        if isinstance(objective, LABEL_VECTOR_OBJECTIVES) and recipe.label_encoder is None:
            raise ConfigError(f"the objective '{objective.name}' needs a 'label_encoder', found none.")
        slots = isinstance(objective, HiLeCon) or (isinstance(objective, InstanceContrast) and objective.faithful)
        if slots and not isinstance(recipe.scorer, TOKEN_SCORERS):
            how = "" if isinstance(objective, HiLeCon) else " in its published form"
            raise ConfigError(f"the objective '{objective.name}'{how} needs the scorer 'hjcl' or 'label_attention'.")
        if isinstance(objective, BranchBCE) and recipe.view is None and not isinstance(recipe.scorer, HMCN):
            raise ConfigError("the objective 'branch_bce' needs a 'view' or the scorer 'hmcn', found neither.")
        if isinstance(objective, RecursiveRegularisation) and recipe.scorer is None:
            raise ConfigError("the objective 'recursive_regularisation' compares weights of a 'scorer', found none.")
        if isinstance(objective, TLA) and objective.negatives == "mined" and recipe.mining is None:
            raise ConfigError("the objective 'tla' with negatives 'mined' needs 'mining', found none.")
    has = {"lexical": recipe.lexical, "dense": recipe.scorer, "sum": True}
    if not has[stage.scores]:
        raise ConfigError(f"'scores' is '{stage.scores}', but the model has no such scorer.")
    scorer = recipe.scorer or recipe.model
    present = {"lexical": recipe.lexical, "scorer": scorer, "label_encoder": recipe.label_encoder}
    for part in stage.parts or []:
        if not present.get(part, True):
            raise ConfigError(f"'parts' names '{part}', which the model does not have.")
        if part == "text_encoder" and isinstance(recipe.text_encoder, Frozen) and not recipe.text_encoder.channels:
            raise ConfigError("'parts' names 'text_encoder', but a frozen one without 'channels' is not trained.")
