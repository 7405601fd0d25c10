"""The label layers of HGCLR, HTLA and HTLA^n as the published programs compute them, for comparison.

Written from the equations, in plain PyTorch with autograd: the distance and the path of every pair of labels are tables
that are built once, and every forward pass looks the path of every pair up, slot by slot. Nothing is made faster or
slower than that. `scrambled=True` also repeats the published slip of HTLA, whose table of pairs is reshaped where it
should be transposed, so that pairs read the channels of other pairs; without it, results can be compared with ours.

The last class is the edge-list form of GPTrans as one writes it with the parts of PyG: all edges at once, `softmax` and
`scatter` over the edges of each target.
"""

import torch
from torch import Tensor, nn
from torch_geometric.utils import scatter, softmax

DISTANCES, SLOTS = 20, 15


class PairTables:
    """Distance and path of every pair of labels of a tree, all of whose roots hang from one virtual root.

    Args:
        edge_index: edges from parent to child, `[2, E]`.
        num_labels: the number of labels `L`.
    """

    def __init__(self, edge_index: Tensor, num_labels: int) -> None:
        ancestors = ancestor_columns(edge_index, num_labels)  # [L, deepest]
        depth = (ancestors >= 0).sum(1)
        self.distance = torch.empty(num_labels, num_labels, dtype=torch.long)
        # Edges are named by their child; 0 fills the slots behind the end of a path.
        self.path = torch.zeros(num_labels, num_labels, SLOTS, dtype=torch.long)
        target = torch.arange(num_labels).unsqueeze(0)
        for rows in torch.arange(num_labels).split(256):
            source, shared = rows.unsqueeze(1), torch.zeros(len(rows), num_labels, dtype=torch.long)
            for column in ancestors.unbind(1):
                shared += (column[rows].unsqueeze(1) == column) & (column >= 0)
            up, down = depth[source] - shared, depth[target] - shared  # edges on either side of the common ancestor
            if (up + down).max() > SLOTS:
                raise ValueError(f"The published tables hold paths of at most {SLOTS} edges, too few for this tree.")
            self.distance[rows] = up + down
            for slot in range(SLOTS):
                from_source = ancestors[source, (depth[source] - 1 - slot).clamp(min=0)]
                from_target = ancestors[target, (depth[target] - 1 - (slot - up)).clamp(0, ancestors.shape[1] - 1)]
                edge = torch.where(slot < up, from_source, from_target) + 1
                self.path[rows, :, slot] = edge.where(slot < up + down, 0)


class PublishedGraphormer(nn.Module):
    """The label attention of HGCLR and HTLA^n: heads share one bias a pair; no residual, norm or feed-forward network.

    Shapes: x `[L, C]`, output `[L, C]`.
    """

    def __init__(self, tables: PairTables, channels: int = 768, heads: int = 12) -> None:
        super().__init__()
        self.heads = heads
        self.register_buffer("distance", tables.distance, persistent=False)
        self.register_buffer("path", tables.path, persistent=False)
        self.distance_embedding = nn.Embedding(DISTANCES, 1, padding_idx=0)
        self.edge_embedding = nn.Embedding(len(tables.distance) + 1, 1, padding_idx=0)
        self.query, self.key, self.value = (nn.Linear(channels, channels) for _ in range(3))
        self.output = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """The new label vectors."""
        by_path = self.edge_embedding(self.path).sum(2) / (self.distance.unsqueeze(-1) + 1e-8)  # [L, L, 1]
        bias = (self.distance_embedding(self.distance) + by_path).squeeze(-1)  # [L, L]
        query, key, value = (
            layer(x).unflatten(1, (self.heads, -1)).transpose(0, 1) for layer in (self.query, self.key, self.value)
        )  # [H, L, C / H]
        scores = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5 + bias
        return self.output((scores.softmax(-1) @ value).transpose(0, 1).flatten(1))


