"""The part of a sweep that optuna plays: which values come next."""

import importlib
import warnings
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hgraph.errors import ConfigError
from hgraph.recipes.search_space import Choices, Parameter, Value

OPTUNA_HINT = 'pip install "hgraph-text[sweep]"'
WAITED = 3
"""Complete trials before one is stopped for being worse than their median."""


class TrialPruned(Exception):
    """A trial is worse than the others were by then."""


class Study:
    """The trials of a sweep in a journal file, and the values of the next one.

    Values are drawn by optuna's tree-structured Parzen estimator, seeded anew for each trial by its number, so that a
    sweep that goes on draws what it would have drawn; or taken from a grid.

    Args:
        path: The journal file; made if missing.
        space: Parameters by key.
        grid: Whether all combinations are tried, in order.
        seed: Of the values.
        prune: Whether trials that fall behind are stopped.

    Raises:
        ConfigError: optuna is not installed, or a grid is asked for of a range without steps.
    """

    def __init__(self, path: Path, space: dict[str, Parameter], *, grid: bool, seed: int, prune: bool) -> None:
        self.optuna, self.space, self.seed = require_optuna(), space, seed
        combinations = grid_of(space) if grid else []
        self.optuna.logging.set_verbosity(self.optuna.logging.ERROR)
        journal = importlib.import_module("optuna.storages.journal")
        pruner = self.optuna.pruners.MedianPruner(n_startup_trials=WAITED)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what optuna calls experimental
            self.study = self.optuna.create_study(
                storage=self.optuna.storages.JournalStorage(journal.JournalFileBackend(str(path))),
                study_name="sweep",
                direction="maximize",
                pruner=pruner if prune else self.optuna.pruners.NopPruner(),
                load_if_exists=True,
            )
        self.distributions = {key: self._distribution(parameter) for key, parameter in space.items()}
        state = self.optuna.trial.TrialState
        cut = [trial for trial in self.study.trials if trial.state == state.RUNNING]
        if not self.study.trials:
            for combination in combinations:
                self.study.enqueue_trial(combination)
        for trial in cut:  # a run that was cut short comes again
            self.study.tell(trial.number, state=state.FAIL)
            self.study.enqueue_trial(trial.params)

    def ask(self, number: int) -> Any:
        """The next trial; `params` are its values."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.study.sampler = self.optuna.samplers.TPESampler(seed=(self.seed + number) % 2**32)
            return self.study.ask(self.distributions)

    def tell(self, trial: Any, state: str, value: float | None) -> None:
        """How the trial went: `complete`, `failed` or `pruned`."""
        states = self.optuna.trial.TrialState
        named = {"complete": states.COMPLETE, "failed": states.FAIL, "pruned": states.PRUNED}
        self.study.tell(trial, value if state == "complete" else None, state=named[state])

    def _distribution(self, parameter: Parameter) -> Any:
        kinds = self.optuna.distributions
        if isinstance(parameter, Choices):
            return kinds.CategoricalDistribution(parameter.values)
        low, high, step = parameter.low, parameter.high, parameter.step
        points = parameter.points()
        if points is not None:
            high = points[-1]  # the last value that steps reach
        if parameter.whole:
            return kinds.IntDistribution(int(low), int(high), log=parameter.log, step=int(step or 1))
        return kinds.FloatDistribution(low, high, log=parameter.log, step=step)


class Pruning(TrainerCallback):
    """Stops a trial after a validation at which it is worse than the median of the trials before it.

    Args:
        trial: Optuna's trial.
        metric: What is compared.
    """

    def __init__(self, trial: Any, metric: str) -> None:
        self.trial, self.metric, self.validations = trial, f"eval_{metric}", 0

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Report the metric, and stop the trial if it fell behind."""
        metrics = kwargs.get("metrics") or {}
        if self.metric in metrics:
            self.trial.report(metrics[self.metric], step=self.validations)
            self.validations += 1
            if self.trial.should_prune():
                raise TrialPruned(f"worse than the median after {self.validations} validations")


def grid_of(space: dict[str, Parameter]) -> list[dict[str, Value]]:
    """All combinations, the last key changing fastest.

    Example:
        >>> grid_of({"a": Choices((1, 2)), "b": Choices((True, False))})[1]
        {'a': 1, 'b': False}

    Raises:
        ConfigError: A range has no steps.
    """
    points = {}
    for key, parameter in space.items():
        values = parameter.points()
        if values is None:
            raise ConfigError(
                f"--grid: '{key}' is a range without steps. Give {key}=LOW:HIGH:STEP, or its values: {key}=A,B,C."
            )
        points[key] = values
    return [dict(zip(points, values, strict=True)) for values in product(*points.values())]


def require_optuna() -> ModuleType:
    """The optuna module.

    Raises:
        ConfigError: It is not installed; the message names the extra that brings it.
    """
    try:
        return importlib.import_module("optuna")
    except ImportError:
        raise ConfigError(f"`hgraph sweep` needs optuna, which is not installed: {OPTUNA_HINT}.") from None
