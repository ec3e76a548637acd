"""The image that the Docker backend makes workspaces of: by its Dockerfile, or of this host's packages."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.errors import SandboxError, one_line
from engine.execute.workspaces.docker_engine import Engine, explained, find_engine, inspect_image
from engine.execute.workspaces.host_packages import packed_tree
from engine.schema.sandbox import DockerSettings

CHANGES = ["USER 1000:1000", "WORKDIR /workspace", 'CMD ["bash"]']
_NO_REGISTRY = (
    "look at the lines above; where no registry is at hand, 'ise-studio image build --from-host' does"
)

Say = Callable[[str], None]


def build_image(folder: Path, name: str, say: Say) -> str:
    """The id of the image that `folder`'s Dockerfile makes; the engine fetches its base from a registry.

    Raises:
        SandboxError: No engine answers, or the build fails; its output went to `say`.
    """
    engine = find_engine()
    before = inspect_image(engine, checked(name))
    with explained("the image cannot be built", _NO_REGISTRY):
        for event in engine.api.build(path=str(folder), tag=name, rm=True, forcerm=True, decode=True):
            if said := str(event.get("stream", "")).rstrip():
                say(said)
            if "error" in event:
                raise SandboxError(
                    f"the image cannot be built ({one_line(event['error'], 160)}): {_NO_REGISTRY}"
                )
    return _replaced(engine, before, name)


def import_host(folder: Path, name: str, say: Say) -> str:
    """The id of an image made of what this host's packages hold: no registry and no download.

    Raises:
        SandboxError: No engine answers, this host has no dpkg, or lacks what all workspaces need.
    """
    engine = find_engine()
    before = inspect_image(engine, checked(name))
    lines = (folder / "packages.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            missing = packed_tree(tar, wanted)
        if missing:
            say(f"not on this host and so not in the image: {', '.join(missing)}")
        say(f"importing {file.tell() / 1e6:.0f} MB")
        file.seek(0)
        with explained("the image cannot be imported", "look at the engine's own log and its free disk"):
            repository, _, tag = name.partition(":")
            engine.api.import_image(src=file, repository=repository, tag=tag or "latest", changes=CHANGES)
    return _replaced(engine, before, name)


def checked(name: str) -> str:
    """The name, once it is one that a project may hold."""
    return DockerSettings(image=name).image


def _replaced(engine: Engine, before: dict[str, Any] | None, name: str) -> str:
    """The new image's id; the one that bore its name before goes, unless something else holds it."""
    import docker.errors

    now = inspect_image(engine, name)
    if now is None:
        raise SandboxError(f"the engine did not keep the image {name}: look at its own log and its free disk")
    if before is not None and before["Id"] != now["Id"]:
        with suppress(docker.errors.APIError):
            engine.api.remove_image(before["Id"])
    return str(now["Id"])
