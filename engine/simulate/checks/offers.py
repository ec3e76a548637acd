"""What assistants say and a person to their agent does not: offers, closings, questions of service."""

from __future__ import annotations

import re

from engine.simulate.checks.crafts import CRAFT, DOING, LOOKING, MAKING, STRONG
from engine.simulate.checks.text import any_of, first_match

_CRAFT_OR_HELP = any_of(CRAFT, "help", "assist", "proceed", "continue", "go ahead", "walk you", "provide you")
_START = r"(?:^|[,;:.!?)-]\s*|\b(?:and|or|but|then|otherwise|alternatively|additionally|also)\s+)"
_FROM_THE_USER = (
    r"(?![^.!?\n]{0,60}\b(?:from (?:me|us|my|our)|i (?:should|must|have to|can) (?:know|send|bring|give)|"
    r"access|password|rows|figures|data|numbers|list|sample|log ?in|permission|originals?|photos?|scans?)\b)"
)
_YOUR_WORK = (
    r"(?:script|code|file|output|result|summary|implementation|function|command|breakdown|solution|fix|"
    r"version|"
    r"overview|content|structure|report|configuration|change|step|plan|response|answer|explanation|status|"
    r"listing|test|detail|finding|analysis|diff|log)s?"
)

OFFERS = tuple(
    re.compile(pattern)
    for pattern in (
        r"^(?:working on (?:it|that|this)|on it|all set|all done|awaiting|standing by|processing|one "
        r"moment|task complete(?:d)?|"
        r"mission accomplished)\b(?! (?:for|on|at|in) )(?! please)|^(?!any|every|no|some)[a-z]+ing "
        r"(?:is |was |has been "
        r")?(?:now )?(?:complete|completed|done|finished|successful)\b",
        r"^(?:running|checking|executing|creating|updating|installing|generating|merging|exporting|"
        r"fetching) (?:the|it|them|all|both|your|a)\b[^?]{0,60}"
        r"(?:now|\.\.\.|…)",
        r"\b(?:can|could) i (?:go ahead|proceed)\b|\bdo i have your (?:permission|approval|consent|"
        r"go-ahead|ok|okay)\b",
        r"\bconfirm (?:that |whether |if )?i (?:may|can|should)\b|\blet me know (?:whether|if|when) "
        r"(?:to|i (?:may|should|can))\b",
        r"\byou (?:would )?(?:want|like|need|prefer|mean)\b[^?\n]{0,100},? (?:correct|right|is that "
        r"(?:right|correct|so)|yes|did i get that right)\?",
        r"\b(?:is|was) there (?:something|anything) (?:specific|particular|else|more)?\s?(?:that )?you "
        r"(?:would|want|need|like|wish|prefer)\b" + _FROM_THE_USER,
        r"\bdo you need (?:the (?:output|result|file|report|script|summary|table)|it|them|any "
        r"(?:changes?|adjust\w*|help|further|other))\b" + _FROM_THE_USER,
        r"\bwhat is (?:the|your) next (?:task|step|request|thing)\b[^?\n]{0,30}\byou\b|\bwhat would be "
        r"your next\b",
        r"\bi have (?:a few|some|a couple of|two|three|one more) questions? (?:before|for you|about "
        r"your|regarding)\b",
        r"\b(?:could|can|would) you (?:please |kindly )?(?:re-?upload|upload)\b|\ban? example of (?:the|"
        r"your|what) (?:expected|desired|you)\b",
        r"\bi (?:need|have|will need) to (?:first )?(?:inspect|check|examine|look at|look into|run|"
        r"execute|verify|test|analy[sz]e)\b[^.!?\n]{0,80}"
        r"\bbefore (?:i|making|doing|changing|proceeding|we)\b",
        r"\b(?:the following|this|a) plan: |\bi (?:would )?(?:propose|suggest) the following\b|\bhere "
        r"is how (?:we|i|to)\b",
        r"\bfor your (?:review|reference|convenience|records|consideration|approval|information)\b",
        r"\bi hope (?:you|that you) (?:find|like|enjoy)\b|\bgive me a shout\b|\blet me know how (?:it|"
        r"that|this) (?:goes|works|looks|feels)\b",
        r"\bif you (?:run into|encounter|have|face|notice|need)\b[^.!?\n]{0,50}\b(?:let me know|just "
        r"ask|tell me|reach out|shout|drop me|contact|get in touch|"
        r"i (?:am|will|can))\b" + _FROM_THE_USER,
        r"\bget back to you (?:shortly|soon|with|once|when|as soon|in a|after)\b|\bi will let you know "
        r"(?:once|when|as soon as) (?:it|the|this|that|everything|i)\b",
        r"\byour [a-z]{2,20}(?: [a-z]{2,20})? (?:has|have) (?:now |just |all )?been\b(?! (?:wrong|too|"
        r"very|good|helpful|great|unclear|clear|a ))",
        r"\b(?:noted|saved|stored|recorded|remembered) your (?:preferences?|request|settings?|choice|"
        r"wish|name|requirements)\b",
        r"\b(?:remember|keep) (?:it|this|that|them) (?:in mind )?for (?:future|later|next|all future|"
        r"upcoming)\b(?<=i will )|\bi will remember\b",
        r"\bi am supposed to (?:play|ask|act|be|behave|react|respond|write|say)\b|\bin (?:this|the) "
        r"simulation\b",
        r"^to (?:reproduce|run|rerun|rebuild|execute|regenerate|view)\b[^.!?\n]{0,50},? (?:just |simply "
        r")?(?:run|execute|type|call)\b",
        r"\bi can confirm\b[^.!?\n]{0,60}\b(?:checks?|tests?|files?|scripts?|all|everything|works?|"
        r"runs?|passes|in place)\b(?![^.!?\n]*\b(?:my|our)\b)",
        r"\b(?:i|we) (?:went|have gone|looked|have looked|dug|have dug) (?:through|into|over) (?:the|"
        r"your|all) (?:[a-z]+ )?(?:logs?|code|script|files?|folder|output|"
        r"repo\w*|config\w*|traceback|codebase|director\w+|workspace)\b",
        r"\bi (?:have )?(?:taken|took) care of\b(?![^.!?\n]*\b(?:my|our|myself)\b)",
        r"\bi was (?:not able|unable) to (?:find|locate|access|reach|open|run|load|parse|connect|read|"
        r"execute|install|complete)\b",
        r"\bi (?:do not|cannot|could not) (?:see|find|locate) (?:any |an? |the )?(?:[a-z]+ )?(?:files?|"
        r"folder|script|director\w+|attachment)[^.!?\n]{0,30}\b(?:in|inside) (?:the|this|my|your) "
        r"(?:workspace|sandbox|environment|repo\w*|working directory)\b",
        r"\bor (?:do you (?:want|prefer|need)|would you (?:like|rather|prefer)|shall i|should i)\b",
        r"\bwould (?:a|an|the|it|some|that|this)\b[^?\n]{0,60}\bbe (?:helpful|useful|of use|of help)\b",
        r"\bwhich (?:one |option |version |way |of them |of these |of the two )?(?:suits|works|fits|"
        r"would suit|would work)\b[^?\n]{0,30}\byour?\b",
        r"\boption (?:1|a|one)\b[^\n]{1,200}\boption (?:2|b|two)\b|\bplease (?:choose|pick) one\b",
        r"\bam i supposed to\b|\bbefore i can\b|^my plan: |\bmy plan is to (?:create|write|run|build|"
        r"fix|merge|read|parse|test)\b",
        r"\bi would (?:start|begin) by\b",
        r"^enjoy[.!]|\benjoy your (?:day|evening|weekend|new)\b|\byou are all set\b|\bglad (?:that |it "
        r")?(?:it )?(?:worked|helps|helped|was)\b[^.!?\n]{0,20}\byou\b",
        r"\bconsider (?:using|adding|running|creating|installing|setting|moving|switching|enabling)\b",
        r"\bmake sure to (?:install|restart|activate|source|export)\b|\byou (?:will|would) (?:want|need|"
        r"have) to (?:install|restart|run|update|set|activate)\b",
        r"\bbefore you (?:run|start|install|use|execute|deploy|put)\b[^.!?\n]{0,60}, you (?:should|must|"
        r"need)\b",
        r"\byou should (?:run|execute|schedule|install|restart|consider)\b[^.!?\n]{0,60}\b(?:from a|in "
        r"a|so that you|that way you|before you|regularly|every)\b",
        r"\b(?:anything|something) else[,?]? (?:just |please )?(?:say|tell|ask|let|give)\b|\b(?:say|"
        r"give) the word\b",
        r"\b(?:shall|should|do you want|would you like)(?: me| i| us)?(?: to)? ?\((?:a|1|i)\)",
        r"\b(?:shall|should|do you|would you|which)\b[^?\n]{0,120}\((?:a|1)\)[^?\n]{1,160}\((?:b|2)\)",
        r"\bi (?:can|will|could|would|shall|may|am going to|am able to)\b[^.!?\n]{0,80}(?<!easier "
        r")(?<!better )"
        r"(?<!useful )(?<!enough )(?<!okay )(?<!fine )(?<!possible )(?<!clear )(?<!convenient "
        r")(?<!helpful )(?<!work )(?<!works )(?<!wait )\bfor you\b",
        r"\bwhich of (?:the |these |those )?(?:[a-z]+ )?[^.!?\n]{0,40}\b(?:should|shall) (?:we|the|it|you)\b",
        r"(?:^|[,.!?] )(?:do you )?want me to\b(?! (?:send|give|bring|ask|tell|wait|call|paste|forward|"
        r"come|sign|look up|get))",
        r"\bshall i\b(?! (?:paste|send|give|describe|tell|bring|ask|call|wait|come|forward|explain|show|"
        r"repeat|sign|ring|type|attach|upload|"
        r"fetch|look it up|measure|weigh|spell|dictate|quote|copy|get|be|expect|take|say|inform|warn|"
        r"hand|post|leave you|name))",
        r"\bshould i (?:also |now |then )?(?:leave|keep|skip|ignore|include|exclude|treat|go with|stick)\b",
        r"\b(?:what|which|where|how|when)\b[^?\n]{0,90}\b(?:should|shall|must) (?:the|each|it|they|this|"
        r"that|these|"
        r"those|a|an|every|all|its|their)\b[^?\n]*\?",
        r"\byou can (?:also |now |always |then )?(?:run|execute|edit|rerun|re-run|adjust|rebuild|"
        r"customi[sz]e|invoke) [`\w./-]*[./`]\w",
        r"\bwhat (?:shall|should) we (?:start|begin|tackle|work)\b",
        rf"\b(?:send|give|share|provide|upload|paste|attach|tell)\b[^.!?\n]{{0,70}}\b(?:and|so that|so|"
        rf"then) i (?:will|can|could|shall) "
        rf"(?:then |also |now |gladly "
        rf")?{any_of(CRAFT, 'pack', 'see to', 'take care', 'get', 'proceed', 'help', 'continue', 'go')}\b",
        r"\bbefore i (?:can )?(?:start|begin|proceed|continue|go ahead|create|run|write|execute|"
        r"implement|build|make)\b(?! (?:my|our|work)\b)",
        r"\bi (?:would )?(?:strongly |also )?recommend\b|\bmy recommendation\b",
        r"\byou can (?:run|use|execute|schedule|test|open|change|set|adjust|view)\b[^.!?\n]{0,60}\bif "
        r"you (?:like|want|wish|prefer|need)\b",
        r"\bhow (?:can|may|could|else can|might|should) i (?:best )?(?:help|assist|support|be of)\b",
        r"\bwhat (?:else )?(?:can|could|may) i (?:do|help|assist)\b(?! (?:about|without|myself|instead|if))",
        r"\bi (?:would be|am|will be|am always|am more than|would be more than|am only too) (?:very |"
        r"more than )?"
        rf"(?:happy|glad|pleased|delighted|ready|able|available|here) (?:to|and ready to) (?:also "
        rf")?{_CRAFT_OR_HELP}\b",
        rf"{_START}(?:more than |always |very )?(?:happy|glad|pleased|delighted) to (?:also )?"
        rf"{any_of(_CRAFT_OR_HELP, 'hear', 'take')}\b",
        r"\bglad (?:i could|to have been able to|that i could|to be of|i was able)\b",
        r"\bi am here (?:to|if|for|whenever|should)\b",
        r"\bwould you like (?:me|us)\b",
        r"\bwould you like (?:to|this|that|these|the|a|an|any|another|some|further|help)\b" + _FROM_THE_USER,
        r"\bdo you (?:want|need) me to\b(?! (?:send|give|bring|ask|tell|wait|call|forward|get|come|"
        r"sign|paste|"
        r"look up|find out|check with))",
        r"\bwould it (?:help|be helpful|be useful) (?:if|for|to)\b",
        rf"\b(?:shall|should|may) i (?:now |also |please |just )?(?:overwrite|go ahead|proceed|continue|"
        rf"start|begin|"
        rf"{STRONG}|{MAKING}|{LOOKING})\b(?! (?:with|at) (?:my|our))(?![^.!?\n]{{0,50}}\b(?:myself|"
        rf"yourself|by hand|"
        r"with my|with our|for myself|from here|on my)\b)",
        rf"\bi (?:can|could|may) (?:also |then |now |certainly |definitely |gladly |easily |help |quickly )+"
        rf"{any_of(CRAFT, 'with', 'you', 'by', 'to')}\b",
        rf"{_START}i (?:can|could) "
        rf"{any_of(STRONG, MAKING, LOOKING, 'provide', 'walk', 'assist', 'guide', 'help')}\b"
        r"[^.!?\n]{0,80}(?:\bfor you\b|\bif you (?:would like|want|prefer|wish|need)|\bwhenever you\b|"
        r"\bnext\b)",
        r"\bif you (?:would like|want|prefer|wish|need|like),? i (?:can|could|will|would)\b",
        r"\bi (?:can|could|will|would|am able to|am going to) (?:help|assist|guide|walk|support) you\b",
        r"\b(?:help|assist) you (?:with|further|in|to|by|out|today|set|get|create|find|better)\b",
        r"\bfeel free to (?:ask|reach|let me|contact|share|provide|send me|message|tell me|come back|"
        r"adjust|modify|"
        r"edit|customi[sz]e|request)\b",
        r"\b(?:do not|please do not|never) hesitate to (?:ask|reach|let|contact|get)\b",
        r"\blet me know (?:if|when(?:ever)?|should|in case) you (?:would|will|might|may|ever|"
        r"still)?\s*(?:also )?"
        r"(?:need|want|like|prefer|wish|require|have|are (?:happy|satisfied|ready)|run into|encounter|face|"
        r"would like|spot any)\b" + _FROM_THE_USER,
        r"\blet me know (?:if|whether) (?:there is|there are) (?:anything|something|any|other|"
        r"more)[^.!?\n]{0,40}"
        r"\b(?:you|i can|i could|adjust|change|help)\b",
        r"\blet me know (?:how|which|what|whether|where|if) (?:one |option |of these |of the two |"
        r"format |version |"
        r"approach |way |else )?you (?:would|want|prefer|wish|need|like)\b",
        r"\blet me know (?:if|whether) (?:this|that|it|everything) (?:works|looks|meets|suits|matches|"
        r"fits|is (?:ok|okay|"
        r"fine|good|what you))\b[^.!?\n]{0,40}\byou\b",
        r"\blet me know (?:what|how) (?:you think|to proceed|i can|i should|else)\b",
        r"\banything else (?:you|i can|i could|i may|i should (?:do|add|check|help)|that you|that i can|"
        r"for you|"
        r"to be done for you|with which)\b" + _FROM_THE_USER,
        r"\bhope (?:this|that|it|these) (?:helps?|is helpful|clarif|answers?|was helpful|meets)\b",
        r"\b(?:does|do) (?:this|that|these|it) (?:meet|match|satisfy|suit|align with|work for|answer|"
        r"cover) your?\b",
        r"\b(?:always )?(?:here|ready|available) (?:to help|to assist|if you need|whenever you|when you "
        r"are|for your|"
        r"for the next (?:task|request|instruction))\b",
        r"\b(?:at your (?:service|disposal)|happy coding|you are (?:very |most )?welcome|my pleasure)\b",
        r"\b(?:have a (?:great|good|nice|wonderful) (?:day|one|rest)|thank you for your patience|thanks "
        r"for your "
        r"patience|thank you for (?:reaching out|your (?:request|question|query|input)))\b",
        r"^(?:great|good|excellent|that is a (?:great|good)) question\b",
        rf"^(?:sure(?: thing)?|certainly|of course|absolutely|definitely|gladly|no problem|understood|got it|"
        rf"okay|ok|alright|all right|perfect|great)[,.!]+ (?:i (?:will|can|would|am|have)|let me|here "
        rf"is|here are|"
        rf"happy to|{DOING})\b(?! (?:be|note|take|tell|ask|send|pass|wait|come|see|sign|use|leave|call|"
        rf"look|do|keep|"
        r"not|still|need|want|like|have|put|forward|bring|give|going to (?:be|tell|ask|send)|live|warn|"
        r"try|go|say|get|"
        r"check with|check my|check our|check the paper|inform|mark|count|think|believe|understand|see|"
        r"glad|happy "
        rf"(?:with|that|to (?:wait|see|hear|leave|go))|afraid|sure|done|fine|all)\b)(?!\s*{STRONG}? "
        rf"?a?\b[^.!?]{{0,60}}"
        r"\b(?:tomorrow|tonight|later|monday|tuesday|wednesday|thursday|friday)\b)",
        r"^(?:sure thing|certainly|absolutely|gladly)!",
        r"\b(?:here is|here are) (?:the|a|your|an|my) (?:[a-z-]+ ){0,2}(?:updated|complete|completed|"
        r"final|corrected|"
        r"modified|revised|full|resulting|requested|generated|working|improved|fixed|implementation|"
        r"summary|overview|"
        r"breakdown|recap|rundown)\b",
        rf"\b(?:here is|here are) (?:the|your|a) (?!next |first |old |last )(?:[a-z-]+ "
        rf")?{_YOUR_WORK}\b(?! (?:i (?:have|am|was|got|use|keep|need|"
        r"want|sent|run)|we |from (?:my|our|the|last)|of (?:ours|mine)|below|for you|so (?:that )?you|"
        r"as it|again|"
        r"to (?:use|add|work|start)|that (?:i|we|he|she)|which))(?! ?:? ?$)",
        r"\b(?:here is|here are|this is) (?:what|how|everything|all) (?:i|we) (?:have |had |just |will "
        r"|am going to |"
        r"did\b|found\b|changed|propose|plan to)",
        r"\bhere is (?:my|the|our) (?:plan|approach|strategy|proposed)\b",
    )
)
"""Offers of service, closings and openings of an assistant. Read on a sentence that `plain` has spelt out."""

