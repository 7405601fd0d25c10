"""A transformer and a tokenizer of a few kilobytes, made here, so that no test needs a network; one thread."""

import pytest
import torch

# On tensors this small, threads that wait for each other cost more than the arithmetic, most of all on a busy machine.
torch.set_num_threads(1)

WORDS = [f"w{i}" for i in range(20)]


def _tokenizer(max_length=None, *, specials=True):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if specials:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    options = {} if max_length is None else {"model_max_length": max_length}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        **options,
    )


@pytest.fixture(scope="session")
def tiny_tokenizer():
    """Maker of a tokenizer of 20 words, `w0` to `w19`; without a length its model_max_length is huge."""
    return _tokenizer


@pytest.fixture(scope="session")
def tiny_bert():
    """Maker of a BERT of two layers and 16 channels for 24 tokens and 32 positions."""

    def make(**changes):
        from transformers import BertConfig, BertModel

        torch.manual_seed(0)
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        return BertModel(BertConfig(**{"vocab_size": 24, "max_position_embeddings": 32, **sizes, **changes}))

    return make


EDGES = [("A", "A1"), ("A", "A2"), ("B", "B1"), ("B", "B2"), ("A1", "x"), ("A1", "y"), ("B1", "y"), ("B2", "z")]
NAMES = {"A": "w0 w1", "B": "w2 w3", "A1": "w4", "A2": "w5", "B1": "w6", "B2": "w7", "x": "w8", "y": "w9", "z": "w10"}
LEAVES = ["x", "y", "z", "A2"]


