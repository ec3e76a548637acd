"""The whole way in a browser: from an edit of the taxonomy to a file to train on."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from engine.store.curation import read_split
from engine.store.intents import read_intents
from engine.store.project import Project
from engine.store.runs import list_run_ids
from tests.e2e.harness import Watched, served, type_into_cell, watched

pytestmark = [pytest.mark.browser, pytest.mark.sandbox, pytest.mark.timeout(600)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "whole-way")


@pytest.fixture
def curator(browser: Browser, project: Project) -> Iterator[Watched]:
    with served(project.root) as address, watched(browser, address) as page:
        yield page


def test_a_curator_goes_from_the_taxonomy_to_an_export(
    curator: Watched, project: Project, tmp_path: Path
) -> None:
    page = curator.open()
    expect(page.get_by_text("Draw the first intents")).to_be_visible()
    edit_the_taxonomy(curator)
    make_intents(curator)
    assert {i.taxonomy_version for i in read_intents(project)} == {"v0002"}
    play_them(curator)
    (run_id,) = list_run_ids(project)
    look_at_a_failure(curator, run_id)
    archive = export_them(curator, tmp_path)
    check_the_export(archive, project)


def edit_the_taxonomy(curator: Watched) -> None:
    page = go(curator, "Taxonomy")
    type_into_cell(page, column=260, row=0, text="Amara O. Okafor")
    expect(page.get_by_text("edited: personas")).to_be_visible()
    page.get_by_role("button", name="Save as a new version").click()
    expect(page.get_by_text("Saved as v0002")).to_be_visible()


def make_intents(curator: Watched) -> None:
    page = go(curator, "Intents")
    fill(page, "How many", "8")
    page.get_by_text("then embed, dedup and map").click()
    page.get_by_role("button", name="Make intents").click()
    expect(page.get_by_text("8 intents made")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Put away").click()
    curator.settle()
    page.get_by_role("tab", name="Table").click()
    expect(page.get_by_text("8 intents", exact=True)).to_be_visible()


def play_them(curator: Watched) -> None:
    page = go(curator, "Runs")
    fill(page, "Intents to play", "4")
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_text(re.compile("of 4 trajectories"))).to_be_visible(timeout=60_000)
    expect(page.get_by_text("4 of 4 trajectories")).to_be_visible(timeout=240_000)
    expect(page.locator(".stMarkdownBadge", has_text="finished")).to_be_visible(timeout=30_000)


def look_at_a_failure(curator: Watched, run_id: str) -> None:
    page = curator.page
    page.get_by_role("link", name="Its trajectories").click()
    expect(page.get_by_role("heading", name="Trajectories")).to_be_visible()
    curator.settle()
    expect(page.get_by_text("4 trajectories", exact=True)).to_be_visible()
    assert run_id in page.url
    page.get_by_role("combobox", name=re.compile("Failed calls")).click()
    page.get_by_role("option", name=re.compile(r"^with \(")).click()
    curator.settle()
    page.get_by_role("button", name="Open in replay").click()
    expect(page.get_by_role("heading", name="Replay")).to_be_visible()
    curator.press("f", re.compile("^Next failed call"))
    expect(page.get_by_text(re.compile(r"Next failed call \(1 of \d+\)"))).to_be_visible()
    ledger = page.locator('[class*="st-key-call-chosen-failed"]')
    expect(ledger).to_be_in_viewport()
    expect(
        ledger.get_by_text(re.compile(r"^(exit [1-9]\d*|signal \d+|timed out|error)$")).first
    ).to_be_visible()


def export_them(curator: Watched, folder: Path) -> Path:
    page = go(curator, "Export")
    fill(page, "Name", "all-of-them")
    fill(page, "Condition over the trajectories (SQL)", "n_tool_calls > 0")
    expect(page.get_by_text("Selects 4 of 4 trajectories.")).to_be_visible()
    page.get_by_role("button", name="Save the selection").click()
    curator.settle()
    fill(page, "Name of the split", "halves")
    fill(page, "Ratios", "train=0.5,test=0.5")
    page.get_by_role("button", name="Make the split").click()
    expect(page.get_by_text("no intent in two parts")).to_be_visible()
    curator.settle()  # the panel below has chosen the new split by then
    expect(page.get_by_role("combobox", name="What", exact=True)).to_have_value("split halves")
    page.get_by_role("button", name="Write the export").click()
    expect(page.get_by_role("button", name="Download as zip")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as zip").click()
    archive = folder / "export.zip"
    download.value.save_as(archive)
    return archive


def check_the_export(archive: Path, project: Project) -> None:
    """What was downloaded is the split, line by line, with its card."""
    split = read_split(project, "halves")
    with zipfile.ZipFile(archive) as files:
        names = {Path(name).name: name for name in files.namelist()}
        assert {"train.jsonl", "test.jsonl", "README.md", "manifest.json"} <= names.keys()
        for part, ids in split.parts.items():
            lines = files.read(names[f"{part}.jsonl"]).splitlines()
            assert len(lines) == len(ids) == 2
            assert all(json.loads(line)["messages"] for line in lines)


def go(curator: Watched, name: str) -> Page:
    """Goes to a view by its link in the sidebar."""
    page = curator.page
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    curator.settle()
    return page


def fill(page: Page, label: str, text: str) -> None:
    """Fills a field and commits it."""
    field = page.get_by_label(label, exact=True).and_(page.locator("input"))
    field.fill(text)
    field.press("Tab")
    page.wait_for_timeout(600)
