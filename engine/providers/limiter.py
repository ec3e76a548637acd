"""An endpoint's limits, kept by all threads of a process together: first come, first served."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_WINDOW_S = 60.0
_MAX_HOLD_S = 120.0
"""No server's word keeps everybody away for longer."""


class Slot:
    """One request's place under the limits; what it took is put right when it is known."""

    def __init__(self, at: float, n_tokens: int) -> None:
        """Args: when it began, and the tokens that it is thought to take."""
        self.at = at
        self.n_tokens = n_tokens


class Limiter:
    """Gives requests their turn, so that no window of time and no moment holds more than is allowed."""

    def __init__(
        self,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        max_parallel_requests: int | None = None,
        *,
        window_s: float = _WINDOW_S,
    ) -> None:
        """Args: the limits, None for no limit; and the length of the window that "per minute" means."""
        self._max_requests = math.inf if requests_per_minute is None else requests_per_minute
        self._max_tokens = math.inf if tokens_per_minute is None else tokens_per_minute
        self._max_parallel = math.inf if max_parallel_requests is None else max_parallel_requests
        self._window_s = window_s
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._recent: deque[Slot] = deque()
        self._n_running = 0
        self._held_until = 0.0

    @contextmanager
    def turn(self, n_tokens: int, deadline: float) -> Iterator[Slot]:
        """A slot for one request, once its turn has come; the block is the request.

        Args:
            n_tokens: What the request is thought to take. One beyond the whole limit goes when all is quiet.
            deadline: Instant of `time.monotonic` at which waiting ends.

        Raises:
            TimeoutError: The turn did not come in time.
        """
        slot = self._take(n_tokens, deadline)
        try:
            yield slot
        finally:
            with self._changed:
                self._n_running -= 1
                self._changed.notify_all()

    def hold(self, seconds: float) -> None:
        """Lets nobody ask for so long: the server said so."""
        with self._changed:
            until = time.monotonic() + min(max(0.0, seconds), _MAX_HOLD_S)
            self._held_until = max(self._held_until, until)

    def _take(self, n_tokens: int, deadline: float) -> Slot:
        me = object()
        with self._changed:
            self._waiting.append(me)
            try:
                while (wait_s := self._wait_s(me, n_tokens)) > 0:
                    left_s = deadline - time.monotonic()
                    if left_s <= 0:
                        raise TimeoutError
                    self._changed.wait(min(wait_s, left_s, self._window_s))
                slot = Slot(time.monotonic(), n_tokens)
                self._recent.append(slot)
                self._n_running += 1
                return slot
            finally:
                self._waiting.remove(me)
                self._changed.notify_all()

    def _wait_s(self, me: object, n_tokens: int) -> float:
        """Seconds until it may be this one's turn; infinite until somebody else makes room."""
        if self._waiting[0] is not me or self._n_running >= self._max_parallel:
            return math.inf
        now = time.monotonic()
        while self._recent and self._recent[0].at <= now - self._window_s:
            self._recent.popleft()
        return max(self._held_until - now, self._window_wait_s(now, n_tokens))

    def _window_wait_s(self, now: float, n_tokens: int) -> float:
        """Seconds until enough of the window's requests are old enough to be forgotten."""
        n_requests, tokens = len(self._recent), sum(s.n_tokens for s in self._recent)
        wait_s = 0.0
        for slot in self._recent:
            if n_requests < self._max_requests and tokens + n_tokens <= self._max_tokens:
                break
            n_requests, tokens = n_requests - 1, tokens - slot.n_tokens
            wait_s = max(0.0, slot.at + self._window_s - now)
        return wait_s
