"""What the contract tests share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from engine.errors import SandboxError
from engine.execute.workspaces.backend import Backend
from engine.execute.workspaces.bubblewrap import Bubblewrap
from engine.execute.workspaces.docker_backend import Docker
from engine.paths import data_dir
from tests.live import SMALL, Tools

BACKENDS: Mapping[str, type[Bubblewrap | Docker]] = {Bubblewrap.NAME: Bubblewrap, Docker.NAME: Docker}


@pytest.fixture(scope="session", params=BACKENDS)
def tools_backend(request: pytest.FixtureRequest) -> Backend:
    """The backend with small limits, the packaged template and the packaged web."""
    backend = BACKENDS[request.param](data_dir() / "workspace", SMALL, web=data_dir() / "web")
    try:
        backend.prove()
    except SandboxError as error:
        pytest.skip(str(error))
    return backend


@pytest.fixture
def tools(tools_backend: Backend) -> Iterator[Tools]:
    """The agent's tools over a fresh workspace."""
    workspace = tools_backend.open()
    yield Tools(workspace)
    workspace.close()
