"""Recipes without a part: what is left, what is refused, and what names and encodings do without theirs."""

from dataclasses import replace

import pytest
import torch

from hgraph.data.label_documents import exchanged
from hgraph.errors import ConfigError
from hgraph.recipes import Recipe, recipe_names, train
from hgraph.recipes.ablations import ablate, ablations_of
from hgraph.recipes.builders import build_model, build_text_encoder
from hgraph.recipes.label_encoder_options import GAT, Features, GPTrans, Learned, Names, TreeSweep
from hgraph.recipes.run import prepare
from hgraph.recipes.text_encoder_options import Bag
from hgraph.recipes.training_options import Neighbours
from hgraph.recipes.view_options import Dropout

HTLA = Recipe.load("htla")


def names_of(recipe):
    return [objective.name for objective in recipe.objectives]


def test_what_htla_can_do_without():
    assert list(ablations_of(HTLA)) == ["graph", "names", "random-names", "distance", "path", "bce", "tla"]
    assert list(ablations_of(Recipe.load("flat"))) == ["bce"]
    assert "stages" not in ablations_of(HTLA) and "view" not in ablations_of(HTLA)


@pytest.mark.parametrize("name", recipe_names())
def test_every_ablation_of_every_recipe_changes_it_and_stays_a_recipe(name):
    recipe = Recipe.load(name)
    for part, ablation in ablations_of(recipe).items():
        assert ablation.description and "\n" not in ablation.description
        if part in names_of(recipe) and len(recipe.objectives) == 1:
            continue
        if recipe.conditional is not None and part == "conditional":
            continue  # a model made of its objective is none without it
        without = ablate(recipe, [part])
        assert replace(without, description=recipe.description) != recipe
        assert without.description.endswith(f"Ablated: {part}.")
        assert part not in ablations_of(without)
        assert Recipe.parse(without.to_yaml(), "here") == without


def test_no_graph_leaves_names_and_ids():
    for config in (GAT(ids=False, text="path"), GPTrans(), TreeSweep()):
        without = ablate(replace(HTLA, label_encoder=config), ["graph"])
        assert without.label_encoder == Names(text=config.text, ids=config.ids)
        assert names_of(without) == ["bce", "tla"]
    assert ablate(replace(HTLA, label_encoder=Features()), ["graph"]).label_encoder == Features(structure=False)


def test_no_names_leave_a_free_vector():
    assert ablate(HTLA, ["names"]).label_encoder == replace(HTLA.label_encoder, text="none", ids=True)
    assert ablate(replace(HTLA, label_encoder=Names()), ["names"]).label_encoder == Learned()
    features = ablate(replace(HTLA, label_encoder=Features()), ["names"]).label_encoder
    assert features == Features(text="none", id_channels=64)
    assert not ablate(Recipe.load("lexical"), ["names"]).training.label_documents
    assert ablate(HTLA, ["names", "graph"]).label_encoder == Names(text="none", ids=True)


def test_encodings():
    assert not ablate(HTLA, ["distance"]).label_encoder.distance
    assert not ablate(HTLA, ["path"]).label_encoder.path
    assert ablate(HTLA, ["edges"]).label_encoder == ablate(HTLA, ["path"]).label_encoder


def test_objectives_go_from_stages_too():
    staged = HTLA.override(
        ["stages=[{name: a, objectives: [{name: hmcl}]}, {name: b, objectives: [{name: bce}, {name: hmcl}]}]"]
    )
    without = ablate(staged, ["hmcl"])
    assert [stage.name for stage in without.stages] == ["b"] and len(without.stages[0].objectives) == 1
    assert ablate(staged, ["stages"]).stages == []
    mined = HTLA.override(["mining={}", "objectives=[{name: bce}, {name: tla, negatives: mined}]"])
    assert ablate(mined, ["tla"]).mining is None and ablate(mined, ["graph"]).mining is not None


def test_hbgl_without_pre_training_and_without_names():
    recipe = Recipe.load("hbgl")
    assert list(ablations_of(recipe)) == ["random-names", "stages", "bce"]
    assert ablate(recipe, ["stages"]).model == replace(recipe.model, steps=0)
    assert ablate(recipe, ["random-names"]).random_names


def test_the_view_goes_with_what_needs_it():
    viewed = replace(HTLA, view=Dropout()).override(
        ["objectives=[{name: bce}, {name: nt_xent}, {name: branch_bce}, {name: tla}]"]
    )
    without = ablate(viewed, ["view"])
    assert without.view is None and names_of(without) == ["bce", "tla"]


@pytest.mark.parametrize(
    ("recipe", "names", "words"),
    [
        ("flat", ["graph"], r"--ablate: the recipe 'flat' has no 'graph' to leave out\. It has: bce\."),
        ("htla", ["tlb"], r"has no 'tlb' to leave out; did you mean 'tla'\? It has: graph, names, random-names, "),
        ("htla", ["graph", "graph"], "has no 'graph' to leave out"),
        ("htla", ["graph", "distance"], "has no 'distance' to leave out"),
        ("flat", ["bce"], "--ablate bce: 'objectives' of the recipe must name at least one objective, found none"),
    ],
)
def test_what_a_recipe_does_not_have_is_named(recipe, names, words):
    with pytest.raises(ConfigError, match=words):
        ablate(Recipe.load(recipe), names)


