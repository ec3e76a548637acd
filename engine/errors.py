"""The project's errors: each says what, where and how to mend it, in one line."""

from __future__ import annotations

import re

from engine.schema.chat import Usage

_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class StudioError(Exception):
    """The work failed (exit 1). Its text is one line for the person at the screen: what, where, the mend."""

    exit_code = 1


class InputError(StudioError):
    """The words or the input are wrong (exit 2); nothing was written."""

    exit_code = 2


class NotFoundError(InputError):
    """A named thing does not exist."""


class SandboxError(StudioError):
    """No isolated workspace could be had, or the one in use was lost. No unisolated shell stands in."""


class ModelError(StudioError):
    """A model call failed for good: retries are used up, or the request can never succeed."""

    def __init__(self, message: str, usage: Usage | None = None) -> None:
        super().__init__(message)
        self.usage = usage or Usage()
        """What the call consumed all the same."""


class QueryError(InputError):
    """A query was refused (not one SELECT, unknown column); exit 2."""


class QueryLimitError(StudioError):
    """A query was ended at its bound of time or memory; exit 1."""


def one_line(text: object, limit: int = 300) -> str:
    """`text` on one line, cut to `limit` characters: for messages that hold foreign text.

    What steers a terminal, and halves of characters, stand as the replacement character.
    """
    flat = _UNFIT.sub("\ufffd", " ".join(str(text).split()))
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
