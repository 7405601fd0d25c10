"""Label encoders trained by two processes: gradients are the mean of both."""

import sys
from pathlib import Path

import pytest
import torch
import torch.multiprocessing
from torch.nn.parallel import DistributedDataParallel
from torch_geometric.data import Data

from hgraph.nn import (
    CachedLabelEncoder,
    GATLabelEncoder,
    GPTransLabelEncoder,
    GraphormerLabelEncoder,
    TreeSweepEncoder,
)
from hgraph.nn.conv import attention, block_propagation

EDGES = torch.tensor([[0, 0, 1, 4, 2], [1, 2, 3, 5, 3]])


def encoders():
    """One of each kind, small; the same numbers in each process."""
    graph, options = Data(edge_index=EDGES, num_nodes=6), {"channels": 8, "heads": 2, "dropout": 0.0}
    torch.manual_seed(0)
    edges = GPTransLabelEncoder(graph, edge_channels=3, layers=2, form="edges", **options)
    return {
        "gptrans": GPTransLabelEncoder(graph, edge_channels=3, layers=2, **options),
        "gptrans on edges": edges,
        "graphormer rows": GraphormerLabelEncoder(graph, form="all_pairs", **options),
        "gat": GATLabelEncoder(graph, **options),
        "sweep": TreeSweepEncoder(graph, **options),
        "cached": CachedLabelEncoder(
            GPTransLabelEncoder(graph, edge_channels=3, form="edges", **options), dtype=torch.float32
        ),
    }


def gradients(encoder, rank):
    """Of a weighted sum of the vectors that differs between the processes."""
    features = torch.linspace(-1, 1, 48).view(6, 8)
    weights = torch.linspace(-1, 1, 48).view(6, 8).roll(rank, 0).cos()
    (encoder(features) * weights).sum().backward()
    module = encoder.module if isinstance(encoder, DistributedDataParallel) else encoder
    return {name: parameter.grad.clone() for name, parameter in module.named_parameters()}


def small_blocks():
    attention.CPU_BLOCK_BYTES = attention.CPU_BLOCK_ROWS = 1
    block_propagation.CPU_BLOCK_BYTES, block_propagation.KEEP_BYTES = 400, 0


def process(rank, folder):
    """One of the two processes."""
    small_blocks()
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    found = {
        name: gradients(DistributedDataParallel(encoder, broadcast_buffers=False), rank)
        for name, encoder in encoders().items()
    }
    if rank == 0:
        torch.save(found, Path(folder) / "found.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available() or sys.platform == "win32", reason="needs gloo")
def test_two_processes_average_their_gradients(tmp_path, monkeypatch):
    for module, names in (
        (attention, ("CPU_BLOCK_BYTES", "CPU_BLOCK_ROWS")),
        (block_propagation, ("CPU_BLOCK_BYTES", "KEEP_BYTES")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))
    small_blocks()
    torch.multiprocessing.spawn(process, (str(tmp_path),), nprocs=2)
    found = torch.load(tmp_path / "found.pt")
    alone = [{name: gradients(encoder, rank) for name, encoder in encoders().items()} for rank in (0, 1)]
    for name, parameters in found.items():
        for parameter, gradient in parameters.items():
            mean = (alone[0][name][parameter] + alone[1][name][parameter]) / 2
            torch.testing.assert_close(gradient, mean, rtol=1e-4, atol=1e-6, msg=f"{name}: {parameter}")
