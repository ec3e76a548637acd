"""Tells one intent as a short text of 60 to 130 words: opening, tasks in their order, closing.

A person speaks of one or two tasks at length and of the others in passing. That is not only how people
write: a sentence for every task makes all texts alike, since many unrelated sentences average out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.playbooks import fill, slots_in
from engine.schema.playbook import Manner, Playbook
from engine.schema.taxonomy import Persona, Task

MIN_WORDS, MAX_WORDS = 60, 130
"""Bounds on an utterance, in words (runs of characters between blanks)."""

_TOLD_ONCE = frozenset({"trouble", "stake"})
_ABOUT_TASK = (
    "For our <<topic>> I also need to <<what>>.",
    "I have to <<what>>.",
    "With the <<items>> at hand, I need to <<what>>.",
)
_LISTS = ("I also have to <<clauses>>.",)
_LISTINGS = 6
_MAX_NAME_WORDS = 8
_MAX_CHANGES = 200
_SENTENCE_START = re.compile(r"(^|[.!?]\s+)([^\W\d_]+(?:['’-][^\W\d_]+)*)(?![\w./:=@-]*[\w/=@])")
_KEEPS_CAPITAL = re.compile(
    r"I\b|\w*[A-Z]\w*[A-Z]|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|January|February|March|April|May\b|"
    r"June|July|August|September|October|November|December|Python|English"
)


class Phrase(NamedTuple):
    """A sentence, filled in, as it stands by itself and as it stands after a connective."""

    text: str
    linked: str
    told: frozenset[str] = frozenset()
    """Which of trouble and stake it tells; a text tells each of them once."""

    @property
    def n_words(self) -> int:
        """Number of words."""
        return n_words(self.text)


@dataclass(frozen=True, slots=True)
class Story:
    """What an utterance is made of."""

    persona: Persona
    known: Mapping[str, Mapping[str, str]]
    """Task id -> what its texts are filled with; "" -> the story's own slots."""
    manner: Manner
    tasks: Sequence[Task]
    playbooks: Mapping[str, Playbook]

    def slots(self, rng: random.Random) -> dict[str, str]:
        """The story's slots, and those about the persona."""
        own = {
            "my_name": self.persona.name.split()[0],
            "my_role": self.persona.role,
            "my_field": rng.choice(self.persona.expertise),
        }
        return {**self.known[""], **own}


@dataclass(slots=True)
class _Part:
    """One place of the text: the phrase chosen and all that could stand there."""

    options: list[Phrase]
    chosen: Phrase

    def change(self, rng: random.Random, *, longer: bool) -> bool:
        """Takes a longer or shorter option; False where there is none."""
        now = self.chosen.n_words
        others = [o for o in self.options if (o.n_words > now if longer else o.n_words < now)]
        if others:
            self.chosen = rng.choice(others)
        return bool(others)


def n_words(text: str) -> int:
    """Number of words: runs of characters between blanks."""
    return len(text.split())


def tell(story: Story, rng: random.Random) -> str:
    """The utterance of a story, of 60 to 130 words.

    It is shorter only where a register's phrases are too few to fill it, and longer only where its openings
    leave no room for the tasks in short words.
    """
    slots = story.slots(rng)
    text = ""
    for n_long in range(min(rng.choice((1, 2, 2)), len(story.tasks)), -1, -1):
        text = _told(story, slots, n_long, rng)
        if n_words(text) <= MAX_WORDS:
            break
    return text


def _told(story: Story, slots: Mapping[str, str], n_long: int, rng: random.Random) -> str:
    """The text with `n_long` tasks told at length, one of them first, and the others in one sentence."""
    opening = _part(story.manner.openings, slots, rng)
    n_before = rng.randint(1, n_long) if n_long else 0
    n_after = n_long - n_before
    in_passing = story.tasks[n_before : len(story.tasks) - n_after]
    before = [_mention(task, story, slots, rng) for task in story.tasks[:n_before]]
    after = [_mention(task, story, slots, rng) for task in story.tasks[len(story.tasks) - n_after :]]
    tasks = [*before, _listing(in_passing, story, slots, rng), *after]
    links = _links(story.manner, n_before, n_after, rng)
    closings = [_phrase(c, slots) for c in story.manner.closings]
    reserved = sum(map(n_words, links)) + min((c.n_words for c in closings), default=0)
    _fit([opening, *tasks], reserved, rng)
    closing = _closing(closings, opening.chosen, n_words(_text(opening, tasks, links, "")), rng)
    return _text(opening, tasks, links, closing)


