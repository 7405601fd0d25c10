"""Hard negative labels that follow the model as it trains."""

import logging
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor
from tqdm.auto import tqdm
from transformers import TrainerCallback, TrainingArguments

from hgraph.data import AlignmentDataset
from hgraph.errors import ConfigError
from hgraph.models import AlignmentModel
from hgraph.retrieval import HardNegativeMiner, MinedNegatives
from hgraph.retrieval.rows import NONE

logger = logging.getLogger(__name__)

MINED_FILE = "mined.safetensors"


class MiningCallback(TrainerCallback):
    """Mines hard negative labels for the training documents before training and again every so often.

    A mining encodes all training documents and all labels with the model as it is, in evaluation mode. From then on the
    model gets `mined` [B, n] with each batch: the label numbers of its documents, -1 where there is none. Before the
    first mining all are -1. The ids in force are kept in each checkpoint (`mined.safetensors`) and taken up by a run
    that goes on from one, which therefore ends as an uninterrupted run does.

    Several processes encode a share of the documents each; the first one mines for all.

    Args:
        miner: How.
        dataset: The training documents, with labels.
        every_epochs: Epochs from one mining to the next.
        every_steps: Optimiser steps from one mining to the next instead; 0 counts epochs.
        warmup_epochs: Epochs before the first mining.
        resume_from: The checkpoint that training goes on from, if it does.

    Attributes:
        mined: What the last mining of this process found; None before, and in other processes than the first.
    """

    def __init__(
        self,
        miner: HardNegativeMiner,
        dataset: AlignmentDataset,
        *,
        every_epochs: int = 1,
        every_steps: int = 0,
        warmup_epochs: int = 0,
        resume_from: str | Path | None = None,
    ) -> None:
        if dataset.labels is None:
            raise ConfigError("'dataset' must carry labels to mine negatives for it.")
        for name, value, least in (
            ("every_epochs", every_epochs, 1),
            ("every_steps", every_steps, 0),
            ("warmup_epochs", warmup_epochs, 0),
        ):
            if value < least:
                raise ConfigError(f"{name!r} must be at least {least}, but got {value}.")
        self.miner = miner
        self.dataset = dataset
        self.every_epochs, self.every_steps, self.warmup_epochs = every_epochs, every_steps, warmup_epochs
        self.resume_from = None if resume_from is None else Path(resume_from)
        self.mined: MinedNegatives | None = None
        self.ids = torch.full((len(dataset), miner.num_negatives), NONE, dtype=torch.int32)
        self._has_mined = False
        self._hook: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mine, or take up what the checkpoint holds; from here on batches come with mined labels."""
        model = cast(AlignmentModel, kwargs["model"])
        self.dataset.numbered = True
        if self._hook is not None:  # of a training that broke off
            self._hook.remove()
        self._hook = model.register_forward_pre_hook(self._pass_on, with_kwargs=True)
        if self.resume_from is not None:
            self._take_up(self.resume_from / MINED_FILE)
        elif self.warmup_epochs == 0:
            self._mine(args, state, model)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mine where so many steps have passed."""
        if self._has_mined and self.every_steps and state.global_step % self.every_steps == 0:
            self._refresh(args, state, kwargs["model"])
        self._keep(args, state, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mine where so many epochs have passed."""
        since = round(state.epoch) - self.warmup_epochs
        if since == 0:
            self._mine(args, state, kwargs["model"])
        elif since > 0 and not self.every_steps and since % self.every_epochs == 0:
            self._refresh(args, state, kwargs["model"])
        self._keep(args, state, control)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the ids, where another callback asked for the checkpoint."""
        self._keep(args, state, control, asked=True)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave model and documents as they were."""
        self._hook.remove()
        self.dataset.numbered = False

    def _pass_on(self, model: Any, given: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        # A loader collates a batch or more ahead of the step that uses it. Ids looked up here are those in force then,
        # in a run that goes on from a checkpoint too.
        rows = kwargs.pop("rows", None)
        if rows is not None:
            kwargs["mined"] = self.ids[rows.cpu()].long().to(rows.device)
        elif kwargs.get("labels") is not None:
            shape = len(kwargs["labels"]), self.ids.shape[1]
            kwargs["mined"] = torch.full(shape, NONE, device=kwargs["labels"].device)
        return given, kwargs

    def _refresh(self, args: Any, state: Any, model: Any) -> None:
        if self.miner.refreshes and state.global_step < state.max_steps:
            self._mine(args, state, model)

    def _mine(self, args: TrainingArguments, state: Any, model: AlignmentModel) -> None:
        process = PartialState()
        text, labels = encode(model, self.dataset, args)
        found: list[Any] = [None]
        if process.is_main_process:
            # The number of the step makes new draws each time, the same in a run that goes on from a checkpoint.
            self.mined = self.miner.mine_labels(text, labels, self.dataset.labels, round=state.global_step)
            found = [self.mined.ids]
        if process.num_processes > 1:
            broadcast_object_list(found)
        self.ids = torch.from_numpy(found[0])
        self._has_mined = True

    def _take_up(self, path: Path) -> None:
        if path.exists():
            mined = MinedNegatives.load(path)
            if mined.ids.shape != tuple(self.ids.shape):
                raise ConfigError(
                    f"{path} holds negatives of shape {list(mined.ids.shape)}, expected {list(self.ids.shape)}. Resume "
                    "with the documents and the 'num_negatives' that training began with."
                )
            self.mined, self.ids, self._has_mined = mined, torch.from_numpy(mined.ids), True

    def _keep(self, args: TrainingArguments, state: Any, control: Any, *, asked: bool = False) -> None:
        """Write the ids into the checkpoint that is about to be written.

        Before it, not after: a checkpoint that can be read then always has them.
        """
        if self.mined is not None and PartialState().is_main_process and (control.should_save or asked):
            folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
            folder.mkdir(parents=True, exist_ok=True)
            self.mined.save(folder / MINED_FILE)


@torch.no_grad()
def encode(
    model: AlignmentModel, dataset: AlignmentDataset, args: TrainingArguments | None = None, *, progress: str = ""
) -> tuple[Tensor, Tensor]:
    """Vectors of all documents and all labels, by the model in evaluation mode; processes share the documents.

    `args` say the precision and how many documents are encoded at once; without them float32 and 128. `progress` names
    a bar of them.

    Returns:
        Text vectors [N, D] and label vectors [L, D], float32, on the CPU.
    """
    was_training = model.training
    model.eval()
    try:
        with _autocast(args):
            labels = _label_vectors(model)
            text = _text_vectors(model, dataset, args, progress)
    finally:
        model.train(was_training)
    if text.shape[1] != labels.shape[1]:
        raise ConfigError(
            f"mining compares texts with labels: both need vectors of one width, found {text.shape[1]} and "
            f"{labels.shape[1]} channels."
        )
    return text, labels


def _text_vectors(
    model: AlignmentModel, dataset: AlignmentDataset, args: TrainingArguments | None, progress: str = ""
) -> Tensor:
    process, encoder = PartialState(), model.text_encoder
    # Texts of like lengths share a batch, and each process gets every so many of them.
    order = np.argsort(-encoder.lengths(dataset.features), kind="stable")
    mine = order[process.process_index :: process.num_processes]
    vectors = np.empty((len(mine), encoder.channels), dtype=np.float32)
    size = 128 if args is None else args.eval_batch_size
    bar = tqdm(total=len(mine), unit="text", desc=progress, leave=False, disable=None if progress else True)
    for start in range(0, len(mine), size):
        rows = mine[start : start + size]
        batch = encoder.collate([dataset.features[row] for row in rows.tolist()])
        pooled = encoder(**{name: value.to(model.fusion.device) for name, value in batch.items()}).pooled
        vectors[start : start + len(rows)] = pooled.float().cpu().numpy()
        bar.update(len(rows))
    bar.close()
    parts = gather_object([(mine, vectors)]) if process.num_processes > 1 else [(mine, vectors)]
    out = torch.empty(len(dataset), encoder.channels)
    for rows, part in parts:
        out[torch.from_numpy(rows)] = torch.from_numpy(part)
    return out


def _label_vectors(model: AlignmentModel) -> Tensor:
    vectors = model.label_vectors()
    if vectors is None and model.scorer is not None:
        vectors = model.scorer.label_weights(None)
    if vectors is None:
        raise ConfigError("mining needs label vectors: give the model a label encoder, or a scorer with label weights.")
    return vectors.detach().float().cpu()


def _autocast(args: TrainingArguments | None) -> AbstractContextManager[Any]:
    if args is None:
        return nullcontext()
    dtype = torch.bfloat16 if args.bf16 else torch.float16
    return torch.autocast(args.device.type, dtype=dtype, enabled=bool(args.bf16 or args.fp16))
