"""Editing a `LabelGraph`: every method returns a new graph and leaves the old one as it was."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import scipy.sparse as sp

from hgraph.graph.edit import align, contract, diff, merge, reshape, select, split
from hgraph.graph.edit.align import Alignment
from hgraph.graph.edit.contract import Reattach
from hgraph.graph.edit.diff import GraphDiff, Match
from hgraph.graph.edit.level_partition import Affinity, ExtraParents, LevelPartition
from hgraph.graph.edit.merge import Conflict, On
from hgraph.graph.edit.reshape import Keep
from hgraph.graph.edit.select import Field, Labels
from hgraph.graph.edit.split import Grouping

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph


class Editing:
    """Selecting, pruning, reshaping, comparing; a base of :class:`hgraph.graph.LabelGraph` alone.

    What happens to other attributes is the same everywhere. One value a label: kept for the labels that stay; zeros,
    False, `""` or None for labels that are new. One value an edge: kept unless the result has edges that were not
    there, else left out with a warning. All else (title, licence, source) stays. As everywhere in PyG, a tensor with as
    many rows as there are labels belongs to the labels; when there are as many edges, its name must hold `edge` to
    belong to them.
    """

    def find(self, pattern: str | re.Pattern[str], *, field: Field = "name") -> np.ndarray:
        """Search by name: indices of the labels whose text holds a regular expression.

        Args:
            pattern: the expression. As a string it ignores case; compile it to decide yourself.
            field: the text: `name`, `label_id` or `description`.

        Raises:
            ConfigError: the pattern is no regular expression, or there is no such field.

        Shapes:
            - **output:** int64 `[number of hits]`, ascending

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> LabelGraph.from_paths(["Physics > Optics", "Biophysics"]).find("physics$").tolist()
            [0, 2]
        """
        return select.find(_this(self), pattern, field)

    def select(
        self,
        labels: Labels | None = None,
        *,
        pattern: str | re.Pattern[str] | None = None,
        levels: int | Iterable[int] | None = None,
        with_ancestors: bool = True,
        with_descendants: bool = False,
        reattach: Reattach = "bridge",
    ) -> LabelGraph:
        """The hierarchy of the labels that meet every condition given, with all their ancestors unless told otherwise.

        Args:
            labels: ids, indices, a mask, or one id or index.
            pattern: regular expression that the name must hold, see :meth:`find`.
            levels: a level or several, such as `range(2, 4)`.
            with_ancestors: keep all ancestors too, so that paths from the roots stay whole.
            with_descendants: keep all descendants of the selected labels too (and then their ancestors).
            reattach: what joins labels when some between them are left out, see :meth:`prune`.

        Raises:
            UnknownLabelError: there is no such id or index.
            TaxonomyError: no label meets the conditions.
            ConfigError: no condition is given, or one makes no sense.

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> graph = LabelGraph.from_edges([("a", "b"), ("b", "c"), ("b", "d"), ("a", "e")])
            >>> graph.select("c").label_id
            ['a', 'b', 'c']
            >>> graph.select(levels=[1, 3], with_ancestors=False)
            LabelGraph(labels=3, edges=2, levels=2, roots=1, tree)
        """
        graph = _this(self)
        mask = select.chosen(graph, labels, pattern, levels)
        if with_descendants:
            mask = select.reachable(graph.children, mask)
        if with_ancestors:
            mask = select.reachable(graph.parents, mask)
        return contract.restrict(graph, mask, reattach)

    def branch(self, labels: Labels) -> LabelGraph:
        """Labels and all their descendants, without what is above: for one label, its subtree.

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> LabelGraph.from_edges([("a", "b"), ("b", "c"), ("a", "d")]).branch("b").label_id
            ['b', 'c']
        """
        return self.select(labels, with_ancestors=False, with_descendants=True)

    def cut(self, level: int) -> LabelGraph:
        """The labels down to a level, the roots' being 1.

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> LabelGraph.from_edges([("a", "b"), ("b", "c"), ("a", "d")]).cut(2).label_id
            ['a', 'b', 'd']
        """
        return self.select(levels=range(1, int(level) + 1))

    def support_of(self, label_matrix: Any) -> np.ndarray:
        """Number of documents of every label, those of its descendants included.

        Shapes:
            - **label_matrix:** sparse or dense `[N, L]`, non-zero where a document has a label
            - **output:** int64 `[L]`
        """
        return select.support_of(_this(self), label_matrix)

    def prune(self, support: Any, *, min_support: float = 1, reattach: Reattach = "bridge") -> LabelGraph:
        """Without the labels that have too few documents; :meth:`carry_labels` takes documents along.

        Counted with :meth:`support_of` a label never has more documents than its parent, so whole branches go and
        nothing is left hanging. With other numbers an inner label may go and labels below it stay.

        Args:
            support: a number for every label `[L]`, or a label matrix `[N, L]` that is counted by :meth:`support_of`.
            min_support: labels with less go.
            reattach: what becomes of an edge from a parent that goes. `"bridge"`: edges from the nearest ancestors that
                stay, unless the label is below these anyway; a label is then below another one exactly when it was
                before. `"orphans"`: the same for labels that lost all parents, nothing for the others. `"none"`:
                nothing, such labels become roots.

        Raises:
            TaxonomyError: no label stays.
            DataError: `support` has another shape.

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> graph = LabelGraph.from_edges([("a", "b"), ("b", "c"), ("a", "d")])
            >>> pruned = graph.prune([9, 0, 3, 6], min_support=2)
            >>> pruned.label_id, pruned.edge_index.tolist()
            (['a', 'c', 'd'], [[0, 0], [1, 2]])
        """
        graph = _this(self)
        return contract.restrict(graph, select.supported(graph, support, min_support), reattach)

    def redundant_edges(self) -> np.ndarray:
        """Which edges say nothing new, bool `[E]`: the child can be reached from the parent another way as well."""
        return contract.redundant_mask(_this(self)._structure)

    def transitive_reduction(self) -> LabelGraph:
        """The fewest edges with the same ancestors: without redundant ones.

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> graph = LabelGraph.from_edges([("a", "b"), ("b", "c"), ("a", "c")])
            >>> graph.transitive_reduction().edge_index.tolist()
            [[0, 1], [1, 2]]
        """
        return reshape.transitive_reduction(_this(self))

    def transitive_closure(self) -> LabelGraph:
        """An edge from every ancestor, those that were there first; as large as :attr:`ancestors`.

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> LabelGraph.from_edges([("a", "b"), ("b", "c")]).transitive_closure().edge_index.tolist()
            [[0, 1, 0], [1, 2, 2]]
        """
        return reshape.transitive_closure(_this(self))

    def collapse_chains(self, *, keep: Keep = "bottom") -> LabelGraph:
        """Each chain of labels in which everyone is the only child of an only parent becomes one label.

        A redundant edge that starts or ends in a chain goes with it, and so does a chain that this leaves.

        Args:
            keep: `"bottom"` keeps the most specific label of a chain, so no leaf is lost; `"top"` keeps the most
                general one, so :meth:`carry_labels` leads documents of all its labels there.

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> graph = LabelGraph.from_edges([("a", "b"), ("b", "c"), ("b", "d"), ("d", "e")])
            >>> graph.collapse_chains().label_id, graph.collapse_chains(keep="top").label_id
            (['b', 'c', 'e'], ['a', 'c', 'd'])
        """
        return reshape.collapse_chains(_this(self), keep)

    def split_fan_out(self, max_children: int, *, grouping: Grouping = "order") -> LabelGraph:
        """No label with more than `max_children` children: nameless clusters are put between, in layers if need be.

        The old labels keep their indices; clusters follow. Their ids are `parent/~1` (more `~` where that is taken),
        their names `Parent [1/4]`, and the list `kind` says `"label"` or `"cluster"` of each label. Roots are not
        grouped: nothing is above them.

        Args:
            max_children: at least 2.
            grouping: `"order"` cuts the children into runs in the order of their edges, `"name"` in that of their
                names; both make groups whose sizes differ by at most one. A function gets the indices of the children
                of one label `[n]` and a number of groups and returns the group of each, from 0; groups that are still
                too large are split again, and one of a single label needs no cluster.

        Raises:
            ConfigError: `max_children` is less than 2, or a function returns something else.

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> graph = LabelGraph.from_edges([("a", label) for label in "bcdef"]).split_fan_out(3)
            >>> graph.label_id, graph.kind[-2:]
            (['a', 'b', 'c', 'd', 'e', 'f', 'a/~1', 'a/~2'], ['cluster', 'cluster'])
            >>> graph.path_names("f")
            'a > a [2/2] > f'
        """
        return split.split_fan_out(_this(self), max_children, grouping)

    def merge(self, other: LabelGraph, *, on: On = "id", conflict: Conflict = "error", prefix: str = "") -> LabelGraph:
        """The labels and edges of this hierarchy and another one; the labels of this one keep their indices.

        Args:
            other: the other hierarchy.
            on: what makes two labels the same: the `"id"`, the `"name"`, or the `"path"` of names from a root through
                first listed parents. The id stays that of this hierarchy.
            conflict: when the same label has two names or descriptions: `"error"`, the `"first"` or that of the
                `"other"`. A text beats none, and a name beats one that only repeats the id.
            prefix: put before the ids of other labels of `other` that this hierarchy has as well, when merging on names
                or paths.

        Raises:
            TaxonomyError: the hierarchies contradict each other (the cycle is named), the names of a label differ, a
                name or path is not unique, or ids clash and there is no `prefix`.

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> first, other = LabelGraph.from_edges([("a", "b")]), LabelGraph.from_edges([("b", "c"), ("a", "d")])
            >>> first.merge(other).label_id
            ['a', 'b', 'c', 'd']
        """
        return merge.merge(_this(self), other, on, conflict, prefix)

    def level_partition(
        self,
        *,
        carried: Any = None,
        extra_parents: ExtraParents = "primary",
        affinity: Affinity | None = None,
        max_copies: int = 4,
        max_children: int | None = None,
        grouping: Grouping = "order",
        collapse: bool = False,
        pad: bool = True,
    ) -> LevelPartition:
        """The hierarchy as levels of nodes for level-wise models; see :class:`hgraph.graph.LevelPartition`."""
        return LevelPartition(
            _this(self),
            carried=carried,
            extra_parents=extra_parents,
            affinity=affinity,
            max_copies=max_copies,
            max_children=max_children,
            grouping=grouping,
            collapse=collapse,
            pad=pad,
        )

    def diff(self, new: LabelGraph, *, match: Match = "id") -> GraphDiff:
        """What changed from this hierarchy to `new`, label by label; see :func:`hgraph.graph.edit.diff.diff`."""
        return diff.diff(_this(self), new, match=match)

    def align(self, new: LabelGraph) -> Alignment:
        """`new` in a numbering in which every label of this hierarchy keeps its index; see :class:`Alignment`."""
        return align.align(_this(self), new)

    def compact(self) -> LabelGraph:
        """The hierarchy without its tombstones, the labels that :meth:`align` kept for their index alone."""
        return align.compact(_this(self))

    @property
    def live_labels(self) -> np.ndarray:
        """Indices of the labels that are no tombstones, int64: all, unless the graph comes from :meth:`align`."""
        return np.flatnonzero(~contract.tombstones(_this(self)))

    def map_to(self, new: LabelGraph) -> np.ndarray:
        """Index in `new` of the label with the same id, int64 `[L]`; -1 where there is none."""
        return contract.exact_map(_this(self), new)

    def label_map(self, new: LabelGraph) -> sp.csr_matrix:
        """Where each label goes in `new`, by id: to itself, or to its nearest ancestors (here) that `new` still has.

        Shapes:
            - **output:** boolean CSR `[L, L_new]`; a row may be empty
        """
        return contract.label_map(_this(self), new)

    def carry_labels(self, label_matrix: Any, new: LabelGraph) -> Any:
        """A label matrix of this hierarchy for `new`, by :meth:`label_map`.

        Labels that only `new` has stay empty; `new.expand` fills those that are ancestors.

        Shapes:
            - **label_matrix:** sparse or dense `[N, L]`, non-zero where a document has a label
            - **output:** CSR `[N, L_new]` of ones with sorted columns, of the same dtype

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> graph = LabelGraph.from_edges([("a", "b"), ("b", "c")])
            >>> graph.carry_labels(np.array([[0, 0, 1], [0, 1, 0]]), graph.cut(2)).toarray()
            array([[0, 1], [0, 1]])
        """
        return align.carry_labels(_this(self), new, label_matrix)


def _this(editing: Editing) -> LabelGraph:
    return cast("LabelGraph", editing)
