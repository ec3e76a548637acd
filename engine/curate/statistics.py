"""What an export holds, counted line by line as it is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from engine.catalog.messages import to_messages
from engine.catalog.signals import recoveries
from engine.schema.trajectory import Trajectory

SCRIPTED = "scripted"


@dataclass(slots=True)
class Statistics:
    """Counts over trajectories; grows by `add`, one trajectory at a time."""

    n_trajectories: int = 0
    n_turns: int = 0
    n_messages: int = 0
    n_tool_calls: int = 0
    n_failed_calls: int = 0
    n_recovered_calls: int = 0
    n_scripted: int = 0
    """Trajectories in which user or agent was the scripted provider."""
    n_proven_sandbox: int = 0
    """Trajectories whose sandbox passed its isolation probe."""
    n_without_answer: int = 0
    """Trajectories whose last turn has no answer."""
    intents: set[str] = field(default_factory=set)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """Trajectories by what they say of themselves, e.g. counts["domain"]["email"]."""

    def add(self, trajectory: Trajectory) -> None:
        """Counts one more trajectory."""
        calls = list(trajectory.tool_calls())
        provenance = trajectory.provenance
        providers = {provenance.user.provider, provenance.agent.provider}
        self.n_trajectories += 1
        self.n_turns += len(trajectory.turns)
        self.n_messages += len(to_messages(trajectory))
        self.n_tool_calls += len(calls)
        self.n_failed_calls += sum(call.failed for call in calls)
        self.n_recovered_calls += sum(r.recovered_by is not None for r in recoveries(trajectory))
        self.n_scripted += SCRIPTED in providers
        self.n_proven_sandbox += provenance.sandbox.proven
        self.n_without_answer += not trajectory.turns or trajectory.turns[-1].answer is None
        self.intents.add(trajectory.intent.intent_id)
        for name, values in _said(trajectory).items():
            self.counts.setdefault(name, Counter()).update(values)


def _said(trajectory: Trajectory) -> dict[str, set[str]]:
    provenance, cell = trajectory.provenance, trajectory.intent.cell
    user, agent = provenance.user, provenance.agent
    return {
        "stop reason": {trajectory.stop_reason.value if trajectory.stop_reason else "none"},
        "complexity": {cell.complexity.value},
        "domain": set(cell.domain_ids),
        "industry": {trajectory.intent.persona.industry},
        "tool": {call.name for call in trajectory.tool_calls()},
        "user simulator": {f"{user.provider}: {user.model}"},
        "agent": {f"{agent.provider}: {agent.model}"},
        "reader of messages": {provenance.reader or "rules alone"},
        "sandbox": {provenance.sandbox.backend},
        "taxonomy version": {provenance.taxonomy_version},
        "engine version": {provenance.engine_version},
        "run": {provenance.run_id},
    }
