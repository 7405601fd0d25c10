"""Label vectors from memory: against the encoder itself, and against layers whose neighbours are detached."""

import copy

import pytest
import torch
from torch.nn import functional as F

from hgraph.errors import ConfigError
from hgraph.nn.encodings import LabelStructure
from hgraph.nn.label_encoders import (
    CachedLabelEncoder,
    GATLabelEncoder,
    GPTransLabelEncoder,
    GraphormerLabelEncoder,
    LearnedLabelEncoder,
    TreeSweepEncoder,
)

SIZE = 30
CHILDREN = torch.arange(1, SIZE)
STRUCTURE = LabelStructure(torch.stack([(CHILDREN - 1) // 3, CHILDREN]), SIZE)
KINDS = {
    "gat": lambda **o: GATLabelEncoder(STRUCTURE, channels=8, heads=2, **o),
    "graphormer": lambda **o: GraphormerLabelEncoder(STRUCTURE, channels=8, heads=2, form="edges", **o),
    "gptrans": lambda **o: GPTransLabelEncoder(STRUCTURE, channels=8, heads=2, edge_channels=3, form="edges", **o),
}


def cached(name, *, layers=2, dropout=0.0, **options):
    torch.manual_seed(0)
    encoder = KINDS[name](layers=layers, dropout=dropout)
    return CachedLabelEncoder(encoder, **{"dtype": torch.float64, "refresh": 4, **options}).double()


def features_for(seed=1):
    return torch.randn(SIZE, 8, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("chunk", [7, SIZE])
@pytest.mark.parametrize("layers", [1, 3])
def test_a_fresh_memory_is_the_encoder(name, chunk, layers):
    model, features = cached(name, layers=layers, chunk=chunk), features_for()
    expected = model.encoder(features)
    torch.testing.assert_close(model.eval()(features), expected, rtol=0, atol=1e-12)
    # Labels refreshed in training, all of them at each step.
    model = cached(name, layers=layers, chunk=chunk, refresh=SIZE)
    model.train().refresh_all(features_for(seed=2))
    vectors = model(features, labels=torch.tensor([5, 0]))
    torch.testing.assert_close(vectors, expected, rtol=0, atol=1e-12)


def detached(encoder, features, labels):
    """The full pass, in which labels that were not asked for are detached before every layer."""
    asked = torch.zeros(SIZE, 1, dtype=torch.bool).index_fill(0, labels, True)

    def cut(x):
        return torch.where(asked, x, x.detach())

    x, edge_attr = cut(encoder.start(features)), encoder.edge_states()
    for number in range(len(encoder.blocks)):
        x, edge_attr = encoder.layer(number, x, encoder.edges, edge_attr, SIZE)
        x = cut(x)
    return encoder.finish(x)[labels]


@pytest.mark.parametrize("name", KINDS)
def test_gradients_stop_at_labels_that_were_not_asked_for(name):
    model, labels = cached(name, refresh=SIZE), torch.tensor([4, 1, 13, 29])
    weights = torch.randn(len(labels), 8).double()
    found = []
    for run in (lambda x: model(x, labels=labels)[labels], lambda x: detached(model.encoder, x, labels)):
        features = features_for().requires_grad_()
        vectors = run(features)
        gradients = torch.autograd.grad((vectors * weights).sum(), [features, *model.parameters()])
        found.append((vectors.detach(), *gradients))
    torch.testing.assert_close(*found, rtol=0, atol=1e-11)
    others = torch.ones(SIZE, dtype=torch.bool).index_fill(0, labels, False)
    assert (found[0][1][labels] != 0).any(1).all()
    assert (found[0][1][others] == 0).all()


def test_other_labels_have_no_gradient():
    model, labels = cached("gptrans"), torch.tensor([4, 1])
    others = torch.ones(SIZE, dtype=torch.bool).index_fill(0, labels, False)
    vectors = model(features_for(), labels=labels)
    gradients = torch.autograd.grad(vectors[others].sum(), list(model.parameters()))
    assert all((gradient == 0).all() for gradient in gradients)


def test_no_label_grows_older_than_a_round():
    model, features = cached("gptrans", layers=1, refresh=4), features_for()
    model.refresh_all(features)
    ages = []
    for _ in range(20):
        model(features, labels=torch.tensor([7]))
        ages.append(model.staleness)
    # 30 labels, 4 a step: a round of 8 steps, and each label is refreshed every 7 or 8 steps.
    assert ages[:8] == [1, 2, 3, 4, 5, 6, 7, 7]
    assert max(ages) == 7


def test_what_was_computed_is_remembered():
    model, features, labels = cached("graphormer", refresh=1), features_for(), torch.tensor([20, 3])
    model.refresh_all(features)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    vectors = model(features, labels=labels)
    assert torch.equal(model.memory[-1][labels], vectors[labels].detach())
    later = model(features, labels=torch.tensor([9]))
    assert torch.equal(later[labels], vectors[labels])


def test_evaluation_sees_new_weights_and_new_features():
    model, features = cached("gat").eval(), features_for()
    first = model(features)
    assert torch.equal(model(features), first)
    calls = []
    model.encoder.register_forward_pre_hook(lambda *_: calls.append(0))
    refresh, model.refresh_all = model.refresh_all, lambda *a: (calls.append(1), refresh(*a))
    model(features.clone())
    assert not calls  # nothing changed
    torch.testing.assert_close(model(features_for(2)), model.encoder(features_for(2)))
    torch.testing.assert_close(model(features.flip(0)), model.encoder(features.flip(0)))
    with torch.no_grad():
        model.encoder.blocks[0].conv.lin_l.weight.mul_(1.5)
    torch.testing.assert_close(model(features), model.encoder(features))
    model.load_state_dict(cached("gat", layers=2).state_dict())
    torch.testing.assert_close(model(features), first)
    # A step of training, then evaluation.
    model.train()(features, labels=torch.tensor([1]))
    with torch.no_grad():
        model.encoder.blocks[0].conv.lin_l.weight.data.mul_(2)  # which leaves no trace
    torch.testing.assert_close(model.eval()(features), model.encoder(features))


def test_changes_that_leave_no_trace_can_be_told():
    model, features = cached("gat").eval(), features_for()
    first = model(features)
    model.encoder.blocks[0].conv.lin_l.weight.data.mul_(2)
    assert torch.equal(model(features), first)
    model.invalidate()
    assert not torch.equal(model(features), first)


def test_refreshed_labels_have_no_dropout_and_training_goes_on_with_it():
    model, features = cached("gptrans", dropout=0.5, refresh=4), features_for()
    model.encoder.blocks[1].eval()  # frozen by the user
    model.refresh_all(features)
    expected = model.memory.clone()
    model(features, labels=torch.tensor([29]))
    torch.testing.assert_close(model.memory[:, :20], expected[:, :20], rtol=0, atol=1e-12)
    assert (model.memory[:, 29] - expected[:, 29]).abs().max() > 1e-3
    assert model.encoder.blocks[0].training and model.encoder.input_dropout.training
    assert not model.encoder.blocks[1].training


def test_training_without_labels_is_the_encoder():
    model, features = cached("graphormer"), features_for()
    vectors = model(features)
    torch.testing.assert_close(vectors, model.encoder(features))
    (vectors * features).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_memory_is_small_and_not_saved():
    model = CachedLabelEncoder(KINDS["gptrans"](layers=2))
    assert model.memory.dtype == torch.float16
    assert model.memory.shape == (2, SIZE, 8)
    assert not {"memory", "computed"} & set(model.state_dict())
    features = features_for().float()
    torch.testing.assert_close(model.eval()(features), model.encoder(features), rtol=0, atol=5e-3)
    assert copy.deepcopy(model)(features).dtype == torch.float32


@pytest.mark.parametrize("name", KINDS)
def test_training_in_half_precision(name):
    model, features, labels = (
        CachedLabelEncoder(KINDS[name](layers=2), refresh=4),
        features_for().float(),
        torch.tensor([3, 8]),
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        vectors = model(features, labels=labels)
        loss = (vectors.float() * torch.randn(SIZE, 8)).sum()
    loss.backward()
    assert vectors.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_no_labels_and_free_vectors():
    encoder = GPTransLabelEncoder(
        STRUCTURE, channels=8, heads=2, form="edges", node_encoder=LearnedLabelEncoder(SIZE, 8, sparse=True)
    )
    model = CachedLabelEncoder(encoder, refresh=2)
    assert model(labels=torch.tensor([], dtype=torch.long)).shape == (SIZE, 8)
    labels = torch.tensor([3, 8])
    model(labels=labels)[labels].square().sum().backward()
    assert encoder.node_encoder.weight.grad.coalesce().indices().tolist() == [[3, 8]]


@pytest.mark.slow
@pytest.mark.parametrize("is_cached", [False, True])
def test_compiled_training_is_the_same(is_cached):
    model, features, labels = cached("gptrans"), features_for(), torch.tensor([2, 17])
    model = model if is_cached else model.encoder
    twin = copy.deepcopy(model)
    compiled = torch.compile(model, backend="eager")
    torch.testing.assert_close(compiled(features, labels=labels), twin(features, labels=labels))
    torch._dynamo.reset()


def train(model, size, targets, ask):
    """Regress vectors of labels to targets, a few labels a step; the loss over all labels at the end."""
    features = torch.randn(size, 8, generator=torch.Generator().manual_seed(3))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(4)
    model.train()
    for _ in range(80):
        labels = torch.randperm(size, generator=generator)[:40]
        loss = F.mse_loss(ask(model, features, labels), targets(features)[labels])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    return float(F.mse_loss(model(features), targets(features)).detach())


def test_training_from_memory_comes_close_to_full_training():
    size = 300
    children = torch.arange(1, size)
    structure = LabelStructure(torch.stack([(children - 1) // 4, children]), size)

    def targets(features):
        # What a label should say is what its parent's parent has: two hops away.
        parent = structure.parent[:-1].clamp(max=size - 1)
        return F.layer_norm(features[parent[parent]] + features, (8,))

    def encoder():
        torch.manual_seed(5)
        return GPTransLabelEncoder(
            structure, channels=8, heads=2, edge_channels=4, layers=2, form="edges", dropout=0.0, max_degree=None
        )

    flat = float(targets(torch.randn(size, 8)).var())
    full = train(encoder(), size, targets, lambda model, x, labels: model(x)[labels])
    memory = CachedLabelEncoder(encoder(), refresh=30, dtype=torch.float32)
    remembered = train(memory, size, targets, lambda model, x, labels: model(x, labels=labels)[labels])
    assert full < 0.5 * flat
    assert remembered < full + 0.1 * flat


def test_wrong_options_are_named():
    with pytest.raises(ConfigError, match="'encoder' must be a label encoder with a list of edges, but got TreeSweep"):
        CachedLabelEncoder(TreeSweepEncoder(STRUCTURE, channels=8, heads=2))
    with pytest.raises(ConfigError, match="but got GPTransLabelEncoder"):
        CachedLabelEncoder(GPTransLabelEncoder(STRUCTURE, channels=8, heads=2))
    for name in ("refresh", "chunk"):
        with pytest.raises(ConfigError, match=f"'{name}' must be at least 1, but got 0"):
            cached("gat", **{name: 0})
    with pytest.raises(ConfigError, match="'dtype' must be a floating point type"):
        cached("gat", dtype=torch.int8)
    with pytest.raises(ConfigError, match="must not hold a label twice"):
        cached("gat")(features_for(), labels=torch.tensor([1, 1]))


@pytest.mark.parametrize("layers", [1, 2])
def test_from_a_full_pass_on_a_memory_goes_on_as_a_new_one(layers):
    """What a run that goes on from a checkpoint does, where the checkpoint follows a validation."""
    model, features = cached("gat", layers=layers), features_for()

    def steps(model):
        """Steps of plain gradient descent, and all that they computed."""
        seen = []
        for labels in ([3, 7], [28], [0, 7, 12]):
            vectors = model.train().encode(features, torch.tensor(labels))
            vectors.square().sum().backward()
            with torch.no_grad():
                for weight in model.parameters():
                    if weight.grad is not None:
                        weight -= 0.1 * weight.grad
            model.zero_grad()
            seen.append(vectors.detach())
        return [*seen, *model.memory[:-1]]

    steps(model)
    model.eval()(features)
    again = copy.deepcopy(model)
    again.load_state_dict(model.state_dict())
    again.memory.zero_()
    again.turn, again.step = 0, 0
    for one, other in zip(steps(model), steps(again), strict=True):
        assert torch.equal(one, other)


def test_a_single_layer_reads_no_memory_and_keeps_none_fresh(monkeypatch):
    model, features = cached("gat", layers=1), features_for()
    expected = model.encoder(features, labels=torch.tensor([4, 9]))
    monkeypatch.setattr(CachedLabelEncoder, "_refresh", None)
    torch.testing.assert_close(model.train().encode(features, torch.tensor([4, 9])), expected)
