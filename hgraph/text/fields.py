"""Texts of several fields: reading one field, and joining all of them."""

from collections.abc import Mapping, Sequence

from hgraph.data.documents import FIELD_SEPARATOR
from hgraph.errors import DataError
from hgraph.text.states import Text


def plain_text(text: Text) -> str:
    """One string, the fields joined a line each.

    Example:
        >>> plain_text({"title": "Trees", "note": "", "abstract": "On growth."})
        'Trees\\nOn growth.'
        >>> plain_text("Trees")
        'Trees'
    """
    return text if isinstance(text, str) else FIELD_SEPARATOR.join(value for value in text.values() if value)


def plain_texts(texts: Sequence[Text]) -> list[str]:
    """:func:`plain_text` of each text.

    Raises:
        DataError: See :func:`check_texts`.
    """
    check_texts(texts)
    return [plain_text(text) for text in texts]


def check_texts(texts: Sequence[Text]) -> None:
    """Refuse what is not a list of texts.

    Raises:
        DataError: `texts` is one string, or an item is neither a string nor a mapping.
    """
    if isinstance(texts, str):
        raise DataError("'texts' must be a list of texts, but got one string. Put it in a list.")
    for position, text in enumerate(texts):
        if not isinstance(text, str | Mapping):
            raise DataError(
                f"'texts' item {position} must be a string or a mapping of strings, but got {type(text).__name__}."
            )


def field_values(text: Text, fields: Sequence[str], where: str = "text") -> list[str]:
    """The value of each of `fields`, "" where the text has none; a plain string counts as the first field.

    Raises:
        DataError: The text has fields, but none of those asked for.
    """
    if not isinstance(text, str) and list(text) == [""]:  # a plain string in the layout of a corpus
        text = text[""]
    if isinstance(text, str):
        return [text, *[""] * (len(fields) - 1)]
    if not any(name in text for name in fields):
        raise DataError(
            f"{where} must have one of the fields {', '.join(map(repr, fields))}, but got "
            f"{', '.join(map(repr, text)) or 'none'}. Name the encoder's fields as the documents do."
        )
    return [text.get(name) or "" for name in fields]
