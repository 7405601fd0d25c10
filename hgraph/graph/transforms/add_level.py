"""Levels of labels as features."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from hgraph.errors import ConfigError
from hgraph.graph.transforms.graph_transform import NodeTransform, hierarchy_of

LevelEncoding = Literal["one_hot", "scaled", "index"]


class AddLevel(NodeTransform):
    """Add the level of each label: 1 + the longest path from a root.

    Args:
        encoding: `one_hot` of `num_levels` columns; `scaled`, the level divided by `num_levels`; or `index`, the level
            itself, which a `LabelGraph` also has as `level`.
        num_levels: the deepest level to tell apart; deeper labels count as being there. By default that of the graph;
            fix it when several hierarchies share a model.
        attr_name: where to write; None appends to `x`.

    Shapes:
        - **output:** float32 `[L, num_levels]`, float32 `[L, 1]` or long `[L]`

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> graph = AddLevel()(LabelGraph.from_edges([("a", "b"), ("b", "c")]))
        >>> graph.level_encoding.tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """

    def __init__(
        self,
        *,
        encoding: LevelEncoding = "one_hot",
        num_levels: int | None = None,
        attr_name: str | None = "level_encoding",
    ) -> None:
        super().__init__(attr_name)
        if encoding not in get_args(LevelEncoding):
            raise ConfigError(f"'encoding' must be one of {', '.join(get_args(LevelEncoding))}, found {encoding!r}.")
        if num_levels is not None and num_levels < 1:
            raise ConfigError(f"'num_levels' must be at least 1, found {num_levels}.")
        self.encoding, self.num_levels = encoding, num_levels

    def forward(self, data: Any) -> Any:
        """Add it."""
        level = hierarchy_of(data).level.cpu().numpy()
        deepest = self.num_levels or int(level.max())
        level = np.minimum(level, deepest)
        if self.encoding == "index":
            return self.write(data, level)
        if self.encoding == "scaled":
            return self.write(data, (level / deepest).astype(np.float32)[:, None])
        one_hot = np.zeros((len(level), deepest), dtype=np.float32)
        one_hot[np.arange(len(level)), level - 1] = 1
        return self.write(data, one_hot)
