"""The ledger panel: what the workspace really did for one tool call."""

from __future__ import annotations

import streamlit as st

from engine.catalog.signals import STDERR_TAIL_BYTES, failure_of
from engine.paths import RunPaths
from engine.schema.reexecution import CallReexecution
from engine.schema.sandbox import BlobRef, FileChange, LedgerEntry, SessionState
from engine.schema.trajectory import ToolCall
from engine.store.runs import read_blob
from studio.widgets import content, errors
from studio.widgets.again import verdict_badge, verdict_detail
from studio.widgets.plain import duration, moment, plural, size, words


def ending(call: ToolCall) -> str:
    """How a call ended, in a word or two: "exit 1", "timed out", "signal 9", "in the background", "done"."""
    entry = call.ledger
    if entry.timed_out:
        return "timed out"
    if entry.signal is not None:
        return f"signal {entry.signal}"
    if entry.exit_code is not None:
        return f"exit {entry.exit_code}"
    if call.failed:
        return "error"
    return "in the background" if any(s.running for s in entry.sessions) else "done"


def ending_badge(call: ToolCall) -> None:
    """The ending as a badge: red for a failed call, green for another."""
    st.badge(ending(call), color="red" if call.failed else "green")


def ledger_card(
    run: RunPaths, call: ToolCall, number: int, *, chosen: bool, again: CallReexecution | None = None
) -> None:
    """One call's account: command, folder, ending, duration, streams, file changes; how it ran again."""
    entry = call.ledger
    mark = f"{'chosen' if chosen else 'plain'}-{'failed' if call.failed else 'done'}"
    with st.container(border=True, key=f"call-{mark}-{number}", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(f"{number}", color="primary" if chosen else "gray")
            content.strong(call.name, f"tool-{number}")
            ending_badge(call)
            if again is not None:
                verdict_badge(again)
            st.space("stretch")
            st.caption(duration(entry.duration_ms), width="content")
        language = "bash" if entry.action == "exec" else None
        content.long_block(entry.command_line, f"command-{number}", language=language)
        content.quiet(f"in {entry.cwd} · {moment(entry.started_at)}", f"cwd-{number}")
        _problems(run, call, number)
        _stream(run, "stdout", entry.stdout, f"{number}-out")
        _stream(run, "stderr", entry.stderr, f"{number}-err")
        _processes(entry, number)
        if entry.changes:
            _changes(entry.changes, number)
        if again is not None:
            verdict_detail(again, number)


def _problems(run: RunPaths, call: ToolCall, number: int) -> None:
    """Why a failed call failed: its class, and the line that shows it with the stream it stands in."""
    if not call.failed:
        return
    failure = failure_of(call, _stderr_end(run, call.ledger))
    if failure is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", key=f"why-{number}"):
        st.badge(words(failure.error_class.value), color="red")
        st.caption(f"by its {failure.source.value}", width="content")
    content.block(failure.line)
    for text in dict.fromkeys(t for t in (call.error, call.ledger.error) if t):
        if text != failure.line:
            content.block(text)


def _stderr_end(run: RunPaths, entry: LedgerEntry) -> str:
    """The end of a call's stderr, as much of it as the catalogue looks at."""
    text = ""
    if entry.stderr is not None:
        with errors.shown():
            text = read_blob(run, entry.stderr)[-STDERR_TAIL_BYTES:].decode("utf-8", errors="replace")
    return text


def _processes(entry: LedgerEntry, number: int) -> None:
    """The background sessions that the call was about, and what it left running."""
    for place, session in enumerate(entry.sessions):
        content.quiet(f"session {session.session_id}: {_standing(session)}", f"session-{number}-{place}")
    if entry.left:
        st.caption(plural(entry.n_left, "process left running", "processes left running"))
        content.long_block("\n".join(f"{p.pid}  {p.command}" for p in entry.left), f"left-{number}")


def _standing(session: SessionState) -> str:
    if session.running:
        return f"running, {size(session.n_bytes)} of output so far"
    if session.killed:
        return "killed, as the agent asked for"
    if session.limit:
        return f"ended by the limit: {session.limit}"
    code = f"signal {session.signal}" if session.signal is not None else f"exit {session.exit_code}"
    return f"ended, {code}"


def _stream(run: RunPaths, label: str, ref: BlobRef | None, key: str) -> None:
    if ref is None:
        return
    with errors.shown():
        content.stream(label, read_blob(run, ref), ref.total_bytes, key)


def _changes(changes: tuple[FileChange, ...], number: int) -> None:
    st.caption(plural(len(changes), "file changed", "files changed"))
    for position, change in enumerate(changes):
        known = "" if change.size_bytes is None else f"  {size(change.size_bytes)}"
        content.quiet(f"{change.kind.value}  {change.path}{known}", f"change-{number}-{position}")
        if change.diff:
            content.long_block(change.diff, f"diff-{number}-{position}", language="diff")
