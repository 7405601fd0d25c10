"""N-gram features against scikit-learn, and the encoder on top of them."""

import json

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from hgraph.errors import ConfigError
from hgraph.text import BagTextEncoder
from hgraph.text.vocabulary import NGrams, TfidfFeatures

WORDS = ["bears", "wolves", "foxes", "eat", "run", "in", "the", "forest", "at", "night", "über", "straße", "語"]
CHARACTERS = NGrams(analyzer="char_wb", shortest=2, longest=4, min_documents=1, max_features=150)


def make_texts(count, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=rng.integers(1, 25))) for _ in range(count)]


def reference(family, min_df):
    return TfidfVectorizer(
        analyzer=family.analyzer,
        ngram_range=(family.shortest, family.longest),
        min_df=min_df,
        max_features=family.max_features,
        sublinear_tf=True,
    )


def states_of(encoder, texts):
    with torch.no_grad():
        return encoder(**encoder.collate(encoder.prepare(texts)))


@pytest.mark.parametrize(
    ("family", "count", "min_df"),
    [
        (NGrams(), 40, 1),  # fewer than 200 documents: every n-gram is kept
        (NGrams(), 250, 2),
        (NGrams(longest=3, min_documents=5, max_features=60), 600, 5),
        (CHARACTERS, 40, 1),
    ],
)
def test_features_equal_scikit_learn(family, count, min_df):
    texts, fresh = make_texts(count), [*make_texts(20, seed=1), "", "unknown thing"]
    features = TfidfFeatures([family]).fit(texts)
    expected = reference(family, min_df).fit(texts)
    assert features.num_features == len(expected.vocabulary_)
    np.testing.assert_allclose(features.idf, expected.idf_, rtol=1e-6)
    found = features.transform(fresh)
    assert found.dtype == np.float32
    assert found.has_sorted_indices
    np.testing.assert_allclose(found.toarray(), expected.transform(fresh).toarray(), atol=1e-6)


