"""RDF files, read with `rdflib`: only the statements that a hierarchy needs are kept, and nothing is ever fetched."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph.files import MAX_BYTES, ByteSource, Lines, PathLike, read_head, stem, suffix
from hgraph.graph.formats.builder import TaxonomyBuilder
from hgraph.graph.formats.xml_scan import scan_xml
from hgraph.graph.label_graph import LabelGraph

logger = logging.getLogger(__name__)

IriStyle = Literal["short", "full"]

BASE = "http://relative.invalid/"
"""What relative IRIs are resolved against, so that they can be told from full ones."""

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
OWL = "http://www.w3.org/2002/07/owl#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
DCTERMS = "http://purl.org/dc/terms/"
DC = "http://purl.org/dc/elements/1.1/"

ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S")
XML_START = re.compile(r"\s*<(\?xml|!DOCTYPE|!--|[A-Za-z_][\w.-]*(:[\w.-]+)?[^>]*\sxmlns)", re.ASCII)


class Text(NamedTuple):
    """A literal and its language, empty for none."""

    value: str
    language: str


class Statements:
    """(subject, object) pairs by predicate; blank nodes are dropped, literals are :class:`Text`."""

    def __init__(self, path: PathLike) -> None:
        self.path = path
        self.pairs: dict[str, list[tuple[str, str | Text]]] = defaultdict(list)

    def links(self, predicate: str) -> Iterator[tuple[str, str]]:
        """Pairs of IRIs."""
        return ((subject, value) for subject, value in self.pairs.get(predicate, ()) if type(value) is str)

    def of_type(self, kinds: Iterable[str]) -> dict[str, None]:
        """Subjects of some types, in order."""
        kinds = set(kinds)
        return dict.fromkeys(subject for subject, kind in self.links(RDF + "type") if kind in kinds)

    def deprecated(self) -> set[str]:
        """Subjects that say `owl:deprecated true`."""
        found = self.pairs.get(OWL + "deprecated", ())
        return {subject for subject, value in found if isinstance(value, Text) and value.value in ("true", "1")}

    def texts(self, predicates: Iterable[str], language: str) -> dict[str, str]:
        """One text for each subject, by the first predicate that it has, in the best language.

        That is `language` itself, one of its regions (`en-GB` for `en`), no language, then the first in the alphabet;
        of several texts in one language the first in the alphabet.
        """
        out: dict[str, str] = {}
        for predicate in predicates:
            best: dict[str, tuple[tuple[int, str, str], str]] = {}
            for subject, text in self.pairs.get(predicate, ()):
                if isinstance(text, Text) and subject not in out and text.value.strip():
                    key = (_rank(text.language, language), text.language, text.value)
                    if subject not in best or key < best[subject][0]:
                        best[subject] = (key, text.value)
            out.update((subject, text.strip()) for subject, (_, text) in best.items())
        return out


def _rank(found: str, wanted: str) -> int:
    if found == wanted.lower():
        return 0
    if found.startswith(wanted.lower() + "-"):
        return 1
    return 2 if not found else 3


def read_statements(path: PathLike, predicates: Iterable[str]) -> Statements:
    """The statements of some predicates in a Turtle, N-Triples or RDF/XML file.

    Raises:
        TaxonomyError: malformed, an entity or an external DTD in XML, a line of more than `MAX_LINE` bytes in Turtle.
        ConfigError: the package `rdflib` is missing.
    """
    try:
        import rdflib
    except ImportError:
        raise ConfigError("reading RDF needs the package 'rdflib': pip install \"hgraph-text[ontologies]\".") from None
    out, kept = Statements(path), set(predicates)

    class Sieve(rdflib.Graph):
        """Keeps what is asked for and forgets the rest, so that memory grows with the hierarchy alone."""

        def add(self, triple: Any) -> Any:
            subject, predicate, value = triple
            if str(predicate) in kept and isinstance(subject, rdflib.URIRef):
                if isinstance(value, rdflib.Literal):
                    out.pairs[str(predicate)].append((str(subject), Text(str(value), (value.language or "").lower())))
                elif isinstance(value, rdflib.URIRef):
                    out.pairs[str(predicate)].append((str(subject), str(value)))
            return self

    with _quiet_rdflib():
        sieve = Sieve(bind_namespaces="none")
        if is_xml(path):
            _parse_xml(path, sieve)
        elif suffix(path) == ".nt":
            _parse_ntriples(path, sieve)
        else:
            _parse_turtle(path, sieve)
    return out


def is_xml(path: PathLike) -> bool:
    """Whether a file begins like XML."""
    head, _ = read_head(path)
    return XML_START.match(head) is not None


@contextmanager
def _quiet_rdflib() -> Iterator[None]:
    """Without its warnings of odd literals and IRIs, which are no concern of a hierarchy."""
    logger = logging.getLogger("rdflib")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _parse_xml(path: PathLike, graph: Any) -> None:
    from xml.sax import SAXParseException

    from rdflib.parser import InputSource

    scan_xml(path)
    with ByteSource(path, limit=MAX_BYTES) as stream:
        source = InputSource()
        source.setByteStream(stream)  # type: ignore[arg-type]
        try:
            graph.parse(source=source, format="xml", publicID=BASE)
        except (TaxonomyError, MemoryError):
            raise
        except SAXParseException as error:
            raise TaxonomyError(f"{path}:{error.getLineNumber()}: malformed RDF/XML: {error.getMessage()}.") from None
        except Exception as error:  # rdflib fails in as many ways as files do
            raise _malformed(path, "RDF/XML", error) from None


def _parse_ntriples(path: PathLike, graph: Any) -> None:
    from rdflib.plugins.parsers.ntriples import NTGraphSink, W3CNTriplesParser

    parser = W3CNTriplesParser(NTGraphSink(graph))
    for number, line in Lines(path).numbered():
        parser.line = line
        try:
            parser.parseline()
        except MemoryError:
            raise
        except Exception:  # as above
            raise TaxonomyError(f"{path}:{number}: malformed N-Triples: {line[:60]!r}.") from None


def _parse_turtle(path: PathLike, graph: Any) -> None:
    text = Lines(path).text()
    try:
        graph.parse(data=text, format="turtle", publicID=BASE)
    except MemoryError:
        raise
    except RecursionError:
        raise TaxonomyError(f"{path}: malformed Turtle: nested too deeply.") from None
    except Exception as error:  # as above
        raise _malformed(path, "Turtle", error) from None


def _malformed(path: PathLike, kind: str, error: Exception) -> TaxonomyError:
    """One line from an error of rdflib: its line number and its reason."""
    if isinstance(error, IndexError):
        return TaxonomyError(f"{path}: malformed {kind}: the file ends in the middle of a statement.")
    line = getattr(error, "lines", None)
    match = re.search(r":(\d+):\d+: (.*)", str(error), re.DOTALL) or re.search(r"line (\d+)(.*)", str(error), re.DOTALL)
    number = line + 1 if isinstance(line, int) else int(match[1]) if match else 0
    reason = getattr(error, "_why", None) or (match[2] if match and match[2].strip() else str(error)) or repr(error)
    reason = " ".join(str(reason).split()).rstrip(".")[:160]
    return TaxonomyError(f"{path}{f':{number}' if number else ''}: malformed {kind}: {reason}.")


def check_absolute(path: PathLike, iris: Iterable[str]) -> None:
    """Refuse IRIs that were relative.

    Raises:
        TaxonomyError: the first such IRI, with the line that has it.
    """
    for iri in iris:
        if iri.startswith(BASE) or not ABSOLUTE.match(iri):
            written = iri.removeprefix(BASE)
            raise TaxonomyError(
                f"{path}{_line_of(path, written)}: relative IRI {written!r}. Write full IRIs, or add a base "
                "(@base in Turtle, xml:base in RDF/XML)."
            )


def _line_of(path: PathLike, written: str) -> str:
    marks = (f"<{written}>", f'"{written}"', f"'{written}'", f'"{written.removeprefix("#")}"')
    for number, line in Lines(path).numbered():
        if any(mark in line for mark in marks):
            return f":{number}"
    return ""


def label_ids(iris: Iterable[str], style: IriStyle | None, path: PathLike) -> dict[str, str]:
    """Id of each IRI: its last part when all of them have the same namespace, otherwise the IRI itself.

    The namespace ends at the last `#`, or else the last `/`. Percent signs in the last part are decoded unless this
    makes two ids equal.

    Args:
        iris: all IRIs.
        style: `"short"` or `"full"` to decide otherwise.
        path: the file, for messages.

    Raises:
        TaxonomyError: `"short"`, and two IRIs end alike, or one ends with its namespace.
    """
    iris = list(iris)
    if style == "full":
        return {iri: iri for iri in iris}
    parts = [_split(iri) for iri in iris]
    usable = all(local for _, local in parts) and len({namespace for namespace, _ in parts}) == 1
    if style is None and not usable:
        return {iri: iri for iri in iris}
    local = [part for _, part in parts]
    plain = [unquote(part) for part in local]
    chosen = plain if len(set(plain)) == len(plain) and all(part.strip() for part in plain) else local
    if len(set(chosen)) < len(chosen) or not all(chosen):
        raise TaxonomyError(
            f"{path}: 'iri' is 'short', but two IRIs have the same last part or one has none. Use 'full'."
        )
    return dict(zip(iris, chosen, strict=True))


def _split(iri: str) -> tuple[str, str]:
    cut = (iri.rfind("#") if "#" in iri else iri.rfind("/")) + 1
    return iri[:cut], iri[cut:]


def local_name(iri: str) -> str:
    """The last part of an IRI, a name of last resort."""
    return unquote(_split(iri)[1]) or iri


def vocabulary_title(statements: Statements, kinds: Iterable[str], language: str) -> tuple[str, str]:
    """Title and licence of the one scheme or ontology that a file describes; empty for none or several."""
    found = list(statements.of_type(kinds))
    if len(found) != 1:
        return "", ""
    titles = statements.texts((DCTERMS + "title", DC + "title", SKOS + "prefLabel", RDFS + "label"), language)
    licenses: Mapping[str, str] = {
        **dict(statements.links(DCTERMS + "license")),
        **statements.texts((DCTERMS + "license",), language),
    }
    return titles.get(found[0], ""), licenses.get(found[0], "")


SCHEME_PREDICATES = (RDF + "type", DCTERMS + "title", DC + "title", DCTERMS + "license", RDFS + "label")


def build_vocabulary(
    statements: Statements,
    path: PathLike,
    *,
    terms: Iterable[str],
    edges: Iterable[tuple[str, str]],
    names: tuple[str, ...],
    descriptions: tuple[str, ...],
    scheme: str,
    language: str,
    iri: IriStyle | None,
    what: str,
) -> LabelGraph:
    """The hierarchy of some terms; deprecated ones are left out and counted.

    Args:
        statements: of the file.
        path: the file.
        terms: IRIs of the labels.
        edges: (parent, child) IRIs.
        names: predicates of names, the first one first.
        descriptions: predicates of descriptions.
        scheme: type of what carries title and licence.
        language: of names and descriptions.
        iri: style of ids.
        what: what a term is called, in the plural.
    """
    terms = dict.fromkeys(terms)
    check_absolute(path, terms)
    gone = statements.deprecated() & terms.keys()
    name_of, text_of = statements.texts(names, language), statements.texts(descriptions, language)
    title, license = vocabulary_title(statements, [scheme], language)
    builder = TaxonomyBuilder(path)
    ids = label_ids((term for term in terms if term not in gone), iri, path)
    for term, label in ids.items():
        builder.describe(builder.add(label), name_of.get(term) or local_name(term), text_of.get(term, ""))
    for parent, child in edges:
        if parent in ids and child in ids:
            builder.add_edge(ids[parent], ids[child])
    graph = builder.build(title=title or stem(path), license=license)
    if gone:
        logger.warning("%s: deprecated %s left out: %d", path, what, len(gone))
    return graph
