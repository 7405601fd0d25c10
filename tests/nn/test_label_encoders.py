"""Label encoders: shapes, equivariance, limits."""

import subprocess
import sys

import pytest
import torch
from torch_geometric.data import Data

from hgraph.errors import ConfigError
from hgraph.nn import GPTransLabelEncoder, LearnedLabelEncoder, NameLabelEncoder

EDGES = torch.tensor([[0, 0, 1, 4], [1, 2, 3, 5]])
GRAPH = Data(edge_index=EDGES, num_nodes=7)


def gptrans(graph, **options):
    torch.manual_seed(0)
    return GPTransLabelEncoder(graph, **{"channels": 8, "edge_channels": 3, "heads": 2, "layers": 2, **options}).eval()


def test_learned_and_name_encoders():
    learned = LearnedLabelEncoder(5, 4)
    assert torch.equal(learned(), learned.weight)
    names = torch.randn(5, 6)
    encoder = NameLabelEncoder(6, 4)
    expected = encoder.norm(names @ encoder.projection.weight.t() + encoder.projection.bias)
    torch.testing.assert_close(encoder(names), expected)
    assert encoder(torch.randn(9, 6)).shape == (9, 4)
    named = NameLabelEncoder(6, 4, num_labels=5)
    twins = named(torch.ones(5, 6))
    assert not torch.allclose(twins[0], twins[1], atol=1e-4)


@pytest.mark.parametrize(
    "edges", [EDGES, torch.cat([EDGES, torch.tensor([[2, 4], [3, 3]])], dim=1)], ids=["tree", "dag"]
)
def test_permuting_labels_permutes_the_vectors(edges):
    encoder = gptrans(Data(edge_index=edges, num_nodes=7), in_channels=5).double()
    features, to = torch.randn(7, 5).double(), torch.tensor([6, 2, 0, 5, 1, 3, 4])  # label i is called to[i]
    moved = gptrans(Data(edge_index=to[edges], num_nodes=7), in_channels=5).double()
    state = encoder.state_dict()
    key = "edge_encoding.edge_embedding.weight"  # the only parameter that belongs to labels
    moved.load_state_dict({**state, key: torch.empty_like(state[key]).index_copy(0, to, state[key])})
    moved_features = torch.empty_like(features).index_copy(0, to, features)
    torch.testing.assert_close(moved(moved_features)[to], encoder(features), rtol=0, atol=1e-10)


def test_the_hierarchy_matters_and_every_parameter_gets_a_gradient():
    encoder, features = gptrans(GRAPH), torch.randn(7, 8)
    other = gptrans(Data(edge_index=torch.tensor([[6, 5], [1, 2]]), num_nodes=7))
    other.load_state_dict(encoder.state_dict())
    assert not torch.allclose(encoder(features), other(features), atol=1e-3)
    (encoder(features) * torch.randn(7, 8)).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_checkpoints_hold_no_pairs_of_labels():
    assert all(value.dim() < 3 and value.shape != (7, 7) for value in gptrans(GRAPH).state_dict().values())


def test_one_label_without_edges():
    encoder = gptrans(Data(edge_index=torch.zeros(2, 0, dtype=torch.long), num_nodes=1))
    assert encoder(torch.randn(1, 8)).isfinite().all()


def test_start_vectors_come_from_another_encoder():
    encoder = gptrans(GRAPH, node_encoder=LearnedLabelEncoder(7, 8))
    assert encoder().shape == (7, 8)
    encoder = gptrans(GRAPH, node_encoder=NameLabelEncoder(5, 8, num_labels=7), max_degree=None)
    assert encoder(torch.randn(7, 5)).shape == (7, 8)


def test_degrees_are_cut_off():
    star = Data(edge_index=torch.tensor([[0] * 6, list(range(1, 7))]), num_nodes=7)
    encoder = gptrans(star, max_degree=2)
    assert encoder.degrees.tolist() == [[0, 1, 1, 1, 1, 1, 1], [5, 3, 3, 3, 3, 3, 3]]
    assert encoder(torch.randn(7, 8)).isfinite().all()


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match=r"7 labels.*max_labels=5.*GiB.*NameLabelEncoder"):
        gptrans(GRAPH, max_labels=5)
    with pytest.raises(ConfigError, match=r"'features' must have shape \[7, 8\], but got \[6, 8\]"):
        gptrans(GRAPH)(torch.randn(6, 8))
    with pytest.raises(ConfigError, match="needs a feature vector a label"):
        gptrans(GRAPH)()
    with pytest.raises(ConfigError, match="exclude each other"):
        gptrans(GRAPH, in_channels=8, node_encoder=LearnedLabelEncoder(7, 8))
    with pytest.raises(ConfigError, match="'node_encoder' must have channels=8"):
        gptrans(GRAPH, node_encoder=LearnedLabelEncoder(7, 4))
    with pytest.raises(ConfigError, match="'layers' must be at least 1"):
        gptrans(GRAPH, layers=0)
    with pytest.raises(ConfigError, match="'num_labels' must be at least 1"):
        LearnedLabelEncoder(0, 4)


def test_nn_imports_torch_and_pyg_alone():
    # PyG itself imports some of these if they are there. Out of reach, whoever needs one of them fails.
    code = (
        "import sys\n"
        "for name in ('transformers', 'faiss', 'click', 'sklearn', 'datasets'): sys.modules[name] = None\n"
        "import hgraph.nn\n"
        "inner = {name.split('.')[1] for name in sys.modules if name.startswith('hgraph.')}\n"
        "assert inner == {'nn', 'errors', 'version'}, inner\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
