"""The replay in a browser: hostile content stays text, the keyboard steers, the address is a link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from engine.schema.run import RunState
from engine.store.project import Project
from engine.store.runs import write_trajectory
from tests.app.sample_project import MAIN
from tests.builders import make_call, make_trajectory, make_turn, save_run
from tests.e2e.harness import Watched, served, watched
from tests.recorded import one_drift_project

pytestmark = pytest.mark.browser


def test_hostile_content_is_shown_as_text_and_asks_nothing_of_the_network(studio: Watched) -> None:
    page = studio.open(f"replay?trajectory={MAIN}&turn=3")
    for opener in page.get_by_test_id("stExpander").all():
        opener.locator("summary").click()
    studio.settle()
    assert page.get_by_text("![p](https://evil.example/md.png)", exact=False).count() >= 5
    main = page.get_by_test_id("stMain")
    assert main.locator("img").count() == 0
    assert main.locator("iframe").count() == 0
    assert main.locator('a[href*="evil.example"]').count() == 0
    assert "⟨U+202E⟩" in main.inner_text()


def test_the_keyboard_steps_through_turns_and_failures_and_the_address_follows(studio: Watched) -> None:
    page = studio.open(f"replay?trajectory={MAIN}")
    expect(page.get_by_text("Turn 1 of 4")).to_be_visible()
    studio.press("ArrowRight", "Next turn")
    expect(page.get_by_text("Turn 2 of 4")).to_be_visible()
    expect(page).to_have_url(re.compile("turn=2"))
    studio.press("f", re.compile("^Next failed call"))
    expect(page.get_by_text("Next failed call (1 of 3)")).to_be_visible()
    expect(page).to_have_url(re.compile("call=call_3"))
    studio.press("f", re.compile("^Next failed call"))
    expect(page.get_by_text("Turn 3 of 4")).to_be_visible()
    expect(page).to_have_url(re.compile("call=call_5"))
    studio.press("ArrowLeft", "Previous turn")
    expect(page.get_by_text("Turn 2 of 4")).to_be_visible()


def test_a_link_to_a_turn_opens_that_turn_with_its_ledger(studio: Watched) -> None:
    page = studio.open(f"replay?trajectory={MAIN}&turn=2&call=call_3")
    expect(page.get_by_text("Good, I see roster.csv and that check.py passed")).to_be_visible()
    ledger = page.locator('[class*="st-key-call-chosen-failed"]')
    expect(ledger.get_by_text("exit 2")).to_be_visible()
    expect(ledger.get_by_text("not found", exact=True)).to_be_visible()
    expect(ledger.get_by_text("by its stderr")).to_be_visible()
    expect(ledger.get_by_text("No such file or directory")).to_have_count(2)


def test_a_long_stream_is_cut_on_the_screen_until_all_of_it_is_asked_for(studio: Watched) -> None:
    page = studio.open(f"replay?trajectory={MAIN}&turn=1")
    assert page.get_by_text("line 59: depot north").count() == 0
    page.get_by_text("Show all 60 lines").click()
    expect(page.get_by_text("line 59: depot north")).to_be_attached()


def test_one_reads_through_the_list_without_going_back_to_it(studio: Watched) -> None:
    page = studio.open("trajectories?failed=with&sort=n_turns")
    page.get_by_role("button", name="Open in replay").click()
    expect(page.get_by_text(f"{MAIN} ·")).to_be_visible()
    studio.press("n", "Next trajectory")
    expect(page.get_by_text("t-depot-0005 ·")).to_be_visible()
    studio.press("p", "Previous trajectory")
    expect(page.get_by_text(f"{MAIN} ·")).to_be_visible()


def test_an_address_that_names_nothing_says_so_and_the_page_stays_usable(studio: Watched) -> None:
    page = studio.open("replay?trajectory=../../etc/passwd")
    expect(page.get_by_test_id("stAlert")).to_contain_text("no trajectory")
    expect(page.get_by_text("Traceback")).to_have_count(0)
    page.get_by_role("link", name="Taxonomy").click()
    expect(page.get_by_role("heading", name="Taxonomy")).to_be_visible()


def test_a_rollout_in_progress_shows_its_next_turn_by_itself(browser: Browser, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "live")
    first, second = (make_turn(make_call(call_id=f"call_{n}"), index=n, text=f"Request {n}.") for n in (0, 1))
    playing = make_trajectory("t-live", first, stop_reason=None, outcome=None)
    save_run(project, playing, state=RunState.RUNNING)
    with served(project.root) as address, watched(browser, address) as studio:
        page = studio.open("replay?trajectory=t-live")
        expect(page.get_by_text("Being played right now")).to_be_visible()
        expect(page.get_by_text("Request 0.")).to_be_visible()
        write_trajectory(project.paths.run("run-1"), playing.model_copy(update={"turns": (first, second)}))
        expect(page.get_by_text("Turn 1 of 2")).to_be_visible(timeout=15_000)
        studio.press("ArrowRight", "Next turn")
        expect(page.get_by_text("Request 1.")).to_be_visible()


@pytest.mark.sandbox
def test_the_calls_are_run_again_and_the_verdict_stands_beside_each(browser: Browser, tmp_path: Path) -> None:
    project = one_drift_project(tmp_path / "p")
    with served(project.root) as address, watched(browser, address) as studio:
        page = studio.open("replay?trajectory=t-1")
        page.get_by_role("button", name="Re-execute").click()
        expect(page.get_by_text("fidelity 66.7%")).to_be_visible(timeout=120_000)
        ledger = page.locator('[class*="st-key-call-plain-done-2"]')
        expect(ledger.get_by_text("drifted", exact=True)).to_be_visible()
        expect(ledger.get_by_text("-4", exact=True)).to_be_visible()
        page.reload()
        expect(page.get_by_text("fidelity 66.7%")).to_be_visible()
