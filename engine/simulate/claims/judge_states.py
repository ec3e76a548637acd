"""What the ledger says of a state that a clause asserts."""

from __future__ import annotations

import re
from collections.abc import Callable

from engine.schema.trajectory import ClaimKind, ClaimStanding
from engine.simulate.claims.commands import commands_in, how_it_ended
from engine.simulate.claims.finding import Finding, against, borne_out, nothing_known
from engine.simulate.claims.judge_actions import (
    judge_about_files,
    judge_action,
    judge_changed,
    judge_gone,
    judge_ran,
)
from engine.simulate.claims.known import Known
from engine.simulate.claims.moods import Clause
from engine.simulate.claims.names import names_in
from engine.simulate.claims.signs import shows_failure, test_failed
from engine.simulate.claims.states import Said, State

_TEST_WORDS = re.compile(
    r"\b(?:tests?|test suite|test run|suite|specs?|assertions?|unit tests|checks|test cases?|cases)\b",
    re.IGNORECASE,
)
_SERVER_WORDS = re.compile(
    r"\b(?:server|service|daemon|api|endpoint|site|website|port \d|dashboard|database|db|broker|queue"
    r"|proxy|receiver|listener|app|application|worker|watcher|process|job|backend|frontend|instance"
    r"|container|cluster|cron job|http|localhost|poller)\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"(?:^|\b)(?:it|that|this|everything|all|they|them|all of (?:it|them)|the (?:whole thing|lot|run"
    r"|last step|step|command|call|script|rest))\b",
    re.IGNORECASE,
)


def judge_state(said: Said, clause: Clause, known: Known) -> Finding:
    """The standing of an asserted state."""
    if not known.turns:
        is_good = said.state in {
            State.RUNNING,
            State.ACTION,
            State.PASSED,
            State.WORKED,
            State.GONE,
            State.RAN,
        }
        return against("nothing was executed yet") if is_good else nothing_known()
    if said.state in _POSITIVE and _ALL.search(clause.text) and (partial := known.shows_partial()):
        return against(f"the last answer says: {partial}")
    return _JUDGES[said.state](said, clause, known)


_ALL = re.compile(
    r"\b(?:all|both|every|each|everything|fully|completely)\b(?! (?:the|along|right)\b)", re.IGNORECASE
)
_POSITIVE = frozenset({State.WORKED, State.PASSED, State.RUNNING, State.EXISTS})


def _failed(said: Said, clause: Clause, known: Known) -> Finding:
    is_now = re.search(r"\b(?:still|now|again|is|are|won't)\b", clause.text, re.IGNORECASE) is not None
    if not said.is_past and not is_now:
        return nothing_known("a habit, not an outcome")
    if commands := commands_in(clause, known):
        return _command_failed(
            commands, known, again=re.search(r"\b(?:still|again)\b", clause.text) is not None
        )
    calls = known.last_calls or known.calls
    if _TEST_WORDS.search(clause.text) and known.test_calls:
        calls = known.test_calls
    if re.search(r"\b(?:still|won't)\b", clause.text, re.IGNORECASE):
        calls = calls[-1:]
    if known.turns[-1].answer is None or any(shows_failure(call) for call in calls):
        return borne_out("the last turn saw a failure")
    if any(call.failed for call in known.calls) and re.search(
        r"\b(?:earlier|first|before|then|once)\b", clause.text, re.IGNORECASE
    ):
        return borne_out("an earlier call failed")
    if _admits(known.last_answer):
        return Finding(ClaimStanding.GIVEN, "the last answer speaks of it")
    return against("no call of the last turn failed")


_NOTHING_BAD = re.compile(
    r"\b(?:no|0|not|without|never|neither) (?:\w+ )?(?:fail\w*|errors?|lost|differ\w*|missing)", re.IGNORECASE
)


def _admits(answer: str) -> bool:
    """True where an answer speaks of a failure that was."""
    told = _NOTHING_BAD.sub(" ", answer)
    return bool(
        re.search(
            r"\b(?:fail\w*|refus\w*|errors?|crash\w*|reject\w*|broke\w*|could ?n[o']t|cannot|wrong|lost"
            r"|stumbl\w+|fell over|dead|did not (?:work|take))\b",
            told,
        )
    )


def _command_failed(commands: list[str], known: Known, *, again: bool) -> Finding:
    calls = [call for command in commands for call in known.calls_of(command) if call.ledger.argv]
    if not calls:
        return against(f"no call ran {commands[0]}")
    if any(shows_failure(call) for call in (calls[-1:] if again else calls)):
        return borne_out(f"a call of {commands[0]} failed")
    return against(f"no call of {commands[0]} failed")


def _worked(said: Said, clause: Clause, known: Known) -> Finding:
    if said.state is State.PASSED or (_TEST_WORDS.search(clause.text) and known.test_calls):
        return _passed(clause, known)
    if commands := commands_in(clause, known):
        calls = [call for command in commands for call in known.calls_of(command)]
        if not calls:
            return against(f"no call ran {commands[0]}")
        if len(commands) == 1 and calls[-1].failed and known.last_calls and known.last_calls[-1].failed:
            return against(f"the last call of {commands[0]} failed")
    return _last_turn_went_well(known)


def _last_turn_went_well(known: Known) -> Finding:
    last = known.turns[-1]
    if last.answer is None:
        return against("the last turn ended without an answer")
    calls = known.last_calls or known.calls
    if calls and calls[-1].failed:
        return against(f"the last call failed: {how_it_ended(calls[-1])}")
    return borne_out("the last call ended well") if calls else nothing_known()


def _passed(clause: Clause, known: Known) -> Finding:
    is_tests = re.search(r"\b(?:tests?|suite|specs?|unit tests|test cases?)\b", clause.text, re.IGNORECASE)
    if not known.test_calls:
        return against("no test or check was run") if is_tests else _last_turn_went_well(known)
    if is_tests and not any(
        re.search(r"test|spec", c.ledger.command_line + c.observation[:20_000], re.I)
        for c in known.test_calls
    ):
        return against("no test was run")
    last = known.test_calls[-1]
    if test_failed(last):
        return against(f"the last check failed: {how_it_ended(last)}")
    return borne_out("the last check ended well")


def _flawless(said: Said, clause: Clause, known: Known) -> Finding:
    failed = next((call for call in known.last_calls if call.failed), None)
    if failed is not None:
        return against(f"a call of the last turn failed: {how_it_ended(failed)}")
    return borne_out("no call of the last turn failed")


def _running(said: Said, clause: Clause, known: Known) -> Finding:
    if _TEST_WORDS.search(clause.text) and not _SERVER_WORDS.search(clause.text):
        return nothing_known()
    is_server = _SERVER_WORDS.search(clause.text) or any(
        n.kind is ClaimKind.HOST for n in names_in(clause.text)
    )
    started = re.match(r"started|launched|brought up|fired up|came up|started up", said.word)
    if known.may_run:
        return borne_out("a process runs in the background")
    told = re.search(r"\b(?:up|running|answers|reachable|started)\b", known.last_answer)
    if told and not re.search(
        r"\b(?:down|stopped|closed|killed|no longer|refused|ended|not)\b", known.last_answer
    ):
        return Finding(ClaimStanding.GIVEN, "the last answer")
    if re.search(r"\b(?:still|both|all|then)\b", clause.text, re.IGNORECASE):
        return against("nothing runs in the background")
    if started and (known.sessions or any("&" in c.ledger.command_line for c in known.calls)):
        return borne_out("a background process was started")
    if is_server or said.word in {"up and running", "running", "listening", "online", "live"}:
        return against("nothing runs in the background")
    return nothing_known()


def _down(said: Said, clause: Clause, known: Known) -> Finding:
    running = [state for state in known.sessions if state.running]
    if _SERVER_WORDS.search(clause.text) and running and known.sessions[-1].running:
        return against(f"it still runs: {running[-1].command[:80]}")
    return borne_out("nothing runs any more") if known.sessions and not running else nothing_known()


_JUDGES: dict[State, Callable[[Said, Clause, Known], Finding]] = {
    State.EXISTS: judge_about_files,
    State.MISSING: judge_about_files,
    State.EMPTY: judge_about_files,
    State.NOT_EMPTY: judge_about_files,
    State.GONE: judge_gone,
    State.PASSED: _worked,
    State.WORKED: _worked,
    State.FLAWLESS: _flawless,
    State.FAILED: _failed,
    State.RUNNING: _running,
    State.DOWN: _down,
    State.ACTION: judge_action,
    State.CHANGED: judge_changed,
    State.RAN: judge_ran,
}
