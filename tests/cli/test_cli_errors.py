"""Every bad input gives one line that says what to do, exit code 2, and leaves nothing half-written."""

import errno
import json
import os
import shutil

import pytest

TRAIN_LINE = '{"id": "d1", "text": "w1 w2", "labels": ["x"]}\n'


@pytest.fixture
def fails(hgraph_command, tmp_path):
    """Run a command that must fail; its message. Files in `tmp_path` must be what they were."""

    def state():
        return {path: path.read_bytes() if path.is_file() else None for path in tmp_path.rglob("*")}

    def run(*arguments, stdin=b"", after_messages=False):
        before = state()
        code, out, err = hgraph_command(*arguments, stdin=stdin)
        assert code == 2, (code, out, err)
        if after_messages:
            err = err.splitlines(keepends=True)[-1]
        assert err.startswith("Error: ") and err.endswith("\n") and err.count("\n") == 1, err
        assert "Traceback" not in err and out == ""
        assert state() == before
        return err

    return run


@pytest.fixture
def train(toy_folder, tmp_path):
    """Arguments of `hgraph train`, some of them replaced."""

    def arguments(*more, **changes):
        names = {"taxonomy": "taxonomy.json", "train": "train.jsonl", "val": "val.jsonl"}
        given = {**{key: toy_folder / name for key, name in names.items()}, "output": tmp_path / "run", **changes}
        return ["train", *(part for key, value in given.items() for part in (f"--{key}", value)), "--epochs", 1, *more]

    return arguments


# Taxonomies


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("parent,child\na,b\nb,c\nc,a\n", ["cycle", "a -> b -> c -> a"]),
        ("", ["empty"]),
        ("{", ["malformed JSON"]),
        ('{"nodes": [{"id": "a"}], "edges": [["a", "b"]]}', ["'b'"]),
        ('{"nodes": [{"id": "a"}, {"id": "a"}], "edges": []}', ["'a'"]),
        ("\0\1\2", ["binary"]),
    ],
)
def test_broken_taxonomy(fails, train, tmp_path, content, words):
    source = tmp_path / ("t.json" if content.startswith("{") else "t.csv")
    source.write_text(content)
    for message in (
        fails("build-taxonomy", source, "-o", tmp_path / "o.json"),
        fails(*train(taxonomy=source)),
    ):
        assert str(source) in message
        assert all(word in message for word in words), message


def test_taxonomy_in_another_encoding(fails, tmp_path):
    (tmp_path / "t.csv").write_bytes("parent,child\nFaçade,Tür\n".encode("latin-1"))
    assert "UTF-8" in fails("build-taxonomy", tmp_path / "t.csv", "-o", tmp_path / "o.json")


def test_taxonomy_that_is_not_there(fails, train, tmp_path):
    assert "no such file" in fails("build-taxonomy", tmp_path / "no.csv", "-o", tmp_path / "o.json")
    assert "is a folder" in fails("build-taxonomy", tmp_path, "-o", tmp_path / "o.json")
    assert "there is no file" in fails(*train(taxonomy=tmp_path / "no.json"))
    assert "neither a file nor a hierarchy" in fails(*train(taxonomy="womble"))


def test_a_label_file_in_place_of_a_taxonomy(fails, train, toy_folder):
    fails(*train(taxonomy=toy_folder / "train.jsonl"))


