"""Work in the workspace that the writer claims, does or plans as the agent: its deeds, said with "I".

What tells it from a person's own world is the verb (a craft of the agent), the object (a thing of the
workspace, or words of the agent's last answer) and the absence of what only a person has: a desk, a
weekday, a colleague to do it with.
"""

from __future__ import annotations

import re

from engine.simulate.checks.crafts import (
    ADVERBS,
    CRAFT,
    DATA_DONE,
    DOING,
    DONE,
    LOOKING,
    MAKING,
    OWN_WORLD_AHEAD,
    OWN_WORLD_THEN,
    PACKED,
    PATH,
    PRODUCT,
    STRONG,
    STRONG_DONE,
    THING,
    TOOL,
)
from engine.simulate.checks.speech import Known
from engine.simulate.checks.text import content_words, word_set

_REST = r"(?P<rest>[^!?\n]{0,160})"
_NOT_A_WISH = r"(?!(?:re-?)?run\b|put\b|set up\b|split\b)"
"""Without these: they look the same when they ask for something."""
_ASKS = re.compile(r"\b(?:please|(?:could|can|would|will) you|so (?:do|add|make|put)|give my|kindly)\b")
_HUMAN = (
    r"(?:noticed|received|asked|called|phoned|informed|talked|promised|agreed|approved|decided|"
    r"mentioned|wanted|needed|hoped|liked|loved|"
    r"expected|signed|ordered|learned|learnt|worried|wondered|pasted|attached|enclosed|believed|"
    r"remembered|confused|wished|laughed|tried|"
    r"waited|worked|happened|trusted|showed|shared|emailed|mailed|posted|printed|handed|delivered|"
    r"visited|observed|assumed|supposed|"
    r"intended|planned|preferred|feared|doubted|guessed|imagined|looked|listened|owed|used|need|used|"
    r"counted|reached|emptied|copied|"
    r"answered|replied|explained|warned|thanked|helped|started|stopped|moved|lived|carried|collected|"
    r"typed|measured|weighed)"
)
_I_HAVE_DONE = re.compile(rf"\bi (?:have|had) {ADVERBS}(?P<verb>{DATA_DONE})\b{_REST}")
_I_DID = re.compile(rf"\bi {ADVERBS}{_NOT_A_WISH}(?P<verb>{DATA_DONE})\b{_REST}")
_I_DID_ANY = re.compile(rf"\bi (?:have )?{ADVERBS}(?P<verb>(?!{_HUMAN}\b)[a-z]{{3,}}ed)\b{_REST}")
_I_GOT_TO = re.compile(
    rf"\bi (?:have )?(?:managed to|was able to|been able to|went ahead and|gone ahead and) "
    rf"(?P<verb>{CRAFT}|{DONE})\b{_REST}"
)
_SUBJECTLESS = re.compile(
    rf"^(?:\d+[.)] )?(?:successfully |also |then |now |just )?{_NOT_A_WISH}(?P<verb>{PACKED}) "
    rf"(?P<rest>(?:the|a|an|all|both|each|every|"
    rf"\d+|new|`|[\w./-]*[/.]\w)[^!?\n]{{0,160}})"
)
_YOU_FIND = re.compile(rf"\byou (?:can|will|may|should) (?:now )?(?:find|see)\b{_REST}")
_WHEN = re.compile(r"(?:once|when|after|as soon as|if|now|then|next|first)\b")
_CHAIN = re.compile(
    rf"\bi (?:have |first |then |just )?(?P<verb>{DATA_DONE})\b[^.!?\n]{{1,80}}"
    r"(?:,| and| but|, so)(?: then| i| so)* "
    r"(?!need|want|would|should)(?:[a-z]{3,}ed|left|kept|put|wrote|ran|made|set|took|let|got rid)\b"
)
_BY_TOOL = re.compile(
    r"\bi (?:first |then |have )?(?:tried|used|switched to|fell back (?:on|to)|went with|relied on|called)\b"
    r"(?P<rest>[^!?\n]{0,80})"
)
_RUNNING = re.compile(r"^(?:running|executing|calling)\b(?P<rest>[^!?\n]{0,100})")
_WITH_RESULTS = re.compile(
    r"^(?P<verb>checked|compared|counted|looked) (?P<rest>[^!?\n]{0,100}(?::|\d+ "
    r"of \d+)[^!?\n]{0,60})"
)
_NOW_I_READ = re.compile(
    rf"^(?:now|first|next|then),? i will (?:read|open|look at|go through|check) "
    rf"(?=[^!?\n]{{0,30}}(?:{PATH.pattern}))"
)
_SUCCESSFULLY = re.compile(rf"^successfully (?:{DONE})\b")
_I_AM_DOING = re.compile(rf"\bi am (?P<now>now |currently |still |just now )?(?P<verb>{DOING})\b{_REST}")
_I_WILL = re.compile(
    rf"\bi (?:will|am going to|am about to|shall) {ADVERBS}"
    rf"(?P<verb>(?!(?:start|stop) (?!(?:an?|the|up) )|see\b){CRAFT})\b{_REST}"
)
_I_WILL_BEGIN_BY = re.compile(
    rf"\bi (?:will|am going to|shall) (?:now |first )?(?:start|begin|proceed|continue)(?: off)? (?:by|"
    rf"with) {DOING}\b"
)
_LET_ME = re.compile(
    rf"\blet me {ADVERBS}(?P<verb>take a (?:quick |closer )?look(?: at| into| for)|dig into|walk you|go "
    rf"ahead|get started|help|"
    rf"(?!see\b|start\b|complete\b|sum up\b|put\b|finish\b){CRAFT})\b{_REST}"
)
_I_CAN = re.compile(
    rf"^(?:[^,!?]{{0,30}}, )?i (?:can|could) (?:also |then |now )?(?P<verb>{STRONG}|"
    rf"{MAKING})\b{_REST}"
)
_THEN_I = re.compile(
    rf"\bi (?:will|shall|am going to) {CRAFT}\b[^!?\n]{{1,100}}(?:,| and)(?: and)? "
    rf"then (?:i will )?{CRAFT}\b(?! (?:it )?(?:with|to) (?:my|our))"
)
_FIRST_I = re.compile(rf"^(?:first|next|then|now),? i (?P<verb>{CRAFT})\b{_REST}")
_AT_ONCE = re.compile(
    r"\b(?:i am on it|working on (?:it|that) now|i will get (?:right on|started|to work)|i will take "
    r"care of (?:it|that|this|"
    r"everything)|i will get back to you|let me get started|give me a (?:moment|second|minute)|i will "
    r"(?:proceed|go ahead)(?: now)?"
    r"(?:$|[.!,]| (?:with|and) (?:the|your|creating|updating|that)))"
)

