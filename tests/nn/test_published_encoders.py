"""The layers of published programs against their description, written with loops or other libraries."""

import math

import pytest
import torch
from torch.nn.functional import gelu, layer_norm
from torch_geometric.data import Data

from hgraph.errors import ConfigError
from hgraph.nn.label_encoders import GPTransLabelEncoder, GraphormerLabelEncoder
from hgraph.nn.label_encoders.published import HGCLRBlock, HTLABlock
from hgraph.nn.label_encoders.published.htla_block import scrambled

# 4 -> {1 -> {0, 2}, 3}, and label 5 alone: label ids do not follow the hierarchy.
GRAPH = Data(edge_index=torch.tensor([[4, 4, 1, 1], [1, 3, 0, 2]]), num_nodes=6)
CHAINS = {0: [0, 1, 4], 1: [1, 4], 2: [2, 1, 4], 3: [3, 4], 4: [4], 5: [5]}


def path(i, j):
    """The labels on the two ways up that are not on both."""
    return [k for k in CHAINS[i] if k not in CHAINS[j]] + [k for k in CHAINS[j] if k not in CHAINS[i]]


def pair_table(encoding):
    """Distance vector plus mean edge vector of each pair, ``[6, 6, E]``."""
    near, edge = encoding.distance_embedding.weight, encoding.edge_embedding.weight
    table = torch.zeros(6, 6, near.shape[1], dtype=near.dtype)
    for i in range(6):
        for j in range(6):
            if between := path(i, j):
                table[i, j] = near[len(between)] + edge[between].sum(0) / (len(between) + 1e-8)
    return table


def test_distances_of_pairs():
    assert [len(path(i, j)) for i, j in ((0, 2), (4, 1), (4, 3), (0, 3), (0, 5), (3, 3))] == [2, 1, 2 - 1, 3, 4, 0]


