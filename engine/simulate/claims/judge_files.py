"""What the record says of a file that a clause asserts to be there, gone, missing or empty."""

from __future__ import annotations

import re

from engine.schema.trajectory import ClaimKind, ClaimStanding
from engine.simulate.claims.finding import Finding, against, borne_out, nothing_known
from engine.simulate.claims.known import Known
from engine.simulate.claims.manifest import Presence
from engine.simulate.claims.moods import Clause
from engine.simulate.claims.names import Name, names_in
from engine.simulate.claims.states import State


def files_of(clause: Clause) -> list[Name]:
    """The files and paths that a clause names."""
    return [n for n in names_in(clause.text) if n.kind in {ClaimKind.FILE_NAME, ClaimKind.PATH}]


def states_of_name(name: Name, clause: Clause) -> set[State]:
    """The states that a clause asserts of this name, not of something else in it."""
    found: set[State] = set()
    for said in clause.states:
        between = clause.text[name.end : said.start] if said.start >= name.end else ""
        if said.state in _OF_ITS_SUBJECT and (
            len(between.split()) > 4 or re.search(r"\b(?:the|that|this|its|no)\b", between)
        ):
            continue
        found.add(said.state)
    return found


_OF_ITS_SUBJECT = frozenset({State.MISSING, State.GONE, State.EMPTY, State.NOT_EMPTY})


def judge_file(name: str, states: set[State], known: Known) -> Finding:
    """The standing of a file of which a clause asserts that it is there, gone, missing or empty."""
    presence = known.manifest.presence(name)
    if State.MISSING in states or (State.GONE in states and State.EXISTS not in states):
        return _file_absent(name, presence, State.GONE in states, known)
    if presence is Presence.THERE:
        size = known.manifest.size_of(name)
        if State.EMPTY in states and size:
            return against(f"{name} has {size} bytes")
        if State.NOT_EMPTY in states and size == 0:
            return against(f"{name} has 0 bytes")
        return borne_out("it is among the files")
    if presence is Presence.UNKNOWN:
        return nothing_known("the record does not follow that place")
    if State.FAILED in states or State.DOWN in states:
        return _mentioned(name, known)
    if State.EXISTS not in states and known.is_absent(name):
        return Finding(ClaimStanding.GIVEN, "it is known not to be there")
    if presence is Presence.GONE:
        return against(f"{name} was deleted")
    if known.observed(name):
        return borne_out("a call saw it")
    return against(f"no call made {name}, and it is not among the files")


def _file_absent(name: str, presence: Presence, was_deleted: bool, known: Known) -> Finding:
    if presence is Presence.THERE:
        return against(f"{name} is among the files")
    if presence is Presence.GONE:
        return borne_out("it was deleted")
    if was_deleted and presence is Presence.NEVER and known.find(name, in_evidence=True) is None:
        return against(f"no call deleted {name}, and it was never among the files")
    return nothing_known("it is not among the files")


def _mentioned(name: str, known: Known) -> Finding:
    for in_evidence in (True, False):
        if place := known.find(name, in_evidence=in_evidence):
            return Finding(ClaimStanding.EVIDENCED if in_evidence else ClaimStanding.GIVEN, place)
    return against(f"nothing in the record speaks of {name}")
