"""A corner of the taxonomy as the expression that draws cells there: see `engine.intents.where`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from engine.intents.targets import Part
from engine.schema.intent import Intent

_PLAIN = re.compile(r"[\w.-]+")
_MOST_INDUSTRIES, _MOST_DOMAINS = 3, 2
_FIELDS = {
    "pair": ("domain", "domain"),
    "triple": ("domain", "domain", "domain"),
    "industry x domain": ("industry", "domain"),
}
"""Kinds of parts that are more than one entry -> the field of each."""


def of_part(part: Part) -> str:
    """The expression that holds for the cells which reach a part of the taxonomy."""
    kind, *names = part
    fields = _FIELDS.get(kind, (kind,))
    return all_of(zip(fields, names, strict=True))


def all_of(tests: Iterable[tuple[str, str]]) -> str:
    """Fields with a value each, joined by "and"; one that comes twice is written once."""
    return " and ".join(f"{field}={_value(value)}" for field, value in dict.fromkeys(tests))


def of_corner(intents: Sequence[Intent]) -> str:
    """The most common industries and domains of some intents; "" of none."""
    industries = Counter(i.persona.industry for i in intents)
    domains = Counter(d for i in intents for d in i.cell.domain_ids)
    tests = (
        _among("industry", [name for name, _ in industries.most_common(_MOST_INDUSTRIES)]),
        _among("domain", [name for name, _ in domains.most_common(_MOST_DOMAINS)]),
    )
    return " and ".join(filter(None, tests))


def _among(field: str, values: Sequence[str]) -> str:
    return f"{field} in ({', '.join(map(_value, values))})" if values else ""


def _value(text: str) -> str:
    """A value, quoted where it is no plain word; the grammar knows no escapes, but two kinds of quotes."""
    if _PLAIN.fullmatch(text):
        return text
    return f'"{text}"' if "'" in text else f"'{text}'"
