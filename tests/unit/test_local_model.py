"""The small model of this machine: what is said where it cannot be served, and the lines for project.toml."""

from __future__ import annotations

import importlib.util
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from engine.errors import InputError, StudioError
from engine.providers.local_model import HOST, LocalModel, chat_weights, served
from engine.schema.project import ProjectSettings, ToolMode
from engine.serve import free_port


def test_weights_that_are_not_here_are_said_with_the_command_that_fetches_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISE_CACHE", str(tmp_path))
    monkeypatch.setenv("ISE_WEIGHTS", str(tmp_path))
    with pytest.raises(StudioError, match="run 'ise-studio weights --chat'"):
        chat_weights()


@pytest.mark.parametrize("content", [None, b"", b"something else"])
def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path, content: bytes | None) -> None:
    own = tmp_path / "own.gguf"
    if content is not None:
        own.write_bytes(content)
    with pytest.raises(InputError, match=r"own\.gguf is no GGUF file"):
        chat_weights(own)


def test_a_gguf_of_ones_own_needs_no_fetched_weights(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF")
    assert chat_weights(own) == own


def test_what_cannot_be_served_is_one_line_with_the_mend(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(1000))
    installed = importlib.util.find_spec("xllamacpp") is not None
    expected = "cannot serve .*try less --context" if installed else "xllamacpp is not installed: pip install"
    with pytest.raises(StudioError, match=expected) as caught, served(LocalModel(broken, 18_099, 1, 1024)):
        pass
    assert "\n" not in str(caught.value)


def test_the_lines_for_project_toml_are_settings_that_use_the_model_for_both_sides(tmp_path: Path) -> None:
    model = LocalModel(tmp_path / "small-model.gguf", 8080, 2, 8192)
    settings = ProjectSettings(**tomllib.loads(f'name = "tried"\n{model.project_lines}'))
    assert settings.user == settings.agent == "openai:small-model@local"
    local = settings.all_endpoints["local"]
    assert (local.base_url, local.tools) == ("http://127.0.0.1:8080/v1", ToolMode.JSON)


def test_a_taken_port_is_passed_over_and_refused_where_it_was_asked_for() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port(None, first=port) > port
        with pytest.raises(InputError, match=f"port {port} .* in use"):
            free_port(port)


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_server_at_once_whatever_answer_is_being_made(asked: signal.Signals) -> None:
    code = (
        "import signal, threading, time\n"
        "from engine.providers.local_model import stay_until_ctrl_c\n"
        "def answer():\n"
        "    while signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:\n"
        "        time.sleep(0.01)\n"
        "    print('answering', flush=True)\n"
        "    time.sleep(60)\n"
        "threading.Thread(target=answer).start()\n"
        "stay_until_ctrl_c()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "answering\n"
        server.send_signal(asked)
        try:
            assert server.wait(10) == 0
        finally:
            server.kill()
