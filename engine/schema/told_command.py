"""What the output of a command tells of its failure, where its exit code is not known.

Only the end is looked at: the line that a harness closes with, else the last line that was written, and
that only where it is a diagnosis of the shell, of a program that the command runs, or an exception that
nobody caught. Programs that only show text, such as cat and grep, may quote any of these.
"""

from __future__ import annotations

import re


def one_of(*alternatives: str, before: str = "") -> re.Pattern[str]:
    """A pattern that is any of these, whatever the case."""
    return re.compile(f"{before}(?:{'|'.join(alternatives)})", re.IGNORECASE)


def words_of(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


_TAIL_CHARS = 8000
_NOUN = r"(?:command|process|program|script|shell|execution)"
_ENDED = r"(?:exited|failed|finished|terminated|returned|ended|completed)"
_CODE = r"(?:exit\s+)?(?:code|status)[\s:=]*(?P<code>-?\d+)[)\]>.:]*"
_OPENING = r"[(\[<]?\s*(?:error:\s*)?"
_CLOSING = re.compile(
    rf"{_OPENING}(?:the\s+)?{_NOUN}\s+{_ENDED}\s+(?:with\s+)?(?:an?\s+)?(?:non-?zero\s+)?{_CODE}",
    re.IGNORECASE,
)
_BARE_CLOSING = re.compile(rf"{_OPENING}exit(?:ed)?(?:\s+with)?\s*{_CODE}", re.IGNORECASE)
ABORTED = one_of(
    r"(?:the\s+)?(?:command|operation|request|execution|process|tool(?:\s+call)?|call|fetch|task|user)\s+"
    r"(?:was\s+|has\s+been\s+)?(?:aborted|cancell?ed|interrupted|killed|timed\s+out|terminated\s+by|rejected"
    r"|denied)\b(?!\s+\d+\b).{0,120}",
    r"(?:operation\s+)?aborted(?:\s+by\s+(?:the\s+)?\w+)?[)\]>.]*",
    r"AbortError\b.{0,120}",
    r"timed\s+out\s+after\s+.{1,40}",
    before=_OPENING,
)
"""A whole line that says that the call was ended from outside."""

_SHELL = r"(?:[\w./-]*/)?(?:bash|sh|zsh|dash|ash|ksh|[\w.-]+\.(?:sh|bash))"
_NO_PROGRAM = (
    re.compile(rf"-?{_SHELL}:\s*(?:line\s+)?(?:\d+:\s*)?(?P<program>[^\s:]+):\s*(?:command )?not found"),
    re.compile(r"zsh:(?:\d+:)?\s*command not found:\s*(?P<program>\S+)"),
    re.compile(r"(?P<program>[^\s:]+):\s*command not found"),
    re.compile(r"[Cc]ommand '(?P<program>[^']+)' not found.*"),
    re.compile(r"'(?P<program>[^']+)' is not recognized as an internal or external command.*"),
)
_BY_SHELL = one_of(
    r"syntax error|unexpected|permission denied|no such file or directory|unbound variable|bad substitution",
    r"ambiguous redirect|is a directory|cannot execute|bad interpreter|not found|unterminated",
    before=rf"-?{_SHELL}:\s*(?:-c:\s*)?(?:line\s+)?(?:\d+:\s*)?.{{0,300}}",
)
_BY_PROGRAM = one_of(
    r"\(\d+\) ",
    r".{0,300}(?:no such|denied|not found|not permitted|cannot|can't|could not|couldn't|unable|failed|refused"
    r"|invalid|illegal|unknown|unrecogni[sz]ed|not recogni[sz]ed|missing|unexpected|is a directory"
    r"|not a directory|too (?:few|many)|error\b|fatal\b|exists|read-only|no space|(?:un|not )supported"
    r"|no module)",
    before=r"(?P<program>[\w./+-]+):(?:\s*\d+:)?\s+",
)
_TOOLCHAIN = one_of(
    r"make(?:\[\d+\])?: \*\*\* |npm (?:ERR!|error) |(?:fatal|error)(?:\[\w+\])?: |E: |Fatal error: |panic: ",
    r"Uncaught \w+|PHP (?:Parse|Fatal) error|ERROR: (?:could not|no matching|failed)",
    r"(?:Segmentation fault|Killed|Terminated|Aborted|Bus error|Illegal instruction)(?: \(core dumped\))?\Z",
)
_EXCEPTION = re.compile(
    r"(?:Uncaught )?(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Expired)\b(?::.*|\(.*)?"
)
_TRACE = re.compile(
    r"^Traceback \(most recent call last\)|^\s+File \"[^\n]*line \d+|^\s+at \S|^\s*\^+\s*$", re.MULTILINE
)
_AFTER_IT = one_of(
    r"\s+at \S|\s+\.\.\. \d+ more|usage: |(?:try|see) '?.{1,80} --?h(?:elp)?\b|for more information"
)
"""Lines that follow a diagnosis: where it was raised, and how the program is used."""
_NODE_ENDED = re.compile(r"Node\.js v\d")

_SHOWS_TEXT = words_of(
    "cat tac head tail less more bat grep egrep fgrep zgrep rg ag ack sed awk find fd ls tree echo printf "
    "cut sort uniq wc diff comm jq yq column nl strings zcat journalctl dmesg man tr fold tee xargs fmt "
    "paste git history docker kubectl cd set export pwd true : test [ [[ sleep type which"
)
_PREFIXES = words_of("sudo env time nohup command nice stdbuf then do else ! { exec timeout")
_QUOTED = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"")
_BETWEEN = re.compile(r"[;&|\n()]+")
_FORGIVEN = re.compile(r"\|\|\s*(?:true|:|echo|printf|exit 0)(?:\W|\Z)")


