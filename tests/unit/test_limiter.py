"""An endpoint's limits under many threads."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.providers.limiter import Limiter

FAR = 60.0


def go(limiter: Limiter, n_tokens: int = 1, lasting_s: float = 0.0, within_s: float = FAR) -> float:
    """When the turn came."""
    with limiter.turn(n_tokens, time.monotonic() + within_s) as slot:
        time.sleep(lasting_s)
        return slot.at


def together(limiter: Limiter, n: int, lasting_s: float = 0.0, n_tokens: int = 1) -> list[float]:
    with ThreadPoolExecutor(n) as pool:
        return sorted(f.result() for f in [pool.submit(go, limiter, n_tokens, lasting_s) for _ in range(n)])


def test_no_window_of_time_holds_more_requests_than_allowed() -> None:
    at = together(Limiter(3, window_s=0.4), 8)
    assert all(later - earlier >= 0.4 for earlier, later in zip(at, at[3:], strict=False))


def test_no_window_of_time_holds_more_tokens_than_allowed_and_a_large_request_goes_alone() -> None:
    at = together(Limiter(tokens_per_minute=10, window_s=0.3), 4, n_tokens=5)
    assert all(later - earlier >= 0.3 for earlier, later in zip(at, at[2:], strict=False))
    limiter = Limiter(tokens_per_minute=10, window_s=0.3)
    first = go(limiter, n_tokens=1)
    assert go(limiter, n_tokens=50) - first >= 0.3


def test_what_a_request_really_took_counts_from_then_on() -> None:
    limiter = Limiter(tokens_per_minute=10, window_s=30.0)
    with limiter.turn(9, time.monotonic() + FAR) as slot:
        slot.n_tokens = 1
    go(limiter, n_tokens=9, within_s=1.0)


def test_no_more_requests_run_at_once_than_allowed() -> None:
    at = together(Limiter(max_parallel_requests=2), 6, lasting_s=0.2)
    assert all(later - earlier >= 0.19 for earlier, later in zip(at, at[2:], strict=False))


def test_who_comes_first_goes_first() -> None:
    limiter, order = Limiter(max_parallel_requests=1), []

    def wait(number: int) -> None:
        with limiter.turn(1, time.monotonic() + FAR):
            order.append(number)

    with ThreadPoolExecutor(8) as pool, limiter.turn(1, time.monotonic() + FAR):
        for number in range(8):
            pool.submit(wait, number)
            time.sleep(0.05)
    assert order == list(range(8))


def test_waiting_ends_at_the_deadline_and_the_next_in_line_moves_up() -> None:
    limiter = Limiter(max_parallel_requests=1)
    with ThreadPoolExecutor(2) as pool:
        with limiter.turn(1, time.monotonic() + FAR):
            late = pool.submit(go, limiter, within_s=0.2)
            time.sleep(0.05)
            patient = pool.submit(go, limiter)
            with pytest.raises(TimeoutError):
                late.result()
        assert patient.result()


def test_what_the_server_said_holds_everybody() -> None:
    limiter = Limiter()
    began = time.monotonic()
    limiter.hold(0.3)
    assert go(limiter) - began >= 0.29


def test_without_limits_nobody_waits() -> None:
    at = together(Limiter(), 20)
    assert at[-1] - at[0] < 5
