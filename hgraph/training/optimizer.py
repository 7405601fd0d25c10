"""One optimiser for models whose parts want different ones: AdamW for dense weights, SGD for sparse lexical weights."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from hgraph.scoring import LexicalScorer


class ChainedOptimizer(Optimizer):
    """Several optimisers that step together; a scheduler sees all their groups.

    Args:
        optimizers: At least one; no parameter in two of them.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self.optimizers = list(optimizers)
        self.defaults: dict[str, Any] = {}
        # The very group objects of the parts: what a scheduler writes, the parts read.
        self.param_groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        self._step_supports_amp_scaling = False

    @property
    def state(self) -> dict[Any, Any]:  # type: ignore[override]
        """State of all parts by parameter."""
        return {key: value for optimizer in self.optimizers for key, value in optimizer.state.items()}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Step every part."""
        loss = closure() if closure is not None else None
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """States of the parts, in order."""
        return {"optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        for optimizer, state in zip(self.optimizers, state_dict["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.param_groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]


def build_optimizer(
    model: nn.Module,
    *,
    learning_rate: float,
    head_learning_rate: float,
    lexical_learning_rate: float,
    weight_decay: float = 0.0,
) -> Optimizer:
    """AdamW for the text encoder and the rest, plain SGD for the weights of lexical scorers.

    Args:
        model: An alignment model.
        learning_rate: Of the text encoder.
        head_learning_rate: Of everything else dense: label encoder, scorer, biases.
        lexical_learning_rate: Of lexical weights. Features have unit length and the gradient is a mean over the batch,
            so steps of the order of the batch size are right.
        weight_decay: On matrices of the dense parts; never on biases and norms.
    """
    weights = [module.weight for module in model.modules() if isinstance(module, LexicalScorer)]
    lexical = {id(weight): weight for weight in weights if weight.requires_grad}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and id(parameter) not in lexical:
            key = (name.startswith("text_encoder."), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
    optimizers: list[Optimizer] = []
    if groups:
        optimizers.append(
            AdamW(
                [
                    {
                        "params": parameters,
                        "lr": learning_rate if is_encoder else head_learning_rate,
                        "weight_decay": weight_decay if decays else 0.0,
                    }
                    for (is_encoder, decays), parameters in groups.items()
                ],
                lr=learning_rate,
                fused=True,
            )
        )
    if lexical:
        optimizers.append(SGD(list(lexical.values()), lr=lexical_learning_rate))
    return optimizers[0] if len(optimizers) == 1 else ChainedOptimizer(optimizers)
