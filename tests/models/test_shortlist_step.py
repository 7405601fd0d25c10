"""A training step on a shortlist: that of the whole model where the shortlist has all labels, and never larger."""

import itertools

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import (
    AsymmetricLoss,
    BCELoss,
    ClassBalancedBCELoss,
    NTXentLoss,
    ObjectiveList,
    RecursiveRegularisation,
    SquaredHingeLoss,
    TLALoss,
    ZLPRLoss,
)
from hgraph.models import AlignmentModel, DropoutView
from hgraph.nn import (
    CachedLabelEncoder,
    FeatureLabelEncoder,
    GATLabelEncoder,
    GPTransLabelEncoder,
    GraphormerLabelEncoder,
    LearnedLabelEncoder,
    NameLabelEncoder,
    TreeSweepEncoder,
)
from hgraph.sampling import ShortlistSampler
from hgraph.scoring import (
    AdditiveScorer,
    BilinearScorer,
    ConcatScorer,
    DotScorer,
    GatedScorer,
    HJCLScorer,
    HMCNScorer,
    LabelAttentionScorer,
    LexicalScorer,
    LinearScorer,
    MLPScorer,
    ShrunkLinearScorer,
)
from hgraph.text import BagTextEncoder, TransformerTextEncoder

TEXTS = ["w1 w2 w3", "w4", "nothing known", "w5 w6 w7 w8 w9 w1 w1", "w2 w2"]
NAMES = {"a": "w1", "b": "w2 w3", "c": "w4", "d": "w5", "e": "w6", "f": "w7"}
TREE = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d"), ("e", "f")], names=NAMES)
DAG = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("e", "f")], names=NAMES)
GRAPHS = {"tree": TREE, "dag": DAG}
L, D = 6, 16
LABELS = torch.zeros(len(TEXTS), L, dtype=torch.float64)
LABELS[0, [0, 1]] = LABELS[1, 0] = LABELS[3, [0, 1, 3]] = 1  # c, e and f have no document, two documents no label
IDS = torch.tensor([[0, 1, -1], [0, -1, -1], [-1, -1, -1], [0, 1, 3], [-1, -1, -1]])
MINED = torch.tensor([[2, -1], [1, 4], [-1, -1], [5, 2], [0, 1]])


def names_with_ids():
    return NameLabelEncoder(D, D, num_labels=L)


ENCODERS = {
    "learned": lambda graph: LearnedLabelEncoder(L, D),
    "names": lambda graph: NameLabelEncoder(D, D),
    "names-ids": lambda graph: names_with_ids(),
    "features": lambda graph: FeatureLabelEncoder(L, D, text_channels=D, structure=graph, id_channels=4),
    "gat": lambda graph: GATLabelEncoder(graph, channels=D, heads=2, dropout=0.0),
    "gptrans": lambda graph: GPTransLabelEncoder(
        graph, channels=D, heads=2, edge_channels=4, dropout=0.0, form="edges", node_encoder=names_with_ids()
    ),
    "gptrans-2": lambda graph: GPTransLabelEncoder(
        graph, channels=D, heads=2, edge_channels=4, layers=2, dropout=0.0, form="edges"
    ),
    "graphormer": lambda graph: GraphormerLabelEncoder(graph, channels=D, heads=2, dropout=0.0, form="edges"),
    "cached": lambda graph: CachedLabelEncoder(ENCODERS["gptrans"](graph), refresh=2, dtype=torch.float64),
}
SCORERS = {
    "linear": lambda: LinearScorer(L, D),
    "mlp": lambda: MLPScorer(L, D, hidden=5, dropout=0.0),
    "additive": lambda: AdditiveScorer(L, D),
    "dot": lambda: DotScorer(D),
    "cosine": lambda: DotScorer(D, num_labels=L, similarity="cosine"),
    "bilinear": lambda: BilinearScorer(D, num_labels=L, rank=3),
    "shrunk": lambda: ShrunkLinearScorer(L, D, support=torch.arange(L)),
    "gated": lambda: GatedScorer(L, D),
    "concat": lambda: ConcatScorer(D, num_labels=L, hidden=4),
    "attention": lambda: LabelAttentionScorer(D, num_labels=L, heads=2),
    "hjcl": lambda: HJCLScorer(L, D, heads=2, dropout=0.0, head_dropout=0.0),
}
OBJECTIVES = {
    "bce": lambda graph: BCELoss(reduction="sum"),
    "bce-mean": lambda graph: BCELoss(),
    "balanced": lambda graph: ClassBalancedBCELoss(list(range(L))),
    "asymmetric": lambda graph: AsymmetricLoss(reduction="sum"),
    "hinge": lambda graph: SquaredHingeLoss(),
    "zlpr": lambda graph: ZLPRLoss(),
    "tla": lambda graph: TLALoss(),
    "tla-all": lambda graph: TLALoss(choice="all"),
    "tla-level": lambda graph: TLALoss(negatives="level", graph=graph),
    "tla-sibling": lambda graph: TLALoss(negatives="sibling", graph=graph),
    "tla-mined": lambda graph: TLALoss(negatives="mined"),
}
TOKENS = ("attention", "hjcl")


