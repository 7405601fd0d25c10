"""`hgraph train`."""

from pathlib import Path

import click

from hgraph.cli.options import FILE, data_options, fields_of


@click.command("train")
@click.option("--taxonomy", required=True, help="Hierarchy: a file, or the name of one that ships with hgraph.")
@click.option("--train", "train_file", type=FILE, required=True, help="Documents to learn from.")
@click.option("--val", "val_file", type=FILE, help="Documents to tune on. Default: a tenth of --train is held out.")
@click.option("-o", "--output", type=FILE, required=True, help="Model folder to write; new or empty.")
@click.option("--recipe", "recipe_name", help="Recipe by name (`hgraph recipes list`), or a .yaml file.")
@click.option(
    "--text-encoder", help="`bag` (n-grams, no download), or a Hugging Face model: a name on the hub or a folder."
)
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the training documents.")
@click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), help="Of everything drawn at random.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any key of the recipe; repeat at will.")
@click.option("--resume", is_flag=True, help="Go on with the training that was begun in --output.")
@data_options
def command(
    taxonomy: str,
    train_file: Path,
    val_file: Path | None,
    output: Path,
    recipe_name: str | None,
    text_encoder: str | None,
    epochs: int | None,
    seed: int | None,
    settings: tuple[str, ...],
    resume: bool,
    unknown_labels: str,
    text_fields: str | None,
    label_separator: str,
) -> None:
    """Train a model on labelled documents.

    Documents are .jsonl, .csv, .tsv or .parquet files (text files perhaps gzipped) with a text (one string, or several
    fields) and labels (ids, names or paths of the taxonomy). Epoch and thresholds are chosen on the validation
    documents.

    \b
    Examples:
      hgraph train --taxonomy taxonomy.json --train train.jsonl --val val.jsonl -o runs/first
      hgraph train --taxonomy wos --train train.csv --val val.csv -o runs/htla --recipe htla
      hgraph train ... --recipe flat --text-encoder sentence-transformers/all-MiniLM-L6-v2 --epochs 5
      hgraph train ... --set batch_size=64 --set training.thresholds=per_label
      torchrun --nproc-per-node 4 -m hgraph.cli.main train ... --recipe htla
    """
    from hgraph.errors import ConfigError
    from hgraph.recipes import Recipe, default_recipe

    if recipe_name is None:
        recipe, reason = default_recipe() if text_encoder in (None, "bag") else (Recipe.load("flat"), "")
        if reason:
            messages = [f"Recipe: {recipe.name}, the default: {reason}."]
        else:
            messages = ["Recipe: flat, the default for a text encoder of your own; --recipe htla uses the hierarchy."]
    else:
        recipe = Recipe.load(recipe_name)
        messages = [f"Recipe: {recipe.name}"]
    if text_encoder is not None:
        recipe = recipe.with_text_encoder(text_encoder)
    if epochs is not None:
        settings = (*settings, f"training.epochs={epochs}")
    if seed is not None:
        settings = (*settings, f"training.seed={seed}")
    recipe = recipe.override(settings)
    is_path = text_encoder is not None and text_encoder.startswith((".", "/", "~"))
    if text_encoder is not None and is_path and not Path(text_encoder).expanduser().is_dir():
        raise ConfigError(f"--text-encoder: there is no folder '{text_encoder}'.")

    from hgraph.cli.report import metric_table
    from hgraph.cli.taxonomy import open_taxonomy
    from hgraph.data import read_corpus, split_indices
    from hgraph.recipes.run import check_folder, train

    graph = open_taxonomy(taxonomy, "--taxonomy")
    options = {"unknown": unknown_labels, "fields": fields_of(text_fields), "label_separator": label_separator}
    corpus = read_corpus(train_file, graph, **options)  # type: ignore[arg-type]
    if val_file is not None:
        val = read_corpus(val_file, graph, **options)  # type: ignore[arg-type]
    else:
        rows = split_indices(corpus.texts, {"train": 0.9, "val": 0.1})
        if not len(rows["val"]) or not len(rows["train"]):
            raise click.UsageError(f"--train: {len(corpus)} documents are too few to hold some out; give --val.")
        corpus, val = corpus.select(rows["train"]), corpus.select(rows["val"])
        messages.append(f"No --val: {len(val)} documents of {train_file} are held out, chosen by a hash of their text.")
    check_folder(output, recipe, graph, corpus, val, resume=resume)
    # All that can be wrong with the input has been looked at: an error stands alone.
    for message in messages:
        _say(message)
    _say(f"{graph}")
    without = int((corpus.labels.getnnz(axis=0) == 0).sum())
    _say(
        f"{len(corpus)} training and {len(val)} validation documents, {corpus.labels.nnz / max(len(corpus), 1):.1f} "
        f"labels each; {without} of {graph.num_labels} labels have no training document"
    )
    run = train(recipe, graph, corpus, val, output, resume=resume)
    _say(f"\nValidation, thresholds tuned on it ({run.parameters:,} weights, {run.seconds:.0f} s):")
    if _is_first_process():
        click.echo(metric_table({output.name: run.evaluation.report}))
    _say(f"\nModel written to {output}. Next:")
    _say(f"  hgraph evaluate {output} --data TEST_FILE")
    _say(f'  hgraph predict {output} --text "..."')


def _is_first_process() -> bool:
    import os

    return os.environ.get("RANK", "0") == "0"


def _say(message: str) -> None:
    """Messages for the person who waits; standard output is for results."""
    if _is_first_process():
        click.echo(message, err=True)
