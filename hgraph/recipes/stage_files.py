"""A stage of a training on disk: its checkpoints, and what it leaves for a resume when it is done."""

import logging
import os
import shutil
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hgraph.models import AlignmentModel
from hgraph.recipes.run_folder import not_written
from hgraph.training import HierarchicalTrainer

logger = logging.getLogger(__name__)


def train_stage(trainer: HierarchicalTrainer, folder: Path, checkpoint: Path | None) -> None:
    """Train, or go on from a checkpoint."""
    if checkpoint is not None:
        logger.info("going on from %s", checkpoint)
        trainer.go_on_from(checkpoint)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except (OSError, SafetensorError) as error:
        raise not_written(folder, error) from None
    except RuntimeError as error:
        # torch.save wraps what the system says.
        if "PytorchStreamWriter" not in str(error) and "unexpected pos" not in str(error):
            raise
        raise not_written(folder, error) from None


def save_stage(model: AlignmentModel, path: Path, steps: int) -> None:
    """Keep the weights that a finished stage ended with, for a resume; its checkpoints are no longer needed."""
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    temporary = path.with_suffix(".new")
    try:
        save_file(state, temporary, metadata={"steps": str(steps)})
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise not_written(path.parent.parent, error) from None
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)


def load_stage(model: AlignmentModel, path: Path) -> int:
    """Weights of a finished stage; returns how many steps it took."""
    with safe_open(path, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
        steps = int(file.metadata()["steps"])
    model.load_state_dict(state, strict=False)
    return steps
