"""One optimiser made of two against the two apart."""

import copy
import warnings

import pytest
import torch
from torch.optim import SGD, AdamW

from hgraph.graph import LabelGraph
from hgraph.models import AlignmentModel
from hgraph.nn import NameLabelEncoder
from hgraph.sampling import ShortlistSampler
from hgraph.scoring import AdditiveScorer, DotScorer, LexicalScorer, LinearScorer
from hgraph.text import BagTextEncoder, FieldTextEncoder, TransformerTextEncoder
from hgraph.training.optimizer import ChainedOptimizer, build_optimizer

TEXTS = ["red apples", "green apples eat", "blue pears fall", "ripe pears"]
LABELS = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]])
RATES = {"learning_rate": 1e-2, "head_learning_rate": 3e-2, "lexical_learning_rate": 4.0}


def make_model(*, lexical=True):
    torch.manual_seed(0)
    encoder = BagTextEncoder.fit(TEXTS, channels=6, dropout=0.0)
    return AlignmentModel(
        text_encoder=encoder,
        num_labels=3,
        scorer=DotScorer(6, num_labels=3),
        label_encoder=NameLabelEncoder(6, 6),
        label_names=["apples", "green", "pears"],
        lexical_scorer=LexicalScorer(encoder.num_features, 3) if lexical else None,
    ).double()


def backward(model):
    encoder = model.text_encoder
    loss = model(encoder.collate(encoder.prepare(TEXTS)), LABELS)["loss"]
    loss.backward()
    return loss.item()


def steps(model, optimizer, count, scheduler=None):
    losses = []
    for _ in range(count):
        optimizer.zero_grad()
        losses.append(backward(model))
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return losses


def assert_equal(first, second):
    for (name, a), (_, b) in zip(first.named_parameters(), second.named_parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10, msg=lambda text, name=name: f"{name}: {text}")


def rate_of(optimizer):
    """Learning rate and weight decay of each parameter; fails where one is in two groups."""
    found = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert id(parameter) not in found
            found[id(parameter)] = (group["lr"], group["weight_decay"])
    return found


def test_every_trainable_parameter_is_in_one_group_with_its_rates():
    model = make_model()
    model.text_encoder.norm.bias.requires_grad_(False)
    found = rate_of(build_optimizer(model, **RATES, weight_decay=0.1))
    assert len(found) == sum(parameter.requires_grad for parameter in model.parameters())
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            assert id(parameter) not in found
            continue
        if name == "lexical_scorer.weight":
            expected = (4.0, 0.0)
        elif name == "lexical_scorer.bias":
            expected = (0.4, 0.0)
        else:
            rate = 1e-2 if name.startswith("text_encoder.") else 3e-2
            matrix = name in ("text_encoder.embedding.weight", "label_encoder.projection.weight")
            expected = (rate, 0.1 if matrix else 0.0)
        assert found[id(parameter)] == expected, name


def test_a_frozen_lexical_scorer_is_left_alone():
    model = make_model()
    model.lexical_scorer.requires_grad_(False)
    optimizer = build_optimizer(model, **RATES)
    assert isinstance(optimizer, AdamW)
    before = model.lexical_scorer.weight.clone()
    steps(model, optimizer, 2)
    torch.testing.assert_close(model.lexical_scorer.weight, before, rtol=0, atol=0)


def test_without_a_lexical_scorer_it_is_plain_adamw():
    assert isinstance(build_optimizer(make_model(lexical=False), **RATES), AdamW)


def test_lexical_features_alone():
    encoder = BagTextEncoder.fit(TEXTS, channels=0)
    model = AlignmentModel(text_encoder=encoder, num_labels=3, lexical_scorer=LexicalScorer(encoder.num_features, 3))
    losses = steps(model, build_optimizer(model, **RATES), 30)
    assert losses[-1] < 0.2 * losses[0]


