"""Documents per second of a saved transformer model against the bare text encoder, at 1,000 labels.

The label side of a saved model is frozen, so a prediction should cost little more than the encoder itself.

    python benchmarks/predict_speed.py --encoder sentence-transformers/all-MiniLM-L6-v2

Without --encoder a randomly initialised encoder of MiniLM's size (6 layers, 384 wide) is used: speed does not depend on
what the weights are. Both sides are measured in turns in one run, and the median is taken.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from hgraph import LabelGraph
from hgraph.decoding import PlattScaling, Thresholds
from hgraph.hub import save_model
from hgraph.predictor import Predictor
from hgraph.recipes import Recipe
from hgraph.recipes.builders import build_model
from hgraph.text import TransformerTextEncoder

WORDS = [f"word{i}" for i in range(2000)]
SIZES = {"mini": (6, 384, 1536), "base": (12, 768, 3072)}
"""Layers, width and inner width of MiniLM and of a base-size encoder, both with 12 heads."""


def random_encoder(folder: Path, size: str = "mini") -> str:
    """A BERT with random weights and a word-level tokenizer, saved in `folder`."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    layers, width, inner = SIZES[size]
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=width, num_hidden_layers=layers, num_attention_heads=12,
        intermediate_size=inner,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return str(folder)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", help="hub name or folder")
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--documents", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, options.tokens - 2)) for _ in range(options.documents)]
    edges = [(f"label {(i - 1) // 6}", f"label {i}") for i in range(1, options.labels)]
    graph = LabelGraph.from_edges(edges)

    with tempfile.TemporaryDirectory() as folder:
        name = options.encoder or random_encoder(Path(folder) / "encoder")
        recipe = Recipe.load("htla").with_text_encoder(name).override([f"text_encoder.max_length={options.tokens}"])
        encoder = TransformerTextEncoder.from_pretrained(name, max_length=options.tokens)
        model = build_model(recipe, graph, encoder)
        # About five labels a document, as in real corpora; an untrained model would predict half of all.
        model.init_bias(torch.full((options.labels,), 5 / options.labels))
        run = Path(folder) / "run"
        run.mkdir()
        save_model(
            run, model, graph=graph, thresholds=Thresholds(), calibration=PlattScaling(), recipe=recipe, metrics={},
            text_fields=[""],
        )  # fmt: skip
        predictor = Predictor(run)
        bare = predictor.model.text_encoder

        def encode() -> None:
            items = bare.prepare(texts)
            with torch.no_grad():
                for start in range(0, len(items), 64):
                    bare(**{k: v.to(predictor.device) for k, v in bare.collate(items[start : start + 64]).items()})

        def predict() -> None:
            predictor.predict(texts, batch_size=64)

        def score() -> None:
            predictor.scores(texts, batch_size=64)

        times: dict[str, list[float]] = {"encoder": [], "scores": [], "predict": []}
        for _ in range(options.repeats + 1):
            for key, function in (("encoder", encode), ("scores", score), ("predict", predict)):
                start = time.perf_counter()
                function()
                times[key].append(time.perf_counter() - start)
    speed = {key: options.documents / statistics.median(values[1:]) for key, values in times.items()}
    result = {
        "labels": options.labels,
        "encoder_documents_per_second": round(speed["encoder"], 1),
        "scores_documents_per_second": round(speed["scores"], 1),
        "predict_documents_per_second": round(speed["predict"], 1),
        "scores_ratio": round(speed["scores"] / speed["encoder"], 3),
        "predict_ratio": round(speed["predict"] / speed["encoder"], 3),
    }
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