@pytest.fixture
def make(tiny_bert, tiny_tokenizer):
    def build(graph=TREE, encoder="gptrans", scorer="additive", objectives=("bce",), shortlist=None, **options):
        torch.manual_seed(0)
        if scorer in TOKENS:
            text = TransformerTextEncoder(
                tiny_bert(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0), tiny_tokenizer(), dropout=0.0
            )
        else:
            text = BagTextEncoder.fit(TEXTS, channels=D, dropout=0.0)
        lexical = LexicalScorer(text.num_features, L) if options.pop("lexical", False) else None
        sampler = None if shortlist is None else ShortlistSampler(graph, **shortlist)
        default = {
            "scorer": SCORERS[scorer]() if isinstance(scorer, str) else scorer,
            "label_encoder": ENCODERS[encoder](graph) if isinstance(encoder, str) else encoder,
            "objectives": ObjectiveList([OBJECTIVES[name](graph) for name in objectives]),
        }
        model = AlignmentModel(
            text_encoder=text,
            num_labels=L,
            label_names=list(graph.name),
            lexical_scorer=lexical,
            shortlist=sampler,
            **{**default, **options},
        ).double()
        for name, parameter in model.named_parameters():
            if name.startswith(("scorer.", "lexical_scorer.")) and parameter.dim() < 3:
                torch.nn.init.normal_(parameter, std=0.3)
        return model.train()

    return build


def batch_of(model, texts=TEXTS):
    batch = model.text_encoder.collate(model.text_encoder.prepare(texts))
    return {name: value.double() if value.is_floating_point() else value for name, value in batch.items()}


def step(model, labels, mined=MINED, texts=TEXTS):
    """Loss, logits and all gradients, dense, of one step; the numbers drawn are the same every time."""
    torch.manual_seed(1)
    model.zero_grad()
    output = model(batch_of(model, texts), labels, mined)
    output["loss"].backward()
    gradients = {
        name: parameter.grad.to_dense() for name, parameter in model.named_parameters() if parameter.grad is not None
    }
    return output, gradients


def assert_equal_steps(one, other):
    (first, expected), (second, found) = one, other
    torch.testing.assert_close(second["loss"], first["loss"])
    if "logits" in first:
        torch.testing.assert_close(second["logits"], first["logits"])
    for name in expected.keys() | found.keys():
        if name in expected and name in found:
            torch.testing.assert_close(found[name], expected[name], msg=lambda text, name=name: f"{name}: {text}")
        else:
            assert not expected.get(name, found.get(name)).any(), name


PAIRS = [
    *[(encoder, scorer, ("bce", "tla")) for encoder, scorer in itertools.product(ENCODERS, SCORERS)],
    *[("cached", "shrunk", (objective,)) for objective in OBJECTIVES],
    *[("gptrans", "additive", (objective,)) for objective in OBJECTIVES],
]


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize(("encoder", "scorer", "objectives"), PAIRS)
def test_a_shortlist_of_all_labels_is_the_whole_model(make, graph, encoder, scorer, objectives):
    parts = (GRAPHS[graph], encoder, scorer, objectives)
    whole, short = make(*parts), make(*parts, shortlist={"random": L})
    if encoder == "cached":
        whole.label_samples = L
    assert whole.state_dict().keys() == short.state_dict().keys()
    assert_equal_steps(step(whole, LABELS), step(short, IDS))
    assert_equal_steps(step(short, LABELS), step(short, IDS))
    assert torch.equal(step(short, IDS)[0]["labels"], torch.arange(L).expand(len(TEXTS), -1))


