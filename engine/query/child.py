"""The process that runs one user query and ends. It imports as little as it can, to start fast.

It bounds itself (memory, processor time, no file may grow, no core), opens the tables, gives up everything
else, looks at the query, runs it, and writes one JSON value. The parent ends it at the deadline.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from engine.query.files import view_statements
from engine.query.gate import RefusedError, check_condition, check_select
from engine.query.landlock import forbid_reading_but, forbid_writing

if TYPE_CHECKING:
    import duckdb

MAX_OUTPUT_CHARS = 64 * 2**20
_ZONED = "WITH TIME ZONE"
"""A column of such a type is fetched as text: Python would need a package to hold it."""


def main() -> None:
    """Reads the request from stdin, answers on stdout, and leaves without tidying up."""
    request = json.load(sys.stdin)
    try:
        text = json.dumps(_answer(request), allow_nan=False)
    except MemoryError:
        text = json.dumps({"error": "memory"})
    if len(text) > MAX_OUTPUT_CHARS:
        text = json.dumps({"error": "output", "message": f"larger than {MAX_OUTPUT_CHARS // 2**20} MiB"})
    sys.stdout.write(text)
    sys.stdout.flush()
    os._exit(0)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    import duckdb

    try:
        connection = _connected(request)
    except duckdb.Error as error:
        return {"error": "tables", "message": str(error)}
    try:
        sql = _checked_sql(connection, request)
        return _result(connection, sql, request["max_rows"])
    except RefusedError as error:
        return {"error": "refused", "message": str(error)}
    except duckdb.OutOfMemoryException:
        return {"error": "memory"}
    except duckdb.Error as error:
        return {"error": "wrong", "message": str(error)}


def _connected(request: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    """A connection that sees the tables' files and nothing else, in a process that can do nothing else."""
    import duckdb

    parts: dict[str, list[str]] = request["parts"]
    files = sorted({path for paths in parts.values() for path in paths})
    forbid_writing()  # before DuckDB starts the threads that would write
    memory_bytes = request["memory_bytes"]
    connection = duckdb.connect(config={"threads": 1, "memory_limit": f"{memory_bytes // 3}B"})
    connection.execute("set timezone = 'UTC'")
    for statement in view_statements(parts):
        connection.execute(statement)
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in files)
    for setting in (
        f"allowed_paths = [{listed}]",
        "temp_directory = ''",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "python_enable_replacements = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"set {setting}")
    _bound(memory_bytes, request["cpu_s"])
    forbid_reading_but({Path(path).parent for path in files})
    return connection


def _bound(memory_bytes: int, cpu_s: int) -> None:
    """Bounds of the kernel. The memory is what the query may take beyond what the process has mapped.

    Where there is no /proc to read that from, DuckDB's own limit stands alone.
    """
    statm = Path("/proc/self/statm")
    if statm.exists():
        mapped_bytes = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped_bytes + memory_bytes,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))  # at the second, a KILL that says nothing
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _checked_sql(connection: duckdb.DuckDBPyConnection, request: dict[str, Any]) -> str:
    """The SELECT to run: the user's own, or the one around the user's condition.

    Raises:
        RefusedError: The query is none that may run, the condition no single expression.
        duckdb.Error: It cannot be parsed.
    """
    import duckdb

    condition = request.get("condition")
    if condition is None:
        check_select(connection, request["sql"])
        return str(request["sql"])
    check_condition(connection, condition)
    sql = f"select distinct {request['key']} from {request['table']} where ({condition}) order by 1"
    try:
        check_select(connection, sql)
    except duckdb.ParserException as error:
        raise RefusedError("the condition must be one SQL expression without a comment at its end") from error
    return sql


def _result(connection: duckdb.DuckDBPyConnection, sql: str, max_rows: int) -> dict[str, Any]:
    columns = connection.execute(sql).description or []
    types = [str(column[1]) for column in columns]
    if any(_ZONED in kind for kind in types):
        connection.abort()
        connection.execute(_without_zones(connection, sql, types))
    rows = connection.fetchmany(max_rows + 1)
    return {
        "columns": [column[0] for column in columns],
        "rows": [[plain(value) for value in row] for row in rows[:max_rows]],
        "truncated": len(rows) > max_rows,
    }


def _without_zones(connection: duckdb.DuckDBPyConnection, sql: str, types: list[str]) -> str:
    """The query with its zoned columns as text; written anew from its parsed form, so that it nests."""
    written = "select json_deserialize_sql(json_serialize_sql(?::varchar)::json)"
    (inner,) = connection.execute(written, [sql]).fetchall()[0]
    picks = (f"#{n}::varchar" if _ZONED in kind else f"#{n}" for n, kind in enumerate(types, start=1))
    return f"select {', '.join(picks)} from ({inner})"


def plain(value: object) -> Any:  # noqa: ANN401
    """The value as JSON can say it: instants in ISO form, bytes in hex, what is not finite as null."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | Decimal):
        return float(value) if isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return _plain_rest(value)


def _plain_rest(value: object) -> Any:  # noqa: ANN401
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta | UUID):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)
