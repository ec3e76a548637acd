"""Commands about the image that the Docker backend makes workspaces of."""

from __future__ import annotations

import click

from engine.cli.base import Session, pass_session, say


@click.group()
def image() -> None:
    """The image of workspaces under Docker."""


@image.command()
@click.option("--name", default="ise-workspace", show_default=True, help="As under [docker] in project.toml.")
@click.option(
    "--from-host", is_flag=True, help="Take this host's Debian packages: no registry and no download."
)
@pass_session
def build(session: Session, name: str, from_host: bool) -> None:
    """Build it with the Docker engine of this machine."""
    from engine.execute.workspaces.image import build_image, import_host
    from engine.paths import data_dir

    image_id = (import_host if from_host else build_image)(data_dir() / "image", name, say)
    session.answer({"image": name, "image_id": image_id}, f"made {name} ({image_id})")


COMMANDS = (image,)