_NEVER_DESK_WORK = word_set(
    "create generate build update fix run test verify complete set correct double-check compile rerun execute"
)
"""Verbs with which even a report or "it" is a thing of the workspace."""
_CODE_ONLY = word_set("run merge commit convert compute calculate extract restart append reformat migrate")
_DESK_WORK = word_set(
    "write add move copy remove sort store save make put place change prepare complete finish check list "
    "document tidy archive"
)
_NOT_A_PROGRAM = re.compile(
    r"^ (?:(?:it|this|that|them) )?(?:past|by|late|over|to|off|down|out|for|"
    r"into|errands|through)\b"
)
_TRIED = re.compile(r"r[au]n|re-?r|test|put|place|search|look|try|download|open|read|check")
_SPOKEN_OF = re.compile(
    r"^(?:read|kept|left|put|noted|reported|looked|used|wrote|written|added|count|"
    r"pick|chose)"
)
_WATCHED = re.compile(
    r"running|checking|executing|verifying|inspecting|examining|testing|installing|"
    r"fetching"
)
_TOLD = 2
"""So many words of the agent's answer show that its work is told."""
_FOR_YOU = re.compile(
    r"\b(?:for you|right away|right now|immediately|straight away|accordingly)\b|\b(?:first|now|next)[.!]?$"
)
_HIS_OWN_TRIAL = re.compile(
    r"\b(?:but|fails?|failed|does not|did not|do not|cannot|wrong|missing|empty|nothing|got|get|every|"
    r"usually|always)\b"
)
_A_REMARK = re.compile(
    r"^\s*(?:one|two|that|something|a (?:word|detail|note|point|remark|few|couple)|just|myself|what i)\b"
)
_CONDITION = re.compile(r"\b(?:once|when|as soon as|after|until|whenever|if)\b")
_A_PERSON = re.compile(r"\b(?:with|to|for|from|by|and|tell|ask) (?:[A-Z][a-z]+|the [A-Z][a-z]+)\b")
_JOINS = word_set(
    "and then so also now but because since ok okay done yes great good perfect sure first next finally "
    "thanks morning hello hi update news right well after afterwards additionally again alright not that"
)


def deed(sentence: str, raw: str, before: Known) -> str:
    """The work that a sentence claims, tells or plans as the agent; empty where it is a person's.

    Args:
        sentence: As `plain` has spelt it out.
        raw: The same as it was written, for its capital letters.
        before: What it comes after: work told in the words of the agent's answer is the agent's.
    """
    for pattern in (_AT_ONCE, _THEN_I, _I_WILL_BEGIN_BY, _SUCCESSFULLY, _NOW_I_READ):
        if found := pattern.search(sentence):
            return found[0]
    found = _YOU_FIND.search(sentence)
    if found and _overlap(found["rest"], before) >= _TOLD:
        return found[0]
    return _done(sentence, raw, before) or _doing(sentence) or _ahead(sentence, raw, before)