def test_one_step_equals_the_two_parts_apart():
    chained, apart = make_model(), make_model()
    optimizer = build_optimizer(chained, **RATES, weight_decay=0.1)
    assert isinstance(optimizer, ChainedOptimizer)
    lexical = apart.lexical_scorer
    named = [(n, p) for n, p in apart.named_parameters() if not n.startswith("lexical_scorer.")]
    adamw = AdamW(
        [
            {
                "params": [parameter],
                "lr": 1e-2 if name.startswith("text_encoder.") else 3e-2,
                "weight_decay": 0.1 if parameter.ndim > 1 else 0.0,
            }
            for name, parameter in named
        ]
    )
    sgd = SGD([{"params": [lexical.weight]}, {"params": [lexical.bias], "lr": 0.4}], lr=4.0)
    for _ in range(3):
        for part in (optimizer, adamw, sgd):
            part.zero_grad()
        assert backward(chained) == pytest.approx(backward(apart), abs=1e-10)
        assert chained.lexical_scorer.weight.grad.is_sparse
        for part in (optimizer, adamw, sgd):
            part.step()
    assert_equal(chained, apart)


def test_state_round_trip_continues_identically(tmp_path):
    model = make_model()
    optimizer = build_optimizer(model, **RATES, weight_decay=0.1)
    steps(model, optimizer, 3)
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    again = make_model()
    again.load_state_dict(copy.deepcopy(model.state_dict()))
    other = build_optimizer(again, **RATES, weight_decay=0.1)
    other.load_state_dict(torch.load(tmp_path / "optimizer.pt", weights_only=True))
    assert len(other.state) == len(optimizer.state) > 0
    assert steps(model, optimizer, 3) == pytest.approx(steps(again, other, 3), abs=1e-10)
    assert_equal(model, again)


def test_a_state_of_another_model_is_refused():
    optimizer = build_optimizer(make_model(), **RATES)
    state = {"optimizers": optimizer.state_dict()["optimizers"][:1]}
    with pytest.raises(ValueError, match="zip"):
        optimizer.load_state_dict(state)


@pytest.mark.parametrize("resume", [False, True])
def test_a_scheduler_changes_every_part(resume):
    model = make_model()
    optimizer = build_optimizer(model, **RATES)
    if resume:  # replaces the group objects of the parts
        optimizer.load_state_dict(optimizer.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (step + 1))
        steps(model, optimizer, 3, scheduler)
    rates = [group["lr"] for part in optimizer.optimizers for group in part.param_groups]
    assert sorted(rates) == pytest.approx(sorted([1e-2 / 4] * 2 + [3e-2 / 4] * 2 + [1.0, 0.1]))
    assert all(a is b for a, b in zip(optimizer.param_groups, _groups(optimizer), strict=True))


def _groups(optimizer):
    return [group for part in optimizer.optimizers for group in part.param_groups]


def test_closure_zero_grad_and_repr():
    model = make_model()
    optimizer = build_optimizer(model, **RATES)
    assert optimizer.step(lambda: backward(model)) > 0
    assert model.lexical_scorer.weight.any()
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert "ChainedOptimizer" in repr(optimizer)


def test_plain_sgd_of_the_head_is_its_definition():
    """Beside a lexical scorer, a linear one on the vectors is trained as it is; its bias at a tenth of the rate."""
    torch.manual_seed(0)
    encoder = BagTextEncoder.fit(TEXTS, channels=6, dropout=0.0)
    model = AlignmentModel(
        text_encoder=encoder,
        num_labels=3,
        scorer=LinearScorer(3, 6),
        lexical_scorer=LexicalScorer(encoder.num_features, 3),
    ).double()
    encoder.requires_grad_(False)
    optimizer = build_optimizer(model, **RATES, head_optimizer="sgd")
    before = {name: value.clone() for name, value in model.named_parameters()}
    backward(model)
    gradients = {name: value.grad.to_dense() for name, value in model.named_parameters() if value.grad is not None}
    optimizer.step()
    rates = {"scorer.weight": 3e-2, "scorer.bias": 3e-3, "lexical_scorer.weight": 4.0, "lexical_scorer.bias": 0.4}
    assert gradients.keys() == rates.keys()
    for name, value in model.named_parameters():
        expected = before[name] - rates[name] * gradients[name] if name in rates else before[name]
        torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("weighting", ["tfidf", "learned"])
