"""Raw text in, named labels out."""

import functools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.decoding import Thresholds, threshold_decode
from hgraph.errors import DataError
from hgraph.predictor import Predictor

KINDS = [
    "lexical",
    "dense",
    "mixed",
    "wide",
    "staged",
    "conditional",
    "htla",
    "hgclr",
    "hyilr",
    "hjcl",
    "hmcn",
    "hbgl",
    "cascade",
    "xr_linear",
    "xr_transformer",
]


@pytest.fixture(scope="module", params=KINDS)
def predictor(request, toy_runs):
    return Predictor(toy_runs(request.param), device="cpu")


def test_scores_do_not_depend_on_batch_or_padding(predictor, toy_corpora):
    texts = toy_corpora["test"].texts
    whole = predictor.scores(texts).toarray()
    assert whole.shape == (20, 9) and ((whole >= 0) & (whole <= 1)).all()
    for batch_size in (1, 3, 20):
        np.testing.assert_allclose(predictor.scores(texts, batch_size=batch_size).toarray(), whole, atol=2e-6)
    np.testing.assert_allclose(predictor.scores(texts[::-1]).toarray(), whole[::-1], atol=2e-6)


def test_predictions_are_closed_named_and_sorted(predictor, toy_corpora, toy_graph):
    texts = toy_corpora["test"].texts
    predictions = predictor.predict(texts)
    decoded = threshold_decode(predictor.scores(texts), predictor.thresholds, toy_graph)
    for row, prediction in enumerate(predictions):
        ids = [label.id for label in prediction.labels]
        assert sorted(ids) == sorted(toy_graph.label_id[i] for i in decoded[[row]].indices)
        for label in prediction.labels:
            index = toy_graph.index(label.id)
            assert (label.name, label.path) == (toy_graph.name[index], toy_graph.path_names(index))
            above = {toy_graph.label_id[i] for i in toy_graph.ancestors[[index]].indices} - {label.id}
            assert above <= set(ids[: ids.index(label.id)])
        values = [label.probability for label in prediction.labels]
        assert values == sorted(values, reverse=True)
        assert len(prediction.top) == 5
        assert prediction.labels[:5] == prediction.top[: len(prediction.labels)] or not prediction.labels
        assert prediction.to_dict()["top"][0]["id"] == prediction.top[0].id


def test_no_texts(predictor):
    assert predictor.predict([]) == []
    assert predictor.scores([]).shape == (0, 9)
    assert list(predictor.stream([])) == []


def test_a_text_of_unknown_words(predictor):
    (prediction,) = predictor.predict(["qqq"])
    assert len(prediction.top) == 5


def test_wrong_texts(predictor):
    with pytest.raises(DataError, match="list of strings"):
        predictor.predict("w1")
    with pytest.raises(DataError, match="item 1 is empty"):
        predictor.predict(["w1", " \n"])


def test_stream_equals_predict(toy_runs, toy_corpora):
    predictor, texts = Predictor(toy_runs("dense")), toy_corpora["test"].texts
    assert list(predictor.stream(iter(texts), chunk=7, batch_size=2)) == predictor.predict(texts)


def test_stream_takes_no_more_than_it_needs(toy_runs):
    taken = []

    def texts():
        for number in range(100):
            taken.append(number)
            yield "w1"

    next(Predictor(toy_runs("dense")).stream(texts(), chunk=4))
    assert len(taken) == 4


def test_other_thresholds(toy_runs):
    assert Predictor(toy_runs("dense"), thresholds=Thresholds(value=1.0)).predict(["w1"])[0].labels == []
    assert len(Predictor(toy_runs("dense"), thresholds=Thresholds(value=0.0)).predict(["w1"])[0].labels) == 9


def test_top_k(toy_runs):
    predictor = Predictor(toy_runs("dense"))
    assert [len(predictor.predict(["w1"], top_k=k)[0].top) for k in (0, 1, 9, 50)] == [0, 1, 9, 9]


@settings(max_examples=30, deadline=None)
@given(data=st.lists(st.floats(2**-10, 1.0, width=32), min_size=9, max_size=9), threshold=st.floats(0, 1, width=32))
def test_decoding_any_scores(data, threshold, toy_runs):
    predictor = loaded(toy_runs("dense"))
    predictor.thresholds = Thresholds(value=threshold)
    (prediction,) = predictor.decode(sp.csr_matrix(np.array([data], dtype=np.float32)))
    graph, ids = predictor.graph, {label.id for label in prediction.labels}
    expected = {i for i, value in enumerate(np.float32(data)) if value >= np.float32(threshold)}
    for index in list(expected):
        expected |= set(graph.ancestors[[index]].indices.tolist())
    assert ids == {graph.label_id[i] for i in expected}
    probability = {label.id: label.probability for label in prediction.labels}
    for parent, child in graph.edge_index.t().tolist():
        if graph.label_id[child] in ids:
            assert probability[graph.label_id[parent]] >= probability[graph.label_id[child]]


@functools.cache
def loaded(folder):
    return Predictor(folder)
