"""Every objective beside its definition as plain loops, on one kind of batch. Used by `losses.py`."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# The definitions are those that the tests compare with; tests are no package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "losses"))
import definitions
import definitions_contrast as contrast

from hgraph import losses
from hgraph.graph import LabelGraph

Inputs = dict[str, Tensor]


@dataclass
class Row:
    """An objective and its definition."""

    objective: nn.Module
    definition: Callable[[Inputs, nn.Module], Tensor]
    """Gets the inputs and the objective."""
    reads: tuple[str, ...]
    """Names of the inputs that the objective gets."""
    power: int = 1
    """The time of the definition grows with this power of the number of documents."""
    whole: bool = False
    """The definition is fast enough for all documents."""


def random_hierarchy(num_labels: int, levels: int = 5, seed: int = 0) -> LabelGraph:
    """A DAG in which each level is 4 times as wide as the one above; one label in four has a second parent."""
    rng = np.random.default_rng(seed)
    widths = 4.0 ** np.arange(levels)
    ends = np.ceil(np.cumsum(widths) / widths.sum() * num_labels).astype(int)
    starts = np.concatenate([[0], ends[:-1]])
    edges = []
    for level in range(1, levels):
        children = np.arange(starts[level], ends[level])
        edges.append(np.stack([rng.integers(starts[level - 1], ends[level - 1], len(children)), children]))
        second = children[rng.random(len(children)) < 0.25]
        edges.append(np.stack([rng.integers(starts[level - 1], ends[level - 1], len(second)), second]))
    return LabelGraph(torch.from_numpy(np.concatenate(edges, axis=1)), [str(i) for i in range(num_labels)])


def label_sets(graph: LabelGraph, documents: int, seed: int = 0) -> list[list[int]]:
    """One label and all above it for each document, about 6 labels."""
    rng = np.random.default_rng(seed)
    return [graph.with_ancestors([label]).tolist() for label in rng.integers(graph.num_labels, size=documents)]


def batch_of(graph: LabelGraph, documents: int, channels: int, dtype: torch.dtype) -> Inputs:
    """All inputs that an objective may read."""
    torch.manual_seed(0)
    labels = torch.zeros(documents, graph.num_labels, dtype=dtype)
    for row, chosen in zip(labels, label_sets(graph, documents), strict=True):
        row[chosen] = 1
    slots = torch.full((documents, int(labels.sum(1).max())), -1)
    for slot, row in zip(slots, labels, strict=True):
        own = row.nonzero().flatten()
        slot[: len(own)] = own
    out = {
        "scores": torch.randn(documents, graph.num_labels),
        "text": torch.randn(documents, channels),
        "label_vectors": torch.randn(graph.num_labels, channels),
        "label_weights": torch.randn(graph.num_labels, channels),
        "views": torch.randn(documents, 1, channels),
        "label_text": torch.randn(*slots.shape, channels),
    }
    out = {name: value.to(dtype).requires_grad_() for name, value in out.items()}
    return {**out, "labels": labels, "label_slots": slots}


def rows(graph: LabelGraph, channels: int) -> dict[str, Row]:
    """The objectives by name."""
    nodes, level = definitions.digraph(graph), graph.level.tolist()
    levels = dict(enumerate(level))
    parents = [set(graph.parents[[label]].indices.tolist()) for label in range(graph.num_labels)]
    support = list(range(graph.num_labels))
    weights = definitions.class_balance(support, 0.9999)

    def on_scores(objective: nn.Module, definition: Callable[..., Tensor], *more: Any, **options: Any) -> Row:
        def define(x: Inputs, _: nn.Module) -> Tensor:
            return definition(x["scores"], x["labels"], *more, **options)

        return Row(objective, define, ("scores", "labels"))

    def on_cosines(objective: nn.Module, definition: Callable[..., Tensor], *more: Any) -> Row:
        def define(x: Inputs, _: nn.Module) -> Tensor:
            return definition(definitions.cosine(x["text"], x["label_vectors"]), x["labels"], *more)

        return Row(objective, define, ("labels", "text", "label_vectors"))

    def lorentz(x: Inputs, loss: nn.Module) -> Tensor:
        scales = [loss.log_text_scale.exp(), loss.log_label_scale.exp()]
        vectors = (x["text"], x["label_vectors"])
        return definitions.lorentz_tla(*vectors, x["labels"], nodes, 0.07, scales, loss.log_curvature.exp())

    def sets(x: Inputs) -> list[set[int]]:
        return [set(row.nonzero().flatten().tolist()) for row in x["labels"]]

    def hilecon(x: Inputs, _: nn.Module) -> Tensor:
        vectors = definitions.cells(x["label_text"])
        slots = [
            (i, label, vectors[i][j])
            for i, row in enumerate(x["label_slots"].tolist())
            for j, label in enumerate(row)
            if label >= 0
        ]
        return contrast.hilecon_loop(slots, sets(x), level)

    def instance(x: Inputs, _: nn.Module) -> Tensor:
        return contrast.instance_loop(list(x["text"]), sets(x), level, temperature=0.1, base_temperature=0.07)

    def supcon(x: Inputs, _: nn.Module) -> Tensor:
        text, own = x["text"], sets(x)
        similarity = [[contrast.cosine(a, b) for b in text] for a in text]
        return contrast.supcon_loop(similarity, [[contrast.label_weight(a, b, "any") for b in own] for a in own], 0.1)

    def hmcl(x: Inputs, _: nn.Module) -> Tensor:
        return contrast.hmcl_loop(list(x["text"]), sets(x), level, parents, kind="level", temperature=0.07)

    slots, documents = ("labels", "label_text", "label_slots"), ("labels", "text")
    return {
        "bce": on_scores(losses.BCELoss(), definitions.bce),
        "class-balanced bce": on_scores(losses.ClassBalancedBCELoss(support), definitions.bce, weight=weights),
        "focal": on_scores(losses.FocalLoss(), definitions.asymmetric, 2.0, 2.0, 0.0),
        "asymmetric": on_scores(losses.AsymmetricLoss(), definitions.asymmetric, 0.0, 4.0, 0.05),
        "squared hinge": on_scores(losses.SquaredHingeLoss(), definitions.squared_hinge),
        "zlpr": on_scores(losses.ZLPRLoss(), definitions.zlpr),
        "conditional sigmoid": on_scores(losses.ConditionalLoss(graph), definitions.conditional_sigmoid, nodes),
        "conditional softmax": on_scores(
            losses.ConditionalLoss(graph, kind="softmax"), definitions.conditional_softmax, nodes
        ),
        "max constraint": on_scores(losses.MaxConstraintLoss(graph), definitions.max_constraint_loss, nodes),
        "path regularisation": Row(
            losses.PathRegularisation(graph),
            lambda x, _: definitions.path_regularisation(x["scores"], nodes),
            ("scores",),
        ),
        "recursive regularisation": Row(
            losses.RecursiveRegularisation(graph),
            lambda x, _: definitions.recursive_regularisation(x["label_weights"], nodes),
            ("label_weights",),
            whole=True,
        ),
        "tla": on_cosines(losses.TLALoss(), definitions.tla, 0.07),
        "level margin": on_cosines(
            losses.LevelMarginLoss(graph), definitions.level_margin, levels, 0.1, sorted(set(level))
        ),
        "lorentz tla": Row(losses.LorentzTLALoss(graph, channels), lorentz, ("labels", "text", "label_vectors")),
        "hilecon": Row(losses.HiLeConLoss(graph), hilecon, slots, power=2),
        "instance contrast": Row(losses.InstanceContrastLoss(graph), instance, documents, whole=True),
        "supcon": Row(losses.SupConLoss(positives="any"), supcon, documents, whole=True),
        "hmcl": Row(losses.HMCLLoss(graph), hmcl, documents, whole=True),
        "nt-xent": Row(
            losses.NTXentLoss(),
            lambda x, _: contrast.nt_xent_loop(x["text"], x["views"][:, 0], 1.0),
            ("text", "views"),
            whole=True,
        ),
    }