class PublishedGPTrans(nn.Module):
    """The graph propagation attention of HTLA, whose new pair states are thrown away; without its feed-forward network.

    Shapes: x `[L, C]`, output `[L, C]`.
    """

    def __init__(
        self,
        tables: PairTables,
        channels: int = 768,
        heads: int = 12,
        edge_channels: int = 30,
        *,
        scrambled: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.scrambled = heads, scrambled
        self.register_buffer("distance", tables.distance.flatten(), persistent=False)
        self.register_buffer("path", tables.path.flatten(0, 1), persistent=False)
        self.distance_embedding = nn.Embedding(DISTANCES, edge_channels, padding_idx=0)
        self.edge_embedding = nn.Embedding(len(tables.distance) + 1, edge_channels, padding_idx=0)
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.reduce = nn.Conv2d(edge_channels, heads, 1)
        self.expand = nn.Conv2d(heads, edge_channels, 1)
        self.edge_to_node = nn.Linear(edge_channels, channels)
        self.output = nn.Linear(channels, channels)

    def pairs(self) -> Tensor:
        """The state of each pair, channels first, `[1, De, L, L]`."""
        by_path = self.edge_embedding(self.path).sum(1) / (self.distance.unsqueeze(-1) + 1e-8)  # [L * L, De]
        table, size = self.distance_embedding(self.distance) + by_path, round(len(self.distance) ** 0.5)
        if self.scrambled:
            return table.reshape(1, -1, size, size)
        return table.reshape(1, size, size, -1).permute(0, 3, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """The new label vectors."""
        query, key, value = self.qkv(x).unflatten(1, (3, self.heads, -1)).permute(1, 2, 0, 3)  # [H, L, C / H] each
        scores = (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5).unsqueeze(0) + self.reduce(self.pairs())
        weights = scores.softmax(-1)  # [1, H, L, L]
        nodes = (weights[0] @ value).transpose(0, 1).flatten(1)  # [L, C]
        update = self.expand(weights + scores)  # [1, De, L, L]
        message = (update.softmax(-1) * update).sum(-1)  # [1, De, L]
        return self.output(nodes + self.edge_to_node(message[0].t()))


class ScatterGPTrans(nn.Module):
    """Graph propagation attention on a list of edges; parameters are named as in `GPTransConv`.

    Shapes: x `[N, C]`, edge_index `[2, E]`, edge_attr `[E, De]`, output `[N, C]` and `[E, De]`.
    """

    def __init__(self, channels: int, edge_channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.lin_query, self.lin_key_value = nn.Linear(channels, channels), nn.Linear(channels, 2 * channels)
        self.reduce, self.expand = nn.Linear(edge_channels, heads), nn.Linear(heads, edge_channels)
        self.edge_to_node, self.lin_out = nn.Linear(edge_channels, channels), nn.Linear(channels, channels)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> tuple[Tensor, Tensor]:
        """The new nodes and edge states."""
        source, target = edge_index
        query = self.lin_query(x).unflatten(1, (self.heads, -1))  # [N, H, C / H]
        key, value = self.lin_key_value(x).unflatten(1, (2, self.heads, -1)).unbind(1)
        scores = (query[target] * key[source]).sum(-1) / query.shape[-1] ** 0.5 + self.reduce(edge_attr)  # [E, H]
        weights = softmax(scores, target, num_nodes=len(x))
        nodes = scatter(weights.unsqueeze(-1) * value[source], target, dim_size=len(x)).flatten(1)
        update = self.expand(weights + scores)  # [E, De]
        message = scatter(softmax(update, target, num_nodes=len(x)) * update, target, dim_size=len(x))
        return self.lin_out(nodes + self.edge_to_node(message)), update


def ancestor_columns(edge_index: Tensor, num_labels: int) -> Tensor:
    """The labels from the root down to each label, itself included, then -1: `[L, deepest]`."""
    parent = torch.full((num_labels,), -1)
    parent[edge_index[1]] = edge_index[0]
    chain = [torch.arange(num_labels)]
    while (chain[-1] >= 0).any():
        chain.append(torch.where(chain[-1] >= 0, parent[chain[-1]], -1))
    upwards = torch.stack(chain[:-1], dim=1)  # the label first
    depth = (upwards >= 0).sum(1, keepdim=True)
    position = depth - 1 - torch.arange(upwards.shape[1])
    return upwards.gather(1, position.clamp(min=0)).where(position >= 0, -1)
