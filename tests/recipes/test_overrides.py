"""`--set` into lists: objectives and stages by their names."""

import pytest

from hgraph.errors import ConfigError
from hgraph.recipes import Recipe
from hgraph.recipes.objective_options import HMCL, TLA, LevelMargin

HTLA = Recipe.load("htla")
STAGED = HTLA.override(["stages=[{name: first, objectives: [{name: hmcl}], training: {epochs: 3}}]"])


def test_objectives_and_stages_by_name():
    recipe = HTLA.override(["objectives.tla.weight=0.5", "objectives.tla.negatives=level"])
    assert recipe.objectives[1] == TLA(weight=0.5, negatives="level")
    assert recipe.objectives[0] == HTLA.objectives[0]
    staged = STAGED.override(["stages.first.training.epochs=7", "stages.first.objectives.hmcl.temperature=0.5"])
    assert staged.stages[0].training.epochs == 7 and staged.stages[0].objectives == [HMCL(temperature=0.5)]
    assert STAGED.override(["stages.first.name=second"]).stages[0].objectives == [HMCL()]
    assert HTLA.objectives[1].weight == 1.0, "the recipe itself stays as it is"


def test_another_objective_starts_from_its_own_defaults():
    recipe = HTLA.override(["objectives.tla.name=level_margin", "objectives.level_margin.weight=2"])
    assert recipe.objectives[1] == LevelMargin(weight=2.0)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("objectives.tlb.weight=1", r"--set: 'objectives' has no 'tlb'; did you mean 'tla'\? It has: bce, tla\."),
        ("objectives.tla.wieght=1", r"--set: objectives\[1\]: unknown key 'wieght'; did you mean 'weight'\?"),
        ("objectives.tla.weight=a", r"--set: objectives\[1\].weight: expected a number, found 'a'"),
        (
            "objectives.tla=1",
            r"'objectives.tla' is a member of a list: name one of its keys, .*objectives.tla.weight=0.5",
        ),
        ("objectives.tla.temperature.x=1", "there is no key 'objectives.tla.temperature.x'"),
        ("stages.first.training.epochs=1", "'stages' has no 'first'. It has: none."),
        ("parts.a.b=1", "--set: there is no key 'parts.a.b'"),
        ("training.sampler.x=1", r"unknown key 'x'"),
    ],
)
def test_wrong_paths_are_named(setting, words):
    with pytest.raises(ConfigError, match=words):
        HTLA.override(["parts=[scorer]", setting])


def test_a_name_that_stands_twice_is_refused():
    twice = HTLA.override(["objectives=[{name: tla}, {name: tla, negatives: level}]"])
    with pytest.raises(ConfigError, match=r"'objectives' has 'tla' 2 times\. Set the whole list\."):
        twice.override(["objectives.tla.weight=1"])
