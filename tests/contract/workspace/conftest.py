"""One workspace per check, on every backend that passes its probe here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import SandboxError
from engine.ports import Workspace
from engine.schema.sandbox import SandboxLimits
from tests.contract.workspace.cases import CASES, SMALL, Backend, Case, fill_template


@pytest.fixture(scope="package", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """The backend under test."""
    return CASES[request.param]


@pytest.fixture(scope="package")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that every workspace starts from."""
    folder = tmp_path_factory.mktemp("template")
    fill_template(folder)
    return folder


@pytest.fixture(scope="package")
def backend(case: Case, template: Path) -> Backend:
    """The backend with small limits, proven."""
    return proven(case, template, SMALL)


@pytest.fixture
def workspace(backend: Backend) -> Iterator[Workspace]:
    """A fresh workspace."""
    workspace = backend.open()
    yield workspace
    workspace.close()


@pytest.fixture(scope="module")
def shared(backend: Backend) -> Iterator[Workspace]:
    """One workspace for all checks of a module that leave nothing behind."""
    workspace = backend.open()
    yield workspace
    workspace.close()


def proven(case: Case, template: Path, limits: SandboxLimits) -> Backend:
    """A backend whose probe has passed; where it cannot, the check is skipped with the reason."""
    backend = case.make(template, limits)
    try:
        backend.prove()
    except SandboxError as error:
        pytest.skip(str(error))
    return backend


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the known exceptions; one that passes after all fails, so that the table stays true."""
    for item in list(items):
        if not isinstance(item, pytest.Function) or Path(__file__).parent not in item.path.parents:
            continue
        item.add_marker(pytest.mark.sandbox)
        case = CASES.get(str(item.callspec.params.get("case"))) if hasattr(item, "callspec") else None
        if case is None:
            continue
        if case.modules and item.path.stem not in case.modules:
            items.remove(item)
        elif reason := case.exceptions.get(item.originalname):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
