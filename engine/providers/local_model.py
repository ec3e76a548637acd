"""A small chat model of this machine, served on loopback by llama.cpp within this process."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NoReturn

from engine.errors import InputError, StudioError
from engine.providers.chat_weights import QWEN
from engine.providers.weights import find_weights

HOST = "127.0.0.1"
N_SLOTS = 2
"""Chats that are held at once, each with a context of its own: user and agent do not evict each other."""
_READY_WITHIN_S = 120.0
_POLL_S = 0.2
_CACHE_MIB = 512
_OK = 200


@dataclass(frozen=True, slots=True)
class LocalModel:
    """What is served, and what of this machine it may use."""

    weights: Path
    """A GGUF file."""
    port: int
    n_threads: int
    context: int
    """Tokens that one chat may hold, its answer included."""

    @property
    def name(self) -> str:
        """What requests call it."""
        return self.weights.stem

    @property
    def base_url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}/v1"

    @property
    def project_lines(self) -> str:
        """What makes a project use it for both sides; the first two lines stand above the first [table]."""
        return (
            f'user = "openai:{self.name}@local"\n'
            f'agent = "openai:{self.name}@local"\n\n'
            "[endpoints.local]\n"
            f'base_url = "{self.base_url}"\n'
            'tools = "json"\n'
            "max_tokens = 512\n"
            f"max_parallel_requests = {N_SLOTS}\n"
        )


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def chat_weights(own: Path | None = None) -> Path:
    """The GGUF file to serve: the user's own, else the one that 'ise-studio weights --chat' fetched.

    Raises:
        InputError: The user's own is no GGUF file.
        StudioError: No weights are on this machine; the message says how to fetch them.
    """
    if own is not None:
        if not _is_gguf(own):
            raise InputError(f"{own} is no GGUF file: name one, or leave --weights out")
        return own
    folder = find_weights(QWEN)
    if folder is None:
        raise StudioError(f"the weights of {QWEN.name} are not on this machine: run '{QWEN.command}'")
    return folder / QWEN.weights_file


def _is_gguf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"GGUF"
    except OSError:
        return False


@contextmanager
def served(model: LocalModel) -> Iterator[LocalModel]:
    """The model, answering at its `base_url` within the block.

    Loading takes some seconds, in which Ctrl-C ends the process at once: nothing is there to clean up.

    Raises:
        StudioError: llama.cpp is not installed, cannot load the weights, or does not come to answer.
    """
    server = _start(model)
    try:
        _await_answer(model)
        yield model
    finally:
        del server


def _start(model: LocalModel) -> Any:  # noqa: ANN401 (a compiled class without types)
    try:
        import xllamacpp
    except ImportError as error:
        raise StudioError(
            "xllamacpp is not installed: pip install --constraint constraints.txt --editable '.[local-model]'"
        ) from error
    kept = signal.signal(signal.SIGINT, signal.SIG_DFL)  # the constructor never looks at Python's handlers
    try:
        return xllamacpp.Server(_parameters(xllamacpp.CommonParams(), model))
    except RuntimeError as error:
        raise StudioError(
            f"llama.cpp cannot serve {model.weights} ({error}): try less --context, or other weights"
        ) from error
    finally:
        signal.signal(signal.SIGINT, kept)


def _parameters(parameters: Any, model: LocalModel) -> Any:  # noqa: ANN401
    """The server's parameters: loopback alone, no pages, answers unreadable to other sites, no downloads."""
    parameters.model.path = str(model.weights)
    parameters.model_alias = {model.name}
    parameters.hostnames = [HOST]
    parameters.port = model.port
    parameters.cors_origins = model.base_url.removesuffix("/v1")
    parameters.offline = True
    parameters.fit_params = False  # it would read the weights once more, to fit what is set below
    parameters.ui = parameters.endpoint_slots = False
    parameters.verbosity = 0
    parameters.n_parallel = N_SLOTS
    parameters.n_ctx = N_SLOTS * model.context
    parameters.cache_ram_mib = _CACHE_MIB
    parameters.cpuparams.n_threads = model.n_threads
    parameters.cpuparams_batch.n_threads = model.n_threads
    return parameters


def _await_answer(model: LocalModel) -> None:
    """Returns once the server says that it is ready: its port opens before the weights are loaded."""
    deadline = time.monotonic() + _READY_WITHIN_S
    while not _is_ready(model.port):
        if time.monotonic() >= deadline:
            raise StudioError(f"{model.name} did not come to answer within {_READY_WITHIN_S:g} s: try again")
        time.sleep(_POLL_S)


def _is_ready(port: int) -> bool:
    connection = HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == _OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def stay_until_ctrl_c() -> NoReturn:
    """Ends this process when Ctrl-C or SIGTERM asks for it: at once, without the answers that are being made.

    Taking the server down in order would wait for them. It has no files and no other processes to leave.
    """
    ended = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: ended.set())
    ended.wait()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
