"""Documents of several fields, each encoded alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.text.assets import read_options, restore_text_encoder, subfolder, substate, write_options
from hgraph.text.field_pooling import FieldPooling, drop_fields
from hgraph.text.fields import check_texts, field_values
from hgraph.text.rows import FieldRows
from hgraph.text.states import Text, TextEncoder, TextStates
from hgraph.text.transformer_text_encoder import TransformerTextEncoder

Marker = Literal["token", "vector"]


class FieldTextEncoder(TextEncoder):
    r"""One encoder for all fields of a document, and self-attention between what it gives for each.

    The text part of HMCN (https://arxiv.org/abs/2507.04413). With e_f the vector of field f and m_f its marker,

    .. math::
        H = [e_1 + m_1, \dots, e_F + m_F], \quad H' = H + \mathrm{MHA}(H), \quad h = \sum_f \alpha_f H'_f, \quad
        \alpha = \mathrm{softmax}_f(u^\top \tanh(W H'_f)).

    Missing and empty fields take no part. With one field, h is the vector of the encoder as it is.

    Against the paper: what attention gives is added to the vectors of the encoder, so that training starts from them;
    the paper leaves the form of the weighted sum open.

    Args:
        encoder: Encodes one field; any text encoder that gives vectors.
        fields: Names of the fields, in order. A plain string counts as the first of them.
        heads: Attention heads; they divide the width of the encoder.
        dropout: On attention weights and on h.
        field_dropout: Share of the fields of a document that a training step leaves out, never all of them.
        max_lengths: For a transformer, most tokens of some fields; the others take the encoder's length.
        marker: `"token"` puts a special token `[FIELD_name]` before the text and leaves m_f out; `"vector"` learns m_f.
            Default: a token where the encoder is a transformer that is trained, else a vector.

    Shapes (n_f documents of the batch have field f):
        - input: `field_mask` [B, F]; for each field f, numbered from 0, the tensors of the encoder for the n_f
          documents that have it, each name after `f_`, and `rows_f` [n_f], which documents those are.
        - output: `pooled` [B, D], `fields` [B, F, D] (H'), `field_mask` [B, F]; `tokens` [B, sum of T_f, D] and `mask`,
          the fields side by side, where the encoder gives token states.

    Example:
        >>> from hgraph.text import BagTextEncoder
        >>> texts = [{"title": "red apples", "note": "from trees"}, {"title": "green apples"}]
        >>> inner = BagTextEncoder.fit(["red apples from trees", "green apples"], channels=4)
        >>> encoder = FieldTextEncoder(inner, ["title", "note"], heads=2)
        >>> states = encoder(**encoder.collate(encoder.prepare(texts)))
        >>> states.fields.shape, states.field_mask.tolist()
        (torch.Size([2, 2, 4]), [[True, True], [True, False]])
    """

    def __init__(
        self,
        encoder: TextEncoder,
        fields: Sequence[str],
        *,
        heads: int = 4,
        dropout: float = 0.1,
        field_dropout: float = 0.0,
        max_lengths: Mapping[str, int] | None = None,
        marker: Marker | None = None,
    ) -> None:
        super().__init__()
        self.fields = list(fields)
        self.max_lengths = dict(max_lengths or {})
        _check(encoder, self.fields, field_dropout, self.max_lengths)
        self.encoder = encoder
        self.channels = encoder.channels
        self.pads = encoder.pads
        self.field_dropout = field_dropout
        self.marker = _marker(encoder, self.fields, marker)
        several = len(self.fields) > 1
        self.field_vectors = nn.Embedding(len(self.fields), self.channels) if self.marker == "vector" else None
        self.pooling = FieldPooling(self.channels, heads=heads, dropout=dropout) if several else None
        if self.field_vectors is not None:
            nn.init.normal_(self.field_vectors.weight, std=0.02)
        if self.marker == "token" and isinstance(encoder, TransformerTextEncoder):
            encoder.add_tokens([_token(name) for name in self.fields])

    def prepare(self, texts: Sequence[Text]) -> FieldRows:
        """Items of the encoder for every field that a text has.

        Raises:
            DataError: A text has none of the fields.
        """
        check_texts(texts)
        rows = [field_values(text, self.fields, f"'texts' item {place}") for place, text in enumerate(texts)]
        present = np.array([[bool(value.strip()) for value in row] for row in rows], dtype=bool)
        present = present.reshape(len(rows), len(self.fields))
        present[~present.any(1), 0] = True  # an empty document is an empty first field
        columns = [
            self._prepare_field(name, [rows[row][place] for row in np.flatnonzero(present[:, place]).tolist()])
            for place, name in enumerate(self.fields)
        ]
        return FieldRows(columns, present)

    def _prepare_field(self, name: str, values: list[str]) -> Sequence[Any]:
        if self.marker == "token":
            values = [f"{_token(name)} {value}" for value in values]
        if isinstance(self.encoder, TransformerTextEncoder):
            return self.encoder.prepare(values, max_length=self.max_lengths.get(name))
        return self.encoder.prepare(values)

    def lengths(self, items: Sequence[tuple[Any, ...]]) -> np.ndarray:
        """Lengths for the encoder, summed over fields."""
        total = np.zeros(len(items), dtype=np.int64)
        for place in range(len(self.fields)):
            rows = [row for row, item in enumerate(items) if item[place] is not None]
            total[rows] += self.encoder.lengths([items[row][place] for row in rows])
        return total

    def collate(self, items: Sequence[tuple[Any, ...]]) -> dict[str, Tensor]:
        """A batch of the encoder for each field, and who has it."""
        mask = np.array([[part is not None for part in item] for item in items], dtype=bool)
        mask = mask.reshape(len(items), len(self.fields))
        batch = {"field_mask": torch.from_numpy(mask)}
        for place in np.flatnonzero(mask.any(0)).tolist():
            rows = np.flatnonzero(mask[:, place])
            part = self.encoder.collate([items[row][place] for row in rows.tolist()])
            batch |= {f"{place}_{name}": value for name, value in part.items()}
            batch[f"rows_{place}"] = torch.from_numpy(rows)
        return batch

    def forward(self, field_mask: Tensor, **batch: Tensor) -> TextStates:
        """Encode a batch; see the class for shapes."""
        states = {place: self.encoder(**part) for place, part in self._parts(batch)}
        vectors = self._vectors({place: state.pooled for place, state in states.items()}, field_mask, batch)
        mask = drop_fields(field_mask, self.field_dropout) if self.training and self.field_dropout else field_mask
        tokens, token_mask = self._tokens(states, mask, batch)
        if self.pooling is None:
            return TextStates(vectors[:, 0], tokens, token_mask, fields=vectors, field_mask=mask)
        if self.field_vectors is not None:
            vectors = vectors + self.field_vectors.weight.to(vectors.dtype)
        pooled, fields = self.pooling(vectors, mask)
        return TextStates(pooled, tokens, token_mask, fields=fields, field_mask=mask)

    def embed(self, batch: Mapping[str, Tensor]) -> Tensor:
        """What the encoder gives for label names, which are plain strings and so the first field, [B, channels]."""
        embedded = {place: self.encoder.embed(part) for place, part in self._parts(batch)}
        return self._vectors(embedded, batch["field_mask"], batch)[:, 0]

    def _parts(self, batch: Mapping[str, Tensor]) -> list[tuple[int, dict[str, Tensor]]]:
        """The fields that some document has, and their batches."""
        parts = [(place, substate(batch, f"{place}_")) for place in range(len(self.fields))]
        return [(place, part) for place, part in parts if part]

    def _vectors(self, pooled: Mapping[int, Tensor], field_mask: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """[B, F, D], zeros where a document has no such field."""
        like = next(iter(pooled.values()), torch.zeros(0, device=field_mask.device))
        vectors = [like.new_zeros(len(field_mask), self.channels) for _ in self.fields]
        for place, values in pooled.items():
            vectors[place] = vectors[place].index_copy(0, batch[f"rows_{place}"], values)
        return torch.stack(vectors, dim=1)

    def _tokens(
        self, states: Mapping[int, TextStates], mask: Tensor, batch: Mapping[str, Tensor]
    ) -> tuple[Tensor | None, Tensor | None]:
        """Token states of all fields side by side and their mask; None where the encoder gives none."""
        tokens: list[Tensor] = []
        masks: list[Tensor] = []
        for place, state in states.items():
            if state.tokens is None or state.mask is None:
                return None, None
            rows = batch[f"rows_{place}"]
            tokens.append(state.tokens.new_zeros(len(mask), *state.tokens.shape[1:]).index_copy(0, rows, state.tokens))
            real = state.mask.new_zeros(len(mask), state.mask.shape[1]).index_copy(0, rows, state.mask)
            masks.append(real & mask[:, place : place + 1])
        return (torch.cat(tokens, dim=1), torch.cat(masks, dim=1)) if tokens else (None, None)

    def save_assets(self, folder: Path) -> None:
        """Write options, and what the encoder needs into a folder of its own."""
        self.encoder.save_assets(subfolder(folder, "encoder"))
        options = {"heads": self.pooling.heads, "dropout": self.pooling.dropout.p} if self.pooling is not None else {}
        write_options(
            folder,
            self,
            fields=self.fields,
            field_dropout=self.field_dropout,
            max_lengths=self.max_lengths,
            marker=self.marker,
            **options,
        )

    @classmethod
    def from_assets(cls, folder: Path, state: Mapping[str, Tensor], **options: Any) -> "FieldTextEncoder":
        """See the base class."""
        encoder = restore_text_encoder(folder / "encoder", substate(state, "encoder."))
        return cls(encoder, **{**read_options(folder), **options})


def _token(name: str) -> str:
    return f"[FIELD_{name}]"


def _marker(encoder: TextEncoder, fields: Sequence[str], marker: Marker | None) -> Marker | None:
    """How fields are told apart; None where there is one alone."""
    if marker is not None and marker not in get_args(Marker):
        raise ConfigError(f"'marker' must be one of {', '.join(get_args(Marker))}, but got {marker!r}.")
    transformer = isinstance(encoder, TransformerTextEncoder)
    if marker == "token" and not transformer:
        raise ConfigError(
            f"'marker' must be 'vector' for {type(encoder).__name__}, which has no tokens, but got 'token'."
        )
    if len(fields) == 1:
        return None
    # A new token says nothing before it is trained.
    trained = isinstance(encoder, TransformerTextEncoder) and encoder.trains_embeddings
    return marker or ("token" if trained else "vector")


def _check(encoder: TextEncoder, fields: Sequence[str], field_dropout: float, max_lengths: Mapping[str, int]) -> None:
    if not fields or len(set(fields)) < len(fields) or not all(isinstance(name, str) for name in fields):
        raise ConfigError(f"'fields' must be different names, at least one, but got {list(fields)}.")
    if not encoder.channels:
        raise ConfigError(f"'encoder' must give vectors, but got {type(encoder).__name__} with 'channels' 0.")
    if not 0 <= field_dropout < 1:
        raise ConfigError(f"'field_dropout' must be at least 0 and below 1, but got {field_dropout}.")
    unknown = [name for name in max_lengths if name not in fields]
    if unknown:
        raise ConfigError(f"'max_lengths' must name some of the fields {list(fields)}, but got '{unknown[0]}'.")
    if not max_lengths:
        return
    if not isinstance(encoder, TransformerTextEncoder):
        raise ConfigError(f"'max_lengths' needs a TransformerTextEncoder, but got {type(encoder).__name__}.")
    least = encoder.tokenizer.num_special_tokens_to_add() + 2  # the marker and one token of the text
    for name, length in max_lengths.items():
        if length < least:
            raise ConfigError(f"'max_lengths' must be at least {least} tokens, but got {length} for '{name}'.")