def _phrase(template: str, slots: Mapping[str, str]) -> Phrase:
    """The filled template; its first letter is lowered after a connective unless it has to be a capital."""
    text = fill(template, slots)
    told = _TOLD_ONCE & slots_in(template)
    if template.startswith("<<") or _KEEPS_CAPITAL.match(template):
        return Phrase(text, text, told)
    return Phrase(text, text[:1].lower() + text[1:], told)


def _part(templates: Iterable[str], slots: Mapping[str, str], rng: random.Random) -> _Part:
    options = [_phrase(t, slots) for t in templates] or [Phrase("", "")]
    return _Part(options, rng.choice(options))


def _mention(task: Task, story: Story, slots: Mapping[str, str], rng: random.Random) -> _Part:
    """The sentences that can name a task: its playbook's, else made from its description."""
    if task.task_id in story.playbooks:
        known = story.known[task.task_id]
        ready = [m for m in story.playbooks[task.task_id].mentions if slots_in(m) <= known.keys()]
        if ready:
            return _part(ready, known, rng)
    what = _phrase(task.description.rstrip(". "), {}).linked
    return _part(_ABOUT_TASK, {"topic": "work", "items": "records", **slots, "what": what}, rng)


def _fit(parts: Sequence[_Part], n_others: int, rng: random.Random) -> None:
    """Changes single parts, at random, until the whole is within bounds or no part can be changed."""
    for _ in range(_MAX_CHANGES):
        total = n_others + sum(part.chosen.n_words for part in parts)
        if MIN_WORDS <= total <= MAX_WORDS:
            return
        if not any(part.change(rng, longer=total < MIN_WORDS) for part in rng.sample(parts, len(parts))):
            return


def _listing(tasks: Sequence[Task], story: Story, slots: Mapping[str, str], rng: random.Random) -> _Part:
    """One sentence for several tasks, or none where there are no tasks."""
    if not tasks:
        return _Part([], Phrase("", ""))
    templates = story.manner.lists or _LISTS
    options = []
    for _ in range(_LISTINGS):
        clauses = [_clause(task, story, rng) for task in tasks]
        joined = " and ".join(part for part in (", ".join(clauses[:-1]), clauses[-1]) if part)
        options.append(_phrase(rng.choice(templates), {**slots, "clauses": joined}))
    return _Part(options, rng.choice(options))


def _clause(task: Task, story: Story, rng: random.Random) -> str:
    """Short words for a task; its name where it has none."""
    known = story.known[task.task_id]
    playbook = story.playbooks.get(task.task_id)
    ready = [c for c in (playbook.clauses if playbook else ()) if slots_in(c) <= known.keys()]
    if ready:
        return fill(rng.choice(ready), known)
    name = " ".join(task.name.split()[:_MAX_NAME_WORDS])
    return _phrase(name.replace("<<", ""), {}).linked


def _links(manner: Manner, n_before: int, n_after: int, rng: random.Random) -> list[str]:
    """What stands before each sentence about tasks: nothing before the first and before the listing."""
    links = [""]
    for choices in [manner.connectives] * (n_before - 1) + [("",)] + [manner.last_connectives] * n_after:
        links.append(rng.choice([c for c in choices if not c or c not in links] or [""]))
    return links[: n_before + 1 + n_after]


def _closing(closings: Sequence[Phrase], opening: Phrase, n_before: int, rng: random.Random) -> str:
    """The closing: one that fits in, and further ones while the text is too short.

    Where the opening tells neither what went wrong nor what is at stake, the closing does.
    """
    told, chosen = opening.told, list[Phrase]()
    while True:
        total = n_before + sum(c.n_words for c in chosen)
        fitting = [
            c for c in closings if not c.told & told and c not in chosen and total + c.n_words <= MAX_WORDS
        ]
        if not told:
            fitting = [c for c in fitting if c.told] or fitting
        if not fitting or (chosen and total >= MIN_WORDS):
            return " ".join(c.text for c in chosen)
        chosen.append(rng.choice(fitting))
        told |= chosen[-1].told


def _text(opening: _Part, tasks: Sequence[_Part], links: Sequence[str], closing: str) -> str:
    sentences = [opening.chosen.text]
    sentences += [
        f"{link} {part.chosen.linked}" if link else part.chosen.text
        for link, part in zip(links, tasks, strict=True)
    ]
    text = " ".join(s for s in (*sentences, closing) if s)
    return _SENTENCE_START.sub(lambda m: m[1] + m[2][:1].upper() + m[2][1:], text)
