"""Hashed n-grams against scikit-learn's hashing and TF-IDF, and learned weights of features."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from tiny_encoders import TEXTS, bag

from hgraph.errors import ConfigError
from hgraph.text import BagTextEncoder, HashedFeatures
from hgraph.text.vocabulary import NGrams

WORDS = ["bears", "wolves", "foxes", "eat", "run", "in", "the", "forest", "at", "night", "über", "straße", "語"]
FAMILIES = [NGrams(min_documents=1), NGrams("char_wb", 3, 4, min_documents=1)]


def make_texts(count, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=rng.integers(1, 12))) for _ in range(count)]


@pytest.mark.parametrize("families", [FAMILIES[:1], FAMILIES])
@pytest.mark.parametrize("buckets", [1, 16, 512])
def test_features_equal_scikit_learn(families, buckets):
    texts, fresh = make_texts(60), [*make_texts(15, seed=1), "", "unseen things"]
    features = HashedFeatures(families, num_buckets=buckets).fit(texts)
    blocks = []
    for place, family in enumerate(families):
        counts = HashingVectorizer(
            analyzer=family.analyzer,
            ngram_range=(family.shortest, family.longest),
            n_features=buckets,
            norm=None,
            alternate_sign=False,
        )
        tfidf = TfidfTransformer(sublinear_tf=True).fit(counts.transform(texts))
        seen = np.asarray(counts.transform(texts).sum(0)).ravel() > 0
        idf = np.where(seen, tfidf.idf_, 0)
        np.testing.assert_allclose(features.idf[place * buckets : (place + 1) * buckets], idf, rtol=1e-6)
        block = counts.transform(fresh).toarray()
        block = np.where(block > 0, 1 + np.log(np.maximum(block, 1)), 0) * idf
        blocks.append(block / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-12))
    found = features.transform(fresh)
    np.testing.assert_allclose(found.toarray(), np.hstack(blocks) / np.sqrt(len(families)), atol=1e-6)
    assert found.dtype == np.float32
    assert found.has_sorted_indices
    assert (found.data != 0).all()
    assert features.transform([]).shape == (0, features.num_features)


def test_rare_buckets_are_left_out():
    texts = [*["common word"] * 300, "rare", "scarce", "scarce"]
    features = HashedFeatures([NGrams(longest=1, min_documents=2)], num_buckets=4096).fit(texts)
    assert features.transform(["rare", "scarce", "common rare"]).getnnz(axis=1).tolist() == [0, 1, 1]


def test_no_vocabulary_is_kept(tmp_path):
    encoder = bag(num_buckets=256)
    encoder.save_assets(tmp_path)
    assert not (tmp_path / "vocabulary.json").exists()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1000
    loaded = HashedFeatures.load(tmp_path, encoder.idf.numpy())
    assert (loaded.transform(TEXTS) != encoder.features.transform(TEXTS)).nnz == 0
    for content in ("{", "{}", '{"families": [{"size": 1}], "num_buckets": 4}'):
        (tmp_path / "hashing.json").write_text(content)
        with pytest.raises(ConfigError, match=r"hashing\.json: expected hashed features that hgraph saved"):
            HashedFeatures.load(tmp_path, encoder.idf.numpy())
    with pytest.raises(ConfigError, match="'idf' must have 8 weights, but got 3"):
        HashedFeatures([NGrams()], num_buckets=8, idf=np.ones(3))


def test_a_word_never_seen_shares_features_with_its_kin():
    features = HashedFeatures([NGrams("char_wb", 3, 4, min_documents=1)], num_buckets=2**16).fit(make_texts(50))
    rows = features.transform(["wolves", "wolverine", "zzzqqq"])
    assert rows[0].multiply(rows[1]).sum() > 0.2
    assert rows[2].nnz == 0


def test_corpora_without_features():
    for texts in ([], [""], ["?"]):
        with pytest.raises(ConfigError, match="have no word n-gram that occurs"):
            HashedFeatures([NGrams()], num_buckets=8).fit(texts)
    with pytest.raises(ConfigError, match="'num_buckets' and the number of 'families' must be at least 1, but got 0"):
        HashedFeatures(num_buckets=0)


@pytest.mark.parametrize("sparse", [False, True])
def test_learned_weights_by_their_definition(sparse):
    encoder = bag(weighting="learned", sparse=sparse).double().eval()
    torch.nn.init.normal_(encoder.log_scale)
    states = encoder(**encoder.collate(encoder.prepare(TEXTS)))
    dense = encoder.features.transform(TEXTS).toarray() * np.exp(encoder.log_scale.detach().numpy()[:, 0])
    norms = np.linalg.norm(dense, axis=1, keepdims=True)
    dense = dense / np.where(norms == 0, 1, norms)
    rows = np.repeat(np.arange(len(TEXTS)), np.diff([*states.sparse.offsets.tolist(), len(states.sparse.indices)]))
    found = sp.coo_matrix((states.sparse.weights.detach().numpy(), (rows, states.sparse.indices.numpy())), dense.shape)
    np.testing.assert_allclose(found.toarray(), dense, atol=1e-7)
    summed = torch.from_numpy(dense) @ encoder.embedding.weight
    expected = torch.nn.functional.layer_norm(summed.relu(), (6,))
    torch.testing.assert_close(states.pooled, expected, rtol=1e-5, atol=1e-6)


def test_learned_weights_begin_at_tfidf():
    learned, plain = bag(weighting="learned"), bag()
    first, second = (e(**e.collate(e.prepare(TEXTS))).sparse.weights for e in (learned, plain))
    torch.testing.assert_close(first, second)
    assert first.requires_grad
    assert not second.requires_grad


@pytest.mark.parametrize("weighting", ["tfidf", "learned"])
def test_sparse_gradients_equal_dense_ones(weighting):
    gradients = []
    for sparse in (False, True):
        encoder = bag(weighting=weighting, sparse=sparse).eval()
        encoder(**encoder.collate(encoder.prepare(TEXTS))).pooled.pow(3).sum().backward()
        trained = [encoder.embedding.weight, *([encoder.log_scale] if weighting == "learned" else [])]
        assert all(value.grad.is_sparse == sparse for value in trained)
        gradients.append([value.grad.to_dense() if sparse else value.grad for value in trained])
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("weighting", ["tfidf", "learned"])
def test_a_sparse_step_moves_the_features_of_its_documents_alone(weighting):
    encoder = bag(weighting=weighting, sparse=True).eval()
    items = encoder.prepare(TEXTS[:2])
    encoder(**encoder.collate(items)).pooled.pow(3).sum().backward()
    trained = [encoder.embedding.weight, *([encoder.log_scale] if weighting == "learned" else [])]
    before = [value.detach().clone() for value in trained]
    torch.optim.SparseAdam(trained).step()
    for value, old in zip(trained, before, strict=True):
        assert set((value != old).any(1).nonzero().flatten().tolist()) == set(items.matrix.indices.tolist())


def test_arguments_that_make_no_sense():
    with pytest.raises(ConfigError, match="'weighting' must be one of tfidf, learned, but got 'bm25'"):
        BagTextEncoder(bag().features, weighting="bm25")
