"""Holds the linear algebra libraries at one thread while something runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import threadpool_limits

_lock = Lock()
_holders = 0
_limits: threadpool_limits | None = None


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for every linear algebra call of this process within the block.

    For problems too small for two: the threads of an eigenvalue problem of 768 x 768 gain nothing on an idle
    machine, and on a busy one they wait for each other's turn, up to fifty times as long as one alone takes.
    The setting is the process's, so blocks of several threads count: the first sets, the last restores.
    """
    global _holders, _limits
    from threadpoolctl import threadpool_limits

    with _lock:
        if _holders == 0:
            _limits = threadpool_limits(1, user_api="blas")
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0 and _limits:
                _limits.restore_original_limits()
