"""Features of documents, shortlists of a ranker, tensors."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from hgraph.errors import ConfigError
from hgraph.models import RankedModel
from hgraph.models.ranked_model import padded
from hgraph.ranking import LinearRanker, RankerTree
from hgraph.recipes import Recipe
from hgraph.recipes.builders import build_text_encoder

TEXTS = ["w0 w1 w0", "w2 w3", "w4 w0", "w2 w2 w5", "w6"]
LABELS = sp.csr_matrix(np.array([[1, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=np.float32))


@pytest.fixture(params=["n-grams", "vectors", "both"])
def encoder(request, bert_folder):
    recipe = Recipe.load("xr_linear").override(["text_encoder.min_documents=1"])
    if request.param != "n-grams":
        recipe = recipe.with_text_encoder(str(bert_folder)).override(["text_encoder.cache=false"])
    if request.param == "vectors":
        recipe = recipe.override(["lexical=null"])
    return build_text_encoder(recipe, TEXTS).eval()


def batches(encoder, texts, size):
    items = encoder.prepare(texts)
    return [
        encoder.collate([items[i] for i in range(at, min(at + size, len(texts)))]) for at in range(0, len(texts), size)
    ]


def test_features_are_those_of_the_encoder_whatever_the_batches(encoder):
    model = RankedModel(text_encoder=encoder, num_labels=3, dense_weight=0.5)
    whole = model.features(batches(encoder, TEXTS, 5))
    states = encoder(**batches(encoder, TEXTS, 5)[0])
    for size in (1, 2, 4):
        for one, other in zip(model.features(batches(encoder, TEXTS, size)), whole, strict=True):
            dense = [block.toarray() if sp.issparse(block) else block for block in (one, other)]
            np.testing.assert_allclose(*dense, atol=1e-6)
    assert len(whole) == (encoder.num_features > 0) + (encoder.channels > 0)
    if encoder.num_features:
        expected = np.zeros((5, encoder.num_features), dtype=np.float32)
        bounds = [*states.sparse.offsets.tolist(), len(states.sparse.indices)]
        for row in range(5):
            for cell in range(bounds[row], bounds[row + 1]):
                expected[row, states.sparse.indices[cell]] += states.sparse.weights[cell]
        np.testing.assert_allclose(whole[0].toarray(), expected)
    if encoder.channels:
        weight = 0.5 if encoder.num_features else 1.0
        vectors = states.pooled.numpy()
        np.testing.assert_allclose(
            whole[-1], weight * vectors / np.linalg.norm(vectors, axis=1, keepdims=True), atol=1e-6
        )


def test_log_odds_are_those_of_the_ranker_calibrated(encoder):
    model = RankedModel(text_encoder=encoder, num_labels=3, top_k=2).eval()
    features = model.features(batches(encoder, TEXTS, 5))
    model.ranker = LinearRanker.fit(features, LABELS, RankerTree.flat(3), cp=10, cn=10)
    model.calibration.copy_(torch.tensor([2.0, -1.0]))
    scores = model.ranker.predict(features, top_k=3).toarray().astype(np.float64).clip(1e-6, 1 - 1e-6)
    out = model(batches(encoder, TEXTS, 5)[0])
    assert out["labels"].shape == (5, 2)
    for row in range(5):
        for label, value in zip(out["labels"][row].tolist(), out["logits"][row].tolist(), strict=True):
            odds = np.log(scores[row, label] / (1 - scores[row, label]))
            assert value == pytest.approx(2 * odds - 1, rel=1e-2, abs=1e-3)  # float32 near 1
        assert set(out["labels"][row].tolist()) == set(np.argsort(-scores[row], kind="stable")[:2].tolist())


def test_without_a_ranker_or_features_is_an_error(encoder):
    with pytest.raises(ConfigError, match="no 'ranker'"):
        RankedModel(text_encoder=encoder, num_labels=3)(batches(encoder, TEXTS, 5)[0])


def test_padding():
    columns, values = padded(sp.csr_matrix((3, 4), dtype=np.float32))
    assert columns.tolist() == [[-1]] * 3 and values.tolist() == [[0.0]] * 3
    columns, values = padded(sp.csr_matrix(np.array([[0, 2, 0, 1], [0, 0, 0, 0], [3, 0, 0, 0]], dtype=np.float32)))
    assert columns.tolist() == [[1, 3], [-1, -1], [0, -1]]
    assert values.tolist() == [[2, 1], [0, 0], [3, 0]]