def test_families_stand_side_by_side_in_rows_of_length_one():
    texts = make_texts(30)
    families = [NGrams(), CHARACTERS]
    found = TfidfFeatures(families).fit(texts).transform(texts)
    blocks = [reference(family, 1).fit_transform(texts) for family in families]
    np.testing.assert_allclose(found.toarray(), sp.hstack(blocks).toarray() / np.sqrt(2), atol=1e-6)
    np.testing.assert_allclose(sp.linalg.norm(found, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("families", [[NGrams()], [NGrams(), CHARACTERS]])
def test_a_saved_vocabulary_gives_identical_features(tmp_path, families):
    encoder = BagTextEncoder.fit(make_texts(30), families=families, channels=4)
    encoder.save_assets(tmp_path)
    loaded = TfidfFeatures.load(tmp_path, encoder.state_dict()["idf"].numpy())
    texts = [*make_texts(10, seed=1), ""]
    first, second = encoder.features.transform(texts), loaded.transform(texts)
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(first, part), getattr(second, part))
    again = BagTextEncoder(loaded, channels=4)
    again.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(
        states_of(again.eval(), texts).pooled, states_of(encoder.eval(), texts).pooled, rtol=0, atol=0
    )


@pytest.mark.parametrize(
    "content", [None, "{", "[]", '{"families": []}', '{"families": [{"size": 1}], "terms": [[]]}', '{"terms": 1}']
)
def test_damaged_vocabulary(tmp_path, content):
    if content is not None:
        (tmp_path / "vocabulary.json").write_text(content)
    with pytest.raises(ConfigError, match=r"vocabulary\.json: expected a vocabulary that hgraph saved"):
        TfidfFeatures.load(tmp_path, np.ones(3))


def test_idf_of_another_vocabulary(tmp_path):
    features = TfidfFeatures([NGrams()]).fit(make_texts(10))
    features.save(tmp_path)
    assert json.loads((tmp_path / "vocabulary.json").read_text())["families"][0]["longest"] == 2
    with pytest.raises(ConfigError, match="expected a vocabulary"):
        TfidfFeatures.load(tmp_path, features.idf[:-1])


@pytest.mark.parametrize(
    "options",
    [
        {"analyzer": "words"},
        {"shortest": 0},
        {"shortest": 3, "longest": 2},
        {"min_documents": 0},
        {"max_features": 0},
    ],
)
def test_families_that_make_no_sense(options):
    with pytest.raises(ConfigError):
        NGrams(**options)


def test_dense_vector_against_a_matrix_product():
    encoder = BagTextEncoder.fit(make_texts(30), channels=6, dropout=0.5).eval()
    texts = [*make_texts(8, seed=2), "nothing known here", ""]
    states = states_of(encoder, texts)
    summed = torch.from_numpy(encoder.features.transform(texts).toarray()) @ encoder.embedding.weight
    expected = torch.nn.functional.layer_norm(summed.clamp(min=0), (6,))
    torch.testing.assert_close(states.pooled, expected.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(encoder.embed(encoder.collate(encoder.prepare(texts))), states.pooled)
    assert states.tokens is None
    assert states.mask is None


def test_a_document_does_not_depend_on_its_batch():
    encoder = BagTextEncoder.fit(make_texts(30), channels=6).eval()
    texts = [*make_texts(9, seed=2), "", "nope"]
    whole = states_of(encoder, texts).pooled
    alone = torch.cat([states_of(encoder, [text]).pooled for text in texts])
    turned = states_of(encoder, texts[::-1]).pooled.flip(0)
    torch.testing.assert_close(alone, whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(turned, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [0, 5])
def test_empty_documents_and_batches_are_finite(channels):
    encoder = BagTextEncoder.fit(["a red apple", "a green apple"], channels=channels)
    for texts in (["???", ""], ["", "apple", ""], []):
        states = encoder(**encoder.collate(encoder.prepare(texts) if texts else []))
        assert states.pooled.shape == (len(texts), channels)
        assert states.pooled.isfinite().all()
        assert states.sparse.offsets.shape == (len(texts),)
        if channels:
            encoder.zero_grad()
            states.pooled.square().sum().backward()
            assert encoder.embedding.weight.grad.isfinite().all()


def test_without_channels_there_are_no_parameters():
    encoder = BagTextEncoder.fit(["red apples", "green apples"], channels=0)
    assert list(encoder.parameters()) == []
    assert encoder.channels == 0
    with pytest.raises(ConfigError, match="'channels' must be above 0"):
        encoder.embed(encoder.collate(encoder.prepare(["apples"])))
    with pytest.raises(ConfigError, match="'channels' must be 0 or more"):
        BagTextEncoder(encoder.features, channels=-1)


def test_tiny_corpora():
    assert BagTextEncoder.fit(["one"], channels=2).num_features == 1
    for texts in ([], [""], ["?", "! !"]):
        with pytest.raises(ConfigError, match="have no word n-gram"):
            BagTextEncoder.fit(texts)


def test_items_are_a_sequence():
    items = BagTextEncoder.fit(["red apples", "green"], channels=0).prepare(["red apples", "green", ""])
    assert [len(columns) for columns, _ in items] == [3, 1, 0]
    assert items[-2][0].tolist() == items[1][0].tolist()
    with pytest.raises(IndexError):
        items[3]


def test_double_precision_and_training_mode():
    encoder = BagTextEncoder.fit(make_texts(10), channels=4, dropout=0.5).double()
    batch = encoder.collate(encoder.prepare(make_texts(3)))
    assert encoder(**batch).pooled.dtype == torch.float64
    torch.manual_seed(0)
    assert (encoder(**batch).pooled == 0).any()  # dropout
    assert torch.equal(encoder.eval()(**batch).pooled, encoder(**batch).pooled)
