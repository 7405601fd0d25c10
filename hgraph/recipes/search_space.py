"""What a sweep tries: `KEY=LOW:HIGH`, `KEY=LOW:HIGH:log`, `KEY=LOW:HIGH:STEP` or `KEY=A,B,C`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import yaml

from hgraph.errors import ConfigError
from hgraph.recipes.recipe import Recipe

WAYS = "KEY=LOW:HIGH, KEY=LOW:HIGH:log, KEY=LOW:HIGH:STEP or KEY=A,B,C"
Value = float | int | str | bool | None


@dataclass(frozen=True)
class Choices:
    """One of several values."""

    values: tuple[Value, ...]

    def ends(self) -> Sequence[Value]:
        """Values that must be allowed: all."""
        return self.values

    def points(self) -> Sequence[Value] | None:
        """What a grid tries."""
        return self.values


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included; whole ones where `whole`."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    def ends(self) -> Sequence[Value]:
        """Values that must be allowed: both ends."""
        return [self.number(self.low), self.number(self.high)]

    def points(self) -> Sequence[float] | None:
        """What a grid tries; None where the range has no steps."""
        if self.step is None:
            return None
        count = int((self.high - self.low) / self.step + 1e-9)
        # Rounded to what the step can tell apart: 0.1 + 0.2 is 0.3.
        digits = max(0, 12 - math.ceil(math.log10(max(abs(self.low), abs(self.high), self.step))))
        return [self.number(round(self.low + place * self.step, digits)) for place in range(count + 1)]

    def number(self, value: float) -> float:
        """The value as a recipe takes it."""
        return int(value) if self.whole else float(value)


Parameter = Choices | Range


def parse_space(params: Sequence[str], recipe: Recipe) -> dict[str, Parameter]:
    """The parameters of a sweep by key; each value is tried on `recipe`, so that no trial fails for a wrong one.

    Example:
        >>> space = parse_space(["learning_rate=1e-5:1e-3:log", "objectives.tla.weight=0,0.5"], Recipe.load("htla"))
        >>> space["learning_rate"]
        Range(low=1e-05, high=0.001, log=True, step=None, whole=False)
        >>> space["objectives.tla.weight"]
        Choices(values=(0, 0.5))

    Raises:
        ConfigError: A parameter is malformed, its key is not in the recipe, or a value is out of its bounds.
    """
    if not params:
        raise ConfigError(f"--param: expected at least one, {WAYS}, found none.")
    space: dict[str, Parameter] = {}
    for param in params:
        key, equals, text = param.partition("=")
        if not equals or not key or not text:
            raise ConfigError(f"--param: expected {WAYS}, found '{param}'.")
        if key in space:
            raise ConfigError(f"--param: '{key}' is given twice. Give all its values at once.")
        parameter = _parameter(param, text)
        if isinstance(parameter, Range) and parameter.whole and _takes_reals(recipe, key, parameter.low):
            parameter = replace(parameter, whole=False)  # 0:2 of a weight is a range of real numbers
        space[key] = parameter
        for value in space[key].ends():
            _try(recipe, key, value)
    return space


def setting(key: str, value: Value) -> str:
    """`key=value` as :meth:`Recipe.override` takes it.

    Example:
        >>> setting("fuse", True), setting("learning_rate", 1e-05), setting("mining", None)
        ('fuse=true', 'learning_rate=1e-05', 'mining=null')
    """
    if value is None or isinstance(value, bool):
        return f"{key}={'null' if value is None else str(value).lower()}"
    return f"{key}={value}"


def _parameter(param: str, text: str) -> Parameter:
    parts = text.split(":")
    if len(parts) == 1:
        values = tuple(_value(part, param) for part in text.split(","))
        if len(values) < 2 or len(set(values)) < len(values):
            raise ConfigError(
                f"--param: expected at least two different values, {WAYS}, found '{param}'. Use --set for one value."
            )
        return Choices(values)
    numbers = [_number(part) for part in parts[:2]]
    low, high, way = numbers[0], numbers[-1], parts[2] if len(parts) == 3 else ""
    log, step = way == "log", _number(way)
    if len(parts) > 3 or low is None or high is None or (way and not log and step is None):
        raise ConfigError(f"--param: expected {WAYS}, found '{param}'.")
    if low >= high or (log and low <= 0) or (step is not None and not 0 < step <= high - low):
        raise ConfigError(f"--param: expected LOW below HIGH, above 0 for log, and a STEP between, found '{param}'.")
    whole = all(_is_whole(part) for part in parts[:2] if part) and (step is None or _is_whole(way))
    return Range(low, high, log, step, whole)


def _value(text: str, param: str) -> Value:
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        value = text
    number = _number(text)
    if isinstance(value, str) and number is not None:
        return number  # YAML 1.1 reads 1e-5 as a text
    if text.strip() and isinstance(value, str | int | float | None):
        return value
    raise ConfigError(f"--param: expected plain values between commas, found '{param}'.")


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_whole(text: str) -> bool:
    return text.strip().lstrip("+-").isdigit()


def _try(recipe: Recipe, key: str, value: Value) -> None:
    try:
        recipe.override([setting(key, value)])
    except ConfigError as error:
        message = str(error).removeprefix("--set: ")
        raise ConfigError(f"--param {key}: {message}") from None


def _takes_reals(recipe: Recipe, key: str, low: float) -> bool:
    try:
        recipe.override([f"{key}={low + 0.5}"])
    except ConfigError:
        return False
    return True
