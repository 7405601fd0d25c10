"""`RowAdam` against the definition, and against the optimiser whose place it takes."""

import copy
import math

import pytest
import torch
from torch.optim import SparseAdam

from hgraph.training import row_adam
from hgraph.training.row_adam import RowAdam

OPTIONS = {"lr": 0.03, "betas": (0.8, 0.95), "eps": 1e-6}


def train(kind, table, batches, **options):
    table = copy.deepcopy(table)
    optimizer = kind(table.parameters(), **{**OPTIONS, **options})
    for ids, target in batches:
        optimizer.zero_grad()
        (table(ids) * target).pow(2).sum().backward()
        optimizer.step()
    return table.weight.detach(), optimizer


@pytest.fixture
def batches():
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randint(0, 11, (size,), generator=generator), torch.randn(size, 3, generator=generator).double())
        for size in (5, 9, 1, 7)  # a row comes twice in a batch
    ]


@pytest.mark.parametrize("block", [1, 2, 4096])
@pytest.mark.parametrize("maximize", [False, True])
def test_it_moves_rows_as_sparse_adam_does(batches, monkeypatch, block, maximize):
    monkeypatch.setattr(row_adam, "BLOCK", block)
    table = torch.nn.Embedding(11, 3, sparse=True).double()
    mine, optimizer = train(RowAdam, table, batches, maximize=maximize)
    other, expected = train(SparseAdam, table, batches, maximize=maximize)
    torch.testing.assert_close(mine, other)
    for one, two in zip(optimizer.state.values(), expected.state.values(), strict=True):
        assert one["step"] == two["step"] == 4
        torch.testing.assert_close(one["exp_avg"], two["exp_avg"])
        torch.testing.assert_close(one["exp_avg_sq"], two["exp_avg_sq"])


def test_it_is_adam_by_definition(batches):
    table = torch.nn.Embedding(11, 3, sparse=True).double()
    weight = table.weight.tolist()
    moments = [[(0.0, 0.0)] * 3 for _ in weight]
    beta1, beta2 = OPTIONS["betas"]
    for step, (ids, target) in enumerate(batches, start=1):
        grads = {}
        for row, values in zip(ids.tolist(), target.tolist(), strict=True):
            known = grads.setdefault(row, [0.0] * 3)
            grads[row] = [g + 2 * w * t * t for g, w, t in zip(known, weight[row], values, strict=True)]
        for row, values in grads.items():
            for column, g in enumerate(values):
                m, v = moments[row][column]
                m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
                moments[row][column] = m, v
                rate = OPTIONS["lr"] * math.sqrt(1 - beta2**step) / (1 - beta1**step)
                weight[row][column] -= rate * m / (math.sqrt(v) + OPTIONS["eps"])
    mine, _ = train(RowAdam, table, batches)
    torch.testing.assert_close(mine, torch.tensor(weight, dtype=torch.double))


def test_states_are_exchanged_with_sparse_adam(batches):
    table = torch.nn.Embedding(11, 3, sparse=True).double()
    _, half = train(SparseAdam, table, batches[:2])
    going_on = RowAdam(copy.deepcopy(table).parameters())
    going_on.load_state_dict(half.state_dict())
    assert going_on.param_groups[0]["lr"] == OPTIONS["lr"]
    assert next(iter(going_on.state.values()))["step"] == 2


def test_dense_gradients_are_refused_and_missing_ones_skipped():
    table = torch.nn.Embedding(4, 2)
    optimizer = RowAdam(table.parameters())
    optimizer.step()
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="sparse gradients alone"):
        optimizer.step()
    assert not optimizer.state[table.weight]


def test_a_step_may_have_no_rows():
    table = torch.nn.Embedding(4, 2, sparse=True)
    before = table.weight.detach().clone()
    optimizer = RowAdam(table.parameters())

    def closure():
        loss = table(torch.zeros(0, dtype=torch.long)).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) == 0
    assert torch.equal(table.weight, before)
