"""The web that a workspace reaches: our own pages, served on its loopback, and what itself serves there.

Names of our pages' hosts lead to a server that lives as long as the fetch; no other name is known.
"""

from __future__ import annotations

import base64
import threading
import time
from typing import Any, NamedTuple

from .pages import clean, read_html
from .programs import RefusedError
from .search import rank, words_of

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_BODY_BYTES = 1 << 20
MAX_REDIRECTS = 5
MAX_DESCRIPTION_CHARS = 240
_TEXT = ("text/", "application/json", "application/xml", "application/yaml", "application/javascript")
_TEXT_SUFFIXES = ("+json", "+xml")


class Address(NamedTuple):
    """Where one request goes."""

    scheme: str
    host: str
    port: int | None
    target: str


class Reply(NamedTuple):
    """What came back: status, headers, and the body up to a cap."""

    status: int
    reason: str
    headers: Any
    body: bytes
    is_cut: bool


def fetch(pages: list[dict[str, Any]], url: str, markdown: bool, max_bytes: int) -> dict[str, Any]:
    """What stands at `url`, redirects followed: status, type, title, text.

    Args:
        pages: Our own pages.
        url: Where to look.
        markdown: How HTML is told; else as plain text.
        max_bytes: Of a body no more is read, nor more than a mebibyte.

    Raises:
        RefusedError: There is no such host, nothing answers, the status is an error, or it is no text.
    """
    server = Server(pages)
    place = url
    for _ in range(MAX_REDIRECTS + 1):
        reply = _request(server, _address(place), place, min(max_bytes, MAX_BODY_BYTES))
        location = reply.headers.get("Location")
        if reply.status not in (301, 302, 303, 307, 308) or not location:
            return _read(url, place, reply, markdown)
        from urllib.parse import urljoin

        place = urljoin(place, location)
    raise RefusedError(f"more than {MAX_REDIRECTS} redirects: {url}")


def search(pages: list[dict[str, Any]], query: str, n_results: int) -> dict[str, Any]:
    """The pages that fit the query best."""
    found = [page for page in pages if page["status"] == 200 and page["type"].startswith("text/")]
    texts = [read_html(document(page), False) for page in found]
    words = [[*words_of(title) * 3, *words_of(text)] for title, text in texts]
    results = []
    for hit in rank(query, words)[:n_results]:
        page, (title, text) = found[hit.place], texts[hit.place]
        results.append(
            {
                "title": title,
                "url": page["url"],
                "description": _around(query, text),
                "siteName": page["host"],
            }
        )
    return {"query": query, "count": len(results), "results": results}


def document(page: dict[str, Any]) -> str:
    """A page's HTML as it is served."""
    if page["type"] != "text/html":
        return str(page["body"])
    head = f'<head><meta charset="utf-8"><title>{page["title"]}</title></head>'
    return f'<!doctype html>\n<html lang="en">\n{head}\n<body>\n{page["body"]}</body>\n</html>\n'


def _around(query: str, text: str) -> str:
    """A piece of the text about the first line that shares most words with the query."""
    wanted, lines = set(words_of(query)), [line for line in text.split("\n") if line.strip()]
    best = max(range(len(lines)), key=lambda n: (len(wanted & set(words_of(lines[n]))), -n), default=0)
    piece = " ".join(" ".join(lines[best : best + 3]).split())
    return piece if len(piece) <= MAX_DESCRIPTION_CHARS else piece[: MAX_DESCRIPTION_CHARS - 1] + "…"


def _address(url: str) -> Address:
    from urllib.parse import quote, urlsplit

    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise RefusedError(f"not a URL: {clean(url)[:200]} ({error})") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RefusedError(f"not a URL that can be fetched, http or https: {clean(url)[:200]}")
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
        f"?{quote(parts.query, safe='/%:@!$&+,;=?~')}" if parts.query else ""
    )
    return Address(parts.scheme, parts.hostname, port, target)


