"""Meters: how often the user simulator slips, each rate with its interval, and the flags to judge."""

from __future__ import annotations

import streamlit as st

from engine.catalog import Catalog
from engine.curate.meters import MeterGroup, read_meters
from studio import state
from studio.widgets.empty import empty_state
from studio.widgets.flag_review import flag_review
from studio.widgets.frame import page_head
from studio.widgets.meter_panel import grouped, headline


def view() -> None:
    """The page."""
    page_head(
        "Meters",
        "How often what was said drifts out of its role, claims what never happened, or ends falsely.",
    )
    project = state.project()
    with Catalog.open(project) as catalog:
        readings = read_meters(catalog)
        if not readings:
            empty_state(
                "Nothing was judged yet",
                "The checks judge every message of the user simulator before it is sent, every answer and "
                "every ending. Play some intents, and their rates stand here.",
                page="runs",
                label="Start a run",
            )
            return
        headline(readings)
        rates, flags = st.tabs(["Rates", "Flags"])
        with rates:
            by = st.segmented_control(
                "By",
                [group for group in MeterGroup if group is not MeterGroup.ALL],
                default=MeterGroup.TURN,
                required=True,
                format_func=str.capitalize,
                key="meters_by",
            )
            group = MeterGroup(by)
            grouped(read_meters(catalog, group), group)
        with flags:
            flag_review(project, catalog)


view()
