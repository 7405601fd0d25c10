"""Hard negatives of a corpus, and their file."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from hgraph.errors import DataError
from hgraph.retrieval.mining_summary import MiningSummary, Spread


@dataclass(frozen=True)
class MinedNegatives:
    """Negatives of each document, the most similar first.

    Attributes:
        ids: int32 `[N, n]`, labels (or texts), -1 after the last.
        similarity: float32 `[N, n]`, minus infinity where there is none.
        summary: Figures of the mining.
    """

    ids: np.ndarray
    similarity: np.ndarray
    summary: MiningSummary

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file; all or nothing."""
        path = Path(path)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        summary = json.dumps(asdict(self.summary))
        save_file({"ids": self.ids, "similarity": self.similarity}, temporary, metadata={"summary": summary})
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "MinedNegatives":
        """Read what :meth:`save` wrote.

        Raises:
            DataError: The file is missing, or is something else.
        """
        try:
            with safe_open(path, "numpy") as file:
                summary = json.loads((file.metadata() or {})["summary"])
                ids, similarity = file.get_tensor("ids"), file.get_tensor("similarity")
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise DataError(f"{path}: expected mined negatives, but {type(error).__name__}: {error}.") from None
        for name in ("positives", "negatives"):
            summary[name] = Spread(**summary[name])
        return cls(ids, similarity, MiningSummary(**summary))

    def __len__(self) -> int:
        return len(self.ids)
