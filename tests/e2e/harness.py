"""The studio in a real browser: a server of its own, a page that notes every request and every error."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("ISE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# What is expected is waited for: the usual five seconds are short where two tests share two cores.
expect.set_options(timeout=30_000)
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'


@contextmanager
def served(project: Path) -> Iterator[str]:
    """The address of a studio over `project`, served until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = subprocess.Popen(
        [sys.executable, "-m", "studio.server", str(port)],
        cwd=REPOSITORY,
        env={**os.environ, "ISE_PROJECT": str(project)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_until_healthy(address: str, server: subprocess.Popen[bytes], within_s: float = 40.0) -> None:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server ended at once"
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError("the server did not become healthy")


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless Chromium."""
    assert CHROMIUM, "no chromium on this machine"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page of the studio, with what it asked of the network and what went wrong in it."""

    page: Page
    address: str
    hosts: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, page: Page, address: str) -> Watched:
        """Begins to note."""
        watched = cls(page, address)
        page.on("request", lambda request: watched.hosts.add(urlsplit(request.url).netloc))
        page.on("websocket", lambda socket: watched.hosts.add(urlsplit(socket.url).netloc))
        page.on("pageerror", lambda error: watched.problems.append(str(error)))
        page.on("dialog", lambda dialog: watched.problems.append(f"a dialog opened: {dialog.message}"))
        page.on("console", watched._note)
        return watched

    def _note(self, message: ConsoleMessage) -> None:
        """Streamlit looks for its own health address below the page's path first: those two answer 404."""
        url = str(message.location.get("url", ""))
        if message.type == "error" and not url.endswith(("/_stcore/health", "/_stcore/host-config")):
            self.problems.append(f"{message.text} {url}")

    @property
    def foreign_hosts(self) -> set[str]:
        """Hosts beside the studio's own that anything was asked of."""
        return self.hosts - {urlsplit(self.address).netloc, ""}

    def open(self, path: str = "") -> Page:
        """Opens a view and waits until it is drawn."""
        self.page.goto(f"{self.address}/{path}")
        self.page.get_by_test_id("stSidebarNav").wait_for(timeout=30_000)
        self.settle()
        return self.page

    def settle(self) -> None:
        """Waits until the app has taken in the last action and has drawn what follows.

        Each kind of element loads its code when it is first drawn, so the script can have ended while a
        button is still a grey bar that hears no key; and a drawn one hears keys only in the next idle moment.
        """
        self.page.wait_for_timeout(350)
        self.page.wait_for_selector(IDLE, timeout=60_000)
        expect(self.page.get_by_test_id("stSkeleton").filter(visible=True)).to_have_count(0)
        self.page.evaluate("() => new Promise((done) => requestIdleCallback(done, { timeout: 10000 }))")
        self.page.wait_for_timeout(150)

    def press(self, key: str, button: str | re.Pattern[str]) -> None:
        """Presses the shortcut of a button, once that button can hear it."""
        expect(self.page.get_by_role("button", name=button)).to_be_enabled()
        self.settle()
        self.page.keyboard.press(key)


@contextmanager
def watched(browser: Browser, address: str) -> Iterator[Watched]:
    """A fresh page; at its end it must have asked nothing of a foreign host and met no error."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = Watched.of(context.new_page(), address)
    yield page
    context.close()
    assert not page.foreign_hosts, f"requests to foreign hosts: {page.foreign_hosts}"
    assert not page.problems, page.problems


def type_into_cell(page: Page, *, column: int, row: int, text: str) -> None:
    """Types into a cell of the visible grid, `column` pixels from its left.

    Cells are drawn on a canvas, so the pointer must find them: 35 pixels of header, 33 a row.
    """
    grid = page.get_by_test_id("stDataFrame").filter(visible=True)
    grid.locator("canvas").first.wait_for()
    page.wait_for_timeout(700)
    box = grid.bounding_box()
    assert box is not None, "no grid is on the screen"
    page.mouse.dblclick(box["x"] + column, box["y"] + 52 + 33 * row)
    editor = page.locator("#portal textarea, #portal input")
    editor.wait_for()
    page.keyboard.press("Control+A")
    page.keyboard.type(text, delay=10)
    expect(editor).to_have_value(text)
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
