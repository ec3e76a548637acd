"""The words by which a clause asks, doubts, tells of its own world or of what happened."""

from __future__ import annotations

import re

from engine.schema.told_command import words_of

_BASE_VERBS = (
    "add|adjust|analyse|analyze|append|apply|archive|arrange|ask|assign|attach|back|bring|build|bump"
    "|calculate|call|cancel|change|check|choose|classify|clean"
    "|clear|clone|close|collect|colour|color|combine|commit|compare|compile|complete|compress|compute"
    "|configure|confirm|connect|continue|convert|copy"
    "|correct|count|create|cut|debug|decide|decode|define|delete|deliver|deploy|describe|determine|diff"
    "|document|do|don't|don’t|double-check"
    "|download|draft|draw|drop|dump|edit|email|encode|encrypt|ensure|establish|examine|exclude|execute"
    "|expand|explain|export|extend|extract|fetch"
    "|file|fill|filter|find|finish|fix|flag|format|forward|generate|get|give|go|grab|group|hand|have"
    "|hold|ignore|implement|import"
    "|include|insert|inspect|install|investigate|join|keep|kill|label|launch|leave|let|limit|link|list"
    "|load|log|look|lower|make|map|mark|measure|mend|merge|migrate"
    "|mind|modify|move|name|number|omit|open|order|organise|organize|output|overwrite|pack|park|parse"
    "|paste|patch|pause|pick|pin|place|plan|plot|point|post"
    "|prepare|present|print|process|produce|prove|provide|pull|push|put|query|raise|re-run|rerun|read"
    "|rebuild|recheck|record|redact|redo|reduce|refer"
    "|refuse|remember|remind|remove|rename|render|reorder|repair|repeat|replace|report|reset|resize"
    "|restart|restore|retain|retry|return|reuse"
    "|revert|review|rewrite|roll|round|run|save|say|scan|schedule|search|send|separate|serve|set|share"
    "|shift|shorten|show|shut|sign|simplify|skip|sort|split"
    "|start|state|stick|stop|store|strip|submit|subtract|sum|summarise|summarize|supply|swap|switch|tag"
    "|take|tally|tell|test|tidy|time|total"
    "|trace|track|translate|treat|trim|try|turn|undo|unpack|unzip|update|upgrade|use|validate|verify"
    "|wait|walk|warn|watch|wipe|wrap|write|zip|proceed"
    "|pop|fish|squeeze|whisper|never|always|be|note down|pass|make sure"
)


_FINITE = (
    "ended|gave|failed|stopped|returned|exited|broke|crashed|did|didn't|didn’t|was|is|has|worked|went"
    "|succeeded|ran|finished|died|gives|says|said"
    "|refused|complained|wrote|passed|passes|fails|found|reported|reports|came|aborted|threw|printed"
    "|answered|choked|quit|produced|showed|shows|timed|hit|tripped|landed|moved|became|turned|got|took"
    "|stayed|kept|held"
)


_ACK = (
    "good|great|thanks|thank you(?: very much| so much)?|thx|ty|cheers|perfect|ok|okay|fine|right"
    "|lovely|nice|super|yay|all right|alright|very good|excellent|wonderful|brilliant"
    "|ah|oh|oh no|ooh|hm|hmm|phew|ha|ouch|bother|pity|cool|awesome|sweet|understood|noted|yes|yep|no"
    "|well|hooray|amazing|fantastic|splendid|much appreciated|damn|oops|argh|ugh|wow"
    "|oh nice|oh good|very well|good work|good job|nice work|nice one|well done|nicely done|great work"
    "|great job|sorry|alas|regrettably|unfortunately|sadly|a pity|shame|too bad|interesting"
    "|excellent work|got it|i see|glad|happy|for the record"
)


