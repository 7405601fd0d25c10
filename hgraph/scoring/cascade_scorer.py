"""Labels scored along a hierarchy, from a shortlist on each level."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.scoring.cascade_decoding import CHILDREN, CascadeDecoding, Pairs, ScoredCells
from hgraph.scoring.cascade_functional import CascadeScores, check_scores
from hgraph.scoring.cascade_levels import CascadeLevels, Lists
from hgraph.scoring.frozen_cascade_scorer import FrozenCascadeScorer
from hgraph.scoring.functional import log_odds
from hgraph.scoring.scorer import Scorer


class CascadeScorer(CascadeDecoding, Scorer):
    """Scores a shortlist of labels for each document; see :class:`~hgraph.scoring.CascadeDecoding`.

    Levels read different vectors of a document, in CascadeXML the states of different layers of the text encoder. Where
    a level reads several, they are concatenated and mapped to one.

    What differs from the paper: a label that ends above the last level is scored as those on it are, and a label with
    children is one of the labels too; what leads to a label twice leads to one candidate, with the maximum of what is
    above it; all right nodes of a document are selected, where the program cuts them at ``topk`` (`faithful`).

    Memory is linear in the number of nodes, labels and edges; a step takes that of its candidates. With `sparse`, so do
    gradients, and :func:`hgraph.training.build_optimizer` moves only the rows of candidates.

    Args:
        levels: the hierarchy.
        channels: width D of a document vector.
        sources: for each level, the labels' last, which of the document's vectors it reads; by default each its own.
        topk: how many nodes of each level are selected, one number for all, or one a level.
        dropouts: on the vector of each level, the labels' last; by default rising from 0.2 to 0.5.
        scores: ``"level"``: a label's score alone counts; ``"weighted"``: times its parent's probability; ``"path"``:
            times that of all nodes on the way.
        sparse: whether the gradients of weights are sparse.
        faithful: select no more than ``topk`` nodes, even if more are right.

    Shapes:
        - text ``[B, S, D]``; S is as many as `sources` names
        - ``forward``: every label by its own weights, without the levels, ``[B, L]``, or candidates ``[B, K]``
        - ``shortlist``: labels (long, -1 where there is none) and log-odds, ``[B, K]`` each

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> levels = CascadeLevels.of(LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e"), ("d", "f")]))
        >>> scorer = CascadeScorer(levels, 4, topk=[1]).eval()
        >>> labels, scores = scorer.shortlist(torch.randn(2, 2, 4))
        >>> labels.shape, scores.shape  # of each document the labels below one root, and that root
        (torch.Size([2, 3]), torch.Size([2, 3]))
    """

    num_labels: int
    label_parameters = ("label_table.weight", "label_bias.weight")
    label_products = ()

    def __init__(
        self,
        levels: CascadeLevels,
        channels: int,
        *,
        sources: Sequence[Sequence[int]] | None = None,
        topk: Sequence[int] = (64,),
        dropouts: Sequence[float] | None = None,
        scores: CascadeScores = "weighted",
        sparse: bool = False,
        faithful: bool = False,
    ) -> None:
        super().__init__(levels.num_labels, channels)
        check_scores(scores)
        depth = len(levels.sizes)
        self.sizes = levels.sizes
        self.sources = [[level] for level in range(depth + 1)] if sources is None else [list(s) for s in sources]
        check_length("sources", self.sources, depth + 1)
        self.topk = [topk[0]] * depth if len(topk) == 1 else list(topk)
        check_length("topk", self.topk, depth)
        if any(k < 1 for k in self.topk):
            raise ConfigError(f"'topk' must be at least 1 on each level, found {self.topk}.")
        rates = torch.linspace(0.2, 0.5, depth + 1).tolist() if dropouts is None else list(dropouts)
        check_length("dropouts", rates, depth + 1)
        if not all(0 <= rate < 1 for rate in rates):
            raise ConfigError(f"'dropouts' must be shares from 0 to below 1, found {rates}.")
        self.scores: CascadeScores = scores
        self.sparse_gradients, self.faithful = sparse, faithful
        self.aliases = [bool(alias.any()) for alias in levels.alias]
        rows = [int((~alias).sum()) for alias in levels.alias]
        self.tables = nn.ModuleList(nn.Embedding(size, channels, sparse=sparse) for size in rows)
        self.biases = nn.ModuleList(nn.Embedding(size, 1, sparse=sparse) for size in rows)
        self.label_table = nn.Embedding(levels.num_labels, channels, sparse=sparse)
        self.label_bias = nn.Embedding(levels.num_labels, 1, sparse=sparse)
        several = {str(k): len(s) for k, s in enumerate(self.sources) if len(s) > 1}
        self.projections = nn.ModuleDict({k: nn.Linear(n * channels, channels) for k, n in several.items()})
        self.dropouts = nn.ModuleList(nn.Dropout(rate) for rate in rates)
        self.projection_dropout = nn.Dropout(0.2)
        for name, array in _arrays(levels).items():
            self.register_buffer(name, torch.from_numpy(array), persistent=False)
        self.cut = 0
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights (Xavier's uniform) and zero biases."""
        for name, parameter in self.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
            else:
                nn.init.xavier_uniform_(parameter)

    def table(self, level: int) -> tuple[Tensor, Tensor]:
        """Weights and biases of a level; behind the last level, those of the labels."""
        if level == len(self.sizes):
            return self.label_table.weight, self.label_bias.weight
        weight, bias = self.tables[level].weight, self.biases[level].weight
        assert isinstance(weight, Tensor)
        assert isinstance(bias, Tensor)
        return weight, bias

    def feature(self, text: Tensor, level: int) -> Tensor:
        """The vector of a level, ``[B, D]``."""
        vector = text[:, self.sources[level]].flatten(1)
        if str(level) in self.projections:
            vector = self.projections[str(level)](self.projection_dropout(vector))
        out: Tensor = self.dropouts[level](vector)
        return out

    def forward(
        self,
        text: Tensor,
        labels: Tensor | None = None,
        candidates: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Scores of every label, or of given candidates, without the levels above."""
        return self.label_scores(text, candidates)

    def training_walk(self, text: Tensor, labels: Tensor) -> list[ScoredCells]:
        """Candidates, scores and targets of all levels; each level goes on from the right nodes first.

        Args:
            text: ``[B, S, D]``.
            labels: ``[B, L]``, multi-hot, or ``[B, P]``, long, label ids and -1; closed upward.
        """
        levels = self.walk(text, self.right_nodes(label_pairs(labels)), grow=not self.faithful)
        if self.faithful:
            self.cut += sum(int(level.cut) for level in levels[:-1] if level.cut is not None)
        return levels

    def right_nodes(self, pairs: Pairs) -> list[Pairs]:
        """The nodes above the labels of each document on each level, and the labels."""
        row, label = pairs
        found = []
        for level in range(len(self.sizes)):
            offsets, nodes = self.structure("member_offsets", level), self.structure("member", level)
            start = offsets[label]
            counts = offsets[label + 1] - start
            before = counts.cumsum(0) - counts
            place = torch.arange(int(counts.sum()), device=row.device) + (start - before).repeat_interleave(counts)
            found.append((row.repeat_interleave(counts), nodes[place]))
        return [*found, pairs]

    def label_weights(self, labels: Tensor | None = None) -> Tensor:
        """The weights of the labels."""
        return self.label_table.weight

    @torch.no_grad()
    def init_bias(self, prior: Tensor) -> None:
        """Start labels from the log-odds of ``prior`` ``[L]``; nodes above them stay at zero."""
        if prior.shape != (self.num_labels,):
            raise ConfigError(
                f"'prior' must hold one share a label, shape [{self.num_labels}], but got {list(prior.shape)}."
            )
        self.label_bias.weight.copy_(log_odds(prior.to(self.label_bias.weight)).unsqueeze(1))

    @torch.no_grad()
    def freeze(self, labels: Tensor | None = None) -> FrozenCascadeScorer:
        """A copy that training leaves alone."""
        depth = len(self.sizes)
        tensors: dict[str, Tensor] = {"roots": self.roots}
        for level in range(depth):
            names = [f"{name}_offsets" for name in CHILDREN] + list(CHILDREN)
            names += ["table_row"] if self.aliases[level] else []
            tensors |= {f"{name}_{level}": self.structure(name, level) for name in names}
        for level in range(depth + 1):
            tensors[f"weight_{level}"], tensors[f"bias_{level}"] = self.table(level)
        for name, projection in self.projections.items():
            assert isinstance(projection, nn.Linear)
            tensors[f"projection_{name}"], tensors[f"shift_{name}"] = projection.weight, projection.bias
        return FrozenCascadeScorer(
            self.num_labels,
            self.channels,
            sizes=self.sizes,
            sources=self.sources,
            topk=self.topk,
            scores=self.scores,
            aliases=self.aliases,
            **tensors,
        )


def label_pairs(labels: Tensor) -> Pairs:
    """Documents and labels ``[P]`` from multi-hot ``[B, L]``, or from label ids ``[B, P]`` (long), -1 for none."""
    if labels.dtype != torch.long:
        row, label = labels.nonzero(as_tuple=True)
        return row, label
    row, place = (labels >= 0).nonzero(as_tuple=True)
    return row, labels[row, place]


def check_length(name: str, values: Sequence[object], expected: int) -> None:
    """Raise an error unless there is one value a level."""
    if len(values) != expected:
        raise ConfigError(
            f"'{name}' must have one entry for each of {expected} levels of the hierarchy, found {len(values)}. Give "
            "as many, or leave it to the default."
        )


def _arrays(levels: CascadeLevels) -> dict[str, np.ndarray]:
    """The hierarchy as named arrays."""
    arrays = {"roots": levels.roots}
    for level, alias in enumerate(levels.alias):
        lists: dict[str, Lists] = {
            "inner": levels.inner[level],
            "label": levels.labels[level],
            "member": levels.members[level],
        }
        for name, rows in lists.items():
            arrays[f"{name}_offsets_{level}"], arrays[f"{name}_{level}"] = rows.offsets, rows.items
        arrays[f"table_row_{level}"] = np.where(alias, -1, np.cumsum(~alias) - 1)
    return arrays