# Documents


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"text": "w1", "labels": ["xx"]}', [":2:", "'xx'"]),
        ('{"text": "w1", "labels": ["w9 w9"]}', [":2:", "w9"]),
        ('{"text": "w1", "labels": ["x"]', [":2:", "malformed JSON"]),
        ('["w1"]', [":2:", "JSON object"]),
        ('{"text": "w1"}', [":2:", "'labels' is missing"]),
        ('{"labels": ["x"]}', [":2:", "'text' is missing"]),
        ('{"text": " ", "labels": ["x"]}', [":2:", "empty"]),
        ('{"text": 5, "labels": ["x"]}', [":2:", "string"]),
        ('{"text": "w1", "labels": "x"}', None),
        ('{"text": "w1", "labels": [["x"]]}', [":2:", "list of strings"]),
        ('{"id": "d1", "text": "w1", "labels": ["x"]}', [":2:", "'d1'", "unique"]),
    ],
)
def test_broken_document(fails, train, toy_runs, tmp_path, line, words):
    path = tmp_path / "d.jsonl"
    path.write_text(TRAIN_LINE + line + "\n")
    if words is None:
        return  # one label may stand without a list
    for message in (
        fails(*train(train=path)),
        fails(*train(val=path)),
        fails("evaluate", toy_runs("lexical"), "--data", path, "--json", tmp_path / "f.json"),
    ):
        assert f"{path}:2:" in message
        assert all(word in message for word in words), message


def test_an_unknown_label_is_suggested(fails, train, tmp_path):
    (tmp_path / "d.jsonl").write_text('{"text": "w1", "labels": ["A22"]}\n')
    message = fails(*train(train=tmp_path / "d.jsonl"))
    assert "d.jsonl:1: " in message and "'A2'" in message and "--unknown-labels drop" in message


@pytest.mark.parametrize("line", ['{"text": ', '{"labels": ["x"]}', '{"text": ""}', "[1]"])
def test_broken_document_in_prediction(fails, toy_runs, tmp_path, line):
    path = tmp_path / "d.jsonl"
    path.write_text(f"{line}\n")
    for arguments in (["--data", path], ["--data", path, "--output", tmp_path / "o.jsonl"]):
        assert f"{path}:1:" in fails("predict", toy_runs("lexical"), *arguments)
    path.write_text(TRAIN_LINE + line)
    assert f"{path}:2:" in fails("predict", toy_runs("lexical"), "--data", path, "--output", tmp_path / "o.jsonl")


