"""HBGL: one pass trains what runs level by level; scores of a document are its own."""

import json
import math

import pytest
import torch

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import BCELoss, HMCLLoss, NTXentLoss, ObjectiveList
from hgraph.models import ConditionalLink, FrozenHBGL, HBGLModel, LabelPretraining
from hgraph.models.hbgl.decoding import decode, step_states
from hgraph.models.hbgl.masks import stream_mask
from hgraph.models.hbgl.transformer import run_transformer
from hgraph.scoring import restore
from hgraph.text import BagTextEncoder, TransformerTextEncoder

TEXTS = ["w1 w2 w3", "w4", "nothing known", "w5 w6 w7 w8 w9 w1 w1", "w2 w2"]
NAMES = {"a": "w1", "b": "w2 w3", "c": "w4", "d": "w5", "e": "w6", "f": "w7 w8"}
EDGES = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("a", "d"), ("e", "f")]
DAG = LabelGraph.from_edges(EDGES, names=NAMES)
DEEP = LabelGraph.from_edges([*EDGES, ("f", "g"), ("d", "h"), ("e", "h"), ("g", "h")])  # the last level is the fourth
TREE = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d"), ("e", "f")], names=NAMES)
ROWS = [["a", "b"], ["a", "b", "c", "d", "e", "f"], [], ["a", "b", "c", "d"], ["e"]]


def labels_of(graph, rows=ROWS, dtype=torch.float64):
    labels = torch.zeros(len(rows), graph.num_labels, dtype=dtype)
    for row, ids in enumerate(rows):
        labels[row, graph.indices(ids).tolist()] = 1
    return labels


@pytest.fixture
def build(tiny_bert, tiny_tokenizer):
    """Maker of a model in float64 whose weights are all drawn at random, in evaluation mode."""

    def make(graph=DAG, **options):
        encoder = TransformerTextEncoder(tiny_bert(), tiny_tokenizer(), max_length=16)
        model = HBGLModel(text_encoder=encoder, graph=graph, **options).double().eval()
        torch.manual_seed(1)
        for parameter in (*model.scorer.parameters(), *encoder.parameters()):
            torch.nn.init.normal_(parameter, std=0.3)
        return model

    return make


def text_of(model, texts=TEXTS):
    return model.text_encoder.collate(model.text_encoder.prepare(texts))


def close(one, other, atol=1e-9):
    torch.testing.assert_close(one, other, rtol=0, atol=atol)


def alone(model, ids, steps):
    """State of the last of `steps`, vectors behind the token ids of one document, without padding or streams."""
    bert = model.text_encoder.model
    vectors = torch.cat([bert.get_input_embeddings()(ids), torch.stack(steps)]).unsqueeze(0)
    tokens, width = len(ids), vectors.shape[1]
    mask = torch.zeros(1, width, width, dtype=torch.bool)
    for query in range(width):
        for key in range(width):
            mask[0, query, key] = key < tokens or key <= query
    types = torch.tensor([[0] * tokens + [1] * len(steps)])
    return run_transformer(bert, vectors, mask, torch.arange(width).unsqueeze(0), types)[0, -1]


def transformed(scorer, state):
    state = state + torch.nn.functional.gelu(scorer.map_weight @ state + scorer.map_bias)
    state = (state - state.mean()) / (state.var(unbiased=False) + 1e-5).sqrt()
    return state * scorer.norm_weight + scorer.norm_bias


