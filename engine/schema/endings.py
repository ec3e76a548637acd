"""How an observation says that a call did not end well: the tools write it, the scripted agent reads it."""

from __future__ import annotations

import json
import re

from engine.schema.sandbox import Account

_KILLED = {
    "output": "it wrote too much output",
    "files": "the workspace holds too many files",
    "memory": "the workspace's processes use too much memory",
    "cpu": "it used up its processor time",
    "processes": "too many processes ran",
    "call_time": "a call beside it ran out of time",
    "restore": "the workspace was put back to a checkpoint",
}
_CLOSING = re.compile(
    r"\(Command (?:exited with code -?\d+|timed out after \S+ s|was killed(?:: | by )[^\n]+)\)\Z"
)
_ERROR_START = '{"status": "error", "tool": '


def closing_line(account: Account, timeout_s: float) -> str:
    """How a command ended, as the last line of its observation; empty where it ended well."""
    if account.timed_out:
        return f"(Command timed out after {timeout_s:g} s)"
    if account.limit in _KILLED:
        return f"(Command was killed: {_KILLED[account.limit]})"
    if account.signal is not None:
        return f"(Command was killed by signal {account.signal})"
    if account.exit_code:
        return f"(Command exited with code {account.exit_code})"
    return ""


def error_text(tool: str, error: str) -> str:
    """A failure as the paper's tools report it: the whole observation."""
    return json.dumps({"status": "error", "tool": tool, "error": error}, ensure_ascii=False)


def says_failure(observation: str) -> bool:
    """True where the observation is an error or closes with a bad ending; one that quotes them is none."""
    return observation.startswith(_ERROR_START) or _CLOSING.search(observation) is not None


def without_closing(observation: str) -> str:
    """What the command itself wrote."""
    return _CLOSING.sub("", observation)
