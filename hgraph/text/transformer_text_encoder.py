"""Any Hugging Face encoder: a name on the hub or a folder."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.text.states import TextEncoder, TextStates

if TYPE_CHECKING:
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

Pooling = Literal["cls", "mean"]


class TransformerTextEncoder(TextEncoder):
    """A pre-trained transformer, its last hidden states and one vector a text.

    Args:
        model: The transformer, as `AutoModel` gives it.
        tokenizer: Its tokenizer.
        pooling: `"cls"` takes the first token's state, `"mean"` the average over real tokens.
        max_length: Most tokens of a text, special tokens included; longer texts are cut.
        dropout: On the pooled vector.

    Shapes:
        - input: `input_ids` [B, T], `attention_mask` [B, T]; T is the longest text of the batch.
        - output: `pooled` [B, D], `tokens` [B, T, D], `mask` [B, T].
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: Any,
        *,
        pooling: Pooling = "cls",
        max_length: int = 512,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if pooling not in get_args(Pooling):
            raise ConfigError(f"'pooling' must be one of {', '.join(get_args(Pooling))}, found '{pooling}'.")
        limit = min(tokenizer.model_max_length, _max_positions(model) or tokenizer.model_max_length)
        if max_length > limit:
            logger.warning("max_length %d is more than the model reads; using %d", max_length, limit)
        self.model = model
        self.tokenizer = tokenizer
        self.pooling = pooling
        self.max_length = min(max_length, limit)
        self.channels = model.config.hidden_size
        self.dropout = nn.Dropout(dropout)

    @classmethod
    def from_pretrained(cls, name: str, **options: Any) -> "TransformerTextEncoder":
        """Load weights and tokenizer.

        Args:
            name: Hub name or folder.
            **options: Arguments of the class.

        Raises:
            ConfigError: There is no such model, or it cannot be fetched.
        """
        from transformers import AutoModel, AutoTokenizer

        # A folder that is none would be asked for on the hub, with a confusing answer.
        if name.startswith((".", "/", "~")) and not Path(name).expanduser().is_dir():
            raise ConfigError(f"--text-encoder: there is no folder '{name}'.")
        name = str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name
        try:
            # Some poolers are random in the checkpoint; hgraph pools by itself, so none is needed.
            # Half-precision checkpoints are widened: the heads are float32, and mixed precision is autocast's part.
            model = AutoModel.from_pretrained(name, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(name)
        except Exception as error:  # a damaged folder fails in many libraries, each with errors of its own
            first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ConfigError(
                f"--text-encoder: the model '{name}' cannot be loaded: {first} Give the name of a model on the hub "
                "(with a network), a folder that holds one, or 'bag', which needs no download."
            ) from error
        return cls(model, tokenizer, **options)

    @classmethod
    def from_assets(cls, folder: Path, **options: Any) -> "TransformerTextEncoder":
        """Rebuild the architecture from :meth:`save_assets`, without weights and without a network."""
        from transformers import AutoConfig, AutoModel, AutoTokenizer

        model = AutoModel.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32)
        return cls(model, AutoTokenizer.from_pretrained(folder), **options)

    def prepare(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Token ids of each text, int32, cut at `max_length`."""
        items: list[np.ndarray] = []
        for start in range(0, len(texts), 1000):
            part = list(texts[start : start + 1000])
            encoded = self.tokenizer(part, truncation=True, max_length=self.max_length, return_attention_mask=False)
            items.extend(np.asarray(ids, dtype=np.int32) for ids in encoded["input_ids"])
        cut = sum(len(item) >= self.max_length for item in items)
        if len(items) > 1 and cut:
            logger.info("%d of %d texts reach %d tokens and are cut there", cut, len(items), self.max_length)
        return items

    def collate(self, items: Sequence[np.ndarray]) -> dict[str, Tensor]:
        """Pad to the longest text of the batch."""
        longest = max((len(item) for item in items), default=0) or 1  # a tokenizer may leave nothing of a text
        ids = np.full((len(items), longest), self.tokenizer.pad_token_id or 0, dtype=np.int64)
        mask = np.zeros((len(items), longest), dtype=np.int64)
        for row, item in enumerate(items):
            ids[row, : len(item)] = item
            mask[row, : len(item)] = 1
        return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> TextStates:
        """Encode a batch; see the class for shapes."""
        tokens = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # [B, T, D]
        mask = attention_mask.bool()
        pooled = tokens[:, 0] if self.pooling == "cls" else _mean(tokens, mask)
        return TextStates(pooled=self.dropout(pooled), tokens=tokens, mask=mask)

    def embed(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean output of the embedding layer over real tokens, [B, D] (HGCLR's and HTLA's label-name features)."""
        layer = getattr(self.model, "embeddings", None)
        states = (
            layer(input_ids=batch["input_ids"])
            if callable(layer)
            else self.model.get_input_embeddings()(batch["input_ids"])
        )
        return _mean(states, batch["attention_mask"].bool())

    def save_assets(self, folder: Path) -> None:
        """Write configuration and tokenizer."""
        self.model.config.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def _max_positions(model: Any) -> int | None:
    """Tokens that the position table of `model` has room for; None where there is no such limit."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if not positions or positions < 0:  # relative positions: -1, or nothing
        return None
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    # RoBERTa and its kin count positions from behind the padding index.
    return positions if padding is None else positions - padding - 1


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    """Average of `states` [B, T, D] over the tokens where `mask` [B, T] is True."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)
