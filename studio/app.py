"""The app's frame: page settings, navigation, and the one place where an error of a view ends up.

`ise-studio ui` starts it with `python -m streamlit run` and names the project in ISE_PROJECT.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from engine.errors import StudioError
from studio import state
from studio.widgets import errors, frame

ASSETS = Path(__file__).resolve().parent / "assets"

VIEWS = {
    "Project": [
        st.Page("views/overview.py", title="Overview", icon=":material/home:", default=True),
        st.Page("views/models.py", title="Models", icon=":material/model_training:"),
        st.Page("views/doctor.py", title="Doctor", icon=":material/stethoscope:"),
    ],
    "Make": [
        st.Page("views/taxonomy.py", title="Taxonomy", icon=":material/account_tree:"),
        st.Page("views/intents.py", title="Intents", icon=":material/scatter_plot:"),
        st.Page("views/runs.py", title="Runs", icon=":material/play_circle:"),
    ],
    "Curate": [
        st.Page("views/trajectories.py", title="Trajectories", icon=":material/table_rows:"),
        st.Page("views/replay.py", title="Replay", icon=":material/forum:"),
        st.Page("views/meters.py", title="Meters", icon=":material/speed:"),
        st.Page("views/export.py", title="Export", icon=":material/output:"),
    ],
}


def main() -> None:
    """Draws the frame and runs the chosen view in it."""
    st.set_page_config(
        page_title="ISE Studio", page_icon=str(ASSETS / "icon.svg"), layout="wide", initial_sidebar_state=232
    )
    st.logo(str(ASSETS / "logo.svg"), icon_image=str(ASSETS / "icon.svg"))
    st.html(ASSETS / "studio.css")
    page = st.navigation(VIEWS, expanded=True)
    frame.project_card()
    if not state.project_exists():
        frame.offer_new_project()
        return
    try:
        page.run()
    except StudioError as error:
        errors.show_error(error)


main()
