"""XR-Transformer's fine-tuning: one text encoder along the levels of a label tree."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from transformers import TrainerCallback, TrainingArguments

from hgraph.data import AlignmentDataset
from hgraph.data.collate import padded_ids
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.models import LevelMatcher, RankedModel
from hgraph.models.level_matcher import CLOSED
from hgraph.ranking import RankerTree
from hgraph.ranking.beam import num_threads
from hgraph.ranking.level_training import SolverOptions, train_level
from hgraph.ranking.ranker_features import RankerFeatures
from hgraph.recipes.builders import build_objectives
from hgraph.recipes.ranker_options import MatcherHead, RankerNegatives, XRTransformer
from hgraph.recipes.recipe import Recipe
from hgraph.recipes.stage_files import load_stage, save_stage, train_stage
from hgraph.recipes.stages import begin_stage, build_trainer
from hgraph.recipes.training_options import Stage
from hgraph.training import last_checkpoint
from hgraph.training.mining import encode

logger = logging.getLogger(__name__)

BLOCK = 4096
"""Documents whose scores of all nodes of a level are held at a time."""
COST = 100.0
"""Cost of a document in the classifiers that a level begins with, as published."""


@dataclass
class Documents:
    """The documents of one corpus on their way down the tree.

    Attributes:
        dataset: All of them with their labels.
        right: For each level, the nodes that are right, CSR [N, K_t].
        candidates: Nodes of the level above whose children they are compared with, CSR [N, K_t-1]; None on the first.
    """

    dataset: AlignmentDataset
    right: list[sp.csr_matrix]
    candidates: sp.csr_matrix | None = None

    def of_level(self, level: int, nodes: sp.csr_matrix | None = None) -> AlignmentDataset:
        """The documents with the nodes of a level as labels; `nodes` in place of each right one once."""
        labels = self.right[level] if nodes is None else nodes
        return AlignmentDataset(self.dataset.features, labels, candidates=self.candidates)

    def descend(
        self, matcher: LevelMatcher, level: int, options: XRTransformer, args: TrainingArguments, title: str
    ) -> Tensor:
        """Go one level down: from here on candidates are nodes of `level`. Returns the vectors [N, D] of all."""
        vectors, _ = encode(matcher, self.dataset, args, progress=f"{title}: documents")
        found = best_nodes(matcher, vectors, self.candidates, options.matcher_beam)
        self.candidates = open_nodes(found, self.right[level], options.matcher_negatives)
        return vectors


def fine_tune(
    recipe: Recipe,
    options: XRTransformer,
    model: RankedModel,
    tree: RankerTree,
    plan: Sequence[tuple[int, int]],
    train: AlignmentDataset,
    val: AlignmentDataset,
    folder: Path,
    *,
    bf16: bool = False,
    resume: bool = False,
    callbacks: Sequence[TrainerCallback] = (),
) -> int:
    """Train the text encoder of `model` along `tree`, as `plan` says (:func:`level_plan`).

    With `bf16` it is computed so. Each finished level is kept in `folder`, a model's folder of checkpoints, and passed
    over by a resume.

    Returns:
        The number of steps.
    """
    assert train.labels is not None
    assert val.labels is not None
    documents = Documents(train, tree.targets(train.labels))
    others = Documents(val, tree.targets(val.labels))
    counts = tree.lift(train.labels)
    training = replace(recipe.training, early_stopping=0, precision="bf16" if bf16 else "fp32")
    before: tuple[LevelMatcher, Tensor] | None = None
    total = 0
    for number, (level, steps) in enumerate(plan, 1):
        name, title = f"level_{number}", f"level {number} of {len(plan)}"
        logger.info("%s: %d nodes, %d steps", title, tree.num_nodes[level], steps)
        matcher, graph = _matcher(recipe, options, model, tree, level, first=before is None)
        stage = Stage(name, recipe.objectives, training=training)
        begin_stage(matcher, stage, graph, torch.ones(graph.num_labels))
        checkpoint = last_checkpoint(folder / name) if resume else None
        trainer = build_trainer(
            stage,
            graph,
            matcher,
            documents.of_level(level, repeated(counts[level])),
            others.of_level(level),
            folder / name,
            name=title,
            max_steps=steps,
            resume_from=checkpoint,
            callbacks=callbacks,
        )
        done = folder / f"{name}.safetensors"
        if resume and done.exists():
            logger.info("%s is finished; going on behind it", title)
            total += load_stage(matcher, done)
        else:
            if before is not None:
                begin_head(options.matcher_head, matcher, *before, documents, tree, level, seed=training.seed)
            elif training.prior_bias:
                nodes = documents.right[level].getnnz(axis=0)
                matcher.init_bias(torch.from_numpy((nodes + 0.5) / (len(train) + 1)).float())
            train_stage(trainer, folder.parent, checkpoint)
            save_stage(matcher, done, trainer.state.global_step)
            total += trainer.state.global_step
        if number < len(plan):
            vectors = documents.descend(matcher, level, options, trainer.args, title)
            others.descend(matcher, level, replace(options, matcher_negatives="matcher"), trainer.args, title)
            before = (matcher, vectors)
    return total


def matched_levels(tree: RankerTree, least: int, most: int) -> list[int]:
    """The levels of at least and at most so many nodes, counted from 0; the last level small enough where none is.

    What few nodes teach, those of the next level teach too, and each level costs a pass over the documents.

    Example:
        >>> tree = RankerTree([np.array([0, 0, 1])], num_top=2, labels=np.array([0, 1, 2]), num_labels=3)
        >>> matched_levels(tree, 1, 3), matched_levels(tree, 3, 9), matched_levels(tree, 9, 2)
        ([0, 1], [1], [0])
    """
    small = [level for level, size in enumerate(tree.num_nodes) if size <= most] or [0]
    return [level for level in small if tree.num_nodes[level] >= least] or small[-1:]


def level_plan(recipe: Recipe, options: XRTransformer, tree: RankerTree, documents: int) -> list[tuple[int, int]]:
    """The levels of `tree` that are trained and the steps of each.

    All together these are `matcher_steps`, or those of `epochs` passes over so many documents.

    Raises:
        ConfigError: There are more or fewer shares than levels.
    """
    levels = matched_levels(tree, options.matcher_least, options.matcher_nodes)
    shares = options.matcher_shares or [2.0**number for number in range(len(levels))]
    if len(shares) != len(levels):
        nodes = ", ".join(f"{tree.num_nodes[level]:,}" for level in levels)
        raise ConfigError(
            f"'matcher_shares' must have one number for each of the {len(levels)} levels that are trained (of {nodes} "
            f"nodes), found {len(shares)}."
        )
    t = recipe.training
    total = options.matcher_steps or t.epochs * documents / (t.batch_size * t.gradient_accumulation)
    return [(level, max(1, round(total * share / sum(shares)))) for level, share in zip(levels, shares, strict=True)]


def repeated(counts: sp.csr_matrix) -> sp.csr_matrix:
    """A matrix that stores each cell as often as its value says, so that a row lists a column several times."""
    times = np.rint(counts.data).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(times)])[counts.indptr]
    indices = np.repeat(counts.indices, times)
    return sp.csr_matrix((np.ones(len(indices), dtype=np.float32), indices, starts), shape=counts.shape)


def best_nodes(matcher: LevelMatcher, vectors: Tensor, candidates: sp.csr_matrix | None, beam: int) -> sp.csr_matrix:
    """The best nodes of each document among the children of its candidates.

    Shapes:
        - vectors [N, D]; candidates CSR [N, K'], nodes of the level above
        - output: CSR [N, K] of ones
    """
    device, rows, columns = matcher.fusion.device, [], []
    with torch.no_grad():
        for start in range(0, len(vectors), BLOCK):
            block = vectors[start : start + BLOCK].to(device)
            scores = matcher.scorer(block)
            if candidates is not None:
                part = candidates[start : start + BLOCK]
                near = matcher.near(padded_ids(np.split(part.indices, part.indptr[1:-1])).to(device))
                assert near is not None
                scores = scores.masked_fill(~near, CLOSED)
            values, nodes = (found.cpu() for found in scores.topk(min(beam, scores.shape[1]), dim=1))
            row, place = (values > CLOSED).numpy().nonzero()
            rows.append(row + start)
            columns.append(nodes.numpy()[row, place])
    row, column = np.concatenate(rows), np.concatenate(columns)
    return sp.csr_matrix((np.ones(len(row), dtype=np.float32), (row, column)), shape=(len(vectors), matcher.num_labels))


def open_nodes(found: sp.csr_matrix, right: sp.csr_matrix, kind: RankerNegatives) -> sp.csr_matrix:
    """Nodes whose children a document is compared with: right ones, found ones, or both."""
    if kind == "teacher":
        return right
    return found if kind == "matcher" else (found + right).tocsr()


@torch.no_grad()
def begin_head(
    kind: MatcherHead,
    matcher: LevelMatcher,
    above: LevelMatcher,
    vectors: Tensor,
    documents: Documents,
    tree: RankerTree,
    level: int,
    *,
    seed: int = 0,
) -> None:
    """First weights of a level: those of the parents, or classifiers fitted to the vectors [N, D] that there are."""
    weight, bias = matcher.scorer.weight, matcher.scorer.bias
    parents = tree.parents[level - 1]
    if kind == "parents":
        weight.copy_(above.scorer.weight[parents])
        bias.copy_(above.scorer.bias[parents])
    elif kind == "fitted":
        assert documents.candidates is not None
        right = documents.right[level]
        solver = SolverOptions(COST, COST, 0.0, None, 1.0, max_iterations=100, tolerance=0.1, seed=seed)
        fitted = train_level(
            RankerFeatures.of(vectors.numpy()),
            right,
            np.ones(right.nnz, dtype=np.float32),
            documents.candidates,
            tree.child_ptr[level],
            parents,
            solver,
            num_threads(None),
        )
        weight.copy_(torch.from_numpy(fitted.dense))
        bias.copy_(torch.from_numpy(fitted.bias))


def _matcher(
    recipe: Recipe, options: XRTransformer, model: RankedModel, tree: RankerTree, level: int, *, first: bool
) -> tuple[LevelMatcher, LabelGraph]:
    """An untrained matcher of a level on the text encoder of `model`, and its nodes as a hierarchy without edges."""
    size = tree.num_nodes[level]
    graph = LabelGraph(None, [str(node) for node in range(size)])
    support = torch.ones(size)
    matcher = LevelMatcher(
        text_encoder=model.text_encoder,
        num_nodes=size,
        parents=None if first else tree.parents[level - 1],
        objectives=build_objectives(recipe.objectives, graph, model.text_encoder.channels, support),
        weighting=options.weighting,
    )
    return matcher, graph
