"""Label vectors from several origins against their formula."""

import pytest
import torch
from torch.nn.functional import layer_norm
from torch_geometric.data import Data

from hgraph.errors import ConfigError
from hgraph.nn.encodings import LabelStructure, structural_features
from hgraph.nn.label_encoders import FeatureLabelEncoder

GRAPH = Data(edge_index=torch.tensor([[0, 0, 1], [1, 2, 3]]), num_nodes=5)


def unit(x):
    """To a mean square of 1, row after row; zero rows stay zero."""
    return torch.stack([row / row.square().mean().sqrt() if row.any() else row for row in x])


def test_all_origins_add_up():
    texts, vectors = torch.randn(5, 6), 1e6 * torch.randn(5, 7)  # numbers that half precision does not have
    vectors[2] = 0
    encoder = FeatureLabelEncoder(5, 8, text_channels=6, vectors=vectors, structure=GRAPH, id_channels=3)
    origins = {
        "text": unit(texts),
        "vectors": unit(vectors),
        "structure": structural_features(LabelStructure.of(GRAPH)),
        "id": encoder.id_embedding,
    }
    total = encoder.bias + sum(value @ encoder.projections[name].weight.t() for name, value in origins.items())
    expected = layer_norm(total, (8,), encoder.norm.weight, encoder.norm.bias)
    torch.testing.assert_close(encoder(texts), expected, rtol=0, atol=2e-3)
    labels = torch.tensor([4, 0])
    torch.testing.assert_close(encoder(texts, labels=labels), encoder(texts)[labels])


@pytest.mark.parametrize(
    "origin",
    [{"vectors": torch.randn(5, 3)}, {"structure": GRAPH}, {"id_channels": 2}],
    ids=["vectors", "graph", "ids"],
)
def test_one_origin_is_enough_and_features_are_not_needed(origin):
    encoder = FeatureLabelEncoder(5, 8, **origin)
    vectors = encoder()
    assert vectors.shape == (5, 8)
    assert vectors.isfinite().all()


def test_no_origin_drowns_another():
    texts, vectors = 1e-3 * torch.randn(500, 64), 1e3 * torch.randn(500, 64)
    encoder = FeatureLabelEncoder(500, 32, text_channels=64, vectors=vectors)
    spread = {}
    for name, origin in (("text", texts), ("vectors", vectors)):
        silent = FeatureLabelEncoder(500, 32, text_channels=64, vectors=vectors)
        silent.load_state_dict(encoder.state_dict())
        silent.norm = torch.nn.Identity()
        with torch.no_grad():
            silent.projections["vectors" if name == "text" else "text"].weight.zero_()
        spread[name] = float(silent(origin if name == "text" else texts).detach().std())
    assert 0.5 < spread["text"] / spread["vectors"] < 2


def test_vectors_are_saved_in_half_precision():
    encoder = FeatureLabelEncoder(5, 8, vectors=torch.randn(5, 3), structure=GRAPH)
    state = encoder.state_dict()
    assert state["vectors"].dtype == torch.float16
    assert "shape" not in state
    other = FeatureLabelEncoder(5, 8, vectors=torch.zeros(5, 3), structure=GRAPH)
    other.load_state_dict(state)
    assert torch.equal(other(), encoder())


def test_sparse_ids():
    encoder = FeatureLabelEncoder(5, 8, id_channels=2, sparse_ids=True)
    encoder(labels=torch.tensor([3, 1])).square().sum().backward()
    assert encoder.id_embedding.grad.coalesce().indices().tolist() == [[1, 3]]


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match="needs at least one of 'text_channels', 'vectors', 'structure'"):
        FeatureLabelEncoder(5, 8)
    with pytest.raises(ConfigError, match=r"'vectors' must have shape \[5, P\], but got \[4, 3\]"):
        FeatureLabelEncoder(5, 8, vectors=torch.randn(4, 3))
    with pytest.raises(ConfigError, match="'vectors' must be finite"):
        FeatureLabelEncoder(5, 8, vectors=torch.full((5, 3), torch.nan))
    with pytest.raises(ConfigError, match="'structure' must have num_labels=6 labels, but got 5"):
        FeatureLabelEncoder(6, 8, structure=GRAPH)
    with pytest.raises(ConfigError, match=r"'features' must have shape \[5, 4\], but got \[5, 3\]"):
        FeatureLabelEncoder(5, 8, text_channels=4)(torch.randn(5, 3))
