"""The shipped playbooks are whole, and the loader names what is wrong with a broken one."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from engine import build
from engine.errors import InputError
from engine.paths import data_dir
from engine.playbooks import (
    draw_details,
    draw_slots,
    fill,
    load_playbooks,
    register_of,
    slots_in,
    slots_of_task,
)
from engine.schema.playbook import Playbook, PlayStep, Register
from engine.schema.taxonomy import Task
from engine.schema.tools import ToolName
from engine.taxonomy import load_taxonomy
from tests.builders import make_persona

LIBRARY = build.script_library()
TAXONOMY = load_taxonomy(data_dir() / "taxonomy", "starter")
BOOKS = [*LIBRARY.playbooks.values(), LIBRARY.closing]
NAMES = [book.task_id for book in BOOKS]


def every_step(steps: tuple[PlayStep, ...]) -> list[PlayStep]:
    return [s for step in steps for s in (step, *(x for b in step.branches for x in every_step(b.steps)))]


def details_for(book: Playbook, seed: int) -> dict[str, str]:
    books = {book.task_id: book}
    drawn = draw_details(make_persona(), [book.task_id], books, LIBRARY.lexicons, random.Random(seed))
    slots = slots_of_task(drawn, book.task_id)
    for way in book.ways:
        slots |= draw_slots(way.slots, random.Random(seed), slots)
    return slots


def test_every_task_of_the_starter_taxonomy_has_a_playbook() -> None:
    assert set(TAXONOMY.task_by_id) - set(LIBRARY.playbooks) == set()


@pytest.mark.parametrize("book", BOOKS, ids=NAMES)
def test_every_request_and_mention_is_filled_by_what_is_drawn(book: Playbook) -> None:
    slots = details_for(book, 5)
    texts = [*book.mentions, *(t for turn in book.all_turns() for asks in turn.ask.values() for t in asks)]
    assert {name for text in texts for name in slots_in(text)} - set(slots) == set()


@pytest.mark.parametrize("book", BOOKS, ids=NAMES)
def test_every_argument_is_filled_by_what_is_drawn_or_captured(book: Playbook) -> None:
    slots = details_for(book, 5)
    steps = [s for turn in book.all_turns() for s in every_step(turn.steps)]
    captured = {name for s in steps for name in s.capture}
    texts = [str(v) for s in steps for v in s.arguments.values()] + [s.say for s in steps]
    assert {name for text in texts for name in slots_in(text)} - set(slots) - captured == set()


@pytest.mark.parametrize("book", BOOKS, ids=NAMES)
def test_every_pattern_compiles_and_every_capture_has_one_group(book: Playbook) -> None:
    slots = details_for(book, 5)
    for step in (s for turn in book.all_turns() for s in every_step(turn.steps)):
        for branch in step.branches:
            re.compile(fill(branch.when, slots))
        for pattern in step.capture.values():
            assert re.compile(fill(pattern, slots)).groups == 1


@pytest.mark.parametrize("book", BOOKS, ids=NAMES)
def test_every_tool_that_is_called_is_one_that_the_agent_has(book: Playbook) -> None:
    used = {s.tool for turn in book.all_turns() for s in every_step(turn.steps)}
    assert used <= set(ToolName)


@pytest.mark.parametrize("task", TAXONOMY.tasks, ids=lambda task: task.task_id)
def test_a_task_names_the_further_tools_that_its_playbook_calls(task: Task) -> None:
    used = {s.tool for turn in LIBRARY.playbooks[task.task_id].all_turns() for s in every_step(turn.steps)}
    assert used - {"exec", "read", "write", "edit"} <= set(task.tools)


def test_a_third_of_the_playbooks_expect_something_to_fail() -> None:
    with_branches = [
        b
        for b in LIBRARY.playbooks.values()
        if any(s.branches for t in b.all_turns() for s in every_step(t.steps))
    ]
    assert len(with_branches) >= len(LIBRARY.playbooks) / 3


def test_a_style_word_chooses_the_register_and_the_level_stands_in() -> None:
    words = LIBRARY.voice.styles
    word, register = next(iter(words.items()))
    assert register_of(make_persona(communication_style=f"{word}, mostly"), LIBRARY.voice) is register
    assert register_of(make_persona(communication_style="zzz"), LIBRARY.voice) is Register.TERSE


def test_filling_leaves_unknown_slots_and_shell_syntax_alone() -> None:
    assert fill("<<a>> ${b} <<EOF <<nope>>", {"a": "1"}) == "1 ${b} <<EOF <<nope>>"


def test_a_broken_playbook_is_named_with_its_field(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("task_id: bad\nmentions: [one, two]\nways: []\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.yaml is not a valid Playbook: ways"):
        load_playbooks(tmp_path)


def test_a_playbook_that_is_no_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("task_id: [bad\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.yaml is not valid YAML.*line"):
        load_playbooks(tmp_path)
