"""Attention heads and the width they share."""

from hgraph.errors import ConfigError


def check_heads(key: str, heads: int, channels: int) -> None:
    """Refuse a number of attention heads that the text encoder's width cannot be cut into."""
    if channels % heads:
        fitting = max(number for number in range(1, heads) if channels % number == 0)
        raise ConfigError(
            f"'{key}' must divide the width of the text encoder, {channels}, but got {heads}. Add --set "
            f"{key}={fitting}."
        )
