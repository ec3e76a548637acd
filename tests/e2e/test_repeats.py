"""Repeats in a browser: planted, found by a job, shown with what differs marked, kept and dropped by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from engine import generation
from engine.intents.review import list_pairs
from engine.store.intents import read_overrules
from tests.app.test_actions import hashing_project
from tests.e2e.harness import served, watched
from tests.planted import add_repeats

pytestmark = pytest.mark.browser

JOB_MS = 180_000


def figure(page: Page, label: str, value: str) -> None:
    """Waits until a figure of the page has a value."""
    metric = page.get_by_test_id("stMetric").filter(has_text=label)
    expect(metric.get_by_test_id("stMetricValue")).to_have_text(value, timeout=30_000)


def test_planted_repeats_are_found_judged_and_taken_back(browser: Browser, tmp_path: Path) -> None:
    project = hashing_project(tmp_path / "depot")
    generation.generate_intents(project, 20, seed=1)
    add_repeats(project, 6)
    with served(project.root) as address, watched(browser, address) as studio:
        page = studio.open("intents?tab=Repeats")
        expect(page.get_by_text("Dedup has not run yet")).to_be_visible()
        page.get_by_role("button", name="Run dedup").click()
        expect(page.get_by_text("6 repeats dropped")).to_be_visible(timeout=JOB_MS)
        figure(page, "Intents kept", "20")
        figure(page, "Dropped by dedup", "6")
        lexical = [p.intent_id for p in list_pairs(project, "lexical")]

        page = studio.open("intents?tab=Repeats&method=lexical")
        expect(page.get_by_text("3 pairs · 3 not judged yet")).to_be_visible()
        expect(page.locator("mark").first).to_be_visible()
        page.get_by_placeholder("Note (optional): why").fill("another wish")
        page.keyboard.press("Tab")
        studio.settle()
        page.get_by_role("button", name="Keep both").click()
        figure(page, "Intents kept", "21")
        studio.settle()
        assert f"pair={lexical[1]}" in page.url
        studio.press("d", "Drop the repeat")
        expect(page.get_by_text("3 pairs · 1 not judged yet")).to_be_visible()
        figure(page, "Intents kept", "21")

        studio.press("u", "Undo")
        expect(page.get_by_text("3 pairs · 2 not judged yet")).to_be_visible()
        studio.settle()
        click_row(page, 0)
        expect(page.get_by_text(re.compile(r", 20\d\d-.* UTC: another wish$"))).to_be_visible()
        assert f"pair={lexical[0]}" in page.url
        page.get_by_role("button", name="Take back").click()
        figure(page, "Intents kept", "20")
    assert [o.keep for o in read_overrules(project)] == [True, False, None, None]


def click_row(page: Page, row: int) -> None:
    """Chooses a row of the list of pairs by its box."""
    grid = page.get_by_test_id("stDataFrame").filter(visible=True)
    grid.scroll_into_view_if_needed()
    page.wait_for_timeout(700)
    box = grid.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 17, box["y"] + 52 + 33 * row)
    page.wait_for_timeout(700)