LEAD = re.compile(
    rf"^(?:(?:{_ACK}|and|but|so|now|then|next|also|please|kindly|just|first|finally|lastly|instead"
    rf"|therefore|anyway|still|hence|that said|meanwhile|again|this time|after that|before that"
    rf"|from there|once more|btw|by the way|fyi|well)\b[\s,.!:]*)+",
    re.IGNORECASE,
)


ACK_START = re.compile(rf"^(?:and |so |but )?(?:{_ACK})\b", re.IGNORECASE)


COMMAND_AS_SUBJECT = re.compile(
    rf"^(?:[\w./-]+\s+)(?!(?:that|which|the|it|all|me|my|a|an|every|each|this|these|those|sure|what"
    rf"|whether|if|to|out|up)\b)"
    rf"(?:(?!(?:that|which|the|what|whether|who|and|after|when|before|where|since|because"
    rf"|if)\b)\S+\s+){{0,6}}(?:{_FINITE})\b",
    re.IGNORECASE,
)


SHORT_COMMAND = re.compile(rf"^[\w./-]+\s+(?:{_FINITE})\b", re.IGNORECASE)


IMPERATIVE = re.compile(rf"^(?:{_BASE_VERBS})\b(?![-./]\w|:| (?:code|status)\b)", re.IGNORECASE)


ASKS = re.compile(
    r"\b(?:please\b|kindly\b|can you|could you|would you|will you|can we|could we|shall we|let's|let us"
    r"|let me|lets|make sure|be so kind|if you please"
    r"|(?:i|we)(?:'d|’d| would| should| also| still| now| just| really| only)* (?:also |still |really "
    r"|just |now |rather |further |only )?(?:want|need|like(?! the| how| that)|love to|love it|love a"
    r"|wish|hope|expect|prefer|require|ask|appreciate it if|intend|propose|believe it if|suggest"
    r"|recommend|request)\b"
    r"|i'm after|i am after|needs? to|has to|have to|had better|ought to|is to\b|are to\b|shall\b|should"
    r"|must|mustn't|may\b|might|would be|could be|is requested|are wanted"
    r"|is wanted|is needed|are needed|is required|are required|to be (?:\w+ed|put|kept|made|done)\b"
    r"|supposed to|about to|going to|gonna|want to|wants to"
    r"|want it|want them|don't forget|nice to have|your turn|up to you|would rather|it would help"
    r"|will be(?! (?:happy|glad|pleased|delighted|thrilled|relieved|over the moon|grateful))|will (?:go"
    r"|be needed|come|take|need|want|have|then)|i'll|i will|we'll|we will|it'll|would\b)",
    re.IGNORECASE,
)


ARROW = re.compile(r"(?:^|\s)(?:->|→|=>|-->)(?:\s|$)")


PURPOSE = re.compile(
    r"^(?:and |but )?(?:so that|in order|so (?:i|we|you|it|they|he|she|nobody|everyone|people"
    r"|that) (?:can|could|know|see|have|don't|am|may|'m|will|understand))\b",
    re.IGNORECASE,
)


CONDITION = re.compile(
    r"^(?:and |but |or |even |only )?(?:if|whether|unless|until|in case|once(?! again| more|,)"
    r"|as soon as|as long as|provided|assuming|suppose|whenever|when(?! i (?:saw|looked|read))"
    r"|before(?! that| this)|otherwise|should (?:it|the|any|a)|in the event|on condition)\b",
    re.IGNORECASE,
)


WHEN_PAST = re.compile(
    r"^(?:and |but )?when\b.{0,80}\b(?:gave|ended|failed|stopped|returned|exited|broke|crashed|was|were"
    r"|did|didn't|ran|went)\b",
    re.IGNORECASE,
)


INTERROGATIVE = re.compile(
    r"^(?:is|are|was|were|do|does|did|has|have|had|can|could|would|will|shall|should|may|might|what"
    r"|which|how|where|who|whom|whose|when|isn't|aren't|wasn't|weren't|didn't|doesn't|hasn't|haven't"
    r"|can't|couldn't|won't|any chance|any idea|mind|fancy|next)\b",
    re.IGNORECASE,
)