@pytest.fixture(scope="session")
def toy_graph():
    """Three levels, nine labels; `y` has two parents."""
    from hgraph.graph import LabelGraph

    return LabelGraph.from_edges(EDGES, names=NAMES, title="toy")


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory, toy_graph):
    """`taxonomy.json`, `train.jsonl` (60 documents), `val.jsonl` (30) and `test.jsonl` (20); easy but not separable."""
    import json
    import random

    folder = tmp_path_factory.mktemp("toy")
    toy_graph.save(folder / "taxonomy.json")
    draw = random.Random(0)
    for name, count in (("train", 60), ("val", 30), ("test", 20)):
        lines = []
        for number in range(count):
            labels = draw.sample(LEAVES, draw.choice([1, 1, 2]))
            words = [f"w{4 * LEAVES.index(label) + draw.randrange(4)}" for label in labels for _ in range(4)]
            words += [f"w{draw.randrange(20)}" for _ in range(draw.randrange(8))]
            lines.append(json.dumps({"id": f"{name}{number}", "text": " ".join(words), "labels": labels}))
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def toy_corpora(toy_folder, toy_graph):
    """The three corpora by name."""
    from hgraph.data import read_corpus

    return {name: read_corpus(toy_folder / f"{name}.jsonl", toy_graph) for name in ("train", "val", "test")}


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory, tiny_bert, tiny_tokenizer):
    """The tiny BERT as `--text-encoder` takes it."""
    folder = tmp_path_factory.mktemp("bert")
    tiny_bert().save_pretrained(folder)
    tiny_tokenizer(32).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def toy_recipes(bert_folder):
    """Recipes by kind, a second each.

    `lexical`, `dense` (bag and linear), `mixed` (both), `htla`, `hgclr`, `hyilr`, `hjcl`, `hbgl`, `cascade` (tiny BERT), `hmcn`
    (contrast, then HMCN, tiny BERT), `conditional` (bag, each label given its parents), `wide` (frozen tiny BERT, n-grams and
    `staged` (contrast of documents, then n-grams, then the tiny BERT and n-grams weighed).
    """
    from hgraph.recipes import Recipe

    small = ["epochs=3", "batch_size=8", "early_stopping=0"]
    flat = (
        Recipe.load("flat")
        .with_text_encoder("bag")
        .override([*small, "text_encoder.channels=16", "learning_rate=0.05"])
    )
    htla = ["label_encoder.heads=2", "label_encoder.edge_channels=4", "learning_rate=0.003"]
    hgclr = ["label_encoder.heads=2", "learning_rate=0.003", "warmup_steps=4", "view.threshold=0.1"]
    hjcl = ["learning_rate=0.003", "batch_size=16", "warmup=0.0"]
    hbgl = ["model.steps=20", "model.copies=4", "learning_rate=0.01", "warmup_steps=0"]
    cascade = ["learning_rate=0.003", "head_learning_rate=0.02", "model.hierarchy=taxonomy", "model.topk=[3]"]
    wide = ["text_encoder.cache=false", "neighbours.k=5", "lexical_learning_rate=1.0"]
    staged = """
name: staged
text_encoder: {name: transformer, model: tiny, pooling: mean}
scorer: {name: mlp, hidden: 8}
lexical: {word_ngrams: 1}
fuse: true
stages:
  - name: contrast
    objectives: [{name: hmcl, temperature: 0.5}]
    parts: [text_encoder]
    training: {epochs: 2, batch_size: 8, learning_rate: 0.003, early_stopping: 0, sampler: {name: levels}}
  - name: n-grams
    objectives: [{name: squared_hinge, reduction: sum}]
    parts: [lexical]
    scores: lexical
    training: {epochs: 2, batch_size: 8, early_stopping: 0, lexical_learning_rate: 1.0, prior_bias: false}
parts: [text_encoder, scorer]
scores: dense
training: {learning_rate: 0.003, prior_bias: false, sampler: {name: companions}}
"""
    bert = Recipe.load("htla").with_text_encoder(str(bert_folder)).override([*small, *htla])
    contrast = (
        "stages=[{name: hmcl, objectives: [{name: hmcl, temperature: 0.5}], parts: [text_encoder], training: {epochs: 1, "
        "batch_size: 8, learning_rate: 0.003, early_stopping: 0, sampler: {name: levels}}}]"
    )
    hmcn = ["text_encoder.heads=2", "scorer.heads=2", contrast, "learning_rate=0.003", "head_learning_rate=0.01"]
    tree = ["model.leaf_size=3", "model.branching=2"]
    matcher = ["model.matcher_leaf_size=3", "model.matcher_least=2", "learning_rate=0.003", "head_learning_rate=0.01"]
    mined = ["mining={negatives: 2}", "objectives=[{name: bce}, {name: tla, negatives: mined}]", "scorer=shrunk"]
    return {
        "lexical": Recipe.load("lexical").override([*small, "lexical_learning_rate=1.0"]),
        "dense": flat,
        "mixed": flat.override(["lexical={}", "max_grad_norm=1.0"]),
        "htla": bert,
        "mined": bert.override(mined),
        "hgclr": Recipe.load("hgclr").with_text_encoder(str(bert_folder)).override([*small, *hgclr]),
        "hyilr": Recipe.load("hyilr").with_text_encoder(str(bert_folder)).override([*small, "learning_rate=0.003"]),
        "hjcl": Recipe.load("hjcl").with_text_encoder(str(bert_folder)).override([*small, *hjcl]),
        "hbgl": Recipe.load("hbgl").with_text_encoder(str(bert_folder)).override([*small, *hbgl]),
        "cascade": Recipe.load("cascade_xml").with_text_encoder(str(bert_folder)).override([*small, *cascade]),
        "xr_linear": Recipe.load("xr_linear").override(tree),
        "xr_transformer": (
            Recipe.load("xr_transformer").with_text_encoder(str(bert_folder)).override([*small, *tree, *matcher])
        ),
        "wide": Recipe.load("wide_deep").with_text_encoder(str(bert_folder)).override([*small, *wide]),
        "hmcn": Recipe.load("hmcn").with_text_encoder(str(bert_folder)).override([*small, *hmcn]),
        "conditional": flat.override(["objectives=[{name: conditional}]", "prior_bias=false"]),
        "staged": Recipe.parse(staged, "here").with_text_encoder(str(bert_folder)).override(small),
    }


@pytest.fixture(scope="session")
def toy_runs(tmp_path_factory, toy_graph, toy_corpora, toy_recipes):
    """Maker of a trained model folder of a kind of recipe; each is trained once."""
    from hgraph.recipes import train

    folder, made = tmp_path_factory.mktemp("runs"), {}

    def make(kind):
        if kind not in made:
            train(toy_recipes[kind], toy_graph, toy_corpora["train"], toy_corpora["val"], folder / kind)
            made[kind] = folder / kind
        return made[kind]

    return make


@pytest.fixture
def hgraph_command(monkeypatch):
    """The `hgraph` command in this process: arguments and standard input -> (exit code, output, errors)."""
    import contextlib
    import io
    import sys

    from hgraph.cli.main import main

    def run(*arguments, stdin=b""):
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["hgraph", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as exit_:
                code = exit_.code or 0
        return code, out.getvalue(), err.getvalue()

    return run
