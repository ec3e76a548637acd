"""Numbers of a text as values that can be compared: 1,204 = 1204 = 1204.0, "fourteen" = 14, 50 % = 0.5."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SMALL = {word: n for n, word in enumerate(_UNITS)} | {word: 10 * n for n, word in enumerate(_TENS, start=2)}
_SMALL |= {"dozen": 12}
_ORDINALS = {
    word: n
    for n, word in enumerate(
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"],
        start=1,
    )
}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_WORD = "|".join([*_SMALL, *_SCALES])
_WORDS = rf"\b(?:{_WORD})(?:(?:[ -]|[ -]and[ -])(?:{_WORD})){{0,5}}\b"
_DIGITS = (
    r"(?<![\w.,:/#-])[-+]?(?:\d{1,3}(?:[,'\u00a0\u202f ]\d{3}){1,5}(?![\d])(?:\.\d{1,12})?"
    r"|\d{1,18}(?:[.,]\d{1,12})?)"
)
_SUFFIX = (
    r"(?P<suffix> ?%| ?per ?cent\b| percent\b|[ -]?(?:bytes|[kmg]i?b|(?:kilo|mega|giga)bytes?"
    r"|kibibytes?)\b|[kM]\b)?"
)
_NUMBER = re.compile(rf"(?:(?P<digits>{_DIGITS})(?![\d]|[-/:]\d|[.,]\d){_SUFFIX}|(?P<words>{_WORDS}))", re.I)
_PLAIN = re.compile(r"\d[\d,'\u00a0\u202f]{0,24}(?:\.\d{1,12})?")
_LIVE_WORDS = re.compile(_WORDS, re.I)
_SIZES = {
    "kb": 1000,
    "kib": 1024,
    "mb": 1000**2,
    "mib": 1024**2,
    "gb": 1000**3,
    "gib": 1024**3,
    "k": 1000,
    "m": 10**6,
}
_SIZES |= {"kilobyte": 1000, "kilobytes": 1000, "kibibytes": 1024, "megabyte": 10**6, "megabytes": 10**6}
_SIZES |= {"gigabyte": 10**9, "gigabytes": 10**9}
_TOKEN = re.compile(
    r"(?<![\w.:/#-])[-+]?\d{1,18}(?:,\d{3}\b)*(?:\.\d{1,12})?(?=%|(?:[.,;:)\]}'\"]|[a-z]{1,4}\b)?(?:\s|$"
    r"|[,;)\]}'\"|\\])|[,;|)/])"
)
_ORDINAL = re.compile(rf"\b(?:{'|'.join(_ORDINALS)})\b|\b(\d{{1,4}})(?:st|nd|rd|th)\b", re.I)


class Number(NamedTuple):
    """One number of a text."""

    start: int
    end: int
    text: str
    values: frozenset[float]
    """What it may stand for: "1,204" is 1204 or 1.204, "50 %" is 50 or 0.5, "2 KB" is 2000 or 2048."""
    is_word: bool
    n_decimals: int


def numbers_in(text: str) -> Iterator[Number]:
    """The numbers of a prose text with their places; dates, times and parts of a name are none."""
    for found in _NUMBER.finditer(text):
        if words := found["words"]:
            value = word_value(words)
            yield Number(*found.span(), words, frozenset({value}), is_word=True, n_decimals=0)
        elif not _joined(text, found.end("digits")):
            digits = found["digits"].strip()
            values = _with_suffix(_readings(digits), (found["suffix"] or "").strip(" -").lower())
            n_decimals = len(digits.rpartition(".")[2]) if "." in digits else 0
            yield Number(
                *found.span(), found[0].strip(), frozenset(values), is_word=False, n_decimals=n_decimals
            )


def _joined(text: str, end: int) -> bool:
    """True where a letter follows at once, as in "3rd" or "7a": no number, but for units such as "20s"."""
    tail = text[end : end + 6]
    return bool(re.match(r"(?:st|nd|rd|th)\b|[a-z]\w*[\d_]|[A-Z_]\w", tail)) and not re.match(
        r"[KMG]i?B\b", tail
    )


def word_value(words: str) -> float:
    """The value of number words such as "two hundred and ten"."""
    total, part = 0, 0
    for word in re.split(r"[ -]", words.lower()):
        if word in _SCALES:
            part = max(part, 1) * _SCALES[word]
            if word != "hundred":
                total, part = total + part, 0
        elif word == "dozen":
            part = max(part, 1) * 12
        elif word in _SMALL:
            part += _SMALL[word]
    return float(total + part)


def _readings(digits: str) -> set[float]:
    plain = re.sub(r"[,'\u00a0\u202f ]", "", digits)
    values = {float(plain)}
    if re.fullmatch(r"[-+]?\d+,\d+", digits):
        values.add(float(digits.replace(",", ".")))
    return values | {abs(v) for v in values}


def _with_suffix(values: set[float], suffix: str) -> set[float]:
    if suffix in {"%", "percent", "per cent"}:
        return values | {v / 100 for v in values}
    if factor := _SIZES.get(suffix):
        other = {1000: 1024, 1000**2: 1024**2, 1000**3: 1024**3}.get(factor, factor)
        return {v * f for v in values for f in (factor, other)}
    return values


def values_in(text: str) -> set[float]:
    """Every value that stands in a text of the record, inside of names and tables too."""
    values: set[float] = set()
    for found in _PLAIN.finditer(text):
        token = found[0].strip(",'")
        whole = re.sub(r"[,'\u00a0\u202f]", "", token)
        values.add(float(whole))
        if len(whole) < len(token):
            values.update(float(part) for part in re.split(r"[,'\u00a0\u202f]", token) if part.strip("."))
            values.update(_readings(token) if re.fullmatch(r"\d+,\d+", token) else ())
    values.update(word_value(found[0]) for found in _LIVE_WORDS.finditer(text))
    return values


def tokens_in(text: str) -> set[float]:
    """The values that stand in a text as numbers of their own, not as parts of names, dates or times."""
    values: set[float] = set()
    for found in _TOKEN.finditer(text):
        token = found[0]
        values.add(float(token.replace(",", "")))
        values.add(abs(float(token.replace(",", ""))))
    values.update(word_value(found[0]) for found in _LIVE_WORDS.finditer(text))
    values.update(float(found[1] or _ORDINALS[found[0].lower()]) for found in _ORDINAL.finditer(text))
    return values
