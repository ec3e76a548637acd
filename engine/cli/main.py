"""The entry point: global options, the groups, and errors as one line with the right exit code."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from engine import __version__
from engine.cli import curate, endpoint, image, intents, meters, model, reader, runs, setup, taxonomy
from engine.cli.base import Session, say
from engine.errors import InputError, StudioError, one_line
from engine.paths import default_project


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--project",
    "root",
    type=click.Path(path_type=Path),
    default=None,
    help="The project folder; default $ISE_PROJECT, else data/projects/demo.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON value on stdout and nothing else there."
)
@click.version_option(__version__, prog_name="ise-studio")
@click.pass_context
def cli(context: click.Context, root: Path | None, as_json: bool) -> None:
    """Make, look at, judge and export execution-grounded training data for OS agents."""
    context.obj = Session(root or default_project(), as_json)


for module in (setup, endpoint, model, taxonomy, intents, runs, curate, meters, reader, image):
    for command in module.COMMANDS:
        cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Runs one command and exits: 0 done, 1 the work failed, 2 the words or the input are wrong."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_run(_json_first(words)))


def _json_first(words: list[str]) -> list[str]:
    """`--json` may stand anywhere before a `--`; it is read first."""
    end = words.index("--") if "--" in words else len(words)
    if "--json" not in words[:end]:
        return words
    return ["--json", *(w for i, w in enumerate(words) if w != "--json" or i >= end)]


def _run(words: list[str]) -> int:
    try:
        result = cli.main(args=words, prog_name="ise-studio", standalone_mode=False)
    except StudioError as error:
        return _fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help(), err=True)
        return InputError.exit_code
    except click.ClickException as error:
        return _fail(_usage_line(error), InputError.exit_code)
    except click.Abort:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        return _fail(_system_line(error), 1)
    return result if isinstance(result, int) else 0


def _system_line(error: OSError) -> str:
    """The system's refusal in one line: what it is about and what it says."""
    where = f"{error.filename}: " if error.filename else ""
    reason = (error.strerror or str(error)).lower()
    return f"{where}{reason}: look at its permissions, the disk and the current folder, then try again"


def _usage_line(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    where = f" (see '{context.command_path} --help')" if context else ""
    return f"{error.format_message()}{where}"


def _fail(message: str, code: int) -> int:
    say(f"error: {one_line(message, 2000)}")
    return code