def _request(server: Server, address: Address, url: str, max_bytes: int) -> Reply:
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    if address.host in server.hosts:
        connection = HTTPConnection("127.0.0.1", server.port())
    elif address.host in LOOPBACK:
        kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
        connection = kind(address.host, address.port)
    else:
        raise RefusedError(f"could not resolve host: {address.host}")
    try:
        host = address.host if address.port is None else f"{address.host}:{address.port}"
        connection.putrequest("GET", address.target, skip_host=True)
        for name, value in (
            ("Host", host),
            ("User-Agent", "workspace"),
            ("Accept", "*/*"),
            ("Connection", "close"),
        ):
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read(max_bytes + 1)
        is_cut = len(body) > max_bytes
        if response.length and not is_cut:
            raise RefusedError(f"the answer broke off after {len(body)} bytes: {url}")
        return Reply(response.status, response.reason, response.headers, body[:max_bytes], is_cut)
    except TimeoutError:
        raise
    except (OSError, HTTPException) as error:
        said = clean(str(getattr(error, "strerror", None) or error or type(error).__name__))[:200]
        raise RefusedError(f"no answer from {address.host}: {said}: {url}") from None


def _read(url: str, final_url: str, reply: Reply, markdown: bool) -> dict[str, Any]:
    if reply.status >= 400:
        wait = reply.headers.get("Retry-After")
        hint = f" (try again after {clean(wait)[:40]} s)" if wait else ""
        raise RefusedError(f"HTTP {reply.status} {clean(reply.reason)[:80]}{hint}: {final_url}")
    kind = clean(reply.headers.get("Content-Type", "text/plain"))[:120]
    plain = kind.partition(";")[0].strip().lower()
    if not plain.startswith(_TEXT) and not plain.endswith(_TEXT_SUFFIXES):
        raise RefusedError(f"not text but {plain} ({len(reply.body)} bytes): {final_url}")
    text = reply.body.decode(
        reply.headers.get_content_charset("utf-8") if _knows(reply) else "utf-8", "replace"
    )
    title, text = read_html(text, markdown) if plain == "text/html" else ("", clean(text))
    return {
        "url": url,
        "finalUrl": final_url,
        "status": reply.status,
        "contentType": plain,
        "title": title,
        "truncated": reply.is_cut,
        "length": len(text),
        "text": text,
    }


def _knows(reply: Reply) -> bool:
    import codecs

    try:
        codecs.lookup(reply.headers.get_content_charset("utf-8"))
    except (LookupError, ValueError):
        return False
    return True


class Server:
    """Our pages behind one port of the loopback, from the first request on."""

    def __init__(self, pages: list[dict[str, Any]]) -> None:
        self.pages = {(page["host"], page["path"]): page for page in pages}
        self.hosts = {page["host"] for page in pages}
        self._port: int | None = None

    def port(self) -> int:
        """The port that it listens on."""
        if self._port is None:
            from http.server import BaseHTTPRequestHandler
            from socketserver import TCPServer

            pages = self.pages

            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    host = self.headers.get("Host", "").partition(":")[0]
                    answer(self, pages.get((host, self.path)))

                def log_message(self, *args: object) -> None:
                    """Says nothing."""

            server = TCPServer(("127.0.0.1", 0), Handler)  # HTTPServer would look its own name up first
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self._port = int(server.server_address[1])
        return self._port


def answer(handler: Any, page: dict[str, Any] | None) -> None:  # noqa: ANN401 (a class made where it is needed)
    """Sends a page, or says that there is none."""
    if page is None:
        page = {"status": 404, "type": "text/html", "title": "Not found", "body": "<h1>Not found</h1>\n"}
    time.sleep(page.get("delay_s") or 0)
    raw = base64.b64decode(page["body"]) if page.get("base64") else document(page).encode("utf-8")
    handler.send_response(page["status"])
    handler.send_header(
        "Content-Type", page["type"] + ("; charset=utf-8" if page["type"].startswith("text/") else "")
    )
    handler.send_header("Content-Length", str(len(raw)))
    for name, value in (page.get("headers") or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(raw)
