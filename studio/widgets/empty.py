"""What a page says when there is nothing to show yet: the next step, as a link where there is one."""

from __future__ import annotations

import streamlit as st

PAGES = {
    "overview": "views/overview.py",
    "models": "views/models.py",
    "doctor": "views/doctor.py",
    "taxonomy": "views/taxonomy.py",
    "intents": "views/intents.py",
    "runs": "views/runs.py",
    "trajectories": "views/trajectories.py",
    "replay": "views/replay.py",
    "meters": "views/meters.py",
    "export": "views/export.py",
}
"""The file pages by name, relative to the app."""


def empty_state(title: str, text: str, *, page: str | None = None, label: str = "") -> None:
    """A quiet box with the next step. `title`, `text` and `label` are our own words, never content."""
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{title}**")
        st.caption(text)
        if page is not None:
            st.page_link(PAGES[page], label=label, icon=":material/arrow_forward:")
