"""Text encoders of a recipe."""

from collections.abc import Sequence

from hgraph.recipes.recipe import Recipe
from hgraph.recipes.text_encoder_options import Bag, Frozen, TextEncoderOptions, Transformer
from hgraph.text import (
    BagTextEncoder,
    ChunkedTextEncoder,
    EmbeddingCache,
    FieldTextEncoder,
    FrozenTextEncoder,
    LoRAOptions,
    Text,
    TextEncoder,
    TransformerTextEncoder,
    WideDeepTextEncoder,
)
from hgraph.text.vocabulary import NGrams


def build_text_encoder(recipe: Recipe, texts: Sequence[Text]) -> TextEncoder:
    """A text encoder ready to train; a bag learns its vocabulary from `texts`."""
    config, lexical = recipe.text_encoder, recipe.lexical
    encoder = _text_encoder(config, texts)
    if lexical is None or isinstance(config, Bag):
        return encoder
    wide = _bag(lexical.features(), texts)
    return WideDeepTextEncoder(wide, encoder)


def _text_encoder(config: TextEncoderOptions, texts: Sequence[Text]) -> TextEncoder:
    if isinstance(config, Bag):
        return _bag(config, texts)
    if isinstance(config, Transformer):
        encoder = TransformerTextEncoder.from_pretrained(
            config.model,
            pooling=config.pooling,
            max_length=config.max_length,
            dropout=config.dropout,
            gradient_checkpointing=config.gradient_checkpointing,
            lora=LoRAOptions(rank=config.lora_rank) if config.lora_rank else None,
        )
        overlap = min(32, config.max_length // 4)
        return ChunkedTextEncoder(encoder, windows=config.windows, overlap=overlap) if config.windows > 1 else encoder
    if isinstance(config, Frozen):
        inner = TransformerTextEncoder.from_pretrained(
            config.model, pooling=config.pooling, max_length=config.max_length, dropout=0.0
        )
        return FrozenTextEncoder(
            inner,
            cache=EmbeddingCache() if config.cache else None,
            channels=config.channels,
            dropout=config.dropout,
            normalize=config.normalize,
            center=config.center,
            precision=config.precision,
        )
    names = list(dict.fromkeys(name for text in texts if not isinstance(text, str) for name in text))
    return FieldTextEncoder(
        _text_encoder(config.encoder, texts),
        names,
        heads=config.heads,
        dropout=config.dropout,
        field_dropout=config.field_dropout,
        max_lengths=config.max_lengths,
    )


def _bag(config: Bag, texts: Sequence[Text]) -> BagTextEncoder:
    families = [
        NGrams("word", 1, config.word_ngrams, config.min_documents, config.max_features),
        *([NGrams("char_wb", 3, config.char_ngrams, 5, config.max_features)] if config.char_ngrams else []),
    ]
    return BagTextEncoder.fit(
        texts,
        families=families,
        num_buckets=config.buckets or None,
        channels=config.channels,
        dropout=config.dropout,
        weighting=config.weighting,
    )