def test_scrambling_keeps_four_percent():
    size, channels = 5, 3
    table = torch.arange(size * size * channels).view(size, size, channels)
    found = scrambled(table)
    for c in range(channels):
        for i in range(size):
            for j in range(size):
                place = c * size**2 + i * size + j
                pair, feature = divmod(place, channels)
                assert found[i, j, c] == table[pair // size, pair % size, feature]
    assert (found == table).float().mean().item() == pytest.approx(0.04)


@pytest.mark.parametrize("kind", [GPTransLabelEncoder, GraphormerLabelEncoder])
def test_pair_states_are_right_where_nothing_is_scrambled(kind):
    encoder = kind(GRAPH, channels=8, heads=2, form="dense").double()
    states = encoder.edge_states()
    torch.testing.assert_close(states, pair_table(encoder.edge_encoding), rtol=0, atol=1e-8)
    torch.testing.assert_close(states, states.transpose(0, 1), rtol=0, atol=1e-12)
    assert (states.diagonal() == 0).all()


def softmax(values):
    powers = [math.exp(value) for value in values]
    return [power / sum(powers) for power in powers]


def htla_attention(attention, x, states):
    """Node to node, node to edge, edge to node, one label and one head at a time; no bias on queries, keys, values."""
    size, heads, width = len(x), attention.heads, x.shape[1] // attention.heads
    query = x @ attention.lin_query.weight.t()
    key, value = (x @ attention.lin_key_value.weight.t()).chunk(2, dim=1)
    out = []
    for i in range(size):
        logits = attention.reduce(states[i]).clone()  # [L, H]
        for j in range(size):
            for h in range(heads):
                part = slice(h * width, (h + 1) * width)
                logits[j, h] += query[i, part] @ key[j, part] / math.sqrt(width)
        weights = torch.tensor([softmax(logits[:, h].tolist()) for h in range(heads)]).to(x).t()  # [L, H]
        heard = torch.cat([weights[:, h] @ value[:, h * width : (h + 1) * width] for h in range(heads)])
        edges = attention.expand(weights + logits)  # [L, E]
        chosen = torch.tensor([softmax(edges[:, c].tolist()) for c in range(edges.shape[1])]).to(x).t()
        out.append(attention.lin_out(heard + attention.edge_to_node((chosen * edges).sum(0))))
    return torch.stack(out)


@pytest.mark.parametrize("layers", [1, 2])
def test_htla(layers):
    torch.manual_seed(0)
    encoder = GPTransLabelEncoder(GRAPH, channels=8, heads=2, edge_channels=3, layers=layers, faithful=True)
    encoder = encoder.double().eval()
    assert encoder.blocks[0].attention.lin_query.bias is encoder.blocks[0].attention.lin_key_value.bias is None
    assert encoder.edge_encoding.distance_embedding.num_embeddings == 20
    x = features = torch.randn(6, 8).double()
    table = pair_table(encoder.edge_encoding)
    with torch.no_grad():
        states = table.reshape(36, 3).reshape(3, 6, 6).permute(1, 2, 0)
        for block in encoder.blocks:
            x = htla_attention(block.attention, x, states)
        w1, _, _, w2, _ = encoder.blocks[-1].ffn
        assert w1.out_features == 32
        norm = encoder.blocks[-1].ffn_norm
        expected = layer_norm(x + w2(gelu(w1(x))), (8,), norm.weight, norm.bias)
        torch.testing.assert_close(encoder(features), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("program", ["hgclr", "htla_n"])
def test_hgclr_and_htla_n(layers, program):
    torch.manual_seed(0)
    options = {"layers": layers, "faithful": True, "program": program}
    encoder = GraphormerLabelEncoder(GRAPH, channels=8, heads=2, **options).double().eval()
    assert encoder.edge_encoding.distance_embedding.weight.shape == (20, 1)
    x = features = torch.randn(6, 8).double()
    bias = pair_table(encoder.edge_encoding).squeeze(-1)
    for number, block in enumerate(encoder.blocks):
        own = block.attention
        reference = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
        reference.load_state_dict(
            {
                "in_proj_weight": torch.cat([own.lin_query.weight, own.lin_key_value.weight]),
                "in_proj_bias": torch.cat([own.lin_query.bias, own.lin_key_value.bias]),
                "out_proj.weight": own.lin_out.weight,
                "out_proj.bias": own.lin_out.bias,
            }
        )
        attended, _ = reference(x[None], x[None], x[None], attn_mask=bias)
        x = layer_norm(x + attended[0], (8,), block.attention_norm.weight, block.attention_norm.bias)
        assert (block.ffn is None) == (program == "hgclr" and number == layers - 1)
        if block.ffn is not None:
            w1, _, _, w2, _ = block.ffn
            x = layer_norm(x + w2(gelu(w1(x))), (8,), block.ffn_norm.weight, block.ffn_norm.bias)
    torch.testing.assert_close(encoder(features), x, rtol=0, atol=1e-7)


def test_programs_that_do_not_exist():
    with pytest.raises(ConfigError, match="'program' must be one of hgclr, htla_n, but got 'hjcl'"):
        GraphormerLabelEncoder(GRAPH, channels=8, heads=2, program="hjcl")


@pytest.mark.parametrize("faithful", [False, True])
def test_nothing_but_the_layers_is_there(faithful):
    encoder = GPTransLabelEncoder(GRAPH, channels=8, heads=2, faithful=faithful)
    extra = {name.split(".")[0] for name, _ in encoder.named_parameters()} - {"edge_encoding", "blocks"}
    assert extra == (set() if faithful else {"degree_embedding", "input_norm", "output_norm"})


@pytest.mark.parametrize(
    "block", [HTLABlock(8, 3, heads=2, dropout=0.1, last=True), HGCLRBlock(8, heads=2, dropout=0.1, last=False)]
)
def test_reset_parameters_draws_new_ones(block):
    before = {key: value.clone() for key, value in block.state_dict().items() if value.dim() > 1}
    block.reset_parameters()
    assert all(not torch.equal(block.state_dict()[key], value) for key, value in before.items())
