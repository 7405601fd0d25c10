"""Text encoders: batches of text -> :class:`TextStates`."""

from hgraph.text.bag_text_encoder import BagTextEncoder
from hgraph.text.states import SparseFeatures, TextEncoder, TextStates
from hgraph.text.transformer_text_encoder import TransformerTextEncoder

__all__ = ["BagTextEncoder", "SparseFeatures", "TextEncoder", "TextStates", "TransformerTextEncoder"]
