"""A hierarchy changes: select, prune, compare two versions, carry documents over, draw it out over levels.

python examples/05_changing_hierarchy.py
"""

import argparse

import numpy as np

from hgraph import LabelGraph

OLD = [
    ("science", "physics"),
    ("science", "biology"),
    ("physics", "optics"),
    ("physics", "acoustics"),
    ("biology", "biophysics"),
    ("physics", "biophysics"),  # a second parent
    ("arts", "music"),
]
NEW = [
    ("science", "physics"),
    ("science", "life sciences"),
    ("physics", "optics"),
    ("physics", "quantum physics"),
    ("life sciences", "biophysics"),
    ("arts", "music"),
    ("music", "acoustics"),
]
DOCUMENTS = [["optics"], ["biology"], ["acoustics", "music"], ["biophysics"], ["physics"]]


def main() -> None:
    """Run the example."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    old, new = LabelGraph.from_edges(OLD, title="2024"), LabelGraph.from_edges(NEW, title="2025")
    labels = np.zeros((len(DOCUMENTS), old.num_labels), dtype=np.float32)
    for row, document in enumerate(DOCUMENTS):
        labels[row, old.indices(document)] = 1

    # Parts of a hierarchy. A pattern searches names; ancestors come along, so paths stay whole.
    print("branch: ", old.branch("physics").label_id)
    print("pattern:", old.select(pattern="physics$").label_id)
    print("pruned: ", old.prune(labels, min_support=2).label_id)

    # What changed. `hgraph diff old.json new.json` prints the same.
    print(f"\n{old.diff(new)}\n")

    # Old labels keep their indices in the aligned hierarchy, so stored weights and label matrices still fit.
    aligned = old.align(new)
    print("tombstones:", [aligned.graph.label_id[label] for label in aligned.tombstones])
    print("same index:", aligned.graph.label_id[: old.num_labels] == old.label_id)
    carried = aligned.carry_labels(labels)
    for document, row in zip(DOCUMENTS, carried, strict=True):
        print(f"  {', '.join(document):17s} -> {', '.join(aligned.graph.label_id[label] for label in row.indices)}")
    print("weights:", aligned.carry_rows(np.ones((old.num_labels, 4))).shape)

    # Levels for a model that decides level by level. "physics" stands at the bottom too: a document may stop there.
    partition = old.level_partition(extra_parents="copies")
    print(f"\n{partition}")
    for number, level in enumerate(partition.levels, start=1):
        print(f"  level {number}:", ", ".join(old.label_id[label] for label in level))
    back = partition.to_labels(partition.to_nodes(labels))
    print("same after a round trip:", (back != old.expand(labels)).nnz == 0)


if __name__ == "__main__":
    main()
