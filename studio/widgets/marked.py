"""Foreign text with some of its words marked: text nodes that a few constant lines of JavaScript make.

For want of a Streamlit call that marks words and renders nothing: the text goes to the browser as data and
into the page as `textContent`, never as Markdown or HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from studio.widgets.content import CHARACTERS_SHOWN
from studio.widgets.plain import visible
from studio.widgets.word_diff import Part

_HTML = '<div class="lines"></div>'
_CSS = """
.lines { color: var(--st-text-color); font-family: var(--st-font); font-size: 0.96rem; line-height: 1.6; }
p { margin: 0 0 0.4rem; white-space: pre-wrap; overflow-wrap: anywhere; }
p.fact { display: grid; grid-template-columns: 5.6rem 1fr; margin: 0 0 0.2rem; }
p.fact { font-size: 0.86rem; line-height: 1.45; }
p.first { border-top: 1px solid var(--st-border-color); margin-top: 0.8rem; padding-top: 0.7rem; }
b { font-weight: 400; opacity: 0.72; }
mark {
  background: var(--st-yellow-background-color); color: inherit; border-radius: 3px; padding: 0 0.1em;
  text-decoration: underline 2px; text-underline-offset: 3px; text-decoration-color: var(--st-orange-color);
}
"""
_JS = """
export default function ({ data, parentElement }) {
  const place = parentElement.querySelector(".lines");
  const made = (name, text) => Object.assign(document.createElement(name), { textContent: text });
  place.replaceChildren(...data.lines.map(({ label, parts }, at) => {
    const said = document.createElement(label ? "span" : "p");
    said.append(...parts.map(([text, marked]) => made(marked ? "mark" : "span", text)));
    if (!label) return said;
    const fact = made("p", "");
    fact.className = at === 1 ? "fact first" : "fact";
    fact.append(made("b", label), said);
    return fact;
  }));
}
"""


class Line(NamedTuple):
    """A line of text; with a label, which is our own word, it is a fact below the text."""

    parts: Sequence[Part]
    label: str = ""


def marked_lines(lines: Sequence[Line], key: str) -> None:
    """The lines, their marked parts standing out. `key` is unique on the page."""
    shown = [
        {"label": label, "parts": [(visible(p.text)[:CHARACTERS_SHOWN], p.marked) for p in parts]}
        for parts, label in lines
    ]
    component = st.components.v2.component("ise_marked_lines", html=_HTML, css=_CSS, js=_JS)
    component(data={"lines": shown}, key=key)