WHY = re.compile(r"^(?:why|how come|what made|what caused|how is it that)\b", re.IGNORECASE)


INDIRECT = re.compile(
    r"\b(?:whether|which of|how many|how much|what the|who was|what is|where the|why the|(?<!no )wonder"
    r"|not sure|no idea|don't know|do not know|curious|unsure|can't tell)\b",
    re.IGNORECASE,
)


PERCEIVES = re.compile(
    r"(?:^|\b)(?:i|we)(?:'ve|’ve| have| had| also| now| just| can| could| do| did| already"
    r"| only)* (?:also |now |just |already |only |even |clearly )?"
    r"(?:see|saw|seen|notice|noticed|note(?: that| from)?|noted|observe|observed|read(?: that| in)"
    r"|spotted|spot|gather|understand that|take it|found out|learned|can tell|received|conclude|realise"
    r"|realised|realize|realized|heard|hear)\b"
    r"|^(?:saw|noticed|noted|got|received|seen|spotted|glad|happy|pleased|relieved|good that|great that"
    r"|nice that|nice to see|good to see|good to know|great to see|pity that|pity about|shame that"
    r"|shame about|sorry to see|too bad|sad that|no wonder|reassuring|looks like|seems|sounds like"
    r"|apparently|evidently|as far as i can see|judging by|according to the|from what i see|as i see"
    r"|so i see)\b"
    r"|\b(?:it|that|this)(?: is|'s) (?:good|great|nice|a pity|a shame|reassuring|a relief|annoying|sad"
    r"|odd|strange|clear|plain|obvious) (?:that|to see|to know)\b"
    r"|\b(?:glad|happy|pleased|relieved|sorry|thankful|grateful|surprised|impressed|disappointed|worried"
    r"|satisfied|confident|certain|sure) (?:that|to see|to hear|about|it|you|the|for|with|to read)\b"
    r"|\bthanks? (?:you )?(?:so much |a lot |very much )?(?:for|that)\b|\bwell done (?:with|on|for)\b"
    r"|\bnicely done (?:with|on)\b|\bgood (?:job|work|save|recovery|catch) (?:with|on|getting|fixing"
    r"|for)\b"
    r"|\b(?:it|that|this|the \w+) (?:looks|seems|appears)(?: like| as if| that| to)?\b|\b(?:the"
    r"|your) (?:log|output|evidence|error|message|stderr|report|summary|answer|result|listing|run|script"
    r"|command|test run|tool)(?: \w+)? (?:says|shows|said|showed|reads|tells|states|lists|listed|reports"
    r"|reported|gave|gives|claims|printed|prints|counts|counted|found|names|mentions|contains|holds"
    r"|has)\b"
    r"|\bas (?:you|i|far as i|the \w+) (?:can |could )?(?:say|said|see|saw|found|find|report|reported"
    r"|note|noted|read|wrote|put it|show|shows|tell|told|understand|understood)|\byou (?:say|report"
    r"|write|tell)\b|\bi (?:read|presume|take it|gather|note|see|understand)\b|\bby your \w+"
    r"|\bjust as (?:i|we) (?:asked|wanted|expected)|\bas (?:expected|ordered|asked|it should)"
    r"|\b(?:will be|is|'ll be) (?:so |very |really )?(?:happy|glad|pleased|delighted|thrilled"
    r"|relieved) (?:about|with|to see|that)\b|\bat hand\b|\bnow that\b|\bseeing (?:that|as|how)\b"
    r"|\bgiven that\b|\bsince you\b",
    re.IGNORECASE,
)


