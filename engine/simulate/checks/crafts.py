"""The agent's crafts: the verbs and things by which work in the workspace is told from a person's world."""

from __future__ import annotations

import re

from engine.simulate.checks.text import any_of

_STRONG = (
    "process|handle|export|redo|tackle|overwrite|implement|configure|install|refactor|execute|rerun|"
    "re-run|deploy|debug|compile|generate|initialise|"
    "initialize|parse|validate|re-execute|recompute|troubleshoot|resolve|scaffold|patch|provision"
)
"""Hardly anything but a computer is spoken of with these."""
_MAKING = (
    "create|write|update|fix|run|build|modify|edit|rename|move|copy|delete|remove|rewrite|adjust|append|"
    "replace|"
    "commit|push|merge|restart|start|stop|launch|extract|convert|compute|calculate|verify|test|save|"
    "store|sort|"
    "organise|organize|clean up|reformat|format|migrate|document|complete|finish|add|set up|insert|correct|"
    "double-check|enable|disable|change|populate|tidy|analyse|analyze|search|scan|"
    "explore|investigate|locate|apply|place|put|produce|prepare|sum up|summarise|summarize|split|combine|"
    "filter|import|load|clone|pull|download|fetch|backup|back up|archive|compress|unpack|make"
)
_LOOKING = (
    "check|list|inspect|examine|look into|look at|search|investigate|scan|query|trace|diagnose|explore|see"
)
_DATA_WORK = (
    "repair|mend|lower|raise|increase|reduce|group|join|link|redirect|exclude|handle|rebuild|recreate|"
    "redo|map|mask|anonymise|"
    "anonymize|redact|transform|translate|import|export|load|wrap|count|compare|check|read|look at|use|"
    "keep|leave|mark|skip|"
    "evaluate|omit|perform|carry out|conduct|assess|simulate|estimate|determine|identify|measure|detect|"
    "set|turn|pack|unpack|record|note|list|report|shorten|escape|quote|cut|choose|pick|assign|normalise|"
    "normalize|confirm"
)
"""Work on data that people do too: it is the agent's where it is told in the words of its answer."""
_IRREGULAR = {
    "write": r"wr(?:ote|itten)",
    "rewrite": r"rewr(?:ote|itten)",
    "run": r"r[au]n",
    "rerun": r"rer[au]n",
    "re-run": r"re-r[au]n",
    "build": "built",
    "set up": "set up",
    "put": "put",
    "set": "set",
    "redo": r"redid|redone",
    "read": "read",
    "keep": "kept",
    "leave": "left",
    "cut": "cut",
    "choose": r"chose|chosen",
    "split": "split",
    "make": "made",
    "see": r"s(?:aw|een)",
}
_DOUBLED = frozenset({"commit", "debug", "stop", "format", "reformat", "scan", "map", "wrap", "skip"})


def _past(verb: str) -> str:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    head, space, tail = verb.partition(" ")
    if head.endswith("e"):
        return f"{head}d{space}{tail}"
    if head.endswith("y") and head[-2] not in "aeiou":
        return f"{head[:-1]}ied{space}{tail}"
    return f"{head}{head[-1] if head in _DOUBLED else ''}ed{space}{tail}"


def _gerund(verb: str) -> str:
    head, space, tail = verb.partition(" ")
    if head in {"run", "rerun", "re-run", "set", "put", "split", *_DOUBLED}:
        return f"{head}{head[-1]}ing{space}{tail}"
    return f"{head[:-1] if head.endswith('e') and head != 'see' else head}ing{space}{tail}"


def _bases(verbs: str) -> list[str]:
    return verbs.split("|")


STRONG = any_of(*_bases(_STRONG))
MAKING = any_of(*_bases(_MAKING))
LOOKING = any_of(*_bases(_LOOKING))
CRAFT = any_of(*_bases(f"{_STRONG}|{_MAKING}|{_LOOKING}"))
STRONG_DONE = any_of(*map(_past, _bases(_STRONG)))
MAKING_DONE = any_of(*map(_past, _bases(_MAKING)))
DONE = any_of(*map(_past, _bases(f"{_STRONG}|{_MAKING}")))
PACKED = any_of(
    *map(
        _past, _bases(f"{_STRONG}|{_MAKING}|pack|unpack|repair|mend|group|join|anonymise|redact|rebuild|wrap")
    )
)
DATA_DONE = any_of(*map(_past, _bases(f"{_STRONG}|{_MAKING}|{_DATA_WORK}")))
DOING = any_of(*map(_gerund, _bases(f"{_STRONG}|{_MAKING}|{_LOOKING}")))

ADVERBS = (
    r"(?:(?:now|just|also|already|successfully|since|then|first|next|finally|carefully|both|quickly|"
    r"thoroughly|immediately|simply|gladly|certainly|definitely|absolutely|currently|manually|briefly|"
    r"go ahead and|"
    r"gone ahead and|went ahead and|proceed to|start by|begin by|get started by|make sure to|be sure to|"
    r"need to|"
    r"be|been|happily|of course|start|begin|take care of|properly|fully|again)\s+){0,4}"
)

