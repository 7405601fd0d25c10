"""Label encoders as ONNX files: what onnxruntime computes from them, and what happens when it cannot be."""

import itertools
import logging
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.nn import SAGEConv

from hgraph.errors import ConfigError
from hgraph.nn.export import export_onnx
from hgraph.nn.label_encoders import (
    CachedLabelEncoder,
    FeatureLabelEncoder,
    GATLabelEncoder,
    GPTransLabelEncoder,
    GraphormerLabelEncoder,
    LearnedLabelEncoder,
    NameLabelEncoder,
    TreeSweepEncoder,
)

MISSING = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
needs_onnx = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

EDGES = torch.tensor([[0, 0, 1, 4], [1, 2, 3, 5]])
TREE = Data(edge_index=EDGES, num_nodes=7)
DAG = Data(edge_index=torch.cat([EDGES, torch.tensor([[2, 4], [3, 3]])], dim=1), num_nodes=7)
SIZES = {"channels": 8, "heads": 2}

WITH_GRAPH = {
    "graphormer dense": lambda graph: GraphormerLabelEncoder(graph, **SIZES, form="dense"),
    "graphormer all pairs": lambda graph: GraphormerLabelEncoder(graph, **SIZES, layers=2, form="all_pairs"),
    "graphormer edges": lambda graph: GraphormerLabelEncoder(graph, **SIZES, form="edges"),
    "gptrans dense": lambda graph: GPTransLabelEncoder(graph, **SIZES, edge_channels=3, layers=2, form="dense"),
    "gptrans all pairs": lambda graph: GPTransLabelEncoder(graph, **SIZES, edge_channels=3, form="all_pairs"),
    "gptrans edges": lambda graph: GPTransLabelEncoder(graph, **SIZES, edge_channels=3, layers=2, form="edges"),
    "gat": lambda graph: GATLabelEncoder(graph, **SIZES),
    "sage": lambda graph: GATLabelEncoder(graph, channels=8, conv=SAGEConv(8, 8)),
    "sweep": lambda graph: TreeSweepEncoder(graph, **SIZES),
    "features": lambda graph: FeatureLabelEncoder(
        7, 8, text_channels=8, vectors=torch.ones(7, 4), structure=graph, id_channels=3
    ),
}
PUBLISHED = {
    "graphormer": lambda: GraphormerLabelEncoder(TREE, **SIZES, faithful=True),
    "gptrans": lambda: GPTransLabelEncoder(TREE, **SIZES, edge_channels=3, faithful=True),
    "gat": lambda: GATLabelEncoder(TREE, channels=8, faithful=True),
}


def run(path, features):
    """The vectors that onnxruntime computes from the file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [place.name for place in session.get_outputs()] == ["vectors"]
    names = [place.name for place in session.get_inputs()]
    assert names == ([] if features is None else ["features"])
    return session.run(None, {} if features is None else {"features": features.numpy()})[0]


def check(encoder, path):
    """Export with some features; the file must agree on others, and the encoder must be as it was."""
    export_onnx(encoder.train(), torch.randn(7, 8), path)
    assert encoder.training
    other = torch.randn(7, 8)
    with torch.no_grad():
        np.testing.assert_allclose(run(path, other), encoder.eval()(other).numpy(), rtol=0, atol=1e-4)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@needs_onnx
@pytest.mark.parametrize("encoder", [NameLabelEncoder(8, 8, num_labels=7), WITH_GRAPH["gptrans dense"](TREE)])
def test_the_file_computes_the_same(encoder, tmp_path):
    check(encoder, tmp_path / "encoder.onnx")


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize("graph", [TREE, DAG], ids=["tree", "dag"])
@pytest.mark.parametrize("name", WITH_GRAPH)
def test_every_encoder_of_a_graph(name, graph, tmp_path):
    torch.manual_seed(0)
    check(WITH_GRAPH[name](graph), tmp_path / "encoder.onnx")


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_forms(name, tmp_path):
    torch.manual_seed(0)
    check(PUBLISHED[name](), tmp_path / "encoder.onnx")


@needs_onnx
def test_an_encoder_without_features(tmp_path):
    encoder = LearnedLabelEncoder(5, 4)
    export_onnx(encoder, None, tmp_path / "encoder.onnx")
    np.testing.assert_array_equal(run(tmp_path / "encoder.onnx", None), encoder.weight.detach().numpy())


@needs_onnx
@pytest.mark.slow
def test_of_a_cached_encoder_the_one_inside_is_written(tmp_path):
    encoder, features = GraphormerLabelEncoder(TREE, **SIZES, form="edges").eval(), torch.randn(7, 8)
    export_onnx(CachedLabelEncoder(encoder), torch.randn(7, 8), tmp_path / "encoder.onnx")
    with torch.no_grad():
        expected = encoder(features).numpy()
    np.testing.assert_allclose(run(tmp_path / "encoder.onnx", features), expected, rtol=0, atol=1e-4)


class Counting(nn.Module):
    """Another result at every call, which no file can have."""

    calls = itertools.count()

    def forward(self, features):
        return features + next(self.calls)


class Eigenvalues(nn.Module):
    """An operation that ONNX does not have."""

    def forward(self, features):
        return torch.linalg.eigvals(features).real


@needs_onnx
def test_what_differs_or_cannot_be_written_leaves_nothing_behind(tmp_path):
    path = tmp_path / "encoder.onnx"
    path.write_text("an earlier file")
    with pytest.raises(ConfigError, match=r"within tolerance=0.0001 of the encoder's, but differ by 1"):
        export_onnx(Counting(), torch.zeros(2, 3), path)
    with pytest.raises(ConfigError, match="ONNX form, but Eigenvalues has none"):
        export_onnx(Eigenvalues(), torch.eye(3), path)
    assert path.read_text() == "an earlier file"
    assert list(tmp_path.iterdir()) == [path]


def test_wrong_input_is_named(tmp_path, monkeypatch):
    encoder = LearnedLabelEncoder(5, 4)
    monkeypatch.setattr("hgraph.nn.export.find_spec", lambda name: name)
    with pytest.raises(ConfigError, match=r"'path' must be a file in a folder that exists, but got '.*nowhere"):
        export_onnx(encoder, None, tmp_path / "nowhere" / "encoder.onnx")
    with pytest.raises(ConfigError, match="'path' must be a file"):
        export_onnx(encoder, None, tmp_path)
    monkeypatch.setattr("hgraph.nn.export.MAX_BYTES", 10)
    with pytest.raises(ConfigError, match="less than 2 GiB"):
        export_onnx(encoder, None, tmp_path / "encoder.onnx")
    monkeypatch.setattr("hgraph.nn.export.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs onnx and onnxscript: pip install"):
        export_onnx(encoder, None, tmp_path / "encoder.onnx")
    assert not list(tmp_path.iterdir())


@needs_onnx
def test_without_onnxruntime_the_missing_check_is_logged(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("hgraph.nn.export.find_spec", lambda name: None if name == "onnxruntime" else name)
    with caplog.at_level(logging.WARNING, logger="hgraph.nn.export"):
        export_onnx(LearnedLabelEncoder(5, 4), None, tmp_path / "encoder.onnx")
    assert "not checked" in caplog.text
    assert (tmp_path / "encoder.onnx").exists()
