"""Steering diversity in a browser: a hole filled, proposals made, the effect of an edit shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from engine import generation, pipeline
from engine.intents.crosstab import crosstab
from engine.store.intents import read_intents
from engine.store.project import Project
from engine.taxonomy import current_taxonomy
from tests.app.test_actions import hashing_project
from tests.e2e.harness import served, type_into_cell, watched
from tests.e2e.test_map import draw_lasso_around_everything

pytestmark = pytest.mark.browser

JOB_MS = 180_000


def embedded_project(root: Path, number: int = 60) -> Project:
    project = hashing_project(root)
    generation.generate_intents(project, number, seed=1)
    pipeline.embed_intents(project)
    pipeline.dedup_intents(project)
    return project


def point_at_cell(page: Page, row: int, of_rows: int) -> None:
    """Moves the pointer onto a cell of the first column of the heat map, without the page moving under it."""
    plot = page.locator(".js-plotly-plot .nsewdrag").first
    plot.wait_for()
    plot.evaluate("plot => plot.scrollIntoView({block: 'start'})")
    page.wait_for_timeout(1500)
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 30, box["y"] + box["height"] / of_rows * (row + 0.3))
    page.mouse.move(box["x"] + 32, box["y"] + box["height"] / of_rows * (row + 0.5))


def test_a_hole_of_the_heat_map_is_filled_by_a_job(browser: Browser, tmp_path: Path) -> None:
    project = embedded_project(tmp_path / "depot")
    table = crosstab(read_intents(project), current_taxonomy(project), "industry", "domain")
    row = int((table.counts[:, 0] == 0).argmax())
    with served(project.root) as address, watched(browser, address) as studio:
        page = studio.open("intents?tab=Coverage")
        hover = page.locator(".hoverlayer").first
        studio.settle()
        point_at_cell(page, row, len(table.rows))
        expect(hover).to_contain_text("Kept intents: 0")
        page.mouse.down()
        page.mouse.up()
        studio.settle()
        condition = page.get_by_role("textbox", name=re.compile("Only cells with")).filter(visible=True).last
        expect(condition).to_have_value(re.compile(rf"^industry=.*{table.rows[row]}.* and domain=\S+$"))
        assert "gap=industry" in page.url
        page.get_by_role("spinbutton", name="How many").last.fill("7")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Generate 7 here").click()
        expect(page.get_by_text("7 intents made")).to_be_visible(timeout=JOB_MS)
        expect(page.get_by_text(re.compile("intents on the map"))).to_be_visible(timeout=JOB_MS)
        studio.settle()
        point_at_cell(page, row, len(table.rows))
        expect(hover).to_contain_text(re.compile("Kept intents: [1-7]"))
    assert {i.persona.industry for i in read_intents(project)[60:]} == {table.rows[row]}


def test_a_lasso_says_what_it_adds_and_offers_more_of_its_corner(browser: Browser, tmp_path: Path) -> None:
    project = embedded_project(tmp_path / "depot")
    with served(project.root) as address, watched(browser, address) as studio:
        page = studio.open("intents")
        page.locator(".js-plotly-plot .main-svg").first.wait_for()
        page.wait_for_timeout(1500)
        draw_lasso_around_everything(page)
        for label in ("Vendi of the selection", "Vendi of the pool", "Pool without it", "The selection adds"):
            expect(page.get_by_text(label, exact=True)).to_be_visible(timeout=30_000)
        condition = page.get_by_role("textbox", name=re.compile("Only cells with")).filter(visible=True).last
        expect(condition).to_have_value(re.compile(r"^industry in \(.+\) and domain in \([\w, -]+\)$"))
        expect(page.get_by_role("button", name="Generate 20 here")).to_be_enabled()


def test_proposals_are_shown_with_their_evidence_and_made(browser: Browser, tmp_path: Path) -> None:
    project = embedded_project(tmp_path / "depot")
    with served(project.root) as address, watched(browser, address) as studio:
        page = studio.open("intents?tab=Propose")
        page.get_by_role("spinbutton", name="How many").last.fill("5")
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Propose", exact=True).click()
        expect(page.get_by_text("5 cells proposed")).to_be_visible(timeout=JOB_MS)
        expect(page.get_by_test_id("stDataFrame").filter(visible=True)).to_be_visible()
        page.get_by_role("button", name="Make these").click()
        expect(page.get_by_text("5 intents made")).to_be_visible(timeout=JOB_MS)
        expect(page.get_by_text("65 intents on the map")).to_be_visible(timeout=JOB_MS)
        expect(page.get_by_text("has changed since: propose again")).to_be_visible()
        page.get_by_role("tab", name="Table").click()
        expect(page.get_by_text("65 intents", exact=True)).to_be_visible()


def test_the_effect_of_an_edit_is_shown_before_it_is_saved(browser: Browser, tmp_path: Path) -> None:
    project = embedded_project(tmp_path / "depot", 10)
    with served(project.root) as address, watched(browser, address) as studio:
        page = studio.open("taxonomy")
        page.get_by_role("tab", name="Domains").click()
        studio.settle()
        expect(page.get_by_text("Effect on coverage")).to_have_count(0)
        type_into_cell(page, column=750, row=1, text="0")
        studio.settle()
        expect(page.get_by_text("edited: domains")).to_be_visible(timeout=30_000)
        expect(page.get_by_text("Effect on coverage")).to_be_visible(timeout=30_000)
        expect(page.get_by_text("shares move; the 12 that move most")).to_be_visible()
        expect(page.get_by_text(re.compile(r"^-\d+\.\d% · was 5\.\d × 10¹¹$"))).to_be_visible()
        page.get_by_role("button", name="Discard edits").click()
        studio.settle()
        expect(page.get_by_text("Effect on coverage")).to_have_count(0)
