"""The options of views in a recipe: how a document becomes another view of itself."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Dropout:
    """Another draw of dropout; see :class:`hgraph.models.DropoutView`."""

    name: Literal["dropout"] = "dropout"


ViewOptions = Dropout
