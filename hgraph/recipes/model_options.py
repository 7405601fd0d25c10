"""The options of models in a recipe that are more than text encoder, label encoder and scorer side by side."""

from dataclasses import dataclass
from typing import Literal

from hgraph.errors import ConfigError
from hgraph.recipes.checks import at_least


@dataclass(frozen=True)
class HBGL:
    """Labels decoded level by level by the transformer that reads the text; see :class:`hgraph.models.HBGLModel`.

    Attributes:
        corruption: Probability with which training masks a step.
        threshold: Probability from which a prediction feeds a label to the next step.
        constrained: Whether a label is fed only below one that was fed.
        steps: Steps of the pre-training of label vectors; 0 has none.
        copies: Masked sequences of such a step.
        label_learning_rate: Its learning rate.
        mask_rate: Share of the labels that it masks, at first.
        last_mask_rate: The share at its end; None is `mask_rate`.
        max_labels: Hierarchies of more labels pass it in branches of at most so many.
        self_loops: Whether a label attends to itself there.
        faithful: The published form, mistakes included.
    """

    name: Literal["hbgl"] = "hbgl"
    corruption: float = 0.5
    threshold: float = 0.5
    constrained: bool = True
    steps: int = 300
    copies: int = 32
    label_learning_rate: float = 1e-3
    mask_rate: float = 0.15
    last_mask_rate: float | None = None
    max_labels: int = 480
    self_loops: bool = True
    faithful: bool = False

    def __post_init__(self) -> None:
        at_least(self, 0, "steps")
        at_least(self, 1, "copies")
        at_least(self, 2, "max_labels")
        if not 0 <= self.corruption <= 1:
            raise ConfigError(f"'corruption' must be a share from 0 to 1, found {self.corruption}.")
        if not 0 <= self.threshold < 1:
            raise ConfigError(f"'threshold' must be a share from 0 to below 1, found {self.threshold}.")
        for name in ("mask_rate", "last_mask_rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ConfigError(f"'{name}' must be a share above 0 and below 1, found {value}.")
        if self.label_learning_rate <= 0:
            raise ConfigError(f"'label_learning_rate' must be above 0, found {self.label_learning_rate}.")


ModelOptions = HBGL
