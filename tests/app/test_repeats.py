"""What dedup found, gone through by a person: filtered, judged, taken back; hostile texts in a pair."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from engine import generation, pipeline
from engine.intents.dedup import Thresholds
from engine.intents.review import list_pairs, overrule_dedup
from engine.store.intents import read_dedup_report, read_kept_intents, read_overrules
from engine.store.project import Project
from engine.words import words_of
from studio.widgets.word_diff import Part, differing, listed
from tests.app.opened import Open
from tests.app.sample_project import HOSTILE
from tests.app.test_actions import button, hashing_project, shown
from tests.app.test_steer import wait_for_the_job
from tests.builders import make_intent, save_intents
from tests.planted import add_repeats


@pytest.fixture
def pool(tmp_path: Path) -> Project:
    """A project with 20 intents and 6 repeats of them, dedup not run."""
    project = hashing_project(tmp_path / "p")
    generation.generate_intents(project, 20, seed=1)
    add_repeats(project, 6)
    return project


def metrics(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def test_dedup_is_run_from_the_page_with_its_thresholds(open_view: Open, pool: Project) -> None:
    app = open_view(pool.root, "intents", tab="Repeats")
    assert not app.exception
    assert "Dedup has not run yet" in "".join(m.value for m in app.markdown)
    next(n for n in app.number_input if n.label == "Lexical").set_value(0.5)
    next(t for t in app.toggle if t.label == "Without vectors").set_value(True)
    button(app, "Run dedup")
    wait_for_the_job(app, "6 repeats dropped")
    app.run()
    assert metrics(app)["Intents kept"] == "20"
    assert metrics(app)["Dropped by dedup"] == "6"
    assert metrics(app)["Vendi after dedup"] == "–"
    report = read_dedup_report(pool)
    assert report is not None
    assert (report.lexical, report.semantic) == (0.5, False)
    assert "lexical 0.5, without vectors" in shown(app)
    assert next(n for n in app.number_input if n.label == "Lexical").value == 0.5


def test_with_vectors_what_has_none_is_embedded_first_and_vendi_is_told(
    open_view: Open, pool: Project
) -> None:
    app = open_view(pool.root, "intents", tab="Repeats")
    button(app, "Run dedup")
    wait_for_the_job(app, "6 repeats dropped")
    app.run()
    assert float(metrics(app)["Vendi after dedup"]) > 1


def test_pairs_are_judged_one_after_another_and_taken_back(
    open_view: Open, pool: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "ada")
    pipeline.dedup_intents(pool, semantic=False)
    ids = [p.intent_id for p in list_pairs(pool)]
    app = open_view(pool.root, "intents", tab="Repeats")
    assert not app.exception
    assert "6 pairs · 6 not judged yet" in shown(app)
    app.text_input(key=f"note-{ids[0]}").set_value("another wish")
    button(app, "Keep both")
    assert not app.exception
    assert app.query_params["pair"] in (ids[1], [ids[1]])
    assert metrics(app)["Intents kept"] == "21"
    assert metrics(app)["Overruled by hand"] == "1"
    button(app, "Drop the repeat")
    assert "6 pairs · 4 not judged yet" in shown(app)
    assert [(o.keep, o.note, o.author) for o in read_overrules(pool)] == [
        (True, "another wish", "ada"),
        (False, "", "ada"),
    ]
    button(app, "Undo")
    assert "6 pairs · 5 not judged yet" in shown(app)
    assert app.query_params["pair"] in (ids[1], [ids[1]])
    button(app, "Previous")
    assert "ada, 20" in shown(app)
    assert "another wish" in shown(app)
    button(app, "Take back")
    assert len(read_kept_intents(pool)) == 20
    assert "6 pairs · 6 not judged yet" in shown(app)


def test_a_pair_that_leaves_the_filter_makes_room_for_the_next(open_view: Open, pool: Project) -> None:
    pipeline.dedup_intents(pool, semantic=False)
    app = open_view(pool.root, "intents", tab="Repeats", verdict="dropped")
    for left in (5, 4, 3, 2, 1):
        button(app, "Keep both")
        assert f"{left} pair" in shown(app)
    button(app, "Keep both")
    assert not app.exception
    assert "No pair fits" in app.info[0].value
    app.selectbox(key="verdict").set_value("kept by hand").run()
    assert "6 pairs · 0 not judged yet" in shown(app)


def test_a_link_names_the_filter_and_the_pair(open_view: Open, pool: Project) -> None:
    pipeline.dedup_intents(pool, semantic=False)
    pair = list_pairs(pool, "exact")[1]
    app = open_view(pool.root, "intents", tab="Repeats", method="exact", pair=pair.intent_id)
    assert not app.exception
    assert "3 pairs" in shown(app)
    assert "2 of 3" in shown(app)
    assert pair.intent_id in shown(app)
    app = open_view(pool.root, "intents", tab="Repeats", method="; drop", verdict="x", pair="<b>nobody</b>")
    assert not app.exception
    assert "6 pairs" in shown(app)


def test_pairs_are_found_by_text_and_by_id(open_view: Open, pool: Project) -> None:
    pipeline.dedup_intents(pool, semantic=False)
    app = open_view(pool.root, "intents", tab="Repeats", pair_text="REPEAT-0003")
    assert "1 pair" in shown(app)
    app.text_input(key="pair_text").set_value("no such words anywhere").run()
    assert "No pair fits" in app.info[0].value


def test_a_list_of_many_pairs_is_paged_and_the_page_follows_the_pair(open_view: Open, tmp_path: Path) -> None:
    project = hashing_project(tmp_path / "p")
    save_intents(project, *(make_intent("Tidy my notes" + "!" * n, intent_id=f"i-{n}") for n in range(121)))
    pipeline.dedup_intents(project, semantic=False)
    app = open_view(project.root, "intents", tab="Repeats", pair="i-50")
    assert not app.exception
    assert "50 of 120" in shown(app)
    assert len(app.dataframe[0].value) == 50
    button(app, "Next")
    assert "51 of 120" in shown(app)
    assert app.dataframe[0].value["Repeat"][0] == "Tidy my notes" + "!" * 51


def test_new_intents_since_dedup_are_said(open_view: Open, pool: Project) -> None:
    pipeline.dedup_intents(pool, semantic=False)
    generation.generate_intents(pool, 3, seed=2)
    app = open_view(pool.root, "intents", tab="Repeats")
    assert "3 intents have come since: run it again" in shown(app)


def test_where_nothing_repeats_anything_the_page_says_so(open_view: Open, tmp_path: Path) -> None:
    project = hashing_project(tmp_path / "p")
    generation.generate_intents(project, 5, seed=1)
    pipeline.dedup_intents(project, Thresholds(lexical=1.0), semantic=False)
    app = open_view(project.root, "intents", tab="Repeats")
    assert not app.exception
    assert "No repeats found" in "".join(m.value for m in app.markdown)


def test_where_all_is_dropped_by_hand_it_can_be_taken_back(open_view: Open, tmp_path: Path) -> None:
    project = hashing_project(tmp_path / "p")
    save_intents(project, make_intent(intent_id="only"))
    overrule_dedup(project, "only", keep=False)
    app = open_view(project.root, "intents")
    assert not app.exception
    assert "Every intent is dropped by hand" in shown(app)
    button(app, "Take back")
    assert not app.exception
    assert len(read_kept_intents(project)) == 1


def test_hostile_texts_of_a_pair_reach_no_element_that_renders(open_view: Open, tmp_path: Path) -> None:
    project = hashing_project(tmp_path / "p")
    save_intents(
        project, make_intent(HOSTILE, intent_id="first"), make_intent(HOSTILE.upper(), intent_id="second")
    )
    pipeline.dedup_intents(project, semantic=False)
    overrule_dedup(project, "second", keep=True, note=HOSTILE, author=HOSTILE)
    app = open_view(project.root, "intents", tab="Repeats")
    assert not app.exception
    rendered = [*app.markdown, *app.caption, *app.error, *app.info]
    assert not any("evil" in element.value for element in rendered)


@given(st.text(), st.text())
def test_a_text_that_is_cut_up_is_still_whole(a: str, b: str) -> None:
    for text, parts in zip((a, b), differing(a, b), strict=True):
        assert "".join(part.text for part in parts) == text


def test_words_that_differ_are_marked_and_case_and_punctuation_are_not() -> None:
    before, after = differing("Sort the notes, then zip them.", "SORT the old notes; then pack THEM!")
    assert [p.text for p in before if p.marked] == ["zip"]
    assert [p.text for p in after if p.marked] == ["old", "pack"]
    same = differing("Sort, my notes", "sort my... NOTES")
    assert not any(p.marked for side in same for p in side)
    assert words_of("Sort, my notes") == words_of("sort my... NOTES")


def test_very_long_texts_are_shown_unmarked() -> None:
    long = "word " * 1_500
    assert differing(long, "other " * 1_500)[0] == [Part(long)]


def test_entries_that_the_other_has_not_are_marked() -> None:
    assert listed(["a", "b"], ["b"]) == [Part("a", marked=True), Part(", "), Part("b")]
