"""The agent's memory: MEMORY.md and the Markdown files under memory/, searched and read.

No link is followed, in whatever part of a path it stands: what lies elsewhere is not shown as memory.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

from .files import ROOT, explain, shown
from .programs import RefusedError
from .search import rank, words_of

MAX_FILES = 500
MAX_FILE_BYTES = 1 << 20
MAX_TOTAL_BYTES = 4 << 20
MAX_BLOCK_LINES = 12
MAX_SNIPPET_CHARS = 700
MAX_LINES = 2000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


class Block(NamedTuple):
    """Lines of one file that stand together."""

    path: str
    start: int
    lines: list[str]


def search(query: str, n_results: int, min_score: float) -> dict[str, Any]:
    """The blocks of the memory that fit the query best, with path and lines."""
    paths = memory_paths()
    blocks: list[Block] = []
    skipped: list[str] = []
    n_bytes = 0
    for path in paths[:MAX_FILES]:
        try:
            text = load_text(path)
        except OSError as error:
            skipped.append(explain(error, path))
            continue
        n_bytes += len(text)
        if n_bytes > MAX_TOTAL_BYTES:
            skipped.append(f"from {path} on: the memory is larger than is searched")
            break
        blocks += blocks_of(path, text.split("\n"))
    hits = [
        hit for hit in rank(query, [words_of("\n".join(b.lines)) for b in blocks]) if hit.score >= min_score
    ]
    found: dict[str, Any] = {"results": [_result(hit.score, blocks[hit.place]) for hit in hits[:n_results]]}
    found["n_files"] = len(paths)
    if skipped:
        found["skipped"] = skipped[:20]
    return found


def get(path: str, first: int, n_lines: int | None) -> dict[str, Any]:
    """Lines of one file of the memory, from line `first` on; the first line is number 1."""
    try:
        lines = load_text(in_memory(path)).split("\n")
    except OSError as error:
        raise RefusedError(explain(error, path)) from None
    if lines[-1] == "":
        lines.pop()
    if first > max(1, len(lines)):
        raise RefusedError(f"line {first} is beyond the end of {path}, which has {len(lines)} lines")
    wanted = lines[first - 1 :][: min(n_lines or MAX_LINES, MAX_LINES)]
    return {
        "path": in_memory(path),
        "from": first,
        "lines": len(wanted),
        "of": len(lines),
        "text": "\n".join(wanted),
    }


def in_memory(path: str) -> str:
    """The path as it stands in the workspace; only MEMORY.md and Markdown files under memory/ have one."""
    relative = path[len("/workspace/") :] if path.startswith("/workspace/") else path
    parts = [part for part in relative.split("/") if part != "."]
    inside = (
        len(parts) > 1 and parts[0] == "memory" and not {"", ".."} & set(parts) and parts[-1].endswith(".md")
    )
    if parts != ["MEMORY.md"] and not inside:
        raise RefusedError(f"{shown(path)[:200]} is not in the memory: only MEMORY.md and memory/*.md are")
    return "/".join(parts)


def memory_paths() -> list[str]:
    """Every file of the memory, MEMORY.md first, the others by name."""
    first = ["MEMORY.md"] if os.path.lexists(ROOT + b"/MEMORY.md") else []
    return first + sorted(_markdown_under(b"memory", 0))


def _markdown_under(folder: bytes, depth: int) -> Iterator[str]:
    try:
        entries = list(os.scandir(ROOT + b"/" + folder)) if not os.path.islink(ROOT + b"/" + folder) else []
    except OSError:
        return
    for entry in entries:
        name = folder + b"/" + entry.name
        if entry.is_dir(follow_symlinks=False) and depth < 8:
            yield from _markdown_under(name, depth + 1)
        elif entry.name.endswith(b".md") and not entry.is_symlink():
            yield name.decode("utf-8", "surrogateescape")


def load_text(path: str) -> str:
    """The text of a regular file of the memory, opened folder by folder so that no link is followed."""
    *folders, name = os.fsencode(path).split(b"/")
    at = os.open(ROOT, _FOLDER)
    try:
        for folder in folders:
            below = os.open(folder, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
        fd = os.open(name, _FILE, dir_fd=at)
    finally:
        os.close(at)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read(MAX_FILE_BYTES).decode("utf-8", "replace")


def blocks_of(path: str, lines: list[str]) -> Iterator[Block]:
    """The file cut at blank lines, and long blocks into pieces; a heading stays with what follows it."""
    start = 0
    for end in range(len(lines) + 1):
        full = end - start >= MAX_BLOCK_LINES
        if end < len(lines) and lines[end].strip() and not full:
            continue
        if end < len(lines) and not full and end - start == 1 and lines[start].startswith("#"):
            continue
        block = lines[start:end]
        if any(line.strip() for line in block):
            yield Block(path, start + 1, block)
        start = end if full and end < len(lines) and lines[end].strip() else end + 1


def _result(score: float, block: Block) -> dict[str, Any]:
    return {
        "path": shown(os.fsencode(block.path)),
        "startLine": block.start,
        "endLine": block.start + len(block.lines) - 1,
        "score": score,
        "snippet": "\n".join(block.lines)[:MAX_SNIPPET_CHARS],
    }
