"""What a sweep tries: reading, bounds, grids."""

import pytest

from hgraph.errors import ConfigError
from hgraph.recipes import Recipe
from hgraph.recipes.search_space import Choices, Range, parse_space, setting
from hgraph.recipes.sweep_study import Study, grid_of

HTLA = Recipe.load("htla")


@pytest.mark.parametrize(
    ("param", "expected"),
    [
        ("objectives.tla.weight=0:2", Range(0, 2)),  # whole numbers, but a weight is real
        ("learning_rate=1e-5:1e-3:log", Range(1e-5, 1e-3, log=True)),
        ("training.batch_size=8:32:8", Range(8, 32, step=8, whole=True)),
        ("label_encoder.layers=1:3", Range(1, 3, whole=True)),
        ("objectives.tla.temperature=0.05,0.07,1e-1", Choices((0.05, 0.07, 0.1))),
        ("objectives.tla.negatives=all,level", Choices(("all", "level"))),
        ("training.prior_bias=true,false", Choices((True, False))),
        ("objectives.tla.num_negatives=null,3", Choices((None, 3))),
    ],
)
def test_parameters(param, expected):
    assert list(parse_space([param], HTLA).values()) == [expected]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ([], "--param: expected at least one"),
        (["learning_rate"], "--param: expected KEY=LOW:HIGH"),
        (["learning_rate=3"], "Use --set for one value"),
        (["learning_rate=1,1"], "two different values"),
        (["learning_rate=2:1"], "LOW below HIGH"),
        (["learning_rate=0:1:log"], "above 0 for log"),
        (["learning_rate=0:1:2"], "a STEP between"),
        (["learning_rate=0:1:lin"], "--param: expected KEY=LOW:HIGH"),
        (["learning_rate=0:nan"], "--param: expected KEY=LOW:HIGH"),
        (["learning_rate=0:1:log:3"], "--param: expected KEY=LOW:HIGH"),
        (["learning_rate=0:1", "learning_rate=0:2"], "'learning_rate' is given twice"),
        (["learning_rat=0:1"], r"--param learning_rat: there is no key 'learning_rat'; did you mean 'learning_rate'\?"),
        (["learning_rate=-1:1"], "--param learning_rate: training: 'learning_rate' must not be negative, found -1"),
        (["objectives.tl.weight=0:1"], r"--param objectives.tl.weight: 'objectives' has no 'tl'; did you mean 'tla'\?"),
        (["objectives.tla.negatives=all,levels"], "expected one of all, level"),
        (["epochs=1:2:0.5"], "expected a whole number"),
        (["scorer=[a],b"], "plain values"),
    ],
)
def test_wrong_parameters_are_named(params, words):
    with pytest.raises(ConfigError, match=words) as caught:
        parse_space(params, HTLA)
    assert "\n" not in str(caught.value)


def test_what_is_tried_is_what_the_recipe_gets():
    for value in (1e-05, 0.1, 3, True, None, "all"):
        key = {True: "fuse", None: "learning_rate"}.get(value, "name")
        assert setting(key, value).startswith(f"{key}=")
    recipe = HTLA.override([setting("learning_rate", 1e-05), setting("objectives.tla.num_negatives", None)])
    assert recipe.training.learning_rate == 1e-5 and recipe.objectives[1].num_negatives is None


@pytest.mark.parametrize("text", ["0:1:0.3", "1:9:3"])
def test_steps_end_at_the_last_that_they_reach(text, tmp_path):
    """A sampler tries what a grid tries: 0.9 and not 1, 7 and not 9."""
    key = "objectives.tla.weight" if "." in text else "epochs"
    space = parse_space([f"{key}={text}"], HTLA)
    study = Study(tmp_path / "study.log", space, grid=False, seed=0, prune=False)
    drawn = set()
    for number in range(40):
        trial = study.ask(number)
        study.tell(trial, "complete", 0.0)
        drawn.add(round(trial.params[key], 6))
    assert drawn == {point[key] for point in grid_of(space)}


def test_grids():
    space = parse_space(["objectives.tla.weight=0:0.3:0.1", "epochs=2:4:2"], HTLA)
    grid = grid_of(space)
    assert [point["objectives.tla.weight"] for point in grid[::2]] == [0.0, 0.1, 0.2, 0.3]
    assert [point["epochs"] for point in grid[:2]] == [2, 4] and isinstance(grid[0]["epochs"], int)
    assert len(grid) == 8
    with pytest.raises(ConfigError, match="'learning_rate' is a range without steps"):
        grid_of(parse_space(["learning_rate=0:1"], HTLA))
