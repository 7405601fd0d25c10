"""Other views of the same documents, for objectives that contrast them or learn the labels from both."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hgraph.text import TextEncoder, TextStates


class View(nn.Module):
    """Base of the views: encodes the documents of a training step once more, changed.

    Used in training alone: neither validation nor a saved model runs it.
    """

    def forward(
        self,
        text_encoder: TextEncoder,
        text: Mapping[str, Tensor],
        states: TextStates,
        label_vectors: Tensor | None,
        labels: Tensor,
    ) -> TextStates:
        """States of the changed documents.

        Args:
            text_encoder: The encoder of the model.
            text: The tensors of `text_encoder.collate`.
            states: What the encoder made of them.
            label_vectors: [L, C], or None in a model without a label encoder.
            labels: [B, L], float multi-hot.
        """
        raise NotImplementedError


class DropoutView(View):
    """The same documents under another draw of the encoder's dropout (SimCSE,
    `arXiv 2104.08821 <https://arxiv.org/abs/2104.08821>`_)."""

    def forward(
        self,
        text_encoder: TextEncoder,
        text: Mapping[str, Tensor],
        states: TextStates,
        label_vectors: Tensor | None,
        labels: Tensor,
    ) -> TextStates:
        """The documents encoded again."""
        return text_encoder(**text)


def stack_branches(*branches: Tensor | None) -> Tensor | None:
    """Branches ``[R, B, L]`` of several origins one after the other; None where there are none."""
    given = [branch for branch in branches if branch is not None]
    return torch.cat(given) if given else None
