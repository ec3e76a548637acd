"""Serves the studio: Streamlit in a process of its own, on 127.0.0.1, with the project's configuration."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import webbrowser

from engine.errors import InputError, StudioError
from engine.paths import streamlit_home
from engine.store import Project

HOST = "127.0.0.1"
DEFAULT_PORT = 8501
_PORTS_TRIED = 50
_OPEN_WITHIN_S = 30.0


def serve_studio(project: Project, port: int | None) -> int:
    """Serves the studio until it is interrupted; gives its exit code.

    Args:
        project: The project that it opens.
        port: None takes 8501, or the next free one.

    Raises:
        InputError: The port is in use.
        StudioError: The studio is not installed.
    """
    chosen = free_port(port)
    if importlib.util.find_spec("studio") is None:
        raise StudioError("the studio is not installed beside the engine: reinstall ise-studio")
    command = [sys.executable, "-m", "studio.server", *_flags(chosen)]
    environment = {**os.environ, "ISE_PROJECT": str(project.root.resolve())}
    sys.stderr.write(f"the studio is at http://{HOST}:{chosen} (Ctrl-C ends it; runs go on)\n")
    # Streamlit reads .streamlit/config.toml of the folder that it is started in.
    server = subprocess.Popen(
        command,
        env=environment,
        cwd=streamlit_home(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    if _has_screen():
        threading.Thread(target=_open_when_ready, args=(chosen,), daemon=True).start()
    try:
        return server.wait()
    except KeyboardInterrupt:
        server.terminate()
        server.wait()
        return 0


def free_port(port: int | None) -> int:
    """The wanted port if it is free; without a wish the first free one from 8501 on.

    Raises:
        InputError: The wanted port, or all that were tried, are in use.
    """
    if port is not None:
        if not _is_free(port):
            raise InputError(f"port {port} on {HOST} is in use: choose another with --port")
        return port
    for candidate in range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED):
        if _is_free(candidate):
            return candidate
    raise InputError(f"ports {DEFAULT_PORT} to {candidate} are in use: choose one with --port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _flags(port: int) -> list[str]:
    """What no configuration file elsewhere may change; the rest stands in the packaged config.toml."""
    return [
        f"--server.port={port}",
        f"--server.address={HOST}",
        "--server.headless=true",
        "--browser.gatherUsageStats=false",
    ]


def _has_screen() -> bool:
    shown = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin"
    return bool(shown) and sys.stderr.isatty()


def _open_when_ready(port: int) -> None:
    deadline = time.monotonic() + _OPEN_WITHIN_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/_stcore/health", timeout=1):
                webbrowser.open(f"http://{HOST}:{port}")
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
