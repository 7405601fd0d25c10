"""GPTransConv, GraphormerConv and their blocks: every form against loops, and what they must not depend on."""

import copy
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references import gptrans_reference, graphormer_reference
from torch.nn.functional import gelu, layer_norm
from torch_geometric.data import Data
from torch_geometric.nn import Sequential

from hgraph.errors import ConfigError
from hgraph.nn import (
    EdgeBlocks,
    GPTransBlock,
    GPTransConv,
    GraphormerBlock,
    GraphormerConv,
    LabelStructure,
    PairRows,
    TreeRows,
    path_mean,
    tree_paths,
)
from hgraph.nn.conv import attention, block_propagation, flex, gptrans_conv, graphormer_conv

C, DE, H = 6, 3, 2


def build(layer, **options):
    """A layer in float64; the widths of all tests."""
    torch.manual_seed(0)
    if layer is GPTransConv:
        return GPTransConv(C, C, DE, heads=H, **options).double()
    return GraphormerConv(C, C, heads=H, edge_channels=DE, **options).double()


def complete(n):
    """All pairs as edges, and the place of each in a dense tensor."""
    target, source = torch.arange(n).repeat_interleave(n), torch.arange(n).repeat(n)
    shuffled = torch.randperm(n * n)
    return torch.stack([source, target])[:, shuffled], (target[shuffled], source[shuffled])


def results(layer, module, *inputs):
    """Nodes and edges; Graphormer gives nodes alone."""
    out = module(*inputs)
    return out if isinstance(out, tuple) else (out,)


def gradients(outputs, inputs, module):
    """Of a fixed weighted sum of the outputs, in all inputs and parameters."""
    total = sum((out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)).sum() for out in outputs)
    return torch.autograd.grad(total, [*inputs, *module.parameters()], retain_graph=True, materialize_grads=True)


def assert_same(left, right, atol=1e-10):
    for one, other in zip(left, right, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=atol)


REFERENCES = {GPTransConv: gptrans_reference, GraphormerConv: graphormer_reference}
LAYERS = pytest.mark.parametrize("layer", list(REFERENCES), ids=["gptrans", "graphormer"])


@pytest.fixture
def tiny_blocks(monkeypatch):
    """Blocks of one row or a few edges, each computed twice."""
    monkeypatch.setattr(attention, "CPU_BLOCK_BYTES", 1)
    monkeypatch.setattr(attention, "CPU_BLOCK_ROWS", 1)
    monkeypatch.setattr(block_propagation, "CPU_BLOCK_BYTES", 400)
    monkeypatch.setattr(block_propagation, "KEEP_BYTES", 0)


@LAYERS
@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("blocks", [False, True])
def test_all_forms_are_the_loops_on_complete_edges(layer, n, blocks, request):
    if blocks:
        request.getfixturevalue("tiny_blocks")
    module = build(layer)
    x = torch.randn(n, C, dtype=torch.float64, requires_grad=True)
    dense = torch.randn(n, n, DE, dtype=torch.float64, requires_grad=True)
    edge_index, places = complete(n)

    def on_edges(edges):
        nodes, *rest = results(layer, module, x, edges, dense[places])
        # Back to the dense form, so that results can be compared.
        return [nodes, *(torch.zeros_like(dense).index_put(places, states) for states in rest)]

    expected = REFERENCES[layer](module, x, None, dense)
    expected = list(expected) if isinstance(expected, tuple) else [expected]
    wanted = gradients(expected, [x, dense], module)
    for outputs in (
        results(layer, module, x, None, dense),
        on_edges(edge_index),
        on_edges(EdgeBlocks(edge_index, n)),
    ):
        assert_same(outputs, expected)
        assert_same(gradients(outputs, [x, dense], module), wanted)


@st.composite
def bipartite_graphs(draw):
    """Sources, targets, and any edges between them, repeated ones too."""
    sources, targets = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    edges = draw(st.lists(st.tuples(st.integers(0, sources - 1), st.integers(0, targets - 1)), max_size=12))
    return sources, targets, torch.tensor(edges, dtype=torch.long).view(-1, 2).t()


