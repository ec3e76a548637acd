"""Flags one by one: what was said, what the check found, and a curator's word on it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.catalog import Catalog
from engine.curate.decide import decide_on_flag
from engine.curate.meters import Flag, list_flags
from engine.schema.checks import CHECKS, Meter
from engine.schema.flags import Decision, FlagKey, SaidBy
from engine.store.project import Project
from studio.widgets import content, errors
from studio.widgets.empty import PAGES, empty_state
from studio.widgets.plain import plural, words

_LIMIT = 500
_SAID_BY = {"user": "the user said", "agent": "the agent answered", "ending": "the user said at the end"}


def flag_review(project: Project, catalog: Catalog) -> None:
    """The list of flags, and the chosen one with its buttons."""
    wanted = st.pills(
        "Meters", list(Meter), selection_mode="multi", format_func=words, key="flags_meters", width="content"
    )
    flags = list_flags(catalog, wanted, _LIMIT)
    if not flags:
        empty_state("No flags", "Everything that was sent passed these checks.")
        return
    n_open = sum(flag.decision == "open" for flag in flags)
    st.caption(f"{plural(len(flags), 'flag')} · {n_open} not judged yet")
    left, right = st.columns([6, 5], gap="medium")
    with left:
        chosen = _list(flags)
    with right:
        _card(project, flags[chosen])


def _list(flags: Sequence[Flag]) -> int:
    event = st.dataframe(
        [
            {
                "decision": f.decision,
                "check": words(f.check),
                "turn": f.turn + 1,
                "text": f.text[:160],
                "trajectory": f.trajectory_id,
            }
            for f in flags
        ],
        key="flags_table",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [0]}},
        height="content" if len(flags) < 14 else 520,
        column_config={
            "decision": st.column_config.TextColumn("Judged", width=80),
            "check": st.column_config.TextColumn("Check", width=120),
            "turn": st.column_config.NumberColumn("Turn", width=50),
            "text": st.column_config.TextColumn("What was said", width=280),
            "trajectory": st.column_config.TextColumn("Trajectory", width=140),
        },
        alt="Flags",
    )
    rows = event.selection.rows
    return rows[0] if rows and rows[0] < len(flags) else 0


def _card(project: Project, flag: Flag) -> None:
    about = CHECKS.get(flag.check)
    with st.container(border=True, key="flag-card"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(words(flag.check), color="red")
            st.caption(f"turn {flag.turn + 1} · {_SAID_BY[flag.said_by]}", width="content")
            st.space("stretch")
            st.page_link(
                PAGES["replay"],
                label="Open in replay",
                icon=":material/forum:",
                query_params={"trajectory": flag.trajectory_id, "turn": str(flag.turn + 1)},
            )
        content.prose(flag.text, "flag-text")
        if about:
            st.caption(f"Looks for {about.looks_for}.")
        content.quiet(f"Found: {flag.detail}", "flag-detail")
        key = FlagKey(flag.trajectory_id, flag.turn, SaidBy(flag.said_by), flag.check)
        decision_row(project, key, Decision(flag.decision), note=flag.note)


def decision_row(project: Project, key: FlagKey, now: Decision, note: str = "") -> None:
    """What was decided on a flag, and the buttons to decide otherwise: a press draws the page anew."""
    name = "-".join(map(str, key))
    if now is not Decision.OPEN:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(now.value, color="red" if now is Decision.CONFIRMED else "green")
            if note:
                content.quiet(note, f"note-{name}")
            if st.button("Take back", key=f"open-{name}", type="tertiary"):
                _decide(project, key, Decision.OPEN, "")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        why = st.text_input(
            "Note", key=f"why-{name}", placeholder="Note (optional): why", label_visibility="collapsed"
        )
        if st.button("Confirm", key=f"confirm-{name}", help="The check is right: it counts."):
            _decide(project, key, Decision.CONFIRMED, why)
        if st.button("Overrule", key=f"overrule-{name}", help="The check is wrong: it does not count."):
            _decide(project, key, Decision.OVERRULED, why)


def _decide(project: Project, key: FlagKey, decision: Decision, note: str) -> None:
    with errors.shown():
        decide_on_flag(project, key, decision, note=note)
        st.rerun()
