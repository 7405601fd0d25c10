"""Recipe, hierarchy and documents -> a trained model in a folder."""

import logging
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from accelerate import PartialState
from transformers import TrainerCallback, set_seed

from hgraph.data import AlignmentDataset, Corpus, text_fields
from hgraph.data.label_documents import label_rows
from hgraph.decoding import PlattScaling
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.hub import save_model
from hgraph.models import AlignmentModel, RankedModel
from hgraph.recipes.builders import build_model, build_text_encoder, count_parameters, recipe_label_texts
from hgraph.recipes.label_hierarchy import label_hierarchy
from hgraph.recipes.matcher_stage import fine_tune, level_plan
from hgraph.recipes.model_options import CascadeXML
from hgraph.recipes.ranker_options import RankerOptions, XRTransformer
from hgraph.recipes.ranker_stage import calibrate_ranker, fit_ranker, ranker_tree, show_figures, sparse_features
from hgraph.recipes.recipe import Recipe
from hgraph.recipes.run_folder import CHECKPOINTS, check_folder, open_folder
from hgraph.recipes.stage_files import load_stage, save_stage, train_stage
from hgraph.recipes.stages import begin_stage, build_trainer, uses_bf16
from hgraph.scoring import LinearScorer
from hgraph.text import Text
from hgraph.training import Evaluation, last_checkpoint
from hgraph.version import __version__

logger = logging.getLogger(__name__)

MAIN = "main"


@dataclass(frozen=True)
class TrainingRun:
    """What a training run gave.

    Attributes:
        folder: The model folder.
        evaluation: Figures on the validation documents, thresholds tuned on them.
        seconds: Wall-clock time of the training loop, validations included; of this call alone after a resume.
        steps: Optimiser steps of the whole run.
        parameters: Trained weights.
    """

    folder: Path
    evaluation: Evaluation
    seconds: float
    steps: int
    parameters: int


def train(
    recipe: Recipe,
    graph: LabelGraph,
    train_corpus: Corpus,
    val_corpus: Corpus,
    output: str | Path,
    *,
    resume: bool = False,
    callbacks: Sequence[TrainerCallback] = (),
) -> TrainingRun:
    """Train a model and write its folder.

    Args:
        recipe: How.
        graph: The label hierarchy.
        train_corpus: Documents to learn from.
        val_corpus: Documents to choose the epoch and the thresholds on.
        output: The model folder; new or empty, unless `resume`.
        resume: Go on from the last complete checkpoint in `output`, or begin where there is none.
        callbacks: Other callbacks of the Trainer.

    Raises:
        ConfigError: `output` holds something else, or was begun with other data, taxonomy or recipe.
    """
    folder = Path(output)
    state = process_state()
    if state.is_main_process:
        check_folder(folder, recipe, graph, train_corpus, val_corpus, resume=resume)
    state.wait_for_everyone()

    set_seed(recipe.training.seed)
    if isinstance(recipe.model, RankerOptions):
        return _train_ranker(
            recipe, recipe.model, graph, train_corpus, val_corpus, folder, state, resume=resume, callbacks=callbacks
        )
    # What can fail for a reason of the user's comes before anything is written.
    model, dataset = prepare(recipe, graph, train_corpus)
    val_dataset = AlignmentDataset(model.text_encoder.prepare(corpus_texts(recipe, val_corpus)), val_corpus.labels)
    if state.is_main_process:
        open_folder(folder, recipe, graph, train_corpus, val_corpus)
    state.wait_for_everyone()
    start = time.perf_counter()
    support = torch.from_numpy(label_support(train_corpus)).float()
    steps = 0
    for stage in recipe.all_stages():
        done = folder / CHECKPOINTS / f"{stage.name}.safetensors"
        begin_stage(model, stage, graph, support)
        if resume and stage.name != MAIN and done.exists():
            logger.info("the stage '%s' is finished; going on behind it", stage.name)
            steps += load_stage(model, done)
            continue
        last = stage.name == MAIN
        checkpoints = folder / CHECKPOINTS if last else folder / CHECKPOINTS / stage.name
        checkpoint = last_checkpoint(checkpoints) if resume else None
        if last and checkpoint is None:
            # Every process does the same, so none waits; what it gives is in the first checkpoint.
            model.pretrain(seed=recipe.training.seed, device=state.device, progress=state.is_main_process)
        trainer = build_trainer(
            stage,
            graph,
            model,
            dataset,
            val_dataset,
            checkpoints,
            name=stage.name if recipe.stages else "",
            fuse=recipe.fuse and last,
            mining=recipe.mining,
            resume_from=checkpoint,
            callbacks=callbacks,
        )
        train_stage(trainer, folder, checkpoint)
        steps += trainer.state.global_step
        if not last and state.is_main_process:
            save_stage(model, done, trainer.state.global_step)
        state.wait_for_everyone()
    seconds = time.perf_counter() - start
    evaluation, calibration = trainer.calibrate(val_dataset)
    run = TrainingRun(folder, evaluation, seconds, steps, count_parameters(model))
    if state.is_main_process:
        _save(run, model, graph, calibration, recipe, train_corpus)
    state.wait_for_everyone()
    return run


