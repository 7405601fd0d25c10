"""OBO, the format of biomedical ontologies, read with `obonet`."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph.files import Lines, PathLike, stem, write_text
from hgraph.graph.formats.builder import TaxonomyBuilder
from hgraph.graph.formats.edge_list import parents_in_order
from hgraph.graph.formats.guards import check_ids_fit, one_line_end
from hgraph.graph.label_graph import LabelGraph

EXAMPLE = """\
[Term]
id: GO:1
[Term]
id: GO:2
is_a: GO:1 ! science"""

KEPT = ("id", "name", "def", "is_a", "relationship", "is_obsolete")
DEFINITION = re.compile(r'\s*"((?:[^"\\]|\\.)*)"')
ESCAPE = re.compile(r"\\(.)")
TRAILING = re.compile(r"(\s\{[^{}]*\})?(\s![^\n]*)?$|^!.*")
BLANKS = re.compile(r"\s{64,}")  # obonet's pattern takes time quadratic in a run of blanks

logger = logging.getLogger(__name__)


def read(path: PathLike, *, relations: Sequence[str] | None = None) -> LabelGraph:
    """Read terms; obsolete ones are left out, and so are edges to terms that the file does not have. Both are counted.

    Args:
        path: the file.
        relations: which relations make an edge from the second term (the parent) to the first; `["is_a"]` by default.
            `["is_a", "part_of"]` is common; a relation such as `has_part` would point the wrong way.

    Raises:
        TaxonomyError: a line that is no `tag: value`, a term without an id or a second one of its id, a relation that
            no term uses, a self-loop, a cycle.
        ConfigError: the package `obonet` is missing.
    """
    try:
        import obonet
    except ImportError:
        raise ConfigError("reading OBO needs the package 'obonet': pip install \"hgraph-text[ontologies]\".") from None
    terms = _Terms(path)
    try:
        graph = obonet.read_obo(terms)  # type: ignore[arg-type]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        problem = " ".join(str(error).split())[:200]
        raise TaxonomyError(f"{path}:{terms.line}: malformed OBO: {problem}.") from None
    return _build(terms, graph, relations)


def _build(terms: _Terms, graph: Any, relations: Sequence[str] | None) -> LabelGraph:
    path, builder = terms.path, TaxonomyBuilder(terms.path)
    for term, data in graph.nodes(data=True):
        if term in terms.first_line:
            index = builder.add(unescape(term))
            match = DEFINITION.match(data.get("def") or "")
            builder.describe(index, unescape(data.get("name") or ""), unescape(match[1]) if match else "")
    wanted = tuple(relations or ("is_a",))
    dropped, used = 0, Counter(relation for _, _, relation in graph.edges(keys=True))
    for relation in relations or ():
        if relation not in used and relation != "is_a":
            found = ", ".join(sorted(used)) or "none"
            raise TaxonomyError(f"{path}: no term uses the relation {relation!r}. Relations of the file: {found}.")
    for child, parent, relation in graph.edges(keys=True):
        if relation not in wanted:
            continue
        if parent in terms.first_line:
            builder.add_edge(unescape(parent), unescape(child), line=terms.first_line[child])
        else:
            dropped += 1
    out = builder.build(title=str(graph.graph.get("ontology") or stem(path)))
    if terms.obsolete:
        logger.warning("%s: obsolete terms left out: %d", path, terms.obsolete)
    if dropped:
        logger.warning("%s: edges to terms that are obsolete or not in the file left out: %d", path, dropped)
    return out


class _Terms:
    """Passes the lines of terms on to obonet, the ones that matter, checked and with known positions."""

    def __init__(self, path: PathLike) -> None:
        self.path = path
        self.line = 0
        self.obsolete = 0
        self.first_line: dict[str, int] = {}

    def __enter__(self) -> _Terms:  # obonet opens what it reads
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __iter__(self) -> Iterator[str]:
        """Lines for obonet: an empty one before each stanza, the header and `[Term]` stanzas alone."""
        stanza, stanza_line, term_id, obsolete = "", 0, "", False
        yield "name: -\n"  # obonet warns of a header without one
        for number, line in Lines(self.path).numbered():
            self.line = number
            if line.startswith("!"):
                continue
            if line.startswith("["):
                self._close(stanza, stanza_line, term_id, obsolete)
                stanza, stanza_line, term_id, obsolete = line, self.line, "", False
                if stanza.startswith("[Term]"):
                    yield "\n"
                    yield "[Term]\n"
                continue
            tag, colon, value = line.partition(":")
            value = BLANKS.sub(" ", value).strip()
            if not colon or not tag.strip():
                raise self._error(f"expected 'tag: value', found {line[:60]!r}")
            if not stanza and tag == "ontology":
                yield f"{tag}: {value}\n"
            if not stanza.startswith("[Term]") or tag not in KEPT:
                continue
            if tag == "id":
                if term_id:
                    raise self._error(f"a second id {value[:60]!r} in the term {term_id!r}")
                value = term_id = TRAILING.sub("", value)
                if not term_id:
                    raise self._error("an empty id")
                if term_id in self.first_line:
                    raise self._error(f"the id {term_id!r} stands on line {self.first_line[term_id]} already")
                self.first_line[term_id] = self.line
            obsolete = obsolete or (tag == "is_obsolete" and value.startswith("true"))
            yield self._line(tag, value)
        self._close(stanza, stanza_line, term_id, obsolete)

    def _line(self, tag: str, value: str) -> str:
        if tag == "relationship":  # qualifiers may follow, which obonet does not expect
            parts = value.split()
            if len(parts) < 2:
                raise self._error(f"expected 'relationship: relation term', found {value[:60]!r}")
            value = " ".join(parts[:2])
        elif tag == "def":  # obonet takes ` !` and ` {` for a comment, in quotes too
            match = DEFINITION.match(value)
            if match is None:
                raise self._error(f'expected def: "text" [sources], found {value[:60]!r}')
            value = re.sub(r"(?<!\\)([!{}])", r"\\\1", match[0])
        return f"{tag}: {value}\n"

    def _close(self, stanza: str, line: int, term_id: str, obsolete: bool) -> None:
        if not stanza.startswith("[Term]"):
            return
        if not term_id:
            raise TaxonomyError(f"{self.path}:{line}: a term without an id. Add 'id: ...'.")
        if obsolete:
            self.obsolete += 1
            del self.first_line[term_id]

    def _error(self, problem: str) -> TaxonomyError:
        return TaxonomyError(f"{self.path}:{self.line}: {problem}.")


def unescape(text: str) -> str:
    r"""Text without the backslashes of OBO.

    Example:
        >>> unescape(r"a \"b\" \{c\}\nd")
        'a "b" {c}\nd'
    """
    return ESCAPE.sub(lambda match: {"n": "\n", "t": "\t", "W": " "}.get(match[1], match[1]), text)


def escape(text: str) -> str:
    """Text as an OBO value."""
    text = re.sub(r'([\\"!{}])', r"\\\1", one_line_end(text))
    return text.replace("\n", "\\n").replace("\t", "\\t")


def write(graph: LabelGraph, path: PathLike, *, overwrite: bool = False) -> None:
    """Write one term a label, its edges as `is_a`.

    Raises:
        ConfigError: an id with blanks other than single spaces.
    """
    check_ids_fit(graph, path, "obo", "", single=True)
    ids, lines = list(map(escape, graph.label_id)), ["format-version: 1.2"]
    if graph.title:
        lines.append(f"ontology: {escape(graph.title)}")
    for label, above in enumerate(parents_in_order(graph)):
        lines += ["", "[Term]", f"id: {ids[label]}", f"name: {escape(graph.name[label])}"]
        if graph.description[label]:
            lines.append(f'def: "{escape(graph.description[label])}" []')
        lines += [f"is_a: {ids[parent]}" for parent in above]
    write_text(path, "\n".join(lines) + "\n", overwrite=overwrite)
