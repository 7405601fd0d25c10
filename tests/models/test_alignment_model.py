"""Every combination of parts trains, freezes and scores each document by itself."""

import itertools

import pytest
import torch

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import BCELoss, ObjectiveList, TLALoss
from hgraph.models import AlignmentModel, FrozenModel
from hgraph.nn import (
    CachedLabelEncoder,
    GATLabelEncoder,
    GPTransLabelEncoder,
    GraphormerLabelEncoder,
    LearnedLabelEncoder,
    NameLabelEncoder,
    TreeSweepEncoder,
)
from hgraph.scoring import AdditiveScorer, DotScorer, LexicalScorer, LinearScorer
from hgraph.text import BagTextEncoder, TransformerTextEncoder

TEXTS = ["w1 w2 w3", "w4", "nothing known", "w5 w6 w7 w8 w9 w1 w1", "w2 w2"]
GRAPH = LabelGraph.from_edges(
    [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")], names={"a": "w1", "b": "w2 w3", "c": "w4", "d": "w5"}
)
L, D = GRAPH.num_labels, 16
LABELS = torch.tensor([[1.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]])

SCORERS = {
    "linear": lambda: LinearScorer(L, D),
    "additive": lambda: AdditiveScorer(L, D),
    "dot": lambda: DotScorer(D),
    "cosine": lambda: DotScorer(D, num_labels=L, similarity="cosine"),
    "no-scorer": lambda: None,
}
LABEL_ENCODERS = {
    "no-labels": lambda: None,
    "learned": lambda: LearnedLabelEncoder(L, D),
    "name": lambda: NameLabelEncoder(D, D),
    "gptrans": lambda: GPTransLabelEncoder(GRAPH, channels=D, heads=2, edge_channels=4, in_channels=D),
    "graphormer": lambda: GraphormerLabelEncoder(GRAPH, channels=D, heads=2, in_channels=D),
    "sweep": lambda: TreeSweepEncoder(GRAPH, channels=D, heads=2),
}


def fits(text, label, scorer, lexical):
    """Whether the parts make a model."""
    if label == "no-labels" and scorer in ("additive", "dot", "cosine"):
        return False
    if scorer == "no-scorer":
        return text == "bag" and lexical and label == "no-labels"
    return text == "bag" or not lexical


COMBINATIONS = [
    combination
    for combination in itertools.product(("bag", "transformer"), LABEL_ENCODERS, SCORERS, (True, False))
    if fits(*combination)
]


@pytest.fixture
def make(tiny_bert, tiny_tokenizer):
    def build(text="bag", label="name", scorer="dot", lexical=False, parts=None, **options):
        torch.manual_seed(0)
        if text == "bag":
            encoder = BagTextEncoder.fit(TEXTS, channels=D)
        else:
            encoder = TransformerTextEncoder(tiny_bert(), tiny_tokenizer(), pooling="mean", max_length=32)
        lexical_scorer = LexicalScorer(encoder.num_features, L) if lexical else None
        if lexical_scorer is not None:
            torch.nn.init.normal_(lexical_scorer.weight)
        default = {
            "text_encoder": encoder,
            "num_labels": L,
            "scorer": SCORERS[scorer](),
            "label_encoder": LABEL_ENCODERS[label](),
            "label_names": list(GRAPH.name),
            "lexical_scorer": lexical_scorer,
        }
        return AlignmentModel(**{**default, **options, **(parts or {})})

    return build


def batch_of(model, texts=TEXTS):
    return model.text_encoder.collate(model.text_encoder.prepare(texts))


@pytest.mark.parametrize(("text", "label", "scorer", "lexical"), COMBINATIONS)
def test_every_combination_trains_and_freezes(make, text, label, scorer, lexical):
    model = make(text, label, scorer, lexical)
    model.init_bias(torch.full((1,) if scorer == "dot" else (L,), 0.2))
    output = model.train()(batch_of(model), LABELS)
    assert output["logits"].shape == (len(TEXTS), L)
    output["loss"].backward()
    grads = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    dead = {name for name, _ in model.named_parameters()} - set(grads)
    assert all(name.startswith(_without_gradient(scorer)) for name in dead), dead
    assert all(gradient.is_sparse or gradient.isfinite().all() for gradient in grads.values())

    frozen = model.freeze()
    assert isinstance(frozen, FrozenModel)
    with torch.no_grad():
        whole = model.eval()(batch_of(model))["logits"]
        torch.testing.assert_close(frozen(batch_of(model)), whole, rtol=0, atol=1e-5)
        # Neither the batch nor padding nor the order matters.
        alone = torch.cat([frozen(batch_of(model, [one])) for one in TEXTS])
        torch.testing.assert_close(alone, whole, rtol=0, atol=1e-5)
        torch.testing.assert_close(frozen(batch_of(model, TEXTS[::-1])).flip(0), whole, rtol=0, atol=1e-5)


def _without_gradient(scorer):
    """Where parameters may have no gradient: the transformer's pooler, and what the scores do not read."""
    names = ["text_encoder.model.pooler."]
    if scorer == "linear":
        names.append("label_encoder.")
    if scorer == "no-scorer":
        names.append("text_encoder.")
    return tuple(names)


def test_scores_are_the_sum_of_both_scorers(make):
    model = make(lexical=True).eval()
    states = model.text_encoder(**batch_of(model))
    sparse = states.sparse
    expected = model.scorer(states.pooled, model.label_vectors()) + model.lexical_scorer(
        sparse.indices, sparse.offsets, sparse.weights
    )
    torch.testing.assert_close(model(batch_of(model))["logits"], expected)


@pytest.mark.parametrize(("text", "table"), [("bag", "embedding"), ("transformer", "model.embeddings.word_embeddings")])
def test_names_of_labels_reach_the_embedding_of_the_text_encoder(make, text, table):
    model = make(text, "name", "dot")
    model.label_vectors().square().mul(torch.randn(L, D)).sum().backward()
    gradient = model.text_encoder.get_submodule(table).weight.grad
    read = set(batch_of(model, GRAPH.name)["indices" if text == "bag" else "input_ids"].flatten().tolist())
    touched = set(gradient.abs().sum(1).nonzero().flatten().tolist())
    assert touched
    assert touched <= read


@pytest.mark.parametrize("text", ["bag", "transformer"])
def test_checkpoints_leave_the_names_out(make, text):
    model = make(text)
    names = {name for name, _ in model.named_buffers() if name.startswith("label_") and "." not in name}
    assert names == {f"label_text_{name}" for name in batch_of(model)}
    assert not names & set(model.state_dict())
    again = make(text, label_names=list(GRAPH.name))
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(again.eval()(batch_of(model))["logits"], model.eval()(batch_of(model))["logits"])


def test_loss_is_that_of_the_objectives(make):
    objectives = ObjectiveList([BCELoss(), (0.3, TLALoss())])
    model = make(objectives=objectives).eval()
    states = model.text_encoder(**batch_of(model))
    vectors = model.label_vectors()
    scores = model.score(states, vectors)
    expected, _ = objectives(scores=scores, labels=LABELS, text=states.pooled, label_vectors=vectors)
    torch.testing.assert_close(model(batch_of(model), LABELS)["loss"], expected)
    default = make().eval()
    scores = default(batch_of(default))["logits"]
    summed = torch.nn.functional.binary_cross_entropy_with_logits(scores, LABELS, reduction="sum") / len(TEXTS)
    torch.testing.assert_close(default(batch_of(default), LABELS)["loss"], summed)
    assert set(default(batch_of(default))) == {"logits"}


def test_an_empty_batch(make):
    model = make(lexical=True)
    output = model(model.text_encoder.collate([]), torch.zeros(0, L))
    assert output["logits"].shape == (0, L)
    assert output["loss"] == 0


def test_freezing_leaves_both_in_evaluation_mode_and_copies_the_scorer(make):
    model = make(lexical=True).train()
    frozen = model.freeze()
    assert not any(module.training for module in [*model.modules(), *frozen.modules()])
    assert frozen.text_encoder is model.text_encoder
    before = frozen(batch_of(model))
    with torch.no_grad():
        model.label_encoder.projection.weight.add_(1.0)
    torch.testing.assert_close(frozen(batch_of(model)), before, rtol=0, atol=0)


def test_base_rates_go_to_one_bias(make):
    prior = torch.tensor([0.5, 0.25, 0.1, 0.0])
    for scorer in ("linear", "no-scorer"):
        model = make("bag", "no-labels", scorer, True)
        model.init_bias(prior)
        biases = [part.bias for part in (model.scorer, model.lexical_scorer) if part is not None]
        torch.testing.assert_close(sum(biases).sigmoid(), prior.clamp(min=1e-6), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scorer": None}, "a 'scorer', a 'lexical_scorer' or both; found neither"),
        ({"num_labels": 5}, "'scorer' is made for 4 labels, but 'num_labels' is 5"),
        ({"scorer": LinearScorer(3, D)}, "'scorer' is made for 3 labels, but 'num_labels' is 4"),
        ({"label_encoder": LearnedLabelEncoder(3, D)}, "'label_encoder' is made for 3 labels"),
        ({"label_names": ["w1"]}, "'label_names' is made for 1 labels"),
        ({"lexical_scorer": LexicalScorer(10, 3)}, "'lexical_scorer' is made for 3 labels"),
        ({"lexical_scorer": LexicalScorer(999, L)}, "'lexical_scorer' takes 999 features, but the text encoder gives"),
        (
            {"scorer": LinearScorer(L, D + 1)},
            "'scorer' takes text vectors of 17 channels, but the text encoder gives 16",
        ),
    ],
)
def test_parts_that_do_not_fit(make, options, message):
    with pytest.raises(ConfigError) as caught:
        make(parts=options, scorer="cosine")
    assert message in str(caught.value)


