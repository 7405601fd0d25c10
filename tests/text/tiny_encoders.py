"""Makers of tiny text encoders of every kind, random and offline; one case for each class and architecture."""

import numpy as np
import torch

from hgraph.text import (
    BagTextEncoder,
    ChunkedTextEncoder,
    FieldTextEncoder,
    FrozenTextEncoder,
    TransformerTextEncoder,
    VectorTextEncoder,
    WideDeepTextEncoder,
)
from hgraph.text.vocabulary import NGrams

SIZES = {"vocab_size": 24, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
POSITIONS = {"max_position_embeddings": 40}
ARCHITECTURES = ["bert", "roberta", "roformer", "modernbert", "distilbert", "xlnet", "electra", "t5"]

TEXTS = ["w1 w2 w3", "w4", "", "w5 w6 unknown w7 w8 w9 w1 w1", "w2 w2", "w3 " * 30]
FIELD_TEXTS = [
    {"title": "w1 w2", "body": "w3 w4 w5 w6 w7", "note": ""},
    {"title": "", "body": "w4", "note": "w1"},
    {"title": "w9"},
    {"title": "w1 w1", "body": "w3 " * 30, "note": "w2 w2"},
    {"title": "", "body": "", "note": ""},
    "w5 w6 w7",
]
FIELDS = ["title", "body", "note"]


def tiny_model(architecture="bert"):
    """A random transformer of two layers and 32 channels for 24 tokens."""
    import transformers as t

    specials = {"pad_token_id": 0, "cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
    config = {
        "bert": lambda: t.BertConfig(**SIZES, **POSITIONS),
        "roberta": lambda: t.RobertaConfig(**SIZES, **POSITIONS, pad_token_id=0),
        "roformer": lambda: t.RoFormerConfig(**SIZES, **POSITIONS, embedding_size=16),
        "modernbert": lambda: t.ModernBertConfig(**SIZES, **POSITIONS, **specials, local_attention=8),
        "distilbert": lambda: t.DistilBertConfig(
            vocab_size=24, dim=32, n_layers=2, n_heads=2, hidden_dim=32, **POSITIONS
        ),
        "xlnet": lambda: t.XLNetConfig(vocab_size=24, d_model=32, n_layer=2, n_head=2, d_inner=32, pad_token_id=0),
        "electra": lambda: t.ElectraConfig(**SIZES, **POSITIONS, embedding_size=16),
        "t5": lambda: t.T5Config(vocab_size=24, d_model=32, d_kv=16, num_layers=2, num_heads=2, d_ff=32),
    }[architecture]()
    torch.manual_seed(0)
    return t.AutoModel.from_config(config)


def transformer(tokenizer, architecture="bert", **options):
    return TransformerTextEncoder(tiny_model(architecture), tokenizer(), **{"max_length": 12, **options})


def bag(channels=6, **options):
    torch.manual_seed(1)
    families = [NGrams(min_documents=1), NGrams("char_wb", 2, 3, min_documents=1)]
    return BagTextEncoder.fit(TEXTS, families=families, channels=channels, **options)


def count_words(texts):
    """How often each of `w0` to `w7` occurs: a callable such as a user has."""
    return np.array([[text.split().count(f"w{i}") for i in range(8)] for text in texts], dtype=np.float32)


def frozen(tokenizer, **options):
    return FrozenTextEncoder(transformer(tokenizer, pooling="mean"), **options)


def seeded(make, *arguments, **options):
    """A module drawn from a fixed random state."""
    torch.manual_seed(2)
    return make(*arguments, **options)


CASES = {
    **{name: lambda t, name=name: transformer(t, name, pooling="mean") for name in ARCHITECTURES},
    "cls and layers": lambda t: transformer(t, "bert", layers=[1, -1]),
    "last": lambda t: transformer(t, "roberta", pooling="last"),
    "max": lambda t: transformer(t, "distilbert", pooling="max"),
    "bag": lambda t: bag(),
    "lexical": lambda t: bag(channels=0),
    "hashed": lambda t: bag(num_buckets=64),
    "learned weights": lambda t: bag(weighting="learned"),
    "sparse gradients": lambda t: bag(weighting="learned", sparse=True),
    "frozen": frozen,
    "frozen with a head": lambda t: seeded(frozen, t, channels=6, normalize=True, precision="bfloat16"),
    "vectors": lambda t: seeded(VectorTextEncoder, 8, encode=count_words),
    "vectors with a head": lambda t: seeded(VectorTextEncoder, 8, encode=count_words, channels=4, dropout=0.2),
    "chunks, mean": lambda t: seeded(ChunkedTextEncoder, transformer(t), windows=2, overlap=3),
    "chunks, max": lambda t: seeded(ChunkedTextEncoder, transformer(t), windows=3, overlap=0, pooling="max"),
    "chunks, attention": lambda t: seeded(ChunkedTextEncoder, transformer(t), pooling="attention", overlap=1),
    "fields": lambda t: seeded(FieldTextEncoder, transformer(t), FIELDS, max_lengths={"title": 6}),
    "fields of a bag": lambda t: seeded(FieldTextEncoder, bag(), FIELDS, heads=2),
    "frozen fields": lambda t: seeded(FieldTextEncoder, frozen(t), FIELDS),
    "one field": lambda t: seeded(FieldTextEncoder, transformer(t), ["title"]),
    "wide and deep": lambda t: WideDeepTextEncoder(bag(channels=0), transformer(t)),
    "wide and frozen": lambda t: WideDeepTextEncoder(bag(channels=0, weighting="learned"), frozen(t)),
    "wide fields": lambda t: seeded(lambda: WideDeepTextEncoder(bag(channels=0), CASES["fields"](t))),
}


def texts_for(name):
    """Texts such as the case is meant for."""
    return FIELD_TEXTS if "fields" in name else [{"title": text} for text in TEXTS] if name == "one field" else TEXTS


def states_of(encoder, texts):
    """States of texts without gradient."""
    with torch.no_grad():
        return encoder(**encoder.collate(encoder.prepare(texts)))
