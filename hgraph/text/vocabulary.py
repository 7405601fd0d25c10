"""TF-IDF features of word and character n-grams, without pickles: the vocabulary is JSON, the idf a tensor."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError

VOCABULARY_FILE = "vocabulary.json"


@dataclass(frozen=True)
class NGrams:
    """One family of n-grams.

    Attributes:
        analyzer: `"word"` or `"char_wb"` (characters inside words).
        shortest: Fewest units in an n-gram.
        longest: Most units in an n-gram.
        min_documents: An n-gram in fewer documents is left out.
        max_features: At most so many, the most frequent ones.
    """

    analyzer: str = "word"
    shortest: int = 1
    longest: int = 2
    min_documents: int = 2
    max_features: int | None = 200_000

    def __post_init__(self) -> None:
        if self.analyzer not in ("word", "char_wb"):
            raise ConfigError(f"'analyzer' must be one of word, char_wb, found '{self.analyzer}'.")
        if not 1 <= self.shortest <= self.longest:
            raise ConfigError(
                f"'shortest' and 'longest' must be 1 <= shortest <= longest, found {self.shortest} and {self.longest}."
            )
        for name in ("min_documents", "max_features"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"'{name}' must be at least 1, found {value}.")


class TfidfFeatures:
    """Rows of L2-normalised, sublinear TF-IDF weights; one block a family of n-grams, the blocks side by side.

    The weights are scikit-learn's: (1 + ln tf) * (1 + ln((1 + n) / (1 + df))), each block scaled to unit length, then
    all divided by the square root of the number of blocks, so that a row has length 1.

    Args:
        families: The families of n-grams.
        terms: For each family its terms in column order; together with `idf` this restores a fitted object.
        idf: [num_features] weights of all the terms.
    """

    def __init__(
        self,
        families: Sequence[NGrams],
        *,
        terms: Sequence[Sequence[str]] | None = None,
        idf: np.ndarray | None = None,
    ) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.families = list(families)
        self._blocks: list[TfidfVectorizer] = []
        for position, family in enumerate(self.families):
            self._blocks.append(
                TfidfVectorizer(
                    analyzer=family.analyzer,
                    ngram_range=(family.shortest, family.longest),
                    min_df=family.min_documents,
                    max_features=family.max_features,
                    sublinear_tf=True,
                    dtype=np.float32,
                    vocabulary=list(terms[position]) if terms is not None else None,
                )
            )
        if terms is not None and idf is not None:
            start = 0
            for block, words in zip(self._blocks, terms, strict=True):
                block.idf_ = np.asarray(idf[start : start + len(words)], dtype=np.float32)
                start += len(words)

    def fit(self, texts: Sequence[str]) -> "TfidfFeatures":
        """Learn vocabulary and document frequencies.

        Raises:
            ConfigError: No n-gram is frequent enough.
        """
        for block, family in zip(self._blocks, self.families, strict=True):
            # A handful of documents must not end without a vocabulary.
            block.min_df = min(family.min_documents, max(1, len(texts) // 100))
            try:
                block.fit(texts)
            except ValueError as error:
                raise ConfigError(
                    f"'texts' have no {family.analyzer} n-gram that occurs in {block.min_df} of the {len(texts)} "
                    f"documents ({error}). Give more text, or lower 'min_documents'."
                ) from None
        return self

    def transform(self, texts: Sequence[str]) -> sp.csr_matrix:
        """Features [len(texts), num_features], float32 CSR."""
        if not len(texts):  # scikit-learn refuses
            return sp.csr_matrix((0, self.num_features), dtype=np.float32)
        scale = np.float32(1.0 / np.sqrt(len(self._blocks)))
        blocks = [block.transform(texts) for block in self._blocks]
        features = blocks[0] if len(blocks) == 1 else sp.hstack(blocks, format="csr") * scale
        features = sp.csr_matrix(features, dtype=np.float32)
        features.sort_indices()
        return features

    @property
    def idf(self) -> np.ndarray:
        """[num_features], float32."""
        return np.concatenate([block.idf_ for block in self._blocks]).astype(np.float32)

    @property
    def num_features(self) -> int:
        """Number of columns."""
        return sum(len(block.vocabulary_) for block in self._blocks)

    def save(self, folder: Path) -> None:
        """Write `vocabulary.json` into `folder`: the families and their terms in column order."""
        (folder / VOCABULARY_FILE).write_text(json.dumps(self.describe(), ensure_ascii=False), encoding="utf-8")

    def describe(self) -> dict[str, Any]:
        """All but the idf, as JSON can hold it."""
        terms = [block.get_feature_names_out().tolist() for block in self._blocks]
        return {"families": [asdict(family) for family in self.families], "terms": terms}

    @classmethod
    def load(cls, folder: Path, idf: np.ndarray) -> "TfidfFeatures":
        """Restore from `folder` and the idf weights.

        Raises:
            ConfigError: The file is missing or malformed.
        """
        path = folder / VOCABULARY_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            families = [NGrams(**family) for family in content["families"]]
            return cls(families, terms=content["terms"], idf=idf)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path}: expected a vocabulary that hgraph saved: {error}.") from None
