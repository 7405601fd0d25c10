"""Text-label alignment (HTLA)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.losses.lorentz import lorentz_similarity
from hgraph.losses.mined import mined_negatives
from hgraph.losses.negative_choice import Choice, choose_negatives
from hgraph.losses.objective import Objective, check_shapes
from hgraph.losses.precision import full_precision
from hgraph.losses.relations import check_columns, places
from hgraph.losses.similarity import Similarity, compare, cosines, products
from hgraph.sampling.negatives import LABEL_NEGATIVES, LabelNegatives, LabelNegativesKind

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

SIMILARITIES: dict[str, Similarity] = {"cosine": cosines, "dot": products, "lorentz": lorentz_similarity}
"""Similarities by name."""

NegativeMask = Callable[[Tensor, Tensor | None], Tensor]
"""From labels ``[B, L]`` and candidates, or labels ``[B, K]`` and None, to which labels may be negatives."""


def tla_from_similarity(
    similarity: Tensor,
    labels: Tensor,
    *,
    temperature: float = 0.07,
    mask: Tensor | None = None,
    allowed: Tensor | None = None,
    choice: Choice = "hardest",
    num_negatives: int | None = None,
    margin: float = 0.0,
    generator: torch.Generator | None = None,
    importance: Tensor | None = None,
) -> Tensor:
    r"""Contrast of each document's labels with other labels, by default with as many of its hardest ones.

    With :math:`Y_i` the labels of document :math:`i` and :math:`N_i` its negatives, by default the :math:`|Y_i|` most
    similar labels outside :math:`Y_i` (all of them where there are fewer):

    .. math:: \ell_i = \log \sum_{c \in Y_i \cup N_i} e^{s_{i,c} / \tau}
        - \frac{1}{|Y_i|} \sum_{p \in Y_i} s_{i,p} / \tau

    averaged over the documents that have labels; zero, with zero gradient, if none has. The choice of :math:`N_i` has
    no gradient. Time and memory are ``B x L``.

    Args:
        similarity: :math:`s`, usually cosines.
        labels: 1 for the labels in :math:`Y_i`, 0 elsewhere.
        temperature: :math:`\tau`.
        mask: true where a pair counts; the others are neither positives nor negatives.
        allowed: true where a label may be a negative; every label outside :math:`Y_i` by default.
        choice: which of these are negatives, see :func:`~hgraph.losses.negative_choice.choose_negatives`.
        num_negatives: how many, :math:`|Y_i|` by default.
        margin: of the choice ``"semi_hard"``.
        generator: of the choice ``"random"``.
        importance: how many labels each column stands for as a negative of the choice ``"all"``, where the columns are
            a shortlist; the other choices take from it what they would take from all labels.

    Shapes:
        - similarity, labels, mask and allowed ``[B, L]``; importance ``[L]``
        - output: scalar

    Example:
        >>> similarity = torch.tensor([[0.9, 0.2, 0.5, -0.1, 0.45]])
        >>> tla_from_similarity(similarity, torch.tensor([[1.0, 0.0, 1.0, 0.0, 0.0]]))
        tensor(2.8621)
    """
    check_shapes(similarity, labels, mask)
    similarity = full_precision(similarity)
    kept = torch.ones_like(similarity, dtype=torch.bool) if mask is None else mask.bool()
    positive, negative = (labels > 0.5) & kept, (labels <= 0.5) & kept
    negative = choose_negatives(
        similarity,
        positive,
        negative if allowed is None else negative & allowed,
        choice=choice,
        count=num_negatives,
        margin=margin,
        generator=generator,
    )
    similarity = similarity / temperature
    if choice == "all" and importance is not None:
        similarity = similarity + torch.where(negative, importance.to(similarity).log(), 0.0)
    return contrast(similarity, positive, negative)


def contrast(similarity: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Log-sum-exp over positives and negatives, minus the mean of the positives, as a mean over documents with labels.

    Shapes:
        - similarity, positive and negative ``[B, L]``, the last two boolean
        - output: scalar
    """
    has_labels = positive.any(1)
    # A row of -inf alone has a NaN gradient, which a later zero weight does not remove: fill such rows first.
    left_out = ~(positive | negative) & has_labels.unsqueeze(1)
    total = similarity.masked_fill(~has_labels.unsqueeze(1), 0.0).masked_fill(left_out, -torch.inf).logsumexp(1)
    mean_positive = similarity.masked_fill(~positive, 0.0).sum(1) / positive.sum(1).clamp(min=1)
    losses = (total - mean_positive).masked_fill(~has_labels, 0.0)
    return losses.sum() / has_labels.sum().clamp(min=1)


