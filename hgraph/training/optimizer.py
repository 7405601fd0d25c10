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
        lexical_learning_rate: Of lexical weights; their biases, which every document has, take a tenth of it.
        weight_decay: On matrices of the dense parts; never on biases and norms.
    """
    scorers = [module for module in model.modules() if isinstance(module, LexicalScorer)]
    lexical = {id(scorer.weight): scorer.weight for scorer in scorers if scorer.weight.requires_grad}
    biases = {id(scorer.bias): scorer.bias for scorer in scorers if scorer.bias.requires_grad}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and id(parameter) not in lexical and id(parameter) not in biases:
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
    sparse = [
        {"params": list(parameters.values()), "lr": rate}
        for parameters, rate in ((lexical, lexical_learning_rate), (biases, 0.1 * lexical_learning_rate))
        if parameters
    ]
    if sparse:
        optimizers.append(SGD(sparse, lr=lexical_learning_rate))
    return optimizers[0] if len(optimizers) == 1 else ChainedOptimizer(optimizers)