def test_tables_with_sparse_gradients_train(weighting):
    torch.manual_seed(0)
    encoder = BagTextEncoder.fit(TEXTS, channels=6, dropout=0.0, sparse=True, weighting=weighting)
    model = AlignmentModel(text_encoder=encoder, num_labels=3, scorer=LinearScorer(3, 6))
    optimizer = build_optimizer(model, **RATES)
    losses = steps(model, optimizer, 30)
    assert losses[-1] < 0.5 * losses[0]
    state = optimizer.state_dict()
    again = build_optimizer(model, **RATES)
    again.load_state_dict(state)
    assert steps(model, again, 2)[-1] < losses[0]


def shortlist_model(**options):
    torch.manual_seed(0)
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("c", "d"), ("c", "e")])
    return AlignmentModel(
        text_encoder=BagTextEncoder.fit(TEXTS, channels=6, dropout=0.0),
        num_labels=5,
        scorer=AdditiveScorer(5, 6),
        label_encoder=NameLabelEncoder(6, 6, num_labels=5),
        label_names=TEXTS + TEXTS[:1],
        shortlist=ShortlistSampler(graph, random=1, siblings=0),
        **options,
    ).double()


def shortlist_step(model):
    encoder = model.text_encoder
    output = model(encoder.collate(encoder.prepare(TEXTS[:2])), torch.tensor([[0, 1], [0, -1]]))
    output["loss"].backward()
    return set(output["labels"][0].tolist())


@pytest.mark.parametrize("head_optimizer", ["adamw", "sgd"])
def test_rows_outside_a_shortlist_stay_where_they_are(head_optimizer):
    model = shortlist_model()
    optimizer = build_optimizer(model, **RATES, weight_decay=0.1, head_optimizer=head_optimizer)
    rates = {id(part): group["lr"] for group in optimizer.param_groups for part in group["params"]}
    assert rates.keys() == {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    assert {model.get_parameter(name) for name in model.sparse_tables} == {
        model.scorer.weight,
        model.label_encoder.id_embedding,
    }
    for name in model.sparse_tables:
        assert rates[id(model.get_parameter(name))] == 3e-2
    for _ in range(3):
        before = {name: model.get_parameter(name).detach().clone() for name in model.sparse_tables}
        optimizer.zero_grad()
        columns = shortlist_step(model)
        gradients = {name: model.get_parameter(name).grad.to_dense() for name in before}
        optimizer.step()
        for name, old in before.items():
            moved = (model.get_parameter(name) != old).any(1)
            assert set(moved.nonzero().flatten().tolist()) == columns
            if head_optimizer == "sgd":
                torch.testing.assert_close(model.get_parameter(name), old - 3e-2 * gradients[name])


def test_dense_gradients_take_adamw():
    model = shortlist_model(sparse_gradients=False)
    assert isinstance(build_optimizer(model, **RATES), AdamW)
    for name in ("scorer.weight", "label_encoder.id_embedding"):
        model.zero_grad()
        shortlist_step(model)
        assert not model.get_parameter(name).grad.is_sparse


def test_several_processes_exchange_dense_gradients(monkeypatch):
    monkeypatch.setattr("hgraph.models.alignment_model.many_processes", lambda: True)
    model = shortlist_model()
    assert model.sparse_tables == []
    shortlist_step(model)
    assert not model.label_encoder.id_embedding.grad.is_sparse


def test_what_stands_beside_a_transformer_takes_the_rate_of_the_head(tiny_bert, tiny_tokenizer):
    inner = TransformerTextEncoder(tiny_bert(), tiny_tokenizer(32))
    model = AlignmentModel(text_encoder=FieldTextEncoder(inner, ["a", "b"]), num_labels=3, scorer=LinearScorer(3, 16))
    rates = rate_of(build_optimizer(model, **RATES))
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            expected = 1e-2 if name.startswith("text_encoder.encoder.model.") else 3e-2
            assert rates[id(parameter)][0] == expected, name
