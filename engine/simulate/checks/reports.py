"""Work reported as an agent reports it: "has been created", headed summaries, bullets of things done."""

from __future__ import annotations

import re

from engine.simulate.checks.crafts import DATA_DONE, DONE, PATH, THING
from engine.simulate.checks.speech import Known, only_reports
from engine.simulate.checks.text import content_words, plain, sentences

_HEADS = (
    r"(?:summary|changes(?: made)?|next steps?|results?|overview|steps?(?: taken)?|plan|what i (?:did|"
    r"changed|found)|"
    r"verification|conclusion|files? (?:created|changed|modified|updated)|key (?:findings|points|"
    r"features|changes)|findings|"
    r"usage|how to (?:run|use)|implementation|output|features|note|status|details|explanation|"
    r"recommendations?|location|"
    r"file path|created|updated|tests?|issues?(?: found)?|solution|fix|contents?|here is|done|completed?)"
)
_HEADING = re.compile(rf"^ {{0,3}}#{{1,6}} +(?:[^\w\n]{{0,4}})?{_HEADS}\b", re.IGNORECASE | re.MULTILINE)
_BOLD_LABEL = re.compile(rf"\*\*(?:[^\w\n*]{{0,4}})?{_HEADS}\b[^*\n]{{0,40}}\*\*", re.IGNORECASE)
_HEADED = re.compile(r"\A\s*(?:#{1,6} +\S|\*\*[^*\n]{1,60}\*\*|\|[^\n]{1,200}\|\s*\n\|? ?:?-{2,})[^\n]{0,60}")
_BOLD_POINTS = re.compile(r"^[ \t]*(?:[-*•]|\d+[.)])\s+\*\*[^*\n]{1,40}\*\*", re.MULTILINE)
_TICK = re.compile(r"[✅✔☑🎉🚀👋]")
_ITEM_DONE = re.compile(rf"^[ \t]*(?:[-*•]|\d+[.)])\s+(?:\*\*)?(?:{DONE})\b", re.IGNORECASE | re.MULTILINE)
_STEP_PLANNED = re.compile(
    r"^[ \t]*(?:step \d+|\d+[.)])[:.]?\s+(?:\*\*)?(?:i will|i'll|let me|i am going to)\b",
    re.IGNORECASE | re.MULTILINE,
)

_WAS_DONE = re.compile(
    rf"\b(?<!which )(?:has|have) (?:now |all |also |just |both |already )*been (?:successfully |fully |"
    rf"properly |correctly )?(?:{DONE})\b"
    rf"|\b(?:was|were|is|are) (?:now )?successfully (?:{DONE})\b|\bsuccessfully (?:{DONE})\b"
    r"|\b(?:is|are) now (?:fully |up and )?(?:ready|complete|completed|available|in place|running|"
    r"working|operational|functional|"
    r"configured|installed|stored|saved|set up|updated)\b"
    r"|\b(?:all|the|every) [a-z\d ]{0,20}tests? (?:now |have |has |are |is )*pass(?:ed|es|ing)?\b|"
    r"\btask (?:is )?completed?\b"
    r"|\beverything (?:is|has been) (?:now )?(?:complete|completed|set up|ready|in order|working|in "
    r"place|done|as expected)\b"
    r"|\b(?:it|this|the (?:script|file|report|program|function|output|summary)|which) (?:now "
    r")?(?:contains|includes|lists|handles|covers|"
    r"reads|takes|prints|outputs|supports|computes|calculates|holds|shows)\b"
    r"|\b(?:is|are|was|were) (?:now )?(?:located|stored|saved|created|written|placed|available) (?:at|"
    r"in|under|to|as)\b"
    r"|\bnow (?:handles|supports|prints|reads|writes|returns|includes|contains|works|runs|accepts|skips|"
    r"shows|covers|sorts|uses|passes|takes|has|"
    r"exits|starts|fails|logs|checks)\b|\bruns? (?:without|cleanly|fine|successfully|as expected)\b|"
    r"\bis (?:up and|listening|live|running)\b"
    r"|\b(?:was|were) (?:tested|verified|validated|executed|rerun|deployed|installed|implemented|"
    r"configured|compiled|patched)\b"
    r"|\ball (?:of them |three |four |five |\d+ )?(?:passed|pass|succeeded)\b|\b(?:checks|tests) are "
    r"(?:all )?(?:green|passing|ok)\b"
    r"|\bcarried out (?:correctly|successfully|as)\b|\bi found (?:\d+|no|two|three|the following|"
    r"that)\b|\b(?:ran|completed|finished|executed|exited|compiled) (?:successfully|without errors?|cleanly|"
    r"with exit code 0)\b"
)
_TELLS_OF_FILE = re.compile(
    r"\b(?:lists?|contains?|holds?|has|have|shows?|covers?|keeps?|stands?|includes?|is|are|was|were|"
    r"comes|counts?|reads)\b"
)
_WAS_WORKED = re.compile(rf"\b(?:was|were|been|are|is) (?:now |all |[a-z]+ly )?(?:{DATA_DONE})\b")
_OVERLAP = 0.4
_MIN_OVERLAP = 3


def report(text: str, before: Known) -> str:
    """What of a text is an agent's report of its work; empty where nothing is.

    Args:
        text: The writer's own words, without what is pasted.
        before: What it comes after.
    """
    for pattern in (_HEADED, _HEADING, _BOLD_LABEL, _BOLD_POINTS, _STEP_PLANNED):
        if found := pattern.search(text):
            return found[0].strip()
    if len(items := _ITEM_DONE.findall(text)) > 1:
        return str(items[0]).strip()
    if not only_reports(text):
        return ""
    if found := _WAS_WORKED.search(plain(text)):
        shared = len(content_words(text) & before.words)
        if shared >= _MIN_OVERLAP - 1 and not before.is_asked:
            return found[0]
    return (_TICK.search(text) and "a tick") or _of_work(plain(text)) or _of_what_is_known(text, before)


def _of_work(flat: str) -> str:
    """A report of work that was done on a thing of the workspace."""
    for sentence in sentences(flat):
        found = _WAS_DONE.search(sentence)
        if found and (_names_a_thing(sentence) or re.search(r"\b(?:everything|all|task|work)\b", sentence)):
            return found[0]
    return ""


def _of_what_is_known(text: str, before: Known) -> str:
    """A report that says of the workspace what the agent has said of it already, or nearly."""
    said = content_words(text)
    shared = len(said & before.words)
    if before.is_asked or shared < max(_MIN_OVERLAP, _OVERLAP * len(said)):
        return ""
    found = next(
        (m for s in sentences(plain(text)) if _names_a_thing(s) and (m := _TELLS_OF_FILE.search(s))), None
    )
    return str(found.string) if found else ""


def _names_a_thing(sentence: str) -> bool:
    return THING.search(sentence) is not None or PATH.search(sentence) is not None