def test_encoders_without_what_a_scorer_needs(make):
    with pytest.raises(ConfigError, match="'lexical_scorer' needs sparse features, which TransformerTextEncoder"):
        make("transformer", lexical_scorer=LexicalScorer(4, L))
    with pytest.raises(ConfigError, match="has 'channels' 0"):
        make(text_encoder=BagTextEncoder.fit(TEXTS, channels=0))
    model = make(label="no-labels", scorer="additive")
    with pytest.raises(ConfigError, match="AdditiveScorer needs label vectors"):
        model(batch_of(model))
    model = make(label_names=None)
    with pytest.raises(ConfigError, match="NameLabelEncoder needs a feature vector a label"):
        model(batch_of(model))


def test_a_memory_of_labels_computes_those_of_the_batch(make, monkeypatch):
    asked = []
    encode = CachedLabelEncoder.encode

    def watch(self, features, labels):
        asked.append(labels.tolist())
        return encode(self, features, labels)

    monkeypatch.setattr(CachedLabelEncoder, "encode", watch)
    encoder = CachedLabelEncoder(GATLabelEncoder(GRAPH, channels=D, heads=2, dropout=0.0), refresh=1)
    model = make(parts={"label_encoder": encoder}, label_samples=0).train()
    model(batch_of(model), LABELS)["loss"].backward()
    assert asked == [[0, 1, 2, 3]]  # the fourth document has all labels
    model(batch_of(model, TEXTS[:2]), LABELS[:2])
    assert asked[1:] == [[0, 1]]
    model.label_samples = L
    model(batch_of(model, TEXTS[:2]), LABELS[:2])
    assert asked[2:] == [[0, 1, 2, 3]]
    frozen = model.freeze()
    plain = make(parts={"label_encoder": encoder.encoder}).eval()
    plain.load_state_dict(
        {name.replace("label_encoder.encoder.", "label_encoder."): v for name, v in model.state_dict().items()}
    )
    torch.testing.assert_close(frozen(batch_of(model)), plain(batch_of(model))["logits"], rtol=2e-3, atol=2e-3)
