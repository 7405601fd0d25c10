"""`hgraph diff`: report, JSON, exit codes, and one line for what cannot be read."""

import json

import pytest

OLD = "parent,child,name,description\n,S,Science,\nS,P,Physics,Matter\nS,B,Biology,\n"
NEW = "parent,child,name,description\n,S,Science,\nS,P,Physics,Matter and energy\nP,O,Optics,\nS,Q,Biology,\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "old.csv").write_text(OLD)
    (tmp_path / "new.csv").write_text(NEW)
    return tmp_path / "old.csv", tmp_path / "new.csv"


def test_report(hgraph_command, files):
    code, out, err = hgraph_command("diff", *files)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "2 added, 1 removed, 1 redescribed; 1 unchanged"
    assert "  + O ('Optics')" in out and "  - B ('Biology')" in out and "'Matter' -> 'Matter and energy'" in out
    code, out, _ = hgraph_command("diff", *files, "--match", "name", "--limit", "0")
    assert code == 0 and "1 replaced" in out and "Optics" not in out


def test_json(hgraph_command, files):
    code, out, err = hgraph_command("diff", *files, "--json", "--limit", "0")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert [node["id"] for node in found["added"]] == ["O", "Q"]
    assert found["removed"] == [{"id": "B", "name": "Biology"}]


def test_exit_code(hgraph_command, files):
    assert hgraph_command("diff", *files, "--exit-code")[0] == 1
    assert hgraph_command("diff", files[0], files[0], "--exit-code")[:2] == (0, "No difference: 3 labels.\n")
    assert hgraph_command("diff", *files, "--json", "--exit-code")[0] == 1


def test_names_of_hierarchies(hgraph_command):
    assert hgraph_command("diff", "wos", "wos", "--exit-code")[:2] == (0, "No difference: 141 labels.\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuch.csv", "wos"], "OLD: there is no file 'nosuch.csv'"),
        (["wos", "nosuch"], "NEW: 'nosuch' is neither a file nor"),
        (["wos"], "NEW"),
        (["wos", "wos", "--limit", "-1"], "--limit"),
        (["wos", "wos", "--match", "text"], "--match"),
    ],
)
def test_wrong_use(hgraph_command, arguments, words):
    code, out, err = hgraph_command("diff", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ") and err.count("\n") == 1 and words in err


def test_broken_file(hgraph_command, tmp_path):
    (tmp_path / "bad.csv").write_text("parent,child\na,b\nb,a\n")
    code, out, err = hgraph_command("diff", "wos", tmp_path / "bad.csv", "--exit-code")
    assert (code, out) == (2, "") and "bad.csv" in err and "cycle" in err
