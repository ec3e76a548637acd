"""Register: does a message sound like its persona, by style, level and length? Only the gross breaches."""

from __future__ import annotations

import re
from functools import lru_cache

from engine.schema.taxonomy import ExperienceLevel, Persona
from engine.schema.trajectory import Trajectory
from engine.simulate.checks.crafts import PATH
from engine.simulate.checks.text import parts, plain

_FORMAL = re.compile(
    r"\b(?:formal|courteous|ceremonious|official|academic|legal|legalistic|diplomatic|polished|"
    r"respectful|sober)\b"
)
_TERSE = re.compile(
    r"\b(?:terse|clipped|curt|laconic|telegraphic|telegram\w*|brief|brisk|blunt|compact|crisp|short|"
    r"minimal|sparse|urgent|dry|direct|to the point|quick|fast|straight-talking)\b"
)
_CASUAL = re.compile(
    r"\b(?:chatty|breezy|lively|cheerful|cheery|playful|enthusiastic|upbeat|relaxed|laid-back|"
    r"easy-going|friendly|rambl\w+|informal|"
    r"casual|hearty|warm|eager|curious|energetic|expressive|humorous|joking|slang\w*|conversational|"
    r"bubbly|booming|witty)\b"
)
_SLANG = re.compile(
    r"\b(?:gonna|wanna|gotta|lol|lmao|rofl|omg|wtf|bruh|bro|dude|yo|yeah|yep|nope|kinda|sorta|btw|tbh|"
    r"ngl|idk|imo|imho|ain't|y'all|"
    r"thx|pls|plz|ur|heyy+|hii+|sup|haha+|cuz|dunno|lemme|gimme|cya|sup|awesome sauce|cheers mate|hiya|"
    r"heya)\b|\bu (?:can|should|need|are|r|have|guys|fix|do|get|make)\b|!!|[\U0001f300-\U0001faff]"
)
_JARGON = re.compile(
    r"\b(?:leverag(?:e|es|ing)|synerg\w+|paradigm\w*|holistic(?:ally)?|actionable insights?|"
    r"value[- ]add(?:ed)?|best[- ]in[- ]class|circle back|"
    r"stakeholder alignment|align(?:ing)? (?:our |the |with )?(?:stakeholders?|strateg\w+)|strategic "
    r"(?:alignment|objectives?|initiatives?|imperatives?)|"
    r"low[- ]hanging fruit|move the needle|deep dive|bandwidth to|core competenc\w+|thought leadership|"
    r"mission[- ]critical|game[- ]chang\w+|"
    r"operationali[sz]e|streamlin(?:e|ed|ing)|seamless(?:ly)?|cross-functional|end-to-end solution|"
    r"scalable solution|robust|comprehensive|ecosystem|"
    r"key deliverables?|roadmap|optimi[sz]e (?:our|the) (?:workflow|process)\w*|going forward|touch "
    r"base|utili[sz](?:e|ing)|facilitat(?:e|ing)|empower\w*)\b"
)
_STIFF = re.compile(
    r"\b(?:hereby|herewith|pursuant to|aforementioned|aforesaid|heretofore|henceforth|thereof|wherein|"
    r"kindly be advised|be advised that|"
    r"i would be (?:most |much )?(?:obliged|grateful)|i should be (?:most |much )?(?:obliged|grateful)|"
    r"with regard to|in accordance with|"
    r"at your earliest convenience|i remain,? yours|yours (?:sincerely|faithfully)|dear (?:sir|madam)|"
    r"respectfully (?:request|submit)|"
    r"it is imperative|i hereby request|furthermore|moreover|kindly)\b"
)
_COURTESY = re.compile(
    r"\b(?:i (?:would|should) be (?:so |most |very |truly |really |extremely |ever so )?(?:grateful|"
    r"obliged|thankful)|if you would be so kind|"
    r"thank you (?:so |very )?much|thanks (?:so much|a million|a lot|in advance)|i (?:really |truly |"
    r"very much |greatly |deeply |so )?appreciate|"
    r"i hope (?:this|you|all|that)|whenever (?:you have|it is convenient)|at your (?:earliest "
    r")?convenience|if it is not too much|"
    r"would you (?:mind|be so|kindly)|i (?:do )?apologi[sz]e|sorry to (?:bother|trouble)|wonderful|"
    r"lovely|delight\w*|kind regards|warm regards|"
    r"best regards|it would be (?:wonderful|great|lovely|fantastic)|no rush|take your time)\b"
)
_BOLD_START = re.compile(r"^[ \t]*(?:[-*•] |\d+[.)] )?\*\*[^*\n]{1,80}\*\*", re.MULTILINE)
_GUSHING = re.compile(
    r"\b(?:how are you|restful|leisurely|dear (?:colleague|friend|all)|sincerest|so (?:very )?(?:kind|"
    r"good) as to|no small amount|in due course|"
    r"at liberty|if you agree|may or may not|i must confess|perhaps|rather wonderful|with (?:all|the "
    r"greatest) \w+|such a (?:lovely|nice)|"
    r"i (?:do )?hope|i trust (?:you|that|this)|i was (?:wondering|thinking)|(?:would|much) (?:like to "
    r")?express|gratitude|esteemed|"
    r"whenever it suits|most grateful|be much obliged|good morning to you|over breakfast|sentimental|"
    r"long and interesting)\b"
)
_HEADING = re.compile(r"^ {0,3}#{1,6} +\S", re.MULTILINE)
_BOLD = re.compile(r"\*\*[^*\n]{1,80}\*\*|__[^_\n]{2,80}__(?!\w)")

