"""An objective on several branches of scores."""

import pytest
import torch

from hgraph.errors import ConfigError
from hgraph.losses import BCELoss, BranchLoss, ObjectiveList, TLALoss, ZLPRLoss


@pytest.mark.parametrize("inner", [BCELoss(), BCELoss(reduction="sum"), ZLPRLoss()], ids=["mean", "sum", "zlpr"])
def test_branch_loss_is_the_sum_over_branches(inner):
    torch.manual_seed(0)
    branches, labels = torch.randn(3, 4, 5, requires_grad=True), (torch.rand(4, 5) < 0.3).float()
    loss = BranchLoss(inner)(branches=branches, labels=labels)
    expected = sum(inner(scores=branches[r], labels=labels) for r in range(3))
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert (branches.grad != 0).any(dim=(1, 2)).all(), "every branch learns"


def test_pairs_are_left_out_of_every_branch():
    torch.manual_seed(0)
    branches, labels, mask = torch.randn(2, 3, 4), (torch.rand(3, 4) < 0.3).float(), torch.rand(3, 4) < 0.6
    changed = branches.masked_fill(~mask, 100.0)
    loss = BranchLoss()
    torch.testing.assert_close(
        loss(branches=branches, labels=labels, mask=mask), loss(branches=changed, labels=labels, mask=mask)
    )


def test_no_branches_cost_nothing():
    assert BranchLoss()(branches=torch.zeros(0, 2, 3), labels=torch.ones(2, 3)) == 0


def test_a_list_asks_for_branches():
    assert "branches" in ObjectiveList([BCELoss(), BranchLoss()]).needs


def test_branch_loss_refuses_what_it_cannot_judge():
    with pytest.raises(ConfigError, match="'inner' must judge scores and labels alone, but TLALoss needs"):
        BranchLoss(TLALoss())
    with pytest.raises(ConfigError, match=r"'branches' must have shape \[branches, 2, 3\], but got \[2, 3\]"):
        BranchLoss()(branches=torch.zeros(2, 3), labels=torch.zeros(2, 3))
