"""The base of every record: frozen, closed to unknown fields."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$")]
"""A name that is safe as a file name: lower case, no separators, never starting with a dot."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A content hash, in hex; it names files, so nothing else may pass."""
Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
"""A whole number that the derived tables can hold."""
Count = Annotated[int, Field(ge=0, le=2**53)]
"""How many: every JSON reader holds it exactly, and the sum of a few is an `Int64`."""
MAX_SEED = 2**32 - 1
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
"""What every generator here takes as its seed."""


class Record(BaseModel):
    """A frozen record that refuses unknown fields, so that a misspelt field is an error and not a loss."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def utc_now() -> datetime:
    """The current instant in UTC, to the second's thousandth."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
