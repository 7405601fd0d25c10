"""Entry point of the `hgraph` command."""

import contextlib
import errno
import importlib
import logging
import os
import sys

import click

from hgraph import __version__
from hgraph.errors import HGraphError

COMMANDS = {
    "build-taxonomy": ("build_taxonomy", "Read a label hierarchy, check it and write it."),
    "inspect": ("inspect_taxonomy", "Look at a label hierarchy: as a tree, a web page or a picture."),
    "diff": ("diff", "Compare two versions of a label hierarchy."),
    "convert": ("convert", "Convert a data set of the literature to a corpus."),
    "train": ("train", "Train a model on labelled documents."),
    "sweep": ("sweep", "Train a recipe with many values of its keys, and keep the best model."),
    "evaluate": ("evaluate", "Measure one or more models on labelled documents."),
    "predict": ("predict", "Classify texts: label ids, names, paths and probabilities."),
    "ensemble": ("ensemble", "Combine the scores of several models."),
    "negatives": ("negatives", "Compare strategies of mining hard negative labels with a model."),
    "update": ("update", "Move a model to a newer version of its label hierarchy."),
    "export": ("export", "Write a model as an ONNX file."),
    "recipes": ("recipes", "List the recipes, or show one as YAML to edit."),
    "taxonomies": ("taxonomies", "List the label hierarchies that come with hgraph."),
    "doctor": ("doctor", "Print versions and hardware, and say what is missing."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they run, so that `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of a first use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command."""
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"hgraph.cli.{COMMANDS[cmd_name][0]}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the nearest one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"there is no command '{args[0]}'.{hint} Commands: {', '.join(COMMANDS)}.")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="hgraph")
def cli() -> None:
    """Multi-label text classification when the labels form a hierarchy.

    \b
    A first model:
      hgraph build-taxonomy labels.csv -o taxonomy.json
      hgraph train --taxonomy taxonomy.json --train train.jsonl --val val.jsonl -o runs/first
      hgraph evaluate runs/first --data test.jsonl
      hgraph predict runs/first --text "Repair brakes on freight trains."
    """


def main() -> None:
    """Run the command; wrong input ends with one line on standard error and exit code 2."""
    _quiet_libraries()
    try:
        cli.main(prog_name="hgraph", standalone_mode=False)
        # A full disk behind standard output shows here, and must not pass for success.
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        usage = getattr(error, "ctx", None)
        hint = f" See `{usage.command_path} --help`." if usage is not None else ""
        _fail(f"{error.format_message()}{hint}")
    except HGraphError as error:
        _fail(str(error))
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nStopped.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of a pipe went away, as `| head` does.
        _silence_stdout()
        sys.exit(0)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        if error.errno == errno.ENOSPC and not where:
            where = "standard output: "
            _silence_stdout()
        _fail(f"{where}{error.strerror or error}.")


def _fail(message: str) -> None:
    click.echo(f"Error: {' '.join(message.split())}", err=True)
    sys.exit(2)


def _silence_stdout() -> None:
    """Send what is still buffered nowhere, or the interpreter complains about it at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _quiet_libraries() -> None:
    """hgraph's own messages on standard error; libraries only when something is wrong."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    # Of several processes one speaks.
    logging.getLogger("hgraph").setLevel(logging.INFO if os.environ.get("RANK", "0") == "0" else logging.ERROR)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "0")
    os.environ.setdefault("DATASETS_VERBOSITY", "error")


if __name__ == "__main__":
    main()
