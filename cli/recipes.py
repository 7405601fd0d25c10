"""`hgraph recipes`."""

import click

from hgraph.recipes import Recipe, recipe_names, recipe_source


@click.group("recipes")
def command() -> None:
    """List the recipes, or show one as YAML to edit.

    \b
    Examples:
      hgraph recipes list
      hgraph recipes show htla > my.yaml
      hgraph recipes ablations htla
      hgraph train --recipe my.yaml ...
    """


@command.command("list")
def list_recipes() -> None:
    """Name and purpose of every recipe."""
    width = max(map(len, recipe_names()))
    for name in recipe_names():
        click.echo(f"{name:{width}s}  {Recipe.load(name).description}")


@command.command("ablations")
@click.argument("name")
def list_ablations(name: str) -> None:
    """What the recipe NAME can be trained without: `hgraph train --ablate PART`."""
    from hgraph.cli.options import table
    from hgraph.recipes.ablations import ablations_of

    rows = [[part, ablation.description] for part, ablation in ablations_of(Recipe.load(name)).items()]
    click.echo(table([["part", "what is left out"], *rows]))


@command.command("show")
@click.argument("name")
@click.option("--full", is_flag=True, help="With every key and its default value.")
def show(name: str, full: bool) -> None:
    """The recipe NAME as YAML."""
    recipe = Recipe.load(name)
    click.echo(recipe.to_yaml() if full else recipe_source(name), nl=False)
