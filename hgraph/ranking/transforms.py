"""How the margin of a node becomes its value, and how that goes together with its parent's value.

A transform is named: `l{p}_hinge` is `exp(-max(0, 1 - v)^p)` and `sigmoid` is `1 / (1 + exp(-v))`, both multiplied with
the parent's value; `log_l{p}_hinge` and `log_sigmoid` are their logarithms, added to it; `noop` is the margin alone.
(Yu et al. 2022, PECOS, https://arxiv.org/abs/2010.05878, section 3.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hgraph.errors import ConfigError

HINGE, SIGMOID, NOOP = 0, 1, 2
CHOICES = "'l{p}_hinge', 'log_l{p}_hinge', 'sigmoid', 'log_sigmoid' or 'noop'"


@dataclass(frozen=True)
class Transform:
    """One level's transform: its kind, its power, and whether it is a logarithm.

    Example:
        >>> Transform.named("log_l2_hinge")
        Transform(kind=0, power=2, log=True)
    """

    kind: int
    power: int
    log: bool

    @classmethod
    def named(cls, name: str) -> Transform:
        """The transform of a name.

        Raises:
            ConfigError: there is none of that name.
        """
        found = re.fullmatch(r"(log_)?(?:l([1-9])_hinge|(sigmoid))|(noop)", name) if isinstance(name, str) else None
        if found is None:
            raise ConfigError(f"'transform' must be {CHOICES} with p from 1 to 9, found {name!r}.")
        log, power, sigmoid, noop = found.groups()
        kind = NOOP if noop else SIGMOID if sigmoid else HINGE
        return cls(kind, int(power or 1), log is not None)


def transforms(names: str | Sequence[str], num_levels: int) -> list[Transform]:
    """One transform a level, from one name or a name for each.

    Raises:
        ConfigError: a name is unknown, their number is wrong, or products and sums are mixed.

    Example:
        >>> [transform.kind for transform in transforms(["l3_hinge", "noop"], 2)]
        [0, 2]
    """
    chosen = [Transform.named(name) for name in per_level(names, num_levels, "transform")]
    if len({transform.log for transform in chosen if transform.kind != NOOP}) > 1:
        raise ConfigError(f"'transform' must not mix log_ transforms with others, found {list(names)}.")
    return chosen


def probabilities(values: np.ndarray, last: Transform) -> np.ndarray:
    """Values of the last level in [0, 1]: as they are, `exp` of logarithms, and of margins their `l3_hinge`."""
    if last.kind == NOOP:
        return np.exp(-(np.maximum(0, 1 - values) ** 3))
    return np.exp(values) if last.log else values


def per_level(value: Any, num_levels: int, name: str) -> list[Any]:
    """A value for each level, from one value or a list of them."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return [value] * num_levels
    if len(value) != num_levels:
        raise ConfigError(f"'{name}' must be one value or one for each of {num_levels} levels, found {len(value)}.")
    return list(value)
