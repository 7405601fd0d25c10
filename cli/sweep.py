"""`hgraph sweep`."""

from pathlib import Path

import click

from hgraph.cli.options import FILE, data_options, table
from hgraph.cli.training_input import chosen_recipe, say, training_corpora, training_options

METRICS = ["macro_f1", "macro_f1_supported", "micro_f1", "mean_f1", "r_precision"]


@click.command("sweep")
@training_options
@click.option("-o", "--output", type=FILE, required=True, help="Folder of the sweep to write; new or empty.")
@click.option(
    "--param", "params", multiple=True, metavar="KEY=VALUES",
    help="What is tried: KEY=LOW:HIGH, KEY=LOW:HIGH:log, KEY=LOW:HIGH:STEP or KEY=A,B,C; keys as for --set; repeat "
    "at will.",
)  # fmt: skip
@click.option("--trials", type=click.IntRange(min=1), help="Trainings in all. Default: 20, with --grid all of it.")
@click.option("--grid", is_flag=True, help="Try all combinations. Default: what the trials so far suggest (TPE).")
@click.option(
    "--metric", type=click.Choice(METRICS), help="What is best, on validation documents. Default: the recipe's."
)
@click.option("--prune", is_flag=True, help="Stop a trial at a validation where it is worse than the median so far.")
@click.option("--resume", is_flag=True, help="Go on with the sweep that was begun in --output.")
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
    params: tuple[str, ...],
    trials: int | None,
    grid: bool,
    metric: str | None,
    prune: bool,
    resume: bool,
    unknown_labels: str,
    text_fields: str | None,
    label_separator: str,
) -> None:
    """Train a recipe with many values of its keys, and keep the best model.

    The best model, by a figure on the validation documents, is a model folder in OUTPUT/best; of the other trials
    recipe and figures are kept in OUTPUT/trials, and OUTPUT/trials.csv has one row each. A trial that fails is shown,
    and the others go on. Needs optuna: pip install "hgraph-text[sweep]".

    \b
    Examples:
      hgraph sweep --taxonomy wos --train train.jsonl --val val.jsonl -o runs/sweep --recipe htla \\
        --param objectives.tla.weight=0:2 --param learning_rate=1e-5:1e-3:log --trials 20
      hgraph sweep ... --recipe htla --param objectives.tla.temperature=0.05,0.07,0.1 --param seed=0,1,2 --grid
      hgraph sweep ... --trials 40 --resume
    """
    recipe, messages = chosen_recipe(
        recipe_name,
        text_encoder,
        hierarchy=hierarchy,
        epochs=epochs,
        seed=seed,
        settings=(*settings, *([f"training.metric={metric}"] if metric else [])),
        ablations=ablations,
        no_graph=no_graph,
    )

    from hgraph.recipes.search_space import parse_space

    space = parse_space(params, recipe)

    from hgraph.cli.taxonomy import open_taxonomy
    from hgraph.recipes.sweep import BEST, FIGURES, TABLE, best_of, sweep

    graph = open_taxonomy(taxonomy, "--taxonomy")
    corpus, val, more = training_corpora(
        graph,
        train_file,
        val_file,
        unknown_labels=unknown_labels,
        text_fields=text_fields,
        label_separator=label_separator,
    )
    for message in (*messages, *more):
        say(message)
    done = sweep(
        recipe,
        graph,
        corpus,
        val,
        output,
        space,
        trials=trials or (None if grid else 20),
        grid=grid,
        prune=prune,
        resume=resume,
        report=say,
    )
    best, chosen = best_of(done), recipe.training.metric
    extra = [] if chosen in FIGURES else [chosen]
    rows = [["trial", *space, "micro-F1", "macro-F1", "R-Prec", *extra, ""]]
    for trial in sorted(done, key=lambda trial: (trial.value is None, -(trial.value or 0.0), trial.number)):
        values = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in trial.params.values()]
        figures = [f"{trial.figures[name]:.4f}" if trial.figures else "-" for name in FIGURES]
        figures += ["-" if trial.value is None else f"{trial.value:.4f}"] if extra else []
        note = "best" if trial is best else "" if trial.state == "complete" else trial.state
        rows.append([str(trial.number), *values, *figures, note])
    say(f"\nValidation, thresholds tuned on it; the best by {chosen}:")
    click.echo(table(rows, align="r" * (len(rows[0]) - 1) + "l"))
    say(f"\nAll trials: {output / TABLE}")
    if best is None:
        raise click.ClickException("no trial came to an end; their errors are above.")
    say(f"The best model: {output / BEST}. Next:")
    say(f"  hgraph evaluate {output / BEST} --data TEST_FILE")
