"""The mood of a clause: only what is asserted of the workspace can be contradicted."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from engine.schema.trajectory import ClaimKind
from engine.simulate.claims.clauses import clauses_of, without_quotations
from engine.simulate.claims.mood_words import (
    ACK_START,
    AHEAD,
    ARROW,
    ASKS,
    BEGS,
    COMMAND_AS_SUBJECT,
    CONDITION,
    CORRECTS,
    ELSEWHERE,
    EXIT,
    FINITE_VERB,
    FOLLOWS,
    FRAGMENT_REST,
    GIVES_REASON,
    HERE,
    IMPERATIVE,
    INDIRECT,
    INTERROGATIVE,
    LEAD,
    LIES,
    LOOKED,
    NOBODY,
    OURS,
    OWN,
    PERCEIVES,
    PRINTS,
    PURPOSE,
    SEEN,
    SHORT_COMMAND,
    SOMEBODY,
    SPEAKS_OF_ALL,
    TAG,
    TURNS_ON,
    WHEN_PAST,
    WHY,
    YOU_DID,
)
from engine.simulate.claims.names import Name, names_in
from engine.simulate.claims.numbers import numbers_in
from engine.simulate.claims.states import Said, State, states_in


class Mood(StrEnum):
    """What a clause does."""

    ASSERTED = "asserted"
    """It says how things stand in the workspace, or what the agent did."""
    REQUEST = "request"
    QUESTION = "question"
    CONDITION = "condition"
    OWN = "own"
    """A fact of the user's own world."""
    NEUTRAL = "neutral"


class Setting(NamedTuple):
    """Where in a conversation a sentence stands."""

    is_opening: bool = False
    """True for the first message, when nothing has been executed yet."""
    after_request: bool = False
    """True behind the first request of the message: what follows are its details as a rule."""
    was_asked: bool = False
    """True where the last answer asked something, so that bare values are answers."""
    is_acknowledged: bool = False
    """True where the sentence says "good" or the like."""
    is_name: Callable[[str], bool] = lambda _: True
    """Whether a capitalised word may be a person's name."""
    is_relevant: Callable[[str], bool] = lambda _: True
    """Whether a clause speaks of what the last turn was about."""


class Clause(NamedTuple):
    """A clause with its mood and the states in it."""

    text: str
    mood: Mood
    states: tuple[Said, ...]
    sentence: str


_CERTAIN = frozenset({State.GONE, State.ACTION, State.PASSED, State.RUNNING, State.CHANGED, State.RAN})


def moods_of(sentence: str, setting: Setting) -> list[Clause]:
    """The clauses of a sentence with their moods."""
    parts = clauses_of(sentence)
    masked = [without_quotations(part) for part in parts]
    states = [states_in(part) for part in masked]
    asked_from = _asked_from(sentence, masked)
    setting = setting._replace(
        is_acknowledged=any(ACK_START.fullmatch(part.strip(" .!?")) for part in masked)
    )
    moods: list[Mood] = []
    for number, part in enumerate(masked):
        before = moods[-1] if moods else None
        is_asked = asked_from is not None and number >= asked_from
        moods.append(_mood(part, states[number], before, setting, is_asked=is_asked))
    moods = _filled(_begged(moods, masked), masked)
    if CORRECTS.search(sentence):
        moods = [Mood.OWN if mood is Mood.ASSERTED else mood for mood in moods]
    return [Clause(p, m, s, sentence) for p, m, s in zip(parts, moods, states, strict=True)]


def turns_on(sentence: str) -> bool:
    """True where a sentence leads on to what is wanted next: no more reactions follow, as a rule."""
    return TURNS_ON.match(sentence) is not None


def _asked_from(sentence: str, parts: list[str]) -> int | None:
    """The number of the first clause that asks; None too for a statement with a question mark behind it."""
    if not sentence.rstrip(" \"')”").endswith("?"):
        return None
    starts = [n for n, part in enumerate(parts) if INTERROGATIVE.match(_led(part)) or WHY.match(_led(part))]
    if starts:
        return starts[0]
    return None if len(parts) > 1 and TAG.fullmatch(parts[-1]) else _declared(parts)