def test_documents_in_another_encoding(fails, train, toy_runs, tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_bytes('{"text": "Tür", "labels": ["x"]}\n'.encode("latin-1"))
    messages = [
        fails(*train(train=path)),
        fails("evaluate", toy_runs("lexical"), "--data", path),
        fails("predict", toy_runs("lexical"), "--data", path),
        fails("predict", toy_runs("lexical"), "-", stdin=path.read_bytes()),
    ]
    assert all(":1: expected UTF-8, found byte 0xfc" in message for message in messages)


def test_documents_that_are_not_there(fails, train, toy_runs, tmp_path):
    run = toy_runs("lexical")
    (tmp_path / "notes.md").write_text("w1")
    (tmp_path / "folder.txt").mkdir()
    assert "there is no such file" in fails(*train(train=tmp_path / "no.jsonl"))
    assert "found a folder" in fails(*train(train=tmp_path))
    assert "there is no such file" in fails("evaluate", run, "--data", tmp_path / "no.csv")
    scores = tmp_path / "scores.npz"
    scores.touch()
    assert "Scores are given by --scores" in fails("evaluate", scores, "--data", tmp_path / "no.csv")
    assert "there is no" in fails("predict", run, "--data", tmp_path / "no.txt")
    assert "is a folder" in fails("predict", run, "--data", tmp_path / "folder.txt")
    assert "expected a file named" in fails("predict", run, "--data", tmp_path / "notes.md")


@pytest.mark.parametrize("suffix", ["jsonl", "txt", "csv"])
def test_no_documents(fails, train, toy_runs, tmp_path, suffix):
    path = tmp_path / f"d.{suffix}"
    path.write_text("text,labels\n" if suffix == "csv" else "\n\n")
    assert "at least one document" in fails("predict", toy_runs("lexical"), "--data", path)
    assert "at least one document" in fails("predict", toy_runs("lexical"), "-", stdin=b"\n")
    if suffix != "txt":
        assert "at least one document" in fails(*train(train=path))


def test_too_few_documents_to_hold_some_out(fails, toy_folder, tmp_path):
    (tmp_path / "d.jsonl").write_text(TRAIN_LINE)
    given = ["--taxonomy", toy_folder / "taxonomy.json", "--train", tmp_path / "d.jsonl"]
    assert "--val" in fails("train", *given, "-o", tmp_path / "run")


# Outputs


def test_outputs_that_exist(fails, hgraph_command, train, toy_runs, toy_folder, tmp_path):
    run, test = toy_runs("lexical"), toy_folder / "test.jsonl"
    there = tmp_path / "there"
    there.write_text("mine")
    commands = [
        ("build-taxonomy", toy_folder / "taxonomy.json", "-o", there),
        ("evaluate", run, "--data", test, "--json", there),
        ("predict", run, "--data", test, "--output", there),
    ]
    for command in commands:
        assert "exists" in fails(*command) and "--overwrite" in fails(*command)
    for command in commands:
        there.write_text("mine")
        assert hgraph_command(*command, "--overwrite")[0] == 0
        assert there.read_text() != "mine"
        assert list(tmp_path.iterdir()) == [there]
    assert "found a file" in fails(*train(output=there))
    assert "is a file" in fails(*train(output=there / "below"))
    assert "found a folder" in fails("predict", run, "--data", test, "--output", tmp_path)
    assert "does not exist" in fails("predict", run, "--data", test, "--output", tmp_path / "no" / "o.jsonl")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    assert "not empty" in fails(*train(output=tmp_path / "full"))
    assert "holds no training run" in fails(*train("--resume", output=tmp_path / "full"))


def test_no_permission(fails, train, toy_runs, toy_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)
    for message in (
        fails(*train()),
        fails("build-taxonomy", toy_folder / "taxonomy.json", "-o", tmp_path / "o.json"),
        fails("predict", toy_runs("lexical"), "--text", "w1", "--output", tmp_path / "o.jsonl"),
        fails("evaluate", toy_runs("lexical"), "--data", toy_folder / "test.jsonl", "--json", tmp_path / "o.json"),
    ):
        assert "no permission" in message


def test_no_space_for_files(fails, toy_runs, toy_folder, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    for message in (
        fails("build-taxonomy", toy_folder / "taxonomy.json", "-o", tmp_path / "o.json"),
        fails("predict", toy_runs("lexical"), "--text", "w1", "--output", tmp_path / "o.jsonl"),
        fails("evaluate", toy_runs("lexical"), "--data", toy_folder / "test.jsonl", "--json", tmp_path / "o.json"),
    ):
        assert "No space left on device" in message


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_no_space_on_a_device(fails, hgraph_command, toy_runs, toy_folder):
    run, test = toy_runs("lexical"), toy_folder / "test.jsonl"
    assert "No space left" in fails("predict", run, "--data", test, "--output", "/dev/full")
    assert "No space left" in fails("build-taxonomy", toy_folder / "taxonomy.json", "-o", "/dev/full")
    assert "No space left" in fails("evaluate", run, "--data", test, "--json", "/dev/full")
    assert not os.path.isfile("/dev/full")


@pytest.mark.parametrize("where", ["checkpoint", "tensors", "model"])
def test_no_space_in_training(hgraph_command, train, tmp_path, monkeypatch, where):
    """What is there stays, and `--resume` finishes it when there is room again."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full_torch(*_, **__):
        raise RuntimeError("[enforce fail at inline_container.cc:603] . PytorchStreamWriter failed writing file data/0")

    arguments = train()
    with monkeypatch.context() as patch:
        if where == "checkpoint":
            patch.setattr("transformers.trainer.Trainer._save_optimizer_and_scheduler", full)
        elif where == "tensors":
            patch.setattr("transformers.trainer.torch.save", full_torch)
        else:
            patch.setattr("hgraph.hub.save_file", full)
        code, _, err = hgraph_command(*arguments)
    assert code == 2
    assert err.splitlines()[-1].startswith(f"Error: {tmp_path / 'run'}: ") and "cannot be written" in err
    assert "Traceback" not in err
    assert not (tmp_path / "run" / "config.json").exists()
    assert "cut short; go on with --resume" in hgraph_command("predict", tmp_path / "run", "--text", "w1")[2]
    assert "--resume" in hgraph_command(*arguments)[2]
    assert hgraph_command(*arguments, "--resume")[0] == 0
    assert (tmp_path / "run" / "config.json").exists()


# Recipes and settings


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("batch_sise=3", ["'batch_sise'", "did you mean 'batch_size'?"]),
        ("training.epoks=3", ["'epoks'", "did you mean 'epochs'?"]),
        ("text_encoder.chanels=3", ["'chanels'", "did you mean 'channels'?"]),
        ("txt_encoder.channels=3", ["did you mean 'text_encoder'?"]),
        ("batch_size=many", ["a whole number", "'many'"]),
        ("batch_size=1.5", ["a whole number", "'1.5'"]),
        ("batch_size=true", ["a whole number"]),
        ("batch_size=0", ["'batch_size' must be at least 1"]),
        ("batch_size", ["expected key=value"]),
        ("=3", ["expected key=value"]),
        ("learning_rate=-1", ["must not be negative"]),
        ("learning_rate=.nan", ["finite"]),
        ("learning_rate=1e999", ["finite"]),
        ("weight_decay=-0.1", ["must not be negative"]),
        ("seed=4294967296", ["'seed'"]),
        ("warmup=1", ["'warmup'"]),
        ("metric=accuracy", ["micro_f1", "'accuracy'"]),
        ("thresholds=2020-13-45", ["global", "2020-13-45"]),
        ("text_encoder.name=[1]", ["bag, fields, frozen, transformer"]),
        ("text_encoder=bagg", ["did you mean 'bag'?"]),
        ("text_encoder.word_ngrams=0", ["word_ngrams"]),
        ("text_encoder.max_features=0", ["max_features"]),
        ("text_encoder.channels=-1", ["channels"]),
        ("text_encoder.dropout=2", ["dropout"]),
        ("lexical.max_weights=0", ["max_weights"]),
        ("lexical=null", ["scorer"]),
        ("scorer=additive", ["channels"]),
        ("objectives=[]", ["objectives"]),
        ("objectives=[[1]]", ["bce"]),
        ("objectives=[{name: tla}]", ["tla"]),
        ("training=3", ["training"]),
        ("precision=fp8", ["fp32"]),
    ],
)
def test_wrong_setting(fails, train, setting, words):
    message = fails(*train("--set", setting))
    assert all(word in message for word in words), message
    assert "?." not in message


@pytest.mark.parametrize(
    "setting",
    [
        "label_encoder.heads=0",
        "label_encoder.layers=0",
        "label_encoder.edge_channels=0",
        "label_encoder.dropout=-1",
        "label_encoder.dense_limit=0",
        "text_encoder.max_length=0",
        "text_encoder.max_length=2",
        "text_encoder.dropout=1.5",
        "text_encoder.pooling=max",
        "objectives=[{name: tla, temperature: 0.0}]",
        "objectives=[{name: bce, weight: -1.0}]",
    ],
)
def test_wrong_setting_of_a_transformer(fails, train, bert_folder, setting):
    options = ["--recipe", "htla", "--text-encoder", bert_folder, "--set", "label_encoder.heads=2"]
    fails(*train(*options, "--set", setting))


@pytest.mark.parametrize("setting", ["heads=3", "dense_limit=2"])
def test_setting_that_does_not_fit_text_encoder_or_taxonomy(fails, train, bert_folder, setting):
    options = ["--recipe", "htla", "--text-encoder", bert_folder, "--set", "label_encoder.heads=2"]
    options += ["--set", "label_encoder.form=dense", "--set", f"label_encoder.{setting}"]
    assert setting.split("=")[0] in fails(*train(*options), after_messages=True)


def test_vocabulary_too_large_or_empty(fails, train, tmp_path):
    assert "'max_weights'" in fails(*train("--set", "lexical.max_weights=5"), after_messages=True)
    (tmp_path / "d.jsonl").write_text('{"text": "a", "labels": ["x"]}\n')
    settings = ["--set", "label_documents=false"]
    assert "no word n-gram" in fails(*train(*settings, train=tmp_path / "d.jsonl"), after_messages=True)


@pytest.mark.parametrize(
    "options", [["--epochs", "-1"], ["--epochs", "0"], ["--epochs", "x"], ["--seed", "-1"], ["--nonsense", "1"]]
)
def test_wrong_option(fails, train, options):
    message = fails(*train(*options))
    assert options[0] in message and "--help" in message


def test_wrong_option_of_evaluate_and_predict(fails, toy_runs, toy_folder):
    for command in (["evaluate", toy_runs("lexical"), "--data", toy_folder / "test.jsonl"],) + (
        ["predict", toy_runs("lexical"), "--text", "w1"],
    ):
        for option, value in (("--batch-size", 0), ("--batch-size", -3), ("--threshold", 2), ("--threshold", -1)):
            assert option in fails(*command, option, value)
    assert "--top-k" in fails("predict", toy_runs("lexical"), "--text", "w1", "--top-k", -1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["expected keys and values, found nothing"]),
        ("- a\n", ["expected keys and values"]),
        ("name: [\n", ["malformed YAML"]),
        ("name: a\n b: c\n", ["my.yaml:2", "malformed YAML"]),
        ("name: 2020-13-45\n", ["malformed YAML"]),
        ("description: x\n", ["'name' is missing"]),
        ("name: a\nscorrer: null\n", ["'scorrer'", "did you mean 'scorer'?"]),
        ("name: a\ntraining:\n  epoks: 3\n", ["training", "did you mean 'epochs'?"]),
        ("name: a\ntext_encoder:\n  name: {}\n", ["bag, fields, frozen, transformer"]),
        ("name: a\nobjectives: bce\n", ["expected a list"]),
    ],
)
def test_broken_recipe_file(fails, train, tmp_path, content, words):
    (tmp_path / "my.yaml").write_text(content)
    message = fails(*train("--recipe", tmp_path / "my.yaml"))
    assert "my.yaml" in message
    assert all(word in message for word in words), message


def test_recipe_that_is_not_there(fails, train, tmp_path):
    (tmp_path / "latin.yaml").write_bytes("name: Tür\n".encode("latin-1"))
    assert "did you mean 'lexical'?" in fails(*train("--recipe", "lexcal"))
    assert "cannot be read" in fails(*train("--recipe", tmp_path / "no.yaml"))
    assert "cannot be read" in fails(*train("--recipe", f"{tmp_path}/"))
    assert "UTF-8" in fails(*train("--recipe", tmp_path / "latin.yaml"))
    assert "no recipe 'nosuch'" in fails("recipes", "show", "nosuch")


def test_text_encoder_that_is_not_there(fails, train, tmp_path):
    assert "there is no folder" in fails(*train("--text-encoder", tmp_path / "no"))
    (tmp_path / "empty").mkdir()
    assert "cannot be loaded" in fails(*train("--text-encoder", tmp_path / "empty"), after_messages=True)
    assert "needs 'bag'" in fails(*train("--recipe", "lexical", "--text-encoder", tmp_path / "empty"))


# Model folders


@pytest.fixture
def copy(toy_runs, tmp_path):
    """A model folder to break."""

    def make(kind="lexical"):
        return shutil.copytree(toy_runs(kind), tmp_path / "copy")

    return make


def test_folder_that_is_no_model(fails, toy_folder, tmp_path):
    assert "no such model folder" in fails("predict", tmp_path / "no", "--text", "w1")
    assert "found not one" in fails("predict", tmp_path, "--text", "w1")
    assert "no such model folder" in fails("predict", toy_folder / "train.jsonl", "--text", "w1")
    assert "found not one" in fails("evaluate", tmp_path, "--data", toy_folder / "test.jsonl")


def test_unfinished_model(fails, copy):
    run = copy()
    (run / "config.json").unlink()
    assert "--resume" in fails("predict", run, "--text", "w1")


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "model.safetensors",
        "taxonomy.json",
        "thresholds.json",
        "recipe.yaml",
        "metrics.json",
        "text_encoder/vocabulary.json",
    ],
)
@pytest.mark.parametrize("damage", ["cut", "empty", "object", "list", "gone"])
def test_damaged_model(fails, copy, name, damage):
    run = copy()
    path = run / name
    content = {"cut": path.read_bytes()[: path.stat().st_size // 2], "empty": b"", "object": b"{}", "list": b"[1]"}
    if damage == "gone":
        path.unlink()
    elif name == "metrics.json" and damage in ("object", "list"):
        return
    else:
        path.write_bytes(content[damage])
    if name == "recipe.yaml" and damage == "cut":
        return  # half a recipe may be one
    assert str(run) in fails("predict", run, "--text", "w1")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_damaged_transformer(fails, copy, name):
    run = copy("htla")
    (run / "text_encoder" / name).write_text("{")
    assert "damaged" in fails("predict", run, "--text", "w1")


def test_model_of_a_later_version(fails, copy):
    run = copy()
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "version": 99, "hgraph": "9.9"}))
    assert "hgraph 9.9. Upgrade" in fails("predict", run, "--text", "w1")
    (run / "config.json").write_text(json.dumps({**config, "format": "other"}))
    assert "another program" in fails("predict", run, "--text", "w1")


def other_taxonomy(tmp_path):
    from hgraph.graph import LabelGraph

    LabelGraph.from_edges([("A", "x"), ("A", "y"), ("A", "z"), ("A", "A2")]).save(tmp_path / "other.json")
    return tmp_path / "other.json"


def test_another_taxonomy(fails, copy, toy_folder, tmp_path):
    other, run, test = other_taxonomy(tmp_path), copy(), toy_folder / "test.jsonl"
    message = fails("evaluate", run, "--data", test, "--taxonomy", other)
    assert message.count("fingerprint") == 1 and "expected" in message
    shutil.copy(other, run / "taxonomy.json")
    assert "fingerprint" in fails("predict", run, "--text", "w1")


def test_evaluation_of_unknown_labels(fails, hgraph_command, toy_runs, tmp_path):
    (tmp_path / "d.jsonl").write_text('{"text": "w1", "labels": ["nowhere"]}\n')
    base = ["evaluate", toy_runs("lexical"), "--data", tmp_path / "d.jsonl", "--json", tmp_path / "f.json"]
    assert "d.jsonl:1: " in fails(*base)
    assert hgraph_command(*base, "--unknown-labels", "drop")[0] == 0
    figures = json.loads((tmp_path / "f.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert figures["documents"] == 1


# What to predict


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], "nothing"),
        (["--text", "w1", "-"], "--text and -"),
        (["--text", "w1", "--data", "d.jsonl"], "--text and --data"),
        (["notes.txt"], "'notes.txt'"),
    ],
)
def test_no_input_or_two(fails, toy_runs, arguments, found):
    message = fails("predict", toy_runs("lexical"), *arguments)
    assert "expected one of --text TEXT, --data FILE and -" in message and f"found {found}" in message


def test_texts_that_are_none(fails, toy_runs):
    assert "text 2 is empty" in fails("predict", toy_runs("lexical"), "--text", "w1", "--text", " ")
    assert "UTF-8" in fails("predict", toy_runs("lexical"), "--text", "T\udcfcr")


def test_text_field_that_is_missing(fails, toy_runs, toy_folder):
    message = fails("predict", toy_runs("lexical"), "--data", toy_folder / "test.jsonl", "--text-fields", "title")
    assert "test.jsonl:1: the text field 'title' is missing" in message