class TLALoss(Objective):
    r"""The text-label alignment loss of HTLA (`arXiv 2409.00788 <https://arxiv.org/abs/2409.00788>`_).

    Pulls a document's vector towards the vectors of its labels and away from those of the labels it is most easily
    confused with; :func:`tla_from_similarity` on :math:`s_{i,l} = \cos(h_i, f_l)`.

    Changed against the published program: no loop over documents or labels, and a document without labels adds nothing
    where it gave NaN. New: any similarity, any set of negatives, and four ways to choose from it.

    Args:
        temperature: :math:`\tau` (default 0.07).
        similarity: ``"cosine"`` (default), ``"dot"``, ``"lorentz"``
            (:func:`~hgraph.losses.lorentz.lorentz_similarity`), or a function of documents ``[B, D]`` and labels
            ``[L, D]`` or ``[B, K, D]``.
        negatives: which labels may be negatives: ``"all"`` outside the document's own (default); ``"level"``,
            ``"sibling"``, ``"parent"``, ``"descendant"`` as in :class:`~hgraph.sampling.LabelNegatives`, which need
            `graph`; ``"mined"``: the ids in the input `mined`, without the document's own labels; or a function of
            labels and candidates that gives a boolean mask shaped like the labels.
        graph: the hierarchy.
        choice: which of them are: ``"hardest"`` (default), ``"semi_hard"``, ``"random"`` or ``"all"``, see
            :func:`~hgraph.losses.negative_choice.choose_negatives`.
        num_negatives: how many, as many as the document has labels by default.
        margin: of the choice ``"semi_hard"`` (default 0).
        seed: of the choice ``"random"``; by default the numbers come from torch's own state, which checkpoints carry.

    Shapes:
        - labels and mask ``[B, L]``, text ``[B, D]``, label_vectors ``[L, D]``
        - with candidates ``[B, K]`` labels and mask are ``[B, K]``, and only the candidates' vectors are read
        - with columns ``[S]``, a shortlist that all documents share, labels and mask are ``[B, S]``, label_vectors
          ``[S, D]`` and importance ``[S]``; negatives are taken from it
        - mined ``[B, N]``, long, -1 where there is none
        - output: scalar

    Example:
        >>> loss = TLALoss(temperature=1.0)
        >>> labels, vectors = torch.tensor([[1.0, 0.0]]), torch.eye(2)
        >>> loss(labels=labels, text=torch.tensor([[2.0, 0.0]]), label_vectors=vectors)
        tensor(0.3133)
    """

    name = "tla"
    on_shortlist = True

    def __init__(
        self,
        *,
        temperature: float = 0.07,
        similarity: Literal["cosine", "dot", "lorentz"] | Similarity = "cosine",
        negatives: LabelNegativesKind | Literal["mined"] | NegativeMask = "all",
        graph: "LabelGraph | None" = None,
        choice: Choice = "hardest",
        num_negatives: int | None = None,
        margin: float = 0.0,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ConfigError(f"'temperature' must be above 0, but got {temperature}.")
        if not callable(similarity) and similarity not in SIMILARITIES:
            raise ConfigError(
                f"'similarity' must be one of {', '.join(SIMILARITIES)}, or a function, but got {similarity!r}."
            )
        if choice not in get_args(Choice):
            raise ConfigError(f"'choice' must be one of {', '.join(get_args(Choice))}, but got {choice!r}.")
        if num_negatives is not None and num_negatives < 1:
            raise ConfigError(f"'num_negatives' must be at least 1, or None, but got {num_negatives}.")
        if not margin >= 0:
            raise ConfigError(f"'margin' must be at least 0, but got {margin}.")
        self.temperature, self.similarity, self.negatives = temperature, similarity, negatives
        self.choice: Choice = choice
        self.num_negatives, self.margin, self.seed = num_negatives, margin, seed
        self.allowed = _negative_mask(negatives, graph)
        self._generators: dict[torch.device, torch.Generator] = {}

    def forward(
        self,
        *,
        labels: Tensor,
        text: Tensor,
        label_vectors: Tensor,
        mask: Tensor | None = None,
        candidates: Tensor | None = None,
        mined: Tensor | None = None,
        columns: Tensor | None = None,
        importance: Tensor | None = None,
    ) -> Tensor:
        """The value for one batch."""
        measure = self.similarity if callable(self.similarity) else SIMILARITIES[self.similarity]
        check_columns(labels, len(label_vectors), candidates, name="labels")
        similarity = compare(measure, text, label_vectors, candidates)
        check_shapes(similarity, labels, mask)
        positive = labels > 0.5 if mask is None else (labels > 0.5) & mask.bool()
        related = candidates if columns is None else columns.expand_as(labels)
        allowed = None if self.allowed is None else self.allowed(positive, related)
        if self.negatives == "mined":
            if mined is None:
                raise ConfigError("TLALoss with negatives='mined' needs 'mined': mine hard negatives first.")
            mined = mined if columns is None else places(mined, columns)
            allowed = mined_negatives(mined, positive, mask, candidates, num_labels=len(label_vectors))
            # Mined labels are further columns: they need not be candidates, and a label is negative in these alone.
            similarity = torch.cat([similarity, compare(measure, text, label_vectors, mined.clamp(min=0))], dim=1)
            mask = torch.cat([positive, allowed], dim=1)
            positive, allowed = torch.cat([positive, torch.zeros_like(allowed)], dim=1), None
            importance = None  # a mined label stands for itself
        return tla_from_similarity(
            similarity,
            positive,
            temperature=self.temperature,
            mask=mask,
            allowed=allowed,
            choice=self.choice,
            num_negatives=self.num_negatives,
            margin=self.margin,
            generator=None if self.seed is None else self._generator(similarity.device, self.seed),
            importance=importance,
        )

    def _generator(self, device: torch.device, seed: int) -> torch.Generator:
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(seed)
        return self._generators[device]

    def __repr__(self) -> str:
        parts = [f"temperature={self.temperature}", f"negatives={self.negatives!r}"]
        if self.similarity != "cosine":
            parts.append(f"similarity={self.similarity!r}")
        if self.choice != "hardest" or self.num_negatives is not None:
            parts.append(f"choice={self.choice!r}, num_negatives={self.num_negatives}")
        return f"{type(self).__name__}({', '.join(parts)})"


def _negative_mask(negatives: str | NegativeMask, graph: "LabelGraph | None") -> NegativeMask | None:
    """What says which labels may be negatives; None where each may, or where they are mined."""
    if callable(negatives):
        return negatives
    if negatives not in (*LABEL_NEGATIVES, "mined"):
        raise ConfigError(
            f"'negatives' must be one of {', '.join(LABEL_NEGATIVES)}, mined, or a function, but got {negatives!r}."
        )
    if negatives in ("all", "mined"):
        return None
    if graph is None:
        raise ConfigError(f"'graph' must be the hierarchy of the labels where negatives is {negatives!r}, but is None.")
    return LabelNegatives(graph, negatives)  # type: ignore[arg-type]
