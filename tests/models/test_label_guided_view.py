"""The label-guided view against loops, against the rates that the published draw has, and inside a model."""

import math
from itertools import pairwise

import pytest
import torch

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import BCELoss, BranchLoss, NTXentLoss, ObjectiveList
from hgraph.models import AlignmentModel, LabelGuidedView
from hgraph.models.label_guided_view import gumbel_noise, keep, label_mass, log_attention
from hgraph.nn import GraphormerLabelEncoder, NameLabelEncoder
from hgraph.scoring import AdditiveScorer, LinearScorer
from hgraph.text import BagTextEncoder, ChunkedTextEncoder, TransformerTextEncoder, WordEmbeddings

# A DAG: two parents of d, labels on inner nodes, partial paths, and a document without labels.
GRAPH = LabelGraph.from_edges(
    [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("e", "f")],
    names={"a": "w1", "b": "w2 w3", "c": "w4", "d": "w5", "e": "w6", "f": "w7"},
)
L, D, E = 6, 16, 10
TEXTS = ["w1 w2 w3", "w4 unknown", "", "w5 w6 w7 w8 w9 w1 w1", "w2 w2"]
LABELS = torch.tensor([[1.0, 1, 0, 0, 0, 0], [0] * 6, [1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]])


def words_of(rows=4, tokens=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([5, 3, 0, 4])[torch.arange(rows) % 4]
    mask = torch.arange(tokens) < lengths.unsqueeze(1)
    special = torch.zeros(rows, tokens, dtype=torch.bool)
    special[:, 0] = True
    vectors = torch.randn(rows, tokens, E, generator=generator, dtype=torch.float64)
    return WordEmbeddings(vectors, mask=mask, special=special | ~mask, document=torch.arange(rows))


def view_of(seed=3, **options):
    torch.manual_seed(seed)
    return LabelGuidedView(E, D, heads=4, **{"threshold": 0.3, **options}).double()


@torch.no_grad()
def loop(view, words, vectors, labels):
    """Mass of each weighed token by the definition; None where a token is not weighed."""
    rows, tokens = words.mask.shape
    width = D // view.heads
    masses = [[None] * tokens for _ in range(rows)]
    for i in range(rows):
        own = [l for l in range(len(vectors)) if labels[words.document[i], l] > 0.5]  # noqa: E741
        for t in range(tokens):
            if not words.mask[i, t] or not own or (words.special[i, t] and not view.faithful):
                continue
            q = view.query.weight @ words.vectors[i, t] + view.query.bias
            attention = [0.0] * len(vectors)
            for head in range(view.heads):
                part = slice(head * width, (head + 1) * width)
                scores = [float(q[part] @ (view.key.weight @ f)[part]) / math.sqrt(width) for f in vectors]
                total = sum(math.exp(score) for score in scores)
                attention = [p + math.exp(s) / total / view.heads for p, s in zip(attention, scores, strict=True)]
            logits = attention if view.faithful else [math.log(p) for p in attention]
            draw = [math.exp(logit / view.temperature) for logit in logits]
            masses[i][t] = sum(draw[label] for label in own) / sum(draw)
    return masses


@pytest.mark.parametrize("faithful", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_without_noise_it_is_the_loop(faithful, temperature):
    view = view_of(faithful=faithful, temperature=temperature).eval()
    words, vectors = words_of(), 3 * torch.randn(L, D, dtype=torch.float64)
    labels = LABELS[[0, 3, 4, 1]]
    masses = loop(view, words, vectors, labels)
    weighed = sorted(mass for row in masses for mass in row if mass is not None)
    assert len(weighed) == (8 if faithful else 6)
    for threshold in (0.0, *((a + b) / 2 for a, b in pairwise(weighed)), 0.999):
        view.threshold = threshold
        found = view.token_weights(words, vectors, labels)
        for i, row in enumerate(masses):
            for t, mass in enumerate(row):
                assert found[i, t] == (1.0 if mass is None or mass > threshold else 0.0)


@pytest.mark.parametrize("faithful", [False, True])
def test_gradients_are_those_of_the_mass_of_kept_tokens(faithful):
    view = view_of(faithful=faithful).eval()
    words, vectors = words_of(), torch.randn(L, D, dtype=torch.float64, requires_grad=True)
    labels, slope = LABELS[[0, 3, 4, 1]], torch.randn(4, 5, dtype=torch.float64)
    kept = view.token_weights(words, vectors, labels)
    (kept * slope).sum().backward()
    found = vectors.grad.clone()

    def total(vectors):
        masses = loop(view, words, vectors, labels)
        return sum(
            float(slope[i, t]) * mass
            for i, row in enumerate(masses)
            for t, mass in enumerate(row)
            if mass is not None and mass > view.threshold
        )

    step, expected = 1e-6, torch.zeros_like(found)
    for place in range(vectors.numel()):
        shift = torch.zeros(vectors.numel(), dtype=torch.float64)
        shift[place] = step
        shift = shift.view_as(vectors)
        expected.view(-1)[place] = (total(vectors.detach() + shift) - total(vectors.detach() - shift)) / (2 * step)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    assert found.any() and view.query.weight.grad.any() and view.key.weight.grad.any()


def rates(logits, own):
    torch.manual_seed(0)
    mass = label_mass(logits, own, gumbel_noise(logits))
    return keep(mass, 0.02).mean().item(), mass.mean().item()


def test_rates_of_the_published_and_of_the_corrected_draw():
    """20,000 tokens, 141 labels, 2 of them the document's, threshold 0.02, temperature 1."""
    size = (20_000, 141)
    own = torch.zeros(size, dtype=torch.bool)
    own[:, [3, 70]] = True
    kept, mass = rates(torch.full(size, 1 / 141), own)
    assert kept == pytest.approx(0.12, abs=0.01) and mass == pytest.approx(2 / 141, abs=5e-4)
    one_hot = torch.zeros(size)
    one_hot[:, 3] = 1.0
    assert rates(one_hot, own)[0] == pytest.approx(0.22, abs=0.01)
    half = torch.full(size, 0.5 / 140)
    half[:, 3] = 0.5
    assert rates(half.log(), own)[0] == pytest.approx(0.97, abs=0.01)


def test_noise_is_drawn_in_training_alone_and_from_the_generator_of_torch():
    view = view_of(threshold=0.2)
    words, vectors, labels = words_of(), torch.randn(L, D, dtype=torch.float64), LABELS[[0, 3, 4, 1]]

    def draw(seed):
        torch.manual_seed(seed)
        return view.token_weights(words, vectors, labels)

    assert torch.equal(draw(1), draw(1))
    assert not all(torch.equal(draw(1), draw(seed)) for seed in range(2, 8))
    view.eval()
    assert all(torch.equal(draw(1), draw(seed)) for seed in range(2, 8))


def test_gumbel_noise_has_its_distribution():
    torch.manual_seed(0)
    noise = gumbel_noise(torch.zeros(200_000, dtype=torch.float64))
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.01)  # Euler's constant
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, abs=0.03)