def _done(sentence: str, raw: str, before: Known) -> str:
    if OWN_WORLD_THEN.search(sentence) or _ASKS.search(sentence):
        return ""
    return _claimed(sentence, raw, before) or _told_shortly(sentence, before)


def _claimed(sentence: str, raw: str, before: Known) -> str:
    """Work told with "I"."""
    alone = not _A_PERSON.search(raw)
    for pattern in (_I_HAVE_DONE, _I_DID, _I_GOT_TO, _I_DID_ANY, _CHAIN, _BY_TOOL):
        for found in pattern.finditer(sentence):
            if _is_relative(sentence[: found.start()]):
                continue
            if pattern is _I_DID_ANY:
                is_work = _overlap(found["rest"], before) > _TOLD
            elif pattern is _BY_TOOL:
                is_work = TOOL.search(found["rest"]) is not None
            elif pattern is _CHAIN:
                is_work = alone
            else:
                is_work = _is_work(found, raw, before) or (
                    pattern is _I_GOT_TO and alone and _is_certain(found["verb"])
                )
            if is_work:
                return found[0]
    return ""


def _told_shortly(sentence: str, before: Known) -> str:
    """Work told without "I", as in "Ran the tests: 5 of 5"."""
    found = _RUNNING.search(sentence)
    if found and TOOL.search(found["rest"]):
        return found[0]
    found = _SUBJECTLESS.search(sentence)
    if found and THING.search(found["rest"]) and not sentence.endswith("?"):
        return found[0]
    found = _WITH_RESULTS.search(sentence)
    return found[0] if found and _overlap(found["rest"], before) >= _TOLD else ""


def _is_work(found: re.Match[str], raw: str, before: Known) -> bool:
    verb, rest = found["verb"], found["rest"]
    if _HIS_OWN_TRIAL.search(rest) and _TRIED.match(verb):
        return False
    least = _TOLD if not re.fullmatch(DONE, verb) or _A_PERSON.search(raw) else 1
    if _overlap(rest, before) >= least and not _SPOKEN_OF.search(verb):
        return True
    near = " ".join(rest.split()[:14])
    if not re.fullmatch(rf"{DONE}|{CRAFT}", verb):
        return False
    if re.fullmatch(STRONG_DONE, verb) or "successfully" in found[0] or THING.search(near):
        return True
    return _is_certain(verb) and PRODUCT.search(near) is not None


def _overlap(rest: str, before: Known) -> int:
    return len(content_words(rest) & before.words)


def _is_certain(verb: str) -> bool:
    """True where the verb, in whatever form, is one of those that leave no doubt."""
    return any(
        verb.startswith((base, base[:-1] + "t" if base == "build" else base)) for base in _NEVER_DESK_WORK
    ) or verb in {"ran", "reran", "re-ran"}


def _doing(sentence: str) -> str:
    found = _I_AM_DOING.search(sentence)
    if not found or OWN_WORLD_AHEAD.search(sentence) or not THING.search(found["rest"]):
        return ""
    return found[0] if found["now"] or _WATCHED.match(found["verb"]) else ""


def _ahead(sentence: str, raw: str, before: Known) -> str:
    if OWN_WORLD_AHEAD.search(sentence) or _A_PERSON.search(raw):
        return ""
    for pattern in (_I_WILL, _LET_ME, _FIRST_I, _I_CAN):
        found = pattern.search(sentence)
        if (
            found
            and (_WHEN.match(sentence) or not _is_relative(sentence[: found.start()]))
            and (
                _is_plan(found, before, is_offer=pattern is _LET_ME)
                or _overlap(found["rest"], before) >= _TOLD
            )
        ):
            return found[0]
    return ""


def _is_plan(found: re.Match[str], before: Known, *, is_offer: bool) -> bool:
    verb, rest = found["verb"], found["rest"]
    near = " ".join(rest.split()[:14])
    if _A_REMARK.search(rest) and verb in {"add", "correct", "change", "adjust"}:
        return False
    if re.fullmatch(LOOKING, verb):
        return ((is_offer or bool(THING.search(near))) and not _CONDITION.search(rest)) or bool(
            _FOR_YOU.search(rest)
        )
    if verb in _CODE_ONLY and not _NOT_A_PROGRAM.match(rest):
        return True
    if _overlap(rest, before) and verb not in _DESK_WORK:
        return True
    if re.fullmatch(STRONG, verb) or THING.search(near) or _FOR_YOU.search(rest):
        return True
    if not re.fullmatch(MAKING, verb):
        return True
    return _is_certain(verb) and PRODUCT.search(near) is not None


def _is_relative(before: str) -> bool:
    """True in "the script I wrote": what stands before it is a thing, no comma and no word that joins."""
    before = before.rstrip()
    if not before or not (before[-1].isalnum() or before[-1] == "`"):
        return False
    return before.rsplit(None, 1)[-1] not in _JOINS
