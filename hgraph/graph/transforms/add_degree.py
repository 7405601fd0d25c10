"""Numbers of parents and children as features."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from hgraph.errors import ConfigError
from hgraph.graph.transforms.graph_transform import NodeTransform, hierarchy_of

Direction = Literal["in", "out", "both"]
Scale = Literal["count", "log"]


class AddDegree(NodeTransform):
    """Add the number of parents (`in`), of children (`out`), or both, of each label.

    Args:
        direction: which; `both` writes parents first.
        scale: the `count`, or the `log` of 1 + the count, as hierarchies have a few labels of very many children.
        attr_name: where to write; None appends to `x`.

    Shapes:
        - **output:** float32 `[L, 1]`, `[L, 2]` for `both`

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> AddDegree()(LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "c")])).degree.tolist()
        [[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]]
    """

    def __init__(
        self, *, direction: Direction = "both", scale: Scale = "count", attr_name: str | None = "degree"
    ) -> None:
        super().__init__(attr_name)
        for argument, given, choices in (("direction", direction, Direction), ("scale", scale, Scale)):
            if given not in get_args(choices):
                raise ConfigError(f"{argument!r} must be one of {', '.join(get_args(choices))}, found {given!r}.")
        self.direction, self.scale = direction, scale

    def forward(self, data: Any) -> Any:
        """Add them."""
        graph = hierarchy_of(data)
        sides = {"in": [graph.parents], "out": [graph.children]}
        sides["both"] = sides["in"] + sides["out"]
        counts = np.stack([np.diff(side.indptr) for side in sides[self.direction]], axis=1).astype(np.float32)
        return self.write(data, np.log1p(counts) if self.scale == "log" else counts)
