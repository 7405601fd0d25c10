"""Weights that have one row a label: which they are, and a scorer with the rows of some labels alone."""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from hgraph.errors import ConfigError
from hgraph.scoring.scorer import Scorer


def label_parameters(module: nn.Module, kind: str = "label_parameters") -> list[str]:
    """Full names of the parameters with one row a label, or of those that ``kind`` names.

    Modules declare them under ``label_parameters``; what is declared and not there, as a bias that all labels share
    under another name, is left out.

    Example:
        >>> from hgraph.scoring import LinearScorer
        >>> label_parameters(nn.ModuleDict({"scorer": LinearScorer(num_labels=5, channels=4)}))
        ['scorer.weight', 'scorer.bias']
    """
    known = {name for name, _ in module.named_parameters()}
    return [full for full in _declared(module, kind) if full in known]


def label_buffers(module: nn.Module) -> list[str]:
    """Full names of the buffers with one row a label, such as a label's number of training documents."""
    return _declared(module, "label_buffers")


def label_tables(module: nn.Module) -> list[str]:
    """Those of :func:`label_parameters` that are matrices: what makes a model of many labels large."""
    return [name for name in label_parameters(module) if module.get_parameter(name).dim() > 1]


def rows_of_labels(module: nn.Module, labels: Tensor, *, num_labels: int, sparse: bool = False) -> dict[str, Tensor]:
    """The rows of ``labels`` of every parameter and buffer that has one row a label, by full name.

    Args:
        module: usually a scorer.
        labels: label ids.
        num_labels: the number of labels ``L``; what has another number of rows is one number for all labels.
        sparse: whether the gradients of matrices are sparse, so that a training step touches these rows alone. Vectors
            have one number a label, and their gradients stay dense.

    Shapes:
        - labels ``[S]``
        - output: ``[S, ...]`` each

    Example:
        >>> import torch
        >>> from hgraph.scoring import LinearScorer
        >>> rows = rows_of_labels(LinearScorer(num_labels=5, channels=4), torch.tensor([3, 1]), num_labels=5)
        >>> {name: list(row.shape) for name, row in rows.items()}
        {'weight': [2, 4], 'bias': [2]}
    """
    rows = {}
    for name in label_parameters(module):
        weight = module.get_parameter(name)
        if len(weight) == num_labels:
            rows[name] = F.embedding(labels, weight, sparse=sparse) if weight.dim() == 2 else weight[labels]
    for name in label_buffers(module):
        rows[name] = module.get_buffer(name)[labels]
    return rows


def score_labels(
    scorer: Scorer,
    text: Tensor,
    vectors: Tensor | None,
    labels: Tensor,
    *,
    num_labels: int,
    mask: Tensor | None = None,
    sparse: bool = False,
) -> Tensor:
    """Scores of the same few labels for every document, from the rows of these labels alone.

    What ``scorer(text, all_vectors)[:, labels]`` gives, at the cost of a scorer that was made for ``S`` labels. It
    differs from a shortlist of candidates, which has other labels for each document.

    Args:
        scorer: one whose score of a label depends on no other label.
        text: as the scorer reads it.
        vectors: label vectors of ``labels``.
        labels: label ids, different ones.
        num_labels: the number of labels.
        mask: as the scorer reads it.
        sparse: see :func:`rows_of_labels`.

    Shapes:
        - text ``[B, D]`` (or tokens), vectors ``[S, C]``, labels ``[S]``
        - output ``[B, S]``

    Example:
        >>> import torch
        >>> from hgraph.scoring import AdditiveScorer
        >>> scorer, text, vectors = AdditiveScorer(num_labels=5, channels=4), torch.randn(2, 4), torch.randn(5, 4)
        >>> labels = torch.tensor([1, 4])
        >>> scores = score_labels(scorer, text, vectors[labels], labels, num_labels=5)
        >>> torch.allclose(scores, scorer(text, vectors)[:, labels], atol=1e-6)
        True
    """
    if not scorer.separable:
        raise ConfigError(
            f"{type(scorer).__name__} scores all labels together and cannot score some of them. Use another scorer, "
            "such as AdditiveScorer or ShrunkLinearScorer."
        )
    rows = rows_of_labels(scorer, labels, num_labels=num_labels, sparse=sparse)
    scores: Tensor = functional_call(scorer, rows, (text, vectors), {"mask": mask})
    return scores


def _declared(module: nn.Module, kind: str) -> list[str]:
    found: list[str] = []
    for prefix, part in module.named_modules():
        found.extend(f"{prefix}.{name}".removeprefix(".") for name in getattr(part, kind, ()))
    return found