@pytest.mark.parametrize("graph", [DAG, TREE])
def test_one_pass_gives_what_each_level_gives_alone(build, graph):
    model = build(graph)
    text, labels = text_of(model), labels_of(graph)
    level, scorer = graph.level.tolist(), model.scorer
    with torch.no_grad():
        output = model(text, labels)
        for row, length in enumerate(text["attention_mask"].sum(1).tolist()):
            ids, fed = text["input_ids"][row, :length], []
            for step in range(1, graph.num_levels + 1):
                state = transformed(scorer, alone(model, ids, [*fed, scorer.mask_vector]))
                for label in range(graph.num_labels):
                    if level[label] == step:
                        close(output["logits"][row, label], scorer.weight[label] @ state + scorer.bias[label])
                gold = [n for n in range(graph.num_labels) if level[n] == step and labels[row, n]]
                fed.append(sum(scorer.weight[n] for n in gold) if gold else scorer.mask_vector)
    assert graph.level[graph.index("d")] == 3
    expected = torch.nn.functional.binary_cross_entropy_with_logits(output["logits"], labels)
    close(output["loss"].double(), expected, atol=1e-6)


def decoded_by_loop(model, text, row, kinds):
    """Scores of one document by label, one level after the other."""
    scorer, level, scores = model.scorer, DEEP.level.tolist(), {}
    ids, inputs, fed = text["input_ids"][row, : text["attention_mask"][row].sum()], [], set()
    bar = math.log(scorer.threshold / (1 - scorer.threshold))
    for step in range(1, DEEP.num_levels + 1):
        state, chosen = transformed(scorer, alone(model, ids, [*inputs, scorer.mask_vector])), []
        for label in range(DEEP.num_labels):
            score = scorer.weight[label] @ state + scorer.bias[label]
            if level[label] == step:
                scores[label] = score
            allowed = not scorer.constrained or step == 1 or set(DEEP.parents[[label]].indices.tolist()) & fed
            if score > bar and (scorer.faithful or (level[label] == step and allowed)):
                chosen.append(label)
            elif score > bar and level[label] == step:
                kinds.add("held back")
        kinds.add("empty" if not chosen else "several" if len(chosen) > 1 else "one")
        empty = torch.zeros_like(scorer.mask_vector) if scorer.faithful else scorer.mask_vector
        inputs.append(sum(scorer.weight[n] for n in chosen) if chosen else empty)
        fed |= set(chosen)
    return torch.stack([scores[label] for label in range(DEEP.num_labels)])


@pytest.mark.parametrize("constrained", [True, False])
@pytest.mark.parametrize("faithful", [True, False])
def test_decoding_matches_a_loop(build, constrained, faithful):
    model = build(DEEP, constrained=constrained, faithful=faithful)
    assert DEEP.num_levels == 4
    text, kinds = text_of(model), set()
    for bias, threshold in ((0.0, 0.5), (0.5, 0.8), (-1.0, 0.3), (0.0, 0.95), (0.0, 0.999)) * 3:
        model.scorer.threshold = threshold
        torch.nn.init.constant_(model.scorer.bias, bias)
        with torch.no_grad():
            torch.nn.init.normal_(model.scorer.weight, std=2.0)
            scores = model.freeze()(text)
            for row in range(len(TEXTS)):
                close(scores[row], decoded_by_loop(model, text, row, kinds))
    assert {"empty", "several", "one"} <= kinds
    assert ("held back" in kinds) == (constrained and not faithful)


def test_targets_are_sums_without_gradient(build):
    """The oracle: a level with gold {x, y} is fed emb[x] + emb[y], and no gradient comes back through it."""
    model = build()
    b, c, e = (DAG.index(label) for label in "bce")
    targets = model.scorer.targets(labels_of(DAG, [["a", "b", "c"], ["e"]]))
    weight, mask = model.scorer.weight, model.scorer.mask_vector
    close(targets[0, 1], (weight[b] + weight[c]).detach())
    close(targets[1, 0], weight[e].detach())
    close(targets[1, 1:], mask.detach().expand(2, -1))
    assert not targets.requires_grad
    # Through the whole model: rows that are inputs alone get no gradient, their output gets some.
    labels = labels_of(DAG, [["a", "b", "c", "d"]])
    steps = model.steps(text_of(model, ["w1 w2"]), labels)
    (gradient,) = torch.autograd.grad(steps.square().sum(), weight, allow_unused=True)
    assert gradient is None
    model(text_of(model, ["w1 w2"]), labels)["loss"].backward()
    assert (weight.grad.abs().sum(1) > 0).all()


