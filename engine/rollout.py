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
from dataclasses import dataclass

from engine.execute.agent import Agent
from engine.ports import Workspace
from engine.schema.run import Limits
from engine.schema.trajectory import Outcome, StopReason, Trajectory
from engine.simulate.judge import judge_turn
from engine.simulate.user import UserFailed, UserSimulator

Record = Callable[[Trajectory], None]
"""Puts the trajectory on disk, whole."""
ShouldStop = Callable[[Trajectory], StopReason | None]
"""Asked before every turn, model call and tool call of the agent: does anything outside the rollout (the
curator, the budget) end it?"""


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
        should_stop: Given what is finished of the trajectory; what it raises leaves the rollout unfinished.

    Raises:
        StudioError: Only from `record`: the disk refused the record.
    """
    began = time.monotonic()
    rollout = _Rollout(user, agent, workspace, limits, should_stop, began + limits.rollout_timeout_s)
    trajectory = start
    while trajectory.stop_reason is None:
        trajectory = rollout.go_on(trajectory)
        trajectory = trajectory.model_copy(update={"duration_s": round(time.monotonic() - began, 3)})
        record(trajectory)
    return trajectory


@dataclass(frozen=True, slots=True)
class _Rollout:
    """Who plays, and until when (an instant of `time.monotonic`)."""

    user: UserSimulator
    agent: Agent
    workspace: Workspace
    limits: Limits
    should_stop: ShouldStop
    deadline: float

    def go_on(self, trajectory: Trajectory) -> Trajectory:
        """The trajectory with one more turn, with its ending, or with both."""
        if stop := self._turn_limit(trajectory) or self._interrupted(trajectory):
            return trajectory.with_ending(stop)
        move = self.user.next_move(trajectory, self.deadline)
        if isinstance(move, Outcome):
            return trajectory.with_ending(StopReason.USER_DONE, move)
        if isinstance(move, UserFailed):
            stop = StopReason.TIME_LIMIT if self._is_late() else StopReason.USER_FAILED
            tried = trajectory.with_failed_attempts(move.attempts, move.usage)
            return tried.with_ending(stop, cause=move.cause)
        turn, ended, cause = self.agent.take_turn(
            move,
            trajectory,
            self.workspace,
            interrupted=lambda: self._interrupted(trajectory),
            deadline=self.deadline,
        )
        played = trajectory.with_turn(judge_turn(turn, trajectory))
        return played.with_ending(ended, cause=cause) if ended else played

    def _turn_limit(self, trajectory: Trajectory) -> StopReason | None:
        return StopReason.TURN_LIMIT if len(trajectory.turns) >= self.limits.max_turns else None

    def _interrupted(self, trajectory: Trajectory) -> StopReason | None:
        return StopReason.TIME_LIMIT if self._is_late() else self.should_stop(trajectory)

    def _is_late(self) -> bool:
        return time.monotonic() >= self.deadline
