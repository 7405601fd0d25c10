"""HBGL's first stage: label vectors learn their hierarchy before any document is read."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.optim import SparseAdam
from tqdm.auto import tqdm

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.models.hbgl.branches import Branch, cut_branches, leaf_groups
from hgraph.models.hbgl.masks import hierarchy_mask
from hgraph.models.hbgl.name_vectors import special_vector
from hgraph.models.hbgl.transformer import run_transformer
from hgraph.text import TransformerTextEncoder
from hgraph.text.architectures import max_positions

MAX_TOKENS = 4096
"""Labels that pass the transformer at once; the copies of a step are added up in parts of this size."""


@dataclass(frozen=True)
class LabelPretraining:
    """How label vectors are pre-trained (HBGL, section 3.2).

    Attributes:
        steps: Optimiser steps; 0 leaves the sums of the names' word embeddings as they are.
        copies: Sequences of a step, each masked by itself.
        learning_rate: Of the label vectors, by Adam.
        mask_rate: Share of the labels that is masked; `last_mask_rate` is the one at the end, to which it rises
            linearly, or None where it stays.
        max_labels: A hierarchy of more labels is cut into branches; see :func:`cut_branches`. The copies of a step
            are then of different branches, in turn.
        self_loops: Whether a label attends to itself.
        slip: Whether the targets are those of the published program; see :func:`leaf_groups`.

    Raises:
        ConfigError: A value is out of range.
    """

    steps: int = 300
    copies: int = 32
    learning_rate: float = 1e-3
    mask_rate: float = 0.15
    last_mask_rate: float | None = None
    max_labels: int = 480
    self_loops: bool = True
    slip: bool = False

    def __post_init__(self) -> None:
        for name, least in (("steps", 0), ("copies", 1), ("max_labels", 2)):
            if getattr(self, name) < least:
                raise ConfigError(f"'{name}' must be at least {least}, found {getattr(self, name)}.")
        for name in ("mask_rate", "last_mask_rate"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < 1.0:
                raise ConfigError(f"'{name}' must be a share above 0 and below 1, found {value}.")
        if self.learning_rate <= 0:
            raise ConfigError(f"'learning_rate' must be above 0, found {self.learning_rate}.")

    def rate(self, step: int) -> float:
        """Share of the labels masked at `step`."""
        last = self.mask_rate if self.last_mask_rate is None else self.last_mask_rate
        return self.mask_rate + (last - self.mask_rate) * step / max(self.steps - 1, 1)

    def published(self) -> "LabelPretraining":
        """The form of the published program."""
        return replace(self, self_loops=False, slip=True)


@dataclass(frozen=True)
class LabelBatch:
    """Branches beside each other, each masked by itself.

    Attributes:
        labels: ``[R, n]``, long, -1 where a branch has fewer labels.
        edges: ``[3, e]``, long: row, position of the parent, position of the child.
        masked: ``[R, n]``, bool.
    """

    labels: Tensor
    edges: Tensor
    masked: Tensor

    @classmethod
    def of(cls, branches: Sequence[Branch], rate: float) -> "LabelBatch":
        """Branches with each label masked at `rate`, at least one of each branch."""
        labels = pad_sequence([branch.labels for branch in branches], batch_first=True, padding_value=-1)
        counts = torch.tensor([branch.edges.shape[1] for branch in branches])
        rows = torch.repeat_interleave(torch.arange(len(branches)), counts)
        edges = torch.cat([rows.unsqueeze(0), torch.cat([branch.edges for branch in branches], 1)])
        drawn = torch.rand(labels.shape).masked_fill(labels < 0, 2.0)
        masked = (drawn < rate) | (drawn == drawn.min(1, keepdim=True).values)
        return cls(labels, edges, masked & (labels >= 0))

    def to(self, device: torch.device) -> "LabelBatch":
        """The batch on another device."""
        return LabelBatch(self.labels.to(device), self.edges.to(device), self.masked.to(device))

    @property
    def pairs(self) -> int:
        """Masked labels times the candidates of each."""
        return int((self.masked.sum(1) * (self.labels >= 0).sum(1)).sum())


def masked_targets(labels: Tensor, masked: Tensor, groups: Tensor) -> Tensor:
    """What a masked label is to be told as, ``[R, n, n]`` bool: itself and the masked labels of its group.

    Args:
        labels: ``[R, n]``, long, -1 where there is none.
        masked: ``[R, n]``, bool.
        groups: ``[L]``, what :func:`leaf_groups` gives.
    """
    group = groups[labels.clamp(min=0)].masked_fill(labels < 0, -1)
    same = group.unsqueeze(2) == group.unsqueeze(1)
    return same & masked.unsqueeze(2) & masked.unsqueeze(1)


def masked_label_loss(states: Tensor, vectors: Tensor, batch: LabelBatch, groups: Tensor) -> Tensor:
    """Sum of binary cross-entropies over pairs of a masked label and a label of its branch.

    Args:
        states: ``[R, n, D]``, transformed states of the labels.
        vectors: ``[R, n, D]``, vectors of the same labels; the output layer is tied to them, without a bias.
        batch: The labels.
        groups: ``[L]``.
    """
    scores = states @ vectors.transpose(1, 2)
    truth = masked_targets(batch.labels, batch.masked, groups).to(scores.dtype)
    losses = F.binary_cross_entropy_with_logits(scores, truth, reduction="none")
    counted = batch.masked.unsqueeze(2) & (batch.labels >= 0).unsqueeze(1)
    return losses.masked_fill(~counted, 0.0).sum()


def pretrain_labels(
    encoder: TransformerTextEncoder,
    graph: LabelGraph,
    vectors: Tensor,
    mask_vector: Tensor,
    transform: Callable[[Tensor], Tensor],
    options: LabelPretraining,
    *,
    seed: int = 0,
    progress: bool = False,
) -> list[float]:
    """Train `vectors` ``[L, D]`` in place; returns the loss of each step.

    A sequence holds CLS, the labels of a branch and SEP; the position of a label is its level. The transformer is left
    as it is, with its dropout. Memory grows with `max_labels` and the number of labels, never with its square.

    Args:
        encoder: The text encoder.
        graph: The hierarchy.
        vectors: Label vectors.
        mask_vector: ``[D]``, stands for a masked label.
        transform: States to what label vectors are compared with.
        options: How.
        seed: Of branches, masks and dropout; torch's own random state is left as it was.
        progress: Whether a bar is shown where somebody looks.
    """
    if not options.steps or not graph.num_labels:
        return []
    room = max_positions(encoder.model)
    if room is not None and graph.num_levels + 2 > room:
        raise ConfigError(
            f"the model 'hbgl' needs a position for each level: {graph.num_levels + 2} in all, but the transformer has "
            f"{room}. Use another transformer or a flatter hierarchy."
        )
    task = _Task(encoder, graph, mask_vector.detach(), transform, options)
    weight = torch.nn.Parameter(vectors.detach().clone())
    optimizer = SparseAdam([weight], lr=options.learning_rate)
    devices = [vectors.device] if vectors.device.type == "cuda" else []
    losses = []
    with _frozen(encoder), torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        turns = _in_turn(cut_branches(graph, options.max_labels))
        bar = tqdm(range(options.steps), unit="step", desc="label vectors", disable=None if progress else True)
        for step in bar:
            chosen = [next(turns) for _ in range(options.copies)]
            optimizer.zero_grad()
            losses.append(task.backward(weight, chosen, options.rate(step)))
            optimizer.step()
    with torch.no_grad():
        vectors.copy_(weight)
    return losses


class _Task:
    """The loss of a step and its gradient."""

    def __init__(
        self,
        encoder: TransformerTextEncoder,
        graph: LabelGraph,
        mask_vector: Tensor,
        transform: Callable[[Tensor], Tensor],
        options: LabelPretraining,
    ) -> None:
        device = mask_vector.device
        self.model, self.transform, self.options = encoder.model, transform, options
        self.mask_vector, self.level = mask_vector, graph.level.to(device)
        self.groups = leaf_groups(graph, slip=options.slip).to(device)
        self.first, self.last = special_vector(encoder, "cls", "bos"), special_vector(encoder, "sep", "eos")

    def backward(self, weight: Tensor, branches: Sequence[Branch], rate: float) -> float:
        """Add the gradient of the mean loss of `branches` to `weight`; returns the loss."""
        # Branches of like sizes pass together.
        branches = sorted(branches, key=lambda branch: len(branch.labels))
        rows = max(1, MAX_TOKENS // (len(branches[-1].labels) + 2))
        batches = [LabelBatch.of(branches[i : i + rows], rate) for i in range(0, len(branches), rows)]
        pairs, total = sum(batch.pairs for batch in batches), 0.0
        for batch in batches:
            loss = self.loss(weight, batch.to(weight.device)) / pairs
            loss.backward()
            total += loss.item()
        return total

    def loss(self, weight: Tensor, batch: LabelBatch) -> Tensor:
        """Summed loss of one part of a step."""
        vectors = F.embedding(batch.labels.clamp(min=0), weight, sparse=True)  # [R, n, D]
        states = self.transform(self.states(vectors, batch))
        return masked_label_loss(states, vectors, batch, self.groups)

    def states(self, vectors: Tensor, batch: LabelBatch) -> Tensor:
        """Hidden states ``[R, n, D]`` of the labels, the masked ones hidden."""
        sizes = (batch.labels >= 0).sum(1)
        inputs = torch.where(batch.masked.unsqueeze(2), self.mask_vector.to(vectors.dtype), vectors)
        sequence = F.pad(inputs, (0, 0, 1, 1))
        sequence[:, 0] = self.first.to(vectors.dtype)
        levels = self.level[batch.labels.clamp(min=0)].masked_fill(batch.labels < 0, 0)
        positions = F.pad(levels, (1, 1))
        rows = torch.arange(len(sizes), device=sizes.device)
        sequence[rows, sizes + 1] = self.last.to(vectors.dtype)
        positions[rows, sizes + 1] = self.level.max() + 1
        mask = hierarchy_mask(batch.edges, sizes, sequence.shape[1], self_loops=self.options.self_loops)
        return run_transformer(self.model, sequence, mask, positions, torch.zeros_like(positions))[:, 1:-1]


def _in_turn(branches: list[Branch]) -> Iterator[Branch]:
    """Branches without end, each round in another order."""
    while True:
        for index in torch.randperm(len(branches)).tolist():
            yield branches[index]


@contextmanager
def _frozen(encoder: TransformerTextEncoder) -> Iterator[None]:
    """No gradient for the transformer, with dropout; afterwards everything is as before."""
    trained = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    training = encoder.training
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        encoder.train()
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
        encoder.train(training)
