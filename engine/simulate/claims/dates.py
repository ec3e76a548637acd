"""Days of the calendar that an utterance names, in whatever way the record writes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.schema.trajectory import ClaimStanding
from engine.simulate.claims.finding import Finding, against, borne_out, nothing_known

if TYPE_CHECKING:
    from engine.simulate.claims.known import Known

_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_NAMES = "|".join([*_MONTHS, *(m[:3] for m in _MONTHS if m != "may"), "sept"])
DATE = re.compile(
    rf"\b(?P<d1>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?(?P<m1>{_NAMES})\b"
    rf"|\b(?P<m2>{_NAMES}) (?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\b"
    r"|\b(?P<y>\d{4})-(?P<m3>\d\d)-(?P<d3>\d\d)\b",
    re.IGNORECASE,
)
"""A day and its month, by name or as ISO 8601 has it."""


def days_in(text: str) -> set[tuple[int, int]]:
    """Month and day of every day that a text names."""
    return {_day_of(found) for found in DATE.finditer(text)}


def judge_date(found: re.Match[str], known: Known, *, asserted: bool) -> Finding:
    """The standing of a day: it has to stand in what the last turn brought, or in what was said before."""
    wanted = _day_of(found)
    if any(_day_of(other) == wanted for text in known.last_texts for other in DATE.finditer(text)):
        return borne_out("the last turn says so")
    if wanted in known.days_evidenced and not (asserted and _has_dates(known)):
        return borne_out("it stands in the ledger")
    if not asserted or not known.turns:
        return nothing_known()
    if _has_dates(known):
        return against(f"the last turn does not speak of {found[0]}")
    said = any(_day_of(other) == wanted for source in known.given for other in DATE.finditer(source.text))
    return Finding(ClaimStanding.GIVEN, "it was said before") if said else nothing_known()


def _has_dates(known: Known) -> bool:
    return any(DATE.search(text) for text in known.last_texts)


def _day_of(found: re.Match[str]) -> tuple[int, int]:
    """Month and day."""
    if found["m3"]:
        return int(found["m3"]), int(found["d3"])
    name, day = found["m1"] or found["m2"], found["d1"] or found["d2"]
    return next(n for n, month in enumerate(_MONTHS, start=1) if month.startswith(name.lower()[:3])), int(day)
