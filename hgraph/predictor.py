"""Raw text in, named labels out."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch.utils.data import DataLoader, Subset

from hgraph.data import AlignmentDataset, Collator
from hgraph.decoding import Thresholds, close_upward_scores, threshold_decode
from hgraph.errors import DataError
from hgraph.graph import LabelGraph
from hgraph.hub import SavedModel, load_model
from hgraph.text import Text, plain_text
from hgraph.training.evaluation import MAX_STORED_SCORES, Evaluation, documents_at_once, predict_scores
from hgraph.update import TaxonomyUpdate, load_with_taxonomy

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoredLabel:
    """One label of a prediction.

    Attributes:
        id: The label's id.
        name: Its name.
        path: Names from a root down to it.
        probability: From 0 to 1; that of a predicted label is at least that of its predicted descendants.
    """

    id: str
    name: str
    path: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """Labels of one document.

    Attributes:
        labels: The predicted labels, closed upward, most probable first.
        top: The most probable labels, predicted or not.
    """

    labels: list[ScoredLabel]
    top: list[ScoredLabel]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and dictionaries, ready for JSON."""
        return asdict(self)


class Predictor:
    """A model folder, ready to classify.

    The label side of the model is frozen: a prediction costs the text encoder and one product with the label vectors,
    and the label graph is used only to name and close the result.

    Args:
        folder: What `hgraph train` wrote.
        device: Where to compute; by default a GPU if there is one.
        thresholds: Other thresholds than those tuned in training.
        taxonomy: A newer version of the hierarchy to predict on; :func:`hgraph.update.load_with_taxonomy` says what
            becomes of labels that are gone or new, and the log and `update` report them.

    Example:
        >>> predictor = Predictor("runs/onet")                                          # doctest: +SKIP
        >>> predictor.predict(["Repair brakes on freight trains."])[0].labels[0].name   # doctest: +SKIP
        'Work Output'
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        device: str | torch.device | None = None,
        thresholds: Thresholds | None = None,
        taxonomy: LabelGraph | None = None,
    ) -> None:
        self.saved: SavedModel
        self.update: TaxonomyUpdate | None = None
        if taxonomy is None:
            self.saved = load_model(folder)
        else:
            self.saved, self.update = load_with_taxonomy(folder, taxonomy)
            logger.info("%s", self.update)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = self.saved.model.to(self.device)
        self.graph = self.saved.graph
        self.thresholds = thresholds or self.saved.thresholds
        self._paths: dict[int, str] = {}

    def scores(self, texts: Sequence[Text], *, batch_size: int = 128) -> sp.csr_matrix:
        """Probabilities of the best labels of each text, CSR [len(texts), num_labels]."""
        encoder = self.model.text_encoder
        items = encoder.prepare(list(texts))
        dataset = AlignmentDataset(items)
        # Texts of like length share a batch, so little is padded; the order is restored afterwards.
        order = np.argsort(encoder.lengths(items), kind="stable")
        loader = DataLoader(
            Subset(dataset, order.tolist()),  # type: ignore[arg-type]
            batch_size=documents_at_once(batch_size, self.graph.num_labels),
            collate_fn=Collator(encoder.collate, self.graph.num_labels),
        )
        scores = predict_scores(self.model, loader, self.graph.num_labels)
        return scores[np.argsort(order)]

    def predict(self, texts: Sequence[Text], *, top_k: int = 5, batch_size: int = 128) -> list[Prediction]:
        """Labels of each text.

        Args:
            texts: One string a document, or its fields by name; a model that reads one string joins them.
            top_k: Length of `top`; at most 512.
            batch_size: Texts encoded at once.

        Raises:
            DataError: A text is empty, or `texts` is one string instead of several.
        """
        if isinstance(texts, str):
            raise DataError("'texts' must be a list of strings, found one string. Put it in a list.")
        for position, text in enumerate(texts):
            if not plain_text(text).strip():
                raise DataError(f"'texts' item {position} is empty. Remove it or give it a text.")
        return list(self.decode(self.scores(texts, batch_size=batch_size), top_k=top_k))

    def stream(
        self, texts: Iterable[Text], *, top_k: int = 5, batch_size: int = 128, chunk: int = 4096
    ) -> Iterator[Prediction]:
        """Labels of any number of texts, in order, at most `chunk` of them in memory at once."""
        pending: list[Text] = []
        for text in texts:
            pending.append(text)
            if len(pending) == chunk:
                yield from self.predict(pending, top_k=top_k, batch_size=batch_size)
                pending = []
        if pending:
            yield from self.predict(pending, top_k=top_k, batch_size=batch_size)

    def decode(self, scores: sp.csr_matrix, *, top_k: int = 5) -> Iterator[Prediction]:
        """Named labels from probabilities [N, num_labels]."""
        closed = close_upward_scores(scores, self.graph)
        predicted = threshold_decode(scores, self.thresholds, self.graph).astype(np.float32)
        # A label is at least as probable as what is below it.
        labels = closed.multiply(predicted).tocsr()
        for row in range(scores.shape[0]):
            yield Prediction(
                labels=self._named(labels, row, labels.shape[1]),
                top=self._named(closed, row, min(top_k, MAX_STORED_SCORES)),
            )

    def evaluate(self, texts: Sequence[Text], truth: sp.csr_matrix, *, batch_size: int = 128) -> Evaluation:
        """Measure on labelled texts.

        Args:
            texts: One string a document, or its fields by name.
            truth: CSR [N, num_labels], closed upward.
            batch_size: Texts encoded at once.
        """
        scores = self.scores(texts, batch_size=batch_size)
        return Evaluation.of(scores, truth, self.graph, self.thresholds)

    def _named(self, scores: sp.csr_matrix, row: int, limit: int) -> list[ScoredLabel]:
        start, stop = scores.indptr[row], scores.indptr[row + 1]
        indices, values = scores.indices[start:stop], scores.data[start:stop]
        levels = self._levels[indices]
        # Equal probabilities: the ancestor first, then the smaller index.
        order = np.lexsort((indices, levels, -values))[:limit]
        return [
            ScoredLabel(
                id=self.graph.label_id[index],
                name=self.graph.name[index],
                path=self._path(int(index)),
                probability=round(float(values[position]), 4),
            )
            for position, index in zip(order, indices[order], strict=True)
        ]

    def _path(self, index: int) -> str:
        """Path of a label; the same few labels are predicted again and again."""
        path = self._paths.get(index)
        if path is None:
            path = self._paths[index] = self.graph.path_names(index)
        return path

    @property
    def _levels(self) -> np.ndarray:
        return self.graph.level.numpy()
