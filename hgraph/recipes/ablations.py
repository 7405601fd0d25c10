"""Recipes without one of their parts, as papers compare them: `hgraph train --ablate NAME`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hgraph.errors import ConfigError
from hgraph.recipes.label_encoder_options import GAT, Features, GPTrans, Graphormer, Learned, Names, TreeSweep
from hgraph.recipes.model_options import HBGL
from hgraph.recipes.objective_options import TLA, BranchBCE, NTXent, ObjectiveOptions
from hgraph.recipes.recipe import Recipe
from hgraph.recipes.schema import suggestion
from hgraph.recipes.training_options import Stage

ID_CHANNELS = 64
"""The width of the free vectors that stand in for names with the label encoder `features`."""


@dataclass(frozen=True)
class Ablation:
    """A part that a recipe may be trained without.

    Attributes:
        description: What is left out, one line.
        applies: Whether a recipe has the part.
        apply: The recipe without it.
    """

    description: str
    applies: Callable[[Recipe], bool]
    apply: Callable[[Recipe], Recipe]


def ablate(recipe: Recipe, names: Sequence[str]) -> Recipe:
    """The recipe without the parts that `names` list, one after the other; its description says so.

    Example:
        >>> without = ablate(Recipe.load("htla"), ["graph", "tla"])
        >>> without.label_encoder.name, [objective.name for objective in without.objectives]
        ('names', ['bce'])

    Raises:
        ConfigError: The recipe has no such part, or nothing to train is left.
    """
    for name in names:
        known = ablations_of(recipe)
        chosen = ALIASES.get(name, name)
        if chosen not in known:
            hint = suggestion(name, list(known))
            raise ConfigError(
                f"--ablate: the recipe '{recipe.name}' has no '{name}' to leave out{hint} It has: "
                f"{', '.join(known) or 'nothing'}."
            )
        try:
            recipe = known[chosen].apply(recipe)
        except ConfigError as error:
            raise ConfigError(f"--ablate {name}: {error}") from None
    if not names:
        return recipe
    return replace(recipe, description=f"{recipe.description} Ablated: {', '.join(names)}.".lstrip())


def ablations_of(recipe: Recipe) -> dict[str, Ablation]:
    """What `recipe` can be trained without, by name: its parts, then its objectives."""
    found = {name: ablation for name, ablation in PARTS.items() if ablation.applies(recipe)}
    objectives = [objective for stage in recipe.all_stages() for objective in stage.objectives]
    for name in dict.fromkeys(objective.name for objective in objectives):
        found.setdefault(name, _objective(name))
    return found


def _no_graph(recipe: Recipe) -> Recipe:
    config = recipe.label_encoder
    if isinstance(config, Features):
        return replace(recipe, label_encoder=replace(config, structure=False))
    assert isinstance(config, GAT | Graphormer | GPTrans | TreeSweep)
    return replace(recipe, label_encoder=Names(text=config.text, ids=config.ids))


def _reads_graph(recipe: Recipe) -> bool:
    config = recipe.label_encoder
    return isinstance(config, GAT | Graphormer | GPTrans | TreeSweep) or (
        isinstance(config, Features) and config.structure
    )


def _no_names(recipe: Recipe) -> Recipe:
    config = recipe.label_encoder
    if isinstance(config, GAT | Graphormer | GPTrans | TreeSweep):
        recipe = replace(recipe, label_encoder=replace(config, text="none", ids=True))
    elif isinstance(config, Features):
        channels = config.id_channels or ID_CHANNELS
        recipe = replace(recipe, label_encoder=replace(config, text="none", id_channels=channels))
    elif config is not None:
        recipe = replace(recipe, label_encoder=Learned())
    return replace(recipe, training=replace(recipe.training, label_documents=False))


def _reads_names(recipe: Recipe) -> bool:
    text = getattr(recipe.label_encoder, "text", "none")
    return text != "none" or any(stage.training.label_documents for stage in recipe.all_stages())


def _no_distance(recipe: Recipe) -> Recipe:
    config = recipe.label_encoder
    assert isinstance(config, Graphormer | GPTrans)
    return replace(recipe, label_encoder=replace(config, distance=False))


def _no_path(recipe: Recipe) -> Recipe:
    config = recipe.label_encoder
    assert isinstance(config, Graphormer | GPTrans)
    return replace(recipe, label_encoder=replace(config, path=False))


def _no_view(recipe: Recipe) -> Recipe:
    branches = getattr(recipe.scorer, "name", "") == "hmcn"  # its parts are branches too
    gone = (NTXent,) if branches else (NTXent, BranchBCE)
    kept: list[ObjectiveOptions] = [part for part in recipe.objectives if not isinstance(part, gone)]
    return replace(recipe, view=None, objectives=kept)


def _no_stages(recipe: Recipe) -> Recipe:
    model = replace(recipe.model, steps=0) if isinstance(recipe.model, HBGL) else recipe.model
    return replace(recipe, stages=[], model=model)


def _objective(name: str) -> Ablation:
    """The ablation of every objective of that name, in the stages too; a stage that trains on nothing else goes."""

    def apply(recipe: Recipe) -> Recipe:
        def kept(objectives: list[ObjectiveOptions]) -> list[ObjectiveOptions]:
            return [objective for objective in objectives if objective.name != name]

        stages: list[Stage] = [
            replace(stage, objectives=kept(stage.objectives)) for stage in recipe.stages if kept(stage.objectives)
        ]
        objectives = kept(recipe.objectives)
        everything = [*objectives, *(objective for stage in stages for objective in stage.objectives)]
        mined = any(isinstance(objective, TLA) and objective.negatives == "mined" for objective in everything)
        mining = recipe.mining if mined else None
        return replace(recipe, objectives=objectives, stages=stages, mining=mining)

    return Ablation(f"the objective '{name}'", lambda recipe: True, apply)


PARTS = {
    "graph": Ablation("the hierarchy in the label encoder: vectors of names (and ids) alone", _reads_graph, _no_graph),
    "names": Ablation("the names of labels: a free vector a label instead", _reads_names, _no_names),
    "random-names": Ablation(
        "what names mean: each label goes by the name of another",
        lambda recipe: (_reads_names(recipe) or isinstance(recipe.model, HBGL)) and not recipe.random_names,
        lambda recipe: replace(recipe, random_names=True),
    ),
    "distance": Ablation(
        "the distance of labels in the label encoder",
        lambda recipe: getattr(recipe.label_encoder, "distance", False),
        _no_distance,
    ),
    "path": Ablation(
        "the edges on the path between labels in the label encoder",
        lambda recipe: getattr(recipe.label_encoder, "path", False),
        _no_path,
    ),
    "view": Ablation(
        "the second view of a document, and the objectives that need it",
        lambda recipe: recipe.view is not None,
        _no_view,
    ),
    "stages": Ablation(
        "the stages before the training proper, and the pre-training of label vectors",
        lambda recipe: bool(recipe.stages) or (isinstance(recipe.model, HBGL) and recipe.model.steps > 0),
        _no_stages,
    ),
}  # fmt: skip
"""The ablations of parts; those of objectives go by the objectives' names."""
ALIASES = {"edges": "path"}
