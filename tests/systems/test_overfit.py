"""Every published system learns 200 real documents by heart, with a text encoder that starts from nothing."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from transformers import TrainerCallback

from hgraph.data import read_corpus
from hgraph.graph import LabelGraph
from hgraph.recipes import Recipe, train

ONET = Path(__file__).parents[2] / "examples" / "data" / "onet"
BAR = 0.97
BUDGET = [
    "epochs=100", "batch_size=20", "learning_rate=0.002", "head_learning_rate=0.004", "scheduler=constant", "warmup=0",
    "warmup_steps=20", "max_grad_norm=1.0", "weight_decay=0", "early_stopping=0", "metric=micro_f1", "seed=0",
]  # fmt: skip
SYSTEMS = {
    "flat": ("flat", []),
    "flat, ZLPR": ("flat", ["objectives=[{name: zlpr}]", "prior_bias=false"]),
    "flat, conditional": ("flat_conditional", []),
    "HTLA": ("htla", ["label_encoder.heads=4"]),
    "HTLA^n": ("htla_n", ["label_encoder.heads=4"]),
    "HyILR": ("hyilr", []),
    "HGCLR": ("hgclr", ["label_encoder.heads=4"]),
    "HJCL": ("hjcl", ["scorer.heads=4"]),
    "HMCN": ("hmcn", ["stages=[]"]),
    "HMCN + HMCL": ("hmcn", ["stages.hmcl.training.epochs=2", "stages.hmcl.training.early_stopping=0"]),
    "HBGL": ("hbgl", ["model.steps=50", "model.copies=4"]),
}


class UntilLearnt(TrainerCallback):
    """Ends training at the bar."""

    def __init__(self):
        self.micro_f1 = []

    def on_evaluate(self, args, state, control, metrics, **_):
        self.micro_f1.append(metrics.get("eval_micro_f1", 0.0))  # a stage of pre-training has its loss alone
        control.should_training_stop |= self.micro_f1[-1] > BAR


@pytest.fixture(scope="module")
def documents():
    """200 documents of O*NET and the hierarchy of their labels, a few levels, several leaves a document."""
    graph = LabelGraph.load(ONET / "taxonomy.json")
    corpus = read_corpus(ONET / "train.jsonl.gz", graph)
    corpus = corpus.select(np.random.default_rng(0).choice(len(corpus), 200, replace=False))
    small = graph.select(np.asarray(corpus.labels.sum(axis=0)).ravel() > 0)
    ids = [graph.label_id.index(label) for label in small.label_id]
    return small, replace(corpus, labels=corpus.labels[:, ids])


@pytest.fixture(scope="module")
def encoder(documents, tmp_path_factory):
    """A BERT of two layers that has read nothing, and a tokenizer of whole words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, set_seed

    graph, corpus = documents
    split = pre_tokenizers.Whitespace()
    texts = [*corpus.texts, *graph.name]
    words = Counter(word for text in texts for word, _ in split.pre_tokenize_str(text.lower()))
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: number for number, word in enumerate([*special, *sorted(words)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), split
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, mask_token="[MASK]", model_max_length=512, **names)
    set_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
    )
    folder = tmp_path_factory.mktemp("scratch")
    BertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_learns_documents_by_heart(system, documents, encoder, tmp_path):
    graph, corpus = documents
    name, changes = SYSTEMS[system]
    recipe = Recipe.load(name).with_text_encoder(str(encoder))
    place = "text_encoder.encoder" if recipe.reads_fields else "text_encoder"
    curve = UntilLearnt()
    recipe = recipe.override([*BUDGET, f"{place}.max_length=32", f"{place}.pooling=mean", *changes])
    train(recipe, graph, corpus, corpus, tmp_path / "run", callbacks=[curve])
    assert max(curve.micro_f1) > BAR, curve.micro_f1
