"""A pre-trained transformer on vectors instead of tokens, with masks and positions of our own."""

import inspect
from typing import Any

import torch
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.models.hbgl.masks import additive
from hgraph.text import TransformerTextEncoder
from hgraph.text.architectures import max_positions


def run_transformer(model: Any, vectors: Tensor, mask: Tensor, positions: Tensor, types: Tensor) -> Tensor:
    """Last hidden states ``[B, Q, D]`` of a transformer.

    Args:
        model: what `AutoModel` gives.
        vectors: ``[B, Q, D]``, in place of word embeddings.
        mask: ``[B, Q, Q]``, bool, true where the query sees the key.
        positions: ``[B, Q]``, long, counted from 0.
        types: ``[B, Q]``, long, token types; left out where the model knows one type alone.
    """
    if not len(vectors):  # most architectures cannot reshape nothing
        return vectors.new_zeros(vectors.shape)
    options: dict[str, Any] = {}
    if (
        getattr(model.config, "type_vocab_size", 0) > 1
        and "token_type_ids" in inspect.signature(model.forward).parameters
    ):
        options["token_type_ids"] = types
    output = model(
        inputs_embeds=vectors,
        attention_mask=_layer_masks(model, mask, positions, vectors.dtype),
        position_ids=positions + first_position(model),
        **options,
    )
    states: Tensor = output.last_hidden_state
    return states


def _layer_masks(model: Any, mask: Tensor, positions: Tensor, dtype: torch.dtype) -> Tensor | dict[str, Tensor]:
    """The mask of every layer, or one for each kind where some layers look at near positions alone."""
    whole = additive(mask, dtype)
    if "sliding_attention" not in (getattr(model.config, "layer_types", None) or ()):
        return whole
    near = (positions.unsqueeze(2) - positions.unsqueeze(1)).abs() <= model.config.sliding_window
    return {"full_attention": whole, "sliding_attention": additive(mask & near, dtype)}


def first_position(model: Any) -> int:
    """The number of the first token's position: RoBERTa and its kin begin behind the padding index."""
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1


@torch.no_grad()
def check_transformer(encoder: TransformerTextEncoder) -> None:
    """Make sure that the transformer reads vectors in any order, each at the position it is given, under any mask.

    A few tokens in another order, with one that none may see, must get the states that they have in a plain text.

    Raises:
        ConfigError: It does not, as those with relative positions counted along the sequence.
    """
    model: Any = encoder.model
    table: Any = model.get_input_embeddings()
    device, count = table.weight.device, min(6, (max_positions(model) or 6) - 1)
    start = (encoder.tokenizer.pad_token_id or 0) + 1
    ids = (start + torch.arange(count + 1, device=device)).remainder(table.num_embeddings)
    shuffled = torch.arange(count, device=device).flip(0).roll(1)
    order = torch.cat([shuffled, shuffled.new_tensor([count])])
    mask = torch.ones(1, count + 1, count + 1, dtype=torch.bool, device=device)
    mask[..., count] = False
    training = model.training
    model.eval()
    try:
        plain = model(input_ids=ids[None, :count], attention_mask=torch.ones_like(ids[None, :count])).last_hidden_state
        ours = run_transformer(model, table(ids[None, order]), mask, order.unsqueeze(0), torch.zeros_like(order[None]))
        same = torch.allclose(ours[:, shuffled.argsort()], plain, atol=1e-3, rtol=1e-3)
        # An untrained model may hide that it looks at places in the sequence.
        places = "position_ids" in inspect.signature(model.forward).parameters
        relative = hasattr(model.config, "relative_attention_num_buckets")
        fits = same and places and not relative and table.embedding_dim == encoder.channels
    except (
        TypeError,
        ValueError,
        RuntimeError,
        AttributeError,
        IndexError,
        KeyError,
    ):  # each has its own way to refuse
        fits = False
    finally:
        model.train(training)
    if not fits:
        raise ConfigError(
            f"the model 'hbgl' needs a transformer that reads vectors at positions of any order under any attention "
            f"mask, found {type(model).__name__}, which does not. Use one such as BERT, RoBERTa, DistilBERT or MiniLM."
        )
