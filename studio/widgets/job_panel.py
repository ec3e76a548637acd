"""A job on the screen: what it does, how far it is, how it ended."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.store.project import Project
from studio.jobs import Job, Report, Step, start_job
from studio.widgets import errors
from studio.widgets.plain import count, escaped

_POLL_S = 1.0
_DOING = {
    "propose": "Weighing cells",
    "sample": "Drawing cells and realising them",
    "embed": "Embedding the intents",
    "dedup": "Finding repeated intents",
    "map": "Drawing the map",
    "reexecute": "Running the calls again",
}


@st.cache_resource(show_spinner=False)
def _jobs() -> dict[str, Job]:
    """The server's jobs by project: one at a time each, whichever browser window looks at it."""
    return {}


def job_of(project: Project) -> Job | None:
    """The project's job, if this server started one and its end was not put away yet."""
    return _jobs().get(str(project.root.resolve()))


def put_away(project: Project) -> None:
    """Forgets the project's job, whose end has been seen."""
    _jobs().pop(str(project.root.resolve()), None)


def begin(project: Project, steps: Sequence[Step]) -> None:
    """Starts a job, unless one is at work."""
    running = job_of(project)
    if running is None or running.report().ended:
        with errors.shown():
            _jobs()[str(project.root.resolve())] = start_job(project, steps)
            st.rerun()


def job_panel(project: Project) -> bool:
    """Shows the project's job, drawn anew while it works; True while it works."""
    job = job_of(project)
    if job is None:
        return False
    working = not job.report().ended
    st.fragment(_panel, run_every=_POLL_S if working else None)(project, working=working)
    return working


def _panel(project: Project, *, working: bool) -> None:
    job = job_of(project)
    if job is None:
        return
    report = job.report()
    if working and report.ended:
        st.rerun()
    with st.container(border=True, key="job"):
        if report.ended:
            _ended(project, report, job.request.steps)
        else:
            _working(job, report)


def _working(job: Job, report: Report) -> None:
    names = [step.name for step in job.request.steps]
    place = f"step {names.index(report.step) + 1} of {len(names)}" if report.step in names else "starting"
    far = f" · {count(report.done)} of {count(report.total)}" if report.total else ""
    st.progress(
        report.done / report.total if report.total else 0.0,
        text=f"{_DOING.get(report.step, 'Starting')} ({place}){far}",
    )
    st.caption("It goes on in a process of its own: you may leave this page.")
    if st.button("Stop", key="job-stop"):
        job.stop()


def _ended(project: Project, report: Report, steps: Sequence[Step]) -> None:
    for note in report.notes:
        st.caption(escaped(note))
    if report.error:
        st.error(escaped(report.error))
    elif report.stopped:
        st.badge("stopped", color="gray")
        if steps[0].name not in ("propose", "reexecute"):
            st.caption("What was made is kept. Embed, dedup and map goes on where it was.")
    else:
        st.badge("done", color="green")
    if st.button("Put away", key="job-away"):
        put_away(project)
        st.rerun()
