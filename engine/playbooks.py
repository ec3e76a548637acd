"""Loads the playbooks and the phrases around them, draws their slots and fills them in.

The folder `data/playbooks` holds one YAML file a task, and beside them `_lexicon.yaml` (story slots by
industry), `_voice.yaml` (phrases by register), `_asides.yaml` (requests that belong to no task) and
`_closing.yaml` (the double-check before the end).
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from engine.errors import InputError, one_line
from engine.schema.playbook import Asides, IntRange, Lexicon, Playbook, Register, SlotSpec, Voice
from engine.schema.taxonomy import ExperienceLevel, Persona
from engine.store.files import first_problem, read_bytes

M = TypeVar("M", bound=BaseModel)

_SLOT = re.compile(r"<<([a-z][a-z0-9_]*)>>")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEFAULT_INDUSTRY = "default"
_REGISTER_OF_LEVEL = {
    ExperienceLevel.INTERN: Register.CHATTY,
    ExperienceLevel.JUNIOR: Register.PLAIN,
    ExperienceLevel.MID: Register.PLAIN,
    ExperienceLevel.SENIOR: Register.TERSE,
    ExperienceLevel.LEAD: Register.PLAIN,
    ExperienceLevel.EXECUTIVE: Register.FORMAL,
}


def load_playbooks(folder: Path) -> dict[str, Playbook]:
    """Every playbook of the folder by its task id.

    Raises:
        InputError: A file is no valid playbook, or two are for one task; the message names the file.
    """
    playbooks: dict[str, Playbook] = {}
    for path in sorted(folder.glob("[!_]*.yaml")):
        playbook = _load(path, Playbook)
        if playbook.task_id in playbooks:
            raise InputError(f"{path}: a second playbook for {playbook.task_id}: remove one of the two")
        playbooks[playbook.task_id] = playbook
    return playbooks


def load_closing(folder: Path) -> Playbook:
    """The playbook of the double-check that ends a conversation."""
    return _load(folder / "_closing.yaml", Playbook)


def load_asides(folder: Path) -> Asides:
    """The requests that belong to no task."""
    return _load(folder / "_asides.yaml", Asides)


def load_voice(folder: Path) -> Voice:
    """The phrases that are not about any task."""
    return _load(folder / "_voice.yaml", Voice)


def load_lexicons(folder: Path) -> dict[str, Lexicon]:
    """Story slots by industry; "default" stands in for an unknown one and under every known one.

    An industry's own `threads` replace the default's.

    Raises:
        InputError: The file is not a mapping of industries with a "default".
    """
    path = folder / "_lexicon.yaml"
    raw = _read_yaml(path)
    if not isinstance(raw, dict) or not isinstance(raw.get(DEFAULT_INDUSTRY), dict):
        raise InputError(f"{path}: wants a mapping of industries with an entry {DEFAULT_INDUSTRY!r}")
    default = raw[DEFAULT_INDUSTRY]
    merged = {industry: {**default, **(slots or {})} for industry, slots in raw.items()}
    return {
        industry: _validate(
            path, Lexicon, {"industry": industry, "threads": slots.pop("threads", ()), "slots": slots}
        )
        for industry, slots in merged.items()
    }


def _read_yaml(path: Path) -> Any:  # noqa: ANN401 (foreign data enters here)
    try:
        return yaml.load(read_bytes(path).decode("utf-8"), Loader=_LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {one_line(error)}") from error


def _load(path: Path, kind: type[M]) -> M:
    return _validate(path, kind, _read_yaml(path))


def _validate(path: Path, kind: type[M], raw: object) -> M:
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise InputError(f"{path} is not a valid {kind.__name__}: {first_problem(error)}") from error


@lru_cache(maxsize=65_536)
def slots_in(text: str) -> frozenset[str]:
    """Names of the slots in `text`."""
    return frozenset(_pieces(text)[1::2])


@lru_cache(maxsize=65_536)
def _pieces(text: str) -> tuple[str, ...]:
    """`text` cut at its slots: what stands before the first, its name, what follows, and so on."""
    return tuple(_SLOT.split(text))


def fill(text: str, slots: Mapping[str, str]) -> str:
    """`text` with its slots filled; a slot without a value is left as it stands."""
    pieces = _pieces(text)
    if len(pieces) == 1:
        return text
    filled = list(pieces)
    filled[1::2] = [slots.get(name, f"<<{name}>>") for name in pieces[1::2]]
    return "".join(filled)


def choose_filled(texts: Sequence[str], slots: Mapping[str, str], rng: random.Random) -> str | None:
    """One of `texts` whose slots all have a value, filled; None where there is none."""
    ready = [t for t in texts if slots_in(t) <= slots.keys()]
    return fill(rng.choice(ready), slots) if ready else None


def draw_slots(specs: Mapping[str, SlotSpec], rng: random.Random, known: Mapping[str, str]) -> dict[str, str]:
    """One value for each slot, in their order; a value may hold slots that are known or drawn before it."""
    drawn: dict[str, str] = {}
    for name, spec in specs.items():
        value = str(rng.randint(spec.low, spec.high)) if isinstance(spec, IntRange) else rng.choice(spec)
        drawn[name] = fill(value, {**known, **drawn})
    return drawn


def draw_story(lexicon: Lexicon, rng: random.Random) -> dict[str, str]:
    """The story slots of one intent: each slot by itself, and one thread, whose values belong together."""
    story = draw_slots(lexicon.slots, rng, {})
    thread = rng.choice(lexicon.threads) if lexicon.threads else {}
    return story | {name: fill(value, story) for name, value in thread.items()}


def draw_details(
    persona: Persona,
    task_ids: Sequence[str],
    playbooks: Mapping[str, Playbook],
    lexicons: Mapping[str, Lexicon],
    rng: random.Random,
) -> dict[str, str]:
    """The story slots ("slot") and every playbook's slots ("task_id:slot") of one intent."""
    lexicon = lexicons.get(persona.industry, lexicons[DEFAULT_INDUSTRY])
    story = draw_story(lexicon, rng)
    details = dict(story)
    for task_id in task_ids:
        if task_id in playbooks:
            drawn = draw_slots(playbooks[task_id].slots, rng, story)
            details.update({f"{task_id}:{name}": value for name, value in drawn.items()})
    return details


def slots_of_task(details: Mapping[str, str], task_id: str) -> dict[str, str]:
    """What one task's texts are filled with: the story's slots, and over them the task's own."""
    return slots_by_task(details, [task_id])[task_id]


def slots_by_task(details: Mapping[str, str], task_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """`slots_of_task` for several tasks in one pass; "" stands for the story's slots alone."""
    story: dict[str, str] = {}
    own: dict[str, dict[str, str]] = {}
    for name, value in details.items():
        task_id, colon, slot = name.partition(":")
        (own.setdefault(task_id, {}) if colon else story)[slot if colon else name] = value
    return {"": story} | {task_id: story | own.get(task_id, {}) for task_id in task_ids}


def register_of(persona: Persona, voice: Voice) -> Register:
    """The register in which a persona writes: by a word of their style, else by their level."""
    style = persona.communication_style.lower()
    for word, register in voice.styles.items():
        if word in style:
            return register
    return _REGISTER_OF_LEVEL[persona.experience_level]