@LAYERS
@settings(max_examples=25, deadline=None)
@given(graph=bipartite_graphs(), small=st.booleans())
def test_any_edges_between_two_kinds_of_nodes(layer, graph, small):
    sources, targets, edge_index = graph
    module = build(layer)
    x = tuple(torch.randn(n, C, dtype=torch.float64, requires_grad=True) for n in (sources, targets))
    edge_attr = torch.randn(edge_index.shape[1], DE, dtype=torch.float64, requires_grad=True)
    expected = REFERENCES[layer](module, x, edge_index, edge_attr)
    expected = list(expected) if isinstance(expected, tuple) else [expected]
    wanted = gradients(expected, [*x, edge_attr], module)
    with pytest.MonkeyPatch.context() as patch:
        if small:
            patch.setattr(block_propagation, "CPU_BLOCK_BYTES", 400)
            patch.setattr(block_propagation, "KEEP_BYTES", 0)
        for edges in (edge_index, EdgeBlocks(edge_index, targets)):
            outputs = results(layer, module, x, edges, edge_attr)
            assert_same(outputs, expected)
            assert_same(gradients(outputs, [*x, edge_attr], module), wanted)
        with torch.no_grad():
            assert_same(results(layer, module, x, EdgeBlocks(edge_index, targets), edge_attr), expected)


@LAYERS
def test_masked_nodes_do_not_matter(layer):
    module = build(layer)
    x, edge_attr = torch.randn(2, 6, C).double(), torch.randn(2, 6, 6, DE).double()
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    outputs = results(layer, module, x, None, edge_attr, mask)
    for number, size in ((0, 6), (1, 4)):
        alone = results(layer, module, x[number, :size], None, edge_attr[number, :size, :size])
        torch.testing.assert_close(outputs[0][number, :size], alone[0], rtol=0, atol=1e-12)
        reference = REFERENCES[layer](module, x[number], None, edge_attr[number], mask[number])
        reference = reference if isinstance(reference, tuple) else (reference,)
        assert_same([out[number] for out in outputs], reference)


@LAYERS
def test_padding_is_zero_and_a_graph_without_nodes_is_finite(layer):
    module = build(layer)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    x = torch.randn(2, 3, C, dtype=torch.float64, requires_grad=True)
    outputs = results(layer, module, x, None, torch.randn(2, 3, 3, DE).double(), mask)
    assert (outputs[0][~mask] == 0).all()
    assert all((pairs[0, 2] == 0).all() and (pairs[0, :, 2] == 0).all() for pairs in outputs[1:])
    sum(out.sum() for out in outputs).backward()
    assert x.grad.isfinite().all()
    empty = results(layer, module, torch.zeros(0, 3, C).double(), None, torch.zeros(0, 3, 3, DE).double())
    assert empty[0].shape == (0, 3, C)