YOU_DID = re.compile(
    r"\byou(?:'ve|’ve| have| had| 've)?(?: \w+ly| already| also| just| even| now| only| then| both| all"
    r"| first)* (?:\w{2,}ed\b|written|wrote|made|found|put|built|sent|ran|got|did|done|left|kept|took"
    r"|gave|came|said|told|counted|cut|set|drew|chose|read|showed|shown|split|brought|went|caught|took"
    r"|began|broke|threw|won|lost|taken|drawn|begun|broken|given|seen|gone)\b",
    re.IGNORECASE,
)


OWN = re.compile(
    r"^(?:(?:and|but|so|because|since|as|while|though|although|yet|then|now|also|well|actually|honestly"
    r"|normally|usually)\s+)*(?:(?:our|my|his|her|their|they|he|she|people|everyone|somebody|someone"
    r"|nobody|we|we're|i'm|i am|i've|i have|i had|i do|i was|i think|i thought|i guess|i sent|i wrote"
    r"|i used|i know|i keep|i got|i get|i made|i counted|i put|i found|i asked|i always|i still|i only"
    r"|i promised|i can't|i cannot|i suppose|i remember|i've been)\b)"
    r"|\b(?:yesterday|last (?:week|month|year|time we|night|spring|summer|autumn|winter|quarter|monday"
    r"|tuesday|wednesday|thursday|friday)|this morning|on paper|in real life|at home|at work|years? ago"
    r"|weeks? ago|days? ago|months? ago|every (?:day|week|month|year|morning|night)|on (?:mon|tues"
    r"|wednes|thurs|fri|satur|sun)day|in (?:january|february|march|april|may|june|july|august|september"
    r"|october|november|december)|by hand|each (?:day|week|month)|used to|back then|historically|below"
    r"|attached|pasted|here is|here are|here's|these|the following|as follows|old|from \d"
    r"|since (?:monday|tuesday|wednesday|thursday|friday|january))\b"
    r"|\b(?:our|my|their|his|her) \w+ (?:has|have|is|are|was|were|says|shows|counts)\b",
    re.IGNORECASE,
)


SOMEBODY = re.compile(
    r"^(?:(?:and|but|so|because|since|as|while)\s+)?([A-Z][\w'’-]+)(?: [A-Z][\w'’-]+)?(?: (?:from|of|at"
    r"|in) (?:the )?[\w ]{2,30})? "
    r"(?:counted|said|says|told|tells|wrote|writes|has|had|asked|asks|found|finds|mailed|sent|thinks"
    r"|thought|swears|claims|claimed|wants|needs|uses|used|keeps|kept|made|gave|reported|reports|insists"
    r"|mentioned|reckons|expects|saw|put|did|does|will|is|was|got|took|changed|deleted|broke)\b"
)


NOBODY = words_of(
    "it that this there everything all both the these those one two three four five six seven eight"
    " nine ten none nothing"
)


EXIT = re.compile(
    r"\b(?:exit(?:ed)?|ended|stopped|returned|gave|said|quit|died|failed)\b.{0,24}\d", re.IGNORECASE
)


PRINTS = re.compile(
    r"\b(?:prints?|printed|says|said|reads|shows|showed|gives|gave|reports|answers?|answered|error"
    r"|message)\b",
    re.IGNORECASE,
)


CORRECTS = re.compile(
    r"\b(?:not|instead of) (?:\d|two|three|four|five|six|seven|eight|nine|ten)|\b(?:correct myself|typo"
    r"|my (?:mistake|fault|error|bad)|ought to|new number|i forgot|i had forgotten|i meant|mistyped"
    r"|sorry)\b",
    re.IGNORECASE,
)


ELSEWHERE = re.compile(
    r"\b(?:this morning|yesterday|last (?:night|week|month|year)|on the real|in real life|at home"
    r"|on paper|on my|in my|when i counted|on the phone|by phone|at the club|with my own|tells? me"
    r"|told me|\w+'s laptop)\b",
    re.IGNORECASE,
)


LOOKED = re.compile(
    r"\b(?:i|we)(?:'ve|’ve| have| had)?(?: \w+ly| just| now| also)? (?:opened|read|looked|checked"
    r"|inspected|found|viewed|gone through|been through|went through)\b",
    re.IGNORECASE,
)


