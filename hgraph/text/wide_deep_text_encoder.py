"""Two encoders of one text: lexical features beside vectors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.text.assets import restore_text_encoder, subfolder, substate, write_options
from hgraph.text.rows import PairedRows
from hgraph.text.states import Text, TextEncoder, TextStates, WordEmbeddings

WIDE, DEEP = "wide_", "deep_"


class WideDeepTextEncoder(TextEncoder):
    """The sparse features of one encoder beside the vectors and token states of another.

    With a lexical scorer on the sparse features and any scorer on the vectors this is the wide and deep model of
    Cheng et al. (2016, https://arxiv.org/abs/1606.07792): the two scores add up and are trained together.

    Args:
        wide: Gives sparse features, e.g. :class:`~hgraph.text.BagTextEncoder` with `channels=0`; its dense vector, if
            it has one, is not used.
        deep: Gives vectors; any text encoder.

    Shapes:
        - input: what `wide` takes, each name after `wide_`, and what `deep` takes, each after `deep_`;
          `token_weights` for those of `deep`, if it takes any.
        - output: `sparse` of `wide`; everything else of `deep`.

    Example:
        >>> from hgraph.text import BagTextEncoder
        >>> texts = ["red apples", "green apples"]
        >>> encoder = WideDeepTextEncoder(BagTextEncoder.fit(texts, channels=0), BagTextEncoder.fit(texts, channels=4))
        >>> states = encoder(**encoder.collate(encoder.prepare(texts)))
        >>> states.pooled.shape, len(states.sparse.offsets), encoder.num_features
        (torch.Size([2, 4]), 2, 5)
    """

    def __init__(self, wide: TextEncoder, deep: TextEncoder) -> None:
        super().__init__()
        if not wide.num_features:
            raise ConfigError(
                f"'wide' must give sparse features, but got {type(wide).__name__} without any. Use a BagTextEncoder."
            )
        if not deep.channels:
            raise ConfigError(
                f"'deep' must give vectors, but got {type(deep).__name__} with 'channels' 0. Set its 'channels'."
            )
        self.wide = wide
        self.deep = deep
        self.channels = deep.channels
        self.num_features = wide.num_features
        self.pads = deep.pads

    def prepare(self, texts: Sequence[Text]) -> PairedRows:
        """Items of both encoders, in pairs."""
        return PairedRows(self.wide.prepare(texts), self.deep.prepare(texts))

    def adapt(self, items: Sequence[tuple[Any, Any]]) -> None:
        """Both encoders look at their items."""
        self.wide.adapt([wide for wide, _ in items])
        self.deep.adapt([deep for _, deep in items])

    def lengths(self, items: Sequence[tuple[Any, Any]]) -> np.ndarray:
        """Lengths for the deep encoder, which is the slow one."""
        return self.deep.lengths(items.second if isinstance(items, PairedRows) else [deep for _, deep in items])

    def collate(self, items: Sequence[tuple[Any, Any]]) -> dict[str, Tensor]:
        """The batches of both encoders side by side."""
        wide = self.wide.collate([item for item, _ in items])
        deep = self.deep.collate([item for _, item in items])
        return {
            **{WIDE + name: value for name, value in wide.items()},
            **{DEEP + name: value for name, value in deep.items()},
        }

    def forward(self, token_weights: Tensor | None = None, **batch: Tensor) -> TextStates:
        """Encode a batch; see the class for shapes."""
        weights = {} if token_weights is None else {"token_weights": token_weights}
        states = self.deep(**substate(batch, DEEP), **weights)
        states.sparse = self.wide(**substate(batch, WIDE)).sparse
        return states

    def embed(self, batch: Mapping[str, Tensor]) -> Tensor:
        """What the deep encoder gives for label names, [B, channels]."""
        return self.deep.embed(substate(batch, DEEP))

    @property
    def word_channels(self) -> int:
        """That of the deep encoder."""
        return self.deep.word_channels

    def word_embeddings(self, batch: Mapping[str, Tensor]) -> WordEmbeddings:
        """The tokens of the deep encoder."""
        return self.deep.word_embeddings(substate(batch, DEEP))

    def save_assets(self, folder: Path) -> None:
        """Write each encoder into a folder of its own."""
        self.wide.save_assets(subfolder(folder, "wide"))
        self.deep.save_assets(subfolder(folder, "deep"))
        write_options(folder, self)

    @classmethod
    def from_assets(cls, folder: Path, state: Mapping[str, Tensor], **options: Any) -> "WideDeepTextEncoder":
        """See the base class; `options` go to the deep encoder."""
        wide = restore_text_encoder(folder / "wide", substate(state, "wide."))
        return cls(wide, restore_text_encoder(folder / "deep", substate(state, "deep."), **options))

    def settings(self) -> dict[str, Any]:
        """The settings of the deep encoder, which gives the vectors."""
        return self.deep.settings()
