"""Changing hierarchies and comparing versions: what the methods of `hgraph.graph.editing.Editing` are made of."""
