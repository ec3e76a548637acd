"""What a tool call aims at: what makes a later call a second try of an earlier one.

The aim of a file tool is its path; reading is one aim, writing and editing are another. To fetch from the web
is to want something of a host, whatever the page. What is done with a background session has the aim of the
session's command.

The aim of a command is what each of its parts does: a script that it runs, else a program with the files
that it names. Two commands have the same aim when they share such a part: the same script, or the same
program on a file of the same base name (or, where one of them names no file, the same program).
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit

from engine.schema.tools import ToolName
from engine.schema.trajectory import ToolCall

_SEARCHES = frozenset({ToolName.MEMORY_SEARCH, ToolName.WEB_SEARCH})
_READERS = frozenset({ToolName.READ, ToolName.MEMORY_GET, "list", "ls"})
_OWN_PROGRAMS = _SEARCHES | {ToolName.MEMORY_GET, ToolName.WEB_FETCH}
"""Tools whose argv in the ledger is no command."""
_INTERPRETERS = frozenset({"python", "bash", "sh", "zsh", "node", "perl", "ruby", "php", "awk"})
_PREFIXES = frozenset(
    {"sudo", "env", "time", "nohup", "exec", "command", "nice", "stdbuf", "then", "do", "else"}
)
_SILENT = frozenset(
    {"cd", "set", "export", "source", ".", "true", ":", "echo", "printf", "pwd", "ls", "mkdir"}
)
"""Programs that only prepare or look; they are an aim only where they stand alone."""
_HEREDOC = re.compile(r"(?<!<)<<-?\s*(['\"]?)(\w+)\1")
_MAX_CHARS = 8000
"""What a command is for stands at its beginning; a model may write megabytes."""
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")
_VERSIONED = re.compile(r"^(python|pip|node|ruby|perl)[\d.]*$")
_FILE = re.compile(r"[\w.*@%+-]*(?:/|\.[A-Za-z]\w{0,7}$)")


class Part(NamedTuple):
    """One simple command: its program, and the base names of the files that it names."""

    program: str
    files: frozenset[str]


class Aim(NamedTuple):
    """What a call is for: which kind of action, on which path, or with which commands."""

    kind: str
    path: str = ""
    parts: tuple[Part, ...] = ()


def aim_of(call: ToolCall) -> Aim:
    """The call's aim, from the ledger where it says so, else from the arguments as the model wrote them."""
    entry = call.ledger
    command = _command(call)
    if command is not None:
        return Aim("command", parts=command_parts(command))
    if call.name == ToolName.WEB_FETCH:
        return Aim("fetch", path=_host(_argument(call, "url") or ""))
    if call.name in _SEARCHES or call.name == ToolName.PROCESS:
        return Aim(call.name)
    kind = "read" if call.name in _READERS else "change"
    path = entry.path or _argument(call, "path") or _argument(call, "file_path")
    if path is None:
        return Aim(call.name)
    return Aim(kind, path=str(PurePosixPath(path.removeprefix("/workspace/"))))


def _command(call: ToolCall) -> str | None:
    """The command that the call ran, or that the one background session it was about runs."""
    entry = call.ledger
    if call.name == ToolName.PROCESS:
        return entry.sessions[0].command if len(entry.sessions) == 1 else None
    if call.name in _OWN_PROGRAMS:
        return None
    return _argument(call, "command") or (entry.argv[-1] if entry.argv else None)


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return url


def same_aim(one: Aim, other: Aim) -> bool:
    """True where the two calls are after the same thing."""
    if one.kind != other.kind or one.path != other.path:
        return False
    if one.kind != "command":
        return True
    return any(_same_part(a, b) for a in one.parts for b in other.parts)


def _same_part(one: Part, other: Part) -> bool:
    if one.program != other.program:
        return False
    return not one.files or not other.files or bool(one.files & other.files)


def command_parts(command: str) -> tuple[Part, ...]:
    """The simple commands of a shell command, here-documents left out, preparing ones dropped."""
    parts = [part for words in _simple_commands(command) if (part := _part(words))]
    telling = [part for part in parts if part.program not in _SILENT]
    return tuple(telling or parts)


def _simple_commands(command: str) -> list[list[str]]:
    flat = _without_documents(command[:_MAX_CHARS]).replace("\\\n", " ").replace("\n", " ; ")
    lexer = shlex.shlex(flat, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        tokens = list(lexer)
    except ValueError:
        tokens = command.split()
    commands: list[list[str]] = [[]]
    for token in tokens:
        if token and set(token) <= set("();|&"):
            commands.append([])
        else:
            commands[-1].append(token)
    return [words for words in commands if words]


def _without_documents(command: str) -> str:
    """The command without its here-documents; one that does not end takes the rest."""
    kept: list[str] = []
    end: str | None = None
    for line in command.split("\n"):
        if end is not None:
            end = None if line.strip() == end else end
            continue
        if begun := _HEREDOC.search(line):
            end = begun.group(2)
        kept.append(_HEREDOC.sub("", line))
    return "\n".join(kept)


def _part(words: list[str]) -> Part | None:
    """The part that these words are: leading assignments and prefixes such as `sudo` are passed over."""
    while words and (_ASSIGNMENT.match(words[0]) or words[0] in _PREFIXES):
        words = words[1:]
    if not words:
        return None
    program, rest = _program(words[0]), words[1:]
    if program in _INTERPRETERS:
        return _interpreted(program, rest)
    if "/" in words[0]:
        return Part(program, frozenset())
    return Part(program, frozenset(_base(w) for w in rest if _FILE.match(w)))


def _interpreted(program: str, rest: list[str]) -> Part:
    """A script, a module (`-m`) or, for code given in place, the interpreter itself."""
    for place, word in enumerate(rest):
        if word == "-m" and place + 1 < len(rest):
            files = frozenset(_base(w) for w in rest[place + 2 :] if _FILE.match(w))
            return Part(rest[place + 1], files)
        if word in {"-c", "-e", "-"}:
            return Part(program, frozenset())
        if not word.startswith("-") and _FILE.match(word):
            return Part(_base(word), frozenset())
    return Part(program, frozenset())


def _program(word: str) -> str:
    base = _base(word)
    versioned = _VERSIONED.match(base)
    return versioned.group(1) if versioned else base


def _base(word: str) -> str:
    return PurePosixPath(word).name or word


def _argument(call: ToolCall, name: str) -> str | None:
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return None
    value = arguments.get(name) if isinstance(arguments, dict) else None
    return value if isinstance(value, str) else None