def test_corruption_masks_steps_in_training_alone(build):
    model, labels = build(corruption=1.0), labels_of(DAG)
    text, mask = text_of(model), model.scorer.mask_vector
    hidden = mask.detach().expand(len(TEXTS), DAG.num_levels, -1)
    with torch.no_grad():
        told = model.steps(text, labels)
        blind = step_states(model.text_encoder.model, text, hidden, mask)
        assert (told - blind).abs().max() > 1e-3
        torch.nn.Module.train(model)
        model.text_encoder.eval()
        close(model.steps(text, labels), blind)
        model.corruption = 0.0
        close(model.steps(text, labels), told)
        model.corruption, seen = 0.5, []
        for _ in range(20):
            seen.append((model.steps(text, labels) - told).abs().amax(2) > 1e-9)
    # The first step sees no target. The second one is told less where the first target is masked: half of the times.
    share = torch.stack(seen).double().mean((0, 1))
    assert share[0] == 0 and 0.2 < share[1] < 0.6


def test_published_loss_is_that_of_a_loop(build):
    model = build(faithful=True)
    text, labels = text_of(model), labels_of(DAG)
    level, scorer = DAG.level.tolist(), model.scorer
    total, count = 0.0, 0
    with torch.no_grad():
        torch.nn.init.normal_(scorer.end_bias)
        for row, length in enumerate(text["attention_mask"].sum(1).tolist()):
            ids, fed = text["input_ids"][row, :length], []
            own = [label for label in range(DAG.num_labels) if labels[row, label]]
            last = max((level[label] for label in own), default=0)
            for step in range(1, last + 2):
                state = transformed(scorer, alone(model, ids, [*fed, scorer.mask_vector]))
                gold = [label for label in own if level[label] == step]
                pairs = [(scorer.end_weight @ state + scorer.end_bias, step == last + 1)]
                pairs += [(scorer.weight[n] @ state + scorer.bias[n], n in gold) for n in range(DAG.num_labels)]
                for score, truth in pairs:
                    total += math.log1p(math.exp(float(score))) - float(score) * truth
                    count += 1
                fed.append(sum((scorer.weight[n] for n in gold), torch.zeros_like(scorer.mask_vector)))
        output = model(text, labels)
    assert count == (3 + 4 + 1 + 4 + 2) * (1 + DAG.num_labels)
    assert float(output["loss"]) == pytest.approx(total / count, abs=1e-6)
    assert model.steps(text, labels).shape[1] == DAG.num_levels + 1


@pytest.mark.parametrize("options", [{}, {"faithful": True}])
def test_a_score_depends_on_its_document_alone(build, options):
    """Neither on the batch, nor on padding, nor on the order of documents or labels."""
    model = build(**options)
    text, labels = text_of(model), labels_of(DAG)
    with torch.no_grad():
        frozen = model.freeze()
        scores, taught = frozen(text), model(text, labels)["logits"]
        order = [3, 0, 4, 2, 1]
        close(frozen({name: value[order] for name, value in text.items()}), scores[order])
        padded = {name: torch.nn.functional.pad(value, (0, 5)) for name, value in text.items()}
        close(frozen(padded), scores)
        close(model(padded, labels)["logits"], taught)
        for row, one in enumerate(TEXTS):
            close(frozen(text_of(model, [one]))[0], scores[row])
        # Another numbering of the labels.
        ids = ["f", "d", "a", "e", "c", "b"]
        other = LabelGraph.from_edges(EDGES[::-1], nodes=ids, names=NAMES)
        place = DAG.indices(ids).tolist()
        twin = build(other, **options)
        twin.load_state_dict(model.state_dict())
        twin.scorer.weight.copy_(model.scorer.weight[place])
        twin.scorer.bias.copy_(model.scorer.bias[place])
        close(twin.freeze()(text), scores[:, place])
        assert other.label_id == ids
        again = twin.eval()(text, labels[:, place])
        close(again["logits"], taught[:, place])
        close(again["loss"], model(text, labels)["loss"])


