"""The texts of labels as a text encoder's embedding layer reads them, a few at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hgraph.nn import FeatureRows
from hgraph.text import Text, TextEncoder

EMBEDDED_AT_ONCE = 4096
"""How many texts the embedding layer reads at once: it holds a vector for each token of them."""


class LabelTexts:
    """Prepared texts of all labels, and the features of those that are asked for.

    Args:
        text_encoder: Its embedding layer makes the features, and takes gradient from them.
        names: One text a label.

    Shapes:
        - `features(device)[labels]`, labels [S]: [S, channels of the text encoder]
    """

    def __init__(self, text_encoder: TextEncoder, names: Sequence[Text]) -> None:
        self.text_encoder = text_encoder
        self.items = text_encoder.prepare(names)

    def features(self, device: torch.device) -> FeatureRows:
        """The features of all labels, computed where rows are asked for; collated texts go to `device`."""

        def rows(labels: Tensor) -> Tensor:
            # No text is padded to the longest of all labels.
            return torch.cat([self._embed(part, device) for part in labels.split(EMBEDDED_AT_ONCE)])

        shape = len(self.items), self.text_encoder.channels
        return FeatureRows(rows, shape, device=device, source=self.text_encoder)

    def _embed(self, labels: Tensor, device: torch.device) -> Tensor:
        batch = self.text_encoder.collate([self.items[label] for label in labels.tolist()])
        return self.text_encoder.embed({name: value.to(device) for name, value in batch.items()})
