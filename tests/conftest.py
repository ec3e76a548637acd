"""What every test shares: where things are, and the rule that CI skips nothing it did not expect."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.store import Project

REPOSITORY = Path(__file__).resolve().parent.parent
EXPECTED_SKIPS = ("samples are not beside this checkout",)
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
