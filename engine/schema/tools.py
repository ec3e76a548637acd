"""The names of the agent's tools. Closed: a taxonomy and a playbook can name no other."""

from __future__ import annotations

from enum import StrEnum


class ToolName(StrEnum):
    """A tool of the agent, under the paper's name."""

    EXEC = "exec"
    PROCESS = "process"
    READ = "read"
    WRITE = "write"
    EDIT = "edit"
    MEMORY_SEARCH = "memory_search"
    MEMORY_GET = "memory_get"
    WEB_SEARCH = "web_search"
    WEB_FETCH = "web_fetch"
