"""What every label encoder promises."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.nn.label_encoders.feature_rows import FeatureRows, LabelFeatures


class LabelEncoder(nn.Module, ABC):
    """Base of the label encoders: one vector a label, from features of the labels or from nothing.

    A label encoder is called as ``encoder(features)`` and takes any features of the labels, usually vectors of their
    names; :class:`~hgraph.nn.LearnedLabelEncoder` needs none. Models take ``None`` in place of a label encoder: that is
    the ablation in which labels are nothing but rows of the scorer.

    With ``labels`` only some labels are asked for, which is what makes a training step on a large hierarchy cheap. The
    result is that of these rows of the full pass. Encoders whose labels inform each other all at once compute the full
    pass for it; :attr:`partial` says which do not, and reads the features of few labels for it
    (:class:`~hgraph.nn.FeatureRows`).

    Args:
        num_labels: the number of labels, or ``None`` where the encoder takes any number.
        channels: the width of a label vector.

    Shapes:
        - features ``[L, in_channels]`` or ``None``, of all labels in any case, as a tensor or row by row
        - labels ``[S]``, without repetitions, or ``None`` for all
        - output ``[L, channels]``, or ``[S, channels]`` with ``labels``
    """

    label_parameters: ClassVar[tuple[str, ...]] = ()
    """Names of the parameters that have one row a label, where there are such."""
    sparse: bool = False
    """Whether the gradients of tables with one row a label are sparse."""

    def __init__(self, num_labels: int | None, channels: int) -> None:
        super().__init__()
        for name, value in (("num_labels", num_labels), ("channels", channels)):
            if value is not None and value < 1:
                raise ConfigError(f"'{name}' must be at least 1, but got {value}.")
        self.num_labels = num_labels
        self.channels = channels

    @abstractmethod
    def forward(self, features: LabelFeatures | None = None, *, labels: Tensor | None = None) -> Tensor:
        """The vector of each label, or of each of ``labels``."""

    @property
    def partial(self) -> bool:
        """Whether the cost of some labels is that of these labels and of what they listen to, not that of all."""
        return False

    def encode(self, features: LabelFeatures | None, labels: Tensor) -> Tensor:
        """The vectors of ``labels``, ``[S, channels]``, as a training step needs them."""
        return self(features, labels=labels)

    def require_features(self, features: LabelFeatures | None, in_channels: int) -> LabelFeatures:
        """The features, or an error that says which shape they must have."""
        expected = f"[{self.num_labels or 'num_labels'}, {in_channels}]"
        if features is None:
            raise ConfigError(f"{type(self).__name__} needs a feature vector a label: pass 'features' {expected}.")
        wrong_rows = self.num_labels is not None and features.shape[0] != self.num_labels
        if len(features.shape) != 2 or features.shape[1] != in_channels or wrong_rows:
            raise ConfigError(f"'features' must have shape {expected}, but got {list(features.shape)}.")
        return features


def chosen_rows(rows: LabelFeatures, labels: Tensor | None) -> Tensor:
    """The rows of ``labels``, or all."""
    if labels is not None:
        return rows[labels]
    return rows.all() if isinstance(rows, FeatureRows) else rows
