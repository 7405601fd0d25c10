"""A corpus keeps the fields of its documents beside the joined text."""

import json

from hgraph.data import read_corpus
from hgraph.graph import LabelGraph
from hgraph.text import plain_text


def test_fields_of_documents(tmp_path):
    documents = [
        {"text": {"title": "Trees", "note": "", "body": "On growth."}, "labels": ["a"]},
        {"text": {"title": "Seas", "note": "x", "body": "On tides."}, "labels": ["b"]},
        {"text": "one string", "labels": []},
    ]
    path = tmp_path / "documents.jsonl"
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    corpus = read_corpus(path, LabelGraph.from_edges([("a", "b")]))
    assert corpus.field_texts == [documents[0]["text"], documents[1]["text"], {"": "one string"}]
    assert [plain_text(text) for text in corpus.field_texts] == corpus.texts
    assert corpus.select([1]).field_texts == [documents[1]["text"]]
