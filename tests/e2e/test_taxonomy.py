"""The taxonomy's editor in a browser: a bad edit is said and not lost, a good one becomes a version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from engine.store.project import Project
from engine.taxonomy import current_taxonomy, list_versions
from tests.e2e.harness import Watched, served, type_into_cell, watched

pytestmark = pytest.mark.browser


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "editing")


@pytest.fixture
def editor(browser: Browser, project: Project) -> Iterator[Watched]:
    with served(project.root) as address, watched(browser, address) as page:
        yield page


def test_a_bad_edit_is_named_in_place_and_survives_a_visit_to_another_page(
    editor: Watched, project: Project
) -> None:
    page = editor.open("taxonomy")
    page.get_by_role("tab", name="Domains").click()
    editor.settle()
    type_into_cell(page, column=100, row=0, text="Not A Slug")
    editor.settle()
    problem = page.get_by_test_id("stAlert").filter(visible=True)
    expect(problem).to_contain_text("is no valid name")
    expect(problem).to_contain_text("Row 1 (Not A Slug)")
    page.get_by_role("button", name="Save as a new version").click()
    editor.settle()
    assert not list_versions(project), "a wrong draft must not become a version"
    page.get_by_role("link", name="Runs").click()
    editor.settle()
    page.get_by_role("link", name="Taxonomy").click()
    editor.settle()
    expect(page.get_by_text("edited: domains")).to_be_visible()
    page.get_by_role("button", name="Discard edits").click()
    editor.settle()
    expect(page.get_by_text("edited: domains")).to_have_count(0)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)


def test_a_good_edit_is_saved_as_a_version_and_shown_in_the_comparison(
    editor: Watched, project: Project
) -> None:
    page = editor.open("taxonomy")
    type_into_cell(page, column=260, row=0, text="Amara O. Okafor")
    editor.settle()
    expect(page.get_by_text("edited: personas")).to_be_visible()
    page.get_by_role("button", name="Save as a new version").click()
    editor.settle()
    expect(page.get_by_text("Saved as v0002")).to_be_visible()
    assert list_versions(project) == ["v0001", "v0002"]
    assert current_taxonomy(project).persona_by_id["amara-okafor"].name == "Amara O. Okafor"
    page.get_by_role("tab", name="Versions").click()
    expect(page.get_by_text("1 entry differs between v0001 and current.")).to_be_visible()
