"""Re-execution in the replay: the button that runs the calls again, the figure, the verdict on each call."""

from __future__ import annotations

import streamlit as st

from engine.schema.reexecution import CallReexecution, CallVerdict, Reexecution
from engine.schema.trajectory import Trajectory
from engine.store.project import Project
from studio.jobs import Step
from studio.widgets import content
from studio.widgets.job_panel import begin, job_of, job_panel, put_away
from studio.widgets.plain import escaped, moment, plural, words
from studio.widgets.steps import Place, call_places, go, next_place

STEP = "reexecute"
_COLOURS = {CallVerdict.REPRODUCED: "green", CallVerdict.DRIFTED: "red", CallVerdict.NOT_REPLAYABLE: "gray"}
_HELP = (
    "Runs the recorded calls again, in order, in a fresh workspace from the same template, and compares "
    "endings, observations, streams and file changes."
)


def reexecution_row(project: Project, trajectory: Trajectory, made: Reexecution | None, place: Place) -> None:
    """The button, what came of it the last time, and the way to the calls that drifted."""
    busy, ours = _at_work(project)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="again"):
        if st.button("Re-execute", key="reexecute", disabled=busy, help=_HELP):
            begin(project, [Step(name=STEP, trajectory_id=trajectory.trajectory_id)])
        if made is None:
            st.caption("The calls of this record have not been run again yet.", width="content")
        else:
            _figure(made)
            _to_drifted(trajectory, made, place)
    if ours:
        job_panel(project)


def _at_work(project: Project) -> tuple[bool, bool]:
    """Whether a job is at work, and whether there is one of ours to show: one that went well shows itself."""
    job = job_of(project)
    if job is None:
        return False, False
    report, ours = job.report(), job.request.steps[0].name == STEP
    if ours and report.ended and not report.error and not report.stopped:
        put_away(project)
        return False, False
    return not report.ended, ours


def _figure(made: Reexecution) -> None:
    counts = {verdict: made.count(verdict) for verdict in CallVerdict}
    for verdict, number in counts.items():
        if number or verdict is CallVerdict.REPRODUCED:
            st.badge(f"{number} {words(verdict.value)}", color=_COLOURS[verdict])  # type: ignore[arg-type]
    if made.fidelity is not None:
        st.caption(f"fidelity {made.fidelity:.1%}", width="content")
    where = f" · {escaped(made.sandbox.backend)} {escaped(made.sandbox.version)}" if made.sandbox else ""
    st.caption(f"{moment(made.made_at)} · engine {escaped(made.engine_version)}{where}", width="content")


def _to_drifted(trajectory: Trajectory, made: Reexecution, place: Place) -> None:
    places = zip(call_places(trajectory), made.calls, strict=False)
    drifted = [where for where, call in places if call.verdict is CallVerdict.DRIFTED]
    if target := next_place(drifted, place):
        st.button("Next drifted call", type="tertiary", on_click=go, args=(trajectory, target))


def verdict_badge(again: CallReexecution) -> None:
    """The verdict on one call as a badge."""
    st.badge(words(again.verdict.value), color=_COLOURS[again.verdict])  # type: ignore[arg-type]


def verdict_detail(again: CallReexecution, number: int) -> None:
    """Why a call could not be run again, what drifted, and which rules it needed to be the same."""
    if again.reason:
        content.quiet(f"Not run again: {again.reason}", f"again-reason-{number}")
    if again.drifts:
        st.caption(f"Run again, {plural(len(again.drifts), 'thing')} came out otherwise")
    for position, drift in enumerate(again.drifts):
        content.quiet(drift.what, f"again-what-{number}-{position}")
        content.long_block(drift.diff, f"again-diff-{number}-{position}", language="diff", n_lines=12)
    if again.normalised and not again.drifts:
        content.quiet(f"Reproduced but for: {', '.join(again.normalised)}", f"again-rules-{number}")
