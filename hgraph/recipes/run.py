"""Recipe, hierarchy and documents -> a trained model in a folder."""

import hashlib
import json
import logging
import math
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
from accelerate import DistributedType, PartialState
from safetensors import SafetensorError
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback, TrainingArguments, set_seed

from hgraph.data import AlignmentDataset, Corpus, text_fields
from hgraph.data.label_documents import label_rows, label_texts
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.hub import save_model, write_json
from hgraph.models import AlignmentModel
from hgraph.recipes.build import build_model, build_text_encoder, count_parameters
from hgraph.recipes.recipe import Bag, Recipe
from hgraph.training import Evaluation, HierarchicalTrainer, last_checkpoint
from hgraph.training.progress import SaveEvery, TrainingProgress
from hgraph.version import __version__

logger = logging.getLogger(__name__)

RUN_FILE = "run.json"
CHECKPOINTS = "checkpoints"


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
    # What can fail for a reason of the user's comes before anything is written.
    model, dataset = prepare(recipe, graph, train_corpus)
    val_dataset = AlignmentDataset(model.text_encoder.prepare(val_corpus.texts), val_corpus.labels)
    trainer = build_trainer(recipe, graph, model, dataset, val_dataset, folder / CHECKPOINTS, callbacks=callbacks)
    if state.is_main_process:
        open_folder(folder, recipe, graph, train_corpus, val_corpus)
    state.wait_for_everyone()
    checkpoint = last_checkpoint(folder / CHECKPOINTS) if resume else None
    if checkpoint is not None:
        logger.info("going on from %s", checkpoint)
        trainer.go_on_from(checkpoint)
    start = time.perf_counter()
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except (OSError, SafetensorError) as error:
        raise _not_written(folder, error) from None
    except RuntimeError as error:
        # torch.save wraps what the system says.
        if "PytorchStreamWriter" not in str(error) and "unexpected pos" not in str(error):
            raise
        raise _not_written(folder, error) from None
    seconds = time.perf_counter() - start
    evaluation, calibration = trainer.calibrate(val_dataset)
    run = TrainingRun(folder, evaluation, seconds, trainer.state.global_step, count_parameters(model))
    if state.is_main_process:
        save_model(
            folder,
            model,
            graph=graph,
            thresholds=evaluation.thresholds,
            calibration=calibration,
            recipe=recipe,
            metrics={
                "validation": evaluation.report,
                "training": {
                    "seconds": round(seconds, 1),
                    "steps": run.steps,
                    "parameters": run.parameters,
                    "documents": len(train_corpus),
                    "versions": {"hgraph": __version__, "torch": torch.__version__},
                },
            },
            text_fields=text_fields(train_corpus.documents),
        )
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    state.wait_for_everyone()
    return run


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
    texts, labels = corpus.texts, corpus.labels
    if recipe.training.label_documents:
        texts = texts + label_texts(graph, "name+description")
        labels = sp.vstack([labels, label_rows(graph)], format="csr")
    encoder = build_text_encoder(recipe.text_encoder, texts)
    model = build_model(recipe, graph, encoder)
    if recipe.training.prior_bias:
        # Half a document more on either side: no label is impossible or certain. Label documents do not count.
        counts = np.asarray(corpus.labels.sum(0)).ravel()
        model.init_bias(torch.from_numpy((counts + 0.5) / (len(corpus) + 1)).float())
    return model, AlignmentDataset(encoder.prepare(texts), labels)


