"""One value in the nested keys of a recipe, by a dotted path; members of lists go by their names."""

from collections.abc import Mapping
from typing import Any

import yaml

from hgraph.errors import ConfigError
from hgraph.recipes.schema import suggestion

AXES = ("text_encoder", "label_encoder", "scorer", "view")
"""Keys that take a member's name for the member."""


def assign(data: dict[str, Any], path: list[str], value: str) -> None:
    """Put `value`, YAML, at `path` into the plain keys of a recipe.

    Another `name` of a member of an axis takes the member's options away: they are another one's.

    Example:
        >>> data = {"objectives": [{"name": "bce", "weight": 1.0}, {"name": "tla", "weight": 1.0}]}
        >>> assign(data, ["objectives", "tla", "weight"], "0.5")
        >>> data["objectives"][1]
        {'name': 'tla', 'weight': 0.5}

    Raises:
        ConfigError: There is no such section, or no member of that name.
    """
    place: Any = data
    for depth, part in enumerate(path[:-1]):
        place = _inner(data, place, path, depth, part)
    last, parsed = path[-1], _parsed(value)
    if isinstance(place, list):
        raise ConfigError(
            f"--set: '{'.'.join(path)}' is a member of a list: name one of its keys, as in "
            f"'{'.'.join(path)}.weight=0.5', or set the whole list '{'.'.join(path[:-1])}'."
        )
    if (last in AXES or path == ["model"]) and isinstance(parsed, str):
        parsed = {"name": parsed}
    if last == "name" and len(path) > 1 and place.get("name") != parsed and "objectives" not in place:
        place.clear()
    place[last] = parsed


def _parsed(value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except (yaml.YAMLError, ValueError):  # ValueError: a date that is none
        return value


def _inner(data: dict[str, Any], place: Any, path: list[str], depth: int, part: str) -> Any:
    """What `part` of the path leads to."""
    if isinstance(place, list):
        return _member(place, path, depth, part)
    if part in place and place[part] is None:
        place[part] = {}
    inner = place.get(part)
    if isinstance(inner, dict) or _has_names(inner):
        return inner
    known = [key for key, item in data.items() if isinstance(item, dict | None) or _has_names(item)]
    hint = suggestion(part, known)
    raise ConfigError(f"--set: there is no key '{'.'.join(path)}'{hint} Sections: {', '.join(known)}.")


def _has_names(item: Any) -> bool:
    return isinstance(item, list) and all(isinstance(member, Mapping) and "name" in member for member in item)


def _member(place: list[dict[str, Any]], path: list[str], depth: int, part: str) -> dict[str, Any]:
    """The member of a list that is called `part`."""
    where, names = ".".join(path[:depth]), [member["name"] for member in place]
    if part not in names:
        hint = suggestion(part, names)
        raise ConfigError(f"--set: '{where}' has no '{part}'{hint} It has: {', '.join(names) or 'none'}.")
    if names.count(part) > 1:
        raise ConfigError(f"--set: '{where}' has '{part}' {names.count(part)} times. Set the whole list.")
    return place[names.index(part)]
