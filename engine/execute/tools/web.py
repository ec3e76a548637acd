"""web_search and web_fetch, over the small web that comes with the workspace and what itself serves."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

from engine.execute.ledger import KeepBlob
from engine.execute.observations import decoded
from engine.execute.tools.base import Arguments, Done, Tool, program_done
from engine.ports import Workspace
from engine.schema.base import Count, Record
from engine.schema.sandbox import Action, Effect
from engine.schema.tools import ToolName

MAX_CHARS = 50_000
_N_RESULTS = 5
_TIMEOUT_S = 5.0


class WebSearchArguments(Arguments):
    """Arguments of web_search."""

    query: Annotated[str, Field(min_length=1, max_length=400, description="The words to search for.")]
    count: Annotated[
        int | None, Field(ge=1, le=10, description="How many results at most; 5 by default.")
    ] = None


class WebFetchArguments(Arguments):
    """Arguments of web_fetch."""

    url: Annotated[str, Field(min_length=1, max_length=2000, description="The address, http or https.")]
    extractMode: Annotated[  # noqa: N815
        Literal["markdown", "text"] | None,
        Field(description="How an HTML page is told: markdown, as by default, or text."),
    ] = None
    maxChars: Annotated[  # noqa: N815
        int | None, Field(ge=100, description="Characters of text at most; longer ones are cut.")
    ] = None


class Fetched(Record):
    """What web_fetch brought: the page's account and its text."""

    url: str
    finalUrl: str  # noqa: N815
    status: Count
    contentType: str  # noqa: N815
    title: str
    truncated: bool
    length: Count
    """Characters of the whole text."""
    text: str


class Web(Protocol):
    """THE SEAM for another web than the workspace's own.

    A provider of the real web would stand here, chosen by an explicit setting and bound to an allow-list of
    hosts; what it answers has the shapes that `Workspace.perform` names.
    """

    def fetch(self, workspace: Workspace, url: str, *, markdown: bool, timeout_s: float) -> Effect:
        """What stands at `url`."""
        ...

    def search(self, workspace: Workspace, query: str, *, n_results: int, timeout_s: float) -> Effect:
        """The pages that fit `query` best."""
        ...


class WorkspaceWeb:
    """The web inside the workspace: nothing leaves it."""

    def fetch(self, workspace: Workspace, url: str, *, markdown: bool, timeout_s: float) -> Effect:
        """What one of our pages, or a server in the workspace, answers."""
        asked = {"url": url, "markdown": markdown}
        return workspace.perform(Action.WEB_FETCH, asked, timeout_s=timeout_s)

    def search(self, workspace: Workspace, query: str, *, n_results: int, timeout_s: float) -> Effect:
        """Those of our pages that fit best."""
        asked = {"query": query, "n_results": n_results}
        return workspace.perform(Action.WEB_SEARCH, asked, timeout_s=timeout_s)


WEB: Web = WorkspaceWeb()


def _search(arguments: WebSearchArguments, workspace: Workspace, timeout_s: float, keep: KeepBlob) -> Done:
    n_results = arguments.count or _N_RESULTS
    effect = WEB.search(workspace, arguments.query, n_results=n_results, timeout_s=timeout_s)
    return program_done("web_search", effect, keep, tell=decoded)


def _fetch(arguments: WebFetchArguments, workspace: Workspace, timeout_s: float, keep: KeepBlob) -> Done:
    markdown = arguments.extractMode != "text"
    seconds = min(timeout_s, _TIMEOUT_S)
    effect = WEB.fetch(workspace, arguments.url, markdown=markdown, timeout_s=seconds)
    max_chars = min(arguments.maxChars or MAX_CHARS, MAX_CHARS)
    return program_done("web_fetch", effect, keep, tell=lambda answer: _page_text(answer, max_chars))


def _page_text(answer: bytes, max_chars: int) -> str:
    page = Fetched.model_validate_json(answer)
    shown: dict[str, Any] = page.model_dump()
    if len(page.text) > max_chars:
        shown.update(truncated=True, text=page.text[:max_chars])
    return json.dumps(shown, ensure_ascii=False, indent=1)


WEB_SEARCH = Tool(
    ToolName.WEB_SEARCH,
    "Search the web that this workspace reaches. Returns titles, addresses and a line or two of each page.",
    WebSearchArguments,
    _search,
)
WEB_FETCH = Tool(
    ToolName.WEB_FETCH,
    "Fetch one page, of the web that this workspace reaches or of a server in it (http://127.0.0.1:PORT). "
    "Returns status, title and text; an error where the host is unknown, or the status is 400 or more.",
    WebFetchArguments,
    _fetch,
)
