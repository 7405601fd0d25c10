"""The options of text encoders in a recipe."""

from dataclasses import dataclass, field
from typing import Literal

from hgraph.errors import ConfigError
from hgraph.recipes.checks import at_least, check_share

Pooling = Literal["cls", "mean"]


@dataclass(frozen=True)
class Bag:
    """Bag of n-grams; see :class:`hgraph.text.BagTextEncoder`."""

    name: Literal["bag"] = "bag"
    channels: int = 256
    dropout: float = 0.3
    word_ngrams: int = 2
    char_ngrams: int = 0
    min_documents: int = 2
    max_features: int = 200_000
    buckets: int = 0
    weighting: Literal["tfidf", "learned"] = "tfidf"

    def __post_init__(self) -> None:
        at_least(self, 0, "channels", "char_ngrams", "buckets")
        at_least(self, 1, "word_ngrams", "min_documents", "max_features")
        check_share(self, "dropout")
        if self.char_ngrams in (1, 2):
            raise ConfigError(f"'char_ngrams' must be 0 (none) or at least 3, found {self.char_ngrams}.")


@dataclass(frozen=True)
class Transformer:
    """Any Hugging Face encoder; see :class:`hgraph.text.TransformerTextEncoder`."""

    name: Literal["transformer"] = "transformer"
    model: str = "sentence-transformers/all-MiniLM-L6-v2"
    pooling: Pooling = "cls"
    max_length: int = 512
    dropout: float = 0.1
    gradient_checkpointing: bool = False
    lora_rank: int = 0
    windows: int = 1

    def __post_init__(self) -> None:
        at_least(self, 3, "max_length")  # two of them are special tokens
        at_least(self, 0, "lora_rank")
        at_least(self, 1, "windows")
        check_share(self, "dropout")


@dataclass(frozen=True)
class Frozen:
    """A Hugging Face encoder that is not trained; see :class:`hgraph.text.FrozenTextEncoder`."""

    name: Literal["frozen"] = "frozen"
    model: str = "sentence-transformers/all-MiniLM-L6-v2"
    pooling: Pooling = "mean"
    max_length: int = 256
    normalize: bool = True
    center: bool = True
    channels: int | None = None
    dropout: float = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    cache: bool = True

    def __post_init__(self) -> None:
        at_least(self, 3, "max_length")
        check_share(self, "dropout")
        if self.channels is not None:
            at_least(self, 1, "channels")


@dataclass(frozen=True)
class Fields:
    """Each field of a text encoded alone, then pooled; see :class:`hgraph.text.FieldTextEncoder`."""

    name: Literal["fields"] = "fields"
    encoder: Bag | Transformer | Frozen = field(default_factory=Bag)
    heads: int = 4
    dropout: float = 0.1
    field_dropout: float = 0.0
    max_lengths: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        at_least(self, 1, "heads")
        check_share(self, "dropout")
        check_share(self, "field_dropout")
        for name, length in self.max_lengths.items():
            if length < 3:
                raise ConfigError(f"'max_lengths.{name}' must be at least 3, found {length}.")


TextEncoderOptions = Bag | Transformer | Frozen | Fields


@dataclass(frozen=True)
class Lexical:
    """Sparse features straight into a linear scorer; see :class:`hgraph.scoring.LexicalScorer`.

    The n-grams are those of the text encoder where that is a bag, else the options below make them.
    """

    max_weights: int = 1_000_000_000
    word_ngrams: int = 2
    char_ngrams: int = 0
    min_documents: int = 2
    max_features: int = 200_000

    def __post_init__(self) -> None:
        at_least(self, 1, "max_weights", "word_ngrams", "min_documents", "max_features")
        at_least(self, 0, "char_ngrams")

    def features(self) -> Bag:
        """The n-grams alone, without a dense vector."""
        return Bag(
            channels=0,
            word_ngrams=self.word_ngrams,
            char_ngrams=self.char_ngrams,
            min_documents=self.min_documents,
            max_features=self.max_features,
        )
