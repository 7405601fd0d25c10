"""Plain dictionaries to dataclasses, strictly: an unknown key or a wrong type is an error that names the key."""

import contextlib
import difflib
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from hgraph.errors import ConfigError

T = TypeVar("T")


def from_mapping(cls: type[T], data: Any, where: str = "") -> T:
    """Build the dataclass `cls` from `data`.

    Args:
        cls: A dataclass; nested dataclasses, lists, optional values and literals are followed.
        data: What YAML gave.
        where: Dotted path of `data`, for messages.

    Raises:
        ConfigError: An unknown or missing key, or a value of the wrong type.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{_at(where)}expected keys and values, found {_shown(data)}.")
    hints, known = get_type_hints(cls), [field.name for field in fields(cls)]  # type: ignore[arg-type]
    for key in data:
        if key not in known:
            raise ConfigError(
                f"{_at(where)}unknown key '{key}'{suggestion(str(key), known)} Known: {', '.join(known)}."
            )
    values = {key: _convert(hints[key], value, f"{where}.{key}" if where else key) for key, value in data.items()}
    for field in fields(cls):  # type: ignore[arg-type]
        if field.default is MISSING and field.default_factory is MISSING and field.name not in values:
            raise ConfigError(f"{_at(where)}the key '{field.name}' is missing.")
    try:
        return cls(**values)
    except ConfigError as error:
        raise ConfigError(f"{_at(where)}{error}") from None


def suggestion(word: str, known: Sequence[str]) -> str:
    """End of a sentence: `; did you mean '...'?` for the nearest of `known`, or a full stop."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else "."


def _convert(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type `hint`, or an error."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        options = [option for option in arguments if option is not type(None)]
        return _convert(_select(options, value, where), value, where)
    if is_dataclass(hint):
        return from_mapping(hint, value, where)  # type: ignore[arg-type]
    if origin is Literal:
        if value not in arguments:
            choices = ", ".join(str(argument) for argument in arguments)
            raise ConfigError(f"{_at(where)}expected one of {choices}, found {_shown(value)}.")
        return value
    if origin is list:
        if not isinstance(value, list):
            raise ConfigError(f"{_at(where)}expected a list, found {_shown(value)}.")
        return [_convert(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value)]
    if origin is dict:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ConfigError(f"{_at(where)}expected keys and values, found {_shown(value)}.")
        return {key: _convert(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    return _scalar(hint, value, where)


def _select(options: Sequence[Any], value: Any, where: str) -> Any:
    """The option of a union that `value` is meant for: dataclasses are told apart by their `name`."""
    if len(options) == 1 or not all(is_dataclass(option) for option in options):
        return options[0]
    by_name = {get_args(get_type_hints(option)["name"])[0]: option for option in options}
    name = value.get("name") if isinstance(value, Mapping) else value
    if not isinstance(name, str) or name not in by_name:
        choices = ", ".join(sorted(by_name))
        hint = suggestion(str(name), list(by_name))
        raise ConfigError(f"{_at(where)}expected 'name' to be one of {choices}, found {_shown(name)}{hint}")
    return by_name[name]


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, str):
        # YAML 1.1 reads 1e-5 as a string: it wants a dot.
        with contextlib.suppress(ValueError):
            value = float(value)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not -1e300 < value < 1e300:  # NaN too
            raise ConfigError(f"{_at(where)}expected a finite number, found {_shown(value)}.")
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
        raise ConfigError(f"{_at(where)}expected {names.get(hint, hint.__name__)}, found {_shown(value)}.")
    return value


def _at(where: str) -> str:
    return f"{where}: " if where else ""


def _shown(value: Any) -> str:
    return "nothing" if value is None else f"'{value}'"
