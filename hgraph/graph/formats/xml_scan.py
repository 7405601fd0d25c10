"""A first look at XML files: entities, external parts and deep nesting are refused before anything else parses them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from xml.parsers import expat

from hgraph.errors import TaxonomyError
from hgraph.graph.files import CHUNK, MAX_BYTES, ByteSource, PathLike, check_start, empty_error

MAX_XML_DEPTH = 200
ENCODING_PROBLEMS = (
    expat.errors.XML_ERROR_INVALID_TOKEN,
    expat.errors.XML_ERROR_PARTIAL_CHAR,
    expat.errors.XML_ERROR_UNKNOWN_ENCODING,
)

Start = Callable[[str, Mapping[str, str], int], None]


def scan_xml(path: PathLike, start: Start | None = None) -> None:
    """Go through a file once, in constant memory.

    Args:
        path: the file, gzipped or not.
        start: called with the name, the attributes and the line of every element.

    Raises:
        TaxonomyError: malformed XML, an entity declaration, an external DTD, elements nested more than `MAX_XML_DEPTH`
            deep, more than `MAX_BYTES`; each with its line.
    """
    parser = expat.ParserCreate()
    depth = 0

    def fail(problem: str) -> TaxonomyError:
        return TaxonomyError(f"{path}:{parser.CurrentLineNumber}: {problem}")

    def doctype(name: str, system: str | None, public: str | None, internal: bool) -> None:
        if system or public:
            raise fail("the DOCTYPE names an external DTD, which is never fetched. Remove the DOCTYPE.")

    def entity(name: str, *details: object) -> None:
        raise fail(
            f"the DOCTYPE declares the entity {name!r}, and entities are not expanded. "
            "Save the file as Turtle, or write the text out and remove the DOCTYPE."
        )

    def open_element(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_XML_DEPTH:
            raise fail(f"elements nested more than {MAX_XML_DEPTH} deep.")
        if start is not None:
            start(name, attributes, parser.CurrentLineNumber)

    def close_element(name: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler = doctype
    parser.EntityDeclHandler = entity
    parser.StartElementHandler = open_element
    parser.EndElementHandler = close_element
    blank = True
    with ByteSource(path, limit=MAX_BYTES) as source:
        try:
            while data := source.read(CHUNK):
                blank = blank and not data.strip()
                source.line = parser.CurrentLineNumber
                if source.count == len(data):
                    check_start(data, path)
                parser.Parse(data, False)
            if blank:
                raise empty_error(path)
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            problem = expat.errors.messages[error.code]
            hint = " If the file is not UTF-8, save it as UTF-8." if problem in ENCODING_PROBLEMS else ""
            raise TaxonomyError(
                f"{path}:{error.lineno}: malformed XML at column {error.offset + 1}: {problem}.{hint}"
            ) from None
        except (ValueError, LookupError) as error:  # an encoding that Python does not know, or not as one of bytes
            raise TaxonomyError(f"{path}:{parser.CurrentLineNumber}: {error}. Save the file as UTF-8.") from None
