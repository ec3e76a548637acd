"""Export: select trajectories, cut the selection by intent, write it for training."""

from __future__ import annotations

from engine.store.runs import list_run_ids
from studio import state
from studio.widgets import errors
from studio.widgets.empty import empty_state
from studio.widgets.export_panel import export_panel
from studio.widgets.frame import page_head
from studio.widgets.select_panel import select_panel
from studio.widgets.split_panel import split_panel


def view() -> None:
    """The page."""
    page_head("Export", "From trajectories to training files: select, cut by intent, write.")
    project = state.project()
    if not list_run_ids(project):
        empty_state("Nothing to export yet", "A run leaves trajectories.", page="runs", label="Start a run")
        return
    for panel in (select_panel, split_panel, export_panel):
        with errors.shown():
            panel(project)


view()
