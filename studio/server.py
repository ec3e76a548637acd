"""The studio's server: `python -m studio.server PORT [--open]`, on 127.0.0.1 alone.

It is Streamlit with the libraries of the first page loaded while it starts, so that the first visitor does
not wait for the imports. Start it in the folder whose `.streamlit/config.toml` is the studio's.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path

HOST = "127.0.0.1"
APP = Path(__file__).resolve().parent / "app.py"
_OPEN_WITHIN_S = 30.0
_FIRST_PAGE = (
    "duckdb",
    "polars",
    "plotly.graph_objects",
    "scipy.linalg",
    "engine.catalog",
    "engine.pipeline",
    "engine.runs",
    "studio.cached",
    "studio.widgets.charts",
    "studio.widgets.facts",
    "studio.widgets.frame",
    "studio.widgets.run_panel",
)


def main() -> None:
    """Serves until it is interrupted."""
    from streamlit.web.cli import main as streamlit

    port, *options = sys.argv[1:]
    threading.Thread(target=_load_first_page, daemon=True).start()
    if "--open" in options:
        threading.Thread(target=_open_when_ready, args=(f"http://{HOST}:{port}",), daemon=True).start()
    # What no configuration file elsewhere may change; the rest stands in config.toml.
    flags = [f"--server.port={port}", f"--server.address={HOST}", "--server.headless=true"]
    streamlit(["run", str(APP), *flags, "--browser.gatherUsageStats=false"], prog_name="streamlit")


def _load_first_page() -> None:
    for name in _FIRST_PAGE:
        importlib.import_module(name)


def _open_when_ready(address: str) -> None:
    deadline = time.monotonic() + _OPEN_WITHIN_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1):
                webbrowser.open(address)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)


if __name__ == "__main__":
    main()