CLARIFYING = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:what|which|how|where|when)\b[^.!?\n]{0,60}\bwould you (?:like|prefer|want)\b(?! (?:it|"
        r"them|to (?:have|get|receive|see) (?:it|them))\b)",
        r"\bwould you (?:prefer|rather)\b",
        r"\bdo you (?:have (?:a |any )?(?:specific|particular|preferred|preference|other|further|"
        r"additional)|prefer)\b",
        r"\bwhat (?:would you|do you|are you) (?:like|want|need|looking|trying|have in mind)\b(?! (?:me|"
        r"us) to (?:send|bring)"
        r"| from (?:me|us)| to (?:know|see) from)",
        r"\b(?:please |could you |can you |kindly )+(?:share|provide|upload|specify|clarify|supply|send|"
        r"paste)\b[^.!?\n]{0,80}"
        r"\b(?:so (?:that )?i can|you (?:would|want|are|need|have|mean|wish)|your)\b",
        r"\b(?:please |could you |can you |kindly )+(?:share|provide|give|send)(?: me)?(?: with)? "
        r"(?:more|further|additional|"
        r"some more) (?:details?|information|context|specifics)\b[^.!?\n]{0,40}(?:$|\byou|about (?:what|"
        r"how|your))",
        r"\bso (?:that )?i can (?:help|assist|proceed|better|continue)\b",
        r"\b(?:please )?confirm (?:if|whether|that|which|how) you (?:want|would|wish|are|need|prefer|"
        r"agree)\b",
        r"\bhow would you like (?:me |us )?to (?:proceed|continue|handle)\b",
        r"\b(?:could|can) you (?:tell me|clarify|specify)[^.!?\n]{0,60}\byou (?:want|would like|need|"
        r"prefer|have in mind)\b",
    )
)
"""Questions that an agent asks of the one it serves."""