def build_trainer(
    recipe: Recipe,
    graph: LabelGraph,
    model: AlignmentModel,
    train_dataset: AlignmentDataset,
    val_dataset: AlignmentDataset,
    checkpoints: Path,
    *,
    callbacks: Sequence[TrainerCallback] = (),
) -> HierarchicalTrainer:
    """The Trainer that `recipe.training` describes."""
    t = recipe.training
    bf16 = t.precision == "bf16" or (
        t.precision == "auto" and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    )
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=t.epochs,
        per_device_train_batch_size=t.batch_size,
        per_device_eval_batch_size=t.eval_batch_size,
        gradient_accumulation_steps=t.gradient_accumulation,
        learning_rate=t.learning_rate,
        weight_decay=t.weight_decay,
        lr_scheduler_type=t.scheduler if not (t.scheduler == "constant" and t.warmup) else "constant_with_warmup",
        warmup_steps=t.warmup,
        max_grad_norm=t.max_grad_norm,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        logging_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{t.metric}",
        greater_is_better=True,
        seed=t.seed,
        use_cpu=process_state().distributed_type == DistributedType.MULTI_CPU,
        bf16=bf16,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=torch.cuda.is_available(),
        # Most transformers have a pooler that hgraph does not use; looking for such parts costs a little in each step.
        ddp_find_unused_parameters=_has_unused_parts(recipe),
        # The patience of early stopping.
        restore_callback_states_from_checkpoint=True,
    )
    extra: list[TrainerCallback] = [TrainingProgress(), *callbacks]
    if t.early_stopping:
        extra.append(EarlyStoppingCallback(t.early_stopping))
    if t.save_steps:
        extra.append(SaveEvery(t.save_steps))
    trainer = HierarchicalTrainer(
        model,
        arguments,
        graph=graph,
        train_dataset=train_dataset,
        eval_dataset=val_dataset,
        head_learning_rate=t.learning_rate if t.head_learning_rate is None else t.head_learning_rate,
        lexical_learning_rate=(
            2.5 * math.sqrt(len(train_dataset) / 15_000) if t.lexical_learning_rate is None else t.lexical_learning_rate
        ),
        thresholds=t.thresholds,
        callbacks=extra,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _has_unused_parts(recipe: Recipe) -> bool:
    if not isinstance(recipe.text_encoder, Bag) or recipe.label_encoder is not None:
        return True
    return recipe.scorer is None and recipe.text_encoder.channels > 0


def check_folder(
    folder: Path, recipe: Recipe, graph: LabelGraph, train_corpus: Corpus, val_corpus: Corpus, *, resume: bool
) -> None:
    """Check that the output folder is free, or that a begun one was begun with the very same things.

    Raises:
        ConfigError: See :func:`train`.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"-o {folder}: expected a folder, found a file. Choose another name.")
    if folder.is_dir() and any(folder.iterdir()):
        if not resume:
            begun = (folder / RUN_FILE).exists() and not (folder / "config.json").exists()
            way = "Choose another, or go on with --resume." if begun else "Choose another, or remove it."
            raise ConfigError(f"-o {folder}: the folder exists and is not empty. {way}")
        _check_signature(folder, _signature(recipe, graph, train_corpus, val_corpus))
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not place.is_dir():
        raise ConfigError(f"-o {folder}: '{place}' is a file, expected a folder. Choose another name.")
    if not os.access(place, os.W_OK):
        raise ConfigError(f"-o {folder}: no permission to write into '{place}'. Choose another folder.")


def open_folder(folder: Path, recipe: Recipe, graph: LabelGraph, train_corpus: Corpus, val_corpus: Corpus) -> None:
    """Make the output folder and note what the run was begun with.

    Raises:
        ConfigError: The system refuses.
    """
    try:
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{RUN_FILE}"
        write_json(temporary, _signature(recipe, graph, train_corpus, val_corpus))
        os.replace(temporary, folder / RUN_FILE)
    except OSError as error:
        raise ConfigError(f"-o {folder}: cannot be written: {error.strerror or error}.") from None


def _not_written(folder: Path, error: Exception) -> ConfigError:
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return ConfigError(f"{folder}: a checkpoint cannot be written: {reason}. Make room, then go on with --resume.")


def _signature(recipe: Recipe, graph: LabelGraph, train_corpus: Corpus, val_corpus: Corpus) -> dict[str, Any]:
    return {
        "taxonomy": graph.fingerprint,
        "train": corpus_fingerprint(train_corpus),
        "val": corpus_fingerprint(val_corpus),
        "recipe": recipe.to_dict(),
    }


def _check_signature(folder: Path, signature: dict[str, Any]) -> None:
    """Refuse to go on with other data, another taxonomy or another recipe."""
    if (folder / "config.json").exists():
        raise ConfigError(f"--resume: the training in {folder} is finished; there is nothing to go on with.")
    try:
        begun = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        begun = None
    if not isinstance(begun, dict):
        raise ConfigError(f"--resume: {folder} holds no training run that was begun. Choose another folder.")
    what = {"taxonomy": "--taxonomy", "train": "--train", "val": "--val", "recipe": "--recipe or --set"}
    for key, option in what.items():
        if begun.get(key) != signature[key]:
            detail = f" (fingerprint {signature[key]}, expected {begun.get(key)})" if key == "taxonomy" else ""
            raise ConfigError(
                f"--resume: {option} differs from what the run in {folder} was begun with{detail}. Give the same, or "
                "train into another folder."
            )


def corpus_fingerprint(corpus: Corpus) -> str:
    """Sixteen hexadecimal digits that depend on every text and label, in order."""
    digest = hashlib.sha256()
    for text in corpus.texts:
        digest.update(text.encode())
        digest.update(b"\0")
    digest.update(np.asarray(corpus.labels.indptr, dtype=np.int64).tobytes())
    digest.update(np.asarray(corpus.labels.indices, dtype=np.int64).tobytes())
    return digest.hexdigest()[:16]
