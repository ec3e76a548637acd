"""Incremental advancement: one step at a time, never the whole intent at once."""

from __future__ import annotations

import re

from engine.schema.trajectory import Trajectory
from engine.simulate.checks.text import content_words, ngrams, parts, plain, sentences

_N = 6
_NGRAM_SHARE = 0.6
_INTENT_SHARE = 0.7
_MIN_INTENT_WORDS = 40
_CLAUSE = re.compile(r"[.;:!?]\s+|, (?:and )?| and (?:then )?|\n+")
_ITEM = re.compile(r"[,;:.!?]\s+| and (?:then )?| \+ |\n+")
_MAX_TOUCHED = 4
_MAX_TOUCHED_FIRST = 3
_MIN_CLAUSE_WORDS = 3
_MIN_SHARED = 2
_SHARED = 0.15
_MAX_AIMS = 4
"""Clauses of the intent that one message may speak of anew: a step and its circumstances."""
_MAX_LISTED = 3
_LISTED = re.compile(
    r"^[ \t]*(?:[-*•]|\(?\d{1,2}[.)]|step \d+:?)\s+(?:please |then |also |i (?:want|need) )?(?:create|"
    r"write|make|build|run|add|check|find|sort|"
    r"convert|send|draft|generate|count|compute|calculate|set up|list|merge|rename|move|summari[sz]e|"
    r"test|install|configure|fix|clean|"
    r"update|prepare|put|save|extract|compare|verify|schedule|plot|export|remove|delete|translate|"
    r"search|download|analy[sz]e)\b"
)
_ORDER = (
    re.compile(
        r"^(?:first(?:ly| of all| up)?|to (?:start|begin)(?: with)?|start by|begin by|step (?:1|one))\b"
    ),
    re.compile(
        r"^(?:second(?:ly)?|then|next|after (?:that|this)|afterwards?|once (?:that|this) is done|step "
        r"(?:2|two)|when (?:that|this) is done)\b"
    ),
    re.compile(
        r"^(?:third(?:ly)?|fourth(?:ly)?|finally|lastly|last of all|at the end|to finish|and finally|"
        r"step (?:3|three))\b"
    ),
)
_MIN_ORDERED_WORDS = 30


def incremental(text: str, trajectory: Trajectory) -> str:
    """How a message asks for more than the next step; empty where it does not."""
    whole = trajectory.intent.utterance
    return _whole_intent(text, whole) or _several_aims(text, trajectory) or _enumerated(text)


def _whole_intent(text: str, whole: str) -> str:
    if len(whole.split()) < _MIN_INTENT_WORDS:
        return ""
    meant, said = ngrams(whole, _N), ngrams(text, _N)
    literal = len(said & meant) / len(meant) if meant else 0.0
    sense = _share(content_words(whole), content_words(text))
    share = max(literal if literal > _NGRAM_SHARE else 0.0, sense if sense > _INTENT_SHARE else 0.0)
    return f"it gives away {share:.0%} of the intent at once" if share else ""


def _several_aims(text: str, trajectory: Trajectory) -> str:
    """Aims of the intent that this message speaks of and no message before it did."""
    said = content_words(text)
    before = content_words("\n".join(turn.utterance.text for turn in trajectory.turns))
    whole = trajectory.intent.utterance
    aims = _aims(whole)
    items = [content_words(item) for item in _ITEM.split(text.strip()) if len(item.split()) > 1]
    if "\n" not in text.strip():
        n_touched = _n_matched(items, [aim - before for aim in aims])
        if n_touched > (_MAX_TOUCHED if trajectory.turns else _MAX_TOUCHED_FIRST):
            return f"it asks for {n_touched} things of the intent at once"
    fresh = sum(_is_spoken_of(aim, said) and not _is_spoken_of(aim, before) for aim in aims)
    return f"it asks for {fresh} things of the intent at once" if fresh > _MAX_AIMS else ""


def _n_matched(items: list[frozenset[str]], aims: list[frozenset[str]]) -> int:
    """How many parts of a message speak of a part of the intent that no other part of it speaks of."""
    free = list(aims)
    for item in items:
        best = max(free, key=lambda aim: len(aim & item), default=frozenset[str]())
        if best & item:
            free.remove(best)
    return len(aims) - len(free)


def _aims(whole: str) -> list[frozenset[str]]:
    """For each clause of the intent the words that it alone holds."""
    held = [content_words(part) for part in _CLAUSE.split(whole)]
    return [
        h - frozenset().union(*(o for o in held if o is not h)) for h in held if len(h) >= _MIN_CLAUSE_WORDS
    ]


def _is_spoken_of(aim: frozenset[str], said: frozenset[str]) -> bool:
    return len(aim & said) >= max(_MIN_SHARED, _SHARED * len(aim))


def _enumerated(text: str) -> str:
    listed = sum(bool(_LISTED.search(line.lower())) for line in text.splitlines())
    if listed >= _MAX_LISTED:
        return f"it lists {listed} tasks in one message"
    own = parts(text).own
    said = [plain(s) for s in sentences(own)]
    in_order = all(any(step.search(s) for s in said) for step in _ORDER)
    return (
        "it tells a whole order of tasks in one message"
        if in_order and len(own.split()) > _MIN_ORDERED_WORDS
        else ""
    )


def _share(meant: frozenset[str], said: frozenset[str]) -> float:
    return len(meant & said) / len(meant) if meant else 0.0
