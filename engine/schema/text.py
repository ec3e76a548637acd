"""Foreign text made fit to be written: JSON may spell half a character, UTF-8 cannot."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


def well_formed(text: str) -> str:
    """`text` with every lone surrogate as the replacement character, so that it can be encoded."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def _mended(value: object) -> object:
    return well_formed(value) if isinstance(value, str) else value


ForeignText = Annotated[str, BeforeValidator(_mended)]
"""A string from foreign JSON, well-formed once it is validated."""
