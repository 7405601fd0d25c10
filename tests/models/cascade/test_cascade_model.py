"""CascadeXML as a model: its layers, its loss by definition, its batches."""

import logging
import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from hgraph.data import AlignmentDataset, Collator
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import BCELoss, ObjectiveList, ZLPRLoss
from hgraph.models import CascadeModel, FrozenCascade
from hgraph.models.cascade.layers import flat_layers, layer_vectors, spread_layers
from hgraph.models.cascade.loss import cascade_loss
from hgraph.text import BagTextEncoder, TransformerTextEncoder
from hgraph.training.evaluation import predict_scores
from hgraph.training.optimizer import build_optimizer

TEXTS = ["w0 w1 w2", "w3", "w4 w5 w6 w7 w8", "w9 w10"]
GAP = LabelGraph.from_edges([("a", "y"), ("b", "c"), ("b", "d"), ("c", "y"), ("c", "z")])


@pytest.fixture
def encoder(tiny_bert, tiny_tokenizer):
    def make(**options):
        return TransformerTextEncoder(tiny_bert(num_hidden_layers=4), tiny_tokenizer(32), **options)

    return make


def build(encoder, graph, **options):
    torch.manual_seed(0)
    return CascadeModel(text_encoder=encoder(), num_labels=graph.num_labels, tree=graph, **options)


@pytest.mark.parametrize(
    ("layers", "levels", "expected"),
    [
        (12, 2, [[9, 10], [12]]),  # the published choices
        (12, 3, [[7, 8], [10], [12]]),
        (12, 4, [[5, 6], [8], [10], [12]]),
        (12, 1, [[12]]),
        (6, 4, [[2, 3], [4], [5], [6]]),
        (24, 3, [[15, 16], [20], [24]]),
        (1, 3, [[1], [1], [1]]),
        (2, 6, [[1], [1], [1], [2], [2], [2]]),
    ],
)
def test_layers_are_spread_over_the_upper_half(layers, levels, expected):
    assert spread_layers(layers, levels) == expected


def test_a_level_needs_a_layer():
    assert flat_layers([[3], [1, 3], [2]]) == ([1, 2, 3], [[2], [0, 2], [1]])
    for groups in ([], [[1], []]):
        with pytest.raises(ConfigError, match="at least one layer for each level"):
            flat_layers(groups)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_states_of_layers_are_pooled_like_the_last_one(encoder, pooling):
    text_encoder = encoder(pooling=pooling, layers=[1, 4], dropout=0.0).eval()
    batch = text_encoder.collate(text_encoder.prepare(TEXTS))
    hidden = text_encoder.model(**batch, output_hidden_states=True).hidden_states
    vectors = layer_vectors(text_encoder, batch)
    assert vectors.shape == (4, 2, 16)
    for place, layer in enumerate([1, 4]):
        for row in range(4):
            tokens = hidden[layer][row, : int(batch["attention_mask"][row].sum())]
            torch.testing.assert_close(vectors[row, place], tokens[0] if pooling == "cls" else tokens.mean(0))
    torch.testing.assert_close(vectors[:, 1], text_encoder(**batch).pooled)


