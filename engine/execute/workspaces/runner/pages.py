"""HTML as text: its title, and what it says as Markdown or plain."""

from __future__ import annotations

import re
from html.parser import HTMLParser

MAX_TITLE_CHARS = 200
_SILENT = frozenset({"script", "style", "noscript", "template", "svg", "title"})
_BLOCKS = frozenset(
    {"p", "div", "section", "article", "main", "header", "footer", "nav", "aside", "ul", "ol", "dl", "table",
     "blockquote", "figure", "form", "fieldset", "body", "html", "head"}
)  # fmt: skip
_LINES = frozenset({"br", "tr", "li", "dt", "dd", "hr", "option"})
_MARKS = {"code": "`", "strong": "**", "b": "**", "em": "*", "i": "*"}
_HEADING = re.compile(r"h([1-6])")
_NOT_SHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


class Page(HTMLParser):
    """Takes a page's title and text as it is fed."""

    def __init__(self, markdown: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.markdown = markdown
        self.title: list[str] = []
        self.pieces: list[str] = []
        self.silent: list[str] = []
        self.links: list[str | None] = []
        self.n_pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag that opens."""
        if tag in _SILENT:
            self.silent.append(tag)
        elif heading := _HEADING.fullmatch(tag):
            self._put("\n\n" + (f"{'#' * int(heading[1])} " if self.markdown else ""))
        elif tag == "pre":
            self.n_pre += 1
            self._put("\n\n```\n" if self.markdown else "\n\n")
        elif tag in _BLOCKS:
            self._put("\n\n")
        elif tag in _LINES:
            self._put("\n- " if tag == "li" else "\n")
        elif tag in ("td", "th"):
            self._put(" | ")
        elif tag == "a":
            self.links.append(dict(attrs).get("href"))
            self._mark("[")
        elif tag in _MARKS and not self.n_pre:
            self._mark(_MARKS[tag])

    def handle_endtag(self, tag: str) -> None:
        """A tag that closes."""
        if tag in _SILENT:
            if tag in self.silent:
                del self.silent[self.silent.index(tag) :]
        elif tag == "pre" and self.n_pre:
            self.n_pre -= 1
            self._put("\n```\n\n" if self.markdown else "\n\n")
        elif tag in _BLOCKS or _HEADING.fullmatch(tag):
            self._put("\n\n")
        elif tag == "a" and self.links:
            self._mark(f"]({self.links.pop() or ''})")
        elif tag in _MARKS and not self.n_pre:
            self._mark(_MARKS[tag])

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        if self.silent:
            if self.silent[-1] == "title":
                self.title.append(data)
        else:
            self._put(data if self.n_pre else re.sub(r"\s+", " ", data))

    def _mark(self, text: str) -> None:
        if self.markdown:
            self._put(text)

    def _put(self, text: str) -> None:
        if not self.silent:
            self.pieces.append(text)

    def text(self) -> str:
        """What the page says, without more than one empty line at a time."""
        lines = [line.rstrip() for line in "".join(self.pieces).split("\n")]
        return clean(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip())


def read_html(html: str, markdown: bool) -> tuple[str, str]:
    """Title and text of a page."""
    page = Page(markdown)
    page.feed(html)
    page.close()
    return clean(" ".join("".join(page.title).split()))[:MAX_TITLE_CHARS], page.text()


def clean(text: str) -> str:
    """The text without what a terminal or a reader would obey instead of show."""
    return _NOT_SHOWN.sub("", text)
