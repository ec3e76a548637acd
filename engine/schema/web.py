"""Pages of the small web that a workspace reaches: our own, made up, the same for every rollout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from engine.schema.base import Record

Host = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,200}\.(?:example|test)$")]
"""A name that the real web never has."""
Path = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._~/?=&%-]*$")]


class WebPage(Record):
    """What one address answers."""

    path: Path
    """Path and query, as they are asked for."""
    title: str = ""
    """Of an HTML page."""
    body: str = ""
    """What stands in the body of an HTML page; of anything else the whole content."""
    type: str = "text/html"
    base64: bool = False
    """True where `body` is bytes in base64."""
    status: int = Field(default=200, ge=200, le=599)
    headers: Mapping[str, str] = {}
    delay_s: float = Field(default=0.0, ge=0.0, le=3600.0)
    """How long it takes to answer."""


class WebHost(Record):
    """One host with its pages."""

    host: Host
    pages: tuple[WebPage, ...] = Field(min_length=1)