def test_blocks_change_nothing():
    words, vectors, labels = words_of(), torch.randn(L, D, dtype=torch.float64), LABELS[[0, 3, 4, 1]]
    slope, results = torch.randn(4, 5, dtype=torch.float64), []
    for budget in (2**26, 1):  # all tokens at once, one token at a time
        view = view_of(memory_budget=budget).eval()
        key = vectors.clone().requires_grad_()
        kept = view.token_weights(words, key, labels)
        (kept * slope).sum().backward()
        results.append((kept.detach(), key.grad, view.query.weight.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_the_backward_pass_of_a_block_draws_the_same_noise(monkeypatch):
    """One token a block: the gradient of the masses is that of finite differences under the same seed."""
    monkeypatch.setattr("hgraph.models.label_guided_view.keep", lambda mass, threshold: mass)
    view, words, labels = view_of(memory_budget=1).train(), words_of(), LABELS[[0, 3, 4, 1]]
    vectors = torch.randn(L, D, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(L, D, dtype=torch.float64)

    def masses(vectors):
        torch.manual_seed(1)
        return view.token_weights(words, vectors, labels).sum()

    masses(vectors).backward()
    step = 1e-6
    with torch.no_grad():
        slope = (masses(vectors + step * direction) - masses(vectors - step * direction)) / (2 * step)
    torch.testing.assert_close((vectors.grad * direction).sum(), slope, rtol=1e-5, atol=1e-8)


def test_memory_is_bounded(monkeypatch):
    sizes = []
    monkeypatch.setattr(
        "hgraph.models.label_guided_view.log_attention",
        lambda query, key, *, heads: sizes.append(len(query)) or log_attention(query, key, heads=heads),
    )
    view = view_of(memory_budget=L * (3 * 4 + 6) * 8 * 2).eval()  # two tokens
    view.token_weights(words_of(), torch.randn(L, D, dtype=torch.float64), LABELS[[0, 3, 4, 1]])
    assert sizes == [2, 2, 2]


@pytest.mark.parametrize("faithful", [False, True])
def test_order_padding_and_numbers_of_labels_do_not_matter(faithful):
    view = view_of(faithful=faithful, threshold=0.35).eval()
    words, vectors, labels = words_of(), 2 * torch.randn(L, D, dtype=torch.float64), LABELS[[0, 3, 4, 1]]
    expected = view.token_weights(words, vectors, labels)
    assert 0 < expected[words.mask].sum() < words.mask.sum()
    order = torch.tensor([3, 1, 0, 2])
    turned = WordEmbeddings(words.vectors[order], words.mask[order], words.special[order], words.document)
    assert torch.equal(view.token_weights(turned, vectors, labels[order]), expected[order])
    names = torch.randperm(L)
    assert torch.equal(view.token_weights(words, vectors[names], labels[:, names]), expected)
    longer = WordEmbeddings(
        torch.nn.functional.pad(words.vectors, (0, 0, 0, 3), value=9.0),
        mask=torch.nn.functional.pad(words.mask, (0, 3)),
        special=torch.nn.functional.pad(words.special, (0, 3), value=True),
        document=words.document,
    )
    assert torch.equal(view.token_weights(longer, vectors, labels)[:, :5], expected)
    for row in range(4):
        alone = WordEmbeddings(
            words.vectors[[row]], words.mask[[row]], words.special[[row]], torch.zeros(1, dtype=torch.long)
        )
        assert torch.equal(view.token_weights(alone, vectors, labels[[row]]), expected[[row]])


def test_added_tokens_stay_and_documents_without_labels_keep_everything():
    view = view_of(threshold=0.999).eval()
    words, vectors = words_of(), torch.randn(L, D, dtype=torch.float64)
    labels = LABELS[[0, 1, 4, 3]]
    kept = view.token_weights(words, vectors, labels)
    assert kept[words.special].all() and kept[1].all()
    assert not kept[0, 1:].any()
    view.faithful = True
    assert not view.token_weights(words, vectors, labels)[0].any()


def test_large_products_stay_finite():
    query = torch.randn(3, 8, requires_grad=True)
    attention = log_attention(1e4 * query, 1e4 * torch.randn(5, 8), heads=2)
    label_mass(attention, torch.ones(3, 5, dtype=torch.bool)).sum().backward()
    assert attention.isfinite().all() and query.grad.isfinite().all()


@pytest.fixture
def make(tiny_bert, tiny_tokenizer):
    def build(*, encoder=None, **options):
        torch.manual_seed(0)
        text = encoder or TransformerTextEncoder(tiny_bert(), tiny_tokenizer(), max_length=32)
        graphormer = GraphormerLabelEncoder(
            GRAPH, channels=D, heads=2, node_encoder=NameLabelEncoder(D, D, num_labels=L), dropout=0.0
        )
        default = {
            "text_encoder": text,
            "num_labels": L,
            "scorer": LinearScorer(L, D),
            "label_encoder": graphormer,
            "label_names": list(GRAPH.name),
            "objectives": ObjectiveList([BCELoss(), BranchLoss(BCELoss()), (0.1, NTXentLoss(projection=D))]),
            "view": LabelGuidedView(D, D, heads=4, threshold=0.4),
        }
        return AlignmentModel(**{**default, **options})

    return build


def batch_of(model, texts=TEXTS):
    return model.text_encoder.collate(model.text_encoder.prepare(texts))


def test_the_loss_is_that_of_both_passes(make):
    model = make().eval()
    batch = batch_of(model)
    output = model(batch, LABELS)
    vectors = model.label_vectors()
    weights = model.view.token_weights(model.text_encoder.word_embeddings(batch), vectors, LABELS)
    real = batch["attention_mask"].bool()
    assert 0 < weights[real].sum() < real.sum() and weights[1].all()
    first, second = model.text_encoder(**batch).pooled, model.text_encoder(**batch, token_weights=weights).pooled
    scores, again = model.scorer(first), model.scorer(second)
    contrast = model.objectives.objectives[2](text=first, views=second.unsqueeze(1))
    expected = BCELoss()(scores=scores, labels=LABELS) + BCELoss()(scores=again, labels=LABELS) + 0.1 * contrast
    torch.testing.assert_close(output["loss"], expected)
    torch.testing.assert_close(output["logits"], scores)
    assert set(output["objectives"]) == {"bce", "branch_bce", "nt_xent"}


def test_the_label_encoder_learns_through_the_mask_alone(make):
    model = make().train()
    model(batch_of(model), LABELS)["loss"].backward()
    for name, parameter in model.named_parameters():
        learns = not name.startswith("text_encoder.model.pooler.")
        assert (parameter.grad is not None and parameter.grad.isfinite().all()) == learns, name
    assert model.label_encoder.node_encoder.id_embedding.grad.any()
    assert model.view.query.weight.grad.any() and model.view.key.weight.grad.any()
    model.zero_grad()
    model(batch_of(model), torch.zeros_like(LABELS))["loss"].backward()
    assert not any(p.grad.any() for p in model.label_encoder.parameters() if p.grad is not None)


@pytest.mark.parametrize("texts", [0, 1])
def test_small_batches(make, texts):
    model = make().train()
    output = model(batch_of(model, TEXTS[:texts]), LABELS[:texts])
    output["loss"].backward()
    assert output["logits"].shape == (texts, L) and output["loss"].isfinite()
    assert (output["loss"] == 0) == (texts == 0)


def test_mixed_precision(make):
    model = make().train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(batch_of(model), LABELS)["loss"]
    loss.backward()
    assert loss.isfinite() and model.view.key.weight.grad.isfinite().all()


def test_scores_do_not_need_the_graph(make):
    """Oracle: HGCLR without its graph branch, and HTLA as a flat layer, score the same."""
    for scorer in (LinearScorer(L, D), AdditiveScorer(L, D)):
        model = make(scorer=scorer).eval()
        with torch.no_grad():
            expected = model(batch_of(model))["logits"]
            frozen = model.freeze()
            assert type(frozen.scorer) is LinearScorer
            torch.testing.assert_close(frozen(batch_of(model)), expected, rtol=0, atol=1e-6)
            model.view = None
            if isinstance(scorer, LinearScorer):
                model.label_encoder = None
                assert torch.equal(model(batch_of(model))["logits"], expected)


def test_windows_of_long_documents(make, tiny_bert, tiny_tokenizer):
    inner = TransformerTextEncoder(tiny_bert(), tiny_tokenizer(), max_length=6)
    model = make(encoder=ChunkedTextEncoder(inner, windows=3, overlap=1)).train()
    output = model(batch_of(model), LABELS)
    output["loss"].backward()
    assert output["loss"].isfinite() and model.view.query.weight.grad.any()


def test_state_dict_round_trip(make):
    model, other = make(), make()
    with torch.no_grad():
        model.view.query.weight.add_(1.0)
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(
        other.eval()(batch_of(other), LABELS)["loss"], model.eval()(batch_of(model), LABELS)["loss"]
    )
    assert {name for name in model.state_dict() if name.startswith("view.")} == {
        "view.query.weight", "view.query.bias", "view.key.weight",
    }  # fmt: skip


def test_what_cannot_work_is_named(make):
    with pytest.raises(ConfigError, match="'heads' must divide the width of label vectors, 16, but got 3"):
        LabelGuidedView(E, D, heads=3)
    with pytest.raises(ConfigError, match="'threshold' must be a share from 0 to below 1, but got 1"):
        LabelGuidedView(E, D, threshold=1.0)
    with pytest.raises(ConfigError, match="'temperature' must be above 0, but got 0"):
        LabelGuidedView(E, D, temperature=0.0)
    with pytest.raises(ConfigError, match="'memory_budget' must be at least 1 byte"):
        LabelGuidedView(E, D, memory_budget=0)
    model = make(label_encoder=None, label_names=None)
    with pytest.raises(ConfigError, match="needs label vectors: give the model a label encoder"):
        model(batch_of(model), LABELS)
    model = make(encoder=BagTextEncoder.fit(TEXTS, channels=D))
    with pytest.raises(ConfigError, match=r"BagTextEncoder gives none\. Use the text encoder 'transformer'"):
        model(batch_of(model), LABELS)
