"""Brings the chosen call into sight: a few constant lines of JavaScript, for want of a Streamlit call."""

from __future__ import annotations

import streamlit as st

_JS = """
export default function ({ data }) {
  const ledger = document.querySelector('[class*="st-key-call-chosen-"]');
  const key = data && data.place;
  if (!ledger || window.__iseReplayPlace === key) return;
  window.__iseReplayPlace = key;
  ledger.scrollIntoView({ block: "start", behavior: "smooth" });
}
"""


def scroll_to_chosen(place: str) -> None:
    """Scrolls to the chosen call of the ledger, once for each place; `place` is our own word for it."""
    st.components.v2.component("ise_scroll_to_chosen", js=_JS)(data={"place": place}, key="scroll", height=0)
