"""What the record says of a number that an utterance asserts, and of the thing that it counts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.schema.sandbox import ChangeKind
from engine.schema.told_command import words_of
from engine.schema.trajectory import ClaimStanding
from engine.simulate.claims.finding import Finding, against, borne_out, nothing_known
from engine.simulate.claims.known import Known
from engine.simulate.claims.numbers import Number, numbers_in, word_value

_PLACE = re.compile(
    r"\b(?:weeks?|days?|line|row|page|step|turn|item|point|no\.?|version|job|pen|room|stage|level"
    r"|chapter|section|column|gate|dock)\s*$",
    re.IGNORECASE,
)
"""Before a number that tells which one is meant and counts nothing."""
_LOOSE = re.compile(
    r"\b(?:about|roughly|around|nearly|almost|some|more than|less than|fewer than|at least|at most"
    r"|(?<!adds )(?<!added )(?<!add )up to|approximately|circa|beyond|limit(?: of)?|threshold(?: of)?"
    r"|expected|instead of|asked for|saves|than)\s*$",
    re.IGNORECASE,
)
_ALL = re.compile(r"\b(?:all|every one of the|each of the)(?: the)? $", re.IGNORECASE)
_WHOLE = re.compile(r"\b(?:of|among)(?: the| all| all the)? $", re.IGNORECASE)
_FOLLOWING = re.compile(
    r"[ \x00]*(?:of (?:the |them )?|more |other |new |different |empty |bad |good |too |still |are "
    r"|were |is |was |kept )?(?P<noun>[a-z][a-z'-]{2,24})",
    re.IGNORECASE,
)
_OF_HOW_MANY = re.compile(
    r"^ (?:of|out of|in) (?:the |our |all )?(?P<whole>\d{1,6}|[a-z]{3,9}) (?P<noun>[a-z]{3,20})",
    re.IGNORECASE,
)
_NO_NOUN = words_of(
    "fail fails failed pass passes passed work works worked stay stayed remain remains "
    "and but then was were are has have had with from that this than for now too still left each all"
    " per more the its good fine great next right ok okay is"
)
_CALL_NOUNS = re.compile(r"^(?:attempt|tr(?:y|ie)|run|failure)", re.IGNORECASE)
_FILE_NOUNS = re.compile(r"^(?:file|document|report|sheet|script|cop|folder|name)", re.IGNORECASE)
_LINE_NOUNS = re.compile(r"^(?:line|row)", re.IGNORECASE)
_N_NEAR = 300


def judge_number(number: Number, text: str, known: Known, *, asserted: bool, is_port: bool) -> Finding:
    """The standing of a number.

    Args:
        number: The number and its place in `text`.
        text: The clause.
        known: The record up to the turn.
        asserted: Whether the clause asserts how things stand in the workspace.
        is_port: Whether the word "port" stands before it.
    """
    if (
        not asserted
        or not known.turns
        or (_LOOSE.search(text[: number.start]) or _PLACE.search(text[: number.start]))
    ):
        return _anywhere(number, known) or nothing_known()
    if is_port:
        return _anywhere(number, known) or against(f"port {number.text} stands nowhere in the record")
    return _recent(number, text, known)


def _anywhere(number: Number, known: Known) -> Finding | None:
    for label, values in known.numbers_given:
        if values & number.values:
            return Finding(ClaimStanding.GIVEN, label)
    for label, values in known.numbers_evidenced:
        if _among(number, values):
            return borne_out(label)
    return None


def _among(number: Number, values: set[float]) -> bool:
    """True where one of the values is meant, or rounds to it."""
    if values & number.values:
        return True
    if number.n_decimals:
        return any(abs(v - n) <= 0.5 * 10**-number.n_decimals for n in number.values for v in values)
    return any(n >= 1000 and n % 100 == 0 and abs(v - n) <= 0.05 * n for n in number.values for v in values)


def _recent(number: Number, text: str, known: Known) -> Finding:
    """A number is looked up beside the word that it counts first, then in the last turn, then anywhere."""
    if _ALL.search(text[: number.start]) and (partial := known.shows_partial(max(number.values))):
        return against(f"the last answer says: {partial}")
    nouns = list(_nouns_of(number, text))
    near = {v for noun in nouns for v in _beside(noun, known.last_texts)}
    if _among(number, near) and not _is_anothers(number, text, known):
        return borne_out("the last turn says so")
    if number.values & _calls_counted(nouns, known):
        return borne_out("it can be counted in the last turn")
    if _WHOLE.search(text[: number.start]) and number.values & _sums(known.last_answer_numbers):
        return borne_out("it is the sum of two numbers of the last answer")
    if part := _part_of(number, text, known):
        return part
    if near and nouns:
        return against(f"the last turn has {_told(near)} for {nouns[0]}, not {number.text}")
    if number.values & _counted(nouns, known):
        return borne_out("it can be counted in the last turn")
    return _by_itself(number, nouns, known)


def _sums(values: set[float]) -> set[float]:
    few = sorted(values)[:40]
    return {a + b for n, a in enumerate(few) for b in few[n + 1 :]}


def _part_of(number: Number, text: str, known: Known) -> Finding | None:
    """The standing of the "two" in "two of the four tests"; None where it is no such part."""
    whole = _OF_HOW_MANY.match(text[number.end :])
    if whole is None:
        return None
    parts = known.parts_of(whole["whole"])
    if parts and not parts & number.values:
        return against(f"the last turn has {_told(parts)} of {whole['whole']}")
    if _among(number, known.last_answer_numbers | known.last_numbers):
        return borne_out("it stands in the last turn")
    return None


def _by_itself(number: Number, nouns: list[str], known: Known) -> Finding:
    """The standing of a number of whose thing the last turn gives no number."""
    if _among(number, known.last_answer_numbers):
        return Finding(ClaimStanding.GIVEN, "the last answer")
    if _among(number, known.last_numbers):
        return borne_out("it stands in the last turn's output")
    if _among(number, {v for noun in nouns for v in _beside(noun, known.older_texts)}):
        return Finding(ClaimStanding.GIVEN, "it was said before")
    if (max(number.values) >= 100 or number.n_decimals) and (found := _anywhere(number, known)):
        return found
    return against(f"{number.text} does not stand in what the last turn brought")


def _told(values: set[float]) -> str:
    return ", ".join(f"{v:g}" for v in sorted(values)[:6])


def _is_anothers(number: Number, text: str, known: Known) -> bool:
    """True where a name stands before the number that the last turn gives another number."""
    before = _SUBJECT.search(text[max(0, number.start - 120) : number.start])
    if not before or not re.search(r"[A-Z._\d]", before["word"]) or _is_function_word(before["word"].lower()):
        return False
    own = set(_beside(before["word"].lower(), known.last_texts))
    return 0 < len(own) <= 4 and not _among(number, own)


_SUBJECT = re.compile(
    r"(?P<word>[A-Za-z_][\w.-]{2,40})(?: (?:is|at|with|has|had|got|of|to|=|says|shows|gets|came|up|adds"
    r"|out|the|most|now|still|only|just|a|as|a total|gave))*[ :=]*$"
)


def _nouns_of(number: Number, text: str) -> Iterator[str]:
    """What the number counts: the word behind it, and the word or name right before it."""
    behind = text[number.end :]
    if whole := _OF_HOW_MANY.match(behind):
        yield _stem(whole["noun"].lower())
    elif (found := _FOLLOWING.match(behind)) and found["noun"].lower() not in _NO_NOUN:
        yield _stem(found["noun"].lower())
    before = _SUBJECT.search(text[max(0, number.start - 120) : number.start])
    if before and before["word"].lower() not in _NO_NOUN and not _is_function_word(before["word"].lower()):
        yield before["word"].lower()


def _is_function_word(word: str) -> bool:
    return word in {
        "all",
        "the",
        "and",
        "so",
        "with",
        "that",
        "this",
        "there",
        "here",
        "ha",
        "oh",
        "ok",
        "thanks",
        "then",
        "also",
        "now",
        "by",
        "in",
        "of",
        "on",
        "at",
        "to",
        "for",
        "from",
        "only",
        "just",
        "these",
        "those",
        "its",
        "your",
        "other",
        "last",
        "first",
        "you",
        "note",
        "see",
        "makes",
        "that's",
        "good",
        "yay",
        "took",
        "found",
        "exactly",
        "already",
        "least",
        "another",
        "both",
        "remaining",
        "holds",
        "lists",
        "one",
    }


def _stem(noun: str) -> str:
    for end in ("ies", "es", "s"):
        if noun.endswith(end) and len(noun) > len(end) + 2 and not noun.endswith("ss"):
            return noun[: -len(end)]
    return noun


def _beside(stem: str, texts: tuple[str, ...]) -> Iterator[float]:
    """Values right before or right behind a word; of a line's many numbers the ones that belong to it."""
    texts = tuple(text for text in texts if stem in text)
    stem = re.escape(stem)
    before = re.compile(
        rf"(?:(?P<part>\b\d{{1,9}}|\b[a-z]{{3,9}}) of )?(?:the |its |their )?(?P<count>\b\d[\d.,]{{0,20}}"
        rf"|\b[a-z]{{3,9}})"
        rf"(?: (?:of (?:the |them )?)?[a-z'-]{{2,14}})? {stem}",
        re.IGNORECASE,
    )
    behind = re.compile(
        rf"{stem}\w{{0,4}}(?P<count>[^\n\d]{{0,18}}?[ :=,;|\t(]-?\d[\d.,]{{0,20}})", re.IGNORECASE
    )
    n_found = 0
    for text in texts:
        for pattern in (before, behind):
            for found in pattern.finditer(text):
                n_found += 1
                if n_found > _N_NEAR:
                    return
                for piece in filter(None, found.groups()):
                    yield from _values_of(piece)


