"""What kind of speech a message is: does it want, ask, react or say "I", or does it only report?"""

from __future__ import annotations

import re
from typing import NamedTuple

from engine.schema.trajectory import Trajectory
from engine.simulate.checks.crafts import CRAFT
from engine.simulate.checks.text import content_words, plain, sentences

_PERSONAL = re.compile(r"\b(?:i|me|my|mine|myself|we|us|our|ours|you|your|yours|please|kindly)\b|\?")
_OPENS = re.compile(
    r"^(?:ok|okay|good|great|thanks?|fine|right|nice|perfect|lovely|super|yes|yep|no|nope|hmm+|oh|ah|ha|"
    r"haha|wow|sorry|pity|"
    r"well|understood|clear|noted|so|alright|all right|hi|hello|hey|morning|much obliged|brilliant|"
    r"excellent|splendid|"
    r"very|cool|phew|ouch|ugh|yay|next|now|and|but|that|then|agreed|exactly|true|interesting|funny|"
    r"strange|odd|huh|"
    r"bother|damn|regrettably|unfortunately|bravo|marvellous|wonderful|amazing|hooray|hurrah|at last|"
    r"finally|still|only|just|why|"
    r"what|how|which|who|where|when|not)\b"
)
_IMPERATIVE = re.compile(
    rf"^(?:(?:then|now|next|also|and|just|only|first|instead|otherwise|but|so|ok|okay),? )*(?:{CRAFT}|"
    rf"show|tell|give|leave|keep|use|take|"
    r"try|go|look|wait|ignore|drop|skip|call|name|send|let|do|remind|note|mind|explain|describe|mark|"
    r"turn|set|get|find|count|compare|"
    r"draw|plot|translate|close|open|pack|read|print|say|think|stick|stay|continue|carry|proceed|park|"
    r"bring|forget|repeat|redo|"
    r"confirm|prove|report|mend|repair|off with|on to|back to|time for|thank|have|be)\b(?! (?:is|was|"
    r"has|are|were|have)\b)"
)
_TELLS = re.compile(
    r"\b(?:is|are|was|were|has|have|had|lists?|contains?|holds?|shows?|covers?|keeps?|stands?|includes?|"
    r"went|took|came|fell|became|"
    r"comes|goes|reads|prints|takes|makes?|counts?|matche?s?|agrees?|gives?|returns?|runs?|works?|"
    r"pass(?:es)?|handles?|starts?|supports?|writes?|sorts?|skips?|needs?|remains?|can|could|would|will|"
    r"[a-z]{3,}ed)\b"
)
_JUDGES = re.compile(
    r"!|, (?:excellent|good|great|nice|fine|thanks|perfect|lovely|splendid|as it should)(?:[.,]|$)|"
    r"\b(?:wrong|missing from|should|ought|expected|wanted|too (?:much|many|long|short|few|late)|"
    r"strange|odd|instead|rather|"
    r"wish|hope|hoped|glad|surpris\w*|not what|makes no sense|must|needs? to|wants?|no loss|no wonder|"
    r"good enough|will do|fine by)\b"
)


_QUOTES = re.compile(r"\"[^\"\n]{10,}\"")
_SHORT = 5


class Known(NamedTuple):
    """What the message comes after."""

    words: frozenset[str]
    """Content words of the agent's last answer and of the files that its turn touched."""
    is_asked: bool
    """True where that answer asks something, to which a bare statement answers."""


def known(trajectory: Trajectory) -> Known:
    """What was last said and done, as far as a check of the voice needs it."""
    if not trajectory.turns:
        return Known(frozenset(), False)
    turn = trajectory.turns[-1]
    answer = turn.answer or ""
    paths = " ".join(change.path for call in turn.tool_calls() for change in call.ledger.changes[:40])
    return Known(content_words(f"{answer}\n{paths}"), "?" in answer)


def only_reports(text: str) -> bool:
    """True for a message that wants, asks, judges and reacts to nothing, and in which nobody says "I"."""
    flat = plain(text)
    said = sentences(flat)
    if _QUOTES.search(flat) or any(_OPENS.search(s) for s in said[1:] if len(s.split()) < _SHORT):
        return False
    if not said or _PERSONAL.search(flat) or _JUDGES.search(flat) or _OPENS.search(said[0]):
        return False
    if any(_IMPERATIVE.match(clause) for s in said for clause in s.split(", ")[1:]):
        return False
    return all(_TELLS.search(s) and not _IMPERATIVE.search(s) for s in said if len(s.split()) > 2)
