"""Build a label hierarchy three ways, check it, ask it questions, save it and read it back.

python examples/01_build_taxonomy.py
python examples/01_build_taxonomy.py --output animals.json
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from hgraph import LabelGraph, TaxonomyError, read_taxonomy

EDGES = [
    ("animal", "mammal"),
    ("animal", "swimmer"),
    ("mammal", "bear"),
    ("mammal", "whale"),
    ("swimmer", "whale"),  # a second parent: the hierarchy is a DAG, not a tree
    ("swimmer", "shark"),
]
PATHS = ["Sport > Football", "Sport > Chess", "Games > Chess", "Games > Cards"]
CSV = """\
parent,child,name,description
,S,Science,
S,P,Physics,Matter and energy
S,B,Biology,Living things
P,O,Optics,Light
"""


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="JSON file to write; by default a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        show(Path(folder), arguments.output or Path(folder) / "animals.json")


def show(folder: Path, output: Path) -> None:
    """Build, check, ask, save, load."""
    # From (parent, child) pairs. The report counts what is worth a look before training.
    graph = LabelGraph.from_edges(EDGES, names={"bear": "Bear", "whale": "Whale"}, title="animals")
    print(graph.check(), "\n")

    # From paths of names. The id of a label is its whole path, so the two "Chess" stay apart.
    print("paths:", LabelGraph.from_paths(PATHS, title="leisure").label_id)

    # From a file; the format is found out. `hgraph build-taxonomy` does the same on the command line.
    (folder / "science.csv").write_text(CSV, encoding="utf-8")
    science = read_taxonomy(folder / "science.csv")
    print("csv:  ", science, "|", science.path_names("O"))

    # Ancestors are one row of a sparse matrix; both parents of a whale count.
    row = graph.ancestors[graph.index("whale")]
    print("above a whale:", [graph.label_id[index] for index in row.indices])

    # A document labelled "bear" alone is also about mammals and animals.
    documents = np.zeros((1, graph.num_labels), dtype=np.float32)
    documents[0, graph.index("bear")] = 1
    expanded = graph.expand(documents)
    print("bear, expanded:", [graph.label_id[index] for index in np.sort(expanded.indices)])

    # A cycle is an error that names the labels on it.
    try:
        LabelGraph.from_edges([("a", "b"), ("b", "c"), ("c", "a")])
    except TaxonomyError as error:
        print("error:", error)

    graph.save(output, overwrite=True)
    print("same after a round trip:", LabelGraph.load(output).fingerprint == graph.fingerprint)


if __name__ == "__main__":
    main()
