"""Graph attention on a hierarchy against dense attention with a mask, and which layers it takes."""

import pytest
import torch
from torch import nn
from torch.nn.functional import gelu, layer_norm, leaky_relu
from torch_geometric.data import Data
from torch_geometric.nn import GATConv, GATv2Conv, SAGEConv

from hgraph.errors import ConfigError
from hgraph.nn.label_encoders import ConvBlock, GATLabelEncoder

# The diamond 0 -> {1, 2} -> 3, and label 4 alone.
GRAPH = Data(edge_index=torch.tensor([[0, 0, 1, 2], [1, 2, 3, 3]]), num_nodes=5)
NEIGHBOURS = torch.eye(5, dtype=torch.bool)
NEIGHBOURS[GRAPH.edge_index[0], GRAPH.edge_index[1]] = NEIGHBOURS[GRAPH.edge_index[1], GRAPH.edge_index[0]] = True


def masked_softmax(logits):
    return logits.masked_fill(~NEIGHBOURS, -torch.inf).softmax(1)


def gat_reference(conv, x):
    """One-headed GAT: a softmax over the neighbours in a dense matrix."""
    h = x @ conv.lin.weight.t()
    logits = leaky_relu((h @ conv.att_dst[0, 0]).unsqueeze(1) + (h @ conv.att_src[0, 0]).unsqueeze(0), 0.2)
    return masked_softmax(logits) @ h + conv.bias


def gatv2_reference(conv, x):
    """GATv2 with several heads, head after head."""
    source = (x @ conv.lin_l.weight.t() + conv.lin_l.bias).unflatten(1, (conv.heads, -1))
    target = (x @ conv.lin_r.weight.t() + conv.lin_r.bias).unflatten(1, (conv.heads, -1))
    out = []
    for head in range(conv.heads):
        both = leaky_relu(target[:, None, head] + source[None, :, head], 0.2)
        out.append(masked_softmax(both @ conv.att[0, head]) @ source[:, head])
    return torch.cat(out, dim=1) + conv.bias


def normed(layer, x):
    return layer_norm(x, x.shape[-1:], layer.weight, layer.bias)


def test_the_form_of_hjcl():
    encoder = GATLabelEncoder(GRAPH, channels=6, faithful=True).double().eval()
    assert len(encoder.blocks) == 4
    r = features = torch.randn(5, 6).double()
    for block in encoder.blocks:
        w1, _, w2, _ = block.ffn
        assert w1.out_features == 24
        u = gat_reference(block.conv, r)
        r = normed(block.ffn_norm, u + w2(gelu(w1(u))))
    torch.testing.assert_close(encoder(features), r, rtol=0, atol=1e-10)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("residual", [True, False])
def test_the_default_form(norm, residual):
    encoder = GATLabelEncoder(GRAPH, channels=6, heads=2, norm=norm, residual=residual).double().eval()
    x = features = torch.randn(5, 6).double()
    for block in encoder.blocks:
        w1, _, w2, _ = block.ffn
        if norm == "pre":
            update = gatv2_reference(block.conv, normed(block.conv_norm, x))
            x = x + update if residual else update
            x = x + w2(gelu(w1(normed(block.ffn_norm, x))))
        else:
            x = (
                normed(block.conv_norm, x + gatv2_reference(block.conv, x))
                if residual
                else gatv2_reference(block.conv, x)
            )
            x = normed(block.ffn_norm, x + w2(gelu(w1(x))))
    if norm == "pre":
        x = normed(encoder.output_norm, x)
    torch.testing.assert_close(encoder(features), x, rtol=0, atol=1e-10)


def test_one_layer_is_copied_with_parameters_of_its_own():
    conv = SAGEConv(6, 6)
    encoder = GATLabelEncoder(GRAPH, channels=6, conv=conv, layers=3)
    convs = [block.conv for block in encoder.blocks]
    weights = [one.lin_l.weight for one in (conv, *convs)]
    assert all(not torch.equal(one, other) for i, one in enumerate(weights) for other in weights[:i])


@pytest.mark.parametrize("layers", [None, 2])
def test_a_list_of_layers_is_used_as_it_is(layers):
    convs = [SAGEConv(6, 6), GATConv(6, 3, heads=2)]
    encoder = GATLabelEncoder(GRAPH, channels=6, conv=convs, layers=layers)
    assert [block.conv for block in encoder.blocks] == convs


def test_layers_that_find_their_width_out_find_it():
    encoder = GATLabelEncoder(GRAPH, channels=6, conv=[GATv2Conv(-1, 6)])
    assert encoder.blocks[0].conv.lin_l.weight.shape == (6, 6)


def test_checking_a_layer_leaves_it_as_it_was():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(6)

        def forward(self, x, edge_index):
            return self.norm(x)

    conv = Counting()
    GATLabelEncoder(GRAPH, channels=6, conv=[conv])
    assert conv.training and conv.norm.training and conv.norm.num_batches_tracked == 0


def test_reset_parameters_draws_new_ones():
    torch.manual_seed(0)
    encoder = GATLabelEncoder(GRAPH, channels=6, heads=2, in_channels=3, norm="pre")
    before = {key: value.clone() for key, value in encoder.state_dict().items() if value.dim() > 1}
    encoder.reset_parameters()
    assert all(not torch.equal(encoder.state_dict()[key], value) for key, value in before.items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"conv": SAGEConv(6, 4)},
            r"'conv' must give \[2, 6\] for 2 labels of 6 channels, but SAGEConv.* gives \[2, 4\]",
        ),
        ({"conv": GATConv(6, 6, heads=2)}, r"gives \[2, 12\]"),
        ({"conv": SAGEConv(5, 6)}, "'conv' must take 6 channels .* but SAGEConv.* failed"),
        ({"conv": nn.Linear(6, 6)}, "be called as conv"),
        ({"conv": [SAGEConv(6, 6)], "layers": 2}, "one layer for each block, but got 1 and layers=2"),
        ({"conv": []}, "one layer for each block, but got 0"),
        ({"conv": SAGEConv(6, 6), "faithful": True}, "'conv' must be None with faithful=True"),
        ({"heads": 4}, "'channels' must be a multiple of 'heads', but got channels=6, heads=4"),
        ({"heads": 2, "layers": 0}, "'layers' must be at least 1, but got 0"),
        ({"heads": 2, "norm": "batch"}, "'norm' must be 'pre' or 'post', but got 'batch'"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        GATLabelEncoder(GRAPH, channels=6, **options)


def test_a_layer_without_reset_must_be_given_for_each_block():
    class Bare(nn.Module):
        def forward(self, x, edge_index):
            return x

    with pytest.raises(ConfigError, match=r"'conv' must have reset_parameters\(\), but Bare has none"):
        GATLabelEncoder(GRAPH, channels=6, conv=Bare())
    assert GATLabelEncoder(GRAPH, channels=6, conv=[Bare()])(torch.randn(5, 6)).shape == (5, 6)


def test_block_gives_the_first_targets():
    block = ConvBlock(SAGEConv(6, 6), 6).eval()
    x, edge_index = torch.randn(4, 6), torch.tensor([[2, 3, 0], [0, 1, 1]])
    torch.testing.assert_close(block(x, edge_index, 2), block(x, edge_index)[:2])
