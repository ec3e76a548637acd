"""A project whose every text is an attack: no view sends a request, runs a script or makes a link of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from engine.intents.review import overrule_dedup
from engine.pipeline import dedup_intents
from engine.schema.run import RunState, RunStatus
from engine.store.files import write_record, write_text
from engine.store.project import Project
from tests.app.sample_project import HOSTILE
from tests.builders import (
    NOON,
    make_call,
    make_intent,
    make_persona,
    make_trajectory,
    make_turn,
    save_intents,
    save_run,
)
from tests.e2e.harness import Watched, served, watched

pytestmark = pytest.mark.browser

SHORT = "![p](https://evil.example/p.png) <img src=https://evil.example/i.png>"
VIEWS = (
    "",
    "doctor",
    "taxonomy",
    "intents?tab=Coverage",
    "intents?tab=Repeats",
    f"intents?tab=Repeats&method={quote(SHORT)}&pair_text=evil&pair={quote(SHORT)}",
    "intents?tab=Table",
    "runs",
    "trajectories",
    "replay?trajectory=t-hostile",
    "export",
    f"replay?trajectory={quote(SHORT)}",
    f"trajectories?where={quote(SHORT)}&text={quote(SHORT)}&stop={quote(SHORT)}",
    f"export?where={quote(SHORT)}",
)


def make_hostile_project(root: Path) -> Project:
    project = Project.create(root)
    write_text(project.paths.settings, f'name = "{SHORT}"\n')
    persona = make_persona(
        name=SHORT,
        role=SHORT,
        industry=SHORT,
        expertise=(SHORT,),
        communication_style=SHORT,
        work_context=SHORT,
    )
    intent = make_intent(HOSTILE, persona=persona)
    repeat = make_intent(f"{HOSTILE} {HOSTILE[:20]}", persona=persona)
    save_intents(project, intent, repeat)
    dedup_intents(project, semantic=False)
    overrule_dedup(project, repeat.intent_id, keep=True, note=HOSTILE, author=SHORT)
    calls = (
        make_call(f"echo '{HOSTILE}'", tool_error=HOSTILE, observation=HOSTILE),
        make_call(SHORT, tool=SHORT, call_id=SHORT, observation=HOSTILE, cwd=SHORT, error=SHORT),
    )
    turn = make_turn(*calls, text=HOSTILE, answer=HOSTILE)
    save_run(project, make_trajectory("t-hostile", turn, intent=intent, failure_cause=HOSTILE))
    run = project.paths.run("run-1")
    write_text(run.log, HOSTILE)
    write_record(
        run.status,
        RunStatus(
            run_id="run-1",
            state=RunState.FAILED,
            n_total=1,
            n_done=1,
            by_stop_reason={SHORT: 1},
            message=HOSTILE,
            updated_at=NOON,
        ),
    )
    personas = project.paths.taxonomy / "personas.yaml"
    write_text(personas, personas.read_text(encoding="utf-8").replace("Healthcare", f"'{SHORT}'"))
    return project


@pytest.fixture(scope="module")
def hostile_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    project = make_hostile_project(tmp_path_factory.mktemp("hostile") / "depot")
    with served(project.root) as address:
        yield address


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_renders_foreign_text(browser: Browser, hostile_address: str, view: str) -> None:
    with watched(browser, hostile_address) as studio:
        page = studio.open(view)
        expect(page.get_by_text("This app has encountered an error")).to_have_count(0)
        open_everything(studio)
        app = page.get_by_test_id("stApp")
        assert app.locator('img[src*="evil"], iframe, a[href*="evil"], script[src*="evil"]').count() == 0
        assert "![p](https" in app.inner_text(), "the project's own name is in the sidebar, as text"


def open_everything(studio: Watched) -> None:
    """Opens what is closed: expanders, and the lists of the filter."""
    page = studio.page
    for opener in page.get_by_test_id("stExpander").filter(visible=True).all():
        opener.locator("summary").first.click()
    for choice in page.get_by_test_id("stMultiSelect").filter(visible=True).all():
        choice.locator("input").first.click()
        page.keyboard.press("Escape")
    studio.settle()
    page.wait_for_timeout(500)


def test_the_texts_of_a_pair_are_shown_as_they_are(browser: Browser, hostile_address: str) -> None:
    with watched(browser, hostile_address) as studio:
        page = studio.open("intents?tab=Repeats")
        expect(page.locator(".lines")).to_have_count(2)
        for side in page.locator(".lines").all():
            expect(side).to_contain_text("<script>alert(1)</script> :red[red] $x^2$")
            assert side.locator("img, a, script").count() == 0
