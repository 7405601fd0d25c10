"""`hgraph train`."""

from pathlib import Path

import click

from hgraph.cli.options import FILE, data_options
from hgraph.cli.training_input import chosen_recipe, is_first_process, say, training_corpora, training_options


@click.command("train")
@training_options
@click.option("-o", "--output", type=FILE, required=True, help="Model folder to write; new or empty.")
@click.option("--resume", is_flag=True, help="Go on with the training that was begun in --output.")
@data_options
def command(
    taxonomy: str,
    train_file: Path,
    val_file: Path | None,
    output: Path,
    recipe_name: str | None,
    text_encoder: str | None,
    hierarchy: str | None,
    epochs: int | None,
    seed: int | None,
    settings: tuple[str, ...],
    ablations: tuple[str, ...],
    no_graph: bool,
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
      hgraph train ... --recipe xr_linear --hierarchy taxonomy
      hgraph train ... --recipe htla --no-graph
      hgraph train ... --recipe htla --ablate tla --set objectives.bce.weight=2
      torchrun --nproc-per-node 4 -m hgraph.cli.main train ... --recipe htla
    """
    recipe, messages = chosen_recipe(
        recipe_name,
        text_encoder,
        hierarchy=hierarchy,
        epochs=epochs,
        seed=seed,
        settings=settings,
        ablations=ablations,
        no_graph=no_graph,
    )

    from hgraph.cli.report import metric_table
    from hgraph.cli.taxonomy import open_taxonomy
    from hgraph.recipes.run import check_folder, train

    graph = open_taxonomy(taxonomy, "--taxonomy")
    corpus, val, more = training_corpora(
        graph,
        train_file,
        val_file,
        unknown_labels=unknown_labels,
        text_fields=text_fields,
        label_separator=label_separator,
    )
    check_folder(output, recipe, graph, corpus, val, resume=resume)
    # All that can be wrong with the input has been looked at: an error stands alone.
    for message in (*messages, *more):
        say(message)
    run = train(recipe, graph, corpus, val, output, resume=resume)
    say(f"\nValidation, thresholds tuned on it ({run.parameters:,} weights, {run.seconds:.0f} s):")
    if is_first_process():
        click.echo(metric_table({output.name: run.evaluation.report}))
    say(f"\nModel written to {output}. Next:")
    say(f"  hgraph evaluate {output} --data TEST_FILE")
    say(f'  hgraph predict {output} --text "..."')
