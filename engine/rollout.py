"""START READING HERE: one intent played to its end.

    utterance = the user's next move          (sees its own words, the answers and the evidence)
    turn      = the agent takes its turn      (real tools in a live workspace, until it answers)
    record    = on disk before going on
    ... until the user is done, a limit is reached, or something fails.

A bad rollout is data, not a crash: every ending is a stop reason in the record.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.errors import ModelError, one_line
from engine.execute.agent import Agent
from engine.ports import Workspace
from engine.schema.run import Limits
from engine.schema.trajectory import Outcome, StopReason, Trajectory
from engine.simulate.user import UserSimulator

Record = Callable[[Trajectory], None]
"""Puts the trajectory on disk, whole."""
ShouldStop = Callable[[Trajectory], StopReason | None]
"""Asked before every turn: does anything outside the rollout (the curator, the budget) end it?"""


def play(
    start: Trajectory,
    user: UserSimulator,
    agent: Agent,
    workspace: Workspace,
    *,
    limits: Limits,
    record: Record,
    should_stop: ShouldStop = lambda _: None,
) -> Trajectory:
    """The finished trajectory of one intent; never raises for a bad rollout.

    Args:
        start: A trajectory without turns.
        user: Plays the user.
        agent: Plays the agent.
        workspace: Live and isolated; the caller closes it.
        limits: Where the rollout is cut off.
        record: Called after every turn and at the end.
        should_stop: Asked before every turn; what it raises leaves the rollout unfinished.

    Raises:
        StudioError: Only from `record`: the disk refused the record.
    """
    began = time.monotonic()
    trajectory = start

    def finish(stop: StopReason, outcome: Outcome | None = None, cause: str | None = None) -> Trajectory:
        ended = trajectory.with_ending(stop, outcome, cause)
        ended = ended.model_copy(update={"duration_s": round(time.monotonic() - began, 3)})
        record(ended)
        return ended

    while True:
        if stop := _limit_reached(trajectory, limits, began) or should_stop(trajectory):
            return finish(stop)
        try:
            move = user.next_move(trajectory)
        except ModelError as error:
            return finish(StopReason.USER_FAILED, cause=one_line(error))
        if isinstance(move, Outcome):
            return finish(StopReason.USER_DONE, outcome=move)
        turn, stop = agent.take_turn(move, trajectory, workspace)
        trajectory = trajectory.with_turn(turn)
        if stop:
            return finish(stop, cause=turn.failure)
        record(trajectory)


def _limit_reached(trajectory: Trajectory, limits: Limits, began: float) -> StopReason | None:
    if time.monotonic() - began > limits.rollout_timeout_s:
        return StopReason.TIME_LIMIT
    if len(trajectory.turns) >= limits.max_turns:
        return StopReason.TURN_LIMIT
    return None
