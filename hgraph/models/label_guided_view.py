"""A document reduced to the words that its labels ask for (HGCLR)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.models.views import View
from hgraph.scoring.blocks import check_budget, in_blocks
from hgraph.text import TextEncoder, TextStates, WordEmbeddings

MEMORY_BUDGET = 64 * 2**20
"""Bytes that the tokens of a block may take against all labels, unless a view is told otherwise."""


class LabelGuidedView(View):
    r"""The positive samples of HGCLR (`arXiv 2203.03825 <https://arxiv.org/abs/2203.03825>`_).

    Each token looks at all labels, by its word embedding :math:`e_t` and the label vectors :math:`f_l`, with heads
    :math:`\eta = 1 \dots H` of width :math:`d`:

    .. math:: p_{t,l} = \frac{1}{H} \sum_\eta \operatorname{softmax}_l
            \frac{\langle (W_q e_t + b_q)_\eta, (W_k f_l)_\eta \rangle}{\sqrt d}, \qquad
        P_t = \sum_{l \in Y} \operatorname{softmax}_l \frac{\log p_{t,l} + g_{t,l}}{\tau}

    with Gumbel noise :math:`g` in training. Tokens with :math:`P_t > \gamma` are kept; the others lose their word
    embedding, while their positions and types stay and the encoder still attends to them. The gradient of what is kept
    passes to :math:`P_t` (straight through), so the label encoder learns from the second encoding.

    Changed against the published program, which takes the probabilities themselves, numbers up to 1, for logits. The
    noise then decides alone: of 141 labels, 2 of them the document's, a token is kept in 12 of 100 draws where it
    attends to all alike and in 22 where it attends to nothing but a label of the document. With :math:`\log p` it is
    kept in 97 where it attends to such a label by half. And tokens that the tokenizer adds, such as ``[CLS]``, are
    kept here. ``faithful=True`` gives the published form.

    A document without labels keeps all its tokens. Memory is linear in tokens times labels and is bounded by
    ``memory_budget``: tokens are taken a block at a time, and the backward pass computes each block again.

    Args:
        word_channels: the width E of word embeddings, ``text_encoder.word_channels``.
        channels: the width C of label vectors.
        heads: attention heads, a divisor of ``channels`` (default 8).
        threshold: :math:`\gamma`, from 0 to below 1 (default 0.02, as for WOS). A token that attends to all labels
            alike has a mass of about the number of its document's labels over L: more labels want a lower threshold.
        temperature: :math:`\tau` (default 1).
        faithful: probabilities for logits, and added tokens may go (default false).
        memory_budget: bytes that the tokens of a block may take (default 64 MiB).

    Shapes:
        - label_vectors ``[L, C]``, labels ``[B, L]``
        - output: states as of the text encoder

    Example:
        >>> view, words = LabelGuidedView(6, 4, heads=2).eval(), torch.randn(1, 3, 6)
        >>> real, first = torch.ones(1, 3, dtype=torch.bool), torch.tensor([[True, False, False]])
        >>> words = WordEmbeddings(words, mask=real, special=first, document=torch.tensor([0]))
        >>> weights = view.token_weights(words, torch.randn(5, 4), torch.tensor([[1.0, 0.0, 0.0, 1.0, 1.0]]))
        >>> weights.shape, weights[0, 0].item()
        (torch.Size([1, 3]), 1.0)
    """

    def __init__(
        self,
        word_channels: int,
        channels: int,
        *,
        heads: int = 8,
        threshold: float = 0.02,
        temperature: float = 1.0,
        faithful: bool = False,
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise ConfigError(f"'heads' must divide the width of label vectors, {channels}, but got {heads}.")
        if not 0 <= threshold < 1:
            raise ConfigError(f"'threshold' must be a share from 0 to below 1, but got {threshold}.")
        if not temperature > 0:
            raise ConfigError(f"'temperature' must be above 0, but got {temperature}.")
        self.heads, self.threshold, self.temperature, self.faithful = heads, threshold, temperature, faithful
        self.memory_budget = check_budget(memory_budget)
        self.query = nn.Linear(word_channels, channels)
        self.key = nn.Linear(channels, channels, bias=False)  # a bias would cancel in the softmax

    def forward(
        self,
        text_encoder: TextEncoder,
        text: Mapping[str, Tensor],
        states: TextStates,
        label_vectors: Tensor | None,
        labels: Tensor,
    ) -> TextStates:
        """The documents encoded again, words without interest for their labels left out."""
        if label_vectors is None:
            raise ConfigError("a label-guided view needs label vectors: give the model a label encoder.")
        words = text_encoder.word_embeddings(text)
        return text_encoder(**text, token_weights=self.token_weights(words, label_vectors, labels))

    def token_weights(self, words: WordEmbeddings, label_vectors: Tensor, labels: Tensor) -> Tensor:
        """1 at tokens that are kept and 0 at the others, ``[N, T]``, with a gradient where they were weighed."""
        own = labels > 0.5
        weighed = words.mask & own.any(1)[words.document].unsqueeze(1)
        if not self.faithful:
            weighed = weighed & ~words.special
        place = weighed.nonzero(as_tuple=True)
        query, key = self.query(words.vectors[place]), self.key(label_vectors)

        def mass(tokens: Sequence[Tensor], keys: Sequence[Tensor]) -> Tensor:
            attention = log_attention(tokens[0], keys[0][0], heads=self.heads)
            logits = attention.exp() if self.faithful else attention
            noise = gumbel_noise(logits) if self.training else None
            return label_mass(logits, own[tokens[1]], noise, temperature=self.temperature).unsqueeze(1)

        # One block of keys: a softmax goes over all labels. Each head holds its products, their softmax and a gradient.
        token_bytes = len(key) * (3 * self.heads + 6) * max(4, key.element_size())
        found = in_blocks(
            mass, [query, words.document[place[0]]], [key.unsqueeze(0)],
            pair_bytes=token_bytes, memory_budget=max(self.memory_budget, token_bytes), random=self.training,
        )  # fmt: skip
        kept = keep(found.squeeze(1), self.threshold)
        return kept.new_ones(weighed.shape).index_put(place, kept)

    def __repr__(self) -> str:
        settings = f"threshold={self.threshold}, temperature={self.temperature}, faithful={self.faithful}"
        return f"{type(self).__name__}(heads={self.heads}, {settings})"


def log_attention(query: Tensor, key: Tensor, *, heads: int) -> Tensor:
    """Logarithm of how much each token attends to each label, the mean over heads, at least in single precision.

    Shapes:
        - query ``[n, C]``, key ``[L, C]``
        - output ``[n, L]``

    Example:
        >>> log_attention(torch.zeros(1, 2), torch.ones(4, 2), heads=2).exp()
        tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """
    queries, keys = query.unflatten(-1, (heads, -1)).transpose(0, 1), key.unflatten(-1, (heads, -1)).transpose(0, 1)
    products = queries @ keys.transpose(1, 2) * queries.shape[-1] ** -0.5  # [H, n, L]
    each = products.log_softmax(-1, dtype=torch.promote_types(products.dtype, torch.float32))
    return each.logsumexp(0) - torch.tensor(float(heads)).log().to(each)


def gumbel_noise(logits: Tensor) -> Tensor:
    """Independent draws of the Gumbel distribution, from torch's generator; shaped like ``logits``."""
    return -torch.empty_like(logits).exponential_().log()


def label_mass(logits: Tensor, own: Tensor, noise: Tensor | None = None, *, temperature: float = 1.0) -> Tensor:
    r"""Share of a (Gumbel-)softmax over labels that falls on a document's own ones, :math:`P_t`.

    Shapes:
        - logits and noise ``[n, L]``, own ``[n, L]`` (bool)
        - output ``[n]``

    Example:
        >>> label_mass(torch.zeros(1, 4), torch.tensor([[True, False, False, False]]))
        tensor([0.2500])
    """
    noisy = logits if noise is None else logits + noise
    return ((noisy / temperature).softmax(-1) * own).sum(-1)


def keep(mass: Tensor, threshold: float) -> Tensor:
    """1 above the threshold, with the gradient of ``mass``; 0 elsewhere, without.

    Example:
        >>> keep(torch.tensor([0.3, 0.01]), threshold=0.02)
        tensor([1., 0.])
    """
    return (mass > threshold) * (1.0 + (mass - mass.detach()))
