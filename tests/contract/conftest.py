"""What the contract tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.errors import SandboxError
from engine.execute.workspaces.bubblewrap import Bubblewrap
from engine.paths import data_dir
from tests.live import SMALL, Tools


@pytest.fixture(scope="session")
def tools_backend() -> Bubblewrap:
    """The backend with small limits, the packaged template and the packaged web."""
    backend = Bubblewrap(data_dir() / "workspace", SMALL, web=data_dir() / "web")
    try:
        backend.prove()
    except SandboxError as error:
        pytest.skip(str(error))
    return backend


@pytest.fixture
def tools(tools_backend: Bubblewrap) -> Iterator[Tools]:
    """The agent's tools over a fresh workspace."""
    workspace = tools_backend.open()
    yield Tools(workspace)
    workspace.close()
