"""One stage of a training: what is trained, on which objectives, by which Trainer."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import DistributedType, PartialState
from torch import Tensor
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback, TrainingArguments

from hgraph.data import AlignmentDataset
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.models import AlignmentModel
from hgraph.models.frozen_model import PARTS, Part
from hgraph.recipes.builders import build_objectives
from hgraph.recipes.objective_options import TLA
from hgraph.recipes.training_options import Balanced, Companions, Levels, Mining, Stage, Training
from hgraph.retrieval import HardNegativeMiner
from hgraph.sampling import CompanionSampler, LevelSampler, SupportSampler
from hgraph.text import BagTextEncoder
from hgraph.text.frozen_text_encoder import fast_precision
from hgraph.training import EpochSampler, HierarchicalTrainer
from hgraph.training.mining import MiningCallback
from hgraph.training.progress import ObjectiveProgress, SaveEvery, TrainingProgress


def begin_stage(model: AlignmentModel, stage: Stage, graph: LabelGraph, support: Tensor) -> None:
    """Make `model` ready for `stage`: its objectives, the weights that are trained, the scores that count.

    Raises:
        ConfigError: Nothing is left to train.
    """
    model.objectives = build_objectives(stage.objectives, graph, model.text_encoder.channels, support)
    model.objectives.to(model.fusion.device)
    if model.shortlist is not None:
        model.objectives.check_shortlist()
    modules = {
        "text_encoder": model.text_encoder,
        "label_encoder": model.label_encoder,
        "scorer": model.scorer,
        "lexical": model.lexical_scorer,
    }
    for name, module in modules.items():
        if module is not None:
            trained = stage.parts is None or name in stage.parts
            for parameter in module.parameters():
                parameter.requires_grad_(trained and parameter in model.trainable)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError(f"the stage '{stage.name}' trains nothing: its 'parts' have no weights of their own.")
    active: dict[str, frozenset[Part]] = {
        "sum": frozenset({"dense", "lexical"}),
        "dense": frozenset({"dense"}),
        "lexical": frozenset({"lexical"}),
    }
    model.active = active[stage.scores]
    with torch.no_grad():
        model.fusion.copy_(torch.tensor([float(part in model.active) for part in PARTS]))


def build_trainer(
    stage: Stage,
    graph: LabelGraph,
    model: AlignmentModel,
    train_dataset: AlignmentDataset,
    val_dataset: AlignmentDataset,
    checkpoints: Path,
    *,
    name: str = "",
    fuse: bool = False,
    mining: Mining | None = None,
    max_steps: int = -1,
    resume_from: Path | None = None,
    callbacks: Sequence[TrainerCallback] = (),
) -> HierarchicalTrainer:
    """The Trainer that `stage.training` describes; the model is ready for the stage, see :func:`begin_stage`.

    `name` stands before each line of progress; `max_steps` above 0 takes the place of epochs; `resume_from` is the
    checkpoint that training will go on from.
    """
    t = stage.training
    metric = t.metric if "scores" in model.objectives.uses else "loss"
    warmup = t.warmup_steps or t.warmup  # below 1 it is a share
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=t.epochs,
        max_steps=max_steps,
        per_device_train_batch_size=t.batch_size,
        per_device_eval_batch_size=t.eval_batch_size,
        gradient_accumulation_steps=t.gradient_accumulation,
        learning_rate=t.learning_rate,
        weight_decay=t.weight_decay,
        lr_scheduler_type="constant_with_warmup" if t.scheduler == "constant" and warmup else t.scheduler,
        warmup_steps=warmup,
        max_grad_norm=t.max_grad_norm,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        logging_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{metric}",
        greater_is_better=metric != "loss",
        seed=t.seed,
        # Without a device that is so anyway, but only when told does the Trainer allow bfloat16 there.
        use_cpu=PartialState().distributed_type == DistributedType.MULTI_CPU or not torch.accelerator.is_available(),
        bf16=uses_bf16(t),
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=torch.cuda.is_available(),
        # Most transformers have a pooler that hgraph does not use; looking for such parts costs a little in each step.
        ddp_find_unused_parameters=_has_unused_parts(model),
        # The patience of early stopping.
        restore_callback_states_from_checkpoint=True,
    )
    extra: list[TrainerCallback] = [TrainingProgress(name), ObjectiveProgress(), *callbacks]
    if t.early_stopping:
        extra.append(EarlyStoppingCallback(t.early_stopping))
    if t.save_steps:
        extra.append(SaveEvery(t.save_steps))
    lexical_rate = t.lexical_learning_rate
    if lexical_rate is None:
        lexical_rate = 2.5 * math.sqrt(len(train_dataset) / 15_000)
    rates = {"adamw": t.learning_rate, "sgd": lexical_rate}
    trainer = HierarchicalTrainer(
        model,
        arguments,
        graph=graph,
        train_dataset=train_dataset,
        eval_dataset=val_dataset,
        head_learning_rate=t.head_learning_rate if t.head_learning_rate is not None else rates[t.head_optimizer],
        lexical_learning_rate=rates["sgd"],
        head_optimizer=t.head_optimizer,
        thresholds=t.thresholds,
        fuse=fuse,
        sampler=build_sampler(t, graph, train_dataset),
        callbacks=extra,
    )
    trainer.remove_callback(PrinterCallback)
    reads_mined = any(isinstance(o, TLA) and o.negatives == "mined" for o in stage.objectives)
    if mining is not None and (reads_mined or model.shortlist is not None):
        trainer.add_callback(build_mining(mining, graph, train_dataset, t.seed, resume_from))
    return trainer


def uses_bf16(training: Training, *, processor: bool = False) -> bool:
    """Whether a training computes in bfloat16 beside float32; `auto` does on a GPU and, if asked, on a `processor`."""
    auto = fast_precision() == "bfloat16" and (processor or torch.cuda.is_available())
    return training.precision == "bf16" or (training.precision == "auto" and auto)


def build_mining(
    mining: Mining, graph: LabelGraph, dataset: AlignmentDataset, seed: int, resume_from: Path | None
) -> MiningCallback:
    """The callback that gives each document hard negative labels."""
    miner = HardNegativeMiner(
        num_negatives=mining.negatives,
        strategy=mining.strategy,
        relative_margin=mining.relative_margin,
        max_similarity=mining.max_similarity,
        sibling_quota=mining.sibling_quota,
        graph=graph,
        seed=seed,
    )
    return MiningCallback(
        miner,
        dataset,
        every_epochs=mining.every_epochs,
        every_steps=mining.every_steps,
        warmup_epochs=mining.warmup_epochs,
        resume_from=resume_from,
    )


def build_sampler(t: Training, graph: LabelGraph, dataset: AlignmentDataset) -> EpochSampler | None:
    """The sampler that `t.sampler` names; None for the Trainer's own, which groups texts of like lengths."""
    size, seed = t.batch_size, t.seed
    match t.sampler:
        case Companions():
            return CompanionSampler(dataset.labels, graph, batch_size=size, seed=seed)
        case Levels(tempering=tempering):
            return LevelSampler(dataset.labels, graph, batch_size=size, tempering=tempering, seed=seed)
        case Balanced(start=start, end=end):
            alpha = (start, end)
            return SupportSampler(dataset.labels, graph, batch_size=size, epochs=t.epochs, alpha=alpha, seed=seed)
    return None


def _has_unused_parts(model: AlignmentModel) -> bool:
    """Whether a step may leave trained weights without a gradient, so that processes must look for such."""
    bag = model.text_encoder
    lexical_alone = isinstance(bag, BagTextEncoder) and model.label_encoder is None and model.scorer is None
    flat_bag = isinstance(bag, BagTextEncoder) and model.label_encoder is None and model.scorer is not None
    return not (flat_bag or (lexical_alone and not bag.channels))
