"""Overview: what is in the project, how far it has come, and what to do next."""

from __future__ import annotations

import streamlit as st

from engine.catalog import Catalog
from engine.errors import StudioError
from engine.runs import list_runs
from engine.schema.run import RunStatus
from engine.store.project import Project
from engine.taxonomy import current_taxonomy, taxonomy_stats
from studio import cached, state
from studio.widgets import charts, content, errors
from studio.widgets.empty import PAGES
from studio.widgets.facts import Facts, Made, next_step, read_facts
from studio.widgets.frame import metric_row, page_head
from studio.widgets.plain import big_count, count, plural, share, words
from studio.widgets.run_panel import is_live


def view() -> None:
    """The page."""
    project = state.project()
    page_head("Overview", "What is in this project, how far it has come, and what comes next.")
    with Catalog.open(project) as catalog:
        facts = read_facts(catalog)
    runs = list_runs(project)
    cells, place = _cells(project), st.empty()
    with place.container():
        _figures(facts, cells, "…", "being measured")
    _next(project, facts, runs)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _funnel(facts)
        if facts.n_trajectories:
            charts.columns(facts.turns, key="turns", title="User turns per trajectory", x="Turns")
    with right:
        _endings(facts)
        if facts.n_trajectories:
            charts.stacked(facts.tools, ("went well", "failed"), key="calls", title="Calls by tool")
    if facts.tool_pairs:
        charts.heat(
            list(facts.tools), facts.tool_pairs, key="tools", title="Tools used in the same trajectory"
        )
    if runs:
        _runs(runs)
    vendi = cached.vendi(project)
    score = (f"{vendi.vendi:.2f}", f"over {count(vendi.n)} intents") if vendi else ("–", "not embedded yet")
    with place.container():
        _figures(facts, cells, *score)


def _cells(project: Project) -> str:
    """How many cells the taxonomy has; a dash, and the error, where it cannot be read."""
    try:
        return big_count(taxonomy_stats(current_taxonomy(project)).n_combinations)
    except StudioError as error:
        errors.show_error(error)
        return "–"


def _figures(facts: Facts, cells: str, vendi: str, pool: str) -> None:
    """The row of figures. The Vendi Score is filled in last: a large pool takes seconds to read."""
    metric_row(
        [
            ("Combinations", cells, "possible cells"),
            ("Intents kept", count(facts.n_kept), f"of {count(facts.n_intents)} drawn"),
            ("Vendi Score", vendi, pool),
            (
                "Trajectories",
                count(facts.n_trajectories),
                f"{share(facts.n_done, facts.n_trajectories)} user done",
            ),
            ("Failed calls", count(facts.n_failed), f"of {count(facts.n_calls)} calls"),
            (
                "Recoveries",
                count(facts.n_recoveries),
                f"in {plural(facts.n_failed_then_recovered, 'trajectory', 'trajectories')}",
            ),
        ]
    )


def _next(project: Project, facts: Facts, runs: list[RunStatus]) -> None:
    paths = project.paths
    step = next_step(
        facts,
        mapped=cached.is_mapped(project),
        live=any(is_live(r) for r in runs),
        made=Made(*(cached.n_files(folder) for folder in (paths.selections, paths.splits, paths.exports))),
    )
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="next-step"):
        st.badge("Next", color="primary")
        st.markdown(f"**{step.title}**", width="content")
        st.caption(step.text, width="content")
        st.space("stretch")
        st.page_link(PAGES[step.page], label=step.label, icon=":material/arrow_forward:")


def _funnel(facts: Facts) -> None:
    charts.bars(
        {
            "Intents drawn": facts.n_intents,
            "Kept by dedup": facts.n_kept,
            "Intents played": facts.n_played,
            "Trajectories": facts.n_trajectories,
            "Ended by the user as done": facts.n_done,
        },
        key="funnel",
        title="From cells to trajectories",
    )


def _endings(facts: Facts) -> None:
    if not facts.stop_reasons:
        st.markdown("**How rollouts ended**")
        st.caption("No rollout has ended yet.")
        return
    colors = {
        words(reason): charts.SECOND if reason.endswith("_failed") else charts.FIRST
        for reason in facts.stop_reasons
    }
    charts.bars(
        {words(reason): n for reason, n in facts.stop_reasons.items()},
        key="endings",
        title="How rollouts ended",
        colors=colors,
    )


def _runs(runs: list[RunStatus]) -> None:
    st.markdown("**Last runs**")
    for run in runs[:4]:
        with st.container(horizontal=True, vertical_alignment="center"):
            content.strong(run.run_id, f"last-{run.run_id}")
            st.caption(f"{run.state.value} · {count(run.n_done)} of {count(run.n_total)}", width="content")
            st.space("stretch")
            st.page_link(PAGES["runs"], label="Open", query_params={"run": run.run_id})


view()
