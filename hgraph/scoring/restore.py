"""Frozen scorers out of saved models."""

from typing import Any

import torch

from hgraph.errors import ConfigError
from hgraph.scoring.frozen_cascade_scorer import FrozenCascadeScorer
from hgraph.scoring.frozen_concat_scorer import FrozenConcatScorer
from hgraph.scoring.frozen_cosine_scorer import FrozenCosineScorer
from hgraph.scoring.frozen_gated_scorer import FrozenGatedScorer
from hgraph.scoring.frozen_hjcl_scorer import FrozenHJCLScorer
from hgraph.scoring.frozen_label_attention_scorer import FrozenLabelAttentionScorer
from hgraph.scoring.frozen_level_scorer import FrozenLevelScorer
from hgraph.scoring.frozen_scorer import FrozenScorer
from hgraph.scoring.hmcn_scorer import FrozenHMCNScorer
from hgraph.scoring.linear_scorer import LinearScorer
from hgraph.scoring.mlp_scorer import FrozenMLPScorer

_KINDS: dict[str, type[FrozenScorer] | type[LinearScorer]] = {
    scorer.kind: scorer
    for scorer in (
        LinearScorer, FrozenCosineScorer, FrozenLabelAttentionScorer, FrozenGatedScorer, FrozenConcatScorer,
        FrozenMLPScorer, FrozenLevelScorer, FrozenHJCLScorer, FrozenHMCNScorer, FrozenCascadeScorer,
    )
}  # fmt: skip


def restore(kind: str, config: dict[str, Any]) -> LinearScorer | FrozenScorer:
    """An empty frozen scorer, to be filled by ``load_state_dict(state, assign=True)``.

    It takes no memory until then: its tensors are on torch's meta device.

    Args:
        kind: the ``kind`` of the scorer that was saved.
        config: what its ``config()`` returned.

    Raises:
        ConfigError: There is no such kind, or the config is another kind's.

    Example:
        >>> saved = LinearScorer(num_labels=3, channels=2).freeze()
        >>> scorer = restore(saved.kind, saved.config())
        >>> scorer.load_state_dict(saved.state_dict(), assign=True)
        <All keys matched successfully>
    """
    if kind not in _KINDS:
        raise ConfigError(f"'kind' must be one of {', '.join(_KINDS)}, but got {kind!r}.")
    try:
        with torch.device("meta"):
            scorer = _KINDS[kind].from_config(config)
    except (TypeError, KeyError, ValueError) as error:
        raise ConfigError(f"'config' must be that of a scorer of kind {kind!r}, but got {config}: {error}.") from None
    return scorer.requires_grad_(False).eval()
