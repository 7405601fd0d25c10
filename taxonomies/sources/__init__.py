"""Scripts that rebuild the files of `taxonomies/data` from what their publishers release; not part of the package.

From the root of the repository, with the file downloaded from the publisher (where: the docstring of each module):

    python -m taxonomies.sources wordnet-nouns path/to/dict
    python -m taxonomies.sources index

The first writes `taxonomies/data/wordnet-nouns.json.gz`, both write `taxonomies/data/index.json`.
"""
