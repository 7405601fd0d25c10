"""Recipes: strict reading, overrides, other text encoders, and that each one builds."""

from dataclasses import asdict

import pytest
import torch

from hgraph.errors import ConfigError
from hgraph.recipes import Recipe, default_recipe, recipe_names, recipe_source
from hgraph.recipes.builders import build_model, build_text_encoder, count_parameters
from hgraph.recipes.label_encoder_options import (
    GAT,
    Features,
    GPTrans,
    Graphormer,
    LabelEncoderOptions,
    Names,
    TreeSweep,
)
from hgraph.recipes.objective_options import BCE, TLA, BranchBCE, HiLeCon, RecursiveRegularisation
from hgraph.recipes.schema import from_mapping, suggestion
from hgraph.recipes.scorer_options import Additive, Dot, LabelAttention
from hgraph.recipes.text_encoder_options import Bag, Frozen, Lexical, Transformer
from hgraph.recipes.training_options import Neighbours, Stage, Training


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes(name):
    recipe = Recipe.load(name)
    assert recipe.name == name and recipe.description
    assert Recipe.parse(recipe.to_yaml(), "here") == recipe
    assert Recipe.parse(recipe_source(name), "here") == recipe
    assert from_mapping(Recipe, asdict(recipe)) == recipe


@pytest.mark.parametrize(
    ("gpu", "encoder", "name", "why"),
    [
        (False, None, "lexical", "no download"),
        (False, "bag", "lexical", "no download"),
        (False, "org/model", "wide_deep", "without a GPU"),
        (True, None, "lexical", "a GPU was found"),
        (True, "org/model", "flat", "the GPU that was found"),
    ],
)
def test_default_recipe_says_why(gpu, encoder, name, why, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    recipe, reason = default_recipe(encoder)
    assert recipe == Recipe.load(name) and why in reason


def test_overrides():
    recipe = Recipe.load("flat").override(
        [
            "batch_size=7",
            "training.learning_rate=1e-5",  # a text in YAML 1.1
            "learning_rate=2",
            "head_learning_rate=null",
            "text_encoder.model=a/b=c",
            "label_encoder=names",
            "label_encoder.ids=true",
            "scorer=dot",
            "scorer.similarity=cosine",
            "objectives=[{name: bce}, {name: tla, weight: 0.5}]",
            "name=mine",
        ]
    )
    assert (recipe.training.batch_size, recipe.training.learning_rate) == (7, 2.0)
    assert recipe.training.head_learning_rate is None
    assert recipe.text_encoder.model == "a/b=c"
    assert recipe.label_encoder == Names(ids=True)
    assert recipe.scorer == Dot(similarity="cosine")
    assert recipe.objectives == [BCE(), TLA(weight=0.5)]
    assert recipe.name == "mine"
    assert Recipe.load("flat").override([]) == Recipe.load("flat")


def test_another_member_of_an_axis_starts_from_its_own_defaults():
    recipe = Recipe.load("flat").override(["text_encoder.name=bag", "text_encoder.channels=8"])
    assert recipe.text_encoder == Bag(channels=8)
    htla = Recipe.load("htla")
    assert htla.override(["label_encoder.name=gptrans"]).label_encoder == htla.label_encoder
    assert Recipe.load("flat").override(["text_encoder.name=bag", "lexical={}"]).lexical == Lexical()


def test_text_encoders():
    flat = Recipe.load("flat")
    assert flat.with_text_encoder("x/y").text_encoder == Transformer(model="x/y", pooling="cls", max_length=512)
    bag = flat.with_text_encoder("bag")
    assert bag.text_encoder == Bag() and bag.training.learning_rate == 1e-3
    assert bag.with_text_encoder("bag") is bag
    back = bag.with_text_encoder("x/y")
    assert back.text_encoder == Transformer(model="x/y") and back.training.learning_rate == 3e-5
    with pytest.raises(ConfigError, match="needs 'bag'"):
        Recipe.load("lexical").with_text_encoder("x/y")


LEXICAL_ALONE = {"text_encoder": Bag(channels=0), "scorer": None, "lexical": Lexical()}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"objectives": []}, "objectives"),
        ({"scorer": Additive()}, "label_encoder"),
        ({"objectives": [TLA()]}, "label_encoder"),
        ({"scorer": None}, "scorer"),
        ({"scorer": LabelAttention()}, "token states"),
        ({"neighbours": Neighbours()}, "fuse"),
        ({"neighbours": Neighbours(), "fuse": True, **LEXICAL_ALONE}, "channels"),
        ({"objectives": [HiLeCon()]}, "label_attention"),
        ({"objectives": [BranchBCE()]}, "needs a 'view' or the scorer 'hmcn', found neither"),
        ({"objectives": [RecursiveRegularisation()], **LEXICAL_ALONE}, "recursive"),
        ({"objectives": [TLA(negatives="mined")], "label_encoder": Names()}, "mining"),
        ({"scores": "lexical"}, "scores"),
        ({"parts": ["lexical"]}, "lexical"),
        ({"parts": []}, "parts"),
        ({"parts": ["text_encoder"], "text_encoder": Frozen()}, "frozen"),
        ({"stages": [Stage("a", [BCE()]), Stage("a", [BCE()])]}, "twice"),
        ({"text_encoder": Bag(channels=0)}, "channels"),
        ({"objectives": [BCE(weight=-1.0)]}, "weight"),
    ],
)
def test_parts_that_do_not_fit(changes, word):
    with pytest.raises(ConfigError, match=word):
        Recipe(name="a", **changes)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Training(epochs=0), "'epochs' must be at least 1, found 0"),
        (lambda: Training(head_learning_rate=-1.0), "'head_learning_rate' must not be negative"),
        (lambda: Training(warmup=1.0), "warmup"),
        (lambda: Training(seed=2**32), "seed"),
        (lambda: Bag(char_ngrams=2), "char_ngrams"),
        (lambda: Bag(dropout=1.0), "dropout"),
        (lambda: Transformer(max_length=2), "max_length"),
        (lambda: GPTrans(heads=0), "heads"),
        (lambda: GAT(refresh=0), "refresh"),
        (lambda: Graphormer(samples=-1), "samples"),
        (lambda: TreeSweep(dropout=1.0), "dropout"),
        (lambda: Features(id_channels=-1), "id_channels"),
        (lambda: TLA(temperature=0.0), "temperature"),
        (lambda: Lexical(max_weights=0), "max_weights"),
    ],
)
def test_values_out_of_range(make, word):
    with pytest.raises(ConfigError, match=word):
        make()


