"""What every test shares: where things are, and the rule that CI skips nothing it did not expect."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.store import Project

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from streamlit.testing.v1 import AppTest

    from tests.app.opened import Open
    from tests.e2e.harness import Watched

REPOSITORY = Path(__file__).resolve().parent.parent
EXPECTED_SKIPS = ("samples are not beside this checkout", "set ISE_LOCAL_MODEL=1")
"""Reasons with which a test may be skipped even in CI."""


@pytest.fixture
def repository() -> Path:
    """The checkout's root."""
    return REPOSITORY


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A new project with the starter taxonomy and nothing else."""
    return Project.create(tmp_path / "project")


@pytest.fixture(autouse=True)
def _no_project_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own settings must not reach the tests."""
    for name in ("ISE_PROJECT", "OPENAI_API_KEY", "ISE_BWRAP"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def open_view(monkeypatch: pytest.MonkeyPatch) -> Open:
    """A function that opens a view over a project and runs it."""
    from tests.app.opened import open_app

    def opened(root: Path, view: str = "overview", **parameters: str) -> AppTest:
        monkeypatch.setenv("ISE_PROJECT", str(root))
        return open_app(view, parameters)

    return opened


@pytest.fixture(scope="session")
def sample_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample project, for tests that only read it."""
    from tests.app.sample_project import make_sample

    root = tmp_path_factory.mktemp("sample") / "depot"
    make_sample(root)
    return root


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium for all browser tests."""
    from tests.e2e.harness import CHROMIUM, launched

    if not CHROMIUM:
        pytest.skip("needs a Chromium: install the package 'chromium' or set ISE_CHROMIUM")
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def sample_address(sample_root: Path) -> Iterator[str]:
    """A studio that serves the sample project."""
    from tests.e2e.harness import served

    with served(sample_root) as address:
        yield address


@pytest.fixture
def studio(browser: Browser, sample_address: str) -> Iterator[Watched]:
    """A fresh page over the sample project, whose network log must be clean afterwards."""
    from tests.e2e.harness import watched

    with watched(browser, sample_address) as page:
        yield page


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser test gets a second try, and the summary names it as one that needed it.

    Between our server and the screen stand a browser and the libraries that draw in it. On a machine that
    is fully busy one click in some thousands meets an element that is just being drawn anew; what is really
    wrong fails twice.
    """
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names every unexpected skip: in CI they fail the run (see `pytest_sessionfinish`)."""
    for report in _unexpected_skips(terminalreporter):
        terminalreporter.write_line(f"CI does not expect this skip: {report.nodeid}: {report.longrepr}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI, where everything is installed, a skip that nobody expected is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if isinstance(reporter, pytest.TerminalReporter) and _unexpected_skips(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _unexpected_skips(reporter: pytest.TerminalReporter) -> list[pytest.TestReport]:
    if not os.environ.get("CI"):
        return []
    return [
        r for r in reporter.stats.get("skipped", []) if not any(e in str(r.longrepr) for e in EXPECTED_SKIPS)
    ]