ADDRESSED_AS_USER = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:per|as per|according to|based on|following|in line with|in accordance with|to fulfil+|to "
        r"complete|to meet|matching|"
        r"to address|regarding|for|meets?|met|satisf(?:y|ies)|with) (?:all )?(?:of )?your (?:[a-z]+ "
        r")?(?:request|requests|requirements?|"
        r"instructions?|specifications?|specs|needs|criteria|preferences?|query)\b",
        r"\byour (?:[a-z]+ )?(?:request|query|requirements|task) (?:has|have|was|were|is|are|to|for|and)\b",
        r"\b(?:just |exactly )?as (?:you|you have|you had) (?:requested|asked|instructed|specified|"
        r"wanted|described|wished|outlined)\b",
        r"\b(?:meets?|met|exceeds?|match(?:es)?|satisf(?:y|ies)|fulfil+s?) (?:all )?(?:of )?your "
        r"(?:expectations?|needs|requirements?|wishes)\b",
        r"(?<!not )\bas (?:requested|instructed|asked|per your)\b(?! (?:by|in|from|of) (?:me|my|us|our|the))",
        r"\byou (?:asked|requested|wanted|instructed|told) me (?:to|for)\b",
        r"\byou can now (?:[a-z]+ly )?(?:run|use|open|view|find|access|test|execute|see|check|review|"
        r"start|import|verify|inspect|"
        r"proceed|call|try|invoke|download|read)\b",
        r"\byou should now\b|\byou may (?:now|want to|wish to)\b|\byou might want to\b|\byou will need "
        r"to run\b",
        r"\byou can (?:run|execute|test|use|view|verify|try|invoke) (?:it|this|them|the script|the file|"
        r"the tests?) (?:with|by|using|via|"
        r"anytime|whenever|as follows|like)\b",
        r"\bto (?:run|use|test|execute|try) (?:it|this|the (?:script|tool|program|tests?)),? (?:you can "
        r"|simply |just )?(?:run|use|"
        r"execute|type)\b",
        rf"\bi (?:would )?(?:recommend|suggest|advise) (?:that you |you )?{any_of(DOING, CRAFT)}\b",
        r"\byour (?:new |updated )?(?:script|report|summary|output|files?) (?:is|are|has been|have "
        r"been) (?:now )?(?:ready|complete|saved|created|"
        r"available|generated|updated|in place|located|stored|done)\b",
    )
)
"""The other one spoken to as the user."""


def offers(sentence: str) -> str:
    """What in a sentence is an assistant's; empty where nothing is."""
    return first_match((*OFFERS, *CLARIFYING, *ADDRESSED_AS_USER), sentence)
