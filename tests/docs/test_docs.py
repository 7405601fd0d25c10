"""The documentation says what the program does: every recipe key, and commands that parse."""

import doctest
import re
import shlex
from dataclasses import MISSING, fields
from pathlib import Path
from typing import get_args

import click
import pytest

from hgraph.cli.main import COMMANDS, cli
from hgraph.recipes import label_encoder_options as labels
from hgraph.recipes import model_options as m
from hgraph.recipes import objective_options as o
from hgraph.recipes import recipe as r
from hgraph.recipes import recipe_names
from hgraph.recipes import scorer_options as sc
from hgraph.recipes import text_encoder_options as e
from hgraph.recipes import training_options as t
from hgraph.recipes import view_options as v

ROOT = Path(__file__).parents[2]
SECTIONS = {
    "Training": t.Training,
    "levels": t.Levels,
    "balanced": t.Balanced,
    "stage": t.Stage,
    "mining": t.Mining,
    "shortlist": t.Shortlist,
    "neighbours": t.Neighbours,
    **{member.name: member for member in get_args(e.TextEncoderOptions)},
    **{member.name: member for member in get_args(labels.LabelEncoderOptions)},
    **{member.name: member for member in get_args(sc.ScorerOptions)},
    "hbgl": m.HBGL,
    "cascade_xml": m.CascadeXML,
    "xr_linear": m.XRLinear,
    "xr_transformer": m.XRTransformer,
    "lexical": e.Lexical,
    **{member.name: member for member in get_args(o.ObjectiveOptions)},
    "label_guided": v.LabelGuided,
}
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/alignment.md",
    "docs/editing.md",
    "docs/formats.md",
    "docs/hierarchy.md",
    "docs/inspect.md",
    "docs/label-encoders.md",
    "docs/label-trees.md",
    "docs/recipes.md",
    "docs/reproduction.md",
    "docs/results.md",
    "docs/transforms.md",
    "docs/xmc-formats.md",
    "examples/README.md",
]
RUNNABLE = ["docs/transforms.md"]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def documented(section):
    """Keys and defaults in the table below a heading of docs/recipes.md."""
    body = re.search(rf"^##+ {section}\n(.*?)(?=^#|\Z)", read("docs/recipes.md"), re.M | re.S)
    assert body, f"docs/recipes.md has no section {section!r}"
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", body[1], re.M))


def shown(default):
    return "null" if default is None else str(default).lower() if isinstance(default, bool) else str(default)


def default_of(field):
    if field.default is not MISSING:
        return shown(field.default)
    if field.default_factory is MISSING:
        return "required"
    made = field.default_factory()
    return "see above" if isinstance(made, t.Training) else shown(getattr(made, "name", made))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_recipe_key_is_documented_with_its_default(section):
    assert documented(section) == {field.name: default_of(field) for field in fields(SECTIONS[section])}


def test_the_default_rate_of_lexical_weights_is_that_of_the_docstring():
    factor = re.search(r"([\d.]+) sqrt\(documents / ([\d,]+)\)", t.Training.__doc__)
    assert f"{factor[1]} √(documents / {factor[2]})" in read("docs/recipes.md")


def test_every_axis_of_a_recipe_is_documented():
    assert list(documented("Recipe")) == [field.name for field in fields(r.Recipe)]
    required = [field.name for field in fields(r.Recipe) if field.default is field.default_factory is MISSING]
    assert [key for key, default in documented("Recipe").items() if default == "required"] == required


def test_every_recipe_and_command_is_mentioned():
    for page in ("README.md", "docs/recipes.md"):
        for name in recipe_names():
            assert f"`{name}`" in read(page), f"{page}: {name}"
    for command in COMMANDS:
        assert f"hgraph {command}" in read("README.md"), command


def commands():
    """(page, command line) of every line in a code block that begins with `hgraph`, perhaps after a prompt."""
    for page in PAGES:
        for block in re.findall(r"^```(?:bash|console|text)?\n(.*?)^```", read(page), re.M | re.S):
            for line in block.replace("\\\n", " ").splitlines():
                if match := re.match(r"(?:\$ )?(?:torchrun .*? -m hgraph\.cli\.main|hgraph) (.*)", line):
                    yield page, match[1]


@pytest.mark.parametrize(("page", "line"), list(commands()))
def test_every_command_parses(page, line):
    arguments = []
    for word in shlex.split(line, comments=True):
        if word in (">", "|", "2>", "&&"):
            break
        arguments.append(word)
    command, context = cli, None
    while isinstance(command, click.Group):
        name, *arguments = arguments
        # A command keeps the help option of the first context it sees.
        settings = cli.context_settings if context is None else {}
        context = click.Context(cli if context is None else command, info_name=name, parent=context, **settings)
        command = command.get_command(context, name)
        assert command is not None, f"{page}: there is no command {name!r}"
    command.make_context(name, arguments, parent=context)  # raises UsageError for an unknown option


def test_the_readme_has_commands():
    assert sum(page == "README.md" for page, _ in commands()) >= 5


@pytest.mark.parametrize("page", [*PAGES, "docs/architecture.md", "CHANGELOG.md"])
def test_links_to_files_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", read(page)):
        assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"


def test_modules_of_the_architecture_exist():
    for module in re.findall(r"`(hgraph(?:\.\w+)+)`", read("docs/architecture.md")):
        path = ROOT.joinpath(*module.split("."))
        known = path.is_dir() or path.with_suffix(".py").exists() or module in ("hgraph.cli", "hgraph.taxonomies")
        assert known, module


@pytest.mark.parametrize("page", RUNNABLE)
def test_examples_of_the_documentation_run(page):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    failed, run = doctest.testfile(str(ROOT / page), module_relative=False, optionflags=flags)
    assert run > 5 and not failed


def test_python_of_the_alignment_page_runs():
    blocks = re.findall(r"^```python\n(.*?)^```", read("docs/alignment.md"), re.M | re.S)
    names: dict = {}
    for block in blocks:
        exec(block, names)
    assert len(blocks) >= 3 and names["scores"].shape == (4, 5) and names["mined"].ids.shape == (4, 2)


def test_python_of_the_label_encoder_page_runs():
    blocks = re.findall(r"^```python\n(.*?)^```", read("docs/label-encoders.md"), re.M | re.S)
    names: dict = {}
    for block in blocks:
        exec(block, names)
    assert len(blocks) >= 3 and names["vectors"].shape == (4, 64)


def test_python_of_the_label_tree_page_runs():
    blocks = re.findall(r"^```python\n(.*?)^```", read("docs/label-trees.md"), re.M | re.S)
    names: dict = {}
    for block in blocks:
        exec(block, names)
    assert names["tree"].kind.count("label") == 60 and names["tree"].kind.count("cluster") > 4
