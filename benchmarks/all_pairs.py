"""Exact attention among all labels of a large tree without a matrix of pairs: time, memory, agreement with float64.

python benchmarks/all_pairs.py --labels 50000
"""

import argparse
import time

import torch
from peak_memory import process_bytes

from hgraph.nn import GraphormerConv, LabelStructure, TreeRows

CHANNELS, HEADS, FAN_OUT, TARGETS = 64, 4, 6, 40


def main() -> None:
    """Forward, backward, and some targets by their definition."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=50_000)
    labels = parser.parse_args().labels
    torch.manual_seed(0)
    child = torch.arange(1, labels)
    structure = LabelStructure(torch.randperm(labels)[torch.stack([(child - 1) // FAN_OUT, child])], labels)
    conv = GraphormerConv(CHANNELS, CHANNELS, heads=HEADS)
    shapes = ((labels, CHANNELS), (16, HEADS), (labels + 1, HEADS))
    x, table, root_sum = (torch.randn(shape, requires_grad=True) for shape in shapes)
    before = process_bytes("VmRSS")
    start = time.perf_counter()
    out = conv(x, None, TreeRows(structure.depth, structure.ancestors, table, root_sum))
    forward = time.perf_counter() - start
    start = time.perf_counter()
    out.square().sum().backward()
    backward = time.perf_counter() - start
    peak = process_bytes("VmHWM") - before

    chosen = torch.randint(labels, (TARGETS,))
    with torch.no_grad():
        wide = conv.double()
        rows = TreeRows(structure.depth, structure.ancestors, table.double(), root_sum.double())
        bias = torch.cat([rows.rows(int(i), int(i) + 1, *rows.tensors()) for i in chosen], dim=1)  # [H, b, n]
        query = wide.lin_query(x.double()[chosen]).unflatten(1, (HEADS, -1)) * (CHANNELS / HEADS) ** -0.5
        key, value = wide.lin_key_value(x.double()).unflatten(1, (2, HEADS, -1)).unbind(1)
        weights = (torch.einsum("bhd,nhd->hbn", query, key) + bias).softmax(-1)
        expected = wide.lin_out(torch.einsum("hbn,nhd->bhd", weights, value).flatten(1))
        gap = float((expected - out[chosen]).abs().max())
    print(f"{labels} labels: forward {forward:.1f} s, backward {backward:.1f} s, {peak / 1e9:.2f} GB, gap {gap:.1e}")


if __name__ == "__main__":
    main()