@pytest.mark.parametrize("faithful", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_is_the_definition(encoder, faithful, reduction):
    """Uneven shortlists, a node without weights, weights of levels and of the objective."""
    model = build(
        encoder, GAP, topk=[1], dropouts=[0, 0, 0], level_weights=[2, 1, 0.5], layers=[[2], [3, 4], [4]],
        faithful=faithful, objectives=ObjectiveList([(3.0, BCELoss(reduction=reduction))]),
    ).eval()  # fmt: skip
    batch = model.text_encoder.collate(model.text_encoder.prepare(TEXTS))
    labels = torch.tensor(GAP.expand(sp.csr_matrix(np.eye(6)[[2, 3, 4, 0]])).toarray(), dtype=torch.float32)
    levels = model.scorer.training_walk(layer_vectors(model.text_encoder, batch), labels)
    counts = [level.cells.row.bincount().tolist() for level in levels]
    assert len(set(counts[-1])) > 1  # else padding would not show
    expected = 0.0
    for level, weight in zip(levels, [2, 1, 0.5], strict=True):
        total, number, most = 0.0, 0, {}
        own = [True] * len(level.scores) if level.own is None else level.own.tolist()
        cells = zip(level.cells.row.tolist(), level.scores.tolist(), level.right.tolist(), own, strict=True)
        for row, score, right, counts_in in cells:
            if counts_in:
                total += -math.log(1 / (1 + math.exp(-score if right else score)))
                number += 1
                most[row] = most.get(row, 0) + 1
        mean = 4 if reduction == "sum" else 4 * max(most.values()) if faithful else number
        expected += 3.0 * weight * total / mean
    output = model(text=batch, labels=labels)
    assert output["loss"].item() == pytest.approx(expected, rel=1e-5)
    assert list(output["objectives"]) == ["level 1", "level 2", "labels"]


def test_labels_come_as_ids_or_multi_hot(encoder, toy_graph, toy_corpora):
    model = build(encoder, toy_graph).eval()
    corpus = toy_corpora["val"]
    dataset = AlignmentDataset(model.text_encoder.prepare(corpus.texts), corpus.labels)
    items = [dataset[row] for row in range(8)]
    plain = Collator(model.text_encoder.collate, 9)(items)
    ids = Collator(model.text_encoder.collate, 9, form=model.label_form)(items)
    assert ids["labels"].dtype == torch.long and ids["labels"].shape[1] < 9
    for row, item in enumerate(items):
        given = ids["labels"][row]
        assert given[given >= 0].tolist() == item["labels"].tolist()
        assert plain["labels"][row].nonzero().squeeze(1).tolist() == item["labels"].tolist()
    torch.testing.assert_close(model(**plain)["loss"], model(**ids)["loss"])


def test_no_documents_and_no_labels(encoder, toy_graph):
    model = build(encoder, toy_graph)
    text = model.text_encoder.collate([])
    loss = model(text=text, labels=torch.zeros(0, 9))["loss"]
    assert loss == 0
    loss.backward()
    assert model.eval()(text=text)["labels"].shape == (0, 0)
    text = model.text_encoder.collate(model.text_encoder.prepare(TEXTS))
    assert model(text=text, labels=torch.full((4, 0), -1))["loss"] > 0


def test_one_label(encoder):
    graph = LabelGraph.from_edges([], nodes=["only"])
    model = build(encoder, graph).eval()
    output = model(text=model.text_encoder.collate(model.text_encoder.prepare(TEXTS)))
    assert output["labels"].tolist() == [[0]] * 4 and model.text_encoder.layers == [4]


def test_scores_of_a_shortlist_become_csr(encoder, toy_graph):
    model = build(encoder, toy_graph, topk=[1]).eval()
    batches = [
        {"text": model.text_encoder.collate(model.text_encoder.prepare(texts))} for texts in (TEXTS[:3], TEXTS[3:])
    ]
    scores = predict_scores(model, batches, 9, keep=2)
    assert scores.shape == (4, 9) and np.diff(scores.indptr).tolist() == [2] * 4
    every = predict_scores(model, batches, 9)
    output = model(text=batches[0]["text"])
    for row in range(3):
        kept = output["labels"][row] >= 0
        found = dict(
            zip(output["labels"][row][kept].tolist(), output["logits"][row][kept].sigmoid().tolist(), strict=True)
        )
        assert dict(zip(every[[row]].indices.tolist(), every[[row]].data.tolist(), strict=True)) == pytest.approx(found)
        best = sorted(found, key=found.get)[-2:]
        assert set(scores[[row]].indices.tolist()) == set(best)
    frozen = predict_scores(model.freeze(), batches, 9)
    assert isinstance(model.freeze(), FrozenCascade)
    np.testing.assert_allclose(frozen.toarray(), every.toarray(), atol=1e-7)


def test_sparse_tables_are_moved_where_candidates_are(encoder):
    graph = LabelGraph.from_edges([(f"p{i}", f"c{i}{j}") for i in range(6) for j in range(3)])
    model = build(encoder, graph, topk=[1], sparse=True).train()
    optimizer = build_optimizer(model, learning_rate=1e-3, head_learning_rate=1e-1, lexical_learning_rate=0.0)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert rates[id(model.scorer.label_table.weight)] == 1e-1
    before = model.scorer.label_table.weight.detach().clone()
    labels = torch.full((1, 2), -1)
    labels[0] = torch.tensor([graph.index("p0"), graph.index("c01")])
    model(text=model.text_encoder.collate(model.text_encoder.prepare(TEXTS[:1])), labels=labels)["loss"].backward()
    optimizer.step()
    moved = (model.scorer.label_table.weight != before).any(1).nonzero().squeeze(1).tolist()
    assert moved == sorted(graph.indices(["p0", "c00", "c01", "c02"]).tolist())


def test_cut_nodes_are_reported(encoder, caplog):
    model = build(encoder, GAP, topk=[1], faithful=True)
    text = model.text_encoder.collate(model.text_encoder.prepare(TEXTS))
    model(text=text, labels=torch.ones(4, 6))
    assert model.scorer.cut == 4  # a and b are right, one of them is taken
    with caplog.at_level(logging.WARNING):
        model.freeze()
    assert "4 right nodes were cut at 'topk' [1, 1]" in caplog.text and model.scorer.cut == 0
    other = build(encoder, GAP, topk=[1])
    other(text=text, labels=torch.ones(4, 6))
    assert other.scorer.cut == 0


def test_what_does_not_fit(encoder, toy_graph):
    bag = BagTextEncoder.fit(TEXTS, channels=4)
    with pytest.raises(ConfigError, match="needs the text encoder 'transformer' with one window, found BagTextEncoder"):
        CascadeModel(text_encoder=bag, num_labels=9, tree=toy_graph)
    with pytest.raises(ConfigError, match="'layers' must have one entry for each of 3 levels"):
        build(encoder, toy_graph, layers=[[1]])
    with pytest.raises(ConfigError, match="'layers' must be some of 0 to 4"):
        build(encoder, toy_graph, layers=[[1], [2], [5]])
    with pytest.raises(ConfigError, match="'level_weights' must have one entry"):
        build(encoder, toy_graph, level_weights=[1.0])
    model = build(encoder, toy_graph, objectives=ObjectiveList([ZLPRLoss()]))
    text = model.text_encoder.collate(model.text_encoder.prepare(TEXTS))
    with pytest.raises(ConfigError, match="trains the objective 'bce' alone"):
        model(text=text, labels=torch.zeros(4, 9))
    with pytest.raises(ConfigError, match="alone"):
        cascade_loss(ObjectiveList([BCELoss(), BCELoss()]), model.scorer.walk(torch.zeros(1, 3, 16)), [1.0], 1)
