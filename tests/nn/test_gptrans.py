"""Graph propagation attention against loops over pairs, and what the layers must not depend on."""

import math

import pytest
import torch
from torch.nn.functional import gelu, layer_norm

from hgraph.errors import ConfigError
from hgraph.nn import GPTransBlock, GPTransConv


def softmax(values):
    top = max(values)
    powers = [math.exp(value - top) for value in values]
    return [power / sum(powers) for power in powers]


def attention_loop(conv, x, edge_state):
    """The equations of the paper, one pair and one channel at a time."""
    n, width, heads, edge_channels = len(x), conv.channels // conv.heads, conv.heads, conv.edge_channels
    projected = conv.qkv(x)
    query, key, value = (part.reshape(n, heads, width) for part in projected.split(conv.channels, dim=1))
    logits = torch.zeros(n, n, heads, dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            for h in range(heads):
                score = (query[i, h] * key[j, h]).sum() / math.sqrt(width)
                logits[i, j, h] = score + conv.reduce.weight[h] @ edge_state[i, j] + conv.reduce.bias[h]
    edge_update = torch.zeros(n, n, edge_channels, dtype=torch.float64)
    nodes = torch.zeros(n, conv.channels, dtype=torch.float64)
    for i in range(n):
        weights = torch.tensor([softmax(logits[i, :, h].tolist()) for h in range(heads)], dtype=torch.float64)
        heard = [sum(weights[h, j] * value[j, h] for j in range(n)) for h in range(heads)]
        for j in range(n):
            edge_update[i, j] = conv.expand.weight @ (weights[:, j] + logits[i, j]) + conv.expand.bias
        message = torch.zeros(edge_channels, dtype=torch.float64)
        for c in range(edge_channels):
            chosen = softmax(edge_update[i, :, c].tolist())
            message[c] = sum(chosen[j] * edge_update[i, j, c] for j in range(n))
        nodes[i] = conv.out(torch.cat(heard) + conv.edge_to_node(message))
    return nodes, edge_update


def block_loop(block, x, edge_state):
    def norm(layer, values):
        return layer_norm(values, values.shape[-1:], layer.weight, layer.bias)

    attended, update = attention_loop(block.attention, norm(block.attention_norm, x), edge_state)
    x = x + block.attention_scale * attended
    hidden = gelu(block.ffn[0](norm(block.ffn_norm, x)))
    return x + block.ffn_scale * block.ffn[3](hidden), edge_state + update


@pytest.mark.parametrize(("channels", "edge_channels", "heads", "n"), [(6, 3, 2, 5), (4, 4, 4, 3), (4, 1, 1, 1)])
def test_layers_match_loops(channels, edge_channels, heads, n):
    torch.manual_seed(0)
    x, edge_state = torch.randn(n, channels).double(), torch.randn(n, n, edge_channels).double()
    conv = GPTransConv(channels, edge_channels, heads=heads).double()
    block = GPTransBlock(channels, edge_channels, heads=heads, ffn_ratio=1.5, layer_scale=0.3).double()
    with torch.no_grad():
        for layer, reference in ((conv, attention_loop), (block, block_loop)):
            for actual, expected in zip(layer(x, edge_state), reference(layer, x, edge_state), strict=True):
                torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10)


def test_number_of_parameters_is_that_of_the_paper():
    c, e, h = 256, 32, 8
    block = GPTransBlock(c, e, heads=h)
    expected = 4 * c**2 + 4 * c + (e * h + h) + (h * e + e) + (e * c + c) + 2 * c**2 + 2 * c + 4 * c + 2 * c
    assert sum(parameter.numel() for parameter in block.parameters()) == expected


@pytest.mark.parametrize("layer", [GPTransConv, GPTransBlock])
def test_permuting_nodes_permutes_the_result(layer):
    torch.manual_seed(0)
    module, order = layer(8, 3, heads=2).double(), torch.randperm(6)
    x, edge_state = torch.randn(6, 8).double(), torch.randn(6, 6, 3).double()
    nodes, pairs = module(x, edge_state)
    moved_nodes, moved_pairs = module(x[order], edge_state[order][:, order])
    torch.testing.assert_close(moved_nodes, nodes[order], rtol=0, atol=1e-12)
    torch.testing.assert_close(moved_pairs, pairs[order][:, order], rtol=0, atol=1e-12)


@pytest.mark.parametrize("layer", [GPTransConv, GPTransBlock])
def test_padding_and_batch_do_not_matter(layer):
    torch.manual_seed(0)
    module = layer(8, 3, heads=2).double()
    x, edge_state = torch.randn(2, 6, 8).double(), torch.randn(2, 6, 6, 3).double()
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    nodes, pairs = module(x, edge_state, mask)
    for number, size in ((0, 6), (1, 4)):
        alone_nodes, alone_pairs = module(x[number, :size], edge_state[number, :size, :size])
        torch.testing.assert_close(nodes[number, :size], alone_nodes, rtol=0, atol=1e-12)
        torch.testing.assert_close(pairs[number, :size, :size], alone_pairs, rtol=0, atol=1e-12)


def test_padding_is_zero_and_a_graph_without_nodes_is_finite():
    conv = GPTransConv(8, 3, heads=2)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    x = torch.randn(2, 3, 8, requires_grad=True)
    nodes, pairs = conv(x, torch.randn(2, 3, 3, 3), mask)
    assert (nodes[~mask] == 0).all()
    assert (pairs[0, 2] == 0).all()
    assert (pairs[0, :, 2] == 0).all()
    (nodes.sum() + pairs.sum()).backward()
    assert x.grad.isfinite().all()
    assert conv(torch.zeros(0, 3, 8), torch.zeros(0, 3, 3, 3))[0].shape == (0, 3, 8)


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    conv = GPTransConv(4, 2, heads=2).double()
    x = torch.randn(1, 3, 4, dtype=torch.float64, requires_grad=True)
    edge_state = torch.randn(1, 3, 3, 2, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True, False]])
    assert torch.autograd.gradcheck(lambda a, b: conv(a, b), (x, edge_state), fast_mode=True)
    assert torch.autograd.gradcheck(lambda a, b: conv(a, b, mask), (x, edge_state), fast_mode=True)


def test_half_precision_and_dropout_run():
    block = GPTransBlock(8, 3, heads=2, dropout=0.5)
    x, edge_state, mask = torch.randn(2, 4, 8), torch.randn(2, 4, 4, 3), torch.ones(2, 4, dtype=torch.bool)
    assert not torch.equal(block(x, edge_state)[0], block(x, edge_state)[0])
    block.eval()
    assert torch.equal(block(x, edge_state)[0], block(x, edge_state, mask)[0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert block(x, edge_state, mask)[0].isfinite().all()
    assert block.bfloat16()(x.bfloat16(), edge_state.bfloat16(), mask)[0].isfinite().all()


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match="'channels' must be a multiple of 'heads'"):
        GPTransConv(10, 3, heads=4)
    with pytest.raises(ConfigError, match="'edge_channels' must be at least 1"):
        GPTransConv(8, 0, heads=4)
    assert repr(GPTransConv(8, 3, heads=4)) == "GPTransConv(8, 3, heads=4)"


def test_reset_parameters_draws_new_ones():
    block = GPTransBlock(8, 3, heads=2, layer_scale=0.5)
    before = block.attention.qkv.weight.clone()
    torch.nn.init.zeros_(block.attention_scale)
    block.reset_parameters()
    assert not torch.equal(block.attention.qkv.weight, before)
    assert (block.attention_scale == 0.5).all()