THING = re.compile(
    r"\b(?:files?|scripts?|director(?:y|ies)|folders?|file paths?|(?:unit )?tests?|test suite|commands?|"
    r"codebase|"
    r"code|functions?|modules?|methods?|config(?:uration)?s?|logs?|outputs?|repo(?:sitory)?|git|"
    r"commits?|databases?|"
    r"schema|quer(?:y|ies)|servers?|services?|containers?|dependenc(?:y|ies)|packages?|virtualenv|venv|"
    r"implementation|endpoints?|cron ?jobs?|crontab|makefile|readme|dockerfile|permissions|bugs?|traceback|"
    r"exceptions?|csv|json|yaml|xml|html|markdown|workspace|pipeline|syntax|variables?|arguments?|"
    r"parser|regex|"
    r"pandas|numpy|awk|sed|grep|jq|curl|openssl|bisect|pytest|pip|npm|ffmpeg|standard library|sort -u|"
    r"header row|columns?|rows?|program|app(?:lication)?|tarball|checksums?|symlinks?|sqlite|validation|"
    r"(?:main|master|feature|release|dev) branch|pull request|edge cases?|docstrings?|data ?sets?|"
    r"spreadsheet|exit code|error handling)\b"
    r"|(?<=\s)--?[a-z][\w-]*|`[^`\n]{1,80}`|(?<![\w@])(?:~|\.{1,2})?/?[\w.-]{1,80}/[\w./-]{0,200}\w|"
    r"\b[\w-]{1,80}\.(?:py|sh|csv|tsv|json|ya?ml|md|txt|"
    r"toml|ini|cfg|conf|log|sql|html?|xml|js|ts|cpp|rs|db|sqlite|zip|gz|tar|png|jpe?g|pdf|wav|mid|svg|env)\b"
)
"""A thing of the workspace: by its name, a path, a file name or what stands in back-ticks."""
TOOL = re.compile(
    r"\b(?:pandas|numpy|awk|sed|grep|jq|curl|openssl|git bisect|pytest|pip|npm|ffmpeg|sqlite3?|python3?|"
    r"bash|cron|regex|"
    r"openpyxl|json\.tool|csv module|standard library|xmllint|tar|gzip|rsync|find|sort|diff|join|"
    r"comm)\b(?= |,|\.|$|`)|"
    r"(?<=\s)--?[a-z][\w-]*|`"
)
"""What commands are made of."""
PATH = re.compile(
    r"`[^`\n]{1,80}`|(?<![\w@])(?:~|\.{1,2})?/?[\w.-]{1,80}/[\w./-]{0,200}\w|"
    r"\b[\w-]{1,80}\.[a-z][a-z0-9]{0,5}\b(?!\.\w)"
)
PRODUCT = re.compile(
    r"^\s*(?:it|them|that|this|those|these|both|all|everything)\b(?! \w+ing)"
    r"|\b(?:reports?|summar(?:y|ies)|tables?|documents?|pages?|charts?|plots?|index|overview|templates?|"
    r"everything|all of (?:it|them)|solution|tasks?|steps?|issues?|problems?|errors?|changes|results?)\b"
)
"""What may be of the workspace or of a person's desk: it counts with verbs of which no doubt is left."""

OWN_WORLD_THEN = re.compile(
    r"\b(?:yesterday|ago|last (?:week|month|year|night|time|spring|summer|autumn|winter|quarter|monday|"
    r"tuesday|"
    r"wednesday|thursday|friday|saturday|sunday)|myself|by hand|on paper|this morning|earlier today|years|"
    r"(?:on|at|in|from|with|to) (?:my|our)\b|in (?:19|20)\d\d|below|above|home|aloud|(?:the|by) "
    r"(?:tele)?phone|shelf|drawer|cabinet|paper|napkin|kitchen|meanwhile|often|"
    r"my (?!analysis|implementation|previous|first|changes|fix|work|edits|approach|last|earlier|initial|"
    r"response|answer|mistake)|our|"
    r"always|never|usually|every|binder|desk|when i (?:was|did|tried)|over the phone)"
)
"""Says of a deed that it was a person's own: when, where or with whom an agent never is."""
OWN_WORLD_AHEAD = re.compile(
    r"\b(?:myself|by hand|on paper|tomorrow|tonight|later|next (?:week|month|time|year)|this "
    r"(?:afternoon|evening|"
    r"week)|(?:on |by |until |before )?(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)|at home|"
    r"(?:on|at|in|from|with|to|for|past|by) (?:my|our|the (?:team|office|depot|meeting|board|boss|"
    r"auditor|client|customer))\b"
    r"|my (?:boss|manager|colleagues?|team|desk|own|side|end)|when i (?:am|get|have)|once i (?:am|get|"
    r"have)|after "
    r"(?:lunch|work|the meeting)|in person|over the phone|meeting|print|sign)\b"
)
