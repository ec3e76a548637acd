"""A message with the record's word behind everything in it that can be looked up: what the reader reads.

"I opened team.ics on my phone and all four were there" becomes "I opened team.ics [absent] on my phone and
all four [told] were there". Whether something is wished or claimed, a model tells from the words; what the
record says of each name and number, it cannot know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from engine.schema.trajectory import ClaimStanding
from engine.simulate.claims.clauses import prose_of, sentences_of, without_quotations
from engine.simulate.claims.dates import DATE
from engine.simulate.claims.judge import EXIT_CODE, exit_codes, judge_exit_code, looked_for, speaks_of_port
from engine.simulate.claims.judge_files import files_of
from engine.simulate.claims.judge_states import judge_state
from engine.simulate.claims.known import Known
from engine.simulate.claims.manifest import Presence
from engine.simulate.claims.moods import Clause, Mood, Setting, moods_of
from engine.simulate.claims.names import codes_in, names_in
from engine.simulate.claims.number_claims import judge_number
from engine.simulate.claims.numbers import Number, numbers_in

_QUOTED = re.compile(
    r"\"([^\"\n]{2,200})\"|“([^”\n]{2,200})”|`([^`\n]{2,200})`|(?<!\w)'([^'\n]{4,200})'(?!\w)"
)
_FORGED = re.compile(r"\[((?:[a-z]+ )?[a-z]+)\]")
"""What a writer puts in brackets is no mark."""
_MAX_MARKS = 400
"""No message says so much; each is looked up in the whole record."""
_SMALL = 3
"""A count up to this stands somewhere in every record: that it is another thing's says nothing."""
_DEEDS = {
    word: (re.compile(said, re.IGNORECASE), re.compile(done, re.IGNORECASE))
    for word, said, done in (
        ("install", r"\binstall\w*", r"install|pip |apt"),
        (
            "commit",
            r"\bcommit(?:ted|s|ting)?\b|\btagg(?:ed|ing)\b",
            r"git commit|git tag|committed|create mode",
        ),
        ("push", r"\bpush(?:ed|es|ing)?\b", r"git push|pushed"),
        (
            "send",
            r"\b(?:sent|send(?:ing|s)|(?:e-?)?mail(?:ed|ing)|post(?:ed|ing)|deliver(?:ed|ing)|forward(?:ed|ing)"
            r"|notif(?:ied|ying)|messag(?:ed|ing)|text(?:ed|ing)|invit(?:ed|ing)|received"
            r"|got your mail|got the mail|mail out|went out)\b",
            r"sendmail|smtp|mail -s|\bsent\b|posted|mailed",
        ),
        (
            "deploy",
            r"\b(?:deploy\w*|live|production|rolled out|roll-?out|put online|publish(?:ed|ing)"
            r"|upload(?:ed|ing)|releas(?:ed|ing))\b",
            r"deploy|upload|publish|release",
        ),
        (
            "schedule",
            r"\b(?:schedul\w*|cron\w*|every (?:night|morning|hour|day|monday|friday)|nightly|timer|runs at"
            r"|set to)\b",
            r"cron|schedul|timer|at now",
        ),
        (
            "delete",
            r"\b(?:delet\w*|remov(?:ed|ing)|eras(?:ed|ing)|gone|wip(?:ed|ing)|clear(?:ed|ing)|purg(?:ed|ing)"
            r"|dropp(?:ed|ing)|thr(?:own|ew|owing) (?:out|away))\b",
            r"\brm\b|delet|remov|unlink|dropped",
        ),
        ("rename", r"\b(?:renam\w*|mov(?:ed|ing)|called it|relabel\w*)\b", r"\bmv\b|renam|moved|replace\("),
        (
            "copy",
            r"\b(?:backup|back-up|copy|copied|archive\w*|zip(?:ped)?|tarball|compress\w*)\b",
            r"\bcp\b|backup|archive|zip|tar",
        ),
        (
            "branch",
            r"\b(?:branch|merged?|merging|rebas\w*|pull request|pr)\b",
            r"git branch|git merge|checkout -b|switch|branch",
        ),
        (
            "test",
            r"\b(?:test(?:s|ed|ing)?|suite|unit tests?|pytest|validator|linter|lint|mypy|check(?:s|er)?"
            r"|benchmark\w*|review\w*)\b",
            r"test|assert|check|valid",
        ),
    )
}
"""Deeds by the words that speak of them, and the words of commands and answers that bear them out."""


