"""What a list of objectives passes to each of them, and what it asks of the model."""

import pytest
import torch
from torch import nn

from hgraph.errors import ConfigError
from hgraph.losses import BCELoss, ObjectiveList, TLALoss
from hgraph.losses.objective import INPUTS, inputs_of


class Probe(nn.Module):
    """Reports what it was given."""

    name = "probe"

    def forward(self, *, scores, text, mined=None, mask=None):
        self.seen = {"scores": scores, "text": text, "mined": mined, "mask": mask}
        return scores.sum()


class Unmasked(nn.Module):
    name = "unmasked"

    def forward(self, *, scores):
        return scores.sum()


class Everything(nn.Module):
    name = "everything"

    def forward(self, **inputs):
        self.seen = set(inputs)
        return inputs["scores"].sum()


class Documents(nn.Module):
    """Reads no pair of document and label."""

    name = "documents"

    def forward(self, *, text):
        return text.sum()


SCORES, TEXT = torch.ones(2, 3), torch.ones(2, 4)


def test_each_objective_gets_what_it_reads():
    probe, everything = Probe(), Everything()
    mask = torch.ones(2, 3).bool()
    ObjectiveList([probe, everything])(scores=SCORES, text=TEXT, labels=SCORES, views=None, mask=mask)
    assert probe.seen == {"scores": SCORES, "text": TEXT, "mined": None, "mask": mask}
    assert everything.seen == {"scores", "text", "labels", "mask"}  # what is None counts as not given


def test_a_missing_input_is_named_and_described():
    with pytest.raises(
        ConfigError, match=r"Probe needs 'text' \(document vectors, \[B, D\]\), which the model does not"
    ):
        ObjectiveList([Probe()])(scores=SCORES)
    with pytest.raises(ConfigError, match="Probe needs 'text'"):
        ObjectiveList([Probe()])(scores=SCORES, text=None)


def test_a_mask_is_refused_by_an_objective_on_pairs_without_one():
    with pytest.raises(ConfigError, match="Unmasked cannot leave pairs out: it takes no 'mask'"):
        ObjectiveList([Unmasked()])(scores=SCORES, mask=torch.ones(2, 3).bool())
    total, _ = ObjectiveList([Documents()])(text=TEXT, scores=SCORES, mask=torch.ones(2, 3).bool())
    assert total == 8


def test_needs_and_uses():
    objectives = ObjectiveList([BCELoss(), Probe(), TLALoss()])
    assert objectives.needs == {"scores", "labels", "text", "label_vectors"}
    assert objectives.uses == objectives.needs | {"mask", "mined", "candidates", "columns", "importance"}
    assert ObjectiveList([Everything()]).uses == set(INPUTS)
    assert inputs_of(BCELoss()) == ({"scores", "labels", "mask", "importance"}, {"scores", "labels"})


def test_every_objective_of_the_package_speaks_the_vocabulary():
    import hgraph.losses

    members = [getattr(hgraph.losses, name) for name in hgraph.losses.__all__]
    members = [m for m in members if isinstance(m, type) and issubclass(m, hgraph.losses.Objective)]
    members = [m for m in members if m is not hgraph.losses.Objective]
    assert len(members) > 10
    for member in members:
        uses, needs = inputs_of(member.__new__(member))
        assert uses <= set(INPUTS) and needs <= uses and uses, member
        assert isinstance(member.name, str)
    names = [member.name for member in members if member is not hgraph.losses.SlotInstanceContrastLoss]
    assert len(set(names)) == len(names)
