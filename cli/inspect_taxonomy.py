"""`hgraph inspect`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hgraph.cli.options import FILE, check_output, data_options, fields_of, overwrite_option
from hgraph.errors import ConfigError, TaxonomyError, UnknownLabelError

if TYPE_CHECKING:
    import numpy as np
    import scipy.sparse as sp

    from hgraph.graph import LabelGraph
    from hgraph.graph.checks.report import CheckReport

MAX_PATHS = 5


@click.command("inspect")
@click.argument("taxonomy")
@click.option("--depth", type=click.IntRange(min=0), default=2, show_default=True, help="Levels to draw; 0 draws all.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Children to draw below a label, and labels found to print; 0 for all.",
)
@click.option("--root", metavar="LABEL", help="Show this label (id, name or path) and what is below it alone.")
@click.option("--search", metavar="TEXT", help="Find labels by words of their names or ids, and print their paths.")
@click.option("--regex", is_flag=True, help="TEXT is a regular expression.")
@click.option("--descriptions", is_flag=True, help="Search descriptions too.")
@click.option("--check", is_flag=True, help="Print counts and what deserves a look: names, edges, shape, documents.")
@click.option("--data", type=FILE, multiple=True, help="Documents to count for each label; repeat for several files.")
@click.option("--html", type=FILE, help="Write one page to explore the hierarchy in a browser, offline.")
@click.option("--png", type=FILE, help="Write a picture.")
@click.option("--ids/--no-ids", default=None, help="Show ids, or do not. Default: where they are more than the names.")
@overwrite_option
@data_options
def command(
    taxonomy: str,
    depth: int,
    limit: int,
    root: str | None,
    search: str | None,
    regex: bool,
    descriptions: bool,
    check: bool,
    data: tuple[Path, ...],
    html: Path | None,
    png: Path | None,
    ids: bool | None,
    overwrite: bool,
    unknown_labels: str,
    text_fields: str | None,
    label_separator: str,
) -> None:
    """Look at a label hierarchy: as a tree, a report, a web page or a picture.

    TAXONOMY is a file, or the name of a hierarchy that comes with hgraph. Without --search, --check, --html and --png
    the tree is drawn. A label with several parents stands below each of them.

    \b
    Examples:
      hgraph inspect onet --depth 3
      hgraph inspect taxonomy.json --search "freight trains"
      hgraph inspect taxonomy.json --check --data train.jsonl
      hgraph inspect taxonomy.json --html taxonomy.html --png taxonomy.png
    """
    if check and root is not None:
        raise click.UsageError("--check is about the whole hierarchy; leave --root out.")
    if search is None and (regex or descriptions):
        raise click.UsageError(f"{'--regex' if regex else '--descriptions'} goes with --search TEXT.")
    for option, path in (("--html", html), ("--png", png)):
        check_output(path, option, overwrite=overwrite)

    from hgraph.cli.taxonomy import open_taxonomy

    try:
        graph = open_taxonomy(taxonomy, "TAXONOMY")
    except TaxonomyError as error:
        if check and error.edges is not None:
            from hgraph.graph import diagnose_edges

            click.echo("\n".join(map(str, diagnose_edges(error.edges()))))
        raise
    label = None if root is None else _find_root(graph, root)
    counts = _documents(graph, data, unknown_labels, text_fields, label_separator)
    view = View(graph, label, counts, _show_ids(graph) if ids is None else ids, limit)
    if search is not None:
        view.search(search, regex=regex, descriptions=descriptions)
    if check:
        view.echo(str(view.report()))
    if html is not None or png is not None:
        view.write(html, png, overwrite=overwrite)
    if search is None and not check and html is None and png is None:
        view.tree(depth)


def _find_root(graph: "LabelGraph", root: str) -> int:
    from hgraph.data import LabelResolver

    try:
        return LabelResolver(graph)(root)
    except UnknownLabelError as error:
        raise UnknownLabelError(f"--root: {error}") from None


def _documents(
    graph: "LabelGraph", data: tuple[Path, ...], unknown: str, text_fields: str | None, separator: str
) -> "sp.csr_matrix | None":
    """Labels of all documents, ancestors added, `[num_documents, num_labels]`."""
    if not data:
        return None
    import scipy.sparse as sp

    from hgraph.data import read_corpus

    corpora = [
        read_corpus(path, graph, unknown=unknown, fields=fields_of(text_fields), label_separator=separator)  # type: ignore[arg-type]
        for path in data
    ]
    return sp.vstack([corpus.labels for corpus in corpora], format="csr")


def _show_ids(graph: "LabelGraph") -> bool:
    """Whether ids say more than names: not where they are the names, nor the paths of names."""
    middle = range(0, graph.num_labels, max(graph.num_labels // 100, 1))
    return not all(
        graph.label_id[i] == graph.name[i] or graph.label_id[i].endswith(f" > {graph.name[i]}") for i in middle
    )


@dataclass(frozen=True)
class View:
    """What is shown of a hierarchy, and how.

    Args:
        graph: The hierarchy.
        root: The label to show with what is below it; None shows all.
        labels: Labels of documents, CSR [num_documents, num_labels], or None.
        ids: Whether ids are printed.
        limit: Children of a label and labels found to print, 0 for all.
    """

    graph: "LabelGraph"
    root: int | None
    labels: "sp.csr_matrix | None"
    ids: bool
    limit: int

    def report(self) -> "CheckReport":
        """The check of the whole hierarchy."""
        from hgraph.graph.checks.report import check_graph

        return check_graph(self.graph, self.labels)

    def documents(self) -> "np.ndarray | None":
        """Number of documents of each label."""
        import numpy as np

        if self.labels is None:
            return None
        return np.bincount(self.labels.indices, minlength=self.graph.num_labels)

    def echo(self, text: str) -> None:
        """Print; letters that standard output cannot write become question marks."""
        encoding = sys.stdout.encoding or "utf-8"
        click.echo(text.encode(encoding, "replace").decode(encoding))

    def tree(self, depth: int) -> None:
        """Draw the tree."""
        from hgraph.graph.render import tree_lines

        if self.root is None:
            self.echo(f"{self._head()}\n")
        elif self.graph.path(self.root)[:-1]:
            self.echo(f"{self._path(self.graph.path(self.root)[:-1])} >\n")
        lines = tree_lines(
            self.graph,
            depth=depth,
            limit=self.limit,
            root=self.root,
            documents=self.documents(),
            ids=self.ids,
            ascii_only=not _writes("├└│"),
        )
        for line in lines:
            name = click.style(line.name, bold=self._is_top(line.label))
            rest = "  ".join(click.style(part, dim=True) for part in (line.id, line.note) if part)
            prefix = click.style(line.prefix, dim=True) if line.prefix else ""
            self.echo(f"{prefix}{name}{'  ' if rest else ''}{rest}")

    def search(self, text: str, *, regex: bool, descriptions: bool) -> None:
        """Print the paths of the labels that match; exit with 1 when there are none."""
        import numpy as np

        from hgraph.graph.render import count_descendants, label_paths, search_labels
        from hgraph.graph.render.counts import branch
        from hgraph.graph.render.tree import printable

        fields: tuple[Any, ...] = ("name", "id", "description") if descriptions else ("name", "id")
        try:
            hits = search_labels(self.graph, text, mode="regex" if regex else "words", fields=fields)
        except ConfigError as error:
            raise ConfigError(str(error).replace("'text'", "--search", 1)) from None
        if self.root is not None:
            hits = hits[np.isin(hits, branch(self.graph, self.root))]
        if not len(hits):
            click.echo(f"No label matches {text!r}.", err=True)
            sys.exit(1)
        below, documents = count_descendants(self.graph), self.documents()
        for label in hits[: self.limit or None].tolist():
            paths, total = label_paths(self.graph, label, limit=MAX_PATHS)
            notes = [printable(self.graph.label_id[label])] if self.ids else []
            counts = [f"{below[label]:,} below"] if below[label] else []
            counts += [f"{documents[label]:,} documents"] if documents is not None else []
            notes += [f"({', '.join(counts)})"] if counts else []
            for number, path in enumerate(paths):
                start = "  " if number else ""
                rest = "" if number else "".join(f"  {click.style(note, dim=True)}" for note in notes)
                self.echo(f"{start}{self._path(path, bold_last=True)}{rest}")
            if total > len(paths):
                self.echo(f"  ... and {total - len(paths):,} more paths")
        if self.limit and len(hits) > self.limit:
            self.echo(f"... {len(hits) - self.limit:,} more; show them with --limit {len(hits)}")

    def write(self, html: Path | None, png: Path | None, *, overwrite: bool) -> None:
        """Write the page and the picture of all, or of the branch below the root."""
        import torch

        from hgraph.graph.render import write_explorer, write_picture
        from hgraph.graph.render.counts import branch

        graph, documents, report = self.graph, self.documents(), None
        if self.root is not None:
            inside = branch(graph, self.root)
            title = f"{graph.title + ': ' if graph.title else ''}{graph.name[self.root]}"
            graph = graph.subgraph(torch.from_numpy(inside))
            graph.title = title
            documents = None if documents is None else documents[inside]
        elif html is not None:
            report = self.report()
        if html is not None:
            write_explorer(graph, html, documents=documents, report=report, overwrite=overwrite)
            self.echo(f"Page of {graph.num_labels:,} labels written to {html}")
        if png is not None:
            write_picture(graph, png, documents=documents, overwrite=overwrite)
            self.echo(f"Picture of {graph.num_labels:,} labels written to {png}")

    def _head(self) -> str:
        """`onet: 2,453 labels, 5 levels, 4 roots, tree, 1,738 documents`."""
        graph = self.graph
        parts = [f"{graph.num_labels:,} labels", f"{graph.num_levels} levels"]
        parts += [f"{len(graph.roots):,} roots"] if len(graph.roots) > 1 else []
        parts += ["tree" if graph.is_tree else "DAG"]
        parts += [f"{self.labels.shape[0]:,} documents"] if self.labels is not None else []
        return f"{' '.join(graph.title.split()) or 'Hierarchy'}: {', '.join(parts)}"

    def _path(self, path: list[int], *, bold_last: bool = False) -> str:
        from hgraph.graph.render.tree import printable

        names = [printable(self.graph.name[label]) or self.graph.label_id[label] for label in path]
        if bold_last:
            names[-1] = click.style(names[-1], bold=True)
        return " > ".join(names)

    def _is_top(self, label: int) -> bool:
        return label >= 0 and (label == self.root or self.graph._structure.primary_parent[label] < 0)


def _writes(text: str) -> bool:
    """Whether standard output can write some letters."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
