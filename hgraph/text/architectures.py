"""Where the transformers and tokenizers of different architectures differ."""

import inspect
import json
from collections.abc import Sequence
from typing import Any

from torch import nn

from hgraph.errors import ConfigError


def describe_model(model: Any) -> dict[str, Any]:
    """The architecture of a transformer, as JSON can hold it."""
    elsewhere = ("_name_or_path", "transformers_version", "dtype")  # where it comes from, not what it computes
    return {name: value for name, value in model.config.to_dict().items() if name not in elsewhere}


def describe_tokenizer(tokenizer: Any) -> Any:
    """All that decides what a tokenizer makes of a text, as JSON can hold it."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return {"class": type(tokenizer).__name__, "vocabulary": tokenizer.get_vocab()}
    # The last call leaves its cutting and padding in the tokenizer.
    described = json.loads(backend.to_str())
    return {name: value for name, value in described.items() if name not in ("truncation", "padding")}


def check_layers(layers: Sequence[int], num_layers: int) -> list[int]:
    """Layers counted from the embedding layer, 0."""
    if not len(layers) or not all(-num_layers - 1 <= layer <= num_layers for layer in layers):
        raise ConfigError(
            f"'layers' must be some of 0 to {num_layers} (or counted from the end, -1), but got {list(layers)}."
        )
    return [layer % (num_layers + 1) for layer in layers]


def ends_with_cls(tokenizer: Any) -> bool:
    """Whether the token that stands for the text comes last, as in XLNet."""
    ids = tokenizer("")["input_ids"]
    cls = tokenizer.cls_token_id
    return cls is not None and len(ids) > 0 and ids[-1] == cls and ids[0] != cls


def added_tokens(tokenizer: Any) -> list[int]:
    """Ids of the tokens that a tokenizer adds, such as `[CLS]` and padding; a word it does not know is none of them."""
    roles = ("cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id", "pad_token_id", "mask_token_id")
    ids = {getattr(tokenizer, role, None) for role in roles}
    return sorted(number for number in ids if number is not None)


def takes_embeddings(model: Any) -> bool:
    """Whether `model` reads vectors in the place of token ids."""
    return "inputs_embeds" in inspect.signature(model.forward).parameters


def widening_map(model: Any) -> nn.Module:
    """The map from a narrow embedding layer to the width of the states."""
    for name in ("embeddings_project", "encoder.embedding_hidden_mapping_in"):
        try:
            return model.get_submodule(name)
        except AttributeError:
            continue
    raise ConfigError(
        f"the embedding layer of {type(model).__name__} is narrower than its states, so label names cannot be read "
        "from it. Use a label encoder without names, or a frozen text encoder."
    )


def max_positions(model: Any) -> int | None:
    """Tokens that the position table of `model` has room for; None where there is no such limit."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if not positions or positions < 0:  # relative positions: -1, or nothing
        return None
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    # RoBERTa and its kin count positions from behind the padding index.
    return positions if padding is None else positions - padding - 1