SEEN = re.compile(
    r"\b(?:i (?:can |now |also )?(?:see|saw|noticed|noted)|i(?:'ve| have) (?:seen|noted|noticed))\b",
    re.IGNORECASE,
)


TAG = re.compile(
    r"(?:right|yes|no|correct|true|okay|ok|eh|isn't it|aren't they|don't you|haven't you|didn't you"
    r"|wasn't it|is it|then)\W*",
    re.IGNORECASE,
)


LIES = re.compile(
    r"\b(?:lies?|is|are|was|were|has been|have been|sits?|stands?|(?:will|can|'ll) find|already|still"
    r"|from (?:last|yesterday|monday|friday|the)|holds?|contains?|has|have|put)\b",
    re.IGNORECASE,
)


AHEAD = re.compile(
    r"\b(?:below|follows?|attached|pasted|these|this|here|called|named|should|to be|will be|belongs?"
    r"|goes|go|would)\b",
    re.IGNORECASE,
)


HERE = re.compile(
    r"\b(?:sandbox|workspace|here|already|still|on (?:port )?\d{2,5}|localhost|127\.0\.0\.1|you(?:r"
    r"|'ve)?)\b",
    re.IGNORECASE,
)


OURS = re.compile(r"\b(?:our|my|we|their|his|her)\b", re.IGNORECASE)


FINITE_VERB = re.compile(
    r"\b(?:it|that|there|here|this|what)['’]s\b|(?:^|[\w)\"'`] )(?:is|are|was|were|has|have|had|'s|lacks"
    r"|lies|lie|stands?|stood|sits?|sat|rests?|waits?|lives?|became|becomes|turned|ended|holds?"
    r"|held|shows?|showed|says|said|reads|prints|printed|contains?|lists?"
    r"|listed|opens|opened|looks|looked|points?|pointed|came|comes|went|goes|got|gets|kept|keeps|gave"
    r"|makes|made|counts?|needs|did|does|carries|includes|names|remains?"
    r"|(?!called|named|needed|attached|pasted|based|wanted|required|dated)[a-z]{3,14}ed)\b",
    re.IGNORECASE,
)


FRAGMENT_REST = re.compile(
    r"^(?>(?:all right|thank you|that is|as well|one down|so|and|that's|the|your|a|an|with|both"
    r"|all|it is|it's|already|then|noted|good|great"
    r"|fine|perfect|nice|received|done|will do|looks?|got|ok|okay|thanks|here|there"
    r"|in place|ready|yay|oh|lovely|super|right|very|well|for|at hand|exactly"
    r"|what i \w+)\b[\s,.!:]*)+$",
    re.IGNORECASE,
)


SPEAKS_OF_ALL = re.compile(
    r"^(?:so |and |but |good,? |great,? )*(?:it|that|this|everything|all|both|they|the (?:tests?"
    r"|suite|checks?|run|script|build))\b"
    r"|\b(?:tests?|suite|checks?|build)\b",
    re.IGNORECASE,
)
"""Speaks of what was done without naming it."""
BEGS = re.compile(r"(?:please|pls|plz|kindly|if you please|would you)\W*", re.IGNORECASE)
"""Nothing but a plea, behind what it is about."""
TURNS_ON = re.compile(
    r"^\W*(?:(?:right|good|ok|okay|fine|so|and|well|but)\b[,.!: ]*)*(?:next|now|also|on to|moving on"
    r"|on with|on we go|then|onwards|proceed|one more|another|new|and another|the next)\b(?!\W*$)",
    re.IGNORECASE,
)


GIVES_REASON = re.compile(r"(?:because|since|but|as|so|now that|given that|seeing)\b", re.IGNORECASE)


FOLLOWS = re.compile(r"(?:and|or|but|then|which|who|as)\b", re.IGNORECASE)
