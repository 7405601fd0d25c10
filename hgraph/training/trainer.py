"""`transformers.Trainer` for label hierarchies: validation by F1 at a tuned threshold, exact resume."""

import json
import logging
import math
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import scipy.sparse as sp
import torch
from accelerate.utils import gather_object
from torch.utils.data import DataLoader, Sampler
from transformers import EarlyStoppingCallback, Trainer, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from hgraph.data import AlignmentDataset, Collator
from hgraph.data.collate import LabelForm
from hgraph.decoding import PlattScaling
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.models import AlignmentModel
from hgraph.scoring import LexicalScorer
from hgraph.training.evaluation import (
    Evaluation,
    ThresholdKind,
    calibrated,
    documents_at_once,
    predict_scores,
    tune_thresholds,
)
from hgraph.training.fusion import fit_model_fusion, remember_documents
from hgraph.training.length_grouped_sampler import EpochSampler, LengthGroupedSampler, SetEpoch
from hgraph.training.optimizer import HeadOptimizer, build_optimizer

logger = logging.getLogger(__name__)


class HierarchicalTrainer(Trainer):
    """Trains an :class:`hgraph.models.AlignmentModel`.

    Each validation scores all documents, keeps the best labels of each (CSR, never documents x labels), tunes the
    threshold on them and reports F1 after closing upward; the best epoch by `metric_for_best_model` is kept.

    Args:
        model: The model.
        args: Training arguments; `learning_rate` is that of the text encoder.
        graph: The hierarchy.
        train_dataset: Documents to learn from.
        eval_dataset: Documents to tune on.
        head_learning_rate: Of label encoder, scorer and biases.
        lexical_learning_rate: Of lexical weights; see :func:`hgraph.training.build_optimizer`.
        thresholds: How thresholds are tuned.
        fuse: Whether :meth:`calibrate` weighs the dense, the lexical and the neighbours' score against each other.
        head_optimizer: See :func:`hgraph.training.build_optimizer`.
        sampler: Order of the training documents; by default random, neighbours of like lengths.
        **kwargs: Other arguments of `Trainer`.
    """

    def __init__(
        self,
        model: AlignmentModel,
        args: TrainingArguments,
        *,
        graph: LabelGraph,
        train_dataset: AlignmentDataset,
        eval_dataset: AlignmentDataset,
        head_learning_rate: float,
        lexical_learning_rate: float,
        thresholds: ThresholdKind = "global",
        fuse: bool = False,
        head_optimizer: HeadOptimizer = "adamw",
        sampler: EpochSampler | None = None,
        **kwargs: Any,
    ) -> None:
        self.graph = graph
        self.fuse = fuse
        self.head_optimizer: HeadOptimizer = head_optimizer
        self.sampler = sampler
        self.head_learning_rate = head_learning_rate
        self.lexical_learning_rate = lexical_learning_rate
        self.threshold_kind = thresholds
        super().__init__(
            model=model,
            args=args,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            data_collator=Collator(model.text_encoder.collate, graph.num_labels, form=_label_form(model)),
            **kwargs,
        )
        # The loss is a mean over the documents of a batch; the Trainer must not divide it by a token count.
        self.model_accepts_loss_kwargs = False

    @property
    def alignment(self) -> AlignmentModel:
        """The model, unwrapped."""
        return cast(AlignmentModel, self.model)

    def go_on_from(self, checkpoint: Path) -> None:
        """Make ready to resume from `checkpoint`: the run may have moved, or stopped early already."""
        path = checkpoint / TRAINER_STATE_NAME
        state = TrainerState.load_from_json(str(path))
        best = checkpoint.parent / Path(state.best_model_checkpoint or "").name
        if state.best_model_checkpoint and state.best_model_checkpoint != str(best) and self.args.should_save:
            state.best_model_checkpoint = str(best)
            state.save_to_json(str(path.with_suffix(".new")))
            path.with_suffix(".new").replace(path)
        self.accelerator.wait_for_everyone()
        stopping = cast(dict[str, Any], state.stateful_callbacks.get(EarlyStoppingCallback.__name__, {}))
        patience = stopping.get("args", {}).get("early_stopping_patience", math.inf)
        if stopping.get("attributes", {}).get("early_stopping_patience_counter", 0) >= patience:
            self.args.num_train_epochs = round(state.epoch or 0)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW, and SGD for lexical weights."""
        if self.optimizer is None:
            self.optimizer = build_optimizer(
                self.alignment,
                learning_rate=self.args.learning_rate,
                head_learning_rate=self.head_learning_rate,
                lexical_learning_rate=self.lexical_learning_rate,
                weight_decay=self.args.weight_decay,
                head_optimizer=self.head_optimizer,
            )
        return self.optimizer

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler | None:
        dataset = cast(AlignmentDataset, train_dataset if train_dataset is not None else self.train_dataset)
        encoder = self.alignment.text_encoder
        sampler = self.sampler or LengthGroupedSampler(
            encoder.lengths(dataset.features),
            batch_size=self.args.train_batch_size,
            seed=self.args.seed,
            pool=50 if encoder.pads else 1,
        )
        self.add_callback(SetEpoch(sampler))
        return cast(Sampler, sampler)

    def _clip_grad_norm(self, model: Any) -> Any:
        # Sparse gradients have no cheap norm, and those of lexical weights need no clipping.
        lexical = {id(p) for m in self.alignment.modules() if isinstance(m, LexicalScorer) for p in m.parameters()}
        dense = [
            p
            for p in self.alignment.parameters()
            if p.grad is not None and not p.grad.is_sparse and id(p) not in lexical
        ]
        return self.accelerator.clip_grad_norm_(dense, self.args.max_grad_norm)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        # Without clipping the base class computes a norm in every step, only to log it.
        return grad_norm

    def evaluate(  # type: ignore[override]
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Score, tune the threshold, report; the figures that are numbers, each under `eval_`."""
        start = time.perf_counter()
        if "scores" not in self.alignment.objectives.uses:
            return self._evaluate_loss(eval_dataset, metric_key_prefix)
        result = self.evaluate_corpus(eval_dataset)
        metrics = {
            f"{metric_key_prefix}_{name}": float(value)
            for name, value in result.report.items()
            if isinstance(value, int | float)
        }
        both = (result.report["micro_f1"], result.report["macro_f1_supported"])
        metrics[f"{metric_key_prefix}_mean_f1"] = sum(both) / 2
        metrics[f"{metric_key_prefix}_threshold"] = float(result.thresholds.value)
        metrics[f"{metric_key_prefix}_seconds"] = time.perf_counter() - start
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    @torch.no_grad()
    def _evaluate_loss(self, dataset: AlignmentDataset | None, prefix: str) -> dict[str, float]:
        """The mean loss, where a stage trains no scores."""
        dataset = cast(AlignmentDataset, self.eval_dataset) if dataset is None else dataset
        model = cast(AlignmentModel, self.accelerator.unwrap_model(self.model)).eval()
        values = [
            float(model(**self._prepare_inputs(batch))["loss"])
            for batch in self._loader(dataset)
            if len(batch["labels"]) > 1
        ]
        metrics = {f"{prefix}_loss": float(np.mean(values)) if values else 0.0}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def evaluate_corpus(self, dataset: AlignmentDataset | None = None) -> Evaluation:
        """Scores of `dataset` (the validation data by default), thresholds tuned on them, and the figures."""
        dataset = cast(AlignmentDataset, self.eval_dataset) if dataset is None else dataset
        if dataset.labels is None:
            raise ConfigError("'dataset' must carry labels to be evaluated.")
        scores = self.score(dataset)
        thresholds = tune_thresholds(scores, dataset.labels, self.graph, self.threshold_kind)
        return Evaluation.of(scores, dataset.labels, self.graph, thresholds)

    def calibrate(self, dataset: AlignmentDataset) -> tuple[Evaluation, PlattScaling]:
        """Fit probabilities to `dataset`, then tune thresholds on them and measure."""
        if dataset.labels is None:
            raise ConfigError("'dataset' must carry labels to be calibrated on.")
        if self.fuse:
            self.fit_fusion(dataset)
        return calibrated(self.score(dataset), dataset.labels, self.graph, self.threshold_kind)

    def fit_fusion(self, dataset: AlignmentDataset) -> None:
        """Weigh the scores of the trained model against each other on `dataset`; training documents are remembered.

        Scores that were trained as a sum stay one. The likelihood decides about the weights, F1 whether they are better
        than the scores that took part in training, alone.
        """
        model = cast(AlignmentModel, self.accelerator.unwrap_model(self.model))
        if model.neighbour_scorer is not None:
            train = cast(AlignmentDataset, self.train_dataset)
            remember_documents(model, self._loader(train), train.labels)
        # All processes do the same: the weights must not differ between them.
        before = model.fusion.clone()
        fitted = fit_model_fusion(model, self._loader(dataset), self.graph.num_labels)
        tried = [before, fitted]
        values = []
        for fusion in tried:
            model.fusion.copy_(fusion)
            report = self.evaluate_corpus(dataset).report
            values.append(report["micro_f1"] + report["macro_f1_supported"])
        model.fusion.copy_(tried[int(np.argmax(values))])
        logger.info("weights of the scores: %s", model.fusion.tolist())

    def _loader(self, dataset: AlignmentDataset) -> DataLoader:
        return DataLoader(dataset, batch_size=self._eval_batch_size, collate_fn=self.data_collator)

    @property
    def _eval_batch_size(self) -> int:
        return documents_at_once(self.args.eval_batch_size, self.graph.num_labels)

    def score(self, dataset: AlignmentDataset) -> sp.csr_matrix:
        """Probabilities of the best labels of each document, CSR; processes share the work."""
        frozen = self.accelerator.unwrap_model(self.model).freeze()
        world, rank = self.args.world_size, self.args.process_index
        shard = np.array_split(np.arange(len(dataset)), world)[rank]
        loader = DataLoader(
            torch.utils.data.Subset(dataset, shard.tolist()),
            batch_size=self._eval_batch_size,
            collate_fn=self.data_collator,
        )
        with self.autocast_smart_context_manager():
            scores = predict_scores(frozen, loader, self.graph.num_labels)
        return sp.vstack(gather_object([scores]), format="csr") if world > 1 else scores


def _label_form(model: AlignmentModel) -> LabelForm:
    """How a batch gives labels: as ids where a step looks at few of them."""
    return model.label_form if model.shortlist is None else "ids"


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint in `folder`; one whose writing was cut short is passed over.

    The Trainer writes `trainer_state.json` last, so a checkpoint with a readable one is whole.
    """
    found = []
    for path in folder.glob("checkpoint-*"):
        number = path.name.removeprefix("checkpoint-")
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            logger.info("%s is incomplete and is not used", path)
            continue
        if number.isdigit():
            found.append((int(number), path))
    return max(found)[1] if found else None
