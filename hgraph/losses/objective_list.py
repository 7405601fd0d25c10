"""A weighted sum of objectives."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.losses.objective import INPUTS, inputs_of


class ObjectiveList(nn.Module):
    r"""Any number of objectives, added up with weights.

    .. math:: \ell = \sum_k \lambda_k \ell_k

    Args:
        objectives: objectives, each alone (weight 1) or as a pair ``(weight, objective)``.

    Shapes:
        - as :data:`hgraph.losses.objective.INPUTS`; what is None counts as not given
        - output: the total (scalar), and the value of each objective by name, without its weight and without gradient;
          the second objective of one name is reported with ``_2`` after it

    Example:
        >>> import torch
        >>> from hgraph.losses import BCELoss, ZLPRLoss
        >>> objectives = ObjectiveList([BCELoss(), (0.5, ZLPRLoss())])
        >>> objectives(scores=torch.zeros(1, 2), labels=torch.ones(1, 2))
        (tensor(1.2425), {'bce': tensor(0.6931), 'zlpr': tensor(1.0986)})
    """

    def __init__(self, objectives: Sequence[nn.Module | tuple[float, nn.Module]]) -> None:
        super().__init__()
        if not objectives:
            raise ConfigError("'objectives' must hold at least one objective, for example [BCELoss()], but is empty.")
        weights: list[float] = []
        names: list[str] = []
        modules: list[nn.Module] = []
        for entry in objectives:
            weight, objective = entry if isinstance(entry, tuple) else (1.0, entry)
            if not isinstance(objective, nn.Module):
                raise ConfigError(f"'objectives' must hold modules or (weight, module) pairs, but got {entry!r}.")
            if not math.isfinite(weight):
                raise ConfigError(f"The weight of an objective must be a finite number, but got {weight}.")
            weights.append(float(weight))
            names.append(_free_name(str(getattr(objective, "name", type(objective).__name__)), names))
            modules.append(objective)
        self.weights = weights
        self.names = names
        self.objectives = nn.ModuleList(modules)
        self.reads = [inputs_of(module) for module in modules]

    def forward(self, **inputs: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted total, and the value of each objective by name."""
        given = {name: value for name, value in inputs.items() if value is not None}
        values = []
        for objective, (reads, required) in zip(self.objectives, self.reads, strict=True):
            missing = sorted(required - given.keys())
            if missing:
                raise ConfigError(
                    f"{type(objective).__name__} needs '{missing[0]}' ({INPUTS.get(missing[0], 'not known')}), which "
                    "the model does not give."
                )
            if "columns" in given and not getattr(objective, "on_shortlist", False):
                raise ConfigError(off_shortlist(objective))
            # What reads no pairs of documents and labels has none to leave out.
            if "mask" in given and "mask" not in reads and reads & {"scores", "labels"}:
                raise ConfigError(f"{type(objective).__name__} cannot leave pairs out: it takes no 'mask'.")
            values.append(objective(**{name: value for name, value in given.items() if name in reads}))
        total = values[0] * self.weights[0]
        for weight, value in zip(self.weights[1:], values[1:], strict=True):
            total = total + weight * value
        return total, {name: value.detach() for name, value in zip(self.names, values, strict=True)}

    def check_shortlist(self) -> None:
        """Raise an error where some objective cannot judge a shortlist of labels in place of all."""
        for objective in self.objectives:
            if not getattr(objective, "on_shortlist", False):
                raise ConfigError(off_shortlist(objective))

    @property
    def needs(self) -> frozenset[str]:
        """Names of the inputs that some objective cannot do without."""
        return frozenset().union(*(required for _, required in self.reads))

    @property
    def uses(self) -> frozenset[str]:
        """Names of the inputs that some objective reads."""
        return frozenset().union(*(reads for reads, _ in self.reads))

    def __repr__(self) -> str:
        parts = ", ".join(f"{w:g} x {o!r}" for w, o in zip(self.weights, self.objectives, strict=True))
        return f"{type(self).__name__}({parts})"


def off_shortlist(objective: nn.Module) -> str:
    """What to say of an objective that cannot judge a shortlist."""
    return (
        f"{type(objective).__name__} judges all labels at once, but the model trains on a 'shortlist' of them. Use "
        "BCE, class-balanced BCE, asymmetric loss, squared hinge, ZLPR or TLA, or switch the shortlist off."
    )


def _free_name(name: str, taken: list[str]) -> str:
    """``name``, or the first of ``name_2``, ``name_3``, ... that is not taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
