"""Any Hugging Face encoder: a name on the hub or a folder."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.text.architectures import (
    added_tokens,
    check_layers,
    describe_model,
    describe_tokenizer,
    ends_with_cls,
    max_positions,
    takes_embeddings,
    widening_map,
)
from hgraph.text.assets import read_options, write_options
from hgraph.text.fields import plain_texts
from hgraph.text.lora import LoRAOptions, add_lora, merge_lora
from hgraph.text.pooling import Pooling, masked_mean, pool
from hgraph.text.states import Text, TextEncoder, TextStates, WordEmbeddings
from hgraph.text.windows import Truncation, token_windows

if TYPE_CHECKING:
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)


class TransformerTextEncoder(TextEncoder):
    """A pre-trained transformer, its last hidden states and one vector a text.

    Args:
        model: The transformer, as `AutoModel` gives it; of an encoder-decoder the encoder is used.
        tokenizer: Its tokenizer.
        pooling: `"cls"` takes the state of the token that stands for the text (the first one; where the tokenizer puts
            it at the end, the last), `"last"` that of the last token, `"mean"` and `"max"` go over real tokens.
        max_length: Most tokens of a text, special tokens included; longer texts are cut.
        dropout: On the pooled vector.
        layers: Layers whose token states are given too: 0 is the embedding layer, 1 the first, -1 the last.
        gradient_checkpointing: Compute activations again in the backward pass, for less memory and a third more time.
        lora: Train low-rank updates of the weights alone; :meth:`save_assets` merges them into the weights.

    Attributes:
        truncation: What the last call of :meth:`prepare` cut off, a :class:`~hgraph.text.windows.Truncation`.

    Shapes:
        - input: `input_ids` [B, T], `attention_mask` [B, T]; T is the longest text of the batch. `token_weights`
          [B, T], if given, multiply the word embeddings; positions and types are added to the products.
        - output: `pooled` [B, D], `tokens` [B, T, D], `mask` [B, T]; `layers`, one [B, T, D] for each asked for.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: Any,
        *,
        pooling: Pooling = "cls",
        max_length: int = 512,
        dropout: float = 0.1,
        layers: Sequence[int] | None = None,
        gradient_checkpointing: bool = False,
        lora: LoRAOptions | None = None,
    ) -> None:
        super().__init__()
        if pooling not in get_args(Pooling):
            raise ConfigError(f"'pooling' must be one of {', '.join(get_args(Pooling))}, but got '{pooling}'.")
        if getattr(model.config, "is_encoder_decoder", False):
            model = model.get_encoder()
        limit = min(tokenizer.model_max_length, max_positions(model) or tokenizer.model_max_length)
        if max_length > limit:
            logger.warning("max_length %d is more than the model reads; using %d", max_length, limit)
        self.model = model
        self.tokenizer = tokenizer
        self.pooling: Pooling = pooling
        self.max_length = min(max_length, limit)
        self.channels = model.config.hidden_size
        self.dropout = nn.Dropout(dropout)
        self.layers = None if layers is None else check_layers(layers, model.config.num_hidden_layers)
        self.truncation = Truncation()
        self._where: Pooling = "last" if pooling == "cls" and ends_with_cls(tokenizer) else pooling
        if lora is not None:
            add_lora(model, lora)
        if gradient_checkpointing:
            self._checkpoint_gradients()

    @property
    def trains_embeddings(self) -> bool:
        """Whether the vectors of tokens take gradient."""
        return all(parameter.requires_grad for parameter in self.model.get_input_embeddings().parameters())

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
    def from_assets(
        cls, folder: Path, state: Mapping[str, Tensor] | None = None, **options: Any
    ) -> "TransformerTextEncoder":
        """Rebuild the architecture from :meth:`save_assets`, without weights and without a network."""
        from transformers import AutoConfig, AutoModel, AutoTokenizer

        model = AutoModel.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32)
        return cls(model, AutoTokenizer.from_pretrained(folder), **{**read_options(folder), **options})

    def prepare(self, texts: Sequence[Text], *, max_length: int | None = None) -> list[np.ndarray]:
        """Token ids of each text, int32, cut at `max_length` (by default the encoder's)."""
        length = self.max_length if max_length is None else min(max_length, self.max_length)
        items: list[np.ndarray] = []
        cut = tokens = lost = 0
        for windows, added in token_windows(self.tokenizer, plain_texts(texts), max_length=length):
            items.append(windows[0])
            cut += len(windows) > 1
            tokens += int(added.sum())
            lost += int(added[1:].sum())
        self.truncation = Truncation(len(items), cut, tokens, lost)
        if len(items) > 1 and cut:
            logger.info("%s (at %d tokens)", self.truncation, length)
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

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_weights: Tensor | None = None) -> TextStates:
        """Encode a batch; see the class for shapes."""
        mask = attention_mask.bool()
        tokens, layers = self._run(self._inputs(input_ids, token_weights), attention_mask)
        return TextStates(pooled=self.dropout(self.pool_states(tokens, mask)), tokens=tokens, mask=mask, layers=layers)

    def pool_states(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """One vector a text [B, D] from the states of any layer [B, T, D], as the last one is pooled."""
        return pool(tokens, mask, self._where)

    def _inputs(self, input_ids: Tensor, token_weights: Tensor | None) -> dict[str, Tensor]:
        """What the transformer reads: token ids, or their word embeddings times the weights."""
        if token_weights is None:
            return {"input_ids": input_ids}
        if token_weights.shape != input_ids.shape:
            raise ConfigError(
                f"'token_weights' must have shape {list(input_ids.shape)}, but got {list(token_weights.shape)}."
            )
        words = self.model.get_input_embeddings()(input_ids)
        return {"inputs_embeds": words * token_weights.unsqueeze(-1).to(words.dtype)}

    def _run(self, inputs: dict[str, Tensor], attention_mask: Tensor) -> tuple[Tensor, tuple[Tensor, ...] | None]:
        """States of the tokens [B, T, D], of the last layer and of those asked for."""
        if not len(attention_mask):  # most architectures cannot reshape nothing
            tokens = torch.zeros(*attention_mask.shape, self.channels, device=attention_mask.device)
            return tokens, None if self.layers is None else (tokens,) * len(self.layers)
        several = self.layers is not None
        output = self.model(**inputs, attention_mask=attention_mask, output_hidden_states=several)
        tokens = output.last_hidden_state
        if self.layers is None:
            return tokens, None
        return tokens, tuple(output.hidden_states[layer] for layer in self.layers)

    def embed(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean output of the embedding layer over real tokens, [B, D] (HGCLR's and HTLA's label-name features)."""
        layer = getattr(self.model, "embeddings", None)
        states = (
            layer(input_ids=batch["input_ids"])
            if callable(layer)
            else self.model.get_input_embeddings()(batch["input_ids"])
        )
        if states.shape[-1] != self.channels:
            states = widening_map(self.model)(states)
        return masked_mean(states, batch["attention_mask"].bool())

    @property
    def word_channels(self) -> int:
        """Width E of the word embeddings, which some architectures widen later."""
        table: Any = self.model.get_input_embeddings()
        return int(table.embedding_dim)

    def word_embeddings(self, batch: Mapping[str, Tensor]) -> WordEmbeddings:
        """Rows of the table of word embeddings; see the base class."""
        if not takes_embeddings(self.model):
            raise ConfigError(
                f"the tokens of a text can be weighed where the model takes 'inputs_embeds', but "
                f"{type(self.model).__name__} does not. Use another model, such as a BERT or a RoBERTa."
            )
        ids = batch["input_ids"]
        return WordEmbeddings(
            vectors=self.model.get_input_embeddings()(ids),
            mask=batch["attention_mask"].bool(),
            special=torch.isin(ids, torch.tensor(added_tokens(self.tokenizer), device=ids.device)),
            document=torch.arange(len(ids), device=ids.device),
        )

    def add_tokens(self, tokens: Sequence[str]) -> None:
        """Teach tokenizer and model special tokens; those it knows stay as they are."""
        self.tokenizer.add_tokens(list(tokens), special_tokens=True)
        table: Any = self.model.get_input_embeddings()
        if len(self.tokenizer) > table.num_embeddings:
            self.model.resize_token_embeddings(len(self.tokenizer), mean_resizing=False)

    def save_assets(self, folder: Path) -> None:
        """Write configuration, tokenizer and options. Low-rank updates are merged into the weights, for good."""
        merge_lora(self.model)
        self.model.config.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        write_options(
            folder,
            self,
            pooling=self.pooling,
            max_length=self.max_length,
            dropout=self.dropout.p,
            layers=self.layers,
        )

    def settings(self) -> dict[str, Any]:
        """Architecture, tokenizer, pooling and length."""
        return {
            "model": describe_model(self.model),
            "tokenizer": describe_tokenizer(self.tokenizer),
            "pooling": self.pooling,
            "max_length": self.max_length,
        }

    def _checkpoint_gradients(self) -> None:
        if not self.model.supports_gradient_checkpointing:
            raise ConfigError(
                f"'gradient_checkpointing' must be False for {type(self.model).__name__}, which cannot do it, but got "
                "True. Lower the batch size or 'max_length' to save memory."
            )
        options = {"use_reentrant": False}  # the other way gives no gradient where the embedding layer has none
        if hasattr(self.model, "activation_checkpointing_enable"):  # its name in later versions of transformers
            self.model.activation_checkpointing_enable(activation_checkpointing_kwargs=options)
        else:
            self.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)
