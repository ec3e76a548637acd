"""One run as it stands: state, progress, endings, what is being played, the log, stop and resume."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from engine.runs import ENDED, read_log_tail, resume_run, stop_run
from engine.schema.run import RunConfig, RunState, RunStatus
from engine.store.project import Project
from studio.widgets import content, errors
from studio.widgets.empty import PAGES
from studio.widgets.plain import count, duration, escaped, moment, plural, words

Color = Literal["red", "orange", "green", "blue", "gray"]
_COLORS: dict[RunState, Color] = {
    RunState.STARTING: "orange",
    RunState.RUNNING: "blue",
    RunState.STOPPED: "gray",
    RunState.FINISHED: "green",
    RunState.FAILED: "red",
    RunState.INTERRUPTED: "red",
}


def is_live(status: RunStatus) -> bool:
    """True while a worker is, or may soon be, at it."""
    return status.state not in ENDED


def run_panel(project: Project, status: RunStatus, config: RunConfig) -> None:
    """The panel of one run; drawn anew every second or two while it is live."""
    with st.container(border=True):
        _headline(status)
        done = status.n_done / status.n_total if status.n_total else 0.0
        st.progress(
            min(done, 1.0),
            text=f"{count(status.n_done)} of {plural(status.n_total, 'trajectory', 'trajectories')}",
        )
        if status.message:
            content.block(status.message)
        _endings(status)
        _playing(status)
        content.quiet(_facts(status, config), f"facts-{status.run_id}")
        _buttons(project, status)
        with st.expander("Log of the worker", type="compact"), errors.shown():
            content.block(read_log_tail(project, status.run_id) or "(empty)")


def _headline(status: RunStatus) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        content.strong(status.run_id, f"run-{status.run_id}")
        st.badge(status.state.value, color=_COLORS[status.state])
        st.space("stretch")
        if status.started_at is not None:
            spent = (status.updated_at - status.started_at).total_seconds()
            st.caption(
                f"{duration(1000 * max(spent, 0.0))} so far"
                if is_live(status)
                else duration(1000 * max(spent, 0)),
                width="content",
            )


def _endings(status: RunStatus) -> None:
    if not status.by_stop_reason:
        return
    with st.container(horizontal=True):
        for reason, number in sorted(status.by_stop_reason.items(), key=lambda item: -item[1]):
            good = reason == "user_done"
            color: Color = "green" if good else "red" if reason.endswith("_failed") else "orange"
            st.badge(f"{escaped(words(reason))} · {count(number)}", color=color)


def _playing(status: RunStatus) -> None:
    """The rollouts in progress, each a link to its replay."""
    for trajectory_id, n_turns in sorted(status.playing.items()):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            content.quiet(f"playing {trajectory_id} · {plural(n_turns, 'turn')}", f"playing-{trajectory_id}")
            if n_turns:
                st.page_link(
                    PAGES["replay"],
                    label="Watch",
                    query_params={"trajectory": trajectory_id, "turn": str(n_turns)},
                )


def _facts(status: RunStatus, config: RunConfig) -> str:
    parts = [
        f"user {config.user}",
        f"agent {config.agent}",
        f"judge {config.judge}",
        f"sandbox {config.sandbox}",
        f"{config.concurrency} at a time",
        f"at most {plural(config.limits.max_turns, 'turn')}",
        f"seed {config.seed}",
        f"started {moment(config.created_at)}",
    ]
    if status.cost_usd:
        parts.append(f"{status.cost_usd:.4f} USD")
    return " · ".join(parts)


def _buttons(project: Project, status: RunStatus) -> None:
    live = is_live(status)
    with st.container(horizontal=True, vertical_alignment="center"), errors.shown():
        if st.button(
            "Stop",
            key=f"stop-{status.run_id}",
            disabled=not live,
            help="Each rollout ends its turn first; what is finished stays.",
        ):
            stop_run(project, status.run_id)
            st.toast("Asked the run to stop.")
        if st.button(
            "Resume",
            key=f"resume-{status.run_id}",
            disabled=live or status.state is RunState.FINISHED,
            help="Plays what is missing.",
        ):
            resume_run(project, status.run_id)
            st.rerun()
        if status.n_done:
            st.page_link(
                PAGES["trajectories"],
                label="Its trajectories",
                icon=":material/arrow_forward:",
                query_params={"run": status.run_id},
            )
