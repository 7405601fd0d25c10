"""The options of views in a recipe: how a document becomes another view of itself."""

from dataclasses import dataclass
from typing import Literal

from hgraph.errors import ConfigError
from hgraph.recipes.checks import at_least, check_share


@dataclass(frozen=True)
class Dropout:
    """Another draw of dropout; see :class:`hgraph.models.DropoutView`."""

    name: Literal["dropout"] = "dropout"


@dataclass(frozen=True)
class LabelGuided:
    """The words that a document's labels ask for; see :class:`hgraph.models.LabelGuidedView`."""

    name: Literal["label_guided"] = "label_guided"
    heads: int = 8
    threshold: float = 0.02
    temperature: float = 1.0
    faithful: bool = False

    def __post_init__(self) -> None:
        at_least(self, 1, "heads")
        check_share(self, "threshold")
        if self.temperature <= 0:
            raise ConfigError(f"'temperature' must be above 0, found {self.temperature}.")


ViewOptions = Dropout | LabelGuided
