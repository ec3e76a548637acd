"""What a clause says of how things stand: passed, failed, created, gone, running and the like."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from engine.simulate.claims.state_words import (
    ACTIONS,
    ADVERBS,
    BREAKS,
    BROKE,
    GOES,
    MADE,
    MADE_ACTIVE,
    REMOVED,
    WENT,
)


class State(StrEnum):
    """A state that the ledger can bear out or contradict."""

    EXISTS = "exists"
    GONE = "gone"
    MISSING = "missing"
    EMPTY = "empty"
    NOT_EMPTY = "not empty"
    PASSED = "passed"
    WORKED = "worked"
    FLAWLESS = "without any error"
    FAILED = "failed"
    RUNNING = "running"
    DOWN = "down"
    CHANGED = "changed"
    RAN = "was run"
    ACTION = "action"
    """Something else that the agent is said to have done: pushed, installed, sent."""


class Said(NamedTuple):
    """One state that a clause speaks of."""

    state: State
    text: str
    word: str
    """The word that names it, in lower case."""
    start: int
    end: int
    is_past: bool
    """False for a bare present, which may be a habit: "the build fails"."""


OPPOSITE = {
    State.EXISTS: State.MISSING,
    State.GONE: State.EXISTS,
    State.MISSING: State.EXISTS,
    State.EMPTY: State.NOT_EMPTY,
    State.PASSED: State.FAILED,
    State.WORKED: State.FAILED,
    State.FAILED: State.WORKED,
    State.RUNNING: State.DOWN,
    State.DOWN: State.RUNNING,
}

_AUX = (
    r"is|are|was|were|has|have|had|did|does|do|could|got|gets|seems|looks|came out|came up|turned out"
    r"|ended up|remains|stays|stayed|'s|'re|'ve|be|being|been|stands|lies|sits"
)
_LINK = (
    rf"(?P<aux>\b(?:{_AUX})|'s|'re|'ve|\b(?:ca|wo))"
    r"(?P<neg>n't|n’t| not| never| no longer)?"
)
_BETWEEN = rf"(?:[ ]+(?:{ADVERBS}|to be|been|be|being)){{0,4}}"
_PLACE = (
    r"there(?! (?:is|are|was|were|be)\b)|in place|present|available|ready|on disk|where (?:it|i|they|we"
    r"|you) \w+|at hand|in there|in the (?:folder|directory|workspace|repo|repository|project)"
    r"|in (?:its|their|the right|that) (?:place|folder|spot)|sitting in|waiting in|lying in|up to date"
    r"|received|visible|here"
)
_ADJECTIVES = {
    State.EXISTS: _PLACE + "|" + MADE,
    State.GONE: REMOVED + "|gone|vanished|disappeared|no more",
    State.MISSING: "missing|absent|nowhere|lost|not there",
    State.EMPTY: r"empty|blank|zero bytes|0 bytes",
    State.PASSED: "green|passing|passed",
    State.WORKED: WENT
    + "|successful|a success|clean|okay|ok|all right|fine|error-free|through|in order|correct|good",
    State.FAILED: BROKE + "|failing|red|down the drain|unsuccessful|a failure|refused|denied|stuck",
    State.RUNNING: r"up and running|running|up(?! to\b)|online|listening|live|alive|serving|reachable"
    r"|answering|responding|started|launched|active",
    State.DOWN: "down|offline|stopped|shut down|killed|dead|closed|unreachable",
    State.ACTION: ACTIONS,
}
_VERBS = {
    State.PASSED: r"pass(?:ed|es)?",
    State.WORKED: WENT.replace("|done|complete", "").replace("|fixed|solved|resolved|repaired|mended", "")
    + "|"
    + GOES,
    State.FAILED: BROKE.replace("|red", "") + "|" + BREAKS,
    State.EXISTS: r"exists?|existed|appeared|arrived|turned up|came into being|landed in",
    State.GONE: "vanished|disappeared",
    State.RUNNING: r"came up|started up|is up|runs on port|listens on|listened on|answers on|answered on",
    State.DOWN: "went down|shut down",
}
_NEGATED_VERBS = {
    State.PASSED: "pass",
    State.WORKED: "work|succeed|go through|run through|finish|complete|come right|work out|go well|run",
    State.FAILED: "fail|crash|break|die|abort|error",
    State.EXISTS: "exist|appear|arrive|turn up|get (?:created|written|saved|made)",
    State.RUNNING: "come up|start|run|listen|answer|respond",
}
_EARLY: list[tuple[str, State, str]] = [
    (
        r"(?:'s |\bis |\bare |\bhas |\bhave )?\b(?P<word>gone out|went out|sent out|been dispatched"
        r"|dispatched|on its way|on their way)\b",
        State.ACTION,
        "linked",
    ),
    (
        rf"^(?:so |and |ah,? |oh,? )*(?P<word>{ACTIONS})\b(?= already| then| now|,|\.|!|$)",
        State.ACTION,
        "linked",
    ),
    (
        r"\bwith (?:the |all |your )?(?:\w+ )?(?:tests?|suite|checks?)\b.{0,60}\b(?P<word>green|passing"
        r"|passed)\b",
        State.PASSED,
        "linked",
    ),
    (
        r"\bi(?:'ve|’ve| have)? (?:just |now |also )?(?P<word>opened|found|looked into"
        r"|read through)\b(?! out)",
        State.EXISTS,
        "linked",
    ),
    (
        r"\b(?:was|were|been|you(?:'ve| have)?|it) (?:only |also |just |since |then )?(?P<word>changed"
        r"|edited|modified|altered|touched|rewritten|tampered with)\b",
        State.CHANGED,
        "linked",
    ),
    (
        r"\b(?:was|were|been|you(?:'ve| have)?) (?:only |also |just |since |then |already )?(?P<word>run|ran"
        r"|executed)\b(?! (?:by|under|into|out|on))",
        State.RAN,
        "linked",
    ),
]
_YOU = r"\b(?:you(?:'ve|’ve| have| had)?|the agent(?: has)?|it(?:'s| has)?|they(?: have)?)"
_RULES: list[tuple[re.Pattern[str], State, str]] = []


def _rule(pattern: str, state: State, kind: str) -> None:
    _RULES.append((re.compile(pattern, re.IGNORECASE), state, kind))


for _early in _EARLY:
    _rule(*_early)
for _state, _words in _ADJECTIVES.items():
    _rule(rf"{_LINK}{_BETWEEN}[ ]+(?P<word>{_words})\b", _state, "linked")
for _state, _words in _VERBS.items():
    _rule(rf"(?<![-/.\w])(?P<word>{_words})\b(?![-/.]\w)", _state, "verb")
for _state, _words in _NEGATED_VERBS.items():
    _rule(
        rf"\b(?:did|does|do|would|could|will|wo|ca|can)(?P<neg>n't|n’t| not|not"
        rf"| never){_BETWEEN}[ ]+(?P<word>{_words})\b",
        _state,
        "linked",
    )
_rule(
    r"\b(?:never|neither|none of (?:them|it)) (?P<word>worked|succeeded|passed|finished|ran|went through"
    r"|came up)\b",
    State.FAILED,
    "verb",
)
_rule(r"\bdid(?:n't|n’t| not) (?:even |quite |really )?(?P<word>want to)\b", State.FAILED, "verb")
_rule(rf"{_YOU}{_BETWEEN}[ ]+(?P<word>{MADE_ACTIVE}|{MADE})\b", State.EXISTS, "you")
_rule(rf"{_YOU}{_BETWEEN}[ ]+(?P<word>{REMOVED})\b", State.GONE, "you")
_rule(rf"{_YOU}{_BETWEEN}[ ]+(?P<word>{ACTIONS})\b", State.ACTION, "you")
_rule(
    rf"{_YOU}{_BETWEEN}[ ]+(?P<word>fixed|solved|resolved|repaired|mended|finished|completed|got round"
    rf"|sorted out|sorted)\b",
    State.WORKED,
    "you",
)
_rule(rf"{_YOU}{_BETWEEN}[ ]+(?P<word>started|launched|brought up|fired up)\b", State.RUNNING, "you")
_rule(
    r"\b(?P<word>(?:hiccup|trouble|difficulty|difficulties|failure|problem|crash|breakdown)(?: with| of"
    r"| in| at)?)\b(?! (?:is|are) (?:that|this))",
    State.FAILED,
    "linked",
)
_rule(
    r"\b(?:ended|ends|stopped|finished|came back|quit|exited) (?:with|in"
    r"|on) (?P<word>(?:an? )?(?:errors?|failure|exception|traceback|crash))\b",
    State.FAILED,
    "linked",
)
_rule(
    r"\b(?P<word>(?:won't|wouldn't|refuses? to|refused to|still doesn't|still don't)(?: even)? (?:decode"
    r"|open|start|run|build"
    r"|compile|load|parse|work|go|print|pass|stop|connect|install|budge|finish|import|read|write|answer"
    r"|respond))\b",
    State.FAILED,
    "linked",
)
_rule(
    r"\b(?:none|nothing|not one|no (?:file|other|one))\b[^,.]{0,30}\b(?P<word>empty)\b",
    State.NOT_EMPTY,
    "linked",
)
_rule(
    r"\b(?:came|comes|come|is|are|was|were) (?:out )?(?P<word>different|unequal|broken|wrong|garbled"
    r"|corrupt(?:ed)?|lost)\b",
    State.FAILED,
    "linked",
)
_rule(r"\b(?:got|gets|went) (?P<word>lost|missing|astray)\b", State.FAILED, "linked")
_rule(
    r"\byou(?:'ve| have)? (?P<word>threw|thrown|tossed) (?:it|them|this|that|\S+) (?:out|away)\b",
    State.GONE,
    "you",
)
_rule(r"\byou(?:'ve| have)? (?P<word>threw|thrown|tossed) \S+(?: \S+){0,3} (?:out|away)\b", State.GONE, "you")
_rule(
    r"\byou(?:'ve| have)?(?: already| then)? (?P<word>stopped|killed|shut down|took down|ended"
    r"|terminated)\b",
    State.DOWN,
    "you",
)
_rule(
    r"\b(?P<word>gone out|went out|sent out|been dispatched|dispatched|on its way|on their way)\b",
    State.ACTION,
    "linked",
)
_rule(
    r"\b(?:both|all|still|now|endpoints?|server|service|it|they|them|api|sites?) (?P<word>up|running"
    r"|answers?|live|online|responds?)\b(?! to| \w+s\b)",
    State.RUNNING,
    "verb",
)
_rule(r"\b\w+ (?P<word>answers|responds) (?:then|now|again|fine|too)\b", State.RUNNING, "linked")
_rule(
    r"\b(?:all|both|they|now|\w+s) (?P<word>work|pass|match|agree|hold)\b(?! (?:on|with|out|in|for)\b)",
    State.WORKED,
    "linked",
)
_rule(r"\bleave (?:it|them|the \w+(?: \w+)?(?: on \d+)?) (?P<word>running|up)\b", State.RUNNING, "linked")
_rule(
    r"(?P<word>(?:without|with no|with zero|no|zero|not) (?:a single |any |one |an )?"
    r"(?:error|errors|hitch|hitches|failure|failures|warnings?|trouble|problems?|complaints?|conflicts?|fuss"
    r"|exceptions?))\b(?! (?:code|report|file|log|should|may|must|can))",
    State.FLAWLESS,
    "verb",
)
_rule(
    r"(?P<word>(?:on|at) (?:the )?(?:very )?first (?:try|attempt|go|run)|first time round|straight away"
    r"|right away)\b",
    State.FLAWLESS,
    "verb",
)

_rule(
    r"\byou(?:'ve|’ve| have) (?:already |also |just |since |even |now )?(?P<word>(?!(?:ask|mention"
    r"|suggest|promis|explain|notic|propos|want|need|seem|manag|tri|advis|warn|offer|agree|point|answer"
    r"|repli|not|describ|prefer|recommend|help|work|finish|show|deserv|learn|assum|decid|indicat|observ"
    r"|report|confirm|stat|list)\w*ed\b)[a-z]{3,14}ed)\b",
    State.ACTION,
    "you",
)

_rule(r"\b(?:still|now|again) (?P<word>fail|crash|break|hang|error)\b", State.FAILED, "linked")
_rule(
    r"\b(?:thanks|thank you|nice of you|good of you|well done|kind of you)\b.{0,24}? (?:for"
    r"|to) (?:also |already )?"
    r"(?P<word>(?!(?:attend|go|do|try|look|help|check|tell|explain|catch|spott|find|notic|point"
    r"|lett|keep|sort|handl|wait"
    r"|mention|ask|not|stopp|be|hav|mak|gett|br|th|los|sav|fix|mend|writ)\w*ing\b)[a-z]{2,12}ing)\b",
    State.ACTION,
    "you",
)

_PRESENT = re.compile(
    rf"^(?:{BREAKS}|{GOES}|pass|passes|exists?|works|runs on port|listens on|answers on)$", re.IGNORECASE
)


_MAX_CLAUSE = 600
"""What a clause says stands in its first characters; a longer one is none."""


@lru_cache(maxsize=512)
def states_in(clause: str) -> tuple[Said, ...]:
    """The states that a clause speaks of, negations turned to their opposites; a place counts once."""
    clause = clause[:_MAX_CLAUSE]
    taken: list[tuple[int, int]] = []
    said: list[Said] = []
    for pattern, state, kind in _RULES:
        for found in pattern.finditer(clause):
            start, end = found.span("word")
            if any(a < end and start < b for a, b in taken):
                continue
            taken.append((start, end))
            word = found["word"].lower()
            negated = bool(found.groupdict().get("neg")) or _negated_before(clause, found.start())
            if negated and state not in OPPOSITE:
                continue
            says = OPPOSITE[state] if negated else state
            if state is State.PASSED and _SOME_BEFORE.search(clause[max(0, start - 50) : start]):
                continue
            if kind == "verb" and _COUNT_BEFORE.search(clause[max(0, start - 14) : start]):
                continue
            is_past = kind != "verb" or not _PRESENT.match(word)
            said.append(Said(says, found[0].strip(), word, *found.span(), is_past))
    if any(one.state is State.FAILED for one in said):
        said = [one for one in said if one.state is not State.FLAWLESS]
    return tuple(said)


_NO_SUBJECT = re.compile(
    r"\b(?:nothing|none|nobody|no \w{1,30}|neither(?: of them)?)(?: \w{1,20}){0,2}\s*$", re.IGNORECASE
)


_NOT_BEFORE = re.compile(
    rf"(?:n't|n’t|\bnot|\bnever|\bno longer)(?: (?:{ADVERBS}|yet|been))*\s*$", re.IGNORECASE
)
_SOME_BEFORE = re.compile(
    r"(?<!\ball )(?<!\bboth )(?<!\bthe )\b(?:\d{1,6}|one|two|three|four|five|six|seven|eight|nine|ten)"
    r"(?: of (?:the |them )?)?(?: \w{1,20}){0,3}\s*$",
    re.IGNORECASE,
)
"""Before "pass": some of many, which is judged as a number."""
_COUNT_BEFORE = re.compile(
    r"(?:(?<![\d.])\d{1,6}|\b(?:no|one|two|three|four|five|six|seven|eight|nine|ten|an?|every|each|any))\s*$",
    re.IGNORECASE,
)
"""Before "passed" or "failed": a count, which is judged as a number, or a thing that only may fail."""


def _negated_before(clause: str, start: int) -> bool:
    before = clause[max(0, start - 60) : start]
    return bool(_NO_SUBJECT.search(before) or _NOT_BEFORE.search(before))
