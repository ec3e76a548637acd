"""What a query must never be able to do, tried for real against the child process."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.catalog import TableFiles, refresh
from engine.errors import QueryError, QueryLimitError
from engine.query.run import run_query, select_ids
from tests.builders import make_project, make_trajectory, save_run

SECRET = "nobody-may-read-this"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TableFiles]:
    """Tables whose every byte is the same after the tests as before them."""
    root = tmp_path_factory.mktemp("hostile")
    (root / "secret.txt").write_text(SECRET)
    project = make_project(root / "project")
    save_run(project, *(make_trajectory(f"t-{n}") for n in range(20)))
    found = refresh(project)
    before = _digests(root)
    yield found
    assert _digests(root) == before, "a query changed a file"


def _digests(root: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in root.rglob("*") if p.is_file()}


WRITES = [
    "copy (select 1) to '{out}'",
    "copy trajectories to '{out}'",
    "copy (select 1 as a) to '{part}' (format parquet, use_tmp_file false)",
    "with x as (copy (select 1 as a) to '{part}' (format parquet, use_tmp_file false)) select * from x",
    "with x as (copy (select 1 as a) to '{out}') select * from x",
    "select * from (with x as (copy (select 1) to '{out}') select * from x)",
    "select * from query('with x as (copy (select 1) to ''{out}'') select * from x')",
    "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "with x as (delete from trajectories returning *) select * from x",
    "with x as (insert into trajectories (trajectory_id) values ('a') returning *) select * from x",
    "with x as (update trajectories set run_id = 'x' returning *) select * from x",
    "explain analyze copy (select 1) to '{out}'",
    "export database '{out}'",
    "attach '{out}' as other",
    "attach ':memory:' as other",
    "use memory",
    "create table t (a int)",
    "create view v as select 1",
    "create macro m() as 1",
    "create or replace view trajectories as select 1",
    "drop view trajectories",
    "delete from trajectories",
    "insert into trajectories (trajectory_id) values ('a')",
    "update trajectories set run_id = 'x'",
    "prepare p as select 1",
    "execute p",
    "begin",
    "vacuum",
    "checkpoint",
    "select * from force_checkpoint()",
    "select * from enable_logging(storage = 'file', storage_path = '{out}')",
    "select * from enable_profiling()",
]

READS = [
    "select * from read_csv('/etc/passwd')",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('{secret}')",
    "select * from read_text('{secret}')",
    "select * from read_json('{secret}')",
    "select * from read_parquet('{part}')",
    "select * from parquet_metadata('{part}')",
    "select * from parquet_scan('/etc/passwd')",
    "select * from sniff_csv('{secret}')",
    "select * from glob('/etc/*')",
    "select * from glob('*')",
    "select * from '{secret}'",
    "select * from '/etc/passwd'",
    "select * from read_text('/proc/self/environ')",
    "select * from read_csv('https://127.0.0.1/x.csv')",
    "select * from query('select 1')",
    "select * from query_table('trajectories')",
    "select * from duckdb_settings()",
    "select * from duckdb_secrets()",
    "select * from which_secret('a', 'b')",
    "select * from arrow_scan(1, 2, 3)",
    "select * from seq_scan('x')",
    "select getenv('PATH')",
    "from read_text('{secret}')",
    "select (select content from read_text('{secret}'))",
    "values ((select content from read_text('{secret}')))",
]

OTHERS = [
    "select 1; select 2",
    "select 1; drop view trajectories",
    "set memory_limit = '100GB'",
    "reset memory_limit",
    "set enable_external_access = true",
    "pragma version",
    "pragma database_list",
    "call pragma_version()",
    "install httpfs",
    "load json",
    "load '{secret}'",
    "import database '{secret}'",
    "pivot trajectories on run_id using count(*)",
    "",
    ";",
    "/* nothing",
    "select 'a\0b'",
    "select '\udc80'",
    "select " + "(" * 5000 + "1" + ")" * 5000,
    "select 1 " + "-- long" * 20_000,
]


@pytest.mark.parametrize("sql", [*WRITES, *READS, *OTHERS], ids=lambda sql: ascii(sql[:60]))
def test_a_query_that_does_more_than_read_the_tables_is_refused(tables: TableFiles, sql: str) -> None:
    part = tables.parts["trajectories"][0]
    root = part.parents[2]
    filled = sql.replace("{part}", str(part)).replace("{out}", str(root / "out"))
    filled = filled.replace("{secret}", str(root / "secret.txt"))
    with pytest.raises(QueryError) as caught:
        run_query(tables, filled)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert not (root / "out").exists()


ENDLESS = [
    "select count(*) from range(1000000) a, range(1000000) b where (a.range * b.range) % 7 = 3",
    "with recursive n as (select 1 as i union all select i + 1 from n) select count(*) from n",
    "select sum(length(regexp_replace(content || range, '(e|en)*x', ''))) from messages, range(100000000)",
]
GREEDY = [
    "select repeat('x', 2000000000)",
    "select length(repeat('x', 2000000000))",
    "select repeat(content, 100000000) from messages where role = 'system'",
    "select list(a.range || b.range) from range(100000) a, range(100000) b",
    "select count(*) from (select range as i, random() as r from range(2000000000) order by r)",
    "select array_agg(repeat('x', 100000)) from range(1000000)",
    "select string_agg(content, '') from messages, range(100000000)",
]


@pytest.mark.parametrize("sql", [*ENDLESS, *GREEDY], ids=lambda sql: sql[:60])
def test_a_query_without_end_or_measure_is_ended_at_its_bound(tables: TableFiles, sql: str) -> None:
    began = time.monotonic()
    with pytest.raises(QueryLimitError) as caught:
        run_query(tables, sql, timeout_s=2, memory_bytes=256 * 2**20)
    assert time.monotonic() - began < 4
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_result_too_large_to_carry_is_a_limit(tables: TableFiles) -> None:
    with pytest.raises(QueryLimitError, match="larger than"):
        run_query(tables, "select repeat('x', 1000000) from range(100)")


def test_no_child_outlives_its_query(tables: TableFiles) -> None:
    with pytest.raises(QueryLimitError):
        run_query(tables, ENDLESS[0], timeout_s=1)
    ours = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if not ours.exists():
        pytest.skip("the kernel does not list children")
    for pid in ours.read_text().split():
        assert b"engine.query.child" not in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize(
    "condition",
    [
        "",
        " ",
        "1=1) or (1=1",
        "true)) union select trajectory_id from trajectories --",
        "true --",
        "true\0",
        "'\udc80' = 'x'",
        "true; drop view trajectories",
        "true /*",
        "true from intents",
        "true union select true",
        "true, true",
        "true limit 1",
        "true order by 1",
        "true group by all",
        "true where false",
        "true as x",
        "*",
        "(",
        "'unfinished",
        "$1",
        "exists (with x as (copy (select 1) to '/tmp/out') select 1)",
        "exists (select * from read_text('/etc/passwd'))",
        "select true",
    ],
)
def test_a_condition_that_breaks_out_is_refused(tables: TableFiles, condition: str) -> None:
    with pytest.raises(QueryError) as caught:
        select_ids(tables, condition)
    assert "\n" not in str(caught.value)


def _has_landlock() -> bool:
    return sys.platform == "linux" and int(ctypes.CDLL(None).syscall(444, None, 0, 1)) > 0


@pytest.mark.skipif(not _has_landlock(), reason="the kernel has no Landlock")
def test_the_kernel_holds_even_where_the_gate_would_not(tables: TableFiles) -> None:
    """Runs the worst writes and reads in the child's own connection, past the check of the statement."""
    part = tables.parts["trajectories"][0]
    secret = part.parents[2] / "secret.txt"
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    script = f"""
import sys, json
sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
from engine.query.child import _connected
import duckdb, encodings.idna, signal, socket
plug = socket.socket()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
parts = json.loads({json.dumps({k: [str(p) for p in v] for k, v in tables.parts.items()})!r})
connection = _connected({{"parts": parts, "memory_bytes": 2**30, "cpu_s": 20}})
def tried(name, act):
    try:
        act()
    except (OSError, duckdb.Error) as error:
        print(name, "stopped", flush=True)
    else:
        print(name, "DONE", flush=True)
worst = "copy (select 1 as a) to '{part}' (format parquet, use_tmp_file false)"
tried("copy", lambda: connection.execute(worst).fetchall())
tried("cte", lambda: connection.execute("with x as (" + worst + ") select * from x").fetchall())
tried("append", lambda: open({str(part)!r}, "ab").write(b"x"))
tried("truncate", lambda: open({str(part)!r}, "wb"))
tried("read", lambda: open({str(secret)!r}).read())
tried("connect", lambda: plug.connect(("127.0.0.1", {port})))
print(connection.execute("select count(*) from trajectories").fetchall()[0][0], flush=True)
"""
    told = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    server.close()
    assert told.returncode == 0, told.stderr
    *tries, count = told.stdout.split("\n")[:-1]
    assert count == "20"
    assert [line for line in tries if not line.endswith("stopped")] == []
    assert len(tries) == 6