def marked(text: str, known: Known) -> str:
    """The message with a mark behind each name, number, quotation and state, after how the last turn went.

    The writer's own name is "[me]": a model must not learn anybody's.

    Args:
        text: A proposed utterance.
        known: The record up to the turn.
    """
    text = _FORGED.sub(r"(\1)", text)
    parts, at = [f"{_how_it_went(known)}. "], 0
    for end, mark in sorted(set(islice(_marks(text, known), _MAX_MARKS))):
        parts += [text[at:end], f" [{mark}]"]
        at = end
    shown = "".join([*parts, text[at:]])
    for own_name in known.persona.name.split()[:1]:
        shown = re.sub(rf"\b{re.escape(own_name)}\b", "[me]", shown)
    return shown


def _how_it_went(known: Known) -> str:
    if not known.turns:
        return "opening"
    if known.last_calls and known.last_calls[-1].failed:
        return "failed"
    return "stumbled" if any(call.failed for call in known.last_calls) else "fine"


def _marks(text: str, known: Known) -> Iterator[tuple[int, str]]:
    """Where each mark goes in the text, and the mark."""
    setting = Setting(
        is_opening=not known.turns,
        was_asked="?" in without_quotations(known.last_answer[-400:]),
        is_name=known.is_name,
        is_relevant=known.is_relevant,
    )
    undone = tuple(said for said, done in _DEEDS.values() if not known.was_done(done))
    at = 0
    for sentence in sentences_of(prose_of(text)):
        for clause in moods_of(sentence, setting):
            found = text.find(clause.text, at)
            if found < 0:
                continue
            at = found + len(clause.text)
            for end, mark in _marks_of(clause, known, undone):
                yield found + end, mark


def _marks_of(clause: Clause, known: Known, undone: tuple[re.Pattern[str], ...]) -> Iterator[tuple[int, str]]:
    taken: list[tuple[int, int]] = []
    for start, end, mark in _looked_up(clause, known):
        if not any(start < b and a < end for a, b in taken):
            taken.append((start, end))
            if mark:
                yield end, mark
    for said in clause.states:
        standing = judge_state(said, clause, known).standing
        if standing is ClaimStanding.CONTRADICTED:
            yield said.end, "no"
        elif standing is not ClaimStanding.INTRODUCED:
            yield said.end, "yes"
    for deed in undone:
        if found := deed.search(clause.text):
            yield found.end(), "never"


def _looked_up(clause: Clause, known: Known) -> Iterator[tuple[int, int, str]]:
    """Start, end and mark of what the clause names, what is found first counting most."""
    text = clause.text
    for found in _QUOTED.finditer(text):
        said = " ".join(next(g for g in found.groups() if g).lower().split()).strip(" .,:;…")
        if " " in said:
            yield *found.span(), known.who_said(said) or "unheard"
    for name in names_in(text):
        yield (
            name.start,
            name.end,
            (_file_mark(name.text, known) if name in files_of(clause) else _stands(looked_for(name), known)),
        )
    for found in EXIT_CODE.finditer(text):
        for _, code in exit_codes(found[0]):
            finding = judge_exit_code(code, clause._replace(mood=Mood.ASSERTED), known)
            is_wrong = finding.standing is ClaimStanding.CONTRADICTED
            yield *found.span(), "wrong" if is_wrong else "right"
    for word in codes_in(text):
        start = text.find(word)
        yield start, start + len(word), _stands(word, known)
    for found in DATE.finditer(text):
        yield *found.span(), _stands(found[0], known)
    for number in numbers_in(text):
        yield number.start, number.end, _number_mark(number, text, known)


def _file_mark(name: str, known: Known) -> str:
    presence = known.manifest.presence(name)
    if presence in (Presence.THERE, Presence.GONE):
        return presence.value
    stands = _stands(name.rstrip("/").rpartition("/")[2] or name, known)
    return "absent" if stands == "new" and presence is Presence.NEVER else stands


def _stands(text: str, known: Known) -> str:
    if known.find(text, in_evidence=True):
        return "seen"
    return "named" if known.find(text, in_evidence=False) else "new"


def _number_mark(number: Number, text: str, known: Known) -> str:
    values = number.values
    if max(values) <= 1:
        return ""
    if values & known.last_answer_numbers:
        return "told"
    if values & known.last_numbers:
        return "shown"
    if any(values & given for _, given in known.numbers_given):
        mark = "given"
    elif any(values & seen for _, seen in known.numbers_evidenced):
        mark = "older"
    else:
        return "sum" if values & known.sums else "new"
    finding = judge_number(number, text, known, asserted=True, is_port=speaks_of_port(number, text))
    is_unlike = finding.standing is ClaimStanding.CONTRADICTED and max(values) > _SMALL
    return f"{mark} unlike" if is_unlike else mark
