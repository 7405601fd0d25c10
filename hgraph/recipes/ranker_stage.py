"""A ranker from features of documents: tree, classifiers, calibration."""

import sys
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import scipy.sparse as sp
import torch
from torch.utils.data import DataLoader, Subset
from tqdm.auto import tqdm

from hgraph.data import AlignmentDataset, Collator
from hgraph.decoding import PlattScaling
from hgraph.graph import LabelGraph
from hgraph.models import RankedModel
from hgraph.models.ranked_model import to_csr
from hgraph.ranking import LinearRanker, RankerTree
from hgraph.ranking.linear_ranker import BEAM_SIZE
from hgraph.recipes.ranker_options import RankerOptions
from hgraph.recipes.search_trees import search_tree
from hgraph.text import WideDeepTextEncoder
from hgraph.training import Evaluation
from hgraph.training.evaluation import ThresholdKind, calibrated, predict_scores

BATCH = 256


def fit_ranker(
    model: RankedModel,
    options: RankerOptions,
    graph: LabelGraph,
    dataset: AlignmentDataset,
    num_documents: int,
    *,
    seed: int,
    bf16: bool = False,
    progress: bool = False,
) -> None:
    """Give `model` a ranker that is fitted to the documents of `dataset`; with `bf16` they are encoded so.

    What follows the first `num_documents` are texts of labels. They train the ranker too, but its search is as wide as
    documents need.
    """
    assert dataset.labels is not None
    blocks = document_features(model, dataset, bf16=bf16, progress=progress)
    tree = ranker_tree(options, graph, joined(blocks), dataset.labels, options.leaf_size, seed=seed)
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
            beam_size=BEAM_SIZE if options.beam_size is None else options.beam_size,
            transform=options.transform,
            seed=seed,
            progress=show,
        )
    if options.beam_size is None:
        # The search alone is widened: negatives from a wide one cost macro-F1 in narrow trees (O*NET .168, then .151).
        model.ranker.beam_size = tree.beam(dataset.labels[:num_documents])


def ranker_tree(
    options: RankerOptions, graph: LabelGraph, features: Any, labels: sp.csr_matrix, leaf_size: int | None, *, seed: int
) -> RankerTree:
    """The tree that `options` name, of the features of documents."""
    return search_tree(
        options.hierarchy, graph, features, labels, branching=options.branching, leaf_size=leaf_size, seed=seed
    )


def document_features(
    model: RankedModel, dataset: AlignmentDataset, *, bf16: bool = False, progress: bool = False
) -> list[Any]:
    """What :meth:`RankedModel.features` gives for all documents, which are encoded by length."""
    # Texts of like lengths share a batch.
    order = np.argsort(-model.text_encoder.lengths(dataset.features), kind="stable")
    batches = tqdm(_loader(model, dataset, order), desc="features", leave=False, disable=None if progress else True)
    with torch.autocast(model.calibration.device.type, dtype=torch.bfloat16, enabled=bf16):
        blocks = model.features(batch["text"] for batch in batches)
    back = np.argsort(order)
    return [block[back] for block in blocks]


def calibrate_ranker(
    model: RankedModel, graph: LabelGraph, dataset: AlignmentDataset, thresholds: ThresholdKind
) -> tuple[Evaluation, PlattScaling]:
    """Fit probabilities to the validation documents, then tune thresholds on them and measure."""
    assert dataset.labels is not None
    scores = predict_scores(model, _loader(model, dataset), graph.num_labels)
    return calibrated(scores, dataset.labels, graph, thresholds)


def sparse_features(model: RankedModel, dataset: AlignmentDataset) -> sp.csr_matrix:
    """The n-grams alone of all documents, CSR [N, F]; the encoder of vectors is not asked."""
    wide = cast(WideDeepTextEncoder, model.text_encoder).wide
    grams = [features for features, _ in dataset.features]
    blocks = [
        to_csr(wide(**wide.collate(grams[at : at + BATCH])), wide.num_features) for at in range(0, len(grams), BATCH)
    ]
    return sp.vstack(blocks, format="csr")


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


def _loader(model: RankedModel, dataset: AlignmentDataset, order: np.ndarray | None = None) -> DataLoader:
    collate = Collator(model.text_encoder.collate, model.num_labels)
    texts = AlignmentDataset(dataset.features)
    rows = texts if order is None else Subset(texts, order.tolist())
    return DataLoader(rows, batch_size=BATCH, collate_fn=collate)
