"""HBGL as it serves predictions."""

from collections.abc import Mapping

from torch import Tensor

from hgraph.models.frozen_model import FrozenModel, Part
from hgraph.models.hbgl.decoding import decode
from hgraph.scoring import FrozenLevelScorer


class FrozenHBGL(FrozenModel):
    """A text encoder whose transformer runs the steps, and the scorer that reads them.

    Scores are those of every label at the step of its level, whatever was decoded above; see :class:`HBGLModel`.

    Shapes:
        - `text`: the tensors of `text_encoder.collate`.
        - output: scores (logits) [B, L].
    """

    def parts(self, text: Mapping[str, Tensor]) -> dict[Part, Tensor]:
        """The scores, [B, L]."""
        assert isinstance(self.scorer, FrozenLevelScorer)
        return {"dense": decode(self.text_encoder.model, self.scorer, text)}
