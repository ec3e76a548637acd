"""An AI that speaks of itself, and one who knows that it plays a user."""

from __future__ import annotations

import re

from engine.simulate.checks.crafts import DONE
from engine.simulate.checks.text import first_match

SELF = tuple(
    re.compile(pattern)
    for pattern in (
        r"\bi am (?:fairly |quite |very |reasonably )?confident (?:that )?(?:the|it|this|all)\b",
        r"\bi cannot (?:help|assist|comply)\b[^.!?\n]{0,20}\b(?:with that|request|this)\b|\bi cannot "
        r"(?:fulfil+|complete) (?:that|this|your)\b",
        r"\bi (?:do not have|have no) (?:direct )?(?:internet|network|web) access\b|\bi have no access "
        r"to your\b",
        r"\bi (?:do not have|have no) (?:any )?memory of (?:earlier|previous|past|prior|other)\b",
        r"\bi was told to (?:act|play|pretend|behave|write|respond|be)\b|\b(?:simulating|pretending to "
        r"be|impersonating) (?:the|a) (?:user|person|customer)\b",
        r"\bthe (?:system )?prompt (?:says|tells|asks|requires|wants|instructs)\b|^(?:hello|hi|hey|"
        r"dear),? (?:dear )?(?:user|customer|client)\b",
        r"\bbeing an? (?:ai|artificial|llm|language model|agent|assistant)\b|\bi\b[^.!?\n]{0,20}\bai "
        r"(?:agent|assistant|model|system)\b",
        r"\bi\b[^.!?\n]{0,30}\b(?:run|live|operate|exist|work|am)\b (?:only |just )?(?:in|inside|"
        r"within) (?:a|an|this|the|my) (?:[a-z]+ )?"
        r"(?:sandbox|container|workspace|virtual machine)\b",
        r"\bi\b[^.!?\n]{0,60}\b(?:from|in|inside|within) (?:this|my) (?:sandbox|workspace|environment|"
        r"container|session)\b",
        r"\b(?:sorry|unfortunately|apologies|regrettably),? (?:but )?i (?:could not|cannot|was (?:not "
        r"able|unable) to|am (?:not able|unable) to|"
        r"did not manage to) (?:reach|fetch|connect|access|download|install|execute|parse|complete|"
        r"resolve|locate|run|perform|determine)\b",
        rf"\bi should have (?:first |also )?(?:{DONE}|checked|read|used|looked|quoted|escaped|set|kept|"
        rf"asked for)\b",
        r"\bi (?:missed|overlooked|misread|mishandled|introduced|mistyped|"
        r"forgot)\b[^.!?\n]{0,60}\b(?:on|in|at|during) (?:the|my) (?:first|last|"
        r"second|initial|previous|earlier) (?:pass|run|attempt|version|try|reading|script|answer|step|"
        r"command)\b",
        r"\bmy (?:first|second|initial|earlier|previous|last) (?:attempt|pass|implementation|regex|"
        r"command|try|approach|fix|edit|version|answer|"
        r"script|solution|edit|call)\b",
        r"\b(?:that|which) i (?:have |had |just )?(?:added|implemented|created|generated|configured|"
        r"installed|ran|executed|fixed|patched)\b"
        r"(?![^.!?\n]{0,40}\b(?:yesterday|ago|last|myself|by hand|home|my|our)\b)",
        r"\bas an? (?:ai|artificial|llm|language model|assistant|virtual|automated|agent|helpful)\b",
        r"\bi am (?:just |only |merely |simply )?(?:an? |the |your )?(?:[a-z-]+ )?(?:ai|language model|"
        r"llm|chatbot|virtual assistant|"
        r"ai assistant|digital assistant|coding assistant|assistant here|computer program)\b",
        r"\b(?:as|being) (?:your|the) (?:[a-z-]+ )?(?:assistant|agent)\b",
        r"\b(?:large )?language model\b[^.!?\n]{0,40}\bi\b|\bi\b[^.!?\n]{0,40}\blanguage model\b",
        r"\bmy (?:training(?: data)?|knowledge cut-?off|programming|capabilities|context window|"
        r"tool(?:s|set)?|sandbox|"
        r"guidelines|instructions (?:say|tell|are)|system prompt)\b(?! (?:course|plan|session|shed|box|"
        r"list))",
        r"\bi (?:do not|cannot|am not able to|am unable to) (?:have (?:direct |real-time |the "
        r")?(?:access|ability|capability) to|"
        r"(?:directly )?(?:execute|browse|assist|comply|fulfil+|access (?:external|the internet|your)))\b",
        r"\bi am (?:unable|not able) to (?:execute|run|access|create|write|perform|modify|complete|"
        r"browse|assist)\b",
        r"\bi am your (?:[a-z]+ )?(?:assistant|agent|helper|copilot|bot)\b",
        r"\bmy (?:comparison|analysis|verification|inspection|evaluation|test run|tests|validation|"
        r"examination|investigation) (?:shows?|showed|confirms?|"
        r"confirmed|found|reveals?|revealed|indicates?|says)\b",
        r"\bi (?:was|am) (?:trained|programmed|designed|instructed|asked|prompted) to (?:act|be|assist|"
        r"help|play|follow|pretend|"
        r"respond|simulate|speak)\b",
        r"\bi (?:sincerely |do |must )?apologi[sz]e for (?:the|any|my|that) (?:confusion|inconvenience|"
        r"oversight|error|mistake|"
        r"delay|misunderstanding|issue|bug|earlier|previous)\b",
        r"\b(?:my apologies|sorry) for (?:the|any|that) (?:inconvenience|oversight|bug|issue|error in)\b",
        r"\byou are absolutely right\b",
        r"\bin (?:my|this) (?:sandbox|environment)\b[^.!?\n]{0,30}\bi (?:can|cannot|have|do)\b",
    )
)
"""An AI that speaks of itself."""

