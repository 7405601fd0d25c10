"""`hgraph negatives`."""

from pathlib import Path
from typing import Any

import click

from hgraph.cli.options import FILE, data_options, fields_of


@click.command("negatives")
@click.argument("run", type=FILE)
@click.option("--data", type=FILE, required=True, help="Labelled documents.")
@click.option("--earlier", type=FILE, help="An earlier model folder: `fixed` is what it would have mined.")
@click.option("--count", type=click.IntRange(min=1), default=16, show_default=True, help="Labels for each document.")
@click.option("--relative-margin", type=click.FloatRange(0, 1, max_open=True), help="See `mining` in docs/recipes.md.")
@click.option("--max-similarity", type=float, help="Leave labels alone that are more similar than this.")
@click.option("--sibling-quota", type=click.FloatRange(0, 1), default=0.0, help="Share that must be siblings.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the random strategy.")
@data_options
def command(
    run: Path,
    data: Path,
    earlier: Path | None,
    count: int,
    relative_margin: float | None,
    max_similarity: float | None,
    sibling_quota: float,
    seed: int,
    unknown_labels: str,
    text_fields: str | None,
    label_separator: str,
) -> None:
    """Compare strategies of mining hard negative labels with the model in the folder RUN.

    Each strategy (hardest, semi_hard, random; fixed with --earlier) gives every document of --data labels that it does
    not have. The table says how similar these are, how many are more similar than a true label of the document and may
    be true themselves, and how many are siblings of true ones.

    \b
    Examples:
      hgraph negatives runs/htla --data train.jsonl
      hgraph negatives runs/htla --data train.jsonl --relative-margin 0.05 --sibling-quota 0.5
      hgraph negatives runs/second --earlier runs/first --data train.jsonl
    """
    from hgraph.cli.evaluate import trained_fields
    from hgraph.data import AlignmentDataset, read_corpus
    from hgraph.errors import ConfigError
    from hgraph.recipes.run import corpus_texts
    from hgraph.retrieval import HardNegativeMiner, compare_strategies
    from hgraph.training.mining import encode
    from hgraph.update import load_alignment_model

    model, saved = load_alignment_model(run)
    corpus = read_corpus(
        data,
        saved.graph,
        unknown=unknown_labels,  # type: ignore[arg-type]
        fields=fields_of(text_fields) or trained_fields(data, saved.config),
        label_separator=label_separator,
    )
    options: dict[str, Any] = {
        "num_negatives": count,
        "relative_margin": relative_margin,
        "max_similarity": max_similarity,
        "sibling_quota": sibling_quota,
        "seed": seed,
    }
    dataset = AlignmentDataset(model.text_encoder.prepare(corpus_texts(saved.recipe, corpus)), corpus.labels)
    before = None
    if earlier is not None:
        first, other = load_alignment_model(earlier)
        if other.graph.fingerprint != saved.graph.fingerprint:
            raise ConfigError(f"--earlier {earlier}: was trained on another taxonomy than {run}. Give one on the same.")
        texts = first.text_encoder.prepare(corpus_texts(other.recipe, corpus))
        miner = HardNegativeMiner(graph=saved.graph, **options)
        before = miner.mine_labels(*encode(first, AlignmentDataset(texts, corpus.labels)), corpus.labels)
    text, labels = encode(model, dataset)
    click.echo(f"{len(corpus)} documents, {saved.graph.num_labels} labels, {count} negatives each\n")
    click.echo(str(compare_strategies(text, labels, corpus.labels, graph=saved.graph, earlier=before, **options)))
