"""The map in a browser: what a lasso holds is shown, measured and can be played."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from engine import pipeline
from engine.store.project import Project
from tests.app.sample_project import make_sample
from tests.e2e.harness import served, watched

pytestmark = pytest.mark.browser


def draw_lasso_around_everything(page: Page) -> None:
    box = page.locator(".js-plotly-plot").bounding_box()
    assert box is not None
    corners = [(0.01, 0.02), (0.78, 0.02), (0.78, 0.98), (0.01, 0.98), (0.01, 0.06)]
    at = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
    page.mouse.move(*at[0])
    page.mouse.down()
    for corner in at[1:]:
        page.mouse.move(*corner, steps=10)
    page.mouse.up()


def test_a_lasso_shows_its_intents_and_hands_them_to_a_run(browser: Browser, tmp_path: Path) -> None:
    project = make_sample(tmp_path / "depot")
    settings = project.paths.settings
    text = settings.read_text(encoding="utf-8").replace("all-mpnet-base-v2", "hashing-768")
    settings.write_text(text, encoding="utf-8")
    pipeline.embed_intents(Project.open(project.root))
    with served(project.root) as address, watched(browser, address) as studio:
        page = studio.open("intents")
        expect(page.get_by_text("The two main axes")).to_be_visible()
        page.locator(".js-plotly-plot .main-svg").first.wait_for()
        page.wait_for_timeout(1500)
        draw_lasso_around_everything(page)
        heading = page.get_by_text(re.compile(r"^\d+ intents selected$"))
        expect(heading).to_be_visible()
        n_selected = int(heading.inner_text().split()[0])
        assert n_selected > 20
        expect(page.get_by_text("Vendi of the selection")).to_be_visible()
        page.get_by_role("button", name="Play these").click()
        expect(page.get_by_role("heading", name="Runs")).to_be_visible()
        condition = page.get_by_role("textbox", name="Condition over the intents")
        expect(condition).to_have_value(re.compile(r"^intent_id in \('intent_"))
        assert condition.input_value().count("intent_") == n_selected + 1
