"""The log of requests to models."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from engine.schema.base import utc_now
from engine.schema.request import ModelRole, RequestRecord, SentTools
from engine.store.requests import RequestLog, scan_requests


def record(attempt: int = 1) -> RequestRecord:
    return RequestRecord(
        at=utc_now(),
        role=ModelRole.AGENT,
        model="m",
        endpoint="http://127.0.0.1:1",
        endpoint_name="default",
        seed=1,
        tools=SentTools.NATIVE,
        schema_bound=False,
        attempt=attempt,
        waited_s=0.0,
        latency_s=0.1,
        n_messages=2,
        request_bytes=10,
        request_sha256="0" * 64,
    )


def test_what_was_added_is_read_back_in_order(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "run" / "requests.jsonl")
    for attempt in (1, 2, 3):
        log.add(record(attempt))
    assert [r.attempt for r in scan_requests(tmp_path / "run" / "requests.jsonl")] == [1, 2, 3]


def test_a_line_that_a_killed_writer_left_torn_costs_that_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    RequestLog(path).add(record(1))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    assert [r.attempt for r in scan_requests(path)] == [1]
    RequestLog(path).add(record(2))
    assert [r.attempt for r in scan_requests(path)] == [1, 2]


def test_many_threads_and_writers_add_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    logs = [RequestLog(path) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: logs[n % 4].add(record(n)), range(200)))
    assert sorted(r.attempt for r in scan_requests(path)) == list(range(200))


def test_without_a_log_there_is_nothing_to_read(tmp_path: Path) -> None:
    assert list(scan_requests(tmp_path / "requests.jsonl")) == []
