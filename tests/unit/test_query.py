from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog import TableFiles, refresh
from engine.errors import QueryError, QueryLimitError, StudioError
from engine.query.child import plain
from engine.query.run import run_query, select_ids
from tests.builders import (
    make_call,
    make_intent,
    make_project,
    make_trajectory,
    make_turn,
    save_intents,
    save_run,
)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> TableFiles:
    project = make_project(tmp_path_factory.mktemp("query") / "it's a project")
    failed = make_turn(make_call(call_id="1", exit_code=1), make_call(call_id="2"))
    save_run(project, make_trajectory("t-1"), make_trajectory("t-2", failed), make_trajectory("t-3"))
    save_intents(project, make_intent())
    return refresh(project)


def test_a_query_gives_columns_rows_and_whether_there_was_more(tables: TableFiles) -> None:
    found = run_query(tables, "select trajectory_id, domains from trajectories order by 1", max_rows=2)
    assert found.columns == ["trajectory_id", "domains"]
    assert found.rows == [["t-1", ["file-management"]], ["t-2", ["file-management"]]]
    assert found.truncated
    assert not run_query(tables, "from trajectories", max_rows=3).truncated


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("timestamp '2026-03-02 12:00:00'", "2026-03-02T12:00:00"),
        ("date '2026-03-02'", "2026-03-02"),
        ("timestamptz '2026-03-02 12:00:00+02'", "2026-03-02 10:00:00+00"),
        ("[timestamptz '2026-03-02 12:00:00+02']", "['2026-03-02 10:00:00+00']"),
        ("1.25::decimal(9, 2)", 1.25),
        ("'nan'::double", None),
        ("['inf'::double, 1.5::double]", [None, 1.5]),
        ("'a\\x00\\xff'::blob", "6100ff"),
        ("170141183460469231731687303715884105727::hugeint", 2**127 - 1),
        ("{'a': 1, 'b': [date '2026-01-01']}", {"a": 1, "b": ["2026-01-01"]}),
        ("map {1: 'x'}", {"1": "x"}),
        ("interval 90 minutes", "1:30:00"),
        ("uuid '00000000-0000-0000-0000-000000000001'", "00000000-0000-0000-0000-000000000001"),
        ("true", True),
        ("null", None),
    ],
)
def test_values_come_back_as_json_can_say_them(tables: TableFiles, expression: str, expected: object) -> None:
    found = run_query(tables, f"select {expression}")
    assert found.rows == [[expected]]
    json.dumps(found.rows, allow_nan=False)


@pytest.mark.parametrize(
    "sql",
    [
        "select 1;",
        "select 1 -- why not",
        "with recursive n as (select 1 as i union all select i + 1 from n where i < 3) select max(i) from n",
        "describe trajectories",
        "show tables",
        "summarize runs",
        "from range(3)",
        "select unnest([1, 2])",
        "select now(); -- zoned",
        "select * from intents join trajectories using (intent_id)",
        'select "a b" from (select 1 as "a b")',
    ],
)
def test_reading_statements_of_every_shape_run(tables: TableFiles, sql: str) -> None:
    assert run_query(tables, sql).rows


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select nothing from trajectories", "nothing"),
        ("selec 1", "syntax error"),
        ("select * from nowhere", "nowhere"),
        ("select 'x'::int", "Conversion"),
        ("", "one SELECT"),
    ],
)
def test_a_wrong_query_is_told_in_one_line(tables: TableFiles, sql: str, told: str) -> None:
    with pytest.raises(QueryError) as caught:
        run_query(tables, sql)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_condition_selects_ids(tables: TableFiles) -> None:
    assert select_ids(tables, "n_failed_calls > 0") == ["t-2"]
    assert select_ids(tables, "true or false") == ["t-1", "t-2", "t-3"]
    assert select_ids(tables, "trajectory_id in (select trajectory_id from tool_calls where failed)") == [
        "t-2"
    ]
    assert select_ids(tables, "tool = 'exec'", "tool_calls") == ["t-1", "t-2", "t-3"]
    assert len(select_ids(tables, "kept and utterance like '%(;--%' is false", "intents")) == 1
    assert select_ids(tables, "run_id = 'run-1'", "runs") == ["run-1"]
    with pytest.raises(QueryError, match="there is no table"):
        select_ids(tables, "true", "pg_class")


def test_tables_that_went_away_are_told_of(tables: TableFiles, tmp_path: Path) -> None:
    gone = TableFiles({**tables.parts, "runs": (tmp_path / "gone.parquet",)})
    with pytest.raises(StudioError, match="run it again"):
        run_query(gone, "select 1")


_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.dates()
    | st.uuids()
)


@settings(max_examples=200)
@given(st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.integers(), inner)))
def test_every_value_becomes_strict_json(value: object) -> None:
    text = json.dumps(plain(value), allow_nan=False)
    assert plain(json.loads(text)) == json.loads(text)


def _child_at_work() -> int:
    """The pid of the query child that this process has, as soon as it computes."""
    for _ in range(300):
        for children in Path("/proc/self/task").glob("*/children"):
            for pid in children.read_text().split():
                if b"query.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return int(pid)
        time.sleep(0.01)
    raise AssertionError("no query child was seen")


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_a_query_that_the_kernel_kills_is_not_told_as_slow(tables: TableFiles) -> None:
    told: list[BaseException] = []

    def ask() -> None:
        try:
            run_query(tables, "select count(*) from range(100000) a, range(100000) b, range(1000) c")
        except StudioError as error:
            told.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    os.kill(_child_at_work(), signal.SIGKILL)
    asker.join()
    assert isinstance(told[0], QueryLimitError)
    assert "out of memory" in str(told[0])
