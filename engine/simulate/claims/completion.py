"""False completion: the user or the agent says done where the record says otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.schema.sandbox import ChangeKind
from engine.schema.trajectory import ClaimKind, Outcome, Trajectory, Turn, Verdict
from engine.simulate.claims.clauses import clauses_of, prose_of, sentences_of, without_quotations
from engine.simulate.claims.commands import how_it_ended
from engine.simulate.claims.known import Known, known_at
from engine.simulate.claims.manifest import Presence, place_of
from engine.simulate.claims.names import Name, is_file_name, names_in
from engine.simulate.claims.signs import admits_failure
from engine.simulate.claims.states import State, states_in

_MAX_DETAIL = 400
_ORDERED = re.compile(
    r"(?:\b(?:as|to|into|in|called|named|file|script|report|create|write|make|build|save|store|produce"
    r"|generate|provide|prepare|draft|table|list|result|output|it's)|->|→|=>)"
    r"[:,]?(?: (?:a|an|the|new|file|script|report|small|short|one|my|our))*\s*[\"'`(]?$",
    re.IGNORECASE,
)
_WANTS = re.compile(
    r"\b(?:save|saved|store|stored|write|written|put|create|make|build|produce|generate|prepare|draft"
    r"|provide|keep|kept|file|filed|place|record|export|convert|collect|list|want|need|like|into|result"
    r"|supply|pop|output|draw|turn)\b|->|→|=>",
    re.IGNORECASE,
)
_MAKES = re.compile(
    r"\b(?:created|saved|written|wrote|stored|made|generated|exported|built|drew|drawn|produced|recorded"
    r"|placed)\b",
    re.IGNORECASE,
)
_NOT_MADE = re.compile(
    r"\b(?:not|never|no|nothing|cannot|could|would|will|if|unless|should|once|when|can|missing|deleted"
    r"|removed|renamed|moved|until|before|from|without|instead)\b|n't\b|n’t\b",
    re.IGNORECASE,
)


def check_ending(outcome: Outcome, trajectory: Trajectory) -> Verdict:
    """The verdict "user_done" on how the user ended it; an ending that is no success passes."""
    problem = _ending_problem(outcome.reason, trajectory) if outcome.completed and outcome.is_success else ""
    return Verdict(check="user_done", passed=not problem, detail=" ".join(problem.split())[:_MAX_DETAIL])


def check_answer(turn: Turn, trajectory_before: Trajectory) -> Verdict:
    """The verdict "agent_done" on an agent's answer: does it say done where the turn shows otherwise?

    Args:
        turn: The turn with its answer.
        trajectory_before: What was played before it.
    """
    earlier = tuple(t for t in trajectory_before.turns if t.index < turn.index)
    known = Known(trajectory_before.intent, (*earlier, turn))
    problem = _answer_problem(turn, known) if turn.answer else ""
    return Verdict(check="agent_done", passed=not problem, detail=" ".join(problem.split())[:_MAX_DETAIL])


def _ending_problem(reason: str, trajectory: Trajectory) -> str:
    if not trajectory.turns:
        return "nothing was played"
    known = known_at(trajectory)
    if trajectory.turns[-1].answer is None:
        return "the last turn ended without an answer"
    if known.calls and known.calls[-1].failed:
        return f"the last call failed: {how_it_ended(known.calls[-1])}"
    if _SAYS_COMPLETE.search(reason) and not admits_failure(reason) and (partial := known.shows_partial()):
        return f"the last answer says: {partial}"
    if unknown := _unknown_file(reason, known):
        return unknown
    missing = [name for name in deliverables_of(trajectory) if _is_missing(name, known)]
    return f"not among the files: {', '.join(missing[:5])}" if missing else ""


def _answer_problem(turn: Turn, known: Known) -> str:
    answer = turn.answer or ""
    calls = list(turn.tool_calls())
    if calls and calls[-1].failed and not admits_failure(answer):
        return f"it admits no failure, but the last call failed: {how_it_ended(calls[-1])}"
    if _SAYS_ALL.search(answer) and not admits_failure(answer) and (bad := known.last_output_bad()):
        return f"it says all, but the last output has {bad}"
    for name in _files_made(answer):
        if known.manifest.presence(name.text) is Presence.NEVER and not known.observed(name.text):
            return f"it says that {name.text} was made, but no call made it"
    return _unknown_file(answer, known) or _other_state(answer, known)


def _unknown_file(text: str, known: Known) -> str:
    """A file that neither the ledger nor what was asked for speaks of, and that is not there."""
    for sentence in sentences_of(prose_of(text)):
        for name in names_in(without_quotations(sentence)):
            if name.kind not in {ClaimKind.FILE_NAME, ClaimKind.PATH} or not _is_file(name.text):
                continue
            if known.manifest.presence(name.text) is Presence.NEVER and not known.speaks_of(name.text):
                return f"nothing in the record speaks of {name.text}, and it is not among the files"
    return ""


def _other_state(answer: str, known: Known) -> str:
    """A server that is said to be stopped and runs, a file that is said to be mended and was not touched."""
    for sentence in sentences_of(prose_of(answer)):
        for clause in clauses_of(without_quotations(sentence)):
            states = {said.state for said in states_in(clause)}
            running = [state for state in known.sessions if state.running]
            if State.DOWN in states and running and known.sessions[-1].running and _SERVER.search(clause):
                return f"it says stopped, but this runs: {running[-1].command[:80]}"
            mended = _MENDED.search(clause)
            for name in names_in(clause):
                if mended and name.end <= mended.start() and _is_untouched(name.text, known):
                    return f"it says that {name.text} was mended, but no call changed it"
    return ""


def _is_untouched(name: str, known: Known) -> bool:
    wanted = place_of(name)
    if wanted is None or not is_file_name(name.rpartition("/")[2]):
        return False
    if not known.manifest.is_complete or known.manifest.presence(name) is not Presence.THERE:
        return False
    return not any(c.path.lower() in known.manifest.modified for c in known.manifest.changes_of(wanted))


_SAYS_ALL = re.compile(
    r"\b(?:all (?:of )?(?:the |them|\d+|two|three|four|five|six|seven|eight|nine|ten)|both|every(?:thing"
    r"| one)|each of)\b",
    re.IGNORECASE,
)
_SERVER = re.compile(
    r"\b(?:server|service|daemon|watcher|process|receiver|session|port|api)\b", re.IGNORECASE
)
_MENDED = re.compile(r"\b(?:is|was|has been|are) (?:now )?(?:repaired|mended|corrected)\b", re.IGNORECASE)
_SAYS_COMPLETE = re.compile(r"\b(?:complete|everything|all)\b", re.IGNORECASE)


def _files_made(answer: str) -> Iterator[Name]:
    """Files that an answer says were created or saved."""
    for sentence in sentences_of(prose_of(answer)):
        for clause in clauses_of(without_quotations(sentence)):
            is_made = _MAKES.search(clause) or any(s.state is State.EXISTS for s in states_in(clause))
            if is_made and not _NOT_MADE.search(clause):
                yield from (
                    n
                    for n in names_in(clause)
                    if n.kind in {ClaimKind.FILE_NAME, ClaimKind.PATH} and _is_file(n.text)
                )


def _is_file(name: str) -> bool:
    return is_file_name(name.rstrip("/").rpartition("/")[2])


def deliverables_of(trajectory: Trajectory) -> list[str]:
    """The files that the user asked for by name, in the order of asking."""
    texts = [trajectory.intent.utterance, *(turn.utterance.text for turn in trajectory.turns)]
    found: dict[str, None] = {}
    for text in texts:
        for sentence in sentences_of(prose_of(text)):
            found.update(dict.fromkeys(_ordered_in(sentence)))
    return list(found)


def _ordered_in(sentence: str) -> Iterator[str]:
    if not _WANTS.search(sentence):
        return
    for name in names_in(without_quotations(sentence)):
        if (
            name.kind in {ClaimKind.FILE_NAME, ClaimKind.PATH}
            and _is_file(name.text)
            and _ORDERED.search(sentence[: name.start])
        ):
            yield name.text


def _is_missing(name: str, known: Known) -> bool:
    presence = known.manifest.presence(name)
    if presence in {Presence.THERE, Presence.UNKNOWN} or known.observed(name):
        return False
    if presence is Presence.GONE:
        return not _on_purpose(name, known)
    return not _is_placeholder(name, known)


def _on_purpose(name: str, known: Known) -> bool:
    """True where the call that deleted it names it or its folder."""
    wanted = place_of(name) or name
    base, folder = wanted.rpartition("/")[2], wanted.rpartition("/")[0].rpartition("/")[2]
    deleting = [
        c for p, c in known.manifest.deleted_by.items() if ("/" + p.rstrip("/")).endswith("/" + wanted)
    ]
    lines = [f"{c.ledger.command_line} {c.arguments}".lower() for c in deleting]
    return any(base in line or (folder and folder in line) for line in lines) or _was_replaced(deleting)


def _was_replaced(deleting: list) -> bool:  # type: ignore[type-arg]
    return any(change.kind is ChangeKind.CREATED for call in deleting for change in call.ledger.changes)


def _is_placeholder(name: str, known: Known) -> bool:
    """True for "LANGUAGE.txt": a word in capitals that stands for the names of several files."""
    stem, _, extension = name.rpartition("/")[2].rpartition(".")
    if not re.search(r"[A-Z]{3,}|[*<{]|\bN\b|YYYY|XX", stem):
        return False
    return any(path.endswith("." + extension.lower()) for path in known.manifest.last)