@pytest.mark.parametrize("sparse", [True, False])
def test_beside_n_grams_and_with_dense_gradients(make, sparse):
    whole = make(lexical=True)
    short = make(lexical=True, shortlist={"random": L}, sparse_gradients=sparse)
    assert_equal_steps(step(whole, LABELS), step(short, IDS))
    names = {"scorer.weight", "label_encoder.node_encoder.id_embedding"}
    assert set(short.sparse_tables) == (names if sparse else set())
    step(short, IDS)
    short.zero_grad()
    short(batch_of(short), IDS)["loss"].backward()
    for name in names:
        assert short.get_parameter(name).grad.is_sparse == sparse
    for active in ("dense", "lexical"):
        whole.active = short.active = frozenset({active})
        assert_equal_steps(step(whole, LABELS), step(short, IDS))


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("graph", GRAPHS)
def test_scores_of_a_shortlist_are_those_of_the_whole_model(make, graph, encoder):
    model = make(GRAPHS[graph], encoder, "shrunk", shortlist={"random": 1, "siblings": 0})
    torch.manual_seed(1)
    output = model(batch_of(model, TEXTS[:2]), IDS[:2])
    columns = output["labels"][0]
    assert len(columns) == 3
    assert {0, 1} < set(columns.tolist())
    model.eval()
    with torch.no_grad():
        expected = model(batch_of(model, TEXTS[:2]))["logits"][:, columns]
    torch.testing.assert_close(output["logits"].detach(), expected)
    losses = torch.nn.functional.binary_cross_entropy_with_logits(expected, LABELS[:2, columns], reduction="none")
    counts = torch.tensor([1.0 if label in (0, 1) else L - 2 for label in columns.tolist()])
    torch.testing.assert_close(output["loss"].detach(), (losses * counts).sum() / 2)


