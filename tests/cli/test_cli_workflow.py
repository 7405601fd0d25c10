"""The five commands of a first use, and what scripts rely on."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("hgraph")
KEYS = {
    "micro_f1",
    "macro_f1",
    "macro_f1_supported",
    "p@1",
    "p@3",
    "p@5",
    "r_precision",
    "violation_rate",
    "documents",
    "labels",
}


def documents(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_schema(line, graph):
    assert list(line) == ["id", "labels", "top"]
    for label in (*line["labels"], *line["top"]):
        assert list(label) == ["id", "name", "path", "probability"]
        index = graph.index(label["id"])
        assert label["name"] == graph.name[index]
        assert label["path"] == graph.path_names(index)
        assert 0 <= label["probability"] <= 1
    assert [e["probability"] for e in line["top"]] == sorted((e["probability"] for e in line["top"]), reverse=True)
    predicted = [label["id"] for label in line["labels"]]
    assert len(set(predicted)) == len(predicted)
    for label in predicted:  # closed upward, and an ancestor stands before what is below it
        above = {graph.label_id[i] for i in graph.ancestors[[graph.index(label)]].indices.tolist()} - {label}
        assert above <= set(predicted[: predicted.index(label)])


@pytest.mark.slow
@pytest.mark.skipif(not COMMAND.exists(), reason="the command is not installed beside this Python")
def test_installed_command_from_taxonomy_to_prediction(toy_folder, toy_graph, tmp_path):
    def hgraph(*arguments, **options):
        return subprocess.run(
            [COMMAND, *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True, check=True, **options
        )

    done = hgraph("build-taxonomy", toy_folder / "taxonomy.json", "-o", "tree.json", "--name", "mine")
    assert "labels           9" in done.stdout
    data = ["--train", toy_folder / "train.jsonl", "--val", toy_folder / "val.jsonl"]
    done = hgraph("train", "--taxonomy", "tree.json", *data, "-o", "runs", "--epochs", 3, "--set", "batch_size=8")
    assert "Recipe: lexical, the default" in done.stderr and "Model written to runs" in done.stderr
    assert done.stdout.startswith("model ")
    hgraph("evaluate", "runs", "--data", toy_folder / "test.jsonl", "--json", "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures.keys() >= KEYS
    assert (figures["documents"], figures["labels"]) == (20, 9)
    assert figures["micro_f1"] > 0.7
    done = hgraph("predict", "runs", "-", input="w0 w1\n\nw8 w9\n")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["id"] for line in lines] == ["1", "3"]
    for line in lines:
        check_schema(line, toy_graph)
    assert done.stderr == ""


def test_evaluate_several_runs(hgraph_command, toy_runs, toy_folder, tmp_path):
    arguments = [toy_runs("lexical"), toy_runs("dense"), "--data", toy_folder / "test.jsonl"]
    code, out, err = hgraph_command("evaluate", *arguments, "--json", tmp_path / "f.json")
    assert (code, err) == (0, "")
    figures = json.loads((tmp_path / "f.json").read_text())
    assert [report["run"] for report in figures] == ["lexical", "dense"]
    assert all(report.keys() >= KEYS for report in figures)
    assert "\nlexical " in out and "\ndense " in out


def test_evaluate_measures_what_predict_prints(hgraph_command, toy_runs, toy_folder, toy_graph, toy_corpora, tmp_path):
    from sklearn.metrics import f1_score

    from hgraph.data import label_matrix

    data = ["--data", toy_folder / "test.jsonl"]
    assert hgraph_command("evaluate", toy_runs("mixed"), *data, "--json", tmp_path / "f.json")[0] == 0
    assert hgraph_command("predict", toy_runs("mixed"), *data, "--output", tmp_path / "p.jsonl")[0] == 0
    predicted = [[label["id"] for label in line["labels"]] for line in documents(tmp_path / "p.jsonl")]
    truth = toy_corpora["test"].labels.toarray()
    guess = label_matrix(predicted, toy_graph, expand=False).toarray()
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["micro_f1"] == pytest.approx(f1_score(truth, guess, average="micro"))
    assert figures["macro_f1"] == pytest.approx(f1_score(truth, guess, average="macro", zero_division=0))


def test_evaluate_checks_the_taxonomy_and_takes_a_threshold(hgraph_command, toy_runs, toy_folder, tmp_path):
    base = ["evaluate", toy_runs("lexical"), "--data", toy_folder / "test.jsonl"]
    assert hgraph_command(*base, "--taxonomy", toy_folder / "taxonomy.json")[0] == 0
    assert hgraph_command(*base, "--threshold", 1, "--json", tmp_path / "f.json")[0] == 0
    low = json.loads((tmp_path / "f.json").read_text())
    assert hgraph_command(*base, "--threshold", 0, "--json", tmp_path / "f.json", "--overwrite")[0] == 0
    assert json.loads((tmp_path / "f.json").read_text())["micro_f1"] != low["micro_f1"]


def test_predict_reads_every_input(hgraph_command, toy_runs, toy_folder, toy_graph, tmp_path):
    run = toy_runs("lexical")
    given = documents(toy_folder / "test.jsonl")
    code, from_file, err = hgraph_command("predict", run, "--data", toy_folder / "test.jsonl")
    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in from_file.splitlines()]
    assert [line["id"] for line in lines] == [document["id"] for document in given]
    for line in lines:
        check_schema(line, toy_graph)

    jsonl = (toy_folder / "test.jsonl").read_bytes()
    assert hgraph_command("predict", run, "-", stdin=jsonl) == (0, from_file, "")
    plain = "\n".join(document["text"] for document in given)
    answers = [json.loads(line) for line in hgraph_command("predict", run, "-", stdin=plain.encode())[1].splitlines()]
    assert [line["id"] for line in answers] == [str(number) for number in range(1, 21)]
    assert [line["labels"] for line in answers] == [line["labels"] for line in lines]
    (tmp_path / "plain.txt").write_text(plain)
    assert [
        json.loads(x) for x in hgraph_command("predict", run, "--data", tmp_path / "plain.txt")[1].splitlines()
    ] == (answers)
    texts = [part for document in given[:3] for part in ("--text", document["text"])]
    some = [json.loads(line) for line in hgraph_command("predict", run, *texts)[1].splitlines()]
    assert some == answers[:3]
    with open(tmp_path / "d.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([("id", "text"), *((d["id"], d["text"]) for d in given)])
    assert hgraph_command("predict", run, "--data", tmp_path / "d.csv")[1] == from_file


def test_predict_batch_size_changes_nothing(hgraph_command, toy_runs, toy_folder):
    base = ["predict", toy_runs("lexical"), "--data", toy_folder / "test.jsonl"]
    assert hgraph_command(*base, "--batch-size", 1)[1] == hgraph_command(*base)[1]


def test_predict_counts_blank_lines_before_the_first_document(hgraph_command, toy_runs):
    code, out, _ = hgraph_command("predict", toy_runs("lexical"), "-", stdin=b"\n \nw1\n\nw2\n")
    assert code == 0
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["3", "5"]
    code, _, err = hgraph_command("predict", toy_runs("lexical"), "-", stdin=b'\n\n{"text": "w1"}\n{"text": \n')
    assert code == 2
    assert err.startswith("Error: standard input:4: malformed JSON")


def test_predict_formats(hgraph_command, toy_runs, toy_folder, toy_graph, tmp_path):
    base = ["predict", toy_runs("lexical"), "--data", toy_folder / "test.jsonl"]
    lines = [json.loads(line) for line in hgraph_command(*base)[1].splitlines()]
    code, out, _ = hgraph_command(*base, "--format", "csv")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == ["document", "id", "name", "path", "probability"]
    expected = [(line["id"], label["id"], str(label["probability"])) for line in lines for label in line["labels"]]
    assert [(row["document"], row["id"], row["probability"]) for row in rows] == expected
    code, out, _ = hgraph_command(*base, "--format", "table")
    assert code == 0
    assert all(f"\n{line['id']}: " in out for line in lines)
    assert hgraph_command(*base, "--format", "csv", "--output", tmp_path / "o.csv")[:2] == (0, "")
    assert len((tmp_path / "o.csv").read_text().splitlines()) == len(rows) + 1
    assert [p.name for p in tmp_path.iterdir()] == ["o.csv"]


def test_predict_top_k_and_threshold(hgraph_command, toy_runs):
    base = ["predict", toy_runs("lexical"), "--text", "w0 w1"]
    assert [len(json.loads(hgraph_command(*base, "--top-k", k)[1])["top"]) for k in (0, 2, 100)] == [0, 2, 9]
    assert json.loads(hgraph_command(*base, "--threshold", 1)[1])["labels"] == []
    assert len(json.loads(hgraph_command(*base, "--threshold", 0)[1])["labels"]) == 9


def test_predict_writes_into_a_pipe_without_replacing_it(hgraph_command, toy_runs):
    assert hgraph_command("predict", toy_runs("lexical"), "--text", "w1", "--output", "/dev/null")[0] == 0
    assert Path("/dev/null").is_char_device()


def train_arguments(folder, output, *, val=True):
    given = ["--taxonomy", folder / "taxonomy.json", "--train", folder / "train.jsonl"]
    given += ["--val", folder / "val.jsonl"] if val else []
    return ["train", *given, "-o", output, "--epochs", 1]


def test_train_without_val_holds_some_out(hgraph_command, toy_folder, tmp_path):
    code, _, err = hgraph_command(*train_arguments(toy_folder, tmp_path / "run", val=False))
    assert code == 0
    assert "No --val: " in err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["training"]["documents"] + metrics["validation"]["documents"] == 60


def test_train_drops_unknown_labels_on_request(hgraph_command, toy_folder, tmp_path):
    lines = documents(toy_folder / "train.jsonl")
    lines[4]["labels"].append("nowhere")
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    arguments = train_arguments(toy_folder, tmp_path / "run")
    arguments[arguments.index("--train") + 1] = tmp_path / "train.jsonl"
    assert hgraph_command(*arguments)[0] == 2
    assert hgraph_command(*arguments, "--unknown-labels", "drop")[0] == 0


def test_the_hierarchy_that_is_searched(hgraph_command, toy_folder, tmp_path):
    from hgraph.recipes import Recipe

    arguments = train_arguments(toy_folder, tmp_path / "run")
    assert hgraph_command(*arguments, "--recipe", "xr_linear", "--hierarchy", "taxonomy")[0] == 0
    assert Recipe.load(tmp_path / "run" / "recipe.yaml").model.hierarchy == "taxonomy"
    other = train_arguments(toy_folder, tmp_path / "other")
    code, _, errors = hgraph_command(*other, "--recipe", "lexical", "--hierarchy", "pifa")
    assert code == 2 and "'lexical' does not search a hierarchy" in errors
    assert not (tmp_path / "other").exists()


def test_train_settings_reach_the_recipe(hgraph_command, toy_folder, tmp_path):
    from hgraph.recipes import Recipe

    settings = ["--seed", 7, "--set", "batch_size=16", "--set", "training.thresholds=per_label"]
    settings += ["--set", "text_encoder.word_ngrams=1", "--recipe", "lexical", "--text-encoder", "bag"]
    code, _, _ = hgraph_command(*train_arguments(toy_folder, tmp_path / "run"), *settings)
    assert code == 0
    recipe = Recipe.load(tmp_path / "run" / "recipe.yaml")
    assert (recipe.training.batch_size, recipe.training.seed, recipe.training.epochs) == (16, 7, 1)
    assert (recipe.training.thresholds, recipe.text_encoder.word_ngrams) == ("per_label", 1)
    assert len(json.loads((tmp_path / "run" / "thresholds.json").read_text())["per_label"]) == 9


def test_fields_of_training_are_those_of_evaluation_and_prediction(hgraph_command, toy_folder, tmp_path):
    """A model trained on titles reads titles later, also where records have more columns."""

    def table(name):
        rows = documents(toy_folder / f"{name}.jsonl")
        path = tmp_path / f"{name}.csv"
        with open(path, "w", newline="") as stream:
            header = ("id", "title", "noise", "labels")
            noise = " ".join(f"w{i}" for i in range(16, 20))
            csv.writer(stream).writerows([header, *((r["id"], r["text"], noise, "|".join(r["labels"])) for r in rows)])
        return path

    arguments = ["train", "--taxonomy", toy_folder / "taxonomy.json", "--train", table("train"), "--val", table("val")]
    assert hgraph_command(*arguments, "-o", tmp_path / "run", "--epochs", 2, "--text-fields", "title")[0] == 0
    reports, predictions = [], []
    for number, options in enumerate(([], ["--text-fields", "title"], ["--text-fields", "title,noise"])):
        base = [tmp_path / "run", "--data", table("test"), *options]
        assert hgraph_command("evaluate", *base, "--json", tmp_path / f"{number}.json")[0] == 0
        reports.append((tmp_path / f"{number}.json").read_text())
        predictions.append(hgraph_command("predict", *base)[1])
    assert reports[0] == reports[1]
    assert predictions[0] == predictions[1] != predictions[2]
    # A plain text is read too.
    assert hgraph_command("predict", tmp_path / "run", "-", stdin=b'{"text": "w1"}\n')[0] == 0


def test_resume_of_a_run_without_checkpoints_begins_anew(hgraph_command, toy_folder, tmp_path):
    arguments = train_arguments(toy_folder, tmp_path / "run")
    assert hgraph_command(*arguments, "--resume")[0] == 0
    code, _, err = hgraph_command(*arguments, "--resume")
    assert code == 2
    assert "is finished" in err
