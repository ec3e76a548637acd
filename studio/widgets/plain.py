"""Text and numbers for the screen: numbers as people read them, foreign text so that it stays text."""

from __future__ import annotations

import re
import string
from datetime import UTC, datetime

_ADDRESS = re.compile(r":(?=//)|www(?=\.)|@", re.IGNORECASE)
_PUNCTUATION = str.maketrans({c: f"\\{c}" for c in string.punctuation})


def escaped(text: str) -> str:
    """`text` with every punctuation mark escaped: where Streamlit renders Markdown, it shows as it is.

    For the few places that take only Markdown (error boxes, labels). Long content goes through `st.text`
    or `st.code`, which never render. Addresses get an invisible joint: they would become links otherwise,
    escaped or not.
    """
    return _ADDRESS.sub("\\g<0>\u2060", " ".join(text.split())).translate(_PUNCTUATION)


def count(number: int) -> str:
    """A count with thousands separated: 43,956."""
    return f"{number:,}"


def big_count(number: int) -> str:
    """A count that may be astronomic: 43,956, or 1.3 × 10¹¹ from ten million on."""
    if number < 10_000_000:
        return count(number)
    exponent = len(str(number)) - 1
    digits = str(exponent).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{number / 10**exponent:.1f} × 10{digits}"


def share(part: int, whole: int) -> str:
    """A share in percent with one decimal; a dash of nothing."""
    return f"{part / whole:.1%}" if whole else "–"


def duration(milliseconds: float) -> str:
    """A duration: 8 ms, 1.4 s, 2 min 05 s."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"


def size(n_bytes: int) -> str:
    """A size: 312 B, 4.0 KiB, 1.2 MiB, 4.0 GiB."""
    if n_bytes < 1024:
        return f"{n_bytes} B"
    if n_bytes < 1024**2:
        return f"{n_bytes / 1024:.1f} KiB"
    if n_bytes < 1024**3:
        return f"{n_bytes / 1024**2:.1f} MiB"
    return f"{n_bytes / 1024**3:.1f} GiB"


def moment(instant: datetime) -> str:
    """An instant in UTC to the second."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def words(name: str) -> str:
    """A closed choice's value as words: "user_done" reads "user done"."""
    return name.replace("_", " ")


def plural(number: int, one: str, many: str | None = None) -> str:
    """A counted noun: "1 run", "2 runs"."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_HIDDEN = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"}
_HIDDEN |= {0x7F: "\u2421"} | {
    code: f"⟨U+{code:04X}⟩" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


def visible(text: str) -> str:
    """Foreign text fit for the screen: no colour codes, no hidden or direction-changing characters.

    Lone surrogates, which the browser's wire format cannot carry, become question marks.
    """
    flat = _ANSI.sub("", text.replace("\r\n", "\n"))
    return flat.translate(_HIDDEN).encode("utf-8", errors="replace").decode("utf-8")
