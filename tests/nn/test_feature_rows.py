"""Features row by row give every label encoder what the tensor of all gives, and no row too many."""

import pytest
import torch
from torch_geometric.data import Data

from hgraph.errors import ConfigError
from hgraph.nn import (
    CachedLabelEncoder,
    FeatureLabelEncoder,
    FeatureRows,
    GATLabelEncoder,
    GPTransLabelEncoder,
    LearnedLabelEncoder,
    NameLabelEncoder,
    TreeSweepEncoder,
)

L, F, C = 9, 5, 8
GRAPH = Data(edge_index=torch.tensor([[0, 0, 1, 1, 2, 3, 5, 6], [1, 2, 3, 4, 4, 5, 6, 7]]), num_nodes=L)
ENCODERS = {
    "names": lambda: NameLabelEncoder(F, C, num_labels=L),
    "features": lambda: FeatureLabelEncoder(L, C, text_channels=F, structure=GRAPH),
    "gat": lambda: GATLabelEncoder(GRAPH, channels=C, heads=2, in_channels=F),
    "edges": lambda: GPTransLabelEncoder(GRAPH, channels=C, heads=2, layers=2, in_channels=F, form="edges"),
    "dense": lambda: GPTransLabelEncoder(GRAPH, channels=C, heads=2, in_channels=F, form="dense"),
    "sweep": lambda: TreeSweepEncoder(GRAPH, channels=C, heads=2, in_channels=F),
    "cached": lambda: CachedLabelEncoder(ENCODERS["edges"](), refresh=2, dtype=torch.float64),
}


def rows_of(table, asked=None):
    def rows(labels):
        if asked is not None:
            asked.append(labels.tolist())
        return table[labels]

    return FeatureRows(rows, (L, F))


@pytest.mark.parametrize("name", ENCODERS)
def test_rows_are_the_tensor(name):
    torch.manual_seed(0)
    encoder, table = ENCODERS[name]().double().eval(), torch.randn(L, F, dtype=torch.float64)
    whole = encoder(table)
    torch.testing.assert_close(encoder(rows_of(table)), whole)
    if name != "cached":  # in evaluation it gives all labels, whichever are asked for
        labels = torch.tensor([7, 2])
        torch.testing.assert_close(encoder(rows_of(table), labels=labels), whole[labels])
        torch.testing.assert_close(encoder.encode(rows_of(table), labels), whole[labels])


@pytest.mark.parametrize(("name", "partial"), [(n, n not in ("dense", "sweep")) for n in ENCODERS])
def test_partial_encoders_read_what_labels_listen_to(name, partial):
    asked, table = [], torch.randn(L, F, dtype=torch.float64)
    encoder = ENCODERS[name]().double()
    assert encoder.partial == partial
    if name == "cached":
        encoder.train().encode(rows_of(table), torch.tensor([8]))  # fills the memory
    encoder.encode(rows_of(table, asked), torch.tensor([8]))  # label 8 stands alone
    if name == "cached":
        asked = asked[2:]  # what the memory refreshes in turn
    assert {label for labels in asked for label in labels} == ({8} if partial else set(range(L)))


def test_where_a_start_needs_all_labels_so_does_the_encoder():
    assert LearnedLabelEncoder(L, C).partial
    assert not GATLabelEncoder(GRAPH, channels=C, node_encoder=TreeSweepEncoder(GRAPH, channels=C)).partial
    assert not GATLabelEncoder(GRAPH, channels=C, node_encoder=torch.nn.Linear(F, C)).partial
    assert GATLabelEncoder(GRAPH, channels=C, node_encoder=NameLabelEncoder(F, C)).partial


def test_a_memory_follows_the_weights_that_make_features():
    torch.manual_seed(0)
    source = torch.nn.Linear(F, F).double()
    table = torch.randn(L, F, dtype=torch.float64)
    features = FeatureRows(lambda labels: source(table[labels]), (L, F), source=source)
    encoder = ENCODERS["cached"]().double().eval()
    first = encoder(features)
    calls = []
    features.rows = lambda labels: calls.append(1) or source(table[labels])
    torch.testing.assert_close(encoder(features), first)
    assert not calls  # nothing changed
    with torch.no_grad():
        source.weight.add_(1.0)
    torch.testing.assert_close(encoder(features), encoder.encoder(source(table)))
    assert calls


def test_a_memory_is_refreshed_without_the_dropout_of_features():
    torch.manual_seed(0)
    source = torch.nn.Dropout(0.5)
    table, encoder = torch.randn(L, F, dtype=torch.float64), ENCODERS["cached"]().double().train()
    features = FeatureRows(lambda labels: source(table[labels]), (L, F), source=source)
    encoder.refresh_all(features)
    assert source.training
    encoder.eval()
    torch.testing.assert_close(encoder.memory[-1], encoder.encoder(table))


def test_a_wrong_shape_is_named():
    with pytest.raises(ConfigError, match=r"'features' must have shape \[9, 5\], but got \[9, 4\]"):
        ENCODERS["names"]()(FeatureRows(lambda labels: torch.zeros(len(labels), 4), (L, 4)))
    assert repr(rows_of(torch.zeros(L, F))) == "FeatureRows([9, 5])"
