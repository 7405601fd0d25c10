"""A hierarchy for the eye: as a tree of text, as a page to explore it, as a picture; and finding labels by name."""

from hgraph.graph.render.counts import count_descendants
from hgraph.graph.render.explorer import explorer_html, write_explorer
from hgraph.graph.render.picture import draw_icicle, write_picture
from hgraph.graph.render.search import label_paths, search_labels
from hgraph.graph.render.tree import TreeLine, tree_lines

__all__ = [
    "TreeLine",
    "count_descendants",
    "draw_icicle",
    "explorer_html",
    "label_paths",
    "search_labels",
    "tree_lines",
    "write_explorer",
    "write_picture",
]
