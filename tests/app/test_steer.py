"""Steering diversity: gaps and what fills them, proposals, and what an edit of the taxonomy does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from engine import generation, pipeline
from engine.intents.where import parse_where
from engine.schema.intent import Intent
from engine.schema.taxonomy import Taxonomy
from engine.store.intents import list_batches, read_intents, read_kept_intents
from engine.store.project import Project
from engine.taxonomy import current_taxonomy, read_version
from studio.widgets.draft import Draft, clean, grid_rows, leans_of, leans_text, plain_rows
from studio.widgets.effect_panel import change_text
from studio.widgets.gap_panel import GAP
from studio.widgets.where_text import all_of, of_corner, of_part
from tests.app.opened import Open
from tests.app.test_actions import button, hashing_project, shown
from tests.builders import make_intent, make_persona


@pytest.fixture
def pool(tmp_path: Path) -> Project:
    """A project with 60 embedded intents."""
    project = hashing_project(tmp_path / "p")
    generation.generate_intents(project, 60, seed=1)
    pipeline.embed_intents(project)
    pipeline.dedup_intents(project)
    return project


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Taxonomy:
    return current_taxonomy(Project.create(tmp_path_factory.mktemp("starter") / "p"))


def wait_for_the_job(app: AppTest, until: str = "on the map", within_s: float = 120.0) -> None:
    deadline = time.monotonic() + within_s
    while not (until in shown(app) or app.error) and time.monotonic() < deadline:
        time.sleep(0.5)
        app.run()
    assert not app.error
    assert until in shown(app)


def names(app: AppTest) -> list[str]:
    """All labels of buttons."""
    return [b.label for b in app.button]


def test_a_gap_is_filled_from_the_coverage(open_view: Open, pool: Project) -> None:
    app = open_view(pool.root, "intents", tab="Coverage")
    assert not app.exception
    assert not any("here" in name for name in names(app))
    gap = app.selectbox(key=GAP)
    where = next(o for o in gap.options if o.startswith("pair ") or o.startswith("triple "))
    gap.select(where).run()
    condition = next(t for t in app.text_input if t.label == "Only cells with").value or ""
    assert condition.startswith("domain=")
    next(n for n in app.number_input if n.key == "number-gap").set_value(5).run()
    button(app, "Generate 5 here")
    wait_for_the_job(app)
    new = read_intents(pool)[60:]
    wanted = {part.removeprefix("domain=") for part in condition.split(" and ")}
    assert len(new) == 5
    assert all(wanted <= set(i.cell.domain_ids) for i in new)


def test_a_condition_that_is_edited_wrong_is_said_and_starts_nothing(open_view: Open, pool: Project) -> None:
    app = open_view(pool.root, "intents", tab="Coverage")
    app.selectbox(key=GAP).select_index(0).run()
    next(t for t in app.text_input if t.label == "Only cells with").set_value("domain=nowhere").run()
    button(app, "Generate 20 here")
    assert not app.exception
    assert "no domain 'nowhere'" in app.error[0].value.replace("\\", "")
    assert len(list_batches(pool)) == 1


def test_a_link_names_the_two_dimensions_and_the_gap(open_view: Open, pool: Project) -> None:
    app = open_view(pool.root, "intents", tab="Coverage", rows="domain", columns="domain")
    assert not app.exception
    assert app.selectbox(key="rows").value == "domain"
    assert app.selectbox(key="columns").value == "domain"
    app.selectbox(key="rows").set_value("level").run()
    assert "level" not in app.selectbox(key="columns").options
    assert not app.exception


def test_proposals_are_made_as_they_were_shown(open_view: Open, pool: Project) -> None:
    app = open_view(pool.root, "intents", tab="Propose")
    assert "Ask for proposals" in shown(app)
    app.number_input(key="n_proposals").set_value(6)
    app.slider(key="balance").set_value(0.8)
    button(app, "Propose")
    wait_for_the_job(app, "6 cells proposed")
    assert len(list_batches(pool)) == 1
    table = app.dataframe[0].value
    assert len(table) == 6
    assert table["Gain"].notna().all()
    button(app, "Make these")
    wait_for_the_job(app)
    new = read_intents(pool)[60:]
    assert [list(i.cell.task_ids) for i in new] == [list(tasks) for tasks in table["Tasks"]]
    assert [i.persona.name for i in new] == list(table["Persona"])
    assert "has changed since: propose again" in shown(app)
    assert next(b for b in app.button if b.label == "Make these").disabled


def test_proposals_without_vectors_say_that_they_see_coverage_alone(open_view: Open, tmp_path: Path) -> None:
    project = hashing_project(tmp_path / "p")
    generation.generate_intents(project, 20, seed=1)
    app = open_view(project.root, "intents", tab="Propose")
    button(app, "Propose")
    wait_for_the_job(app, "20 cells proposed")
    assert "By coverage alone" in shown(app)


def test_a_wrong_condition_of_proposals_is_said_in_place(open_view: Open, pool: Project) -> None:
    app = open_view(pool.root, "intents", tab="Propose")
    app.text_input(key="propose_where").set_value("domain=nowhere")
    button(app, "Propose")
    assert not app.exception
    assert "nowhere" in app.error[0].value


def test_the_diversity_can_be_asked_for_in_the_order_infinity(open_view: Open, pool: Project) -> None:
    app = open_view(pool.root, "intents", tab="Diversity")
    app.segmented_control(key="q").set_value(float("inf")).run()
    assert not app.exception
    assert any(m.label == "Vendi Score" and m.delta == "order q = ∞" for m in app.metric)


def test_an_edit_of_the_taxonomy_shows_its_effect_and_whom_it_leaves_behind(
    open_view: Open, pool: Project
) -> None:
    app = open_view(pool.root, "taxonomy")
    assert not app.exception
    assert "Effect on coverage" not in "".join(m.value for m in app.markdown)
    draft: Draft = app.session_state["taxonomy_draft"]
    asked_for = read_kept_intents(pool)[0].cell.task_ids[0]
    kept = [row for row in draft.saved["tasks"] if row["task_id"] != asked_for]
    linked = [row | {f: [t for t in row[f] if t != asked_for] for f in ("needs", "excludes")} for row in kept]
    draft.take("tasks", linked)
    draft.begin_again()
    app.run()
    assert not app.exception
    assert not app.error
    assert "Effect on coverage" in "".join(m.value for m in app.markdown)
    assert any(m.label == "Tasks" and m.delta == "-1 · was 136" for m in app.metric)
    assert asked_for in app.warning[0].value.replace("\\", "")
    effect = next(d.value for d in app.dataframe if "Change" in d.value)
    assert effect["Which"][0] == asked_for
    assert effect["Edited"][0] == 0


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True), st.floats(0, 1000), max_size=5))
def test_leanings_come_back_from_their_text(leans: dict[str, float]) -> None:
    assert leans_of(leans_text(leans)) == leans


def test_leanings_may_be_written_with_colons_or_equal_signs() -> None:
    assert leans_of(" code-runtime: 3,multimedia=0.3 ,") == {"code-runtime": 3.0, "multimedia": 0.3}
    assert leans_of("") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("code-runtime three", "'three' is no number"),
        ("code-runtime", "'' is no number"),
        ("code-runtime 3, code-runtime 4", "'3.0 and 4' is no number"),
        ("nowhere 2", "leans to the unknown domain 'nowhere'"),
        ("code-runtime -1", "greater than or equal to 0"),
    ],
)
def test_wrong_leanings_are_named_with_their_row(tmp_path: Path, text: str, said: str) -> None:
    draft = Draft.of("starter", read_version(Project.create(tmp_path / "p"), "starter"))
    rows = [dict(row) for row in draft.start["personas"]]
    rows[2]["leans"] = text
    draft.take("personas", rows)
    (problem,) = draft.problems()
    assert problem.dimension == "personas"
    assert problem.entry == f"Row 3 ({rows[2]['persona_id']})"
    assert said in problem.text


def test_a_grid_of_personas_gives_back_leanings_and_quotas() -> None:
    rows: list[dict[str, Any]] = [
        {"persona_id": "a", "leans": {"x": 2.5}, "quota": None},
        {"persona_id": "b", "leans": {}},
    ]
    assert plain_rows("personas", clean(grid_rows("personas", rows))) == rows


def test_the_change_of_a_figure_names_what_it_was() -> None:
    assert change_text(136, 136) == ""
    assert change_text(136, 137) == "+1 · was 136"
    assert change_text(2 * 10**12, 3 * 10**12) == "+50.0% · was 2.0 × 10¹²"
    assert change_text(0, 10**9) == "+1.0 × 10⁹ · was 0"


def test_parts_and_cells_are_said_as_conditions() -> None:
    assert of_part(("pair", "a", "b")) == "domain=a and domain=b"
    assert of_part(("industry x domain", "Rail freight", "b")) == "industry='Rail freight' and domain=b"
    assert of_part(("industry", "People's water")) == 'industry="People\'s water"'
    assert all_of([("domain", "a"), ("domain", "a")]) == "domain=a"


def test_a_corner_is_its_three_industries_and_two_domains() -> None:
    def intent(industry: str, *domains: str) -> Intent:
        return make_intent(persona=make_persona(industry=industry), domain_ids=domains)

    corner = [intent("A", "x", "y"), intent("A", "x", "y"), intent("B b", "x", "z"), intent("C", "y", "z")]
    assert (
        of_corner([*corner, *corner, intent("D", "v", "w")])
        == "industry in (A, 'B b', C) and domain in (x, y)"
    )
    assert of_corner([]) == ""


def test_every_part_that_can_be_thin_has_a_condition_that_the_grammar_takes(starter: Taxonomy) -> None:
    from engine.intents.targets import targets_of

    one_of_each = {part[0]: part for part in targets_of(starter).shares}
    for part in [*one_of_each.values(), *(("industry", p.industry) for p in starter.personas)]:
        assert parse_where(of_part(part), starter)
