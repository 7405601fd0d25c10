"""`LabelGraph`: a label hierarchy that is a PyG graph."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.data.storage import GlobalStorage

from hgraph.errors import TaxonomyError
from hgraph.graph import build
from hgraph.graph.algebra import Algebra
from hgraph.graph.editing import Editing
from hgraph.graph.relations import Relations
from hgraph.graph.validate import check_edges, check_ids, check_texts

if TYPE_CHECKING:
    import networkx as nx

    from hgraph.graph.checks.report import CheckReport


class LabelStorage(GlobalStorage):
    """PyG storage that knows what to do with lists, of which PyG only knows tensors.

    A list is never mistaken for an edge attribute when there are as many edges as labels. PyG's samplers, which cut the
    tensors of a shallow copy and then say which nodes they kept (`n_id`), find the lists cut to the same nodes.
    """

    def is_node_attr(self, key: str) -> bool:
        """Whether the attribute is a tensor with one row a label; lists are cut by :meth:`__setitem__`."""
        return not isinstance(self[key], list) and super().is_node_attr(key)

    def is_edge_attr(self, key: str) -> bool:
        """Whether the attribute has one entry an edge."""
        return not isinstance(self[key], list) and super().is_edge_attr(key)

    def __copy__(self) -> LabelStorage:
        out = super().__copy__()
        out.__dict__["_copied_from"] = self._mapping.get("num_nodes"), self._mapping.get("n_id")
        out.__dict__["_cut_from"] = None
        return out

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        state = self.__dict__
        if key == "num_nodes":
            state["_cut_from"] = state.get("_copied_from")
        elif isinstance(value, list):
            state["_cut_from"] = None  # whoever cuts lists knows how
        elif key == "n_id" and state.get("_cut_from"):
            size, before = state["_cut_from"]
            # A sample of a sample keeps the numbers of the first one.
            place = range(size) if before is None else {node: row for row, node in enumerate(before.tolist())}
            chosen = [place[node] for node in value.tolist()]
            for name, column in list(self.items()):
                if isinstance(column, list) and len(column) == size:
                    self[name] = [column[row] for row in chosen]


class LabelGraph(Algebra, Relations, Editing, Data):
    r"""A hierarchy of labels: a directed acyclic graph, `edge_index[0]` the parents and `edge_index[1]` the children.

    It is a :class:`torch_geometric.data.Data`, so `.to()`, `Batch`, transforms and layers work on it unchanged. A label
    may have several parents, and two labels may share a name; only ids are unique. The hierarchy is validated once,
    here; everything derived from it (closures, order, paths) is computed on first use and kept for as long as
    `edge_index` is the same tensor.

    Args:
        edge_index: parent over child. Repeated edges are dropped.
        label_id: unique ids; the position of an id is the index of its label.
        name: names, the ids by default.
        description: descriptions, empty by default.
        title: name of the hierarchy.
        license: its licence.
        source: where it comes from.
        **kwargs: other PyG attributes, such as `x`.

    Without arguments it is the empty shell that PyG fills when it unbatches.

    Shapes:
        - **edge_index:** long :math:`[2, E]`
        - **label_id, name, description:** lists of :math:`L` strings
        - **level:** long :math:`[L]`, 1 + the longest path from a root, so a parent is always on a lower level

    Raises:
        TaxonomyError: a cycle, a self-loop, an empty or repeated id, an edge to a label that does not exist, no labels.

    Example:
        >>> graph = LabelGraph.from_edges([("science", "physics"), ("science", "biology"), ("physics", "optics")])
        >>> graph
        LabelGraph(labels=4, edges=3, levels=3, roots=1, tree)
        >>> graph.path_names("optics")
        'science > physics > optics'
        >>> graph.ancestors[graph.index("optics")].indices.tolist()
        [0, 1]
    """

    _dropped_edges = 0

    def __init__(
        self,
        edge_index: Tensor | None = None,
        label_id: Sequence[str] | None = None,
        *,
        name: Sequence[str] | None = None,
        description: Sequence[str] | None = None,
        title: str = "",
        license: str = "",
        source: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.__dict__["_store"] = LabelStorage(_parent=self)
        if label_id is None and edge_index is None:
            self.update(kwargs)
            return
        if label_id is None:
            raise TaxonomyError("'label_id' is missing. Give one id for each label, or use LabelGraph.from_edges.")
        ids = check_ids(label_id)
        given = torch.empty(2, 0, dtype=torch.long) if edge_index is None else torch.as_tensor(edge_index)
        self.edge_index, keep = check_edges(given, ids)
        self.num_nodes = len(ids)
        self.label_id = ids
        self.name = check_texts(name, ids, "name")
        self.description = check_texts(description, [""] * len(ids), "description")
        self.title, self.license, self.source = title, license, source
        self._refresh_level()
        dropped = given.size(1) - len(keep) if given.numel() else 0
        self.__dict__["_dropped_edges"] = dropped
        for key, value in kwargs.items():
            if key in ("level", "num_nodes"):  # derived: present when a `to_dict()` comes back
                continue
            is_edge = dropped and key.startswith("edge_") and isinstance(value, Tensor)
            self[key] = value[torch.from_numpy(keep).to(value.device)] if is_edge else value

    @classmethod
    def from_edges(
        cls,
        edges: Iterable[tuple[str, str]],
        *,
        names: Mapping[str, str] | Sequence[str] | None = None,
        descriptions: Mapping[str, str] | Sequence[str] | None = None,
        nodes: Iterable[str] | None = None,
        title: str = "",
        license: str = "",
        source: str = "",
    ) -> LabelGraph:
        """Build from (parent id, child id) pairs.

        Args:
            edges: pairs of ids.
            names: names by id, or one for each of `nodes`; the id where there is none.
            descriptions: descriptions by id, or one for each of `nodes`; empty where there is none.
            nodes: all ids, which fixes the order and allows labels without edges; by default the order of appearance.
            title: name of the hierarchy.
            license: its licence.
            source: where it comes from.

        Example:
            >>> LabelGraph.from_edges([("a", "b"), ("b", "a")])
            Traceback (most recent call last):
            hgraph.errors.TaxonomyError: 'edges' contains a cycle: a -> b -> a. Remove one of these edges.
        """
        ids, edge_index = build.index_edges(edges, nodes)
        return cls(
            torch.from_numpy(edge_index),
            ids,
            name=build.texts_of(names, ids, ids, "names"),
            description=build.texts_of(descriptions, ids, [""] * len(ids), "descriptions"),
            title=title,
            license=license,
            source=source,
        )

    @classmethod
    def from_paths(cls, paths: Iterable[str | Sequence[str]], *, separator: str = " > ", title: str = "") -> LabelGraph:
        """Build from paths of names, each a string or a sequence; the id of a label is its whole path.

        The same name under two parents therefore stays two labels.

        Example:
            >>> graph = LabelGraph.from_paths(["Sport > Football", "Games > Football"])
            >>> graph.label_id
            ['Sport', 'Sport > Football', 'Games', 'Games > Football']
            >>> graph.name
            ['Sport', 'Football', 'Games', 'Football']
        """
        names, edges = build.split_paths(paths, separator)
        return cls.from_edges(edges, names=names, nodes=names, title=title)

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Sequence[str | Sequence[str]] | Mapping[str, Any]],
        *,
        separator: str = " > ",
        title: str = "",
    ) -> LabelGraph:
        """Build from the labels of documents alone, where each label is a path of names; ids as in :meth:`from_paths`.

        Args:
            documents: for each its labels, or a mapping with `labels`; a label is a string or a sequence of names. Only
                one document is looked at at a time.
            separator: text between two names of a string.
            title: name of the hierarchy.

        Raises:
            TaxonomyError: an empty name, a name that holds `separator`, no label at all; with the position of the
                document, or its `source` and `line` where it has these.

        Example:
            >>> LabelGraph.from_documents([["Arts > Music", "Arts > Film"], [["Arts", "Music", "Jazz"]], []]).label_id
            ['Arts', 'Arts > Music', 'Arts > Film', 'Arts > Music > Jazz']
        """
        from hgraph.graph.formats.documents import from_documents

        return from_documents(documents, separator=separator, title=title)

    @classmethod
    def from_networkx(cls, graph: nx.DiGraph, *, title: str = "") -> LabelGraph:
        """Build from a directed networkx graph, parent -> child; node attributes `name` and `description` are used.

        Example:
            >>> import networkx as nx
            >>> LabelGraph.from_networkx(nx.DiGraph([("a", "b"), ("a", "c"), ("b", "c")]), title="toy")
            LabelGraph('toy', labels=3, edges=3, levels=3, roots=1, dag)
        """
        if not graph.is_directed():
            raise TaxonomyError("'graph' must be directed (parent -> child), found an undirected networkx graph.")
        return cls.from_edges(
            graph.edges(),
            nodes=graph.nodes,
            names={node: name for node, name in graph.nodes(data="name") if name is not None},
            descriptions={node: text for node, text in graph.nodes(data="description") if text is not None},
            title=title or str(graph.graph.get("name", "")),
        )

    @classmethod
    def from_name(cls, name: str) -> LabelGraph:
        """Load one of the hierarchies that come with hgraph; `TaxonomyError` lists their names when there is none."""
        return importlib.import_module("hgraph.taxonomies").load(name)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LabelGraph:
        """Read the JSON written by :meth:`save`; :func:`hgraph.graph.formats.read_taxonomy` reads other formats too."""
        from hgraph.graph.formats.hgraph_json import read

        return read(path)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write ids, names, descriptions and edges as JSON, gzipped when `path` ends in `.gz`; all or nothing.

        Raises:
            ConfigError: the file exists and `overwrite` is False, or it cannot be written.
        """
        from hgraph.graph.formats.hgraph_json import write

        write(self, path, overwrite=overwrite)

    def to_networkx(self) -> nx.DiGraph:
        """A networkx graph on the ids, parent -> child, with `name` and `description` on its nodes."""
        return build.to_networkx(self)

    @property
    def num_dropped_edges(self) -> int:
        """Number of repeated edges dropped by the constructor."""
        return self._dropped_edges

    def check(self, label_matrix: Any = None) -> CheckReport:
        """Counts of everything worth a look before training.

        Args:
            label_matrix: labels of documents, sparse or dense `[N, L]`; with it labels without documents and documents
                without labels are found too.
        """
        from hgraph.graph.checks.report import check_graph

        return check_graph(self, label_matrix)

    def is_node_attr(self, key: str) -> bool:
        """Whether the attribute has one entry a label: a tensor or a list."""
        value = self[key]
        return len(value) == self.num_labels if isinstance(value, list) else super().is_node_attr(key)

    def node_attrs(self) -> list[str]:
        """Names of the attributes with one entry a label."""
        return [key for key in self.keys() if self.is_node_attr(key)]

    def subgraph(self, subset: Tensor) -> LabelGraph:
        """The hierarchy induced by some labels, given as indices or a mask, with levels computed anew."""
        subset = torch.as_tensor(subset, device=self.edge_index.device)
        if subset.dtype == torch.bool:
            subset = subset.nonzero().view(-1)
        if subset.unique().numel() < max(subset.numel(), 1):
            raise TaxonomyError("'subset' must name at least one label, and each label once.")
        out = super().subgraph(subset.long())
        out._store.__dict__["_cut_from"] = None  # the lists are cut already
        out._refresh_level()
        return out

    def edge_subgraph(self, subset: Tensor) -> LabelGraph:
        """The hierarchy with some of its edges and all labels, with levels computed anew."""
        out = super().edge_subgraph(subset)
        out._refresh_level()
        return out

    def _refresh_level(self) -> None:
        self.level = torch.tensor(
            self._structure.level, device=self.edge_index.device
        )  # a copy: the cache keeps its own

    def __repr__(self) -> str:
        if isinstance(self, Batch) or "label_id" not in self or "edge_index" not in self:
            return super().__repr__()
        try:
            counts = f"levels={self.num_levels}, roots={len(self.roots)}, {'tree' if self.is_tree else 'dag'}"
        except TaxonomyError:  # a transform such as ToUndirected made cycles
            counts = "cyclic"
        title = f"{self.title!r}, " if self.get("title") else ""
        edges = self.edge_index.size(1)
        return f"{type(self).__name__}({title}labels={self.num_labels}, edges={edges}, {counts})"
