"""`hgraph inspect`: tree, search, report, page and picture."""

import json
import os
import re
import subprocess
import sys

import pytest

from hgraph.graph import LabelGraph


@pytest.fixture
def inspect(hgraph_command, toy_folder):
    """Run on the toy hierarchy; its output lines."""

    def run(*arguments, taxonomy=toy_folder / "taxonomy.json"):
        code, out, err = hgraph_command("inspect", taxonomy, *arguments)
        assert (code, err) == (0, ""), err
        return out.splitlines()

    return run


@pytest.fixture
def fails(hgraph_command, toy_folder, tmp_path):
    def run(*arguments, taxonomy=toy_folder / "taxonomy.json"):
        code, out, err = hgraph_command("inspect", taxonomy, *arguments)
        assert (code, out) == (2, "") and err.startswith("Error: ") and err.count("\n") == 1, err
        assert not list(tmp_path.glob("out*"))
        return err

    return run


def test_the_tree_of_the_first_levels(inspect):
    assert inspect() == [
        "toy: 9 labels, 3 levels, 2 roots, DAG",
        "",
        "w0 w1  A  (4 below)",
        "├── w4  A1  (2 below)",
        "└── w5  A2",
        "w2 w3  B  (4 below)",
        "├── w6  B1  (1 below)",
        "└── w7  B2  (1 below)",
    ]


def test_all_levels_with_documents_from_two_files(inspect, toy_folder):
    lines = inspect("--depth", 0, "--no-ids", "--data", toy_folder / "test.jsonl", "--data", toy_folder / "val.jsonl")
    assert lines[0].endswith("DAG, 50 documents")
    assert sum("also under" in line for line in lines) == 2
    texts = [(toy_folder / f"{name}.jsonl").read_text() for name in ("test", "val")]
    records = [json.loads(line)["labels"] for text in texts for line in text.splitlines()]
    expected = sum("z" in labels for labels in records)
    assert f"    └── w10  ({expected} documents)" in lines


def test_a_branch(inspect):
    assert inspect("--root", "w2 w3 > w6", "--ids") == [
        "w2 w3 >",
        "",
        "w6  B1  (1 below)",
        "└── w9  y  (also under w4)",
    ]
    assert inspect("--root", "B", "--limit", 1)[-1] == "└── ... 1 more"


def test_search_prints_paths(inspect):
    assert inspect("--search", "W9") == ["w0 w1 > w4 > w9  y", "  w2 w3 > w6 > w9"]
    assert inspect("--search", "^w[45]$", "--regex", "--no-ids") == ["w0 w1 > w4  (2 below)", "w0 w1 > w5"]
    assert inspect("--search", "w", "--limit", 2)[-1] == "... 7 more; show them with --limit 9"
    assert len(inspect("--search", "w", "--root", "B", "--limit", 0)) == 6  # five labels, one of them with two paths


def test_nothing_found(hgraph_command, toy_folder):
    code, out, err = hgraph_command("inspect", toy_folder / "taxonomy.json", "--search", "giraffe")
    assert (code, out, err) == (1, "", "No label matches 'giraffe'.\n")


def test_the_check_with_documents(inspect, toy_folder):
    lines = inspect("--check", "--data", toy_folder / "test.jsonl")
    assert "documents        20" in lines
    assert "info     2 roots: w0 w1, w2 w3" in lines


def test_page_and_picture(inspect, fails, toy_folder, tmp_path):
    pytest.importorskip("matplotlib")
    page, picture = tmp_path / "t.html", tmp_path / "t.png"
    assert inspect("--html", page, "--png", picture, "--data", toy_folder / "test.jsonl") == [
        f"Page of 9 labels written to {page}",
        f"Picture of 9 labels written to {picture}",
    ]
    data = json.loads(re.search(r'type="application/json"[^>]*>(.*?)</script>', page.read_text())[1])
    assert data["documents"] == 20 and len(data["count"]) == len(data["id"]) == 9
    assert picture.read_bytes().startswith(b"\x89PNG")
    for option, path in (("--html", page), ("--png", picture)):
        assert f"{option} {path}: the file exists" in fails(option, path)
    inspect("--html", page, "--root", "B", "--overwrite")
    data = json.loads(re.search(r'type="application/json"[^>]*>(.*?)</script>', page.read_text())[1])
    assert (data["id"], data["title"]) == (["B", "B1", "B2", "y", "z"], "toy: w2 w3")


def test_what_is_refused(fails, toy_folder, tmp_path):
    assert "neither a file nor" in fails(taxonomy="womble")
    assert "--root: " in fails("--root", "w99") and "w9" in fails("--root", "w99")
    assert "--search: '('" in fails("--search", "(", "--regex")
    assert "--search is empty" in fails("--search", " ")
    assert "goes with --search" in fails("--regex")
    assert "leave --root out" in fails("--check", "--root", "A")
    assert "does not exist" in fails("--html", tmp_path / "no" / "out.html")
    (tmp_path / "d.jsonl").write_text('{"text": "a", "labels": ["nope"]}\n')
    assert "d.jsonl:1: " in fails("--data", tmp_path / "d.jsonl", "--html", tmp_path / "out.html")


def test_output_that_cannot_hold_every_letter(tmp_path):
    LabelGraph.from_edges([("ä", "→")]).save(tmp_path / "t.json")
    command = [sys.executable, "-m", "hgraph.cli.main", "inspect", tmp_path / "t.json"]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert done.stdout.decode("latin-1").strip().endswith("ä  (1 below)\n`-- ?")
    assert done.stderr == b""


def test_ids_that_are_paths_are_left_out(inspect, tmp_path):
    (tmp_path / "t.txt").write_text("a > b\na > c\n")
    assert inspect(taxonomy=tmp_path / "t.txt")[2:] == ["a  (2 below)", "├── b", "└── c"]
    assert inspect("--ids", taxonomy=tmp_path / "t.txt")[3] == "├── b  a > b"


def test_check_of_a_file_with_cycles_prints_them_all(hgraph_command, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\nb,a\nx,y\np,q\nq,r\nr,p\n")
    code, out, err = hgraph_command("inspect", path, "--check")
    assert code == 2
    assert "a -> b -> a" in out and "p -> q -> r -> p" in out
    assert err.count("\n") == 1 and "contains a cycle: a -> b -> a. Remove one of these edges (lines 1, 2)" in err
    graph = {"nodes": [{"id": "a"}, {"id": "b"}], "edges": [["a", "b"], ["b", "a"]]}
    (tmp_path / "a.json").write_text(json.dumps(graph))
    code, out, _ = hgraph_command("inspect", tmp_path / "a.json", "--check")
    assert code == 2 and "a -> b -> a" in out
