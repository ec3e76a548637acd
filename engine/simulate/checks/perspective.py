"""Perspective lock: the writer is the user, never the agent, and knows of no simulation."""

from __future__ import annotations

import re

from engine.schema.taxonomy import Persona
from engine.schema.trajectory import Trajectory
from engine.simulate.checks.deeds import deed
from engine.simulate.checks.offers import offers
from engine.simulate.checks.reports import report
from engine.simulate.checks.self_talk import self_talk
from engine.simulate.checks.speech import known
from engine.simulate.checks.text import MAX_CHARS, parts, plain, sentences

_WANTS = re.compile(
    r"\?|\b(?:please|kindly|(?:could|can|would|will) you|i (?:want|need|would|wish|require|request|"
    r"should)|i'd|must|should|"
    r"make|keep|save|store|put|write|turn|convert|add|set|take|use|apply|build|find|tell|show|give|"
    r"check|sort|count|merge|"
    r"pack|wants|needs?|below|following|->|from)\b|->|[=/]"
)
"""Marks of a message that wants something, with which it may hold data."""

_REDEEMED = re.compile(
    r"\b(?:my (?:bad|mistake|apologies|fault)|sorry|apologi[sz]e|on my (?:side|part))\b[^?]{0,120}"
    r"\b(?:is|has been|have|is now) (?:now )?(?:fixed|corrected|resolved|repaired|mended)\b(?! in my| on my)"
)
"""An apology and its remedy in one breath."""


def perspective_lock(text: str, trajectory: Trajectory) -> str:
    """How a message speaks as the agent; empty where it does not.

    Only the writer's own words count, where they ask for something: what is pasted then speaks with another's
    voice.
    """
    own = parts(text).own
    own = own if _WANTS.search(own.lower()) else text
    before = known(trajectory)
    for raw in sentences(own):
        sentence = plain(raw)
        if found := offers(sentence) or self_talk(sentence) or deed(sentence, raw, before):
            return f"it speaks as the assistant: {found.strip()[:80]!r}"
    if redeemed := _REDEEMED.search(plain(own)):
        return f"it owns up to the agent's mistake: {redeemed[0][:80]!r}"
    if found := _calls_by_name(own, trajectory.intent.persona):
        return f"it speaks to the user by name: {found!r}"
    if found := report(own, before):
        return f"it reports work as the assistant does: {found.strip()[:80]!r}"
    return ""


def _calls_by_name(own: str, persona: Persona) -> str:
    """How the writer calls someone by the name of the persona, which is the writer's own."""
    name = re.escape(persona.name.split()[0])
    found = re.search(
        rf"(?:^|\b(?:hello|hi|hey|dear|thanks|thank you|morning|afternoon|sure|certainly|of course|"
        rf"welcome),? ){name}(?=[,.!?:]| 👋)"
        rf"(?! ?,? (?:here|speaking|from|i\b|i'm))|, {name}[.!?]$",
        own[:MAX_CHARS],
        re.IGNORECASE | re.MULTILINE,
    )
    return found[0].strip(" ,") if found else ""