def test_the_average_over_all_draws_is_the_whole_loss(make, monkeypatch):
    whole = make(DAG, "gptrans", "shrunk")
    short = make(DAG, "gptrans", "shrunk", shortlist={"random": 2, "siblings": 0})
    expected = step(whole, LABELS, None)
    losses, sums = [], {}
    for drawn in itertools.combinations([2, 4, 5], 2):  # the documents have the others
        monkeypatch.setattr("hgraph.sampling.label_shortlist.draw_others", lambda *_, drawn=drawn: torch.tensor(drawn))
        output, gradients = step(short, IDS, None)
        losses.append(output["loss"].detach())
        for name, gradient in gradients.items():
            sums[name] = sums.get(name, 0) + gradient / 3
    torch.testing.assert_close(torch.stack(losses).mean(), expected[0]["loss"].detach())
    for name, gradient in expected[1].items():
        torch.testing.assert_close(sums[name], gradient, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("encoder", ["gptrans", "cached", "names"])
def test_frozen_and_whole_predictions_are_those_without_a_shortlist(make, encoder, monkeypatch):
    monkeypatch.setattr("hgraph.models.alignment_model.LABEL_BLOCK", 4)  # the last block has two labels
    whole, short = make(DAG, encoder, "dot"), make(DAG, encoder, "dot", shortlist={"random": 1})
    short.load_state_dict(whole.state_dict())
    torch.testing.assert_close(short.label_vectors(), whole.label_vectors())  # in training too
    with torch.no_grad():
        expected = whole.eval()(batch_of(whole))["logits"]
        torch.testing.assert_close(short.eval()(batch_of(short))["logits"], expected)
    torch.testing.assert_close(short.freeze()(batch_of(short)), expected)


def test_an_empty_batch_and_documents_without_labels(make):
    model = make(shortlist={"random": 2})
    output = model(model.text_encoder.collate([]), torch.empty(0, 1, dtype=torch.long))
    assert output["loss"] == 0
    assert output["logits"].shape == (0, 2)
    output = model(batch_of(model, TEXTS[2:3]), torch.tensor([[-1]]))
    assert output["logits"].shape == (1, 2)
    assert output["loss"].isfinite()


def test_objectives_without_scores(make):
    output, gradients = step(make(objectives=("tla",), shortlist={"random": 3}), IDS)
    assert "logits" not in output
    assert not any(name.startswith("scorer.") for name in gradients)


def test_evaluation_draws_the_same_every_time(make):
    model = make(shortlist={"random": 1}).eval()
    state = torch.get_rng_state()
    outputs = [model(batch_of(model), IDS) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(outputs[0]["labels"], outputs[1]["labels"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": TreeSweepEncoder(TREE, channels=D, heads=2)}, "TreeSweepEncoder computes all"),
        ({"encoder": GPTransLabelEncoder(TREE, channels=D, heads=2)}, "GPTransLabelEncoder computes all. Use GPTrans"),
        (
            {"encoder": GATLabelEncoder(TREE, channels=D, node_encoder=TreeSweepEncoder(TREE, channels=D))},
            "GATLabelEncoder computes all",
        ),
        ({"scorer": HMCNScorer(D, level=TREE.level, heads=2)}, "HMCNScorer scores all together"),
        ({"view": DropoutView()}, "a 'shortlist' has no place for a second 'view'"),
        ({"objectives": ("bce", "contrast")}, "NTXentLoss judges all labels at once"),
        ({"objectives": ("recursive",)}, "RecursiveRegularisation judges all labels at once"),
    ],
)
def test_parts_that_need_all_labels_are_refused(make, options, message, monkeypatch):
    monkeypatch.setitem(OBJECTIVES, "contrast", lambda graph: NTXentLoss())
    monkeypatch.setitem(OBJECTIVES, "recursive", RecursiveRegularisation)
    make(**options)  # nothing else is wrong
    with pytest.raises(ConfigError) as caught:
        make(**options, shortlist={})
    assert message in str(caught.value)


def test_a_shortlist_of_another_hierarchy_is_refused():
    with pytest.raises(ConfigError, match="'shortlist' is made for 2 labels, but 'num_labels' is 6"):
        AlignmentModel(
            text_encoder=BagTextEncoder.fit(TEXTS, channels=D),
            num_labels=L,
            scorer=LinearScorer(L, D),
            shortlist=ShortlistSampler(LabelGraph.from_edges([("a", "b")])),
        )


class Largest(TorchDispatchMode):
    """The largest tensor that any operation gives; views of what was there before do not count."""

    def __init__(self, model):
        super().__init__()
        self.size = 0
        self.known = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers()]}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        made = [value for value in tree_leaves(out) if isinstance(value, torch.Tensor) and not value.is_sparse]
        for value in made:
            if value.untyped_storage().data_ptr() not in self.known:
                self.size = max(self.size, value.numel())
        return out


@pytest.mark.parametrize("scorer", ["linear", "additive", "shrunk", "dot", "gated", "concat"])
@pytest.mark.parametrize("encoder", ["names", "features", "gat", "gptrans", "cached"])
def test_a_step_makes_nothing_of_the_size_of_all_labels(encoder, scorer, monkeypatch):
    num_labels = 20_000
    monkeypatch.setattr("test_shortlist_step.L", num_labels)
    graph = LabelGraph.from_edges([(f"w{(i - 1) // 4}", f"w{i}") for i in range(1, num_labels)])
    text = BagTextEncoder.fit(TEXTS, channels=D)
    model = AlignmentModel(
        text_encoder=text,
        num_labels=num_labels,
        label_names=list(graph.name),
        label_encoder=ENCODERS[encoder](graph),
        scorer=SCORERS[scorer](),
        objectives=ObjectiveList([BCELoss(reduction="sum"), TLALoss(), TLALoss(negatives="sibling", graph=graph)]),
        shortlist=ShortlistSampler(graph, random=16, siblings=1),
    ).train()
    batch = text.collate(text.prepare(TEXTS))
    labels = torch.tensor([[0, 1], [0, 2], [-1, -1], [0, 9999], [0, 19_999]])
    model(batch, labels)["loss"].backward()  # the first step fills memories and sorts edges
    model.zero_grad()
    with Largest(model) as largest:
        output = model(batch, labels)
        output["loss"].backward()
    assert output["logits"].shape[1] < 40
    # A gradient of one number a label, and the gathered rows of the labels that are listened to.
    assert largest.size <= max(num_labels, 700 * D)