def _values_of(piece: str) -> Iterator[float]:
    if piece.isalpha():
        if value := word_value(piece):
            yield value
        return
    yield from (value for number in numbers_in(_loosened(piece)) for value in number.values)


def _loosened(piece: str) -> str:
    return re.sub(r"[,;:=|(\t]", " ", piece).strip(" .,")


def _calls_counted(nouns: list[str], known: Known) -> set[float]:
    """How many calls the last turn has: all of them, the failed ones, and with the one that worked."""
    if not any(_CALL_NOUNS.match(noun) for noun in nouns):
        return set()
    n_failed = sum(call.failed for call in known.last_calls)
    return {float(n_failed), float(n_failed + 1), float(len(known.last_calls))}


def _counted(nouns: list[str], known: Known) -> set[float]:
    """What one can count in the last turn: the files that it changed, the lines that it showed."""
    counts: set[int] = set()
    for noun in nouns:
        if _FILE_NOUNS.match(noun):
            kinds = [
                c.kind for call in known.last_calls for c in call.ledger.changes if not c.path.endswith("/")
            ]
            counts |= {kinds.count(kind) for kind in ChangeKind} | {known.manifest.n_there}
        if noun.startswith("byte"):
            counts |= {c.size_bytes for c in known.manifest.last.values() if c.size_bytes is not None}
        if _LINE_NOUNS.match(noun):
            counts |= {
                len(call.observation.strip().splitlines()) for call in known.last_calls if call.observation
            }
    return set(map(float, counts))