FOURTH_WALL = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:as|being|playing|acting as|in the role of|for|from) the (?:simulated |human |original "
        r")?user\b(?!'?s? "
        r"(?:table|account|field|list|guide|manual|name|id|group|input|home|data|class|model|can|clicks|"
        r"types|enters))"
        r"(?=[,.:; ]*(?:i\b|$|would|who|in this|of this|here|perspective|side))",
        r"\bsimulated (?:user|persona|conversation|person)\b|\buser simulat\w+|\bthe simulat(?:ion|or)\b",
        r"\bthe user (?:wants?|wanted|asked|asks|requested|requests|would like|is asking|is looking|has "
        r"asked|has requested|said|"
        r"says|mentioned|instructed|specified|needs? (?:me|us|to know)|expects|seems|provided|prefers|"
        r"confirmed)\b",
        r"\bthe user'?s? (?:request|message|intent|intention|instructions?|goal|query|question|persona|"
        r"next (?:message|step))\b",
        r"\b(?:per|according to|based on|given|from|in|as|see) the (?:provided |given |above |json "
        r")?evidence(?: (?:json|block|provided|"
        r"shows?|says?|states|field|object|section|above|given))?\b(?! (?:room|bag|file|locker|list|folder))",
        r"\bthe evidence (?:json|block|provided|shows?|says|states|indicates|confirms|lists|suggests|"
        r"above|field|section)\b",
        r"\b(?:my|the|this|per|this) (?:assigned )?persona\b|\bmy (?:assigned |given )?(?:role|"
        r"character) (?:is|as|here|in this)\b(?! "
        r"(?:the (?:night|day)|at))",
        r"\b(?:stay|staying|remain|break|breaking|out of|in) (?:in )?character\b(?! (?:set|encod|code|"
        r"class|count|string|format|by))",
        r"\b(?:system prompt|role-?play\w*|the stated intent|my stated intent|as an? (?:role-?player|"
        r"simulator)|"
        r"(?:per|as per|according to|in line with|from) (?:the|my|this) intent|the intent (?:says|"
        r"states|asks|requires|is to)|"
        r"the next (?:user )?(?:message|utterance|turn) (?:should|is|would|as)|next user (?:message|"
        r"turn|utterance)|"
        r"(?:this|the) (?:conversation|dialogue|scenario) (?:is simulated|requires)|double-check step of|"
        r"user'?s? turn|my next (?:user )?(?:message|utterance|turn)|ledger (?:shows|says|records)|"
        r"is_success|json object)\b",
    )
)
"""One who knows that it plays a user, or what it was shown beside the answer."""


def self_talk(sentence: str) -> str:
    """Where a sentence speaks as an AI or of the simulation; empty where it does not."""
    return first_match((*SELF, *FOURTH_WALL), sentence)
