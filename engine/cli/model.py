"""Commands about a small model of this machine."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.base import Session, pass_session, say


@click.group()
def model() -> None:
    """A small chat model of this machine."""


@model.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), default=None, help="Default: 8080, else the next free."
)
@click.option("--threads", type=click.IntRange(1, 256), default=None, help="Default: every usable core.")
@click.option(
    "--context",
    type=click.IntRange(1024, 131_072),
    default=8192,
    show_default=True,
    help="Tokens that one chat may hold.",
)
@click.option(
    "--weights",
    "own",
    type=click.Path(path_type=Path),
    default=None,
    help="A GGUF file of your own; default the one of 'weights --chat'.",
)
@pass_session
def serve(session: Session, port: int | None, threads: int | None, context: int, own: Path | None) -> None:
    """Serve the model on 127.0.0.1 until Ctrl-C, and print what project.toml needs to use it."""
    from engine.providers.local_model import (
        LocalModel,
        chat_weights,
        served,
        stay_until_ctrl_c,
        usable_cores,
    )
    from engine.serve import free_port

    chosen = LocalModel(chat_weights(own), free_port(port, first=8080), threads or usable_cores(), context)
    say(f"loading {chosen.weights}")
    with served(chosen):
        session.answer(
            {"base_url": chosen.base_url, "model": chosen.name, "project_toml": chosen.project_lines},
            f"# {chosen.name} answers. In project.toml, user and agent above the first [table]:\n"
            f"{chosen.project_lines}",
        )
        say("Ctrl-C ends it")
        stay_until_ctrl_c()


COMMANDS = (model,)
