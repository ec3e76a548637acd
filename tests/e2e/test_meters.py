"""The meters in a browser: a flag is judged on the page and beside its utterance, and the rate follows."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from engine.schema.flags import Decision
from engine.store.flags import read_flag_decisions
from tests.app.sample_project import MAIN, make_sample
from tests.e2e.harness import served, watched

pytestmark = pytest.mark.browser


def figure(page: Page, label: str, value: str) -> None:
    """Waits until a figure of the page has a value."""
    metric = page.get_by_test_id("stMetric").filter(has_text=label)
    expect(metric.get_by_test_id("stMetricValue")).to_have_text(value, timeout=30_000)


def test_a_flag_is_judged_on_the_page_and_in_the_replay(browser: Browser, tmp_path: Path) -> None:
    project = make_sample(tmp_path / "depot")
    with served(project.root) as address, watched(browser, address) as studio:
        page = studio.open("meters")
        figure(page, "State hallucination", "100.00 %")
        expect(page.get_by_text("1 of 1 · 20.65 to 100.00 %")).to_be_visible()
        page.get_by_role("tab", name="Flags").click()
        expect(page.get_by_text("2 flags · 2 not judged yet")).to_be_visible()
        page.get_by_placeholder("Note (optional): why").fill("she has another check.py at home")
        page.keyboard.press("Tab")
        studio.settle()
        page.get_by_role("button", name="Overrule").click()
        figure(page, "State hallucination", "0.00 %")

        page = studio.open(f"replay?trajectory={MAIN}&turn=2")
        expect(page.get_by_text("she has another check.py at home")).to_be_visible()
        page.get_by_text("What it says of the workspace").click()
        expect(page.get_by_text("contradicted", exact=True)).to_be_visible()
        page.get_by_role("button", name="Take back").click()
        studio.settle()
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_text("confirmed", exact=True)).to_be_visible()

        page = studio.open("meters")
        figure(page, "State hallucination", "100.00 %")
    said = [d.decision for d in read_flag_decisions(project)]
    assert said == [Decision.OVERRULED, Decision.OPEN, Decision.CONFIRMED]
