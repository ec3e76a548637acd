"""memory_search and memory_get: what earlier conversations left in MEMORY.md and memory/*.md."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engine.execute.ledger import KeepBlob
from engine.execute.observations import cut_middle, decoded
from engine.execute.tools.base import Arguments, Done, Tool, program_done
from engine.ports import Workspace
from engine.schema.sandbox import Action
from engine.schema.tools import ToolName

_N_RESULTS = 6
_TIMEOUT_S = 10.0


class MemorySearchArguments(Arguments):
    """Arguments of memory_search."""

    query: Annotated[str, Field(min_length=1, max_length=1000, description="The words to look for.")]
    maxResults: Annotated[  # noqa: N815
        int | None, Field(ge=1, le=50, description="How many passages at most; 6 by default.")
    ] = None
    minScore: Annotated[  # noqa: N815
        float | None, Field(ge=0, description="Leaves out passages with a lower score.")
    ] = None


class MemoryGetArguments(Arguments):
    """Arguments of memory_get."""

    path: Annotated[str, Field(min_length=1, max_length=1000, description="MEMORY.md or memory/NAME.md.")]
    from_: Annotated[
        int | None,
        Field(alias="from", ge=1, description="Line to start at; the first line is number 1."),
    ] = None
    lines: Annotated[int | None, Field(ge=1, description="How many lines to read at most.")] = None


def _search(arguments: MemorySearchArguments, workspace: Workspace, timeout_s: float, keep: KeepBlob) -> Done:
    asked = {
        "query": arguments.query,
        "n_results": arguments.maxResults or _N_RESULTS,
        "min_score": arguments.minScore or 0.0,
    }
    effect = workspace.perform(Action.MEMORY_SEARCH, asked, timeout_s=min(timeout_s, _TIMEOUT_S))
    return program_done("memory_search", effect, keep, tell=_told)


def _get(arguments: MemoryGetArguments, workspace: Workspace, timeout_s: float, keep: KeepBlob) -> Done:
    asked = {"path": arguments.path, "first": arguments.from_ or 1, "n_lines": arguments.lines}
    effect = workspace.perform(Action.MEMORY_GET, asked, timeout_s=min(timeout_s, _TIMEOUT_S))
    return program_done("memory_get", effect, keep, path=arguments.path, tell=_told)


def _told(answer: bytes) -> str:
    return cut_middle(decoded(answer))


MEMORY_SEARCH = Tool(
    ToolName.MEMORY_SEARCH,
    "Search MEMORY.md and memory/*.md for words. Returns the passages that fit best, with path, lines and "
    "score. Use it before answering what was noted, decided or asked for earlier.",
    MemorySearchArguments,
    _search,
)
MEMORY_GET = Tool(
    ToolName.MEMORY_GET,
    "Read lines of MEMORY.md or of one file memory/NAME.md, e.g. around what memory_search has found.",
    MemoryGetArguments,
    _get,
)
