"""The commands of which a clause speaks, and how calls ended."""

from __future__ import annotations

import re

from engine.schema.told_command import words_of
from engine.schema.trajectory import ToolCall
from engine.simulate.claims.known import Known
from engine.simulate.claims.moods import Clause

_PROGRAMS = words_of(
    "make pytest npm pip pip3 git python python3 node bash sh curl wget docker gcc cargo go ruby perl"
    " php java mvn gradle rsync tar"
    " unzip zip gzip sed awk grep find sort join diff patch sqlite3 psql mysql jq xmllint shellcheck"
    " ruff mypy black flake8 eslint tox"
    " nox cmake ssh scp systemctl nginx crontab chmod chown ln mount ffmpeg convert pandoc latex"
    " pdflatex openssl gpg uv yarn pnpm tsc"
)


_AMBIGUOUS = words_of(
    "make go find sort join patch convert black zip test mount time cut read write node java ruby date"
    " file comm nice"
)


def commands_in(clause: Clause, known: Known) -> list[str]:
    """The commands of which a clause speaks: words that begin a call's command, and well-known programs."""
    words = re.findall(r"[\w./@%+=:-]+", clause.text)
    programs = _programs(known)
    found: list[str] = []
    for number, raw in enumerate(words):
        word = raw.strip(".:,")
        lowered = word.lower()
        if lowered in _AMBIGUOUS and not _is_program_here(words, number, clause.text):
            continue
        if lowered in programs or lowered in _PROGRAMS:
            found.append(_with_rest(lowered, words[number + 1 :], known))
    return found


def _programs(known: Known) -> set[str]:
    programs: set[str] = set()
    for call in known.calls:
        line = call.ledger.command_line[:4000].lower()
        if call.ledger.argv:
            programs.update(re.findall(r"(?:^|[;&|(\n]|&&)\s*([a-z][\w.+-]{2,30})(?=\s|$)", line))
        scripts = re.findall(r"[\w./-]{1,100}\.(?:py|sh|js|pl|rb|awk)\b", line) if call.ledger.argv else []
        programs.update(scripts)
        programs.update(script.rpartition("/")[2] for script in scripts)
    return programs - {
        "the",
        "for",
        "while",
        "done",
        "then",
        "echo",
        "cat",
        "import",
        "from",
        "print",
        "with",
        "set",
        "test",
        "date",
        "time",
        "total",
        "empty",
        "def",
        "class",
        "not",
        "and",
        "wait",
        "read",
        "write",
        "edit",
        "exit",
        "true",
        "false",
        "if",
        "else",
        "case",
        "this",
        "that",
        "file",
        "who",
    }


def _is_program_here(words: list[str], number: int, text: str) -> bool:
    """True where a word such as "make" is a program: it is the subject, or stands behind "from" or "of"."""
    before = words[number - 1].lower().strip(".:,") if number else ""
    after = words[number + 1].lower() if number + 1 < len(words) else ""
    ends = re.match(
        r"(?:ended|gave|failed|stopped|returned|exited|broke|crashed|did|didn't|was|is|has|worked|went"
        r"|succeeded|ran|finished|died|complained|fail|stop|end|exit|says|said|trip|break|crash|[\w-]+|-.*"
        r"|$)$",
        after,
    )
    if before in {
        "from",
        "of",
        "by",
        "with",
        "that",
        "saw",
        "so",
        "and",
        "but",
        "when",
        "since",
        "because",
        "after",
        "",
        "the",
    }:
        return bool(
            re.match(
                r"(?:ended|gave|failed|stopped|returned|exited|broke|crashed|did|didn't|has|worked|went"
                r"|succeeded"
                r"|ran|finished|died|complained|fail|stop|end|exit|trip|break|crash|-.*|$)$",
                after,
            )
        ) or (
            before in {"from", "of", "by"}
            and bool(ends)
            and re.search(r"\b(?:exit|code|fail|error)", text, re.I) is not None
        )
    return False


def _with_rest(program: str, rest: list[str], known: Known) -> str:
    """The program with as many of the words behind it as stand with it in a call's command line."""
    command = program
    for word in rest[:6]:
        longer = f"{command} {word.lower().rstrip('.,:')}"
        if not known.calls_of(longer):
            break
        command = longer
    return command


def how_it_ended(call: ToolCall) -> str:
    """A call and its ending in a few words."""
    entry = call.ledger
    end = (
        f"exit code {entry.exit_code}"
        if entry.exit_code
        else (call.error or entry.error or entry.limit or "failed")
    )
    return " ".join(f"{entry.command_line[:80]}: {end[:80]}".split())
