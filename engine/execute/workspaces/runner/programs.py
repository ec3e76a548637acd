"""The programs that come with a workspace, each run as a process of its own, like a command.

A program is a function that is forked off this one: it answers with one JSON object on its standard output,
or says on its standard error why not and ends with code 1.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

from .files import shown
from .shell import Started, first_to_go


class RefusedError(Exception):
    """What was asked for cannot be had; says why."""


def start(program: Callable[[], dict[str, Any]], timeout_s: float) -> Started:
    """Forks a process that runs `program`, with an alarm after `timeout_s`."""
    out, out_w = os.pipe()
    err, err_w = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            _run(program, timeout_s, out_w, err_w)
    except OSError:
        os.close(out)
        os.close(err)
        raise
    finally:
        os.close(out_w)
        os.close(err_w)
    first_to_go(pid)
    return Started(pid, out, err)


def _run(program: Callable[[], dict[str, Any]], timeout_s: float, out: int, err: int) -> None:
    """Runs the program in the child; does not return. The frames to the host are closed before all else."""
    code = 2
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.closerange(3, 4096)
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, _too_late)
        signal.setitimer(signal.ITIMER_REAL, timeout_s)
        code = _answer(program, timeout_s)
    finally:
        os._exit(code)


def _answer(program: Callable[[], dict[str, Any]], timeout_s: float) -> int:
    try:
        answer = json.dumps(program(), ensure_ascii=False).encode("utf-8", "backslashreplace")
        fd, code = 1, 0
    except RefusedError as error:
        answer, fd, code = str(error).encode("utf-8", "backslashreplace"), 2, 1
    except TimeoutError:
        answer, fd, code = f"timed out after {timeout_s:g} s".encode(), 2, 1
    except Exception as error:  # noqa: BLE001 (whatever it is, it must be told, and the runner must go on)
        answer, fd, code = shown(f"{type(error).__name__}: {error}").encode(), 2, 2
    view = memoryview(answer)
    while view:
        view = view[os.write(fd, view) :]
    return code


def _too_late(number: int, frame: object) -> None:
    raise TimeoutError
