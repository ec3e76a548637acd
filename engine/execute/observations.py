"""Observations: what the agent sees of an effect. Short enough for a model; the ledger keeps all.

They hold nothing that differs from run to run, such as durations.
"""

from __future__ import annotations

from itertools import accumulate, takewhile

from engine.schema.endings import closing_line
from engine.schema.sandbox import Effect, SessionState

MAX_BYTES = 50_000
MAX_LINES = 2000


def exec_text(effect: Effect, timeout_s: float) -> str:
    """Output, then errors, then how the command ended unless it ended well."""
    return _joined(*_streams(effect), closing_line(effect, timeout_s)) or "(no output)"


def session_text(effect: Effect) -> str:
    """What a background session has newly written, then how it stands."""
    session = effect.sessions[0]
    return _joined(*_streams(effect), _standing(effect, session))


def _standing(effect: Effect, session: SessionState) -> str:
    if session.running and effect.action == "exec":
        return f"Command still running (session {session.session_id}). Use process to follow it."
    if session.running:
        return f"(Session {session.session_id} is still running)"
    if session.killed:
        return f"(Session {session.session_id} was killed, as asked for)"
    closing = closing_line(effect, session.timeout_s or 0.0)
    return closing or f"(Session {session.session_id} has ended with code 0)"


def listed_text(sessions: tuple[SessionState, ...]) -> str:
    """All sessions, one a line: how it stands and its command."""
    return "\n".join(f"{s.session_id}  {_state(s)}  {' '.join(s.command.split())}" for s in sessions) or (
        "(no sessions)"
    )


def _state(session: SessionState) -> str:
    if session.running:
        return "running"
    if session.killed:
        return "killed"
    if session.limit:
        return f"ended by the limit: {session.limit}"
    return f"ended, code {session.exit_code}" if session.signal is None else f"ended, signal {session.signal}"


def _streams(effect: Effect) -> list[str]:
    return [
        cut_middle(decoded(data), total - len(data))
        for data, total in (
            (effect.stdout, effect.stdout_total_bytes),
            (effect.stderr, effect.stderr_total_bytes),
        )
    ]


def _joined(*parts: str) -> str:
    return "\n".join(part.removesuffix("\n") for part in parts if part)


def read_text(effect: Effect, offset: int, limit: int | None, what: str = "file") -> str | None:
    """Lines of a file or log from line `offset` on, with a note where there are more; None beyond its end."""
    lines = _lines(decoded(effect.stdout))
    if offset > max(1, len(lines)):
        return None
    wanted = lines[offset - 1 :][: min(limit or MAX_LINES, MAX_LINES)]
    shown = _within(wanted, MAX_BYTES) or [_first_bytes(line, MAX_BYTES) for line in wanted[:1]]
    after = offset + len(shown)
    notes = []
    if len(lines) >= after:
        notes.append(f"{len(lines) - after + 1} more lines in the {what}, go on with offset={after}")
    if shown != wanted[: len(shown)]:
        notes.append(f"line {offset} is cut at {MAX_BYTES} bytes")
    if missing := effect.stdout_total_bytes - len(effect.stdout):
        notes.append(f"the last {missing} bytes of the {what} are out of reach here")
    text = "".join(shown)
    return f"{text.removesuffix(chr(10))}\n\n[{'; '.join(notes)}]" if notes else text


def cut_middle(text: str, n_lost_bytes: int = 0) -> str:
    """`text` if it is short, else its beginning and end with a line that says how much is left out.

    Args:
        text: What was kept of a stream.
        n_lost_bytes: How much more there was after it; then only its beginning is shown.
    """
    lines = _lines(text)
    if len(lines) <= MAX_LINES and _size(text) <= MAX_BYTES and not n_lost_bytes:
        return text
    head = "".join(_within(lines[: MAX_LINES // 2], MAX_BYTES // 2)) or _first_bytes(text, MAX_BYTES // 2)
    rest = _lines(text[len(head) :])[-MAX_LINES // 2 :] if not n_lost_bytes else []
    tail = "".join(_within(rest[::-1], MAX_BYTES // 2)[::-1])
    n_out = _size(text) - _size(head) - _size(tail) + n_lost_bytes
    return f"{head.removesuffix(chr(10))}\n[... {n_out} bytes left out ...]\n{tail}" if n_out else text


def decoded(data: bytes) -> str:
    """Bytes as text for a model; what is no text becomes the replacement character."""
    return data.decode("utf-8", "replace").replace("\0", "\ufffd")


def _lines(text: str) -> list[str]:
    *whole, last = text.split("\n")
    return [line + "\n" for line in whole] + ([last] if last else [])


def _within(lines: list[str], max_bytes: int) -> list[str]:
    sizes = accumulate(_size(line) for line in lines)
    return lines[: sum(1 for _ in takewhile(lambda size: size <= max_bytes, sizes))]


def _first_bytes(text: str, max_bytes: int) -> str:
    return text.encode("utf-8")[:max_bytes].decode("utf-8", "ignore")


def _size(text: str) -> int:
    return len(text.encode("utf-8"))
