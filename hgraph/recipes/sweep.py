"""Many trainings of one recipe with other values; needs optuna, the extra `sweep`.

A sweep lives in a folder: `sweep.json` says what is tried, `study.log` holds optuna's trials, `trials/NNN` the recipe
and the figures of each, `best` the model of the best one, `trials.csv` a table of all. Only validation data decide.
"""

import csv
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hgraph.data import Corpus
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.hub import write_json
from hgraph.recipes.recipe import Recipe
from hgraph.recipes.run import train
from hgraph.recipes.run_folder import corpus_fingerprint
from hgraph.recipes.search_space import Parameter, Value, setting
from hgraph.recipes.sweep_study import Pruning, Study, TrialPruned, grid_of

logger = logging.getLogger(__name__)

BEST, TRIALS, RUNNING = "best", "trials", "running"
STUDY, SWEEP_FILE, TABLE = "study.log", "sweep.json", "trials.csv"
FIGURES = ("micro_f1", "macro_f1", "r_precision")


@dataclass(frozen=True)
class Trial:
    """One training of a sweep.

    Attributes:
        number: From 0.
        params: What was tried, by key.
        state: `complete`, `failed` or `pruned`.
        value: The metric on the validation documents, of complete trials.
        figures: Micro-F1, macro-F1 and R-Precision there.
        seconds: Wall-clock time.
        error: Why it did not complete.
    """

    number: int
    params: dict[str, Value]
    state: str
    value: float | None = None
    figures: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""


def sweep(
    recipe: Recipe,
    graph: LabelGraph,
    train_corpus: Corpus,
    val_corpus: Corpus,
    output: str | Path,
    space: dict[str, Parameter],
    *,
    trials: int | None = 20,
    grid: bool = False,
    prune: bool = False,
    resume: bool = False,
    report: Callable[[str], None] = logger.info,
) -> list[Trial]:
    """Train `recipe` with other values again and again, and keep the model with the best `training.metric`.

    Args:
        recipe: What the values change; its seed is that of every trial, and of the values.
        graph: The label hierarchy.
        train_corpus: Documents to learn from.
        val_corpus: Documents that decide.
        output: The folder of the sweep; new or empty, unless `resume`.
        space: What is tried, see :func:`hgraph.recipes.search_space.parse_space`.
        trials: How many trials there are in all, those before a resume included; None is all of a grid.
        grid: Whether all combinations are tried, instead of what the trials so far suggest.
        prune: Whether trials that fall behind the median of the others are stopped.
        resume: Go on with the sweep in `output`.
        report: Is given each line of progress.

    Returns:
        The trials in order; a trial that failed is one of them and ends nothing.

    Raises:
        ConfigError: `output` holds something else, or a sweep of other things.
    """
    folder = Path(output)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("`hgraph sweep` runs in one process. Start it without `torchrun`.")
    if grid:
        grid_of(space)  # an error of the user's comes before anything is written
    _open(folder, _signature(recipe, graph, train_corpus, val_corpus, space, grid), resume=resume)
    shutil.rmtree(folder / RUNNING, ignore_errors=True)
    study = Study(folder / STUDY, space, grid=grid, seed=recipe.training.seed, prune=prune)
    done = read_trials(folder)
    total = min(trials or math.inf, len(grid_of(space)) if grid else math.inf)
    while len(done) < total:
        asked = study.ask(len(done))
        params = dict(asked.params)
        report(f"Trial {len(done) + 1} of {total}: {shown(params)}")
        trial = _run(recipe, graph, train_corpus, val_corpus, folder, len(done), params, asked if prune else None)
        _keep(folder, trial, best=_is_best(trial, done))
        study.tell(asked, trial.state, trial.value)
        report(_outcome(trial, recipe.training.metric, best=_is_best(trial, done)))
        done.append(trial)
        _write_table(folder, done, recipe.training.metric)
    return done