def _declared(parts: list[str]) -> int | None:
    says_something = any(states_in(part) or next(numbers_in(part), None) for part in parts)
    return None if says_something and not re.search(r"\bor\b", " ".join(parts)) else 0


def _led(part: str) -> str:
    """The clause without the words that lead into it."""
    return LEAD.sub("", part, count=1)


def _mood(
    part: str, states: tuple[Said, ...], before: Mood | None, setting: Setting, *, is_asked: bool
) -> Mood:
    led = _led(part)
    asked_for = _asked_for(
        part, led, before, is_asked=is_asked, has_states=bool(states) and not setting.is_opening
    )
    if asked_for is not None:
        return asked_for
    if setting.is_opening:
        return _opening_mood(part, led, states)
    if ELSEWHERE.search(part):
        return Mood.OWN
    if YOU_DID.search(part) or ((PERCEIVES.search(part) or _looked(part)) and not INDIRECT.search(part)):
        return Mood.ASSERTED
    if _is_own(led, setting) or INDIRECT.search(part) or (_is_joined(part) and before is Mood.OWN):
        return Mood.OWN
    if TURNS_ON.match(part) and not states:
        return Mood.REQUEST
    if before in {Mood.REQUEST, Mood.QUESTION, Mood.OWN} and not GIVES_REASON.match(part):
        return before
    if (
        before is Mood.NEUTRAL
        and not setting.is_acknowledged
        and not re.search(r"[a-z]{3}", part, re.IGNORECASE)
    ):
        return Mood.NEUTRAL
    return _plain_mood(part, states, setting)


def _is_own(led: str, setting: Setting) -> bool:
    """True for a fact of the user's own world: of "we" and "our", or of a person by name."""
    if OWN.search(led):
        return True
    somebody = SOMEBODY.match(led)
    if somebody is None or any(map(str.isdigit, somebody[1])):
        return False
    counts_theirs = setting.is_relevant(somebody[1]) and next(numbers_in(led), None) is not None
    return somebody[1].lower() not in NOBODY and setting.is_name(somebody[1]) and not counts_theirs


def _asked_for(part: str, led: str, before: Mood | None, *, is_asked: bool, has_states: bool) -> Mood | None:
    """Request, question or condition; None for a statement."""
    if PURPOSE.match(part):
        return Mood.REQUEST
    if is_asked:
        return Mood.ASSERTED if WHY.match(led) and has_states else Mood.QUESTION
    if (CONDITION.match(part) or CONDITION.match(led)) and not WHEN_PAST.match(part):
        return Mood.CONDITION
    states_it = PERCEIVES.search(part) or YOU_DID.search(part)
    if _is_joined(part) and before in {Mood.REQUEST, Mood.CONDITION, Mood.QUESTION} and not states_it:
        return before
    if ARROW.search(part) or (ASKS.search(part) and not _is_seen(part)) or _is_imperative(led):
        return Mood.REQUEST
    return None


def _opening_mood(part: str, led: str, states: tuple[Said, ...]) -> Mood:
    """Of an opening only what is said of the workspace itself is asserted: it holds nothing yet."""
    if YOU_DID.search(part) or (_is_seen(part) and not OURS.search(led)):
        return Mood.ASSERTED
    has_file = any(n.kind in {ClaimKind.FILE_NAME, ClaimKind.PATH} for n in names_in(part))
    runs = any(said.state is State.RUNNING for said in states) and HERE.search(part)
    if (has_file and LIES.search(part) and not AHEAD.search(part)) or runs:
        return Mood.ASSERTED
    return Mood.OWN if OWN.search(led) or SOMEBODY.match(led) else Mood.NEUTRAL


