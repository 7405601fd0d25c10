"""The GPTrans layer on graphs that have nothing to do with labels or text: finding communities.

Each graph is drawn from a stochastic block model. One node of each community shows its community as a feature; the
model finds those of all others, on graphs it has not seen (the setting of the CLUSTER benchmark, arXiv 2003.00982).

    python examples/03_graph_encoder_elsewhere.py
"""

import argparse

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.utils import stochastic_blockmodel_graph

from hgraph.nn import GPTransBlock, to_dense_graph

COMMUNITIES = 3
MAX_DISTANCE = 6


class CommunityFinder(nn.Module):
    """Hop distances give each pair of nodes its first state; GPTrans blocks update nodes and pairs."""

    def __init__(self, channels: int = 32, edge_channels: int = 8, layers: int = 2) -> None:
        super().__init__()
        self.node_embedding = nn.Linear(COMMUNITIES, channels)
        self.distance_embedding = nn.Embedding(MAX_DISTANCE + 1, edge_channels)
        self.blocks = nn.ModuleList(GPTransBlock(channels, edge_channels, heads=4) for _ in range(layers))
        self.output = nn.Linear(channels, COMMUNITIES)

    def forward(self, data: Data) -> Tensor:
        """Scores of each community, `[num_nodes, COMMUNITIES]`."""
        graph = to_dense_graph(data.x, data.edge_index, data.batch, max_distance=MAX_DISTANCE)
        x, pairs = self.node_embedding(graph.x), self.distance_embedding(graph.distance)  # [B, n, C], [B, n, n, De]
        for block in self.blocks:
            x, pairs = block(x, None, pairs, graph.mask)
        return self.output(x[graph.mask])  # padding out, back to the order of data.x


def random_graph() -> Data:
    """Three communities of 6 to 11 nodes each, dense inside and sparse between."""
    sizes = torch.randint(6, 12, (COMMUNITIES,))
    y = torch.arange(COMMUNITIES).repeat_interleave(sizes)
    edge_index = stochastic_blockmodel_graph(sizes, torch.eye(COMMUNITIES) * 0.5 + 0.1)
    shown = sizes.cumsum(0) - sizes  # the first node of each community
    x = torch.zeros(len(y), COMMUNITIES).index_put((shown, torch.arange(COMMUNITIES)), torch.ones(COMMUNITIES))
    return Data(x=x, edge_index=edge_index, y=y, hidden=x.sum(1) == 0)


def main() -> None:
    """Train, then compare with always answering the most frequent community."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150, help="training steps (default: 150)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # tensors this small gain nothing from more
    torch.manual_seed(arguments.seed)
    model = CommunityFinder()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(1, arguments.steps + 1):
        batch = Batch.from_data_list([random_graph() for _ in range(16)])  # fresh graphs in every step
        loss = nn.functional.cross_entropy(model(batch)[batch.hidden], batch.y[batch.hidden])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step:4d}  loss {loss:.4f}")
    test = Batch.from_data_list([random_graph() for _ in range(200)])
    with torch.no_grad():
        predicted = model.eval()(test).argmax(1)
    truth = test.y[test.hidden]
    print(f"majority class  {truth.bincount().max() / len(truth):.3f}")
    print(f"GPTrans         {(predicted[test.hidden] == truth).float().mean():.3f}")


if __name__ == "__main__":
    main()
