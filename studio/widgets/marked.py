"""Foreign text with some of its words marked: text nodes that a few constant lines of JavaScript make.

For want of a Streamlit call that marks words and renders nothing: the text goes to the browser as data and
into the page as `textContent`, never as Markdown or HTML.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from studio.widgets.content import CHARACTERS_SHOWN
from studio.widgets.plain import visible
from studio.widgets.word_diff import Part

_CSS = """
div { color: var(--st-text-color); font-family: var(--st-font); font-size: 0.96rem; line-height: 1.6; }
p { margin: 0 0 0.4rem; white-space: pre-wrap; overflow-wrap: anywhere; }
p.fact { font-size: 0.86rem; line-height: 1.45; margin: 0 0 0.15rem; opacity: 0.9; }
p.first { border-top: 1px solid var(--st-border-color); margin-top: 0.7rem; padding-top: 0.6rem; }
b { font-weight: 600; margin-right: 0.5rem; }
mark {
  background: var(--st-yellow-background-color); color: inherit; border-radius: 3px; padding: 0 0.1em;
  text-decoration: underline 2px; text-underline-offset: 3px; text-decoration-color: var(--st-orange-color);
}
"""
_JS = """
export default function ({ data, parentElement }) {
  const place = parentElement.querySelector("div");
  place.replaceChildren(...data.lines.map((line, at) => {
    const p = document.createElement("p");
    if (line.some(([, kind]) => kind === "label")) p.className = at === 1 ? "fact first" : "fact";
    p.append(...line.map(([text, kind]) => {
      if (!kind) return document.createTextNode(text);
      const element = document.createElement(kind === "mark" ? "mark" : "b");
      element.textContent = text;
      return element;
    }));
    return p;
  }));
}
"""


def marked_lines(lines: Sequence[Sequence[Part]], key: str) -> None:
    """Lines of text; parts of kind "mark" stand out, a line with a "label" is a fact. `key` is unique."""
    shown = [[[visible(part.text)[:CHARACTERS_SHOWN], part.kind] for part in line] for line in lines]
    component = st.components.v2.component("ise_marked_lines", html="<div></div>", css=_CSS, js=_JS)
    component(data={"lines": shown}, key=key)
