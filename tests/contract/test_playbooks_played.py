"""Playbooks with the further tools, asides and double-checks, played in the live sandbox to a good answer."""

from __future__ import annotations

import re

import pytest

from engine import build
from engine.errors import SandboxError
from engine.execute.agent import Agent
from engine.execute.workspaces.backend import Backend
from engine.playbooks import slots_in
from engine.providers.script import Script, write_script
from engine.providers.scripted_chat import ScriptedAgent, ScriptedUser
from engine.rollout import play
from engine.schema.playbook import PlayStep, Way
from engine.schema.run import Limits
from engine.schema.tools import ToolName
from engine.schema.trajectory import Trajectory
from engine.simulate.user import UserSimulator
from tests.builders import make_intent, make_trajectory

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(120)]
LIBRARY = build.script_library()
PLAIN = {ToolName.EXEC, ToolName.READ, ToolName.WRITE, ToolName.EDIT}


def tools_of(steps: tuple[PlayStep, ...]) -> set[str]:
    return {s.tool for s in steps} | {t for s in steps for b in s.branches for t in tools_of(b.steps)}


def tools_in(way: Way) -> set[str]:
    return {tool for turn in way.turns for tool in tools_of(turn.steps)}


ASIDES = {aside.kind: aside for aside in LIBRARY.asides.asides} if LIBRARY.asides else {}
WITH_BOTH = ("write-handoff", "plan-followups")
"""Tasks that make Markdown and CSV, so that every aside finds its files."""
PLAYED = [
    (name, number)
    for name, book in LIBRARY.playbooks.items()
    for number, way in enumerate(book.ways)
    if tools_in(way) - PLAIN
]
"""Task and number of each way that uses further tools."""


@pytest.fixture(scope="module")
def backend() -> Backend:
    backend = build.sandbox("bubblewrap")
    try:
        backend.prove()
    except SandboxError as error:
        pytest.skip(str(error))
    return backend


def played(script: Script, backend: Backend) -> Trajectory:
    start = make_trajectory(intent=script.intent).model_copy(
        update={"turns": (), "stop_reason": None, "outcome": None}
    )
    limits = Limits()
    workspace = backend.open()
    try:
        return play(
            start,
            UserSimulator(ScriptedUser(script), limits),
            Agent(ScriptedAgent(script), limits, lambda data, total: None),
            workspace,
            limits=limits,
            record=lambda trajectory: None,
        )
    finally:
        workspace.close()


def is_variant(answer: str | None, variants: tuple[str, ...]) -> bool:
    """True where the answer is one of the variants, whatever fills their slots."""
    patterns = (re.split(r"<<[a-z][a-z0-9_]*>>", variant) for variant in variants)
    return any(re.fullmatch(".*?".join(map(re.escape, p)), answer or "", re.DOTALL) for p in patterns)


@pytest.mark.parametrize(("task_id", "way"), PLAYED)
def test_a_playbook_with_the_further_tools_comes_to_its_answers(
    task_id: str, way: int, backend: Backend
) -> None:
    script = write_script(make_intent(task_ids=(task_id,)), LIBRARY, seed=3, ways={task_id: way})
    trajectory = played(script, backend)
    assert trajectory.outcome is not None
    assert trajectory.outcome.is_success
    for act, turn in zip(script.acts, trajectory.turns, strict=True):
        assert is_variant(turn.answer, act.turn.answer), turn.answer
        assert not slots_in(turn.answer or "")
    assert {c.name for c in trajectory.tool_calls()} - PLAIN


@pytest.mark.parametrize("kind", ASIDES)
def test_an_aside_finds_its_files_and_comes_to_its_answer(kind: str, backend: Backend) -> None:
    fixed = dict.fromkeys(WITH_BOTH, 0)
    script = write_script(make_intent(task_ids=WITH_BOTH), LIBRARY, seed=3, ways=fixed, asides=(kind,))
    trajectory = played(script, backend)
    (place,) = (n for n, act in enumerate(script.acts) if act.is_aside)
    answer = trajectory.turns[place].answer
    assert is_variant(answer, ASIDES[kind].turn.answer), answer
    assert not slots_in(answer or "")
    assert not slots_in(trajectory.turns[place].utterance.text)
    assert trajectory.outcome is not None
    assert trajectory.outcome.is_success, trajectory.outcome.reason


@pytest.mark.parametrize("way", range(len(LIBRARY.closing.ways)))
def test_a_double_check_looks_and_says_what_it_found(way: int, backend: Backend) -> None:
    ways = {"write-handoff": 0, "closing": way}
    script = write_script(make_intent(task_ids=("write-handoff",)), LIBRARY, seed=2, ways=ways)
    trajectory = played(script, backend)
    checked = zip(script.acts[script.closing :], trajectory.turns[script.closing :], strict=True)
    for act, turn in checked:
        assert is_variant(turn.answer, act.turn.answer), turn.answer
        assert any(call.name == "exec" for call in turn.tool_calls())


def test_the_playbooks_use_every_tool_that_there_is() -> None:
    used = {tool for name, way in PLAYED for tool in tools_in(LIBRARY.playbooks[name].ways[way])}
    assert used == set(ToolName)
