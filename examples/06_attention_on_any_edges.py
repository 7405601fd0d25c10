"""The graph layers on the edges of ordinary PyG graphs, with states of the edges: who imitates whom?

Everybody holds one of five opinions and takes on that of the neighbour they trust most. The model says what each node
will hold and along which edges opinions travel. Trust differs between people, so edges into one node are compared.

    python examples/06_attention_on_any_edges.py
"""

import argparse

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.utils import erdos_renyi_graph, one_hot, scatter

from hgraph.nn import GPTransConv, GraphormerConv

OPINIONS = 5


class ImitationModel(nn.Module):
    """GPTransConv compares the edges into each node, GraphormerConv listens along what it found."""

    def __init__(self, channels: int = 32, edge_channels: int = 16) -> None:
        super().__init__()
        self.node_embedding = nn.Linear(OPINIONS, channels)
        self.edge_embedding = nn.Linear(1, edge_channels)
        self.compare = GPTransConv(channels, channels, edge_channels, heads=4)
        self.listen = GraphormerConv(channels, channels, heads=4, edge_channels=edge_channels)
        self.node_output = nn.Linear(channels, OPINIONS)
        self.edge_output = nn.Sequential(nn.Linear(edge_channels, 32), nn.GELU(), nn.Linear(32, 1))

    def forward(self, data: Data) -> tuple[Tensor, Tensor]:
        """Scores of each opinion `[num_nodes, OPINIONS]`, and of each edge to be the one `[num_edges]`."""
        x, edges = self.node_embedding(data.x), self.edge_embedding(data.edge_attr)
        update, edge_update = self.compare(x, data.edge_index, edges)  # new nodes and new edge states
        x, edges = x + update, edges + edge_update
        heard = self.listen(x, data.edge_index, edges)
        return self.node_output(heard), self.edge_output(edges).squeeze(-1)


def random_network() -> Data:
    """Twenty people; `y` is the opinion that each will take on, `followed` the edges along which it comes."""
    edge_index = erdos_renyi_graph(20, 0.25)
    source, target = edge_index
    opinion, trust = torch.randint(OPINIONS, (20,)), 2 * torch.randn(20)[target] + torch.randn(len(target))
    followed = trust == scatter(trust, target, dim_size=20, reduce="max")[target]
    y = torch.full((20,), -100).index_put((target[followed],), opinion[source[followed]])  # -100: has no neighbours
    return Data(one_hot(opinion, OPINIONS), edge_index, trust.unsqueeze(-1), y, followed=followed)


def main() -> None:
    """Train, then compare with the best that needs no comparison of edges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=3000, help="training graphs (default: 3000)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # tensors this small gain nothing from more
    torch.manual_seed(0)
    model = ImitationModel()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for batch in DataLoader([random_network() for _ in range(arguments.graphs)], batch_size=16):  # each graph once
        nodes, edges = model(batch)
        followed = nn.functional.binary_cross_entropy_with_logits(edges, batch.followed.float())
        loss = nn.functional.cross_entropy(nodes, batch.y) + followed
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    test = next(iter(DataLoader([random_network() for _ in range(200)], batch_size=200)))
    with torch.no_grad():
        nodes, edges = model.eval()(test)
    known, neighbours = test.y >= 0, scatter(test.x[test.edge_index[0]], test.edge_index[1], dim_size=test.num_nodes)
    print(f"nodes: majority of the neighbours  {(neighbours.argmax(1) == test.y)[known].float().mean():.3f}")
    print(f"nodes: GraphormerConv              {(nodes.argmax(1) == test.y)[known].float().mean():.3f}")
    print(f"edges: never followed              {(~test.followed).float().mean():.3f}")
    print(f"edges: GPTransConv                 {((edges > 0) == test.followed).float().mean():.3f}")


if __name__ == "__main__":
    main()
