"""What `hgraph train` and `hgraph sweep` read alike: a recipe with its changes, and two corpora."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hgraph.cli.options import FILE, F, fields_of

if TYPE_CHECKING:
    from hgraph.data import Corpus
    from hgraph.graph import LabelGraph
    from hgraph.recipes import Recipe


def training_options(command: F) -> F:
    """The taxonomy, the documents, the recipe and what changes it."""
    for option in reversed(
        (
            click.option("--taxonomy", required=True, help="Hierarchy: a file, or the name of one that hgraph has."),
            click.option("--train", "train_file", type=FILE, required=True, help="Documents to learn from."),
            click.option(
                "--val", "val_file", type=FILE, help="Documents to tune on. Default: a tenth of --train is held out."
            ),
            click.option("--recipe", "recipe_name", help="Recipe by name (`hgraph recipes list`), or a .yaml file."),
            click.option(
                "--text-encoder",
                help="`bag` (n-grams, no download), or a Hugging Face model: a name on the hub or a folder.",
            ),
            click.option(
                "--hierarchy", type=click.Choice(["taxonomy", "pifa", "hybrid", "flat"]),
                help="What xr_linear, xr_transformer and cascade_xml search: the taxonomy, a tree of label clusters, "
                "the taxonomy with wide fan-outs cut into clusters, or no tree (not cascade_xml).",
            ),
            click.option("--epochs", type=click.IntRange(min=1), help="Passes over the training documents."),
            click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), help="Of everything drawn at random."),
            click.option(
                "--set", "settings", multiple=True, metavar="KEY=VALUE",
                help="Any key of the recipe, objectives and stages by name: objectives.tla.weight=0.5; repeat at will.",
            ),
            click.option(
                "--ablate", "ablations", multiple=True, metavar="NAME",
                help="Leave a part out: `graph`, `names`, `random-names`, `distance`, `path`, `view`, `stages`, or an "
                "objective by its name; repeat at will. `hgraph recipes ablations RECIPE` lists those of a recipe.",
            ),
            click.option("--no-graph", is_flag=True, help="The same as --ablate graph."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def chosen_recipe(
    recipe_name: str | None,
    text_encoder: str | None,
    *,
    hierarchy: str | None,
    epochs: int | None,
    seed: int | None,
    settings: Sequence[str],
    ablations: Sequence[str],
    no_graph: bool,
) -> tuple[Recipe, list[str]]:
    """The recipe with its changes, and what to tell about it.

    Raises:
        ConfigError: There is no such recipe, or a change does not fit it.
    """
    from hgraph.errors import ConfigError
    from hgraph.recipes import Recipe, default_recipe
    from hgraph.recipes.ablations import ablate

    if recipe_name is None:
        recipe, reason = default_recipe(text_encoder)
        messages = [f"Recipe: {recipe.name}, the default: {reason}."]
    else:
        recipe = Recipe.load(recipe_name)
        messages = [f"Recipe: {recipe.name}"]
    if text_encoder is not None:
        recipe = recipe.with_text_encoder(text_encoder)
    if hierarchy is not None:
        if not hasattr(recipe.model, "hierarchy"):
            raise ConfigError(
                f"--hierarchy: the recipe '{recipe.name}' does not search a hierarchy. Use --recipe xr_linear, "
                "xr_transformer or cascade_xml, or leave it out."
            )
        settings = (*settings, f"model.hierarchy={hierarchy}")
    if epochs is not None:
        settings = (*settings, f"training.epochs={epochs}")
    if seed is not None:
        settings = (*settings, f"training.seed={seed}")
    names = (*(["graph"] if no_graph and "graph" not in ablations else []), *ablations)
    recipe = ablate(recipe.override(settings), names)
    if names:
        messages.append(f"Without: {', '.join(names)}")
    is_path = text_encoder is not None and text_encoder.startswith((".", "/", "~"))
    if text_encoder is not None and is_path and not Path(text_encoder).expanduser().is_dir():
        raise ConfigError(f"--text-encoder: there is no folder '{text_encoder}'.")
    return recipe, messages


def training_corpora(
    graph: LabelGraph,
    train_file: Path,
    val_file: Path | None,
    *,
    unknown_labels: str,
    text_fields: str | None,
    label_separator: str,
) -> tuple[Corpus, Corpus, list[str]]:
    """Training and validation documents, and what to tell about them."""
    from hgraph.data import read_corpus, split_indices

    options: dict[str, Any] = {
        "unknown": unknown_labels, "fields": fields_of(text_fields), "label_separator": label_separator,
    }  # fmt: skip
    corpus, messages = read_corpus(train_file, graph, **options), []
    if val_file is not None:
        val = read_corpus(val_file, graph, **options)
    else:
        rows = split_indices(corpus.texts, {"train": 0.9, "val": 0.1})
        if not len(rows["val"]) or not len(rows["train"]):
            raise click.UsageError(f"--train: {len(corpus)} documents are too few to hold some out; give --val.")
        corpus, val = corpus.select(rows["train"]), corpus.select(rows["val"])
        messages.append(f"No --val: {len(val)} documents of {train_file} are held out, chosen by a hash of their text.")
    without = int((corpus.labels.getnnz(axis=0) == 0).sum())
    messages += [
        f"{graph}",
        f"{len(corpus)} training and {len(val)} validation documents, {corpus.labels.nnz / max(len(corpus), 1):.1f} "
        f"labels each; {without} of {graph.num_labels} labels have no training document",
    ]
    return corpus, val, messages


def say(message: str) -> None:
    """Messages for the person who waits; standard output is for results."""
    if is_first_process():
        click.echo(message, err=True)


def is_first_process() -> bool:
    """Whether this is the process that speaks, of several that train together."""
    import os

    return os.environ.get("RANK", "0") == "0"
