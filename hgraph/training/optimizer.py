"""One optimiser for models whose parts want different ones: AdamW for dense weights, SGD for sparse lexical weights."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from hgraph.scoring import LexicalScorer
from hgraph.text import BagTextEncoder
from hgraph.training.row_adam import RowAdam

HeadOptimizer = Literal["adamw", "sgd"]


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
    head_optimizer: HeadOptimizer = "adamw",
) -> Optimizer:
    """AdamW for the text encoder and the rest, plain SGD for the weights of lexical scorers.

    Tables whose gradients are sparse (`nn.Embedding(sparse=True)`, and what the model names in `sparse_tables`) take
    Adam by rows (:class:`hgraph.training.row_adam.RowAdam`), which moves the rows of a batch; it knows no weight decay.

    Args:
        model: An alignment model.
        learning_rate: Of the text encoder; where that holds a pre-trained transformer, of the transformer alone.
        head_learning_rate: Of everything else dense: what a text encoder has beside its transformer, label encoder,
            scorer, biases.
        lexical_learning_rate: Of lexical weights; their biases, which every document has, take a tenth of it.
        weight_decay: On matrices of the dense parts; never on biases and norms.
        head_optimizer: `"sgd"` trains what is neither text encoder nor lexical by plain SGD too, biases at a tenth of
            the rate. It suits a linear scorer on frozen vectors beside a lexical one: both are then one linear model.
    """
    scorers = [module for module in model.modules() if isinstance(module, LexicalScorer)]
    lexical = {id(scorer.weight): scorer.weight for scorer in scorers if scorer.weight.requires_grad}
    biases = {id(scorer.bias): scorer.bias for scorer in scorers if scorer.bias.requires_grad}
    rates: dict[int, float] = {}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    slow = _encoder_parameters(model)
    tables = _sparse_tables(model)
    for parameter in model.parameters():
        if parameter.requires_grad and not any(id(parameter) in others for others in (lexical, biases, tables)):
            groups.setdefault((id(parameter) in slow, parameter.ndim > 1), []).append(parameter)
    optimizers: list[Optimizer] = []
    if head_optimizer == "sgd":
        for is_matrix in (True, False):
            for parameter in groups.pop((False, is_matrix), []):
                (lexical if is_matrix else biases)[id(parameter)] = parameter
                rates[id(parameter)] = head_learning_rate
        for key in [key for key in tables if key not in slow]:
            lexical[key] = tables.pop(key)
            rates[key] = head_learning_rate
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
    if tables:
        options = [
            {"params": [table], "lr": learning_rate if key in slow else head_learning_rate}
            for key, table in tables.items()
        ]
        optimizers.append(RowAdam(options, lr=learning_rate))
    sparse = [
        {"params": [parameter], "lr": share * rates.get(key, lexical_learning_rate)}
        for parameters, share in ((lexical, 1.0), (biases, 0.1))
        for key, parameter in parameters.items()
    ]
    if sparse:
        optimizers.append(SGD(sparse, lr=lexical_learning_rate))
    return optimizers[0] if len(optimizers) == 1 else ChainedOptimizer(optimizers)


def _encoder_parameters(model: nn.Module) -> set[int]:
    """Ids of the weights that take the rate of the text encoder."""
    from transformers import PreTrainedModel

    encoder = getattr(model, "text_encoder", None)
    if encoder is None:
        return set()
    pretrained = [module for module in encoder.modules() if isinstance(module, PreTrainedModel)]
    return {id(parameter) for module in pretrained or [encoder] for parameter in module.parameters()}


def _sparse_tables(model: nn.Module) -> dict[int, nn.Parameter]:
    """Trained tables whose gradients are sparse, by id."""
    kinds = (nn.Embedding, nn.EmbeddingBag)
    tables: list[Any] = []
    for module in model.modules():
        if isinstance(module, kinds) and module.sparse:
            tables.append(module.weight)
        if isinstance(module, BagTextEncoder) and module.sparse and module.log_scale is not None:
            tables.append(module.log_scale)
    tables.extend(model.get_parameter(name) for name in getattr(model, "sparse_tables", ()))
    return {id(table): table for table in tables if table.requires_grad}
