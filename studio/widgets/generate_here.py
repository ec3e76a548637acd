"""New intents in one corner of the taxonomy: the condition to look over, how many, written by whom."""

from __future__ import annotations

import hashlib

import streamlit as st

from engine.intents.where import parse_where
from engine.store.project import Project
from studio import cached
from studio.jobs import Step
from studio.widgets import errors
from studio.widgets.job_panel import begin
from studio.widgets.make_intents import FOLLOW_UP, realizer_box
from studio.widgets.plain import count

_DEFAULT = 20


def generate_here(project: Project, where: str, *, key: str, busy: bool) -> None:
    """Offers to make intents under a condition, which can be edited before the job starts.

    Args:
        project: Where the intents go.
        where: The condition to begin with; another one begins anew.
        key: Unique on the page.
        busy: True while a job is at work.
    """
    place = f"{key}-{hashlib.sha256(where.encode()).hexdigest()[:12]}"
    condition = st.text_input(
        "Only cells with", where, key=f"where-{place}", help="What is drawn; edit it as you like."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = int(st.number_input("How many", 1, 100_000, _DEFAULT, key=f"number-{key}", width=140))
        realizer = realizer_box(st.container(width=240), key=f"realizer-{key}")
        asked = st.button(f"Generate {count(number)} here", type="primary", key=f"go-{key}", disabled=busy)
        st.caption("Drawn, realised, embedded, deduplicated and mapped.")
    if asked:
        with errors.shown():
            parse_where(condition, cached.taxonomy(project))
            begin(
                project, [Step(name="sample", count=number, where=condition, realizer=realizer), *FOLLOW_UP]
            )
