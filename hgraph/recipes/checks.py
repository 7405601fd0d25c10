"""Bounds of the options of a recipe."""

from typing import Any

from hgraph.errors import ConfigError


def at_least(config: Any, least: int, *names: str) -> None:
    """Raise an error where an option is below `least`; None counts as zero."""
    for name in names:
        if (getattr(config, name) or 0) < least:
            bound = "not be negative" if least == 0 else f"be at least {least}"
            raise ConfigError(f"'{name}' must {bound}, found {getattr(config, name)}.")


def check_share(config: Any, *names: str) -> None:
    """Raise an error where an option is no share from 0 to below 1; None is let through."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not 0 <= value < 1:
            raise ConfigError(f"'{name}' must be a share from 0 to below 1, found {value}.")
