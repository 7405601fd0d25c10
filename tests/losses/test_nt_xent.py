"""NT-Xent against its definition as loops, and against the published value."""

import pytest
import torch
from contrast_cases import assert_same, value_and_gradients
from definitions_contrast import nt_xent_loop

from hgraph.errors import ConfigError
from hgraph.losses.nt_xent import NTXentLoss, nt_xent


def test_published_value():
    first, second = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.8, 0.6], [0.6, 0.8]])
    assert nt_xent(first, second).item() == pytest.approx(0.957474, abs=1e-6)
    assert nt_xent_loop(first.double(), second.double(), 1.0).item() == pytest.approx(0.957474, abs=1e-6)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_equals_the_loops(size, temperature):
    torch.manual_seed(size)
    text, views = torch.randn(size, 4).double(), torch.randn(size, 3, 4).double()
    text[0] *= 100  # the length of a vector does not matter
    ours = value_and_gradients(lambda x, v: NTXentLoss(temperature=temperature)(text=x, views=v), text, views)
    theirs = value_and_gradients(
        lambda x, v: sum(nt_xent_loop(x, v[:, k], temperature) for k in range(3)) / 3, text, views
    )
    assert_same(ours, theirs)


def test_does_not_depend_on_the_order_of_the_batch():
    torch.manual_seed(0)
    text, views, order = torch.randn(5, 4), torch.randn(5, 1, 4), torch.randperm(5)
    torch.testing.assert_close(NTXentLoss()(text=text[order], views=views[order]), NTXentLoss()(text=text, views=views))


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    first, second = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(nt_xent, (first, second))


def test_half_precision_is_computed_in_single():
    torch.manual_seed(0)
    text, views = torch.randn(4, 8).bfloat16(), torch.randn(4, 1, 8).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = NTXentLoss(temperature=0.1)(text=text, views=views)
    assert value.dtype == torch.float32
    expected = NTXentLoss(temperature=0.1)(text=text.double(), views=views.double())
    assert value.item() == pytest.approx(expected.item(), abs=1e-4)


def test_an_empty_batch_gives_zero_with_a_gradient():
    text = torch.zeros(0, 3, requires_grad=True)
    value = NTXentLoss()(text=text, views=torch.zeros(0, 1, 3))
    value.backward()
    assert value == 0 and text.grad.shape == (0, 3)


def test_projection_by_its_definition():
    torch.manual_seed(0)
    loss = NTXentLoss(projection=4).eval().double()
    text, views = torch.randn(3, 4).double(), torch.randn(3, 2, 4).double()
    one, other = (layer for layer in loss.projection if isinstance(layer, torch.nn.Linear))

    def project(vector):
        return other.weight @ (one.weight @ vector + one.bias).clamp(min=0) + other.bias

    first = torch.stack([project(vector) for vector in text])
    values = [nt_xent_loop(first, torch.stack([project(v) for v in views[:, k]]), 1.0) for k in range(2)]
    found = loss(text=text, views=views)
    torch.testing.assert_close(found, sum(values) / 2)
    found.backward()
    assert all(parameter.grad.any() for parameter in loss.parameters())
    assert not torch.allclose(found, NTXentLoss()(text=text, views=views))


def test_projection_has_dropout_before_each_map_in_training_alone():
    loss = NTXentLoss(projection=4, dropout=0.5)
    kinds = [type(layer).__name__ for layer in loss.projection]
    assert kinds == ["Dropout", "Linear", "ReLU", "Dropout", "Linear"]
    text, views = torch.randn(3, 4), torch.randn(3, 1, 4)
    assert len({loss(text=text, views=views).item() for _ in range(9)}) > 1
    assert len({loss.eval()(text=text, views=views).item() for _ in range(9)}) == 1
    assert loss(text=text[:0], views=views[:0]) == 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(text=text, views=views).dtype == torch.float32


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match="'projection' must be at least 1, or None for none, but got 0"):
        NTXentLoss(projection=0)
    with pytest.raises(ConfigError, match="'dropout' must be at least 0 and below 1, but got 1"):
        NTXentLoss(projection=2, dropout=1.0)
    with pytest.raises(ConfigError, match="'temperature' must be above 0"):
        NTXentLoss(temperature=0.0)
    with pytest.raises(ConfigError, match=r"'views' must have shape \[documents, views, channels\], but got \[2, 3\]"):
        NTXentLoss()(text=torch.zeros(2, 3), views=torch.zeros(2, 3))
    with pytest.raises(ConfigError, match=r"must have one shape \[documents, channels\]"):
        nt_xent(torch.zeros(2, 3), torch.zeros(3, 3))
