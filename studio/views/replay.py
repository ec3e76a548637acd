"""Replay: one trajectory turn by turn, the conversation beside the ledger of that turn."""

from __future__ import annotations

import streamlit as st

from engine.paths import RunPaths
from engine.schema.reexecution import Reexecution
from engine.schema.sandbox import SandboxInfo
from engine.schema.trajectory import Trajectory
from engine.store.reexecutions import read_reexecution
from engine.store.runs import read_trajectory, run_of
from studio import state
from studio.widgets import content, conversation, errors, ledger
from studio.widgets.again import reexecution_row
from studio.widgets.empty import PAGES, empty_state
from studio.widgets.frame import page_head
from studio.widgets.judging import Judging
from studio.widgets.plain import escaped, plural, words
from studio.widgets.scroll import scroll_to_chosen
from studio.widgets.steps import Place, browse, failed_places, place_of, steer

_FOLLOW_S = 2.0


def view() -> None:
    """The page: head, steering, and the two columns."""
    trajectory_id = state.address_text("trajectory")
    if not trajectory_id:
        page_head(
            "Replay",
            "Reads one trajectory turn by turn: the conversation beside what the workspace really did.",
        )
        empty_state(
            "No trajectory chosen",
            "Open one from the list; the address of this page then is a link to the turn you look at.",
            page="trajectories",
            label="Choose a trajectory",
        )
        return
    project = state.project()
    trajectory = read_trajectory(project, trajectory_id)
    _head(trajectory)
    if not trajectory.turns:
        st.info(
            "This rollout has no turn yet."
            if trajectory.stop_reason is None
            else "This rollout ended before its first turn."
        )
        return
    if trajectory.stop_reason is None:
        _follow(trajectory_id, len(trajectory.turns))
    place = place_of(trajectory, state.address_number("turn"), state.address_text("call"))
    run = run_of(project, trajectory_id)
    made = read_reexecution(run, trajectory_id) if trajectory.stop_reason else None
    if trajectory.stop_reason is not None:
        reexecution_row(project, trajectory, made, place)
    steer(trajectory, place)
    left, right = st.columns([11, 10], gap="medium")
    with left:
        _conversation(trajectory, place, Judging(project, trajectory))
    with right:
        _ledger(trajectory, place, run, made)


@st.fragment(run_every=_FOLLOW_S)
def _follow(trajectory_id: str, n_turns: int) -> None:
    """Draws the page anew once the rollout in progress has another turn, or has ended."""
    with errors.shown():
        now = read_trajectory(state.project(), trajectory_id)
        if len(now.turns) != n_turns or now.stop_reason is not None:
            st.rerun()
        st.caption("Being played right now: new turns appear by themselves.")


def _head(trajectory: Trajectory) -> None:
    provenance = trajectory.provenance
    n_failed = len(failed_places(trajectory))
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="replay-facts"):
        st.title("Replay", anchor=False, width="content")
        st.space("stretch")
        ending = trajectory.stop_reason
        st.badge(words(ending.value) if ending else "being played", color="blue" if ending else "orange")
        st.badge(plural(len(trajectory.turns), "turn"), color="gray")
        st.badge(plural(sum(1 for _ in trajectory.tool_calls()), "tool call"), color="gray")
        st.badge(plural(n_failed, "failed call"), color="red" if n_failed else "gray")
        _sandbox_badge(provenance.sandbox)
        browse(trajectory.trajectory_id)
        st.page_link(PAGES["trajectories"], label="List", icon=":material/table_rows:")
    user, agent = provenance.user, provenance.agent
    read_by = f" · messages read by {provenance.reader}" if provenance.reader else ""
    content.quiet(
        f"{trajectory.trajectory_id} · run {provenance.run_id} · "
        f"user {user.provider}/{user.model} · agent {agent.provider}/{agent.model}{read_by}",
        "origin",
    )
    if trajectory.failure_cause:
        content.block(trajectory.failure_cause)


def _sandbox_badge(sandbox: SandboxInfo) -> None:
    if sandbox.proven:
        st.badge(escaped(sandbox.backend), color="gray", help="The isolation probe proved every check.")
    else:
        st.badge("isolation not proven", color="red")


def _conversation(trajectory: Trajectory, place: Place, judging: Judging) -> None:
    turn = trajectory.turns[place.turn]
    conversation.persona_header(trajectory.intent)
    conversation.user_says(turn, judging)
    conversation.agent_does(turn)
    judging.answer(turn)
    if place.turn == len(trajectory.turns) - 1 and trajectory.outcome is not None:
        conversation.outcome(trajectory.outcome)
        judging.ending()


def _ledger(trajectory: Trajectory, place: Place, run: RunPaths, made: Reexecution | None) -> None:
    n_before = sum(1 for turn in trajectory.turns[: place.turn] for _ in turn.tool_calls())
    again = dict(enumerate(made.calls[n_before:])) if made else {}
    calls = list(trajectory.turns[place.turn].tool_calls())
    st.markdown("**Ledger**", help="What the workspace really did, recorded outside the agent's reach.")
    if not calls:
        st.caption("No tool call in this turn.")
    for index, call in enumerate(calls):
        ledger.ledger_card(run, call, index + 1, chosen=index == place.call, again=again.get(index))
    if place.call is not None:
        scroll_to_chosen(f"{place.turn}/{place.call}")


view()
