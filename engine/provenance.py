"""What every trajectory of a run begins with: where it comes from, in full."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from engine import __version__
from engine.execute import agent as agent_stage
from engine.execute.agent import Agent, system_prompt
from engine.execute.tools import TOOLS
from engine.schema.base import utc_now
from engine.schema.intent import Intent
from engine.schema.run import RunConfig
from engine.schema.sandbox import SandboxInfo
from engine.schema.taxonomy import Taxonomy
from engine.schema.trajectory import Provenance, Trajectory
from engine.simulate import model_reader as judge_stage
from engine.simulate import user as user_stage
from engine.simulate.model_reader import ModelReader
from engine.simulate.user import UserSimulator
from engine.store.runs import trajectory_id_of


@dataclass(frozen=True, slots=True)
class Origin:
    """What all trajectories of one run have in common."""

    config: RunConfig
    proof: SandboxInfo
    taxonomy: Taxonomy
    git_revision: str | None

    def trajectory(self, intent: Intent, seed: int, user: UserSimulator, agent: Agent) -> Trajectory:
        """A trajectory without turns, to be played."""
        return Trajectory(
            trajectory_id=trajectory_id_of(self.config.run_id, intent.intent_id),
            intent=intent,
            provenance=Provenance(
                run_id=self.config.run_id,
                seed=seed,
                engine_version=__version__,
                git_revision=self.git_revision,
                taxonomy_version=self.taxonomy.version,
                taxonomy_hash=self.taxonomy.content_hash,
                prompt_hashes={
                    **user_stage.prompt_hashes(),
                    **agent_stage.prompt_hashes(),
                    **(judge_stage.prompt_hashes() if isinstance(user.reader, ModelReader) else {}),
                },
                user=user.model.info,
                agent=agent.model.info,
                sandbox=self.proof,
                tools=TOOLS,
                system_prompt=system_prompt(),
                reader=user.reader.info.model if user.reader else None,
                judge=user.reader.info if user.reader else None,
            ),
            created_at=utc_now(),
        )


def git_revision() -> str | None:
    """The revision of the checkout that this engine runs from; None for an installed wheel."""
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
