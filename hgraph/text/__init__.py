"""Text encoders: batches of text -> :class:`TextStates`."""

from hgraph.text.assets import restore_text_encoder
from hgraph.text.bag_text_encoder import BagTextEncoder
from hgraph.text.chunked_text_encoder import ChunkedTextEncoder
from hgraph.text.embedding_cache import EmbeddingCache
from hgraph.text.field_text_encoder import FieldTextEncoder
from hgraph.text.fields import plain_text
from hgraph.text.frozen_text_encoder import FrozenTextEncoder
from hgraph.text.hashed_features import HashedFeatures
from hgraph.text.lora import LoRAOptions
from hgraph.text.states import SparseFeatures, Text, TextEncoder, TextStates, WordEmbeddings
from hgraph.text.transformer_text_encoder import TransformerTextEncoder
from hgraph.text.vector_text_encoder import VectorTextEncoder
from hgraph.text.wide_deep_text_encoder import WideDeepTextEncoder

__all__ = [
    "BagTextEncoder",
    "ChunkedTextEncoder",
    "EmbeddingCache",
    "FieldTextEncoder",
    "FrozenTextEncoder",
    "HashedFeatures",
    "LoRAOptions",
    "SparseFeatures",
    "Text",
    "TextEncoder",
    "TextStates",
    "TransformerTextEncoder",
    "VectorTextEncoder",
    "WideDeepTextEncoder",
    "WordEmbeddings",
    "plain_text",
    "restore_text_encoder",
]
