"""What the engine did to the agent's turn stands in the replay: cuts, notes, refusals."""

from __future__ import annotations

from pathlib import Path

from engine.schema.compaction import Compaction, CompactionCause, ShortenedObservation
from engine.schema.trajectory import Step, StopReason, Turn, Utterance
from engine.store.project import Project
from tests.app.opened import Open
from tests.app.sample_project import HOSTILE
from tests.builders import make_call, make_intent, make_trajectory, save_intents, save_run


def test_cuts_notes_and_refusals_are_shown_as_plain_text(open_view: Open, tmp_path: Path) -> None:
    compaction = Compaction(
        cause=CompactionCause.ENDPOINT,
        limit_tokens=4000,
        tokens_before=8000,
        tokens_after=3100,
        characters_per_token=4.0,
        shortened=(ShortenedObservation(turn=0, step=0, position=0, n_kept=1000, n_left_out=9000),),
        n_steps_dropped=2,
    )
    steps = (
        Step(tool_calls=(make_call("ls"),), note="[Note: ls has brought the same. " + HOSTILE + "]"),
        Step(content="No.", compaction=compaction),
    )
    turn = Turn(index=0, utterance=Utterance(text="Go on."), steps=steps, answer="No.", refusal=HOSTILE)
    project = Project.create(tmp_path / "p")
    intent = make_intent()
    save_intents(project, intent)
    trajectory = make_trajectory("t-1", turn, intent=intent, outcome=None)
    save_run(project, trajectory.with_ending(StopReason.AGENT_REFUSED, cause="declined"))
    app = open_view(project.root, "replay", trajectory="t-1")
    assert not app.exception
    texts = [t.value for t in app.text]
    assert any(t.startswith("The agent was told: [Note: ls has") for t in texts)
    assert sum("evil.example" in t for t in texts) == 2
    (cut,) = [c.value for c in app.caption if c.value.startswith("Context compacted")]
    assert (
        "the endpoint refused it as too long: 1 observation shortened, 2 steps of this turn left out" in cut
    )
    assert "8,000 tokens became 3,100" in cut
    badges = " ".join(m.value for m in app.markdown)
    assert "agent refused" in badges
    assert "refusal" in badges
