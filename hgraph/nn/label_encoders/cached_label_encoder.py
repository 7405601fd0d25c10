"""Label vectors of a large hierarchy from memory, all but those a training step needs."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.nn.label_encoders.edge_label_encoder import EdgeLabelEncoder
from hgraph.nn.label_encoders.feature_rows import FeatureRows, LabelFeatures
from hgraph.nn.label_encoders.label_encoder import LabelEncoder


class CachedLabelEncoder(LabelEncoder):
    """A label encoder that remembers what each of its layers last gave for each label.

    A training step asks for the labels it needs (those of its documents, and hard negatives). They are computed with
    gradients from their neighbours alone: what a layer reads of a neighbour that was not asked for, it reads from
    memory, without gradients, however many layers there are. Historical embeddings of this kind are analysed by
    GNNAutoScale (`arXiv 2106.05609 <https://arxiv.org/abs/2106.05609>`_). Cost and memory of a step depend on the
    labels it asks for, and only the copy that is returned on the number of all labels.

    The memory grows old as weights change. So each training step also computes the next ``refresh`` labels, in turn,
    without gradients or dropout: after ``labels / refresh`` steps every label has had its turn. :attr:`staleness` says
    how old the oldest label is.

    In training, called with ``labels`` it returns the vectors of *all* labels: from memory, but for the ``labels``,
    through which gradients flow. (:meth:`encode` gives these alone.) Called without, it is the encoder itself. In
    evaluation it returns all labels from memory, after a full pass in parts if weights or features are no longer those
    of the last one.

    The memory is not part of checkpoints; it is filled on the first call, and again after a checkpoint was loaded. A
    run that goes on from one written right after a full pass, as validation makes it, ends as if it had not stopped.
    With several processes (DDP), each has a memory of its own: pass ``broadcast_buffers=False``.

    Args:
        encoder: a label encoder with a list of edges: :class:`~hgraph.nn.GATLabelEncoder`, or
            :class:`~hgraph.nn.GPTransLabelEncoder` or :class:`~hgraph.nn.GraphormerLabelEncoder` with ``form="edges"``.
        refresh: how many labels each training step computes anew, beside those it is asked for (default 4096).
        dtype: of the memory (default half precision: ``layers x labels x channels x 2`` bytes).
        chunk: how many labels a full pass computes at a time (default 20,000).

    Shapes:
        - features ``[L, in_channels]`` or ``None``, labels ``[S]`` or ``None``
        - output ``[L, channels]``

    Example:
        >>> from torch_geometric.data import Data
        >>> from hgraph.nn.label_encoders import GPTransLabelEncoder
        >>> graph = Data(edge_index=torch.tensor([[0, 0], [1, 2]]), num_nodes=4)
        >>> inner = GPTransLabelEncoder(graph, channels=16, heads=2, layers=2, form="edges")
        >>> encoder = CachedLabelEncoder(inner, refresh=2)
        >>> encoder(torch.randn(4, 16), labels=torch.tensor([3, 1])).shape, encoder.staleness
        (torch.Size([4, 16]), 0)
    """

    num_labels: int
    memory: Tensor
    computed: Tensor

    def __init__(
        self,
        encoder: EdgeLabelEncoder,
        *,
        refresh: int = 4096,
        dtype: torch.dtype = torch.float16,
        chunk: int = 20_000,
    ) -> None:
        if not isinstance(encoder, EdgeLabelEncoder) or encoder.edges is None:
            raise ConfigError(
                "'encoder' must be a label encoder with a list of edges, but got "
                f"{type(encoder).__name__}. Use GATLabelEncoder, or GPTrans or Graphormer with form='edges'."
            )
        super().__init__(encoder.num_labels, encoder.channels)
        for name, value in (("refresh", refresh), ("chunk", chunk)):
            if value < 1:
                raise ConfigError(f"'{name}' must be at least 1, but got {value}.")
        if not dtype.is_floating_point:
            raise ConfigError(f"'dtype' must be a floating point type, but got {dtype}.")
        self.encoder = encoder
        self.refresh, self.chunk = min(refresh, self.num_labels), chunk
        layers = len(encoder.blocks)
        memory = torch.zeros(layers, self.num_labels, self.channels, dtype=dtype)
        self.register_buffer("memory", memory, persistent=False)
        self.register_buffer("computed", torch.zeros(self.num_labels, dtype=torch.long), persistent=False)
        self.step, self.turn = 0, 0
        self.invalidate()
        self.register_load_state_dict_post_hook(_forget)

    @property
    def partial(self) -> bool:
        """Where the encoder is."""
        return self.encoder.partial

    @property
    def staleness(self) -> int:
        """How many training steps ago the oldest label in memory was computed."""
        return self.step - int(self.computed.min())

    def invalidate(self) -> None:
        """Have the memory filled anew at the next call, as after a change of weights that PyTorch cannot see."""
        self._filled = False
        self._filled_for: tuple[Any, ...] | None = None

    def forward(self, features: LabelFeatures | None = None, *, labels: Tensor | None = None) -> Tensor:
        """The vector of each label; in training, those of ``labels`` are computed, the others remembered."""
        if not self.training:
            if self._filled_for is None or self._filled_for != self._state(features):
                self.refresh_all(features)
            return self.memory[-1].to(self._dtype, copy=True)
        if labels is None:
            return self.encoder(features)
        labels = labels.to(self.memory.device)
        vectors = self.encode(features, labels)
        if len(self.memory) == 1:
            self._renew(features)
        return self.memory[-1].to(vectors.dtype).index_copy(0, labels, vectors)

    def encode(self, features: LabelFeatures | None, labels: Tensor) -> Tensor:
        """A training step: the vectors of ``labels`` ``[S]``, with gradients, and the next labels refreshed.

        With a single layer nothing is refreshed: what labels read of others does not come from memory then.
        """
        labels = labels.to(self.memory.device)
        self.step += 1
        if len(self.memory) > 1:
            self._renew(features)
        self._filled_for = None  # weights are about to change
        layers = self._layers(features, labels, len(self.memory))
        for number, vectors in enumerate(layers):
            self._remember(number, labels, vectors)
        return layers[-1]

    def _renew(self, features: LabelFeatures | None) -> None:
        """Compute the next labels anew, all of them the first time."""
        if not self._filled:
            self.refresh_all(features)
        self._filled_for = None
        next_labels = torch.arange(self.turn, self.turn + self.refresh, device=self.memory.device) % self.num_labels
        self.turn = (self.turn + self.refresh) % self.num_labels
        self._refresh(features, next_labels)

    @torch.no_grad()
    def refresh_all(self, features: LabelFeatures | None = None) -> None:
        """Compute all labels anew, some at a time: layer by layer, so that the result is that of a full pass."""
        self._refresh(features, torch.arange(self.num_labels, device=self.memory.device))
        self._filled, self._filled_for, self.turn = True, self._state(features), 0

    @torch.compiler.disable
    @torch.no_grad()
    def _refresh(self, features: LabelFeatures | None, labels: Tensor) -> None:
        """Compute ``labels`` anew, without gradients and dropout."""
        depth = len(self.memory)
        parts = labels.split(self.chunk)
        source = features.source if isinstance(features, FeatureRows) else None
        with _evaluation(self.encoder), nullcontext() if source is None else _evaluation(source):
            # Layers of one part follow each other at once. Of several, each layer needs the one before of all parts.
            for last in range(depth if len(parts) > 1 else 1):
                for part in parts:
                    layers = self._layers(features, part, last + 1 if len(parts) > 1 else depth)
                    for number in range(last, len(layers)):
                        self._remember(number, part, layers[number])

    def _layers(self, features: LabelFeatures | None, labels: Tensor, depth: int) -> list[Tensor]:
        """What each of the first ``depth`` layers gives for ``labels``; their neighbours come from memory."""
        subgraph = self.encoder.sampler(labels, hops=1)
        count, neighbours = len(labels), subgraph.nodes[len(labels) :]
        own, edge_attr = self.encoder.start(features, labels), self.encoder.edge_states(subgraph.edges)
        with torch.no_grad():
            others = self.encoder.start(features, neighbours)
        layers = []
        for number in range(depth):
            x = torch.cat([own, others.to(own.dtype)])
            own, edge_attr = self.encoder.layer(number, x, subgraph.edge_index, edge_attr, count)
            others = self.memory[number, neighbours]
            layers.append(own)
        if depth == len(self.memory):
            layers[-1] = self.encoder.finish(own)
        return layers

    def _remember(self, number: int, labels: Tensor, vectors: Tensor) -> None:
        self.memory[number, labels] = vectors.detach().to(self.memory.dtype)
        if number == len(self.memory) - 1:
            self.computed[labels] = self.step

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.encoder.parameters()).dtype

    @torch.compiler.disable
    @torch.no_grad()
    def _state(self, features: LabelFeatures | None) -> tuple[Any, ...]:
        """What the vectors depend on: which weights, changed how often, and a checksum or state of the features."""
        weights = tuple((id(weight), weight._version) for weight in self.encoder.parameters())
        if features is None:
            return (weights,)
        if isinstance(features, FeatureRows):
            return weights, features.state()
        rows, columns = (torch.arange(1, size + 1, device=features.device).sin() for size in features.shape)
        return weights, float(rows @ (features.to(rows.dtype) @ columns))


@contextmanager
def _evaluation(module: nn.Module) -> Iterator[None]:
    """No dropout for a while."""
    training = [part for part in module.modules() if part.training]
    try:
        module.eval()
        yield
    finally:
        for part in training:
            part.training = True


def _forget(encoder: nn.Module, _: Any) -> None:
    """After a checkpoint was loaded."""
    assert isinstance(encoder, CachedLabelEncoder)
    encoder.invalidate()
