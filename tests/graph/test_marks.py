"""Tombstones and kinds in JSON files."""

import json

import numpy as np
import pytest

from hgraph.errors import TaxonomyError
from hgraph.graph import LabelGraph


def test_tombstones_and_kinds_survive_a_file(tmp_path):
    old = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("a", "d")], title="toy")
    aligned = old.align(LabelGraph.from_edges([("a", "c"), ("a", "e")])).graph
    aligned.save(tmp_path / "a.json")
    again = LabelGraph.load(tmp_path / "a.json")
    assert again.label_id == aligned.label_id == ["a", "b", "c", "d", "e"]
    assert again.tombstone.tolist() == aligned.tombstone.tolist() == [False, True, False, True, False]
    np.testing.assert_array_equal(again.live_labels, [0, 2, 4])
    grouped = old.split_fan_out(2)
    grouped.save(tmp_path / "b.json")
    assert LabelGraph.load(tmp_path / "b.json").kind == grouped.kind
    old.save(tmp_path / "c.json")
    assert "tombstone" not in (tmp_path / "c.json").read_text()
    plain = LabelGraph.load(tmp_path / "c.json")
    assert "tombstone" not in plain and "kind" not in plain


@pytest.mark.parametrize(("key", "value"), [("tombstone", "yes"), ("tombstone", 1), ("kind", 3), ("kind", None)])
def test_wrong_marks_are_refused(tmp_path, key, value):
    nodes = [{"id": "a"}, {"id": "b", key: value}]
    (tmp_path / "a.json").write_text(json.dumps({"nodes": nodes, "edges": [["a", "b"]]}))
    with pytest.raises(TaxonomyError, match=rf"a\.json: 'nodes' item 1 has {key} .*, expected"):
        LabelGraph.load(tmp_path / "a.json")