@LAYERS
def test_gradients_are_those_of_finite_differences(layer, tiny_blocks):
    module = build(layer)
    edge_index = torch.tensor([[0, 1, 2, 2, 0], [1, 1, 0, 1, 0]])
    x = torch.randn(3, C, dtype=torch.float64, requires_grad=True)
    edge_attr = torch.randn(5, DE, dtype=torch.float64, requires_grad=True)
    for edges in (edge_index, EdgeBlocks(edge_index, 3)):
        assert torch.autograd.gradcheck(lambda a, b: module(a, edges, b), (x, edge_attr), fast_mode=True)  # noqa: B023
    dense = torch.randn(3, 3, DE, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([True, True, False])
    assert torch.autograd.gradcheck(lambda a, b: module(a, None, b), (x, dense), fast_mode=True)
    assert torch.autograd.gradcheck(lambda a, b: module(a, None, b, mask), (x, dense), fast_mode=True)


@LAYERS
def test_blocks_draw_the_same_random_numbers_again(layer, tiny_blocks):
    """With dropout, the gradient of a sum in one direction is the difference of two runs from the same seed."""
    module = build(layer, dropout=0.4)
    edge_index, _ = complete(4)
    blocks = EdgeBlocks(edge_index, 4)
    for edges, edge_attr in ((blocks, torch.randn(16, DE).double()), (None, torch.randn(4, 4, DE).double())):

        def loss(x, edges=edges, edge_attr=edge_attr):
            torch.manual_seed(1)
            return results(layer, module, x, edges, edge_attr)[0].square().sum()

        x = torch.randn(4, C, dtype=torch.float64, requires_grad=True)
        direction = torch.randn(4, C).double()
        (gradient,) = torch.autograd.grad(loss(x), x)
        after = torch.rand(1)
        torch.manual_seed(1)
        results(layer, module, x, edges, edge_attr)
        assert torch.equal(torch.rand(1), after)  # the backward pass left the generator alone
        with torch.no_grad():
            slope = (loss(x + 1e-6 * direction) - loss(x - 1e-6 * direction)) / 2e-6
        torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("path", [False, True])
@pytest.mark.parametrize("edges", [[(0, 1), (0, 2), (2, 3), (2, 4), (4, 5), (6, 7)], []], ids=["forest", "no edges"])
def test_rows_of_a_tree_are_those_of_the_dense_encoding(edges, path, tiny_blocks):
    torch.manual_seed(0)
    to = torch.tensor([3, 7, 0, 5, 8, 2, 1, 6, 4])  # ids in no order
    edge_index = to[torch.tensor(edges, dtype=torch.long).view(-1, 2).t()]
    structure = LabelStructure(edge_index, 9)
    distance, paths = structure.distance(50), tree_paths(edge_index, 9)
    table = torch.randn(5, DE, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(9, DE, dtype=torch.float64, requires_grad=True)
    dense = table[distance.clamp(max=4)] + (path_mean(weight, paths) if path else 0.0)

    def lazily():
        label, above = paths.closure
        sums = torch.zeros(10, DE).double().index_add(0, label, weight[above]) if path else None
        return TreeRows(structure.depth, structure.ancestors, table, sums)

    torch.testing.assert_close(lazily().dense(), dense, rtol=0, atol=1e-12)
    assert isinstance(lazily(), PairRows)
    x = torch.randn(9, C, dtype=torch.float64, requires_grad=True)
    inputs = [x, table, weight] if path else [x, table]
    for layer in REFERENCES:
        options = {"update_edges": False} if layer is GPTransConv else {}
        module = build(layer, **options)
        expected, found = results(layer, module, x, None, dense)[:1], results(layer, module, x, None, lazily())[:1]
        assert_same(found, expected)
        assert_same(gradients(found, inputs, module), gradients(expected, inputs, module))
    block = GPTransBlock(C, DE, heads=H).double()
    assert_same(block(x, None, lazily()), block(x, None, dense))


def block_loop(block, x, edge_state):
    """The equations of a GPTrans block."""

    def norm(layer, values):
        return layer_norm(values, values.shape[-1:], layer.weight, layer.bias)

    first, second = block.attention_norm, block.ffn_norm
    attended, update = gptrans_reference(
        block.attention, norm(first, x) if block.norm == "pre" else x, None, edge_state
    )
    x = x + block.attention_scale * attended
    x = x if block.norm == "pre" else norm(first, x)
    hidden = gelu(block.ffn[0](norm(second, x) if block.norm == "pre" else x))
    x = x + block.ffn_scale * block.ffn[3](hidden)
    return (x if block.norm == "pre" else norm(second, x)), edge_state + update


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_blocks_match_loops(norm):
    torch.manual_seed(0)
    x, edge_state = torch.randn(4, C).double(), torch.randn(4, 4, DE).double()
    block = GPTransBlock(C, DE, heads=H, ffn_ratio=1.5, layer_scale=0.3, norm=norm).double()
    torch.nn.init.normal_(block.attention_norm.weight)
    assert_same(block(x, None, edge_state), block_loop(block, x, edge_state))
    graphormer = GraphormerBlock(C, heads=H, ffn_ratio=1.5, norm=norm).double()
    edge_index, (target, source) = complete(4)
    bias = torch.randn(4, 4, H).double()
    expected = graphormer(x, None, bias)
    torch.testing.assert_close(graphormer(x, edge_index, bias[target, source]), expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(
        graphormer((x, x[:2]), edge_index[:, target < 2], bias[target, source][target < 2]), expected[:2]
    )


def test_number_of_parameters_is_that_of_the_paper():
    c, e, h = 256, 32, 8
    block = GPTransBlock(c, e, heads=h)
    expected = 4 * c**2 + 4 * c + (e * h + h) + (h * e + e) + (e * c + c) + 2 * c**2 + 2 * c + 4 * c + 2 * c
    assert sum(parameter.numel() for parameter in block.parameters()) == expected


@LAYERS
def test_permuting_nodes_permutes_the_result(layer):
    module, order = build(layer), torch.randperm(6)
    x, edge_attr = torch.randn(6, C).double(), torch.randn(6, 6, DE).double()
    outputs = results(layer, module, x, None, edge_attr)
    moved = results(layer, module, x[order], None, edge_attr[order][:, order])
    torch.testing.assert_close(moved[0], outputs[0][order], rtol=0, atol=1e-12)
    assert_same(moved[1:], [pairs[order][:, order] for pairs in outputs[1:]])
    edge_index, states = torch.randint(6, (2, 14)), torch.randn(14, DE).double()
    outputs = results(layer, module, x, edge_index, states)
    moved = results(layer, module, x[order], order.argsort()[edge_index], states)
    torch.testing.assert_close(moved[0], outputs[0][order], rtol=0, atol=1e-12)
    assert_same(moved[1:], outputs[1:])


@LAYERS
def test_widths_lazy_and_shared_bias(layer):
    edge_index = torch.tensor([[0, 1, 2], [1, 1, 0]])
    if layer is GPTransConv:
        make = lambda into, **options: GPTransConv(into, 8, DE, heads=H, **options)  # noqa: E731
        edge_attr = torch.randn(3, DE)
    else:
        make = lambda into, **options: GraphormerConv(into, 8, heads=H, **options)  # noqa: E731
        edge_attr = torch.randn(3, 1)
    assert results(layer, make(5), torch.randn(3, 5), edge_index, edge_attr)[0].shape == (3, 8)
    lazy = make(-1, bias=False)
    assert results(layer, lazy, torch.randn(3, 7), edge_index, edge_attr)[0].shape == (3, 8)
    assert lazy.lin_query.weight.shape == (8, 7)
    pair = (torch.randn(3, 5), torch.randn(2, 4))
    for module in (make((5, 4)), make((-1, -1))):
        assert results(layer, module, pair, edge_index, edge_attr)[0].shape == (2, 8)
    assert repr(make(5)).startswith(f"{layer.__name__}(5, 8, ")
    if layer is GraphormerConv:
        module, x = make(5), torch.randn(3, 5)
        torch.testing.assert_close(module(x, edge_index, edge_attr), module(x, edge_index, edge_attr.expand(-1, H)))
        dense = torch.randn(3, 3, 1)
        torch.testing.assert_close(module(x, None, dense), module(x, None, dense.expand(-1, -1, H)))
        torch.testing.assert_close(module(x, edge_index), module(x, edge_index, torch.zeros(3, H)))
        torch.testing.assert_close(module(x, None), module(x, None, torch.zeros(3, 3, H)))


@LAYERS
def test_many_edges_go_through_blocks_by_themselves(layer, monkeypatch):
    module, edge_index = build(layer), torch.randint(9, (2, 40))
    x, edge_attr = torch.randn(9, C).double(), torch.randn(40, DE).double()
    expected = results(layer, module, x, edge_index, edge_attr)
    for where in (gptrans_conv, graphormer_conv):
        monkeypatch.setattr(where, "MAX_SCATTER_EDGES", 0)
        monkeypatch.setattr(module, "propagate", None)  # not reached
    assert_same(results(layer, module, x, edge_index, edge_attr), expected)


@LAYERS
def test_half_precision_and_dropout(layer, tiny_blocks):
    module = build(layer, dropout=0.5).float()
    edge_index = torch.randint(4, (2, 9))
    cases = [
        (None, torch.randn(4, 4, DE)),
        (edge_index, torch.randn(9, DE)),
        (EdgeBlocks(edge_index, 4), torch.randn(9, DE)),
    ]
    for edges, edge_attr in cases:
        x = torch.randn(4, C, requires_grad=True)
        module.train()
        assert not torch.equal(
            results(layer, module, x, edges, edge_attr)[0], results(layer, module, x, edges, edge_attr)[0]
        )
        module.eval()
        exact = results(layer, module, x, edges, edge_attr)[0]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = results(layer, module, x, edges, edge_attr)[0]
        torch.testing.assert_close(rough.float(), exact, rtol=0.05, atol=0.05)
        rough.float().square().sum().backward()
        assert x.grad.isfinite().all()
        half = copy.deepcopy(module).bfloat16()
        assert results(layer, half, x.bfloat16(), edges, edge_attr.bfloat16())[0].isfinite().all()


@LAYERS
@pytest.mark.parametrize("blocks", [False, True])
def test_compile_and_pyg_containers(layer, blocks, request):
    if blocks:
        request.getfixturevalue("tiny_blocks")
    module = build(layer)
    edge_index = torch.randint(4, (2, 9))
    x, edge_attr = torch.randn(4, C).double(), torch.randn(9, DE).double()
    for edges, states in (
        (None, torch.randn(4, 4, DE).double()),
        (edge_index, edge_attr),
        (EdgeBlocks(edge_index, 4), edge_attr),
    ):
        torch._dynamo.reset()
        compiled = torch.compile(module, backend="eager")
        assert_same(results(layer, compiled, x, edges, states), results(layer, module, x, edges, states))
    output = "x, edge_attr" if layer is GPTransConv else "x"
    model = Sequential("x, edge_index, edge_attr", [(module, f"x, edge_index, edge_attr -> {output}")])
    data = Data(x=x, edge_index=edge_index, edge_attr=edge_attr)
    nodes = model(data.x, data.edge_index, data.edge_attr)
    expected = results(layer, module, x, edge_index, edge_attr)
    assert_same(nodes if isinstance(nodes, tuple) else (nodes,), expected)


def test_edges_as_they_were_without_update():
    module = build(GPTransConv, update_edges=False)
    full = build(GPTransConv)
    edge_index, edge_attr, x = torch.randint(4, (2, 9)), torch.randn(9, DE).double(), torch.randn(4, C).double()
    for edges, states in (
        (edge_index, edge_attr),
        (EdgeBlocks(edge_index, 4), edge_attr),
        (None, torch.randn(4, 4, DE).double()),
    ):
        nodes, same = module(x, edges, states)
        assert same is states
        torch.testing.assert_close(nodes, full(x, edges, states)[0])
    block = GPTransBlock(C, DE, heads=H, update_edges=False).double()
    assert block(x, edge_index, edge_attr)[1] is edge_attr


def test_edge_blocks():
    edge_index = torch.tensor([[4, 0, 1, 2, 0, 3], [1, 2, 1, 3, 3, 3]])
    blocks = EdgeBlocks(edge_index, 5)
    for max_edges in (1, 2, 100):
        seen = {}
        for block in blocks.blocks(max_edges):
            assert block.edges.numel() <= max(max_edges, block.edges.shape[0])
            assert torch.equal(edge_index[0][block.edges], block.sources)
            for column, target in enumerate(block.targets.tolist()):
                seen[target] = block.edges[:, column].tolist()
        assert seen == {1: [0, 2], 2: [1], 3: [3, 4, 5]}
    assert blocks.num_edges == 6
    assert not blocks.state_dict()
    assert "num_edges=6, num_targets=5" in repr(blocks)
    assert list(EdgeBlocks(torch.zeros(2, 0, dtype=torch.long), 3).blocks(10)) == []


def test_wrong_input_is_named():
    for layer in (lambda c, **k: GPTransConv(c, c, DE, **k), lambda c, **k: GraphormerConv(c, c, **k)):
        with pytest.raises(ConfigError, match="'out_channels' must be a multiple of 'heads'"):
            layer(10, heads=4)
    with pytest.raises(ConfigError, match="'edge_channels' must be at least 1"):
        GPTransConv(8, 8, 0, heads=4)
    with pytest.raises(ConfigError, match="'norm' must be one of pre, post, but got 'both'"):
        GPTransBlock(8, 4, norm="both")
    edge_index, x = torch.tensor([[0, 1], [1, 0]]), torch.randn(2, C).double()
    gptrans, graphormer = build(GPTransConv), build(GraphormerConv)
    with pytest.raises(
        ConfigError, match=r"'edge_attr' must have shape \[2, 3\], a row for each edge, but got \[3, 3\]"
    ):
        gptrans(x, edge_index, torch.randn(3, DE).double())
    with pytest.raises(ConfigError, match="'edge_attr' must have 3 channels, but got 4"):
        gptrans(x, None, torch.randn(2, 2, 4).double())
    with pytest.raises(ConfigError, match="'edge_attr' must have 3 channels, but got 2"):
        graphormer(x, edge_index, torch.randn(2, 2).double())
    with pytest.raises(ConfigError, match="'edge_attr' must have 1 or 2 channels, but got 3"):
        GraphormerConv(C, C, heads=H)(x.float(), edge_index, torch.randn(2, 3))
    with pytest.raises(ConfigError, match="'edge_index' must hold targets from 0 to 1, but got 0 to 5"):
        EdgeBlocks(torch.tensor([[0, 1], [0, 5]]), 2)
    with pytest.raises(ConfigError, match=r"'edge_index' must have shape \[2, E\]"):
        EdgeBlocks(torch.tensor([0, 1]), 2)


@LAYERS
def test_reset_parameters_draws_new_ones(layer):
    module = build(layer)
    before = {name: value.clone() for name, value in module.named_parameters()}
    module.reset_parameters()
    assert not any(torch.equal(value, before[name]) for name, value in module.named_parameters())
    block = GPTransBlock(8, 3, heads=2, layer_scale=0.5)
    torch.nn.init.zeros_(block.attention_scale)
    block.reset_parameters()
    assert (block.attention_scale == 0.5).all()


def tree_rows(n, heads, path):
    """A tree of `n` labels in no order, and parameters of its bias."""
    torch.manual_seed(0)
    to = torch.randperm(n)
    structure = LabelStructure(to[torch.stack([(torch.arange(1, n) - 1) // 3, torch.arange(1, n)])], n)
    table, sums = torch.randn(4, heads, requires_grad=True), torch.randn(n + 1, heads, requires_grad=True)
    return TreeRows(structure.depth, structure.ancestors, table, sums if path else None)


@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize("path", [False, True])
@pytest.mark.parametrize("heads", [1, H])
def test_flex_attention_is_the_same(path, heads, monkeypatch):
    calls, rows, x = [], tree_rows(20, heads, path), torch.randn(20, 32)

    def by_definition(*inputs, **options):  # without a compiler
        calls.append(inputs)
        return flex.flex_attention(*inputs, **options)

    monkeypatch.setattr(flex, "_compiled", lambda: by_definition)
    conv = GraphormerConv(32, 32, heads=H, backend="flex")
    with torch.no_grad():
        torch.testing.assert_close(conv(x, None, rows), conv(x, None, rows.dense()), rtol=1e-5, atol=1e-5)
    assert len(calls) == 1
    conv(x, None, rows)  # on a CPU it has no backward pass, so it is not even tried
    assert len(calls) == 1


@pytest.mark.parametrize("path", [False, True])
@pytest.mark.parametrize("heads", [1, H])
def test_scores_of_flex_attention_have_the_gradients_of_the_rows(path, heads):
    rows = tree_rows(20, heads, path)
    head, target, source = torch.meshgrid(torch.arange(H), torch.arange(20), torch.arange(20), indexing="ij")
    scores = flex._score(rows)(torch.zeros(H, 20, 20), torch.zeros(()), head, target, source)
    expected = rows.rows(0, 20, *rows.tensors()).expand(H, 20, 20)
    torch.testing.assert_close(scores, expected, rtol=1e-5, atol=1e-5)
    weights = torch.randn(H, 20, 20)
    found, wanted = (torch.autograd.grad((value * weights).sum(), rows.tensors()) for value in (scores, expected))
    assert_same(found, wanted, atol=1e-3)


def test_without_a_kernel_attention_goes_on_in_chunks(monkeypatch, caplog):
    def no_compiler():
        raise RuntimeError("no compiler\nat all")

    monkeypatch.setattr(flex, "_compiled", no_compiler)
    monkeypatch.setattr(flex, "_failed", set())
    rows, x = tree_rows(20, H, True), torch.randn(20, 32)
    conv = GraphormerConv(32, 32, heads=H, backend="flex").requires_grad_(False)
    rows = TreeRows(rows.depth, rows.ancestors, *(tensor.detach() for tensor in rows.tensors()))
    for _ in range(2):
        torch.testing.assert_close(conv(x, None, rows), conv(x, None, rows.dense()))
    assert [record.getMessage() for record in caplog.records] == [
        "flex_attention cannot be used here (no compiler); attention goes on in chunks."
    ]
    with pytest.raises(ConfigError, match="'backend' must be one of auto, chunked, flex, but got 'triton'"):
        GraphormerConv(8, 8, backend="triton")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_the_compiled_kernel_is_the_same():
    rows, x = tree_rows(200, H, True), torch.randn(200, 64)
    conv = GraphormerConv(64, 64, heads=H, backend="flex")
    with torch.no_grad():
        query = conv.lin_query(x).unflatten(-1, (H, -1)) * 32**-0.5
        key_value = conv.lin_key_value(x).unflatten(-1, (2, H, -1))
        expected = attention.attend_rows(query, key_value, rows).nodes
        torch.testing.assert_close(flex.flex_rows(query, key_value, rows), expected, rtol=1e-4, atol=1e-4)
