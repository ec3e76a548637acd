"""A view as AppTest runs it: the whole app over a project, no browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

APP = Path(__file__).resolve().parents[2] / "studio" / "app.py"

Open = Callable[..., AppTest]
"""Called with the project's folder, the view's name and parameters of its address."""


def open_app(view: str, parameters: dict[str, str]) -> AppTest:
    """The app at a view, run once; ISE_PROJECT names the project."""
    app = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in parameters.items():
        app.query_params[name] = value
    if view != "overview":
        app.switch_page(f"views/{view}.py")
    return app.run()
