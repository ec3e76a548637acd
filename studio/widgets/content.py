"""Foreign content on the screen: only as plain text or code, never as Markdown, HTML or a label."""

from __future__ import annotations

import streamlit as st

from studio.widgets.plain import count, plural, size, visible

LINES_SHOWN = 24
"""A stream shows this many lines until all of it is asked for."""
CHARACTERS_SHOWN = 200_000
"""More than this is not put on the screen at once; the download has all of it."""


def prose(text: str, key: str) -> None:
    """Running text as somebody wrote it, line breaks kept."""
    with st.container(key=f"prose-{key}", gap=None):
        st.text(visible(text), width="stretch")


def strong(text: str, key: str) -> None:
    """One line that names something, as wide as it is, cut at the edge."""
    with st.container(key=f"strong-{key}", gap=None, width="content"):
        st.text(visible(text), wrap=False)


def quiet(text: str, key: str) -> None:
    """A line in the background."""
    with st.container(key=f"quiet-{key}", gap=None):
        st.text(visible(text), width="stretch")


def block(text: str, *, language: str | None = None) -> None:
    """Code, a command or a diff, long lines broken."""
    st.code(visible(text), language=language, wrap_lines=True)


def long_block(text: str, key: str, *, language: str | None = None, n_lines: int = LINES_SHOWN) -> None:
    """A block that shows its first lines until all of it is asked for. `key` is unique on the page."""
    lines = visible(text).rstrip("\n").split("\n")
    whole = len(lines) <= n_lines + 2 or st.toggle(f"Show all {count(len(lines))} lines", key=f"all-{key}")
    shown = "\n".join(lines if whole else lines[:n_lines])
    st.code(shown[:CHARACTERS_SHOWN], language=language, wrap_lines=True)
    if len(shown) > CHARACTERS_SHOWN:
        st.caption(f"The first {count(CHARACTERS_SHOWN)} characters of {count(len(shown))}.")


def stream(label: str, data: bytes, total_bytes: int, key: str) -> None:
    """A stream of a call: its first lines, all of it on request, and a word on what the output cap cut.

    Args:
        label: "stdout" or "stderr".
        data: The bytes kept.
        total_bytes: The bytes that the call wrote.
        key: Unique on the page.
    """
    lines = visible(data.decode("utf-8", errors="replace")).rstrip("\n").split("\n")
    head = f"{label} · {plural(len(lines), 'line')} · {size(total_bytes)}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(head)
        whole = len(lines) <= LINES_SHOWN
        if not whole:
            st.space("stretch")
            whole = st.toggle(f"Show all {count(len(lines))} lines", key=f"all-{key}")
    text = "\n".join(lines if whole else lines[:LINES_SHOWN])
    st.code(text[:CHARACTERS_SHOWN], language=None, wrap_lines=True)
    if len(text) > CHARACTERS_SHOWN:
        st.caption(f"The first {count(CHARACTERS_SHOWN)} characters of {count(len(text))}.")
        st.download_button(
            "Download all of it", data, f"{label}.txt", "text/plain", key=f"get-{key}", on_click="ignore"
        )
    if total_bytes > len(data):
        st.caption(f"The sandbox's output cap kept {size(len(data))} of {size(total_bytes)}.")
