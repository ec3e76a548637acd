"""Names of a text that can be looked up: files, paths, branches, hosts and versions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from engine.schema.told_command import words_of
from engine.schema.trajectory import ClaimKind

_EXTENSIONS = words_of(
    "csv tsv txt md json jsonl ndjson yaml yml toml ini cfg conf log py pyc sh bash js mjs ts html htm"
    " css xml svg"
    " png jpg jpeg gif webp bmp ppm pgm pdf doc docx xls xlsx odt ods ppt pptx rtf zip tar gz tgz bz2"
    " xz zst 7z rar"
    " db sqlite sqlite3 sql eml mbox ics vcf wav mp3 ogg flac mid midi mp4 srt vtt bak tmp patch diff"
    " lock pem crt"
    " cer key csr p12 rst tex bib c h cc cpp hpp rs go java jar class rb pl php r ipynb parquet arrow"
    " bin img iso dat"
    " fix part out err old orig pid env service timer mk awk sed bat ps1 gpx geojson kml bundle zone po"
    " dot drawio"
    " sum sha256 md5 sig asc gpg properties lst tab in cron rules template tpl j2 scss less vue tsx jsx"
    " swp cache"
)
_KNOWN_FILES = words_of(
    "makefile readme license licence dockerfile changelog procfile gemfile pipfile contributing notice"
    " todo"
    " vagrantfile jenkinsfile crontab"
)
_NO_FILES = frozenset(
    {"node.js", "vue.js", "next.js", "d3.js", "three.js", "e.g", "i.e", "asp.net", "socket.io"}
)
_TLDS = (
    "com|org|net|edu|gov|io|dev|example|test|local|lan|internal|localhost|invalid|int|info|eu|uk|de|fr"
    "|nl|ch|at|se|no"
    "|fi|dk|es|it|jp|us|app|cloud|home|corp|intra|localdomain"
)
_HOST = re.compile(
    rf"(?:[a-z]{{2,6}}://)?(?P<host>localhost|\[?::1\]?|\d{{1,3}}(?:\.\d{{1,3}}){{3}}"
    rf"|(?:[a-z0-9_-]{{1,63}}\.){{1,8}}(?:{_TLDS}))"
    r"(?P<port>:\d{2,5})?(?:/\S*)?",
    re.IGNORECASE,
)
_URL = re.compile(r"[a-z]{2,6}://(?P<host>[^\s/:]{1,253})(?P<port>:\d{2,5})?(?:/\S*)?", re.IGNORECASE)
_VERSION = re.compile(r"v?\d{1,6}\.\d{1,6}\.\d{1,6}(?:[.+-]?\w{1,20})?|v\d{1,6}(?:\.\d{1,6})?", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_TWO_PARTS = re.compile(r"\d{1,4}\.\d{1,4}|\d{1,4}")
_VERSION_WORDS = words_of(
    "version versions release python python3 node ruby java perl bash php go rust npm pip gcc django"
    " flask pandas"
    " postgres postgresql mysql sqlite openssl"
)
_PLAIN_VERSION_WORDS = frozenset({"version", "release"})
_BRANCH_PREFIX = re.compile(
    r"(?:feature|features|feat|fix|fixes|bugfix|hotfix|release|releases|chore|topic|wip|refactor|origin"
    r"|dev|experiment)"
    r"/[\w.-]{1,100}(?:/[\w.-]{1,100})?"
)
_BRANCH_NAMES = frozenset({"main", "master", "develop", "trunk", "staging", "production"})
_TOKEN = re.compile(r"\S+")
_OPENING = "([{<\"'`*_“‘„«"
_CLOSING = ",.;:!?)]}>\"'`*”’»…"
_FILE_CHARS = re.compile(r"[\w@%+=.,~{}()*?\[\]-]{1,255}")
_STOPWORDS = words_of(
    "the a an of for with in on at to is are was were and or but that this it its his her our my your"
    " their there here"
    " now too as has have by where which who already itself before after then so not no called named again"
)


class Name(NamedTuple):
    """One name of a text and its place."""

    start: int
    end: int
    kind: ClaimKind
    text: str


@lru_cache(maxsize=512)
def names_in(text: str) -> tuple[Name, ...]:
    """The names of a prose text, in order."""
    return tuple(_names_in(text))


def _names_in(text: str) -> Iterator[Name]:
    before, previous = "", ""
    words = [(m.start(), m[0]) for m in _TOKEN.finditer(text)]
    for number, (start, word) in enumerate(words):
        core = word.lstrip(_OPENING)
        at = start + len(word) - len(core)
        core = re.sub(r"['’]s$", "", core.rstrip(_CLOSING))
        after = words[number + 1][1].strip(_OPENING + _CLOSING).lower() if number + 1 < len(words) else ""
        if core and len(core) <= 300 and (kind := _kind(core, previous, before, after)):
            yield Name(at, at + len(core), kind, core)
        before, previous = previous, core.lower()


def _kind(word: str, previous: str, before: str, after: str) -> ClaimKind | None:
    """What kind of name a word is, by its form and its neighbours; None for a word of prose."""
    lowered = word.lower()
    if "@" in word and "/" not in word:
        return ClaimKind.HOST if _EMAIL.fullmatch(word) else None
    if _HOST.fullmatch(word) or _URL.fullmatch(word):
        return ClaimKind.HOST
    if _is_branch(word, previous, before, after):
        return ClaimKind.BRANCH
    if _VERSION.fullmatch(word) or (
        _TWO_PARTS.fullmatch(word)
        and previous in _VERSION_WORDS
        and ("." in word or previous in _PLAIN_VERSION_WORDS)
    ):
        return ClaimKind.VERSION
    if "/" in word:
        return ClaimKind.PATH if _is_path(word) else None
    if is_file_name(word) or (lowered in _KNOWN_FILES and word[0].isupper()):
        return ClaimKind.FILE_NAME
    return ClaimKind.PATH if _is_named_folder(word, previous, after) else None


def is_file_name(word: str) -> bool:
    """True for a base name with an extension, and for a dot file."""
    if word.lower() in _NO_FILES or not _FILE_CHARS.fullmatch(word):
        return False
    stem, dot, extension = word.rpartition(".")
    if not dot or not extension or not extension[0].isalpha() or not extension.isalnum():
        return False
    if not stem:
        return len(extension) >= 2 and extension.islower()
    if extension.lower() in _EXTENSIONS:
        return True
    return extension.islower() and len(extension) <= 8 and bool(re.search(r"[\d_-]", stem))


def _is_path(word: str) -> bool:
    parts = [part for part in word.split("/") if part]
    if not parts or word.startswith("//") or re.fullmatch(r"[\d/.,%-]+", word):
        return False
    if not all(re.fullmatch(r"[\w@%+=.,:~{}()*?\[\]<>$-]{1,255}", part) for part in parts):
        return False
    if word.endswith("/") or word.startswith(("/", "./", "../", "~/")) or is_file_name(parts[-1]):
        return True
    return any("_" in part or part.startswith(".") for part in parts) or (
        len(parts) >= 3 and word.islower() and min(map(len, parts)) > 1
    )


def _is_branch(word: str, previous: str, before: str, after: str) -> bool:
    if not re.fullmatch(r"[\w./-]{1,200}", word) or word.lower() in _STOPWORDS or word.endswith("/"):
        return False
    if is_file_name(word.rpartition("/")[2]) and previous != "branch":
        return False
    if _BRANCH_PREFIX.fullmatch(word):
        return True
    if previous == "branch" or (previous in {"named", "called"} and before in {"branch", "is", "was"}):
        return bool(re.search(r"[/_\d-]", word)) or word.lower() in _BRANCH_NAMES
    if after == "branch":
        return bool(re.search(r"[/_\d-]", word)) or word in _BRANCH_NAMES
    if word in {"master", "develop", "trunk"}:
        return after not in {"copy", "list", "file", "data", "plan", "key", "record"}
    return word in _BRANCH_NAMES and previous in {"on", "into", "to", "from", "merged", "onto", "of"}


def _is_named_folder(word: str, previous: str, after: str) -> bool:
    looks = re.fullmatch(r"[\w-]{2,100}", word) and word.lower() not in _STOPWORDS and word == word.lower()
    if not looks:
        return False
    return (
        previous in {"folder", "directory"} and after not in {"and", "of"} and bool(re.search(r"[_\d]", word))
    ) or (after in {"folder", "directory"} and bool(re.search(r"[_\d]", word)))


_CODE = re.compile(
    r"(?<![\w./:@-])(?=[\w-]{0,30}\d)(?=[\w-]{0,30}[A-Za-z])[A-Za-z\d][\w-]{2,30}(?![\w./@]|-\w)"
)
_WITH_UNIT = re.compile(
    r"\d[\d.,]*-?[A-Za-z]{1,8}|[A-Za-z]\d|\d+(?:st|nd|rd|th)|\d[\w]*-(?:\w+)", re.IGNORECASE
)
_A_FORMAT = re.compile(
    r"\b(?:is|was|are|were) (?:really |actually |in fact |just )?an? (?P<code>[A-Z][A-Z\d]{2,7})\b"
)


def codes_in(text: str) -> Iterator[str]:
    """Identifiers that are no number: "EC-3104-1", "0xfc", "Latin-2", and what a file "is a", in capitals."""
    for found in _CODE.finditer(text):
        if not _WITH_UNIT.fullmatch(found[0]) or found[0].lower().startswith("0x"):
            yield found[0]
    for found in _A_FORMAT.finditer(text):
        yield found["code"]
