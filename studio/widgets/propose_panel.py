"""Proposals: the cells that the pool needs most, with the evidence, and a button that makes just these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from engine.generation import next_seed
from engine.intents.propose import BALANCE, Proposal
from engine.intents.where import parse_where
from engine.schema.taxonomy import Taxonomy
from engine.store.project import Project
from studio import cached
from studio.jobs import Step
from studio.widgets import errors
from studio.widgets.job_panel import begin, job_of
from studio.widgets.make_intents import FOLLOW_UP, realizer_box

_MOST = 2_000
_FOUND = "proposals"
"""Where the session keeps the proposals that it saw last."""


class Found(NamedTuple):
    """Proposals, and what made them."""

    step: Step
    proposals: tuple[Proposal, ...]
    at: cached.Stamp
    """The pool that they were worked out from."""


def propose_panel(project: Project, *, busy: bool) -> None:
    """The panel."""
    st.caption(
        "Many cells are drawn; those are proposed that pay most of what the taxonomy's weights promise and "
        "the pool lacks, and that are expected to add most to its diversity."
    )
    _form(project, busy=busy)
    found = _found(project)
    if found is None:
        st.caption("Ask for proposals: they are worked out from the kept intents, and nothing is written.")
        return
    _table(found.proposals, cached.taxonomy(project))
    _make(project, found, busy=busy)


def _found(project: Project) -> Found | None:
    """The proposals of the project's job if it made some, else those that were seen last."""
    job = job_of(project)
    report = job.report() if job else None
    seen: Found | None = st.session_state.get(_FOUND)
    if job and report and report.proposals:
        step = job.request.steps[0]
        if seen is None or seen.step != step or seen.proposals != report.proposals:
            seen = Found(step, report.proposals, cached.pool_stamp(project))
            st.session_state[_FOUND] = seen
    return seen


def _form(project: Project, *, busy: bool) -> None:
    with st.form("propose", border=False):
        columns = st.columns([1.2, 3, 4, 1.4], vertical_alignment="bottom")
        number = columns[0].number_input("How many", 1, _MOST, 20, key="n_proposals")
        balance = columns[1].slider(
            "Coverage ↔ diversity",
            0.0,
            1.0,
            BALANCE,
            0.05,
            key="balance",
            help="0 looks only at what the weights promise and the pool lacks, 1 only at the expected gain "
            "in the Vendi Score.",
        )
        where = columns[2].text_input(
            "Only cells with (optional)", placeholder="e.g. domain=file-io", key="propose_where"
        )
        asked = columns[3].form_submit_button("Propose", type="primary", width="stretch", disabled=busy)
    if asked:
        with errors.shown():
            if condition := where.strip():
                parse_where(condition, cached.taxonomy(project))
            # The seed that making the next batch takes: the same one gives the same cells again.
            step = Step(
                name="propose",
                count=int(number),
                seed=next_seed(project),
                where=condition or None,
                balance=float(balance),
            )
            begin(project, [step])


def _table(proposals: Sequence[Proposal], taxonomy: Taxonomy) -> None:
    if all(p.gain is None for p in proposals):
        st.caption(
            "By coverage alone: a gain in diversity can be foreseen from 50 embedded intents on. Make some, "
            "then embed them."
        )
    st.dataframe(
        [_row(place, p, taxonomy) for place, p in enumerate(proposals, start=1)],
        hide_index=True,
        height=430 if len(proposals) > 11 else "content",
        column_config={
            "#": st.column_config.NumberColumn(width=40),
            "Domains": st.column_config.ListColumn(width=230),
            "Tasks": st.column_config.ListColumn(width=260),
            "Debt": st.column_config.NumberColumn(
                format="%.2f",
                help="Mean share of what its parts are due that is still open: 0 all paid, 1 never reached.",
            ),
            "Gain": st.column_config.NumberColumn(
                format="%+.2f", help="Expected gain in entropy over that of a mean candidate."
            ),
            "Reasons": st.column_config.TextColumn(
                width=520, help="Its most open parts: intents that are there, of those that are due."
            ),
        },
        alt="Proposed cells",
    )


def _row(place: int, proposal: Proposal, taxonomy: Taxonomy) -> dict[str, object]:
    cell = proposal.cell
    persona = taxonomy.persona_by_id[cell.persona_id]
    return {
        "#": place,
        "Debt": proposal.debt,
        "Gain": proposal.gain,
        "Persona": persona.name,
        "Industry": persona.industry,
        "Domains": list(cell.domain_ids),
        "Tasks": list(cell.task_ids),
        "Complexity": cell.complexity.value,
        "Reasons": " · ".join(proposal.reasons),
    }


def _make(project: Project, found: Found, *, busy: bool) -> None:
    fresh = found.at == cached.pool_stamp(project)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        realizer = realizer_box(st.container(width=240), key="propose_realizer")
        asked = st.button("Make these", type="primary", disabled=busy or not fresh, key="make_proposals")
        if fresh:
            st.caption("Realises the cells above, then embeds, deduplicates and maps.")
        else:
            st.caption("The pool or the taxonomy has changed since: propose again.")
    if asked:
        changes = {"name": "sample", "by_gain": True, "realizer": realizer}
        begin(project, [found.step.model_copy(update=changes), *FOLLOW_UP])
