"""The Docker engine: reached, asked, its refusals explained, and what dead workers left in it removed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import SandboxError, one_line
from engine.execute.workspaces.owner import is_gone
from engine.schema.sandbox import DockerSettings

if TYPE_CHECKING:
    from docker import APIClient
    from docker.transport import UnixHTTPAdapter

DEFAULT_HOST = "unix:///var/run/docker.sock"
API_TIMEOUT_S = 60.0
OWNER = "ise-studio.owner"
"""The label that marks our containers; its value is the process that made them."""
RUN = "ise-studio.run"

_INSTALL = "'apt-get install docker.io' installs one, 'systemctl start docker' starts it"
_JOIN = "'sudo usermod -aG docker $USER' and a new login mend it"


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers."""

    api: APIClient
    version: str
    kernel: str
    machine: str
    runtimes: tuple[str, ...]
    default_runtime: str
    has_user_namespaces: bool
    """True where the engine puts containers into user namespaces of their own."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that the engine holds."""

    name: str
    image_id: str


Finder = Callable[[], "Engine"]


def find_engine() -> Engine:
    """The engine at $DOCKER_HOST, else at the usual socket.

    Raises:
        SandboxError: None answers, or it is not one of this machine; with the mend.
    """
    import docker

    host = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    if not host.startswith("unix://"):
        raise SandboxError(
            f"the Docker engine at {one_line(host, 80)} is not one of this machine: set DOCKER_HOST to "
            "unix:// and the path of its socket"
        )
    with explained(f"no Docker engine answers at {one_line(host, 80)}", _INSTALL + ", or set DOCKER_HOST"):
        api = docker.APIClient(base_url=host, version="auto", timeout=API_TIMEOUT_S)
        api.mount("http+docker://", _one_pool(host))
        return _known(api, api.info())


def _one_pool(host: str) -> UnixHTTPAdapter:
    """A line to the engine that many threads may use at once.

    The client's own keeps a pool of connections for every path and closes the oldest of 25 even while another
    thread is on it: with twenty containers, each a path or more, requests would break off.
    """
    from docker.transport import UnixHTTPAdapter

    class OnePool(UnixHTTPAdapter):  # type: ignore[misc]
        def get_connection(self, url: str, proxies: object = None) -> object:
            return super().get_connection("http+docker://localhost", proxies)

    return OnePool(f"http+{host}", API_TIMEOUT_S)


def _known(api: APIClient, info: dict[str, Any]) -> Engine:
    if info.get("OSType") != "linux":
        raise SandboxError("the Docker engine runs no Linux containers: switch it to Linux containers")
    options = " ".join(info.get("SecurityOptions") or ())
    return Engine(
        api=api,
        version=str(info["ServerVersion"]),
        kernel=str(info["KernelVersion"]),
        machine=str(info["Architecture"]),
        runtimes=tuple(sorted(info.get("Runtimes") or ())),
        default_runtime=str(info.get("DefaultRuntime") or "runc"),
        has_user_namespaces="name=userns" in options or "name=rootless" in options,
    )


def find_image(engine: Engine, settings: DockerSettings) -> Image:
    """The image that workspaces are made of. None is ever pulled.

    Raises:
        SandboxError: The engine does not hold it, or it asks for volumes; with the mend.
    """
    name = settings.image
    mend = (
        f"'ise-studio image build --name {name}' makes it, and with --from-host where no registry is at hand"
    )
    found = inspect_image(engine, name)
    if found is None:
        raise SandboxError(f"the Docker engine has no image {name}: {mend}")
    if (found.get("Config") or {}).get("Volumes"):
        raise SandboxError(f"the image {name} asks for volumes, which no limit would hold: {mend}")
    return Image(name, str(found["Id"]))


def inspect_image(engine: Engine, name: str) -> dict[str, Any] | None:
    """What the engine says of an image; None where it holds none of this name."""
    import docker.errors

    with explained(f"the image {name} cannot be looked at", "look at the engine's own log"):
        try:
            found: dict[str, Any] = engine.api.inspect_image(name)
        except docker.errors.ImageNotFound:
            return None
    return found


def check_runtime(engine: Engine, runtime: str | None) -> str:
    """The runtime's name as the engine has it.

    Raises:
        SandboxError: The engine knows none of that name.
    """
    if runtime is None:
        return engine.default_runtime
    if runtime not in engine.runtimes:
        raise SandboxError(
            f"the Docker engine knows no runtime {runtime}: use one of {', '.join(engine.runtimes)}, "
            "or add it under 'runtimes' in the engine's daemon.json"
        )
    return runtime


def remove_leftovers(engine: Engine) -> int:
    """Removes the containers of workers that have ended, and says how many there were."""
    with explained("leftover containers cannot be looked for", "look at the engine's own log"):
        found = engine.api.containers(all=True, filters={"label": OWNER})
    gone = [c["Id"] for c in found if is_gone((c.get("Labels") or {}).get(OWNER, ""))]
    for container in gone:
        remove(engine.api, container)
    return len(gone)


def remove(api: APIClient, container: str) -> None:
    """Kills and removes a container. One that is going already is no failure.

    Where the engine itself is gone or refuses, the container is left to end by itself, as it does when its
    input closes, or to the next start, which looks for leftovers.
    """
    import docker.errors
    import requests.exceptions

    with suppress(docker.errors.APIError, requests.exceptions.RequestException):
        api.remove_container(container, v=True, force=True)


@contextmanager
def explained(what: str, mend: str) -> Iterator[None]:
    """What the engine or the way to it refuses becomes a SandboxError that says `what`, why and the mend."""
    import docker.errors
    import requests.exceptions

    try:
        yield
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        if _is_denied(error):
            raise SandboxError(f"this user may not speak to the Docker engine: {_JOIN}") from error
        raise SandboxError(f"{what} ({reason(error)}): {mend}") from error


def reason(error: Exception) -> str:
    """The engine's own words, else the innermost error's."""
    said = getattr(error, "explanation", None) or _innermost(error)
    return one_line(said, 160)


def _is_denied(error: BaseException) -> bool:
    return isinstance(_innermost(error), PermissionError)


def _innermost(error: BaseException) -> BaseException:
    """The error that all began with: the client wraps it several times over."""
    seen = [error]
    while True:
        inner = seen[-1].__cause__ or seen[-1].__context__
        inner = inner or next((a for a in seen[-1].args if isinstance(a, BaseException)), None)
        if inner is None or inner in seen:
            return seen[-1]
        seen.append(inner)