def told_by_command(command: str, output: str) -> str | None:
    """The line by which a command's output says that it failed, or None.

    Args:
        command: The command line, as far as it is known.
        output: What was shown of it, streams and closing line together; not empty.
    """
    lines = [line.rstrip() for line in output[-_TAIL_CHARS:].splitlines() if line.strip()]
    programs = _programs(command)
    only_shows = bool(programs) and programs <= _SHOWS_TEXT
    if told := _told_by_closing(lines, command, output, only_shows=only_shows):
        return told
    if _FORGIVEN.search(command):
        return None
    return _told_by_last_line(lines, command, programs, only_shows=only_shows)


def _told_by_closing(lines: list[str], command: str, output: str, *, only_shows: bool) -> str | None:
    """The harness's own last word on the call, or its first."""
    quotes = re.search(r"\bexit|abort|timed out|\$\?", command, re.IGNORECASE) is not None
    ends = [lines[-1].strip()]
    if not only_shows:
        ends.append(output.lstrip().splitlines()[0].strip())
    for line in ends:
        bracketed = line.startswith(("(", "[", "<"))
        bare = None if quotes and not bracketed else _BARE_CLOSING.fullmatch(line)
        found = _CLOSING.fullmatch(line) or bare
        if found and not (quotes and only_shows):
            if int(found["code"]) == 0:
                return None
            return _before(lines, line) or line
        if ABORTED.fullmatch(line) and not (quotes and only_shows):
            return line
    return None


def _before(lines: list[str], closing: str) -> str | None:
    """The line that says why: the last one before the closing line."""
    rest = [line.strip() for line in lines if line.strip() not in (closing, "(no output)")]
    return rest[-1] if rest else None


def _told_by_last_line(
    lines: list[str], command: str, programs: frozenset[str], *, only_shows: bool
) -> str | None:
    if _NODE_ENDED.match(lines[-1]) and not only_shows:
        return next((line.strip() for line in lines if _EXCEPTION.match(line.strip())), lines[-1])
    while len(lines) > 1 and _AFTER_IT.match(lines[-1]):
        lines = lines[:-1]
    last = lines[-1]
    if last.strip() in command:
        return None
    if _is_missing_program(last, command, programs, only_shows=only_shows):
        return last
    own = _BY_PROGRAM.match(last)
    if own and _base(own["program"]) in programs | _scripts(command):
        return last
    if "git" in programs and last.startswith(("fatal: ", "error: ")):
        return last
    if only_shows:
        return None
    if _BY_SHELL.match(last) or _TOOLCHAIN.match(last):
        return last
    traced = _TRACE.search("\n".join(lines)) is not None
    return last if _EXCEPTION.fullmatch(last) and (traced or len(lines) == 1) else None


def _is_missing_program(line: str, command: str, programs: frozenset[str], *, only_shows: bool) -> bool:
    for pattern in _NO_PROGRAM:
        if found := pattern.fullmatch(line.strip()):
            return not only_shows or _base(found["program"]) in programs
    return False


def _programs(command: str) -> frozenset[str]:
    """The programs that a command names, by their base names; what stands in quotes is none."""
    found = set()
    for piece in _BETWEEN.split(_QUOTED.sub("_", command[:_TAIL_CHARS])):
        words = piece.split()
        while words and (words[0] in _PREFIXES or re.match(r"\w+=", words[0])):
            words = words[1:]
        if words:
            found.add(_base(words[0]))
    return frozenset(found)


def _scripts(command: str) -> frozenset[str]:
    """The scripts that a command names: they give their own name before what they say."""
    return frozenset(_base(word) for word in command.split() if re.search(r"\w\.\w{1,4}\Z", word))


def _base(word: str) -> str:
    return word.rstrip("/").rsplit("/", 1)[-1]