def test_suggestion_ends_the_sentence():
    assert suggestion("epoks", ["epochs", "seed"]) == "; did you mean 'epochs'?"
    assert suggestion("zzz", ["epochs"]) == "."


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["label_encoder=learned", "scorer=dot"],
        ["label_encoder=names", "scorer=additive"],
        ["label_encoder=gptrans", "scorer=dot", "label_encoder.heads=2", "label_encoder.edge_channels=3"],
        ["label_encoder=names", "label_encoder.ids=true", "label_encoder.text=path", "scorer.name=linear"],
        ["label_encoder=features", "label_encoder.id_channels=2", "scorer=dot"],
        ["label_encoder=gat", "scorer=dot", "label_encoder.heads=2", "label_encoder.cached=true"],
        ["label_encoder=gat", "scorer=dot", "label_encoder.faithful=true", "label_encoder.text=name+description"],
        ["label_encoder=graphormer", "scorer=dot", "label_encoder.heads=2", "label_encoder.path=false"],
        ["label_encoder=graphormer", "scorer=additive", "label_encoder.heads=2", "label_encoder.faithful=true"],
        ["label_encoder=gptrans", "scorer=dot", "label_encoder.heads=2", "label_encoder.form=edges"],
        ["label_encoder=gptrans", "scorer=dot", "label_encoder.heads=2", "label_encoder.cached=true"],
        ["label_encoder=tree_sweep", "scorer=dot", "label_encoder.heads=2"],
        ["lexical={}", "text_encoder.char_ngrams=3"],
        ["objectives=[{name: zlpr}, {name: squared_hinge, weight: 0.5}]"],
    ],
)
def test_every_axis_builds(toy_graph, settings):
    recipe = Recipe(name="a", text_encoder=Bag(channels=8)).override(settings)
    texts = [f"w{i} w{i + 1} w{i + 1}" for i in range(20)]
    encoder = build_text_encoder(recipe, texts)
    model = build_model(recipe, toy_graph, encoder)
    batch = encoder.collate(encoder.prepare(texts[:4]))
    out = model(batch, torch.zeros(4, 9))
    assert out["logits"].shape == (4, 9)
    out["loss"].backward()
    assert count_parameters(model) == sum(parameter.numel() for parameter in model.parameters())
    assert isinstance(recipe.label_encoder, LabelEncoderOptions | None)


def test_heads_that_do_not_fit_the_text_encoder(toy_graph):
    recipe = Recipe(name="a", text_encoder=Bag(channels=8)).override(["label_encoder=gptrans", "scorer=dot"])
    encoder = build_text_encoder(recipe, ["w1 w2 w2", "w1 w1"])
    with pytest.raises(
        ConfigError, match=r"'label_encoder\.heads' must divide .*, 8, but got 12\. Add --set .*heads=8"
    ):
        build_model(recipe, toy_graph, encoder)
