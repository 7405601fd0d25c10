"""Progress of a training run: one bar over all steps, one line for each validation."""

import sys
import time
from typing import Any

from tqdm.auto import tqdm
from transformers import TrainerCallback


class TrainingProgress(TrainerCallback):
    """Shows a bar where somebody looks (a terminal) and a line of figures after each validation everywhere.

    Args:
        stage: Name of the stage of a training that has several.
    """

    def __init__(self, stage: str = "") -> None:
        self.stage = f"{stage}: " if stage else ""
        self._bar: Any = None
        self._start = 0.0
        self._loss = float("nan")

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the bar at the step training begins or goes on from."""
        if not state.is_world_process_zero:
            return
        self._start = time.perf_counter()
        self._bar = tqdm(
            total=state.max_steps, initial=state.global_step, unit="step", desc=f"{self.stage}train", disable=None
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(state.global_step - self._bar.n if not self._bar.disable else 0)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Remember the mean loss since the last line."""
        self._loss = (logs or {}).get("loss", self._loss)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **kwargs: Any
    ) -> None:
        """Print one line of figures."""
        if self._bar is None or metrics is None:
            return
        figures = "  ".join(
            f"{label} {metrics[key]:.4f}"
            for key, label in (
                ("eval_micro_f1", "micro-F1"),
                ("eval_macro_f1_supported", "macro-F1"),
                ("eval_r_precision", "R-Prec"),
                ("eval_loss", "loss"),
            )
            if key in metrics
        )
        seconds = time.perf_counter() - self._start
        line = f"epoch {state.epoch or 0:4.1f}/{args.num_train_epochs:g}  loss {self._loss:8.4f}  val {figures}"
        tqdm.write(f"{self.stage}{line}  {seconds:5.0f} s", file=sys.stderr)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class ObjectiveProgress(TrainerCallback):
    """Tells objectives that change over a training how far it is: those with a method `set_progress`."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Pass on the share of the steps that are done."""
        for objective in kwargs["model"].objectives.objectives:
            if hasattr(objective, "set_progress"):
                objective.set_progress(state.global_step / max(state.max_steps, 1))


class SaveEvery(TrainerCallback):
    """Asks for a checkpoint every so many steps, beside those at the end of an epoch.

    Args:
        steps: Steps between checkpoints.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ask at every multiple of `steps`."""
        # The checkpoint at the end of an epoch comes after its validation; one before it would lose that on a resume.
        if state.global_step % self.steps == 0 and state.epoch != int(state.epoch):
            control.should_save = True
