"""Where in a trajectory the replay stands, and the steering: slider, previous, next, next failed call.

The page's address holds the place, so every place is a link: ?trajectory=ID&turn=N&call=ID. Turns count
from 1.
"""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from engine.catalog.messages import call_ids
from engine.schema.trajectory import Trajectory
from studio import state
from studio.widgets.plain import plural

LISTED = "listed_trajectories"
"""Where the session keeps the ids of the page of the list that was shown last."""


class Place(NamedTuple):
    """A turn of a trajectory, by position from 0, and the chosen call in it, by position from 0."""

    turn: int
    call: int | None = None


def place_of(trajectory: Trajectory, turn_number: int | None, call_id: str) -> Place:
    """The place that an address names, moved to the nearest one that exists.

    A call named without a turn is looked for in the whole trajectory.
    """
    last = len(trajectory.turns) - 1
    turn = min(max((turn_number or 1) - 1, 0), last)
    for place, known in zip(call_places(trajectory), call_ids(trajectory), strict=True):
        if known == call_id and (turn_number is None or place.turn == turn):
            return place
    return Place(turn)


def call_places(trajectory: Trajectory) -> list[Place]:
    """The places of all calls, in order."""
    return [
        Place(turn, index)
        for turn, record in enumerate(trajectory.turns)
        for index, _ in enumerate(record.tool_calls())
    ]


def failed_places(trajectory: Trajectory) -> list[Place]:
    """The places of all failed calls, in order."""
    places = zip(call_places(trajectory), trajectory.tool_calls(), strict=True)
    return [place for place, call in places if call.failed]


def next_failed(trajectory: Trajectory, place: Place) -> Place | None:
    """The first failed call after `place`, from the start again at the end; None when no call failed."""
    return next_place(failed_places(trajectory), place)


def next_place(places: list[Place], place: Place) -> Place | None:
    """The first of the places of calls that stands after `place`, from the start again at the end."""
    here = (place.turn, -1 if place.call is None else place.call)
    return next((p for p in places if (p.turn, p.call) > here), places[0] if places else None)


def go(trajectory: Trajectory, place: Place) -> None:
    """Puts a place into the page's address."""
    chosen = None
    if place.call is not None:
        chosen = call_ids(trajectory)[call_places(trajectory).index(place)]
    state.set_address(turn=place.turn + 1, call=chosen)


def neighbour(trajectory_id: str, step: int) -> str | None:
    """The trajectory before (-1) or after (1) this one on the page of the list that was shown last."""
    listed: list[str] = st.session_state.get(LISTED, [])
    if trajectory_id not in listed:
        return None
    position = listed.index(trajectory_id) + step
    return listed[position] if 0 <= position < len(listed) else None


def browse(trajectory_id: str) -> None:
    """Buttons to the trajectories beside this one in the list; P and N from the keyboard."""
    for label, key, step in (("Previous", "P", -1), ("Next", "N", 1)):
        other = neighbour(trajectory_id, step)
        if st.session_state.get(LISTED):
            st.button(
                f"{label} trajectory",
                type="tertiary",
                shortcut=key,
                disabled=other is None,
                on_click=state.set_address,
                kwargs={"trajectory": other or trajectory_id, "turn": 1, "call": None},
            )


def steer(trajectory: Trajectory, place: Place) -> None:
    """The row of steering widgets. Left, Right and F work from the keyboard."""
    n_turns = len(trajectory.turns)
    failed = failed_places(trajectory)
    target = next_failed(trajectory, place)
    with st.container(horizontal=True, vertical_alignment="bottom", key="steering"):
        st.button(
            "Previous turn",
            shortcut="Left",
            disabled=place.turn == 0,
            on_click=go,
            args=(trajectory, Place(max(place.turn - 1, 0))),
        )
        st.button(
            "Next turn",
            shortcut="Right",
            disabled=place.turn == n_turns - 1,
            on_click=go,
            args=(trajectory, Place(min(place.turn + 1, n_turns - 1))),
        )
        st.button(
            _failed_label(failed, place),
            shortcut="F",
            disabled=target is None,
            on_click=go,
            args=(trajectory, target or place),
        )
        if n_turns > 1:
            _slider(trajectory, place, n_turns)


def _failed_label(failed: list[Place], place: Place) -> str:
    if not failed:
        return "No failed call"
    if place in failed:
        return f"Next failed call ({failed.index(place) + 1} of {len(failed)})"
    return f"Next failed call ({plural(len(failed), 'failure')})"


def _slider(trajectory: Trajectory, place: Place, n_turns: int) -> None:
    st.session_state["replay_turn"] = place.turn + 1

    def moved() -> None:
        go(trajectory, Place(int(st.session_state["replay_turn"]) - 1))

    st.slider(f"Turn {place.turn + 1} of {n_turns}", 1, n_turns, key="replay_turn", on_change=moved)
