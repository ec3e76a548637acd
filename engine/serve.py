"""Hands over to the studio's server, on 127.0.0.1, for one project."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from typing import NoReturn

from engine.errors import InputError, StudioError
from engine.paths import streamlit_home
from engine.store import Project

HOST = "127.0.0.1"
DEFAULT_PORT = 8501
_PORTS_TRIED = 50


def serve_studio(project: Project, port: int | None) -> NoReturn:
    """Becomes the studio's server: it ends when this process ends, and no earlier.

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
    environment = {**os.environ, "ISE_PROJECT": str(project.root.resolve())}
    command = [sys.executable, "-m", "studio.server", str(chosen), *(["--open"] if _has_screen() else [])]
    sys.stderr.write(f"the studio is at http://{HOST}:{chosen} (Ctrl-C ends it; runs go on)\n")
    sys.stderr.flush()
    # Streamlit reads .streamlit/config.toml of the folder that it is started in, and greets on stdout.
    os.chdir(streamlit_home())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.execve(sys.executable, command, environment)


def free_port(port: int | None, first: int = DEFAULT_PORT) -> int:
    """The wanted port if it is free; without a wish the first free one from `first` on.

    Raises:
        InputError: The wanted port, or all that were tried, are in use.
    """
    if port is not None:
        if not _is_free(port):
            raise InputError(f"port {port} on {HOST} is in use: choose another with --port")
        return port
    for candidate in range(first, first + _PORTS_TRIED):
        if _is_free(candidate):
            return candidate
    raise InputError(f"ports {first} to {candidate} are in use: choose one with --port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _has_screen() -> bool:
    shown = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin"
    return bool(shown) and sys.stderr.isatty()
