"""A ranker from features of documents: tree, classifiers, calibration."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from hgraph.data import AlignmentDataset, Collator
from hgraph.decoding import PlattScaling
from hgraph.graph import LabelGraph
from hgraph.models import RankedModel
from hgraph.recipes.ranker_options import XRLinear
from hgraph.recipes.search_trees import search_tree
from hgraph.training import Evaluation
from hgraph.training.evaluation import ThresholdKind, calibrated, predict_scores

BATCH = 256


def fit_ranker(
    model: RankedModel, options: XRLinear, graph: LabelGraph, dataset: AlignmentDataset, *, seed: int, progress: bool
) -> None:
    """Give `model` a ranker that is fitted to the documents of `dataset`."""
    from hgraph.ranking import LinearRanker

    assert dataset.labels is not None
    blocks = model.features(batch["text"] for batch in _loader(model, dataset))
    tree = search_tree(
        options.hierarchy,
        graph,
        joined(blocks),
        dataset.labels,
        branching=options.branching,
        leaf_size=options.leaf_size,
        seed=seed,
    )
    with tqdm(total=tree.num_levels, unit="level", desc="ranker", disable=None if progress else True) as bar:

        def show(done: int, _: int) -> None:
            bar.update(done - bar.n)

        model.ranker = LinearRanker.fit(
            blocks if len(blocks) > 1 else blocks[0],
            dataset.labels,
            tree,
            negatives=options.negatives,
            cp=options.positive_cost,
            cn=options.negative_cost,
            threshold=options.threshold,
            bias=options.bias,
            beam_size=options.beam_size,
            transform=options.transform,
            seed=seed,
            progress=show,
        )


def calibrate_ranker(
    model: RankedModel, graph: LabelGraph, dataset: AlignmentDataset, thresholds: ThresholdKind
) -> tuple[Evaluation, PlattScaling]:
    """Fit probabilities to the validation documents, then tune thresholds on them and measure."""
    assert dataset.labels is not None
    scores = predict_scores(model, _loader(model, dataset), graph.num_labels)
    return calibrated(scores, dataset.labels, graph, thresholds)


def joined(blocks: Sequence[Any]) -> Any:
    """Sparse and dense features side by side, for what takes one matrix alone."""
    if len(blocks) == 1:
        return blocks[0]
    sparse, dense = blocks
    return sp.hstack([sparse, sp.csr_matrix(dense)], format="csr", dtype=np.float32)


def show_figures(evaluation: Evaluation, seconds: float) -> None:
    """One line for the validation documents."""
    report = evaluation.report
    figures = "  ".join(
        f"{label} {report[key]:.4f}"
        for key, label in (("micro_f1", "micro-F1"), ("macro_f1_supported", "macro-F1"), ("r_precision", "R-Prec"))
    )
    tqdm.write(f"val {figures}  {seconds:5.0f} s", file=sys.stderr)


def _loader(model: RankedModel, dataset: AlignmentDataset) -> DataLoader:
    collate = Collator(model.text_encoder.collate, model.num_labels)
    return DataLoader(AlignmentDataset(dataset.features), batch_size=BATCH, collate_fn=collate)
