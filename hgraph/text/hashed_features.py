"""TF-IDF of hashed n-grams: as many columns as asked for, and no vocabulary to keep."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError
from hgraph.text.vocabulary import NGrams

HASHING_FILE = "hashing.json"
FAMILIES = (NGrams(), NGrams("char_wb", 3, 5))


class HashedFeatures:
    """Rows of L2-normalised, sublinear TF-IDF weights of n-grams hashed into buckets, each family beside the other.

    Character n-grams inside words stand for parts of words, as in fastText (Bojanowski et al. 2017,
    https://arxiv.org/abs/1607.04606), so a word never seen shares features with its kin. The weights are those of
    :class:`~hgraph.text.vocabulary.TfidfFeatures` with the bucket in place of the term; two n-grams in one bucket add
    up. A bucket that fewer than `min_documents` documents have is left out.

    Args:
        families: The families of n-grams; `max_features` does not apply.
        num_buckets: Columns of each family.
        idf: [len(families) * num_buckets] weights that restore a fitted object.

    Example:
        >>> features = HashedFeatures([NGrams(min_documents=1)], num_buckets=64).fit(["red apples", "green apples"])
        >>> features.transform(["apples", "unseen"]).getnnz(axis=1).tolist()
        [1, 0]
    """

    def __init__(
        self, families: Sequence[NGrams] = FAMILIES, *, num_buckets: int = 2**18, idf: np.ndarray | None = None
    ) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer

        if num_buckets < 1 or not families:
            raise ConfigError(
                f"'num_buckets' and the number of 'families' must be at least 1, but got {num_buckets} and "
                f"{len(families)}."
            )
        self.families = list(families)
        self.num_buckets = num_buckets
        self._blocks = [
            HashingVectorizer(
                analyzer=family.analyzer,
                ngram_range=(family.shortest, family.longest),
                n_features=num_buckets,
                norm=None,
                alternate_sign=False,
                dtype=np.float32,
            )
            for family in self.families
        ]
        self.idf = np.zeros(self.num_features, dtype=np.float32) if idf is None else np.asarray(idf, dtype=np.float32)
        if len(self.idf) != self.num_features:
            raise ConfigError(f"'idf' must have {self.num_features} weights, but got {len(self.idf)}.")

    @property
    def num_features(self) -> int:
        """Number of columns."""
        return len(self.families) * self.num_buckets

    def fit(self, texts: Sequence[str]) -> "HashedFeatures":
        """Learn document frequencies.

        Raises:
            ConfigError: No n-gram is frequent enough.
        """
        counts = [np.bincount(block.indices, minlength=self.num_buckets) for block in self._counts(texts)]
        for place, (family, documents) in enumerate(zip(self.families, counts, strict=True)):
            # A handful of documents must not end without features.
            least = min(family.min_documents, max(1, len(texts) // 100))
            if documents.max(initial=0) < least:
                raise ConfigError(
                    f"'texts' have no {family.analyzer} n-gram that occurs in {least} of the {len(texts)} documents. "
                    "Give more text, or lower 'min_documents'."
                )
            idf = np.log((1 + len(texts)) / (1 + documents)) + 1
            start = place * self.num_buckets
            self.idf[start : start + self.num_buckets] = np.where(documents >= least, idf, 0)
        return self

    def transform(self, texts: Sequence[str]) -> sp.csr_matrix:
        """Features [len(texts), num_features], float32 CSR."""
        features = sp.hstack(self._counts(texts), format="csr") if len(texts) else None
        if features is None:
            return sp.csr_matrix((0, self.num_features), dtype=np.float32)
        features.data = (1 + np.log(features.data)) * self.idf[features.indices]
        features.eliminate_zeros()
        features.sort_indices()
        return sp.csr_matrix(_unit_blocks(features, self.num_buckets, len(self.families)), dtype=np.float32)

    def _counts(self, texts: Sequence[str]) -> list[sp.csr_matrix]:
        if not len(texts):  # scikit-learn refuses
            return [sp.csr_matrix((0, self.num_buckets), dtype=np.float32) for _ in self._blocks]
        return [block.transform(texts) for block in self._blocks]

    def save(self, folder: Path) -> None:
        """Write `hashing.json` into `folder`: the families and the number of buckets."""
        (folder / HASHING_FILE).write_text(json.dumps(self.describe()), encoding="utf-8")

    def describe(self) -> dict[str, Any]:
        """All but the idf, as JSON can hold it."""
        return {"families": [asdict(family) for family in self.families], "num_buckets": self.num_buckets}

    @classmethod
    def load(cls, folder: Path, idf: np.ndarray) -> "HashedFeatures":
        """Restore from `folder` and the idf weights.

        Raises:
            ConfigError: The file is missing or malformed.
        """
        path = folder / HASHING_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            families = [NGrams(**family) for family in content["families"]]
            return cls(families, num_buckets=content["num_buckets"], idf=idf)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path}: expected hashed features that hgraph saved: {error}.") from None


def _unit_blocks(features: sp.csr_matrix, width: int, blocks: int) -> sp.csr_matrix:
    """Each block of `width` columns scaled to length 1 in every row, and the whole row too."""
    rows = np.repeat(np.arange(features.shape[0]), np.diff(features.indptr))
    place = rows * blocks + features.indices // width
    lengths = np.sqrt(np.bincount(place, weights=features.data.astype(np.float64) ** 2))
    features.data = features.data / (lengths[place] * np.sqrt(blocks))
    return features