def _train_ranker(
    recipe: Recipe,
    options: RankerOptions,
    graph: LabelGraph,
    train_corpus: Corpus,
    val_corpus: Corpus,
    folder: Path,
    state: PartialState,
    *,
    resume: bool,
    callbacks: Sequence[TrainerCallback],
) -> TrainingRun:
    """Fit a ranker, one pass down its tree; before it, where `options` say so, the text encoder is fine-tuned."""
    if state.num_processes > 1:
        raise ConfigError(
            f"the model '{options.name}' uses all cores of one process: start `hgraph train` without `torchrun`."
        )
    texts, labels = _documents(recipe, graph, train_corpus)
    encoder = build_text_encoder(recipe, texts)
    model = RankedModel(
        text_encoder=encoder, num_labels=graph.num_labels, dense_weight=options.dense_weight, top_k=options.top_k
    ).eval()
    dataset = AlignmentDataset(encoder.prepare(texts), labels)
    val_dataset = AlignmentDataset(encoder.prepare(corpus_texts(recipe, val_corpus)), val_corpus.labels)
    start, steps, seed, bf16 = time.perf_counter(), 0, recipe.training.seed, False
    if isinstance(options, XRTransformer):
        bf16 = uses_bf16(recipe.training, processor=True)
        grams = sparse_features(model, dataset)
        tree = ranker_tree(options, graph, grams, labels, options.matcher_leaf_size, seed=seed)
        plan = level_plan(recipe, options, tree, len(dataset))
        open_folder(folder, recipe, graph, train_corpus, val_corpus)
        steps = fine_tune(
            recipe, options, model.to(state.device), tree, plan, dataset, val_dataset, folder / CHECKPOINTS,
            bf16=bf16, resume=resume, callbacks=callbacks,
        )  # fmt: skip
    else:
        open_folder(folder, recipe, graph, train_corpus, val_corpus)
    fit_ranker(model.eval(), options, graph, dataset, len(train_corpus), seed=seed, bf16=bf16, progress=True)
    evaluation, calibration = calibrate_ranker(model, graph, val_dataset, recipe.training.thresholds)
    seconds = time.perf_counter() - start
    show_figures(evaluation, seconds)
    run = TrainingRun(folder, evaluation, seconds, steps, model.num_weights)
    _save(run, model, graph, calibration, recipe, train_corpus)
    return run


def _save(
    run: TrainingRun,
    model: AlignmentModel | RankedModel,
    graph: LabelGraph,
    calibration: PlattScaling,
    recipe: Recipe,
    corpus: Corpus,
) -> None:
    """Write the model folder; the checkpoints go."""
    save_model(
        run.folder,
        model,
        graph=graph,
        thresholds=run.evaluation.thresholds,
        calibration=calibration,
        recipe=recipe,
        metrics=_metrics(run, corpus),
        text_fields=text_fields(corpus.documents),
    )
    shutil.rmtree(run.folder / CHECKPOINTS, ignore_errors=True)


def _metrics(run: TrainingRun, corpus: Corpus) -> dict[str, Any]:
    """What `metrics.json` says about a training."""
    return {
        "validation": run.evaluation.report,
        "training": {
            "seconds": round(run.seconds, 1),
            "steps": run.steps,
            "parameters": run.parameters,
            "documents": len(corpus),
            "versions": {"hgraph": __version__, "torch": torch.__version__},
        },
    }


def process_state() -> PartialState:
    """How many processes train together and which one this is.

    Raises:
        ConfigError: Several were started that do not find each other; each would train a model of its own.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    has_device = torch.cuda.is_available() or (hasattr(torch, "accelerator") and torch.accelerator.is_available())
    # Processes without a GPU find each other only when told that there is none.
    state = PartialState(cpu=started > 1 and not has_device)
    if started > 1 and state.num_processes != started:
        raise ConfigError(
            f"{started} processes were started, but {state.num_processes} of them train together. Start `hgraph train` "
            "by `torchrun`, before anything else uses accelerate, or as one process."
        )
    return state


def prepare(recipe: Recipe, graph: LabelGraph, corpus: Corpus) -> tuple[AlignmentModel, AlignmentDataset]:
    """The untrained model of `recipe`, and the documents as it reads them."""
    texts, labels = _documents(recipe, graph, corpus)
    encoder = build_text_encoder(recipe, texts)
    counts = label_support(corpus)
    tree = None
    if isinstance(recipe.model, CascadeXML):
        tree = label_hierarchy(recipe.model, graph, texts, labels, seed=recipe.training.seed)
    model = build_model(recipe, graph, encoder, counts, tree=tree)
    if recipe.training.head_optimizer == "sgd" and isinstance(model.scorer, LinearScorer):
        torch.nn.init.zeros_(model.scorer.weight)  # as lexical weights: what no document moves stays zero
    if recipe.training.prior_bias:
        # Half a document more on either side: no label is impossible or certain. Label documents do not count.
        model.init_bias(torch.from_numpy((counts + 0.5) / (len(corpus) + 1)).float())
    items = encoder.prepare(texts)
    encoder.adapt(items)
    return model, AlignmentDataset(items, labels)


def _documents(recipe: Recipe, graph: LabelGraph, corpus: Corpus) -> tuple[Sequence[Text], sp.csr_matrix]:
    """Texts and labels to train on: those of `corpus`, and of the labels themselves where the recipe says so."""
    texts, labels = corpus_texts(recipe, corpus), corpus.labels
    if recipe.training.label_documents:
        texts = [*texts, *recipe_label_texts(recipe, graph, "name+description")]
        labels = sp.vstack([labels, label_rows(graph)], format="csr")
    return texts, labels


def corpus_texts(recipe: Recipe, corpus: Corpus) -> Sequence[Text]:
    """The texts of `corpus` as the text encoder reads them: one string each, or the fields apart."""
    return corpus.field_texts if recipe.reads_fields else corpus.texts


def label_support(corpus: Corpus) -> np.ndarray:
    """Documents of each label, int64 [L]."""
    return np.asarray(corpus.labels.getnnz(axis=0), dtype=np.int64)
