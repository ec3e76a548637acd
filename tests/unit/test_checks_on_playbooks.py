"""The scripted provider is the baseline: none of its words may fail a check."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.playbooks import draw_slots, draw_story, fill, register_of
from engine.providers.script import Library
from engine.schema.playbook import Playbook, Register
from engine.schema.trajectory import Trajectory
from engine.simulate.drift import check_utterance
from engine.simulate.judge import asked_to_double_check
from tests.builders import make_call, make_intent, make_persona, make_trajectory, make_turn

LIBRARY = Library.load(Path(__file__).parents[2] / "data" / "playbooks")
STYLES = {
    Register.PLAIN: "practical, step by step",
    Register.TERSE: "terse, verdict before reasoning",
    Register.FORMAL: "formal, cites the standard",
    Register.CHATTY: "chatty, thinks out loud",
}
WENT_WELL = ("acknowledgements", "plain_acknowledgements", "recovered", "double_checks")


def trajectory(register: Register, *, failed: bool = False) -> Trajectory:
    persona = make_persona(communication_style=STYLES[register])
    assert register_of(persona, LIBRARY.voice) is register
    calls = [make_call("python3 tally.py", exit_code=2 * failed, stderr_tail="boom" * failed)]
    turn = make_turn(*calls, answer="rows.csv has 12 rows, the largest is north with 31.")
    return make_trajectory("t-1", turn, intent=make_intent(persona=persona))


def asks(book: Playbook) -> Iterator[tuple[Register, str]]:
    """Every ask of a playbook with its slots filled."""
    rng = random.Random(book.task_id)
    story = draw_story(LIBRARY.lexicons["default"], rng)
    slots = story | draw_slots(book.slots, rng, story)
    for way in book.ways:
        filled = slots | draw_slots(way.slots, rng, slots)
        for turn in way.turns:
            for register, variants in turn.ask.items():
                yield from ((register, fill(ask, filled)) for ask in variants)


def problems(text: str, before: Trajectory) -> list[str]:
    return [f"{v.check}: {v.detail} | {text[:200]!r}" for v in check_utterance(text, before) if not v.passed]


@pytest.mark.parametrize("first", "abcdefghijklmnopqrstuvwxyz_")
def test_every_ask_of_every_playbook_passes_every_check(first: str) -> None:
    books = (
        [LIBRARY.closing]
        if first == "_"
        else [b for b in LIBRARY.playbooks.values() if b.task_id[0] == first]
    )
    before = {register: trajectory(register) for register in Register}
    found = [p for book in books for register, text in asks(book) for p in problems(text, before[register])]
    assert found == []


@pytest.mark.parametrize("register", list(Register))
def test_every_reaction_passes_every_check(register: Register) -> None:
    rng = random.Random(7)
    slots = draw_story(LIBRARY.lexicons["default"], rng)
    slots |= {"created": "out/report.csv", "failed_command": "python3 tally.py", "exit_code": "2"}
    manner = LIBRARY.voice.registers[register]
    phrases = [(p, False) for name in WENT_WELL for p in getattr(manner, name)]
    phrases += [(p, True) for p in manner.failures]
    before = {failed: trajectory(register, failed=failed) for failed in (True, False)}
    assert [p for text, failed in phrases for p in problems(fill(text, slots), before[failed])] == []


def test_every_double_check_is_known_as_one() -> None:
    # The closing's own requests follow one of these phrases and say only what to look at.
    for manner in LIBRARY.voice.registers.values():
        for text in manner.double_checks:
            turns = (make_turn(index=0), make_turn(index=1, text=text))
            assert asked_to_double_check(make_trajectory("t-1", *turns)), text
