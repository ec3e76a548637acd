"""Playbooks: the data that the scripted realiser and the scripted provider play. Data, never code.

A slot is written `<<name>>` in any text. Its value comes from the story (drawn once an intent, from the
industry's lexicon), from the playbook's own `slots` (drawn once an intent) or from a `capture` of what a
tool call really printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field

from engine.schema.base import Record, Slug


class Register(StrEnum):
    """The manner in which a persona writes."""

    PLAIN = "plain"
    TERSE = "terse"
    FORMAL = "formal"
    CHATTY = "chatty"


class IntRange(Record):
    """A slot whose value is a whole number in low..high, ends included."""

    low: int
    high: int


SlotSpec = tuple[str, ...] | IntRange
"""The values to choose from, or a range. A value may hold story slots."""


class Branch(Record):
    """Further calls, made when what came back matches."""

    when: str
    """Regular expression, searched in the observation of the call just made."""
    steps: tuple[PlayStep, ...] = Field(min_length=1)


class PlayStep(Record):
    """One tool call of the agent, and what to do about what came back."""

    say: str = ""
    """What the agent writes beside the call."""
    tool: str
    arguments: Mapping[str, str | int | bool]
    capture: Mapping[str, str] = {}
    """Slot name -> regular expression with one group, searched in the observation; a miss leaves it unset."""
    branches: tuple[Branch, ...] = ()
    """The first whose `when` matches is played, then the turn goes on with its next step."""


class FileOrigin(StrEnum):
    """Whose file it is."""

    LATEST = "latest"
    """Made or changed by the task that was played last."""
    EARLIER = "earlier"
    """Made or changed by another task before it."""


class FileWish(Record):
    """A file that a request is about: the user takes it from the evidence, the agent from the user's words.

    A wish named `file` also fills `file_name`, `file_stem`, `file_ending` and `file_folder`.
    """

    origin: FileOrigin = FileOrigin.LATEST
    endings: tuple[str, ...] = ()
    """How its name must end, such as ".md"; empty for any."""


class PlayTurn(Record):
    """One request of the user and what the agent does about it."""

    ask: Mapping[Register, tuple[str, ...]]
    """What the user writes, by register; "plain" must be there and stands in for the others."""
    files: Mapping[str, FileWish] = {}
    """Slots that are filled with files which were really made; without them it is not asked for."""
    steps: tuple[PlayStep, ...] = Field(min_length=1)
    answer: tuple[str, ...] = Field(min_length=1)
    """What the agent answers; a variant is used only if all its slots are filled."""
    answer_failed: tuple[str, ...] = ()
    """What it answers when the turn's last call failed; a plain admission stands in where none is given."""


class Way(Record):
    """One way in which a task goes: what the user asks for, turn by turn, and what the agent does."""

    slots: Mapping[str, SlotSpec] = {}
    """Slots of this way alone, drawn with the script: those of the playbook are drawn with the intent."""
    turns: tuple[PlayTurn, ...] = Field(min_length=1)


class Playbook(Record):
    """How one task is spoken of, asked for and carried out."""

    task_id: Slug
    slots: Mapping[str, SlotSpec] = {}
    mentions: tuple[str, ...] = Field(min_length=2)
    """Sentences with which an intent names this task: first person, concrete, 12 to 28 words."""
    clauses: tuple[str, ...] = ()
    """Short words for the task that follow "I have to", for an intent that speaks of it in passing."""
    ways: tuple[Way, ...] = Field(min_length=1)

    def all_turns(self) -> tuple[PlayTurn, ...]:
        """The turns of every way."""
        return tuple(turn for way in self.ways for turn in way.turns)


class Purpose(StrEnum):
    """What a user wants with a request that belongs to no task."""

    CORRECTION = "correction"
    """What was asked for before was wrong."""
    DETAIL = "detail"
    """Something is added to what was made."""
    CHANGE = "change"
    """The user wants something else, or something else first."""
    CONNECTION = "connection"
    """Files of several tasks are brought together."""


class Aside(Record):
    """A request that belongs to no task: it is about what was really made so far."""

    kind: Slug
    purpose: Purpose
    inside: bool = False
    """Whether it may also come between two turns of a task: it then must not change that task's files."""
    slots: Mapping[str, SlotSpec] = {}
    """Drawn with the script."""
    turn: PlayTurn


class Asides(Record):
    """All asides, and the request that stands in for one whose files are not there."""

    asides: tuple[Aside, ...] = ()
    otherwise: PlayTurn
    """Speaks of no file."""


class Lexicon(Record):
    """Story slots of one industry: slot name -> values to choose from."""

    industry: str
    slots: Mapping[str, SlotSpec]
    threads: tuple[Mapping[str, str], ...] = ()
    """Slots whose values belong together (a topic, its items and metric); one thread is drawn an intent."""


class Manner(Record):
    """The phrases of one register that are not about any task."""

    openings: tuple[str, ...]
    """First sentences of an intent; story slots."""
    closings: tuple[str, ...]
    """Last sentences of an intent; story slots."""
    connectives: tuple[str, ...] = ()
    """Words between one task's sentence and the next, such as "Then"; an empty string leaves it bare."""
    last_connectives: tuple[str, ...] = ()
    """The same before the last task's sentence."""
    lists: tuple[str, ...] = ()
    """Sentences that name several tasks in passing; <<clauses>> is their list, to follow "I have to"."""
    greetings: tuple[str, ...]
    """Put before the first request; may be empty strings. Story slots and <<my_name>>."""
    acknowledgements: tuple[str, ...]
    """Reaction to a turn in which all went well; may use <<created>> (a file that was made or changed)."""
    plain_acknowledgements: tuple[str, ...]
    """Reaction to a turn that went well and made no file."""
    recovered: tuple[str, ...]
    """Reaction to a failed call that was made good; <<failed_command>> and <<exit_code>>."""
    failures: tuple[str, ...]
    """Reaction to a turn that ended in failure; <<failed_command>> and <<exit_code>>."""
    double_checks: tuple[str, ...]
    """The request to check everything before finishing; what exactly to look at follows it."""
    references: tuple[str, ...] = ()
    """Reaction that names, beside <<created>>, a file of an earlier task: <<earlier>>."""


class Voice(Record):
    """All registers, and which communication style is which register."""

    registers: Mapping[Register, Manner]
    styles: Mapping[str, Register]
    """Word in a persona's communication style (lower case) -> register; first match wins, else by level."""