def _plain_mood(part: str, states: tuple[Said, ...], setting: Setting) -> Mood:
    """A statement without any sign of who knows it."""
    outcome = any(said.is_past for said in states) or bool(EXIT.search(part))
    if setting.after_request:
        return Mood.ASSERTED if outcome and setting.is_relevant(part) else Mood.NEUTRAL
    if setting.was_asked and not (outcome or setting.is_acknowledged or FINITE_VERB.search(part)):
        return Mood.NEUTRAL
    names = [n for n in names_in(part) if n.kind is not ClaimKind.VERSION]
    if "\x00" in part and PRINTS.search(part):
        return Mood.ASSERTED
    has_number = next(numbers_in(part), None) is not None
    if (
        names
        and not outcome
        and not _is_reaction(part, names)
        and not (has_number and _is_spoken_of(names, setting))
    ):
        return Mood.NEUTRAL
    says_something = outcome or names or has_number
    is_certain = bool(names) or bool(EXIT.search(part)) or any(s.state in _CERTAIN for s in states)
    is_certain = is_certain or ((bool(states) or has_number) and SPEAKS_OF_ALL.search(part) is not None)
    return Mood.ASSERTED if says_something and (is_certain or setting.is_relevant(part)) else Mood.NEUTRAL


def _is_spoken_of(names: tuple[Name, ...] | list[Name], setting: Setting) -> bool:
    return all(setting.is_relevant(name.text.rpartition("/")[2].rpartition(".")[0]) for name in names)


def _is_reaction(part: str, names: tuple[Name, ...] | list[Name]) -> bool:
    """True where a clause says something of the names in it, or only takes note of them."""
    if FINITE_VERB.search(part):
        return True
    rest = part
    for name in reversed(names):
        rest = rest[: name.start] + rest[name.end :]
    return FRAGMENT_REST.match(rest.strip(" ,.!:;-")) is not None and bool(re.search(r"\w", rest))


def _is_joined(part: str) -> bool:
    return re.match(r"(?:and|or|that|which|who|nor)\b", part, re.IGNORECASE) is not None


def _looked(part: str) -> bool:
    """True where the user says to have looked into a file of the workspace."""
    return bool(LOOKED.search(part)) and any(
        n.kind in {ClaimKind.FILE_NAME, ClaimKind.PATH} for n in names_in(part)
    )


def _is_seen(part: str) -> bool:
    """True where the speaker has seen it, so that a "should" in the same breath asks for nothing."""
    return SEEN.search(part) is not None


def _is_imperative(led: str) -> bool:
    if not IMPERATIVE.match(led):
        return False
    return not (SHORT_COMMAND.match(led) or COMMAND_AS_SUBJECT.match(led))


def _begged(moods: list[Mood], parts: list[str]) -> list[Mood]:
    """A bare "please" behind a clause makes a request of it."""
    begged = list(moods)
    for number in range(1, len(parts)):
        if BEGS.fullmatch(parts[number]) and begged[number - 1] is not Mood.QUESTION:
            begged[:number] = [
                Mood.REQUEST if m in {Mood.NEUTRAL, Mood.ASSERTED} and not PERCEIVES.search(p) else m
                for m, p in zip(begged[:number], parts, strict=False)
            ]
    return begged


def _filled(moods: list[Mood], parts: list[str]) -> list[Mood]:
    """Moods with those of fragments taken from their neighbours: first from before, else from behind."""
    filled = list(moods)
    for number in range(1, len(filled)):
        follows = FOLLOWS.match(parts[number]) or len(parts[number].split()) <= 5
        if filled[number] is Mood.NEUTRAL and follows:
            filled[number] = filled[number - 1]
    for number in range(len(filled) - 2, -1, -1):
        is_fragment = len(parts[number].split()) <= 5 and not ACK_START.fullmatch(parts[number])
        if filled[number] is Mood.NEUTRAL and is_fragment and not states_in(parts[number]):
            filled[number] = filled[number + 1]
    return filled