def test_no_tensor_is_larger_than_its_level(tiny_bert, tiny_tokenizer):
    """900 labels on three levels, batch of 2: nothing of labels x labels, or of documents x steps x labels."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Sizes(TorchDispatchMode):
        seen: set = set()  # noqa: RUF012

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            self.seen |= {tuple(leaf.shape) for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)}
            return out

    edges = [("r", f"m{i}") for i in range(30)] + [(f"m{i % 30}", f"l{i}") for i in range(869)]
    graph = LabelGraph.from_edges(edges)
    encoder = TransformerTextEncoder(tiny_bert(), tiny_tokenizer(), max_length=16)
    model = HBGLModel(text_encoder=encoder, graph=graph)
    text, labels = text_of(model, TEXTS[:2]), torch.zeros(2, 900)
    labels[0, [0, 1, 40]] = 1
    with Sizes() as sizes:
        model(text, labels)["loss"].backward()
        model.freeze()(text)
    large = {shape for shape in sizes.seen if math.prod(shape) > 2 * 900 and shape != (900, 16)}
    # What is left are the rows of the largest level, and the scores of the documents.
    assert all(shape in {(869, 16), (16, 869), (16, 900), (899, 16)} for shape in large), large


def test_half_precision_and_no_documents(build):
    model = build().float().train()
    text, labels = text_of(model), labels_of(DAG, dtype=torch.float32)
    none = {name: value[:0] for name, value in text.items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(text, labels)
        output["loss"].backward()
        assert output["loss"].isfinite() and model(none, labels[:0])["loss"] == 0
        frozen = model.freeze()
        scores = frozen(text).float()
        assert scores.isfinite().all() and frozen(none).shape == (0, 6)
    full = frozen(text)
    assert (scores - full)[:, :1].abs().max() < 0.3
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("options", [{}, {"faithful": True, "constrained": False, "threshold": 0.3}])
def test_frozen_scores_come_back_from_json_and_tensors(build, options):
    model = build(link=ConditionalLink(DAG), **options)
    text = text_of(model)
    frozen = model.freeze()
    assert isinstance(frozen, FrozenHBGL) and not frozen.training
    close(frozen(text), model(text)["logits"])
    scorer = restore(frozen.scorer.kind, json.loads(json.dumps(frozen.scorer.config())))
    assert all(value.is_meta for value in scorer.state_dict().values())
    scorer.load_state_dict(frozen.scorer.state_dict(), assign=True)
    assert scorer.config() == frozen.scorer.config()
    again = FrozenHBGL(
        text_encoder=model.text_encoder, num_labels=6, scorer=scorer, lexical_scorer=None, link=model.link
    ).eval()
    assert torch.equal(again(text), frozen(text))
    steps = torch.randn(2, 3, 16, dtype=torch.float64)
    candidates = torch.tensor([[0, 5], [3, 3]])
    close(scorer(steps, candidates=candidates), model.scorer(steps).gather(1, candidates))
    with pytest.raises(ConfigError, match=r"shape \[B, 3, 16\], but got \[2, 16\]"):
        scorer(torch.zeros(2, 16))
    twin = build(link=ConditionalLink(DAG), **options)
    torch.nn.init.zeros_(twin.scorer.weight)
    twin.load_state_dict(model.state_dict())
    close(twin(text)["logits"], frozen(text))


def test_vectors_start_from_names_and_the_texts_leave_room(tiny_bert, tiny_tokenizer):
    encoder = TransformerTextEncoder(tiny_bert(), tiny_tokenizer(), max_length=32)
    model = HBGLModel(text_encoder=encoder, graph=DAG, pretraining=LabelPretraining(steps=2, copies=2))
    assert encoder.max_length == 32 - 2 * 3
    table = encoder.model.get_input_embeddings().weight
    ids = encoder.tokenizer.convert_tokens_to_ids(["w2", "w3"])
    torch.testing.assert_close(model.scorer.weight[DAG.index("b")], table[ids].sum(0))
    before = model.scorer.weight.clone()
    model.pretrain(seed=3)
    assert (model.scorer.weight != before).all(1).any()
    model.begin_labels(torch.tensor([DAG.index("b")]))
    torch.testing.assert_close(model.scorer.weight[DAG.index("b")], table[ids].sum(0))
    assert (model.scorer.weight[DAG.index("a")] != before[DAG.index("a")]).any()
    names = ["w9"] * 6
    other = HBGLModel(text_encoder=encoder, graph=DAG, label_names=names)
    assert (other.scorer.weight == other.scorer.weight[0]).all()


def test_priors(build):
    prior = torch.tensor([0.5, 0.1, 0.2, 0.0, 0.9, 0.3])
    model, published = build(), build(faithful=True)
    before = published.scorer.bias.clone()
    model.init_bias(prior)
    published.init_bias(prior)
    torch.testing.assert_close(model.scorer.bias.sigmoid(), prior.double(), atol=2e-6, rtol=0)
    assert torch.equal(published.scorer.bias, before)


def test_other_objectives_read_the_documents(build):
    objectives = ObjectiveList([BCELoss(), (0.5, HMCLLoss(DAG)), (0.1, NTXentLoss())])
    model = build(objectives=objectives).train()
    output = model(text_of(model), labels_of(DAG))
    assert set(output["objectives"]) == {"bce", "hmcl", "nt_xent"} and output["loss"].isfinite()
    output["loss"].backward()


def test_architectures_that_cannot_run_steps(tiny_tokenizer):
    import transformers as t

    sizes = {"vocab_size": 24, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 32, "max_position_embeddings": 40}
    narrow = {**sizes, "embedding_size": 16}
    local = {"cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3, "local_attention": 4}
    works = [t.BertConfig(**sizes), t.RobertaConfig(**sizes, pad_token_id=0)]
    works += [t.DistilBertConfig(vocab_size=24, dim=32, n_layers=2, n_heads=2, hidden_dim=32)]
    works += [t.ModernBertConfig(**sizes, **local, pad_token_id=0)]
    fails = [t.MPNetConfig(**sizes), t.RoFormerConfig(**sizes), t.ElectraConfig(**narrow)]
    for config in (*works, *fails):
        torch.manual_seed(0)
        encoder = TransformerTextEncoder(t.AutoModel.from_config(config), tiny_tokenizer(), max_length=20)
        if config in fails:
            with pytest.raises(ConfigError, match=f"found {type(encoder.model).__name__}, which does not"):
                HBGLModel(text_encoder=encoder, graph=DAG)
            continue
        model = HBGLModel(text_encoder=encoder, graph=DAG).eval()
        text = text_of(model)
        with torch.no_grad():
            model.scorer.weight.normal_()
            padded = {name: torch.nn.functional.pad(value, (0, 4)) for name, value in text.items()}
            close(decode(encoder.model, model.scorer, padded), decode(encoder.model, model.scorer, text), atol=1e-4)
            # The source is read as the transformer reads it alone.
            words, source = encoder.model.get_input_embeddings()(text["input_ids"]), text["attention_mask"].bool()
            place = torch.arange(source.shape[1]).expand_as(source)
            states = run_transformer(encoder.model, words, stream_mask(source, 0), place, torch.zeros_like(place))
            close(states[source], encoder(**text).tokens[source], atol=1e-4)


@pytest.mark.parametrize(("options", "word"), [({"corruption": 1.5}, "corruption"), ({"threshold": 1.0}, "threshold")])
def test_values_out_of_range(build, options, word):
    with pytest.raises(ConfigError, match=f"'{word}' must be"):
        build(**options)


def test_other_text_encoders():
    bag = BagTextEncoder.fit(TEXTS, channels=4)
    with pytest.raises(ConfigError, match="needs the text encoder 'transformer' with one window, found BagTextEncoder"):
        HBGLModel(text_encoder=bag, graph=DAG)
