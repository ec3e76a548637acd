"""Making intents: how many, from which cells, written by whom; and what follows on it."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.schema.base import MAX_SEED
from engine.store.project import Project
from studio.jobs import Step
from studio.widgets.job_panel import begin

FOLLOW_UP = (Step(name="embed"), Step(name="dedup"), Step(name="map"))
"""What makes new intents count: their vectors, their repeats, their places on the map."""
_EXAMPLE = "domain=file-io and not complexity=simple"


def make_form(project: Project, *, busy: bool) -> None:
    """Asks for new intents and starts the job that makes them."""
    with st.form("make", border=False):
        columns = st.columns([1, 1, 3, 2])
        number = columns[0].number_input("How many", 1, 100_000, 200, step=50)
        seed = columns[1].number_input(
            "Seed", 0, MAX_SEED, None, placeholder="next", help="The same seed draws the same cells."
        )
        where = columns[2].text_input(
            "Only cells with (optional)",
            placeholder=f"e.g. {_EXAMPLE}",
            help="Fields: persona, role, industry, level, domain, task, complexity, n_domains, n_tasks; "
            "with =, !=, in (…), and, or, not.",
        )
        realizer = realizer_box(columns[3])
        with st.container(horizontal=True, vertical_alignment="center"):
            asked = st.form_submit_button("Make intents", type="primary", disabled=busy)
            follow = st.checkbox("then embed, dedup and map", value=True)
    if asked:
        step = Step(
            name="sample",
            count=int(number),
            seed=None if seed is None else int(seed),
            where=where.strip() or None,
            realizer=realizer,
        )
        begin(project, [step, *(FOLLOW_UP if follow else ())])


def realizer_box(place: DeltaGenerator, key: str | None = None) -> str:
    """Asks who writes the utterances."""
    chosen = place.selectbox(
        "Realiser",
        ["scripted"],
        key=key,
        accept_new_options=True,
        help="scripted needs no model; or type openai:MODEL and press Enter.",
    )
    return str(chosen or "scripted")


def follow_up_button(project: Project, *, busy: bool) -> None:
    """Embeds, deduplicates and maps what is there."""
    if st.button("Embed, dedup and map", disabled=busy):
        begin(project, FOLLOW_UP)