def read_trials(folder: Path) -> list[Trial]:
    """The trials of a sweep that came to an end, in order."""
    files = sorted((folder / TRIALS).glob("*/trial.json"))
    return [Trial(**json.loads(file.read_text(encoding="utf-8"))) for file in files]


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The complete trial with the highest value, the first of equals; None where no trial is complete."""
    complete = [trial for trial in trials if trial.value is not None]
    return max(complete, key=lambda trial: (trial.value, -trial.number), default=None)


def shown(params: dict[str, Value]) -> str:
    """The values of a trial in one line."""
    return ", ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else setting(key, value) for key, value in params.items()
    )


def _run(
    recipe: Recipe,
    graph: LabelGraph,
    train_corpus: Corpus,
    val_corpus: Corpus,
    folder: Path,
    number: int,
    params: dict[str, Value],
    pruned_by: Any,
) -> Trial:
    """One training, in the folder `running`."""
    start, metric = time.perf_counter(), recipe.training.metric
    trial = Trial(number, params, "failed")
    try:
        tried = recipe.override([setting(key, value) for key, value in params.items()])
        callbacks = [Pruning(pruned_by, metric)] if pruned_by is not None else []
        run = train(tried, graph, train_corpus, val_corpus, folder / RUNNING, callbacks=callbacks)
        figures = {name: float(run.evaluation.report[name]) for name in FIGURES}
        value = metric_of(run.evaluation.report, metric)
        if not math.isfinite(value):
            raise ValueError(f"{metric} is {value}")
        trial = replace(trial, state="complete", value=value, figures=figures)
    except TrialPruned as error:
        trial = replace(trial, state="pruned", error=str(error))
    except Exception as error:  # a trial may run out of memory, or out of bounds: the others go on
        logger.debug("trial %d failed", number, exc_info=True)
        trial = replace(trial, error=" ".join(f"{type(error).__name__}: {error}".split())[:500])
    return replace(trial, seconds=round(time.perf_counter() - start, 1))


def metric_of(report: dict[str, Any], metric: str) -> float:
    """The figure of a report that `training.metric` names.

    Example:
        >>> metric_of({"micro_f1": 0.5, "macro_f1_supported": 0.3}, "mean_f1")
        0.4
    """
    if metric == "mean_f1":
        return float(report["micro_f1"] + report["macro_f1_supported"]) / 2
    return float(report[metric])


def _keep(folder: Path, trial: Trial, *, best: bool) -> None:
    """Keep recipe and figures of a trial, and its model where it is the best so far."""
    running, kept = folder / RUNNING, folder / TRIALS / f"{trial.number:03d}"
    kept.mkdir(parents=True, exist_ok=True)
    for name in ("recipe.yaml", "metrics.json"):
        if (running / name).exists():
            shutil.copy(running / name, kept / name)
    if best:
        shutil.rmtree(folder / BEST, ignore_errors=True)
        os.replace(running, folder / BEST)
    shutil.rmtree(running, ignore_errors=True)
    write_json(kept / "trial.json.new", asdict(trial))
    os.replace(kept / "trial.json.new", kept / "trial.json")


def _is_best(trial: Trial, before: Sequence[Trial]) -> bool:
    best = best_of(before)
    return trial.value is not None and (best is None or best.value is None or trial.value > best.value)


def _outcome(trial: Trial, metric: str, *, best: bool) -> str:
    if trial.state != "complete":
        return f"  {trial.state} after {trial.seconds:.0f} s: {trial.error}"
    figures = ", ".join(f"{name} {value:.4f}" for name, value in trial.figures.items())
    chosen = "" if metric in trial.figures else f", {metric} {trial.value:.4f}"
    return f"  {figures}{chosen} in {trial.seconds:.0f} s{'; the best so far' if best else ''}"


def _write_table(folder: Path, trials: Sequence[Trial], metric: str) -> None:
    """`trials.csv`, one row a trial."""
    keys = list(trials[0].params)
    temporary = folder / f".{TABLE}"
    with open(temporary, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["trial", "state", *keys, *FIGURES, f"value ({metric})", "seconds", "error"])
        for trial in trials:
            figures = [trial.figures.get(name, "") for name in FIGURES]
            value = "" if trial.value is None else trial.value
            params = [trial.params[key] for key in keys]
            writer.writerow([trial.number, trial.state, *params, *figures, value, trial.seconds, trial.error])
    os.replace(temporary, folder / TABLE)


def _signature(
    recipe: Recipe, graph: LabelGraph, train_corpus: Corpus, val_corpus: Corpus, space: dict[str, Parameter], grid: bool
) -> dict[str, Any]:
    signature = {
        "taxonomy": graph.fingerprint,
        "train": corpus_fingerprint(train_corpus),
        "val": corpus_fingerprint(val_corpus),
        "recipe": recipe.to_dict(),
        "space": {key: asdict(parameter) for key, parameter in space.items()},
        "grid": grid,
    }
    out: dict[str, Any] = json.loads(json.dumps(signature))
    return out


def _open(folder: Path, signature: dict[str, Any], *, resume: bool) -> None:
    """Make the folder, or check that the sweep in it is of the very same things.

    Raises:
        ConfigError: It is not.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"-o {folder}: expected a folder, found a file. Choose another name.")
    begun = folder.is_dir() and any(folder.iterdir())
    if begun and not resume:
        way = "or go on with --resume" if (folder / SWEEP_FILE).exists() else "or remove it"
        raise ConfigError(f"-o {folder}: the folder exists and is not empty. Choose another, {way}.")
    if begun:
        _check_signature(folder, signature)
        return
    try:
        (folder / TRIALS).mkdir(parents=True, exist_ok=True)
        write_json(folder / SWEEP_FILE, signature)
    except OSError as error:
        raise ConfigError(f"-o {folder}: cannot be written: {error.strerror or error}.") from None


def _check_signature(folder: Path, signature: dict[str, Any]) -> None:
    try:
        known = json.loads((folder / SWEEP_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = None
    if not isinstance(known, dict):
        raise ConfigError(f"--resume: {folder} holds no sweep. Choose another folder.")
    options = {
        "taxonomy": "--taxonomy",
        "train": "--train",
        "val": "--val",
        "recipe": "--recipe, --set, --ablate or --metric",
        "space": "--param",
        "grid": "--grid",
    }
    for key, option in options.items():
        if known.get(key) != signature[key]:
            raise ConfigError(
                f"--resume: {option} differs from what the sweep in {folder} was begun with. Give the same, or sweep "
                "into another folder."
            )
