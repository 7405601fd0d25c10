"""Low-rank updates (LoRA) of a transformer's linear maps, through the package `peft`."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from hgraph.errors import ConfigError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoRAOptions:
    r"""Train low-rank updates instead of the weights: :math:`W x + \tfrac{\alpha}{r} B A x`.

    Hu et al. (ICLR 2022, https://arxiv.org/abs/2106.09685).

    Attributes:
        rank: Rank r of an update.
        alpha: Scale of the updates.
        dropout: On what goes into an update.
        targets: Ends of the names of the linear maps to update, or `"all-linear"` for all of them.
    """

    rank: int = 8
    alpha: int = 16
    dropout: float = 0.05
    targets: str | Sequence[str] = "all-linear"

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(f"'rank' must be at least 1, but got {self.rank}.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"'dropout' must be at least 0 and below 1, but got {self.dropout}.")


def add_lora(model: nn.Module, options: LoRAOptions) -> None:
    """Put updates that start at zero into `model` in place; only they take gradient.

    Raises:
        ConfigError: `peft` is not installed, or no linear map has one of the names.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise ConfigError("'lora' needs the package peft: pip install 'hgraph-text[lora]'.") from None
    targets = options.targets if isinstance(options.targets, str) else list(options.targets)
    config = LoraConfig(
        r=options.rank, lora_alpha=options.alpha, lora_dropout=options.dropout, target_modules=targets
    )  # fmt: skip
    try:
        inject_adapter_in_model(config, model)
    except ValueError as error:
        names = sorted({name.rpartition(".")[2] for name, part in model.named_modules() if isinstance(part, nn.Linear)})
        raise ConfigError(
            f"'targets' must name linear maps of the model ({', '.join(names)}), but got {options.targets!r}: "
            f"{str(error).splitlines()[0]}"
        ) from None


def merge_lora(model: nn.Module) -> None:
    """Add the updates to the weights in place and take them out; `model` is then as if it had been trained whole."""
    layers = {name: layer for name, layer in model.named_modules() if hasattr(layer, "lora_A")}
    for name, layer in layers.items():
        layer.merge()
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, layer.get_base_layer())
    if layers:
        logger.info("merged the low-rank updates of %d linear maps into their weights", len(layers))