def test_exchanged_names_are_all_there_and_none_is_in_its_place():
    for size in (2, 3, 50):
        for seed in range(5):
            texts = [str(i) for i in range(size)]
            other = exchanged(texts, seed)
            assert sorted(other) == sorted(texts) and all(a != b for a, b in zip(texts, other, strict=True))
    assert exchanged(list("abcdef"), 1) == exchanged(list("abcdef"), 1) != exchanged(list("abcdef"), 2)
    assert exchanged([]) == []


TEXTS = [f"w{i} w{i + 1} w{i + 1}" for i in range(20)]


def built(recipe, graph):
    torch.manual_seed(0)
    encoder = build_text_encoder(recipe, TEXTS)
    return encoder, build_model(recipe, graph, encoder)


def bag(*settings):
    base = Recipe(name="a", text_encoder=Bag(channels=8))
    return base.override(["scorer=additive", *settings])


def test_random_names_reach_the_label_encoder(toy_graph):
    recipe = bag("label_encoder=names")
    _, model = built(recipe, toy_graph)
    _, other = built(ablate(recipe, ["random-names"]), toy_graph)
    vectors, random = model.label_vectors(), other.label_vectors()
    order = [toy_graph.name.index(name) for name in exchanged(toy_graph.name, recipe.training.seed)]
    torch.testing.assert_close(random, vectors[order])
    assert not torch.equal(random, vectors)


def test_random_names_reach_the_label_documents(toy_graph, toy_corpora, toy_recipes):
    recipe = toy_recipes["lexical"]
    documents = {}
    for key in (False, True):
        _, dataset = prepare(replace(recipe, random_names=key), toy_graph, toy_corpora["train"])
        documents[key] = [dataset[len(dataset) - 9 + label]["features"] for label in range(9)]
    assert sum(len(columns) > 0 for columns, _ in documents[False]) >= 5
    order = [toy_graph.name.index(name) for name in exchanged(toy_graph.name, recipe.training.seed)]
    for label, (columns, values) in enumerate(documents[True]):
        own = documents[False][order[label]]
        assert columns.tolist() == own[0].tolist() and values.tolist() == own[1].tolist()


@pytest.mark.parametrize("encoder", ["gat", "graphormer", "gptrans", "tree_sweep"])
def test_labels_without_names_are_free_vectors_on_the_graph(toy_graph, encoder):
    recipe = bag(f"label_encoder={encoder}", "label_encoder.heads=2")
    encoder, model = built(ablate(recipe, ["names"]), toy_graph)
    assert not model._label_batch_names
    out = model(encoder.collate(encoder.prepare(TEXTS[:4])), torch.ones(4, 9))
    out["loss"].backward()
    assert model.label_encoder.node_encoder.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("encoder", ["graphormer", "gptrans"])
@pytest.mark.parametrize("form", ["dense", "all_pairs", "edges"])
def test_what_an_encoding_leaves_out_plays_no_part(toy_graph, encoder, form):
    """All pairs are alike without distance and path; without one of them, the other still tells them apart."""
    recipe = bag(f"label_encoder={encoder}", "label_encoder.heads=2", f"label_encoder.form={form}")
    states = {}
    for names in ((), ("distance",), ("path",), ("distance", "path")):
        _, model = built(ablate(recipe, names), toy_graph)
        model.label_encoder.reset_parameters()
        pairs = model.label_encoder.edge_states()
        states[names] = (pairs if isinstance(pairs, torch.Tensor) else pairs.dense()).detach()
        table = dict(model.label_encoder.edge_encoding.named_parameters())
        frozen = [key for key, parameter in table.items() if not parameter.requires_grad]
        assert frozen == (
            []
            if "distance" not in names
            else ["level_embedding.weight" if form == "edges" else "distance_embedding.weight"]
        )
    if form != "edges":
        assert not states["distance", "path"].any()
        assert states["distance",].any() and states["path",].any()
        near, far = (states["path",][0, toy_graph.label_id.index(other)] for other in ("A1", "B1"))
        assert states["path",][0, 0].abs().sum() == 0 and not torch.equal(near, far)


def test_ablations_train(toy_graph, toy_corpora, toy_recipes, tmp_path):
    recipe = ablate(toy_recipes["htla"].override(["epochs=1"]), ["graph", "random-names", "tla"])
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    assert "Ablated: graph, random-names, tla." in (run.folder / "recipe.yaml").read_text()


def test_neighbours_are_no_ablation():
    """What `--set neighbours=null` does needs no name of its own."""
    recipe = Recipe.load("wide_deep")
    assert isinstance(recipe.neighbours, Neighbours) and "neighbours" not in ablations_of(recipe)
