"""Errors on the screen: one line that says what, where and the mend; the page goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from engine.errors import StudioError
from studio.widgets.plain import escaped


def show_error(error: StudioError) -> None:
    """The error's one line in a red box. It may hold foreign text (a path, a model's words): escaped."""
    st.error(escaped(str(error)))


@contextmanager
def shown() -> Iterator[None]:
    """Shows a `StudioError` of the block where the block stands, and lets the page go on."""
    try:
        yield
    except StudioError as error:
        show_error(error)
