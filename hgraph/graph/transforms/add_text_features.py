"""Label texts as features, from any text encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import torch

from hgraph.errors import ConfigError
from hgraph.graph.label_graph import LabelGraph
from hgraph.graph.transforms.graph_transform import NodeTransform, hierarchy_of

LabelText = Literal["name", "name+description", "path"]


class AddTextFeatures(NodeTransform):
    """Add the vector that a text encoder gives to the text of each label.

    The vectors are features, not parameters: no gradient goes back into the encoder.

    Args:
        encode: from a list of texts to one vector a text, as a tensor or an array; such as the `encode` of a
            sentence-transformers model.
        text: the `name`; `name+description`, joined by ". " where there is a description; or the `path`, the names
            from a root down to the label joined by " > ".
        batch_size: most texts in one call of `encode`.
        attr_name: where to write, `x` by default, which is replaced; None appends to `x`.

    Shapes:
        - **output:** `[L, F]`, `F` being the width that `encode` returns

    Raises:
        ConfigError: the graph is not one `LabelGraph`, or `encode` does not return one row a text.

    Example:
        >>> graph = LabelGraph.from_edges([("a", "bb"), ("bb", "ccc")])
        >>> encode = lambda texts: torch.tensor([[float(len(text))] for text in texts])
        >>> AddTextFeatures(encode, text="path")(graph).x.tolist()
        [[1.0], [6.0], [12.0]]
    """

    def __init__(
        self,
        encode: Callable[[list[str]], Any],
        *,
        text: LabelText = "name",
        batch_size: int = 256,
        attr_name: str | None = "x",
    ) -> None:
        super().__init__(attr_name)
        if text not in get_args(LabelText):
            raise ConfigError(f"'text' must be one of {', '.join(get_args(LabelText))}, found {text!r}.")
        if batch_size < 1:
            raise ConfigError(f"'batch_size' must be at least 1, found {batch_size}.")
        self.encode, self.text, self.batch_size = encode, text, batch_size

    def forward(self, data: Any) -> Any:
        """Encode and add."""
        hierarchy_of(data)
        if not isinstance(data, LabelGraph) or len(data.name) != data.num_labels:
            raise ConfigError("AddTextFeatures reads names from one LabelGraph. Apply it before batching or sampling.")
        texts = self._texts(data)
        rows = []
        with torch.no_grad():
            for start in range(0, len(texts), self.batch_size):
                some = texts[start : start + self.batch_size]
                vectors = torch.as_tensor(self.encode(some))
                if vectors.dim() != 2 or len(vectors) != len(some):
                    found = list(vectors.shape)
                    raise ConfigError(f"'encode' must return one vector a text, [{len(some)}, F], found {found}.")
                rows.append(vectors.detach().to(data.edge_index.device))
        return self.write(data, torch.cat(rows))

    def _texts(self, graph: LabelGraph) -> list[str]:
        if self.text == "path":
            return [graph.path_names(label) for label in range(graph.num_labels)]
        if self.text == "name":
            return list(graph.name)
        pairs = zip(graph.name, graph.description, strict=True)
        return [f"{name}. {description}" if description else name for name, description in pairs]
