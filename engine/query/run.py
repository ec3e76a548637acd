"""Runs one user query in a child process of its own, bounded in time, memory and reach."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import QueryError, QueryLimitError, StudioError, one_line
from engine.query.files import TableFiles

MAX_IDS = 5_000_000

_KEYS = {"intents": "intent_id", "runs": "run_id"}
"""The column that names a row of a table; every other table is about trajectories."""
_START = "import sys; sys.path.insert(0, sys.argv[1]); from engine.query.child import main; main()"
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query gave. Values are plain JSON values."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    """True where there were more rows than were asked for."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    max_rows: int
    timeout_s: float
    memory_bytes: int


def run_query(
    tables: TableFiles, sql: str, *, max_rows: int = 1000, timeout_s: float = 10.0, memory_bytes: int = 2**30
) -> QueryResult:
    """The rows of one SELECT over the tables.

    Args:
        tables: What the query may see.
        sql: Exactly one SELECT, from anyone.
        max_rows: At most this many rows come back.
        timeout_s: Wall time of the whole query, the child's start included.
        memory_bytes: What the query may take.

    Raises:
        QueryError: The query is wrong, or none that may run.
        QueryLimitError: It was ended at a bound.
    """
    return _run(tables, {"sql": sql}, _Bounds(max_rows, timeout_s, memory_bytes))


def select_ids(
    tables: TableFiles,
    where: str,
    table: str = "trajectories",
    *,
    timeout_s: float = 30.0,
    memory_bytes: int = 2**30,
) -> list[str]:
    """The ids of the rows of `table` that a user's SQL condition selects, in order, each once.

    These are trajectory ids, but for the tables intents and runs.

    Raises:
        QueryError: The condition is no single SQL expression, or a wrong one.
        QueryLimitError: It was ended at a bound.
    """
    if table not in tables.parts:
        raise QueryError(
            f"there is no table {one_line(table, 60)!r}: the tables are {', '.join(tables.parts)}"
        )
    request = {"condition": where, "table": table, "key": _KEYS.get(table, "trajectory_id")}
    found = _run(tables, request, _Bounds(MAX_IDS, timeout_s, memory_bytes))
    if found.truncated:
        raise QueryLimitError(f"the condition selects more than {MAX_IDS} rows: narrow it")
    return [row[0] for row in found.rows if row[0] is not None]


def _run(tables: TableFiles, request: Mapping[str, Any], bounds: _Bounds) -> QueryResult:
    _check_text(request.get("sql") or request.get("condition") or "")
    parts = {name: [str(p.resolve()) for p in paths] for name, paths in tables.parts.items()}
    whole = {
        **request,
        "parts": parts,
        "max_rows": bounds.max_rows,
        "memory_bytes": bounds.memory_bytes,
        "cpu_s": math.ceil(bounds.timeout_s) + 1,
    }
    answer, complaint, code = _ask_child(json.dumps(whole).encode(), bounds.timeout_s)
    try:
        found: dict[str, Any] = json.loads(answer)
    except ValueError as error:
        raise _death(complaint, code, bounds) from error
    if "error" in found:
        raise _error(found, bounds)
    return QueryResult(found["columns"], found["rows"], found["truncated"])


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise QueryError("the query holds bytes that are no UTF-8: write it anew") from error
    if "\0" in text:
        raise QueryError("the query holds a NUL character: remove it")


def _ask_child(request: bytes, timeout_s: float) -> tuple[bytes, bytes, int]:
    """The child's stdout, stderr and exit code; it is dead when this returns."""
    child = subprocess.Popen(
        [sys.executable, "-I", "-c", _START, str(_ROOT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        cwd="/",
    )
    try:
        answer, complaint = child.communicate(request, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise QueryLimitError(f"the query was ended after {timeout_s:g} s: narrow it") from error
    finally:
        child.kill()
        child.communicate()
    return answer, complaint, child.returncode


def _error(found: Mapping[str, Any], bounds: _Bounds) -> StudioError:
    """The error that the child told of."""
    message = one_line(str(found.get("message", "")).split("\nLINE ")[0])
    match found["error"]:
        case "memory":
            return _out_of_memory(bounds)
        case "output":
            return QueryLimitError(f"the result is {message}: select fewer columns or rows")
        case "tables":
            return StudioError(f"the tables changed under the query: run it again ({message})")
        case "refused":
            return QueryError(message)
        case _:
            return QueryError(f"the query is wrong: {message}")


def _death(complaint: bytes, code: int, bounds: _Bounds) -> StudioError:
    """The error for a child that died without an answer."""
    if code == -signal.SIGKILL:
        return QueryLimitError(
            "the query was killed from outside, most likely because this machine ran out of memory: narrow it"
        )
    if code == -signal.SIGXCPU:
        return QueryLimitError(
            f"the query was ended after {bounds.timeout_s:g} s of processor time: narrow it"
        )
    told = complaint.decode("utf-8", errors="replace").strip()
    if code < 0 or "bad_alloc" in told or "MemoryError" in told:
        return _out_of_memory(bounds)
    last = told.splitlines()[-1] if told else f"exit code {code}"
    return StudioError(f"the query process failed: {one_line(last)}: 'ise-studio doctor' checks the install")


def _out_of_memory(bounds: _Bounds) -> QueryLimitError:
    mib = bounds.memory_bytes // 2**20
    return QueryLimitError(f"the query was ended: it needs more than its {mib} MiB of memory: narrow it")
