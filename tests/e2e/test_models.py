"""The page of models in a browser: its button tries an endpoint, one that answers and one that does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.app.test_models import obedient, project_at
from tests.chat_server import chat_server
from tests.e2e.harness import served, watched

pytestmark = pytest.mark.browser


def test_an_endpoint_is_tested_with_its_button(browser: Browser, tmp_path: Path) -> None:
    with chat_server(obedient) as server:
        project = project_at(tmp_path / "p", server.base_url)
        with served(project.root) as address, watched(browser, address) as studio:
            page = studio.open("models")
            page.get_by_role("button", name="Test this endpoint").click()
            expect(page.get_by_text("can play user and agent")).to_be_visible(timeout=30_000)
            for check in ("models", "chat", "json", "tools"):
                expect(page.get_by_text(f"{check}: works", exact=True)).to_be_visible()


def test_an_endpoint_that_is_not_there_is_told_with_the_mend(browser: Browser, tmp_path: Path) -> None:
    project = project_at(tmp_path / "p", "http://127.0.0.1:9/v1")
    with served(project.root) as address, watched(browser, address) as studio:
        page = studio.open("models")
        page.get_by_role("button", name="Test this endpoint").click()
        expect(page.get_by_text("cannot play yet")).to_be_visible(timeout=30_000)
        expect(page.get_by_text("start the server").first).to_be_visible()
