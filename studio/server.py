"""The studio's server: Streamlit with the libraries of the first page loaded while it starts.

`python -m studio.server [STREAMLIT FLAGS]`. Without this the first visitor waits for the imports.
"""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path

APP = Path(__file__).resolve().parent / "app.py"
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

    threading.Thread(target=_load_first_page, daemon=True).start()
    streamlit(["run", str(APP), *sys.argv[1:]], prog_name="streamlit")


def _load_first_page() -> None:
    for name in _FIRST_PAGE:
        importlib.import_module(name)


if __name__ == "__main__":
    main()
