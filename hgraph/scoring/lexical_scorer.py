"""Sparse lexical features straight into one weight a feature and label."""

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn

from hgraph.errors import ConfigError
from hgraph.scoring.functional import log_odds
from hgraph.scoring.lexical_candidates import LexicalCandidates


class LexicalScorer(nn.Module):
    r"""A linear classifier on sparse features, the wide half of a wide and deep model.

    .. math:: z_{il} = b_l + \sum_v x_{iv} W_{vl}

    A step reads and writes the rows of the features that its documents have and no others (sparse gradients), so its
    cost is `nonzeros x num_labels`; with K candidates a document it is `nonzeros x K`. Trained by plain stochastic
    gradient descent from zero, the weights stay in the span of the documents seen, which regularises as the margin of
    a linear support vector machine does; an adaptive optimiser gives rare n-grams large weights and loses 5 points of
    micro-F1.

    Args:
        num_features: Size V of the vocabulary.
        num_labels: Number L of labels.
        max_weights: More weights V x L than this are refused.

    Shapes:
        - input: `indices` [nnz], `offsets` [B], `weights` [nnz]; `candidates` [B, K] or None.
        - output: [B, L], or [B, K] for candidates.

    Raises:
        ConfigError: V x L exceeds `max_weights`.

    Example:
        >>> scorer = LexicalScorer(4, 3)
        >>> scorer(torch.tensor([0, 2]), torch.tensor([0]), torch.tensor([0.6, 0.8])).shape
        torch.Size([1, 3])
    """

    def __init__(self, num_features: int, num_labels: int, *, max_weights: int = 1_000_000_000) -> None:
        super().__init__()
        if num_features * num_labels > max_weights:
            raise ConfigError(
                f"the lexical scorer would have {num_features} features x {num_labels} labels = "
                f"{num_features * num_labels:,} weights ({4e-9 * num_features * num_labels:.0f} GB), more than "
                f"'max_weights' = {max_weights:,}. Lower 'max_features' of the text encoder, or switch the lexical "
                "scorer off."
            )
        self.weight = nn.Parameter(torch.empty(num_features, num_labels))
        self.bias = nn.Parameter(torch.empty(num_labels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set weights and biases to zero."""
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    @torch.no_grad()
    def init_bias(self, prior: Tensor) -> None:
        """Start from the log-odds of `prior` [L], the share of documents with each label."""
        self.bias.copy_(log_odds(prior.to(self.bias)))

    def forward(self, indices: Tensor, offsets: Tensor, weights: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Scores; see the class for shapes."""
        # Processes that train together exchange dense gradients alone.
        sparse = self.training and not many_processes()
        values = weights.to(self.weight.dtype)
        if candidates is not None:
            documents = _documents(offsets, len(indices))
            scores = LexicalCandidates.apply(self.weight, indices, documents, values, candidates, sparse)
            return scores + self.bias[candidates]
        scores = F.embedding_bag(indices, self.weight, offsets, mode="sum", per_sample_weights=values, sparse=sparse)
        return scores + self.bias

    def __repr__(self) -> str:
        return f"LexicalScorer(num_features={self.weight.shape[0]}, num_labels={self.weight.shape[1]})"


def _documents(offsets: Tensor, count: int) -> Tensor:
    """Which document each of `count` features belongs to."""
    lengths = torch.diff(offsets, append=offsets.new_tensor([count]))
    return torch.repeat_interleave(lengths, output_size=count)


def many_processes() -> bool:
    """Whether several processes train together, which exchange dense gradients alone."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
