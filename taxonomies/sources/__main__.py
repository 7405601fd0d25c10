"""`python -m taxonomies.sources NAME FILE VERSION`: rebuild one hierarchy, or the `index` alone."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from . import attack, brick, cell_ontology, cwe, emoji, gene_ontology, hed, iab, linguist, naics, places, trove, wordnet
from .hierarchy import Hierarchy
from .index import write_index

BUILDERS: dict[str, Callable[[Path, str], Hierarchy]] = {
    "attack": attack.build,
    "brick": brick.build,
    "cl": cell_ontology.build_cl,
    "cwe": cwe.build,
    "emoji": emoji.build,
    "go": gene_ontology.build,
    "hed": hed.build,
    "iab-content": iab.build,
    "linguist": linguist.build,
    "mondo": cell_ontology.build_mondo,
    "naics": naics.build,
    "places": places.build,
    "trove": trove.build,
    "wordnet-nouns": wordnet.build,
}


def main(arguments: list[str]) -> None:
    """Rebuild what the arguments name."""
    if arguments != ["index"]:
        if len(arguments) != 3 or arguments[0] not in BUILDERS:
            sys.exit(f"usage: python -m taxonomies.sources NAME FILE VERSION\nnames: {', '.join(BUILDERS)}, index")
        name, path, version = arguments
        logging.info("wrote %s", BUILDERS[name](Path(path), version).save())
    logging.info("wrote %s", write_index())


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(sys.argv[1:])
