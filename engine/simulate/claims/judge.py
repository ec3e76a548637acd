"""Claim by claim: what an utterance says, looked up in all that the user could know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from engine.schema.told_command import words_of
from engine.schema.trajectory import Claim, ClaimKind, ClaimStanding, Verdict
from engine.simulate.claims.clauses import prose_of, sentences_of, without_quotations
from engine.simulate.claims.commands import commands_in
from engine.simulate.claims.dates import DATE, judge_date
from engine.simulate.claims.finding import Finding, against, borne_out, nothing_known
from engine.simulate.claims.judge_files import judge_file, states_of_name
from engine.simulate.claims.judge_states import judge_state
from engine.simulate.claims.known import Known
from engine.simulate.claims.moods import Clause, Mood, Setting, moods_of, turns_on
from engine.simulate.claims.names import Name, codes_in, names_in
from engine.simulate.claims.number_claims import judge_number
from engine.simulate.claims.numbers import Number, numbers_in, word_value
from engine.simulate.claims.signs import exit_codes_of
from engine.simulate.claims.states import Said, State

CHECK = "state_claims"
_MAX_CLAIMS = 80
_MAX_DETAIL = 400
EXIT_CODE = re.compile(
    r"\b(?:exit|return|error|status)[ -]?(?:code|status|value)?s?(?: of| was| is|:)? (?P<a>-?\d{1,3}"
    r"|[a-z]{3,9})\b(?![.\d]|%| (?:rows?|lines?|files?|errors?|messages?))"
    r"|\b(?:exit(?:ed|s)?|end(?:ed|s)?|return(?:ed|s)?|stopp?(?:ed|s)?|quit|finish(?:ed|es)?|died?"
    r"|fail(?:ed|s)?|came back|gave|gives)"
    r"(?: \w+)?(?: with| at| in)? (?:an? |the )?(?:exit |return |error |status )?(?:code"
    r"|status) (?:of )?(?P<b>-?\d{1,3})\b"
    r"|\b(?:python3?|make|git|tar|grep|curl|wget|bash|sh|diff|sed|awk|getent|pgrep|node|npm|pip|pytest"
    r"|cmp|test|timeout|comm|join|sort|\x00+) (?:gave|said|returned|says|answered with|stopped at"
    r"|came back with) (?:an? )?(?P<d>-?\d{1,3})\b(?! (?:rows?|lines?|files?|errors?|\w+s)\b|[.\d%])"
    r"|\b(?:all \w+ )?(?:ended|ends|exited|died|quit|bailed out) (?:with"
    r"|on) (?:an? )?(?P<c>-?\d{1,3})\b(?! (?:rows?|lines?|files?|errors?|\w+s)\b|[.\d%])",
    re.IGNORECASE,
)
_QUOTED_ERROR = re.compile(r"[\"“`](?P<said>[^\"”`\n]{4,200})[\"”`]")
_ERROR_PHRASES = re.compile(
    r"\b(?:permission denied|connection refused|no such file|command not found|module not found"
    r"|modulenotfounderror|import ?error|syntax ?error|segfault|segmentation fault"
    r"|out of memory|disk (?:is |was )?full|no space left|name ?error|type ?error|key ?error"
    r"|value ?error|assertion ?error|out of range|broken pipe|time-?out|merge conflicts?|access denied"
    r"|unauthorized|forbidden|traceback|stack ?trace)\b",
    re.IGNORECASE,
)
_REPORTS = re.compile(
    r"\b(?:says?|said|reads?|gave|gives|error|message|printed|prints|shows?|showed|complain\w*|reported"
    r"|with|stderr|output|answered|told)\b",
    re.IGNORECASE,
)
_ARGUMENT = re.compile(
    r"(?<=\x00) ?\d+(?: \d+)*(?= (?:failed|ended|gave|stopped|returned|did|broke|exited|trip|stop|fail"
    r"|end))|(?<=\s)--?\d+\b"
)
"""Numbers that belong to a command line."""
_FILLED = words_of(
    "more thing last can has should could final less step after way day time moment word point and was"
    " small other"
)
_PORT = re.compile(r"\bport (?P<port>\d{2,5})\b", re.IGNORECASE)


def check_claims(text: str, known: Known) -> tuple[Verdict, tuple[Claim, ...]]:
    """The verdict on a proposed utterance for the next turn, and every claim in it.

    Args:
        text: The utterance; what is pasted into it claims nothing.
        known: The record up to the turn.
    """
    claims = claims_in(text, known)
    bad = [claim for claim in claims if claim.standing is ClaimStanding.CONTRADICTED]
    detail = "; ".join(f"{claim.text!r}: {claim.source}" for claim in bad)
    return Verdict(check=CHECK, passed=not bad, detail=" ".join(detail.split())[:_MAX_DETAIL]), claims


def claims_in(text: str, known: Known) -> tuple[Claim, ...]:
    """Every claim of a text, each once; the first 80 that it makes."""
    found: dict[tuple[ClaimKind, str], Claim] = {}
    for claim in islice(_all_claims(text, known), _MAX_CLAIMS):
        key = (claim.kind, claim.text)
        if key not in found or claim.standing is ClaimStanding.CONTRADICTED:
            found[key] = claim
    return tuple(found.values())


def _all_claims(text: str, known: Known) -> Iterator[Claim]:
    last_file: str | None = None
    setting = Setting(
        is_opening=not known.turns,
        was_asked="?" in without_quotations(known.last_answer[-400:]),
        is_name=known.is_name,
        is_relevant=known.is_relevant,
    )
    for sentence in sentences_of(prose_of(text)):
        clauses = moods_of(sentence, setting)
        if turns_on(sentence) or any(c.mood in {Mood.REQUEST, Mood.QUESTION} for c in clauses):
            setting = setting._replace(after_request=True)
        for clause in clauses:
            yield from _claims_of(clause, known)
            yield from _of_pronoun(clause, last_file, known)
            last_file = _last_file(clause) or last_file


def _claims_of(clause: Clause, known: Known) -> Iterator[Claim]:
    masked = without_quotations(clause.text)
    names = names_in(masked)
    for name in names:
        yield _claim(name.kind, name.text, _judge_name(name, clause, known))
    for name in reversed(names):
        masked = masked[: name.start] + "\x00" * (name.end - name.start) + masked[name.end :]
    for identifier in codes_in(masked):
        yield _claim(ClaimKind.NUMBER, identifier, _judge_identifier(identifier, clause, known))
    for text, code in exit_codes(masked):
        yield _claim(ClaimKind.NUMBER, text, judge_exit_code(code, clause, known))
    for found in DATE.finditer(masked):
        yield _claim(
            ClaimKind.NUMBER, found[0], judge_date(found, known, asserted=clause.mood is Mood.ASSERTED)
        )
    masked = DATE.sub(lambda m: "\x00" * len(m[0]), masked)
    masked = _ARGUMENT.sub(lambda m: "\x00" * len(m[0]), masked)
    masked = EXIT_CODE.sub(lambda m: "\x00" * len(m[0]), masked)
    for number in numbers_in(masked):
        if not _is_filler(number, masked):
            yield _claim(
                ClaimKind.NUMBER, _with_noun(number, masked), _judge_number(number, masked, clause, known)
            )
    for said in clause.states:
        asserted = clause.mood is Mood.ASSERTED or _presupposes(said, clause)
        finding = judge_state(said, clause, known) if asserted else nothing_known(clause.mood.value)
        yield _claim(ClaimKind.STATE, said.text, finding)
    if clause.mood is Mood.ASSERTED and known.turns:
        yield from _messages(clause, known)


def _last_file(clause: Clause) -> str | None:
    files = [n.text for n in names_in(clause.text) if n.kind in {ClaimKind.FILE_NAME, ClaimKind.PATH}]
    return files[-1] if files else None


def _of_pronoun(clause: Clause, last_file: str | None, known: Known) -> Iterator[Claim]:
    """What is said of the file that "it" stands for."""
    if (
        last_file is None
        or clause.mood is not Mood.ASSERTED
        or _last_file(clause)
        or not _IT.search(clause.text)
    ):
        return
    states = {said.state for said in clause.states} & {State.GONE, State.EMPTY}
    if states:
        yield _claim(
            ClaimKind.STATE, f"{last_file}: {clause.states[0].text}", judge_file(last_file, states, known)
        )


_IT = re.compile(r"\b(?:it|that|this)\b", re.IGNORECASE)


def _presupposes(said: Said, clause: Clause) -> bool:
    """True for "leave the server running": a wish that takes something for granted."""
    is_left = said.text.lower().startswith("leave")
    return is_left and not re.search(r"\b(?:start|run|launch|bring)\b", clause.sentence, re.IGNORECASE)


def _claim(kind: ClaimKind, text: str, finding: Finding) -> Claim:
    return Claim(kind=kind, text=text[:200], standing=finding.standing, source=finding.source[:240])


def _looked_up(text: str, known: Known, mood: Mood) -> Finding:
    """Given, evidenced or introduced: where a text stands at all."""
    if place := known.find(text, in_evidence=False):
        return Finding(ClaimStanding.GIVEN, place)
    if place := known.find(text, in_evidence=True):
        return borne_out(place)
    return nothing_known(mood.value)


def _judge_name(name: Name, clause: Clause, known: Known) -> Finding:
    if clause.mood is not Mood.ASSERTED:
        return _looked_up(name.text, known, clause.mood)
    if name.kind in {ClaimKind.FILE_NAME, ClaimKind.PATH}:
        return judge_file(name.text, states_of_name(name, clause), known)
    found = _looked_up(looked_for(name), known, clause.mood)
    if found.standing is not ClaimStanding.INTRODUCED or not known.turns:
        return found
    return against(f"no {name.kind.value} {name.text} stands anywhere in the record")


def looked_for(name: Name) -> str:
    """The part of a name that the record would hold: a version without its "v", a host without its scheme."""
    if name.kind is ClaimKind.VERSION:
        return name.text.lower().removeprefix("v")
    if name.kind is ClaimKind.HOST:
        return re.sub(r"^[a-z]+://", "", name.text, flags=re.IGNORECASE).rstrip("/")
    return name.text


def _judge_identifier(code: str, clause: Clause, known: Known) -> Finding:
    found = _looked_up(code, known, clause.mood)
    if found.standing is not ClaimStanding.INTRODUCED or clause.mood is not Mood.ASSERTED or not known.turns:
        return found
    return against(f"{code} stands nowhere in the record")


def exit_codes(text: str) -> Iterator[tuple[str, int]]:
    """Every exit code that a text speaks of, with the words for it."""
    for found in EXIT_CODE.finditer(text):
        raw = next(group for group in found.groups() if group is not None)
        if raw.lstrip("-").isdigit():
            yield found[0], int(raw)
        elif (value := word_value(raw)) or raw.lower() == "zero":
            yield found[0], int(value)


def judge_exit_code(code: int, clause: Clause, known: Known) -> Finding:
    """The standing of an exit code of which a clause speaks."""
    if clause.mood is not Mood.ASSERTED:
        return nothing_known(clause.mood.value)
    commands = commands_in(clause, known)
    calls = [call for command in commands for call in known.calls_of(command)]
    if commands and not calls:
        return against(f"no call ran {commands[0]}")
    codes = exit_codes_of(calls) if calls else known.exit_codes
    if code in codes:
        return borne_out("a call ended so")
    if not codes or re.search(rf"\b(?:code|status|exit)\D{{0,12}}{code}\b", "\n".join(known.last_texts)):
        return borne_out("it stands in what a call showed")
    seen = ", ".join(map(str, sorted(codes))) or "none"
    return against(f"no such call ended with {code} (exit codes: {seen})")


def _judge_number(number: Number, masked: str, clause: Clause, known: Known) -> Finding:
    is_port = speaks_of_port(number, masked)
    return judge_number(number, masked, known, asserted=clause.mood is Mood.ASSERTED, is_port=is_port)


def speaks_of_port(number: Number, text: str) -> bool:
    """True where the word "port" stands before the number."""
    return any(m.start("port") == number.start for m in _PORT.finditer(text))


def _is_filler(number: Number, text: str) -> bool:
    """True for a "one" that counts nothing: "one more thing", "the north one", "one of them"."""
    if not number.is_word or number.values != {1.0}:
        return False
    following = re.match(r" (?P<noun>[a-z]{3,20})", text[number.end :])
    return (
        not following
        or following["noun"] in _FILLED
        or bool(
            re.search(
                r"\b(?:that|this|the|which|no|last|next|each|every|any|my|your)\s*$",
                text[: number.start],
                re.I,
            )
        )
    )


def _with_noun(number: Number, text: str) -> str:
    following = re.match(r"[ ]\w{2,20}", text[number.end :])
    return number.text + (following[0] if following else "")


def _messages(clause: Clause, known: Known) -> Iterator[Claim]:
    """Words that an asserted message is said to have had."""
    for found in _ERROR_PHRASES.finditer(clause.text):
        stem = re.sub(r"[\s-]", "", found[0].lower())[:10]
        if any(stem in re.sub(r"[\s-]", "", s.text) for s in (*known.evidence, *known.given)):
            yield _claim(ClaimKind.STATE, found[0], borne_out("it stands in the record"))
        else:
            yield _claim(ClaimKind.STATE, found[0], against("no call and no answer speaks of it"))
    if not _REPORTS.search(clause.text):
        return
    for found in _QUOTED_ERROR.finditer(clause.text):
        said = " ".join(found["said"].lower().split()).strip(" .,:;…")
        if " " in said and not any(
            said in " ".join(s.text.split()) for s in (*known.evidence, *known.answers)
        ):
            yield _claim(ClaimKind.STATE, found[0], against("nobody and nothing said that"))


__all__ = ["CHECK", "State", "check_claims", "claims_in"]