_MAX_WORDS = {"terse": 120, "plain": 200, "formal": 220, "casual": 220}
_BIG_WORDS = {ExperienceLevel.INTERN: 2, ExperienceLevel.JUNIOR: 2}
_MUCH_SLANG = {"terse": 3, "plain": 2, "formal": 1}
_MANY_BIG_WORDS = 4


@lru_cache(maxsize=4096)
def manner_of(style: str) -> str:
    """Gives "casual", "terse", "formal" or "plain": the manner that a communication style stands for."""
    flat = style.lower().partition(",")[0]  # what follows is how, not which manner
    for manner, pattern in (("casual", _CASUAL), ("terse", _TERSE), ("formal", _FORMAL)):
        if pattern.search(flat):
            return manner
    return "plain"


def register(text: str, trajectory: Trajectory) -> str:
    """What in a message is not how its persona writes; empty where nothing stands out, or it is pasted."""
    persona = trajectory.intent.persona
    own = parts(text).own
    manner = manner_of(persona.communication_style)
    return (
        _markup(own)
        or _length(_without_letter(text, own), manner, persona)
        or _wording(plain(own), manner, persona)
    )


def _markup(own: str) -> str:
    bold = _BOLD.findall(own)
    if found := _HEADING.search(own) or _BOLD_START.search(own):
        return f"nobody writes {found[0].strip()!r} in a chat message"
    if len(bold) > 1:
        return f"nobody writes {bold[0]!r} in a chat message"
    return ""


def _without_letter(text: str, own: str) -> str:
    """The first paragraph alone where it names a file: what stands below is then what goes into it."""
    first = text.split("\n\n", 1)[0]
    return first if PATH.search(first) else own


def _length(own: str, manner: str, persona: Persona) -> str:
    n_words = len(own.split())
    most = _MAX_WORDS[manner]
    return (
        f"{n_words} words are too many for one who is {persona.communication_style} (up to {most})"
        if n_words > most
        else ""
    )


def _wording(flat: str, manner: str, persona: Persona) -> str:
    style, level = persona.communication_style, persona.experience_level
    is_stately = bool(_FORMAL.search(style.lower())) and manner != "casual"
    slang = _found(_SLANG, flat)
    if slang and (
        is_stately or (level is ExperienceLevel.EXECUTIVE and manner != "casual" and len(slang) > 1)
    ):
        return f"{slang[0]!r} is not how one writes who is {style}"
    jargon = _found(_JARGON, flat)
    if len(jargon) >= _BIG_WORDS.get(level, _MANY_BIG_WORDS):
        return f"{jargon[0]!r} and {jargon[1]!r} are not how one of level {level.value} writes"
    stiff = _found(_STIFF, flat)
    if manner == "casual" and not _FORMAL.search(style.lower()) and len(stiff) > 1:
        return f"{stiff[0]!r} and {stiff[1]!r} are not how one writes who is {style}"
    courtesies = [*_found(_COURTESY, flat), *_found(_GUSHING, flat)]
    if (
        manner == "terse"
        and not _FORMAL.search(style.lower())
        and len(courtesies) > 1
        and len(flat.split()) > 30
    ):
        return f"{courtesies[0]!r} and {courtesies[1]!r} are too many courtesies for one who is {style}"
    return ""


def _found(pattern: re.Pattern[str], text: str) -> list[str]:
    """What is matched, each once."""
    return list(dict.fromkeys(m[0] for m in pattern.finditer(text)))
